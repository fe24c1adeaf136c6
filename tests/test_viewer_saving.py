"""What the viewer saves: a mosaic opened again as it was, and a time-lapse of how it grew."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

os.environ["SDL_VIDEODRIVER"] = "dummy"
from viewing import across, play, told

from smalti.plugin.viewer.engine import Engine
from smalti.plugin.viewer.event import Key, Make, Said, Save
from smalti.plugin.viewer.jigsaw_engine import Answer
from smalti.plugin.viewer.jigsaw_state import JigsawState as State
from smalti.plugin.viewer.theme import DARK
from smalti.request import Jigsaw


def test_files_are_saved_and_made_again(
    packed: State, engine: Engine, jigsaw_request: Jigsaw, tmp_path: Path
) -> None:
    from smalti.mosaic import render_project
    from smalti.project import project_path

    engine.ask(Make(jigsaw_request))
    told(State(request=jigsaw_request), engine, Answer)
    file = tmp_path / "m.png"
    engine.ask(Save(str(file)))
    assert "saved" in told(packed, engine, Said).said
    assert file.with_suffix(".svg").exists()
    render_project(project_path(file), tmp_path / "again.png")
    assert (tmp_path / "again.png").read_bytes() == file.read_bytes()
    project = Jigsaw(target=str(project_path(file)), shapes=())
    engine.ask(Make(project))
    opened = told(State(request=project), engine, Answer)
    poses = np.array([p.pose for p in opened.placements])
    assert poses == pytest.approx(np.array([p.pose for p in packed.placements]), abs=1e-3)
    terms = np.array([p.terms for p in opened.placements])
    assert terms == pytest.approx(np.array([p.terms for p in packed.placements]), abs=1e-4)
    assert terms.any(axis=1).all()
    engine.ask(Make(replace(project, target=str(file.with_suffix(".json")))))
    assert "cannot read" in told(packed, engine, Answer).said
    engine.ask(Make(jigsaw_request))  # for the tests that follow
    told(State(request=jigsaw_request), engine, Answer)


def test_containers_cut_by_hand_are_opened_again(
    packed: State, engine: Engine, jigsaw_request: Jigsaw, tmp_path: Path
) -> None:
    from smalti.mosaic import open_project
    from smalti.project import project_path

    _, wishes = play(packed, Key("e"), *across(packed))
    engine.ask(wishes[0])
    cut = told(packed, engine, Answer)
    file = tmp_path / "m.png"
    engine.ask(Save(str(file)))
    told(cut, engine, Said)
    assert open_project(project_path(file)).labels is not None  # type: ignore[union-attr]  # it is a jigsaw's
    project = Jigsaw(target=str(project_path(file)), shapes=())
    engine.ask(Make(project))
    opened = told(State(request=project), engine, Answer)
    assert cut.ground is not None
    assert opened.ground is not None
    assert (opened.ground.labels == cut.ground.labels).all()
    assert [p.container for p in opened.placements] == [p.container for p in cut.placements]
    engine.ask(Make(jigsaw_request))  # for the tests that follow
    told(State(request=jigsaw_request), engine, Answer)


@pytest.mark.parametrize("ending", [".webp", ".gif"])
def test_a_time_lapse_grows(packed: State, tmp_path: Path, ending: str) -> None:
    from smalti.plugin.viewer.timelapse import record

    told = [*record(packed, tmp_path / f"lapse{ending}")]
    assert told[0] == "recording 0 of 60"
    assert "saved" in told[-1]
    with Image.open(tmp_path / f"lapse{ending}") as picture:
        assert getattr(picture, "n_frames", 1) > 20
        assert max(picture.size) == 720
        frames = [np.asarray(f.convert("RGB"), int) for f in ImageSequence.Iterator(picture)]
    # More and more of the finished mosaic is seen, its tiles as they are, not as blots.
    like = [float((np.abs(f - frames[-1]).max(axis=2) < 40).mean()) for f in frames]
    assert like[0] + 0.3 < like[len(like) // 2] + 0.1 < like[-2]
    assert like[-2] > 0.8
    rim = np.concatenate([frames[-1][0], frames[-1][-1], frames[-1][:, 0], frames[-1][:, -1]])
    assert (np.abs(rim - DARK.ground).max(axis=1) > 12).mean() > 0.9  # no window is seen around it
    bare = State(request=packed.request)
    assert "nothing" in [*record(bare, tmp_path / "none.webp")][-1]
