"""An assignment as the solver wants it: rows, columns and slots in its order, and the way back.

Alike cells share a row, the photos of a group a column, and locked cells are left out.
Any prefix of the rows, or of the columns, is a fair sample of them.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from smalti.core import boxes, kdtree, sampling
from smalti.core import metric as distances
from smalti.core.bounds import Bounds, prepare
from smalti.core.constraints import Constraints, Rows
from smalti.core.graph import INFINITE, Indices
from smalti.core.metric import Pairs, cost
from smalti.core.paths import Flow


class Problem(NamedTuple):
    """Everything an assignment is decided by, in the solver's order.

    Attributes
    ----------
    pairs : Pairs
    bounds : Bounds
    places : Places
    owner : ndarray of shape (slots,), int32
        Column of each slot, ascending.
    supply : ndarray of shape (rows,), int32
        Cells of each row.
    low, high : ndarray of shape (columns,), int32
        How few and many cells a column takes.
    """

    pairs: Pairs
    bounds: Bounds
    places: boxes.Places
    owner: Indices
    supply: Indices
    low: Indices
    high: Indices


class Posed(NamedTuple):
    """A problem in the solver's order, and the way back."""

    problem: Problem
    weight: NDArray[np.float64]  # of each cell
    group: NDArray[np.intp]  # of each photo
    row_of: NDArray[np.intp]  # of each cell; -1 if it is locked
    column_of: NDArray[np.intp]  # of each group; -1 if no cell may have it
    group_of: NDArray[np.intp]  # of each column
    unit_cell: NDArray[np.intp]  # cells in the order of units
    locks: NDArray[np.intp]  # (l, 2)
    banned: NDArray[np.intp]
    banned_pairs: NDArray[np.intp]  # (b, 2)
    fixed: float  # cost of the locked cells
    rounding: float  # of the bound


def pose(constraints: Constraints, metric: str, seed: int, tick: distances.Tick) -> Posed:
    """Put rows and columns in order, without the locked cells."""
    cells, photos, weights, group, allowed, low, high, fixed, out, apart = constraints
    n, m, groups = len(cells), len(photos), len(high)
    rng = np.random.default_rng(seed)
    loose = np.ones(n, bool)
    loose[fixed[:, 0]] = False
    first, alike = _alike(cells, weights, apart, loose)
    supply = np.bincount(alike[loose], minlength=len(first))
    # Rows of many cells come early, as a sample weighted by the cells would have them.
    frame = kdtree.frame(photos[:, 0])
    cell_order = kdtree.order(kdtree.points(frame, cells[first]))
    order = np.argsort(sampling.spread(cell_order, rng) / supply, kind="stable")
    rank = np.empty(len(first), np.intp)
    rank[order] = np.arange(len(first))
    row_of = np.full(n, -1)
    row_of[loose] = rank[alike[loose]]
    group_of = np.flatnonzero(high > 0)
    one = np.zeros(groups, np.intp)
    one[group] = np.arange(m)  # of each group's photos, to stand for it
    photo_turn = np.argsort(kdtree.order(kdtree.points(frame, photos[:, 0])))
    turn = sampling.spread(np.argsort(photo_turn[one[group_of]]), rng)
    group_of = group_of[np.argsort(turn, kind="stable")]
    column_of = np.full(groups, -1)
    column_of[group_of] = np.arange(len(group_of))
    slots = np.flatnonzero(allowed & (high[group] > 0))
    slots = slots[np.argsort(column_of[group[slots]], kind="stable")]
    pairs = distances.Pairs(
        distances.KINDS[metric], cells, photos, first[order], slots, weights[first[order]],
        distances.units(distances.KINDS[metric], cells, photos, weights),
        np.zeros((0, 0), np.float32),
    )  # fmt: skip
    bans = bans_by_row(apart, row_of, slots, m, len(first))
    pairs, bounds = prepare(pairs, bans, tick)
    places = boxes.places(
        pairs, bounds, frame, np.argsort(cell_order)[order], np.argsort(photo_turn[slots])
    )
    problem = Problem(
        pairs, bounds, places, column_of[group[slots]].astype(np.int32),
        supply[order].astype(np.int32), low[group_of].astype(np.int32),
        high[group_of].astype(np.int32),
    )  # fmt: skip
    unit_cell = np.flatnonzero(loose)
    unit_cell = unit_cell[np.argsort(row_of[loose], kind="stable")]
    locked = sum(
        weights[i] * distances.least_variant(pairs.kind, cells[i], photos[j])[0] for i, j in fixed
    )
    rounding = len(unit_cell) * distances.rounding(pairs)
    return Posed(
        problem, weights, group, row_of, column_of, group_of, unit_cell, fixed, out, apart,
        float(locked), rounding,
    )  # fmt: skip


