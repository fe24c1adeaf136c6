import json
import time
from dataclasses import asdict, astuple, replace
from itertools import combinations, pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import gaussian_filter
from skimage.data import astronaut
from skimage.metrics import structural_similarity as ssim

from smalti.core.errors import BadInput
from smalti.core.quality import Quality, Usage, measure, usage

Picture = npt.NDArray[np.uint8]
PERFECT = Quality(0, 0, 0, 0, 1, 1, 0)
GREY = np.full((48, 64, 3), 90, np.uint8)


@pytest.fixture(scope="module")
def photo() -> Picture:
    return np.asarray(astronaut(), np.uint8)


def boxes(picture: Picture, width: int, height: int) -> Picture:
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BOX))


def enlarged(picture: Picture, factor: int) -> Picture:
    return picture.repeat(factor, axis=0).repeat(factor, axis=1)


def noisy(picture: Picture, sigma: float) -> Picture:
    noise = np.random.default_rng(1).normal(0, sigma, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    data=st.data(),
    flat=st.booleans(),
)
def test_a_picture_is_perfectly_like_itself(
    height: int, width: int, data: st.DataObject, flat: bool
) -> None:
    rows, columns = data.draw(st.integers(1, height)), data.draw(st.integers(1, width))
    rng = np.random.default_rng(height * 41 + width)
    picture = rng.integers(0, 256, (1, 1, 3) if flat else (height, width, 3), dtype=np.uint8)
    picture = np.broadcast_to(picture, (height, width, 3))
    assert measure(picture, picture, columns=columns, rows=rows) == PERFECT


@given(height=st.integers(1, 30), width=st.integers(1, 30), data=st.data())
def test_any_two_pictures_give_numbers_within_their_ranges(
    height: int, width: int, data: st.DataObject
) -> None:
    rows, columns = data.draw(st.integers(1, height)), data.draw(st.integers(1, width))
    rng = np.random.default_rng(height * 31 + width)
    target, mosaic = rng.integers(0, 256, (2, height, width, 3), dtype=np.uint8)
    quality = measure(target, mosaic, columns=columns, rows=rows)
    plain = json.loads(json.dumps(asdict(quality), allow_nan=False))
    assert Quality(**plain) == quality
    assert 0 <= quality.mse <= quality.mae <= 1
    assert min(quality.delta_e_cell, quality.delta_e_quarter) >= 0
    for value in (quality.ssim_quarter, quality.gradient_correlation, quality.seam_energy):
        assert -1.000001 <= value <= 1.000001


def test_black_and_white_are_as_far_apart_as_pictures_can_be() -> None:
    quality = measure(np.zeros_like(GREY), np.full_like(GREY, 255), columns=5, rows=7)
    assert (quality.mae, quality.mse) == (1, 1)
    assert quality.delta_e_cell == pytest.approx(100, abs=0.01)
    assert quality.delta_e_quarter == pytest.approx(100, abs=0.01)
    assert quality.ssim_quarter == pytest.approx(0, abs=1e-3)
    assert quality.gradient_correlation == 1  # neither has an edge
    assert quality.seam_energy == 0


def test_a_flat_mosaic_has_none_of_the_edges_of_its_target(photo: Picture) -> None:
    flat = np.full_like(photo, 77)
    assert measure(photo, flat, columns=8, rows=8).gradient_correlation == 0
    assert measure(flat, photo, columns=8, rows=8).gradient_correlation == 0
    assert measure(photo, flat, columns=8, rows=8).seam_energy < 0


@pytest.mark.parametrize(("columns", "rows"), [(1, 1), (1, 9), (9, 1)])
def test_one_row_or_column_of_cells(photo: Picture, columns: int, rows: int) -> None:
    quality = measure(photo, photo[::-1], columns=columns, rows=rows)
    assert quality.ssim_quarter < 0.9
    if columns * rows == 1:
        assert quality.seam_energy == 0
        assert quality.delta_e_cell == 0  # the mean colour survives a turn


def test_from_afar_only_the_mean_of_a_cell_counts(photo: Picture) -> None:
    blocks = enlarged(boxes(photo, 32, 32), 16)
    quality = measure(photo, blocks, columns=32, rows=32)
    assert quality.delta_e_cell < 0.4  # rounded to 8 bits, no more
    assert quality.delta_e_quarter > 2
    quality = measure(photo, enlarged(boxes(photo, 128, 128), 4), columns=32, rows=32)
    assert quality.delta_e_quarter < 0.4
    assert quality.ssim_quarter > 0.999
    assert quality.gradient_correlation > 0.999


def test_ssim_is_that_of_the_downscaled_pictures(photo: Picture) -> None:
    other = noisy(photo[:, ::-1], 20)
    pair = boxes(photo, 128, 64), boxes(other, 128, 64)
    expected = ssim(*pair, channel_axis=-1)
    quality = measure(photo, other, columns=32, rows=16)
    assert quality.ssim_quarter == pytest.approx(expected, abs=2e-3)  # Pillow rounds to 8 bits


def test_noise_makes_every_number_worse(photo: Picture) -> None:
    steps = [measure(photo, noisy(photo, s), columns=64, rows=64) for s in (5, 20, 60)]
    for better, worse in pairwise([PERFECT, *steps]):
        for name in ("mae", "mse", "delta_e_cell", "delta_e_quarter", "seam_energy"):
            assert getattr(better, name) < getattr(worse, name)
        assert better.ssim_quarter > worse.ssim_quarter
        assert better.gradient_correlation > worse.gradient_correlation


