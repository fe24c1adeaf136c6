"""A solved assignment under a change: solved again from where it stands, exactly.

Freed units look for room along shortest paths, and vacant columns draw others
in, as in the dynamic Hungarian algorithm (Mills-Tettey, Stentz and Dias, 2007);
here on the sparse graph of the solver, with only those rows and columns priced
over all pairs whose duals the change has moved against them.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smalti.core import graph, paths, pricing
from smalti.core.assign import Duals
from smalti.core.bounds import row_offset
from smalti.core.boxes import Boxes, banning, boxed, remembering
from smalti.core.constraints import Rows, checked
from smalti.core.errors import BadInput
from smalti.core.generation import Stuck, mend
from smalti.core.metric import laid_integers
from smalti.core.problem import (
    Posed,
    Problem,
    bans_by_row,
    best_slots,
    in_order,
    pose,
    stuck_message,
)
from smalti.core.progress import Progress, Step, silent

_LISTED = 32  # arcs of a row
_REMEMBERED = 32_000_000  # pairs; of more, bounds are found again at every change
_NEVER = 1 << 60


class Standing(NamedTuple):
    """An optimal assignment, and all that solving it again needs; never changed in place.

    Attributes
    ----------
    posed : Posed
        Without the locks.
    boxes : Boxes
        Of all slots.
    flow : Flow
        Units of locked cells are free in it, and their places are not.
    arcs : Arcs
    edge : ndarray of shape (rows,), int64
        About where cost - v of arcs left out begins.
    sure : ndarray of shape (rows,), int64
        No pair that was not listed at first has a cost - v below this, at the duals `base`.
    base : ndarray of shape (columns,), int64
    unit_of : ndarray of shape (n,), intp
        Unit of each cell.
    locked : ndarray of shape (n,), intp
        Photo each cell is locked to, or -1.
    low, high : ndarray of shape (columns,), int32
        Of all cells, also the locked ones.
    """

    posed: Posed
    boxes: Boxes
    flow: paths.Flow
    arcs: graph.Arcs
    edge: graph.Ints
    sure: graph.Ints
    base: graph.Ints
    unit_of: NDArray[np.intp]
    locked: NDArray[np.intp]
    low: graph.Indices
    high: graph.Indices

    def photo(self) -> NDArray[np.intp]:
        """Photo of each cell, the best of its group."""
        posed, flow = self.posed, self.flow
        slots = best_slots(posed.problem, flow.row.astype(np.intp), flow.match)
        out: NDArray[np.intp] = posed.problem.pairs.photo[slots][self.unit_of]
        return np.where(self.locked >= 0, self.locked, out)

    def alike(self, cell: int) -> int:
        """Count the cells that are solved as one with a cell, their features being the same."""
        return int(self.posed.problem.supply[self.posed.row_of[cell]])

    def locking(self, cells: NDArray[np.intp], photo: NDArray[np.intp]) -> "Standing":
        """Lock cells to photos that lie on them, in whatever order: the rest stays optimal."""
        locked = self.locked.copy()
        locked[cells] = photo
        return self._under(locked)

    def releasing(self, cell: int, progress: Progress = silent) -> "Standing":
        """Unlock a cell, and solve."""
        locked = self.locked.copy()
        locked[cell] = -1
        return self._under(locked)._mended([self.unit_of[cell]], progress)

    def banning(self, photos: NDArray[np.intp], progress: Progress = silent) -> "Standing":
        """Ban all photos of some groups; cells locked to them are unlocked; and solve.

        Raises
        ------
        BadInput
            If too few are left.
        """
        posed = self.posed
        columns = np.unique(posed.column_of[posed.group[photos]])
        columns = columns[columns >= 0]
        loose = np.isin(self.locked, photos)
        low, high = self.low.copy(), self.high.copy()
        low[columns] = high[columns] = 0
        standing = self._replace(low=low, high=high)._under(np.where(loose, -1, self.locked))
        units = np.flatnonzero(np.isin(standing.flow.match, columns)).tolist()
        for unit in units:
            paths.free(standing.flow, unit)
        return standing._mended([*units, *self.unit_of[loose]], progress)

    def exchanging(
        self, cell: int, photos: NDArray[np.intp], progress: Progress = silent
    ) -> "Standing":
        """Lock a cell to the photo that is best as a whole without some groups there.

        Raises
        ------
        BadInput
            If none is left.
        """
        locked = self.locked.copy()
        locked[cell] = -1
        standing, posed = self._under(locked), self.posed
        unit = int(self.unit_of[cell])
        paths.free(standing.flow, unit)
        row, m = standing.flow.row[unit], len(posed.group)
        gone = np.flatnonzero(np.isin(posed.group, posed.group[photos]))
        pairs = np.stack([np.full(len(gone), cell), gone], axis=1)
        problem, arcs = posed.problem, paths.copied(self.arcs)
        bans = bans_by_row(pairs, posed.row_of, problem.pairs.photo, m, len(problem.supply))
        own = slice(arcs.begin[row], arcs.begin[row] + arcs.length[row])
        arcs.cost[own][np.isin(arcs.column[own], posed.column_of[posed.group[gone]])] = _NEVER
        without = standing._replace(
            posed=posed._replace(
                problem=problem._replace(bounds=problem.bounds._replace(banned=bans))
            ),
            boxes=banning(self.boxes, bans),
            arcs=arcs,
        )
        found = without._mended([unit], progress)
        photo = found.photo()[[cell]]
        if np.isin(photo, gone).any():  # nothing else was left
            raise BadInput(f"cell {cell} can have no other photo: lift a ban, or add photos")
        return found._replace(posed=posed, boxes=self.boxes, arcs=self.arcs).locking(
            np.array([cell]), photo
        )

    def _under(self, locked: NDArray[np.intp]) -> "Standing":
        """Copy the flow, with the places of other locks taken from it."""
        posed, flow = self.posed, paths.copied(self.flow)
        for unit in self.unit_of[locked >= 0].tolist():
            paths.free(flow, unit)
        taken = np.bincount(
            posed.column_of[posed.group[locked[locked >= 0]]], minlength=len(self.high)
        )
        high, low = self.high - taken, np.maximum(self.low - taken, 0)
        flow = flow._replace(high=high.astype(np.int32), low=low.astype(np.int32))
        return self._replace(flow=flow, locked=locked)

    def _mended(self, units: list[int], progress: Progress) -> "Standing":
        def tick(done: int, total: int) -> None:
            progress(Step("assign", done, total, "solving around the change"))

        waiting = np.ones(len(self.flow.row), bool)
        waiting[self.unit_of[self.locked >= 0]] = False
        try:
            arcs = mend(
                self.posed.problem, self.boxes, self.flow, self.arcs, self.edge.copy(),
                np.array(units, np.int32), waiting, self.sure, self.base, tick,
            )  # fmt: skip
        except Stuck as stuck:
            raise BadInput(stuck_message(self.posed, stuck.rows, stuck.columns)) from None
        return self._replace(arcs=arcs)


def stand(
    cells: Rows,
    photos: Rows,
    photo: NDArray[np.intp],
    duals: Duals,
    *,
    weight: ArrayLike | None,
    group: NDArray[np.intp],
    capacity: int | None,
    minimum: ArrayLike,
    banned: ArrayLike,
    locks: NDArray[np.intp],
    metric: str,
    progress: Progress = silent,
) -> Standing:
    """Take up an optimal assignment, to change it.

    Parameters
    ----------
    photo : ndarray of shape (n,), intp
    duals : Duals
        Which prove it.
    others
        As for `smalti.core.assign.assign`.
    """

    def tick(done: int, total: int) -> None:
        progress(Step("assign", done, total, "getting ready for changes"))

    asked = checked(cells, photos, weight, group, capacity, minimum, banned, (), (), metric)
    posed = pose(asked, metric, 0, tick)
    problem = posed.problem
    v = in_order(duals.group, duals.per_unit, posed)
    # Photos that are locked away have no dual: such a low one that few want them.
    v[np.isin(posed.group_of, posed.group[locks[:, 1]]) & (v == 0)] = v.min(initial=0)
    flow = paths.empty_flow(v, problem.supply, problem.low, problem.high)
    boxes = boxed(problem.places, problem.bounds, len(problem.owner))
    boxes = remembering(boxes, _REMEMBERED, tick)
    few = min(_LISTED, len(problem.owner))
    listed = pricing.cheapest(problem, v, len(problem.supply), boxes, few, tick)
    arcs = graph.begun(listed)
    unit_of = np.empty(len(photo), np.intp)
    unit_of[posed.unit_cell] = np.arange(len(photo))
    paid = laid_integers(problem.pairs, posed.row_of, photo)
    column = posed.column_of[posed.group[photo]]
    for cell, unit in enumerate(unit_of.tolist()):
        paths.lay(flow, unit, int(column[cell]), int(paid[cell]))
    locked = np.full(len(photo), -1)
    locked[locks[:, 0]] = locks[:, 1]
    standing = Standing(
        posed, boxes, flow, arcs, listed.edge, _sure(problem, listed, v), v, unit_of,
        np.full(len(photo), -1), problem.low, problem.high,
    )  # fmt: skip
    standing = standing._under(locked)
    rows = np.arange(len(problem.supply), dtype=np.int32)
    free = paths.release(standing.arcs, standing.flow, rows)
    return standing._mended(free[locked[posed.unit_cell[free]] < 0].tolist(), progress)


def _sure(problem: Problem, listed: graph.Listed, v: graph.Ints) -> graph.Ints:
    """Bound cost - v of what is not listed."""
    pairs = problem.pairs
    offset = row_offset(problem.bounds)[listed.row] * pairs.weight[listed.row]
    size = np.abs(listed.edge) + np.abs(v).max(initial=0) + np.abs(offset) * pairs.per_unit
    sure: graph.Ints = listed.edge - (size * 2.0**-19).astype(np.int64) - 2
    return sure
