"""Shortest augmenting paths on a sparse graph of rows and columns.

A row is a cell, or several that are alike: its units. A column is a photo, or a
group of near-duplicates; an arc says what laying the one on the other costs.
Costs and duals are integers, so nothing here rounds. A column takes from `low`
to `high` units and is never copied: its flow to the sink is counted instead,
and its dual says why it stops. With

    reduced cost = cost - u[row] - v[column],

an assignment is optimal for the graph when no arc's is negative, every arc in
use has 0, and a column of v < 0 is full, one of v > 0 at its least (Ahuja,
Magnanti and Orlin, *Network Flows*, chapters 9 and 12).

The search starts from any duals v, the better the sooner done, and what
`smalti.core.auction` could lay. `augment` finds room for the rest by Dijkstra's
algorithm; `pull` then draws rows into columns that were thought dearer than they
are, or need more rows.
"""

from typing import Any, NamedTuple, TypeVar

import numpy as np
from numba import njit

from smalti.core.graph import INFINITE, Arcs, Indices, Ints
from smalti.core.heap import Heap, clear, drop_first, new_heap, rise
from smalti.core.kernel import kernel


class Flow(NamedTuple):
    """Which unit lies on which column, and the duals; changed in place.

    Attributes
    ----------
    u : ndarray of shape (rows,), int64
    v : ndarray of shape (columns,), int64
    row : ndarray of shape (n,), int32
        Row of each unit, ascending.
    units : ndarray of shape (rows + 1,), int32
        Where the units of each row begin.
    match : ndarray of shape (n,), int32
        Column of each unit, or -1.
    paid : ndarray of shape (n,), int64
        Cost of the arc in use.
    used, low, high : ndarray of shape (columns,), int32
        Units on each column, and how few and many are allowed.
    first, after, before : ndarray of shape (columns,), (n,) and (n,), int32
        The units on each column, as linked lists; -1 ends them.
    """

    u: Ints
    v: Ints
    row: Indices
    units: Indices
    match: Indices
    paid: Ints
    used: Indices
    low: Indices
    high: Indices
    first: Indices
    after: Indices
    before: Indices


class Search(NamedTuple):
    """Working memory of one search, left clean by each.

    Attributes
    ----------
    distance : ndarray of shape (columns,), int64
    unit : ndarray of shape (columns,), int32
        Unit through which a column was reached.
    other : ndarray of shape (columns,), int32
        In `pull`, the column that unit would go to.
    cost : ndarray of shape (columns,), int64
        Of the arc by which it was reached.
    heap : Heap
        Columns waiting.
    seen, done : ndarray of shape (columns,), int32
        Columns reached, and left behind.
    row_distance : ndarray of shape (rows,), int64
    rows : ndarray of shape (rows,), int32
        Rows reached.
    """

    distance: Ints
    unit: Indices
    other: Indices
    cost: Ints
    heap: Heap
    seen: Indices
    done: Indices
    row_distance: Ints
    rows: Indices


def empty_flow(v: Ints, supply: Indices, low: Indices, high: Indices) -> Flow:
    """No unit laid yet, at given duals of the columns; row i has ``supply[i]`` units."""
    rows, m = len(supply), len(v)
    n = int(supply.sum())
    blank, columns = np.full((3, n), -1, np.int32), np.full(m, -1, np.int32)
    units = np.concatenate([[0], np.cumsum(supply)]).astype(np.int32)
    return Flow(
        np.zeros(rows, np.int64), v.copy(), np.repeat(np.arange(rows, dtype=np.int32), supply),
        units, blank[0], np.zeros(n, np.int64), np.zeros(m, np.int32), low, high,
        columns, blank[1], blank[2],
    )  # fmt: skip


A = TypeVar("A", Arcs, Flow)


def copied(arrays: A) -> A:
    """Return arcs or a flow that can be changed apart from the given."""
    copies: Any = (array.copy() for array in arrays)
    return type(arrays)(*copies)


def new_search(rows: int, columns: int) -> Search:
    """Clean working memory."""
    blank = np.full((4, columns), -1, np.int32)
    return Search(
        np.full(columns, INFINITE), blank[0], blank[1], np.zeros(columns, np.int64),
        new_heap(columns), blank[2], blank[3], np.full(rows, INFINITE), np.zeros(rows, np.int32),
    )  # fmt: skip


