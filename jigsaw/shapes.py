"""Clip art to a library of shapes."""

from collections.abc import Sequence
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from smalti.core.color import to_space
from smalti.core.errors import BadInput, UnusablePicture, printable
from smalti.core.index import looks
from smalti.core.library import THUMB, thumbnails
from smalti.core.progress import Progress, silent
from smalti.core.source import Skipped, Source, expand, full_name, open_source
from smalti.core.twins import fingerprints, twin_groups
from smalti.jigsaw.contour import (
    centroid,
    filled,
    from_background,
    from_mask,
    is_simple,
    signed_area,
    solid,
)
from smalti.jigsaw.lettering import words

POINTS = 64
"""Vertices of every contour, equal in arc length."""

GRID = 6
"""Side of the coarse colour grid of a shape."""

_SMALLEST = 16  # px, side of the square of the same area
_LOST = 0.05  # of a shape's area may lie outside its polygon, or apart from its largest piece
_SOLID = 0.85  # of the pixels inside a contour must be opaque: gaps show as holes in the mosaic
_RECTANGLE = 0.985  # of its upright box filled; 64 points cut 0.2 % off at a box's corners
_PAPER = 90, 8  # L of at least, chroma of at most: white
_BLANK = 0.95  # of what lies within the outline is white
_RIM = 0.09  # of its size, what is nearer to the edge belongs to the outline
_INK = 70, 0.1  # L of at most, and share of the rim: below it there is no outline, just a shape
_AROUND = (128, 128, 128)  # what twins are compared on

_FARTHEST = 1e6  # no outline, size or colour is beyond it, px or units of CIELAB

# What is remembered of a shape; when any of it changes, so must the name.
_KIND = "shapes4"
_SHAPE = np.dtype(
    [
        ("contours", "f8", (POINTS, 2)),
        ("size", "f8"),
        ("centroid", "f8", (2,)),
        ("lab", "f4", (3,)),
        ("spread", "f4"),
        ("light", "f4"),
        ("colours", "f4", (GRID, GRID, 3)),
        ("reach", "f8"),
        ("thumb", "u1", (THUMB, THUMB, 3)),
    ]
)


@dataclass(frozen=True, slots=True, eq=False)
class ShapeLibrary:
    """What is known of m shapes.

    A shape's own plane has its centroid at the origin and its area as unit: a
    point u of it is pixel ``centroid + size * u`` of the clip art, (x, y), the
    centre of the first pixel being (0.5, 0.5).

    Attributes
    ----------
    sources : tuple of Source
    contours : ndarray of shape (m, POINTS, 2), float64
        Outer contours in their own plane, positively oriented (shoelace sum of
        x, y positive), starting anywhere, the end not repeated.
    size : ndarray of shape (m,), float64
        Square root of the shape's area in the clip art, px.
    centroid : ndarray of shape (m, 2), float64
        (x, y) in the clip art, px.
    lab : ndarray of shape (m, 3), float32
        Mean CIELAB colour of the opaque pixels.
    spread : ndarray of shape (m,), float32
        Standard deviation of L over the opaque pixels.
    light : ndarray of shape (m,), float32
        95th percentile of L: how light the shape's lightest part is.
    colours : ndarray of shape (m, GRID, GRID, 3), float32
        CIELAB means over a GRID x GRID of squares (row, column) that spans the
        shape's bounding square [-reach, reach] in both directions of its own
        plane; the shape's mean where a square holds nothing of it.
    reach : ndarray of shape (m,), float64
        Largest distance of a contour point along x or y from the centroid.
    group : ndarray of shape (m,), intp
        Near-duplicates share a number.
    skipped : tuple of Skipped
        Clip art left out, each with its reason.
    """

    sources: tuple[Source, ...]
    contours: NDArray[np.float64]
    size: NDArray[np.float64]
    centroid: NDArray[np.float64]
    lab: NDArray[np.float32]
    spread: NDArray[np.float32]
    light: NDArray[np.float32]
    colours: NDArray[np.float32]
    reach: NDArray[np.float64]
    group: NDArray[np.intp]
    skipped: tuple[Skipped, ...]


def demo_shapes() -> Path:
    """Return the archive of clip art that comes with smalti, which ``"@demo"`` stands for."""
    import smalti.assets

    return Path(next(iter(smalti.assets.__path__)), "shapes.zip")


def scan_shapes(
    shapes: Sequence[str],
    *,
    index: Path | None = None,
    executor: Executor | None = None,
    progress: Progress = silent,
    strict: bool = False,
) -> ShapeLibrary:
    """Look at every piece of clip art once.

    The outline is the alpha channel's; without one, active contours look for
    it on a plain background. What would not make a good tile is left out, and
    the reason told.

    Parameters
    ----------
    shapes : sequence of str
        Folders, files, globs, archives, sheets; see `smalti.core.source`.
        ``"@demo"`` is the clip art that comes with smalti.
    index : Path, optional
        Where to remember what was read, usually `default_index()`; a file
        that is in it and has not changed is not opened. Without one, nothing
        is remembered.
    executor : Executor, optional
        Reads files in parallel.
    progress : callable
        Called with steps of the phase ``"index"``, counted in shapes.
    strict : bool
        Fail at the first unusable shape instead of skipping it.

    Returns
    -------
    ShapeLibrary
        In the order of `shapes`, then of their names.

    Raises
    ------
    BadInput
        If `shapes` names something that is not there, or no shape is usable.
    UnusablePicture
        If `strict`.

    References
    ----------
    .. [1] J. Kim, F. Pellacini, "Jigsaw Image Mosaics", 2002, section 3.
    """
    demo = str(demo_shapes())
    sources, skipped = expand([demo if shape == "@demo" else shape for shape in shapes])
    found = looks(
        sources,
        _look_at,
        kind=_KIND,
        usable=_is_look,
        text="outlining shapes",
        index=index,
        executor=executor,
        progress=progress,
    )
    unusable = list(skipped)
    good: dict[int, bytes] = {}
    bad: dict[int, str] = {}
    with closing(found):
        for i, look in found:
            if look.reason:
                bad[i] = look.reason
            else:
                good[i] = look.data
    unusable += [Skipped(full_name(sources[i]), bad[i]) for i in sorted(bad)]
    if strict and unusable:
        raise UnusablePicture(*unusable[0])
    if not good:
        name, reason = unusable[0]
        raise BadInput(
            f"none of {len(sources)} shapes can be used; the first, {printable(name)}: {reason}"
        )
    known = np.frombuffer(b"".join(good[i] for i in sorted(good)), _SHAPE)
    fields = {name: np.ascontiguousarray(known[name]) for name in _SHAPE.names or ()}
    thumbs = fields.pop("thumb")
    return ShapeLibrary(
        sources=tuple(sources[i] for i in sorted(good)),
        group=twin_groups(fingerprints(thumbs)),
        skipped=tuple(unusable),
        **fields,
    )


