"""Panel, keys and bar of the viewer: all within reach in any window, by hand and by keys."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

os.environ["SDL_VIDEODRIVER"] = "dummy"
from viewing import play

from smalti.plugin.viewer.canvas import Canvas
from smalti.plugin.viewer.event import Key, Make, Pointer, Record, Resized, Save, Wheel
from smalti.plugin.viewer.grid_state import GridState
from smalti.plugin.viewer.jigsaw_state import JigsawState
from smalti.plugin.viewer.kinds import State, canvas_of
from smalti.plugin.viewer.panel import TITLE, layout, track
from smalti.plugin.viewer.stage import EDGE, fitted
from smalti.plugin.viewer.surround import Plot
from smalti.request import Jigsaw, Photomosaic

JIGSAW = JigsawState(
    request=Jigsaw(target="", shapes=(), tiles=500), raster=(300, 200), steps=100, settled=True
)
GRID = GridState(request=Photomosaic(target="", photos=()), raster=(300, 200))
WINDOWS = [(1280, 800, 1.0), (800, 600, 1.0), (1600, 900, 2.0), (640, 480, 1.0), (2560, 1600, 2.0)]


def sized(state: State, width: int, height: int, scale: float) -> State:
    return play(replace(state, scale=scale), Resized(width, height))[0]


def drawn(state: State) -> np.ndarray:
    import pygame

    class Bare(Canvas[State]):
        """The surround alone."""

        def facts(self, state: State) -> list[str]:
            return [f"fact {number}" for number in range(state.FACTS)]

        def plots(self, state: State) -> list[Plot]:
            return []

    surface = pygame.Surface(state.size)
    Bare().draw(replace(state, raster=(0, 0)), surface)
    return pygame.surfarray.array3d(surface).swapaxes(0, 1).astype(int)


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("state", [JIGSAW, GRID], ids=["jigsaw", "photomosaic"])
def test_everything_in_the_panel_is_within_reach(
    state: State, window: tuple[int, int, float]
) -> None:
    state = sized(state, *window)
    end, _ = play(state, Wheel(state.wide + 9, 99, -100))
    top, bottom = layout(state), layout(end)
    assert top.sliders[0].top >= state.px(TITLE)
    assert bottom.plots[-1].top + bottom.plots[-1].height <= state.high
    for places, now in ((top, state), (bottom, end)):
        for layer, box in zip(state.LAYERS, places.layers, strict=True):
            middle = box.left + box.width / 2, box.top + box.height / 2
            seen = play(now, Pointer("down", *middle, 1))[0].seen
            there = state.px(TITLE) <= middle[1] < state.high
            assert (seen == state.seen ^ {layer}) == there
    assert play(end, Wheel(end.wide + 9, 99, 100))[0].scroll == 0


@pytest.mark.parametrize("size", [(1280, 800), (800, 600)])
def test_a_low_window_needs_no_scrolling(size: tuple[int, int]) -> None:
    assert layout(sized(JIGSAW, *size, 1.0)).hidden == 0


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("state", [JIGSAW, GRID], ids=["jigsaw", "photomosaic"])
def test_the_help_is_whole(state: State, window: tuple[int, int, float]) -> None:
    state = sized(state, *window)
    apart = (drawn(play(state, Key("f1"))[0]) != drawn(state)).any(axis=2)
    rim = np.concatenate([apart[0], apart[-1], apart[:, 0], apart[:, -1]])
    assert apart.mean() > 0.1
    assert not rim.any()


def test_what_was_seen_whole_is_so_in_a_window_of_another_size() -> None:
    whole = fitted(JIGSAW)
    small, _ = play(whole, Resized(700, 500))
    assert small.view == fitted(small).view != whole.view
    near, _ = play(whole, Wheel(300, 200, 2), Resized(700, 500))
    assert near.view != fitted(near).view


def test_keys_change_sliders() -> None:
    state, wishes = play(JIGSAW, Key(";"), Key(";"), Key(";"), Key("page up"))
    assert state.focus == "w_color"
    assert state.value_of(JigsawState.SLIDERS[2]) == 1.08
    assert not wishes
    for undecided in (Key("escape"), Key(",")):
        assert play(state, undecided, Key("return"))[1] == []
    state, (make, _) = play(state, Key("return"))
    assert isinstance(make, Make)
    assert make.request == replace(JIGSAW.request, w_color=1.08)
    assert state.focus == "w_color"
    last, _ = play(sized(JIGSAW, 640, 480, 1.0), Key(","))
    box = layout(last).sliders[-1]
    assert last.px(TITLE) <= box.top <= last.high - box.height
    _, (make, _) = play(GRID, Key(";"), Key(";"), Key("page up"), Key("enter"))
    assert isinstance(make, Make)
    assert make.request == replace(GRID.request, max_uses=2)


def test_a_slider_stands_nowhere_until_that_is_known() -> None:
    tiles = JigsawState.SLIDERS[0]
    unknown = replace(JIGSAW, request=Jigsaw(target="", shapes=()))
    assert unknown.value_of(tiles) is None
    least = replace(JIGSAW, request=replace(JIGSAW.request, tiles=20))
    knob = layout(unknown).sliders[0].top, track(unknown)[0]
    around = np.s_[int(knob[0]) : int(knob[0]) + 30, int(knob[1]) - 5 : int(knob[1]) + 5]
    assert (drawn(unknown)[around] != drawn(least)[around]).any()
    assert play(unknown, Key(";"), Key("page up"), Key("return"))[1] == []


def test_the_name_of_a_slider_only_chooses_it() -> None:
    box = layout(JIGSAW).sliders[0]
    down = Pointer("down", box.left + 5, box.top + 9, 1)
    state, wishes = play(JIGSAW, down, Pointer("up", 0, 0, 1))
    assert (state.focus, state.tuned, wishes) == ("tiles", None, [])


def test_keys_go_through_what_was_laid() -> None:
    places = [
        ("home", 0),
        ("ctrl+left", 0),
        ("ctrl+right", 1),
        ("ctrl+shift+right", 6),
        ("end", None),
        ("ctrl+left", 99),
        ("ctrl+right", None),
    ]
    state = JIGSAW
    for key, at in places:
        state, _ = play(state, Key(key))
        assert state.at == at, key


def test_the_end_of_the_line_is_the_mosaic_as_it_is() -> None:
    bar = JIGSAW.high + 10
    for steps, share, at in ((100, 0.5, 50), (40, 0.992, None), (0, 0.5, None)):
        x = EDGE + share * (JIGSAW.size[0] - 2 * EDGE)
        state, _ = play(replace(JIGSAW, steps=steps), Pointer("down", x, bar, 1))
        assert state.at == at, (steps, share)


def test_keys_zoom() -> None:
    near, _ = play(fitted(JIGSAW), Key("i"))
    assert near.view.zoom > fitted(JIGSAW).view.zoom
    middle = near.wide / 2, near.high / 2
    assert near.view.to_raster(*middle) == pytest.approx(fitted(JIGSAW).view.to_raster(*middle))
    assert play(near, Key("o"))[0].view.zoom == pytest.approx(fitted(JIGSAW).view.zoom)


def test_files_are_asked_for_and_lie_beside_each_other(tmp_path: Path) -> None:
    from smalti.plugin.viewer.window import unused

    still = replace(JIGSAW, running=False)
    saving, wishes = play(still, Key("s"))
    assert wishes == [Save("smalti-view.png")]
    assert play(saving, Key("s"))[1] == []  # until it is saved
    assert play(JIGSAW, Key("g"), Key("shift+g"))[1] == [
        Record("smalti-view.webp"),
        Record("smalti-view.gif"),
    ]
    file = tmp_path / "a.png"
    assert unused(file, ".svg") == file
    (tmp_path / "a.svg").touch()
    assert unused(file, ".svg") == tmp_path / "a-2.png"
    (tmp_path / "a-2.png").touch()
    assert unused(file, ".svg") == tmp_path / "a-3.png"
    assert unused(tmp_path / "a.webp") == tmp_path / "a.webp"


def test_a_key_is_what_it_writes() -> None:
    import pygame

    from smalti.plugin.viewer.window import events_of

    def key(number: int, mod: int = 0, text: str = "") -> object:
        return events_of(pygame.Event(pygame.KEYDOWN, key=number, mod=mod, unicode=text))[0]

    assert key(pygame.K_PAGEUP) == Key("page up")
    assert key(pygame.K_LEFTBRACKET, pygame.KMOD_LSHIFT, "{") == Key("{")
    assert key(pygame.K_COMMA, pygame.KMOD_LSHIFT, ";") == Key(";")
    assert key(pygame.K_g, pygame.KMOD_LSHIFT, "G") == Key("shift+g")
    assert key(pygame.K_LEFT, pygame.KMOD_LCTRL | pygame.KMOD_LSHIFT) == Key("ctrl+shift+left")


def test_canvases_say_no_more_than_there_is_room_for() -> None:
    for state in (JIGSAW, GRID):
        canvas = canvas_of(state)
        assert len(canvas.facts(state)) <= state.FACTS
        assert len(canvas.plots(state)) <= state.PLOTS
