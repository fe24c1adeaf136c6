"""An assignment of least cost by column generation, from coarse to fine.

An even part of rows and columns is solved first; its duals, carried over to
all columns, say which arcs the next scale needs, and how far they were moved
says how coarse its first steps may be. On the finest scale the graph
is solved and priced in turn until no pair has a negative reduced cost. Only
must all be laid: a coarse scale is but a guess.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from smalti.core import auction, graph, paths, pricing
from smalti.core.boxes import Boxes, boxed
from smalti.core.graph import Indices, Ints
from smalti.core.metric import Tick
from smalti.core.paths import Flow
from smalti.core.pricing import Priced
from smalti.core.problem import Problem

_COARSEST = 400  # rows that are solved without a guess
_RATIO = 3  # rows of a scale to those of the next coarser
_LISTED = 24  # arcs of a row to begin with; half if photos abound
_PLENTY = 5  # places to a cell
_ADDED = 16  # for each row that needs more, doubled each time
_DRAWN = 16  # the same for each column
_BIDS = 3  # a row: more make price wars, fewer leave more to the paths
_STEP = 0.5  # of a bid, of how far off duals are
_LOOSE = 0.1  # the same: how tight paths must be at first
_UNKNOWN = 0.04  # how far off duals are without a coarser scale, of the median row's dearest arc
_SOME = 12  # rounds of paths before arcs are added
_MOST = 40  # and after
_WORTH = 10  # units: a round that lays fewer costs more than their own searches
_CROWD = 128  # and fewer than one in so many: a round looks at all
_NEAR = 0.05  # of how far arcs not listed lie: what is listed though it is no breach yet
_SCANS = 4_000_000  # arcs between two looks at the clock, some 20 ms
_DEEPEST = 4  # how often a column may be wanted in the guess of its dual


Watch = Callable[[Flow], None]
"""Shown the flow whenever it is optimal on a graph: of a sample of the rows, then of all."""


class Solved(NamedTuple):
    """An optimal flow, and what proves it.

    Attributes
    ----------
    flow : Flow
    audit : Priced or None
        The pass over all pairs at the final duals; None if it was left out.
    """

    flow: Flow
    audit: Priced | None


class Stuck(Exception):
    """No flow serves every row and every column's least."""

    def __init__(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> None:
        self.rows = rows
        self.columns = columns


def generate(problem: Problem, v: Ints | None, *, audit: bool, tick: Tick, watch: Watch) -> Solved:
    """Solve a problem; a prefix of its rows, or of its columns, is a fair sample of them.

    Parameters
    ----------
    problem : Problem
    v : ndarray of shape (columns,), int64, optional
        Duals to start from; found from coarser scales without.
    audit : bool
        Whether to go on until all pairs are priced.
    tick : callable
        Called at least every 0.2 s of work; with 0 of 0 before the last pass.
    watch : callable
        Must not keep what it is shown.

    Raises
    ------
    Stuck
        If bans leave some row or column without enough partners.
    """
    rows, columns = len(problem.supply), len(problem.high)
    boxes = boxed(problem.places, problem.bounds, len(problem.owner))
    cells = int(problem.supply.sum())
    warm = v is not None
    off = 0
    if v is None:
        v = np.zeros(columns, np.int64)
        if rows > _COARSEST and (problem.high < cells).any():
            v, off = _guess(problem, rows, columns, boxes, lambda done, total: tick(0, 0), watch)
    flow = paths.empty_flow(v, problem.supply, problem.low, problem.high)
    if rows == 0:  # all cells are locked
        return Solved(flow, Priced(np.zeros(0, np.int64), 0, 0))
    return _settle(problem, flow, boxes, audit, warm, off, tick, watch)


def _guess(
    problem: Problem, rows: int, columns: int, finer: Boxes, tick: Tick, watch: Watch
) -> tuple[Ints, int]:
    """Duals of all these columns, from those of a third of them, and how far off they may be."""
    part_rows, part_columns = -(-rows // _RATIO), -(-columns // _RATIO)
    share = part_rows / len(problem.supply)
    supply = np.maximum(1, np.rint(problem.supply[:part_rows] * share)).astype(np.int32)
    high = problem.high[:part_columns]
    short = int(supply.sum()) - int(high.sum(dtype=np.int64))
    if short > 0:  # chance gave too few places: what does not fit is left out
        part_rows = int(np.searchsorted(np.cumsum(supply), int(high.sum(dtype=np.int64)), "right"))
        supply = supply[:part_rows]
    if part_rows == 0:
        return np.zeros(columns, np.int64), 0
    v, off = np.zeros(part_columns, np.int64), 0
    slots = int(np.searchsorted(problem.owner, part_columns))
    boxes = boxed(problem.places, problem.bounds, slots)
    if part_rows > _COARSEST:
        v, off = _guess(problem, part_rows, part_columns, boxes, tick, watch)
    sample = problem._replace(supply=supply)
    flow = paths.empty_flow(v, supply, np.zeros_like(high), high)
    flow = _settle(sample, flow, boxes, None, False, off, tick, watch).flow
    moved = np.abs(flow.v - v)[flow.v < 0]
    off = int(np.median(moved)) if part_rows > _COARSEST and moved.size else 0
    owner = problem.owner[: len(finer.slot)]
    depth = int(min(_DEEPEST, problem.high[:columns].max()))
    minima = pricing.column_minima(problem, flow.u, finer, depth, tick)
    wanted = minima[np.minimum(problem.high[owner], depth) - 1, np.arange(len(owner))]
    guess = np.zeros(columns)
    np.minimum.at(guess, owner, wanted)
    v = np.maximum(guess * problem.pairs.per_unit, -(2.0**60)).astype(np.int64)
    v[:part_columns] = flow.v
    return v, off


def _settle(
    problem: Problem,
    flow: Flow,
    boxes: Boxes,
    audit: bool | None,
    warm: bool,
    off: int,
    tick: Tick,
    watch: Watch,
) -> Solved:
    """Solve the graph and price in turn.

    The first pass over all pairs lists what is near a breach as well, so that
    until the next only rows and columns whose duals rose since need a look.
    Duals are about `off` from the best, as far as those of the coarser scale were
    moved; 0 if there was none. Duals that are `warm` need no auction. `audit` is None
    on a coarse scale, where bans may leave units free.
    """

    def still(done: int, total: int) -> None:
        tick(0, 0)  # how many rounds there are is not known

    rows, columns = len(problem.supply), len(flow.v)
    plenty = int(problem.supply.sum()) * _PLENTY < int(flow.high.sum(dtype=np.int64))
    few = max(1, min(_LISTED // (4 if plenty else 2), len(boxes.slot)))
    listed = pricing.cheapest(problem, flow.v, rows, boxes, few, still)
    arcs, edge = graph.begun(listed), listed.edge.copy()
    if (many := np.flatnonzero(problem.supply > few)).size:
        arcs = _more_for_many(problem, flow, arcs, many, boxes, still)
    scarce = np.flatnonzero(flow.low)
    arcs = _drawn(problem, flow, arcs, scarce, _any(scarce), boxes, still, _LISTED)
    search = paths.new_search(rows, columns)
    units = np.arange(len(flow.row), dtype=np.int32)
    focus: NDArray[np.int64] | None = None
    added, first, margin = _ADDED, True, 0
    off = off or int(_UNKNOWN * np.median(edge))
    if not warm:
        arcs, units = _auction(problem, flow, arcs, units, edge, boxes, search, off, still)
    top_u, top_v = flow.u, flow.v
    slack = 0 if warm else int(_LOOSE * off)
    for _ in range(10_000):
        hungry, poor = _solve(arcs, flow, search, units, edge, slack, still)
        watch(flow)
        if (flow.match < 0).any() or poor.any():
            if audit is None and added > _ADDED << 4:
                return Solved(flow, None)
            arcs = _feed(problem, arcs, flow, edge, boxes, added, hungry, poor, still)
            units = paths.release(arcs, flow, np.arange(rows, dtype=np.int32))
            added *= 2
            continue
        if focus is not None:
            risen = np.flatnonzero(flow.v > top_v)
            top_v[risen] = flow.v[risen] + margin // 2
            arcs = _drawn(problem, flow, arcs, risen, top_v[risen], boxes, still)
            focus = np.union1d(focus, np.flatnonzero(flow.u > top_u))
            top_u[focus] = flow.u[focus] + margin // 2
        if first:
            margin = int(_NEAR * np.median(np.maximum(edge - flow.u, 0)))
        full = focus is None
        chosen = np.arange(rows) if focus is None else focus
        wide = margin if first or not full else 0
        last = full and not first  # unless it finds a breach
        priced, found = pricing.price(
            problem, flow, chosen, boxes, min(added, len(boxes.slot)), wide, tick if last else still
        )
        focus = chosen[priced.least < 0]
        if full and not focus.size:
            return Solved(flow, priced if audit else None)
        if full:
            top_u, top_v, first = flow.u + margin // 2, flow.v + margin // 2, False
        else:
            added *= 2
        for listed in found:
            arcs = graph.join(arcs, listed)
        units = paths.release(arcs, flow, np.arange(rows, dtype=np.int32))
        if not full and not units.size:
            focus, added = None, _ADDED
    raise AssertionError("column generation did not end")


def mend(
    problem: Problem,
    boxes: Boxes,
    flow: Flow,
    arcs: graph.Arcs,
    edge: Ints,
    units: Indices,
    waiting: NDArray[np.bool_],
    sure: Ints,
    base: Ints,
    tick: Tick,
) -> graph.Arcs:
    """Lay freed units, and fill what they left, so that an optimal flow is optimal again.

    No pair is in breach before but those of the units: only rows and columns
    whose duals rise can come to be, and only they are priced; of the rows, those
    that rise above what the graph lacks.

    Parameters
    ----------
    problem : Problem
    boxes : Boxes
        Of all slots, under the same bans.
    flow : Flow
        Changed in place.
    arcs : Arcs
    edge : ndarray of shape (rows,), int64
        Changed in place.
    units : ndarray of int32
        Freed; those of a changed row, though it has none to spare, may be among them.
    waiting : ndarray of shape (n,), bool
        Units that are to be laid at all.
    sure : ndarray of shape (rows,), int64
        No pair that the graph lacks has a cost - v below this, at the duals `base`.
    base : ndarray of shape (columns,), int64
    tick : callable

    Returns
    -------
    Arcs
        With those that were missing.

    Raises
    ------
    Stuck
        As `generate`.
    """
    rows = np.arange(len(flow.u), dtype=np.int32)
    search = paths.new_search(len(flow.u), len(flow.v))
    top_u, top_v = flow.u.copy(), flow.v.copy()
    top_u[flow.row[units]] = -graph.INFINITE  # they are priced in any case
    added = _ADDED
    for _ in range(10_000):
        hungry, poor = _solve(arcs, flow, search, units, edge, 0, tick)
        if ((flow.match < 0) & waiting).any() or poor.any():
            arcs = _feed(problem, arcs, flow, edge, boxes, added, hungry, poor, tick)
            added *= 2
        else:
            risen = np.flatnonzero((flow.v > top_v) | (flow.v > base))
            arcs = _drawn(problem, flow, arcs, risen, flow.v[risen], boxes, tick)
            focus = np.flatnonzero((flow.u > top_u) & (flow.u > sure))
            top_u[focus] = flow.u[focus]
            if focus.size:
                for listed in pricing.price(problem, flow, focus, boxes, added, 0, tick)[1]:
                    arcs = graph.join(arcs, listed)
        free = paths.release(arcs, flow, rows)
        units = free[waiting[free]]
        if not units.size and not len(paths.wanting(flow)):
            return arcs
    raise AssertionError("mending a flow did not end")


def _auction(
    problem: Problem,
    flow: Flow,
    arcs: graph.Arcs,
    units: Indices,
    edge: Ints,
    boxes: Boxes,
    search: paths.Search,
    off: int,
    tick: Tick,
) -> tuple[graph.Arcs, Indices]:
    """Settle duals within a step of the best; list more where arcs run out.

    That is for rows grown dearer, and for columns grown cheaper, than when the
    arcs were chosen.
    """
    rows = np.arange(len(flow.u), dtype=np.int32)
    step = int(_STEP * off)
    into = graph.by_column(arcs, len(flow.v))
    ceiling = flow.v + 4 * step
    graph.arrange(arcs, flow.v)
    auction.bid(arcs, flow, units, step, _BIDS * len(rows), edge)
    auction.offer(into, flow, step, _BIDS * len(flow.v))
    units = paths.release(arcs, flow, rows)
    graph.arrange(arcs, flow.v)
    _thread(arcs, into, flow, search, units, _SOME, step // 2, tick)
    starved, risen = np.flatnonzero(flow.u > edge), np.flatnonzero(flow.v > ceiling)
    if len(starved):
        more = pricing.cheapest(problem, flow.v, starved, boxes, min(_ADDED, len(boxes.slot)), tick)
        edge[starved] = more.edge
        arcs = graph.join(arcs, more)
    arcs = _drawn(problem, flow, arcs, risen, flow.v[risen] + 4 * step, boxes, tick)
    return arcs, paths.release(arcs, flow, rows)


def _drawn(
    problem: Problem,
    flow: Flow,
    arcs: graph.Arcs,
    columns: NDArray[np.intp],
    ceiling: Ints,
    boxes: Boxes,
    tick: Tick,
    most: int = _DRAWN,
) -> graph.Arcs:
    """Add arcs of columns to the rows that would have them below a ceiling."""
    if not columns.size:
        return arcs
    more = pricing.nearest_rows(problem, flow.u, columns, ceiling, boxes, most, tick)
    return graph.join(arcs, more)


def _solve(
    arcs: graph.Arcs,
    flow: Flow,
    search: paths.Search,
    units: Indices,
    edge: Ints,
    slack: int,
    tick: Tick,
) -> tuple[Indices, Indices]:
    """Make the flow optimal on the graph; mark what the graph is too small for."""
    hungry, poor = np.zeros(len(flow.u), np.int32), np.zeros(len(flow.v), np.int32)
    if not len(units) and not len(paths.wanting(flow)):  # as it was
        return hungry, poor
    graph.arrange(arcs, flow.v)
    left = auction.bid(arcs, flow, units, 0, 4 * len(units), edge)
    into = graph.by_column(arcs, len(flow.v))
    for loose in (slack, 0):
        found = _thread(arcs, into, flow, search, units[:left], _MOST, loose, tick)
        if loose and len(found) < left:
            found = paths.release(arcs, flow, np.arange(len(flow.u), dtype=np.int32))
        units, left = found, len(found)
    done = 0
    while done < left:
        tick(done, left)
        done = paths.augment(arcs, flow, search, units[:left], done, _SCANS, edge, hungry)
    if hungry.any():
        return hungry, poor
    columns = paths.wanting(flow)
    done = 0
    while done < len(columns):
        tick(done, len(columns))
        done = paths.pull(into, flow, search, columns, done, _SCANS, poor)
    return hungry, poor


def _thread(
    arcs: graph.Arcs,
    into: tuple[Ints, Indices, Ints],
    flow: Flow,
    search: paths.Search,
    units: Indices,
    most: int,
    slack: int,
    tick: Tick,
) -> Indices:
    """Lay many units at a time, while more than a few get laid; return those left."""
    left = len(units)
    for _ in range(most):
        if left <= _WORTH:
            break
        tick(0, left)
        auction.level(arcs, into, flow, search, units[:left])
        was, left = left, auction.thread(arcs, flow, units[:left], slack)
        if left > was - max(_WORTH, len(flow.row) // _CROWD):
            break
    return units[:left]


def _more_for_many(
    problem: Problem,
    flow: Flow,
    arcs: graph.Arcs,
    many: NDArray[np.intp],
    boxes: Boxes,
    tick: Tick,
) -> graph.Arcs:
    """List more for rows of many cells, which need a column each."""
    size = np.ceil(np.log2(problem.supply[many])).astype(int)
    for step in np.unique(size):
        rows = many[size == step]
        take = min(len(boxes.slot), int(problem.supply[rows].max()) + _LISTED)
        arcs = graph.join(arcs, pricing.cheapest(problem, flow.v, rows, boxes, take, tick))
    return arcs


def _feed(
    problem: Problem,
    arcs: graph.Arcs,
    flow: Flow,
    edge: Ints,
    boxes: Boxes,
    added: int,
    hungry: Indices,
    poor: Indices,
    tick: Tick,
) -> graph.Arcs:
    """Add arcs where the graph was too small to lay every unit, twice as many each time.

    Raises
    ------
    Stuck
        If all there are did not do.
    """
    rows, columns = np.flatnonzero(hungry), np.flatnonzero(poor)
    if added > 4 * max(len(boxes.slot), len(problem.supply)):
        raise Stuck(rows, columns)
    if rows.size:
        listed = pricing.cheapest(problem, flow.v, rows, boxes, min(len(boxes.slot), added), tick)
        arcs = graph.join(arcs, listed)
        edge[rows] = listed.edge
    return _drawn(problem, flow, arcs, columns, _any(columns), boxes, tick, added)


def _any(columns: NDArray[np.intp]) -> Ints:
    """No ceiling."""
    return np.full(len(columns), graph.INFINITE)
