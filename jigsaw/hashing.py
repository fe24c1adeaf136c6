"""Geometric hashing: which shapes, turned how, have their borders where the free area has its own.

A plane is cut into squares. Every square lists the (shape, angle) pairs whose
contours cross it; the border of the free area, laid into the same plane, casts
a vote for each pair listed in the squares it crosses (section 6.4, figure 9).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class HashTable(NamedTuple):
    """Squares of the shapes' own plane and the contours that cross them.

    Attributes
    ----------
    half : float
        The squares span [-half, half] in x and y.
    squares : int
        How many along a side.
    start : ndarray of shape (squares^2 + 1,), intp
        Square i, row by row, lists ``entries[start[i]:start[i + 1]]``.
    entries : ndarray of int32
        Shape times the number of angles, plus the number of the angle.
    shape : tuple of (int, int)
        Shapes, and angles.
    """

    half: float
    squares: int
    start: NDArray[np.intp]
    entries: NDArray[np.int32]
    shape: tuple[int, int]


def hash_table(
    contours: NDArray[np.float64],
    angles: NDArray[np.float64],
    *,
    half: float = 1.5,
    squares: int = 30,
) -> HashTable:
    """Enter every shape at every angle into the squares that its contour crosses.

    Parameters
    ----------
    contours : ndarray of shape (m, k, 2), float64
        In their own planes, of unit area.
    angles : ndarray of shape (a,), float64
        Radians.
    half : float
        Where the plane ends; what lies beyond is not entered.
    squares : int
        Along a side: 30 make them a tenth of a tile's side.
    """
    # Points between the vertices too, so that no square is jumped over.
    dense = np.concatenate([contours, (contours + np.roll(contours, -1, axis=1)) / 2], axis=1)
    keys = []
    for number, angle in enumerate(angles):
        cos, sin = np.cos(angle), np.sin(angle)
        square = squares_of(dense @ np.array([[cos, sin], [-sin, cos]]), half, squares)
        pair = np.arange(len(contours))[:, None] * len(angles) + number
        key = square.astype(np.int64) * (len(contours) * len(angles)) + pair
        keys.append(np.unique(key[square >= 0]))
    every = np.sort(np.concatenate(keys))
    square, entry = np.divmod(every, len(contours) * len(angles))
    start = np.searchsorted(square, np.arange(squares**2 + 1))
    return HashTable(half, squares, start, entry.astype(np.int32), (len(contours), len(angles)))


def squares_of(points: NDArray[np.float64], half: float, squares: int) -> NDArray[np.intp]:
    """Return the square that holds each point (..., 2), or -1 beyond the plane."""
    at = np.floor((points + half) * (squares / (2 * half))).astype(np.intp)
    within = ((at >= 0) & (at < squares)).all(axis=-1)
    return np.where(within, at[..., 1] * squares + at[..., 0], -1)


def votes(table: HashTable, points: NDArray[np.float64]) -> NDArray[np.intp]:
    """Count for every (shape, angle) how many of the squares crossed it shares.

    Parameters
    ----------
    table : HashTable
    points : ndarray of shape (n, 2), float64
        The border of the free area, in the shapes' plane, closer together than
        the squares.

    Returns
    -------
    ndarray of shape (m, a), intp
    """
    square = np.unique(squares_of(points, table.half, table.squares))
    lists = [table.entries[table.start[i] : table.start[i + 1]] for i in square[square >= 0]]
    count = table.shape[0] * table.shape[1]
    if not lists:
        return np.zeros(table.shape, np.intp)
    return np.bincount(np.concatenate(lists), minlength=count).reshape(table.shape)


def crossed(table: HashTable) -> NDArray[np.intp]:
    """Count how many squares each (shape, angle) crosses: the most votes it can get."""
    return np.bincount(table.entries, minlength=int(np.prod(table.shape))).reshape(table.shape)
