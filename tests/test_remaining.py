"""The time left, by a clock that is made up."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest

from smalti.plugin.remaining import Remaining, spelled

TICK = 0.2


def told(rate: Iterator[float], total: int, start: int = 0) -> list[tuple[float, float | None]]:
    """Every 0.2 s, the time and what is said, until all is done."""
    remaining, now, exact, said = Remaining(), 100.0, float(start), []
    while exact < total:
        said.append((now, remaining(int(exact), total, now)))
        exact += next(rate) * TICK
        now += TICK
    return [(now - at, left) for at, left in said]  # time truly left


def steady(rate: float) -> Iterator[float]:
    while True:
        yield rate


def in_lumps(rate: float, every: int) -> Iterator[float]:
    """Eight workers hand in at once."""
    while True:
        yield from [0.0] * (every - 1)
        yield rate * every


def slowing(fast: float, slow: float, ticks: int) -> Iterator[float]:
    for _ in range(ticks):
        yield fast
    while True:
        yield slow


def leaps(said: list[tuple[float, float | None]]) -> list[float]:
    """By how much the number changes from tick to tick, beyond the clock's own."""
    known = [left for _, left in said if left is not None]
    return [abs(b - a + TICK) for a, b in pairwise(known)]


@pytest.mark.parametrize("start", [0, 9000])
def test_at_a_steady_rate_it_is_right_from_the_start(start: int) -> None:
    said = told(steady(50), start + 3000, start)
    known = [(true, left) for true, left in said if left is not None]
    assert len(said) - len(known) <= 2.2 / TICK
    for true, left in known:
        assert left == pytest.approx(true, rel=0.05, abs=1)


def test_lumps_of_results_make_no_leaps() -> None:
    said = told(in_lumps(20, 8), 1200)
    late = [(true, left) for true, left in said[60:] if left is not None]
    for true, left in late:
        assert left == pytest.approx(true, rel=0.25, abs=2)
    assert max(leaps(said[60:])) < 3


@pytest.mark.parametrize("ready", [3.0, 10.0])
def test_what_getting_ready_takes_is_no_work(ready: float) -> None:
    """Workers start and load; then a hundred results a second come."""
    said = told(slowing(0, 100, round(ready / TICK)), 1000)
    known = [(true, left) for true, left in said if left is not None]
    assert len(said) - len(known) <= (ready + 1.4) / TICK
    for true, left in known:
        assert left == pytest.approx(true, rel=0.1, abs=1)


def test_a_wrong_beginning_is_soon_forgotten() -> None:
    said = told(slowing(10, 100, 15), 2000)
    for true, left in said[15 + 15 :]:
        assert left is not None
        assert true / 2 - 1 <= left <= true * 2 + 1


def test_a_long_part_does_not_make_it_leap() -> None:
    """Tiles are laid one by one, and then a whole container comes at once."""
    remaining = Remaining()
    for k in range(61):
        left = remaining(10 * k, 900, 0.1 * k)
    assert left == pytest.approx(3, abs=0.5)
    for k in range(61, 91):
        left = remaining(600, 900, 0.1 * k)
        assert left is not None
        assert 1 <= left <= 6


def test_many_short_rounds_are_not_the_end() -> None:
    """A solver prices rows again and again; that a round is done says nothing of the step."""
    remaining, said = Remaining(), []
    for k in range(100):
        said += [remaining(done, 10 + k, k * 0.1) for done in (0, 10 + k)]
    assert set(said) == {None}


def test_a_change_of_pace_is_learnt_without_a_leap() -> None:
    said = told(slowing(100, 25, 100), 5000)
    assert max(leaps(said)) < 10
    after = [(true, left) for true, left in said[100 + 220 :] if left is not None]
    for true, left in after:
        assert left == pytest.approx(true, rel=0.15, abs=2)


def test_nothing_is_said_of_what_is_not_known() -> None:
    remaining = Remaining()
    assert remaining(0, 0, 0.0) is None
    assert remaining(5, 0, 10.0) is None
    assert remaining(0, 10, 11.0) is None
    assert spelled(None) == ""


def test_it_counts_down_while_nothing_comes() -> None:
    remaining = Remaining()
    said = [remaining(min(k, 10), 100, k * 1.0) for k in range(20)]
    assert said[10] == pytest.approx(90)
    assert said[19] is not None
    assert said[10] is not None
    assert said[19] >= 80  # nothing came for nine seconds: it is not nearer than that


def test_a_step_that_begins_anew_is_a_new_one() -> None:
    remaining = Remaining()
    for k in range(20):
        remaining(k, 20, k * 1.0)
    assert remaining(0, 500, 21.0) is None


def test_it_is_spelled_for_people() -> None:
    assert [spelled(s) for s in (0, 42.4, 61, 3671)] == [
        *("0:00 left", "0:42 left", "1:01 left", "1:01:11 left"),
    ]


def test_a_forecast_is_counted_down_until_news_say_more() -> None:
    remaining = Remaining()
    assert remaining(0, 0, 0.0) is None
    remaining.foretold(8, 0.0)
    assert remaining(0, 0, 3.0) == 5
    assert remaining(0, 0, 8.5) is None, "longer than foretold: nobody knows"
    said = [remaining(10 * k, 400, 9 + 0.1 * k) for k in range(40)]
    assert said[-1] == pytest.approx(0.1, abs=0.3)


def test_a_forecast_that_is_mended_makes_no_leap() -> None:
    remaining, said = Remaining(), []
    for tick in range(300):
        now = tick * TICK
        remaining.foretold((40 if tick < 50 else 90) - now, now)
        said.append((0.0, remaining(0, 0, now)))
    assert max(leaps(said)) < 2.5
    assert said[-1][1] == pytest.approx(90 - 299 * TICK, abs=1)


def test_a_forecast_that_is_over_is_no_zero() -> None:
    """The last pass has begun, and too little of it is done to say more."""
    remaining = Remaining()
    remaining.foretold(2, 0.0)
    assert remaining(0, 50, 1.0) == 1
    assert remaining(0, 50, 3.0) is None


COLD = [
    *((0.0, 0), (63.9, 0), (64.0, 1), (74.8, 1), (74.9, 4), (75.5, 4), (75.6, 17), (76.5, 18)),
    *((76.8, 20), (83.0, 41), (89.2, 64), (95.2, 89), (101.4, 111), (107.4, 127), (113.7, 135)),
    *((120.2, 150), (126.5, 170), (132.9, 189), (139.4, 203), (145.7, 225), (152.0, 240)),
    (159.2, 260),
]
"""Clip art read on two workers of a busy machine that had just started: seconds, and how many."""


def test_workers_that_begin_one_by_one_say_nothing_of_the_pace() -> None:
    times, counts = np.transpose(COLD)
    remaining, said = Remaining(), []
    for now in np.arange(0, times[-1] - 1, TICK):
        left = remaining(int(np.interp(now, times, counts)), 260, now)
        said.append((times[-1] - now, left))
    assert all(left is None or true / 2 <= left <= true * 2 for true, left in said)
    assert all(left is not None for true, left in said if true < 80)