def _alike(
    cells: Rows, weight: NDArray[np.float64], apart: NDArray[np.intp], loose: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Classes of equal rows: their first cells, and the class of each cell.

    Cells with bans or locks of their own stay by themselves; locked ones get -1.
    """
    n = len(cells)
    rng = np.random.default_rng(0)
    data: NDArray[Any] = np.ascontiguousarray(cells).view(
        np.uint8 if cells.dtype == np.uint8 else np.uint32
    )
    odd = rng.integers(0, 2**63, data.shape[1], dtype=np.uint64) * 2 + 1
    key = np.zeros(n, np.uint64)
    for start in range(0, n, 4096):
        key[start : start + 4096] = (data[start : start + 4096] * odd).sum(1, dtype=np.uint64)
    key ^= weight.view(np.uint64)
    alone = np.unique(apart[:, 0])
    key[alone] = rng.integers(0, 2**63, len(alone), dtype=np.uint64)
    _, first, alike = np.unique(key[loose], return_index=True, return_inverse=True)
    index = np.flatnonzero(loose)
    first, of = index[first], np.full(n, -1)
    of[loose] = alike
    other = first[alike]
    if not (np.array_equal(cells[index], cells[other]) and (weight[index] == weight[other]).all()):
        first, of[loose] = index, np.arange(len(index))  # a hash in 2^64 failed: all alone
    return first, of


def bans_by_row(
    apart: NDArray[np.intp], row_of: NDArray[np.intp], slots: NDArray[np.intp], m: int, rows: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Slots that each row may not have, from pairs of cell and photo."""
    slot_of = np.full(m, -1)
    slot_of[slots] = np.arange(len(slots))
    row, slot = row_of[apart[:, 0]], slot_of[apart[:, 1]]
    kept = (row >= 0) & (slot >= 0)
    row, slot = row[kept], slot[kept]
    begin = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=rows))])
    return begin.astype(np.int64), slot[np.argsort(row, kind="stable")].astype(np.int64)


def in_order(group: NDArray[np.int64], per_unit: float, posed: Posed) -> NDArray[np.int64]:
    """Duals of groups, so many to a unit, as the solver's of columns."""
    value = group[posed.group_of]
    scale = posed.problem.pairs.per_unit / per_unit
    return value.copy() if scale == 1 else np.rint(value * scale).astype(np.int64)


def by_group(v: NDArray[np.int64], posed: Posed) -> NDArray[np.int64]:
    """Duals of the solver's columns as those of groups; 0 for a group no cell may have."""
    out = np.zeros(len(posed.column_of), np.int64)
    out[posed.group_of] = v
    return out


def so_far(posed: Posed, flow: Flow) -> NDArray[np.intp]:
    """Return a photo for each cell so far, perhaps not the best of its group; -1 for none."""
    problem = posed.problem
    photo = np.full(len(posed.row_of), -1)
    photo[posed.locks[:, 0]] = posed.locks[:, 1]
    begin = np.concatenate([[0], np.cumsum(problem.supply)])
    unit = begin[flow.row] + np.arange(len(flow.row)) - flow.units[flow.row]
    laid = flow.match >= 0
    slot = np.searchsorted(problem.owner, flow.match[laid])
    photo[posed.unit_cell[unit[laid]]] = problem.pairs.photo[slot]
    return photo


def dealt(posed: Posed, match: NDArray[np.int32], units: NDArray[np.int32]) -> NDArray[np.intp]:
    """Photo of each cell: the best of its group; alike cells get theirs in ascending order."""
    problem = posed.problem
    photo = np.full(len(posed.row_of), -1)
    row = np.repeat(np.arange(len(units) - 1), np.diff(units))
    laid = problem.pairs.photo[best_slots(problem, row, match)]
    photo[posed.unit_cell] = laid[np.lexsort((laid, row))]
    photo[posed.locks[:, 0]] = posed.locks[:, 1]
    return photo


@njit(cache=True)
def best_slots(problem: Problem, rows: NDArray[np.intp], columns: Indices) -> NDArray[np.int64]:
    """Slot of least cost among those of the column each row was given; bans are kept."""
    out = np.empty(len(rows), np.int64)
    begin, banned = problem.bounds.banned
    for k in range(len(rows)):
        i, least, s = rows[k], INFINITE, np.searchsorted(problem.owner, columns[k])
        out[k] = s
        while s < len(problem.owner) and problem.owner[s] == columns[k]:
            gone = False
            for b in range(begin[i], begin[i + 1]):
                gone |= banned[b] == s
            x = INFINITE if gone else cost(problem.pairs, i, s)
            if x < least:
                least, out[k] = x, s
            s += 1
    return out


def stuck_message(posed: Posed, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> str:
    """Say which cells or photos the bans leave without enough partners."""
    if len(columns):
        g = int(posed.group_of[columns[0]])
        return (
            f"group {g} must appear {posed.problem.low[columns[0]]} times, but bans leave it "
            "too few cells: lift a ban, or ask for fewer"
        )
    cells = np.flatnonzero(np.isin(posed.row_of, rows))
    named = ", ".join(map(str, cells[:5])) + (", ..." if len(cells) > 5 else "")
    return (
        f"bans leave {len(cells)} cells (numbers {named}) too few photos: lift a ban, add photos "
        "or allow more uses"
    )
