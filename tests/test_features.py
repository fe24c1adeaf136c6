from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from smalti.core.adjust import UNIT, alteration, colour_shifts, moved, scale_and_shift
from smalti.core.features import (
    Variant,
    attention,
    block_means,
    feature_rows,
    frames,
    oriented,
    photo_rows,
    tile_means,
    variant_means,
    variants,
)

WHOLE = np.array([[0.0, 0, 1, 1]])


def pictures(rng: np.random.Generator, count: int = 5, side: int = 48) -> NDArray[np.uint8]:
    return rng.integers(0, 256, (count, side, side, 3), dtype=np.uint8)


@pytest.mark.parametrize("detail", [1, 2, 3, 6, 8, 48])
def test_blocks_that_divide_are_plain_means(rng: np.random.Generator, detail: int) -> None:
    some = pictures(rng)
    side = 48 // detail
    expected = some.reshape(5, detail, side, detail, side, 3).mean((2, 4))
    assert np.allclose(block_means(some, np.repeat(WHOLE, 5, 0), detail), expected, atol=1e-3)


def test_a_window_is_what_cutting_it_out_gives(rng: np.random.Generator) -> None:
    some = pictures(rng, 1)
    box = np.array([[12 / 48, 6 / 48, 24 / 48, 36 / 48]])
    cut = some[:, 6:42, 12:36]
    expected = cut.reshape(1, 3, 12, 3, 8, 3).mean((2, 4))
    assert np.allclose(block_means(some, box, 3), expected, atol=1e-3)


@given(st.floats(0, 0.5), st.floats(0, 0.5), st.floats(0.1, 0.5), st.integers(1, 9))
def test_blocks_of_a_window_average_to_its_one_block(
    left: float, top: float, side: float, detail: int
) -> None:
    some = pictures(np.random.default_rng(3), 1)
    box = np.array([[left, top, side, side]])
    mean = block_means(some, box, detail).mean((1, 2))
    assert np.allclose(mean, block_means(some, box, 1)[:, 0, 0], atol=0.01)


def test_frames_crop_and_never_stretch() -> None:
    sizes = np.array([[400, 300], [300, 400], [100, 100], [20_000, 1]])
    for aspect in (0.5, 1.0, 1.5):
        window = frames(sizes, aspect)
        px = window[:, 2:] * sizes
        assert np.allclose(px[:, 0] / px[:, 1], aspect)
        assert (window[:, :2] >= 0).all()
        assert (window[:, :2] + window[:, 2:] <= 1 + 1e-12).all()
        assert np.allclose(window[:, 2:].max(1), 1)  # the largest that fits


def test_attention_keeps_what_stands_out() -> None:
    thumbs = np.full((2, 48, 48, 3), 128, np.uint8)
    thumbs[0, 20:28, 2:10] = (255, 0, 0)
    thumbs[1, 20:28, 38:46] = (255, 0, 0)
    sizes = np.array([[200, 100], [200, 100]])
    window = frames(sizes, 1.0, attention(thumbs, sizes, 1.0))
    for left, thing in zip(window[:, 0], (2 / 48, 38 / 48), strict=True):
        assert left <= thing
        assert thing + 8 / 48 <= left + 0.5
    flat = attention(thumbs[:1] * 0, sizes[:1], 1.0)
    assert ((flat >= 0) & (flat <= 1)).all()


@pytest.mark.parametrize("kinds", [(), ("mirror",), ("crops",), ("mirror", "crops", "turns")])
def test_the_first_variant_is_the_photo_as_it_is(
    rng: np.random.Generator, kinds: tuple[str, ...]
) -> None:
    some = pictures(rng)
    whole = np.repeat(WHOLE, 5, 0)
    listed = variants(kinds)
    assert len(set(listed)) == len(listed)
    means = variant_means(some, whole, listed, 4)
    assert np.allclose(means[:, 0], block_means(some, whole, 4))


def test_variants_of_a_mirrored_photo_are_the_same_set(rng: np.random.Generator) -> None:
    some = pictures(rng, 1)
    listed = variants(("mirror", "crops"))
    one, other = (
        variant_means(p, WHOLE, listed, 3)[0].reshape(len(listed), -1)
        for p in (some, some[:, :, ::-1])
    )
    apart = np.abs(one[:, None] - other).max(2).min(1)
    assert (apart < 1e-3).all()


def test_tile_means_are_those_of_the_variant(rng: np.random.Generator) -> None:
    some, whole = pictures(rng, 20), np.repeat(WHOLE, 20, 0)
    listed = variants(("mirror", "crops", "turns"))
    chosen = rng.integers(0, len(listed), 20)
    every = variant_means(some, whole, listed, 4)
    found = tile_means(some, whole, listed, chosen, 4)
    assert np.allclose(found, every[np.arange(20), chosen], atol=1e-3)


