"""The springs of interacting active contours: from each vertex to the nearest wall or other tile.

Paper 004, section 5.3: an anchor is looked for on every other contour of the container and on
its wall; across a gap only where the vertex faces it, in an overlap always.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.ndimage import find_objects

from smalti.core.errors import BadInput
from smalti.jigsaw.distance import signed_distance

_REACH = 0.6  # of a spring across a gap, in tiles; beyond, the gap is a tile's own
_DEPTH = 0.12  # of a penetration that is always seen, in tiles
_CELL = 0.15  # side of the squares in which edges are looked up, in tiles
_FACING = 0.3  # least cosine between a vertex's normal and the way to its anchor
_INSET = 0.05  # px that contours keep from a wall: drawn in pixels it is a staircase
_NEAR = 12  # other tiles considered at one vertex

Contours = NDArray[np.float64]


class Walls(NamedTuple):
    """Signed distances to the walls of all containers, one window after the other.

    Attributes
    ----------
    table : ndarray of shape (labels, 5), int64
        Of each label's window: where it begins in `values`, left, top, width, height.
    values : ndarray of float32
    """

    table: NDArray[np.int64]
    values: NDArray[np.float32]


def walls_of(labels: NDArray[np.intp], container: NDArray[np.intp], tile_px: float) -> Walls:
    """Measure every container that is in use, in its own window.

    Parameters
    ----------
    labels : ndarray of shape (H, W), intp
        Container of every pixel. Other labels, -1 and the picture's rim are walls.
    container : ndarray of shape (n,), intp
        Label of the container of each tile.
    tile_px : float
        Square root of the mean area of a tile, px.

    Raises
    ------
    BadInput
        If a container has no pixel.
    """
    margin = int(np.ceil(_REACH * tile_px)) + 2
    framed = np.pad(labels, margin, constant_values=-1)
    boxes = find_objects(framed + 1)
    table = np.zeros((max(len(boxes), int(container.max()) + 1), 5), np.int64)
    parts, begin = [], 0
    for number in np.unique(container):
        box = boxes[number] if 0 <= number < len(boxes) else None
        if box is None:
            raise BadInput(f"no pixel is labelled {number}, the container of a tile")
        rows, columns = (slice(max(0, side.start - margin), side.stop + margin) for side in box)
        part = signed_distance(framed[rows, columns] == number)
        left, top = columns.start - margin, rows.start - margin
        table[number] = begin, left, top, part.shape[1], part.shape[0]
        parts.append(part.ravel())
        begin += part.size
    return Walls(table, np.concatenate(parts))


@njit(cache=True)
def springs(
    contours: Contours,
    container: NDArray[np.intp],
    walls: Walls,
    tile_px: float,
    gap: float,
    overlap: float,
    pull: Contours,
) -> None:
    """Find the way of every vertex along its spring, weighted.

    Parameters
    ----------
    contours : ndarray of shape (n, k, 2), float64
        (x, y) px, positively oriented.
    container : ndarray of shape (n,), intp
    walls : Walls
        Of these containers.
    tile_px : float
        Square root of the mean area of a tile, px.
    gap, overlap : float
        Weights w_G and w_O of equation 4.
    pull : ndarray of shape (n, k, 2), float64
        Written: where each vertex is to go from where it is; 0 where no spring pulls.
    """
    grid = _edge_grid(contours, max(_CELL * tile_px, 0.5))
    reach, depth = _REACH * tile_px, _DEPTH * tile_px
    to_tile, to_wall, facing = np.empty(2), np.empty(2), np.empty(2)
    seen = np.empty((_NEAR, 4))
    for i in range(contours.shape[0]):
        for j in range(contours.shape[1]):
            tile = _to_tile(contours, container, grid, i, j, reach, depth, seen, to_tile)
            wall = _to_wall(walls, container[i], contours[i, j], to_wall)
            to_tile *= 0.5  # the other tile goes the other half
            distance, way = (wall, to_wall) if wall < tile else (tile, to_tile)
            pull[i, j] = 0
            if distance <= 0:
                pull[i, j] = overlap * way
            elif distance < reach:
                _outward(contours[i], j, facing)
                if facing @ way > _FACING * np.sqrt(way @ way):
                    pull[i, j] = gap * way


@njit(cache=True)
def _outward(contour: NDArray[np.float64], j: int, out: NDArray[np.float64]) -> None:
    """Write the unit normal at a vertex, from its two neighbours."""
    k = len(contour)
    ex = contour[(j + 1) % k, 0] - contour[j - 1, 0]
    ey = contour[(j + 1) % k, 1] - contour[j - 1, 1]
    length = max(np.sqrt(ex * ex + ey * ey), 1e-12)
    out[0], out[1] = ey / length, -ex / length


@njit(cache=True)
def _to_wall(
    walls: Walls, container: int, point: NDArray[np.float64], way: NDArray[np.float64]
) -> float:
    """Signed distance of a point to its container's wall, and the way there."""
    begin, left, top, width, height = walls.table[container]
    values = walls.values
    u = min(max(point[0] - left - 0.5, 0.0), width - 1.001)
    v = min(max(point[1] - top - 0.5, 0.0), height - 1.001)
    column, row = int(u), int(v)
    u, v = u - column, v - row
    at = begin + row * width + column
    a, b, c, d = values[at], values[at + 1], values[at + width], values[at + width + 1]
    distance = (a * (1 - u) + b * u) * (1 - v) + (c * (1 - u) + d * u) * v
    dx, dy = (b - a) * (1 - v) + (d - c) * v, (c - a) * (1 - u) + (d - b) * u
    length = max(np.sqrt(dx * dx + dy * dy), 1e-6)
    distance -= _INSET
    way[0], way[1] = -distance * dx / length, -distance * dy / length
    return float(distance)


