import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from smalti.core.adjust import UNIT
from smalti.core.errors import UnusablePicture
from smalti.core.features import Variant, frames, variants
from smalti.core.grid import lay_grid, unit_boxes
from smalti.core.picture import MAX_PIXELS, read_picture
from smalti.core.render import Layout, bands
from smalti.core.source import Source


def draw(layout: Layout, tile_px: int) -> NDArray[np.uint8]:
    return np.concatenate(list(bands(layout, tile_px, max_pixels=MAX_PIXELS)))


def layout(sources: list[Source], aspect: float = 1.0, **change: object) -> Layout:
    """One row of all sources, each as it is."""
    n = len(sources)
    sizes = np.array([read_picture(s.file).pixels.shape[1::-1] for s in sources])
    fields: dict[str, Any] = {
        "grid": lay_grid((100 * n, 100), n, 1, aspect=aspect),
        "sources": tuple(sources),
        "frames": frames(sizes, aspect),
        "variants": (Variant(0, 0, 1, False, 0),),
        "photo": np.arange(n),
        "variant": np.zeros(n, np.intp),
        "boxes": unit_boxes(lay_grid((100 * n, 100), n, 1, aspect=aspect)),
        "shift": np.zeros((n, 3), np.int16),
        "gain": np.full((n, 3), UNIT, np.int16),
        **change,
    }
    return Layout(**fields)


@pytest.fixture
def quarters(tmp_path: Path) -> Source:
    """A square picture of four colours: red, green over blue, yellow."""
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:32, :32], picture[:32, 32:] = (200, 20, 20), (20, 200, 20)
    picture[32:, :32], picture[32:, 32:] = (20, 20, 200), (200, 200, 20)
    file = f"{tmp_path}/quarters.png"
    Image.fromarray(picture).save(file)
    return Source(file)


def corners(tile: NDArray[np.uint8]) -> list[str]:
    names = {(200, 20, 20): "r", (20, 200, 20): "g", (20, 20, 200): "b", (200, 200, 20): "y"}
    at = (tile[3, 3], tile[3, -4], tile[-4, 3], tile[-4, -4])
    return [names[tuple(round(v / 180) * 180 + 20 for v in c.astype(float))] for c in at]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Variant(0, 0, 1, False, 0), "rgby"),
        (Variant(0, 0, 1, True, 0), "gryb"),
        (Variant(0, 0, 1, False, 1), "gyrb"),
        (Variant(0, 0, 1, False, 2), "ybgr"),
        (Variant(0.0, 0.0, 0.5, False, 0), "rrrr"),
        (Variant(0.5, 0.0, 0.5, True, 3), "gggg"),
    ],
)
def test_variants_are_drawn_as_they_were_compared(
    quarters: Source, kind: Variant, expected: str
) -> None:
    tile = draw(layout([quarters], variants=(kind,)), 40)
    assert tile.shape == (40, 40, 3)
    assert corners(tile) == [*expected.replace(" ", "")]


def test_a_wide_photo_is_cropped_not_squeezed(tmp_path: Path) -> None:
    picture = np.zeros((60, 180, 3), np.uint8)
    picture[:, 60:120] = 255  # the middle third is what a square keeps
    file = f"{tmp_path}/wide.png"
    Image.fromarray(picture).save(file)
    assert draw(layout([Source(file)]), 30)[:, 1:-1].min() > 200


def test_tiles_of_another_aspect_and_quarter_turns(quarters: Source) -> None:
    wide = draw(layout([quarters], aspect=2.0), 40)
    assert wide.shape == (20, 40, 3)
    half = draw(layout([quarters], aspect=2.0, variants=variants(("turns",), square=False)[1:]), 40)
    assert np.array_equal(half, wide[::-1, ::-1])


def test_colour_moves_are_added_and_clipped(quarters: Source) -> None:
    plain = draw(layout([quarters]), 32).astype(int)
    moved = draw(layout([quarters], shift=np.array([[100, -30, 0]], np.int16)), 32)
    assert np.array_equal(moved, (plain + np.array([100, -30, 0])).clip(0, 255))


@pytest.mark.parametrize("tile_px", [1, 7, 64, 200])
def test_any_tile_size(quarters: Source, tile_px: int) -> None:
    assert draw(layout([quarters, quarters]), tile_px).shape == (tile_px, 2 * tile_px, 3)


def test_a_photo_that_is_gone_is_named(quarters: Source, tmp_path: Path) -> None:
    broken = replace(layout([quarters]), sources=(Source(f"{tmp_path}/gone.png"),))
    with pytest.raises(UnusablePicture, match=r"gone\.png"):
        draw(broken, 10)


def test_large_tiles_are_drawn_without_keeping_all_photos(tmp_path: Path) -> None:
    tall, side = 24, 1000  # 48 photos of 3 MB
    noise = np.random.default_rng(0).integers(0, 255, (side, side, 3), np.uint8)
    sources = []
    for k in range(2 * tall):
        sources.append(Source(f"{tmp_path}/{k}.bmp"))
        Image.fromarray(np.roll(noise, k, axis=0)).save(sources[-1].file)
    grid = lay_grid((200, 100 * tall), 2, tall, aspect=1.0)
    large = layout(sources, grid=grid, boxes=unit_boxes(grid))
    tracemalloc.start()
    try:
        for band in bands(large, side - 100, max_pixels=MAX_PIXELS):
            assert band.shape == (side - 100, 2 * (side - 100), 3)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 110e6
