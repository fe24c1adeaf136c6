"""The full 2-swap local optimum: no exchange of two photos, nor with an unused one, gains."""

from functools import partial

import numpy as np
from numba import njit
from numpy.typing import NDArray

from smalti.core.heuristics.costs import Problem, Source, pair_cost, tabulated
from smalti.core.heuristics.search import Found, State, improve, random_start
from smalti.core.heuristics.swaps import TINY
from smalti.core.heuristics.watch import Watch
from smalti.core.progress import Progress, silent

_ROUNDING = -1e-5  # a cosine distance may come out a little below 0
_ENOUGH = 1 << 20  # evaluations between two looks at clock and keyboard


def two_swap(
    problem: Problem,
    rng: np.random.Generator,
    *,
    start: NDArray[np.intp] | None = None,
    evaluations: int | None = None,
    time_limit: float | None = None,
    progress: Progress = silent,
) -> Found:
    """Make the best exchange of every cell in turn until no cell has one that gains.

    Exchanged are the photos of two cells, or a cell's photo and one that may
    still be used. Only cells whose photo has changed, or to whom a photo has
    become free that is nearer than theirs, are looked at again.

    Parameters
    ----------
    problem : Problem
    rng : numpy.random.Generator
        Of the start, if none is given.
    start : ndarray of shape (n,), intp, optional
        Group of each cell; random without.
    evaluations : int or None
        A cell is looked at only where the limit allows it whatever comes of it.
    time_limit : float or None
        Wall seconds; it may end before the optimum at either limit, or on Ctrl-C.
    progress : callable
        Raising in it cancels.
    """
    watch = Watch(evaluations, time_limit, progress, "swapping photos while it gains")
    problem = tabulated(problem, watch)
    table = problem.source.table
    floor = table.min(1) if table.size else np.full(problem.cells, _ROUNDING, np.float32)
    dirty = np.ones(problem.cells, np.bool_)
    first = random_start(problem, rng) if start is None else start
    return improve(problem, first, partial(_step, problem, floor, dirty), watch, "two-swap")


def _step(
    problem: Problem,
    floor: NDArray[np.float32],
    dirty: NDArray[np.bool_],
    state: State,
    limit: int,
) -> tuple[int, bool]:
    arrays = (state.group, state.cost, state.used)
    made, more = descend(problem.source, problem.capacity, *arrays, floor, dirty, limit)
    return made, more


@njit(cache=True)
def descend(
    source: Source,
    capacity: int,
    group: NDArray[np.intp],
    cost: NDArray[np.float64],
    used: NDArray[np.intp],
    floor: NDArray[np.float32],
    dirty: NDArray[np.bool_],
    limit: int,
) -> tuple[int, bool]:
    """Make the best exchange of each dirty cell, for a moment.

    `floor` is no more than any cost of each cell. Returns the evaluations made,
    and whether cells are left to look at that the limit allows.
    """
    n, groups = len(group), len(used)
    made = 0
    for a in range(n):
        if not dirty[a]:
            continue
        if made + 3 * n + groups > limit:
            return made, False
        if made > _ENOUGH:
            return made, True
        held, best, partner = group[a], 0.0, -1
        to_a, to_partner = 0.0, 0.0
        for b in range(n):
            if group[b] == held:
                continue
            a_b = np.float64(pair_cost(source, a, group[b]))
            made += 1
            old = cost[a] + cost[b]
            bar = min(best, -TINY * old)
            if a_b + floor[b] - old >= bar:
                continue
            b_a = np.float64(pair_cost(source, b, held))
            made += 1
            if a_b + b_a - old < bar:
                best, partner, to_a, to_partner = a_b + b_a - old, b, a_b, b_a
        for g in range(groups):
            if used[g] < capacity and g != held:
                a_g = np.float64(pair_cost(source, a, g))
                made += 1
                if a_g - cost[a] < min(best, -TINY * cost[a]):
                    best, partner, to_a = a_g - cost[a], n + g, a_g
        dirty[a] = partner >= 0
        if partner >= n:
            made += _free(source, capacity, group, cost, used, dirty, held)
            used[partner - n] += 1
            group[a], cost[a] = partner - n, to_a
        elif partner >= 0:
            group[a], group[partner] = group[partner], held
            cost[a], cost[partner] = to_a, to_partner
            dirty[partner] = True
    return made, bool(dirty.any())


@njit(cache=True)
def _free(
    source: Source,
    capacity: int,
    group: NDArray[np.intp],
    cost: NDArray[np.float64],
    used: NDArray[np.intp],
    dirty: NDArray[np.bool_],
    freed: int,
) -> int:
    """Take back one use of a group, and wake the cells it is now free for and nearer to."""
    made = 0
    if used[freed] == capacity:
        made = len(group)
        for cell in range(len(group)):
            dirty[cell] |= pair_cost(source, cell, freed) < cost[cell]
    used[freed] -= 1
    return made
