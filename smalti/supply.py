"""How many photos are enough: the error by number of photos, from parts of the library."""

from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smalti.core.errors import BadInput
from smalti.core.progress import Progress, silent
from smalti.matching import Described, describe, match
from smalti.plan import Plan, check, make_plan
from smalti.request import Photomosaic

_PARTS = 4  # parts of the library tried, and all of it
_DRAWS = 2  # times each is drawn
_SPARE = 1.05  # groups in the smallest part, over those needed: with none to spare all are bad
_FEWEST = 1.3  # times as many as the smallest part there must be to see a trend
_POWER = 0.75  # of the number of photos, by which what can fall of the error falls
_MORE = (0.25, 0.5, 1.0)  # of the photos, added


@dataclass(frozen=True, slots=True)
class Supply:
    """The error of one request by number of photos.

    Attributes
    ----------
    request : Photomosaic
    cells : int
    photos : tuple of int
        Different photos in each part, ascending; the last is all of them.
    errors : tuple of float
        Root mean square difference of what is compared, over the library's own.
    floor : float
        What is left of the error however many photos there are, by the fit.
    """

    request: Photomosaic
    cells: int
    photos: tuple[int, ...]
    errors: tuple[float, ...]
    floor: float

    def expected(self, more: int) -> float:
        """Share by which the error would fall with so many more photos like these."""
        return float((1 - self.floor) * (1 - (1 + more / self.photos[-1]) ** -_POWER))

    def more(self) -> tuple[int, ...]:
        """Numbers of further photos that are worth telling of, rounded."""
        found = (self.photos[-1] * share for share in _MORE)
        return tuple(int(float(f"{number:.1g}")) for number in found)

    def report(self) -> dict[str, Any]:
        """Return what ``--explain --json`` prints, as plain values."""
        return {
            "cells": self.cells,
            "photos": list(self.photos),
            "error": [round(error, 4) for error in self.errors],
            "floor": round(self.floor, 4),
            "more": [{"photos": m, "falls_by": round(self.expected(m), 4)} for m in self.more()],
        }


def explain(
    request: Photomosaic,
    *,
    executor: Executor | None = None,
    progress: Progress = silent,
    index: Path | None = None,
) -> Supply:
    """Lay parts of the library on the same cells, and see how the error falls.

    Nothing is drawn and nothing is written.

    Raises
    ------
    BadInput
        As `make_mosaic`; or if there are too few photos to spare to see a trend.
    """
    check(request.solver == "exact", "--explain asks the exact solver: leave out --solver")
    plan = make_plan(request, executor=executor, progress=progress, index=index)
    free = request.repeats == "free"
    needed = 1 if free else -(-len(plan.boxes) // request.max_uses)
    groups = plan.limits.usable
    fewest = max(needed * _SPARE, groups / 16)
    if groups < _FEWEST * fewest:
        raise BadInput(
            f"--explain needs photos to leave out: {needed} of {groups} are needed for "
            f"{len(plan.boxes)} cells; try --cells {max(1, len(plan.boxes) // 2)} or --max-uses "
            f"{2 * request.max_uses}"
        )
    described = describe(plan, request, progress)
    asked = replace(request, audit=False, spacing=1)
    sizes = np.geomspace(fewest, groups, _PARTS + 1).astype(int)
    rng = np.random.default_rng(request.seed)
    errors = []
    for size in sizes:
        draws = _DRAWS if size < groups else 1
        found = [_error(plan, asked, described, int(size), rng, progress) for _ in range(draws)]
        errors.append(float(np.mean(found)))
    if errors[-1] == 0:
        return Supply(request, len(plan.boxes), tuple(map(int, sizes)), tuple(errors), 1.0)
    shares = tuple(error / errors[-1] for error in errors)
    # Through the last point, since it is the picture that would be made.
    steps = (sizes / sizes[-1]) ** -_POWER - 1
    rise = float(steps @ (np.array(shares) - 1) / (steps @ steps))
    floor = min(1.0, max(0.0, 1 - rise))
    return Supply(request, len(plan.boxes), tuple(map(int, sizes)), shares, floor)


def _error(
    plan: Plan,
    request: Photomosaic,
    described: Described,
    size: int,
    rng: np.random.Generator,
    progress: Progress,
) -> float:
    """Root of the mean cost with a random part of the groups; those asked for are in it."""
    limits = plan.limits
    usable = np.ones(len(limits.group), bool)
    usable[limits.banned] = False
    must = np.union1d(limits.group[limits.required], limits.group[plan.locks[:, 1]])
    others = np.setdiff1d(np.unique(limits.group[usable]), must)
    drawn: NDArray[np.intp] = rng.permutation(others)[: max(0, size - len(must))]
    out = np.flatnonzero(~np.isin(limits.group, np.union1d(drawn, must)) | ~usable)
    part = replace(plan, limits=replace(limits, banned=out))
    laid, _ = match(part, request, described, progress)
    mean = laid.total_cost / len(laid.photo)
    return mean if request.metric in ("euclidean", "l1") else float(np.sqrt(mean))
