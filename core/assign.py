"""Feature rows to an assignment: which photo lies on which cell.

The optimal mosaic problem (paper 002, section 3): every cell gets a photo, no
group of near-duplicates is used more often than its capacity, and the sum of
the distances of cells and photos is least. Solved exactly, and proven on every
run: see `smalti.core.generation` for how, `certify` for the proof.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smalti.core.constraints import Constraints, Links, Rows, checked
from smalti.core.errors import BadInput
from smalti.core.progress import Progress, Step, silent

if TYPE_CHECKING:
    from smalti.core import metric as distances
    from smalti.core.generation import Stuck
    from smalti.core.paths import Flow
    from smalti.core.pricing import Priced, Problem


class Duals(NamedTuple):
    """Prices that prove an assignment optimal, as integers.

    Attributes
    ----------
    cell : ndarray of shape (n,), int64
        What each cell may cost; 0 for locked ones.
    group : ndarray of shape (g,), int64
        Negative where a group is scarce, positive where it must be laid.
    per_unit : float
        Integers to a unit of weighted distance.
    """

    cell: NDArray[np.int64]
    group: NDArray[np.int64]
    per_unit: float


@dataclass(frozen=True, slots=True)
class Certificate:
    """What was checked of an assignment, and what that proves.

    Attributes
    ----------
    total_cost : float
        Sum of weight times distance, in double precision.
    lower_bound : float
        What no assignment under the same constraints can cost less than, by the
        duals; all rounding is taken off.
    audited_pairs : int
        Pairs of a cell and a photo whose reduced cost was bounded or found.
    least_reduced_cost : float
        Over all pairs; the duals are feasible if it is not negative. Pairs with
        a bound above 0 count as 0.
    slack : bool
        Whether complementary slackness holds: every pair laid has a reduced
        cost of 0, scarce groups are used up, forced ones laid no oftener than
        they must.
    feasible : bool
        Whether every limit, ban and lock is kept.
    """

    total_cost: float
    lower_bound: float
    audited_pairs: int
    least_reduced_cost: float
    slack: bool
    feasible: bool

    @property
    def holds(self) -> bool:
        """Whether the assignment is proven optimal."""
        return self.feasible and self.slack and self.least_reduced_cost >= 0


@dataclass(frozen=True, slots=True, eq=False)
class Assignment:
    """A photo for every cell, and what is known of its cost.

    Attributes
    ----------
    photo, variant : ndarray of shape (n,), intp
        Photo of each cell, and which of its variants.
    cost : ndarray of shape (n,), float64
        Weight times distance of each cell and its photo, in units of the metric.
    solver : str
    lower_bound : float
        What the solver claims no assignment can beat.
    certified : bool or None
        Whether the bound was proven on this run; None if nothing audited it.
    duals : Duals or None
        From which to start again after a change by hand.
    certificate : Certificate or None
        The proof, if there was an audit.
    """

    photo: NDArray[np.intp]
    variant: NDArray[np.intp]
    cost: NDArray[np.float64]
    solver: str
    lower_bound: float
    certified: bool | None
    duals: Duals | None = None
    certificate: Certificate | None = None

    @property
    def total_cost(self) -> float:
        """Sum over the cells."""
        return float(self.cost.sum())

    @property
    def gap(self) -> float:
        """How far the total may lie above the optimum, relative to the bound."""
        excess = max(0.0, self.total_cost - self.lower_bound)
        return excess / self.lower_bound if self.lower_bound > 0 else excess


def assign(
    cells: Rows,
    photos: Rows,
    *,
    weight: ArrayLike | None = None,
    group: NDArray[np.intp] | None = None,
    capacity: int | ArrayLike | None = 1,
    minimum: int | ArrayLike = 0,
    banned: ArrayLike = (),
    banned_pairs: Links = (),
    locks: Links = (),
    metric: str = "sqeuclidean",
    audit: bool = True,
    duals: Duals | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Assignment:
    """Lay photos on cells at the least total cost.

    Parameters
    ----------
    cells : ndarray of shape (n, k), float32 or uint8
        Feature rows of the cells.
    photos : ndarray of shape (m, v, k), float32 or uint8
        Feature rows of the photos' variants; the cost of a pair is the least
        over the variants.
    weight : array_like of shape (n,), optional
        What distances on each cell are multiplied by, 0 or more; 1 without.
    group : ndarray of shape (m,), intp, optional
        Group of each photo, from 0 on; a group shares one capacity. Each photo
        is its own group without.
    capacity : int, array_like of shape (g,), or None
        Most uses per group; None for no limit, which is the nearest photo.
    minimum : int or array_like of shape (g,)
        Fewest uses per group.
    banned : array_like of int
        Photos never to be used.
    banned_pairs, locks : sequence of (cell, photo)
        Pairs never to be used, and pairs that must be.
    metric : {"sqeuclidean", "euclidean", "l1", "cosine", "ciede2000"}
        ``ciede2000`` is the mean over Lab triples, at most nine.
    audit : bool
        Whether to prove the optimum by a pass over all pairs. Without, the last
        pass is still made, since it is what finds the optimum, but not checked.
    duals : Duals, optional
        Those of a nearby problem (same cells, photos and groups), such as before
        a ban, a lock or a swap: the answer is the same, found sooner.
    seed : int
        Of the order of the work; the answer does not depend on it but by chance.
    progress : callable
        Given steps of phase ``"assign"``; raising in it cancels. Their `made` is None,
        or the photo of each cell as far as they are laid, (n,) intp, -1 for none.

    Returns
    -------
    Assignment
        The same for any number of threads. Photos of one group that fit a cell
        equally well are told apart by a salt of at most 2^-30 of the largest cost.

    Raises
    ------
    BadInput
        If the constraints cannot all be kept, naming the one and the numbers.
    """
    from smalti.core import generation, paths

    def tick(done: int, total: int) -> None:
        progress(Step("assign", done, total, "solving the assignment exactly"))

    tick(0, 0)
    asked = checked(
        cells, photos, weight, group, capacity, minimum, banned, banned_pairs, locks, metric
    )
    posed = pose(asked, metric, seed, tick)
    problem = posed.problem
    start = None if duals is None else in_order(duals, posed)

    def watch(flow: "Flow") -> None:
        laid = _so_far(posed, flow)
        progress(Step("assign", 0, 0, "solving the assignment exactly", laid))

    try:
        solved = generation.generate(problem, start, audit=audit, tick=tick, watch=watch)
    except generation.Stuck as stuck:
        raise BadInput(stuck_message(posed, stuck)) from None
    flow = solved.flow
    photo = _dealt(posed, flow.match, flow.units)
    cost, variant = _final_costs(posed, photo)
    of_cell, free = np.zeros(len(photo), np.int64), posed.row_of >= 0
    of_cell[free] = flow.u[posed.row_of[free]]
    found = Duals(of_cell, _by_group(flow.v, posed), problem.pairs.per_unit)
    certificate = None
    if audit:
        assert solved.audit is not None
        certificate = _certificate(posed, flow, solved.audit, photo, float(cost.sum()))
        if not certificate.holds:  # never the caller's fault
            raise AssertionError(f"the solver's answer failed its audit: {certificate}")
    bound = posed.fixed + paths.dual_value(flow) / problem.pairs.per_unit - posed.rounding
    solver = "nearest" if capacity is None else "exact"
    return Assignment(
        photo, variant, cost, solver, max(0.0, min(bound, float(cost.sum()))),
        True if audit else None, found, certificate,
    )  # fmt: skip


def certify(
    cells: Rows,
    photos: Rows,
    photo: NDArray[np.intp],
    duals: Duals,
    *,
    weight: ArrayLike | None = None,
    group: NDArray[np.intp] | None = None,
    capacity: int | ArrayLike | None = 1,
    minimum: int | ArrayLike = 0,
    banned: ArrayLike = (),
    banned_pairs: Links = (),
    locks: Links = (),
    metric: str = "sqeuclidean",
    progress: Progress = silent,
) -> Certificate:
    """Check an assignment from nothing but itself and its duals.

    All pairs are priced: that the total equals the dual's proves nothing.

    Parameters
    ----------
    photo : ndarray of shape (n,), intp
        Photo of each cell.
    duals : Duals
        Of `assign`; any others are as good, if they prove it.
    others
        As for `assign`.

    Returns
    -------
    Certificate
        See `Certificate.holds`.
    """
    from smalti.core import paths, pricing
    from smalti.core.boxes import boxed

    def tick(done: int, total: int) -> None:
        progress(Step("assign", done, total, "auditing all pairs"))

    asked = checked(
        cells, photos, weight, group, capacity, minimum, banned, banned_pairs, locks, metric
    )
    posed = pose(asked, metric, 0, tick)
    problem = posed.problem
    flow = paths.empty_flow(in_order(duals, posed), problem.supply, problem.low, problem.high)
    scale = problem.pairs.per_unit / duals.per_unit
    mean = np.zeros(len(problem.supply), np.int64)
    dual = np.rint(duals.cell * scale).astype(np.int64) if scale != 1 else duals.cell
    free = posed.row_of >= 0
    # Cells that are alike share a row: the least of their duals is feasible for all.
    mean[:] = np.iinfo(np.int64).max
    np.minimum.at(mean, posed.row_of[free], dual[free])
    flow.u[:] = mean

    all_slots = boxed(problem.places, problem.bounds, len(problem.owner))
    audit, _ = pricing.price(problem, flow, len(problem.supply), all_slots, 0, 0, tick)
    column = posed.column_of[posed.group[photo]]
    for unit, cell in enumerate(posed.unit_cell):
        if column[cell] >= 0:
            paths.lay(flow, unit, int(column[cell]), 0)
    cost, _ = _final_costs(posed, photo)
    return _certificate(posed, flow, audit, photo, float(cost.sum()))


class Posed(NamedTuple):
    """A problem in the solver's order, and the way back."""

    problem: "Problem"
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


