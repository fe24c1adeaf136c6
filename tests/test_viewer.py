"""A jigsaw in the viewer, without a window: events in, state and picture out."""

import math
import os
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

os.environ["SDL_VIDEODRIVER"] = "dummy"
from viewing import across, play, told

from smalti.core.progress import Step
from smalti.jigsaw.energy import Terms
from smalti.jigsaw.placement import Laid, Packed
from smalti.jigsaw.pose import Pose
from smalti.plugin.viewer.engine import Engine
from smalti.plugin.viewer.event import (
    Change,
    Key,
    Make,
    Pace,
    Passed,
    Pointer,
    Quit,
    Record,
    Resized,
    Said,
    Save,
    Told,
    Wheel,
)
from smalti.plugin.viewer.jigsaw_canvas import JigsawCanvas
from smalti.plugin.viewer.jigsaw_engine import Answer
from smalti.plugin.viewer.jigsaw_state import History, shown, tile_at
from smalti.plugin.viewer.jigsaw_state import JigsawState as State
from smalti.plugin.viewer.panel import layout, track
from smalti.plugin.viewer.stage import View
from smalti.request import Jigsaw

Golden = Callable[[NDArray[np.uint8], str], None]


def drawn(state: State, canvas: JigsawCanvas | None = None) -> NDArray[np.uint8]:
    import pygame

    surface = pygame.Surface(state.size)
    (canvas or JigsawCanvas()).draw(state, surface)
    return np.asarray(pygame.surfarray.array3d(surface).swapaxes(0, 1))


def where(state: State, number: int) -> tuple[float, float]:
    """Place of a tile in the window."""
    pose, view = state.placements[number].pose, state.view
    return (pose.x - view.x) * view.zoom, (pose.y - view.y) * view.zoom


