"""The engine of the viewer: a process that makes mosaics, and changes them by hand.

The window never waits for it. It takes wishes and gives back steps, answers and
failures; a pause is a step it does not come back from. What keeps the first mosaic
from being made is told as the error it is. All it tells bears the number of the
mosaic it is about: what was still on its way when another was asked for is never
seen. When the window's end of the pipe closes, it ends. What is particular to a
kind of mosaic is in `jigsaw_engine` and `grid_engine`.
"""

import math
import multiprocessing
import time
import traceback
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from smalti.core.errors import BadInput, SmaltiError
from smalti.core.progress import Step
from smalti.grid_desk import GridDesk
from smalti.grid_project import GridProject
from smalti.jigsaw_desk import Desk
from smalti.jigsaw_project import JigsawProject
from smalti.mosaic import open_project
from smalti.plugin.viewer import grid_engine, jigsaw_engine
from smalti.plugin.viewer.event import STOP, Change, Make, Pace, Said, Save, Wish
from smalti.request import Photomosaic

_MANY = 400  # answers handed over at a time, so that the window stays at its pace

_NOTHING = {
    "divide": "nothing was cut: draw across a container, from edge to edge",
    "unite": "nothing was joined: draw over two containers or more",
}


class Engine:
    """The window's end of the pipe."""

    def __init__(self, index: Path | None = None) -> None:
        self._index = index
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, self._index), daemon=True)
        self._process.start()
        self._asked = 0  # mosaics
        theirs.close()

    def restart(self) -> None:
        """Begin anew, with a new process."""
        self.close()
        self._start()

    def ask(self, wish: Wish) -> None:
        """Hand over a wish; one that cannot be heard any more is dropped, and `news` says so."""
        self._asked += isinstance(wish, Make)
        with suppress(OSError):
            self._pipe.send(wish)

    def news(self) -> Iterator[object]:
        """Yield what the engine has told since of the newest mosaic, without waiting."""
        try:
            for _ in range(_MANY):
                if not self._pipe.poll():
                    return
                number, news = self._pipe.recv()
                if number == self._asked:
                    yield news
        except (EOFError, OSError):
            yield Said("the engine stopped; R starts it again", fatal=True)

    def close(self) -> None:
        """End the process, whatever it does."""
        self._pipe.close()
        self._process.kill()
        self._process.join()


class _Again(Exception):
    """A new mosaic is wanted instead of the one at hand; no `Cancelled`, of which part is kept."""


class _Stopped(Exception):
    """The mosaic before is wanted instead of what is being made; likewise."""


class _Held:
    """What the engine holds: the mosaic as it is, and what it was before."""

    def __init__(self, pipe: "Connection[Any, Any]", index: Path | None) -> None:
        self.pipe, self.index = pipe, index
        self.waiting: list[Wish] = []
        self.pace = Pace(0.0)
        self.number = 0  # of the mosaic, in the order they were asked for
        self.desks: list[Desk | GridDesk] = []  # all that can be gone back to
        self.at = -1

    def wish(self) -> Wish:
        """Wait for the next wish."""
        return self.waiting.pop(0) if self.waiting else self.pipe.recv()

    def tell(self, news: object) -> None:
        """Tell something of the mosaic at hand."""
        self.pipe.send((self.number, news))

    def progress(self, step: Step) -> None:
        """Tell a step, and wait as the pace wants."""
        self.tell(step)
        if step.made is None or step.phase not in ("pack", "refine", "assign"):
            self._listen(0.0)
            return
        end = time.monotonic() + self.pace.seconds
        while True:
            self._listen(min(0.05, max(0.0, end - time.monotonic())))
            if self.pace.once:
                self.pace = Pace(math.inf)
                return
            if not math.isinf(self.pace.seconds):
                end = min(end, time.monotonic() + self.pace.seconds)
            if time.monotonic() >= end:
                return

    def _listen(self, seconds: float) -> None:
        if not self.pipe.poll(seconds):
            return
        wish = self.pipe.recv()
        if isinstance(wish, Pace):
            self.pace = wish
            return
        if wish == STOP:
            if self.at >= 0:  # else there is nothing to go back to
                raise _Stopped
            return
        self.waiting.append(wish)
        if isinstance(wish, Make):
            raise _Again


