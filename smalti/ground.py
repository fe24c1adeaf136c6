"""The ground of a jigsaw: target, containers and colours on the raster that is packed."""

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor

from smalti.core.color import to_space
from smalti.core.errors import BadInput, printable
from smalti.core.face import find_faces
from smalti.core.picture import read_picture
from smalti.core.progress import Progress, Step, silent
from smalti.core.writers import check_output
from smalti.jigsaw.compose import darkened
from smalti.jigsaw.frame import Frame, find_frame, trimmed
from smalti.jigsaw.segment import from_labels, from_mask, segment, tidied
from smalti.jigsaw.size import fine_faces
from smalti.plan import check, target_file
from smalti.request import FLAT_FORMATS, KINDS, SHAPE_FORMATS, Jigsaw

_TILES = 1200  # enough for a face, few enough that each is a thing
_RATIO = 4.0  # of the largest tile to the smallest
_RATIO_FACE = 5.0  # the same, where an eye takes a tile or two
_RASTER_PX = 20.0  # side of a mean tile on the raster that is packed
_MOST_PX = 36_000_000  # of that raster: 90,000 tiles
_BAND = 256  # rows of it whose colours are converted at a time


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """The target on the raster that is packed.

    Attributes
    ----------
    picture : ndarray of shape (H, W, 3), uint8
        Its colours, or those given instead.
    labels : ndarray of shape (H, W), intp
    goal : ndarray of shape (H, W, 3), float32, CIELAB
    tiles : int
    tile_px : float
        Side of a mean tile on the raster.
    target : (int, int)
        Width and height of the target itself, without its frame, px.
    size_ratio : float
        Largest over smallest tile.
    fine : ndarray of shape (H, W), float32, or None
        How much smaller tiles shall be in faces; None without faces.
    frame : Frame
        What was cut off the target.
    """

    picture: NDArray[np.uint8]
    labels: NDArray[np.intp]
    goal: NDArray[np.float32]
    tiles: int
    tile_px: float
    target: tuple[int, int]
    size_ratio: float
    fine: NDArray[np.float32] | None
    frame: Frame


def check_request(r: Jigsaw) -> None:
    """Raise BadInput for values no mosaic can be made of."""
    needed = r.kind == "jigsaw"
    check(bool(r.shapes) or not needed, "no shapes: name folders or files of clip art, or @demo")
    check(r.kind in KINDS, f"kind is {r.kind!r}: one of {', '.join(KINDS)}")
    check(r.tiles is None or 1 <= r.tiles <= 90_000, f"tiles is {r.tiles}: 1 to 90000")
    check(r.tile_px is None or r.tile_px > 0, f"tile-px is {r.tile_px}: more than 0")
    check(r.tiles is None or r.tile_px is None, "tiles and tile-px exclude each other: give one")
    check(r.size_ratio is None or 1 <= r.size_ratio <= 8, f"size-ratio is {r.size_ratio}: 1 to 8")
    check(r.segments is None or r.segments >= 1, f"segments is {r.segments}: 1 or more")
    check(
        bool(r.labels) + bool(r.mask) + (r.segments is not None) <= 1,
        "segments, labels and mask exclude each other: give one",
    )
    for name in ("w_color", "w_gap", "w_overlap", "w_deform", "w_look", "deform", "spacing"):
        value = getattr(r, name)
        check(0 <= value <= 1000, f"{name.replace('_', '-')} is {value}: 0 or more, 1 is usual")
    check(0 <= r.adjust <= 1, f"adjust is {r.adjust}: from 0 to 1")
    check(r.reuse is None or r.reuse >= 1, f"reuse is {r.reuse}: 1 or more")
    check(r.candidates in ("scan", "hashing"), f"candidates is {r.candidates!r}: scan or hashing")
    check(r.shortlist >= 1, f"shortlist is {r.shortlist}: 1 or more shapes")
    check(r.time_limit is None or r.time_limit > 0, f"time-limit is {r.time_limit}: seconds")
    check(r.seed >= 0, f"seed is {r.seed}: 0 or more")
    check(16 <= r.width <= 100_000, f"width is {r.width}: 16 to 100000 px")
    check(1 <= r.dpi <= 10_000, f"dpi is {r.dpi}: 1 to 10000")
    check(1 <= r.quality <= 100, f"quality is {r.quality}: 1 to 100")
    rotation(r.rotate)
    if r.background not in ("darken", "target"):
        _colour(r.background)
    read = [os.fspath(target_file(r.target)), r.labels, r.mask, r.edges, r.colors, *r.shapes]
    if r.output:  # checked before the long work, not after
        flat = r.kind in ("decorative", "voronoi")
        check_output(Path(r.output), endings=FLAT_FORMATS if flat else SHAPE_FORMATS, read=read)
    if r.geometry:
        endings = (".json", ".geojson")
        check_output(Path(r.geometry), endings=endings, read=[*read, r.output])


def rotation(text: str) -> Literal["free", "upright"] | float:
    """Read how far tiles may be turned."""
    if text == "free":
        return "free"
    if text == "upright":
        return "upright"
    try:
        degrees = float(text)
    except ValueError:
        degrees = math.nan
    check(0 <= degrees <= 180, f"rotate is {text!r}: free, upright, or 0 to 180 degrees")
    return degrees