def test_a_packing_is_watched_from_its_ground_to_its_picture(packed: State) -> None:
    assert packed.ground is not None
    assert packed.library is not None
    assert packed.containers == 2
    assert not packed.running
    assert "coverage" in packed.said
    news = packed.history.news
    assert sum(laid.placement is not None for laid in news) >= len(packed.placements)
    last = packed.history.tiles(len(news))
    assert len(last) == len(packed.placements)
    assert len(packed.history.tiles(len(news) // 2)) <= len(last)
    picture = drawn(packed)
    red = picture[..., 0].astype(int) - picture[..., 2]
    assert red[packed.high // 2, packed.wide // 2] > 30 > red[packed.high // 2, 40]


def test_tiles_are_seen_where_they_were(packed: State) -> None:
    half, _ = play(packed, Pointer("down", packed.size[0] / 2, packed.high + 10, 1))
    assert half.at is not None
    count = half.at
    assert 0.4 < count / len(packed.history.news) < 0.6
    assert len(shown(half)) == len(packed.history.tiles(count))
    assert (drawn(half) != drawn(packed)).any()
    again, _ = play(half, Pointer("move", packed.size[0], packed.high + 10), Pointer("up", 0, 0, 1))
    assert again.at is None
    assert (drawn(again) == drawn(replace(packed, pointer=again.pointer))).all()


def test_a_tile_that_goes_leaves_what_was_below_it(packed: State) -> None:
    gone = [k for k, laid in enumerate(packed.history.news) if laid.placement is None]
    assert gone  # the packing took tiles away
    canvas, bare = JigsawCanvas(), replace(packed, seen=frozenset({"tiles"}))
    for at in range(1, packed.steps + 1):
        now = drawn(replace(bare, at=at), canvas)
        if at - 1 in gone:
            anew, none = drawn(replace(bare, at=at)), drawn(replace(bare, at=0))
            # Where tiles overlap the newest lies on top, but they cover what they would at once.
            assert ((now != none) != (anew != none)).any(axis=2).mean() < 0.001


def test_the_only_tile_may_go(packed: State) -> None:
    canvas, bare = JigsawCanvas(), replace(packed, history=History(), answer=None, placements=())
    first = next(laid for laid in packed.history.news if laid.placement is not None)
    empty = drawn(bare)
    bare.history.news.append(first)
    assert (drawn(bare, canvas) != empty).any()
    bare.history.news.append(Laid(first.container, first.number))
    assert (
        drawn(replace(bare, steps=2), canvas)[: bare.high, : bare.wide]
        == empty[: bare.high, : bare.wide]
    ).all()


@pytest.mark.parametrize("dark", [True, False])
def test_every_layer_shows_something(packed: State, dark: bool) -> None:
    base = replace(packed, dark=dark, answer=None)
    plain = drawn(replace(base, seen=frozenset({"tiles"})))
    for layer in ("target", "borders", "energy"):
        other = drawn(replace(base, seen=frozenset({"tiles", layer})))
        assert (other[: base.high, : base.wide] != plain[: base.high, : base.wide]).any(), layer


def test_the_picture_stays_under_the_pointer_when_zoomed() -> None:
    view = View(10, 20, 2.0)
    near = view.zoomed(300, 200, 1.5)
    assert near.zoom == 3.0
    assert near.to_raster(300, 200) == pytest.approx(view.to_raster(300, 200))
    assert view.zoomed(0, 0, 1e9).zoom == 40


def test_dragging_the_ground_moves_the_view(packed: State) -> None:
    x, y = 5, 5
    moved, wishes = play(
        packed, Pointer("down", x, y, 2), Pointer("move", x + 40, y + 8), Pointer("up", x, y, 2)
    )
    assert not wishes
    assert moved.view.x == pytest.approx(packed.view.x - 40 / packed.view.zoom)
    still, _ = play(moved, Passed(10.0))
    assert moved.restless > 0 == still.restless
    whole, _ = play(moved, Key("0"))
    assert whole.view == packed.view


def test_hovering_names_the_tile(packed: State) -> None:
    for number in (0, 7, 20):
        x, y = where(packed, number)
        state, _ = play(packed, Pointer("move", x, y))
        found = tile_at(packed, x, y)
        assert state.hovered == found
        if found != number:  # its centroid may lie outside of it
            assert found == -1 or found != number
    assert tile_at(packed, packed.wide + 5, 50) == -1


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


def test_packing_anew_is_watched(packed: State, engine: Engine) -> None:
    label = packed.placements[0].container
    stay = [p.pose for p in packed.placements if p.container != label]
    art = drawn(packed)
    state, wishes = play(replace(packed, selected=0), Key("p"))
    engine.ask(wishes[0])
    counts = set()
    while state.phase != "refine" or state.contours is None:
        state = told(state, engine, Step)
        if state.phase == "pack":
            counts.add(len(shown(state)))
            assert [p.pose for p in shown(state)[: len(stay)]] == stay
    assert len(counts) > 1
    assert min(counts) == len(stay)
    assert (drawn(state) != art).any(axis=2).mean() > 0.1
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
        drawn(failed) == drawn(replace(packed, said="it cannot be", coverage=(), terms=(), bent=()))
    ).mean() > 0.99


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


def test_a_slider_packs_again(packed: State) -> None:
    start, end = track(packed)
    for slider, box in zip(State.SLIDERS, layout(packed).sliders, strict=True):
        state, wishes = play(packed, Pointer("down", start, box.top + 5, 1))
        assert state.value_of(slider) == slider.low
        assert not wishes
        state, _ = play(state, Pointer("move", end + 50, 0))
        assert state.value_of(slider) == slider.high
        state, wishes = play(state, Pointer("up", 0, 0, 1))
        assert isinstance(wishes[0], Make if slider.anew else Change)
        assert state.running


def test_keys(packed: State) -> None:
    assert play(packed, Key("q"))[1] == [Quit()]
    assert isinstance(play(packed, Key("s"))[1][0], Save)
    assert isinstance(play(packed, Key("g"))[1][0], Record)
    state, wishes = play(packed, Key("r"))
    assert isinstance(wishes[0], Make)
    assert wishes[0].request.seed == packed.request.seed + 1
    assert state.running
    state, wishes = play(state, Key("space"))
    assert state.paused
    assert wishes == [Pace(math.inf)]
    assert play(state, Key("."))[1] == [Pace(math.inf, once=True)]
    state, wishes = play(state, Key("space"), Key("-"))
    assert wishes == [Pace(0.0), Pace(0.02)]
    for number, layer in enumerate(State.LAYERS, 1):
        assert (layer in play(packed, Key(str(number)))[0].seen) != (layer in packed.seen)
    helped, _ = play(packed, Key("f1"))
    assert (drawn(helped) != drawn(packed)).any()
    assert not play(helped, Key("escape"))[0].help
    assert play(packed, Key("f12"), Key("x"))[1] == []


def test_nothing_is_changed_while_the_engine_works(packed: State) -> None:
    busy = replace(packed, running=True, selected=2)
    for key in ("delete", "f", "b", "l", "p", "ctrl+z"):
        assert play(busy, Key(key))[1] == []


def test_the_terms_of_energies_are_seen_as_tiles_are_laid(packed: State) -> None:
    assert len(packed.terms) > 20
    terms = np.array(packed.terms)
    assert np.ptp(terms, axis=0).min() > 0
    plots = JigsawCanvas().plots(packed)
    assert len(plots) == State.PLOTS
    assert all(len(plot.values) > 10 and plot.last for plot in plots[1:])
    near, far = (
        drawn(replace(packed, terms=(Terms(colour), Terms(-2.0), Terms(-1.0))))
        for colour in (-1.0, -3.0)
    )
    assert (near[:, packed.wide :] != far[:, packed.wide :]).any()  # also what is below zero


def test_borders_are_seen_when_asked_for(packed: State) -> None:
    assert "borders" not in packed.seen
    asked, _ = play(packed, Key("3"))
    assert (
        drawn(asked)[: packed.high, : packed.wide] != drawn(packed)[: packed.high, : packed.wide]
    ).any()


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


def test_the_rate_counts_tiles(packed: State) -> None:
    facts = JigsawCanvas().facts(replace(packed, seconds=2.0))
    assert facts[0].startswith(
        f"{len(packed.placements)} tiles   {len(packed.placements) / 2:.0f} a"
    )


def test_the_window_may_have_any_size(packed: State) -> None:
    import pygame

    for size in ((400, 300), (1, 1), (2500, 900)):
        state, _ = play(packed, Resized(*size))
        whole = drawn(state)
        assert whole.shape[:2] == (state.size[1], state.size[0])
        part = pygame.Surface(size)  # a window may be smaller than a state
        JigsawCanvas().draw(state, part)
        corner = pygame.surfarray.array3d(part).swapaxes(0, 1)
        assert (corner == whole[: size[1], : size[0]]).all()


def test_a_session_looks_as_it_did(packed: State, golden: Golden) -> None:
    small, _ = play(packed, Resized(520, 380), Key("0"))
    near, _ = play(small, Wheel(*where(small, 3), 2.0), Passed(1.0))
    near, _ = play(near, Pointer("move", *where(near, 3)))
    golden(drawn(near), "viewer-jigsaw-dark")
    past = replace(small, dark=False, at=packed.steps // 2, seen=small.seen | {"borders", "energy"})
    golden(drawn(past), "viewer-jigsaw-light")


def test_a_tile_whose_colour_leaves_srgb_is_drawn(packed: State) -> None:
    from smalti.plugin.viewer.jigsaw_canvas import tile_colour

    assert packed.library is not None
    lab = np.full_like(packed.library.lab, 100)  # as no screen can show it
    state = replace(packed, library=replace(packed.library, lab=lab))
    assert all(0 <= channel <= 255 for channel in tile_colour(state, packed.placements[0]))
    drawn(replace(state, answer=None))


def test_begun_anew_a_container_is_empty() -> None:
    state = State(request=Jigsaw(target="", shapes=()))
    state.history.news += [Laid(0), Laid(1)]
    assert state.history.tiles(2) == {}
    assert Pose(0, 1, 2, 3).x == 2
