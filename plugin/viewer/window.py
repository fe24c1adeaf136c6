"""The window: events in, pictures out, sixty times a second."""

import time
from pathlib import Path
from typing import Any

from smalti.core.errors import BadInput
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
    Told,
    Wheel,
)
from smalti.plugin.viewer.state import State, after
from smalti.plugin.viewer.timelapse import record
from smalti.request import Jigsaw


def view(request: Jigsaw, *, index: Path | None = None) -> None:
    """Open the viewer on a jigsaw, and return when it is closed.

    Parameters
    ----------
    request : Jigsaw
        Its output is not written; the viewer saves when asked.
    index : Path, optional
        Of the shapes already looked at.

    Raises
    ------
    BadInput
        If there is no display, or the pygame at hand is not pygame-ce.
    """
    import pygame

    if not getattr(pygame, "IS_CE", False):
        raise BadInput(
            "the viewer needs pygame-ce, and the older pygame is in its place: "
            "pip uninstall pygame, then pip install --force-reinstall pygame-ce"
        )
    try:
        pygame.display.init()
        surface = pygame.display.set_mode((1280, 800), pygame.RESIZABLE)
    except pygame.error as error:
        raise BadInput(f"no window can be opened ({error}): is there a display?") from None
    pygame.display.set_caption("Smalti")
    pygame.key.set_repeat(300, 40)
    engine = Engine(index)
    try:
        _loop(State(request=request), engine, surface, index)
    finally:
        engine.close()
        pygame.quit()


def _loop(state: State, engine: Engine, surface: Any, index: Path | None) -> None:
    import pygame

    from smalti.plugin.viewer.canvas import Canvas

    canvas, clock, before = Canvas(), pygame.time.Clock(), time.monotonic()
    engine.ask(Make(state.request))
    drawn: State | None = None
    while True:
        now = time.monotonic()
        events: list[Event] = [Passed(now - before), *(Told(news) for news in engine.news())]
        before = now
        for happened in pygame.event.get():
            if happened.type == pygame.QUIT:
                return
            events += events_of(happened)
        for event in events:
            broken = state.broken
            state, wishes = after(state, event)
            for wish in wishes:
                if isinstance(wish, Quit):
                    return
                if isinstance(wish, Record):
                    state, _ = after(state, Told(record(state, Path(wish.path))))
                    continue
                if isinstance(wish, Make) and broken:
                    engine.restart()
                engine.ask(wish)
        if state is not drawn:
            canvas.draw(state, surface)
            pygame.display.flip()
            drawn = state
        clock.tick(60)


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
    if typed in ("+", "-", "=", ".", "[", "]"):
        return str(typed)
    mods = ""
    if happened.mod & (pygame.KMOD_CTRL | pygame.KMOD_META):
        mods += "ctrl+"
    if happened.mod & pygame.KMOD_SHIFT and mods:
        mods += "shift+"
    return mods + name
