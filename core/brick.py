"""Cells laid like bricks: every other row is shifted by half a cell.

A brick is two units of the grid wide and high. At both ends of a shifted row half
a brick is left: two cells of one unit, one above the other, so that all keep one aspect.
"""

import numpy as np
from numpy.typing import NDArray

from smalti.core.grid import Grid

BRICK = 2
"""Side of a brick, in units."""


def bricks(grid: Grid) -> NDArray[np.intp]:
    """Lay bricks on a grid.

    Parameters
    ----------
    grid : Grid
        Its columns and rows even.

    Returns
    -------
    ndarray of shape (n, 3), intp
        Left, top and side of each cell in units, in the order of rows.
    """
    boxes = []
    for top in range(0, grid.rows, BRICK):
        if top % (2 * BRICK) == 0:
            boxes += [(left, top, BRICK) for left in range(0, grid.columns, BRICK)]
        else:
            ends = (0, grid.columns - 1)
            boxes += [(left, top + below, 1) for left in ends for below in (0, 1)]
            boxes += [(left, top, BRICK) for left in range(1, grid.columns - BRICK, BRICK)]
    return np.array(sorted(boxes, key=lambda box: (box[1], box[0])), np.intp)


def halves(rows: int) -> int:
    """Cells that so many rows of bricks have more than a plain grid's rows."""
    return 3 * (rows // 2)
