"""A photomosaic in the viewer, without a window: events in, state and picture out."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

os.environ["SDL_VIDEODRIVER"] = "dummy"
from conftest import soft_picture
from viewing import crashed, play, told

from smalti.plugin.viewer.engine import Engine
from smalti.plugin.viewer.event import (
    Change,
    Event,
    Key,
    Make,
    Passed,
    Pointer,
    Resized,
    Said,
    Save,
    Wheel,
)
from smalti.plugin.viewer.grid_canvas import GridCanvas
from smalti.plugin.viewer.grid_engine import GridAnswer
from smalti.plugin.viewer.grid_state import GridState, box_of, cell_at, written
from smalti.plugin.viewer.panel import layout, track
from smalti.request import Photomosaic

Golden = Callable[[NDArray[np.uint8], str], None]


@pytest.fixture(scope="module")
def request_(tmp_path_factory: pytest.TempPathFactory) -> Photomosaic:
    folder, rng = tmp_path_factory.mktemp("viewer"), np.random.default_rng(7)
    (folder / "photos").mkdir()
    for number in range(60):
        picture = Image.fromarray(soft_picture(rng, 48, 36))
        picture.save(folder / "photos" / f"photo {number:02}.png")
    Image.fromarray(soft_picture(rng, 120, 90)).save(folder / "target.png")
    photos = (str(folder / "photos"),)
    return Photomosaic(target=str(folder / "target.png"), photos=photos, grid=(8, 6), tile_px=12)


@pytest.fixture(scope="module")
def engine(request_: Photomosaic) -> Iterator[Engine]:
    engine = Engine(Path(request_.target).parent / "index.sqlite")
    yield engine
    engine.close()


def wished(state: GridState, engine: Engine, *events: Event) -> GridState:
    """Apply events, and let the engine do what they ask for."""
    state, wishes = play(state, *events)
    (wish,) = wishes
    engine.ask(wish)
    assert state.running
    return told(state, engine, GridAnswer)


@pytest.fixture(scope="module")
def laid(engine: Engine, request_: Photomosaic) -> GridState:
    engine.ask(Make(request_))
    return told(GridState(request=request_), engine, GridAnswer)


def drawn(state: GridState, canvas: GridCanvas | None = None) -> NDArray[np.uint8]:
    import pygame

    surface = pygame.Surface(state.size)
    (canvas or GridCanvas()).draw(state, surface)
    return np.asarray(pygame.surfarray.array3d(surface).swapaxes(0, 1))


def where(state: GridState, cell: int) -> tuple[float, float]:
    """Middle of a cell in the window."""
    left, top, wide, high = box_of(state, cell)
    return left + wide / 2, top + high / 2


def dragged(state: GridState, one: int, other: int) -> list[Event]:
    return [
        Pointer("down", *where(state, one), 1),
        Pointer("move", *where(state, other)),
        Pointer("up", *where(state, other), 1),
    ]


def photo_of(state: GridState) -> NDArray[np.intp]:
    assert state.answer is not None
    return state.answer.photo


def apart(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Mean difference of two pictures; a tile patched in is smoothed without its neighbours."""
    return float(np.abs(one.astype(int) - other).mean())


def test_the_matching_is_watched(laid: GridState) -> None:
    assert not laid.running
    assert laid.steps == len(laid.history) > 0
    assert (laid.history[-1].photo >= 0).all()
    assert len(np.unique(photo_of(laid))) == 48
    first, _ = play(laid, Pointer("down", 0, laid.high + 10, 1))
    assert first.at == 0
    empty, now = drawn(first), drawn(laid)
    assert empty[: laid.high, : laid.wide].mean() < now[: laid.high, : laid.wide].mean()


def test_the_pointer_names_photo_cell_and_cost(laid: GridState) -> None:
    for cell in (0, 13, 47):
        state, wishes = play(laid, Pointer("move", *where(laid, cell)))
        assert not wishes
        assert state.hovered == cell == cell_at(laid, *where(laid, cell))
        facts = " ".join(GridCanvas().facts(state))
        assert laid.board is not None
        assert laid.answer is not None
        assert laid.board.names[photo_of(laid)[cell]] in facts
        assert f"column {cell % 8 + 1}, row {cell // 8 + 1}" in facts
        assert written(laid.answer.cost[cell]) in facts
    assert cell_at(laid, laid.wide + 5, 50) == -1
    assert cell_at(laid, 2, 2) == -1


