"""What worker processes are made to do in tests: work, and every way to go down over it.

They are started with the path of the tests, so that they can import this.
"""

import ctypes
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from smalti.core.library import _look_at
from smalti.core.picture import MAX_PIXELS
from smalti.core.source import Source


def segfault() -> None:
    ctypes.string_at(0)


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def hog() -> None:
    kept = []
    while True:
        kept.append(bytes(100_000_000))


def hang() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # as a library deep in C would
    while True:
        time.sleep(1000)


FAULTS: dict[str, Callable[[], None]] = {f.__name__: f for f in (segfault, kill, hog, hang)}


def learn(source: Source) -> bytes:
    """Look at a photo as a scan does; a file may instead hold the name of a fault."""
    word = Path(source.file).read_bytes()[:20]
    if (fault := FAULTS.get(word.decode("latin-1"))) is not None:
        fault()
    return _look_at(source, max_pixels=MAX_PIXELS)


def once(mark: tuple[str, str]) -> int:
    """Go down the first time, and leave a mark that it did."""
    file, fault = mark
    if fault and not Path(file).exists():
        Path(file).touch()
        FAULTS[fault]()
    return os.getpid()


def always(fault: str) -> str:
    if fault:
        FAULTS[fault]()
    return fault


def slow(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def length(data: bytes) -> int:
    time.sleep(0.5)
    return len(data)


def fail(value: int) -> None:
    raise ValueError(f"no {value}")


class Odd(Exception):
    """An error that cannot be unpacked."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__("odd")


def odd(_: int) -> None:
    raise Odd(1, 2)


def threads(_: int) -> dict[str, int]:
    """Count the threads that each numeric library of a worker uses."""
    import numba
    import numpy as np

    a = np.ones((600, 600))
    begin, used = time.perf_counter(), time.process_time()
    while time.perf_counter() < begin + 0.3:
        a = a @ np.eye(600)
    busy = (time.process_time() - used) / (time.perf_counter() - begin)
    return {
        "numba": numba.get_num_threads(),
        "environment": int(os.environ["OMP_NUM_THREADS"]),
        "cores kept busy": max(1, round(busy)),  # less than one on a busy machine
        "all": len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 0,
    }
