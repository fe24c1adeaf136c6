"""Cells as large as what they show is plain: a quadtree over the grid.

Every cell begins as a square of units; the one that a single colour would show
worst, its area times its standard deviation, is cut into four, until there are as
many as asked or all are units. (With the variance instead, the mean error is 1 %
less, but all cells go to the strongest edges, and faces lose their features.)

References
----------
.. [1] G. Di Blasi, G. Gallo, M. Petralia, "Smart ideas for photomosaic
   rendering", 2006.
"""

import heapq

import numpy as np
from numpy.typing import NDArray

from smalti.core.color import to_space
from smalti.core.grid import Grid

LARGEST = 4
"""Side of the largest cells, in units; a power of two."""


def quadtree(
    picture: NDArray[np.uint8],
    grid: Grid,
    cells: int,
    weight: NDArray[np.float64] | None = None,
) -> NDArray[np.intp]:
    """Cut a grid into cells of 1, 2 and 4 units by the detail they show.

    Parameters
    ----------
    picture : ndarray of shape (rows * c, columns * c, 3), uint8 sRGB
        The canvas of the grid, whose columns and rows are multiples of `LARGEST`.
    grid : Grid
    cells : int
        How many, at most; never fewer than the largest cells there are.
    weight : ndarray of shape (rows, columns), float64, optional
        How much each unit counts.

    Returns
    -------
    ndarray of shape (n, 3), intp
        Left, top and side of each cell in units, in the order of rows.
    """
    colours = to_space(picture, "lab").astype(np.float64)
    unit = picture.shape[0] // grid.rows
    sums, squares = (
        np.pad(np.cumsum(np.cumsum(x, 0), 1), ((1, 0), (1, 0), (0, 0)))
        for x in (colours, colours**2)
    )

    def error(left: int, top: int, side: int) -> float:
        """Root of the mean squared distance of the pixels to their mean colour, times the area."""
        x, y, s = left * unit, top * unit, side * unit
        total, square = (
            table[y + s, x + s] - table[y, x + s] - table[y + s, x] + table[y, x]
            for table in (sums, squares)
        )
        counts = 1.0 if weight is None else weight[top : top + side, left : left + side].mean()
        variance = max(0.0, float((square - total**2 / s**2).sum()) / s**2)
        return float(counts * side**2 * np.sqrt(variance))

    boxes = [
        (left, top, LARGEST)
        for top in range(0, grid.rows, LARGEST)
        for left in range(0, grid.columns, LARGEST)
    ]
    heap = [(-error(*box), box) for box in boxes]
    heapq.heapify(heap)
    done: list[tuple[float, tuple[int, int, int]]] = []
    while heap and len(heap) + len(done) + 3 <= cells:
        _, (left, top, side) = heapq.heappop(heap)
        half = side // 2
        for x, y in ((0, 0), (half, 0), (0, half), (half, half)):
            box = (left + x, top + y, half)
            if half > 1:
                heapq.heappush(heap, (-error(*box), box))
            else:
                done.append((0.0, box))
    found = [box for _, box in heap + done]
    return np.array(sorted(found, key=lambda box: (box[1], box[0])), np.intp)
