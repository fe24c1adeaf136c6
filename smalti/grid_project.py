"""The project of a photomosaic."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smalti.core.adjust import UNIT
from smalti.core.features import Variant
from smalti.core.grid import Grid, board, unit_boxes
from smalti.core.render import Layout
from smalti.core.transfer import Transfer
from smalti.plan import check_values
from smalti.project import absolute, check_size, project_text, real, relative, whole
from smalti.request import Photomosaic, Request

_MAX_CELLS = 50_000_000


@dataclass(frozen=True, slots=True, eq=False)
class GridProject:
    """A photomosaic that has been matched.

    Attributes
    ----------
    request : Photomosaic
        What was asked for.
    layout : Layout
        Which photo lies where.
    tile_px : int
        Width of a unit of the grid as it was rendered, px.
    """

    request: Photomosaic
    layout: Layout
    tile_px: int


def grid_text(project: GridProject, folder: Path) -> str:
    """Write a project as JSON text for a file in `folder`.

    Photos below or near the folder are named relative to it, so that the
    folder can be moved together with them.
    """
    layout, grid, moves = project.layout, project.layout.grid, project.layout.transfer
    plain = len(layout.boxes) == grid.cells
    return project_text(
        project.request,
        {
            "tile_px": project.tile_px,
            "grid": {
                "columns": grid.columns,
                "rows": grid.rows,
                "aspect": grid.aspect,
                "window": list(grid.window),
            },
            "photos": [[relative(s.file, folder), s.part] for s in layout.sources],
            "frames": layout.frames.tolist(),
            "variants": [[v.x, v.y, v.size, v.mirror, v.turn] for v in layout.variants],
            "assignment": {
                "photo": layout.photo.tolist(),
                "variant": layout.variant.tolist(),
                "shift": layout.shift.tolist(),
                "gain": layout.gain.tolist(),
            },
            "boxes": None if plain else layout.boxes.tolist(),
            "transfer": None if moves is None else [moves.matrix.tolist(), moves.offset.tolist()],
        },
    )


def build_grid(request: Request, data: dict[str, Any], folder: Path) -> GridProject:
    """Make a project of a file's values; for `smalti.project.read_project`."""
    if not isinstance(request, Photomosaic):
        raise TypeError("it is no photomosaic")
    check_values(request)
    grid = _grid(data["grid"])
    sources = tuple(absolute(file, part, folder) for file, part in data["photos"])
    kinds = tuple(
        Variant(float(x), float(y), float(size), bool(mirror), int(turn))
        for x, y, size, mirror, turn in data["variants"]
    )
    inner = np.array([kind[:3] for kind in kinds], float).reshape(-1, 3)
    if not _inside(inner[:, :2], inner[:, 2:]) or not all(0 <= k.turn <= 3 for k in kinds):
        raise ValueError("a variant lies outside its photo")
    frames = np.array(data["frames"], float)
    if frames.shape != (len(sources), 4) or not _inside(frames[:, :2], frames[:, 2:]):
        raise ValueError("frames are not a window inside each photo")
    laid = data["assignment"]
    count = len(laid["photo"])
    if data["boxes"] is None and count != grid.cells:  # before memory is taken for the cells
        raise ValueError(f"{count} cells are laid, and there are {grid.cells}")
    boxes = _boxes(data["boxes"], grid)
    layout = Layout(
        grid=grid,
        sources=sources,
        frames=frames,
        variants=kinds,
        boxes=boxes,
        photo=whole(laid["photo"], (count,), 0, len(sources) - 1),
        variant=whole(laid["variant"], (count,), 0, len(kinds) - 1),
        shift=whole(laid["shift"], (count, 3), -255, 255).astype(np.int16),
        gain=whole(laid["gain"], (count, 3), 0, UNIT).astype(np.int16),
        transfer=_transfer(data["transfer"]),
    )
    tile_px = int(data["tile_px"])
    if not 1 <= tile_px <= 10_000:
        raise ValueError(f"tile_px is {tile_px}")
    width, height = grid.tile_size(tile_px)
    check_size(grid.columns * width, grid.rows * height)
    return GridProject(request, layout, tile_px)


def _grid(data: dict[str, Any]) -> Grid:
    columns, rows, aspect = int(data["columns"]), int(data["rows"]), float(data["aspect"])
    if columns < 1 or rows < 1 or columns * rows > _MAX_CELLS or not 0.01 <= aspect <= 100:
        raise ValueError(f"a grid of {columns} x {rows} cells of aspect {aspect} cannot be")
    left, top, width, height = real(data["window"], (4,), 1e9).tolist()
    if width <= 0 or height <= 0:
        raise ValueError(f"the grid covers {width} x {height} px")
    return Grid(columns, rows, aspect, (left, top, width, height))


def _boxes(values: Any, grid: Grid) -> NDArray[np.intp]:
    if values is None:
        return unit_boxes(grid)
    boxes = whole(values, (len(values), 3), 0, max(grid.columns, grid.rows))
    board(grid, boxes)  # refuses those that do not cover it
    return boxes


def _transfer(values: Any) -> Transfer | None:
    if values is None:
        return None
    matrix, offset = values
    return Transfer(real(matrix, (3, 3), 1e4), real(offset, (3,), 1e4))


def _inside(corner: NDArray[np.float64], extent: NDArray[np.float64]) -> bool:
    return bool((corner >= 0).all() and (extent > 0).all() and (corner + extent <= 1 + 1e-9).all())
