"""Copies of a photo kept apart: an exact assignment, repaired by local search.

With a least distance between copies the problem is no linear assignment any
more. The exact optimum without that rule bounds it from below; from there, cells
too near a copy are given the cheapest photo that is allowed, by itself or in
exchange with another cell, until none is left or nothing helps. The distance
of two cells is the larger of their differences in rows and columns (Chebyshev):
copies at distance D or more have D - 1 others between them along either axis.
Where cells are of several sizes, units of the grid are counted.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from smalti.core.metric import KINDS, Floats, least_variant, pair_costs
from smalti.core.progress import Progress, Step, silent

_CANDIDATES = 200  # photos tried for a cell
_PASSES = 20
_BLOCK_BYTES = 64 << 20  # of costs held at a time


@dataclass(frozen=True, slots=True, eq=False)
class Spaced:
    """An assignment whose copies lie apart, as far as that could be reached.

    Attributes
    ----------
    photo, variant : ndarray of shape (n,), intp
    cost : ndarray of shape (n,), float64
        Weight times distance of each cell and its photo.
    spacing : int or None
        Least distance of two copies, in cells; None if no photo has two.
    violations : int
        Cells still nearer to a copy than asked.
    compared : int
        Cells that all photos were compared with, each time counted.
    gap : float
        How far the total lies above the lower bound, relative to it.
    """

    photo: NDArray[np.intp]
    variant: NDArray[np.intp]
    cost: NDArray[np.float64]
    spacing: int | None
    violations: int
    compared: int
    gap: float

    @property
    def total_cost(self) -> float:
        """Sum over the cells."""
        return float(self.cost.sum())


def spread(
    photo: NDArray[np.intp],
    cells: Floats,
    photos: Floats,
    boxes: NDArray[np.intp],
    group: NDArray[np.intp],
    capacity: NDArray[np.intp],
    apart: int,
    lower_bound: float,
    *,
    metric: str = "sqeuclidean",
    weight: NDArray[np.float64] | None = None,
    alike: NDArray[np.intp] | None = None,
    minimum: ArrayLike = 0,
    banned: ArrayLike = (),
    fixed: NDArray[np.intp] | None = None,
    progress: Progress = silent,
) -> Spaced:
    """Move copies apart.

    Costs are found for some cells at a time, so that memory does not grow with
    the number of pairs.

    Parameters
    ----------
    photo : ndarray of shape (n,), intp
        An optimal assignment.
    cells : ndarray of shape (n, k), float32
    photos : ndarray of shape (m, v, k), float32
    boxes : ndarray of shape (n, 3), intp
        Left, top and side of each cell, in units of the grid.
    group : ndarray of shape (m,), intp
    capacity : ndarray of shape (g,), intp
    apart : int
        Distance asked; 1 asks for nothing.
    lower_bound : float
        Of the assignment without spacing.
    metric : {"sqeuclidean", "euclidean", "l1", "cosine"}
    weight : ndarray of shape (n,), float64, optional
    alike : ndarray of shape (m,), intp, optional
        Photos kept apart; those of one group without.
    minimum : int or array_like of shape (g,)
        Fewest uses per group.
    banned : array_like of int
        Photos never to be used.
    fixed : ndarray of intp, optional
        Cells that keep their photos.
    progress : callable
        Given steps of phase ``"assign"``.

    Returns
    -------
    Spaced
        With `violations` where the photos do not allow more: it is for the
        caller to say so.
    """
    photo, n, count = photo.copy(), len(photo), len(photos)
    cells, photos = (np.ascontiguousarray(rows, np.float32) for rows in (cells, photos))
    kind, weights = KINDS[metric], np.ones(n) if weight is None else weight
    alike = group if alike is None else alike
    least = np.broadcast_to(np.asarray(minimum, np.intp), capacity.shape)
    out = np.asarray(banned, np.intp)
    free = np.ones(n, bool)
    free[[] if fixed is None else fixed] = False
    used = np.bincount(group[photo], minlength=len(capacity))
    kin = alike[photo]
    cover = _cover(boxes)
    apart = min(apart, max(cover.shape))  # no two cells lie farther apart
    laid, _ = _laid(kind, cells, photos, photo, weights)

    def around(cell: int) -> NDArray[np.intp]:
        """Kinds of photo on the other cells nearer than asked."""
        left, top, side = boxes[cell]
        rows = slice(max(0, top - apart + 1), top + side - 1 + apart)
        window = cover[rows, max(0, left - apart + 1) : left + side - 1 + apart].ravel()
        near: NDArray[np.intp] = kin[window[(window >= 0) & (window != cell)]]
        return near

    def crowded(cell: int) -> bool:
        return bool((around(cell) == kin[cell]).any())

    def lay(cell: int, new: int, price: float) -> None:
        used[group[photo[cell]]] -= 1
        photo[cell], kin[cell], laid[cell] = new, alike[new], price
        used[group[new]] += 1

    def exchange(cell: int, row: Floats, options: NDArray[np.intp], limit: float) -> float:
        """Exchange the photos of two cells if that costs less than the limit."""
        here, wanted = int(photo[cell]), np.zeros(count, bool)
        wanted[options] = True
        wanted[here] = False
        others = np.flatnonzero(wanted[photo] & free)
        others = others[kin[others] != kin[cell]]
        back = _moved(kind, cells, photos[here], others, weights)
        gains = row[photo[others]] - laid[cell] + back - laid[others]
        for k in np.argsort(gains, kind="stable")[:_CANDIDATES].tolist():
            if gains[k] >= limit:
                break
            other = int(others[k])
            kin[[cell, other]] = kin[[other, cell]]
            allowed = not crowded(cell) and not crowded(other)
            kin[[cell, other]] = kin[[other, cell]]
            if allowed:
                there = int(photo[other])
                lay(cell, there, float(row[there]))
                lay(other, here, float(back[k]))
                return float(gains[k])
        return np.inf

    size = max(1, _BLOCK_BYTES // (8 * count * photos.shape[1]))
    compared = 0
    for turn in range(_PASSES):
        bad = np.array([c for c in np.flatnonzero(free).tolist() if crowded(c)], np.intp)
        compared += len(bad)
        moved, take = False, min(_CANDIDATES << turn, count)
        for start in range(0, len(bad), size):
            text = f"moving {len(bad)} copies apart"
            progress(Step("assign", start, len(bad), text))
            part = bad[start : start + size]
            costs = pair_costs(cells[part], photos, metric) * weights[part, None]
            costs[:, out] = np.inf
            for cell, row in zip(part.tolist(), costs, strict=True):
                if not crowded(cell):
                    continue
                options = np.argpartition(row, take - 1)[:take]
                options = options[np.isfinite(row[options])]
                options = options[np.argsort(row[options], kind="stable")]
                owner = group[photo[cell]]
                spare = (used < capacity)[group[options]] & ~np.isin(alike[options], around(cell))
                spare &= (used[owner] > least[owner]) | (group[options] == owner)
                new = int(options[spare][0]) if spare.any() else -1
                limit = float(row[new] - laid[cell]) if new >= 0 else np.inf
                if np.isfinite(exchange(cell, row, options, limit)):
                    moved = True
                elif new >= 0:
                    lay(cell, new, float(row[new]))
                    moved = True
        if not len(bad) or (not moved and take == count):
            break
    violations = sum(crowded(c) for c in range(n))
    cost, variant = _laid(kind, cells, photos, photo, weights)
    excess = max(0.0, float(cost.sum()) - lower_bound)
    gap = excess / lower_bound if lower_bound > 0 else excess
    return Spaced(photo, variant, cost, least_distance(kin, boxes), violations, compared, gap)


@njit(cache=True)
def _laid(
    kind: int,
    cells: Floats,
    photos: Floats,
    photo: NDArray[np.intp],
    weight: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Cost of every cell with its photo, and the variant that gives it."""
    cost, variant = np.empty(len(photo)), np.empty(len(photo), np.intp)
    for i in range(len(photo)):
        cost[i], variant[i] = least_variant(kind, cells[i], photos[photo[i]])
    return cost * weight, variant


