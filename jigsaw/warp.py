"""Clip art drawn into a contour, however the contour has been bent."""

from dataclasses import dataclass, replace

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import ndimage

from smalti.jigsaw.contour import Points, coverage, solid

_GRID = 25  # nodes a side at most: 13 erred up to 4 px on tiles bent hard
_NODE = 3.0  # px between nodes of small tiles; their bends are no finer
_ENLARGED = 0.7  # px of the clip art a px of the mosaic: one sample of it then does
_RIGID = 0.05  # px of the clip art the contour may be off for a similarity to do
# Of the thin plate, in units of its size: 64 vertices may lie so close on a thin
# tail that an exact plate would ripple.
_SLACK = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class Warp:
    """Clip art bent into a contour, to be drawn some rows at a time.

    Attributes
    ----------
    art : ndarray of shape (H, W, 4), uint8
        sRGB times alpha, and alpha.
    lead : ndarray of shape (m, n, 2), float64
        (x, y) in the clip art that nodes spread evenly over the window lead to.
    contour : ndarray of shape (k, 2), float64
        In the window, px.
    shape : tuple of int
        (h, w) of the window, px.
    left, top : int
        Of its first pixel in the picture.
    samples : int
        Of the clip art along either side of a pixel.
    """

    art: NDArray[np.uint8]
    lead: Points
    contour: Points
    shape: tuple[int, int]
    left: int
    top: int
    samples: int

    def rows(self, first: int, end: int) -> NDArray[np.float32]:
        """Draw rows `first` to `end` of the window.

        Returns
        -------
        ndarray of shape (end - first, w, 4), float32
            sRGB times alpha, and alpha, each 0 to 1.
        """
        h, w = self.shape
        cover = coverage(self.contour, (end - first, w), first)
        pixels = np.empty((end - first, w, 4), np.float32)
        _fetch(self.art, self.lead, cover, first, h, self.samples, pixels)
        return pixels

    def reduced(self, side: int) -> "Warp":
        """Make a copy of at most `side` px a side, to be drawn by single samples."""
        factor = min(1, side / max(self.shape))
        h, w = (max(1, round(factor * length)) for length in self.shape)
        contour = self.contour * (w / self.shape[1], h / self.shape[0])
        return replace(self, contour=contour, shape=(h, w), samples=1)


def bled(pixels: NDArray[np.uint8], opaque: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Continue clip art beyond its outline, so that the contour alone cuts it.

    Otherwise its own soft edge and the contour's would both let the background
    through. Holes stay.

    Parameters
    ----------
    pixels : ndarray of shape (H, W, 4), uint8
        sRGB and alpha.
    opaque : ndarray of shape (H, W), bool
        What is drawn in it, at least one pixel.

    Returns
    -------
    ndarray of shape (H, W, 4), uint8
        sRGB times alpha, and alpha.
    """
    part = solid(opaque)
    nearest = ndimage.distance_transform_edt(
        ~(opaque & part), return_distances=False, return_indices=True
    )
    out = np.where(part[..., None], pixels, pixels[tuple(nearest)])
    rim = part & ~ndimage.binary_erosion(part) & opaque
    out[rim | ~part, 3] = 255
    colour = out[..., :3].astype(np.uint16) * out[..., 3:] + 127
    return np.concatenate([colour // 255, out[..., 3:]], axis=2).astype(np.uint8)


def halved(art: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Shrink a picture to half its size, rounded up, by averaging 2 x 2 px.

    Parameters
    ----------
    art : ndarray of shape (H, W, c), uint8

    Returns
    -------
    ndarray of shape (ceil(H / 2), ceil(W / 2), c), uint8
    """
    h, w = art.shape[:2]
    even = np.pad(art, ((0, h % 2), (0, w % 2), (0, 0)), mode="edge").astype(np.uint16)
    return (
        (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2] + 2) // 4
    ).astype(np.uint8)


def shrinking(own: Points, contour: Points) -> float:
    """Say how many px of the clip art one px of the mosaic covers, along either axis.

    Parameters
    ----------
    own, contour : ndarray of shape (k, 2), float64
        The shape's contour in the clip art and in the mosaic, px.
    """
    return abs(_similarity(own, contour)[0])


