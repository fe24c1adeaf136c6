"""Wavelet features: the signs of the strongest Haar coefficients of a tile.

Jacobs, Finkelstein and Salesin look pictures up by the overall colour and the
signs of their few largest wavelet coefficients, weighted by scale. Their score
counts the query's coefficients that the other lacks; as rows with a distance, so
that the exact solver can take them, either's count. Colours are YIQ, as theirs.

References
----------
.. [1] C. E. Jacobs, A. Finkelstein, D. H. Salesin, "Fast multiresolution image
   querying", 1995; weights of scanned queries, table 1.
"""

import numpy as np
from numpy.typing import NDArray

_YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
_WEIGHTS = np.array(
    [
        [5.00, 19.21, 34.37],
        [0.83, 1.26, 0.36],
        [1.01, 0.44, 0.45],
        [0.52, 0.53, 0.14],
        [0.47, 0.28, 0.18],
        [0.30, 0.14, 0.27],
    ]
)
_KEPT = 0.25  # of a channel's coefficients: of a tile's few, more count than their 60 of 16,384
_FAINT = 0.0125  # step between blocks, of white, below which a coefficient is none


def side_for(detail: int) -> int:
    """Blocks a side of what is transformed: the power of two at or above `detail`."""
    return 1 << max(0, detail - 1).bit_length()


def haar(blocks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Decompose pictures fully along one axis, then along the other; orthonormal.

    Parameters
    ----------
    blocks : ndarray of shape (..., r, r, c), float32
        With r a power of two.

    Returns
    -------
    ndarray of shape (..., r, r, c), float32
        Coefficient (0, 0) is r times the mean; beyond, coarse scales come first.
    """
    steps = _steps(blocks.shape[-2])
    half = np.einsum("ij,...jkc->...ikc", steps, blocks)
    return np.asarray(np.einsum("ij,...kjc->...kic", steps, half), np.float32)


def wavelet_rows(means: NDArray[np.float32], *, adjust: float) -> NDArray[np.float32]:
    """Turn block means into rows of weighted signs.

    Parameters
    ----------
    means : ndarray of shape (..., r, r, 3), float32, sRGB 0 to 255
        With r a power of two.
    adjust : float
        Share of the way that a tile's mean will be moved to its cell's.

    Returns
    -------
    ndarray of shape (..., 3 * r * r), float32
    """
    side = means.shape[-2]
    yiq: NDArray[np.float32] = means @ (_YIQ.T / 255).astype(np.float32)
    detail = haar(yiq)
    overall = detail[..., 0, 0, :] / side
    detail[..., 0, 0, :] = 0
    flat = detail.reshape(-1, side * side, 3)
    kept = round(_KEPT * side * side)
    signs = np.zeros_like(flat)
    if kept:
        size = np.abs(flat)
        least = np.partition(size, -kept, axis=1)[:, -kept, None]
        signs = np.where((size >= least) & (size > _FAINT * side), np.sign(flat), 0)
    place = np.maximum.outer(np.arange(side), np.arange(side)).clip(0, 5).ravel()
    rows = signs * np.sqrt(_WEIGHTS[place]).astype(np.float32)
    rows[:, 0] = (1 - np.float32(adjust)) * overall.reshape(-1, 3) * _WEIGHTS[0]
    return np.ascontiguousarray(rows.reshape(*means.shape[:-3], -1), np.float32)


def _steps(side: int) -> NDArray[np.float32]:
    """Haar's functions on `side` places, one a row, each of length 1."""
    rows = [np.full(side, side**-0.5)]
    size = side
    while size > 1:
        for start in range(0, side, size):
            step = np.zeros(side)
            step[start : start + size // 2] = size**-0.5
            step[start + size // 2 : start + size] = -(size**-0.5)
            rows.append(step)
        size //= 2
    return np.array(rows, np.float32)
