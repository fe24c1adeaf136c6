"""Randomized iterative improvement, of Narasimhan and Satheesh, as paper 003 tells it."""

from functools import partial

import numpy as np
from numba import njit
from numpy.typing import NDArray

from smalti.core.heuristics.costs import Problem, Source, pair_cost, tabulated
from smalti.core.heuristics.search import CHUNK, Found, State, improve, random_start
from smalti.core.heuristics.watch import Watch
from smalti.core.progress import Progress, silent


def iterative_improvement(
    problem: Problem,
    rng: np.random.Generator,
    *,
    start: NDArray[np.intp] | None = None,
    evaluations: int | None = None,
    time_limit: float | None = None,
    progress: Progress = silent,
) -> Found:
    """Lay a random photo on a random cell, and keep it if it fits better (paper 003, section 2).

    A photo already used as often as it may be is drawn in vain, which is no
    evaluation; nothing is ever swapped.

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
    watch = Watch(evaluations, time_limit, progress, "trying random photos")
    problem = tabulated(problem, watch)
    first = random_start(problem, rng) if start is None else start
    return improve(problem, first, partial(_step, problem, rng), watch, "iterative-improvement")


def _step(problem: Problem, rng: np.random.Generator, state: State, limit: int) -> tuple[int, bool]:
    if problem.groups * problem.capacity == problem.cells:
        return 0, False  # every photo is used up: no move is allowed, now or later
    arrays = (state.group, state.cost, state.used)
    made = mutate(problem.source, problem.capacity, *arrays, rng.random((CHUNK, 2)), limit)
    return made, True


@njit(cache=True)
def mutate(
    source: Source,
    capacity: int,
    group: NDArray[np.intp],
    cost: NDArray[np.float64],
    used: NDArray[np.intp],
    draws: NDArray[np.float64],
    limit: int,
) -> int:
    """Try one move for every row of draws from [0, 1): a cell and a group."""
    made = 0
    for row in range(len(draws)):
        if made == limit:
            break
        cell, new = int(draws[row, 0] * len(group)), int(draws[row, 1] * len(used))
        if used[new] >= capacity:
            continue
        price = np.float64(pair_cost(source, cell, new))
        made += 1
        if price < cost[cell]:
            used[group[cell]] -= 1
            used[new] += 1
            group[cell], cost[cell] = new, price
    return made
