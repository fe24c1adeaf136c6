"""From a request to a mosaic, whatever its kind, and from a project to its picture."""

from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from typing import Any, overload

import numpy as np

from smalti.core.assign import assign
from smalti.core.errors import BadInput
from smalti.core.progress import Progress, silent
from smalti.flat_mosaic import FlatMosaic, FlatProject, build_flat, make_flat, render_flat
from smalti.grid_mosaic import GridMosaic, make_photomosaic, render_grid
from smalti.grid_project import GridProject, build_grid
from smalti.jigsaw_mosaic import JigsawMosaic, make_jigsaw
from smalti.jigsaw_picture import render_jigsaw
from smalti.jigsaw_project import JigsawProject, build_jigsaw
from smalti.plan import check
from smalti.project import read_project
from smalti.request import Jigsaw, Photomosaic, Request

_WARM = 1200  # photos on half as many cells: enough for the solver to need all its loops

Mosaic = GridMosaic | JigsawMosaic | FlatMosaic


def warm_up() -> None:
    """Load the solver's compiled loops, half a second that a first mosaic would take longer."""
    rows = np.random.default_rng(0).random((_WARM, 3), np.float32)
    assign(rows[::2], rows[:, None])


@overload
def make_mosaic(
    request: Photomosaic,
    *,
    executor: Executor | None = ...,
    progress: Progress = ...,
    index: Path | None = ...,
) -> GridMosaic: ...
@overload
def make_mosaic(
    request: Jigsaw,
    *,
    executor: Executor | None = ...,
    progress: Progress = ...,
    index: Path | None = ...,
) -> Mosaic: ...
def make_mosaic(
    request: Request,
    *,
    executor: Executor | None = None,
    progress: Progress = silent,
    index: Path | None = None,
) -> Mosaic:
    """Make a mosaic.

    Parameters
    ----------
    request : Photomosaic or Jigsaw
    executor : Executor, optional
        Works in parallel; the mosaic does not depend on it.
    progress : callable
        Given every `Step`; raising `Cancelled` in it cancels.
    index : Path, optional
        Of the tiles already looked at; the user's own without.

    Returns
    -------
    GridMosaic, JigsawMosaic or FlatMosaic
        Written to ``request.output`` if that is given, with its project beside it.

    Raises
    ------
    BadInput
        If the target, the tiles or an option cannot be used.
    SmaltiError
        If the picture cannot be written.
    Cancelled
        As raised by `progress`; nothing half-written stays.
    """
    if isinstance(request, Jigsaw) and request.kind == "grid":
        check(not request.geometry, "geometry is of tiles of any shape, not of --kind grid")
        request = _as_photomosaic(request)
    if isinstance(request, Photomosaic):
        return make_photomosaic(request, executor=executor, progress=progress, index=index)
    if request.kind != "jigsaw":
        return make_flat(request, executor=executor, progress=progress, index=index)
    return make_jigsaw(request, executor=executor, progress=progress, index=index)


def render_project(
    file: Path,
    output: Path,
    *,
    tile_px: int | None = None,
    executor: Executor | None = None,
    progress: Progress = silent,
) -> tuple[int, int]:
    """Make a saved project again, at another size if wanted, without matching.

    Parameters
    ----------
    file : Path
        The project.
    output : Path
        Picture or page to write.
    tile_px : int, optional
        Width of a tile, px; as it was without.

    Returns
    -------
    (int, int)
        Width and height of the picture, px.

    Raises
    ------
    BadInput
        If the project cannot be used, or a tile of it is gone.
    """
    project = open_project(file)
    if tile_px is not None and not 1 <= tile_px <= 10_000:
        raise BadInput(f"--tile-px is {tile_px}: a tile is 1 to 10000 px wide")
    if isinstance(project, JigsawProject):
        if tile_px is not None:
            project = replace(project, scale=tile_px / _mean_side(project))
        return render_jigsaw(project, output, progress=progress)
    if isinstance(project, FlatProject):
        if tile_px is not None:
            project = replace(project, scale=tile_px / _mean_side(project))
        return render_flat(project, output, progress=progress)
    if tile_px is not None:
        project = replace(project, tile_px=tile_px)
    return render_grid(project, output, executor=executor, progress=progress)


def open_project(file: Path) -> GridProject | JigsawProject | FlatProject:
    """Read a saved project of any kind.

    Raises
    ------
    BadInput
        If it cannot be used.
    """
    return read_project(file, _build)


def _as_photomosaic(request: Jigsaw) -> Photomosaic:
    """Lay the shapes as they are on a grid: the photomosaic of core (section 4.1)."""
    return Photomosaic(
        target=request.target,
        photos=request.shapes,
        output=request.output,
        cells=request.tiles,
        adjust=request.adjust,
        max_uses=request.reuse or 1,
        dpi=request.dpi,
        quality=request.quality,
        seed=request.seed,
        strict=request.strict,
    )


def _build(
    request: Request, data: dict[str, Any], folder: Path
) -> GridProject | JigsawProject | FlatProject:
    if isinstance(request, Photomosaic):
        return build_grid(request, data, folder)
    build = build_jigsaw if request.kind == "jigsaw" else build_flat
    return build(request, data, folder)


def _mean_side(project: JigsawProject | FlatProject) -> float:
    """Side of a mean tile on the raster that was packed, px."""
    return sum(p.pose.scale for p in project.placements) / len(project.placements)
