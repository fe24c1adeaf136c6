"""Greedy, best first: the cheapest of all pairs that still may be laid, again and again."""

from heapq import heapify, heappop, heapreplace

import numpy as np
from numpy.typing import NDArray

from smalti.core.heuristics.costs import ROWS, Problem, block, tabulated
from smalti.core.heuristics.nearest import completed
from smalti.core.heuristics.search import Found, finish
from smalti.core.heuristics.watch import Watch
from smalti.core.progress import Progress, silent

_SHORTLIST = 64  # groups remembered of each cell; more are looked for when these are used up


def greedy(
    problem: Problem,
    rng: np.random.Generator,
    *,
    evaluations: int | None = None,
    time_limit: float | None = None,
    progress: Progress = silent,
) -> Found:
    """Lay pairs in the order of their cost (paper 000), ties by cell, then by group.

    The same as sorting all pairs, without keeping them: each cell waits in a
    heap at the cost of its nearest group that may still be used.

    Parameters
    ----------
    problem : Problem
    rng : numpy.random.Generator
        Unused: nothing here is random.
    evaluations : int or None
    time_limit : float or None
        Wall seconds; cells without a photo at a limit, or on Ctrl-C, get any left.
    progress : callable
        Raising in it cancels.
    """
    watch = Watch(evaluations, time_limit, progress, "laying the best pairs first")
    group = np.full(problem.cells, -1)
    used = np.zeros(problem.groups, np.intp)
    problem = tabulated(problem, watch)  # the photos wanted by many are looked for again and again
    with watch.interruptible():
        _lay(problem, group, used, watch)
    return finish(problem, completed(problem, group), watch, "greedy")


def _lay(problem: Problem, group: NDArray[np.intp], used: NDArray[np.intp], watch: Watch) -> None:
    """Fill in `group`, in place, until all is laid or a limit is reached."""
    n = problem.cells
    lists: list[list[tuple[float, int]]] = []  # of each cell, the nearest last
    while len(lists) < n:
        watch.tell(len(lists), n)
        part = np.arange(len(lists), n)[: min(ROWS, watch.left // problem.groups)]
        if watch.over or not len(part):
            break
        lists += [_shortlist(costs) for costs in block(problem, part)]
        watch.spent += len(part) * problem.groups
    heap = [(near[-1][0], cell, near.pop()[1]) for cell, near in enumerate(lists)]
    heapify(heap)
    while heap:
        _, cell, wanted = heap[0]
        if used[wanted] < problem.capacity:
            group[cell] = wanted
            used[wanted] += 1
            heappop(heap)
            continue
        near = lists[cell]
        while near and used[near[-1][1]] >= problem.capacity:
            near.pop()
        if not near:
            watch.tell(n - len(heap), n)
            if watch.over or watch.left < problem.groups:
                return
            costs = block(problem, np.array([cell]))[0]
            near += _shortlist(np.where(used < problem.capacity, costs, np.inf))
            watch.spent += problem.groups
        cost, wanted = near.pop()
        heapreplace(heap, (cost, cell, wanted))


def _shortlist(costs: NDArray[np.floating]) -> list[tuple[float, int]]:
    """Nearest groups of a cell, the nearest last; of equal ones the first group."""
    size = min(_SHORTLIST, len(costs))
    farthest = np.partition(costs, size - 1)[size - 1]
    nearer = np.flatnonzero(costs < farthest)
    level = np.flatnonzero(costs == farthest)[: size - len(nearer)]
    kept = np.concatenate([nearer, level])
    kept = kept[np.isfinite(costs[kept])]
    order = np.lexsort((kept, costs[kept]))[::-1]
    return list(zip(costs[kept][order].tolist(), kept[order].tolist(), strict=True))
