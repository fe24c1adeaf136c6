"""A layout to bands of pixels, as high as rows of cells are that none reaches beyond."""

from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from smalti.core.adjust import moved
from smalti.core.features import Variant, inner_boxes, oriented
from smalti.core.grid import Grid
from smalti.core.picture import Picture
from smalti.core.progress import Progress, each_result, silent
from smalti.core.source import Source, is_tile, open_source
from smalti.core.transfer import Transfer, transferred

_BAND_S, _TILE_S = 30.0, 5.0  # longer takes a band only if a photo of it hangs
_MOST, _MOST_BYTES = 256, 64 << 20  # photos kept for their next cell
_kept: OrderedDict[tuple[Source, tuple[int, int], int], NDArray[np.uint8]] = OrderedDict()


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """All that drawing a mosaic needs besides the photos themselves.

    Attributes
    ----------
    grid : Grid
    sources : tuple of Source, length p
        The photos used.
    frames : ndarray of shape (p, 4), float64
        Window of each photo from which variants are cut, as fractions of it.
    variants : tuple of Variant
    boxes : ndarray of shape (n, 3), intp
        Left, top and side of each cell, in units of the grid.
    photo, variant : ndarray of shape (n,), intp
        Index into `sources` and `variants` of each cell.
    shift, gain : ndarray of shape (n, 3), int16
        How the colours of each cell's tile are moved; see `smalti.core.adjust`.
    transfer : Transfer or None
        What is done to the colours of all photos before.
    """

    grid: Grid
    sources: tuple[Source, ...]
    frames: NDArray[np.float64]
    variants: tuple[Variant, ...]
    boxes: NDArray[np.intp]
    photo: NDArray[np.intp]
    variant: NDArray[np.intp]
    shift: NDArray[np.int16]
    gain: NDArray[np.int16]
    transfer: Transfer | None = None


@dataclass(frozen=True, slots=True)
class _Tile:
    source: Source
    window: tuple[float, float, float, float]  # of the photo
    variant: Variant
    place: tuple[int, int, int]  # left, top and side in its band, units
    shift: NDArray[np.int16]
    gain: NDArray[np.int16]


def bands(
    layout: Layout,
    tile_px: int,
    *,
    max_pixels: int,
    first: int = 0,
    executor: Executor | None = None,
    progress: Progress = silent,
) -> Iterator[NDArray[np.uint8]]:
    """Draw a mosaic from top to bottom.

    Parameters
    ----------
    layout : Layout
    tile_px : int
        Width of a unit, px.
    max_pixels : int
        Of a photo; larger ones are refused.
    first : int
        Band to begin at.
    executor : Executor, optional
        Draws several bands at a time where photos must be decoded from files.
    progress : callable
        Given a step of phase ``"render"`` for every band.

    Yields
    ------
    ndarray of shape (h, columns * tile_px, 3), uint8 sRGB
        As high as the units between two of `band_rows`; a tile, in a plain grid.

    Raises
    ------
    UnusablePicture
        If a photo can no longer be read.
    WorkerLost
        If a band's worker crashed, hung or outgrew its memory twice.
    """
    grid = layout.grid
    rows = _rows(layout)[first:]
    yield from each_result(
        partial(
            _band,
            columns=grid.columns,
            size=grid.tile_size(tile_px),
            transfer=layout.transfer,
            max_pixels=max_pixels,
        ),
        rows,
        phase="render",
        text="drawing",
        # Sending bands between processes costs more than drawing from memory.
        executor=executor if decodes(layout) else None,
        progress=progress,
        ahead=8,
        seconds=_BAND_S + _TILE_S * max((len(row) for row in rows), default=0),
    )


def decodes(layout: Layout) -> bool:
    """Tell whether photos must be decoded from files; cells of a sheet are in memory."""
    return not all(is_tile(source) for source in layout.sources)


