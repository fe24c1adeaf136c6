"""The project of a photomosaic."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smalti.core.features import Variant
from smalti.core.grid import Grid
from smalti.core.render import Layout
from smalti.project import absolute, project_text, relative, whole
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
        Width of a tile as it was rendered, px.
    """

    request: Photomosaic
    layout: Layout
    tile_px: int


def grid_text(project: GridProject, folder: Path) -> str:
    """Write a project as JSON text for a file in `folder`.

    Photos below or near the folder are named relative to it, so that the
    folder can be moved together with them.
    """
    layout, grid = project.layout, project.layout.grid
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
            },
        },
    )


def build_grid(request: Request, data: dict[str, Any], folder: Path) -> GridProject:
    """Make a project of a file's values; for `smalti.project.read_project`."""
    if not isinstance(request, Photomosaic):
        raise TypeError("it is no photomosaic")
    grid = _grid(data["grid"])
    sources = tuple(absolute(file, part, folder) for file, part in data["photos"])
    kinds = tuple(
        Variant(float(x), float(y), float(size), bool(mirror), int(turn))
        for x, y, size, mirror, turn in data["variants"]
    )
    boxes = np.array([kind[:3] for kind in kinds], float).reshape(-1, 3)
    if not _inside(boxes[:, :2], boxes[:, 2:]) or not all(0 <= k.turn <= 3 for k in kinds):
        raise ValueError("a variant lies outside its photo")
    frames = np.array(data["frames"], float)
    if frames.shape != (len(sources), 4) or not _inside(frames[:, :2], frames[:, 2:]):
        raise ValueError("frames are not a window inside each photo")
    laid = data["assignment"]
    layout = Layout(
        grid=grid,
        sources=sources,
        frames=frames,
        variants=kinds,
        photo=whole(laid["photo"], (grid.cells,), 0, len(sources) - 1),
        variant=whole(laid["variant"], (grid.cells,), 0, len(kinds) - 1),
        shift=whole(laid["shift"], (grid.cells, 3), -255, 255).astype(np.int16),
    )
    tile_px = int(data["tile_px"])
    if not 1 <= tile_px <= 10_000:
        raise ValueError(f"tile_px is {tile_px}")
    return GridProject(request, layout, tile_px)


def _grid(data: dict[str, Any]) -> Grid:
    columns, rows, aspect = int(data["columns"]), int(data["rows"]), float(data["aspect"])
    if columns < 1 or rows < 1 or columns * rows > _MAX_CELLS or not 0.01 <= aspect <= 100:
        raise ValueError(f"a grid of {columns} x {rows} cells of aspect {aspect} cannot be")
    left, top, width, height = (float(value) for value in data["window"])
    return Grid(columns, rows, aspect, (left, top, width, height))


def _inside(corner: NDArray[np.float64], extent: NDArray[np.float64]) -> bool:
    return bool((corner >= 0).all() and (extent > 0).all() and (corner + extent <= 1 + 1e-9).all())
