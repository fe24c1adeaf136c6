"""Which arcs a sparse graph needs: those of least reduced cost, found a block of rows at a time.

Column generation (Gilmore and Gomory 1961; for the assignment, Volgenant 1996):
the graph starts with a few arcs of every cell; all other pairs are priced at
the duals of its optimum, and those that would lower it join. When a pass over
all pairs finds none, the duals prove that no assignment is cheaper: that pass
is the audit.

Blocks hold lower bounds in single precision (`smalti.core.metric`), and no pair
is passed over unless its bound, with all rounding against it, is high enough;
the rest are priced exactly, in integers.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from smalti.core.metric import (
    BLOCK_BYTES,
    Bounds,
    Floats,
    Pairs,
    Tick,
    cost,
    least_variant,
    lower_bounds,
    of_slots,
    row_offset,
    rows_at_once,
)
from smalti.core.paths import INFINITE, Arcs, Flow, Indices, Ints

_WIDER = 3  # times as many groups are looked at for the dearer half of a list
_NEARBY = 16
_TILE = 2048  # slots priced at a time: with 256 rows, what a core's cache holds
_DEPTH = 32  # entries that share one minimum when the least are sought


class Problem(NamedTuple):
    """Everything an assignment is decided by, in the solver's order.

    Attributes
    ----------
    pairs : Pairs
    bounds : Bounds
    owner : ndarray of shape (slots,), int32
        Column of each slot, ascending.
    supply : ndarray of shape (rows,), int32
        Cells of each row.
    low, high : ndarray of shape (columns,), int32
        How few and many cells a column takes.
    """

    pairs: Pairs
    bounds: Bounds
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


def blocks(
    bounds: Bounds, rows: NDArray[np.int64] | int, slots: int, tick: Tick
) -> Iterator[tuple[NDArray[np.int64], Floats]]:
    """Lower bounds of some rows (or the first so many) to the first slots, block by block."""
    chosen = np.arange(rows) if isinstance(rows, int) else rows
    for here, _, block in tiles(bounds, chosen, slots, slots, tick):
        yield chosen[here], block


def tiles(
    bounds: Bounds, chosen: NDArray[np.int64], slots: int, width: int, tick: Tick
) -> Iterator[tuple[slice, int, Floats]]:
    """Do the same a few slots at a time: which of the chosen rows, the first slot, the bounds."""
    width = min(width, slots)
    size = max(1, min(BLOCK_BYTES // (4 * width), rows_at_once(bounds, slots), len(chosen)))
    memory: Floats = np.empty(size * width, np.float32)
    for start in range(0, len(chosen), size):
        tick(start, len(chosen))
        which = slice(start, min(start + size, len(chosen)))
        part = chosen[which]
        contiguous = part[-1] - part[0] == len(part) - 1
        span = slice(int(part[0]), int(part[-1]) + 1)
        for first in range(0, slots, width):
            here = slice(first, min(slots, first + width))
            out = memory[: len(part) * (here.stop - first)].reshape(len(part), -1)
            lower_bounds(bounds, span if contiguous else part, here, out)
            yield which, first, out


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
    problem: Problem, v: Ints, rows: NDArray[np.int64] | int, slots: int, take: int, tick: Tick
) -> Listed:
    """Find about `take` slots of least reduced cost for each row, and as many a little dearer.

    The dearer ones keep rows that are nearly alike from all wanting the same few.

    Parameters
    ----------
    problem : Problem
    v : ndarray of int64
        Duals of the columns.
    rows : int or ndarray
        The first so many, or which.
    slots : int
        Only the first so many.
    """
    chosen = np.arange(rows) if isinstance(rows, int) else rows
    pairs, owner, n = problem.pairs, problem.owner, len(chosen)
    column = np.zeros((n, min(slots, 2 * take) + 1), np.int32)
    costs, count = np.zeros(column.shape, np.int64), np.zeros(n, np.int32)
    edge = np.zeros(n, np.float32)
    worth = (v[owner[:slots]] / pairs.per_unit).astype(np.float32)
    start = 0
    for part, block in blocks(problem.bounds, rows, slots, tick):
        here = slice(start, start + len(part))
        weight = _weights(pairs, part)
        _least(block, weight, worth, take, start, column[here], count[here], edge[here])
        _price(pairs, owner, part, column[here], costs[here], count[here])
        start += len(part)
    beyond = edge + pairs.weight[chosen] * row_offset(problem.bounds)[chosen]
    beyond = np.minimum(beyond, 2.0**60 / pairs.per_unit) * pairs.per_unit
    return Listed(chosen, column, costs, count, beyond.astype(np.int64))


def _weights(pairs: Pairs, rows: NDArray[np.int64]) -> Floats:
    """Weights of rows; never quite 0, since a banned pair stays infinite whatever its weight."""
    return np.maximum(pairs.weight[rows], 1e-30).astype(np.float32)


@njit(cache=True)
def _about(values: Floats, rank: int) -> np.float32:
    """Find a number that `rank` of the values do not exceed, or an eighth more, by bisection.

    Counts are taken side by side, so that ten of them are faster than to partition.
    """
    if rank >= len(values):
        return np.float32(np.inf)
    low: np.float32 = values.min()
    high: np.float32 = values.max()
    if high == np.inf:
        high = np.partition(values, rank)[rank]
        return high
    for _ in range(24):
        middle: np.float32 = (low + high) / np.float32(2)
        below = np.int32(0)
        for x in values:
            below += np.int32(x <= middle)
        if below > rank + rank // 8:
            high = middle
        elif below >= rank:
            return middle
        else:
            low = middle
    return high


@njit(cache=True)
def _least(
    block: Floats,
    weight: Floats,
    worth: Floats,
    take: int,
    first: int,
    column: Indices,
    count: Indices,
    edge: Floats,
) -> None:
    """List entries below the `take`-th least group minimum, then minima of the next groups.

    Entry g, g + groups, g + 2 groups, ... form group g, so that minima are found
    side by side. Ties could name every column: the list is cut one short of its width,
    and each row begins elsewhere.
    """
    rows, slots = block.shape
    groups = min(slots, max(-(-slots // _DEPTH), 8 * take))
    minima = np.empty(groups, np.float32)
    width = column.shape[1] - 1
    for r in range(rows):
        row, w = block[r], weight[r]
        for g in range(groups):
            minima[g] = np.float32(np.inf)
        for start in range(0, slots - groups + 1, groups):
            part, value = row[start : start + groups], worth[start : start + groups]
            for g in range(groups):
                minima[g] = min(w * part[g] - value[g], minima[g])
        for j in range(slots - slots % groups, slots):
            g = j % groups
            minima[g] = min(w * row[j] - worth[j], minima[g])
        limit = _about(minima, take)
        wide = _about(minima, _WIDER * take)
        edge[r] = limit
        found = 0
        g = (first + r) * 7919 % groups
        for _ in range(groups):
            if minima[g] <= limit:
                for j in range(g, slots, groups):
                    reduced = w * row[j] - worth[j]
                    if reduced <= limit and found < width and reduced < np.inf:
                        column[r, found] = j
                        found += 1
            g = g + 1 if g + 1 < groups else 0
        for _ in range(groups if limit < wide else 0):
            if found == width:
                break
            if limit < minima[g] <= wide and minima[g] < np.inf:
                for j in range(g, slots, groups):
                    if w * row[j] - worth[j] == minima[g] and found < width:
                        column[r, found] = j
                        found += 1
            g = g + 1 if g + 1 < groups else 0
        count[r] = found


@njit(cache=True)
def _costs(pairs: Pairs, rows: NDArray[np.int64], slots: Indices) -> Ints:
    """Exact costs of pairs."""
    out = np.empty(len(rows), np.int64)
    for k in range(len(rows)):
        out[k] = cost(pairs, rows[k], slots[k])
    return out


@njit(cache=True)
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
    slots: int,
    take: int,
    margin: int,
    tick: Tick,
) -> tuple[Priced, list[Listed]]:
    """Look for pairs of negative reduced cost; with `take`, list the least of their rows.

    And those of other rows that lie below `margin`: they may be next.
    """
    chosen = np.arange(rows) if isinstance(rows, int) else rows
    pairs, owner, n = problem.pairs, problem.owner, len(chosen)
    u, worth64 = flow.u[chosen] / pairs.per_unit, flow.v[owner[:slots]] / pairs.per_unit
    worth = worth64.astype(np.float32)
    shift = pairs.weight[chosen] * row_offset(problem.bounds)[chosen]
    # Rounding of worth, of the product, of the difference and of the ceiling: each
    # to 2^-24 of numbers no larger than these. And integer costs are rounded.
    size = np.abs(u) + np.abs(worth64).max(initial=0) + np.abs(shift)
    ceiling = u - shift + size * 2.0**-21 + (2 + margin * (take > 0)) / pairs.per_unit
    ceiling = ceiling.astype(np.float32)
    least = np.full(n, INFINITE)
    exact = 0
    width = min(_NEARBY, slots) if take else 0
    near = Listed(
        chosen, np.zeros((n, width), np.int32), np.zeros((n, width), np.int64),
        np.zeros(n, np.int32), np.zeros(0, np.int64),
    )  # fmt: skip
    which = np.zeros(n, np.int32)
    for here, first, block in tiles(problem.bounds, chosen, slots, _TILE, tick):
        part = chosen[here]
        exact += _breaches(
            block, _weights(pairs, part), worth[first:], ceiling[here], pairs, owner, first, part,
            flow.u, flow.v, margin, least[here], which[here], near.column[here], near.cost[here],
            near.length[here],
        )  # fmt: skip
    joined = [near] if take else []
    if take and (bad := np.flatnonzero(least < 0)).size:
        listed = cheapest(problem, flow.v, chosen[bad], slots, take, tick)
        # Single precision may not tell the breach from its equals: it joins in any case.
        listed.column[np.arange(len(bad)), listed.length] = owner[which[bad]]
        listed.cost[np.arange(len(bad)), listed.length] = _costs(pairs, chosen[bad], which[bad])
        listed.length[:] += 1
        joined.append(listed)
    return Priced(least, n * slots, exact), joined


@njit(cache=True)
def _breaches(
    block: Floats,
    weight: Floats,
    worth: Floats,
    ceiling: Floats,
    pairs: Pairs,
    owner: Indices,
    first: int,
    rows: NDArray[np.int64],
    u: Ints,
    v: Ints,
    margin: int,
    least: Ints,
    which: Indices,
    column: Indices,
    costs: Ints,
    count: Indices,
) -> int:
    """Price exactly what bounds do not exclude; return how many pairs that were."""
    slots = block.shape[1]
    exact = 0
    for r in range(len(rows)):
        w, limit, i = weight[r], ceiling[r], rows[r]
        for start in range(0, slots, 128):
            part, value = block[r, start : start + 128], worth[start : start + 128]
            low = np.int32(len(part) < 128)
            for j in range(128 if len(part) == 128 else 0):  # of known length: twice as fast
                low |= np.int32(w * part[j] - value[j] <= limit)
            if low:
                for j in range(len(part)):
                    if w * part[j] - value[j] <= limit:
                        s = first + start + j
                        price = cost(pairs, i, s)
                        reduced = price - u[i] - v[owner[s]]
                        if reduced < least[r]:
                            least[r], which[r] = reduced, s
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


@njit(cache=True)
def _move(arcs: Arcs, grown: Arcs) -> None:
    for i in range(len(arcs.length)):
        old, new = arcs.begin[i], grown.begin[i]
        for a in range(arcs.length[i]):
            grown.column[new + a], grown.cost[new + a] = arcs.column[old + a], arcs.cost[old + a]


@njit(cache=True)
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
    problem: Problem, u: Ints, supply: Indices, slots: int, depth: int, tick: Tick
) -> NDArray[np.float64]:
    """Find the `depth` least of cost - u of every slot over the first rows, about.

    A row counts once, however many units it has.

    Returns
    -------
    ndarray of shape (depth, slots), float64, ascending
        In weighted distance.
    """
    pairs, rows = problem.pairs, len(u)
    least = np.full((depth, slots), np.inf, np.float32)
    shift = pairs.weight * row_offset(problem.bounds)
    base = (u / pairs.per_unit - shift[:rows]).astype(np.float32)
    for part, block in blocks(problem.bounds, rows, slots, tick):
        _down(block, _weights(pairs, part), base[part], least)
    return least.astype(np.float64)


@njit(cache=True)
def _down(block: Floats, weight: Floats, base: Floats, least: Floats) -> None:
    depth, slots = least.shape
    for r in range(len(block)):
        row, w, b = block[r], weight[r], base[r]
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
    slots: int,
    depth: int,
    tick: Tick,
) -> Listed:
    """Find the rows of about the least cost - u for some columns, at most `depth` for each slot.

    Only those below `ceiling`, of each column.
    """
    pairs, rows = problem.pairs, len(u)
    chosen = np.flatnonzero(np.isin(problem.owner[:slots], columns))
    depth = min(depth, rows)
    limit = np.full(len(problem.high), np.inf)
    limit[columns] = ceiling / pairs.per_unit
    value = np.repeat(limit[problem.owner[chosen], None], depth, axis=1).astype(np.float32)
    row = np.full((len(chosen), depth), -1, np.int64)
    shift = pairs.weight * row_offset(problem.bounds)
    base = (u / pairs.per_unit - shift[:rows]).astype(np.float32)
    bounds, width = problem.bounds, slots
    if bounds.stored is None:
        bounds, width = of_slots(bounds, chosen), len(chosen)
    for part, block in blocks(bounds, rows, width, tick):
        own = block if width == len(chosen) else np.take(block, chosen, axis=1)
        _shortlist(own, _weights(pairs, part), base[part], part, value, row)
    slot, _ = np.nonzero(row >= 0)
    found = row[row >= 0]
    order = np.argsort(found, kind="stable")
    found, slot = found[order], chosen[slot[order]].astype(np.int32)
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
    weight: Floats,
    base: Floats,
    rows: NDArray[np.int64],
    value: Floats,
    row: NDArray[np.int64],
) -> None:
    width, depth = value.shape
    worst = value[:, depth - 1].copy()
    for r in range(len(rows)):
        w, b = weight[r], base[r]
        for start in range(0, width, 32):
            part, limit = block[r, start : start + 32], worst[start : start + 32]
            low = np.int32(len(part) < 32)
            for j in range(32 if len(part) == 32 else 0):
                low |= np.int32(w * part[j] - b < limit[j])
            for j in range(len(part) if low else 0):
                x, c = w * part[j] - b, start + j
                if x < limit[j]:
                    d = depth - 1
                    while d > 0 and value[c, d - 1] > x:
                        value[c, d], row[c, d] = value[c, d - 1], row[c, d - 1]
                        d -= 1
                    value[c, d], row[c, d] = x, rows[r]
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
