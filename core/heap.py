"""Columns waiting in a search, the nearest on top: a heap of four branches (Johnson 1975).

Half as deep as one of two, and the four below lie side by side in memory, keys and all;
a column knows its place, so that one that came nearer can move up.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from smalti.core.kernel import kernel


class Heap(NamedTuple):
    """Working memory; how many are in it, its user knows.

    Attributes
    ----------
    key : ndarray of shape (columns,), int64
        Distance of each in `column`.
    column : ndarray of shape (columns,), int32
        The nearest first.
    place : ndarray of shape (columns,), int32
        Where each column stands, or -1.
    """

    key: NDArray[np.int64]
    column: NDArray[np.int32]
    place: NDArray[np.int32]


def new_heap(columns: int) -> Heap:
    """Nothing in it."""
    return Heap(
        np.zeros(columns, np.int64), np.zeros(columns, np.int32), np.full(columns, -1, np.int32)
    )


@kernel
def rise(heap: Heap, j: int, distance: int, size: int) -> int:
    """Put column j in, or up to where its lesser distance belongs; return the size."""
    key, column, place = heap.key, heap.column, heap.place
    spot = place[j]
    if spot < 0:
        spot = size
        size += 1
    while spot > 0:
        above = (spot - 1) >> 2
        if key[above] <= distance:
            break
        other = column[above]
        key[spot], column[spot] = key[above], other
        place[other] = spot
        spot = above
    key[spot], column[spot] = distance, j
    place[j] = spot
    return size


@kernel
def drop_first(heap: Heap, size: int) -> int:
    """Take the nearest column out; return the size."""
    key, column, place = heap.key, heap.column, heap.place
    place[column[0]] = -1
    size -= 1
    if size == 0:
        return 0
    j, distance, spot = column[size], key[size], 0
    while 4 * spot + 1 < size:
        below = 4 * spot + 1
        least = key[below]
        for k in range(below + 1, min(below + 4, size)):
            if key[k] < least:
                below, least = k, key[k]
        if distance <= least:
            break
        other = column[below]
        key[spot], column[spot] = least, other
        place[other] = spot
        spot = below
    key[spot], column[spot] = distance, j
    place[j] = spot
    return size


@kernel
def clear(heap: Heap, size: int) -> None:
    """Take out all that are in."""
    for k in range(size):
        heap.place[heap.column[k]] = -1
