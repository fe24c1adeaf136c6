"""What any mosaic's window shows: its size, its view of the picture, its controls."""

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeVar

from smalti.plugin.viewer.event import (
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
from smalti.request import Request

PANEL = 300  # px of the window that the controls take; at scale 1, as all that follow
BAR = 44  # px of the line at the bottom, with the way back through what was laid
ROW = 30  # px of a control
PANEL_TOP = 48
TRACK = (112, 240)  # px from the panel's left, between which a slider moves
EDGE = 16  # px beside the line at the bottom

PACES = (0.0, 0.02, 0.1, 0.4, 1.5)  # seconds after a step
_ZOOMS = (0.05, 40.0)
_STILL_S = 0.15  # without a move, and the picture is drawn smoothly


@dataclass(frozen=True, slots=True)
class Slider:
    """A number of the request that the user may change.

    Attributes
    ----------
    field, text : str
    low, high : float
    whole : bool
        Whether it is an integer.
    anew : bool
        Whether all must be made again, from the beginning.
    """

    field: str
    text: str
    low: float
    high: float
    whole: bool = False
    anew: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """Which part of the picture is seen: window px = (raster px - corner) * zoom."""

    x: float = 0.0
    y: float = 0.0
    zoom: float = 1.0

    def to_raster(self, x: float, y: float) -> tuple[float, float]:
        """Return the place of the picture under a place of the window."""
        return x / self.zoom + self.x, y / self.zoom + self.y

    def zoomed(self, x: float, y: float, factor: float) -> "View":
        """Zoom about a place of the window."""
        zoom = min(max(self.zoom * factor, _ZOOMS[0]), _ZOOMS[1])
        at = self.to_raster(x, y)
        return View(at[0] - x / zoom, at[1] - y / zoom, zoom)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Stage:
    """What the canvas needs whatever the mosaic is.

    Attributes
    ----------
    request : Request
    size : (int, int)
        Of the window, px.
    scale : float
        Of everything in the window but the picture: 2 on a screen twice as dense.
    view : View
    raster : (int, int)
        Width and height of the picture, in its own px; (0, 0) before there is one.
    seen : frozenset of str
        Layers that are shown.
    steps : int
        How far the line at the bottom goes.
    at : int or None
        How many of them are shown; None for all, as they come.
    seconds : float
        Since the engine began to lay.
    running : bool
        Whether the engine is at work.
    settled : bool
        Whether there is a mosaic to be changed.
    paused : bool
    pace : int
        Of `PACES`.
    phase, said : str
    dragging : str
        ``"view"``, ``"time"``, a slider's field, or what the mosaic adds; empty for nothing.
    pointer : (float, float)
    restless : float
        Seconds until the picture counts as standing still.
    help, dark, broken : bool
    """

    LAYERS: ClassVar[tuple[str, ...]] = ()
    """What can be shown, drawn in this order; keys from 1 on."""
    SLIDERS: ClassVar[tuple[Slider, ...]] = ()
    HELP: ClassVar[tuple[tuple[str, str], ...]] = ()

    request: Request
    size: tuple[int, int] = (1280, 800)
    scale: float = 1.0
    view: View = View()
    raster: tuple[int, int] = (0, 0)
    seen: frozenset[str] = frozenset({"tiles"})
    steps: int = 0
    at: int | None = None
    seconds: float = 0.0
    running: bool = True
    settled: bool = False
    paused: bool = False
    pace: int = 0
    phase: str = ""
    said: str = "starting"
    dragging: str = ""
    pointer: tuple[float, float] = (0.0, 0.0)
    restless: float = 0.0
    help: bool = False
    dark: bool = True
    broken: bool = False

    def value_of(self, slider: Slider) -> float:
        """Return where a slider stands."""
        return float(getattr(self.request, slider.field))

    def px(self, length: float) -> int:
        """Return a length of scale 1 as it is here."""
        return max(1, round(length * self.scale))

    @property
    def wide(self) -> int:
        """Width of the picture's part of the window, px."""
        return max(1, self.size[0] - self.px(PANEL))

    @property
    def high(self) -> int:
        """Height of the picture's part of the window, px."""
        return max(1, self.size[1] - self.px(BAR))

    def over(self, x: float, y: float) -> bool:
        """Whether a place of the window is one of the picture's part."""
        return 0 <= x < self.wide and 0 <= y < self.high


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
            return replace(stage, size=(max(width, least[0]), max(height, least[1]))), ()
        case Wheel() if stage.over(event.x, event.y):
            view = stage.view.zoomed(event.x, event.y, 1.2**event.steps)
            return replace(stage, view=view, restless=_STILL_S), ()
        case Key(name=name):
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
    if name == "t":
        return replace(stage, dark=not stage.dark), ()
    if name in ("s", "ctrl+s") and stage.settled:
        return replace(stage, said="saving"), (Save("smalti-view.png"),)
    if name == "g":
        return replace(stage, said="recording"), (Record("smalti-view.webp"),)
    return None


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
        dark=stage.dark,
        pace=stage.pace,
        view=stage.view,
    )
    return fresh, (Make(request), paced(stage, False))


