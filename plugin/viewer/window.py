"""The window: events in, pictures out, sixty times a second."""

import itertools
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from smalti.core.errors import BadInput, SmaltiError
from smalti.jigsaw_mosaic import JigsawMosaic
from smalti.plugin.viewer.engine import Engine
from smalti.plugin.viewer.event import (
    Event,
    Key,
    Make,
    Passed,
    Pointer,
    Quit,
    Record,
    Resized,
    Save,
    Told,
    Wheel,
    Wish,
)
from smalti.plugin.viewer.kinds import State, after, canvas_of, first_state
from smalti.plugin.viewer.timelapse import record
from smalti.request import Jigsaw, Request

_SIZE = (1280, 800)
_TYPED = tuple("+-=.,;[]{}0123456789")  # keys that are what they write
_PLAIN = 1080  # px of a screen's height that are seen at scale 1


def view(
    request: Request,
    *,
    project: Path | None = None,
    scale: float | None = None,
    index: Path | None = None,
) -> JigsawMosaic | None:
    """Open the viewer on a mosaic, and return when it is closed.

    Parameters
    ----------
    request : Photomosaic or Jigsaw
        Its output is written when it is made; the viewer saves when asked.
    project : Path, optional
        Of it, to go on with instead of making it.
    scale : float, optional
        Of everything in the window but the picture; what suits the screen without.
    index : Path, optional
        Of the photos or shapes already looked at.

    Returns
    -------
    JigsawMosaic or None
        The last that was written where the request wants it.

    Raises
    ------
    BadInput
        If there is no display, the pygame at hand is not pygame-ce, or the first
        mosaic cannot be made of what was asked for.
    """
    import pygame

    if not getattr(pygame, "IS_CE", False):
        raise BadInput(
            "the viewer needs pygame-ce, and the older pygame is in its place: "
            "pip uninstall pygame, then pip install --force-reinstall pygame-ce"
        )
    try:
        pygame.display.init()
        scale = scale or _density(pygame.display.get_desktop_sizes()[0])
        size = round(_SIZE[0] * scale), round(_SIZE[1] * scale)
        surface = pygame.display.set_mode(size, pygame.RESIZABLE)
    except pygame.error as error:
        raise BadInput(f"no window can be opened ({error}): is there a display?") from None
    pygame.display.set_caption("Smalti")
    pygame.key.set_repeat(300, 40)
    engine = Engine(index)
    try:
        first = first_state(request, scale)
        opened = replace(request, target=str(project.absolute())) if project else request
        first = replace(first, size=surface.get_size(), asked=Make(opened))
        return _loop(first, engine, surface)
    finally:
        engine.close()
        pygame.quit()


def _density(screen: tuple[int, int]) -> float:
    """Scale of what is as large on a screen as on one of 1080 lines, in halves, 1 at least."""
    return max(1.0, 2 * screen[1] // _PLAIN / 2)


def _loop(state: State, engine: Engine, surface: Any) -> JigsawMosaic | None:
    import pygame

    written: JigsawMosaic | None = None

    canvas, clock, before = canvas_of(state), pygame.time.Clock(), time.monotonic()
    assert state.asked is not None
    engine.ask(_absolute(state.asked))
    drawn: State | None = None
    recording: Iterator[str] | None = None
    while True:
        now = time.monotonic()
        events: list[Event] = [Passed(now - before)]
        before = now
        for news in engine.news():
            if isinstance(news, SmaltiError):
                raise news
            written = news if isinstance(news, JigsawMosaic) else written
            events.append(Told(news))
        for happened in pygame.event.get():
            if happened.type == pygame.QUIT:
                return written
            events += events_of(happened)
        for event in events:
            broken = state.broken
            state, wishes = after(state, event)
            for wish in wishes:
                if isinstance(wish, Quit):
                    return written
                if isinstance(wish, Record):
                    recording = recording or record(state, unused(Path(wish.path)))
                    continue
                if isinstance(wish, Make) and broken:
                    engine.restart()
                engine.ask(_absolute(wish))
        if recording is not None:
            told = next(recording, None)
            if told is None:
                recording = None
            elif told != state.recording:
                state = replace(state, recording=told)
        if state is not drawn:
            canvas.draw(state, surface)
            pygame.display.flip()
            drawn = state
        clock.tick(60)


def _absolute(wish: Wish) -> Wish:
    """Name files as this process would find them, whatever folder the engine's is in."""
    if isinstance(wish, Save):
        return Save(str(unused(Path(wish.path), ".svg", ".smalti.json").absolute()))
    if isinstance(wish, Make) and isinstance(request := wish.request, Jigsaw):
        output, geometry = (
            str(Path(name).absolute()) if name else ""
            for name in (request.output, request.geometry)
        )
        return Make(replace(request, output=output, geometry=geometry))
    return wish


def unused(path: Path, *beside: str) -> Path:
    """Return a path where nothing lies yet, nor beside it with other endings: a number is added."""
    for number in itertools.count(1):
        name = path.stem if number == 1 else f"{path.stem}-{number}"
        endings = path.suffix, *beside
        if not any(path.with_name(name + ending).exists() for ending in endings):
            return path.with_name(name + path.suffix)
    raise AssertionError("numbers do not end")


def events_of(happened: Any) -> list[Event]:
    """Translate an event of pygame's; none for what does not matter."""
    import pygame

    match happened.type:
        case pygame.KEYDOWN:
            return [Key(_named(happened))]
        case pygame.MOUSEMOTION:
            x, y = happened.pos
            return [Pointer("move", x, y)]
        case pygame.MOUSEBUTTONDOWN | pygame.MOUSEBUTTONUP if happened.button <= 3:
            x, y = happened.pos
            kind = "down" if happened.type == pygame.MOUSEBUTTONDOWN else "up"
            return [Pointer(kind, x, y, happened.button)]
        case pygame.MOUSEWHEEL:
            turning = bool(pygame.key.get_mods() & pygame.KMOD_SHIFT)
            return [Wheel(*pygame.mouse.get_pos(), happened.precise_y, turning)]
        case pygame.VIDEORESIZE:
            return [Resized(happened.w, happened.h)]
    return []


def _named(happened: Any) -> str:
    """Name a key as `Key` does; what a layout writes counts, not where the key is."""
    import pygame

    name = pygame.key.name(happened.key).lower()
    typed = happened.unicode if happened.unicode and happened.unicode.isprintable() else ""
    if typed in _TYPED:
        return str(typed)
    mods = ""
    if happened.mod & (pygame.KMOD_CTRL | pygame.KMOD_META):
        mods += "ctrl+"
    if happened.mod & pygame.KMOD_SHIFT:
        mods += "shift+"
    return mods + name
