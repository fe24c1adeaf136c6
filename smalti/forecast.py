"""What a photomosaic will cost, found without matching: ``--dry-run``.

What depends on the photos and the format (describing, decoding, resampling, encoding) is
measured, on a small part that is matched and drawn for the purpose; so is how fast photos and
cells are compared (`smalti.pace`). What depends on numbers alone is computed from that: see
`smalti.effort`.
"""

import tempfile
import time
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from smalti.core.grid import Grid, unit_boxes
from smalti.core.progress import Progress, Step, silent
from smalti.core.render import Layout
from smalti.effort import Told, matching_mb, matching_s
from smalti.grid_mosaic import draw, lay_out
from smalti.grid_project import GridProject
from smalti.matching import describe, match, moved_apart, numbers
from smalti.pace import measured, moving_s, one_thread
from smalti.plan import Plan, canvas_px, make_plan
from smalti.request import Photomosaic
from smalti.resources import Needs, peak_mb, resident_mb
from smalti.shortlist import part_of

_POOL_BYTES = 64 << 20  # of feature rows of the photos that a sample is matched with
_SAMPLE_PX = 2_000_000  # drawn of it at most: a quarter of a second of encoding
_LEAST, _MOST = 24, 400  # tiles of it: enough to tell, few enough to decode
_DESCRIBED = 1000  # photos
_SPACED = 1000  # matched where copies are moved apart: fewer are so already

_DRAWING_MB = 60.0  # of the encoder
_BANDS = 4  # of tiles in memory at a time
_LIKENESS_MB = 29e-6  # of a pixel that is compared


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast(Needs):
    """What a request would make, found without matching.

    Attributes
    ----------
    request : Photomosaic
    grid : Grid
    cells : int
    tile_px : int
        Width of a unit of the grid, px.
    photos, groups : int
        Usable photos, and how many differ.
    size, memory_mb, disk_mb, seconds
        As of `Needs`.
    """

    request: Photomosaic
    grid: Grid
    cells: int
    tile_px: int
    photos: int
    groups: int

    def report(self) -> dict[str, Any]:
        """Return what ``--dry-run --json`` prints, as plain values."""
        return {
            "columns": self.grid.columns,
            "rows": self.grid.rows,
            "cells": self.cells,
            "photos": self.photos,
            "different": self.groups,
            "tile_px": self.tile_px,
            **self.needs(self.request.dpi),
        }


class _Small(NamedTuple):
    """A small part of the mosaic, and what it tells of the whole."""

    layout: Layout
    told: Told


class _Drawing(NamedTuple):
    """Of so many tiles: CPU seconds, and megabytes of the files."""

    seconds: float
    disk_mb: float


def forecast(
    request: Photomosaic,
    *,
    executor: Executor | None = None,
    progress: Progress = silent,
    index: Path | None = None,
) -> Forecast:
    """Say what a request would make: ``--dry-run``.

    The library is indexed, since the number of usable photos decides the grid;
    nothing is matched, and nothing stays written.

    Raises
    ------
    BadInput
        As `make_mosaic`.
    """
    plan = make_plan(request, executor=executor, progress=progress, index=index)
    before = resident_mb()
    width, height = plan.grid.tile_size(plan.tile_px)
    small = _small(plan, request, progress)
    drawing = _drawing(plan, request, small.layout)
    return Forecast(
        request=request,
        grid=plan.grid,
        cells=len(plan.boxes),
        tile_px=plan.tile_px,
        size=(width * plan.grid.columns, height * plan.grid.rows),
        photos=len(plan.library.sources),
        groups=plan.limits.usable,
        memory_mb=max(
            peak_mb() or 0.0,
            before + matching_mb(plan, request),
            before + _drawing_mb(plan),
        ),
        disk_mb=drawing.disk_mb,
        seconds=matching_s(plan, request, small.told) + drawing.seconds,
    )


def _drawing_mb(plan: Plan) -> float:
    """Forecast the memory that drawing and measuring take on top of what the plan has."""
    width, height = plan.grid.tile_size(plan.tile_px)
    compared = min(canvas_px(plan.grid, 1), width, height)
    bands = _BANDS * 3e-6 * plan.grid.columns * width * height
    return _DRAWING_MB + bands + plan.grid.cells * compared**2 * _LIKENESS_MB


