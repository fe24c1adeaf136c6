"""Many units laid at once, before the shortest paths of `smalti.core.paths` lay the rest.

Rows take what is tight, outbidding each other (Jonker and Volgenant's row reduction),
and empty columns bid for rows. A crowd that wants the same few columns would go on
for long: `level` raises all its duals at once, and `thread` lays what then fits. No
step makes a reduced cost negative by more than the step or slack it was given;
`smalti.core.paths.release` mends that.
"""

import numpy as np
from numpy.typing import NDArray

from smalti.core.graph import INFINITE, Arcs, Indices, Ints
from smalti.core.heap import drop_first, rise
from smalti.core.kernel import kernel
from smalti.core.paths import Flow, Search, clean, free, lay


@kernel
def bid(arcs: Arcs, flow: Flow, units: Indices, step: int, most: int, edge: Ints) -> int:
    """Let units take their cheapest columns, outbidding whoever is there.

    A column of one place loses value until its bidder would sooner have the
    second best, by `step` (Bertsekas's auction). Units left free after `most`
    bids, and those that would rather have an arc the graph lacks (`edge`: from
    where cost - v of those begins), are moved to the front of `units`; return
    how many.
    """
    u, v, used, high = flow.u, flow.v, flow.used, flow.high
    left = 0
    for k in range(len(units)):
        i = units[k]
        while i >= 0:
            q = flow.row[i]
            least = second = INFINITE
            best, cost = -1, 0
            for a in range(arcs.begin[q], arcs.begin[q] + arcs.length[q]):
                if arcs.key[a] >= second:
                    break
                j = arcs.column[a]
                reduced = arcs.cost[a] - v[j]
                if reduced < second:
                    if reduced < least:
                        second = least
                        least, best, cost = reduced, j, arcs.cost[a]
                    else:
                        second = reduced
            u[q] = least
            most -= 1
            if best >= 0 and used[best] < high[best]:
                if v[best] <= 0 or used[best] < flow.low[best]:
                    lay(flow, i, best, cost)
                    break
                best = -1
            if best < 0 or most < 0 or high[best] != 1 or second == INFINITE or least > edge[q]:
                units[left] = i
                left += 1
                break
            out = flow.first[best]
            v[best] -= second - least + step
            u[q] = second + step
            free(flow, out)
            lay(flow, i, best, cost)
            i = out
    return left


@kernel
def offer(into: tuple[Ints, Indices, Ints], flow: Flow, step: int, most: int) -> None:
    """Let columns of one place that stand empty at v < 0 bid for rows (Bertsekas and Castanon).

    Such a column rises until it stands at 0, or takes a row that gains by it.
    """
    begin, tails, costs = into
    u, v, used, match = flow.u, flow.v, flow.used, flow.match
    for start in range(len(v)):
        j = start
        while used[j] < flow.high[j] and v[j] < 0 and flow.high[j] == 1 and most > 0:
            most -= 1
            least = second = 0
            best, cost = -1, 0
            for a in range(begin[j], begin[j + 1]):
                worth = costs[a] - u[tails[a]]
                if worth < second:
                    if worth < least:
                        second = least
                        least, best, cost = worth, tails[a], costs[a]
                    else:
                        second = worth
            if best < 0 or least > -step:
                v[j] = 0
                break
            unit = flow.units[best]
            for i in range(unit, flow.units[best + 1]):  # the dearest moves
                if match[unit] >= 0 and (
                    match[i] < 0 or flow.paid[i] - v[match[i]] > flow.paid[unit] - v[match[unit]]
                ):
                    unit = i
            left = match[unit]
            v[j] = min(0, second + step)
            u[best] = cost - v[j]
            lay(flow, unit, j, cost)
            if left < 0:
                break
            j = left


def level(
    arcs: Arcs, into: tuple[Ints, Indices, Ints], flow: Flow, search: Search, units: Indices
) -> None:
    """Raise the duals of free units' rows until each has a path of no length to some room.

    One search back from all columns with room finds how far each is; one forward
    from all those rows, how little others must rise. So a crowd that wants the
    same few columns finds its level at once, not bid by bid (Goldberg and
    Kennedy's global update, with the least change of the duals). Duals of columns
    must only have fallen since the arcs were arranged.
    """
    room = (flow.used < flow.high) & (flow.v <= 0)
    _level(arcs, into, flow, search, units, room, np.zeros(len(units), np.int64))


@kernel
def _farthest(flow: Flow, search: Search, units: Indices) -> int:
    """How far from room any free unit is, as far as known."""
    most = 0
    for i in units:
        if flow.match[i] < 0:
            most = max(most, search.row_distance[flow.row[i]])
    return most


