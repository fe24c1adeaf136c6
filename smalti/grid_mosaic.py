"""From the request of a photomosaic to the mosaic."""

import math
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import smalti
from smalti.core.adjust import alteration, colour_shifts
from smalti.core.assign import Assignment, assign
from smalti.core.atomic import write_bytes
from smalti.core.errors import printable
from smalti.core.features import (
    Variant,
    block_means,
    feature_rows,
    photo_rows,
    tile_means,
    variants,
)
from smalti.core.grid import Grid, canvas, cells_of
from smalti.core.page import link_to, write_page
from smalti.core.picture import MAX_PIXELS
from smalti.core.progress import Progress, Step, silent
from smalti.core.quality import Quality, measure, usage
from smalti.core.render import Layout, bands
from smalti.core.source import Skipped, label
from smalti.core.writers import check_output, write_picture
from smalti.grid_project import GridProject, grid_text
from smalti.plan import CELL_PX, Plan, make_plan, target_file
from smalti.project import project_path
from smalti.request import Photomosaic
from smalti.resources import Stopwatch, peak_mb

_BATCH = 4096  # tiles whose colour moves are found at a time
_CANVAS = 12_000_000  # px of the largest copy of the target that is kept


@dataclass(frozen=True, slots=True, eq=False)
class GridMosaic:
    """A photomosaic: where each photo lies, and how good the picture is.

    Attributes
    ----------
    project : GridProject
        The request and the layout; what ``smalti render`` needs.
    assignment : Assignment
    quality : Quality
    photos : int
        Usable photos in the library.
    skipped : tuple of Skipped
        Files left out, each with its reason.
    seconds : dict
        Wall time by phase: index, features, assign, render, total.
    output, project_file : Path or None
        What was written.
    """

    project: GridProject
    assignment: Assignment
    quality: Quality
    photos: int
    skipped: tuple[Skipped, ...]
    seconds: dict[str, float]
    output: Path | None = None
    project_file: Path | None = None

    def pixels(self, tile_px: int | None = None) -> NDArray[np.uint8]:
        """Draw the mosaic in memory, (H, W, 3) uint8 sRGB.

        Parameters
        ----------
        tile_px : int, optional
            Width of a tile; the project's without.
        """
        return np.concatenate(
            list(bands(self.project.layout, tile_px or self.project.tile_px, max_pixels=MAX_PIXELS))
        )

    def report(self) -> dict[str, Any]:
        """Return what ``--json`` prints, as plain values."""
        grid, laid = self.project.layout.grid, self.assignment
        proof = laid.certificate
        return {
            "output": _text(self.output),
            "project": _text(self.project_file),
            "cells": grid.cells,
            "columns": grid.columns,
            "rows": grid.rows,
            "photos": self.photos,
            "skipped": [{"file": printable(s.file), "reason": s.reason} for s in self.skipped],
            "assignment": {
                "solver": laid.solver,
                "total_cost": laid.total_cost,
                "lower_bound": _known(laid.lower_bound),
                "gap": _known(laid.gap),
                "certified": laid.certified,
                "certificate": None if proof is None else asdict(proof),
            },
            "quality": asdict(self.quality),
            "seconds": self.seconds,
            "peak_mb": peak_mb(),
            "seed": self.project.request.seed,
            "version": smalti.__version__,
        }


def make_photomosaic(
    request: Photomosaic,
    *,
    executor: Executor | None = None,
    progress: Progress = silent,
    index: Path | None = None,
) -> GridMosaic:
    """Make a photomosaic.

    Parameters
    ----------
    request : Photomosaic
    executor : Executor, optional
        Reads photos and draws bands in parallel; the mosaic does not depend on it.
    progress : callable
        Given every `Step`; raising `Cancelled` in it cancels.
    index : Path, optional
        The library's index; the user's own without.

    Returns
    -------
    GridMosaic
        Written to ``request.output`` if that is given, with its project beside it.

    Raises
    ------
    BadInput
        If the target, the photos or an option cannot be used.
    SmaltiError
        If the picture cannot be written.
    Cancelled
        As raised by `progress`; nothing half-written stays.
    """
    lap = Stopwatch()
    plan = make_plan(request, executor=executor, progress=progress, index=index)
    lap("index")

    grid, library = plan.grid, plan.library
    kinds = variants(request.variants, square=math.isclose(grid.aspect, 1, rel_tol=1e-3))
    cell_px = _canvas_px(grid, request.detail)
    cells = cells_of(canvas(plan.target, grid, cell_px, plan.background), grid)
    whole = np.broadcast_to([0.0, 0, 1, 1], (grid.cells, 4))
    means = block_means(cells, whole, request.detail)
    cell_rows = feature_rows(means, space=request.space, adjust=request.adjust)
    rows = photo_rows(
        library.thumbs,
        plan.frames,
        kinds,
        detail=request.detail,
        space=request.space,
        adjust=request.adjust,
        progress=progress,
    )
    lap("features")

    laid = _solve(plan, request, cell_rows, rows, progress)
    del rows
    lap("assign")

    layout = _lay_out(plan, laid, kinds, means.mean((1, 2)), request.adjust)
    project = GridProject(request, layout, plan.tile_px)
    compared = min(cell_px, *grid.tile_size(plan.tile_px))
    goal = canvas(plan.target, grid, compared, plan.background)
    output, project_file, likeness = _draw(project, goal, compared, executor, progress)
    lap("render")

    counts = usage(laid.photo, library.group, grid.columns)
    quality = replace(
        likeness,
        **counts._asdict(),
        alteration_rms=alteration(layout.shift),
        target_blend=0.0,
    )
    return GridMosaic(
        project,
        laid,
        quality,
        len(library.sources),
        library.skipped,
        lap.seconds(),
        output,
        project_file,
    )


