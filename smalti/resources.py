"""What a run has cost so far."""

import os
import sys
import time


class Stopwatch:
    """Wall seconds by phase: each call ends one."""

    def __init__(self) -> None:
        self._begin = self._last = time.perf_counter()
        self._seconds: dict[str, float] = {}

    def __call__(self, phase: str) -> None:
        """End a phase."""
        now = time.perf_counter()
        self._seconds[phase] = self._seconds.get(phase, 0.0) + now - self._last
        self._last = now

    def seconds(self) -> dict[str, float]:
        """Seconds of every phase, and ``total``."""
        spent = {**self._seconds, "total": self._last - self._begin}
        return {phase: round(value, 3) for phase, value in spent.items()}


def peak_mb() -> float | None:
    """Largest resident size of this process so far, MB; None where it is not known."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1e6 if sys.platform == "darwin" else 1e3), 1)


def resident_mb() -> float:
    """Resident size of this process now, MB; its largest so far where only that is known."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            pages = int(file.read().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
    except (OSError, ValueError, IndexError):
        return peak_mb() or 0.0