@kernel
def _level(
    arcs: Arcs,
    into: tuple[Ints, Indices, Ints],
    flow: Flow,
    search: Search,
    units: Indices,
    room: NDArray[np.bool_],
    need: Ints,
) -> None:
    begin, tails, costs = into
    u, v, match = flow.u, flow.v, flow.match
    distance, row_distance = search.distance, search.row_distance
    for i in units:
        q = flow.row[i]
        if match[i] < 0:
            least = INFINITE
            for a in range(arcs.begin[q], arcs.begin[q] + arcs.length[q]):
                least = min(least, arcs.cost[a] - v[arcs.column[a]])
            u[q] = least
    for q in range(len(u)):  # straight to some room: soon found, the arcs being in order
        least = INFINITE
        for a in range(arcs.begin[q], arcs.begin[q] + arcs.length[q]):
            if arcs.key[a] >= least:
                break
            if room[arcs.column[a]]:
                least = min(least, arcs.cost[a] - v[arcs.column[a]])
        if least < INFINITE:
            row_distance[q] = least - u[q]
    farthest = _farthest(flow, search, units)
    seen = waiting = popped = 0
    for i in range(len(match)):
        j, to = match[i], row_distance[flow.row[i]]
        if j >= 0 and to < min(farthest, distance[j]):
            if distance[j] == INFINITE:
                search.seen[seen] = j
                seen += 1
            distance[j] = to
            waiting = rise(search.heap, j, to, waiting)
    while waiting > 0 and search.heap.key[0] < farthest:
        at = search.heap.column[0]
        waiting = drop_first(search.heap, waiting)
        popped += 1
        if popped % 256 == 0:
            farthest = _farthest(flow, search, units)
        base = distance[at] - v[at]
        for a in range(begin[at], begin[at + 1]):
            q = tails[a]
            to = base + costs[a] - u[q]
            if to < row_distance[q]:
                row_distance[q] = to
                for i in range(flow.units[q], flow.units[q + 1]):
                    j = match[i]
                    if j >= 0 and to < min(farthest, distance[j]):
                        if distance[j] == INFINITE:
                            search.seen[seen] = j
                            seen += 1
                        distance[j] = to
                        waiting = rise(search.heap, j, to, waiting)
    for k in range(len(units)):
        q = flow.row[units[k]]
        if match[units[k]] < 0 and row_distance[q] < INFINITE:
            need[k] = -row_distance[q]
    clean(search, seen, waiting)
    row_distance[:] = INFINITE
    # Forward: what rises is held as a negative distance.
    seen = waiting = rows = 0
    for k in range(len(units)):
        q = flow.row[units[k]]
        if need[k] < 0 and row_distance[q] == INFINITE:
            row_distance[q] = need[k]
            search.rows[rows] = q
            rows += 1
    sources, at = rows, -1
    k = 0
    while True:
        if k < sources:
            q, i = search.rows[k], -1
            k += 1
        else:
            if waiting == 0:
                break
            at = search.heap.column[0]
            waiting = drop_first(search.heap, waiting)
            i = flow.first[at]
            q = flow.row[i]
        while True:
            if i < 0 or distance[at] < row_distance[q]:
                if i >= 0:
                    if row_distance[q] == INFINITE:
                        search.rows[rows] = q
                        rows += 1
                    row_distance[q] = distance[at]
                base = row_distance[q] - u[q]
                for a in range(arcs.begin[q], arcs.begin[q] + arcs.length[q]):
                    if base + arcs.key[a] >= 0:
                        break
                    j = arcs.column[a]
                    to = base + arcs.cost[a] - v[j]
                    if to < 0 and to < distance[j]:
                        if distance[j] == INFINITE:
                            search.seen[seen] = j
                            seen += 1
                        distance[j] = to
                        if flow.first[j] >= 0:
                            waiting = rise(search.heap, j, to, waiting)
            if i < 0:
                break
            i = flow.after[i]
            if i < 0:
                break
            q = flow.row[i]
    for k in range(rows):
        q = search.rows[k]
        u[q] -= row_distance[q]
        row_distance[q] = INFINITE
    for k in range(seen):
        v[search.seen[k]] += distance[search.seen[k]]
    clean(search, seen, waiting)


def thread(arcs: Arcs, flow: Flow, units: Indices, slack: int) -> int:
    """Lay units along paths of arcs tight to within `slack`.

    Each column is tried once, as in a phase of Hopcroft and Karp's.

    Units left free are moved to the front of `units`; return how many.
    """
    size = len(flow.row) + 1
    path, costs = np.empty((2, size), np.int32), np.empty((2, size), np.int64)
    left: int = _thread(
        arcs, flow, units, slack, np.zeros(len(flow.v), np.bool_), path[0], path[1], *costs
    )
    return left


@kernel
def _thread(
    arcs: Arcs,
    flow: Flow,
    units: Indices,
    slack: int,
    tried: NDArray[np.bool_],
    path: Indices,
    column: Indices,
    cost: Ints,
    arc: Ints,
) -> int:
    u, v, used = flow.u, flow.v, flow.used
    left = 0
    for k in range(len(units)):
        path[0], arc[0], depth = units[k], arcs.begin[flow.row[units[k]]], 0
        while depth >= 0:
            q = flow.row[path[depth]]
            a, end, found = arc[depth], arcs.begin[q] + arcs.length[q], -1
            while a < end and found < 0 and arcs.key[a] <= u[q] + slack:
                j = arcs.column[a]
                if arcs.cost[a] - v[j] <= u[q] + slack and not tried[j]:
                    found = j
                    tried[j] = True
                    column[depth], cost[depth] = j, arcs.cost[a]
                a += 1
            arc[depth] = a
            if found < 0:
                depth -= 1
            elif used[found] < flow.high[found] and v[found] <= 0:
                while depth >= 0:
                    lay(flow, path[depth], column[depth], cost[depth])
                    depth -= 1
                break
            elif flow.first[found] >= 0:
                depth += 1
                path[depth] = flow.first[found]
                arc[depth] = arcs.begin[flow.row[path[depth]]]
        if flow.match[units[k]] < 0:
            units[left] = units[k]
            left += 1
    return left
