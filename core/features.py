"""Feature rows: what is compared when a photo is laid on a cell.

The families are Weber's (paper 002, section 3.2), r x r block means, and wavelets. A photo offers
several variants (crops, mirror, turns); the cost of laying it on a cell is the
least over them, and it still counts as one photo.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from smalti.core.color import to_space
from smalti.core.progress import Progress, Step, silent
from smalti.core.scratch import let_go
from smalti.core.wavelets import wavelet_rows

# A corner window keeps 4/5 of the frame's side. Tighter ones fit better (at 7/10 the
# error is 7 % less, at 9/10 it is 9 % more) but leave half of the photo's area out.
_CORNER = 0.8
_BATCH = 512  # photos described at a time


T = TypeVar("T", bound=np.generic)


class Variant(NamedTuple):
    """One way to use a photo.

    Attributes
    ----------
    x, y, size : float
        Window as fractions of the photo's frame: left, top, and its side.
    mirror : bool
        Left and right exchanged, after cutting out.
    turn : int
        Quarter turns counter-clockwise, after mirroring.
    """

    x: float
    y: float
    size: float
    mirror: bool
    turn: int


def variants(kinds: Sequence[str], *, square: bool = True) -> tuple[Variant, ...]:
    """List the variants of a photo; the first is the whole frame as it is.

    Parameters
    ----------
    kinds : sequence of {"mirror", "crops", "turns"}
    square : bool
        Whether cells are square; others allow half turns only.
    """
    away = 1 - _CORNER
    corners = [(x, y, _CORNER) for y in (0.0, away) for x in (0.0, away)]
    windows = [(0.0, 0.0, 1.0), *(corners if "crops" in kinds else [])]
    mirrors = (False, True) if "mirror" in kinds else (False,)
    turns = ((0, 1, 2, 3) if square else (0, 2)) if "turns" in kinds else (0,)
    return tuple(Variant(*w, m, t) for t in turns for m in mirrors for w in windows)


def frames(
    sizes: NDArray[np.intp], aspect: float, anchor: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Cut the largest window of a cell's aspect out of every photo: cropped, never stretched.

    Parameters
    ----------
    sizes : ndarray of shape (m, 2)
        Width and height of the photos, px.
    aspect : float
        Width of a cell over its height.
    anchor : ndarray of shape (m, 2), optional
        Where the window lies in its free travel, (x, y) from 0 to 1; the centre without.

    Returns
    -------
    ndarray of shape (m, 4), float64
        Left, top, width and height as fractions of the photo.
    """
    ratio = sizes[:, 0] / sizes[:, 1] / aspect
    extent = np.stack([np.minimum(1, 1 / ratio), np.minimum(1, ratio)], axis=1)
    corner = (1 - extent) * (0.5 if anchor is None else anchor)
    return np.concatenate([corner, extent], axis=1)


def attention(
    thumbs: NDArray[np.uint8], sizes: NDArray[np.intp], aspect: float
) -> NDArray[np.float64]:
    """Find where the window of each photo should lie so that it keeps what draws the eye.

    What draws the eye is taken to be contrast and colour: the magnitude of the
    gradient plus the distance from the photo's mean colour.

    Parameters
    ----------
    thumbs : ndarray of shape (m, s, s, 3), uint8
        Whole photos stretched to a square.
    sizes : ndarray of shape (m, 2)
        Width and height of the photos, px.
    aspect : float
        Width of a cell over its height.

    Returns
    -------
    ndarray of shape (m, 2), float64
        Anchors for `frames`.
    """
    count, side = thumbs.shape[:2]
    extent = frames(sizes, aspect)[:, 2:]
    anchor = np.full((count, 2), 0.5)
    for start in range(0, count, 1024):
        part = slice(start, start + 1024)
        colour = thumbs[part].astype(np.float32)
        gray = colour.mean(-1)
        interest = np.hypot(*np.gradient(gray, axis=(1, 2)))
        interest += 0.25 * np.linalg.norm(colour - colour.mean((1, 2), keepdims=True), axis=-1)
        for axis in (0, 1):  # x, then y; only one of them has travel
            profile = interest.sum(axis=1 + axis)
            total = np.concatenate([np.zeros((len(profile), 1)), profile.cumsum(1)], axis=1)
            kept = np.rint(extent[part, axis] * side).astype(int).clip(1, side)
            for row, width in enumerate(kept):
                if width < side:
                    sums = total[row, width:] - total[row, : side + 1 - width]
                    anchor[start + row, axis] = sums.argmax() / (side - width)
        let_go(thumbs)
    return anchor


def block_means(
    pictures: NDArray[np.uint8], boxes: NDArray[np.float64], detail: int
) -> NDArray[np.float32]:
    """Average pictures over detail x detail equal blocks of a window each.

    Exact for pictures taken as constant on every pixel: a pixel that a block
    covers in part counts by that part.

    Parameters
    ----------
    pictures : ndarray of shape (c, s, s, 3), uint8
    boxes : ndarray of shape (c, 4), float64
        Left, top, width and height of the windows as fractions of the picture.
    detail : int

    Returns
    -------
    ndarray of shape (c, detail, detail, 3), float32, 0 to 255
    """
    side = pictures.shape[1]
    across, down = (_coverage(boxes[:, a], boxes[:, a + 2], side, detail) for a in (0, 1))
    rows = down @ pictures.reshape(-1, side, side * 3).astype(np.float32)
    rows = rows.reshape(-1, detail, side, 3).swapaxes(1, 2).reshape(-1, side, detail * 3)
    blocks = (across @ rows).reshape(-1, detail, detail, 3)
    return np.ascontiguousarray(blocks.swapaxes(1, 2))


