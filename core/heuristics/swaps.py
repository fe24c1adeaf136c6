"""Random swaps and 3-rotations, from any start, until interrupted (paper 000)."""

from functools import partial

import numpy as np
from numba import njit
from numpy.typing import NDArray

from smalti.core.heuristics.costs import Problem, Source, pair_cost, tabulated
from smalti.core.heuristics.search import Found, State, improve, random_start
from smalti.core.heuristics.watch import Watch
from smalti.core.progress import Progress, silent

_THIRDS = 8  # places tried as the third of a rotation: "a bunch"
_STEPS = 1 << 12  # swaps tried between two looks at clock and keyboard
TINY = 1e-9
"""Gain, relative to the costs exchanged, below which two totals count as equal."""


def swaps(
    problem: Problem,
    rng: np.random.Generator,
    *,
    start: NDArray[np.intp] | None = None,
    evaluations: int | None = None,
    time_limit: float | None = None,
    progress: Progress = silent,
) -> Found:
    """Exchange the photos of two random places if that is cheaper, else try to rotate three.

    A place is a cell, or a group that may still be used: exchanged with one, a
    cell's photo goes back unused. After a swap that is no gain, eight more
    places are tried as the third of a rotation, either way round.

    Parameters
    ----------
    problem : Problem
    rng : numpy.random.Generator
    start : ndarray of shape (n,), intp, optional
        Group of each cell; random without.
    evaluations : int or None
    time_limit : float or None
        Wall seconds; without either limit it ends on Ctrl-C only.
    progress : callable
        Raising in it cancels.
    """
    watch = Watch(evaluations, time_limit, progress, "swapping photos")
    problem = tabulated(problem, watch)
    first = random_start(problem, rng) if start is None else start
    return improve(problem, first, partial(_step, problem, rng), watch, "swaps")


def _step(problem: Problem, rng: np.random.Generator, state: State, limit: int) -> tuple[int, bool]:
    if problem.groups == 1:
        return 0, False  # all cells hold the same, and always will
    draws = rng.random((_STEPS, 2 + _THIRDS))
    made, more = exchange(
        problem.source, problem.capacity, state.group, state.cost, state.used, draws, limit
    )
    return made, more


@njit(cache=True)
def exchange(
    source: Source,
    capacity: int,
    group: NDArray[np.intp],
    cost: NDArray[np.float64],
    used: NDArray[np.intp],
    draws: NDArray[np.float64],
    limit: int,
) -> tuple[int, bool]:
    """Try a swap, then rotations, for every row of draws from [0, 1).

    Places from n on are groups. Returns the evaluations made, and whether the
    limit allows another swap.
    """
    n, groups = len(group), len(used)
    places = n if n == groups * capacity else n + groups
    made = 0
    for row in range(len(draws)):
        if made + 2 > limit:
            return made, False
        a, b = int(draws[row, 0] * n), int(draws[row, 1] * places)
        if not _usable(group, used, capacity, b) or _held(group, a) == _held(group, b):
            continue
        a_b, b_a = _laid(source, group, a, b), _laid(source, group, b, a)
        made += 1 + (b < n)
        old = cost[a] + _at(cost, b)
        if a_b + b_a - old < -TINY * old:
            held = _held(group, a)
            _put(group, cost, used, a, _held(group, b), a_b)
            _put(group, cost, used, b, held, b_a)
            continue
        for column in range(2, draws.shape[1]):
            if made + 4 > limit:
                return made, made + 2 <= limit
            c = int(draws[row, column] * places)
            if not _usable(group, used, capacity, c) or c in (a, b) or (b >= n and c >= n):
                continue
            g_a, g_b, g_c = _held(group, a), _held(group, b), _held(group, c)
            if g_c in (g_a, g_b):
                continue
            old = cost[a] + _at(cost, b) + _at(cost, c)
            b_c, c_a = _laid(source, group, b, c), _laid(source, group, c, a)
            a_c, c_b = _laid(source, group, a, c), _laid(source, group, c, b)
            made += 1 + (b < n) + 2 * (c < n)
            if a_b + b_c + c_a <= a_c + b_a + c_b:
                gain, to_a, to_b, to_c = a_b + b_c + c_a - old, a_b, b_c, c_a
                new_a, new_b, new_c = g_b, g_c, g_a
            else:
                gain, to_a, to_b, to_c = a_c + b_a + c_b - old, a_c, b_a, c_b
                new_a, new_b, new_c = g_c, g_a, g_b
            if gain < -TINY * old:
                _put(group, cost, used, a, new_a, to_a)
                _put(group, cost, used, b, new_b, to_b)
                _put(group, cost, used, c, new_c, to_c)
                break
    return made, True


@njit(cache=True)
def _usable(group: NDArray[np.intp], used: NDArray[np.intp], capacity: int, place: int) -> bool:
    return place < len(group) or used[place - len(group)] < capacity


@njit(cache=True)
def _held(group: NDArray[np.intp], place: int) -> int:
    return group[place] if place < len(group) else place - len(group)


@njit(cache=True)
def _at(cost: NDArray[np.float64], place: int) -> float:
    return cost[place] if place < len(cost) else 0.0


@njit(cache=True, inline="always")
def _laid(source: Source, group: NDArray[np.intp], place: int, other: int) -> float:
    """Cost of what lies at another place, laid at this one."""
    if place >= len(group):
        return 0.0
    return np.float64(pair_cost(source, place, _held(group, other)))


@njit(cache=True)
def _put(
    group: NDArray[np.intp],
    cost: NDArray[np.float64],
    used: NDArray[np.intp],
    place: int,
    new: int,
    price: float,
) -> None:
    """Lay a group on a cell; of a place that is none only the use is counted."""
    if place < len(group):
        used[group[place]] -= 1
        used[new] += 1
        group[place] = new
        cost[place] = price
