"""Changes by hand of a jigsaw in the viewer: asked for, done by the engine, and taken back."""

import os
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

os.environ["SDL_VIDEODRIVER"] = "dummy"
from viewing import across, drawn, energies, play, told, where

from smalti.core.progress import Step
from smalti.jigsaw.placement import Packed
from smalti.jigsaw.pose import Pose
from smalti.plugin.viewer.engine import Engine
from smalti.plugin.viewer.event import Change, Key, Pointer, Said, Told, Wheel
from smalti.plugin.viewer.jigsaw_canvas import JigsawCanvas
from smalti.plugin.viewer.jigsaw_engine import Answer
from smalti.plugin.viewer.jigsaw_state import JigsawState as State
from smalti.plugin.viewer.jigsaw_state import shown, tile_at


def test_a_tile_is_dragged_turned_and_brought_back(packed: State, engine: Engine) -> None:
    number = next(k for k in range(40) if tile_at(packed, *where(packed, k)) == k)
    x, y = where(packed, number)
    state, wishes = play(
        packed,
        Pointer("down", x, y, 1),
        Pointer("move", x + 6, y),
        Wheel(x, y, 1.0),
        Wheel(x, y, 1.0, turning=True),
    )
    assert state.selected == number
    assert (drawn(state) != drawn(packed)).any()
    assert not wishes
    state, wishes = play(state, Pointer("up", x + 6, y, 1))
    own = packed.placements[number].pose
    (change,) = wishes
    assert isinstance(change, Change)
    assert change.pose is not None
    assert change.pose.x == pytest.approx(own.x + 6 / packed.view.zoom)
    assert change.pose.theta == pytest.approx(own.theta + 0.12)
    assert change.pose.scale == pytest.approx(own.scale * 1.06)
    engine.ask(change)
    moved = told(state, engine, Answer)
    assert moved.placements[number].pose != own
    # Turned and scaled by hand, it only slides: it is not turned back.
    assert moved.placements[number].pose[:2] == pytest.approx(change.pose[:2])
    assert moved.placements[:number] == packed.placements[:number]
    assert moved.answer is not None
    assert moved.answer.redo == 0
    whole, terms = energies(replace(moved, selected=number))  # of the place it has now
    assert whole == pytest.approx(sum(terms.values()), abs=0.003)
    assert terms != energies(replace(packed, selected=number))[1]
    assert terms["colour"] > 0 == terms["look-ahead"]
    assert min(terms["gaps"], terms["overlap"]) >= 0 < terms["gaps"] + terms["overlap"]
    _, wishes = play(moved, Key("ctrl+z"))
    engine.ask(wishes[0])
    back = told(moved, engine, Answer)
    assert back.placements[number].pose == own
    assert back.answer is not None
    assert (back.answer.undo, back.answer.redo) == (moved.answer.undo - 1, 1)


def test_a_tile_in_hand_is_turned_before_it_is_moved(packed: State) -> None:
    number = next(k for k in range(40) if tile_at(packed, *where(packed, k)) == k)
    x, y = where(packed, number)
    held = Pointer("down", x, y, 1), Wheel(x, y, 1.0), Pointer("up", x, y, 1)
    state, (change,) = play(packed, *held)
    assert state.view == packed.view
    own = packed.placements[number].pose
    assert change == Change("move", number, own._replace(theta=own.theta + 0.12))


@pytest.mark.parametrize(
    ("key", "more"), [("delete", -1), ("f", 0), ("l", 0), ("b", 0), ("]", 0), ("right", 0)]
)
def test_changes_by_hand_and_back(packed: State, engine: Engine, key: str, more: int) -> None:
    state, wishes = play(replace(packed, selected=3), Key(key))
    engine.ask(wishes[0])
    changed = told(state, engine, Answer)
    assert len(changed.placements) == len(packed.placements) + more
    assert changed.answer is not None
    if key == "l":
        assert changed.answer.locked == {3}
    if key in "fb":
        assert changed.placements[3].tile != packed.placements[3].tile
    if key == "b":
        assert changed.library is not None
        group = changed.library.group
        gone = group[packed.placements[3].tile]
        assert all(group[p.tile] != gone for p in changed.placements)
    engine.ask(Change("undo"))
    back = told(changed, engine, Answer)
    assert [p.pose for p in back.placements] == [p.pose for p in packed.placements]


def test_a_locked_tile_stays(packed: State, engine: Engine) -> None:
    number = next(k for k in range(40) if tile_at(packed, *where(packed, k)) == k)
    x, y = where(packed, number)
    _, wishes = play(replace(packed, selected=number), Key("l"))
    engine.ask(wishes[0])
    locked = told(packed, engine, Answer)
    state, wishes = play(
        locked, Pointer("down", x, y, 1), Pointer("move", x + 9, y), Pointer("up", x + 9, y, 1)
    )
    assert not wishes
    assert state.selected == number
    assert "locked" in state.said
    for key in ("]", "right", "delete", "f", "b"):
        _, wishes = play(state, Key(key))
        engine.ask(wishes[0])
        same = told(state, engine, Said)
        assert "locked" in same.said
        assert not same.running
    engine.ask(Change("undo"))
    told(locked, engine, Answer)


