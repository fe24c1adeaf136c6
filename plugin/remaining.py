"""How long a step still takes, by its own rate of late, without leaps."""

from collections import deque

_WINDOW_S = 30.0  # over which the rate is taken: results come in lumps, and files differ
_LATE = 0.5  # of the time there have been news, if that is less: the first are the slowest
_SURE_S = 2.0  # of a step, before anything is said of it
_NEWS_S = 1.0  # of news, likewise: what comes before the first is getting ready, not work
_MANY, _SHARE = 8, 0.1  # news, or a share of the work, likewise: workers begin one by one
_EASE_S = 5.0  # within which most of a new estimate is taken over
_EASE = 0.25  # of the time there have been news, if that is less


class Remaining:
    """Seconds left of one step.

    Between news it counts down with the clock; news are taken over little by little, so
    that a lump of results does not make the number leap.
    """

    def __init__(self) -> None:
        self._news: deque[tuple[float, int]] = deque()
        self._begin = self._first = 0.0
        self._done = -1
        self._start = self._heard = 0  # done at the first call; news since
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
        if self._done < 0:
            self._begin, self._start = now, done
        elif done < self._done:  # begun anew
            self._begin, self._start, self._left = now, done, None
            self._news.clear()
        elif done > self._done:
            if not self._news:
                self._first, self._heard = now, 0
            self._heard += 1
            self._news.append((now, done))
        self._done = done
        window = min(_WINDOW_S, max(_SURE_S, _LATE * (now - self._first)))
        while len(self._news) > 2 and self._news[1][0] <= self._news[-1][0] - window:
            self._news.popleft()
        estimate = self._estimate(done, total, now)
        left = self._counted_down(now)
        if estimate is None:
            return left or None  # at 0 it takes longer than foretold
        if left is None or done >= total:
            self._left = estimate
        else:
            share = (now - self._at) / min(_EASE_S, _EASE * (now - self._first))
            self._left = left + min(1.0, share) * (estimate - left)
        self._at = now
        return self._left

    def foretold(self, seconds: float, now: float) -> None:
        """Take over a forecast, to be counted down until news say more; a later one bit by bit."""
        left = self._counted_down(now)
        share = 1.0 if left is None else min(1.0, (now - self._at) / _EASE_S)
        self._left = seconds if left is None else left + share * (seconds - left)
        self._at = now

    def _estimate(self, done: int, total: int, now: float) -> float | None:
        """Say how long the rest takes at the rate of late; None while that is not sure."""
        if len(self._news) < 2 or not total:
            return None
        if now - self._begin < _SURE_S or now - self._first < _NEWS_S:
            return None
        if self._heard < _MANY and done - self._start < _SHARE * (total - self._start):
            return None
        since, first = self._news[0]
        return max(0, total - done) * (now - since) / (done - first)

    def _counted_down(self, now: float) -> float | None:
        return None if self._left is None else max(0.0, self._left - (now - self._at))


def spelled(seconds: float | None) -> str:
    """Write a time left for people: ``"0:42 left"``; nothing while it is not known."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02} left" if hours else f"{minutes}:{rest:02} left"
