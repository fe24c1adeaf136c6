"""Interacting active contours: tiles bend a little until gaps and overlaps close.

Paper 004, section 5.3. Every vertex is tied by a spring to the nearest edge of
another tile or to its container's wall; the shape resists as a snake does whose
rest is the tile's own outline (equations 4 and 5). Each step solves the shape's
part implicitly, for all tiles at once, in the Fourier domain of the closed
contours (the system is circulant). Contours are simple at every step.
"""

from typing import NamedTuple

import numpy as np
import shapely
from numba import njit
from numpy.typing import NDArray
from scipy.ndimage import find_objects

from smalti.core.errors import BadInput, Cancelled
from smalti.core.progress import Progress, Step, silent
from smalti.jigsaw.distance import signed_distance

LIMIT = 0.10
"""Largest deformation of a tile when the amount is 1; see `deformation`."""

_DIGITS = 4  # of px: a contour so rounded is simple too, hence not simple by a hair
_REACH = 0.6  # of a spring across a gap, in tiles; beyond, the gap is a tile's own
_DEPTH = 0.12  # of a penetration that is always seen, in tiles
_CELL = 0.15  # side of the squares in which edges are looked up, in tiles
_FACING = 0.3  # least cosine between a vertex's normal and the way to its anchor
_PACE = 0.7  # of the weighted way along its spring, how much a free vertex goes in one step
_GROW = 0.1  # how far a tile may grow or shrink when the amount is 1
_STRETCH, _BEND = 0.001, 1e-5  # stiffness of the first harmonic against both
_INSET = 0.05  # px that contours keep from a wall: drawn in pixels it is a staircase
_TRIES = 3  # how often a step that folds a tile is halved before it is given up
_NEAR = 12  # other tiles considered at one vertex

Contours = NDArray[np.float64]
Complex = NDArray[np.complex128]


def refine(
    contours: Contours,
    rest: Contours,
    labels: NDArray[np.intp],
    container: NDArray[np.intp],
    *,
    tile_px: float,
    amount: float = 1.0,
    gap: float = 1.0,
    overlap: float = 2.0,
    deform: float = 1.0,
    steps: int = 25,
    progress: Progress = silent,
    keep_partial: bool = False,
) -> Contours:
    """Deform the tiles of a packing so that gaps and overlaps close.

    Parameters
    ----------
    contours : ndarray of shape (n, k, 2), float64
        Where the tiles lie now; (x, y) px of `labels`, positively oriented.
    rest : ndarray of shape (n, k, 2), float64
        Their undeformed shapes, vertex by vertex; where they lie is irrelevant.
    labels : ndarray of shape (H, W), intp
        Container of every pixel. Other labels, -1 and the picture's rim are walls.
    container : ndarray of shape (n,), intp
        Label of the container of each tile.
    tile_px : float
        Square root of the mean area of a tile, px: the unit of all reaches.
    amount : float
        Deformation allowed: each tile stays within ``LIMIT * amount`` of its
        shape, and is the softer the greater this is; 0 returns the contours as
        they are. Below about 0.2 tiles do little but slide and turn.
    gap, overlap, deform : float
        Weights w_G, w_O and w_D of equation 4.
    steps : int
    progress : callable
        Steps of phase ``"refine"``, each with the contours as they are then.
    keep_partial : bool
        A `Cancelled` that `progress` raises ends the refinement where it is.

    Returns
    -------
    ndarray of shape (n, k, 2), float64
        Every contour is simple, or equal to the one that came in; also when rounded a little.
    """
    if contours.shape != rest.shape or len(container) != len(contours):
        raise BadInput(
            f"{len(contours)} contours, {len(rest)} shapes and {len(container)} containers "
            "do not belong together: give one of each for every tile"
        )
    if not (amount >= 0 and tile_px > 0 and min(gap, overlap, deform) >= 0):
        raise BadInput("amount, tile size and weights of the refinement must not be negative")
    if not (np.isfinite(contours).all() and np.isfinite(rest).all()):
        raise BadInput("a contour to refine has a vertex that is no finite number")
    if amount == 0 or steps == 0 or len(contours) == 0:
        return contours.copy()
    count, points = contours.shape[:2]
    shape = _complex(rest)
    now = _complex(contours)
    size = np.sqrt(np.maximum(np.abs(_area(shape)), 1e-12))
    scale = np.sqrt(np.abs(_area(now))) / size
    owner = np.asarray(container, np.intp)
    walls = _walls(labels, owner, _REACH * tile_px)
    order = np.abs(np.fft.fftfreq(points, 1 / points))
    stiff = deform / max(amount, 0.01) ** 2 * (_STRETCH * order**2 + _BEND * order**4)
    soft = 1 / (1 + _PACE * stiff)
    fixed = ~_simple(_points(now))
    start = now.copy()
    pull = np.empty((count, points), np.complex128)
    for done in range(steps):
        try:
            progress(Step("refine", done, steps, "closing gaps", _points(now).copy()))
        except Cancelled:
            if keep_partial:
                break
            raise
        _springs(_points(now), owner, walls, tile_px, gap, overlap, _points(pull))
        fit, turn = _fitted(now, shape, scale, _GROW * amount)
        bent = np.fft.ifft(np.fft.fft(now - fit + _PACE * pull) * soft)
        drift = bent.mean(axis=1, keepdims=True)
        bent -= drift
        far = np.sqrt((np.abs(bent) ** 2).mean(axis=1)) / np.maximum(np.abs(turn) * size, 1e-12)
        bent *= np.minimum(1, LIMIT * amount / np.maximum(far, 1e-12))[:, None]
        step = np.where(fixed[:, None], 0, fit + drift + bent - now)
        folded = np.arange(count)
        for _ in range(_TRIES):
            folded = folded[~_simple(_points(now[folded] + step[folded]))]
            step[folded] /= 2
        step[folded[~_simple(_points(now[folded] + step[folded]))]] = 0
        now = now + step
    # The compiled test is of floats; shapely's is exact, and has the last word.
    good = shapely.is_valid(shapely.polygons(_points(now).round(_DIGITS)))
    good &= deformation(_points(now), rest) <= LIMIT * amount * 1.02
    now[~good] = start[~good]
    progress(Step("refine", steps, steps, "closing gaps"))
    return _points(now).copy()


