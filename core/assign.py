"""Feature rows to an assignment: which photo lies on which cell.

The optimal mosaic problem (paper 002, section 3): every cell gets a photo, no
group of near-duplicates is used more often than its capacity, and the sum of
the distances of cells and photos is least. Solved exactly, and proven on every
run: see `smalti.core.generation` for how, `certify` for the proof.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smalti.core.constraints import Links, Rows, checked
from smalti.core.errors import BadInput
from smalti.core.progress import Progress, Step, silent

if TYPE_CHECKING:
    from smalti.core.paths import Flow
    from smalti.core.pricing import Priced
    from smalti.core.problem import Posed


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
    from smalti.core.problem import by_group, dealt, in_order, pose, so_far, stuck_message

    def tick(done: int, total: int) -> None:
        progress(Step("assign", done, total, "solving the assignment exactly"))

    tick(0, 0)
    asked = checked(
        cells, photos, weight, group, capacity, minimum, banned, banned_pairs, locks, metric
    )
    posed = pose(asked, metric, seed, tick)
    problem = posed.problem
    start = None if duals is None else in_order(duals.group, duals.per_unit, posed)

    def watch(flow: "Flow") -> None:
        if progress is silent:
            return
        laid = so_far(posed, flow)
        progress(Step("assign", 0, 0, "solving the assignment exactly", laid))

    try:
        solved = generation.generate(problem, start, audit=audit, tick=tick, watch=watch)
    except generation.Stuck as stuck:
        raise BadInput(stuck_message(posed, stuck.rows, stuck.columns)) from None
    flow = solved.flow
    photo = dealt(posed, flow.match, flow.units)
    cost, variant = _final_costs(posed, photo)
    of_cell, free = np.zeros(len(photo), np.int64), posed.row_of >= 0
    of_cell[free] = flow.u[posed.row_of[free]]
    found = Duals(of_cell, by_group(flow.v, posed), problem.pairs.per_unit)
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
    from smalti.core.problem import in_order, pose

    def tick(done: int, total: int) -> None:
        progress(Step("assign", done, total, "auditing all pairs"))

    asked = checked(
        cells, photos, weight, group, capacity, minimum, banned, banned_pairs, locks, metric
    )
    posed = pose(asked, metric, 0, tick)
    problem = posed.problem
    flow = paths.empty_flow(
        in_order(duals.group, duals.per_unit, posed), problem.supply, problem.low, problem.high
    )
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


def _final_costs(
    posed: "Posed", photo: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    from smalti.core.metric import laid_costs

    pairs = posed.problem.pairs
    cost, variant = laid_costs(pairs, photo)
    return cost * posed.weight, variant


def _certificate(
    posed: "Posed", flow: "Flow", audit: "Priced", photo: NDArray[np.intp], total: float
) -> Certificate:
    """Gather what an assignment was checked for."""
    from smalti.core import paths
    from smalti.core.metric import laid_integers

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
