"""Which arcs a sparse graph needs: those of least reduced cost, found a block of rows at a time.

Column generation (Gilmore and Gomory 1961; for the assignment, Volgenant 1996):
the graph starts with a few arcs of every cell; all other pairs are priced at
the duals of its optimum, and those that would lower it join. When a pass over
all pairs finds none, the duals prove that no assignment is cheaper: that pass
is the audit.

Blocks hold lower bounds in single precision (`smalti.core.bounds`) of the boxes of
photos that may matter to a row (`smalti.core.boxes`), and no pair is passed over
unless its bound or its box's, with all rounding against it, is high enough; the rest
are priced exactly, in integers.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from smalti.core import selection
from smalti.core.bounds import lower_bounds, row_offset, rows_at_once
from smalti.core.boxes import Boxes, near, some
from smalti.core.graph import INFINITE, Indices, Ints, Listed
from smalti.core.kernel import kernel
from smalti.core.metric import Floats, Pairs, Tick, cost
from smalti.core.paths import Flow
from smalti.core.problem import Problem

_WIDER = 3  # times as many are looked at for the dearer half of a list
_NEARBY = 16
_SHARE = 12  # of so many slots one is looked at to learn how far a row must look
_ENOUGH = 4096  # slots; of fewer all are looked at
_PIECE = 16  # arcs of a row that columns would have, side by side
_UNEVEN = 2.0**-20  # of the numbers' size: what tells equals apart, and hides in their rounding


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
    limit = _enough(problem, v, chosen, weight, len(worth), deep, tick)
    least = selection.none_yet(deep, limit, noise)
    reach = limit + shift + size * 2.0**-21
    for which, here, block in near(boxes, pairs, chosen, reach, worth, tick):
        selection.enter(least, block, which, chosen, weight, worth[here], boxes.slot[here])
    selection.keep(least)
    column = np.zeros((n, min(len(worth), 2 * take) + 1), np.int32)
    costs, count = np.zeros(column.shape, np.int64), np.zeros(n, np.int32)
    beyond = np.empty(n, np.float32)
    selection.thinned(least, min(take, deep), column, count, beyond)
    _price(pairs, owner, chosen, column, costs, count)
    edge = np.minimum(beyond + shift, 2.0**60 / pairs.per_unit) * pairs.per_unit
    return Listed(chosen, column, costs, count, edge.astype(np.int64))


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
    nothing, endless = np.zeros((2, len(rows)), np.float32)
    endless[:] = np.inf
    least = selection.none_yet(deep // _SHARE + 1, endless, nothing)
    size = rows_at_once(problem.bounds, some)
    memory = np.empty((min(size, len(rows)), some), np.float32)
    for start in range(0, len(rows), size):
        tick(start, len(rows))
        which = np.arange(start, min(start + size, len(rows)))
        block = memory[: len(which)]
        lower_bounds(problem.bounds, rows[which], slice(0, some), block)
        selection.enter(least, block, which, rows, weight, worth, np.arange(some))
    selection.keep(least)
    return least.limit


def _weights(pairs: Pairs, rows: NDArray[np.int64]) -> Floats:
    """Weights of rows; never quite 0, since a banned pair stays infinite whatever its weight."""
    return np.maximum(pairs.weight[rows], 1e-30).astype(np.float32)


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
    rank = np.arange(len(found)) - np.searchsorted(found, found)
    piece = np.cumsum(rank % _PIECE == 0) - 1  # a row that many columns want has several
    rows, length = found[rank % _PIECE == 0], np.bincount(piece).astype(np.int32)
    column = np.zeros((len(rows), _PIECE), np.int32)
    column[piece, rank % _PIECE] = slot
    costs = np.zeros(column.shape, np.int64)
    _price(pairs, problem.owner, rows, column, costs, length)
    return Listed(rows, column, costs, length, np.zeros(len(rows), np.int64))


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
