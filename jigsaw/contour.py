"""Outlines of shapes: from pixels to a polygon of equal steps, and back."""

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import ndimage

from smalti.core.color import to_space
from smalti.core.errors import BadInput

Points = NDArray[np.float64]
Mask = NDArray[np.bool_]

_SMOOTH = 0.7  # px: takes the stairs off a mask, and leaves what is two pixels wide

_PLAIN = 12.0  # dE a background's pixels may lie from its colour: JPEG's noise, not a gradient
_PLAIN_SHARE = 0.9  # of the pixels at the border, which the shape may touch

_FOUND = 0.8  # of the snake and the flood's edge must be the same pixels

# The snake: stiffness and smoothness as Kass et al. name them, in steps of a pixel.
_ALPHA, _BETA = 0.02, 0.05
_CALM = 0.02  # px a vertex moves in a step when the snake has come to rest


def signed_area(contour: Points) -> float:
    """Return the area inside a polygon, px^2; positive if x turns towards y along it.

    Parameters
    ----------
    contour : ndarray of shape (k, 2), float64
        (x, y), the end not repeated.
    """
    x, y = (contour - contour[0]).T  # near the origin, so that far-away shapes lose no digits
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def centroid(contour: Points) -> Points:
    """Return the centre of mass of a polygon's inside, (x, y).

    Parameters
    ----------
    contour : ndarray of shape (k, 2), float64
        Of non-zero area.
    """
    start = contour[0]  # see signed_area
    a = contour - start
    b = np.roll(a, -1, axis=0)
    cross = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    return np.asarray(start + cross @ (a + b) / (3 * cross.sum()))


def is_simple(contour: Points) -> bool:
    """Say whether a polygon has an inside and nowhere touches itself."""
    from shapely import Polygon

    return bool(Polygon(contour).is_valid)


def resampled(contour: Points, points: int) -> Points:
    """Put vertices on a polygon at equal steps along it, the first on its first vertex.

    Parameters
    ----------
    contour : ndarray of shape (k, 2), float64
        (x, y), the end not repeated.
    points : int

    Returns
    -------
    ndarray of shape (points, 2), float64
    """
    ring = np.concatenate([contour, contour[:1]])
    along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(ring, axis=0).T))])
    steps = np.arange(points) * (along[-1] / points)
    return np.stack([np.interp(steps, along, axis) for axis in ring.T], axis=1)


def from_mask(mask: Mask, points: int) -> Points:
    """Follow the outer edge of a mask's largest connected part, holes filled.

    Parameters
    ----------
    mask : ndarray of shape (H, W), bool
    points : int

    Returns
    -------
    ndarray of shape (points, 2), float64
        (x, y) px, the centre of the first pixel being (0.5, 0.5); positively
        oriented, equal steps along the edge, the end not repeated.

    Raises
    ------
    BadInput
        If the mask holds nothing thicker than a pixel or two.
    """
    return resampled(_edge(solid(mask)), points)


def _edge(part: Mask) -> Points:
    from skimage.measure import find_contours  # 0.3 s

    pad = 3
    soft = ndimage.gaussian_filter(np.pad(part, pad).astype(np.float32), _SMOOTH)
    rings = [ring[:-1, ::-1] - (pad - 0.5) for ring in find_contours(soft, 0.5)]
    if not rings:
        raise BadInput("nothing in it is thicker than a line")
    ring = max(rings, key=lambda ring: abs(signed_area(ring)))
    return np.asarray(ring if signed_area(ring) > 0 else ring[::-1])


def solid(mask: Mask) -> Mask:
    """Fill a mask's holes and keep its largest connected part.

    Returns
    -------
    ndarray of shape (H, W), bool
    """
    # Filled first: a frame is then larger than what it frames.
    labels, count = ndimage.label(ndimage.binary_fill_holes(mask))
    largest = 1 + np.argmax(np.bincount(labels.ravel())[1:]) if count else 1
    return np.asarray(labels == largest)


