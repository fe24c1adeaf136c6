"""Where to place the next tile: a centroidal Voronoi diagram of the free area (6.1)."""

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Floats = NDArray[np.float64]


def lloyd(points: Floats, weights: Floats, sites: Floats, steps: int) -> Floats:
    """Move sites to the centroids of their Voronoi cells, again and again (Lloyd 1982).

    Parameters
    ----------
    points : ndarray of shape (n, 2), float64
        (x, y) px of the pixels that make up the free area.
    weights : ndarray of shape (n,), float64
        Their densities; cells come out with areas as one over its root.
    sites : ndarray of shape (s, 2), float64
        Where to begin.
    steps : int

    Returns
    -------
    ndarray of shape (s, 2), float64
        A site whose cell is empty stays where it is.
    """
    for _ in range(steps):
        _, cell = cKDTree(sites).query(points)
        mass = np.bincount(cell, weights, len(sites))
        sums = [np.bincount(cell, weights * points[:, axis], len(sites)) for axis in (0, 1)]
        full = mass > 0
        sites = sites.copy()
        sites[full] = np.stack(sums, axis=1)[full] / mass[full, None]
    return sites


@njit(cache=True)
def relax(
    cells: NDArray[np.int32],
    weights: NDArray[np.float32],
    left: float,
    top: float,
    near: NDArray[np.intp],
    moving: NDArray[np.bool_],
    sites: Floats,
) -> tuple[Floats, NDArray[np.bool_]]:
    """Do a step of Lloyd's in a window, then say who is whose neighbour.

    Parameters
    ----------
    cells : ndarray of shape (h, w), int32
        Site of every free pixel of the window, negative elsewhere; changed in
        place to the nearest of the sites `near`.
    weights : ndarray of shape (h, w), float32
        Densities.
    left, top : float
        Where the window begins, px.
    near : ndarray of shape (k,), intp
    moving : ndarray of shape (k,), bool
        Which of them may move: those whose cells lie within the window.
    sites : ndarray of shape (s, 2), float64
        (x, y) px; changed in place.

    Returns
    -------
    area : ndarray of shape (k,), float64
        Pixels of each cell in the window.
    touching : ndarray of shape (k, k), bool
    """
    height, width = cells.shape
    count = len(near)
    area = np.zeros(count)
    mass = np.zeros(count)
    sum_x, sum_y = np.zeros(count), np.zeros(count)
    touching = np.zeros((count, count), np.bool_)
    local = np.full((height, width), -1, np.int32)
    for row in range(height):
        y = top + row + 0.5
        for column in range(width):
            if cells[row, column] < 0:
                continue
            x = left + column + 0.5
            best, least = 0, 1e18
            for k in range(count):
                dx, dy = sites[near[k], 0] - x, sites[near[k], 1] - y
                square = dx * dx + dy * dy
                if square < least:
                    best, least = k, square
            cells[row, column] = near[best]
            local[row, column] = best
            weight = weights[row, column]
            area[best] += 1
            mass[best] += weight
            sum_x[best] += weight * x
            sum_y[best] += weight * y
            for other in (
                local[row, column - 1] if column > 0 else -1,
                local[row - 1, column] if row > 0 else -1,
            ):
                if other >= 0 and other != best:
                    touching[best, other] = touching[other, best] = True
    for k in range(count):
        if moving[k] and mass[k] > 0:
            sites[near[k], 0] = sum_x[k] / mass[k]
            sites[near[k], 1] = sum_y[k] / mass[k]
    return area, touching
