"""Signed distances to the border of the free area, kept up to date window by window.

A distance map holds, at the centre of every pixel, how far the nearest edge
of a tile or of the container is: positive in the free area, negative beyond
its border. It is cut off at a `reach`: a contour farther away than that
changes nothing, so that placing a tile touches a window only.
"""

from math import ceil, floor

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

Map = NDArray[np.float32]
Box = tuple[slice, slice]


def signed_distance(mask: NDArray[np.bool_]) -> Map:
    """Distance of every pixel's centre to the border of a mask.

    Parameters
    ----------
    mask : ndarray of shape (h, w), bool

    Returns
    -------
    ndarray of shape (h, w), float32
        px, positive inside; beyond the array counts as outside.
    """
    inside = np.pad(mask, 1)
    # Centres of pixels on both sides of a border are 1 apart, the border halfway.
    apart = np.where(
        inside,
        distance_transform_edt(inside) - 0.5,
        0.5 - distance_transform_edt(~inside),
    )
    return np.ascontiguousarray(apart[1:-1, 1:-1], np.float32)


def box_around(contour: NDArray[np.float64], margin: float, shape: tuple[int, ...]) -> Box:
    """Return the window of an array of `shape` that holds a contour with a margin, px."""
    left, top, right, bottom = extent(contour)
    height, width = shape
    return (
        slice(min(max(floor(top - margin), 0), height), min(max(ceil(bottom + margin), 0), height)),
        slice(min(max(floor(left - margin), 0), width), min(max(ceil(right + margin), 0), width)),
    )


