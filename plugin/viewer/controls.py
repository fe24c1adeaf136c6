"""What a hand does that means the same whatever the mosaic is."""

import math
from dataclasses import replace
from typing import TypeVar

from smalti.plugin.viewer import panel
from smalti.plugin.viewer.event import (
    STOP,
    Event,
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
    Wish,
)
from smalti.plugin.viewer.stage import BAR, EDGE, PANEL, STILL_S, Stage, fitted, panned
from smalti.request import Request

PACES = (0.0, 0.02, 0.1, 0.4, 1.5)  # seconds after a step
_ZOOM = 1.2  # of one step of the wheel, or one key
_LEAP = 0.05  # of the line at the bottom, with Ctrl and Shift

S = TypeVar("S", bound=Stage)


def look_after(stage: S, event: Event) -> tuple[S, tuple[Wish, ...]] | None:
    """Apply an event that means the same for every mosaic; None for any other.

    What is changed by hand, and what the engine tells of its mosaic, is not here.
    """
    match event:
        case Told(news=Said(said=said, fatal=fatal)):
            return replace(stage, said=said, broken=stage.broken or fatal, running=False), ()
        case Passed(seconds=seconds):
            if stage.restless > 0:
                return replace(stage, restless=max(0.0, stage.restless - seconds)), ()
            return stage, ()
        case Resized(width=width, height=height):
            least = stage.px(PANEL + 100), stage.px(BAR + 100)
            resized = replace(stage, size=(max(width, least[0]), max(height, least[1])))
            return fitted(resized) if fitted(stage).view == stage.view else resized, ()
        case Wheel() if stage.over(event.x, event.y):
            view = stage.view.zoomed(event.x, event.y, _ZOOM**event.steps)
            return replace(stage, view=view, restless=STILL_S), ()
        case Wheel() if event.x >= stage.wide:
            return panel.scrolled(stage, -event.steps), ()
        case Key(name=name):
            if (changed := panel.keyed(stage, name)) is not None:
                return changed, ()
            if (at := _gone(stage, name)) is not None:
                return at, ()
            return _keyed(stage, name)
    return None


def _keyed(stage: S, name: str) -> tuple[S, tuple[Wish, ...]] | None:
    if name in ("q", "ctrl+q", "ctrl+w"):
        return stage, (Quit(),)
    if name == "f1" or (name == "escape" and stage.help):
        return replace(stage, help=not stage.help), ()
    if name == "space":
        paused = not stage.paused
        return replace(stage, paused=paused, at=None), (paced(stage, paused),)
    if name == ".":
        return replace(stage, paused=True, at=None), (Pace(math.inf, once=True),)
    if name in ("+", "=", "-"):
        pace = min(max(stage.pace + (-1 if name != "-" else 1), 0), len(PACES) - 1)
        stage = replace(stage, pace=pace)
        return stage, () if stage.paused else (paced(stage, False),)
    if name.isdigit() and 1 <= int(name) <= len(stage.LAYERS):
        return replace(stage, seen=stage.seen ^ {stage.LAYERS[int(name) - 1]}), ()
    if name == "0":
        return fitted(stage), ()
    if name in ("i", "o"):
        factor = _ZOOM if name == "i" else 1 / _ZOOM
        view = stage.view.zoomed(stage.wide / 2, stage.high / 2, factor)
        return replace(stage, view=view, restless=STILL_S), ()
    if name == "t":
        return replace(stage, dark=not stage.dark), ()
    if name == "ctrl+z" and stage.running and stage.phase != "done":
        return stage, (STOP,)
    if name in ("s", "ctrl+s") and stage.settled and not stage.running:
        return replace(stage, said="saving", running=True), (Save("smalti-view.png"),)
    if name in ("g", "shift+g"):
        ending = "webp" if name == "g" else "gif"
        return stage, (Record(f"smalti-view.{ending}"),)
    return None


def _gone(stage: S, name: str) -> S | None:
    """Go back or on through what was laid, by key; None for other keys."""
    ways = {"ctrl+left": -1, "ctrl+right": 1}
    leap = max(1, round(_LEAP * stage.steps))
    ways |= {"ctrl+shift+left": -leap, "ctrl+shift+right": leap}
    ways |= {"home": -stage.steps, "end": stage.steps}
    if name not in ways:
        return None
    at = max(0, (stage.steps if stage.at is None else stage.at) + ways[name])
    return replace(stage, at=at if at < stage.steps else None)


def paced(stage: Stage, paused: bool) -> Pace:
    """Return what asks the engine for the pace of a stage."""
    return Pace(math.inf if paused else PACES[stage.pace])


def begun(stage: S, request: Request) -> tuple[S, tuple[Wish, ...]]:
    """Start again, with another request perhaps; what the user sees it by stays."""
    fresh = type(stage)(
        request=request,
        size=stage.size,
        scale=stage.scale,
        seen=stage.seen,
        aside=stage.aside,
        dark=stage.dark,
        pace=stage.pace,
        view=stage.view,
        scroll=stage.scroll,
        focus=stage.focus,
        past=stage.past,
        asked=Make(request),
        recording=stage.recording,
        pointer=stage.pointer,
    )
    return fresh, (Make(request), paced(stage, False))


def pressed(stage: S, event: Pointer) -> S | None:
    """Press what lies beside the picture: the line at the bottom, or the panel."""
    if event.y >= stage.high:
        return _scrubbed(replace(stage, dragging="time"), event.x)
    if event.x < stage.wide:
        return None
    return panel.pressed(stage, event.x, event.y)


def dragged(stage: S, before: tuple[float, float], event: Pointer) -> S:
    """Go on dragging the picture, the time, or a slider."""
    if stage.dragging == "view":
        return panned(stage, event.x - before[0], event.y - before[1])
    if stage.dragging == "time":
        return _scrubbed(stage, event.x)
    return panel.slid(stage, event.x)


def _scrubbed(stage: S, x: float) -> S:
    """Go to a place of the line at the bottom."""
    edge = stage.px(EDGE)
    share = min(max((x - edge) / max(1, stage.size[0] - 2 * edge), 0.0), 1.0)
    at = round(share * stage.steps)
    return replace(stage, at=at if at < stage.steps else None)
