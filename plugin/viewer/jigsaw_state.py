"""What the viewer shows of a jigsaw; no window is needed for it."""

import math
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from smalti.ground import Ground
from smalti.jigsaw.energy import Terms
from smalti.jigsaw.placement import Laid, Placement, Sought
from smalti.jigsaw.pose import Pose
from smalti.jigsaw.shapes import ShapeLibrary
from smalti.plugin.viewer.jigsaw_engine import Answer
from smalti.plugin.viewer.stage import Slider, Stage
from smalti.request import Jigsaw

_SHIFT = 0.25  # of its side, that a tile may move while it is bent


class History:
    """All that was laid, in order, on what lay before; it only grows: states can share it."""

    def __init__(self, before: tuple[Placement, ...] = ()) -> None:
        self.news: list[Laid] = []
        self.stayed = len(before)
        self._before = {(-1, number): placement for number, placement in enumerate(before)}
        self._lying = self._before.copy()
        self._count = 0  # of the news that this is after

    def tiles(self, count: int) -> dict[tuple[int, int], Placement]:
        """Return what lay there after so many of them."""
        if count < self._count:
            self._lying, self._count = self._before.copy(), 0
        lying, news = self._lying, self.news[self._count : count]
        self._count += len(news)
        for laid in news:
            if laid.placement is not None:
                lying[laid.container, laid.number] = laid.placement
            elif laid.number >= 0:
                del lying[laid.container, laid.number]
            else:
                for key in [key for key in lying if key[0] == laid.container]:
                    del lying[key]
        return dict(lying)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class JigsawState(Stage):
    """A jigsaw on the stage.

    Attributes
    ----------
    request : Jigsaw
    ground, library
        As the engine found them; None before.
    containers : int
        How many the ground has.
    history : History
    placements : tuple of Placement
        The packing as a whole, once there is one.
    contours : ndarray of shape (n, k, 2), float64, or None
        Of its tiles while they are bent; of the last, where only some are.
    answer : Answer or None
        The newest; its picture is what the canvas keeps.
    sought : Sought or None
    coverage : tuple of (float, float)
        Seconds, and share of the picture covered.
    covered : float
        The same of the newest answer, as it was measured or is by what has changed since.
    terms : tuple of Terms
        Of the energies of tiles as they were laid.
    bent : tuple of float
        How far tiles had left their shapes, on average, step by step.
    selected, hovered : int
        Placement, or -1.
    held : (float, float, Pose) or None
        Where a tile was taken hold of, and its pose then.
    pose : Pose or None
        Where it is held now.
    brush : str
        ``"divide"`` or ``"unite"`` while containers are drawn; empty otherwise.
    stroke : tuple of (float, float)
        What has been drawn, px of the raster.
    others
        As of `Stage`; `dragging` may be ``"tile"`` or ``"stroke"``.
    """

    LAYERS: ClassVar = ("target", "tiles", "borders", "free", "cells", "candidates", "energy")
    SLIDERS: ClassVar = (
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
        Slider("shortlist", "shortlist", 4, 400, whole=True),
    )
    HELP: ClassVar = (
        ("space", "pause, go on"),
        (".", "one step"),
        ("+  -", "faster, slower"),
        ("Ctrl+left, right", "back, on; Shift: farther"),
        ("Home  End", "to the first tile, the last"),
        ("R", "again with another seed"),
        ("1 to 7", "show or hide layers"),
        ("wheel  I  O", "zoom in, out"),
        ("drag, arrows", "move the picture"),
        ("0", "whole picture"),
        ("click, Tab", "select a tile; Esc: none"),
        ("drag, arrows", "move it to its neighbours"),
        ("wheel in hand", "turn it; Shift: scale it"),
        ("[  ]    {  }", "turn it, scale it"),
        ("Del", "take it away"),
        ("F", "another tile here"),
        ("B", "ban this shape"),
        ("L", "lock this tile"),
        ("P", "pack its container anew"),
        ("E, then draw", "cut containers"),
        ("M, then draw", "join containers"),
        ("Ctrl+Z  Ctrl+Y", "undo or stop, redo"),
        (",  ;", "previous, next slider"),
        ("PgUp  PgDn", "change it, or scroll here"),
        ("Enter", "pack as it is set"),
        ("S", "save picture, project, SVG"),
        ("G  Shift+G", "time-lapse: WebP, GIF"),
        ("T", "light or dark"),
        ("Q", "quit"),
    )
    FACTS: ClassVar = 5
    PLOTS: ClassVar = 6
    WATCHED: ClassVar = ("steps", "seconds", "history", "coverage", "covered", "terms", "bent")

    request: Jigsaw
    seen: frozenset[str] = frozenset({"tiles", "borders", "candidates"})
    aside: frozenset[str] = frozenset({"tiles", "candidates"})  # over the art when asked
    ground: Ground | None = None
    library: ShapeLibrary | None = None
    containers: int = 0
    history: History = field(default_factory=History)
    placements: tuple[Placement, ...] = ()
    contours: NDArray[np.float64] | None = None
    answer: Answer | None = None
    sought: Sought | None = None
    coverage: tuple[tuple[float, float], ...] = ()
    covered: float = 0.0
    terms: tuple[Terms, ...] = ()
    bent: tuple[float, ...] = ()
    selected: int = -1
    hovered: int = -1
    held: tuple[float, float, Pose] | None = None
    pose: Pose | None = None
    brush: str = ""
    stroke: tuple[tuple[float, float], ...] = ()

    @property
    def laying(self) -> bool:
        """Whether tiles are on their way to their places."""
        return self.running and self.phase in ("pack", "refine")

    def bare(self) -> "JigsawState":
        """Return it with nothing chosen and nothing sought."""
        return replace(self, selected=-1, hovered=-1, pose=None, sought=None)

    def chosen(self, slider: Slider) -> float | None:
        """Return what the engine chose where the request leaves it open."""
        if self.ground is None:
            return None
        if slider.field == "segments":
            return float(self.containers)
        return float(getattr(self.ground, slider.field))


