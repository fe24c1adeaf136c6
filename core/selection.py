"""The least of many numbers in each of many rows, as they come a block at a time.

What is below a row's limit joins its list; a list that is full keeps its least part,
parted from the rest by Hoare's algorithm 65 (FIND), and its limit falls to the greatest
of them. A step for each number that joins, where a heap takes a climb.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from smalti.core.kernel import kernel

Floats = NDArray[np.float32]
Indices = NDArray[np.int32]

_SPARE = 1.5  # of what is to be kept: room


class Least(NamedTuple):
    """A list for each row; changed in place.

    Attributes
    ----------
    depth : int
        How many are to be kept.
    value : ndarray of shape (n, w), float32
        In no order.
    slot : ndarray of shape (n, w), int32
        Which they are.
    length : ndarray of shape (n,), int32
        How many there are.
    limit : ndarray of shape (n,), float32
        What is not below it does not join.
    noise : ndarray of shape (n,), float32
        Equals are told apart by so much: else all rows would list the same.
    """

    depth: int
    value: Floats
    slot: Indices
    length: Indices
    limit: Floats
    noise: Floats


def none_yet(depth: int, limit: Floats, noise: Floats) -> Least:
    """Empty lists."""
    shape = len(limit), int(_SPARE * depth) + 1
    return Least(
        depth, np.empty(shape, np.float32), np.empty(shape, np.int32),
        np.zeros(len(limit), np.int32), limit.astype(np.float32), noise,
    )  # fmt: skip


@kernel
def enter(
    least: Least,
    block: Floats,
    which: NDArray[np.int64],
    rows: NDArray[np.int64],
    weight: Floats,
    worth: Floats,
    slots: NDArray[np.int64],
) -> None:
    """Enter weight x block - worth, of some of the rows and some slots."""
    value, slot, length, limit = least.value, least.slot, least.length, least.limit
    room, width = value.shape[1], len(slots)
    for k in range(len(which)):
        r = which[k]
        row, w, last, count = block[k], weight[r], limit[r], length[r]
        for start in range(0, width, 64):
            part, gain = row[start : start + 64], worth[start : start + 64]
            low = np.int32(len(part) < 64)
            for j in range(64 if len(part) == 64 else 0):  # of known length: twice as fast
                low |= np.int32(w * part[j] - gain[j] < last)
            for j in range(len(part) if low else 0):
                x = w * part[j] - gain[j]
                if x < last:
                    s = slots[start + j]
                    value[r, count], slot[r, count] = x + least.noise[r] * _chance(rows[r], s), s
                    count += 1
                    if count == room:
                        last = min(last, part_off(value[r], slot[r], count, least.depth))
                        count = least.depth
        length[r], limit[r] = count, last


@kernel
def keep(least: Least) -> None:
    """Leave in each list no more than are to be kept; if there are more, the limit falls."""
    for r in range(len(least.length)):
        if least.length[r] > least.depth:
            most = part_off(least.value[r], least.slot[r], least.length[r], least.depth)
            least.length[r], least.limit[r] = least.depth, min(least.limit[r], most)


@kernel
def part_off(value: Floats, slot: Indices, count: int, rank: int) -> float:
    """Put the `rank` least of the first `count` first; return the greatest of them."""
    low, high = 0, count - 1
    while low < high:
        pivot = value[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while value[i] < pivot:
                i += 1
            while value[j] > pivot:
                j -= 1
            if i <= j:
                value[i], value[j] = value[j], value[i]
                slot[i], slot[j] = slot[j], slot[i]
                i += 1
                j -= 1
        if rank - 1 <= j:
            high = j
        elif rank - 1 >= i:
            low = i
        else:
            break
    most: float = value[rank - 1]
    return most


@kernel
def _chance(i: int, j: int) -> np.float32:
    """Return a number in 0 to 1 that depends on a pair alone."""
    x = np.uint64(i) * np.uint64(0x9E3779B97F4A7C15) ^ np.uint64(j) * np.uint64(0xC2B2AE3D27D4EB4F)
    x = (x ^ (x >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    return np.float32(x >> np.uint64(40)) * np.float32(2.0**-24)


@kernel
def thinned(least: Least, take: int, slot: Indices, length: Indices, edge: Floats) -> None:
    """List the `take` least of each row and every other of the rest.

    And from where on there is more: the greatest of those taken, or the limit.
    """
    for r in range(len(slot)):
        count, edge[r] = least.length[r], least.limit[r]
        if count >= take:
            edge[r] = part_off(least.value[r], least.slot[r], count, take)
        found = 0
        for k in range(count):
            if (k < take or (k + r) % 2) and found < slot.shape[1] - 1:
                slot[r, found] = least.slot[r, k]
                found += 1
        length[r] = found