def _is_look(data: bytes) -> bool:
    if len(data) != _SHAPE.itemsize:
        return False
    shape = np.frombuffer(data, _SHAPE)
    numbers = [shape[name] for name in _SHAPE.names or () if shape[name].dtype.kind == "f"]
    return all(bool((np.abs(n) <= _FARTHEST).all()) for n in numbers) and bool(shape["size"] > 0)


def _look_at(source: Source) -> bytes:
    pixels = open_source(source, transparent=True).pixels
    try:
        return _measured(pixels).tobytes()
    except UnusablePicture:
        raise
    except BadInput as error:
        raise UnusablePicture(full_name(source), str(error)) from None


def _measured(pixels: NDArray[np.uint8]) -> NDArray[np.void]:
    """Learn one row of `_SHAPE` from (H, W, 4) sRGB and alpha.

    Raises
    ------
    BadInput
        Why it would not make a good tile.
    """
    shape = pixels.shape[0], pixels.shape[1]
    opaque = opaque_pixels(pixels)
    part = solid(opaque)
    if part.sum() < _SMALLEST**2:
        raise BadInput(f"smaller than {_SMALLEST} px a side")
    if (opaque & part).sum() < (1 - _LOST) * opaque.sum():
        raise BadInput("in several pieces")
    contour = from_mask(part, POINTS)
    inside = filled(contour, shape)
    if (part & ~inside).sum() > _LOST * part.sum() or not is_simple(contour):
        raise BadInput(f"too spiky for {POINTS} points")
    if (opaque & inside).sum() < _SOLID * inside.sum():
        raise BadInput("mostly holes")
    area = signed_area(contour)
    if area > _RECTANGLE * np.prod(np.ptp(contour, axis=0)):
        raise BadInput("a whole rectangular picture, no shape")
    if _is_blank(pixels, opaque & inside):
        raise BadInput("a blank form: only an outline is drawn")
    if words(pixels, opaque & inside):
        raise BadInput("a word is written on it")

    row = np.zeros((), _SHAPE)
    row["size"] = size = np.sqrt(area)
    row["centroid"] = middle = centroid(contour)
    row["contours"] = (contour - middle) / size
    row["reach"] = reach = np.abs(row["contours"]).max()

    y, x = np.nonzero(opaque & inside)
    lab = to_space(pixels[y, x, :3], "lab")
    row["lab"] = lab.mean(axis=0)
    row["spread"] = lab[:, 0].std()
    row["light"] = np.percentile(lab[:, 0], 95)
    square = np.stack([y, x], axis=1) + 0.5 - middle[::-1]
    square = np.clip((square / (2 * reach * size) + 0.5) * GRID, 0, GRID - 1).astype(np.intp)
    cell = square @ (GRID, 1)
    count = np.bincount(cell, minlength=GRID * GRID)
    sums = [np.bincount(cell, channel, GRID * GRID) for channel in lab.T]
    means = np.stack(sums, axis=1) / np.maximum(count, 1)[:, None]
    means[count == 0] = row["lab"]
    row["colours"] = means.reshape(GRID, GRID, 3)

    alone = np.where((opaque & inside)[..., None], pixels[..., :3], _AROUND).astype(np.uint8)
    box = slice(y.min(), y.max() + 1), slice(x.min(), x.max() + 1)
    row["thumb"] = thumbnails(alone[box][None])[0]
    return row


def _is_blank(pixels: NDArray[np.uint8], inside: NDArray[np.bool_]) -> bool:
    """Tell balloons for words, sheets and boxes of flow charts from pictures."""
    depth = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
    deep = depth > _RIM * np.sqrt(inside.sum())
    if not deep.any():
        return False
    light, a, b = to_space(pixels[deep][:, :3], "lab").T
    if ((light > _PAPER[0]) & (np.hypot(a, b) < _PAPER[1])).mean() < _BLANK:
        return False
    rim = to_space(pixels[inside & ~deep][:, :3], "lab")[:, 0]
    return bool((rim < _INK[0]).mean() > _INK[1])


def opaque_pixels(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Tell what is drawn from what is background.

    Parameters
    ----------
    pixels : ndarray of shape (H, W, 4), uint8
        sRGB and alpha.

    Returns
    -------
    ndarray of shape (H, W), bool

    Raises
    ------
    BadInput
        If nothing is transparent and the background is not plain.
    """
    opaque = pixels[..., 3] >= 128
    return from_background(pixels[..., :3]) if opaque.all() else opaque