class _Grid(NamedTuple):
    """Edges sorted into squares: those of square c are edges[starts[c] : starts[c + 1]].

    Edge (i, j) runs from vertex j of tile i; it lies in every square its box touches.
    """

    starts: NDArray[np.int64]
    edges: NDArray[np.int32]
    low: NDArray[np.float64]
    rows: int
    columns: int
    cell: float


@njit(cache=True)
def _edge_grid(contours: Contours, cell: float) -> _Grid:
    n, k = contours.shape[:2]
    low = np.array([contours[..., 0].min(), contours[..., 1].min()])
    columns = int((contours[..., 0].max() - low[0]) / cell) + 1
    rows = int((contours[..., 1].max() - low[1]) / cell) + 1
    starts = np.zeros(rows * columns + 1, np.int64)
    edges = np.empty((0, 2), np.int32)
    for fill in (False, True):
        if fill:  # counted: starts[c] is where square c ends, and moves down as it is filled
            starts = np.cumsum(starts)
            edges = np.empty((starts[-1], 2), np.int32)
        for i in range(n):
            for j in range(k):
                ax, ay = contours[i, j]
                bx, by = contours[i, (j + 1) % k]
                for row in range(
                    int((min(ay, by) - low[1]) / cell), int((max(ay, by) - low[1]) / cell) + 1
                ):
                    for column in range(
                        int((min(ax, bx) - low[0]) / cell), int((max(ax, bx) - low[0]) / cell) + 1
                    ):
                        c = row * columns + column
                        if fill:
                            starts[c] -= 1
                            edges[starts[c], 0], edges[starts[c], 1] = i, j
                        else:
                            starts[c] += 1
    return _Grid(starts, edges, low, rows, columns, cell)


@njit(cache=True)
def _to_tile(
    contours: Contours,
    container: NDArray[np.intp],
    grid: _Grid,
    own: int,
    vertex: int,
    reach: float,
    depth: float,
    seen: NDArray[np.float64],
    way: NDArray[np.float64],
) -> float:
    """Signed distance of a vertex to the other tiles of its container, and the way there.

    Negative inside one of them: then the deepest counts, as in a union of obstacles.
    Infinite beyond `reach`. `seen` is room for the nearest edge of each tile met:
    tile, edge, squared distance, place along the edge.
    """
    k = contours.shape[1]
    x, y = contours[own, vertex]
    u, v = (x - grid.low[0]) / grid.cell, (y - grid.low[1]) / grid.cell
    column0, row0 = int(u), int(v)
    slack = min(u - column0, column0 + 1 - u, v - row0, row0 + 1 - v)
    found, nearest, ring = 0, np.inf, 0
    while True:
        for row in range(max(0, row0 - ring), min(grid.rows, row0 + ring + 1)):
            rim = row == row0 - ring or row == row0 + ring
            for column in range(column0 - ring, column0 + ring + 1, 1 if rim else 2 * ring):
                if column < 0 or column >= grid.columns:
                    continue
                c = row * grid.columns + column
                for edge in range(grid.starts[c], grid.starts[c + 1]):
                    i, j = grid.edges[edge]
                    if i == own or container[i] != container[own]:
                        continue
                    ax, ay = contours[i, j]
                    ex, ey = contours[i, (j + 1) % k, 0] - ax, contours[i, (j + 1) % k, 1] - ay
                    s = ((x - ax) * ex + (y - ay) * ey) / max(ex * ex + ey * ey, 1e-12)
                    s = min(max(s, 0.0), 1.0)
                    square = (x - ax - s * ex) ** 2 + (y - ay - s * ey) ** 2
                    slot = 0
                    while slot < found and seen[slot, 0] != i:
                        slot += 1
                    if slot == _NEAR:
                        continue
                    if slot == found:
                        found += 1
                        seen[slot, 0], seen[slot, 2] = i, np.inf
                    if square < seen[slot, 2]:
                        seen[slot, 1], seen[slot, 2], seen[slot, 3] = j, square, s
                        nearest = min(nearest, square)
        sure = (ring + slack) * grid.cell  # whatever lies nearer has been seen
        if sure >= reach or (sure >= depth and sure * sure >= nearest):
            break
        ring += 1
    best = np.inf
    for slot in range(found):
        i, j, square, s = int(seen[slot, 0]), int(seen[slot, 1]), seen[slot, 2], seen[slot, 3]
        if square > sure * sure:
            continue  # a nearer edge of the same tile may lie beyond
        ax, ay = contours[i, j]
        ex, ey = contours[i, (j + 1) % k, 0] - ax, contours[i, (j + 1) % k, 1] - ay
        px, py = ax + s * ex, ay + s * ey
        nx, ny = ey, -ex
        if s == 0.0 or s == 1.0:
            # At a corner the sign is that of the sum of both edges' unit normals.
            far = (j - 1) % k if s == 0.0 else (j + 1) % k
            fx = contours[i, (far + 1) % k, 0] - contours[i, far, 0]
            fy = contours[i, (far + 1) % k, 1] - contours[i, far, 1]
            one = max(np.sqrt(ex * ex + ey * ey), 1e-12)
            other = max(np.sqrt(fx * fx + fy * fy), 1e-12)
            nx, ny = ey / one + fy / other, -ex / one - fx / other
        distance = np.sqrt(square)
        if (x - px) * nx + (y - py) * ny < 0:
            distance = -distance
        if distance < best:
            best = distance
            way[0], way[1] = px - x, py - y
    return best
