"""From a plan to an assignment: what is compared, what counts more, and who lies where."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smalti.core.assign import Assignment, Duals, assign
from smalti.core.constraints import Links
from smalti.core.features import Variant, block_means, feature_rows, photo_rows, variants
from smalti.core.grid import canvas, cut_out
from smalti.core.progress import Progress, Step, silent
from smalti.core.scratch import let_go
from smalti.core.spacing import Spaced, spread
from smalti.core.transfer import Transfer, palette_transfer, transferred
from smalti.core.wavelets import side_for
from smalti.plan import Plan, canvas_px
from smalti.request import Photomosaic
from smalti.wishes import Limits

_PALETTE = 8  # colours a side, by which a photo or unit is known to the palette


@dataclass(frozen=True, slots=True, eq=False)
class Described:
    """What the solver compares.

    Attributes
    ----------
    cells : ndarray of shape (n, k), float32
    photos : ndarray of shape (m, v, k), float32
    kinds : tuple of Variant, length v
    goals : ndarray of shape (n, 3), float32, sRGB 0 to 255
        Mean colours of the cells.
    weight : ndarray of shape (n,), float64, or None
        How much each cell counts, 1 in the mean; None if all count the same.
    thumbs : ndarray of shape (m, s, s, 3), uint8
        The photos, as they are after the transfer.
    transfer : Transfer or None
    """

    cells: NDArray[np.float32]
    photos: NDArray[np.float32]
    kinds: tuple[Variant, ...]
    goals: NDArray[np.float32]
    weight: NDArray[np.float64] | None
    thumbs: NDArray[np.uint8]
    transfer: Transfer | None


def row_options(request: Photomosaic) -> dict[str, Any]:
    """Return what `photo_rows` is to make of a photo."""
    wavelets = request.features == "wavelets"
    return {
        "detail": side_for(request.detail) if wavelets else request.detail,
        "space": request.space,
        "adjust": request.adjust,
        "family": request.features,
    }


def numbers(request: Photomosaic) -> int:
    """Count the numbers that are compared of a photo, all its variants together."""
    detail: int = row_options(request)["detail"]
    return 3 * detail**2 * len(variants(request.variants))


def describe(
    plan: Plan,
    request: Photomosaic,
    progress: Progress = silent,
    *,
    transfer: Transfer | None = None,
) -> Described:
    """Describe cells and photos by feature rows.

    Parameters
    ----------
    plan : Plan
    request : Photomosaic
    progress : callable
    transfer : Transfer, optional
        What is done to the colours of the photos; found from them, if asked for, without.
    """
    how = row_options(request)
    detail = how["detail"]
    picture = canvas(plan.target, plan.grid, canvas_px(plan.grid, detail), plan.background)
    means = np.empty((len(plan.boxes), detail, detail, 3), np.float32)
    for side in np.unique(plan.boxes[:, 2]):
        here = np.flatnonzero(plan.boxes[:, 2] == side)
        whole = np.broadcast_to([0.0, 0, 1, 1], (len(here), 4))
        means[here] = block_means(cut_out(picture, plan.grid, plan.boxes[here]), whole, detail)
    weight = _weights(plan)
    thumbs = plan.library.thumbs
    transfer = transfer or transfer_of(plan, request, progress)
    if transfer is not None:
        thumbs = transferred(thumbs, transfer)
    kinds = variants(request.variants, square=math.isclose(plan.grid.aspect, 1, rel_tol=1e-3))
    rows = photo_rows(thumbs, plan.frames, kinds, progress=progress, **how)
    del how["detail"]
    cells = feature_rows(means, **how)
    return Described(cells, rows, kinds, means.mean((1, 2)), weight, thumbs, transfer)


def match(
    plan: Plan,
    request: Photomosaic,
    described: Described,
    progress: Progress = silent,
    *,
    apart: Links = (),
    duals: Duals | None = None,
) -> tuple[Assignment, Spaced | None]:
    """Lay photos on cells by the solver asked for; then move copies apart, if asked.

    Parameters
    ----------
    plan : Plan
    request : Photomosaic
    described : Described
    progress : callable
    apart : sequence of (cell, photo)
        Pairs that the exact solver never uses.
    duals : Duals, optional
        From which the exact solver starts.

    Returns
    -------
    assignment : Assignment
    spaced : Spaced or None
        What was reached, if spacing was asked for.
    """
    if request.solver != "exact" and request.repeats != "free":
        return _by_heuristic(plan, request, described, progress), None
    laid = best(plan.limits, plan.locks, request, described, progress, apart=apart, duals=duals)
    return moved_apart(plan, request, described, laid, progress)


def best(
    limits: Limits,
    locks: NDArray[np.intp],
    request: Photomosaic,
    described: Described,
    progress: Progress = silent,
    *,
    apart: Links = (),
    duals: Duals | None = None,
) -> Assignment:
    """Lay photos on cells at the least cost, wherever copies come to lie."""
    return assign(
        described.cells,
        described.photos,
        weight=described.weight,
        group=limits.group,
        capacity=None if request.repeats == "free" else request.max_uses,
        minimum=limits.minimum,
        banned=limits.banned,
        banned_pairs=apart,
        locks=locks,
        metric=request.metric,
        audit=request.audit,
        duals=duals,
        seed=request.seed,
        progress=progress,
    )


def moved_apart(
    plan: Plan,
    request: Photomosaic,
    described: Described,
    laid: Assignment,
    progress: Progress = silent,
) -> tuple[Assignment, Spaced | None]:
    """Move copies apart, if that was asked for."""
    if request.spacing == 1:
        return laid, None
    limits = plan.limits
    uses = len(laid.photo) if request.repeats == "free" else request.max_uses
    spaced = spread(
        laid.photo,
        described.cells,
        described.photos,
        plan.boxes,
        limits.group,
        np.full(len(limits.minimum), uses),
        request.spacing,
        laid.lower_bound,
        metric=request.metric,
        weight=described.weight,
        alike=plan.library.group,
        minimum=limits.minimum,
        banned=limits.banned,
        fixed=plan.locks[:, 0],
        progress=progress,
    )
    return replace(laid, photo=spaced.photo, variant=spaced.variant, cost=spaced.cost), spaced


def _by_heuristic(
    plan: Plan, request: Photomosaic, described: Described, progress: Progress
) -> Assignment:
    from smalti.core.heuristics.costs import pose
    from smalti.core.heuristics.solvers import solve

    problem = pose(
        described.cells,
        described.photos,
        group=plan.limits.group,
        capacity=request.max_uses,
        metric=request.metric,
        pictures=described.thumbs,
        columns=plan.grid.columns,
    )
    rng = np.random.default_rng(request.seed)
    limit = request.time_limit
    return solve(request.solver, problem, rng, time_limit=limit, progress=progress).assignment


def _weights(plan: Plan) -> NDArray[np.float64] | None:
    """Weight of each cell: the sum over its units, 1 in the mean."""
    if plan.weight is None and len(plan.boxes) == plan.grid.cells:
        return None
    units = np.ones((plan.grid.rows, plan.grid.columns)) if plan.weight is None else plan.weight
    weight: NDArray[np.float64] = np.array(
        [units[y : y + s, x : x + s].sum() for x, y, s in plan.boxes.tolist()]
    )
    weight /= weight.mean()
    return weight


def transfer_of(plan: Plan, request: Photomosaic, progress: Progress) -> Transfer | None:
    """Find what moves the photos to the palette of the target; None if that was not asked for."""
    if not request.transfer:
        return None
    progress(Step("features", 0, 0, "moving the photos to the palette of the target"))
    thumbs = plan.library.thumbs
    count, side = thumbs.shape[:2]
    step = side // _PALETTE
    coarse = np.empty((count, _PALETTE, _PALETTE, 3), np.float32)
    for start in range(0, count, 1024):
        part = thumbs[start : start + 1024]
        blocks = part.reshape(len(part), _PALETTE, step, _PALETTE, step, 3)
        coarse[start : start + 1024] = blocks.mean((2, 4))
        let_go(thumbs)
    px = min(_PALETTE, canvas_px(plan.grid, 1))
    palette = canvas(plan.target, plan.grid, px, plan.background).astype(np.float32)
    return palette_transfer(coarse, palette, request.transfer)
