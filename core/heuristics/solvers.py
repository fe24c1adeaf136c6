"""Every heuristic by its name, all called alike."""

import time
from dataclasses import replace
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from smalti.core.errors import BadInput
from smalti.core.heuristics.block_matching import block_matching
from smalti.core.heuristics.cep import cep
from smalti.core.heuristics.costs import Problem, tabulated
from smalti.core.heuristics.greedy import greedy
from smalti.core.heuristics.iterative_improvement import iterative_improvement
from smalti.core.heuristics.nearest import nearest
from smalti.core.heuristics.search import Found, after
from smalti.core.heuristics.swaps import swaps
from smalti.core.heuristics.two_swap import two_swap
from smalti.core.heuristics.watch import Watch
from smalti.core.progress import Progress, silent

EVALUATIONS_PER_CELL = 200


class Heuristic(Protocol):
    """A solver: within its limits, it returns the best it has found."""

    def __call__(
        self,
        problem: Problem,
        rng: np.random.Generator,
        *,
        evaluations: int | None = None,
        time_limit: float | None = None,
        progress: Progress = silent,
    ) -> Found:
        """Solve a problem; on Ctrl-C (`KeyboardInterrupt`) too the best so far is returned.

        Parameters
        ----------
        problem : Problem
        rng : numpy.random.Generator
        evaluations : int or None
            Costs of a cell and a group that may be looked at; the n of the start
            count, and are made in any case.
        time_limit : float or None
            Wall seconds.
        progress : callable
            Given steps of phase ``"assign"``; any other exception raised in it cancels.
        """
        ...


class Search(Protocol):
    """A heuristic that goes on from a start."""

    def __call__(
        self,
        problem: Problem,
        rng: np.random.Generator,
        *,
        start: NDArray[np.intp] | None = None,
        evaluations: int | None = None,
        time_limit: float | None = None,
        progress: Progress = silent,
    ) -> Found:
        """Solve a problem from the group of each cell, or from a random start."""
        ...


def greedy_then(
    search: Search,
    problem: Problem,
    rng: np.random.Generator,
    *,
    evaluations: int | None = None,
    time_limit: float | None = None,
    progress: Progress = silent,
) -> Found:
    """Search on from the greedy start, as paper 000 does.

    Parameters
    ----------
    search : callable
    problem, rng, evaluations, time_limit, progress
        As `Heuristic`'s; the greedy start's evaluations are in the trace, but
        the limit is on those of the search alone.
    """
    begun = time.monotonic()

    def left() -> float | None:
        return None if time_limit is None else max(0.0, time_limit - time.monotonic() + begun)

    watch = Watch(None, time_limit, progress, "")
    problem = tabulated(problem, watch)
    if watch.over:
        return replace(greedy(problem, rng, time_limit=0.0), interrupted=watch.interrupted)
    start = greedy(problem, rng, time_limit=left(), progress=progress)
    if start.interrupted:
        return start
    found = search(
        *(problem, rng),
        start=start.group,
        evaluations=evaluations,
        time_limit=left(),
        progress=progress,
    )
    return after(start, found)


HEURISTICS: dict[str, Heuristic] = {
    "nearest": nearest,
    "nearest-random": partial(nearest, order="random"),
    "greedy": greedy,
    "swaps": partial(greedy_then, swaps),
    "two-swap": partial(greedy_then, two_swap),
    "iterative-improvement": iterative_improvement,
    "cep": cep,
    "block-matching": block_matching,
}
"""What ``smalti photo --solver`` offers beside the exact one."""

ENDLESS = ("swaps", "iterative-improvement", "cep")
"""Those that would not end by themselves."""


def solve(
    name: str,
    problem: Problem,
    rng: np.random.Generator,
    *,
    time_limit: float | None = None,
    progress: Progress = silent,
) -> Found:
    """Solve a problem by the heuristic of a name, for as long as it is usual.

    Parameters
    ----------
    name : str
        Of `HEURISTICS`.
    problem, rng, progress
        As `Heuristic`'s.
    time_limit : float or None
        Wall seconds; without it, what would not end by itself makes the 200
        evaluations per cell of paper 003.

    Raises
    ------
    BadInput
        If there is no such heuristic.
    """
    if name not in HEURISTICS:
        raise BadInput(f"solver is {name!r}: exact, or one of {', '.join(HEURISTICS)}")
    endless = name in ENDLESS and time_limit is None
    limit = EVALUATIONS_PER_CELL * problem.cells if endless else None
    return HEURISTICS[name](
        problem, rng, evaluations=limit, time_limit=time_limit, progress=progress
    )