def _drawing(plan: Plan, request: Photomosaic, layout: Layout) -> _Drawing:
    """Draw a few tiles, then four times as many, and continue the line."""
    cells = len(plan.boxes)
    # Cells of several sizes are taken for as many of one size.
    unit = max(1, round(plan.tile_px * (plan.grid.cells / cells) ** 0.5))
    width, height = plan.grid.tile_size(unit)
    count = min(len(layout.photo), max(_LEAST, min(_MOST, _SAMPLE_PX // (width * height))))
    few = max(1, count // 4)
    first = _drawn(plan, request, layout, 1, unit)  # whatever is loaded is loaded now
    small, large = (_drawn(plan, request, layout, number, unit) for number in (few, count))
    if count == few:
        return first
    seconds, disk = ((b - a) / (count - few) for a, b in zip(small, large, strict=True))
    rest = cells - count
    loading = max(0.0, first.seconds - small.seconds)
    return _Drawing(
        loading + large.seconds + max(0.0, seconds) * rest,
        large.disk_mb + max(0.0, disk) * rest,
    )


def _small(plan: Plan, request: Photomosaic, progress: Progress) -> _Small:
    """Match some cells spread over the target, as the mosaic is matched.

    Photos at random would not do: where a target is smooth, or dark, so are the photos on it,
    and a file of these is smaller by a quarter.
    """

    def tick(step: Step) -> None:
        progress(Step("forecast", 0, 0, "making a small part"))

    rng = np.random.default_rng(0)
    cells, limits, spaced = len(plan.boxes), plan.limits, request.spacing > 1
    free = request.repeats == "free"
    count = min(cells, _SPACED if spaced else _MOST)
    usable = np.ones(len(limits.group), bool)
    usable[limits.banned] = False
    groups = rng.permutation(np.unique(limits.group[usable]))
    most = max(count, _POOL_BYTES // (4 * numbers(request)))
    if spaced or not free:  # as many photos for a cell, and copies of one
        least = 1 if free else -(-count // request.max_uses)
        most = min(most, max(least, -(-count * len(groups) // cells)))
    usable &= np.isin(limits.group, groups[:most])
    bare = replace(
        plan,
        boxes=plan.boxes[np.sort(rng.permutation(cells)[:count])],
        limits=replace(limits, required=limits.required[:0]),
        locks=plan.locks[:0],
    )
    part = part_of(bare, np.flatnonzero(usable))
    asked = replace(request, audit=False, time_limit=None)
    described = describe(part, asked, tick)
    laid, _ = match(part, replace(asked, spacing=1), described, tick)
    copies = count / len(np.unique(laid.photo))
    laid, apart = moved_apart(part, asked, described, laid, tick)
    layout, _ = lay_out(part, asked, described, laid)
    moved = 0.0 if apart is None else apart.compared / count
    clock = time.thread_time
    with one_thread():
        apart_s = moving_s(asked, described, len(limits.group), clock) if spaced else 0.0
        pace = measured(asked, described, clock)
        photo_s = _photo_s(part, asked)
    return _Small(layout, Told(moved, copies, photo_s, apart_s, pace))


def _photo_s(part: Plan, request: Photomosaic) -> float:
    """Describe a few photos, then eight times as many; continue the line: CPU seconds of one."""
    count = min(_DESCRIBED, len(part.library.sources))
    few = max(1, count // 8)
    seconds = list[list[float]]()
    for some in (part_of(part, np.arange(number)) for number in (few, count)):
        seconds.append([])
        for _ in range(4):  # by the first whatever is loaded is loaded
            start = time.thread_time()
            describe(some, request)
            seconds[-1].append(time.thread_time() - start)
    less, more = (min(found[1:]) for found in seconds)
    return max(0.0, more - less) / max(1, count - few)


def _drawn(plan: Plan, request: Photomosaic, layout: Layout, count: int, tile_px: int) -> _Drawing:
    """Draw and write a mosaic of some `count` cells of a layout."""
    whole = plan.grid
    columns = min(whole.columns, max(1, round((count * whole.columns / whole.rows) ** 0.5)))
    rows = min(whole.rows, max(1, count // columns))
    grid = Grid(columns, rows, plan.grid.aspect, (0.0, 0.0, 1.0, 1.0))
    cells = np.linspace(0, len(layout.photo) - 1, grid.cells).astype(np.intp)
    used, photo = np.unique(layout.photo[cells], return_inverse=True)
    part = replace(
        layout,
        grid=grid,
        sources=tuple(layout.sources[j] for j in used),
        frames=layout.frames[used],
        boxes=unit_boxes(grid),
        photo=photo.astype(np.intp),
        variant=layout.variant[cells],
        shift=layout.shift[cells],
        gain=layout.gain[cells],
    )
    compared = min(canvas_px(plan.grid, 1), *grid.tile_size(tile_px))
    width, height = whole.tile_size(plan.tile_px)
    whole_px = whole.columns * width, whole.rows * height
    goal = np.zeros((rows * compared, columns * compared, 3), np.uint8)
    with tempfile.TemporaryDirectory(prefix="smalti-") as folder:
        output = str(Path(folder, "sample" + Path(request.output).suffix)) if request.output else ""
        project = GridProject(replace(request, output=output), part, tile_px)
        start = time.process_time()
        draw(project, goal, compared, None, lambda step: None, part_of=whole_px)
        seconds = time.process_time() - start
        written = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
    share = count / grid.cells
    return _Drawing(seconds * share, written / 1e6 * share)
