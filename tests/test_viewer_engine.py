"""The engine of the viewer: it pauses, begins again, says what it cannot, and may crash."""

import math
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from viewing import PATIENCE_S, across, crashed, play, told

from smalti.core.errors import BadInput
from smalti.core.progress import Step
from smalti.plugin.viewer.engine import Engine
from smalti.plugin.viewer.event import Change, Key, Make, Pace, Passed, Said, Told
from smalti.plugin.viewer.jigsaw_engine import Answer
from smalti.plugin.viewer.jigsaw_reducer import after
from smalti.plugin.viewer.jigsaw_state import JigsawState as State
from smalti.plugin.viewer.jigsaw_state import shown
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


def test_the_mosaic_before_another_seed_comes_back(engine: Engine, jigsaw_request: Jigsaw) -> None:
    engine.restart()  # its first mosaic is the state's
    engine.ask(Make(jigsaw_request))
    first = told(State(request=jigsaw_request), engine, Answer)
    engine.ask(Change("remove", 3))
    edited = told(first, engine, Answer)
    fresh, (make, _) = play(edited, Key("r"))
    assert isinstance(make, Make)
    assert isinstance(make.request, Jigsaw)
    engine.ask(Make(replace(make.request, tiles=30)))
    other = told(fresh, engine, Answer)
    assert other.ground is not None
    assert other.ground.labels.shape != (first.ground and first.ground.labels.shape)
    engine.ask(Change("undo"))
    back = told(other, engine, Answer)
    assert [p.pose for p in back.placements] == [p.pose for p in edited.placements]
    assert back.request == edited.request
    assert back.ground is not None
    assert edited.ground is not None
    assert (back.ground.labels == edited.ground.labels).all()
    assert back.answer is not None
    assert edited.answer is not None
    was = edited.answer.picture.astype(int)  # drawn in two parts
    assert np.abs(back.answer.picture - was).max() <= 2
    assert_watched(back, edited)
    assert back.covered == edited.covered  # not counted otherwise than it was
    assert f"coverage {edited.covered:.1%}" in back.said
    engine.ask(Change("undo"))
    whole = told(back, engine, Answer)
    assert_watched(whole, first)
    assert whole.covered == first.covered
    engine.ask(Change("redo"))
    engine.ask(Change("redo"))
    again = told(told(whole, engine, Answer), engine, Answer)
    assert len(again.placements) == len(other.placements)
    assert_watched(again, other)
    assert again.covered == other.covered
    engine.ask(Change("redo"))
    assert told(other, engine, Said).said == "nothing to redo"


