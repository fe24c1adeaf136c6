"""An assignment of least cost by column generation, from coarse to fine.

A random part of rows and columns is solved first; its duals, carried over to
all columns, say which arcs the next scale needs. On the finest scale the graph
is solved and priced in turn until no pair has a negative reduced cost. Only
must all be laid: a coarse scale is but a guess.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from smalti.core import paths, pricing
from smalti.core.paths import Flow, Indices, Ints
from smalti.core.pricing import Priced, Problem, Tick

_COARSEST = 400  # rows that are solved without a guess
_RATIO = 3  # rows of a scale to those of the next coarser
_LISTED = 48  # arcs of a row to begin with; half if photos abound
_PLENTY = 5  # places to a cell
_ADDED = 16
_BIDS = 4  # a unit: more make price wars, fewer leave more to the paths
_SCANS = 4_000_000  # arcs between two looks at the clock, some 20 ms
_DEEPEST = 4  # how often a column may be wanted in the guess of its dual


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


def generate(problem: Problem, v: Ints | None, *, audit: bool, tick: Tick) -> Solved:
    """Solve a problem; rows and columns are in random order, so that a prefix is a sample.

    Parameters
    ----------
    problem : Problem
    v : ndarray of shape (columns,), int64, optional
        Duals to start from; found from coarser scales without.
    audit : bool
        Whether to go on until all pairs are priced.
    tick : callable
        Called at least every 0.2 s of work.

    Raises
    ------
    Stuck
        If bans leave some row or column without enough partners.
    """
    rows, columns = len(problem.supply), len(problem.high)
    slots = len(problem.owner)
    cells = int(problem.supply.sum())
    if v is None:
        v = np.zeros(columns, np.int64)
        if rows > _COARSEST and (problem.high < cells).any():
            v = _guess(problem, rows, columns, tick)
    flow = paths.empty_flow(v, problem.supply, problem.low, problem.high)
    if rows == 0:  # all cells are locked
        return Solved(flow, Priced(np.zeros(0, np.int64), 0, 0))
    return _settle(problem, flow, slots, audit, tick)


def _guess(problem: Problem, rows: int, columns: int, tick: Tick) -> Ints:
    """Duals of all these columns, from those of a third of them."""
    part_rows, part_columns = -(-rows // _RATIO), -(-columns // _RATIO)
    share = part_rows / len(problem.supply)
    supply = np.maximum(1, np.rint(problem.supply[:part_rows] * share)).astype(np.int32)
    high = problem.high[:part_columns]
    short = int(supply.sum()) - int(high.sum(dtype=np.int64))
    if short > 0:  # chance gave too few places: what does not fit is left out
        part_rows = int(np.searchsorted(np.cumsum(supply), int(high.sum(dtype=np.int64)), "right"))
        supply = supply[:part_rows]
    if part_rows == 0:
        return np.zeros(columns, np.int64)
    v = np.zeros(part_columns, np.int64)
    if part_rows > _COARSEST:
        v = _guess(problem, part_rows, part_columns, tick)
    sample = problem._replace(supply=supply)
    flow = paths.empty_flow(v, supply, np.zeros_like(high), high)
    slots = int(np.searchsorted(problem.owner, part_columns))
    flow = _settle(sample, flow, slots, None, tick).flow
    finer = int(np.searchsorted(problem.owner, columns))
    owner, depth = problem.owner[:finer], int(min(_DEEPEST, problem.high[:columns].max()))
    minima = pricing.column_minima(problem, flow.u, supply, finer, depth, tick)
    wanted = minima[np.minimum(problem.high[owner], depth) - 1, np.arange(finer)]
    guess = np.zeros(columns)
    np.minimum.at(guess, owner, wanted)
    v = np.maximum(guess * problem.pairs.per_unit, -(2.0**60)).astype(np.int64)
    v[:part_columns] = flow.v
    return v


def _settle(problem: Problem, flow: Flow, slots: int, audit: bool | None, tick: Tick) -> Solved:
    """Solve the graph and price in turn.

    `audit` is None on a coarse scale, where bans may leave units free.
    """
    rows, columns = len(problem.supply), len(flow.v)
    plenty = int(problem.supply.sum()) * _PLENTY < int(flow.high.sum(dtype=np.int64))
    few = max(1, min(_LISTED // (4 if plenty else 2), slots))
    listed = pricing.cheapest(problem, flow.v, rows, slots, few, tick)
    arcs, edge = pricing.graph(listed), listed.edge.copy()
    if (many := np.flatnonzero(problem.supply > few)).size:
        arcs = _more_for_many(problem, flow, arcs, many, slots, tick)
    if flow.low.any():
        scarce = np.flatnonzero(flow.low)
        arcs = pricing.join(arcs, pricing.nearest_rows(problem, flow.u, scarce, _LISTED, tick))
    search = paths.new_search(rows, columns)
    units = np.arange(len(flow.row), dtype=np.int32)
    focus: NDArray[np.int64] | None = None
    added = _ADDED
    for _ in range(10_000):
        hungry, poor = _solve(arcs, flow, search, units, edge, tick)
        if (flow.match < 0).any() or poor.any():
            if audit is None and added > _ADDED << 4:
                return Solved(flow, None)
            arcs = _feed(problem, arcs, flow, edge, slots, added, hungry, poor, tick)
            units = paths.release(arcs, flow, np.arange(rows, dtype=np.int32))
            added *= 2
            continue
        priced, found = pricing.price(
            problem, flow, rows if focus is None else focus, slots, min(added, slots), tick
        )
        if found is None and focus is None:
            return Solved(flow, priced if audit else None)
        if found is None:
            focus, added = None, _ADDED
            continue
        if focus is not None:
            added *= 2
        focus = found.row
        arcs = pricing.join(arcs, found)
        units = paths.release(arcs, flow, found.row.astype(np.int32))
    raise AssertionError("column generation did not end")


def _solve(
    arcs: paths.Arcs, flow: Flow, search: paths.Search, units: Indices, edge: Ints, tick: Tick
) -> tuple[Indices, Indices]:
    """Make the flow optimal on the graph; mark what the graph is too small for."""
    hungry, poor = np.zeros(len(flow.u), np.int32), np.zeros(len(flow.v), np.int32)
    left = paths.bid(arcs, flow, units, _BIDS * len(units))
    done = 0
    while done < left:
        tick(done, left)
        done = paths.augment(arcs, flow, search, units[:left], done, _SCANS, edge, hungry)
    if hungry.any():
        return hungry, poor
    columns = paths.wanting(flow)
    into, done = paths.by_column(arcs, len(flow.v)), 0
    while done < len(columns):
        tick(done, len(columns))
        done = paths.pull(into, flow, search, columns, done, _SCANS, poor)
    return hungry, poor


def _more_for_many(
    problem: Problem,
    flow: Flow,
    arcs: paths.Arcs,
    many: NDArray[np.intp],
    slots: int,
    tick: Tick,
) -> paths.Arcs:
    """List more for rows of many cells, which need a column each."""
    size = np.ceil(np.log2(problem.supply[many])).astype(int)
    for step in np.unique(size):
        rows = many[size == step]
        take = min(slots, int(problem.supply[rows].max()) + _LISTED)
        arcs = pricing.join(arcs, pricing.cheapest(problem, flow.v, rows, slots, take, tick))
    return arcs


def _feed(
    problem: Problem,
    arcs: paths.Arcs,
    flow: Flow,
    edge: Ints,
    slots: int,
    added: int,
    hungry: Indices,
    poor: Indices,
    tick: Tick,
) -> paths.Arcs:
    """Add arcs where the graph was too small to lay every unit, twice as many each time.

    Raises
    ------
    Stuck
        If all there are did not do.
    """
    rows, columns = np.flatnonzero(hungry), np.flatnonzero(poor)
    if added > 4 * max(slots, len(problem.supply)):
        raise Stuck(rows, columns)
    if rows.size:
        listed = pricing.cheapest(problem, flow.v, rows, slots, min(slots, added), tick)
        arcs = pricing.join(arcs, listed)
        edge[rows] = listed.edge
    if columns.size:
        arcs = pricing.join(arcs, pricing.nearest_rows(problem, flow.u, columns, added, tick))
    return arcs
