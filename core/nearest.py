"""The nearest photos of every cell, from photos that come block by block and are not kept."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from smalti.core import metric as distances
from smalti.core.metric import Floats, Rows


class Nearest(NamedTuple):
    """What is known of the distance of every cell and photo, from below.

    Attributes
    ----------
    photo : ndarray of shape (n, w), int32
        Those of the least bounds, ascending by them; -1 where there are no more.
    bound : ndarray of shape (n, w), float64
        What their distances are no less than; infinite where there are no more.
    beyond : ndarray of shape (n,), float64
        What the distance of any photo that is not listed is no less than.
    """

    photo: NDArray[np.int32]
    bound: NDArray[np.float64]
    beyond: NDArray[np.float64]


def nearest(
    cells: Rows, blocks: Iterable[tuple[NDArray[np.intp], Rows]], take: int, *, metric: str
) -> Nearest:
    """List the nearest photos of every cell.

    Parameters
    ----------
    cells : ndarray of shape (n, k), float32 or uint8
    blocks : iterable of (ndarray of shape (b,), ndarray of shape (b, v, k))
        Numbers and feature rows of some photos at a time; a few thousand are best.
    take : int
        How many to list.
    metric : str
        As for `smalti.core.assign.assign`.
    """
    n, kind = len(cells), distances.KINDS[metric]
    photo, bound = np.full((n, take), -1, np.int32), np.full((n, take), np.inf)
    for number, rows in blocks:
        count = len(number)
        pairs = distances.Pairs(
            kind, cells, rows, np.arange(n), np.arange(count), np.ones(n), 1.0,
            np.zeros((0, 0), np.float32),
        )  # fmt: skip
        none = np.zeros(n + 1, np.int64), np.zeros(0, np.int64)
        _, bounds = distances.prepare(pairs, none, lambda done, total: None)
        offset, size = distances.row_offset(bounds), distances.rows_at_once(bounds, count)
        block = np.empty((min(size, n), count), np.float32)
        for start in range(0, n, size):
            part = slice(start, min(start + size, n))
            here = block[: part.stop - start]
            distances.lower_bounds(bounds, part, slice(0, count), here)
            _keep(here, offset[part], number.astype(np.int32), photo[part], bound[part])
    beyond = bound[:, 0].copy()
    for r in range(n):
        order = np.argsort(bound[r], kind="stable")
        photo[r], bound[r] = photo[r, order], bound[r, order]
    return Nearest(photo, bound, beyond)


@njit(cache=True)
def _keep(
    block: Floats,
    offset: NDArray[np.float64],
    number: NDArray[np.int32],
    photo: NDArray[np.int32],
    bound: NDArray[np.float64],
) -> None:
    """Put what is nearer than the farthest so far in its place; each row is a heap, farthest first.

    A stretch of slots that has nothing near is passed over side by side.
    """
    width = bound.shape[1]
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
                if value < heap[0]:
                    at = 0
                    while True:
                        child = 2 * at + 1
                        if child + 1 < width and heap[child + 1] > heap[child]:
                            child += 1
                        if child >= width or heap[child] <= value:
                            break
                        heap[at], names[at] = heap[child], names[child]
                        at = child
                    heap[at], names[at] = value, number[start + j]
