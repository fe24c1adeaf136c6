"""Which arcs a sparse graph needs: those of least reduced cost, found a block of rows at a time.

Column generation (Gilmore and Gomory 1961; for the assignment, Volgenant 1996):
the graph starts with a few arcs of every cell; all other pairs are priced at
the duals of its optimum, and those that would lower it join. When a pass over
all pairs finds none, the duals prove that no assignment is cheaper: that pass
is the audit.

Blocks hold lower bounds in single precision (`smalti.core.metric`) of the boxes of
photos that may matter to a row (`smalti.core.boxes`), and no pair is passed over
unless its bound or its box's, with all rounding against it, is high enough; the rest
are priced exactly, in integers.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from smalti.core.boxes import Boxes, Places, near, some
from smalti.core.kernel import kernel
from smalti.core.metric import (
    Bounds,
    Floats,
    Pairs,
    Tick,
    cost,
    least_variant,
    lower_bounds,
    row_offset,
    rows_at_once,
)
from smalti.core.paths import INFINITE, Arcs, Flow, Indices, Ints

_WIDER = 3  # times as many are looked at for the dearer half of a list
_NEARBY = 16
_SHARE = 8  # of so many slots one is looked at to learn how far a row must look
_ENOUGH = 4096  # slots; of fewer all are looked at
_UNEVEN = 2.0**-20  # of the numbers' size: what tells equals apart, and hides in their rounding


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
    places: Places
    owner: Indices
    supply: Indices
    low: Indices
    high: Indices


class Priced(NamedTuple):
    """What a pass over all pairs found.

    Attributes
    ----------
    least : ndarray of shape (n,), int64
        Least reduced cost of each row among the pairs that were priced exactly;
        `INFINITE` where the bounds excluded all. A negative one is a breach.
    pairs : int
        Pairs looked at.
    exact : int
        Of them, priced exactly.
    """

    least: Ints
    pairs: int
    exact: int


class Listed(NamedTuple):
    """Arcs to join a graph.

    Attributes
    ----------
    row : ndarray of shape (r,), int64
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


def cheapest(
    problem: Problem, v: Ints, rows: NDArray[np.int64] | int, boxes: Boxes, take: int, tick: Tick
) -> Listed:
    """Find about `take` slots of least reduced cost for each row, and as many a little dearer.

    The dearer ones, every other of those up to `_WIDER` times as many, keep rows that
    are nearly alike from all wanting the same few.

    Parameters
    ----------
    problem : Problem
    v : ndarray of int64
        Duals of the columns.
    rows : int or ndarray
        The first so many, or which.
    boxes : Boxes
        Of the slots.
    """
    chosen = np.arange(rows) if isinstance(rows, int) else rows
    pairs, owner, n = problem.pairs, problem.owner, len(chosen)
    worth = (v[owner[boxes.slot]] / pairs.per_unit).astype(np.float32)
    weight = _weights(pairs, chosen)
    shift = pairs.weight[chosen] * row_offset(problem.bounds)[chosen]
    size = np.abs(shift) + np.abs(worth).max(initial=0)
    noise = (size * _UNEVEN).astype(np.float32)
    deep = min(len(worth), _WIDER * take)
    value = np.full((n, deep), np.inf, np.float32)
    value[:] = _enough(problem, v, chosen, weight, len(worth), deep, tick)[:, None]
    slot = np.full((n, deep), -1, np.int32)
    reach = value[:, 0] + shift + size * 2.0**-21
    for which, here, block in near(boxes, pairs, chosen, reach, worth, tick):
        _least(block, which, chosen, weight, worth[here], boxes.slot[here], noise, value, slot)
    order = np.argsort(value, axis=1)
    value = np.take_along_axis(value, order, axis=1)
    slot = np.take_along_axis(slot, order, axis=1)
    column = np.zeros((n, min(len(worth), 2 * take) + 1), np.int32)
    costs, count = np.zeros(column.shape, np.int64), np.zeros(n, np.int32)
    _every_other(slot, take, column, count)
    _price(pairs, owner, chosen, column, costs, count)
    beyond = value[:, min(take, deep) - 1] + shift
    beyond = np.minimum(beyond, 2.0**60 / pairs.per_unit) * pairs.per_unit
    return Listed(chosen, column, costs, count, beyond.astype(np.int64))