def test_gradients_see_direction_and_not_brightness(photo: Picture) -> None:
    def correlation(mosaic: Picture) -> float:
        return measure(photo, mosaic, columns=64, rows=64).gradient_correlation

    assert correlation(255 - photo) == pytest.approx(-1, abs=1e-6)
    assert correlation(photo // 2 + 60) > 0.99
    assert 0.3 < correlation(gaussian_filter(photo, (6, 6, 0))) < 0.95


def test_swapping_rows_and_columns_of_both_changes_nothing(photo: Picture) -> None:
    other = gaussian_filter(photo, (9, 0, 0))  # along columns only
    upright = measure(photo, other, columns=32, rows=16)
    turned = measure(photo.swapaxes(0, 1), other.swapaxes(0, 1), columns=16, rows=32)
    assert astuple(turned)[:7] == pytest.approx(astuple(upright)[:7], rel=1e-4)


def test_seams_are_counted_at_the_borders_of_cells_only() -> None:
    checks = GREY.copy()
    checks[np.add.outer(np.arange(48) // 16, np.arange(64) // 16) % 2 == 1] += 51
    at_borders = measure(GREY, checks, columns=4, rows=3)
    assert at_borders.seam_energy == pytest.approx(0.2)
    assert measure(checks, GREY, columns=4, rows=3).seam_energy == pytest.approx(-0.2)
    assert measure(checks, checks, columns=4, rows=3).seam_energy == 0
    inside = np.roll(checks, (5, 5), axis=(0, 1))  # all steps five pixels off the borders
    assert measure(GREY, inside, columns=4, rows=3).seam_energy == 0
    lines = GREY.copy()
    lines[14::16], lines[:, 14::16], lines[1::16], lines[:, 1::16] = 20, 20, 20, 20
    assert measure(GREY, lines, columns=4, rows=3).seam_energy == 0


def test_a_grid_that_does_not_divide_the_picture(photo: Picture) -> None:
    target = photo[:499, :334]
    mosaic = target.copy()
    for rows in pairwise([i * 499 // 47 for i in range(48)]):
        for columns in pairwise([i * 334 // 31 for i in range(32)]):
            cell = slice(*rows), slice(*columns)
            mosaic[cell] = target[cell][::-1, ::-1]
    quality = measure(target, mosaic, columns=31, rows=47)
    assert quality.delta_e_cell == 0
    assert quality.delta_e_quarter > 1
    assert quality.seam_energy > 0


@pytest.mark.parametrize(("columns", "rows"), [(0, 4), (4, 0), (65, 4), (4, 49)])
def test_cells_must_hold_a_pixel(columns: int, rows: int) -> None:
    with pytest.raises(BadInput, match=f"{columns} x {rows} cells do not fit 64 x 48 pixels"):
        measure(GREY, GREY, columns=columns, rows=rows)


def test_pictures_must_be_of_one_size() -> None:
    with pytest.raises(BadInput, match="target has 64 x 48 pixels, the mosaic 64 x 40"):
        measure(GREY, GREY[:40], columns=4, rows=4)


def places(count: int, columns: int) -> npt.NDArray[np.intp]:
    return np.stack(np.divmod(np.arange(count), columns)[::-1], 1)


def test_usage_of_an_example() -> None:
    photo = np.array([0, 1, 2, 3, 4, 0, 5, 6, 7])  # 3 x 3; 0 repeats, a knight's move apart
    assert usage(photo, np.arange(8), places(9, 3)) == Usage(8, 2, 5**0.5)
    twins = np.array([0, 1, 2, 3, 1, 5, 6, 7])  # 1 and 4 are one photo, one above the other
    assert usage(photo, twins, places(9, 3)) == Usage(7, 2, 1.0)


def test_usage_without_repeats_of_one_cell_and_of_none() -> None:
    assert usage(np.arange(12), np.arange(12), places(12, 4)) == Usage(12, 1, None)
    assert usage(np.array([3]), np.arange(5), places(1, 1)) == Usage(1, 1, None)
    assert usage(np.array([], np.intp), np.arange(5), places(0, 1)) == Usage(0, 0, None)


@given(
    columns=st.integers(1, 9),
    photo=st.lists(st.integers(0, 9), min_size=1, max_size=60),
    group=st.lists(st.sampled_from([0, 1, 2, 7, 10**12]), min_size=10, max_size=10),
)
def test_usage_agrees_with_looking_at_every_pair(
    columns: int, photo: list[int], group: list[int]
) -> None:
    found = usage(np.array(photo), np.array(group), places(len(photo), columns))
    groups = [group[p] for p in photo]
    pairs = [
        abs(complex(i % columns - j % columns, i // columns - j // columns))
        for i, j in combinations(range(len(photo)), 2)
        if groups[i] == groups[j]
    ]
    assert found.distinct == len(set(groups))
    assert found.max_uses == max(groups.count(g) for g in groups)
    assert found.nearest_repeat == (pytest.approx(min(pairs)) if pairs else None)


def test_usage_is_not_quadratic() -> None:
    began = time.process_time()
    found = usage(np.arange(240_000) * 7 % 100, np.arange(100), places(240_000, 600))
    assert found.max_uses == 2400
    assert time.process_time() - began < 10  # all pairs of a photo alone would be 6e8


def test_what_the_maker_knows_joins_what_the_pictures_tell() -> None:
    pixels = measure(GREY, GREY, columns=4, rows=3)
    used = usage(np.arange(12), np.arange(12), places(12, 4))
    whole = replace(pixels, **used._asdict(), alteration_rms=0.0, target_blend=0.0)
    assert (pixels.distinct, whole.distinct, whole.nearest_repeat) == (None, 12, None)