def lay_ground(request: Jigsaw, progress: Progress = silent) -> Ground:
    """Bring target, containers and colours to the raster that is packed.

    Parameters
    ----------
    request : Jigsaw
    progress : callable
        Called with steps of the phase ``"segment"``.
    """
    progress(Step("segment", 0, 0, "reading the target"))
    target = read_picture(target_file(request.target)).pixels
    frame = Frame()
    if not (
        request.keep_frame or request.labels or request.mask or request.edges or request.colors
    ):
        frame = find_frame(target)
        target = trimmed(target, frame)
    progress(Step("segment", 0, 0, "finding containers"))
    height, width = target.shape[:2]
    mask = _beside(request.mask, target, "mask")
    given = _beside(request.labels, target, "labels", background=None)
    share = 1.0 if mask is None else float(_light(mask).mean())
    check(share > 0, "there is nothing to fill: the mask is dark everywhere")
    if given is not None:
        share = float((given[..., 3] > 0).mean())
    tiles = request.tiles or _TILES
    if request.tile_px:
        wide, high = _fitted(width, height, request.width)
        tiles = max(1, round(wide * high * share / request.tile_px**2))
    area = tiles * _RASTER_PX**2 / share
    check(
        area <= _MOST_PX,
        f"{tiles} tiles in {share:.2%} of the picture are too small to pack: fewer --tiles, or a "
        "larger --mask",
    )
    scale = math.sqrt(area / (width * height))
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    small = resized(target, size)
    tile_px = math.sqrt(size[0] * size[1] * share / tiles)
    drawn = _beside(request.edges, target, "edges")
    fine, ratio = None, request.size_ratio or _RATIO
    if given is not None:
        labels = tidied(from_labels(resized(given, size, Image.Resampling.NEAREST)), tile_px)
    elif mask is not None:
        labels = from_mask(_light(resized(mask, size)))
    else:
        edges = None if drawn is None else ~_light(resized(drawn, size, Image.Resampling.BOX))
        if request.segments is None:
            faces = find_faces(small)
            if len(faces):
                ratio = request.size_ratio or _RATIO_FACE
                fine = fine_faces(small.shape[:2], faces, tile_px, ratio)
        labels = segment(small, tile_px=tile_px, regions=request.segments, edges=edges, fine=fine)
    check(bool((labels >= 0).any()), "there is nothing to fill: the mask or the labels are empty")
    colours = _beside(request.colors, target, "colors")
    small = small if colours is None else _per_segment(resized(colours, size), labels)
    goal = _in_lab(small, progress)
    return Ground(small, labels, goal, tiles, tile_px, (width, height), ratio, fine, frame)


def _beside(
    file: str,
    target: NDArray[np.uint8],
    option: str,
    background: tuple[int, int, int] | None = (255, 255, 255),
) -> NDArray[np.uint8] | None:
    """Read a picture that belongs to the target and must have its size."""
    if not file:
        return None
    picture = read_picture(file, background=background).pixels
    (h, w), (high, wide) = picture.shape[:2], target.shape[:2]
    check(
        (w, h) == (wide, high),
        f"--{option} {printable(file)} is {w} x {h} px and the target {wide} x {high}: "
        "give pictures of one size",
    )
    return picture


def _light(picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return np.asarray(picture.mean(axis=2) > 127)


def _fitted(width: int, height: int, long_side: int) -> tuple[float, float]:
    scale = long_side / max(width, height)
    return width * scale, height * scale


def resized(
    picture: NDArray[np.uint8],
    size: tuple[int, int],
    how: Image.Resampling = Image.Resampling.LANCZOS,
) -> NDArray[np.uint8]:
    """Resample a picture to a width and height."""
    return np.asarray(Image.fromarray(picture).resize(size, how))


def _in_lab(picture: NDArray[np.uint8], progress: Progress) -> NDArray[np.float32]:
    rows = len(picture)
    lab = np.empty(picture.shape, np.float32)
    for top in range(0, rows, _BAND):
        progress(Step("segment", top, rows, "converting its colours"))
        lab[top : top + _BAND] = to_space(picture[top : top + _BAND], "lab")
    return lab


def _per_segment(colours: NDArray[np.uint8], labels: NDArray[np.intp]) -> NDArray[np.uint8]:
    """Give every container the mean of the colours drawn over it (figure 13)."""
    out = colours.copy()
    for one in np.unique(labels[labels >= 0]):
        out[labels == one] = colours[labels == one].mean(axis=0)
    return out


def background_of(request: Jigsaw, ground: Ground) -> NDArray[np.uint8]:
    """Make what is seen between tiles, on the raster that is packed or smaller."""
    if request.background == "darken":
        return darkened(ground.picture, 0.3 * ground.tile_px)
    if request.background == "target":
        return ground.picture
    return np.full((1, 1, 3), _colour(request.background), np.uint8)


def _colour(text: str) -> tuple[int, ...]:
    try:
        return ImageColor.getrgb(text)[:3]
    except ValueError:
        raise BadInput(
            f"background is {text!r}: darken, target, or a colour such as #336699"
        ) from None
