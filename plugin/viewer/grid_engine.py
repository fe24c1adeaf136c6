"""What the engine of the viewer does for a photomosaic."""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smalti.core.grid import Grid, canvas
from smalti.core.progress import Progress, Step
from smalti.core.source import label
from smalti.grid_desk import GridDesk, lay, reopened, tiles_of
from smalti.grid_mosaic import save as write
from smalti.grid_project import GridProject
from smalti.matching import Described
from smalti.plan import Plan
from smalti.plugin.viewer.event import Change
from smalti.request import Photomosaic

_WATCHED_PX = 12  # of a unit's picture while photos are being laid
_DRAWN_PX = 48  # of a cell's, when they are: as much as a thumbnail has
_MOST_PX = 24_000_000  # of the picture

Tiles = tuple[tuple[NDArray[np.intp], NDArray[np.uint8]], ...]
"""Cells of one size, (c,), and their tiles, (c, s, s, 3) sRGB; for each size."""


@dataclass(frozen=True, slots=True, eq=False)
class Board:
    """What photos are laid on.

    Attributes
    ----------
    grid : Grid
    boxes : ndarray of shape (n, 3), intp
        Left, top and side of each cell, in units of the grid.
    px : int
        Width and height of a unit's picture.
    target : ndarray of shape (rows * px, columns * px, 3), uint8 sRGB
    names : tuple of str
        Of the photos.
    """

    grid: Grid
    boxes: NDArray[np.intp]
    px: int
    target: NDArray[np.uint8]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Matched:
    """Photos as far as they are laid.

    Attributes
    ----------
    photo : ndarray of shape (n,), intp
        -1 for none.
    tiles : Tiles
        Of the cells that have one.
    px : int
        Width and height of a unit of them.
    """

    photo: NDArray[np.intp]
    tiles: Tiles
    px: int


@dataclass(frozen=True, slots=True, eq=False)
class GridAnswer:
    """A photomosaic as it is now.

    Attributes
    ----------
    request : Photomosaic
        With the bans and locks of now.
    photo : ndarray of shape (n,), intp
    cost : ndarray of shape (n,), float64
    locked : frozenset of int
    tiles : Tiles
        Of the cells that have another photo than before.
    said : str
        What was done, for people.
    undo, redo : int
        How many changes can be taken back, and done again.
    """

    request: Photomosaic
    photo: NDArray[np.intp]
    cost: NDArray[np.float64]
    locked: frozenset[int]
    tiles: Tiles
    said: str
    undo: int
    redo: int


def begin(request: Photomosaic, index: Path | None, progress: Progress) -> GridDesk:
    """Match a photomosaic, and put it on the desk."""
    return lay(request, index=index, progress=_Watched(progress))


def reopen(project: GridProject, index: Path | None, progress: Progress) -> GridDesk:
    """Put a saved photomosaic on the desk."""
    return reopened(project, index=index, progress=_Watched(progress))


def setting(now: GridDesk) -> tuple[Step]:
    """Return the step that told what photos are laid on."""
    return (Step("features", 0, 0, "describing cells and photos", _board(now.plan)),)


def changed(now: GridDesk, wish: Change) -> GridDesk:
    """Do what is wished; the same desk if it cannot be done."""
    if not 0 <= wish.number < len(now.laid.photo):
        return now
    match wish.what:
        case "swap" if 0 <= wish.other < len(now.laid.photo):
            return now.swapped(wish.number, wish.other)
        case "exchange":
            return now.exchanged(wish.number)
        case "ban":
            return now.ban(wish.number)
        case "lock":
            return now.lock(wish.number)
    return now


def answer(
    now: GridDesk, before: GridDesk | None, said: str, undo: int = 0, redo: int = 0
) -> GridAnswer:
    """Tell a photomosaic, drawn where it is not as before."""
    laid, boxes = now.laid, now.plan.boxes
    other = np.ones(len(boxes), bool)
    if before is not None:
        other = laid.photo != before.laid.photo
        other |= laid.variant != before.laid.variant
    px = _px(now.plan)
    tiles = tuple(
        (cells, now.drawn(cells, int(side) * px)) for side, cells in _by_side(boxes, other)
    )
    asked = now.asked()
    return GridAnswer(asked, laid.photo, laid.cost, now.locked, tiles, said, undo, redo)


def save(now: GridDesk, path: Path) -> str:
    """Write picture and project, and say so."""
    write(now.project(), path)
    return f"saved {path.name} and its project"


class _Watched:
    """Tells steps on, with what the window can show in place of what is made."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._plan: Plan | None = None
        self._described: Described | None = None

    def __call__(self, step: Step) -> None:
        made = step.made
        if isinstance(made, Plan):
            self._plan, made = made, _board(made)
        elif isinstance(made, Described):
            self._described, made = made, None
        elif isinstance(made, np.ndarray) and self._plan and self._described:
            made = _matched(self._plan, self._described, made)
        self._progress(replace(step, made=made))


def _board(plan: Plan) -> Board:
    grid, px = plan.grid, _px(plan)
    target = canvas(plan.target, grid, px, plan.background)
    return Board(grid, plan.boxes, px, target, tuple(label(s) for s in plan.library.sources))


def _matched(plan: Plan, described: Described, photo: NDArray[np.intp]) -> Matched:
    px = min(_WATCHED_PX, _px(plan))
    tiles = []
    for side, cells in _by_side(plan.boxes, photo >= 0):
        whole = np.zeros(len(cells), np.intp)
        tiles.append((cells, tiles_of(plan, described, photo[cells], whole, int(side) * px)))
    return Matched(photo, tuple(tiles), px)


def _px(plan: Plan) -> int:
    """Width and height of a unit's picture, px."""
    most = math.isqrt(_MOST_PX // plan.grid.cells)
    return max(1, min(_DRAWN_PX // (1 if len(plan.boxes) == plan.grid.cells else 3), most))


def _by_side(
    boxes: NDArray[np.intp], wanted: NDArray[np.bool_]
) -> list[tuple[int, NDArray[np.intp]]]:
    """Cells that are wanted, apart by their size."""
    return [
        (side, np.flatnonzero((boxes[:, 2] == side) & wanted))
        for side in np.unique(boxes[wanted, 2]).tolist()
    ]
