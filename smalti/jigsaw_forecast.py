"""What a jigsaw will cost, found by making a small part of it: ``--dry-run``.

The target is read, the shapes are looked at and the containers found, as for the mosaic.
Then two windows of it are packed, refined, measured, drawn and written, and the line
through what they took is continued: the machine, the shapes and the options are in it.
Memory alone, which a small part says little about, is computed from a constant.
"""

import math
import tempfile
import time
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from smalti.core.errors import BadInput
from smalti.core.library import default_index
from smalti.core.progress import Progress, Step, silent
from smalti.core.writers import check_output
from smalti.ground import Ground, check_request, lay_ground
from smalti.jigsaw.frame import Frame
from smalti.jigsaw.pack import check_enough
from smalti.jigsaw.shapes import ShapeLibrary, scan_shapes
from smalti.jigsaw_mosaic import fill_ground, pixels_of, reuse_of
from smalti.plan import check
from smalti.request import SHAPE_FORMATS, Jigsaw
from smalti.resources import Needs, Stopwatch, peak_mb, resident_mb

_SAMPLE = 100  # tiles of the larger part, at most
_SHARE = 0.5  # of all tiles, at most
_FEWER = 4  # times fewer in the smaller
_SAMPLE_PX = 4_000_000  # drawn of the larger, but for
_LEAST = 16  # tiles of it
_APART = 8  # along a side, windows to choose from

# CPU seconds on one core of 2026.
_START_S = 1.1
_SHAPE_S = 1.5e-4  # to know a shape again that was indexed

_PIXEL_MB = 4e-4  # of a pixel of the raster, while the quality is measured
_GATHERED_MB = 9e-6  # of a pixel of the picture, where a format wants it whole
_OUTLINE_MB = 1.4e-3  # of a shape's outline in the project


@dataclass(frozen=True, slots=True, kw_only=True)
class JigsawForecast(Needs):
    """What a request would make, found without packing it.

    Attributes
    ----------
    request : Jigsaw
    tiles, containers : int
        About how many tiles, and exactly how many containers.
    shapes : int
        Usable shapes in the library.
    size, memory_mb, disk_mb, seconds
        As of `Needs`.
    """

    request: Jigsaw
    tiles: int
    containers: int
    shapes: int

    def report(self) -> dict[str, Any]:
        """Return what ``--dry-run --json`` prints, as plain values."""
        return {
            "tiles": self.tiles,
            "containers": self.containers,
            "shapes": self.shapes,
            **self.needs(self.request.dpi),
        }


class _Cost(NamedTuple):
    """Of so many tiles of so many shapes: CPU seconds, and megabytes of files but for outlines."""

    raster: int
    tiles: int
    shapes: int
    packing: float
    finishing: float
    disk_mb: float


def forecast_jigsaw(
    request: Jigsaw,
    *,
    executor: Executor | None = None,
    progress: Progress = silent,
    index: Path | None = None,
) -> JigsawForecast:
    """Say what a request would make: ``--dry-run``.

    The shapes are indexed; of the mosaic only a small part is made, and nothing stays written.

    Raises
    ------
    BadInput
        As `make_mosaic`, and for kinds other than jigsaw.
    """
    check_request(request)
    before = peak_mb() or 0.0
    check(
        request.kind == "jigsaw",
        f"--dry-run knows what a jigsaw takes, not --kind {request.kind}: leave one out"
        + (", or see `smalti photo --dry-run`" if request.kind == "grid" else ""),
    )
    lap = Stopwatch(time.process_time)
    ground = lay_ground(request, progress)
    lap("ground")
    scale = request.width / max(ground.labels.shape)
    size = pixels_of(ground, scale)
    if request.output:
        check_output(Path(request.output), size, endings=SHAPE_FORMATS)
    library = scan_shapes(
        request.shapes,
        index=index or default_index(),
        executor=executor,
        progress=progress,
        strict=request.strict,
    )
    check_enough(library, ground.tiles, reuse_of(request, ground, library))

    progress(Step("forecast", 0, 0, "making a small part"))
    tile_px = (scale * ground.tile_px) ** 2
    many = min(_SAMPLE, max(_LEAST, _SAMPLE_PX / tile_px), _SHARE * ground.tiles)
    few = many / _FEWER
    first, small, large = (
        _cost(request, ground, library, count, progress) for count in (few, few, many)
    )
    loading = max(0.0, first.packing + first.finishing - small.packing - small.finishing)
    whole = _continued(small, large, ground.tiles, request.time_limit)
    fewest = whole.tiles / reuse_of(request, ground, library)
    shapes = min(len(library.sources), max(whole.shapes, fewest))
    known = lap.seconds()["ground"] + _SHAPE_S * len(library.sources)
    measuring = _PIXEL_MB * (ground.labels.size - large.raster)
    gathering = _GATHERED_MB * math.prod(size) if request.output.lower().endswith(".webp") else 0.0
    peak = peak_mb() or 0.0  # which says nothing of us where other work was larger before
    return JigsawForecast(
        request=request,
        tiles=whole.tiles,
        containers=len(np.unique(ground.labels[ground.labels >= 0])),
        size=size,
        shapes=len(library.sources),
        memory_mb=max(peak if peak > before else 0.0, resident_mb() + max(measuring, gathering)),
        disk_mb=whole.disk_mb + (_OUTLINE_MB * shapes if request.output else 0.0),
        seconds=_START_S + known + loading + whole.packing + whole.finishing,
    )