def band_rows(layout: Layout) -> NDArray[np.intp]:
    """Find where bands begin and end: rows of units that no cell reaches across, (b + 1,)."""
    across = np.zeros(layout.grid.rows + 1, np.intp)
    np.add.at(across, layout.boxes[:, 1] + 1, 1)
    np.add.at(across, layout.boxes[:, 1] + layout.boxes[:, 2], -1)
    return np.flatnonzero(np.cumsum(across) == 0)


def _rows(layout: Layout) -> list[tuple[_Tile, ...]]:
    """Tiles of each band, along rows."""
    edges = band_rows(layout)
    band = np.searchsorted(edges, layout.boxes[:, 1], side="right") - 1
    rows: list[list[_Tile]] = [[] for _ in edges[1:]]
    for cell in np.lexsort((layout.boxes[:, 0], layout.boxes[:, 1])).tolist():
        rows[band[cell]].append(_tile(layout, cell, int(edges[band[cell]])))
    return [tuple(row) for row in rows]


def _tile(layout: Layout, cell: int, first: int) -> _Tile:
    photo, kind = layout.photo[cell], layout.variants[layout.variant[cell]]
    window = inner_boxes(layout.frames[photo : photo + 1], kind)[0]
    left, top, width, height = window.tolist()
    column, row, side = layout.boxes[cell].tolist()
    return _Tile(
        layout.sources[photo],
        (left, top, width, height),
        kind,
        (column, row - first, side),
        layout.shift[cell],
        layout.gain[cell],
    )


def _band(
    tiles: tuple[_Tile, ...],
    *,
    columns: int,
    size: tuple[int, int],
    transfer: Transfer | None,
    max_pixels: int,
) -> NDArray[np.uint8]:
    width, height = size
    rows = max(tile.place[1] + tile.place[2] for tile in tiles)
    out = np.empty((rows * height, columns * width, 3), np.uint8)
    for tile in tiles:
        left, top, side = tile.place
        drawn = _draw(tile, (side * width, side * height), transfer, max_pixels)
        out[top * height : (top + side) * height, left * width : (left + side) * width] = drawn
    return out


def _draw(
    tile: _Tile, size: tuple[int, int], transfer: Transfer | None, max_pixels: int
) -> NDArray[np.uint8]:
    left, top, width, height = tile.window
    # A photo is decoded no larger than its window needs.
    needed = (int(np.ceil(size[0] / width)), int(np.ceil(size[1] / height)))
    pixels = _photo(tile.source, needed, max_pixels)
    full_h, full_w = pixels.shape[:2]
    window = (left * full_w, top * full_h, (left + width) * full_w, (top + height) * full_h)
    window = (window[0], window[1], min(window[2], full_w), min(window[3], full_h))
    # A quarter turn brings the height to lie across.
    cut = size if tile.variant.turn % 2 == 0 else size[::-1]
    drawn = Image.fromarray(pixels).resize(cut, Image.Resampling.LANCZOS, box=window)
    upright = oriented(np.asarray(drawn), tile.variant)
    if transfer is not None:
        upright = transferred(upright, transfer)
    return moved(upright, tile.shift, tile.gain)


def _photo(source: Source, needed: tuple[int, int], max_pixels: int) -> NDArray[np.uint8]:
    """Decode a photo a few tiles large; one used often is decoded once."""
    key = source, needed, max_pixels
    if key in _kept:
        _kept.move_to_end(key)
        return _kept[key]
    picture: Picture = open_source(source, at_least=needed, max_pixels=max_pixels)
    pixels = picture.pixels
    factor = min(pixels.shape[1] // needed[0], pixels.shape[0] // needed[1])
    if factor > 1:
        pixels = np.asarray(Image.fromarray(pixels).reduce(factor))
    _kept[key] = pixels
    while len(_kept) > _MOST or sum(kept.nbytes for kept in _kept.values()) > _MOST_BYTES:
        _kept.popitem(last=False)
    return pixels
