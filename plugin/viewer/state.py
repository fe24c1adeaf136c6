"""What the viewer shows, and how events change it; no window is needed for either."""

import math
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smalti.core.progress import Step
from smalti.ground import Ground
from smalti.jigsaw.placement import Laid, Packed, Placement, Sought
from smalti.jigsaw.pose import Pose
from smalti.jigsaw.shapes import ShapeLibrary
from smalti.plugin.viewer.engine import Answer, Said
from smalti.plugin.viewer.event import (
    Change,
    Event,
    Key,
    Make,
    Pace,
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
from smalti.request import Jigsaw

PANEL = 300  # px of the window that the controls take
BAR = 44  # px of the line at the bottom, with the way back through the placements
ROW = 30  # px of a control
PANEL_TOP = 48
TRACK = (112, 240)  # px from the panel's left, between which a slider moves
LAYERS = ("target", "tiles", "borders", "free", "cells", "candidates", "energy")
"""What can be shown, drawn in this order; keys 1 to 7."""

_PACES = (0.0, 0.02, 0.1, 0.4, 1.5)  # seconds after a step
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
        Whether containers have to be found again, not only packed.
    """

    field: str
    text: str
    low: float
    high: float
    whole: bool = False
    anew: bool = False


SLIDERS = (
    Slider("tiles", "tiles", 20, 4000, whole=True, anew=True),
    Slider("segments", "containers", 1, 120, whole=True, anew=True),
    Slider("w_color", "colour", 0, 4),
    Slider("w_gap", "gaps", 0, 4),
    Slider("w_overlap", "overlap", 0, 4),
    Slider("w_look", "look-ahead", 0, 4),
    Slider("w_deform", "stiffness", 0.1, 4),
    Slider("deform", "deformation", 0, 2),
    Slider("size_ratio", "size ratio", 1, 8, anew=True),
    Slider("adjust", "colour move", 0, 1, anew=True),
)


class History:
    """All that was laid, in order; it only grows, so that states can share it."""

    def __init__(self) -> None:
        self.news: list[Laid] = []

    def tiles(self, count: int) -> dict[tuple[int, int], Placement]:
        """Return what lay there after so many of them."""
        lying: dict[tuple[int, int], Placement] = {}
        for laid in self.news[:count]:
            if laid.placement is None:
                for key in [key for key in lying if key[0] == laid.container]:
                    del lying[key]
            else:
                lying[laid.container, laid.number] = laid.placement
        return lying


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
class State:
    """All that the canvas needs.

    Attributes
    ----------
    request : Jigsaw
    size : (int, int)
        Of the window, px.
    view : View
    ground, library
        As the engine found them; None before.
    containers : int
        How many the ground has.
    history : History
    at : int or None
        How many of its news are shown; None for all, as they come.
    placements : tuple of Placement
        The packing as a whole, once there is one.
    contours : ndarray of shape (n, k, 2), float64, or None
        Of its tiles while they are bent.
    answer : Answer or None
        The newest; its picture is what the canvas keeps.
    sought : Sought or None
    seen : frozenset of str
        Layers that are shown.
    coverage : tuple of (float, float)
        Seconds, and share of the picture covered.
    energies : tuple of float
        Of the tiles as they were laid.
    seconds : float
        Since the packing began.
    running : bool
        Whether the engine is at work.
    paused : bool
    pace : int
        Of `_PACES`.
    phase, said : str
    selected, hovered : int
        Placement, or -1.
    held : (float, float, Pose) or None
        Where a tile was taken hold of, and its pose then.
    pose : Pose or None
        Where it is held now.
    dragging : str
        ``"view"``, ``"tile"``, ``"time"`` or a slider's field; empty for nothing.
    pointer : (float, float)
    restless : float
        Seconds until the picture counts as standing still.
    brush : str
        ``"divide"`` or ``"unite"`` while containers are drawn; empty otherwise.
    stroke : tuple of (float, float)
        What has been drawn, px of the raster.
    help, dark, broken : bool
    """

    request: Jigsaw
    size: tuple[int, int] = (1280, 800)
    view: View = View()
    ground: Ground | None = None
    library: ShapeLibrary | None = None
    containers: int = 0
    history: History = field(default_factory=History)
    at: int | None = None
    placements: tuple[Placement, ...] = ()
    contours: NDArray[np.float64] | None = None
    answer: Answer | None = None
    sought: Sought | None = None
    seen: frozenset[str] = frozenset({"tiles", "borders", "candidates"})
    coverage: tuple[tuple[float, float], ...] = ()
    energies: tuple[float, ...] = ()
    seconds: float = 0.0
    running: bool = True
    paused: bool = False
    pace: int = 0
    phase: str = ""
    said: str = "starting"
    selected: int = -1
    hovered: int = -1
    held: tuple[float, float, Pose] | None = None
    pose: Pose | None = None
    dragging: str = ""
    pointer: tuple[float, float] = (0.0, 0.0)
    restless: float = 0.0
    brush: str = ""
    stroke: tuple[tuple[float, float], ...] = ()
    help: bool = False
    dark: bool = True
    broken: bool = False

    @property
    def wide(self) -> int:
        """Width of the picture's part of the window, px."""
        return max(1, self.size[0] - PANEL)

    @property
    def high(self) -> int:
        """Height of the picture's part of the window, px."""
        return max(1, self.size[1] - BAR)


def after(state: State, event: Event) -> tuple[State, tuple[Wish, ...]]:
    """Apply an event.

    Parameters
    ----------
    state : State
    event : Event

    Returns
    -------
    state : State
    wishes : tuple of Wish
        What the window must ask for, of the engine or of itself.
    """
    match event:
        case Told(news=Step() as step):
            return _stepped(state, step), ()
        case Told(news=Answer() as answer):
            return _answered(state, answer), ()
        case Told(news=Said(said=said, fatal=fatal)):
            broken = state.broken or fatal
            return replace(state, said=said, broken=broken, running=state.running and not fatal), ()
        case Passed(seconds=seconds):
            if state.restless > 0:
                state = replace(state, restless=max(0.0, state.restless - seconds))
            packing = state.running and not state.paused and state.phase == "pack"
            return replace(state, seconds=state.seconds + seconds) if packing else state, ()
        case Resized(width=width, height=height):
            return replace(state, size=(max(width, PANEL + 100), max(height, BAR + 100))), ()
        case Key(name=name):
            return _keyed(state, name)
        case Wheel():
            return _wheeled(state, event)
        case Pointer():
            return _pointed(state, event)
    return state, ()


def _stepped(state: State, step: Step) -> State:
    said = step.text or step.phase
    if step.total:
        said += f" {step.done:,} of {step.total:,}"
    state = replace(state, phase=step.phase, said=said, running=True)
    made = step.made
    if made is None:
        return state
    if isinstance(made, Ground):
        containers = len(np.unique(made.labels[made.labels >= 0]))
        return fitted(replace(state, ground=made, containers=containers))
    if isinstance(made, ShapeLibrary):
        return replace(state, library=made)
    if isinstance(made, Packed):
        return replace(state, placements=made.placements, contours=None, sought=None)
    if isinstance(made, np.ndarray):
        return replace(state, contours=made)
    energies = state.energies
    for one in made if isinstance(made, tuple) else ():
        if isinstance(one, Laid):
            state.history.news.append(one)
            if one.placement is not None:
                energies = (*energies[-399:], one.placement.energy)
        elif isinstance(one, Sought):
            state = replace(state, sought=one)
    return replace(state, energies=energies, coverage=_covered(state))


def _covered(state: State) -> tuple[tuple[float, float], ...]:
    """Add a point to the plot of coverage, a few times a second."""
    points = state.coverage
    if state.ground is None or (points and state.seconds - points[-1][0] < 0.25):
        return points
    lying = state.history.tiles(len(state.history.news)).values()
    area = sum(p.pose.scale**2 for p in lying)
    return (*points[-399:], (state.seconds, area / np.count_nonzero(state.ground.labels >= 0)))


def _answered(state: State, answer: Answer) -> State:
    said = answer.said
    if answer.quality is not None:
        found = answer.quality
        said = (
            f"{len(answer.placements):,} tiles, coverage {found['coverage']:.1%}, "
            f"overlap {found['overlap']:.1%}, colour difference {found['delta_e_blurred']:.1f}"
        )
    ground = state.ground
    if answer.labels is not None and ground is not None:
        ground = replace(ground, labels=answer.labels)
    return replace(
        state,
        ground=ground,
        answer=answer,
        placements=answer.placements,
        contours=None,
        sought=None,
        at=None,
        running=False,
        phase="done",
        said=said,
        selected=min(state.selected, len(answer.placements) - 1),
        hovered=-1,
        held=None,
        pose=None,
    )


def fitted(state: State) -> State:
    """Show the whole picture."""
    if state.ground is None:
        return state
    height, width = state.ground.labels.shape
    zoom = 0.96 * min(state.wide / width, state.high / height)
    view = View((width - state.wide / zoom) / 2, (height - state.high / zoom) / 2, zoom)
    return replace(state, view=view)


def _begun(state: State, request: Jigsaw) -> tuple[State, tuple[Wish, ...]]:
    """Start again, with another request perhaps."""
    fresh = State(
        request=request,
        size=state.size,
        seen=state.seen,
        dark=state.dark,
        pace=state.pace,
        view=state.view,
    )
    return fresh, (Make(request), Pace(_PACES[state.pace]))


def _keyed(state: State, name: str) -> tuple[State, tuple[Wish, ...]]:
    if name in ("q", "ctrl+q", "ctrl+w"):
        return state, (Quit(),)
    if name == "f1" or (name == "escape" and state.help):
        return replace(state, help=not state.help), ()
    if name == "escape":
        none = replace(state, selected=-1, held=None, pose=None, dragging="", brush="", stroke=())
        return none, ()
    if name == "space":
        paused = not state.paused
        return replace(state, paused=paused, at=None), (_paced(state, paused),)
    if name == ".":
        return replace(state, paused=True, at=None), (Pace(math.inf, once=True),)
    if name in ("+", "=", "-"):
        pace = min(max(state.pace + (-1 if name != "-" else 1), 0), len(_PACES) - 1)
        state = replace(state, pace=pace)
        return state, () if state.paused else (_paced(state, False),)
    if name == "r":
        return _begun(state, replace(state.request, seed=state.request.seed + 1))
    if name.isdigit() and 1 <= int(name) <= len(LAYERS):
        return replace(state, seen=state.seen ^ {LAYERS[int(name) - 1]}), ()
    if name == "0":
        return fitted(state), ()
    if name == "t":
        return replace(state, dark=not state.dark), ()
    if name in ("left", "right", "up", "down"):
        return _panned_or_stepped(state, name)
    if name in ("e", "m"):
        brush = {"e": "divide", "m": "unite"}[name]
        return replace(state, brush="" if state.brush == brush else brush, selected=-1), ()
    if name in ("s", "ctrl+s"):
        return replace(state, said="saving"), (Save("smalti-view.png"),)
    if name == "g":
        return replace(state, said="recording"), (Record("smalti-view.webp"),)
    if name == "tab" and state.placements:
        return replace(state, selected=(state.selected + 1) % len(state.placements)), ()
    return _changed(state, name)


def _paced(state: State, paused: bool) -> Pace:
    return Pace(math.inf if paused else _PACES[state.pace])


def _panned_or_stepped(state: State, name: str) -> tuple[State, tuple[Wish, ...]]:
    """Move the picture, or the tile that is selected."""
    right = {"left": -1, "right": 1}.get(name, 0)
    down = {"up": -1, "down": 1}.get(name, 0)
    if 0 <= state.selected < len(state.placements) and not state.running:
        pose = state.placements[state.selected].pose
        moved = pose._replace(x=pose.x + 2 * right, y=pose.y + 2 * down)
        return state, (Change("move", state.selected, moved),)
    view, step = state.view, 60 / state.view.zoom
    return replace(state, view=replace(view, x=view.x + step * right, y=view.y + step * down)), ()


_CHANGES = {"delete": "remove", "b": "ban", "l": "lock", "f": "exchange"}
_HISTORY = {"ctrl+z": "undo", "ctrl+y": "redo", "ctrl+shift+z": "redo"}


def _changed(state: State, name: str) -> tuple[State, tuple[Wish, ...]]:
    """Ask for a change by hand, of the tile that is selected or under the pointer."""
    if state.running or state.answer is None:
        return state, ()
    if name in _HISTORY:
        return state, (Change(_HISTORY[name]),)
    number = state.selected if state.selected >= 0 else state.hovered
    if name == "f" and number < 0:
        x, y = state.view.to_raster(*state.pointer)
        return state, (Change("fit", pose=Pose(0.0, 1.0, x, y)),)
    if name == "p":
        labels = (
            frozenset({state.placements[number].container}) if number >= 0 else frozenset[int]()
        )
        return replace(state, running=True), (
            Change("repack", request=state.request, containers=labels),
        )
    if name in ("[", "]") and number >= 0:
        return state, (Change("move", number, _turned(state.placements[number].pose, name)),)
    if name in _CHANGES and number >= 0:
        state = replace(state, selected=-1 if name == "delete" else number)
        return state, (Change(_CHANGES[name], number),)
    return state, ()


def _turned(pose: Pose, name: str) -> Pose:
    return pose._replace(theta=pose.theta + (0.15 if name == "]" else -0.15))


def _wheeled(state: State, event: Wheel) -> tuple[State, tuple[Wish, ...]]:
    if state.pose is not None:  # a tile in hand turns, or grows
        pose = state.pose
        if event.turning:
            pose = pose._replace(scale=pose.scale * 1.06**event.steps)
        else:
            pose = pose._replace(theta=pose.theta + 0.12 * event.steps)
        return replace(state, pose=pose), ()
    if event.x >= state.wide:
        return state, ()
    view = state.view.zoomed(event.x, event.y, 1.2**event.steps)
    return replace(state, view=view, restless=_STILL_S), ()


def _pointed(state: State, event: Pointer) -> tuple[State, tuple[Wish, ...]]:
    before, state = state.pointer, replace(state, pointer=(event.x, event.y))
    if event.kind == "down":
        return _pressed(state, event)
    if event.kind == "up":
        return _released(state)
    if state.dragging == "view":
        view, zoom = state.view, state.view.zoom
        right, down = (event.x - before[0]) / zoom, (event.y - before[1]) / zoom
        moved = replace(view, x=view.x - right, y=view.y - down)
        return replace(state, view=moved, restless=_STILL_S), ()
    if state.dragging == "tile" and state.held is not None:
        x, y = state.view.to_raster(event.x, event.y)
        left, top, _ = state.held
        own = state.pose or state.held[2]
        from_x, from_y = state.held[2].x + x - left, state.held[2].y + y - top
        return replace(state, pose=own._replace(x=from_x, y=from_y)), ()
    if state.dragging == "stroke":
        point = state.view.to_raster(event.x, event.y)
        return replace(state, stroke=(*state.stroke, point)), ()
    if state.dragging == "time":
        return _scrubbed(state, event.x), ()
    if state.dragging:
        return _slid(state, event.x), ()
    return replace(state, hovered=tile_at(state, event.x, event.y)), ()


def _pressed(state: State, event: Pointer) -> tuple[State, tuple[Wish, ...]]:
    if event.y >= state.high:
        return _scrubbed(replace(state, dragging="time"), event.x), ()
    if event.x >= state.wide:
        row = int(event.y - PANEL_TOP) // ROW
        if 0 <= row < len(SLIDERS):
            return _slid(replace(state, dragging=SLIDERS[row].field), event.x), ()
        layer = row - len(SLIDERS) - 1
        if 0 <= layer < len(LAYERS):
            return replace(state, seen=state.seen ^ {LAYERS[layer]}), ()
        return state, ()
    if event.button == 1 and state.brush and not state.running and state.answer is not None:
        point = state.view.to_raster(event.x, event.y)
        return replace(state, dragging="stroke", stroke=(point,)), ()
    under = tile_at(state, event.x, event.y)
    if event.button == 1 and under >= 0 and not state.running and state.answer is not None:
        x, y = state.view.to_raster(event.x, event.y)
        held = (x, y, state.placements[under].pose)
        return replace(state, selected=under, held=held, pose=None, dragging="tile"), ()
    return replace(state, dragging="view", selected=-1), ()


def _released(state: State) -> tuple[State, tuple[Wish, ...]]:
    dragged, pose, stroke = state.dragging, state.pose, state.stroke
    state = replace(state, dragging="", held=None, pose=None, stroke=())
    if dragged == "stroke":
        if len(stroke) < 2:
            return state, ()
        return replace(state, running=True), (Change(state.brush, stroke=stroke),)
    if dragged == "tile" and pose is not None:
        return state, (Change("move", state.selected, pose),)
    slider = next((s for s in SLIDERS if s.field == dragged), None)
    if slider is None:
        return state, ()
    if slider.anew or state.answer is None:
        return _begun(state, state.request)
    return replace(state, running=True), (Change("repack", request=state.request),)


def _slid(state: State, x: float) -> State:
    slider = next(s for s in SLIDERS if s.field == state.dragging)
    share = (x - state.wide - TRACK[0]) / (TRACK[1] - TRACK[0])
    value = slider.low + min(max(share, 0.0), 1.0) * (slider.high - slider.low)
    found: float = round(value) if slider.whole else round(value, 2)
    changed: dict[str, Any] = {slider.field: found}
    return replace(state, request=replace(state.request, **changed))


def value_of(state: State, slider: Slider) -> float:
    """Return where a slider stands; what the request leaves open is as the engine chose."""
    value = getattr(state.request, slider.field)
    if value is not None:
        return float(value)
    if state.ground is None:
        return slider.low
    if slider.field == "tiles":
        return float(state.ground.tiles)
    if slider.field == "size_ratio":
        return float(state.ground.size_ratio)
    return float(state.containers)


def _scrubbed(state: State, x: float) -> State:
    share = min(max((x - 16) / max(1, state.size[0] - 32), 0.0), 1.0)
    count = round(share * len(state.history.news))
    return replace(state, at=None if share >= 0.995 else count)


def shown(state: State) -> list[Placement]:
    """Return the tiles that are seen: as they were then, or as they are now."""
    if state.at is not None:
        return list(state.history.tiles(state.at).values())
    if state.placements:
        if state.contours is not None and len(state.contours) == len(state.placements):
            return [
                replace(p, contour=c) for p, c in zip(state.placements, state.contours, strict=True)
            ]
        return list(state.placements)
    return list(state.history.tiles(len(state.history.news)).values())


def tile_at(state: State, x: float, y: float) -> int:
    """Return the placement under a place of the window, or -1."""
    if not state.placements or state.at is not None or x >= state.wide or y >= state.high:
        return -1
    at = np.array(state.view.to_raster(x, y))
    low, high = _boxes(state.placements)
    near = np.flatnonzero((low <= at).all(axis=1) & (high >= at).all(axis=1))
    return next((int(k) for k in near if _inside(state.placements[k].contour, at)), -1)


@lru_cache(maxsize=2)
def _boxes(placements: tuple[Placement, ...]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest x and y of every tile."""
    return (
        np.array([p.contour.min(axis=0) for p in placements]),
        np.array([p.contour.max(axis=0) for p in placements]),
    )


def _inside(contour: NDArray[np.float64], at: NDArray[np.float64]) -> bool:
    """Whether a point lies in a polygon, by the parity of the edges to its right."""
    a, b = contour, np.roll(contour, -1, axis=0)
    crosses = (a[:, 1] > at[1]) != (b[:, 1] > at[1])
    with np.errstate(divide="ignore", invalid="ignore"):
        x = a[:, 0] + (at[1] - a[:, 1]) / (b[:, 1] - a[:, 1]) * (b[:, 0] - a[:, 0])
    return bool(np.count_nonzero(crosses & (x > at[0])) % 2)
