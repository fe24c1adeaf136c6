"""The project file: JSON beside the picture, from which it can be made again.

It holds the request, the seed, the versions, the photos used and where each
lies, so that rendering needs neither the target nor any matching. Reading one
runs nothing: it is numbers and names, checked before use.
"""

import json
import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import smalti
from smalti.core.errors import BadInput, printable
from smalti.core.features import Variant
from smalti.core.grid import Grid
from smalti.core.render import Layout
from smalti.core.source import Source
from smalti.request import Photomosaic

FORMAT = "smalti-project"
VERSION = 1
_MAX_CELLS = 50_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Project:
    """A mosaic that has been matched.

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


def project_path(output: Path) -> Path:
    """Where the project of a picture lies: ``mosaic.jpg`` has ``mosaic.smalti.json``."""
    return output.with_suffix(".smalti.json")


def to_json(project: Project, folder: Path) -> str:
    """Write a project as JSON text for a file in `folder`.

    Photos below or near the folder are named relative to it, so that the
    folder can be moved together with them.
    """
    layout, grid = project.layout, project.layout.grid
    return json.dumps(
        {
            "format": FORMAT,
            "version": VERSION,
            "made_with": {
                "smalti": smalti.__version__,
                "python": platform.python_version(),
                "numpy": np.__version__,
            },
            "seed": project.request.seed,
            "request": json.loads(project.request.to_json()),
            "tile_px": project.tile_px,
            "grid": {
                "columns": grid.columns,
                "rows": grid.rows,
                "aspect": grid.aspect,
                "window": list(grid.window),
            },
            "photos": [[_relative(s.file, folder), s.part] for s in layout.sources],
            "frames": layout.frames.tolist(),
            "variants": [[v.x, v.y, v.size, v.mirror, v.turn] for v in layout.variants],
            "assignment": {
                "photo": layout.photo.tolist(),
                "variant": layout.variant.tolist(),
                "shift": layout.shift.tolist(),
            },
        }
    )


def read_project(file: Path) -> Project:
    """Read a project file.

    Raises
    ------
    BadInput
        If it cannot be read, is no project, is of a later version, or holds
        what no mosaic can be made of; the message names the field.
    """
    name = printable(str(file))
    try:
        data = json.loads(file.read_bytes())
    except OSError as error:
        raise BadInput(f"cannot read {name}: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise BadInput(f"{name} is not a project: it is not JSON") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise BadInput(f"{name} is not a project that smalti wrote beside a picture")
    if data.get("version") != VERSION:
        raise BadInput(
            f"{name} is a project of version {data.get('version')!r}; this smalti reads {VERSION}"
        )
    try:
        return _build(data, file.absolute().parent)
    except KeyError as error:
        raise BadInput(f"{name} is damaged: it lacks {error}") from None
    except (ValueError, TypeError, OverflowError) as error:
        raise BadInput(f"{name} is damaged: {error}") from None


def _build(data: dict[str, Any], folder: Path) -> Project:
    grid = _grid(data["grid"])
    sources = tuple(
        Source(os.path.normpath(folder / str(file)), str(part)) for file, part in data["photos"]
    )
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
        photo=_whole(laid["photo"], (grid.cells,), 0, len(sources) - 1),
        variant=_whole(laid["variant"], (grid.cells,), 0, len(kinds) - 1),
        shift=_whole(laid["shift"], (grid.cells, 3), -255, 255).astype(np.int16),
    )
    request = Photomosaic.from_json(json.dumps(data["request"]))
    tile_px = int(data["tile_px"])
    if not 1 <= tile_px <= 10_000:
        raise ValueError(f"tile_px is {tile_px}")
    return Project(request, layout, tile_px)


def _grid(data: dict[str, Any]) -> Grid:
    columns, rows, aspect = int(data["columns"]), int(data["rows"]), float(data["aspect"])
    if columns < 1 or rows < 1 or columns * rows > _MAX_CELLS or not 0.01 <= aspect <= 100:
        raise ValueError(f"a grid of {columns} x {rows} cells of aspect {aspect} cannot be")
    left, top, width, height = (float(value) for value in data["window"])
    return Grid(columns, rows, aspect, (left, top, width, height))


def _inside(corner: NDArray[np.float64], extent: NDArray[np.float64]) -> bool:
    return bool((corner >= 0).all() and (extent > 0).all() and (corner + extent <= 1 + 1e-9).all())


def _whole(values: Any, shape: tuple[int, ...], low: int, high: int) -> NDArray[np.intp]:
    array = np.array(values)
    if array.shape != shape or array.dtype.kind != "i":
        raise ValueError(f"the assignment is not whole numbers of shape {shape}")
    if array.size and not (low <= array.min() and array.max() <= high):
        raise ValueError(f"the assignment holds numbers outside {low} to {high}")
    return array.astype(np.intp)


def _relative(file: str, folder: Path) -> str:
    """Relative where that stays within two folders up, absolute elsewhere."""
    try:
        relative = os.path.relpath(file, folder)
    except ValueError:  # another drive on Windows
        return file
    return file if relative.startswith(os.path.join("..", "..", "..")) else relative