def fitted(stage: S) -> S:
    """Show the whole picture."""
    width, height = stage.raster
    if not width:
        return stage
    zoom = 0.96 * min(stage.wide / width, stage.high / height)
    view = View((width - stage.wide / zoom) / 2, (height - stage.high / zoom) / 2, zoom)
    return replace(stage, view=view)


def panned(stage: S, right: float, down: float) -> S:
    """Move the picture, by px of the window."""
    view = stage.view
    moved = replace(view, x=view.x - right / view.zoom, y=view.y - down / view.zoom)
    return replace(stage, view=moved, restless=_STILL_S)


def pressed(stage: S, event: Pointer) -> S | None:
    """Press what lies beside the picture: the line at the bottom, a slider, a layer."""
    if event.y >= stage.high:
        return scrubbed(replace(stage, dragging="time"), event.x)
    if event.x < stage.wide:
        return None
    row = int((event.y / stage.scale - PANEL_TOP) // ROW)
    if 0 <= row < len(stage.SLIDERS):
        return slid(replace(stage, dragging=stage.SLIDERS[row].field), event.x)
    layer = row - len(stage.SLIDERS) - 1
    if 0 <= layer < len(stage.LAYERS):
        return replace(stage, seen=stage.seen ^ {stage.LAYERS[layer]})
    return stage


def dragged(stage: S, before: tuple[float, float], event: Pointer) -> S:
    """Go on dragging the picture, the time, or a slider."""
    if stage.dragging == "view":
        return panned(stage, event.x - before[0], event.y - before[1])
    if stage.dragging == "time":
        return scrubbed(stage, event.x)
    return slid(stage, event.x)


def scrubbed(stage: S, x: float) -> S:
    """Go to a place of the line at the bottom."""
    edge = stage.px(EDGE)
    share = min(max((x - edge) / max(1, stage.size[0] - 2 * edge), 0.0), 1.0)
    return replace(stage, at=None if share >= 0.995 else round(share * stage.steps))


def slider_of(stage: Stage, field: str) -> Slider | None:
    """Return the slider of a field."""
    return next((slider for slider in stage.SLIDERS if slider.field == field), None)


def slid(stage: S, x: float) -> S:
    """Bring the slider that is dragged to a place of the window."""
    slider = slider_of(stage, stage.dragging)
    if slider is None:
        return stage
    start, end = (stage.wide + stage.scale * place for place in TRACK)
    share = min(max((x - start) / (end - start), 0.0), 1.0)
    value = slider.low + share * (slider.high - slider.low)
    changed: dict[str, Any] = {slider.field: round(value) if slider.whole else round(value, 2)}
    return replace(stage, request=replace(stage.request, **changed))
