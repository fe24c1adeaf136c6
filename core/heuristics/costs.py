"""What a heuristic searches: cells, photos, limits of use, and the cost of any one pair.

No matrix of all costs is needed: a pair's cost is computed when it is looked
at. Where a search will look at most pairs many times, and they fit into
memory, they are tabulated first; both ways give the same numbers.
"""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from smalti.core.constraints import check_supply
from smalti.core.errors import BadInput
from smalti.core.heuristics.watch import Watch
from smalti.core.kernel import kernel
from smalti.core.progress import silent

Rows = NDArray[np.number[Any]]  # float32, or all pixel values as uint8

ROWS = 64
"""Cells whose costs to all groups are computed at a time."""

_TABLE_BYTES = 1 << 30
_WORTH = 0.25  # of all pairs: a search that looks at fewer computes them one by one
_METRICS = {"sqeuclidean": 0, "euclidean": 1, "cosine": 2, "l1": 3}  # as in `_distance`
_L1_OF_BYTES = 4


class Source(NamedTuple):
    """Where the kernels get costs from.

    Attributes
    ----------
    cells : ndarray of shape (n, k), float32 or uint8
    photos : ndarray of shape (m, v, k), of the same type
    member : ndarray of shape (m,), intp
        Photos, those of a group side by side.
    first : ndarray of shape (groups + 1,), intp
        Where each group begins in `member`.
    metric : int
    table : ndarray of shape (n, groups), float32
        All costs, or of shape (0, 0) if they are computed as they are wanted.
    """

    cells: Rows
    photos: Rows
    member: NDArray[np.intp]
    first: NDArray[np.intp]
    metric: int
    table: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """The optimal mosaic problem (paper 002, section 3; paper 003, section 2).

    Attributes
    ----------
    source : Source
        Costs of cells and groups.
    group : ndarray of shape (m,), intp
    capacity : int
        Uses per group (n_redu of paper 003), at most the number of cells.
    limited : bool
        Whether the capacity was stated at all.
    metric : str
    pictures : ndarray of shape (m, s, s, 3), uint8 sRGB, or None
        What the photos look like, for those who cluster them.
    columns : int or None
        Of the grid, for those who look at neighbours.
    """

    source: Source
    group: NDArray[np.intp]
    capacity: int
    limited: bool
    metric: str
    pictures: NDArray[np.uint8] | None = None
    columns: int | None = None

    @property
    def cells(self) -> int:
        """Number of cells, n."""
        return len(self.source.cells)

    @property
    def groups(self) -> int:
        """Number of groups of near-duplicates."""
        return len(self.source.first) - 1


def pose(
    cells: Rows,
    photos: Rows,
    *,
    group: NDArray[np.intp] | None = None,
    capacity: int | None = 1,
    metric: str = "sqeuclidean",
    pictures: NDArray[np.uint8] | None = None,
    columns: int | None = None,
) -> Problem:
    """Pose the problem of laying photos on cells.

    Parameters
    ----------
    cells : ndarray of shape (n, k), float32 or uint8
        Feature rows of the cells, or all their pixel values.
    photos : ndarray of shape (m, v, k), of the same type
        Rows of the photos' variants; the cost of a pair is the least over them.
    group : ndarray of shape (m,), intp, optional
        Group of each photo, from 0 on; a group shares one capacity. Each photo
        is its own group without.
    capacity : int or None
        Uses per group; None for no limit.
    metric : {"sqeuclidean", "euclidean", "l1", "cosine"}
    pictures : ndarray of shape (m, s, s, 3), uint8 sRGB, optional
    columns : int, optional

    Raises
    ------
    BadInput
        If the capacities do not add up to the number of cells, or the metric
        is another.
    """
    if metric not in _METRICS:
        raise BadInput(f"metric is {metric!r}: heuristics know {', '.join(_METRICS)}")
    owner = np.arange(len(photos)) if group is None else group.astype(np.intp)
    groups = int(owner.max()) + 1
    n = len(cells)
    uses = n if capacity is None else min(capacity, n)
    check_supply(n, groups, uses)
    whole = cells.dtype == np.uint8 and metric == "l1"
    source = Source(
        np.ascontiguousarray(cells),
        np.ascontiguousarray(photos),
        np.argsort(owner, kind="stable"),
        np.searchsorted(np.sort(owner), np.arange(groups + 1)),
        _L1_OF_BYTES if whole else _METRICS[metric],
        np.empty((0, 0), np.float32),
    )
    return Problem(source, owner, uses, capacity is not None, metric, pictures, columns)


def table_bytes(cells: int, groups: int, evaluations: float) -> int:
    """Bytes of the table that a search of so many evaluations gains by; 0 if it does without."""
    pairs = cells * groups
    return 0 if evaluations < _WORTH * pairs or 4 * pairs > _TABLE_BYTES else 4 * pairs


