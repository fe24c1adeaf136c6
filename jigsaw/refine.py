"""Interacting active contours: tiles bend a little until gaps and overlaps close.

Paper 004, section 5.3. Every vertex is tied by a spring to the nearest edge of
another tile or to its container's wall; the shape resists as a snake does whose
rest is the tile's own outline (equations 4 and 5). Each step solves the shape's
part implicitly, for all tiles at once, in the Fourier domain of the closed
contours (the system is circulant). Contours are simple at every step.
"""

import numpy as np
import shapely
from numba import njit
from numpy.typing import NDArray

from smalti.core.errors import BadInput, Cancelled
from smalti.core.progress import Progress, Step, silent
from smalti.jigsaw.spring import springs, walls_of

LIMIT = 0.10
"""Largest deformation of a tile when the amount is 1; see `deformation`."""

_DIGITS = 4  # of px: a contour so rounded is simple too, hence not simple by a hair
_PACE = 0.7  # of the weighted way along its spring, how much a free vertex goes in one step
_GROW = 0.1  # how far a tile may grow or shrink when the amount is 1
_STRETCH, _BEND = 0.001, 1e-5  # stiffness of the first harmonic against both
_TRIES = 3  # how often a step that folds a tile is halved before it is given up

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
    walls = walls_of(labels, owner, tile_px)
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
        springs(_points(now), owner, walls, tile_px, gap, overlap, _points(pull))
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
