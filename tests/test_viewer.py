"""A jigsaw in the viewer, without a window: events in, state and picture out."""

import math
import os
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

os.environ["SDL_VIDEODRIVER"] = "dummy"
from viewing import drawn, energies, play, told, where

from smalti.jigsaw.energy import Terms
from smalti.jigsaw.placement import Laid
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


def test_hovering_tells_the_terms_of_its_energy(packed: State) -> None:
    for number in range(len(packed.placements)):
        whole, terms = energies(replace(packed, hovered=number))
        assert list(terms) == ["colour", "gaps", "overlap", "look-ahead"]
        assert whole == pytest.approx(packed.placements[number].energy, abs=0.0006)
        assert whole == pytest.approx(sum(terms.values()), abs=0.003)
        assert terms["colour"] > 0


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


def test_the_rate_counts_tiles(packed: State) -> None:
    facts = JigsawCanvas().facts(replace(packed, seconds=2.0))
    assert facts[0].startswith(
        f"{len(packed.placements)} tiles   {len(packed.placements) / 2:.0f} a"
    )
    anew = replace(packed, seconds=2.0, history=History(packed.placements[:-10]))
    assert " 5 a second" in JigsawCanvas().facts(anew)[0]  # those that stay are not laid


def test_borders_are_seen_while_it_is_packed_and_later_as_they_were(
    packed: State, engine: Engine
) -> None:
    for keys in ([], [Key("3")]):
        over, _ = play(packed, *keys)
        making, wishes = play(over, Key("r"))
        assert "borders" in making.seen
        for wish in wishes:
            engine.ask(wish)
        made = told(making, engine, Answer)
        assert made.seen == over.seen
        assert made.answer is not None
        hidden, _ = play(making, Key("3"), Told(made.answer), Key("r"))
        assert "borders" not in hidden.seen
        engine.ask(Change("undo"))
        back = told(made, engine, Answer)
        assert back.seen == over.seen


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