def _continued(small: _Cost, large: _Cost, tiles: int, time_limit: float | None) -> _Cost:
    """Continue the line through two parts to the whole, whose packing may be cut short."""
    if small.tiles >= large.tiles:  # where hardly anything fits: through nothing instead
        small = _Cost(0, 0, 0, 0.0, 0.0, 0.0)
    more = (tiles - large.tiles) / (large.tiles - small.tiles)
    packing, finishing, disk = (
        max(b, b + (b - a) * more) for a, b in zip(small[3:], large[3:], strict=True)
    )
    done = min(1.0, (time_limit or math.inf) / max(packing, 1e-9))
    tiles = max(1, round(tiles * done))
    shapes = round(large.shapes * (tiles / large.tiles) ** 0.5)  # as words in a text, by Heaps
    return _Cost(large.raster, tiles, shapes, packing * done, finishing * done, disk * done)


def _cost(
    request: Jigsaw,
    ground: Ground,
    library: ShapeLibrary,
    count: float,
    progress: Progress,
) -> _Cost:
    """Make the mosaic of a window of so many tiles, of more where none of them fits."""
    try:
        return _made(request, ground, library, _part(ground, _window(ground, count)), progress)
    except BadInput:
        if count >= ground.tiles:
            raise
        return _cost(request, ground, library, 2 * count, progress)


def _made(
    request: Jigsaw, ground: Ground, library: ShapeLibrary, part: Ground, progress: Progress
) -> _Cost:
    """Make the mosaic of a part of a ground, as it would be made in the whole."""
    scale = request.width / max(ground.labels.shape)
    lap = Stopwatch(time.process_time)
    with tempfile.TemporaryDirectory(prefix="smalti-") as folder:
        output, geometry = (
            str(Path(folder, name + Path(file).suffix)) if file else ""
            for name, file in (("sample", request.output), ("geometry", request.geometry))
        )
        asked = replace(
            request,
            width=max(1, round(scale * max(part.target))),
            output=output,
            geometry=geometry,
            time_limit=None,
            keep_partial=False,
        )
        made = fill_ground(
            asked,
            part,
            library,
            lap,
            progress=lambda step: progress(Step("forecast", 0, 0, "making a small part")),
            part_of=ground,
        )
        written = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
    packing = made.seconds["pack"]
    tiles, shapes = len(made.project.placements), len(made.project.library.sources)
    disk = written / 1e6 - (_OUTLINE_MB * shapes if request.output else 0.0)
    return _Cost(part.labels.size, tiles, shapes, packing, made.seconds["total"] - packing, disk)


def _part(ground: Ground, window: tuple[slice, slice]) -> Ground:
    """Cut a window out of a ground."""
    labels = ground.labels[window]
    share = (labels >= 0).sum() / (ground.labels >= 0).sum()
    return replace(
        ground,
        picture=ground.picture[window],
        labels=labels,
        goal=ground.goal[window],
        tiles=max(1, round(float(share) * ground.tiles)),
        target=(labels.shape[1], labels.shape[0]),
        fine=None if ground.fine is None else ground.fine[window],
        frame=Frame(),
    )


def _window(ground: Ground, count: float) -> tuple[slice, slice]:
    """Find the window of about so many tiles whose containers are most like those of all."""
    box = ndimage.find_objects((ground.labels >= 0).astype(np.uint8))[0]
    labels, (top, left) = ground.labels[box], (along.start for along in box)
    side = min(1.0, (count / ground.tiles) ** 0.5)
    height, width = (max(8, round(side * length)) for length in labels.shape)
    filled = labels >= 0
    border = np.zeros(labels.shape, bool)
    border[1:] |= labels[1:] != labels[:-1]
    border[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    tops, lefts = (
        np.linspace(0, max(0, whole - part), _APART).astype(int)
        for whole, part in zip(labels.shape, (height, width), strict=True)
    )
    windows = [np.s_[y : y + height, x : x + width] for y in tops for x in lefts]
    down, right = min(windows, key=lambda w: _unlike(filled, w) + _unlike(border, w))
    return np.s_[top + down.start : top + down.stop, left + right.start : left + right.stop]


def _unlike(mask: NDArray[np.bool_], window: tuple[slice, slice]) -> float:
    """How far a mask's share of a window is from its share of all, as a part of the latter."""
    return float(abs(mask[window].mean() - mask.mean()) / max(mask.mean(), 1e-9))