def test_a_session_by_hand_and_all_the_way_back(laid: GridState, engine: Engine) -> None:
    canvas = GridCanvas()
    start = drawn(laid, canvas)
    state = wished(laid, engine, *dragged(laid, 10, 29))
    assert photo_of(state)[[10, 29]].tolist() == photo_of(laid)[[29, 10]].tolist()
    assert state.answer is not None
    assert state.answer.locked == {10, 29}
    assert apart(drawn(state, canvas), drawn(state)) < 0.1  # patched as if drawn from nothing
    banned = photo_of(state)[20]
    state = wished(replace(state, selected=20), engine, Key("b"))
    assert banned not in photo_of(state)
    state = wished(replace(state, selected=33), engine, Key("f"))
    assert photo_of(state)[33] != photo_of(laid)[33]
    state = wished(replace(state, selected=5), engine, Key("l"))
    assert state.answer is not None
    assert state.answer.locked == {5, 10, 29, 33}
    assert state.answer.undo == 4
    assert len(state.request.ban) == 1
    assert apart(drawn(state, canvas), drawn(state)) < 0.1
    for left in (3, 2, 1, 0):
        state = wished(state, engine, Key("ctrl+z"))
        assert state.answer is not None
        assert (state.answer.undo, state.answer.redo) == (left, 4 - left)
    assert (photo_of(state) == photo_of(laid)).all()
    bare = replace(state, selected=-1, hovered=-1, said=laid.said)
    assert apart(drawn(bare, canvas), start) < 0.1
    assert state.answer is not None
    assert state.answer.locked == frozenset()


def test_what_cannot_be_is_said_and_one_can_go_on(laid: GridState, engine: Engine) -> None:
    engine.ask(Change("ban", 3))
    for _ in range(11):
        told(laid, engine, GridAnswer)
        engine.ask(Change("ban", 3))
    state = told(laid, engine, GridAnswer)
    engine.ask(Change("ban", 3))
    state = told(replace(state, running=True), engine, Said)
    assert "more photo" in state.said
    assert not state.running
    for _ in range(12):
        state = wished(state, engine, Key("ctrl+z"))
    assert (photo_of(state) == photo_of(laid)).all()


def test_nothing_is_changed_while_the_engine_works(laid: GridState) -> None:
    busy = replace(laid, running=True, selected=2)
    for key in ("f", "b", "l", "tab", "ctrl+z"):
        assert play(busy, Key(key))[1] == []
    assert play(busy, *dragged(laid, 1, 2))[1] == []
    bare = GridState(request=laid.request)
    assert play(bare, Key("s"), Key("f"), Pointer("move", 5, 5))[1] == []


def test_a_drag_onto_nothing_or_itself_changes_nothing(laid: GridState) -> None:
    assert play(laid, *dragged(laid, 4, 4))[1] == []
    x, y = where(laid, 4)
    out = [Pointer("down", x, y, 1), Pointer("move", 1, 1), Pointer("up", 1, 1, 1)]
    assert play(laid, *out)[1] == []


def test_keys_move_from_cell_to_cell(laid: GridState) -> None:
    state = replace(laid, selected=9)
    for key, cell in (("right", 10), ("down", 18), ("left", 17), ("up", 9), ("up", 1), ("up", 1)):
        state, _ = play(state, Key(key))
        assert state.selected == cell
    state, _ = play(state, Key("tab"), Key("escape"))
    assert state.selected == -1
    assert play(state, Key("left"))[0].view.x < state.view.x


def test_cells_are_swapped_by_keys(laid: GridState, engine: Engine) -> None:
    marked, wishes = play(replace(laid, selected=9), Key("x"), Key("right"))
    assert not wishes
    assert (drawn(marked) != drawn(replace(marked, marked=-1))).any()
    assert play(marked, Key("escape"), Key("x"))[1] == []
    state = wished(marked, engine, Key("x"))
    assert photo_of(state)[[9, 10]].tolist() == photo_of(laid)[[10, 9]].tolist()
    assert state.marked == -1
    assert state.said.startswith("swapped 2 photos: mean cost ")
    state = wished(state, engine, Key("ctrl+z"))
    assert state.said.startswith("undone: swapped 2 photos")


def test_costs_are_written_in_one_way(laid: GridState) -> None:
    assert laid.answer is not None
    mean = f"mean cost {written(laid.answer.cost.mean())}"
    assert mean in laid.said
    assert mean in " ".join(GridCanvas().facts(laid))
    assert [written(cost) for cost in (0.012345, 12.345, 45678.9)] == ["0.01235", "12.35", "45,679"]