def test_the_sliders_go_back_with_the_tiles(packed: State, engine: Engine) -> None:
    other = replace(packed.request, w_gap=2.5)
    engine.ask(Change("repack", request=other, containers=frozenset({0})))
    assert told(packed, engine, Answer).request.w_gap == 2.5
    engine.ask(Change("undo"))
    assert told(packed, engine, Answer).request.w_gap == packed.request.w_gap


def test_a_gap_is_filled_where_the_pointer_is(packed: State, engine: Engine) -> None:
    engine.ask(Change("remove", 5))
    bare = told(packed, engine, Answer)
    x, y = where(packed, 5)
    _, wishes = play(replace(bare, selected=-1, hovered=-1, pointer=(x, y)), Key("f"))
    engine.ask(wishes[0])
    full = told(bare, engine, Answer)
    assert len(full.placements) == len(packed.placements)
    for _ in range(2):
        engine.ask(Change("undo"))
        told(full, engine, Answer)


@pytest.mark.parametrize("key", ["f", "p"])
def test_keys_do_nothing_beside_the_picture(packed: State, key: str) -> None:
    near = replace(packed, view=packed.view.zoomed(500, 400, 4))  # the picture goes on behind all
    for state, x, y in ((near, near.wide + 9, 300), (near, 300, near.high + 9), (packed, 2, 2)):
        pointed, wishes = play(state, Pointer("move", x, y), Key(key))
        assert not wishes
        assert "needs the pointer over the mosaic" in pointed.said
        assert not pointed.running


def test_nothing_is_fitted_beside_the_picture(packed: State, engine: Engine) -> None:
    engine.ask(Change("remove", 0))
    bare = told(packed, engine, Answer)
    width, height = packed.raster
    for x, y in ((-1.0, 5.0), (5.0, -0.5), (float(width), 5.0), (5.0, height + 9.0)):
        engine.ask(Change("fit", pose=Pose(0.0, 1.0, x, y)))
        assert "nothing fits" in told(bare, engine, Said).said
    engine.ask(Change("undo"))
    told(bare, engine, Answer)


def test_the_art_is_whole_after_a_change_and_a_look_back(packed: State, engine: Engine) -> None:
    engine.ask(Change("remove", 5))
    bare = told(packed, engine, Answer)
    view = np.s_[: packed.high, : packed.wide]
    before, after = drawn(packed)[view], drawn(bare)[view]  # each on a canvas of its own
    assert 0 < (before != after).any(axis=2).mean() < 0.2
    canvas = JigsawCanvas()
    first, back, again = (drawn(replace(bare, at=at), canvas) for at in (None, 5, None))
    assert (first == again).all()
    assert (first != back).any()
    engine.ask(Change("undo"))
    told(bare, engine, Answer)


def test_only_the_touched_containers_are_packed_again(packed: State, engine: Engine) -> None:
    label = packed.placements[0].container
    engine.ask(Change("lock", 0))
    locked = told(packed, engine, Answer)
    _, wishes = play(replace(locked, selected=0), Key("p"))
    assert isinstance(wishes[0], Change)
    assert wishes[0].containers == {label}
    seed = replace(packed.request, seed=9)
    engine.ask(replace(wishes[0], request=seed))
    again = told(locked, engine, Answer)
    poses = {p.pose for p in packed.placements}
    kept = [p for p in again.placements if p.pose in poses]
    assert {p.pose for p in packed.placements if p.container != label} <= {p.pose for p in kept}
    assert packed.placements[0].pose in {p.pose for p in kept}
    assert len(kept) < len(again.placements)
    for _ in range(2):
        engine.ask(Change("undo"))
        told(again, engine, Answer)


def within(state: State, picture: NDArray[np.int_], label: int, stays: bool) -> NDArray[np.int_]:
    """Return the pixels of a picture of the window about the middles of a container's tiles."""
    tiles = [k for k, p in enumerate(state.placements) if (p.container != label) == stays]
    middles = [where(state, k) for k in tiles if tile_at(state, *where(state, k)) == k]
    return np.array([picture[int(y) - 4 : int(y) + 5, int(x) - 4 : int(x) + 5] for x, y in middles])


