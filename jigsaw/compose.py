"""The finished jigsaw: as pixels from top to bottom, as SVG, as GeoJSON."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple
from xml.sax.saxutils import quoteattr

import numpy as np
import shapely
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from smalti.core.color import from_lab, to_space
from smalti.core.progress import Progress, Step, silent
from smalti.core.source import Source, open_source
from smalti.jigsaw.placement import Placement
from smalti.jigsaw.shapes import ShapeLibrary, opaque_pixels
from smalti.jigsaw.warp import Warp, bled, halved, shrinking, warp

CAP = 25.0
"""dE a tile may be moved in colour; further it would no longer be itself."""

_BAND = 256  # rows of output at a time
_KEPT = 256  # px: smaller clip art stays in memory for its next copy, at most 512 pieces
_CONTRASTS = np.array([1.0, 0.85, 0.7, 0.55, 0.4], np.float32)  # tried in turn
_SAMPLE = 12  # px a side of what tells whether a tile stays within the gamut
_PART = 1 << 16  # pixels moved in colour at a time
_BEYOND = 2.0  # levels of 255 its pixels may be clipped by, on average
_DIGITS = 6  # of px: a contour that is simple by a hair crosses itself when rounded to three


def compose(
    placements: Sequence[Placement],
    library: ShapeLibrary,
    *,
    size: tuple[float, float],
    scale: float = 1.0,
    background: NDArray[np.uint8],
    moves: NDArray[np.float32] | None = None,
    start: int = 0,
    progress: Progress = silent,
) -> Iterator[NDArray[np.uint8]]:
    """Draw all tiles, a band of rows after the other.

    Of a tile no more is drawn at a time than crosses a band.

    Parameters
    ----------
    placements : sequence of Placement
    library : ShapeLibrary
    size : tuple of float
        (W, H) of the mosaic in packing px, which the contours are given in.
    scale : float
        Output px a packing px.
    background : ndarray of shape (h, w, 3), uint8
        sRGB seen between the tiles and through their holes; resampled.
    moves : ndarray of shape (n, 3), float32, optional
        What to add to the CIELAB colours of each tile; see `colour_move`.
    start : int
        Band to begin at, counted as in `band_heights`.
    progress : callable
        Called with steps of the phase ``"render"``, counted in tiles.

    Yields
    ------
    ndarray of shape (rows, round(scale W), 3), uint8
        Bands of sRGB, from top to bottom, round(scale H) rows in all.

    Raises
    ------
    UnusablePicture
        If clip art cannot be read any more.
    """
    width, height = (max(1, round(scale * side)) for side in size)
    behind = Image.fromarray(background)
    tops = [scale * placement.contour[:, 1].min() for placement in placements]
    ends = [scale * placement.contour[:, 1].max() for placement in placements]
    below = [k for k, end in enumerate(ends) if end > start * _BAND]
    waiting = sorted(below, key=tops.__getitem__, reverse=True)
    crossing: list[DrawnTile] = []
    total = len(waiting)
    progress(Step("render", 0, total, "drawing tiles"))
    for first in range(start * _BAND, height, _BAND):
        end = min(first + _BAND, height)
        while waiting and tops[waiting[-1]] < end:
            k = waiting.pop()
            move = None if moves is None else moves[k]
            crossing.append(drawn(placements[k], library, scale=scale, move=move))
            progress(Step("render", total - len(waiting), total, "drawing tiles"))
        strip = (0, first / height * behind.height, behind.width, end / height * behind.height)
        band = np.array(behind.resize((width, end - first), Image.Resampling.BICUBIC, box=strip))
        for tile in crossing:
            _lay(tile, band, first)
        yield band
        crossing = [tile for tile in crossing if tile.warp.top + tile.warp.shape[0] > end]


def band_heights(height: int) -> list[int]:
    """Return the heights of the bands of a picture, px."""
    return [min(_BAND, height - first) for first in range(0, height, _BAND)]


class Tint(NamedTuple):
    """How the colours of a tile are moved.

    Attributes
    ----------
    mean, goal : ndarray of shape (3,), float32
        CIELAB mean before and after.
    contrast : float
        What is left of the distances from the mean, 0 to 1.
    """

    mean: NDArray[np.float32]
    goal: NDArray[np.float32]
    contrast: float


@dataclass(frozen=True, slots=True, eq=False)
class DrawnTile:
    """One tile, to be drawn some rows at a time.

    Attributes
    ----------
    warp : Warp
        Its shape, its place and the colours it was given.
    tint : Tint, optional
        What becomes of them.
    """

    warp: Warp
    tint: Tint | None

    def rows(self, first: int, end: int) -> NDArray[np.float32]:
        """Draw rows `first` to `end` of the window; see `Warp.rows`."""
        pixels = self.warp.rows(first, end)
        if self.tint is not None:
            _apply(self.tint, pixels)
        return pixels


def drawn(
    placement: Placement,
    library: ShapeLibrary,
    *,
    scale: float = 1.0,
    move: NDArray[np.float32] | None = None,
) -> DrawnTile:
    """Prepare one tile to be drawn.

    Parameters
    ----------
    placement : Placement
    library : ShapeLibrary
    scale : float
        Output px a packing px.
    move : ndarray of shape (3,), float32, optional
        What to add to its CIELAB colours.

    Returns
    -------
    DrawnTile
    """
    tile = placement.tile
    own = library.contours[tile] * library.size[tile] + library.centroid[tile]
    contour = placement.contour * scale
    level = max(0, int(np.log2(max(shrinking(own, contour), 1))))
    art_of = _kept_art if library.size[tile] <= _KEPT * 2**level else _art
    bent = warp(art_of(library.sources[tile], level), own / 2**level, contour)
    return DrawnTile(bent, None if move is None else _tint(bent, library.lab[tile], move))


def _art(source: Source, level: int) -> NDArray[np.uint8]:
    """Read clip art, ready to be warped, and shrink it `level` times to half."""
    pixels = open_source(source, transparent=True).pixels
    art = bled(pixels, opaque_pixels(pixels))
    for _ in range(level):
        art = halved(art)
    return art


_kept_art = lru_cache(maxsize=512)(_art)


def _lay(tile: DrawnTile, band: NDArray[np.uint8], first: int) -> None:
    """Lay a tile over a band whose first row is row `first` of the picture."""
    top, left, (h, w) = tile.warp.top - first, tile.warp.left, tile.warp.shape
    rows = slice(max(0, top), max(0, min(top + h, band.shape[0])))
    columns = slice(max(0, left), max(0, min(left + w, band.shape[1])))
    if columns.start >= columns.stop:
        return
    pixels = tile.rows(rows.start - top, rows.stop - top)
    pixels = pixels[:, columns.start - left : columns.stop - left]
    over = (255 * pixels + 0.5).astype(np.uint8)
    under = band[rows, columns].astype(np.uint16) * (255 - over[..., 3:])
    band[rows, columns] = over[..., :3] + (under + 127) // 255


def colour_move(
    goal: NDArray[np.float32], lab: NDArray[np.float32], adjust: float, cap: float = CAP
) -> NDArray[np.float32]:
    """Say what to add to tiles' colours to bring them nearer to their goals.

    Parameters
    ----------
    goal, lab : ndarray of shape (n, 3), float32
        CIELAB means wanted and given.
    adjust : float
        Share of the way, 0 to 1.
    cap : float
        Longest move, dE (CIE76).

    Returns
    -------
    ndarray of shape (n, 3), float32
    """
    way = adjust * (goal - lab)
    length = np.linalg.norm(way, axis=-1, keepdims=True)
    return np.asarray(way * np.minimum(1, cap / np.maximum(length, 1e-6)), np.float32)


def _tint(bent: Warp, mean: NDArray[np.float32], move: NDArray[np.float32]) -> Tint:
    """Leave a tile as much contrast as the gamut has room for."""
    goal = mean + move
    goal[0] = np.clip(goal[0], 0, 100)
    small = bent.reduced(_SAMPLE)
    pixels = small.rows(0, small.shape[0]).reshape(-1, 4)
    pixels = pixels[pixels[:, 3] > 0]
    rgb = from_lab(goal + _CONTRASTS[:, None, None] * (_lab(pixels) - mean))
    beyond = np.abs(rgb - rgb.clip(0, 255)).max(axis=2) @ pixels[:, 3]
    within = beyond <= _BEYOND * pixels[:, 3].sum()
    return Tint(mean, goal, float(_CONTRASTS[np.argmax(within) if within.any() else -1]))


def _apply(tint: Tint, pixels: NDArray[np.float32]) -> None:
    """Move the colours of pixels, sRGB times alpha and alpha, in place."""
    flat = pixels.reshape(-1, 4)
    seen = np.flatnonzero(flat[:, 3])
    for start in range(0, len(seen), _PART):
        part = seen[start : start + _PART]
        lab = tint.goal + tint.contrast * (_lab(flat[part]) - tint.mean)
        flat[part, :3] = from_lab(lab).clip(0, 255) / 255 * flat[part, 3:]


def _lab(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    return to_space(255 * pixels[:, :3] / pixels[:, 3:], "lab")


def darkened(picture: NDArray[np.uint8], sigma: float) -> NDArray[np.uint8]:
    """Make of the target the background that flatters tiles: blurred, darker, paler.

    Parameters
    ----------
    picture : ndarray of shape (H, W, 3), uint8
        sRGB.
    sigma : float
        Of the blur, px; 0.3 of a tile's size is good.

    Returns
    -------
    ndarray of shape (H, W, 3), uint8
    """
    blurred = ndimage.gaussian_filter(picture.astype(np.float32), (sigma, sigma, 0))
    lab = to_space(blurred, "lab") * np.array([0.62, 0.8, 0.8], np.float32)
    lab[..., 0] = np.maximum(lab[..., 0] - 4, 0)
    return np.asarray(np.rint(from_lab(lab).clip(0, 255)), np.uint8)


def svg(
    placements: Sequence[Placement],
    library: ShapeLibrary,
    *,
    size: tuple[int, int],
    names: Sequence[str],
    moves: NDArray[np.float32] | None = None,
    background: str = "none",
) -> str:
    """Write every final contour as a path filled with its tile's mean colour.

    Parameters
    ----------
    placements : sequence of Placement
    library : ShapeLibrary
    size : tuple of int
        (W, H) of the mosaic, px.
    names : sequence of str
        Of the library's shapes.
    moves : ndarray of shape (n, 3), float32, optional
        As for `compose`.
    background : str
        SVG colour between the tiles.

    Returns
    -------
    str
        Each path says in data attributes which tile it is, in which
        container, and how it was turned (radians) and scaled.
    """
    lab = library.lab[[placement.tile for placement in placements]].reshape(-1, 3)
    rgb = np.rint(from_lab(lab if moves is None else lab + moves).clip(0, 255)).astype(int)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size[0]}" height="{size[1]}" '
        f'viewBox="0 0 {size[0]} {size[1]}">',
        f'<rect width="100%" height="100%" fill={quoteattr(background)}/>',
    ]
    for placement, (r, g, b) in zip(placements, rgb.tolist(), strict=True):
        path = "L".join(f"{x:.2f} {y:.2f}" for x, y in placement.contour.tolist())
        lines.append(
            f'<path d="M{path}Z" fill="#{r:02x}{g:02x}{b:02x}" '
            f"data-tile={quoteattr(names[placement.tile])} "
            f'data-container="{placement.container}" '
            f'data-theta="{placement.pose.theta:.4f}" data-scale="{placement.pose.scale:.3f}"/>'
        )
    return "\n".join([*lines, "</svg>\n"])


def geojson(placements: Sequence[Placement], names: Sequence[str], size: tuple[int, int]) -> str:
    """Write every final contour as a polygon of a GeoJSON FeatureCollection.

    Parameters
    ----------
    placements : sequence of Placement
    names : sequence of str
        Of the library's shapes.
    size : (int, int)
        Width and height of the mosaic, px; what lies beyond is cut off.

    Returns
    -------
    str
        Coordinates are px of the mosaic, x right and y down. Properties: tile
        (its name), container, theta (radians), scale (px: the root of the tile's
        area before it was deformed), x, y.
    """
    features = []
    for placement in placements:
        ring = _within(placement.contour, size).round(_DIGITS).tolist()
        pose = {key: round(float(value), 4) for key, value in placement.pose._asdict().items()}
        features.append(
            {
                "type": "Feature",
                "properties": {
                    "tile": names[placement.tile],
                    "container": int(placement.container),
                    **pose,
                },
                "geometry": {"type": "Polygon", "coordinates": [[*ring, ring[0]]]},
            }
        )
    return json.dumps({"type": "FeatureCollection", "features": features})


def _within(contour: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.float64]:
    """Cut off what lies beyond the picture; of several parts the largest stays."""
    if (contour >= 0).all() and (contour <= size).all():
        return contour
    cut = shapely.intersection(shapely.polygons(contour), shapely.box(0, 0, *size))
    parts = [part for part in shapely.get_parts(cut) if part.area > 0]
    if not parts:  # wholly outside: nothing is drawn of it, nor lost by telling of it
        return contour
    ring: NDArray[np.float64] = shapely.get_coordinates(max(parts, key=shapely.area).exterior)[:-1]
    return ring if shapely.is_ccw(shapely.linearrings(ring)) else ring[::-1]
