"""A photomosaic drawn: its tiles, its cells, and what they cost."""

import numpy as np
import pygame
from numpy.typing import NDArray

from smalti.plugin.viewer.canvas import Canvas, Kept, blit_part, levels_of
from smalti.plugin.viewer.grid_engine import Board, Matched
from smalti.plugin.viewer.grid_state import UNIT, GridState, box_of, pasted, written
from smalti.plugin.viewer.surround import Plot
from smalti.plugin.viewer.theme import BORDER, CANDIDATE, CHOSEN, FREE, SITE, Colour

_FEW = 64  # tiles that are drawn one by one; of more, the picture is scaled as a whole
_DIM = 0.35  # of the target, where no photo lies yet
_LINES = 5  # px of a unit in the window, from which on borders are drawn
_NAME = 36  # characters of a photo's name


class GridCanvas(Canvas[GridState]):
    """Draws a photomosaic."""

    def __init__(self) -> None:
        super().__init__()
        self._board: Board | None = None
        self._drawn: object = None  # what the kept pictures show

    def refresh(self, state: GridState) -> None:
        """Draw the tiles that have changed, or all as they were then."""
        board = state.board
        assert board is not None
        if self._board is not board:
            self._board, self._drawn = board, None
            self.levels = list(levels_of(board.target, state.raster, board.px / UNIT))
        now: object = state.picture
        if state.at is not None or state.picture is None:
            count = len(state.history) if state.at is None else state.at
            now = state.history[count - 1] if count else board
        if now is self._drawn:
            return
        if isinstance(now, np.ndarray):
            self._finished(state, now)
        else:
            self._laid(state, board, now if isinstance(now, Matched) else None)
        self._drawn = now
        self.changes += 1

    def _finished(self, state: GridState, picture: NDArray[np.uint8]) -> None:
        """Draw the mosaic as it is: what differs from the one before, if that is there."""
        answer = state.answer
        assert answer is not None
        cells = [cell for some, _ in answer.tiles for cell in some.tolist()]
        if self._drawn is None or self._drawn is not state.older or len(cells) > _FEW:
            self._scaled(picture)
            return
        for some, tiles in answer.tiles:
            for cell, tile in zip(some.tolist(), tiles, strict=True):
                for kept in self.levels:
                    _tile_onto(kept, state, cell, tile)

    def _laid(self, state: GridState, board: Board, matched: Matched | None) -> None:
        """Draw photos as far as they are laid, over the target, dimmed."""
        px = board.px if matched is None else matched.px
        size = board.grid.columns * px, board.grid.rows * px
        target = pygame.surfarray.make_surface(board.target.swapaxes(0, 1))
        dim = pygame.surfarray.array3d(pygame.transform.smoothscale(target, size)) * _DIM
        below = dim.swapaxes(0, 1).astype(np.uint8)
        self._scaled(below if matched is None else pasted(below, board, matched.tiles, px))

    def _scaled(self, picture: NDArray[np.uint8]) -> None:
        whole = pygame.surfarray.make_surface(picture.swapaxes(0, 1))
        for kept in self.levels:
            kept.tiles.blit(pygame.transform.smoothscale(whole, kept.tiles.get_size()), (0, 0))

    def veils(self, state: GridState, surface: pygame.Surface) -> None:
        """Draw costs and borders."""
        board, answer = state.board, state.answer
        assert board is not None
        if "cost" in state.seen and answer is not None and state.at is None:
            self._costs(state, answer.cost, surface)
        if "borders" not in state.seen or state.view.zoom * UNIT < _LINES:
            return
        if len(board.boxes) < board.grid.cells:
            for cell in range(len(board.boxes)):
                _frame(state, cell, BORDER, state.px(1), surface)
            return
        left, top, wide, high = box_of(state, 0)
        right, bottom = left + board.grid.columns * wide, top + board.grid.rows * high
        for x in np.linspace(left, right, board.grid.columns + 1).tolist():
            pygame.draw.line(surface, BORDER, (x, top), (x, bottom), state.px(1))
        for y in np.linspace(top, bottom, board.grid.rows + 1).tolist():
            pygame.draw.line(surface, BORDER, (left, y), (right, y), state.px(1))

    def overlays(self, state: GridState, surface: pygame.Surface) -> None:
        """Draw what is locked, chosen, and in hand."""
        answer = state.answer
        if answer is None or state.at is not None:
            return
        for cell in answer.locked:
            _frame(state, cell, FREE, state.px(2), surface)
        if state.hovered >= 0:
            _frame(state, state.hovered, CANDIDATE, state.px(2), surface)
        if state.marked >= 0:
            _frame(state, state.marked, SITE, state.px(3), surface)
        if state.selected >= 0:
            _frame(state, state.selected, CHOSEN, state.px(3), surface)
            if state.dragging == "cell" and state.hovered not in (-1, state.selected):
                self._in_hand(state, surface)

    def _in_hand(self, state: GridState, surface: pygame.Surface) -> None:
        """Draw the tile that is dragged under the pointer."""
        assert state.board is not None
        assert state.picture is not None
        left, top, side = (state.board.px * x for x in state.board.boxes[state.selected].tolist())
        tile = state.picture[top : top + side, left : left + side]
        _, _, wide, high = box_of(state, state.selected)
        size = max(state.px(24), round(wide)), max(state.px(24), round(high))
        image = pygame.surfarray.make_surface(tile.swapaxes(0, 1))
        image = pygame.transform.smoothscale(image, size)
        image.set_alpha(210)
        surface.blit(image, image.get_rect(center=state.pointer))

    def _costs(self, state: GridState, cost: NDArray[np.float64], surface: pygame.Surface) -> None:
        """Tint every cell by its cost: the worse, the stronger."""
        board = state.board
        assert board is not None
        share = np.clip(cost / (np.percentile(cost, 95) + 1e-9), 0, 1)
        units = np.zeros((board.grid.columns, board.grid.rows))
        for side in np.unique(board.boxes[:, 2]).tolist():
            here = board.boxes[:, 2] == side
            left, top = board.boxes[here, 0], board.boxes[here, 1]
            for right in range(side):
                for down in range(side):
                    units[left + right, top + down] = share[here]
        veil = pygame.Surface(units.shape, pygame.SRCALPHA)
        veil.fill((*SITE, 0))
        pygame.surfarray.pixels_alpha(veil)[:] = np.rint(190 * units).astype(np.uint8)
        coarse = self.levels[-1]
        blit_part(
            pygame.transform.scale(veil, coarse.tiles.get_size()), coarse.scale, state, surface
        )

    def facts(self, state: GridState) -> list[str]:
        """Say how the matching goes, and what lies under the pointer and what it costs."""
        board, answer = state.board, state.answer
        if board is None:
            return []
        laid = answer.photo if answer else state.history[-1].photo if state.history else None
        count = 0 if laid is None else int((laid >= 0).sum())
        lines = [f"{count:,} of {len(board.boxes):,} cells laid"]
        if state.seconds > 0:
            lines[0] += f"   {state.seconds:.1f} s"
        if answer is None:
            return lines
        used, mean = len(np.unique(answer.photo)), answer.cost.mean()
        lines.append(f"{used:,} of {len(board.names):,} photos   mean cost {written(mean)}")
        lines.append(f"{len(answer.locked):,} locked   {answer.undo:,} to undo")
        cell = state.hovered if state.hovered >= 0 else state.selected
        if cell >= 0 and state.at is None:
            left, top, _ = (board.boxes[cell] + 1).tolist()
            name = board.names[answer.photo[cell]]
            locked = "   locked" if cell in answer.locked else ""
            lines += [
                name if len(name) <= _NAME else f"...{name[3 - _NAME :]}",
                f"column {left}, row {top}",
                f"cost {written(answer.cost[cell])}{locked}",
            ]
        return lines

    def plots(self, state: GridState) -> list[Plot]:
        """Plot the costs of all cells, from the least to the greatest."""
        if state.answer is None:
            return []
        cost = np.sort(state.answer.cost)
        return [Plot("cost of cells, ascending", cost.tolist(), f"to {written(cost[-1])}")]


def _frame(
    state: GridState, cell: int, colour: Colour, width: int, surface: pygame.Surface
) -> None:
    left, top, wide, high = box_of(state, cell)
    box = pygame.Rect(round(left), round(top), max(2, round(wide)), max(2, round(high)))
    pygame.draw.rect(surface, colour, box, min(width, max(1, min(box.size) // 2)))


def _tile_onto(kept: Kept, state: GridState, cell: int, tile: NDArray[np.uint8]) -> None:
    """Draw one tile into a kept picture."""
    assert state.board is not None
    left, top, side = state.board.boxes[cell].tolist()
    wide, high = (kept.scale * length for length in state.unit)
    x, y = round(left * wide), round(top * high)
    size = round((left + side) * wide) - x, round((top + side) * high) - y
    if min(size) > 0:
        image = pygame.surfarray.make_surface(tile.swapaxes(0, 1))
        kept.tiles.blit(pygame.transform.smoothscale(image, size), (x, y))
