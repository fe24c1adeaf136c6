"""A library too large to be compared whole: those photos only that some cell may want.

A sample of the library says how near the nearest photos of every cell will be, so that
most others need not be compared in full. One pass over all lists them, a block at a
time, each described and compared wherever there is a worker for it. The assignment
is solved on the nearest few, in one place; its duals say which of the others could
lower it (column generation, as in `smalti.core.pricing`, by photos instead of
pairs), and those join. When none could, the answer is the optimum for the whole
library, though most of it was never in memory. Where even the lists end too soon
they are made anew, longer, for the cells concerned; in the end the duals, lowered
to what is known of the rest, bound how far off it is.
"""

import math
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smalti.core.assign import Assignment
from smalti.core.features import Variant, photo_rows
from smalti.core.library import TileLibrary
from smalti.core.nearest import Nearest, merged, nearest
from smalti.core.progress import Progress, Step, each_result, silent
from smalti.core.scratch import picked
from smalti.core.spacing import Spaced
from smalti.core.transfer import Transfer, transferred
from smalti.matching import (
    Described,
    best,
    describe,
    moved_apart,
    numbers,
    row_options,
    transfer_of,
)
from smalti.plan import Plan
from smalti.request import Photomosaic
from smalti.wishes import Limits

_WHOLE = 512 << 20  # bytes of feature rows up to which a library is compared as it is
_BLOCK = 4096  # photos compared at a time
LISTS = 100_000_000
"""Bytes of the lists."""
_ENTRY = 8  # bytes of a photo in a list
_SAMPLE = 32  # of so many photos one says how far lists reach
_MARGIN = 1.3  # times as many as they hold, since a sample errs
_RARE = 100  # photos of which one is listed at most, where knowing how far lists reach pays
_EACH = 32  # photos that a block lists a cell at least, where its even part of a list is less
_AHEAD = 4  # blocks under way at least; each is some 30 MB to send
_FEW, _WIDER = 4, 4  # photos of a list tried first, and how many times as many in the next round
_AMPLE = 1.05  # times the distance up to which a cell wants photos: that changes a little
_PASSES, _LONGER = 3, 8  # over the library, at most, and how many times as long the next lists are


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
    rows = 4 * len(plan.library.sources) * numbers(request)
    return rows > _WHOLE and request.solver == "exact"


def is_sampled(cells: int, photos: int) -> bool:
    """Say whether so few photos are listed that a sample says first how far lists reach."""
    return _MARGIN * _length(cells) * _RARE <= photos


def match_short(
    plan: Plan,
    request: Photomosaic,
    progress: Progress = silent,
    *,
    executor: Executor | None = None,
) -> Matched:
    """Describe and match by short lists; of the same cost as `match` finds.

    The bound holds for the whole library. If the lists did not suffice to prove
    the optimum, there is a gap, and it is not certified. The executor describes and
    compares photos; what is found does not depend on it.
    """
    none = np.zeros(0, np.intp)
    bare = describe(part_of(plan, none), request, transfer=transfer_of(plan, request, progress))
    n, group = len(plan.boxes), plan.limits.group
    weight = np.ones(n) if bare.weight is None else bare.weight
    cells, take, share = np.arange(n), _length(n), 1
    usable = _usable(plan)
    listed = partial(_listed, plan, request, bare, progress, executor)
    lists = listed(usable, cells, _reach(listed, usable, cells, take), take, share)
    known, beyond = [(cells, lists)], lists.beyond.copy()
    passes, rank = 1, _FEW
    chosen = _enough(plan, request, np.union1d(_always(plan), lists.photo[:, :rank]))
    duals, names = None, none
    while True:
        now = np.unique(group[chosen])
        if duals is not None:
            carried = np.zeros(len(now), np.int64)
            carried[np.searchsorted(now, names)] = duals.group
            duals = duals._replace(group=carried)
        described = replace(bare, photos=_rows(plan, request, bare, chosen, progress))
        laid = best(*_narrowed(plan, chosen), request, described, progress, duals=duals)
        duals, names = laid.duals, now
        assert duals is not None
        worth, rank = duals.cell / duals.per_unit, rank * _WIDER
        joined = _joined(known, weight, worth, chosen, rank)
        while not len(joined) and passes < _PASSES:
            short = np.flatnonzero(weight * beyond < worth)
            if not len(short):
                break
            passes += 1
            take, share = min(_LONGER * take, _length(len(short))), share * _LONGER
            limit = _AMPLE * worth[short] / weight[short]
            lists = listed(usable, short, limit, take, share)
            known.append((short, lists))
            beyond[short] = lists.beyond
            joined = _joined(known, weight, worth, chosen, rank)
        if not len(joined):
            break
        chosen = np.union1d(chosen, joined)
        del described  # or its rows would lie beside the next
    part = part_of(plan, chosen)
    thumbs = part.library.thumbs
    thumbs = thumbs if bare.transfer is None else transferred(thumbs, bare.transfer)
    described = replace(described, thumbs=thumbs)
    laid, spaced = moved_apart(part, request, described, laid, progress)
    return Matched(part, described, _for_all(laid, weight * beyond, len(usable)), spaced)


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