@kernel
def free(flow: Flow, i: int) -> None:
    """Take unit i off its column."""
    j, previous, following = flow.match[i], flow.before[i], flow.after[i]
    if j < 0:
        return
    if previous < 0:
        flow.first[j] = following
    else:
        flow.after[previous] = following
    if following >= 0:
        flow.before[following] = previous
    flow.used[j] -= 1
    flow.match[i] = -1


@kernel
def lay(flow: Flow, i: int, j: int, cost: int) -> None:
    """Put unit i on column j, off wherever it was."""
    free(flow, i)
    head = flow.first[j]
    flow.before[i], flow.after[i] = -1, head
    if head >= 0:
        flow.before[head] = i
    flow.first[j] = i
    flow.used[j] += 1
    flow.match[i] = j
    flow.paid[i] = cost


@kernel
def augment(
    arcs: Arcs,
    flow: Flow,
    search: Search,
    units: Indices,
    start: int,
    budget: int,
    edge: Ints,
    hungry: Indices,
) -> int:
    """Lay ``units[start:]`` along shortest augmenting paths.

    Return where to go on: when `budget` arcs have been scanned the caller may
    look at the clock. Where the graph has no path the unit stays free, all rows
    that were reached are marked in `hungry`, and their duals rise to where arcs
    that the graph lacks would begin (`edge`: cost - v), so that others are
    found for them.
    """
    for k in range(start, len(units)):
        if budget < 0:
            return k
        budget -= _push(arcs, flow, search, units[k], edge, hungry)
    return len(units)


@kernel
def _push(arcs: Arcs, flow: Flow, search: Search, root: int, edge: Ints, hungry: Indices) -> int:
    u, v, used, low, high = flow.u, flow.v, flow.used, flow.low, flow.high
    distance, row_distance = search.distance, search.row_distance
    best, end, beyond = INFINITE, -1, INFINITE
    seen = done = rows = waiting = scanned = 0
    at, i, so_far = -1, root, 0
    q = flow.row[root]
    u[q] = INFINITE
    for a in range(arcs.begin[q], arcs.begin[q] + arcs.length[q]):
        if arcs.key[a] >= u[q]:
            break
        u[q] = min(u[q], arcs.cost[a] - v[arcs.column[a]])
    while True:
        while i >= 0:
            q = flow.row[i]
            if row_distance[q] == INFINITE:  # else a unit alike has been here
                row_distance[q] = so_far
                search.rows[rows] = q
                rows += 1
                scanned += 8
                base = so_far - u[q]
                beyond = min(beyond, base + edge[q])
                for a in range(arcs.begin[q], arcs.begin[q] + arcs.length[q]):
                    if base + arcs.key[a] >= best:
                        break
                    scanned += 1
                    j = arcs.column[a]
                    to = base + arcs.cost[a] - v[j]
                    if to < best and to < distance[j]:
                        if distance[j] == INFINITE:
                            search.seen[seen] = j
                            seen += 1
                        distance[j], search.unit[j], search.cost[j] = to, i, arcs.cost[a]
                        if used[j] < high[j]:
                            # At its least and worth a subsidy: one more unit must forgo that.
                            toll = v[j] if v[j] > 0 and used[j] >= low[j] else 0
                            if to + toll < best:
                                best, end = to + toll, j
                            if toll == 0:
                                continue
                        waiting = rise(search.heap, j, to, waiting)
            i = flow.after[i] if at >= 0 else -1
        if waiting == 0 or search.heap.key[0] >= best:
            break
        at = search.heap.column[0]
        waiting = drop_first(search.heap, waiting)
        search.done[done] = at
        done += 1
        i, so_far = flow.first[at], distance[at]
    if end < 0:
        best = beyond if beyond > so_far else so_far
    for k in range(rows):
        q = search.rows[k]
        u[q] += best - row_distance[q]
        row_distance[q] = INFINITE
        if end < 0:
            hungry[q] = 1
    for k in range(done):
        v[search.done[k]] -= best - distance[search.done[k]]
    while end >= 0:
        i = search.unit[end]
        left = flow.match[i]
        lay(flow, i, end, search.cost[end])
        end = left if i != root else -1
    clean(search, seen, waiting)
    return scanned