def _coverage(
    start: NDArray[np.float64], extent: NDArray[np.float64], side: int, detail: int
) -> NDArray[np.float32]:
    """Share of block k that pixel p covers, for every window: (c, detail, side)."""
    step = (extent * side / detail)[:, None, None]
    lower = (start * side)[:, None, None] + step * np.arange(detail)[:, None]
    pixel = np.arange(side)
    overlap = np.minimum(lower + step, pixel + 1) - np.maximum(lower, pixel)
    return (overlap.clip(0) / step).astype(np.float32)


def variant_means(
    thumbs: NDArray[np.uint8],
    frames: NDArray[np.float64],
    kinds: Sequence[Variant],
    detail: int,
) -> NDArray[np.float32]:
    """Block means of every variant of every photo.

    Parameters
    ----------
    thumbs : ndarray of shape (m, s, s, 3), uint8
        Whole photos stretched to a square.
    frames : ndarray of shape (m, 4), float64
        Window of each photo from which variants are cut.
    kinds : sequence of Variant, length v
    detail : int

    Returns
    -------
    ndarray of shape (m, v, detail, detail, 3), float32, 0 to 255
    """
    out = np.empty((len(thumbs), len(kinds), detail, detail, 3), np.float32)
    windows = {}
    for index, kind in enumerate(kinds):
        window = kind[:3]
        if window not in windows:  # mirror and turns of a window cost no averaging
            windows[window] = block_means(thumbs, inner_boxes(frames, kind), detail)
        out[:, index] = oriented(windows[window], kind)
    return out


def tile_means(
    thumbs: NDArray[np.uint8],
    frames: NDArray[np.float64],
    kinds: Sequence[Variant],
    variant: NDArray[np.intp],
    detail: int,
) -> NDArray[np.float32]:
    """Block means of one variant of each photo: of the tiles as they will be drawn.

    Parameters
    ----------
    thumbs, frames, kinds, detail
        As for `variant_means`.
    variant : ndarray of shape (m,), intp
        Which variant of each photo.

    Returns
    -------
    ndarray of shape (m, detail, detail, 3), float32, 0 to 255
    """
    means = np.empty((len(thumbs), detail, detail, 3), np.float32)
    for index in np.unique(variant):
        here = np.flatnonzero(variant == index)
        boxes = inner_boxes(frames[here], kinds[index])
        means[here] = oriented(block_means(thumbs[here], boxes, detail), kinds[index])
    return means


def inner_boxes(frames: NDArray[np.float64], kind: Variant) -> NDArray[np.float64]:
    """Windows of a variant as fractions of the photos, (m, 4)."""
    corner = frames[:, :2] + frames[:, 2:] * (kind.x, kind.y)
    return np.concatenate([corner, frames[:, 2:] * kind.size], axis=1)


def oriented(pictures: NDArray[T], kind: Variant) -> NDArray[T]:
    """Mirror and turn pictures of shape (..., h, w, 3) as a variant asks."""
    if kind.mirror:
        pictures = pictures[..., ::-1, :]
    return np.rot90(pictures, kind.turn, axes=(-3, -2))


def feature_rows(
    means: NDArray[np.float32], *, space: str, adjust: float, family: str = "means"
) -> NDArray[np.float32]:
    """Turn block means into rows whose distance is the cost of a pair.

    Moving a tile's colour by a share s of the way to its cell's mean leaves
    (1 - s) of the difference of the two means and all of the rest: so the cost
    that knows of the move is the distance of rows whose mean part is scaled by
    1 - s (design: "the cost knows").

    Parameters
    ----------
    means : ndarray of shape (..., r, r, 3), float32, sRGB 0 to 255
    space : {"rgb", "lab", "oklab"}
    adjust : float
        s, from 0 to 1.
    family : {"means", "wavelets"}
        The means themselves, or `smalti.core.wavelets`, which have a colour
        space of their own and want r to be a power of two.

    Returns
    -------
    ndarray of shape (..., 3 * r * r), float32
    """
    if family == "wavelets":
        return wavelet_rows(means, adjust=adjust)
    blocks = to_space(means, space)
    if adjust:
        blocks = blocks - np.float32(adjust) * blocks.mean((-3, -2), keepdims=True)
    return np.ascontiguousarray(blocks.reshape(*blocks.shape[:-3], -1), np.float32)


def photo_rows(
    thumbs: NDArray[np.uint8],
    frames: NDArray[np.float64],
    kinds: Sequence[Variant],
    *,
    detail: int,
    space: str,
    adjust: float,
    family: str = "means",
    progress: Progress = silent,
) -> NDArray[np.float32]:
    """Feature rows of every variant of every photo, in batches that bound memory.

    Parameters
    ----------
    thumbs, frames, kinds, detail
        As for `variant_means`.
    space, adjust, family
        As for `feature_rows`.
    progress : callable
        Given a step of phase ``"features"`` for every batch.

    Returns
    -------
    ndarray of shape (m, v, 3 * detail * detail), float32
    """
    count = len(thumbs)
    rows = np.empty((count, len(kinds), 3 * detail * detail), np.float32)
    for start in range(0, count, _BATCH):
        progress(Step("features", start, count, "describing photos"))
        part = slice(start, start + _BATCH)
        means = variant_means(thumbs[part], frames[part], kinds, detail)
        rows[part] = feature_rows(means, space=space, adjust=adjust, family=family)
        let_go(thumbs)
    progress(Step("features", count, count, "describing photos"))
    return rows
