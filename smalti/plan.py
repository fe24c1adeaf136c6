"""What is decided before anything is matched: checks, the library, the grid, the size."""

import math
import os
import sys
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ImageColor

from smalti.core.brick import BRICK, bricks, halves
from smalti.core.constraints import check_supply
from smalti.core.errors import BadInput
from smalti.core.features import attention, frames
from smalti.core.grid import Grid, board, canvas, columns_and_rows, lay_grid, unit_boxes
from smalti.core.library import TileLibrary, default_index, scan
from smalti.core.picture import read_picture
from smalti.core.progress import Progress, Step, silent
from smalti.core.quadtree import LARGEST, quadtree
from smalti.core.writers import check_output
from smalti.request import (
    CORRECTIONS,
    FEATURES,
    METRICS,
    SOLVERS,
    SPACES,
    VARIANTS,
    Photomosaic,
)
from smalti.weights import unit_weights
from smalti.wishes import Limits, limits, locks

_CELLS = 3000  # enough for a face, few enough that each photo is still seen
_SURPLUS = 0.75  # of the photos are laid by default, so that there is a choice
_MOST_TILE_PX = 10_000  # wide
_MOST_CM = 100_000  # of a print: a kilometre
_LONG_SIDE = 6000  # px of a picture whose size nobody stated: 50 cm at 300 dpi
_DETAIL_PX = 8  # of a unit, where the detail of the target is looked at
_DETAIL_AREA = 4_000_000  # px, at most, of all units together
_DEMO = "astronaut"  # the target called @demo
CELL_PX = 32  # detail at which target and mosaic are compared (paper 003's tiles)
_CANVAS = 12_000_000  # px of the largest copy of the target that is kept


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Everything decided before features are computed.

    Attributes
    ----------
    target : ndarray of shape (H, W, 3), uint8 sRGB
    library : TileLibrary
    limits : Limits
        Which photos may be used how often.
    grid : Grid
    boxes : ndarray of shape (n, 3), intp
        Left, top and side of each cell, in units of the grid.
    weight : ndarray of shape (rows, columns), float64, or None
        How much each unit counts.
    locks : ndarray of shape (l, 2), intp
        Cells and their photos.
    frames : ndarray of shape (m, 4), float64
        Window of each photo, as fractions of it.
    tile_px : int
        Width of a unit, px.
    background : (int, int, int)
        sRGB.
    """

    target: NDArray[np.uint8]
    library: TileLibrary
    limits: Limits
    grid: Grid
    boxes: NDArray[np.intp]
    weight: NDArray[np.float64] | None
    locks: NDArray[np.intp]
    frames: NDArray[np.float64]
    tile_px: int
    background: tuple[int, int, int]


def make_plan(
    request: Photomosaic,
    *,
    executor: Executor | None = None,
    progress: Progress = silent,
    index: Path | None = None,
) -> Plan:
    """Check a request, read its target and library, and decide grid and size.

    Raises
    ------
    BadInput
        Naming the value that cannot be used and what is accepted.
    """
    background = check_values(request)
    if request.output:
        read = [os.fspath(target_file(request.target)), request.weight, *request.photos]
        check_output(Path(request.output), read=read)  # before the long work, not after
    progress(Step("index", 0, 0, "reading the target"))
    target = read_picture(target_file(request.target), background=background).pixels
    library = scan(
        request.photos,
        index=index or default_index(),
        executor=executor,
        progress=progress,
        strict=request.strict,
    )
    allowed = limits(request, library)
    aspect = request.aspect[0] / request.aspect[1] if request.aspect else common_aspect(library)
    size = (target.shape[1], target.shape[0])
    free = request.repeats == "free"
    supply = sys.maxsize if free else allowed.usable * request.max_uses
    wanted = request.cells or max(1, min(_CELLS, int(supply * _SURPLUS)))
    side = LARGEST if request.adaptive else BRICK if request.brick else 1
    if request.adaptive:
        columns, rows = columns_and_rows(size, max(1, wanted // LARGEST), aspect)
    else:
        most = max(wanted, supply)
        columns, rows = request.grid or columns_and_rows(size, wanted, aspect, most=most)
        if request.brick and not request.grid:
            more = halves(rows)
            columns, rows = columns_and_rows(
                size, max(1, wanted - more), aspect, most=max(1, most - more)
            )
    if request.fit == "exact":
        aspect = size[0] * rows / (size[1] * columns)
        check(
            0.1 <= aspect <= 10,
            f"fit exact makes tiles of {aspect:.2g}:1; more cells, or fit crop, make them squarer",
        )
    fit = "pad" if request.fit == "pad" else "crop"
    grid = lay_grid(size, side * columns, side * rows, aspect=aspect, fit=fit)
    weight = unit_weights(target, request.weight, grid)
    if request.adaptive:
        px = max(2, min(_DETAIL_PX, math.isqrt(_DETAIL_AREA // grid.cells)))
        boxes = quadtree(canvas(target, grid, px, background), grid, wanted, weight)
    else:
        boxes = bricks(grid) if request.brick else unit_boxes(grid)
    if not free:
        check_supply(len(boxes), allowed.usable, request.max_uses)
    locked = locks(request, library, allowed, board(grid, boxes))
    anchor = (
        attention(library.thumbs, library.sizes, aspect) if request.crop == "attention" else None
    )
    windows = frames(library.sizes, aspect, anchor)
    tile_px = _tile_px(request, grid, library, windows)
    if request.output:
        width, height = grid.tile_size(tile_px)
        check_output(Path(request.output), (grid.columns * width, grid.rows * height))
    return Plan(target, library, allowed, grid, boxes, weight, locked, windows, tile_px, background)


def target_file(name: str) -> Path:
    """Path of a target: a file, or a shipped one: ``@astronaut``, or ``@demo`` for the first.

    Raises
    ------
    BadInput
        If no such picture is shipped.
    """
    if not name.startswith("@") or os.path.exists(name):
        return Path(name)
    import smalti.assets

    folder = Path(next(iter(smalti.assets.__path__)), "targets")
    shipped = {file.stem: file for file in sorted(folder.glob("*.jpg"))}
    wanted = _DEMO if name == "@demo" else name[1:]
    if wanted not in shipped:
        known = ", ".join(f"@{stem}" for stem in shipped)
        raise BadInput(f"no target {name} is shipped: give a picture, @demo, or one of {known}")
    return shipped[wanted]


def check_values(request: Photomosaic) -> tuple[int, int, int]:
    """Refuse values no mosaic can be made of; return the background's colour.

    Raises
    ------
    BadInput
        Naming the value and what is accepted.
    """
    r = request
    check(bool(r.photos), "no photos: name folders, files, a sheet or @demo")
    check(r.cells is None or 1 <= r.cells <= 10**7, f"cells is {r.cells}: 1 or more")
    check(
        r.grid is None or (min(r.grid) >= 1 and r.grid[0] * r.grid[1] <= 10**7),
        f"grid is {r.grid}: 1x1 or more, and up to ten million cells",
    )
    check(r.cells is None or r.grid is None, "cells and grid exclude each other: give one")
    check(
        r.aspect is None or (min(r.aspect) > 0 and 0.1 <= r.aspect[0] / r.aspect[1] <= 10),
        f"aspect is {r.aspect}: from 1:10 to 10:1",
    )
    check(r.fit in ("crop", "pad", "exact"), f"fit is {r.fit!r}: crop, pad or exact")
    check(r.crop in ("centre", "attention"), f"crop is {r.crop!r}: centre or attention")
    check(r.repeats in ("limited", "free"), f"repeats is {r.repeats!r}: limited or free")
    check(r.twins in ("group", "keep"), f"twins is {r.twins!r}: group or keep")
    check(1 <= r.max_uses <= 10**9, f"max-uses is {r.max_uses}: 1 or more, to a billion")
    check(r.seed >= 0, f"seed is {r.seed}: 0 or more")
    check(not (r.adaptive and r.grid), "adaptive and grid exclude each other: give cells")
    check(not (r.adaptive and r.brick), "adaptive and brick exclude each other: give one")
    check(r.spacing >= 1, f"spacing is {r.spacing}: 1 or more cells")
    for option in ("spacing", "ban", "must_appear", "lock", "weight", "adaptive", "brick"):
        asked = getattr(r, option) not in ((), "", 1, False)
        check(
            r.solver == "exact" or not asked,
            f"{option.replace('_', '-')} is kept by the exact solver alone: leave out --solver",
        )
    check(0 <= r.adjust <= 1, f"adjust is {r.adjust}: from 0 to 1")
    check(r.correction in CORRECTIONS, f"correction is {r.correction!r}: shift or scale")
    check(0 <= r.transfer <= 1, f"transfer is {r.transfer}: from 0 to 1")
    check(r.features in FEATURES, f"features is {r.features!r}: one of {', '.join(FEATURES)}")
    check(set(r.variants) <= set(VARIANTS), f"variants are {r.variants}: of {VARIANTS}")
    check(r.space in SPACES, f"space is {r.space!r}: one of {', '.join(SPACES)}")
    check(r.metric in METRICS, f"metric is {r.metric!r}: one of {', '.join(METRICS)}")
    plain = r.space == "lab" and r.features == "means" and r.adjust == 0 and r.detail <= 3
    check(
        r.metric != "ciede2000" or plain,
        "ciede2000 compares few colours, as they are: give it --space lab, --adjust 0 and "
        "--detail 3 or less, and no --features",
    )
    check(
        r.solver == "exact" or r.metric != "ciede2000",
        "metric ciede2000 is known to the exact solver alone: leave out --solver",
    )
    check(r.solver in SOLVERS, f"solver is {r.solver!r}: one of {', '.join(SOLVERS)}")
    check(r.time_limit is None or r.time_limit > 0, f"time-limit is {r.time_limit}: seconds")
    check(1 <= r.detail <= CELL_PX, f"detail is {r.detail}: 1 to {CELL_PX}, or pixels")
    check(
        r.tile_px is None or 1 <= r.tile_px <= _MOST_TILE_PX,
        f"tile-px is {r.tile_px}: 1 to {_MOST_TILE_PX}",
    )
    check(
        r.width_cm is None or 0 < r.width_cm <= _MOST_CM,
        f"width-cm is {r.width_cm}: more than 0, up to {_MOST_CM:,}",
    )
    check(r.tile_px is None or r.width_cm is None, "tile-px and width-cm exclude each other")
    check(1 <= r.dpi <= 10_000, f"dpi is {r.dpi}: 1 to 10000")
    check(1 <= r.quality <= 100, f"quality is {r.quality}: 1 to 100")
    try:
        red, green, blue = ImageColor.getrgb(r.background)[:3]
    except ValueError:
        raise BadInput(
            f"background is {r.background!r}: a colour such as white or #336699"
        ) from None
    return red, green, blue


def canvas_px(grid: Grid, detail: int) -> int:
    """Pixels along a unit of the copy of the target that is compared."""
    return max(detail, min(CELL_PX, math.isqrt(_CANVAS // grid.cells)))


def check(holds: bool, message: str) -> None:
    """Raise BadInput with `message` unless it `holds`."""
    if not holds:
        raise BadInput(message)


def common_aspect(library: TileLibrary) -> float:
    """Width over height of most photos of a library, or 1 if no aspect has a majority."""
    ratios = np.log(library.sizes[:, 0] / library.sizes[:, 1])
    bins = np.rint(ratios / 0.05)
    values, counts = np.unique(bins, return_counts=True)
    if counts.max() * 2 <= len(ratios):
        return 1.0
    ratio = float(np.exp(np.median(ratios[bins == values[counts.argmax()]])))
    usual = [w / h for w, h in ((1, 1), (5, 4), (4, 3), (3, 2), (16, 9), (2, 1))]
    near = min((*usual, *(1 / u for u in usual)), key=lambda u: abs(math.log(u / ratio)))
    return near if abs(math.log(near / ratio)) < 0.03 else max(0.1, min(10.0, ratio))


def _tile_px(
    request: Photomosaic, grid: Grid, library: TileLibrary, windows: NDArray[np.float64]
) -> int:
    """Width of a unit: as asked, or what most photos fill without being blown up."""
    if request.tile_px:
        return request.tile_px
    if request.width_cm:
        width = max(1, round(request.width_cm / 2.54 * request.dpi / grid.columns))
        check(
            width <= _MOST_TILE_PX,
            f"{request.width_cm:g} cm at {request.dpi:g} dpi makes tiles of {width:,} px, more "
            f"than {_MOST_TILE_PX:,}: a smaller width-cm or dpi, or more cells",
        )
        return width
    several = request.adaptive or request.brick  # sizes; usual ones are of two units
    native = int(np.median(library.sizes[:, 0] * windows[:, 2])) // (2 if several else 1)
    return max(8, min(native, _LONG_SIDE // max(grid.columns, grid.rows)))