def pose(constraints: Constraints, metric: str, seed: int, tick: "distances.Tick") -> Posed:
    """Put rows and columns in order, without the locked cells."""
    from smalti.core import boxes, kdtree, sampling
    from smalti.core import metric as distances
    from smalti.core.pricing import Problem

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
    pairs, bounds = distances.prepare(pairs, bans, tick)
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


def in_order(duals: Duals, posed: Posed) -> NDArray[np.int64]:
    """Duals of groups as the solver's of columns."""
    value = duals.group[posed.group_of]
    scale = posed.problem.pairs.per_unit / duals.per_unit
    return value.copy() if scale == 1 else np.rint(value * scale).astype(np.int64)


def _by_group(v: NDArray[np.int64], posed: Posed) -> NDArray[np.int64]:
    out = np.zeros(len(posed.column_of), np.int64)
    out[posed.group_of] = v
    return out


def _so_far(posed: Posed, flow: "Flow") -> NDArray[np.intp]:
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


def _dealt(posed: Posed, match: NDArray[np.int32], units: NDArray[np.int32]) -> NDArray[np.intp]:
    """Photo of each cell: the best of its group; alike cells get theirs in ascending order."""
    from smalti.core.pricing import best_slots

    problem = posed.problem
    photo = np.full(len(posed.row_of), -1)
    row = np.repeat(np.arange(len(units) - 1), np.diff(units))
    laid = problem.pairs.photo[best_slots(problem, row, match)]
    photo[posed.unit_cell] = laid[np.lexsort((laid, row))]
    photo[posed.locks[:, 0]] = posed.locks[:, 1]
    return photo


