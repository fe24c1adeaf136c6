"""Feature rows to an assignment: which photo lies on which cell.

The optimal mosaic problem (paper 002, section 3): every cell gets a photo, no
group of near-duplicates is used more often than its capacity, and the sum of
the distances of cells and photos is least. Solved exactly by
`scipy.optimize.linear_sum_assignment` on the dense matrix of costs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from threading import Thread

import numpy as np
from numpy.typing import NDArray

from smalti.core.errors import BadInput
from smalti.core.progress import Progress, Step, silent

_BLOCK_BYTES = 64 << 20  # of the pairs compared at a time
_POLL_S = 0.2  # how long a cancel may go unnoticed while the solver runs


@dataclass(frozen=True, slots=True, eq=False)
class Assignment:
    """A photo for every cell, and what is known of its cost.

    Attributes
    ----------
    photo, variant : ndarray of shape (n,), intp
        Photo of each cell, and which of its variants.
    cost : ndarray of shape (n,), float64
        Distance of each cell to its photo, in units of the metric.
    solver : str
    lower_bound : float
        What the solver claims no assignment can beat.
    certified : bool or None
        Whether the bound was proven on this run; None if nothing audited it.
    """

    photo: NDArray[np.intp]
    variant: NDArray[np.intp]
    cost: NDArray[np.float64]
    solver: str
    lower_bound: float
    certified: bool | None

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
    cells: NDArray[np.float32],
    photos: NDArray[np.float32],
    *,
    group: NDArray[np.intp] | None = None,
    capacity: int | None = 1,
    metric: str = "sqeuclidean",
    progress: Progress = silent,
) -> Assignment:
    """Lay photos on cells at the least total cost.

    Parameters
    ----------
    cells : ndarray of shape (n, k), float32
        Feature rows of the cells.
    photos : ndarray of shape (m, v, k), float32
        Feature rows of the photos' variants; the cost of a pair is the least
        over the variants.
    group : ndarray of shape (m,), intp, optional
        Group of each photo, from 0 on; a group shares one capacity. Each photo
        is its own group without.
    capacity : int or None
        Uses per group; None for no limit, which is the nearest photo.
    metric : {"sqeuclidean", "euclidean", "l1", "cosine"}
    progress : callable
        Given steps of phase ``"assign"``; raising in it cancels.

    Returns
    -------
    Assignment
        Photos of one group that fit a cell equally well: the first is taken.

    Raises
    ------
    BadInput
        If the groups' capacities do not add up to the number of cells.
    """
    group = np.arange(len(photos)) if group is None else group
    if capacity is None:
        photo = _nearest(cells, photos, metric, progress)
        solver, certified = "nearest", True
    else:
        check_supply(len(cells), int(group.max()) + 1, capacity)
        chosen = _matching(cells, photos, group, min(capacity, len(cells)), metric, progress)
        photo = _best_of_group(cells, photos, group, chosen, metric)
        solver, certified = "scipy", None
    cost, variant = _best_variant(cells, photos, photo, metric)
    return Assignment(photo, variant, cost, solver, float(cost.sum()), certified)


def check_supply(cells: int, groups: int, capacity: int) -> None:
    """Refuse more cells than the photos may fill.

    Raises
    ------
    BadInput
        Saying how many are missing and which options would do.
    """
    if (missing := cells - groups * capacity) > 0:
        uses = -(-cells // groups)
        raise BadInput(
            f"{cells} cells need {missing} more photos than there are: {groups} different photos, "
            f"each used at most {capacity} time{'s' if capacity > 1 else ''}; add photos, or try "
            f"--max-uses {uses}, --cells {groups * capacity} or --repeats free"
        )


def pair_costs(
    cells: NDArray[np.float32], photos: NDArray[np.float32], metric: str
) -> NDArray[np.float32]:
    """Cost of every pair: the least distance over the photo's variants.

    Parameters
    ----------
    cells : ndarray of shape (n, k), float32
    photos : ndarray of shape (m, v, k), float32
    metric : {"sqeuclidean", "euclidean", "l1", "cosine"}

    Returns
    -------
    ndarray of shape (n, m), float32
    """
    count, kinds, width = photos.shape
    costs = _distances(cells, photos.reshape(-1, width), metric).reshape(-1, count, kinds)
    least: NDArray[np.float32] = costs.min(2)
    return least


def _distances(a: NDArray[np.float32], b: NDArray[np.float32], metric: str) -> NDArray[np.float32]:
    """All distances of rows, (len(a), len(b)); the squared one through one matrix product."""
    if metric == "l1":
        from scipy.spatial.distance import cdist

        return cdist(a, b, "cityblock").astype(np.float32)
    if metric == "cosine":
        # A black picture has no direction: it is as far from all as a right angle.
        unit_a, unit_b = (x / np.maximum(np.linalg.norm(x, axis=1), 1e-12)[:, None] for x in (a, b))
        angles: NDArray[np.float32] = 1 - unit_a @ unit_b.T
        return angles
    squares: NDArray[np.float32] = -2 * (a @ b.T)
    squares += np.einsum("ij,ij->i", a, a)[:, None]
    squares += np.einsum("ij,ij->i", b, b)
    np.maximum(squares, 0, out=squares)  # rounding may leave -0.001
    return squares if metric == "sqeuclidean" else np.sqrt(squares, out=squares)


def _photo_blocks(cells: int, photos: NDArray[np.float32]) -> Iterator[slice]:
    """Spans of photos whose costs to all cells fit a block of memory."""
    size = max(1, _BLOCK_BYTES // (4 * cells * photos.shape[1]))
    return (slice(i, i + size) for i in range(0, len(photos), size))


def _nearest(
    cells: NDArray[np.float32], photos: NDArray[np.float32], metric: str, progress: Progress
) -> NDArray[np.intp]:
    best = np.full(len(cells), np.inf, np.float32)
    photo = np.zeros(len(cells), np.intp)
    for part in _photo_blocks(len(cells), photos):
        progress(Step("assign", part.start, len(photos), "finding the nearest photos"))
        costs = pair_costs(cells, photos[part], metric)
        nearest = costs.argmin(1)
        cost = np.take_along_axis(costs, nearest[:, None], 1)[:, 0]
        better = cost < best
        best[better], photo[better] = cost[better], part.start + nearest[better]
    progress(Step("assign", len(photos), len(photos), "finding the nearest photos"))
    return photo


def _matching(
    cells: NDArray[np.float32],
    photos: NDArray[np.float32],
    group: NDArray[np.intp],
    capacity: int,
    metric: str,
    progress: Progress,
) -> NDArray[np.intp]:
    """Group of each cell in an assignment of least total cost."""
    groups = int(group.max()) + 1
    try:
        costs = np.full((len(cells), groups), np.inf, np.float32)
        for part in _photo_blocks(len(cells), photos):
            progress(Step("assign", part.start, len(photos), "comparing cells and photos"))
            block = pair_costs(cells, photos[part], metric)
            if groups == len(photos):
                costs[:, group[part]] = block
            else:
                for column, owner in enumerate(group[part]):
                    np.minimum(costs[:, owner], block[:, column], out=costs[:, owner])
        progress(Step("assign", 0, 0, "solving the assignment exactly"))
        matrix = np.repeat(costs, capacity, axis=1).astype(np.float64)
        del costs
    except MemoryError:
        needed = len(cells) * groups * capacity * 12 / 1e9
        raise BadInput(
            f"{len(cells)} cells and {groups} photos used {capacity} times need {needed:.1f} GB "
            "of memory; try fewer --cells, fewer --max-uses, or --repeats free"
        ) from None
    return _solve(matrix, progress) // capacity


def _solve(matrix: NDArray[np.float64], progress: Progress) -> NDArray[np.intp]:
    """Column of each row in the optimum; cancelling leaves the solver to end unheard."""
    from scipy.optimize import linear_sum_assignment

    answer: list[NDArray[np.intp]] = []
    solver = Thread(target=lambda: answer.append(linear_sum_assignment(matrix)[1]), daemon=True)
    solver.start()
    while solver.is_alive():
        solver.join(_POLL_S)
        progress(Step("assign", 0, 0, "solving the assignment exactly"))
    return answer[0]


def _best_of_group(
    cells: NDArray[np.float32],
    photos: NDArray[np.float32],
    group: NDArray[np.intp],
    chosen: NDArray[np.intp],
    metric: str,
) -> NDArray[np.intp]:
    """Photo of the chosen group that fits each cell best."""
    order = np.argsort(group, kind="stable")
    first = np.searchsorted(group[order], np.arange(int(group.max()) + 2))
    photo = order[first[chosen]]
    for cell, owner in enumerate(chosen):
        members = order[first[owner] : first[owner + 1]]
        costs = pair_costs(cells[cell : cell + 1], photos[members], metric)[0]
        photo[cell] = members[costs.argmin()]
    return photo


def _best_variant(
    cells: NDArray[np.float32], photos: NDArray[np.float32], photo: NDArray[np.intp], metric: str
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Cost of each cell's photo in double precision, and the variant that gives it."""
    cost, variant = np.empty(len(cells)), np.empty(len(cells), np.intp)
    for cell, owner in enumerate(photo):
        a, b = cells[cell].astype(np.float64), photos[owner].astype(np.float64)
        if metric == "l1":
            costs = np.abs(a - b).sum(1)
        elif metric == "cosine":
            lengths = np.linalg.norm(a) * np.linalg.norm(b, axis=1)
            costs = 1 - b @ a / np.maximum(lengths, 1e-24)
        else:
            costs = ((a - b) ** 2).sum(1)
            costs = np.sqrt(costs) if metric == "euclidean" else costs
        variant[cell] = costs.argmin()
        cost[cell] = costs[variant[cell]]
    return cost, variant
