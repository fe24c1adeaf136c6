"""The sparse graph that shortest paths are sought in: a few arcs of every row, and room for more.

A row is a cell, or several that are alike; a column is a photo, or a group of
near-duplicates; an arc says what laying the one on the other costs.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from smalti.core.kernel import kernel

INFINITE = 1 << 62

Ints = NDArray[np.int64]
Indices = NDArray[np.int32]


class Arcs(NamedTuple):
    """The graph: row i has ``length[i]`` arcs from ``begin[i]`` on, and room up to the next.

    Attributes
    ----------
    begin : ndarray of shape (rows + 1,), int64
    length : ndarray of shape (rows,), int32
    column : ndarray of int32
    cost : ndarray of int64
    key : ndarray of int64
        Ascending in each row and at most cost - v, while duals of columns only fall:
        see `arrange`.
    """

    begin: Ints
    length: Indices
    column: Indices
    cost: Ints
    key: Ints


class Listed(NamedTuple):
    """Arcs to join a graph.

    Attributes
    ----------
    row : ndarray of shape (r,), int64
        The same more than once, if it is long.
    column, cost : ndarray of shape (r, w), int32 and int64
    length : ndarray of shape (r,), int32
        How many of each row are meant.
    edge : ndarray of shape (r,), int64
        About where cost - v of the arcs left out begins.
    """

    row: NDArray[np.int64]
    column: Indices
    cost: Ints
    length: Indices
    edge: Ints


def begun(listed: Listed) -> Arcs:
    """Begin a graph with listed arcs of all rows, with some room to grow."""
    rows, width = listed.column.shape
    room = width + 24
    column, costs = np.zeros((rows, room), np.int32), np.zeros((rows, room), np.int64)
    column[:, :width], costs[:, :width] = listed.column, listed.cost
    begin = np.arange(rows + 1, dtype=np.int64) * room
    return Arcs(
        begin, listed.length.copy(), column.ravel(), costs.ravel(), np.zeros(rows * room, np.int64)
    )


def join(arcs: Arcs, listed: Listed) -> Arcs:
    """Add listed arcs to a graph, making room where there is none."""
    needed = arcs.length.astype(np.int64)
    np.add.at(needed, listed.row, listed.length)
    room = np.diff(arcs.begin)
    if (needed > room).any():
        room = np.where(needed > room, needed * 3 // 2, room)
        begin = np.concatenate([[0], np.cumsum(room)])
        column, costs = np.zeros(begin[-1], np.int32), np.zeros(begin[-1], np.int64)
        grown = Arcs(begin, arcs.length, column, costs, np.zeros(begin[-1], np.int64))
        _move(arcs, grown)
        arcs = grown
    _append(arcs, listed.row, listed.column, listed.cost, listed.length)
    return arcs


@kernel
def _move(arcs: Arcs, grown: Arcs) -> None:
    for i in range(len(arcs.length)):
        old, new = arcs.begin[i], grown.begin[i]
        for a in range(arcs.length[i]):
            grown.column[new + a], grown.cost[new + a] = arcs.column[old + a], arcs.cost[old + a]


@kernel
def _append(
    arcs: Arcs, rows: NDArray[np.int64], column: Indices, costs: Ints, count: Indices
) -> None:
    for r in range(len(rows)):
        i = rows[r]
        begin, known = arcs.begin[i], arcs.length[i]
        for a in range(count[r]):
            spot = begin
            while spot < begin + known and arcs.column[spot] != column[r, a]:
                spot += 1
            if spot == begin + known:  # of a group's photos, several may join: the cheapest counts
                spot = begin + arcs.length[i]
                arcs.column[spot], arcs.cost[spot] = column[r, a], costs[r, a]
                arcs.length[i] += 1
            else:
                arcs.cost[spot] = min(arcs.cost[spot], costs[r, a])


@kernel
def arrange(arcs: Arcs, v: Ints) -> None:
    """Sort the arcs of each row by cost - v, so that a scan may stop at the first too dear."""
    column, cost, key = arcs.column, arcs.cost, arcs.key
    for q in range(len(arcs.length)):
        begin, end = arcs.begin[q], arcs.begin[q] + arcs.length[q]
        falls = 0
        for a in range(begin, end):
            key[a] = cost[a] - v[column[a]]
            falls += a > begin and key[a] < key[a - 1]
        if falls == 0:
            continue
        for gap in (301, 132, 57, 23, 10, 4, 1):  # Shell's sort, of Ciura's gaps
            if gap > 1 and 4 * falls < end - begin:  # nearly in order
                continue
            for a in range(begin + gap, end):
                k = key[a]
                if key[a - gap] <= k:
                    continue
                j, c, spot = column[a], cost[a], a
                while spot >= begin + gap and key[spot - gap] > k:
                    key[spot] = key[spot - gap]
                    column[spot], cost[spot] = column[spot - gap], cost[spot - gap]
                    spot -= gap
                key[spot], column[spot], cost[spot] = k, j, c


@njit(cache=True)
def by_column(arcs: Arcs, m: int) -> tuple[Ints, Indices, Ints]:
    """Arrange the arcs by column: where each begins, (m + 1,), their rows and costs."""
    begin = np.zeros(m + 1, np.int64)
    n = len(arcs.length)
    for i in range(n):
        for a in range(arcs.begin[i], arcs.begin[i] + arcs.length[i]):
            begin[arcs.column[a] + 1] += 1
    for j in range(m):
        begin[j + 1] += begin[j]
    tails, costs = np.empty(begin[m], np.int32), np.empty(begin[m], np.int64)
    filled = begin[:-1].copy()
    for i in range(n):
        for a in range(arcs.begin[i], arcs.begin[i] + arcs.length[i]):
            spot = filled[arcs.column[a]]
            tails[spot], costs[spot] = i, arcs.cost[a]
            filled[arcs.column[a]] += 1
    return begin, tails, costs