def _length(cells: int) -> int:
    """How many photos a list may hold."""
    return max(_FEW, LISTS // (_ENTRY * cells))


def _usable(plan: Plan) -> NDArray[np.intp]:
    free = np.ones(len(plan.library.sources), bool)
    free[plan.limits.banned] = False
    return np.flatnonzero(free)


def _reach(
    listed: Callable[..., Nearest],
    usable: NDArray[np.intp],
    cells: NDArray[np.intp],
    take: int,
) -> NDArray[np.float64] | None:
    """Find how near photos must be to a cell to be listed, by a sample of them."""
    if not is_sampled(len(cells), len(usable)):
        return None
    few = math.ceil(_MARGIN * take / _SAMPLE)
    return listed(usable[::_SAMPLE], cells, None, few, 1).bound[:, -1].astype(np.float64)


def _listed(
    plan: Plan,
    request: Photomosaic,
    bare: Described,
    progress: Progress,
    executor: Executor | None,
    usable: NDArray[np.intp],
    cells: NDArray[np.intp],
    limit: NDArray[np.float64] | None,
    take: int,
    share: int,
) -> Nearest:
    """List the nearest of some photos, for some cells, of a block no more than so many shares."""
    blocks = _Blocks(plan, usable)
    total, take = len(usable), min(take, len(usable))
    few = share * max(_EACH, take // max(1, len(blocks)))

    def in_photos(step: Step) -> None:
        progress(replace(step, done=min(step.done * _BLOCK, total), total=total))

    lists = each_result(
        partial(
            _compared,
            cells=bare.cells[cells],
            kinds=bare.kinds,
            transfer=bare.transfer,
            how=row_options(request),
            take=min(few, take),
            metric=request.metric,
            limit=limit,
        ),
        blocks,
        phase="features",
        text="comparing photos",
        executor=executor,
        progress=in_photos,
        ahead=_AHEAD,
    )
    return merged(lists, len(cells), take)


class _Block(NamedTuple):
    """Photos that are compared together: their numbers, thumbnails and frames."""

    number: NDArray[np.intp]
    thumbs: NDArray[np.uint8]
    frames: NDArray[np.float64]


def _block(plan: Plan, number: NDArray[np.intp]) -> _Block:
    return _Block(number, picked(plan.library.thumbs, number), plan.frames[number])


class _Blocks:
    """The usable photos of a plan; a block is looked up in the library when it is asked for."""

    def __init__(self, plan: Plan, usable: NDArray[np.intp]) -> None:
        self._plan, self._usable = plan, usable

    def __len__(self) -> int:
        return -(-len(self._usable) // _BLOCK)

    def __getitem__(self, k: int, /) -> _Block:
        return _block(self._plan, self._usable[k * _BLOCK : (k + 1) * _BLOCK])


def _compared(
    block: _Block,
    *,
    cells: NDArray[np.float32],
    kinds: tuple[Variant, ...],
    transfer: Transfer | None,
    how: dict[str, Any],
    take: int,
    metric: str,
    limit: NDArray[np.float64] | None,
) -> Nearest:
    """List the nearest photos of a block."""
    rows = _rows_of(block, kinds, transfer, how)
    return nearest(cells, block.number, rows, take, metric=metric, limit=limit)


def _rows_of(
    block: _Block, kinds: tuple[Variant, ...], transfer: Transfer | None, how: dict[str, Any]
) -> NDArray[np.float32]:
    """Describe the photos of a block."""
    thumbs = block.thumbs if transfer is None else transferred(block.thumbs, transfer)
    return photo_rows(thumbs, block.frames, kinds, **how)


def _rows(
    plan: Plan,
    request: Photomosaic,
    bare: Described,
    chosen: NDArray[np.intp],
    progress: Progress,
) -> NDArray[np.float32]:
    """Describe some photos, whose thumbnails are in memory a block at a time."""
    rows = np.empty((len(chosen), len(bare.kinds), bare.cells.shape[1]), np.float32)
    for start in range(0, len(chosen), _BLOCK):
        progress(Step("features", start, len(chosen), "describing photos"))
        block = _block(plan, chosen[start : start + _BLOCK])
        rows[start : start + _BLOCK] = _rows_of(
            block, bare.kinds, bare.transfer, row_options(request)
        )
    return rows


def _joined(
    known: list[tuple[NDArray[np.intp], Nearest]],
    weight: NDArray[np.float64],
    worth: NDArray[np.float64],
    chosen: NDArray[np.intp],
    most: int,
) -> NDArray[np.intp]:
    """Photos that could lower the cost, and are not chosen yet: so many of a list at most."""
    joined = np.zeros(0, np.intp)
    for cells, lists in known:
        wanted = _wanted(lists, weight[cells], worth[cells], chosen)
        first = wanted & (np.cumsum(wanted, axis=1, dtype=np.int32) <= most)
        joined = np.union1d(joined, lists.photo[first])
    return joined


def _wanted(
    lists: Nearest,
    weight: NDArray[np.float64],
    worth: NDArray[np.float64],
    chosen: NDArray[np.intp],
) -> NDArray[np.bool_]:
    """Say which listed photos could lower the cost, and are not chosen yet."""
    taken = np.zeros(max(int(lists.photo.max(initial=0)), int(chosen.max(initial=0))) + 1, bool)
    taken[chosen] = True
    wanted: NDArray[np.bool_] = weight[:, None] * lists.bound < worth[:, None]
    return wanted & ~taken[lists.photo]


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


def _narrowed(plan: Plan, chosen: NDArray[np.intp]) -> tuple[Limits, NDArray[np.intp]]:
    """Limits and locks of some photos alone."""
    limits = plan.limits
    place = np.full(len(limits.group), -1)
    place[chosen] = np.arange(len(chosen))
    _, group = np.unique(limits.group[chosen], return_inverse=True)
    locks = np.stack([plan.locks[:, 0], place[plan.locks[:, 1]]], axis=1)
    return (
        replace(
            limits,
            group=group.astype(np.intp),
            banned=np.zeros(0, np.intp),
            required=place[limits.required],
        ),
        locks if len(chosen) else plan.locks[:0],
    )


def part_of(plan: Plan, chosen: NDArray[np.intp]) -> Plan:
    """Leave all photos out of a plan but some, given in ascending order."""
    library, (limits, locks) = plan.library, _narrowed(plan, chosen)
    return replace(
        plan,
        library=TileLibrary(
            sources=tuple(library.sources[j] for j in chosen.tolist()),
            sizes=library.sizes[chosen],
            thumbs=picked(library.thumbs, chosen),
            group=library.group[chosen],
            skipped=library.skipped,
        ),
        limits=limits,
        locks=locks,
        frames=plan.frames[chosen],
    )
