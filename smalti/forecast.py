"""What a photomosaic will cost, found without matching: ``--dry-run``.

What depends on the photos and the format (decoding, resampling, encoding) is measured, on a
few photos drawn for the purpose; what depends on numbers alone (features, the
assignment) is computed from constants that ``python -m bench forecast`` checks.
"""

import tempfile
import time
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from smalti.core.adjust import UNIT
from smalti.core.features import variants
from smalti.core.grid import Grid, canvas, cells_of, unit_boxes
from smalti.core.library import THUMB
from smalti.core.progress import Progress, Step, silent
from smalti.core.render import Layout
from smalti.core.source import is_tile
from smalti.grid_mosaic import draw
from smalti.grid_project import GridProject
from smalti.plan import Plan, canvas_px, make_plan
from smalti.request import Photomosaic
from smalti.resources import peak_mb, resident_mb
from smalti.shortlist import LISTS, is_large, is_sampled

_BLOCKS = 3  # along a side, by which photos are taken for the samples
_CHANCE = 10.0  # photos to choose from for a cell, at most
_FREE = 20_000  # the same for all cells, where photos are not used up
_MATCHED = 0.88  # of a sample's bytes: photos that match beside each other are packed closer
_SAMPLE_PX = 2_000_000  # of the larger sample: a quarter of a second of encoding
_LEAST, _MOST = 24, 400  # tiles of it: enough to tell, few enough to decode

# CPU seconds on one core of 2026.
_START_S = 1.15
_TILE_S, _FILE_S = 1.7e-4, 1e-4  # to know a photo again that was indexed
_FEATURE_S, _NUMBER_S = 2e-6, 2.4e-8  # of a photo's variant, and of a number of it
_SOLVE_S = 0.4  # to load the solver
_PAIR_S = 1.1e-10  # of a number of a pair of cell and variant
_CELL_S = 1.8e-4
_NEAREST_S = 0.6e-10  # the same without limits: one pass
_LISTED_S = 3.5e-11  # the same where a pass lists the nearest
_NARROW_S = 1.5e-9  # of a pair of cell and variant, where most are not compared in full
_AGAIN_S = 1e-4  # of a photo in a second such pass, for the cells that want more
_LIST_CELL_S = 8e-3  # to solve on the listed photos that join, round after round

