"""The engine of the viewer: it pauses, begins again, says what it cannot, and may crash."""

import math
import time
from pathlib import Path

from viewing import PATIENCE_S, play, told

from smalti.core.progress import Step
from smalti.plugin.viewer.engine import Engine
from smalti.plugin.viewer.event import Key, Make, Pace, Said, Told
from smalti.plugin.viewer.jigsaw_engine import Answer
from smalti.plugin.viewer.jigsaw_reducer import after
from smalti.plugin.viewer.jigsaw_state import JigsawState as State
from smalti.request import Jigsaw


def test_the_engine_pauses_steps_and_begins_again(engine: Engine, jigsaw_request: Jigsaw) -> None:
    state = State(request=jigsaw_request)
    engine.ask(Make(jigsaw_request))
    engine.ask(Pace(math.inf))
    end = time.monotonic() + PATIENCE_S
    while not state.history.news and time.monotonic() < end:
        state = told(state, engine, Step)
    quiet = 0.0
    while quiet < 0.5:  # what was under way arrives
        before = len(state.history.news)
        for news in engine.news():
            state, _ = after(state, Told(news))
        quiet = quiet + 0.05 if len(state.history.news) == before else 0.0
        time.sleep(0.05)
    laid = len(state.history.news)
    engine.ask(Pace(math.inf, once=True))
    state = told(state, engine, Step)
    assert len(state.history.news) > laid
    assert state.answer is None
    engine.ask(Pace(0.0))
    engine.ask(Make(jigsaw_request))
    assert told(State(request=jigsaw_request), engine, Answer).answer is not None


def test_what_was_on_its_way_from_another_mosaic_is_never_seen(
    engine: Engine, jigsaw_request: Jigsaw
) -> None:
    engine.ask(Make(jigsaw_request))
    state, end = State(request=jigsaw_request), time.monotonic() + PATIENCE_S
    while not state.history.news and time.monotonic() < end:
        state = told(state, engine, Step)
    time.sleep(0.3)  # tiles of this mosaic wait in the pipe
    state, (make, _) = play(state, Key("r"))
    engine.ask(make)
    state = told(state, engine, Step)
    assert not state.history.news
    assert state.phase != "pack"
    assert told(state, engine, Answer).answer is not None


def test_what_cannot_be_made_is_said(engine: Engine) -> None:
    engine.ask(Make(Jigsaw(target="/nowhere.png", shapes=("@demo",))))
    state = told(State(request=Jigsaw(target="", shapes=())), engine, Said)
    assert "nowhere.png" in state.said
    assert not state.broken


def test_a_crash_of_the_engine_is_a_message(jigsaw_request: Jigsaw, tmp_path: Path) -> None:
    engine = Engine(tmp_path / "index.sqlite")
    try:
        engine._process.kill()
        state = told(State(request=jigsaw_request), engine, Said)
        assert state.broken
        assert "starts it again" in state.said
        engine.ask(Make(jigsaw_request))  # nobody hears it, and nothing happens
        engine.restart()
        engine.ask(Make(Jigsaw(target="/nowhere.png", shapes=("@demo",))))
        assert "nowhere" in told(state, engine, Said).said
    finally:
        engine.close()
    assert not engine._process.is_alive()
