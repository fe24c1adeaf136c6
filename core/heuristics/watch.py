"""Limits of a search, and the trace of how its total fell."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smalti.core.progress import Progress, Step


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """How the total cost fell.

    Attributes
    ----------
    evaluations : ndarray of shape (s,), int64
        Costs of a cell and a group looked at so far, whether computed or looked up.
    seconds : ndarray of shape (s,), float64
        CPU seconds of the searching thread.
    total : ndarray of shape (s,), float64
        Cost of all cells, in units of the metric.
    """

    evaluations: NDArray[np.int64]
    seconds: NDArray[np.float64]
    total: NDArray[np.float64]


class Watch:
    """What has been spent of the limits, and the trace of it; its clocks start at once.

    Parameters
    ----------
    evaluations : int or None
        How many may be made.
    time_limit : float or None
        Wall seconds from now.
    progress : callable
    text : str
        What is being done, for people.

    Attributes
    ----------
    spent : int
        Evaluations made.
    interrupted : bool
        Whether Ctrl-C was heard.
    """

    def __init__(
        self, evaluations: int | None, time_limit: float | None, progress: Progress, text: str
    ) -> None:
        self.evaluations, self.time_limit = evaluations, time_limit
        self.spent = 0
        self.interrupted = False
        self._progress, self._text = progress, text
        self._begin, self._cpu = time.monotonic(), time.thread_time()
        self._points: list[tuple[int, float, float]] = []

    @property
    def left(self) -> int:
        """Evaluations that may still be made."""
        return 1 << 62 if self.evaluations is None else max(0, self.evaluations - self.spent)

    @property
    def over(self) -> bool:
        """Whether a limit is reached, or Ctrl-C was heard."""
        late = self.time_limit is not None and time.monotonic() - self._begin >= self.time_limit
        return self.interrupted or late or self.left == 0

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Leave what is within on Ctrl-C, and remember it: what is found so far is kept."""
        try:
            yield
        except KeyboardInterrupt:
            self.interrupted = True

    def tell(self, done: int, total: int, text: str = "") -> None:
        """Report a step; what the callback raises passes through."""
        self._progress(Step("assign", done, total, text or self._text))

    def note(self, total: float) -> None:
        """Add a point to the trace."""
        self._points.append((self.spent, time.thread_time() - self._cpu, total))

    def trace(self) -> Trace:
        """Return the trace so far."""
        evaluations, seconds, total = zip(*self._points, strict=True)
        return Trace(np.array(evaluations, np.int64), np.array(seconds), np.array(total))