@kernel
def pull(
    into: tuple[Ints, Indices, Ints],
    flow: Flow,
    search: Search,
    columns: Indices,
    start: int,
    budget: int,
    poor: Indices,
) -> int:
    """Draw units into ``columns[start:]`` while they have room and v < 0, or too few units.

    Along shortest paths from the column, each unit on the path moving up to the
    next: from a column that can spare one, or until v has risen to 0. `into`
    holds the arcs by column (see `by_column`). Return as `augment`; a column
    that finds too few in the graph is marked in `poor`.
    """
    used, low, high, v = flow.used, flow.low, flow.high, flow.v
    for k in range(start, len(columns)):
        if budget < 0:
            return k
        j = columns[k]
        while (used[j] < high[j] and v[j] < 0) or used[j] < low[j]:
            scanned, found = _draw(into, flow, search, j)
            budget -= scanned
            if not found:
                poor[j] = used[j] < low[j]
                break
    return len(columns)


@kernel
def _draw(
    into: tuple[Ints, Indices, Ints], flow: Flow, search: Search, root: int
) -> tuple[int, bool]:
    begin, tails, costs = into
    u, v, used, low, match = flow.u, flow.v, flow.used, flow.low, flow.match
    distance, row_distance = search.distance, search.row_distance
    best = -v[root] if used[root] >= low[root] else INFINITE
    end, waiting, scanned, rows = -1, 0, 0, 0
    distance[root], search.seen[0], search.done[0] = 0, root, root
    seen = done = 1
    at = root
    while True:
        scanned += begin[at + 1] - begin[at]
        base = distance[at] - v[at]
        for a in range(begin[at], begin[at + 1]):
            q = tails[a]
            to = base + costs[a] - u[q]
            if to >= best or to >= row_distance[q]:
                continue
            if row_distance[q] == INFINITE:
                search.rows[rows] = q
                rows += 1
            row_distance[q] = to
            for i in range(flow.units[q], flow.units[q + 1]):
                j = match[i]
                if j >= 0 and j != at and to < distance[j]:
                    if distance[j] == INFINITE:
                        search.seen[seen] = j
                        seen += 1
                    distance[j], search.unit[j], search.other[j] = to, i, at
                    search.cost[j] = costs[a]
                    if used[j] > low[j] and to - v[j] < best:
                        best, end = to - v[j], j
                    if to < best:
                        waiting = rise(search.heap, j, to, waiting)
        if waiting == 0 or search.heap.key[0] >= best:
            break
        at = search.heap.column[0]
        waiting = drop_first(search.heap, waiting)
        search.done[done] = at
        done += 1
    for k in range(rows):
        row_distance[search.rows[k]] = INFINITE
    if best < INFINITE:
        rows = 0
        for k in range(done):
            j = search.done[k]
            gain = best - distance[j]
            v[j] += gain
            i = flow.first[j]
            while i >= 0:  # units alike lie equally far: their row is lowered once
                q = flow.row[i]
                if row_distance[q] == INFINITE:
                    row_distance[q] = 0
                    search.rows[rows] = q
                    rows += 1
                    u[q] -= gain
                i = flow.after[i]
        for k in range(rows):
            row_distance[search.rows[k]] = INFINITE
    found = end >= 0
    while end >= 0 and end != root:
        lay(flow, search.unit[end], search.other[end], search.cost[end])
        end = search.other[end]
    clean(search, seen, waiting)
    return scanned, found


@kernel
def clean(search: Search, seen: int, waiting: int) -> None:
    """Forget the columns seen, and those still in the heap."""
    for k in range(seen):
        search.distance[search.seen[k]] = INFINITE
    clear(search.heap, waiting)


@njit(cache=True)
def release(arcs: Arcs, flow: Flow, rows: Indices) -> Indices:
    """Make rows' duals the least they have; free units not on such an arc; return all free ones."""
    u, v = flow.u, flow.v
    for q in rows:
        least = INFINITE
        for a in range(arcs.begin[q], arcs.begin[q] + arcs.length[q]):
            least = min(least, arcs.cost[a] - v[arcs.column[a]])
        u[q] = least
        for i in range(flow.units[q], flow.units[q + 1]):
            if flow.match[i] >= 0 and flow.paid[i] - v[flow.match[i]] > least:
                free(flow, i)
    return np.flatnonzero(flow.match < 0).astype(np.int32)


def wanting(flow: Flow) -> Indices:
    """Columns that have room though v < 0, or too few units."""
    room = (flow.used < flow.high) & (flow.v < 0)
    found: Indices = np.flatnonzero(room | (flow.used < flow.low)).astype(np.int32)
    return found


def dual_value(flow: Flow) -> int:
    """Bound the cost of every flow from below, if no reduced cost is negative."""
    supply, v = np.diff(flow.units), flow.v
    columns = np.minimum(v, 0) * flow.high + np.maximum(v, 0) * flow.low
    return int((flow.u * supply).sum()) + int(columns.sum())