def test_mirror_comes_before_the_turn() -> None:
    picture = np.arange(12).reshape(2, 2, 3)
    turned = oriented(picture, Variant(0, 0, 1, True, 1))
    assert np.array_equal(turned, np.rot90(picture[:, ::-1]))


def test_cells_that_are_not_square_are_turned_by_halves_only() -> None:
    assert {v.turn for v in variants(("turns",), square=False)} == {0, 2}


def test_the_cost_knows_the_move(rng: np.random.Generator) -> None:
    """Equivalence: the distance of adjusted rows is that of the tile after its shift."""
    cell, tile = rng.uniform(100, 155, (2, 1, 6, 6, 3)).astype(np.float32)
    for adjust in (0.0, 0.3, 0.7, 1.0):
        rows = [feature_rows(p, space="rgb", adjust=adjust) for p in (cell, tile)]
        moved = tile + adjust * (cell.mean((1, 2)) - tile.mean((1, 2)))
        plain = [feature_rows(p, space="rgb", adjust=0) for p in (cell, moved)]
        expected = float(np.linalg.norm(plain[0] - plain[1]))
        assert float(np.linalg.norm(rows[0] - rows[1])) == pytest.approx(expected, rel=1e-4)


def test_batches_do_not_show(rng: np.random.Generator) -> None:
    some = pictures(rng, 700, 12)
    window = frames(rng.integers(50, 200, (700, 2)), 1.0)
    describe = partial(photo_rows, kinds=variants(("crops",)), detail=3, space="lab", adjust=0.4)
    rows = describe(some, window)
    alone = describe(some[600:601], window[600:601])
    assert np.allclose(rows[600], alone[0], atol=1e-4)


@pytest.mark.parametrize("adjust", [0.0, 0.5, 1.0])
def test_shifts_move_the_mean_as_far_as_asked(rng: np.random.Generator, adjust: float) -> None:
    tiles = rng.uniform(0, 255, (50, 6, 6, 3)).astype(np.float32)
    goals = rng.uniform(90, 160, (50, 3)).astype(np.float32)
    shift = colour_shifts(tiles, goals, adjust)
    start = tiles.mean((1, 2))
    reached = (tiles + shift[:, None, None]).clip(0, 255).mean((1, 2))
    assert np.abs(reached - (start + adjust * (goals - start))).max() < 6
    assert (np.abs(shift) <= np.abs(goals - start) + 1).all()
    assert adjust > 0 or not shift.any()


def test_a_black_tile_on_a_white_cell_does_not_run_away() -> None:
    tiles = np.zeros((1, 6, 6, 3), np.float32)
    assert (colour_shifts(tiles, np.full((1, 3), 255, np.float32), 0.5) <= 255).all()


def test_scaling_moves_the_mean_and_clips_nothing(rng: np.random.Generator) -> None:
    tiles = rng.uniform(0, 255, (50, 6, 6, 3)).astype(np.float32)
    goals = rng.uniform(0, 255, (50, 3)).astype(np.float32)
    shift, gain = scale_and_shift(tiles, goals, 0.8)
    out = tiles * (gain / np.float32(UNIT))[:, None, None] + shift[:, None, None]
    wanted = tiles.mean((1, 2)) + 0.8 * (goals - tiles.mean((1, 2)))
    assert np.abs(out.mean((1, 2)) - wanted).max() < 1
    assert out.min() > -1
    assert out.max() < 256
    assert gain.max() <= UNIT
    calm = rng.uniform(110, 140, (5, 6, 6, 3)).astype(np.float32)
    assert (scale_and_shift(calm, goals[:5] / np.float32(4) + 96, 1.0)[1] == UNIT).all()


def test_pixels_move_as_told(rng: np.random.Generator) -> None:
    tile = rng.integers(0, 256, (5, 4, 3), dtype=np.uint8)
    nothing = np.zeros(3, np.int16), np.full(3, UNIT, np.int16)
    assert moved(tile, *nothing) is tile
    half = moved(tile, np.array([10, 0, -300], np.int16), np.full(3, UNIT // 2, np.int16))
    expected = tile / 2 + (10, 0, -300)
    assert np.abs(half - expected.clip(0, 255)).max() <= 0.5


def test_alteration_is_the_rms_of_all_that_was_done(rng: np.random.Generator) -> None:
    tiles = rng.uniform(0, 255, (3, 4, 4, 3)).astype(np.float32)
    shift = np.array([[3, 4, 0], [0, 0, 0], [10, 10, 10]], np.int16)
    gain = np.full((3, 3), UNIT, np.int16)
    found = alteration(tiles, tiles, shift, gain)
    np.testing.assert_allclose(found, [np.sqrt(25 / 3), 0, 10], rtol=1e-5)
    found = alteration(tiles, tiles + 5, np.zeros_like(shift), gain)
    np.testing.assert_allclose(found, 5, rtol=1e-4)
    assert (alteration(tiles, tiles, np.zeros_like(shift), gain // 2) > 10).all()