def render_grid(
    project: GridProject,
    output: Path,
    *,
    executor: Executor | None = None,
    progress: Progress = silent,
) -> tuple[int, int]:
    """Draw a photomosaic into a file; return its width and height, px."""
    size = _size(project)
    check_output(output, size)
    drawn = bands(
        project.layout,
        project.tile_px,
        max_pixels=MAX_PIXELS,
        executor=executor,
        progress=progress,
    )
    _write(project, drawn, output)
    return size


def _solve(
    plan: Plan,
    request: Photomosaic,
    cells: NDArray[np.float32],
    photos: NDArray[np.float32],
    progress: Progress,
) -> Assignment:
    """Lay photos on cells by the solver asked for; free repeats need none but the nearest."""
    if request.solver == "exact" or request.repeats == "free":
        return assign(
            cells,
            photos,
            group=plan.group,
            capacity=None if request.repeats == "free" else request.max_uses,
            metric=request.metric,
            seed=request.seed,
            progress=progress,
        )
    from smalti.core.heuristics.costs import pose
    from smalti.core.heuristics.solvers import solve

    problem = pose(
        cells,
        photos,
        group=plan.group,
        capacity=request.max_uses,
        metric=request.metric,
        pictures=plan.library.thumbs,
        columns=plan.grid.columns,
    )
    rng = np.random.default_rng(request.seed)
    limit = request.time_limit
    return solve(request.solver, problem, rng, time_limit=limit, progress=progress).assignment


def _canvas_px(grid: Grid, detail: int) -> int:
    return max(detail, min(CELL_PX, math.isqrt(_CANVAS // grid.cells)))


def _lay_out(
    plan: Plan,
    laid: Assignment,
    kinds: tuple[Variant, ...],
    goals: NDArray[np.float32],
    adjust: float,
) -> Layout:
    """Keep the photos that are used, and find each tile's colour move."""
    used, photo = np.unique(laid.photo, return_inverse=True)
    shift = np.empty((len(photo), 3), np.int16)
    for start in range(0, len(photo), _BATCH):
        part = slice(start, start + _BATCH)
        owner, kind = laid.photo[part], laid.variant[part]
        tiles = tile_means(plan.library.thumbs[owner], plan.frames[owner], kinds, kind, 8)
        shift[part] = colour_shifts(tiles, goals[part], adjust)
    return Layout(
        grid=plan.grid,
        sources=tuple(plan.library.sources[j] for j in used),
        frames=plan.frames[used],
        variants=kinds,
        photo=photo.astype(np.intp),
        variant=laid.variant,
        shift=shift,
    )


def _draw(
    project: GridProject,
    goal: NDArray[np.uint8],
    compared: int,
    executor: Executor | None,
    progress: Progress,
) -> tuple[Path | None, Path | None, Quality]:
    """Draw the mosaic once: into its file if there is one, and small for the comparison."""
    grid = project.layout.grid
    small = np.empty_like(goal)
    drawn = _watched(
        bands(project.layout, project.tile_px, max_pixels=MAX_PIXELS, executor=executor,
              progress=progress),
        lambda row, band: _shrink_into(small[row * compared : (row + 1) * compared], band),
    )  # fmt: skip
    output = Path(project.request.output) if project.request.output else None
    if output is None:
        for _ in drawn:
            pass
        written = None
    else:
        _write(project, drawn, output)
        written = project_path(output)
        write_bytes(written, grid_text(project, output.absolute().parent).encode("ascii"))
    progress(Step("score", 0, 0, "measuring the likeness"))
    return output, written, measure(goal, small, columns=grid.columns, rows=grid.rows)


def _watched(
    drawn: Iterator[NDArray[np.uint8]], each: Callable[[int, NDArray[np.uint8]], None]
) -> Iterator[NDArray[np.uint8]]:
    for row, band in enumerate(drawn):
        each(row, band)
        yield band


def _shrink_into(place: NDArray[np.uint8], band: NDArray[np.uint8]) -> None:
    size = (place.shape[1], place.shape[0])
    place[:] = np.asarray(Image.fromarray(band).resize(size, Image.Resampling.BOX))


def _write(project: GridProject, drawn: Iterator[NDArray[np.uint8]], output: Path) -> None:
    request, layout, size = project.request, project.layout, _size(project)
    if output.suffix.lower() != ".html":
        write_picture(drawn, size, output, dpi=request.dpi, quality=request.quality)
        return
    write_page(
        drawn,
        size,
        output,
        dpi=request.dpi,
        quality=request.quality,
        columns=layout.grid.columns,
        rows=layout.grid.rows,
        labels=[label(source) for source in layout.sources],
        links=[link_to(source.file, output) for source in layout.sources],
        tile=layout.photo,
        title=target_file(request.target).stem,
        facts=[("tiles", f"{layout.grid.cells:,}"), ("photos", f"{len(layout.sources):,}")],
    )


def _size(project: GridProject) -> tuple[int, int]:
    grid = project.layout.grid
    width, height = grid.tile_size(project.tile_px)
    return grid.columns * width, grid.rows * height


def _known(value: float) -> float | None:
    """Leave out a bound that nothing is known of: JSON has no infinity."""
    return value if math.isfinite(value) else None


def _text(path: Path | None) -> str | None:
    return None if path is None else printable(str(path))