def _final_costs(
    posed: Posed, photo: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    from smalti.core.pricing import laid_costs

    pairs = posed.problem.pairs
    cost, variant = laid_costs(pairs, photo)
    return cost * posed.weight, variant


def _certificate(
    posed: Posed, flow: "Flow", audit: "Priced", photo: NDArray[np.intp], total: float
) -> Certificate:
    """Gather what an assignment was checked for."""
    from smalti.core import paths
    from smalti.core.pricing import laid_integers

    problem = posed.problem
    free, per_unit = posed.row_of >= 0, problem.pairs.per_unit
    used = np.bincount(posed.group[photo[free]], minlength=len(posed.column_of))
    count, v = used[posed.group_of], flow.v
    kept = bool(
        ((count >= problem.low) & (count <= problem.high)).all()
        and used.sum() == count.sum()
        and not np.isin(photo, posed.banned).any()
        and (photo[posed.locks[:, 0]] == posed.locks[:, 1]).all()
        and not (photo[posed.banned_pairs[:, 0]] == posed.banned_pairs[:, 1]).any()
    )
    slack = bool(
        (count[v < 0] == problem.high[v < 0]).all() and (count[v > 0] == problem.low[v > 0]).all()
    )
    if kept:
        column = posed.column_of[posed.group[photo[free]]]
        paid = laid_integers(problem.pairs, posed.row_of[free], photo[free])
        slack &= bool((paid - flow.u[posed.row_of[free]] - v[column] == 0).all())
    bound = posed.fixed + paths.dual_value(flow) / per_unit - posed.rounding
    slack &= bound <= total * (1 + 1e-9) or not kept
    least = float(min(0, int(audit.least.min(initial=0)))) / per_unit
    pairs = len(photo) * len(problem.owner)
    return Certificate(total, max(0.0, bound), pairs, least, slack, kept)


def stuck_message(posed: Posed, stuck: "Stuck") -> str:
    """Say which cells or photos the bans leave without enough partners."""
    if len(stuck.columns):
        g = int(posed.group_of[stuck.columns[0]])
        return (
            f"group {g} must appear {posed.problem.low[stuck.columns[0]]} times, but bans leave it "
            "too few cells: lift a ban, or ask for fewer"
        )
    cells = np.flatnonzero(np.isin(posed.row_of, stuck.rows))
    named = ", ".join(map(str, cells[:5])) + (", ..." if len(cells) > 5 else "")
    return (
        f"bans leave {len(cells)} cells (numbers {named}) too few photos: lift a ban, add photos "
        "or allow more uses"
    )