def filled(contour: Points, shape: tuple[int, int]) -> Mask:
    """Return the pixels that lie at least half inside a polygon.

    Parameters
    ----------
    contour : ndarray of shape (k, 2), float64
        (x, y) px; may reach beyond the picture.
    shape : tuple of int
        (H, W).

    Returns
    -------
    ndarray of shape (H, W), bool
    """
    return np.asarray(coverage(contour, shape) >= 0.5)


def filled_window(contour: Points, shape: tuple[int, ...]) -> tuple[tuple[slice, slice], Mask]:
    """Return the same pixels as a window of the picture and the mask of the window.

    Parameters
    ----------
    contour : ndarray of shape (k, 2), float64
        (x, y) px; what lies beyond the picture is cut off.
    shape : tuple of int
        (H, W).

    Returns
    -------
    window : tuple of slice
        Rows and columns.
    mask : ndarray of the window's shape, bool
    """
    bounds = shape[1], shape[0]
    low = np.clip(np.floor(contour.min(0)).astype(int), 0, bounds)
    high = np.clip(np.ceil(contour.max(0)).astype(int), low, bounds)
    width, height = (high - low).tolist()
    window = (slice(low[1], high[1]), slice(low[0], high[0]))
    if width == 0 or height == 0:
        return window, np.zeros((height, width), bool)
    return window, filled(contour - low, (height, width))


def coverage(contour: Points, shape: tuple[int, int], first: int = 0) -> NDArray[np.float32]:
    """Return how much of each pixel lies inside a simple polygon, 0 to 1, exactly.

    Parameters
    ----------
    contour : ndarray of shape (k, 2), float64
        (x, y) px, of either orientation; may reach beyond the picture.
    shape : tuple of int
        (H, W).
    first : int
        Row of the picture that is the first of these.

    Returns
    -------
    ndarray of shape (H, W), float32

    References
    ----------
    .. [1] R. Levien, "Inside the fastest font renderer in the world", 2016:
       each edge leaves its trapezoids' areas in the pixels it crosses; their
       running sum along a row is the coverage.
    """
    area = np.zeros((shape[0], shape[1] + 1))
    _add_edges(np.ascontiguousarray(contour, np.float64), first, area)
    sums = np.cumsum(area, axis=1)[:, :-1]
    return np.minimum(np.abs(sums), 1).astype(np.float32)


@njit(cache=True)
def _add_edges(contour: Points, first: int, area: Points) -> None:
    h, w = area.shape[0], area.shape[1] - 1
    for i in range(len(contour)):
        xa, ya = contour[i - 1]
        xb, yb = contour[i]
        if ya == yb:
            continue
        sign = 1.0 if ya < yb else -1.0
        if ya > yb:
            xa, ya, xb, yb = xb, yb, xa, ya
        slope = (xb - xa) / (yb - ya)
        for y in range(max(first, int(np.floor(ya))), min(first + h, int(np.ceil(yb)))):
            row = y - first
            # The edge's piece in this row, from left to right.
            top, bottom = max(ya, float(y)), min(yb, y + 1.0)
            height = sign * (bottom - top)
            left, right = xa + (top - ya) * slope, xa + (bottom - ya) * slope
            if left > right:
                left, right = right, left
            start = int(np.floor(left))
            for column in range(start, max(start + 1, int(np.ceil(right)))):
                lo, hi = max(left, float(column)), min(right, column + 1.0)
                part = height if right == left else height * (hi - lo) / (right - left)
                inside = part * (column + 1 - (lo + hi) / 2)  # right of the edge, in this pixel
                if column < 0:
                    area[row, 0] += part
                elif column < w:
                    area[row, column] += inside
                    area[row, column + 1] += part - inside


