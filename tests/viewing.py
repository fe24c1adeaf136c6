"""A viewer without a window: events in, state and picture out; its engine listened to."""

import time
from typing import TypeVar

import numpy as np
import pygame
from numpy.typing import NDArray

from smalti.plugin.viewer.engine import Engine
from smalti.plugin.viewer.event import Event, Key, Pointer, Said, Told, Wish
from smalti.plugin.viewer.jigsaw_canvas import JigsawCanvas
from smalti.plugin.viewer.jigsaw_state import JigsawState
from smalti.plugin.viewer.kinds import State, after

PATIENCE_S = 240.0

S = TypeVar("S", bound=State)


def play(state: S, *events: Event) -> tuple[S, list[Wish]]:
    """Apply events one after the other."""
    wishes: list[Wish] = []
    for event in events:
        new, more = after(state, event)
        assert isinstance(new, type(state))
        state = new
        wishes += more
    return state, wishes


def told(state: S, engine: Engine, until: type[object]) -> S:
    """Listen to the engine until it tells something of a type."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        for news in engine.news():
            state, wishes = play(state, Told(news))
            for wish in wishes:
                engine.ask(wish)
            if isinstance(news, until):
                return state
        time.sleep(0.01)
    raise AssertionError(f"the engine has nothing to say: {state.said}")


def crashed(state: S, engine: Engine, answer: type[object]) -> tuple[S, int]:
    """Lose the engine and begin again until all is done; count the answers."""
    engine._process.kill()
    broken = told(state, engine, Said)
    engine.restart()
    again, wishes = play(broken, Key("r"))
    for wish in wishes:
        engine.ask(wish)
    answers = 0
    while again.running or not answers:
        again, answers = told(again, engine, answer), answers + 1
    return again, answers


def across(state: JigsawState) -> list[Event]:
    """Draw a stroke through the middle, from left to right."""
    assert state.ground is not None
    height, width = state.ground.labels.shape
    view = state.view

    def at(x: float, y: float) -> tuple[float, float]:
        return (x - view.x) * view.zoom, (y - view.y) * view.zoom

    return [
        Pointer("down", *at(1, height / 2), 1),
        Pointer("move", *at(width / 2, height / 2)),
        Pointer("move", *at(width - 1, height / 2)),
        Pointer("up", *at(width - 1, height / 2), 1),
    ]


def drawn(state: JigsawState, canvas: JigsawCanvas | None = None) -> NDArray[np.uint8]:
    """Draw a jigsaw."""
    surface = pygame.Surface(state.size)
    (canvas or JigsawCanvas()).draw(state, surface)
    return np.asarray(pygame.surfarray.array3d(surface).swapaxes(0, 1))


def energies(state: JigsawState) -> tuple[float, dict[str, float]]:
    """Read the energy of the tile under the pointer in the panel, and its terms."""
    whole, *terms = JigsawCanvas().facts(state)[2:]
    named = (term.rsplit(" ", 1) for term in ", ".join(terms).split(", "))
    return float(whole.split()[1]), {name: float(value) for name, value in named}


def where(state: JigsawState, number: int) -> tuple[float, float]:
    """Place of a tile in the window."""
    pose, view = state.placements[number].pose, state.view
    return (pose.x - view.x) * view.zoom, (pose.y - view.y) * view.zoom
