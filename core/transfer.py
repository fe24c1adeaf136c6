"""Colour transfer: all photos moved towards the palette of the target, before any is chosen.

The move is one affine map of CIELAB for the whole library: that which carries
its colours, taken as a normal distribution, to the target's at the least mean
square displacement. Unlike a map axis by axis (Reinhard et al. 2001) it also
turns the axes, so that colours that go together in the target do in the photos.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from smalti.core.color import from_lab, to_space

_LEAST = 1.0  # variance along an axis that a palette is taken to have at least, in Lab
_BATCH = 1 << 20  # pixels at a time


class Transfer(NamedTuple):
    """A map of CIELAB colours: ``lab @ matrix + offset``.

    Attributes
    ----------
    matrix : ndarray of shape (3, 3), float64
    offset : ndarray of shape (3,), float64
    """

    matrix: NDArray[np.float64]
    offset: NDArray[np.float64]


def palette_transfer(
    colours: NDArray[np.float32], palette: NDArray[np.float32], strength: float
) -> Transfer:
    """Find the map that carries colours to a palette.

    Parameters
    ----------
    colours, palette : ndarray of shape (..., 3), float32, sRGB 0 to 255
        Of the photos, and of the target.
    strength : float
        Share of the way, 0 to 1.

    References
    ----------
    .. [1] F. Pitié, A. Kokaram, "The linear Monge-Kantorovitch linear colour
       mapping for example-based colour transfer", 2007.
    """
    (mean, spread), (goal, wanted) = (_moments(c) for c in (colours, palette))
    root = _power(spread, 0.5)
    back = _power(spread, -0.5)
    matrix = back @ _power(root @ wanted @ root, 0.5) @ back
    matrix = (1 - strength) * np.eye(3) + strength * matrix
    return Transfer(matrix, mean + strength * (goal - mean) - mean @ matrix)


def transferred(pixels: NDArray[np.uint8], transfer: Transfer) -> NDArray[np.uint8]:
    """Move the colours of pixels of shape (..., 3), uint8 sRGB."""
    flat = pixels.reshape(-1, 3)
    out = np.empty_like(flat)
    matrix, offset = transfer.matrix.astype(np.float32), transfer.offset.astype(np.float32)
    for start in range(0, len(flat), _BATCH):
        part = slice(start, start + _BATCH)
        lab = to_space(flat[part], "lab") @ matrix + offset
        out[part] = np.rint(from_lab(lab).clip(0, 255))
    return out.reshape(pixels.shape)


def _moments(colours: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    lab = to_space(colours, "lab").reshape(-1, 3).astype(np.float64)
    return lab.mean(0), np.atleast_2d(np.cov(lab.T, bias=True)) + _LEAST * np.eye(3)


def _power(matrix: NDArray[np.float64], power: float) -> NDArray[np.float64]:
    """Power of a symmetric positive matrix."""
    values, vectors = np.linalg.eigh(matrix)
    result: NDArray[np.float64] = (vectors * np.maximum(values, 1e-9) ** power) @ vectors.T
    return result
