"""From the request of a photomosaic to the mosaic."""

import math
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import smalti
from smalti.core.adjust import UNIT, alteration, colour_shifts, scale_and_shift
from smalti.core.assign import Assignment
from smalti.core.atomic import accompanied
from smalti.core.checkpoint import fingerprint, resumed
from smalti.core.errors import printable
from smalti.core.features import tile_means
from smalti.core.grid import board, canvas
from smalti.core.page import link_to, write_page
from smalti.core.picture import MAX_PIXELS
from smalti.core.progress import Progress, Step, silent
from smalti.core.quality import Quality, measure, usage
from smalti.core.render import Layout, band_rows, bands, decodes
from smalti.core.source import Skipped, label
from smalti.core.writers import check_output, write_picture
from smalti.effort import foretelling
from smalti.grid_project import GridProject, grid_text
from smalti.matching import Described, describe, match
from smalti.plan import Plan, canvas_px, make_plan, target_file
from smalti.project import project_path
from smalti.request import Photomosaic
from smalti.resources import Stopwatch, peak_mb
from smalti.shortlist import is_large, match_short

_BATCH = 4096  # tiles whose colour moves are found at a time


@dataclass(frozen=True, slots=True)
class Wishes:
    """What was asked of single photos, and what came of it.

    Attributes
    ----------
    banned, must_appear, locked : int
        Photos never used, photos used at least once, cells with a photo of their
        own: all kept, or there is no mosaic.
    spacing : int
        How far copies should lie apart, in cells.
    spacing_reached : int or None
        Distance of the nearest two; None if no photo has copies, or nothing was asked.
    too_near : int
        Cells nearer to a copy than asked.
    """

    banned: int
    must_appear: int
    locked: int
    spacing: int
    spacing_reached: int | None
    too_near: int


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
    wishes : Wishes
    output, project_file : Path or None
        What was written.
    """

    project: GridProject
    assignment: Assignment
    quality: Quality
    photos: int
    skipped: tuple[Skipped, ...]
    seconds: dict[str, float]
    wishes: Wishes
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
            "cells": len(laid.photo),
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
            "wishes": asdict(self.wishes),
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
        Reads photos, compares those of a large library and draws bands in parallel; the mosaic
        does not depend on it.
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

    grid, photos, locked = plan.grid, len(plan.library.sources), len(plan.locks)
    if is_large(plan, request):
        plan, described, laid, spaced = match_short(plan, request, progress, executor=executor)
    else:
        described = describe(plan, request, progress)
        lap("features")
        foretold = foretelling(plan, request, described, progress)
        laid, spaced = match(plan, request, described, foretold)
    lap("assign")

    library = plan.library
    layout, altered = lay_out(plan, request, described, laid)
    del described
    project = GridProject(request, layout, plan.tile_px)
    compared = min(canvas_px(grid, 1), *grid.tile_size(plan.tile_px))
    goal = canvas(plan.target, grid, compared, plan.background)
    output, project_file, likeness = draw(project, goal, compared, executor, progress)
    lap("render")

    middles = plan.boxes[:, :2] + plan.boxes[:, 2:] / 2
    counts = usage(laid.photo, library.group, middles)
    quality = replace(
        likeness,
        **counts._asdict(),
        alteration_rms=float(np.median(altered)),
        target_blend=0.0,
    )
    return GridMosaic(
        project,
        laid,
        quality,
        photos,
        library.skipped,
        lap.seconds(),
        Wishes(
            banned=plan.limits.asked,
            must_appear=len(plan.limits.required),
            locked=locked,
            spacing=request.spacing,
            spacing_reached=None if spaced is None else spaced.spacing,
            too_near=0 if spaced is None else spaced.violations,
        ),
        output,
        project_file,
    )


def save(project: GridProject, output: Path, progress: Progress = silent) -> None:
    """Write a photomosaic and its project beside it."""
    with _accompanied(project, output):
        render_grid(project, output, progress=progress)


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
    with _drawn(project, output, executor, progress) as drawn:
        _write(project, drawn, output, progress)
    return size


def lay_out(
    plan: Plan, request: Photomosaic, described: Described, laid: Assignment
) -> tuple[Layout, NDArray[np.float64]]:
    """Keep the photos that are used, and find how each tile's colours move, and how far."""
    used, photo = np.unique(laid.photo, return_inverse=True)
    shift = np.empty((len(photo), 3), np.int16)
    gain = np.empty((len(photo), 3), np.int16)
    altered = np.empty(len(photo))
    for start in range(0, len(photo), _BATCH):
        part = np.arange(start, min(start + _BATCH, len(photo)))
        shift[part], gain[part], altered[part] = colour_moves(plan, request, described, laid, part)
    layout = Layout(
        grid=plan.grid,
        sources=tuple(plan.library.sources[j] for j in used),
        frames=plan.frames[used],
        variants=described.kinds,
        boxes=plan.boxes,
        photo=photo.astype(np.intp),
        variant=laid.variant,
        shift=shift,
        gain=gain,
        transfer=described.transfer,
    )
    return layout, altered


