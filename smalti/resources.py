"""What a run has cost so far, and what one will."""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """How large a picture will be, and what making it takes.

    Attributes
    ----------
    size : (int, int)
        Width and height, px.
    memory_mb, disk_mb, seconds : float
        Estimates; the seconds are those of one core.
    """

    size: tuple[int, int]
    memory_mb: float
    disk_mb: float
    seconds: float

    def needs(self, dpi: float) -> dict[str, Any]:
        """Return the numbers as they are printed, those of the print too."""
        width, height = self.size
        return {
            "width": width,
            "height": height,
            "width_cm": round(width * 2.54 / dpi, 1),
            "height_cm": round(height * 2.54 / dpi, 1),
            "memory_mb": round(self.memory_mb),
            "disk_mb": round(self.disk_mb, 2),
            "seconds": round(self.seconds, 1),
        }


class Stopwatch:
    """Seconds by phase, of the wall or of another clock: each call ends one."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._begin = self._last = clock()
        self._seconds: dict[str, float] = {}

    def __call__(self, phase: str) -> None:
        """End a phase."""
        now = self._clock()
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
