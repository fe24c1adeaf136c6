"""The nearest photo, cell by cell: with unlimited repeats (paper 001), or while uses last."""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from smalti.core.heuristics.costs import ROWS, Problem, block
from smalti.core.heuristics.search import Found, finish
from smalti.core.heuristics.watch import Watch
from smalti.core.progress import Progress, silent

Choose = Callable[[int, NDArray[np.float32], NDArray[np.intp], NDArray[np.intp]], int]


def nearest(
    problem: Problem,
    rng: np.random.Generator,
    *,
    order: str = "raster",
    evaluations: int | None = None,
    time_limit: float | None = None,
    progress: Progress = silent,
) -> Found:
    """Lay on every cell the nearest photo that may still be used.

    Without a limit of uses this is paper 001 (there on all pixels, by the
    Euclidean distance), and optimal.

    Parameters
    ----------
    problem : Problem
    rng : numpy.random.Generator
        Of the random order.
    order : {"raster", "random"}
        In which cells choose.
    evaluations : int or None
    time_limit : float or None
        Wall seconds; cells without a photo at a limit, or on Ctrl-C, get any left.
    progress : callable
        Raising in it cancels.

    Raises
    ------
    ValueError
        If `order` is neither.
    """
    if order not in ("raster", "random"):
        raise ValueError(f"order is {order!r}: raster or random")
    n = problem.cells
    sequence = np.arange(n) if order == "raster" else rng.permutation(n)
    watch = Watch(evaluations, time_limit, progress, "laying the nearest photos")
    return lay(
        problem,
        sequence,
        partial(_least, problem.capacity),
        watch,
        "nearest" if order == "raster" else "nearest-random",
    )


def lay(
    problem: Problem, sequence: NDArray[np.intp], choose: Choose, watch: Watch, solver: str
) -> Found:
    """Let cells choose one after the other.

    Parameters
    ----------
    problem : Problem
    sequence : ndarray of shape (n,), intp
        Cells in the order in which they choose.
    choose : callable
        Given a cell, its costs to all groups (which it may change), the groups
        chosen so far (-1 for none) and the uses of each, returns a group.
    watch : Watch
    solver : str
        Its name.
    """
    group = np.full(problem.cells, -1)
    used = np.zeros(problem.groups, np.intp)
    done = 0
    with watch.interruptible():
        while done < len(sequence) and not watch.over:
            watch.tell(done, len(sequence))
            part = sequence[done : done + min(ROWS, watch.left // problem.groups)]
            if not len(part):
                break
            for cell, costs in zip(part, block(problem, part), strict=True):
                group[cell] = choose(cell, costs, group, used)
                used[group[cell]] += 1
            watch.spent += len(part) * problem.groups
            done += len(part)
    unlimited = not problem.limited and done == len(sequence)
    return finish(problem, completed(problem, group), watch, solver, optimal=unlimited)


def completed(problem: Problem, group: NDArray[np.intp]) -> NDArray[np.intp]:
    """Give cells without a group, -1, any that may still be used, little used ones first."""
    filled = group.copy()
    empty = np.flatnonzero(group < 0)
    used = np.bincount(group[group >= 0], minlength=problem.groups)
    while len(empty):
        order = np.argsort(used, kind="stable")
        free = order[used[order] < problem.capacity][: len(empty)]
        filled[empty[: len(free)]] = free
        used[free] += 1
        empty = empty[len(free) :]
    return filled


def _least(
    capacity: int,
    cell: int,
    costs: NDArray[np.float32],
    group: NDArray[np.intp],
    used: NDArray[np.intp],
) -> int:
    return int(np.where(used < capacity, costs, np.inf).argmin())
