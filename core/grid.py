"""The grid: which part of the target each cell shows.

A grid is a raster of equal units. A cell is a box of units, as wide as it is
high in them, so that all cells have one aspect; in a plain grid each is one unit.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from smalti.core.errors import BadInput


@dataclass(frozen=True, slots=True)
class Grid:
    """A rectangular raster of equal units over a target.

    Attributes
    ----------
    columns, rows : int
    aspect : float
        Width of a unit over its height, and so of every cell.
    window : tuple of float
        Left, top, width, height in target pixels of what the grid covers; it
        reaches beyond the target where the target is padded.
    """

    columns: int
    rows: int
    aspect: float
    window: tuple[float, float, float, float]

    @property
    def cells(self) -> int:
        """Number of units: of cells, where each is one. Unit i is at row ``i // columns``."""
        return self.columns * self.rows

    def tile_size(self, width: int) -> tuple[int, int]:
        """Width and height in px of a tile that is `width` px wide."""
        return width, max(1, round(width / self.aspect))


def columns_and_rows(
    size: tuple[int, int], cells: int, aspect: float, *, most: int | None = None
) -> tuple[int, int]:
    """Choose a grid of about `cells` cells that loses little of the target.

    Parameters
    ----------
    size : (int, int)
        Width and height of the target, px.
    cells : int
        About how many are wanted.
    aspect : float
        Width of a cell over its height.
    most : int, optional
        How many there may be; `cells` without.

    Returns
    -------
    (int, int)
        Columns and rows, 1 or more each.
    """
    most = cells if most is None else most
    shape = size[0] / size[1] / aspect  # columns over rows of a grid that loses nothing
    best, lowest = (1, 1), math.inf
    middle = math.sqrt(cells * shape)
    for columns in range(max(1, math.floor(middle * 0.9)), math.ceil(middle * 1.1) + 2):
        for rows in {max(1, math.floor(columns / shape)), max(1, round(columns / shape))}:
            if columns * rows > most:
                continue
            # Relative loss of picture, and of cells: a percent of picture is three of cells.
            off = abs(math.log(cells / (columns * rows)))
            loss = 3 * abs(math.log(columns / rows / shape)) + off
            if loss < lowest:
                best, lowest = (columns, rows), loss
    if math.isinf(lowest):  # a strip so long that no two-dimensional grid fits
        return (cells, 1) if shape > 1 else (1, cells)
    return best


def lay_grid(
    size: tuple[int, int], columns: int, rows: int, *, aspect: float, fit: str = "crop"
) -> Grid:
    """Lay a grid over a target, centred.

    Parameters
    ----------
    size : (int, int)
        Width and height of the target, px.
    columns, rows : int
    aspect : float
        Width of a cell over its height.
    fit : {"crop", "pad"}
        Whether the grid lies inside the target (paper 001's centre crop) or
        the target inside the grid.

    Raises
    ------
    BadInput
        If `fit` is neither.
    """
    if fit not in ("crop", "pad"):
        raise BadInput(f"fit is {fit!r}: it can be crop or pad")
    shape = columns * aspect / rows
    width, height = size
    wide = width / height > shape
    if wide == (fit == "crop"):
        covered = (height * shape, float(height))
    else:
        covered = (float(width), width / shape)
    left, top = (width - covered[0]) / 2, (height - covered[1]) / 2
    return Grid(columns, rows, aspect, (left, top, *covered))


def canvas(
    target: NDArray[np.uint8],
    grid: Grid,
    cell_px: int,
    background: tuple[int, int, int] = (255, 255, 255),
) -> NDArray[np.uint8]:
    """Resample what the grid covers to a whole number of pixels a cell.

    Parameters
    ----------
    target : ndarray of shape (H, W, 3), uint8 sRGB
    grid : Grid
    cell_px : int
        Pixels along both sides of a cell, whatever its aspect.
    background : (int, int, int)
        sRGB colour of the padding.

    Returns
    -------
    ndarray of shape (rows * cell_px, columns * cell_px, 3), uint8 sRGB
    """
    height, width = target.shape[:2]
    left, top, covered_w, covered_h = grid.window
    # Rounding may leave a window a millionth of a pixel outside; that is no padding.
    pad_x, pad_y = (max(0, math.ceil(-edge - 1e-6)) for edge in (left, top))
    picture = Image.fromarray(target)
    if pad_x or pad_y:
        padded = Image.new("RGB", (width + 2 * pad_x, height + 2 * pad_y), background)
        padded.paste(picture, (pad_x, pad_y))
        picture = padded
    x, y = max(0.0, left + pad_x), max(0.0, top + pad_y)
    box = (x, y, min(picture.width, x + covered_w), min(picture.height, y + covered_h))
    size = (grid.columns * cell_px, grid.rows * cell_px)
    return np.asarray(picture.resize(size, Image.Resampling.BICUBIC, box=box))


def unit_boxes(grid: Grid) -> NDArray[np.intp]:
    """Boxes of a plain grid: left, top and side of each cell in units, (n, 3), along rows."""
    row, column = np.divmod(np.arange(grid.cells), grid.columns)
    return np.stack([column, row, np.ones(grid.cells, np.intp)], axis=1)


def board(grid: Grid, boxes: NDArray[np.intp]) -> NDArray[np.intp]:
    """Say which cell covers each unit.

    Parameters
    ----------
    grid : Grid
    boxes : ndarray of shape (n, 3), intp
        Left, top and side in units.

    Returns
    -------
    ndarray of shape (rows, columns), intp

    Raises
    ------
    ValueError
        If the boxes leave a unit out, overlap, or reach outside.
    """
    fault = ValueError("the cells do not cover the grid, each unit once")
    inside = (boxes[:, :2] >= 0).all() and (boxes[:, 2] >= 1).all()
    inside = inside and (boxes[:, :2] + boxes[:, 2:] <= (grid.columns, grid.rows)).all()
    if not inside or (boxes[:, 2] ** 2).sum() != grid.cells:
        raise fault
    cover = np.full((grid.rows, grid.columns), -1)
    for cell, (left, top, side) in enumerate(boxes.tolist()):
        cover[top : top + side, left : left + side] = cell
    if (cover < 0).any():
        raise fault
    return cover


def cells_of(picture: NDArray[np.uint8], grid: Grid) -> NDArray[np.uint8]:
    """Cut a canvas into its units.

    Parameters
    ----------
    picture : ndarray of shape (rows * c, columns * c, 3)
    grid : Grid

    Returns
    -------
    ndarray of shape (rows * columns, c, c, 3)
    """
    side = picture.shape[0] // grid.rows
    split = picture.reshape(grid.rows, side, grid.columns, side, 3)
    return split.swapaxes(1, 2).reshape(grid.cells, side, side, 3)


def cut_out(picture: NDArray[np.uint8], grid: Grid, boxes: NDArray[np.intp]) -> NDArray[np.uint8]:
    """Cut boxes of one size out of a canvas.

    Parameters
    ----------
    picture : ndarray of shape (rows * c, columns * c, 3)
    grid : Grid
    boxes : ndarray of shape (n, 3), intp
        Of equal sides s.

    Returns
    -------
    ndarray of shape (n, s * c, s * c, 3)
    """
    unit = picture.shape[0] // grid.rows
    side = int(boxes[0, 2]) * unit
    views = np.lib.stride_tricks.sliding_window_view(picture, (side, side), axis=(0, 1))
    corners = boxes[:, :2] * unit
    return np.ascontiguousarray(views[corners[:, 1], corners[:, 0]].transpose(0, 2, 3, 1))