def serve(pipe: "Connection[Any, Any]", index: Path | None) -> None:
    """Do what is wished, until the window's end closes."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the window
    held = _Held(pipe, index)
    while True:
        try:
            wish = held.wish()
            _do(wish, held)
        except _Again:
            continue
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return
        except SmaltiError as error:
            held.tell(Said(str(error)) if held.at >= 0 else error)
        except Exception as error:
            traceback.print_exc()
            held.tell(Said(f"{type(error).__name__}: {error}; R starts again"))


def _do(wish: Wish, held: _Held) -> None:
    try:
        match wish:
            case Pace():
                held.pace = wish
            case Make():
                _make(wish, held)
            case Change() if held.at >= 0 and wish != STOP:  # which came too late
                _change(wish, held)
            case Save() if held.at >= 0:
                _save(wish, held)
    except _Stopped:
        _back(held, None, "stopped: it is as it was before")


def _make(wish: Make, held: _Held) -> None:
    """Make a mosaic; the way back leads to the one before, and so does a failure."""
    held.number += 1
    asked, quality = wish.request, None
    new: Desk | GridDesk
    try:
        if asked.target.endswith(".json"):
            new, said = _opened(Path(asked.target), held), "opened"
        elif isinstance(asked, Photomosaic):
            new, said = grid_engine.begin(asked, held.index, held.progress), "done"
        else:
            new, mosaic = jigsaw_engine.begin(asked, held.index, held.progress)
            quality, said = mosaic.quality, "done"
            if mosaic.output:
                held.tell(mosaic)
    except SmaltiError as error:
        if held.at < 0:
            raise
        _back(held, None, str(error))
        return
    held.desks = [*held.desks[: held.at + 1], new]
    held.at += 1
    _answer(held, None, said, quality)
    if isinstance(new, GridDesk):  # what would delay the first change by hand
        held.desks[held.at] = new.ready()


def _opened(file: Path, held: _Held) -> Desk | GridDesk:
    project = open_project(file)
    if isinstance(project, GridProject):
        return grid_engine.reopen(project, held.index, held.progress)
    if isinstance(project, JigsawProject):
        return jigsaw_engine.reopen(project, held.index, held.progress)
    raise BadInput(
        f"{file.name} is the project of another kind of mosaic than the viewer's two: give a "
        "photomosaic's or a jigsaw's"
    )


def _change(wish: Change, held: _Held) -> None:
    now = held.desks[held.at]
    if wish.what in ("undo", "redo"):
        at = held.at + (-1 if wish.what == "undo" else 1)
        if not 0 <= at < len(held.desks):
            held.tell(Said(f"nothing to {wish.what}"))
            return
        held.at = at
        _back(held, now, wish.what)
        return
    new: Desk | GridDesk
    if isinstance(now, GridDesk):
        new = grid_engine.changed(now, wish)
    else:
        new = jigsaw_engine.changed(now, wish, held.progress)
    if new is now:
        held.tell(Said(_NOTHING.get(wish.what, f"{wish.what}: nothing fits there")))
        return
    held.desks = [*held.desks[: held.at + 1], new]
    held.at += 1
    _answer(held, now, wish.what)


def _back(held: _Held, before: Desk | GridDesk | None, said: str) -> None:
    """Tell a mosaic that was told before; first what it lies on, if that is another by now."""
    now = held.desks[held.at]
    if before is None or _lies_on(now) is not _lies_on(before):
        kind = grid_engine if isinstance(now, GridDesk) else jigsaw_engine
        for step in kind.setting(now):
            held.tell(step)
        before = None
    _answer(held, before, said)


def _lies_on(desk: Desk | GridDesk) -> object:
    """Return what all mosaics share that come of one by changes by hand."""
    return desk.plan.boxes if isinstance(desk, GridDesk) else desk.ground.picture


def _answer(held: _Held, before: Any, said: str, quality: dict[str, float] | None = None) -> None:
    """Tell the mosaic of now, and how it differs from the one that was told before."""
    now, undo, redo = held.desks[held.at], held.at, len(held.desks) - 1 - held.at
    if isinstance(now, GridDesk):
        held.tell(grid_engine.answer(now, before, said, undo, redo))
    else:
        held.tell(jigsaw_engine.answer(now, before, said, undo, redo, quality))


def _save(wish: Save, held: _Held) -> None:
    now, path = held.desks[held.at], Path(wish.path)
    if isinstance(now, GridDesk):
        held.tell(Said(grid_engine.save(now, path)))
    else:
        held.tell(Said(jigsaw_engine.save(now, path)))