_SOLVER_MB = 60.0  # of its compiled loops
_CELL_MB = 0.019  # of its lists of pairs
_JOINING = 3.5  # photos of a cell that join, where short lists say which
_COPIES = 3  # of their feature rows, in as many orders
_DRAWING_MB = 60.0  # of the encoder
_BANDS = 4  # of tiles in memory at a time
_LIKENESS_MB = 29e-6  # of a pixel that is compared


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a request would make, found without matching.

    Attributes
    ----------
    request : Photomosaic
    grid : Grid
    cells : int
    tile_px : int
        Width of a unit of the grid, px.
    size : (int, int)
        Width and height of the picture, px.
    photos, groups : int
        Usable photos, and how many differ.
    memory_mb, disk_mb, seconds : float
        Estimates; the seconds are those of one core.
    """

    request: Photomosaic
    grid: Grid
    cells: int
    tile_px: int
    size: tuple[int, int]
    photos: int
    groups: int
    memory_mb: float
    disk_mb: float
    seconds: float

    def report(self) -> dict[str, Any]:
        """Return what ``--dry-run --json`` prints, as plain values."""
        cm = 2.54 / self.request.dpi
        return {
            "columns": self.grid.columns,
            "rows": self.grid.rows,
            "cells": self.cells,
            "photos": self.photos,
            "different": self.groups,
            "tile_px": self.tile_px,
            "width": self.size[0],
            "height": self.size[1],
            "width_cm": round(self.size[0] * cm, 1),
            "height_cm": round(self.size[1] * cm, 1),
            "memory_mb": round(self.memory_mb),
            "disk_mb": round(self.disk_mb, 2),
            "seconds": round(self.seconds, 1),
        }


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
    drawing = _drawing(plan, request, progress)
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
            before + _matching_mb(plan, request),
            before + _drawing_mb(plan),
        ),
        disk_mb=drawing.disk_mb,
        seconds=_matching_s(plan, request) + drawing.seconds,
    )


def _matching_s(plan: Plan, request: Photomosaic) -> float:
    """Forecast the seconds of all that is not drawing."""
    cells, photos = len(plan.boxes), len(plan.library.sources)
    in_sheets = sum(map(is_tile, plan.library.sources))
    known = in_sheets * _TILE_S + (photos - in_sheets) * _FILE_S
    kinds = len(variants(request.variants))
    numbers = 3 * request.detail**2
    describing = photos * kinds * (_FEATURE_S + numbers * _NUMBER_S)
    pairs = cells * photos * kinds * numbers
    if is_large(plan, request):
        listing = pairs * _LISTED_S
        if is_sampled(cells, photos):
            listing = cells * photos * kinds * _NARROW_S + photos * _AGAIN_S
        solving = listing + cells * _LIST_CELL_S
    elif request.repeats == "free":
        solving = pairs * _NEAREST_S
    else:
        solving = pairs * _PAIR_S + cells * _CELL_S
    return _START_S + known + describing + _SOLVE_S + solving


def _matching_mb(plan: Plan, request: Photomosaic) -> float:
    """Forecast the memory that matching takes on top of what the plan has."""
    cells, photos = len(plan.boxes), len(plan.library.sources)
    photo_mb = 4e-6 * 3 * request.detail**2 * len(variants(request.variants))
    solving = _SOLVER_MB + cells * _CELL_MB
    if not is_large(plan, request):
        return photo_mb * photos + solving
    joining = min(photos, _JOINING * cells)
    return LISTS / 1e6 + _COPIES * photo_mb * joining + solving


def _drawing_mb(plan: Plan) -> float:
    """Forecast the memory that drawing and measuring take on top of what the plan has."""
    width, height = plan.grid.tile_size(plan.tile_px)
    compared = min(canvas_px(plan.grid, 1), width, height)
    bands = _BANDS * 3e-6 * plan.grid.columns * width * height
    return _DRAWING_MB + bands + plan.grid.cells * compared**2 * _LIKENESS_MB


def _drawing(plan: Plan, request: Photomosaic, progress: Progress) -> _Drawing:
    """Draw a few tiles, then four times as many, and continue the line."""
    progress(Step("forecast", 0, 0, "drawing a few tiles"))
    cells = len(plan.boxes)
    # Cells of several sizes are taken for as many of one size.
    unit = max(1, round(plan.tile_px * (plan.grid.cells / cells) ** 0.5))
    width, height = plan.grid.tile_size(unit)
    count = min(cells, max(_LEAST, min(_MOST, _SAMPLE_PX // (width * height))))
    few = max(1, count // 4)
    first = _drawn(plan, request, 1, unit)  # whatever is loaded is loaded now
    small, large = (_drawn(plan, request, number, unit) for number in (few, count))
    if count == few:
        return first
    seconds, disk = ((b - a) / (count - few) for a, b in zip(small, large, strict=True))
    rest = cells - count
    loading = max(0.0, first.seconds - small.seconds)
    return _Drawing(
        loading + large.seconds + max(0.0, seconds) * rest,
        large.disk_mb + _MATCHED * max(0.0, disk) * rest,
    )


def _drawn(plan: Plan, request: Photomosaic, count: int, tile_px: int) -> _Drawing:
    """Draw and write a mosaic of some `count` cells."""
    rng = np.random.default_rng(count)
    whole = plan.grid
    columns = min(whole.columns, max(1, round((count * whole.columns / whole.rows) ** 0.5)))
    rows = min(whole.rows, max(1, count // columns))
    grid = Grid(columns, rows, plan.grid.aspect, (0.0, 0.0, 1.0, 1.0))
    kinds = variants(request.variants)
    taken, shift = _likely(plan, request, grid, rng)
    layout = Layout(
        grid=grid,
        sources=tuple(plan.library.sources[j] for j in taken),
        frames=plan.frames[taken],
        variants=kinds,
        boxes=unit_boxes(grid),
        photo=np.arange(grid.cells),
        variant=rng.integers(len(kinds), size=grid.cells),
        shift=shift,
        gain=np.full((grid.cells, 3), UNIT, np.int16),
    )
    compared = min(canvas_px(plan.grid, 1), *grid.tile_size(tile_px))
    width, height = whole.tile_size(plan.tile_px)
    whole_px = whole.columns * width, whole.rows * height
    goal = np.zeros((rows * compared, columns * compared, 3), np.uint8)
    with tempfile.TemporaryDirectory(prefix="smalti-") as folder:
        output = str(Path(folder, "sample" + Path(request.output).suffix)) if request.output else ""
        project = GridProject(replace(request, output=output), layout, tile_px)
        start = time.process_time()
        draw(project, goal, compared, None, lambda step: None, part_of=whole_px)
        seconds = time.process_time() - start
        written = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
    share = count / grid.cells
    return _Drawing(seconds * share, written / 1e6 * share)


def _likely(
    plan: Plan, request: Photomosaic, grid: Grid, rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.int16]]:
    """Lay photos on cells spread over the target, each the nearest of some that are left.

    Photos at random would not do: where a target is smooth, or dark, so are the photos on it,
    and a file of these is smaller by a quarter.
    """
    picture = canvas(plan.target, plan.grid, _BLOCKS, plan.background)
    units = cells_of(picture, plan.grid).reshape(plan.grid.rows, plan.grid.columns, -1)
    row = (np.arange(grid.rows) + 0.5) * (plan.grid.rows / grid.rows)
    column = (np.arange(grid.columns) + 0.5) * (plan.grid.columns / grid.columns)
    chosen_units = units[np.ix_(row.astype(np.intp), column.astype(np.intp))]
    goals = chosen_units.reshape(grid.cells, -1).astype(np.float32)
    photos, count = len(plan.library.sources), grid.cells
    free = request.repeats == "free"
    chance = max(1.0, min(_CHANCE, photos / len(plan.boxes)))
    pool = rng.permutation(photos)[: _FREE if free else max(1, round(count * chance))]
    step = THUMB // _BLOCKS
    thumbs = plan.library.thumbs[pool].reshape(len(pool), _BLOCKS, step, _BLOCKS, step, 3)
    means = thumbs.mean((2, 4), dtype=np.float32).reshape(len(pool), -1)
    apart = (means**2).sum(1) - 2 * goals @ means.T
    chosen = np.empty(count, np.intp)
    for done, cell in enumerate(rng.permutation(count)):
        chosen[cell] = apart[cell].argmin()
        if not free and done + 1 < len(pool):  # fewer photos than cells are used again
            apart[:, chosen[cell]] = np.inf
    colour = (goals - means[chosen]).reshape(count, -1, 3).mean(1)
    return pool[chosen], (request.adjust * colour).astype(np.int16)