def deformation(contours: Contours, rest: Contours) -> NDArray[np.float64]:
    """Tell how far contours have left their own shapes.

    Parameters
    ----------
    contours, rest : ndarray of shape (n, k, 2), float64
        Deformed and own shapes, vertex by vertex.

    Returns
    -------
    ndarray of shape (n,), float64
        Root mean square distance of the vertices after the similarity that
        fits the shape best (Procrustes), over the square root of the area of
        the shape so fitted; without dimension.
    """
    now, shape = _complex(contours), _complex(rest)
    fit, turn = _fitted(now, shape, np.ones(len(now)), np.inf)
    size = np.abs(turn) * np.sqrt(np.abs(_area(shape)))
    return np.asarray(np.sqrt((np.abs(now - fit) ** 2).mean(axis=1)) / np.maximum(size, 1e-12))


def _complex(contours: Contours) -> Complex:
    """(n, k) complex x + iy of (n, k, 2) points."""
    return np.ascontiguousarray(contours, np.float64).view(np.complex128)[..., 0]


def _points(contours: Complex) -> Contours:
    """(n, k, 2) points, sharing memory with (n, k) complex x + iy."""
    return np.ascontiguousarray(contours).view(np.float64).reshape(*contours.shape, 2)


def _area(contours: Complex) -> NDArray[np.float64]:
    """Signed area of each, positive where x turns towards y."""
    return np.asarray((contours.conj() * np.roll(contours, -1, axis=1)).imag.sum(axis=1) / 2)


def _fitted(
    now: Complex, shape: Complex, scale: NDArray[np.float64], slack: float
) -> tuple[Complex, Complex]:
    """Lay each shape on its contour by the similarity of least squares.

    Its scale stays within a factor ``1 + slack`` of `scale`. Returns the shapes so laid,
    (n, k), and the factors z -> factor z + shift they were laid by, (n,).
    """
    middle = now.mean(axis=1, keepdims=True)
    flat = shape - shape.mean(axis=1, keepdims=True)
    turn = (flat.conj() * (now - middle)).sum(axis=1)
    turn /= np.maximum((np.abs(flat) ** 2).sum(axis=1), 1e-12)
    length = np.maximum(np.abs(turn), 1e-12)
    turn *= np.clip(length, scale / (1 + slack), scale * (1 + slack)) / length
    return middle + turn[:, None] * flat, turn


class _Walls(NamedTuple):
    """Signed distances to the walls of all containers, one window after the other.

    Attributes
    ----------
    table : ndarray of shape (labels, 5), int64
        Of each label's window: where it begins in `values`, left, top, width, height.
    values : ndarray of float32
    """

    table: NDArray[np.int64]
    values: NDArray[np.float32]


def _walls(labels: NDArray[np.intp], container: NDArray[np.intp], reach: float) -> _Walls:
    """Measure every container that is in use, in its own window."""
    margin = int(np.ceil(reach)) + 2
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
    return _Walls(table, np.concatenate(parts))


@njit(cache=True)
def _springs(
    contours: Contours,
    container: NDArray[np.intp],
    walls: _Walls,
    tile_px: float,
    gap: float,
    overlap: float,
    pull: Contours,
) -> None:
    """Find the way of every vertex along its spring, weighted, into `pull`."""
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
    walls: _Walls, container: int, point: NDArray[np.float64], way: NDArray[np.float64]
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


@njit(cache=True)
def _simple(contours: Contours) -> NDArray[np.bool_]:
    """Tell which closed polygons have no two edges that cross or touch."""
    n, k = contours.shape[:2]
    simple = np.ones(n, np.bool_)
    for i in range(n):
        c = contours[i]
        for a in range(k):
            b = (a + 1) % k
            px, py, qx, qy = c[a, 0], c[a, 1], c[b, 0], c[b, 1]
            left, right, top, bottom = min(px, qx), max(px, qx), min(py, qy), max(py, qy)
            ex, ey = qx - px, qy - py
            if ex == 0 and ey == 0:
                simple[i] = False
            d = (b + 1) % k
            # The next edge shares a corner: it may not run back over this one.
            fx, fy = c[d, 0] - qx, c[d, 1] - qy
            if ex * fy == ey * fx and ex * fx + ey * fy < 0:
                simple[i] = False
            for m in range(a + 2, k if a > 0 else k - 1):
                o = (m + 1) % k
                rx, ry, sx, sy = c[m, 0], c[m, 1], c[o, 0], c[o, 1]
                if (
                    max(rx, sx) < left or min(rx, sx) > right
                    or max(ry, sy) < top or min(ry, sy) > bottom
                ):  # fmt: skip
                    continue
                gx, gy = sx - rx, sy - ry
                if (ex * (ry - py) - ey * (rx - px)) * (ex * (sy - py) - ey * (sx - px)) <= 0 and (
                    gx * (py - ry) - gy * (px - rx)
                ) * (gx * (qy - ry) - gy * (qx - rx)) <= 0:
                    simple[i] = False
                    break
            if not simple[i]:
                break
    return simple
