"""Photos in boxes, so that those too far from a cell are passed over a box at a time.

A box holds some leaves of a k-d tree (`smalti.core.kdtree`), and no photo in it is
nearer to a cell than the box is; Friedman, Bentley and Finkel's test whether a
ball of the search meets the box, with what the box's best photo is worth added
to the ball. Metrics that are no length along axes have boxes without sides: none of
theirs is passed over.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from smalti.core import kdtree
from smalti.core.bounds import Bounds, lower_bounds, of_slots, rows_at_once
from smalti.core.kernel import kernel
from smalti.core.metric import EUCLIDEAN, SQEUCLIDEAN, Floats, Pairs, Tick

_WIDE = 2048  # slots of a box without sides
_GROUP = 128  # rows of neighbours that are passed over in one go
_FEW = 256  # rows that cost less to look at than to pass over
_BLOCK = 1 << 17  # pairs looked at in one go: what a core's cache holds, with room to spare


class Places(NamedTuple):
    """Where rows and slots lie along the axes, if any.

    Attributes
    ----------
    row : ndarray of shape (a, rows), float32
    low, high : ndarray of shape (a, slots), float32
        Least and greatest of a photo's variants.
    error : ndarray of shape (rows,), float32
        How far rounding may have raised a row's squared distance from a box.
    turn : ndarray of shape (rows,), int64
        Where each row comes in the order of a tree of their own.
    slot : ndarray of shape (slots,), int64
        Slots in the order of the tree.
    """

    row: Floats
    low: Floats
    high: Floats
    error: Floats
    turn: NDArray[np.int64]
    slot: NDArray[np.int64]


class Boxes(NamedTuple):
    """Some of the slots, in boxes.

    Attributes
    ----------
    places : Places
    bounds : Bounds
        Of these slots, in the order of the boxes.
    slot : ndarray of shape (s,), int64
        Which they are.
    begin : ndarray of shape (b + 1,), int64
    low, high : ndarray of shape (b, a), float32
    """

    places: Places
    bounds: Bounds
    slot: NDArray[np.int64]
    begin: NDArray[np.int64]
    low: Floats
    high: Floats


def _sided(kind: int) -> bool:
    """Whether a metric is a length along axes."""
    return kind in (SQEUCLIDEAN, EUCLIDEAN)


def block_size(kind: int) -> tuple[int, int]:
    """Rows and slots of a block of `near`, where it has many rows to look at."""
    width = kdtree.BOX if _sided(kind) else _WIDE
    return _BLOCK // width, width


def places(
    pairs: Pairs,
    bounds: Bounds,
    frame: kdtree.Frame,
    turn: NDArray[np.int64],
    slot: NDArray[np.int64],
) -> Places:
    """Find where rows and slots lie, given the order of both."""
    rows, slots = len(pairs.cell), len(pairs.photo)
    if not _sided(pairs.kind):
        none = np.zeros((0, slots), np.float32)
        return Places(
            np.zeros((0, rows), np.float32), none, none, np.zeros(rows, np.float32),
            np.arange(rows), np.arange(slots),
        )  # fmt: skip
    row = kdtree.points(frame, pairs.cells)[pairs.cell]
    low = high = kdtree.points(frame, pairs.photos[:, 0])[pairs.photo]
    for q in range(1, pairs.photos.shape[1]):
        other = kdtree.points(frame, pairs.photos[:, q])[pairs.photo]
        low, high = np.minimum(low, other), np.maximum(high, other)
    # Some 20 operations of 2^-24 on numbers no larger than the squared norms of both.
    squares = np.einsum("ij,ij->i", bounds.near[:, :-1], bounds.near[:, :-1]) / 4
    error = (squares + bounds.far[:, :, -1].max(initial=0)) * 2.0**-18
    return Places(
        np.ascontiguousarray(row.T), np.ascontiguousarray(low.T), np.ascontiguousarray(high.T),
        error.astype(np.float32), turn, slot,
    )  # fmt: skip


def boxed(places: Places, bounds: Bounds, slots: int) -> Boxes:
    """Put the first so many slots in boxes."""
    slot = places.slot[places.slot < slots]
    # Without sides they stay in order, and so do their bounds.
    return _boxes(places, of_slots(bounds, slot) if len(places.row) else bounds, slot)


def some(boxes: Boxes, slots: NDArray[np.bool_]) -> Boxes:
    """Put some of the slots in boxes of their own; all of them, if these have no sides."""
    if not len(boxes.places.row):
        return boxes
    kept = np.flatnonzero(slots[boxes.slot])
    return _boxes(boxes.places, of_slots(boxes.bounds, kept), boxes.slot[kept])


def _boxes(places: Places, bounds: Bounds, slot: NDArray[np.int64]) -> Boxes:
    starts = np.arange(0, len(slot), kdtree.BOX if len(places.row) else _WIDE)
    low, high = (
        reduce.reduceat(side[:, slot], starts, axis=1) if len(slot) else side[:, :0]
        for reduce, side in ((np.minimum, places.low), (np.maximum, places.high))
    )
    begin = np.append(starts, len(slot))
    return Boxes(places, bounds, slot, begin, low.T.copy(), high.T.copy())


def remembering(boxes: Boxes, most: int, tick: Tick) -> Boxes:
    """Find all lower bounds once, if they are no more than so many."""
    rows, slots = len(boxes.bounds.offset), len(boxes.slot)
    if boxes.bounds.stored is not None or rows * slots > most:
        return boxes
    stored = np.empty((rows, slots), np.float32)
    size = rows_at_once(boxes.bounds, slots)
    for start in range(0, rows, size):
        tick(start, rows)
        part = slice(start, start + size)
        lower_bounds(boxes.bounds, part, slice(0, slots), stored[part])
    return boxes._replace(bounds=boxes.bounds._replace(stored=stored))


def banning(boxes: Boxes, banned: tuple[NDArray[np.int64], NDArray[np.int64]]) -> Boxes:
    """Add bans to boxes of all slots; what is banned already must be among them."""
    begin, slot = banned
    place = np.empty(len(boxes.slot), np.int64)
    place[boxes.slot] = np.arange(len(boxes.slot))
    return boxes._replace(bounds=boxes.bounds._replace(banned=(begin, place[slot])))


def near(
    boxes: Boxes,
    pairs: Pairs,
    rows: NDArray[np.int64],
    reach: NDArray[np.float64],
    worth: Floats,
    tick: Tick,
) -> Iterator[tuple[NDArray[np.int64], slice, Floats]]:
    """Lower bounds of all pairs that may have weight x distance - worth <= reach, and of others.

    Parameters
    ----------
    boxes : Boxes
    pairs : Pairs
    rows : ndarray of shape (r,), int64
    reach : ndarray of shape (r,), float64
        In weighted distance, with more than 2^-21 of what it was made of to spare.
    worth : ndarray of shape (s,), float32
        Of each slot in the boxes.
    tick : callable

    Yields
    ------
    which : ndarray of int64
        Whom of the rows a block is of.
    here : slice
        Of the slots in the boxes.
    block : ndarray of shape (len(which), len(here)), float32
        As `smalti.core.bounds.lower_bounds`; overwritten by the next.
    """
    places, total = boxes.places, len(boxes.slot)
    memory = np.empty(_BLOCK, np.float32)
    order = np.argsort(places.turn[rows])
    found, count = np.arange(len(rows)), len(rows)
    begin, many = boxes.begin[:-1], len(rows) >= _FEW
    best = np.maximum.reduceat(worth, begin) if many else worth
    if many:
        balls, left = _balls(boxes, pairs, rows[order], reach[order]), np.empty(_GROUP, np.float32)
    elif len(places.row):
        begin = begin[:: _WIDE // kdtree.BOX]
    for k, here in enumerate(map(slice, begin, np.append(begin, total)[1:])):
        width = here.stop - here.start
        if many:
            count = _meeting(
                boxes.low[k], boxes.high[k], best[k], pairs.kind == EUCLIDEAN, balls,
                left, found,
            )  # fmt: skip
        size = _BLOCK // width
        if not len(places.row):
            size = min(size, rows_at_once(boxes.bounds, width))
        for start in range(0, count, size):
            tick(here.start, total)
            which = order[found[start : min(count, start + size)]]
            block = memory[: len(which) * width].reshape(len(which), width)
            lower_bounds(boxes.bounds, rows[which], here, block)
            yield which, here, block


class Balls(NamedTuple):
    """How far rows look, and as much of groups of neighbours as any of them.

    Attributes
    ----------
    point : ndarray of shape (a, r), float32
    row : four ndarrays of shape (r,), float32
        Reach, its least and its greatest factor to an unweighted distance, error.
    low, high : ndarray of shape (g, a), float32
        Boxes about the groups.
    group : four ndarrays of shape (g,), float32
        As `row`.
    """

    point: Floats
    row: tuple[Floats, Floats, Floats, Floats]
    low: Floats
    high: Floats
    group: tuple[Floats, Floats, Floats, Floats]


def _balls(
    boxes: Boxes, pairs: Pairs, rows: NDArray[np.int64], reach: NDArray[np.float64]
) -> Balls:
    starts = np.arange(0, len(rows), _GROUP)
    point, most = boxes.places.row[:, rows], reach.astype(np.float32)
    scale = (1 / np.maximum(pairs.weight[rows], 1e-30)).astype(np.float32)
    error = boxes.places.error[rows]
    low, high = (f.reduceat(point, starts, axis=1).T.copy() for f in (np.minimum, np.maximum))
    group = (
        np.maximum.reduceat(most, starts), np.minimum.reduceat(scale, starts),
        np.maximum.reduceat(scale, starts), np.maximum.reduceat(error, starts),
    )  # fmt: skip
    return Balls(point, (most, scale, scale, error), low, high, group)


@kernel
def _square(
    most: tuple[Floats, Floats, Floats, Floats], i: int, worth: np.float32, roots: bool
) -> np.float32:
    """How far a row or a group may look at most, squared; negative for nowhere."""
    reach, least, greatest, error = most
    far: np.float32 = reach[i] + worth
    far *= greatest[i] if far > 0 else least[i]
    if roots:
        far *= abs(far)
    far += error[i]
    return far


@kernel
def _meeting(
    low: Floats,
    high: Floats,
    worth: np.float32,
    roots: bool,
    balls: Balls,
    left: Floats,
    found: NDArray[np.int64],
) -> int:
    """Rows whose ball meets a box; return how many."""
    none, count = np.float32(0), 0
    for g in range(len(balls.low)):
        most = _square(balls.group, g, worth, roots)
        for k in range(len(low)):
            apart = max(max(low[k] - balls.high[g, k], balls.low[g, k] - high[k]), none)
            most -= apart * apart
        if most < 0:
            continue
        first = g * len(left)
        size = min(len(left), balls.point.shape[1] - first)
        for i in range(size):
            left[i] = _square(balls.row, first + i, worth, roots)
        for k in range(len(low)):
            a, b, x = low[k], high[k], balls.point[k, first : first + size]
            for i in range(size):
                apart = max(max(a - x[i], x[i] - b), none)
                left[i] -= apart * apart
        for i in range(size):
            if left[i] >= 0:
                found[count] = first + i
                count += 1
    return count
