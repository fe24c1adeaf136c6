"""The nearest photos of every cell: of a block of photos, and of many blocks together."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from smalti.core import metric as distances
from smalti.core.bounds import lower_bounds, narrowed, prepare, refine, row_offset, rows_at_once
from smalti.core.metric import Floats, Rows


class Nearest(NamedTuple):
    """What is known of the distance of every cell and photo, from below.

    Attributes
    ----------
    photo : ndarray of shape (n, w), int32
        Those of the least bounds, ascending by them; -1 where there are no more.
    bound : ndarray of shape (n, w), float32
        What their distances are no less than; infinite where there are no more.
    beyond : ndarray of shape (n,), float64
        What the distance of any photo that is not listed is no less than.
    """

    photo: NDArray[np.int32]
    bound: Floats
    beyond: NDArray[np.float64]


def nearest(
    cells: Rows,
    number: NDArray[np.intp],
    rows: Rows,
    take: int,
    *,
    metric: str,
    limit: NDArray[np.float64] | None = None,
) -> Nearest:
    """List the nearest of some photos for every cell.

    Parameters
    ----------
    cells : ndarray of shape (n, k), float32 or uint8
    number : ndarray of shape (b,)
        What the photos are called in the list; a few thousand are best.
    rows : ndarray of shape (b, v, k), of the same type as `cells`
        Their feature rows.
    take : int
        How many to list.
    metric : str
        As for `smalti.core.assign.assign`.
    limit : ndarray of shape (n,), float64, optional
        Photos that are no nearer to a cell than this are not listed; most then
        need not be compared in full.
    """
    n, count, kind = len(cells), len(number), distances.KINDS[metric]
    photo, bound = _empty(n, min(take, count))
    if limit is not None:
        bound[:] = limit[:, None]
        limit = bound[:, 0].astype(np.float64)
    pairs = distances.Pairs(
        kind, cells, rows, np.arange(n), np.arange(count), np.ones(n), 1.0,
        np.zeros((0, 0), np.float32),
    )  # fmt: skip
    none = np.zeros(n + 1, np.int64), np.zeros(0, np.int64)
    _, full = prepare(pairs, none, lambda done, total: None)
    first = full if limit is None else narrowed(full)
    offset, size = row_offset(full), rows_at_once(full, count)
    block = np.empty((min(size, n), count), np.float32)
    for start in range(0, n, size):
        part = slice(start, min(start + size, n))
        here = block[: part.stop - start]
        lower_bounds(first, part, slice(0, count), here)
        if first is not full:
            refine(full, part, bound[part, 0] - offset[part], here)
        _keep(here, offset[part], number.astype(np.int32), photo[part], bound[part])
    if take < count:
        beyond = bound[:, 0].astype(np.float64)
    else:
        beyond = np.full(n, np.inf) if limit is None else limit
    _ascend(photo, bound)
    bound[photo < 0] = np.inf
    return Nearest(photo, bound, beyond)


def merged(lists: Iterable[Nearest], n: int, take: int) -> Nearest:
    """Make one list of those of several blocks of photos.

    Parameters
    ----------
    lists : iterable of Nearest
        Of other photos each; looked at one after the other, and not kept.
    n : int
        Cells.
    take : int
        How many to list.
    """
    photo, bound = _empty(n, take)
    beyond, offered = np.full(n, np.inf), 0
    for block in lists:
        _merge(block.photo, block.bound, photo, bound)
        np.minimum(beyond, block.beyond, out=beyond)
        offered += block.photo.shape[1]
    if take < offered:
        np.minimum(beyond, bound[:, 0], out=beyond)
    _ascend(photo, bound)
    return Nearest(photo, bound, beyond)


def _empty(n: int, width: int) -> tuple[NDArray[np.int32], Floats]:
    """Make room for lists; each row is a heap, farthest first."""
    return np.full((n, width), -1, np.int32), np.full((n, width), np.inf, np.float32)


@njit(cache=True)
def _put(heap: Floats, names: NDArray[np.int32], value: np.floating[Any], name: int) -> None:
    """Put one in place of the farthest of a heap."""
    at = 0
    while True:
        child = 2 * at + 1
        if child + 1 < len(heap) and heap[child + 1] > heap[child]:
            child += 1
        if child >= len(heap) or heap[child] <= value:
            break
        heap[at], names[at] = heap[child], names[child]
        at = child
    heap[at], names[at] = value, name


@njit(cache=True)
def _keep(
    block: Floats,
    offset: NDArray[np.float64],
    number: NDArray[np.int32],
    photo: NDArray[np.int32],
    bound: Floats,
) -> None:
    """Put what is nearer than the farthest so far in its place.

    A stretch of slots that has nothing near is passed over side by side.
    """
    for r in range(len(block)):
        heap, names = bound[r], photo[r]
        for start in range(0, block.shape[1], 128):
            part = block[r, start : start + 128]
            limit = heap[0] - offset[r]
            near = np.int32(0)
            for j in range(len(part)):
                near |= np.int32(part[j] < limit)
            for j in range(len(part) if near else 0):
                value = part[j] + offset[r]
                value = np.float32(value - abs(value) * 2.0**-23)  # never rounded up
                if value < heap[0]:
                    _put(heap, names, value, number[start + j])


@njit(cache=True)
def _merge(
    found: NDArray[np.int32],
    least: Floats,
    photo: NDArray[np.int32],
    bound: Floats,
) -> None:
    """Put what other lists, ascending, have nearer than the farthest so far in its place."""
    for r in range(len(found)):
        heap, names = bound[r], photo[r]
        for k in range(found.shape[1]):
            if least[r, k] >= heap[0]:
                break
            _put(heap, names, least[r, k], found[r, k])


@njit(cache=True)
def _ascend(photo: NDArray[np.int32], bound: Floats) -> None:
    """Sort every heap, nearest first, in its place."""
    for r in range(len(bound)):
        for end in range(bound.shape[1] - 1, 0, -1):
            value, name = bound[r, end], photo[r, end]
            bound[r, end], photo[r, end] = bound[r, 0], photo[r, 0]
            _put(bound[r, :end], photo[r, :end], value, name)
