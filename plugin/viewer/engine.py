"""The engine of the viewer: a process that makes mosaics, and changes them by hand.

The window never waits for it. It takes wishes and gives back steps, answers and
failures; a pause is a step it does not come back from. When the window's end of
the pipe closes, it ends.
"""

import math
import multiprocessing
import time
import traceback
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smalti.core.errors import BadInput, Cancelled, SmaltiError
from smalti.core.progress import Step
from smalti.ground import Ground
from smalti.jigsaw.placement import Packed, Placement
from smalti.jigsaw.shapes import ShapeLibrary
from smalti.jigsaw_desk import Desk, desk_of, reopened
from smalti.jigsaw_mosaic import JigsawMosaic, draw_part, project_of, render_jigsaw, save
from smalti.jigsaw_project import JigsawProject
from smalti.mosaic import make_mosaic, open_project
from smalti.plugin.viewer.event import Change, Make, Pace, Save, Wish
from smalti.request import Jigsaw

_MANY = 400  # answers handed over at a time, so that the window stays at its pace
_DRAWN = 3.0  # px of the drawn picture along a pixel of the raster that is packed
_MOST_PX = 24_000_000  # of the drawn picture


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """A mosaic as it is now.

    Attributes
    ----------
    placements : tuple of Placement
        In pixels of the raster that is packed.
    locked : frozenset of int
    picture : ndarray of shape (H, W, 3), uint8
        What has changed of it, drawn from the clip art.
    box : (int, int, int, int)
        Left, top, right and bottom of that part on the raster, px.
    scale : float
        Its pixels along a pixel of the raster.
    labels : ndarray of shape (h, w), intp, or None
        Containers, if they are others than before.
    quality : dict or None
        The metric suite, where it has just been measured.
    said : str
        What was done, for people.
    undo, redo : int
        How many changes can be taken back, and done again.
    """

    placements: tuple[Placement, ...]
    locked: frozenset[int]
    picture: NDArray[np.uint8]
    box: tuple[int, int, int, int]
    scale: float
    labels: NDArray[np.intp] | None
    quality: dict[str, float] | None
    said: str
    undo: int
    redo: int


@dataclass(frozen=True, slots=True)
class Said:
    """Something for the user to read; `fatal` if the engine is gone."""

    said: str
    fatal: bool = False


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
        theirs.close()

    def restart(self) -> None:
        """Begin anew, with a new process."""
        self.close()
        self._start()

    def ask(self, wish: Wish) -> None:
        """Hand over a wish; one that cannot be heard any more is dropped, and `news` says so."""
        with suppress(OSError):
            self._pipe.send(wish)

    def news(self) -> Iterator[object]:
        """Yield what the engine has told since, without waiting."""
        try:
            for _ in range(_MANY):
                if not self._pipe.poll():
                    return
                yield self._pipe.recv()
        except (EOFError, OSError):
            yield Said("the engine stopped; R starts it again", fatal=True)

    def close(self) -> None:
        """End the process, whatever it does."""
        self._pipe.close()
        self._process.kill()
        self._process.join()


class _Again(Cancelled):
    """A new mosaic is wanted instead of the one at hand."""


class _Desk:
    """What the engine holds: the mosaic as it is, and what it was before."""

    def __init__(self, pipe: "Connection[Any, Any]", index: Path | None) -> None:
        self.pipe, self.index = pipe, index
        self.waiting: list[Wish] = []
        self.pace = Pace(0.0)
        self.ground: Ground | None = None
        self.library: ShapeLibrary | None = None
        self.packed: tuple[Placement, ...] = ()
        self.desks: list[Desk] = []
        self.at = -1
        self.shown: tuple[Placement, ...] = ()
        self.labels: NDArray[np.intp] | None = None

    def wish(self) -> Wish:
        """Wait for the next wish."""
        return self.waiting.pop(0) if self.waiting else self.pipe.recv()

    def progress(self, step: Step) -> None:
        """Tell a step, and wait as the pace wants."""
        made = step.made
        if isinstance(made, Ground):
            self.ground = made
        elif isinstance(made, ShapeLibrary):
            self.library = made
        elif isinstance(made, Packed):
            self.packed = made.placements
        self.pipe.send(step)
        if step.phase != "pack":
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
        self.waiting.append(wish)
        if isinstance(wish, Make):
            raise _Again


