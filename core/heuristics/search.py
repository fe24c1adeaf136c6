"""How every heuristic is run: within limits, until interrupted, keeping the best.

A search is a state that only ever improves and a step that improves it. It
ends at a limit, when the step finds nothing more, or on Ctrl-C; whichever it
is, the state is the best so far and is what comes back.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from smalti.core.assign import Assignment
from smalti.core.heuristics.costs import Problem, Source, details, pair_cost
from smalti.core.heuristics.watch import Trace, Watch

CHUNK = 1 << 14
"""Draws of a random search between two looks at clock and keyboard."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What a heuristic came back with.

    Attributes
    ----------
    assignment : Assignment
        Its bound is minus infinity, its gap infinite, wherever none is known.
    group : ndarray of shape (n,), intp
        Group of each cell: a start for another search.
    trace : Trace
    interrupted : bool
        Whether Ctrl-C ended it.
    """

    assignment: Assignment
    group: NDArray[np.intp]
    trace: Trace
    interrupted: bool


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """An assignment under way; changed in place, never for the worse.

    Attributes
    ----------
    group : ndarray of shape (n,), intp
        Group of each cell.
    cost : ndarray of shape (n,), float64
    used : ndarray of shape (groups,), intp
        Cells each group lies on.
    """

    group: NDArray[np.intp]
    cost: NDArray[np.float64]
    used: NDArray[np.intp]


def begin(problem: Problem, start: NDArray[np.intp]) -> State:
    """Make a state of the group of each cell.

    Raises
    ------
    ValueError
        If a group is used more often than the problem allows.
    """
    used = np.bincount(start, minlength=problem.groups)
    if used.max() > problem.capacity:
        raise ValueError(f"the start uses a group {used.max()} times of {problem.capacity}")
    group = start.astype(np.intp)
    return State(group, _costs(problem.source, group), used)


def improve(
    problem: Problem,
    start: NDArray[np.intp],
    step: Callable[[State, int], tuple[int, bool]],
    watch: Watch,
    solver: str,
) -> Found:
    """Improve a start until nothing more is found, a limit is reached, or on Ctrl-C.

    Parameters
    ----------
    problem : Problem
    start : ndarray of shape (n,), intp
        Group of each cell; its n evaluations count, whatever the limit.
    step : callable
        Improves the state for a moment, by at most so many evaluations; returns
        how many it made and whether it can go on.
    watch : Watch
    solver : str
        Its name.

    Returns
    -------
    Found
    """
    state, more = begin(problem, start), True
    watch.spent += problem.cells
    watch.note(float(state.cost.sum()))
    with watch.interruptible():
        while more and not watch.over:
            watch.tell(watch.spent, watch.evaluations or 0)
            made, more = step(state, watch.left)
            watch.spent += made
            watch.note(float(state.cost.sum()))
    return finish(problem, state.group, watch, solver)


def finish(
    problem: Problem,
    group: NDArray[np.intp],
    watch: Watch,
    solver: str,
    *,
    optimal: bool = False,
) -> Found:
    """Turn groups into an assignment: each cell's best photo and variant of its group."""
    photo, variant, cost = details(problem, group)
    total = float(cost.sum())
    watch.note(total)
    bound = total if optimal else -np.inf
    laid = Assignment(photo, variant, cost, solver, bound, True if optimal else None)
    return Found(laid, group, watch.trace(), watch.interrupted)


def after(first: Found, second: Found) -> Found:
    """Join the traces of a search and of the one that went on from its end."""
    before, then = first.trace, second.trace
    trace = Trace(
        np.concatenate([before.evaluations, before.evaluations[-1] + then.evaluations]),
        np.concatenate([before.seconds, before.seconds[-1] + then.seconds]),
        np.concatenate([before.total, then.total]),
    )
    return Found(second.assignment, second.group, trace, second.interrupted)


def random_start(problem: Problem, rng: np.random.Generator) -> NDArray[np.intp]:
    """Draw groups without repeats (paper 003, algorithm 1, line 11).

    Where there are fewer groups than cells, each is used once before any is
    used again.

    Returns
    -------
    ndarray of shape (n,), intp
    """
    rounds = -(-problem.cells // problem.groups)
    drawn = np.concatenate([rng.permutation(problem.groups) for _ in range(rounds)])
    return rng.permutation(drawn[: problem.cells])


@njit(cache=True)
def _costs(source: Source, group: NDArray[np.intp]) -> NDArray[np.float64]:
    out = np.empty(len(group))
    for cell in range(len(group)):
        out[cell] = pair_cost(source, cell, group[cell])
    return out
