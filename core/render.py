"""A layout to bands of pixels, one row of cells each."""

from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from smalti.core.features import Variant, inner_boxes, oriented
from smalti.core.grid import Grid
from smalti.core.picture import Picture
from smalti.core.progress import Progress, each_result, silent
from smalti.core.source import Source, is_tile, open_source


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
    photo, variant : ndarray of shape (n,), intp
        Index into `sources` and `variants` of each cell.
    shift : ndarray of shape (n, 3), int16
        sRGB added to the tile of each cell.
    """

    grid: Grid
    sources: tuple[Source, ...]
    frames: NDArray[np.float64]
    variants: tuple[Variant, ...]
    photo: NDArray[np.intp]
    variant: NDArray[np.intp]
    shift: NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class _Tile:
    source: Source
    box: tuple[float, float, float, float]
    variant: Variant
    shift: tuple[int, int, int]


def bands(
    layout: Layout,
    tile_px: int,
    *,
    max_pixels: int,
    executor: Executor | None = None,
    progress: Progress = silent,
) -> Iterator[NDArray[np.uint8]]:
    """Draw a mosaic from top to bottom.

    Parameters
    ----------
    layout : Layout
    tile_px : int
        Width of a tile, px.
    max_pixels : int
        Of a photo; larger ones are refused.
    executor : Executor, optional
        Draws several bands at a time where photos must be decoded from files.
    progress : callable
        Given a step of phase ``"render"`` for every band.

    Yields
    ------
    ndarray of shape (tile height, columns * tile_px, 3), uint8 sRGB

    Raises
    ------
    UnusablePicture
        If a photo can no longer be read.
    """
    grid = layout.grid
    size = grid.tile_size(tile_px)
    rows = [
        tuple(_tile(layout, cell) for cell in range(start, start + grid.columns))
        for start in range(0, grid.cells, grid.columns)
    ]
    # Cells of a sheet are in memory already: sending bands between processes costs more.
    decoding = not all(is_tile(source) for source in layout.sources)
    yield from each_result(
        partial(_band, size=size, max_pixels=max_pixels),
        rows,
        phase="render",
        text="drawing",
        executor=executor if decoding else None,
        progress=progress,
        ahead=8,
    )


def _tile(layout: Layout, cell: int) -> _Tile:
    photo, kind = layout.photo[cell], layout.variants[layout.variant[cell]]
    box = inner_boxes(layout.frames[photo : photo + 1], kind)[0]
    red, green, blue = layout.shift[cell].tolist()
    left, top, width, height = box.tolist()
    return _Tile(layout.sources[photo], (left, top, width, height), kind, (red, green, blue))


def _band(tiles: tuple[_Tile, ...], *, size: tuple[int, int], max_pixels: int) -> NDArray[np.uint8]:
    drawn = [_draw(tile, size, max_pixels) for tile in tiles]
    return np.concatenate(drawn, axis=1)


def _draw(tile: _Tile, size: tuple[int, int], max_pixels: int) -> NDArray[np.uint8]:
    left, top, width, height = tile.box
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
    if any(tile.shift):
        upright = (upright + np.array(tile.shift, np.int16)).clip(0, 255).astype(np.uint8)
    return upright


@lru_cache(maxsize=256)  # a photo used often is decoded once; each is a few tiles large
def _photo(source: Source, needed: tuple[int, int], max_pixels: int) -> NDArray[np.uint8]:
    picture: Picture = open_source(source, at_least=needed, max_pixels=max_pixels)
    height, width = picture.pixels.shape[:2]
    factor = min(width // needed[0], height // needed[1])
    if factor < 2:
        return picture.pixels
    return np.asarray(Image.fromarray(picture.pixels).reduce(factor))