def from_background(pixels: NDArray[np.uint8]) -> Mask:
    """Tell clip art without transparency from its plain background, by active contours.

    Parameters
    ----------
    pixels : ndarray of shape (H, W, 3), uint8
        sRGB.

    Returns
    -------
    ndarray of shape (H, W), bool

    Raises
    ------
    BadInput
        If the background is not plain, or there is nothing but background.

    References
    ----------
    .. [1] J. Kim, F. Pellacini, "Jigsaw Image Mosaics", 2002, section 3.
    .. [2] M. Kass, A. Witkin, D. Terzopoulos, "Snakes: Active Contour Models",
       1988: internal forces are implicit, image forces explicit.
    """
    lab = to_space(pixels, "lab")
    border = np.concatenate([lab[0], lab[-1], lab[1:-1, 0], lab[1:-1, -1]])
    colour = np.median(border, axis=0)
    if np.mean(np.linalg.norm(border - colour, axis=1) < _PLAIN) < _PLAIN_SHARE:
        raise BadInput("it is not transparent and has no plain background")
    # The flood of that colour, from a margin around the picture.
    dry = np.pad(np.linalg.norm(lab - colour, axis=2) >= _PLAIN, 1)
    labels, _ = ndimage.label(~dry)
    object_ = ndimage.binary_opening(labels != labels[0, 0])
    if not object_.any():
        raise BadInput("there is nothing but background in it")
    object_ = solid(object_)
    shape = filled(snake_around(object_), object_.shape)
    # A snake that winds through gaps of a pixel, as white on white leaves them, gets lost.
    if (shape & object_).sum() < _FOUND * (shape | object_).sum():
        raise BadInput("it is not transparent and cannot be told from its background")
    return shape[1:-1, 1:-1]


def snake_around(part: Mask, *, steps: int = 400) -> Points:
    """Let an active contour shrink from a circle onto a mask.

    Parameters
    ----------
    part : ndarray of shape (H, W), bool
        One connected part.
    steps : int
        At most.

    Returns
    -------
    ndarray of shape (k, 2), float64
        (x, y) px, positively oriented, about a vertex a pixel.
    """
    pad = 8
    inside = np.pad(part, pad)
    # Signed distance to the part, px; positive outside.
    distance = ndimage.distance_transform_edt(~inside) - ndimage.distance_transform_edt(inside)
    distance = ndimage.gaussian_filter(distance, _SMOOTH)
    y, x = np.nonzero(inside)
    middle = np.array([x.min() + x.max() + 1, y.min() + y.max() + 1]) / 2
    radius = np.hypot(x + 0.5 - middle[0], y + 0.5 - middle[1]).max() + 2
    turn = np.linspace(0, 2 * np.pi, int(2 * np.pi * radius), endpoint=False)
    snake = middle + radius * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    for _ in range(steps):
        along = np.roll(snake, -1, axis=0) - np.roll(snake, 1, axis=0)
        outward = along[:, ::-1] * (1, -1) / np.maximum(np.hypot(*along.T), 1e-9)[:, None]
        # Inwards while outside, however the part winds, and outwards inside it.
        far = ndimage.map_coordinates(distance, snake.T[::-1] - 0.5, order=1, mode="nearest")
        moved = _relaxed(snake - np.clip(far, -1, 1)[:, None] * outward)
        calm = np.abs(moved - snake).max() < _CALM
        length = np.hypot(*np.diff(moved, axis=0, append=moved[:1]).T).sum()
        snake = resampled(moved, max(16, int(length)))
        if calm:
            break
    return np.asarray(snake - pad)


def _relaxed(snake: Points) -> Points:
    """Take one implicit step of the internal forces, which are circulant."""
    wave = 2 - 2 * np.cos(2 * np.pi * np.fft.rfftfreq(len(snake)))
    damping = 1 / (1 + _ALPHA * wave + _BETA * wave**2)
    spectrum = np.fft.rfft(snake, axis=0) * damping[:, None]
    return np.asarray(np.fft.irfft(spectrum, len(snake), axis=0))