def warp(art: NDArray[np.uint8], own: Points, contour: Points) -> Warp:
    """Bend clip art into a contour.

    Pixels are fetched from where a thin-plate spline through the pairs of
    vertices leads; where the contour is a similar copy of its own, from where
    that similarity leads, exactly.

    Parameters
    ----------
    art : ndarray of shape (H, W, 4), uint8
        sRGB times alpha, and alpha; not much larger than it is drawn
        (`shrinking` below 2), for each pixel is sampled 2 x 2 times at most.
    own : ndarray of shape (k, 2), float64
        Contour in the clip art, (x, y) px, the centre of its first pixel being
        (0.5, 0.5).
    contour : ndarray of shape (k, 2), float64
        Contour in the mosaic, px.

    Returns
    -------
    Warp
        Its window spans the contour, outside of which it is transparent.

    References
    ----------
    .. [1] F. Bookstein, "Principal Warps: Thin-Plate Splines and the
       Decomposition of Deformations", PAMI 11, 1989.
    """
    low, high = np.floor(contour.min(axis=0)), np.ceil(contour.max(axis=0))
    w, h = (int(side) for side in np.maximum(high - low, 1))
    contour = contour - low
    a, b = _similarity(own, contour)
    rest = own - _turned(contour, a, b)
    rigid = np.abs(rest).max() < _RIGID
    nodes = 2 if rigid else int(np.clip(max(w, h) / _NODE + 1, 2, _GRID))
    y, x = np.meshgrid(np.linspace(0, h, nodes), np.linspace(0, w, nodes), indexing="ij")
    grid = np.stack([x, y], axis=-1)
    lead = _turned(grid, a, b)
    if not rigid:
        lead += _thin_plate(contour, rest, grid.reshape(-1, 2)).reshape(grid.shape)
    samples = 1 if abs(a) < _ENLARGED else 2
    return Warp(art, lead, contour, (h, w), int(low[0]), int(low[1]), samples)


def _similarity(own: Points, contour: Points) -> tuple[complex, complex]:
    """Fit own = a contour + b, both as complex numbers, by least squares."""
    z, u = contour @ (1, 1j), own @ (1, 1j)
    centred = z - z.mean()
    a = complex(np.vdot(centred, u) / np.vdot(centred, centred))
    return a, complex(u.mean() - a * z.mean())


def _turned(points: Points, a: complex, b: complex) -> Points:
    image = a * (points @ (1, 1j)) + b
    return np.stack([image.real, image.imag], axis=-1)


def _thin_plate(points: Points, values: Points, at: Points) -> Points:
    """Interpolate (k, 2) values given at (k, 2) points, at other points."""
    k = len(points)
    unit = np.ptp(points, axis=0).max()
    system = np.zeros((k + 3, k + 3))
    system[:k, :k] = _kernel(points / unit, points / unit) + _SLACK * np.eye(k)
    system[:k, k] = system[k, :k] = 1
    system[:k, k + 1 :] = points / unit
    system[k + 1 :, :k] = points.T / unit
    weights = np.linalg.solve(system, np.concatenate([values, np.zeros((3, 2))]))
    bent = _kernel(at / unit, points / unit) @ weights[:k]
    return np.asarray(bent + weights[k] + (at / unit) @ weights[k + 1 :])


def _kernel(a: Points, b: Points) -> Points:
    """Return r^2 log r between every two points."""
    square = np.square(a[:, None, 0] - b[:, 0]) + np.square(a[:, None, 1] - b[:, 1])
    return np.asarray(square * np.log(np.maximum(square, 1e-12)) / 2)


@njit(cache=True)
def _fetch(
    art: NDArray[np.uint8],
    lead: Points,
    cover: NDArray[np.float32],
    first: int,
    h: int,
    samples: int,
    out: NDArray[np.float32],
) -> None:
    """Sample the clip art where a grid of nodes over h rows leads, from row `first` on.

    Both bilinearly.
    """
    w = cover.shape[1]
    rows, columns = lead.shape[0] - 1, lead.shape[1] - 1
    last_y, last_x = art.shape[0] - 1.0, art.shape[1] - 1.0
    for i in range(len(cover)):
        for j in range(w):
            out[i, j] = 0
            if cover[i, j] == 0:
                continue
            share = cover[i, j] / (255 * samples * samples)
            for sub in range(samples * samples):
                v = (first + i + (sub // samples + 0.5) / samples) / h * rows
                u = (j + (sub % samples + 0.5) / samples) / w * columns
                m, n = int(v), int(u)
                v -= m
                u -= n
                x = (1 - v) * ((1 - u) * lead[m, n, 0] + u * lead[m, n + 1, 0])
                x += v * ((1 - u) * lead[m + 1, n, 0] + u * lead[m + 1, n + 1, 0])
                y = (1 - v) * ((1 - u) * lead[m, n, 1] + u * lead[m, n + 1, 1])
                y += v * ((1 - u) * lead[m + 1, n, 1] + u * lead[m + 1, n + 1, 1])
                x, y = min(max(x - 0.5, 0.0), last_x), min(max(y - 0.5, 0.0), last_y)
                m, n = int(y), int(x)
                v, u = y - m, x - n
                below, right = min(m + 1, art.shape[0] - 1), min(n + 1, art.shape[1] - 1)
                for c in range(4):
                    top = (1 - u) * art[m, n, c] + u * art[m, right, c]
                    bottom = (1 - u) * art[below, n, c] + u * art[below, right, c]
                    out[i, j, c] += ((1 - v) * top + v * bottom) * share
