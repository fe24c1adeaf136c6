"""Copies of a photo kept apart: an exact assignment, repaired by local search.

With a least distance between copies the problem is no linear assignment any
more. The exact optimum without that rule bounds it from below; from there, cells
too near a copy are given the cheapest photo that is allowed, by itself or in
exchange with another cell, until none is left or nothing helps. The distance
of two cells is the larger of their differences in rows and columns (Chebyshev):
copies at distance D or more have D - 1 others between them along either axis.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smalti.core.progress import Progress, Step, silent

_CANDIDATES = 200  # photos tried for a cell
_PASSES = 20


@dataclass(frozen=True, slots=True, eq=False)
class Spaced:
    """An assignment whose copies lie apart, as far as that could be reached.

    Attributes
    ----------
    photo : ndarray of shape (n,), intp
    spacing : int or None
        Least distance of two copies, in cells; None if no photo has two.
    violations : int
        Cells still nearer to a copy than asked.
    total_cost : float
    gap : float
        How far the total lies above the lower bound, relative to it.
    """

    photo: NDArray[np.intp]
    spacing: int | None
    violations: int
    total_cost: float
    gap: float


def spread(
    photo: NDArray[np.intp],
    costs: NDArray[np.float32],
    place: NDArray[np.intp],
    group: NDArray[np.intp],
    capacity: NDArray[np.intp],
    apart: int,
    lower_bound: float,
    *,
    fixed: NDArray[np.intp] | None = None,
    progress: Progress = silent,
) -> Spaced:
    """Move copies apart.

    Parameters
    ----------
    photo : ndarray of shape (n,), intp
        An optimal assignment.
    costs : ndarray of shape (n, m), float32
        Of all pairs; infinite where banned.
    place : ndarray of shape (n, 2), intp
        Row and column of each cell.
    group : ndarray of shape (m,), intp
    capacity : ndarray of shape (g,), intp
    apart : int
        Distance asked, in cells; 1 asks for nothing.
    lower_bound : float
        Of the assignment without spacing.
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
    photo, n = photo.copy(), len(photo)
    free = np.ones(n, bool)
    free[[] if fixed is None else fixed] = False
    owner, used = group[photo], np.bincount(group[photo], minlength=len(capacity))

    def near(cell: int, wanted: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Whether each group lies too near a cell, on other cells."""
        around = np.flatnonzero(np.abs(place - place[cell]).max(1) < apart)
        return np.isin(wanted, owner[around[around != cell]])

    def change(cell: int, new: int) -> None:
        used[owner[cell]] -= 1
        photo[cell], owner[cell] = new, group[new]
        used[owner[cell]] += 1

    for turn in range(_PASSES):
        bad = [c for c in np.flatnonzero(free).tolist() if near(c, owner[c : c + 1])[0]]
        progress(Step("assign", turn, _PASSES, f"moving {len(bad)} copies apart"))
        moved = False
        for done, cell in enumerate(bad):
            if done % 16 == 0:
                progress(Step("assign", turn, _PASSES, f"moving {len(bad)} copies apart"))
            if not near(cell, owner[cell : cell + 1])[0]:
                continue
            take = min(_CANDIDATES << turn, costs.shape[1])
            options = np.argpartition(costs[cell], take - 1)[:take]
            options = options[np.isfinite(costs[cell, options])]
            options = options[np.argsort(costs[cell, options], kind="stable")]
            spare = (used < capacity)[group[options]] & ~near(cell, group[options])
            best, new, partner = np.inf, -1, -1
            if spare.any():
                new = int(options[spare][0])
                best = float(costs[cell, new] - costs[cell, photo[cell]])
            gains = costs[cell, photo] - costs[cell, photo[cell]]
            gains = gains + costs[np.arange(n), photo] * -1 + costs[np.arange(n), photo[cell]]
            gains[~free | (owner == owner[cell])] = np.inf
            for other in np.argsort(gains, kind="stable")[:_CANDIDATES].tolist():
                if gains[other] >= best:
                    break
                here, there = photo[cell], photo[other]
                owner[[cell, other]] = owner[[other, cell]]
                allowed = not near(cell, owner[cell : cell + 1])[0]
                allowed = allowed and not near(int(other), owner[other : other + 1])[0]
                owner[[cell, other]] = group[[here, there]]
                if allowed:
                    best, partner = float(gains[other]), int(other)
                    break
            if partner >= 0:
                here, there = int(photo[cell]), int(photo[partner])
                change(cell, there)
                change(partner, here)
                moved = True
            elif new >= 0:
                change(cell, new)
                moved = True
        if not bad or (not moved and _CANDIDATES << turn >= costs.shape[1]):
            break
    violations = sum(bool(near(c, owner[c : c + 1])[0]) for c in range(n))
    total = float(costs[np.arange(n), photo].sum(dtype=np.float64))
    excess = max(0.0, total - lower_bound)
    gap = excess / lower_bound if lower_bound > 0 else excess
    return Spaced(photo, least_distance(owner, place), violations, total, gap)


def least_distance(owner: NDArray[np.intp], place: NDArray[np.intp]) -> int | None:
    """Chebyshev distance of the two nearest cells of one group; None if none has two."""
    order = np.argsort(owner, kind="stable")
    runs = np.split(order, np.flatnonzero(np.diff(owner[order])) + 1)
    least = None
    for run in runs:
        for k in range(len(run) - 1):
            nearest = int(np.abs(place[run[k + 1 :]] - place[run[k]]).max(1).min())
            least = nearest if least is None else min(least, nearest)
    return least
