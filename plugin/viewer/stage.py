"""What any mosaic's window shows: its size, its view of the picture, its controls."""

from dataclasses import dataclass, replace
from typing import ClassVar, TypeVar

from smalti.plugin.viewer.event import Change, Make
from smalti.request import Request

PANEL = 300  # px of the window that the controls take; at scale 1, as all that follow
BAR = 44  # px of the line at the bottom, with the way back through what was laid
EDGE = 16  # px beside the line at the bottom

STILL_S = 0.15  # without a move, and the picture is drawn smoothly
_ZOOMS = (0.05, 40.0)
_FILLED = 0.96  # of the window, by the whole picture


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


@dataclass(frozen=True, slots=True, eq=False)
class Past:
    """A mosaic that can be gone back to.

    Attributes
    ----------
    said : str
        What was done, for people.
    asked : Make, Change or None
        What it was asked for by.
    watched : tuple
        Its stage's `WATCHED`.
    """

    said: str
    asked: Make | Change | None
    watched: tuple[object, ...]


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
    seen, aside : frozenset of str
        Layers that are shown; and those that are while the mosaic is made, or else once it is.
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
    scroll : float
        How far the panel is to be moved up, px; no farther than it goes.
    focus : str
        Field of the slider that keys change; empty for none.
    tuned : float or None
        Where that slider stands, until it is let go and the request is of it.
    past : tuple of Past
        All that can be gone back to, and what can be done again.
    depth : int
        Which of them the mosaic is; -1 before there is one.
    asked : Make, Change or None
        What the engine was asked for last.
    again : tuple of Change
        What is to be asked for again, one after the other: after a crash of the engine.
    recording : str
        How far a time-lapse is, and what came of it.
    help, dark, broken : bool
    """

    LAYERS: ClassVar[tuple[str, ...]] = ()
    """What can be shown, drawn in this order; keys from 1 on."""
    SLIDERS: ClassVar[tuple[Slider, ...]] = ()
    HELP: ClassVar[tuple[tuple[str, str], ...]] = ()
    FACTS: ClassVar[int] = 0
    """How many lines of text the panel has room for."""
    PLOTS: ClassVar[int] = 0
    WATCHED: ClassVar[tuple[str, ...]] = ()
    """Fields that tell how the mosaic came to be."""

    request: Request
    size: tuple[int, int] = (1280, 800)
    scale: float = 1.0
    view: View = View()
    raster: tuple[int, int] = (0, 0)
    seen: frozenset[str] = frozenset({"tiles"})
    aside: frozenset[str] = frozenset({"tiles"})
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
    scroll: float = 0.0
    focus: str = ""
    tuned: float | None = None
    past: tuple[Past, ...] = ()
    depth: int = -1
    asked: Make | Change | None = None
    again: tuple[Change, ...] = ()
    recording: str = ""
    help: bool = False
    dark: bool = True
    broken: bool = False

    def value_of(self, slider: Slider) -> float | None:
        """Return where a slider stands; None while nobody knows."""
        if slider.field == self.focus and self.tuned is not None:
            return self.tuned
        value = getattr(self.request, slider.field)
        return self.chosen(slider) if value is None else float(value)

    def chosen(self, slider: Slider) -> float | None:
        """Return what the engine chose where the request leaves it open."""
        return None

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

    @property
    def under(self) -> tuple[object, ...]:
        """What it depends on what lies under the pointer, but for the mosaic."""
        return self.pointer, self.view, self.size, self.at

    def over(self, x: float, y: float) -> bool:
        """Whether a place of the window is one of the picture's part."""
        return 0 <= x < self.wide and 0 <= y < self.high


S = TypeVar("S", bound=Stage)


def fitted(stage: S) -> S:
    """Show the whole picture."""
    width, height = stage.raster
    if not width:
        return stage
    zoom = _FILLED * min(stage.wide / width, stage.high / height)
    view = View((width - stage.wide / zoom) / 2, (height - stage.high / zoom) / 2, zoom)
    return replace(stage, view=view)


def panned(stage: S, right: float, down: float) -> S:
    """Move the picture, by px of the window."""
    view = stage.view
    moved = replace(view, x=view.x - right / view.zoom, y=view.y - down / view.zoom)
    return replace(stage, view=moved, restless=STILL_S)