@njit(cache=True)
def extent(contour: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a contour; it is too little work for calling numpy."""
    return contour[:, 0].min(), contour[:, 1].min(), contour[:, 0].max(), contour[:, 1].max()


def subtract(distance: Map, contour: NDArray[np.float64], reach: float) -> Box:
    """Take a tile out of the free area (figure 5), in place.

    Outside both, the distance to a union of obstacles is the least of the
    distances to each, so the map stays exact in the free area; inside an
    obstacle it is the depth in the obstacle penetrated farthest.

    Parameters
    ----------
    distance : ndarray of shape (h, w), float32
        Changed in place; cut off at `reach`.
    contour : ndarray of shape (k, 2), float64
        (x, y) px, closed, the end not repeated.
    reach : float
        px.

    Returns
    -------
    pair of slices
        The window that may have changed.
    """
    box = box_around(contour, reach + 1, distance.shape)
    window = distance[box]
    np.minimum(window, contour_distance(contour, box, reach), out=window)
    return box


def contour_distance(contour: NDArray[np.float64], box: Box, reach: float) -> Map:
    """Distance of the centres of a window's pixels to a contour, positive outside it.

    Exact up to `reach`, which stands for anything farther outside.
    """
    rows, columns = box
    out = np.empty((rows.stop - rows.start, columns.stop - columns.start), np.float32)
    _contour_distance(contour, float(columns.start), float(rows.start), reach, out)
    return out


@njit(cache=True)
def _contour_distance(
    contour: NDArray[np.float64], left: float, top: float, reach: float, out: Map
) -> None:
    count = len(contour)
    height, width = out.shape
    out[:] = np.float32(reach * reach)
    flips = np.zeros((height, width + 1), np.bool_)
    for i in range(count):
        ax, ay = contour[i]
        bx, by = contour[(i + 1) % count]
        ex, ey = bx - ax, by - ay
        scale = 1.0 / max(ex * ex + ey * ey, 1e-12)
        first = max(0, int(min(ax, bx) - left - reach - 1))
        last = max(first, min(width, int(max(ax, bx) - left + reach + 2)))
        begin = max(0, int(np.ceil(min(ay, by) - top - 0.5 - reach)))
        end = min(height, int(np.floor(max(ay, by) - top - 0.5 + reach)) + 1)
        for row in range(begin, end):
            y = top + row + 0.5
            if (ay > y) != (by > y):  # even-odd rule: every crossing flips what lies right of it
                cross = ax + (y - ay) * (bx - ax) / (by - ay)
                column = min(max(0, int(np.ceil(cross - left - 0.5))), width)
                flips[row, column] = not flips[row, column]
            near = out[row, first:last]
            for c in range(len(near)):  # plain choices instead of min and max: it runs in lanes
                x = left + (first + c) + 0.5
                s = ((x - ax) * ex + (y - ay) * ey) * scale
                s = s if s > 0.0 else 0.0
                s = s if s < 1.0 else 1.0
                dx, dy = x - ax - s * ex, y - ay - s * ey
                square = np.float32(dx * dx + dy * dy)
                near[c] = square if square < near[c] else near[c]
    for row in range(height):
        inside = False
        for column in range(width):
            inside ^= flips[row, column]
            depth = np.sqrt(out[row, column])
            out[row, column] = -depth if inside else depth


@njit(cache=True)
def openable(distance: Map, radius: Map) -> NDArray[np.bool_]:
    """Tell what a disc can reach: the opening of the free area (6.3, container cleanup).

    Parameters
    ----------
    distance : ndarray of shape (h, w), float32
    radius : ndarray of shape (h, w), float32
        Of the disc that fits into the shallowest tile, px, changing slowly.

    Returns
    -------
    ndarray of shape (h, w), bool
        Whether a disc around some pixel of the window lies in the free area
        and holds this one; by a chamfer distance, some 5 % generous.
    """
    height, width = distance.shape
    # 3-4 chamfer steps of 0.95: as often too long as too short.
    side, diagonal = np.float32(0.95), np.float32(1.34)
    away = np.empty((height, width), np.float32)
    for y in range(height):
        for x in range(width):
            near = np.float32(0.0 if distance[y, x] >= radius[y, x] else 1e9)
            if y > 0:
                near = min(near, away[y - 1, x] + side)
                if x > 0:
                    near = min(near, away[y - 1, x - 1] + diagonal)
                if x < width - 1:
                    near = min(near, away[y - 1, x + 1] + diagonal)
            if x > 0:
                near = min(near, away[y, x - 1] + side)
            away[y, x] = near
    reached = np.empty((height, width), np.bool_)
    for y in range(height - 1, -1, -1):
        for x in range(width - 1, -1, -1):
            near = away[y, x]
            if y < height - 1:
                near = min(near, away[y + 1, x] + side)
                if x > 0:
                    near = min(near, away[y + 1, x - 1] + diagonal)
                if x < width - 1:
                    near = min(near, away[y + 1, x + 1] + diagonal)
            if x < width - 1:
                near = min(near, away[y, x + 1] + side)
            away[y, x] = near
            reached[y, x] = distance[y, x] > 0 and near <= radius[y, x]
    return reached


@njit(cache=True)
def border_length(mask: NDArray[np.bool_]) -> float:
    """Length of a mask's border, px; pi/4 makes it right for all directions together."""
    height, width = mask.shape
    steps = 0
    for y in range(height):
        for x in range(width):
            steps += y > 0 and mask[y, x] != mask[y - 1, x]
            steps += x > 0 and mask[y, x] != mask[y, x - 1]
    return np.pi / 4 * steps


@njit(cache=True)
def covered(distance: Map, contour: NDArray[np.float64]) -> tuple[int, int]:
    """Count the pixels whose centres a contour holds, by scan conversion.

    Returns
    -------
    free, blocked : int
        Pixels of the free area, and pixels beyond its border (or the array's).
    """
    count = len(contour)
    height, width = distance.shape
    top = int(np.ceil(contour[:, 1].min() - 0.5))
    rows = int(np.ceil(contour[:, 1].max() - 0.5)) - top
    crossings, crossed = np.empty((rows, count)), np.zeros(rows, np.intp)
    for i in range(count):
        ax, ay = contour[i]
        bx, by = contour[(i + 1) % count]
        for line in range(
            int(np.ceil(min(ay, by) - 0.5)) - top, int(np.ceil(max(ay, by) - 0.5)) - top
        ):
            at = ax + (top + line + 0.5 - ay) * (bx - ax) / (by - ay)
            j = crossed[line]
            while j > 0 and crossings[line, j - 1] > at:
                crossings[line, j] = crossings[line, j - 1]
                j -= 1
            crossings[line, j] = at
            crossed[line] += 1
    free = blocked = 0
    for line in range(rows):
        row = top + line
        for i in range(0, crossed[line] - 1, 2):
            for column in range(
                int(np.ceil(crossings[line, i] - 0.5)), int(np.ceil(crossings[line, i + 1] - 0.5))
            ):
                outside = row < 0 or row >= height or column < 0 or column >= width
                if outside or distance[row, column] <= 0:
                    blocked += 1
                else:
                    free += 1
    return free, blocked
