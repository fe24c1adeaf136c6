"""A viewer without a window: events in, state out; its engine listened to; a stroke drawn."""

import time
from typing import TypeVar

from smalti.plugin.viewer.engine import Engine
from smalti.plugin.viewer.event import Event, Pointer, Told, Wish
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
            assert not wishes
            if isinstance(news, until):
                return state
        time.sleep(0.01)
    raise AssertionError(f"the engine has nothing to say: {state.said}")


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
