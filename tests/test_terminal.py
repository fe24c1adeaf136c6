"""Bars on a terminal that is made up."""

import io
import re
import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from smalti.core.progress import Step
from smalti.plugin import terminal


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True

    def shows(self, words: str) -> bool:
        """Whether words come to be shown."""
        return comes(lambda: words in self.getvalue())

    def left(self) -> str:
        """The time left that was shown last."""
        found: list[str] = re.findall(r"[\d:]+ left", self.getvalue())
        return found[-1] if found else ""


def comes(true: Callable[[], bool]) -> bool:
    """Whether something comes to be; bars are drawn by a thread of their own."""
    begin = time.monotonic()
    while not true() and time.monotonic() < begin + 20:
        time.sleep(0.02)
    return true()


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "160")
    return Screen()


def test_the_time_left_counts_down_while_nothing_is_heard(
    screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(terminal, "time", SimpleNamespace(monotonic=lambda: now))
    with terminal.shown(False, screen) as progress:
        for done in range(5):
            progress(Step("render", done, 34, "drawing"))
            assert screen.shows(f"{done}/34")
            now += 1
        before = screen.left()
        assert before
        now += 9
        assert comes(lambda: screen.left() != before)


def test_what_goes_on_after_something_else_has_its_time_left_again(
    screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(terminal, "time", SimpleNamespace(monotonic=lambda: now))
    with terminal.shown(False, screen) as progress:
        progress(Step("index", 0, 40, "reading"))
        progress(Step("index", 0, 0, "waiting"))
        for done in range(10, 15):
            progress(Step("index", done, 40, "reading"))
            assert screen.shows(f"{done}/40")
            now += 1
        assert comes(lambda: bool(screen.left()))


def test_a_forecast_is_shown_where_steps_do_not_tell(screen: Screen) -> None:
    with terminal.shown(False, screen) as progress:
        progress(Step("assign", 0, 0, "solving", left=65.4))
        assert screen.shows("1:05 left")


def test_a_forecast_is_in_the_lines_of_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(terminal, "time", SimpleNamespace(monotonic=lambda: now))
    lines = io.StringIO()
    with terminal.shown(False, lines) as progress:
        for left in (67.0, 65.0):
            progress(Step("assign", 0, 0, "solving", left=left))
            now += 2
    assert lines.getvalue() == "solving ..., 1:05 left\n"


@pytest.mark.parametrize("times", [1, 2])
def test_bars_of_short_phases_go(
    screen: Screen, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    now = 100.0
    monkeypatch.setattr(terminal, "time", SimpleNamespace(monotonic=lambda: now))
    with terminal.shown(False, screen) as progress:
        for _ in range(times):  # twice it was no longer short
            progress(Step("index", 0, 0, "looking"))
            assert screen.shows("looking")
            now += 0.7
            progress(Step("pack", 0, 3, "packing"))
            now += 3
    final = screen.getvalue().rpartition("\x1b[2K")[2]
    assert "packing" in final
    assert ("looking" in final) == (times == 2)