def assert_watched(state: State, before: State) -> None:
    """Whether one can look back through what was laid, as before."""
    assert before.steps == state.steps == len(state.history.news) > 0
    for at in (0, before.steps // 2, before.steps):
        poses = [[p.pose for p in shown(replace(s, at=at))] for s in (state, before)]
        assert poses[0] == poses[1]
    assert (state.coverage, state.terms, state.bent) == (before.coverage, before.terms, before.bent)


@pytest.mark.parametrize("keep_partial", [False, True])
def test_what_is_being_made_is_stopped(
    engine: Engine, jigsaw_request: Jigsaw, keep_partial: bool
) -> None:
    jigsaw_request = replace(jigsaw_request, keep_partial=keep_partial)
    engine.restart()
    engine.ask(Make(jigsaw_request))
    first = told(State(request=jigsaw_request), engine, Answer)
    assert first.answer is not None
    for keys in ([Key("r")], [Key(";")] * 3 + [Key("page up"), Key("return")]):
        making, wishes = play(first, *keys)
        for wish in wishes:
            engine.ask(wish)
        end = time.monotonic() + PATIENCE_S
        while making.phase != "pack" and time.monotonic() < end:
            making = told(making, engine, Step)
        making, (stop,) = play(making, Passed(5.0), Key("ctrl+z"))
        engine.ask(stop)
        back = told(making, engine, Answer)
        assert not back.running
        assert back.seconds == 0  # not of a packing that is no more
        assert_watched(back, first)
        assert back.request == jigsaw_request
        assert [p.pose for p in back.placements] == [p.pose for p in first.placements]
        assert back.answer is not None
        assert (back.answer.undo, back.answer.redo) == (first.answer.undo, 0)


def test_a_first_packing_is_not_stopped(jigsaw_request: Jigsaw, shapes_index: Path) -> None:
    engine = Engine(shapes_index)
    try:
        engine.ask(Make(jigsaw_request))
        state = told(State(request=jigsaw_request), engine, Step)
        _, (stop,) = play(state, Key("ctrl+z"))
        engine.ask(stop)
        made = told(state, engine, Answer)
        engine.ask(stop)  # too late
        engine.ask(Change("lock", 0))
        locked = told(made, engine, Answer)
        assert locked.said.startswith("locked it")
        assert locked.history.news
    finally:
        engine.close()


def test_contours_wait_when_it_is_paused(engine: Engine, jigsaw_request: Jigsaw) -> None:
    engine.ask(Make(jigsaw_request))
    state, end = State(request=jigsaw_request), time.monotonic() + PATIENCE_S
    while state.phase != "pack" and time.monotonic() < end:
        state = told(state, engine, Step)
    while state.phase == "pack" and time.monotonic() < end:
        state = told(state, engine, Step)
    engine.ask(Pace(math.inf))
    time.sleep(2)
    for news in engine.news():
        assert not isinstance(news, Answer)
        state, _ = after(state, Told(news))
    assert state.phase == "refine"
    engine.ask(Pace(0.0))
    assert told(state, engine, Answer).answer is not None


def test_what_cannot_be_made_leaves_what_was_there(engine: Engine, jigsaw_request: Jigsaw) -> None:
    engine.ask(Make(jigsaw_request))
    first = told(State(request=jigsaw_request), engine, Answer)
    gone = replace(jigsaw_request, target="/nowhere.png")
    engine.ask(Make(gone))
    after_that = told(State(request=gone), engine, Answer)
    assert "nowhere.png" in after_that.said
    assert after_that.request == jigsaw_request
    assert [p.pose for p in after_that.placements] == [p.pose for p in first.placements]


def test_what_keeps_the_first_mosaic_from_being_made_is_an_error(tmp_path: Path) -> None:
    engine = Engine(tmp_path / "index.sqlite")
    try:
        engine.ask(Make(Jigsaw(target="/nowhere.png", shapes=("@demo",))))
        assert "nowhere.png" in str(failure(engine))
    finally:
        engine.close()


def failure(engine: Engine) -> BadInput:
    """Listen until the engine tells an error."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        for news in engine.news():
            if isinstance(news, BadInput):
                return news
        time.sleep(0.01)
    raise AssertionError("no error was told")


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
        assert "nowhere" in str(failure(engine))
    finally:
        engine.close()
    assert not engine._process.is_alive()


def test_what_was_done_by_hand_is_done_again_after_a_crash(
    jigsaw_request: Jigsaw, shapes_index: Path
) -> None:
    engine = Engine(shapes_index)
    try:
        state, wishes = play(State(request=jigsaw_request), Key("r"))
        engine.ask(wishes[0])
        state = told(state, engine, Answer)
        for by_hand in (
            [Key("tab"), Key("delete")],
            [Key("tab"), Key("l"), Key("escape")],
            [Key("e"), *across(state), Key("e")],
            [Key("tab"), Key("tab"), Key("]")],
            [Key("ctrl+z")],
        ):
            state, (wish,) = play(state, *by_hand)
            engine.ask(wish)
            state = told(state, engine, Answer)
        again, answers = crashed(state, engine, Answer)
        assert answers == 4  # made, taken away, locked, cut
        assert [p.pose for p in again.placements] == [p.pose for p in state.placements]
        assert again.answer is not None
        assert state.answer is not None
        assert again.answer.locked == state.answer.locked
        assert again.answer.undo == state.answer.undo == 3
        assert again.ground is not None
        assert state.ground is not None
        assert (again.ground.labels == state.ground.labels).all()
        assert again.request == state.request
    finally:
        engine.close()
