"""A viewer without a window: events in, state out; and its engine listened to."""

import time
from typing import TypeVar

from smalti.plugin.viewer.engine import Engine
from smalti.plugin.viewer.event import Event, Told, Wish
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