def shown(state: JigsawState) -> list[Placement]:
    """Return the tiles that are seen: as they were then, or as they are now."""
    if state.at is not None:
        return list(state.history.tiles(state.at).values())
    if state.placements:
        contours = () if state.contours is None else state.contours
        still = len(state.placements) - len(contours)
        bent = zip(state.placements[still:], contours, strict=True)
        return [*state.placements[:still], *(replace(p, contour=c) for p, c in bent)]
    return list(state.history.tiles(len(state.history.news)).values())


def lasting(state: JigsawState) -> list[NDArray[np.float64]]:
    """Return the contours of the tiles seen that lie about where the mosaic has them in the end."""
    final: dict[int, list[tuple[float, float]]] = {}
    for p in state.placements:
        final.setdefault(p.tile, []).append((p.pose.x, p.pose.y))
    return [
        p.contour
        for p in shown(state)
        if any(
            math.hypot(p.pose.x - x, p.pose.y - y) < _SHIFT * p.pose.scale
            for x, y in final.get(p.tile, ())
        )
    ]


def tile_at(state: JigsawState, x: float, y: float) -> int:
    """Return the placement under a place of the window, or -1."""
    if not state.placements or state.at is not None or not state.over(x, y):
        return -1
    at = np.array(state.view.to_raster(x, y))
    low, high = boxes(state.placements)
    near = np.flatnonzero((low <= at).all(axis=1) & (high >= at).all(axis=1))
    return next((int(k) for k in near if _inside(state.placements[k].contour, at)), -1)


@lru_cache(maxsize=2)
def boxes(placements: tuple[Placement, ...]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lowest and the highest x and y of every tile."""
    if not placements:
        return np.empty((0, 2)), np.empty((0, 2))
    contours = np.concatenate([p.contour for p in placements]).reshape(len(placements), -1, 2)
    x, y = contours[..., 0], contours[..., 1]  # apart they are several times as fast
    low, high = (x.min(axis=1), y.min(axis=1)), (x.max(axis=1), y.max(axis=1))
    return np.stack(low, axis=1), np.stack(high, axis=1)


def _inside(contour: NDArray[np.float64], at: NDArray[np.float64]) -> bool:
    """Whether a point lies in a polygon, by the parity of the edges to its right."""
    a, b = contour, np.roll(contour, -1, axis=0)
    crosses = (a[:, 1] > at[1]) != (b[:, 1] > at[1])
    with np.errstate(divide="ignore", invalid="ignore"):
        x = a[:, 0] + (at[1] - a[:, 1]) / (b[:, 1] - a[:, 1]) * (b[:, 0] - a[:, 0])
    return bool(np.count_nonzero(crosses & (x > at[0])) % 2)
