"""What the viewer shows of a photomosaic; no window is needed for it."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from smalti.core.grid import board as units_of
from smalti.plugin.viewer.grid_engine import Board, GridAnswer, Matched, Tiles
from smalti.plugin.viewer.stage import Slider, Stage
from smalti.request import Photomosaic

UNIT = 16  # px of the raster along a unit of the grid


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class GridState(Stage):
    """A photomosaic on the stage.

    Attributes
    ----------
    request : Photomosaic
    board : Board or None
        None before the engine has laid it out.
    history : tuple of Matched
        How photos were laid, guess by guess.
    answer : GridAnswer or None
        The newest.
    picture, older : ndarray of shape (H, W, 3), uint8, or None
        The mosaic with square units, as it is; and as it was before the newest answer.
    selected, hovered, marked : int
        Cell, or -1; marked is what the next selected one is to be swapped with.
    others
        As of `Stage`; `dragging` may be ``"cell"``, the selected one.
    """

    LAYERS: ClassVar = ("target", "tiles", "borders", "cost")
    SLIDERS: ClassVar = (
        Slider("cells", "cells", 16, 10_000, whole=True, anew=True),
        Slider("max_uses", "most uses", 1, 20, whole=True, anew=True),
        Slider("spacing", "spacing", 1, 12, whole=True, anew=True),
        Slider("adjust", "colour move", 0, 1, anew=True),
        Slider("transfer", "palette", 0, 1, anew=True),
    )
    HELP: ClassVar = (
        ("space", "pause, go on"),
        (".", "one step"),
        ("+  -", "faster, slower"),
        ("Ctrl+left, right", "back, on; Shift: farther"),
        ("Home  End", "to the first guess, the last"),
        ("R", "start again"),
        ("1 to 4", "show or hide layers"),
        ("wheel  I  O", "zoom in, out"),
        ("drag, arrows", "move the picture (drag beside it)"),
        ("0", "whole picture"),
        ("click, Tab", "select a cell; Esc: none"),
        ("arrows", "select the next cell"),
        ("drag a cell", "swap it with another"),
        ("X, then X", "swap two selected cells"),
        ("F", "another photo here"),
        ("B", "ban this photo"),
        ("L", "lock this photo in its cell"),
        ("Ctrl+Z  Ctrl+Y", "undo or stop, redo"),
        (",  ;", "previous, next slider"),
        ("PgUp  PgDn", "change it, or scroll here"),
        ("Enter", "lay as it is set"),
        ("S", "save picture and project"),
        ("G  Shift+G", "time-lapse: WebP, GIF"),
        ("T", "light or dark"),
        ("Q", "quit"),
    )
    FACTS: ClassVar = 6
    PLOTS: ClassVar = 1
    WATCHED: ClassVar = ("steps", "seconds", "history")

    request: Photomosaic
    seen: frozenset[str] = frozenset({"tiles"})
    board: Board | None = None
    history: tuple[Matched, ...] = ()
    answer: GridAnswer | None = None
    picture: NDArray[np.uint8] | None = None
    older: NDArray[np.uint8] | None = None
    selected: int = -1
    hovered: int = -1
    marked: int = -1

    def bare(self) -> "GridState":
        """Return it with nothing chosen."""
        return replace(self, selected=-1, hovered=-1, marked=-1, dragging="")

    def chosen(self, slider: Slider) -> float | None:
        """Return what the engine chose where the request leaves it open."""
        return None if self.board is None else float(len(self.board.boxes))

    @property
    def unit(self) -> tuple[float, float]:
        """Width and height of a unit of the grid, px of the raster."""
        return UNIT, UNIT if self.board is None else UNIT / self.board.grid.aspect


def written(cost: float) -> str:
    """Write a cost, in as many digits as say something."""
    return f"{cost:,.0f}" if cost >= 1000 else f"{cost:.4g}"


def cell_at(state: GridState, x: float, y: float) -> int:
    """Return the cell under a place of the window, or -1."""
    if state.board is None or not state.over(x, y):
        return -1
    left, top = state.view.to_raster(x, y)
    column, row = int(left // state.unit[0]), int(top // state.unit[1])
    return cell_on(state.board, column, row)


def cell_on(board: Board, column: int, row: int) -> int:
    """Return the cell that covers a unit of the grid, or -1."""
    if not (0 <= column < board.grid.columns and 0 <= row < board.grid.rows):
        return -1
    return int(_units(board)[row, column])


@lru_cache(maxsize=2)
def _units(board: Board) -> NDArray[np.intp]:
    return units_of(board.grid, board.boxes)


def box_of(state: GridState, cell: int) -> tuple[float, float, float, float]:
    """Return left, top, width and height of a cell, px of the window."""
    assert state.board is not None
    left, top, side = state.board.boxes[cell].tolist()
    view, (wide, high) = state.view, state.unit
    return (
        (left * wide - view.x) * view.zoom,
        (top * high - view.y) * view.zoom,
        side * wide * view.zoom,
        side * high * view.zoom,
    )


def pasted(picture: NDArray[np.uint8], board: Board, tiles: Tiles, px: int) -> NDArray[np.uint8]:
    """Return a picture of square units, `px` a side, with tiles in their places."""
    out = picture.copy()
    for cells, pictures in tiles:
        for (left, top, side), tile in zip(board.boxes[cells].tolist(), pictures, strict=True):
            out[top * px : (top + side) * px, left * px : (left + side) * px] = tile
    return out
