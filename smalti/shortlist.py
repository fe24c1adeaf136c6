"""A library too large to be compared whole: those photos only that some cell may want.

One pass over the library, a block at a time, lists the nearest photos of every
cell. The assignment is solved on the nearest few; its duals say which of the
others could lower it (column generation, as in `smalti.core.pricing`, by photos
instead of pairs), and those join. When none could, the answer is the optimum
for the whole library, though most of it was never in memory. Where even the
lists end too soon they are made anew, longer, for the cells concerned; in the
end the duals, lowered to what is known of the rest, bound how far off it is.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from smalti.core.assign import Assignment
from smalti.core.features import photo_rows, variants
from smalti.core.library import TileLibrary
from smalti.core.nearest import Nearest, nearest
from smalti.core.progress import Progress, Step, silent
from smalti.core.scratch import let_go
from smalti.core.spacing import Spaced
from smalti.core.transfer import transferred
from smalti.matching import Described, describe, match, row_options, transfer_of
from smalti.plan import Plan
from smalti.request import Photomosaic

_WHOLE = 512 << 20  # bytes of feature rows up to which a library is compared as it is
_BLOCK = 4096  # photos compared at a time
_LISTS = 100_000_000  # bytes of them
_FEW, _WIDER = 8, 4  # photos of a list tried first, and how many times as many in the next round
_PASSES = 3  # over the library, at most


class Matched(NamedTuple):
    """An assignment, and what it was found from.

    Attributes
    ----------
    plan : Plan
        Its library holds the photos of the last round only, if there were any.
    described : Described
    laid : Assignment
        Its photos count in the library of `plan`.
    spaced : Spaced or None
        As of `smalti.matching.match`.
    """

    plan: Plan
    described: Described
    laid: Assignment
    spaced: Spaced | None


def is_large(plan: Plan, request: Photomosaic) -> bool:
    """Say whether the photos of a plan are too many to be compared whole."""
    kinds = len(variants(request.variants))
    rows = len(plan.library.sources) * kinds * 3 * request.detail**2 * 4
    return rows > _WHOLE and request.solver == "exact"


def match_short(plan: Plan, request: Photomosaic, progress: Progress = silent) -> Matched:
    """Describe and match by short lists; of the same cost as `match` finds.

    The bound holds for the whole library. If the lists did not suffice to prove
    the optimum, there is a gap, and it is not certified.
    """
    transfer = transfer_of(plan, request, progress)
    none = np.zeros(0, np.intp)
    bare = describe(_part(plan, none), request, transfer=transfer)
    n = len(plan.boxes)
    weight = np.ones(n) if bare.weight is None else bare.weight
    everyone, take = np.arange(n), max(_FEW, _LISTS // (12 * n))
    lists = _listed(plan, request, bare, everyone, take, progress)
    passes, rank = 1, _FEW
    chosen = _enough(plan, request, np.union1d(_always(plan), lists.photo[:, :rank]))
    quick, duals, names = replace(request, spacing=1, audit=False), None, none
    while True:
        part = _part(plan, chosen)
        described = describe(part, request, transfer=transfer)
        if duals is not None:
            now = np.unique(plan.limits.group[chosen])
            carried = np.zeros(len(now), np.int64)
            carried[np.searchsorted(now, names)] = duals.group
            duals = duals._replace(group=carried)
        laid, _ = match(part, quick, described, progress, duals=duals)
        duals, names = laid.duals, np.unique(plan.limits.group[chosen])
        assert duals is not None
        worth = duals.cell / duals.per_unit
        out = ~np.isin(lists.photo, chosen) & (lists.photo >= 0)
        wanted = out & (weight[:, None] * lists.bound < worth[:, None])
        if wanted.any():
            rank *= _WIDER
            first = wanted & (np.cumsum(wanted, axis=1) <= rank)
            chosen = np.union1d(chosen, lists.photo[first])
            continue
        short = np.flatnonzero(weight * lists.beyond < worth)
        if not len(short) or passes == _PASSES:
            break
        passes += 1
        take = min(8 * lists.photo.shape[1], max(_FEW, _LISTS // (12 * len(short))))
        longer = _listed(plan, request, bare, short, take, progress)
        lists = _with(lists, longer, short)
    laid, spaced = match(part, request, described, progress, duals=duals)
    assert laid.duals is not None
    usable = len(plan.library.sources) - len(plan.limits.banned)
    return Matched(part, described, _for_all(laid, weight * lists.beyond, usable), spaced)


def _for_all(laid: Assignment, beyond: NDArray[np.float64], photos: int) -> Assignment:
    """Bound an assignment for the whole library.

    No cell can have a photo that was left out for less than `beyond`: duals lowered
    to that are feasible for all photos.
    """
    assert laid.duals is not None
    over = np.maximum(0, laid.duals.cell / laid.duals.per_unit - beyond)
    bound = max(0.0, laid.lower_bound - float(over.sum()))
    proof = laid.certificate
    if proof is None:
        return replace(laid, lower_bound=bound)
    proof = replace(
        proof,
        lower_bound=max(0.0, proof.lower_bound - float(over.sum())),
        audited_pairs=len(laid.photo) * photos,
        least_reduced_cost=min(proof.least_reduced_cost, -float(over.max(initial=0))),
    )
    return replace(laid, lower_bound=bound, certificate=proof, certified=proof.holds)


def _listed(
    plan: Plan,
    request: Photomosaic,
    bare: Described,
    cells: NDArray[np.intp],
    take: int,
    progress: Progress,
) -> Nearest:
    """List the nearest usable photos of some cells."""
    free = np.ones(len(plan.library.sources), bool)
    free[plan.limits.banned] = False
    usable = np.flatnonzero(free)

    def blocks() -> Iterator[tuple[NDArray[np.intp], NDArray[np.float32]]]:
        for start in range(0, len(usable), _BLOCK):
            progress(Step("features", start, len(usable), "comparing photos"))
            number = usable[start : start + _BLOCK]
            thumbs = plan.library.thumbs[number]
            if bare.transfer is not None:
                thumbs = transferred(thumbs, bare.transfer)
            how = row_options(request)
            yield number, photo_rows(thumbs, plan.frames[number], bare.kinds, **how)
            let_go(plan.library.thumbs)
        progress(Step("features", len(usable), len(usable), "comparing photos"))

    return nearest(bare.cells[cells], blocks(), min(take, len(usable)), metric=request.metric)


def _with(lists: Nearest, longer: Nearest, rows: NDArray[np.intp]) -> Nearest:
    """Put the longer lists of some rows in place of theirs."""
    n, width = len(lists.photo), longer.photo.shape[1]
    photo, bound = np.full((n, width), -1, np.int32), np.full((n, width), np.inf)
    photo[:, : lists.photo.shape[1]], bound[:, : lists.photo.shape[1]] = lists.photo, lists.bound
    photo[rows], bound[rows] = longer.photo, longer.bound
    beyond = lists.beyond.copy()
    beyond[rows] = longer.beyond
    return Nearest(photo, bound, beyond)


def _always(plan: Plan) -> NDArray[np.intp]:
    """Photos that are asked for."""
    return np.union1d(plan.limits.required, plan.locks[:, 1]).astype(np.intp)


def _enough(plan: Plan, request: Photomosaic, chosen: NDArray[np.intp]) -> NDArray[np.intp]:
    """Add others, evenly, until they can fill all cells."""
    group, uses = plan.limits.group, request.max_uses
    needed = 1 if request.repeats == "free" else -(-len(plan.boxes) // uses)
    chosen = chosen[chosen >= 0]
    needed += len(plan.locks) + len(plan.limits.required)
    missing = needed - len(np.unique(group[chosen]))
    if missing > 0:
        free = np.ones(len(group), bool)
        free[plan.limits.banned] = False
        free &= ~np.isin(group, group[chosen])
        _, one = np.unique(group[free], return_index=True)
        others = np.flatnonzero(free)[one]
        even = others[np.linspace(0, len(others) - 1, min(missing, len(others))).astype(int)]
        chosen = np.union1d(chosen, even)
    return chosen.astype(np.intp)


def _part(plan: Plan, chosen: NDArray[np.intp]) -> Plan:
    """Leave all photos out of a plan but some, given in ascending order."""
    library, limits = plan.library, plan.limits
    place = np.full(len(library.sources), -1)
    place[chosen] = np.arange(len(chosen))
    _, group = np.unique(limits.group[chosen], return_inverse=True)
    return replace(
        plan,
        library=TileLibrary(
            sources=tuple(library.sources[j] for j in chosen.tolist()),
            sizes=library.sizes[chosen],
            thumbs=library.thumbs[chosen],
            group=library.group[chosen],
            skipped=library.skipped,
        ),
        limits=replace(
            limits,
            group=group.astype(np.intp),
            banned=np.zeros(0, np.intp),
            required=place[limits.required],
        ),
        locks=np.stack([plan.locks[:, 0], place[plan.locks[:, 1]]], axis=1)
        if len(chosen)
        else plan.locks[:0],
        frames=plan.frames[chosen],
    )
