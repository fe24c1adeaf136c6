"""How events change what the viewer shows of a photomosaic."""

from dataclasses import replace

import numpy as np

from smalti.core.progress import Step
from smalti.plugin.viewer.controls import begun, dragged, look_after, pressed
from smalti.plugin.viewer.event import Change, Event, Key, Passed, Pointer, Said, Told, Wish
from smalti.plugin.viewer.grid_engine import Board, GridAnswer, Matched
from smalti.plugin.viewer.grid_state import UNIT, GridState, cell_at, cell_on, pasted, written
from smalti.plugin.viewer.panel import tuned
from smalti.plugin.viewer.past import begun_again, gone_on, told, wished
from smalti.plugin.viewer.stage import fitted, panned
from smalti.request import Photomosaic

Outcome = tuple[GridState, tuple[Wish, ...]]

_WAYS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
_CHANGES = {"b": "ban", "l": "lock", "f": "exchange"}
_HISTORY = {"ctrl+z": "undo", "ctrl+y": "redo", "ctrl+shift+z": "redo"}


def after(state: GridState, event: Event) -> Outcome:
    """Apply an event to a photomosaic; see `kinds.after`."""
    new, wishes = _after(state, event)
    other = new.board is not state.board or state.dragging
    if new.dragging in ("", "cell") and (other or new.under != state.under):
        new = replace(new, hovered=cell_at(new, *new.pointer))
    return new, wishes


def _after(state: GridState, event: Event) -> Outcome:
    match event:
        case Told(news=Step() as step):
            return _stepped(state, step), ()
        case Told(news=GridAnswer() as answer):
            return gone_on(_answered(state, answer))
        case Told(news=Said()):
            state = replace(state, again=())
        case Passed(seconds=seconds) if state.running and state.phase == "assign":
            state = replace(state, seconds=state.seconds + seconds)
    if (common := look_after(state, event)) is not None:
        return common
    match event:
        case Key(name=name):
            return _keyed(state, name)
        case Pointer():
            return _pointed(state, event)
    return state, ()


def _stepped(state: GridState, step: Step) -> GridState:
    said = step.text or step.phase
    if step.total:
        said += f" {step.done:,} of {step.total:,}"
    state = replace(state, phase=step.phase, said=said, running=True)
    made = step.made
    if isinstance(made, Board):
        raster = made.grid.columns * UNIT, round(made.grid.rows * UNIT / made.grid.aspect)
        bare = replace(state.bare(), history=(), steps=0, seconds=0.0, answer=None)
        return fitted(replace(bare, board=made, raster=raster, picture=None, older=None))
    if isinstance(made, Matched):
        return replace(state, history=(*state.history, made), steps=state.steps + 1)
    return state


def _answered(state: GridState, answer: GridAnswer) -> GridState:
    board = state.board
    assert board is not None
    before = np.zeros_like(board.target) if state.picture is None else state.picture
    let_go = state.answer is not None and answer.locked < state.answer.locked
    what = "unlock" if answer.said == "lock" and let_go else answer.said
    state = told(state, what, answer.undo)
    return replace(
        state,
        request=answer.request,
        answer=answer,
        picture=pasted(before, board, answer.tiles, board.px),
        older=state.picture,
        settled=True,
        at=None,
        running=False,
        phase="done",
        said=f"{state.said}: mean cost {written(answer.cost.mean())}",
    )


def _begun(state: GridState, request: Photomosaic) -> Outcome:
    """Start again, with another request perhaps; locks go where the grid becomes another."""
    if request.cells != state.request.cells:
        request = replace(request, lock=(), grid=None)
    return begun(state, request)


def _keyed(state: GridState, name: str) -> Outcome:
    if name == "escape":
        return replace(state, selected=-1, marked=-1, dragging=""), ()
    if name in ("return", "enter"):
        return _tuned(state)
    if name == "r":
        return begun_again(state) if state.broken else _begun(state, state.request)
    if name in _WAYS:
        return _panned_or_selected(state, *_WAYS[name])
    if state.answer is None or state.running:
        return state, ()
    if name in ("tab", "shift+tab"):
        step = 1 if name == "tab" else -1
        first = state.selected if state.selected >= 0 else min(0, -step)
        return replace(state, selected=(first + step) % len(state.answer.photo)), ()
    if name in _HISTORY:
        return wished(state, Change(_HISTORY[name]))
    cell = state.selected if state.selected >= 0 else state.hovered
    if name == "x":
        return _marked(state, cell)
    if name in _CHANGES and cell >= 0:
        return wished(replace(state, selected=cell), Change(_CHANGES[name], cell))
    return state, ()


def _marked(state: GridState, cell: int) -> Outcome:
    """Mark a cell to be swapped; if another is, swap them."""
    if cell < 0 or state.marked == cell:
        return replace(state, marked=-1), ()
    if state.marked < 0:
        return replace(state, marked=cell, said="X on another cell swaps the two; Esc: no"), ()
    swapped = replace(state, selected=cell, marked=-1)
    return wished(swapped, Change("swap", state.marked, other=cell))


def _panned_or_selected(state: GridState, right: int, down: int) -> Outcome:
    """Move the picture, or go on to the cell beside the selected one."""
    if state.selected < 0 or state.board is None:
        return panned(state, -60 * right, -60 * down), ()
    left, top, side = state.board.boxes[state.selected].tolist()
    column, row = left + (side if right > 0 else right), top + (side if down > 0 else down)
    beside = cell_on(state.board, column, row)
    return replace(state, selected=beside if beside >= 0 else state.selected), ()


def _pointed(state: GridState, event: Pointer) -> Outcome:
    before, state = state.pointer, replace(state, pointer=(event.x, event.y))
    if event.kind == "down":
        return _pressed(state, event), ()
    if event.kind == "up":
        return _released(state)
    if state.dragging not in ("", "cell"):
        return dragged(state, before, event), ()
    return state, ()


def _pressed(state: GridState, event: Pointer) -> GridState:
    if (beside := pressed(state, event)) is not None:
        return beside
    under = cell_at(state, event.x, event.y)
    free = state.answer is not None and not state.running and state.at is None
    if event.button == 1 and free and under >= 0:
        return replace(state, selected=under, hovered=under, dragging="cell")
    return replace(state, dragging="view", selected=-1)


def _released(state: GridState) -> Outcome:
    what, state = state.dragging, replace(state, dragging="")
    if what == "cell":
        one, other = state.selected, state.hovered
        if one < 0 or other < 0 or one == other or state.running:
            return state, ()
        return wished(replace(state, selected=other), Change("swap", one, other=other))
    return _tuned(state) if what == "slider" else (state, ())


def _tuned(state: GridState) -> Outcome:
    """Lay again with a slider where it was brought."""
    request = tuned(state)
    return _begun(state, request) if isinstance(request, Photomosaic) else (state, ())
