"""How long a step still takes, by its own rate of late, without leaps."""

from collections import deque

_WINDOW_S = 30.0  # over which the rate is taken: results come in lumps, and files differ
_SURE_S = 2.0  # of a step, before anything is said of it
_EASE_S = 5.0  # within which most of a new estimate is taken over


class Remaining:
    """Seconds left of one step.

    Between news it counts down with the clock; news are taken over little by little, so
    that a lump of results does not make the number leap.
    """

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()
        self._left: float | None = None
        self._at = 0.0

    def __call__(self, done: int, total: int, now: float) -> float | None:
        """Say how many seconds are left.

        Parameters
        ----------
        done, total : int
            As a `Step` has them; what was done at the first call does not count as
            work, since it was there from an earlier run.
        now : float
            Seconds of a clock that never goes back.

        Returns
        -------
        float or None
            None as long as too little is known.
        """
        if self._seen and done < self._seen[-1][1]:  # begun anew
            self._seen.clear()
            self._left = None
        self._seen.append((now, done))
        while len(self._seen) > 2 and self._seen[1][0] <= now - _WINDOW_S:
            self._seen.popleft()
        (since, first), passed = self._seen[0], now - self._seen[0][0]
        if done >= total > 0:
            self._left = 0.0
        elif not total or passed < _SURE_S or done == first:
            return self._counted_down(now)
        else:
            estimate = (total - done) * (now - since) / (done - first)
            left = self._counted_down(now)
            if left is None:
                self._left = estimate
            else:
                share = min(1.0, (now - self._at) / _EASE_S)
                self._left = left + share * (estimate - left)
        self._at = now
        return self._left

    def _counted_down(self, now: float) -> float | None:
        return None if self._left is None else max(0.0, self._left - (now - self._at))


def spelled(seconds: float | None) -> str:
    """Write a time left for people: ``"0:42 left"``; nothing while it is not known."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02} left" if hours else f"{minutes}:{rest:02} left"
