"""Tile colours towards the cell's: a shift of the whole tile, none of the target blended in."""

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 4  # of correcting for what clipping took away


def colour_shifts(
    tiles: NDArray[np.float32], goals: NDArray[np.float32], adjust: float
) -> NDArray[np.int16]:
    """Find the shift that moves each tile's mean colour a share of the way to its goal.

    A shift that drives pixels out of range loses some of its effect to
    clipping, so it is enlarged until the clipped mean arrives, or until the
    shift is as long as the whole way.

    Parameters
    ----------
    tiles : ndarray of shape (n, r, r, 3), float32, sRGB 0 to 255
        Block means of the tiles.
    goals : ndarray of shape (n, 3), float32, sRGB 0 to 255
        Mean colours of the cells.
    adjust : float
        Share of the way, 0 to 1.

    Returns
    -------
    ndarray of shape (n, 3), int16
        What to add to every pixel, per channel.
    """
    if not adjust:
        return np.zeros((len(tiles), 3), np.int16)
    start = tiles.mean((1, 2))
    way = goals - start
    wanted = start + np.float32(adjust) * way
    shift = np.float32(adjust) * way
    for _ in range(_ROUNDS):
        reached = (tiles + shift[:, None, None]).clip(0, 255).mean((1, 2))
        shift = shift + wanted - reached
        shift = np.clip(shift, np.minimum(way, 0), np.maximum(way, 0))
    rounded: NDArray[np.int16] = np.rint(shift).astype(np.int16)
    return rounded


def alteration(shifts: NDArray[np.int16]) -> float:
    """Median over the tiles of the RMS a shift changes a pixel by, of 255."""
    return float(np.median(np.sqrt((shifts.astype(np.float64) ** 2).mean(1))))
