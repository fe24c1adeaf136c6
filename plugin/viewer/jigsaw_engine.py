"""What the engine of the viewer does for a jigsaw."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smalti.core.progress import Progress, Step
from smalti.ground import Ground
from smalti.jigsaw.placement import Packed, Placement
from smalti.jigsaw.shapes import ShapeLibrary
from smalti.jigsaw_desk import Desk, desk_of, reopened
from smalti.jigsaw_mosaic import JigsawMosaic, make_jigsaw
from smalti.jigsaw_picture import draw_part, render_jigsaw
from smalti.jigsaw_picture import save as write
from smalti.jigsaw_project import JigsawProject
from smalti.plugin.viewer.event import Change
from smalti.request import Jigsaw

_DRAWN = 3.0  # px of the drawn picture along a pixel of the raster that is packed
_MOST_PX = 24_000_000  # of the drawn picture

Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """A jigsaw as it is now.

    Attributes
    ----------
    request : Jigsaw
        As it weighs now.
    placements : tuple of Placement
        In pixels of the raster that is packed.
    locked : frozenset of int
    picture : ndarray of shape (H, W, 3), uint8
        What has changed of it, drawn from the clip art; a state's is whole.
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

    request: Jigsaw
    placements: tuple[Placement, ...]
    locked: frozenset[int]
    picture: NDArray[np.uint8]
    box: Box
    scale: float
    labels: NDArray[np.intp] | None
    quality: dict[str, float] | None
    said: str
    undo: int
    redo: int


def begin(request: Jigsaw, index: Path | None, progress: Progress) -> tuple[Desk, JigsawMosaic]:
    """Make a jigsaw, and put it on the desk."""
    made: dict[type, object] = {}

    def noting(step: Step) -> None:
        made[type(step.made)] = step.made
        progress(step)

    mosaic = make_jigsaw(request, progress=noting, index=index)
    ground, library, packed = made[Ground], made[ShapeLibrary], made[Packed]
    assert isinstance(ground, Ground)
    assert isinstance(library, ShapeLibrary)
    assert isinstance(packed, Packed)
    return desk_of(request, ground, library, packed.placements), mosaic


def reopen(project: JigsawProject, index: Path | None, progress: Progress) -> Desk:
    """Put a saved jigsaw on the desk."""
    return reopened(project, index=index, progress=progress)


def setting(now: Desk) -> tuple[Step, Step]:
    """Return the steps that told what a jigsaw is packed on, and of."""
    count = len(now.library.sources)
    return (
        Step("segment", 1, 1, "finding containers", now.ground),
        Step("index", count, count, "shapes", now.library),
    )


def changed(now: Desk, wish: Change, progress: Progress) -> Desk:
    """Do what is wished; the same desk if it cannot be done."""
    pose = wish.pose
    match wish.what:
        case "move" if pose is not None:
            return now.moved(wish.number, pose)
        case "fit" if pose is not None:
            return now.fitted(pose.x, pose.y)
        case "remove":
            return now.removed(wish.number)
        case "exchange":
            return now.exchanged(wish.number)
        case "ban":
            return now.ban(wish.number)
        case "lock":
            return now.lock(wish.number)
        case "repack" if isinstance(wish.request, Jigsaw):
            every = frozenset(int(k) for k in np.unique(now.ground.labels) if k >= 0)
            return now.repacked(wish.containers or every, wish.request, progress)
        case "divide":
            return now.divided(wish.stroke, progress)
        case "unite":
            return now.united(wish.stroke, progress)
    return now


def answer(
    now: Desk,
    before: Desk | None,
    said: str,
    undo: int = 0,
    redo: int = 0,
    quality: dict[str, float] | None = None,
) -> Answer:
    """Tell a jigsaw, drawn where it is not as before."""
    labels = now.ground.labels
    height, width = labels.shape
    old = () if before is None else before.placements
    box = _changed(old, now.placements, (width, height))
    project = now.project()
    scale = min(_DRAWN, math.sqrt(_MOST_PX / math.prod(project.size)))
    return Answer(
        request=now.request,
        placements=now.placements,
        locked=now.locked,
        picture=draw_part(project, scale, box),
        box=box,
        scale=scale,
        labels=None if before is not None and before.ground.labels is labels else labels,
        quality=quality,
        said=said,
        undo=undo,
        redo=redo,
    )


def save(now: Desk, path: Path) -> str:
    """Write picture, project and SVG, and say so."""
    project = now.project()
    write(project, path)
    render_jigsaw(project, path.with_suffix(".svg"))
    return f"saved {path.name}, its project and its SVG"


def _changed(old: tuple[Placement, ...], new: tuple[Placement, ...], size: tuple[int, int]) -> Box:
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
