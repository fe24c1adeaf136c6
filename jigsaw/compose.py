"""The finished jigsaw: as pixels from top to bottom, as SVG, as GeoJSON."""

import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from smalti.core.color import from_lab, to_space
from smalti.core.progress import Progress, Step, silent
from smalti.core.source import Source, open_source
from smalti.jigsaw.placement import Placement
from smalti.jigsaw.shapes import ShapeLibrary, opaque_pixels
from smalti.jigsaw.warp import Window, bled, halved, shrinking, warp

CAP = 25.0
"""dE a tile may be moved in colour; further it would no longer be itself."""

_BAND = 256  # rows of output at a time
_KEPT = 256  # px: smaller clip art stays in memory for its next copy, at most 1024 pieces
_CONTRASTS = np.array([1.0, 0.85, 0.7, 0.55, 0.4], np.float32)  # tried in turn
_SAMPLE = 64  # pixels that tell whether a tile stays within the gamut
_PART = 1 << 16  # pixels moved in colour at a time
_BEYOND = 2.0  # levels of 255 its pixels may be clipped by, on average


def compose(
    placements: Sequence[Placement],
    library: ShapeLibrary,
    *,
    size: tuple[float, float],
    scale: float = 1.0,
    background: NDArray[np.uint8],
    moves: NDArray[np.float32] | None = None,
    progress: Progress = silent,
) -> Iterator[NDArray[np.uint8]]:
    """Draw all tiles, a band of rows after the other.

    Only the tiles that cross a band are in memory.

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
    waiting = sorted(range(len(placements)), key=tops.__getitem__, reverse=True)
    crossing: list[_Strip] = []
    total = len(placements)
    progress(Step("render", 0, total, "drawing tiles"))
    for first in range(0, height, _BAND):
        end = min(first + _BAND, height)
        while waiting and tops[waiting[-1]] < end:
            k = waiting.pop()
            move = None if moves is None else moves[k]
            crossing.append(_strip(drawn(placements[k], library, scale=scale, move=move)))
            progress(Step("render", total - len(waiting), total, "drawing tiles"))
        strip = (0, first / height * behind.height, behind.width, end / height * behind.height)
        band = np.array(behind.resize((width, end - first), Image.Resampling.BICUBIC, box=strip))
        for tile in crossing:
            _lay(tile, band, first)
        yield band
        crossing = [_below(tile, end) for tile in crossing if tile.top + len(tile.pixels) > end]


def drawn(
    placement: Placement,
    library: ShapeLibrary,
    *,
    scale: float = 1.0,
    move: NDArray[np.float32] | None = None,
) -> Window:
    """Draw one tile.

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
    Window
    """
    tile = placement.tile
    own = library.contours[tile] * library.size[tile] + library.centroid[tile]
    contour = placement.contour * scale
    level = max(0, int(np.log2(max(shrinking(own, contour), 1))))
    art_of = _kept_art if library.size[tile] <= _KEPT * 2**level else _art
    art = art_of(library.sources[tile], level)
    window = warp(art, own / 2**level, contour)
    if move is not None:
        _tint(window.pixels, library.lab[tile], move)
    return window


def _art(source: Source, level: int) -> NDArray[np.uint8]:
    """Read clip art, ready to be warped, and shrink it `level` times to half."""
    pixels = open_source(source, transparent=True).pixels
    art = bled(pixels, opaque_pixels(pixels))
    for _ in range(level):
        art = halved(art)
    return art


_kept_art = lru_cache(maxsize=1024)(_art)


class _Strip(NamedTuple):
    """What is still to be laid of a tile: a quarter of the memory of a `Window`."""

    pixels: NDArray[np.uint8]  # sRGB times alpha, and alpha
    left: int
    top: int


def _strip(window: Window) -> _Strip:
    pixels = np.empty(window.pixels.shape, np.uint8)
    for start in range(0, len(pixels), _BAND):
        part = slice(start, start + _BAND)
        pixels[part] = 255 * window.pixels[part] + 0.5
    return _Strip(pixels, window.left, window.top)


def _below(tile: _Strip, row: int) -> _Strip:
    """Leave out what lies above a row of the picture."""
    above = max(0, row - tile.top)
    return tile._replace(pixels=tile.pixels[above:].copy(), top=tile.top + above)


def _lay(tile: _Strip, band: NDArray[np.uint8], first: int) -> None:
    """Lay a tile over a band whose first row is row `first` of the picture."""
    top, left = tile.top - first, tile.left
    h, w = tile.pixels.shape[:2]
    rows = slice(max(0, top), max(0, min(top + h, band.shape[0])))
    columns = slice(max(0, left), max(0, min(left + w, band.shape[1])))
    pixels = tile.pixels[
        rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
    ]
    under = band[rows, columns].astype(np.uint16) * (255 - pixels[..., 3:])
    band[rows, columns] = pixels[..., :3] + (under + 127) // 255


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


def _tint(
    pixels: NDArray[np.float32], mean: NDArray[np.float32], move: NDArray[np.float32]
) -> None:
    """Move the colours of a window in place, with as much contrast as the gamut has room for."""
    seen = np.flatnonzero(pixels[..., 3])
    if not len(seen):
        return
    flat = pixels.reshape(-1, 4)
    moved = mean + move
    moved[0] = np.clip(moved[0], 0, 100)
    away = _lab(flat[seen[:: -(-len(seen) // _SAMPLE)]]) - mean
    rgb = from_lab(moved + _CONTRASTS[:, None, None] * away)
    beyond = np.abs(rgb - rgb.clip(0, 255)).max(axis=2).mean(axis=1)
    contrast = _CONTRASTS[np.argmax(beyond <= _BEYOND) if beyond.min() <= _BEYOND else -1]
    for start in range(0, len(seen), _PART):
        part = seen[start : start + _PART]
        colour = from_lab(moved + contrast * (_lab(flat[part]) - mean)).clip(0, 255)
        flat[part, :3] = colour / 255 * flat[part, 3:]


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


def geojson(placements: Sequence[Placement], names: Sequence[str]) -> str:
    """Write every final contour as a polygon of a GeoJSON FeatureCollection.

    Parameters
    ----------
    placements : sequence of Placement
    names : sequence of str
        Of the library's shapes.

    Returns
    -------
    str
        Coordinates are px of the mosaic, x right and y down. Properties: tile
        (its name), container, theta (radians), scale, x, y.
    """
    features = []
    for placement in placements:
        ring = placement.contour.round(3).tolist()
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
