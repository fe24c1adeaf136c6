"""Feature rows in the order of a k-d tree, so that neighbours stand together.

A tree (Friedman, Bentley and Finkel, *ACM Transactions on Mathematical Software*
3, 1977) halves the rows again and again, each time along the axis where they
differ most; here along principal axes, of which few tell most.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from smalti.core.metric import Floats, Rows

BOX = 128  # rows of a leaf, aligned: every so many of the order from the first on are one
_AXES = 8
_FEATURES = 64  # about as many are looked at
_SOME = 64  # rows of a box by which its axes are compared
_ALIKE = 8  # rows that need no further order


class Frame(NamedTuple):
    """Principal axes of feature rows.

    Attributes
    ----------
    step : int
        Every how many features are looked at.
    middle : ndarray of shape (k',), float64
    axes : ndarray of shape (k', a), float64
        Orthonormal: points are no farther apart than the rows they stand for.
    """

    step: int
    middle: NDArray[np.float64]
    axes: NDArray[np.float64]


def frame(rows: Rows) -> Frame:
    """Find the axes along which rows of shape (n, k) differ most."""
    step = rows.shape[1] // _FEATURES | 1  # odd: every channel of a colour
    some = rows[:, ::step]
    middle = some.sum(0, dtype=np.float64) / max(len(some), 1)
    data = some - middle.astype(np.float32)
    _, axes = np.linalg.eigh((data.T @ data).astype(np.float64))
    return Frame(step, middle, axes[:, ::-1][:, :_AXES])


def points(frame: Frame, rows: Rows) -> Floats:
    """Coordinates (n, a) of rows in a frame."""
    found = np.empty((len(rows), frame.axes.shape[1]), np.float32)
    for start in range(0, len(rows), 65536):
        part = slice(start, start + 65536)
        found[part] = (rows[part, :: frame.step] - frame.middle) @ frame.axes
    return found


@njit(cache=True)
def order(points: Floats) -> NDArray[np.int64]:
    """Rows in the order of the tree."""
    n, width = points.shape
    order = np.arange(n)
    begins, ends = np.zeros(64, np.int64), np.full(64, n)
    depth = 1
    while depth > 0:
        depth -= 1
        begin, end = begins[depth], ends[depth]
        if end - begin <= _ALIKE:
            continue
        axis, most, step = 0, -1.0, max(1, (end - begin) // _SOME)
        for k in range(width):
            total = square = 0.0
            for i in range(begin, end, step):
                x = np.float64(points[order[i], k])
                total += x
                square += x * x
            spread = square - total * total / len(range(begin, end, step))
            if spread > most:
                axis, most = k, spread
        half = (end - begin + 1) // 2
        half = begin + (-(-half // BOX) * BOX if end - begin > BOX else half)
        _select(points, axis, order, begin, end - 1, half)
        begins[depth], ends[depth] = begin, half
        begins[depth + 1], ends[depth + 1] = half, end
        depth += 2
    return order


@njit(cache=True)
def _select(
    points: Floats, axis: int, order: NDArray[np.int64], low: int, high: int, rank: int
) -> None:
    """Put what belongs at `rank` there, what is less before it (Hoare's algorithm 65)."""
    while low < high:
        pivot = points[order[(low + high) // 2], axis]
        i, j = low, high
        while i <= j:
            while points[order[i], axis] < pivot:
                i += 1
            while points[order[j], axis] > pivot:
                j -= 1
            if i <= j:
                order[i], order[j] = order[j], order[i]
                i += 1
                j -= 1
        if rank <= j:
            high = j
        elif rank >= i:
            low = i
        else:
            return