def test_packing_anew_is_watched(packed: State, engine: Engine) -> None:
    label = packed.placements[0].container
    stay = [p.pose for p in packed.placements if p.container != label]
    canvas = JigsawCanvas()
    art = drawn(packed, canvas)
    state, wishes = play(replace(packed, selected=0), Key("p"))
    engine.ask(wishes[0])
    counts = set()
    while state.phase != "refine" or state.contours is None:
        state = told(state, engine, Step)
        if state.phase == "pack":
            counts.add(len(shown(state)))
            assert [p.pose for p in shown(state)[: len(stay)]] == stay
            drawn(replace(state, selected=-1, sought=None), canvas)  # frame by frame, as a window
    assert len(counts) > 1
    assert min(counts) == len(stay)
    for used in (canvas, JigsawCanvas()):
        apart = np.abs(drawn(replace(state, selected=-1, sought=None), used).astype(int) - art)
        # What stays is seen as the engine drew it, and only what is packed in one colour a tile.
        assert np.median(within(packed, apart, label, stays=True)) == 0
        assert np.mean(within(packed, apart, label, stays=True)) < 3
        assert np.mean(within(packed, apart, label, stays=False)) > 15
    assert len(shown(state)) > len(state.contours)
    bent = len(state.bent)
    state = told(state, engine, Answer)
    assert len(state.bent) > bent
    assert max(state.bent) > 0
    assert play(state, Key("home"), Key("ctrl+right"))[0].at == 1
    assert [p.pose for p in shown(replace(state, at=0))] == stay
    engine.ask(Change("undo"))
    back = told(state, engine, Answer)
    assert (
        np.abs(drawn(replace(back, selected=-1)).astype(int) - art)[: back.high, : back.wide].mean()
        < 1
    )


def test_what_fails_leaves_the_tiles(packed: State) -> None:
    busy, _ = play(replace(packed, running=True), Told(Step("pack", 0, 0, "", Packed(()))))
    assert not shown(busy)
    failed, _ = play(busy, Told(Said("it cannot be")))
    assert failed.placements == packed.placements
    assert (
        drawn(failed)[: packed.high] == drawn(packed)[: packed.high]  # also the plots beside it
    ).all()
    assert failed.history is packed.history


def test_containers_are_cut_and_joined_by_hand(packed: State, engine: Engine) -> None:
    assert packed.ground is not None
    state, wishes = play(packed, Key("e"), *across(packed))
    engine.ask(wishes[0])
    cut = told(state, engine, Answer)
    assert cut.ground is not None
    assert len(np.unique(cut.ground.labels)) > 2
    assert {p.container for p in cut.placements} <= set(np.unique(cut.ground.labels))
    assert cut.containers == np.count_nonzero(np.unique(cut.ground.labels) >= 0) > packed.containers
    state, wishes = play(replace(cut, brush=""), Key("m"), *across(packed))
    engine.ask(wishes[0])
    joined = told(state, engine, Answer)
    assert joined.ground is not None
    assert len(np.unique(joined.ground.labels)) < len(np.unique(cut.ground.labels))
    for _ in range(2):
        engine.ask(Change("undo"))
        joined = told(joined, engine, Answer)
    assert joined.ground is not None
    assert (joined.ground.labels == packed.ground.labels).all()


def test_nothing_is_changed_while_the_engine_works(packed: State) -> None:
    busy = replace(packed, running=True, selected=2)
    for key in ("delete", "f", "b", "l", "p", "ctrl+z"):
        assert play(busy, Key(key))[1] == []


@pytest.mark.parametrize(
    ("key", "nothing"), [("e", "nothing was cut"), ("m", "nothing was joined")]
)
def test_a_stroke_for_nothing_is_said(
    packed: State, engine: Engine, key: str, nothing: str
) -> None:
    dot = Pointer("down", 20, 300, 1), Pointer("move", 24, 300), Pointer("up", 24, 300, 1)
    state, (change,) = play(packed, Key(key), *dot)
    engine.ask(change)
    same = told(state, engine, Said)
    assert nothing in JigsawCanvas().line(same)
    assert "draw over the picture" in JigsawCanvas().line(same)


def test_a_stroke_waits_and_the_bar_says_so(packed: State) -> None:
    busy = replace(packed, running=True, said="packing 3 of 40", brush="divide")
    state, wishes = play(busy, *across(busy))
    assert (state.view, wishes) == (packed.view, [])
    line = JigsawCanvas().line(state)
    assert "packing 3 of 40" in line
    assert "then" in line


def test_keys_scale_the_selected_tile(packed: State) -> None:
    for key, factor in (("}", 1.06), ("{", 1 / 1.06)):
        (change,) = play(replace(packed, selected=3), Key(key))[1]
        assert isinstance(change, Change)
        assert change.pose is not None
        assert change.pose.scale == pytest.approx(packed.placements[3].pose.scale * factor)


def test_what_was_done_is_said_with_what_it_covers(packed: State, engine: Engine) -> None:
    x, y = where(packed, 5)
    pointed, _ = play(packed, Pointer("move", x, y))
    engine.ask(Change("remove", 5))
    bare = told(pointed, engine, Answer)
    assert bare.said.startswith("took 1 tile away: coverage ")
    assert packed.ground is not None
    area = packed.placements[5].pose.scale ** 2 / packed.ground.labels.size
    assert packed.covered - bare.covered == pytest.approx(area, rel=0.5)
    assert bare.hovered == tile_at(bare, x, y) != pointed.hovered
    engine.ask(Change("undo"))
    back = told(bare, engine, Answer)
    assert back.said.startswith("undone: took 1 tile away: coverage ")
    assert back.covered == pytest.approx(packed.covered)
    assert back.hovered == pointed.hovered
    engine.ask(Change("redo"))
    assert told(back, engine, Answer).said.startswith("done again: took 1 tile away")
    engine.ask(Change("undo"))
    told(bare, engine, Answer)