def test_the_pointer_stays_over_its_cell_whatever_comes(laid: GridState, engine: Engine) -> None:
    pointed, _ = play(laid, Pointer("move", *where(laid, 20)))
    moved, _ = play(pointed, Key("i"), Key("i"), Key("left"))
    assert moved.hovered == cell_at(moved, *moved.pointer)
    assert moved.hovered != -1
    resized, _ = play(pointed, Resized(600, 400))
    assert resized.hovered == cell_at(resized, *pointed.pointer) != 20


def test_sliders_begin_anew_and_keep_what_can_be_kept(laid: GridState, engine: Engine) -> None:
    state = wished(replace(laid, selected=20), engine, Key("b"))
    state = wished(replace(state, selected=5), engine, Key("l"))
    for slider, box in zip(GridState.SLIDERS, layout(state).sliders, strict=True):
        x, y = track(state)[0], box.top + 5
        moved, wishes = play(
            state, Pointer("down", x, y, 1), Pointer("move", x + 60, y), Pointer("up", x, y, 1)
        )
        assert isinstance(wishes[0], Make)
        assert moved.history == ()
        asked = wishes[0].request
        assert getattr(asked, slider.field) != getattr(laid.request, slider.field)
        assert isinstance(asked, Photomosaic)
        assert len(asked.ban) == 1
        assert len(asked.lock) == (slider.field != "cells")
    for _ in range(2):
        state = wished(state, engine, Key("ctrl+z"))


def test_everything_is_twice_as_large_at_scale_2(laid: GridState) -> None:
    canvas = GridCanvas()
    small, large = laid, replace(laid, scale=2.0)
    large, _ = play(large, Resized(2 * laid.size[0], 2 * laid.size[1]), Key("0"))
    small, _ = play(small, Key("0"))
    one, two = drawn(small, canvas), drawn(large, canvas)
    assert (large.wide, large.high) == (2 * small.wide, 2 * small.high)
    half = np.asarray(Image.fromarray(two).resize(laid.size, Image.Resampling.BOX)).astype(int)
    assert np.abs(half - one)[:, laid.wide :].mean() < 4  # text is shaped anew
    assert np.abs(half - one)[: laid.high, : laid.wide].mean() < 3
    places, plain = layout(large), layout(small)
    assert places.layers[1].height == 2 * plain.layers[1].height
    pressed, _ = play(large, Pointer("down", track(large)[1], places.sliders[0].top + 9, 1))
    assert pressed.value_of(GridState.SLIDERS[0]) == 10_000
    left, top, *_ = places.layers[0]
    toggled, _ = play(large, Pointer("down", left + 9, top + 9, 1))
    assert "target" in toggled.seen


@pytest.mark.parametrize("dark", [True, False])
def test_every_layer_shows_something(laid: GridState, dark: bool) -> None:
    base = replace(laid, dark=dark)
    plain = drawn(base)
    for layer in GridState.LAYERS:
        other = drawn(replace(base, seen=base.seen ^ {layer}))
        assert (other[: base.high, : base.wide] != plain[: base.high, : base.wide]).any(), layer


def test_a_session_looks_as_it_did(laid: GridState, engine: Engine, golden: Golden) -> None:
    small, _ = play(laid, Resized(500, 360), Key("0"))
    swapped = wished(small, engine, *dragged(small, 10, 29))
    near, _ = play(swapped, Wheel(*where(swapped, 20), 3.0), Passed(1.0))
    near, _ = play(near, Pointer("move", *where(near, 20)))
    golden(drawn(near), "viewer-photo-dark")
    light = replace(swapped, dark=False, seen=swapped.seen | {"borders", "cost"}, selected=-1)
    light, _ = play(light, Pointer("move", *where(light, 29)))
    golden(drawn(light), "viewer-photo-light")
    wished(swapped, engine, Key("ctrl+z"))


def test_saved_from_any_folder_and_opened_again(
    laid: GridState, engine: Engine, tmp_path: Path
) -> None:
    from smalti.mosaic import render_project
    from smalti.plugin.viewer.kinds import first_state, request_of
    from smalti.project import project_path

    swapped = wished(laid, engine, *dragged(laid, 3, 40))
    file = tmp_path / "m.png"
    engine.ask(Save(str(file)))
    assert "saved" in told(swapped, engine, Said).said
    render_project(project_path(file), tmp_path / "again.png")
    assert (tmp_path / "again.png").read_bytes() == file.read_bytes()
    request = request_of(project_path(file))
    assert request.output == ""
    state = first_state(request, 1.0)
    assert isinstance(state, GridState)
    engine.ask(Make(replace(request, target=str(project_path(file)))))
    opened = told(state, engine, GridAnswer)
    assert (photo_of(opened) == photo_of(swapped)).all()
    assert opened.answer is not None
    assert opened.answer.locked == {3, 40}
    again = wished(opened, engine, *dragged(opened, 3, 40))
    assert (photo_of(again)[[3, 40]] == photo_of(laid)[[3, 40]]).all()
    engine.ask(Make(laid.request))  # for the tests that follow
    told(laid, engine, GridAnswer)