@njit(cache=True)
def _moved(
    kind: int,
    cells: Floats,
    photo: Floats,
    others: NDArray[np.intp],
    weight: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Cost of one photo on each of some cells."""
    cost = np.empty(len(others))
    for k in range(len(others)):
        cost[k] = weight[others[k]] * least_variant(kind, cells[others[k]], photo)[0]
    return cost


def _cover(boxes: NDArray[np.intp]) -> NDArray[np.intp]:
    """Cell of each unit; -1 where there is none."""
    cover = np.full((boxes[:, 1:].sum(1).max(), boxes[:, ::2].sum(1).max()), -1)
    for cell, (left, top, side) in enumerate(boxes.tolist()):
        cover[top : top + side, left : left + side] = cell
    return cover


def least_distance(owner: NDArray[np.intp], boxes: NDArray[np.intp]) -> int | None:
    """Chebyshev distance of the two nearest cells of one group; None if none has two."""
    order = np.argsort(owner, kind="stable")
    runs = np.split(order, np.flatnonzero(np.diff(owner[order])) + 1)
    least = None
    for run in runs:
        low = boxes[run, :2]
        high = low + boxes[run, 2:] - 1
        for k in range(len(run) - 1):
            gaps = np.maximum(low[k + 1 :] - high[k], low[k] - high[k + 1 :])
            nearest = int(gaps.max(1).min())
            least = nearest if least is None else min(least, nearest)
    return least
