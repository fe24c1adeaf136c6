"""The likeness of any two pictures, as ``smalti score`` prints it."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from smalti.core.errors import SmaltiError
from smalti.core.grid import Grid, canvas, columns_and_rows, lay_grid
from smalti.core.picture import read_picture
from smalti.core.quality import measure
from smalti.grid_project import build_grid
from smalti.plan import CELL_PX, check, target_file
from smalti.project import project_path, read_project

_COLUMNS = 64  # of a mosaic that does not say
_PIXELS = 24_000_000  # of the largest copies compared


def score_pictures(
    target: Path, mosaic: Path, *, grid: tuple[int, int] | None = None
) -> dict[str, float | None]:
    """Measure how like a target a mosaic is.

    Parameters
    ----------
    target, mosaic : Path
        Two pictures; the target is cropped to the mosaic's shape, centred.
    grid : (int, int), optional
        Columns and rows of the mosaic's cells. Without, they are taken from the
        project beside the mosaic; without one, 64 cells are laid along its width.

    Returns
    -------
    dict
        Fields of `smalti.core.quality.Quality`; None where only the mosaic's
        maker knows.

    Raises
    ------
    BadInput
        If a picture cannot be read, or the grid is finer than its pixels.
    """
    goal = read_picture(target_file(str(target))).pixels
    made = read_picture(mosaic).pixels
    height, width = made.shape[:2]
    columns, rows = grid or _grid_beside(mosaic) or _square_cells(width, height)
    check(
        1 <= columns <= width and 1 <= rows <= height,
        f"a grid of {columns} x {rows} does not fit {width} x {height} px: give --grid",
    )
    aspect = (width / columns) / (height / rows)
    laid = lay_grid((goal.shape[1], goal.shape[0]), columns, rows, aspect=aspect)
    finest = min(CELL_PX, width // columns, height // rows)
    cell_px = max(1, min(finest, int((_PIXELS / (columns * rows)) ** 0.5)))
    shrunk = _shrink(made, laid, cell_px)
    found = measure(canvas(goal, laid, cell_px), shrunk, columns=columns, rows=rows)
    return asdict(found)


def _grid_beside(mosaic: Path) -> tuple[int, int] | None:
    try:
        grid = read_project(project_path(mosaic), build_grid).layout.grid
    except SmaltiError:
        return None
    return grid.columns, grid.rows


def _square_cells(width: int, height: int) -> tuple[int, int]:
    columns = min(_COLUMNS, width)
    return columns_and_rows((width, height), max(1, round(columns**2 * height / width)), 1.0)


def _shrink(picture: NDArray[np.uint8], grid: Grid, cell_px: int) -> NDArray[np.uint8]:
    size = (grid.columns * cell_px, grid.rows * cell_px)
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))