def _enough(
    problem: Problem,
    v: Ints,
    rows: NDArray[np.int64],
    weight: Floats,
    slots: int,
    deep: int,
    tick: Tick,
) -> Floats:
    """Guess what about `deep` reduced costs of each row lie below, less the rows' shifts.

    The first slots are an even sample of all.
    """
    some = slots // _SHARE
    if slots < _ENOUGH or deep > some:
        return np.full(len(rows), np.inf, np.float32)
    worth = (v[problem.owner[:some]] / problem.pairs.per_unit).astype(np.float32)
    value = np.full((len(rows), deep // _SHARE + 1), np.inf, np.float32)
    slot, noise = np.empty(value.shape, np.int32), np.zeros(len(rows), np.float32)
    size = rows_at_once(problem.bounds, some)
    memory = np.empty((min(size, len(rows)), some), np.float32)
    for start in range(0, len(rows), size):
        tick(start, len(rows))
        which = np.arange(start, min(start + size, len(rows)))
        block = memory[: len(which)]
        lower_bounds(problem.bounds, rows[which], slice(0, some), block)
        _least(block, which, rows, weight, worth, np.arange(some), noise, value, slot)
    return value[:, 0]


def _weights(pairs: Pairs, rows: NDArray[np.int64]) -> Floats:
    """Weights of rows; never quite 0, since a banned pair stays infinite whatever its weight."""
    return np.maximum(pairs.weight[rows], 1e-30).astype(np.float32)


@kernel
def _least(
    block: Floats,
    which: NDArray[np.int64],
    rows: NDArray[np.int64],
    weight: Floats,
    worth: Floats,
    slots: NDArray[np.int64],
    noise: Floats,
    value: Floats,
    slot: Indices,
) -> None:
    """Enter what is less than the greatest of each row's list, a heap with that on top.

    Equals are told apart by a little noise: else all rows would list the same.
    """
    depth, width = value.shape[1], len(slots)
    for k in range(len(which)):
        r = which[k]
        row, w, last = block[k], weight[r], value[r, 0]
        for start in range(0, width, 64):
            part, gain = row[start : start + 64], worth[start : start + 64]
            low = np.int32(len(part) < 64)
            for j in range(64 if len(part) == 64 else 0):  # of known length: twice as fast
                low |= np.int32(w * part[j] - gain[j] < last)
            for j in range(len(part) if low else 0):
                s = slots[start + j]
                x = w * part[j] - gain[j]
                if x < last:
                    x += noise[r] * _chance(rows[r], s)
                    at = 0
                    while True:
                        child = 2 * at + 1
                        if child + 1 < depth and value[r, child + 1] > value[r, child]:
                            child += 1
                        if child >= depth or value[r, child] <= x:
                            break
                        value[r, at], slot[r, at] = value[r, child], slot[r, child]
                        at = child
                    value[r, at], slot[r, at] = x, s
                    last = value[r, 0]


@kernel
def _chance(i: int, j: int) -> np.float32:
    """Return a number in 0 to 1 that depends on a pair alone."""
    x = np.uint64(i) * np.uint64(0x9E3779B97F4A7C15) ^ np.uint64(j) * np.uint64(0xC2B2AE3D27D4EB4F)
    x = (x ^ (x >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    return np.float32(x >> np.uint64(40)) * np.float32(2.0**-24)


@kernel
def _every_other(slot: Indices, take: int, column: Indices, count: Indices) -> None:
    """Keep the first of each list, and every other of the rest."""
    for r in range(len(slot)):
        found = 0
        for k in range(slot.shape[1]):
            if slot[r, k] >= 0 and (k < take or (k + r) % 2) and found < column.shape[1] - 1:
                column[r, found] = slot[r, k]
                found += 1
        count[r] = found


@njit(cache=True)
def _costs(pairs: Pairs, rows: NDArray[np.int64], slots: Indices) -> Ints:
    """Exact costs of pairs."""
    out = np.empty(len(rows), np.int64)
    for k in range(len(rows)):
        out[k] = cost(pairs, rows[k], slots[k])
    return out


@kernel
def _price(
    pairs: Pairs,
    owner: Indices,
    rows: NDArray[np.int64],
    column: Indices,
    costs: Ints,
    count: Indices,
) -> None:
    """Exact costs of listed slots, and their columns in place of them."""
    for r in range(len(rows)):
        for a in range(count[r]):
            s = column[r, a]
            costs[r, a] = cost(pairs, rows[r], s)
            column[r, a] = owner[s]


def price(
    problem: Problem,
    flow: Flow,
    rows: NDArray[np.int64] | int,
    boxes: Boxes,
    take: int,
    margin: int,
    tick: Tick,
) -> tuple[Priced, list[Listed]]:
    """Look for pairs of negative reduced cost; with `take`, list the least of their rows.

    And those of other rows that lie below `margin`: they may be next.
    """
    chosen = np.arange(rows) if isinstance(rows, int) else rows
    pairs, owner, n, slots = problem.pairs, problem.owner, len(chosen), len(boxes.slot)
    u, worth64 = flow.u[chosen] / pairs.per_unit, flow.v[owner[boxes.slot]] / pairs.per_unit
    worth = worth64.astype(np.float32)
    shift = pairs.weight[chosen] * row_offset(problem.bounds)[chosen]
    # Rounding of worth, of the product, of the difference and of the ceiling: each
    # to 2^-24 of numbers no larger than these. And integer costs are rounded.
    size = np.abs(u) + np.abs(worth64).max(initial=0) + np.abs(shift)
    reach = u + size * 2.0**-21 + (2 + margin * (take > 0)) / pairs.per_unit
    ceiling = (reach - shift).astype(np.float32)
    least = np.full(n, INFINITE)
    exact = 0
    width = min(_NEARBY, slots) if take else 0
    found = Listed(
        chosen, np.zeros((n, width), np.int32), np.zeros((n, width), np.int64),
        np.zeros(n, np.int32), np.zeros(0, np.int64),
    )  # fmt: skip
    slot, weight = np.zeros(n, np.int32), _weights(pairs, chosen)
    for which, here, block in near(boxes, pairs, chosen, reach, worth, tick):
        exact += _breaches(
            block, which, chosen, weight, worth[here], ceiling, pairs, owner, boxes.slot[here],
            flow.u, flow.v, margin, least, slot, found.column, found.cost, found.length,
        )  # fmt: skip
    joined = [found] if take else []
    if take and (bad := np.flatnonzero(least < 0)).size:
        listed = cheapest(problem, flow.v, chosen[bad], boxes, take, tick)
        # Single precision may not tell the breach from its equals: it joins in any case.
        listed.column[np.arange(len(bad)), listed.length] = owner[slot[bad]]
        listed.cost[np.arange(len(bad)), listed.length] = _costs(pairs, chosen[bad], slot[bad])
        listed.length[:] += 1
        joined.append(listed)
    return Priced(least, n * slots, exact), joined


@kernel
def _breaches(
    block: Floats,
    which: NDArray[np.int64],
    rows: NDArray[np.int64],
    weight: Floats,
    worth: Floats,
    ceiling: Floats,
    pairs: Pairs,
    owner: Indices,
    slots: NDArray[np.int64],
    u: Ints,
    v: Ints,
    margin: int,
    least: Ints,
    slot: Indices,
    column: Indices,
    costs: Ints,
    count: Indices,
) -> int:
    """Price exactly what bounds do not exclude; return how many pairs that were."""
    exact = 0
    for k in range(len(which)):
        r = which[k]
        w, limit, i = weight[r], ceiling[r], rows[r]
        for start in range(0, len(slots), 64):
            part, value = block[k, start : start + 64], worth[start : start + 64]
            low = np.int32(len(part) < 64)
            for j in range(64 if len(part) == 64 else 0):  # of known length: twice as fast
                low |= np.int32(w * part[j] - value[j] <= limit)
            if low:
                for j in range(len(part)):
                    if w * part[j] - value[j] <= limit:
                        s = slots[start + j]
                        price = cost(pairs, i, s)
                        reduced = price - u[i] - v[owner[s]]
                        if reduced < least[r]:
                            least[r], slot[r] = reduced, s
                        if reduced < margin and count[r] < column.shape[1]:
                            column[r, count[r]], costs[r, count[r]] = owner[s], price
                            count[r] += 1
                        exact += 1
    return exact


def graph(listed: Listed) -> Arcs:
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
    needed[listed.row] += listed.length
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


def column_minima(
    problem: Problem, u: Ints, boxes: Boxes, depth: int, tick: Tick
) -> NDArray[np.float64]:
    """Find the `depth` least of cost - u of every slot over the first rows, about.

    A row counts once, however many units it has; what is above 0 may be missing.

    Returns
    -------
    ndarray of shape (depth, slots), float64, ascending
        In weighted distance.
    """
    pairs, rows = problem.pairs, np.arange(len(u))
    least = np.full((depth, len(boxes.slot)), np.inf, np.float32)
    shift = pairs.weight[rows] * row_offset(problem.bounds)[rows]
    reach = u / pairs.per_unit
    base, weight = (reach - shift).astype(np.float32), _weights(pairs, rows)
    nothing = np.zeros(len(boxes.slot), np.float32)
    for which, here, block in near(boxes, pairs, rows, reach, nothing, tick):
        _down(block, which, weight, base, least[:, here])
    out = np.empty(least.shape)
    out[:, boxes.slot] = least
    return out


@kernel
def _down(
    block: Floats, which: NDArray[np.int64], weight: Floats, base: Floats, least: Floats
) -> None:
    depth, slots = least.shape
    for k in range(len(which)):
        row, w, b = block[k], weight[which[k]], base[which[k]]
        best = least[0]
        for j in range(slots if depth == 1 else 0):
            best[j] = min(w * row[j] - b, best[j])
        for j in range(slots if depth > 1 else 0):
            x = w * row[j] - b
            for d in range(depth):
                y = least[d, j]
                least[d, j] = min(x, y)
                x = max(x, y)


def nearest_rows(
    problem: Problem,
    u: Ints,
    columns: NDArray[np.intp],
    ceiling: Ints,
    boxes: Boxes,
    depth: int,
    tick: Tick,
) -> Listed:
    """Find the rows of about the least cost - u for some columns, at most `depth` for each slot.

    Only those below `ceiling`, of each column.
    """
    pairs, rows = problem.pairs, np.arange(len(u))
    depth = min(depth, len(rows))
    limit = np.full(len(problem.high), -np.inf)
    limit[columns] = ceiling / pairs.per_unit
    boxes = some(boxes, np.isin(problem.owner, columns))
    worth = limit[problem.owner[boxes.slot]].astype(np.float32)
    value = np.repeat(worth[:, None], depth, axis=1)
    row = np.full(value.shape, -1, np.int64)
    shift = pairs.weight[rows] * row_offset(problem.bounds)[rows]
    reach = u / pairs.per_unit
    base, weight = (reach - shift).astype(np.float32), _weights(pairs, rows)
    for which, here, block in near(boxes, pairs, rows, reach, worth, tick):
        _shortlist(block, which, weight, base, value[here], row[here])
    place, _ = np.nonzero(row >= 0)
    found = row[row >= 0]
    order = np.argsort(found, kind="stable")
    found, slot = found[order], boxes.slot[place[order]].astype(np.int32)
    unique, begin, count = np.unique(found, return_index=True, return_counts=True)
    column = np.zeros((len(unique), int(count.max(initial=0))), np.int32)
    column[np.repeat(np.arange(len(unique)), count), _ranks(begin, count)] = slot
    costs, length = np.zeros(column.shape, np.int64), count.astype(np.int32)
    _price(pairs, problem.owner, unique, column, costs, length)
    return Listed(unique, column, costs, length, np.zeros(len(unique), np.int64))


def _ranks(begin: NDArray[np.intp], count: NDArray[np.intp]) -> NDArray[np.intp]:
    """0, 1, 2, ... within each run."""
    ranks: NDArray[np.intp] = np.arange(count.sum()) - np.repeat(begin, count)
    return ranks


@njit(cache=True)
def _shortlist(
    block: Floats,
    which: NDArray[np.int64],
    weight: Floats,
    base: Floats,
    value: Floats,
    row: NDArray[np.int64],
) -> None:
    width, depth = value.shape
    worst = value[:, depth - 1].copy()
    for k in range(len(which)):
        r = which[k]
        w, b = weight[r], base[r]
        for start in range(0, width, 64):
            part, limit = block[k, start : start + 64], worst[start : start + 64]
            low = np.int32(len(part) < 64)
            for j in range(64 if len(part) == 64 else 0):
                low |= np.int32(w * part[j] - b < limit[j])
            for j in range(len(part) if low else 0):
                x, c = w * part[j] - b, start + j
                if x < limit[j]:
                    d = depth - 1
                    while d > 0 and value[c, d - 1] > x:
                        value[c, d], row[c, d] = value[c, d - 1], row[c, d - 1]
                        d -= 1
                    value[c, d], row[c, d] = x, r
                    limit[j] = value[c, depth - 1]


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


@njit(cache=True)
def laid_costs(
    pairs: Pairs, photo: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Distance of every cell to its photo, and the variant that gives it."""
    least, variant = np.empty(len(photo)), np.empty(len(photo), np.intp)
    for i in range(len(photo)):
        least[i], variant[i] = least_variant(pairs.kind, pairs.cells[i], pairs.photos[photo[i]])
    return least, variant


@njit(cache=True)
def laid_integers(pairs: Pairs, rows: NDArray[np.intp], photo: NDArray[np.intp]) -> Ints:
    """Integer costs of photos on rows, as `cost` has them."""
    slot = np.full(len(pairs.photos), -1)
    for s in range(len(pairs.photo)):
        slot[pairs.photo[s]] = s
    out = np.empty(len(rows), np.int64)
    for k in range(len(rows)):
        out[k] = cost(pairs, rows[k], slot[photo[k]])
    return out
