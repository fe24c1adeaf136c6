"""Tile colours towards the cell's: a move of the whole tile, none of the target blended in.

A pixel x becomes ``gain * x + shift``, channel by channel.
"""

import numpy as np
from numpy.typing import NDArray

UNIT = 256
"""The gain that changes nothing."""

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


def scale_and_shift(
    tiles: NDArray[np.float32], goals: NDArray[np.float32], adjust: float
) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Find the shift and the gain that move each tile's mean colour without clipping it.

    Contrast is lowered, about the mean, by as much as keeps the blocks of the
    tile within range: the mean arrives exactly, and nothing is cut off.

    Parameters
    ----------
    tiles, goals, adjust
        As for `colour_shifts`.

    Returns
    -------
    shift, gain : ndarray of shape (n, 3), int16
        The gain in parts of `UNIT`, at most `UNIT`.

    References
    ----------
    .. [1] A. Finkelstein, M. Range, "Image mosaics", 1998.
    """
    start = tiles.mean((1, 2))
    wanted = start + np.float32(adjust) * (goals - start)
    above = np.maximum(tiles.max((1, 2)) - start, 1e-3)
    below = np.maximum(start - tiles.min((1, 2)), 1e-3)
    room = np.minimum((255 - wanted) / above, wanted / below)
    gain = np.floor(UNIT * room.clip(0, 1)).astype(np.int16)
    shift = np.rint(wanted - gain / np.float32(UNIT) * start).astype(np.int16)
    return shift, gain


def moved(
    pixels: NDArray[np.uint8], shift: NDArray[np.int16], gain: NDArray[np.int16]
) -> NDArray[np.uint8]:
    """Apply one tile's shift and gain, (3,) each, to its pixels, (h, w, 3)."""
    if (gain != UNIT).any():
        scaled = (pixels * gain.astype(np.int32) + UNIT // 2) // UNIT
        return (scaled + shift).clip(0, 255).astype(np.uint8)
    if shift.any():
        return (pixels + shift).clip(0, 255).astype(np.uint8)
    return pixels


def alteration(
    before: NDArray[np.float32],
    after: NDArray[np.float32],
    shift: NDArray[np.int16],
    gain: NDArray[np.int16],
) -> NDArray[np.float64]:
    """Root mean square by which the colours of each tile are changed, of 255.

    Parameters
    ----------
    before, after : ndarray of shape (n, r, r, 3), float32, sRGB 0 to 255
        Block means of the tiles as photographed, and after a transfer of colour
        that comes before shift and gain.
    shift, gain : ndarray of shape (n, 3), int16

    Returns
    -------
    ndarray of shape (n,), float64
        Clipping is not taken off.
    """
    change = after * (gain / np.float64(UNIT))[:, None, None] + shift[:, None, None] - before
    out: NDArray[np.float64] = np.sqrt((change**2).mean((1, 2, 3)))
    return out