def colour_moves(
    plan: Plan,
    request: Photomosaic,
    described: Described,
    laid: Assignment,
    cells: NDArray[np.intp],
) -> tuple[NDArray[np.int16], NDArray[np.int16], NDArray[np.float64]]:
    """Find shift and gain of the tiles on some cells, and by how much each is altered."""
    owner, kind = laid.photo[cells], laid.variant[cells]
    how = (plan.frames[owner], described.kinds, kind, 8)
    tiles, goals = tile_means(described.thumbs[owner], *how), described.goals[cells]
    if request.correction == "scale" and request.adjust:
        shift, gain = scale_and_shift(tiles, goals, request.adjust)
    else:
        shift = colour_shifts(tiles, goals, request.adjust)
        gain = np.full((len(cells), 3), UNIT, np.int16)
    taken = tile_means(plan.library.thumbs[owner], *how) if described.transfer else tiles
    return shift, gain, alteration(taken, tiles, shift, gain)


def draw(
    project: GridProject,
    goal: NDArray[np.uint8],
    compared: int,
    executor: Executor | None,
    progress: Progress,
    *,
    part_of: tuple[int, int] | None = None,
) -> tuple[Path | None, Path | None, Quality]:
    """Draw the mosaic once: into its file if there is one, and small for the comparison.

    A sample is written as the picture would be that it is `part_of`, px.
    """
    grid = project.layout.grid
    small, edges = np.empty_like(goal), compared * band_rows(project.layout)
    output = Path(project.request.output) if project.request.output else None
    with _drawn(project, output, executor, progress) as drawn:
        watched = _watched(
            drawn, lambda k, band: _shrink_into(small[edges[k] : edges[k + 1]], band)
        )
        if output is None:
            for _ in watched:
                pass
            written = None
        else:
            written = project_path(output)
            with _accompanied(project, output):
                _write(project, watched, output, progress, part_of)
    progress(Step("score", 0, 0, "measuring the likeness"))
    return output, written, measure(goal, small, columns=grid.columns, rows=grid.rows)


@contextmanager
def _drawn(
    project: GridProject, output: Path | None, executor: Executor | None, progress: Progress
) -> Iterator[Iterator[NDArray[np.uint8]]]:
    """Draw the bands, from where a killed run left off; sheets are drawn as fast as kept."""
    layout = project.layout
    draw = partial(
        bands,
        layout,
        project.tile_px,
        max_pixels=MAX_PIXELS,
        executor=executor,
        progress=progress,
    )
    if output is None or not decodes(layout):
        yield draw()
        return
    width, height = _size(project)
    heights = np.diff(band_rows(layout)) * (height // layout.grid.rows)
    key = fingerprint(grid_text(project, output.absolute().parent), layout.sources)
    with resumed(output, key, heights.tolist(), width, lambda k: draw(first=k)) as drawn:
        yield drawn


def _accompanied(project: GridProject, output: Path) -> AbstractContextManager[None]:
    """Have the project beside what is written: what a kill of a long drawing leaves."""
    text = grid_text(project, output.absolute().parent)
    return accompanied(project_path(output), text.encode("ascii"))


def _watched(
    drawn: Iterator[NDArray[np.uint8]], each: Callable[[int, NDArray[np.uint8]], None]
) -> Iterator[NDArray[np.uint8]]:
    for row, band in enumerate(drawn):
        each(row, band)
        yield band


def _shrink_into(place: NDArray[np.uint8], band: NDArray[np.uint8]) -> None:
    size = (place.shape[1], place.shape[0])
    place[:] = np.asarray(Image.fromarray(band).resize(size, Image.Resampling.BOX))


def _write(
    project: GridProject,
    drawn: Iterator[NDArray[np.uint8]],
    output: Path,
    progress: Progress,
    part_of: tuple[int, int] | None = None,
) -> None:
    request, layout, size = project.request, project.layout, _size(project)
    if output.suffix.lower() != ".html":
        write_picture(
            drawn,
            size,
            output,
            dpi=request.dpi,
            quality=request.quality,
            part_of=part_of,
            progress=progress,
        )
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
        tile=layout.photo[board(layout.grid, layout.boxes)].ravel(),
        title=target_file(request.target).stem,
        outlined=len(layout.boxes) == layout.grid.cells,
        facts=[("tiles", f"{len(layout.photo):,}"), ("photos", f"{len(layout.sources):,}")],
        progress=progress,
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