def test_a_time_lapse_of_the_matching(laid: GridState, tmp_path: Path) -> None:
    from smalti.plugin.viewer.timelapse import record

    assert "saved" in [*record(laid, tmp_path / "lapse.webp")][-1]
    with Image.open(tmp_path / "lapse.webp") as picture:
        assert getattr(picture, "n_frames", 1) >= 2
        assert max(picture.size) == 720


def test_what_was_marked_is_so_no_more_on_another_grid(
    laid: GridState, engine: Engine, request_: Photomosaic
) -> None:
    other = replace(request_, grid=(4, 3))
    engine.ask(Make(other))
    coarse = told(GridState(request=other), engine, GridAnswer)
    fine = wished(coarse, engine, Key("ctrl+z"))
    last = len(photo_of(fine)) - 1
    marked, _ = play(replace(fine, selected=last), Key("x"))
    again = wished(replace(marked, selected=-1), engine, Key("ctrl+y"))
    assert again.marked == -1
    drawn(again)
    wished(again, engine, Key("ctrl+z"))  # for the tests that follow


def test_locks_go_with_the_grid_while_it_is_laid(laid: GridState) -> None:
    request = replace(laid.request, lock=("1,1=photo",))
    laying = replace(laid, request=request, answer=None, running=True, focus="cells", tuned=100.0)
    _, (make, _) = play(laying, Key("return"))
    assert isinstance(make, Make)
    assert isinstance(make.request, Photomosaic)
    assert (make.request.cells, make.request.lock) == (100, ())


def test_the_mosaic_before_another_grid_comes_back(
    laid: GridState, engine: Engine, request_: Photomosaic
) -> None:
    locked = wished(replace(laid, selected=5), engine, Key("l"))
    other = replace(request_, grid=(4, 3))
    engine.ask(Make(other))
    coarse = told(GridState(request=other), engine, GridAnswer)
    back = wished(coarse, engine, Key("ctrl+z"))
    assert back.request == locked.request
    assert back.answer is not None
    assert locked.answer is not None
    assert (back.answer.photo == locked.answer.photo).all()
    assert back.answer.locked == {5}
    assert " s" not in GridCanvas().facts(back)[0].split("laid")[1]  # it was not laid again
    assert back.picture is not None
    assert locked.picture is not None
    assert (back.picture == locked.picture).all()
    wished(back, engine, Key("ctrl+z"))  # for the tests that follow


@pytest.fixture
def alone(request_: Photomosaic) -> Iterator[tuple[Engine, GridState]]:
    """Lay the photomosaic with an engine that has done nothing else."""
    engine, make = Engine(Path(request_.target).parent / "index.sqlite"), Make(request_)
    engine.ask(make)
    yield engine, told(GridState(request=request_, asked=make), engine, GridAnswer)
    engine.close()


def test_what_was_watched_comes_back_with_the_mosaic(alone: tuple[Engine, GridState]) -> None:
    engine, first = alone
    fresh, wishes = play(first, Key(";"), Key("page down"), Key("return"))
    for wish in wishes:
        engine.ask(wish)
    other = told(fresh, engine, GridAnswer)
    back = wished(other, engine, Key("ctrl+z"))
    assert (back.history, back.steps) == (first.history, first.steps)
    assert back.steps > 0
    again = wished(back, engine, Key("ctrl+y"))
    assert again.history == other.history != back.history


def test_what_was_done_by_hand_is_done_again_after_a_crash(
    alone: tuple[Engine, GridState],
) -> None:
    engine, state = alone
    for keys in ([Key("x"), Key("right"), Key("x")], [Key("l")], [Key("f")], [Key("ctrl+z")]):
        state = wished(replace(state, selected=max(state.selected, 3)), engine, *keys)
    again, answers = crashed(state, engine, GridAnswer)
    assert answers == 3  # made, swapped, let go
    assert again.answer is not None
    assert state.answer is not None
    assert (again.answer.photo == state.answer.photo).all()
    assert again.answer.locked == state.answer.locked
    assert again.answer.undo == state.answer.undo == 2