def tabulated(problem: Problem, watch: Watch | None = None) -> Problem:
    """Compute all costs beforehand, if a search within its limits gains by it.

    Parameters
    ----------
    problem : Problem
    watch : Watch, optional
        Of the search; it is as if endless without.

    Returns
    -------
    Problem
        The same one if its table is there, would need more than a gigabyte, or
        is not done when the time is over.
    """
    watch = watch or Watch(None, None, silent, "")
    needed = table_bytes(problem.cells, problem.groups, watch.left)
    if not needed or problem.source.table.size:
        return problem
    table = np.empty((problem.cells, problem.groups), np.float32)
    with watch.interruptible():
        for start in range(0, problem.cells, ROWS):
            watch.tell(start, problem.cells, "comparing cells and photos")
            part = np.arange(start, min(start + ROWS, problem.cells))
            fill(problem.source, part, table[start : start + ROWS])
            if watch.over:
                return problem
    source = problem.source._replace(table=table)
    return problem if watch.interrupted else replace(problem, source=source)


def block(problem: Problem, cells: NDArray[np.intp]) -> NDArray[np.float32]:
    """Costs of some cells to all groups, (b, groups) float32."""
    if problem.source.table.size:
        return problem.source.table[cells]
    out = np.empty((len(cells), problem.groups), np.float32)
    fill(problem.source, cells, out)
    return out


def details(
    problem: Problem, chosen: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Find the photo of each cell's group that fits best, its variant and exact cost.

    Parameters
    ----------
    problem : Problem
    chosen : ndarray of shape (n,), intp
        Group of each cell.

    Returns
    -------
    photo, variant : ndarray of shape (n,), intp
    cost : ndarray of shape (n,), float64
        In units of the metric.
    """
    source = problem.source
    photo, variant = np.empty((2, len(chosen)), np.intp)
    cost = np.empty(len(chosen))
    for cell, owner in enumerate(chosen):
        members = source.member[source.first[owner] : source.first[owner + 1]]
        costs = _distances(source.cells[cell], source.photos[members], problem.metric)
        best, variant[cell] = divmod(int(costs.argmin()), costs.shape[1])
        photo[cell], cost[cell] = members[best], costs.flat[costs.argmin()]
    return photo, variant, cost


def _distances(cell: Rows, photos: Rows, metric: str) -> NDArray[np.float64]:
    """Distances of one row to all variants of some photos, in double precision."""
    a, b = cell.astype(np.float64), photos.astype(np.float64)
    found: NDArray[np.float64]
    if metric == "l1":
        found = np.abs(a - b).sum(-1)
    elif metric == "cosine":
        lengths = np.linalg.norm(a) * np.linalg.norm(b, axis=-1)
        found = 1 - b @ a / np.maximum(lengths, 1e-24)
    else:
        found = ((a - b) ** 2).sum(-1)
    return np.sqrt(found) if metric == "euclidean" else found


@njit(cache=True, inline="always")  # a call would count references to every array
def pair_cost(source: Source, cell: int, group: int) -> np.float32:
    """Cost of laying a group's best photo and variant on a cell."""
    if source.table.shape[0] > 0:
        return np.float32(source.table[cell, group])
    return _least(
        source.cells, source.photos, source.member, source.first, source.metric, cell, group
    )


@kernel
def fill(source: Source, cells: NDArray[np.intp], out: NDArray[np.float32]) -> None:
    """Write the costs of some cells to all groups, (b, groups)."""
    rows, photos, member, first = source.cells, source.photos, source.member, source.first
    metric = source.metric
    for group in range(out.shape[1]):  # outside, so that a photo is read once for all cells
        for row in range(len(cells)):
            out[row, group] = _least(rows, photos, member, first, metric, cells[row], group)


@kernel
def _least(
    cells: Rows,
    photos: Rows,
    member: NDArray[np.intp],
    first: NDArray[np.intp],
    metric: int,
    cell: int,
    group: int,
) -> np.float32:
    least = np.float32(np.inf)
    for place in range(first[group], first[group + 1]):
        for kind in range(photos.shape[1]):
            least = min(least, _distance(cells, cell, photos, member[place], kind, metric))
    return least


# Rows are given by number, for views of them would be counted, at twenty times the cost
# of a short row; sums may run in lanes.
@njit(cache=True, fastmath={"reassoc", "contract", "nsz"})
def _distance(
    cells: Rows, cell: int, photos: Rows, photo: int, kind: int, metric: int
) -> np.float32:
    size = cells.shape[1]
    if metric == _L1_OF_BYTES:
        whole = np.int32(0)
        for f in range(size):
            apart = np.int32(np.int32(cells[cell, f]) - np.int32(photos[photo, kind, f]))
            whole = np.int32(whole + abs(apart))
        return np.float32(whole)
    total = np.float32(0)
    if metric == 3:
        for f in range(size):
            total += abs(np.float32(cells[cell, f]) - np.float32(photos[photo, kind, f]))
    elif metric == 2:
        square_a, square_b = np.float32(0), np.float32(0)
        for f in range(size):
            a, b = np.float32(cells[cell, f]), np.float32(photos[photo, kind, f])
            total += a * b
            square_a += a * a
            square_b += b * b
        lengths = np.sqrt(np.float64(square_a) * np.float64(square_b))
        total = np.float32(1 - total / max(lengths, 1e-24))
    else:
        for f in range(size):
            way = np.float32(cells[cell, f]) - np.float32(photos[photo, kind, f])
            total += way * way
        if metric == 1:
            total = np.sqrt(total)
    return total
