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
    selected, hovered : int
        Cell, or -1.
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
        ("R", "start again"),
        ("1 to 4", "show or hide layers"),
        ("wheel, drag", "zoom; move the picture beside it or with another button"),
        ("arrows", "move the picture, or select the next cell"),
        ("0", "whole picture"),
        ("click, Tab", "select a cell"),
        ("drag a cell", "swap it with the one it is dropped on"),
        ("F", "another photo here"),
        ("B", "ban this photo"),
        ("L", "lock this photo in its cell"),
        ("Ctrl+Z  Ctrl+Y", "undo, redo"),
        ("S", "save picture and project"),
        ("G", "save a time-lapse"),
        ("T", "light or dark"),
        ("Q", "quit"),
    )

    request: Photomosaic
    seen: frozenset[str] = frozenset({"tiles"})
    board: Board | None = None
    history: tuple[Matched, ...] = ()
    answer: GridAnswer | None = None
    picture: NDArray[np.uint8] | None = None
    older: NDArray[np.uint8] | None = None
    selected: int = -1
    hovered: int = -1

    def bare(self) -> "GridState":
        """Return it with nothing chosen."""
        return replace(self, selected=-1, hovered=-1, dragging="")

    def value_of(self, slider: Slider) -> float:
        """Return where a slider stands; what the request leaves open is as the engine chose."""
        value = getattr(self.request, slider.field)
        if value is not None:
            return float(value)
        return slider.low if self.board is None else float(len(self.board.boxes))

    @property
    def unit(self) -> tuple[float, float]:
        """Width and height of a unit of the grid, px of the raster."""
        return UNIT, UNIT if self.board is None else UNIT / self.board.grid.aspect


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