def serve(pipe: "Connection[Any, Any]", index: Path | None) -> None:
    """Do what is wished, until the window's end closes."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the window
    desk = _Desk(pipe, index)
    while True:
        try:
            wish = desk.wish()
            _do(wish, desk)
        except _Again:
            continue
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return
        except SmaltiError as error:
            pipe.send(Said(str(error)))
        except Exception as error:
            traceback.print_exc()
            pipe.send(Said(f"{type(error).__name__}: {error}; R starts again"))


def _do(wish: Wish, desk: _Desk) -> None:
    match wish:
        case Pace():
            desk.pace = wish
        case Make():
            _make(wish, desk)
        case Change() if desk.at >= 0:
            _change(wish, desk)
        case Save() if desk.at >= 0:
            _save(wish, desk)


def _make(wish: Make, desk: _Desk) -> None:
    asked = wish.request
    if asked.target.endswith(".json"):
        _open(Path(asked.target), desk)
        return
    request = replace(asked, output="", geometry="")
    made = make_mosaic(request, progress=desk.progress, index=desk.index)
    assert desk.ground is not None
    assert desk.library is not None
    desk.desks = [desk_of(request, desk.ground, desk.library, desk.packed)]
    desk.at, desk.shown, desk.labels = 0, (), desk.ground.labels
    assert isinstance(made, JigsawMosaic)
    _answer(desk, "done", made.quality)
    if asked.output:
        _save(Save(asked.output), desk)


def _open(file: Path, desk: _Desk) -> None:
    project = open_project(file)
    if not isinstance(project, JigsawProject):
        raise BadInput(f"{file.name} is the project of another kind of mosaic; give a jigsaw's")
    desk.desks = [reopened(project, index=desk.index, progress=desk.progress)]
    desk.at, desk.shown, desk.labels = 0, (), desk.desks[0].ground.labels
    _answer(desk, "opened")


def _change(wish: Change, desk: _Desk) -> None:
    now = desk.desks[desk.at]
    if wish.what in ("undo", "redo"):
        step = -1 if wish.what == "undo" else 1
        desk.at = min(max(desk.at + step, 0), len(desk.desks) - 1)
        _answer(desk, wish.what)
        return
    pose = wish.pose
    match wish.what:
        case "move" if pose is not None:
            new = now.moved(wish.number, pose)
        case "fit" if pose is not None:
            new = now.fitted(pose.x, pose.y)
        case "remove":
            new = now.removed(wish.number)
        case "exchange":
            new = now.exchanged(wish.number)
        case "ban":
            new = now.ban(wish.number)
        case "lock":
            new = now.lock(wish.number)
        case "repack" if wish.request is not None:
            every = frozenset(int(k) for k in np.unique(now.ground.labels) if k >= 0)
            new = now.repacked(wish.containers or every, wish.request, desk.progress)
        case "divide":
            new = now.divided(wish.stroke, desk.progress)
        case "unite":
            new = now.united(wish.stroke, desk.progress)
        case _:
            return
    if new is now:
        desk.pipe.send(Said(f"{wish.what}: nothing fits there"))
        return
    desk.desks = [*desk.desks[: desk.at + 1], new]
    desk.at += 1
    _answer(desk, wish.what)


def _answer(desk: _Desk, said: str, quality: dict[str, float] | None = None) -> None:
    now = desk.desks[desk.at]
    height, width = now.ground.labels.shape
    box = _changed(desk.shown, now.placements, (width, height))
    desk.shown = now.placements
    left = len(desk.desks) - 1 - desk.at
    scale, picture = _drawn(now.project(), box)
    labels, desk.labels = desk.labels, now.ground.labels
    desk.pipe.send(
        Answer(
            placements=now.placements,
            locked=now.locked,
            picture=picture,
            box=box,
            scale=scale,
            labels=None if now.ground.labels is labels else now.ground.labels,
            quality=quality,
            said=said,
            undo=desk.at,
            redo=left,
        )
    )


def answer_of(
    request: Jigsaw, ground: Ground, library: ShapeLibrary, placements: tuple[Placement, ...]
) -> Answer:
    """Return what the engine would tell of a finished packing."""
    height, width = ground.labels.shape
    box = (0, 0, width, height)
    scale, picture = _drawn(project_of(request, ground, library, placements), box)
    return Answer(placements, frozenset(), picture, box, scale, None, None, "done", 0, 0)


def _drawn(
    project: JigsawProject, box: tuple[int, int, int, int]
) -> tuple[float, NDArray[np.uint8]]:
    """Draw a part of a mosaic as finely as the viewer shows it."""
    scale = min(_DRAWN, math.sqrt(_MOST_PX / math.prod(project.size)))
    return scale, draw_part(project, scale, box)


def _changed(
    old: tuple[Placement, ...], new: tuple[Placement, ...], size: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Box around all tiles that are not the same in both; everything if there were none."""
    if not old:
        return 0, 0, *size
    known, wanted = {id(p) for p in old}, {id(p) for p in new}
    apart = [p for p in old if id(p) not in wanted] + [p for p in new if id(p) not in known]
    if not apart:
        return 0, 0, 1, 1
    points = np.concatenate([p.contour for p in apart])
    left, top = np.maximum(np.floor(points.min(axis=0)) - 2, 0).astype(int)
    right, bottom = np.minimum(np.ceil(points.max(axis=0)) + 2, size).astype(int)
    return int(left), int(top), int(right), int(bottom)


def _save(wish: Save, desk: _Desk) -> None:
    now = desk.desks[desk.at]
    path = Path(wish.path)
    project = now.project()
    save(project, path)
    render_jigsaw(project, path.with_suffix(".svg"))
    desk.pipe.send(Said(f"saved {path.name}, its project and its SVG"))
