from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.interpolate import RBFInterpolator

from smalti.jigsaw.contour import coverage
from smalti.jigsaw.pose import Pose, placed
from smalti.jigsaw.warp import Warp, bled, halved, shrinking, warp

Points = NDArray[np.float64]


def circle(radius: float, middle: tuple[float, float]) -> Points:
    turn = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    return np.asarray(middle + radius * np.stack([np.cos(turn), np.sin(turn)], axis=1))


def ramp(h: int, w: int) -> NDArray[np.uint8]:
    """Red tells x, green y, in px."""
    y, x = np.mgrid[:h, :w]
    return np.stack([x, y, 0 * x, 0 * x + 255], axis=-1).astype(np.uint8)


def drawn(tile: Warp) -> NDArray[np.float32]:
    return tile.rows(0, tile.shape[0])


def fetched(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(255 * pixels[..., :2] / np.maximum(pixels[..., 3:], 1e-6) + 0.5)


@pytest.mark.parametrize("theta", [0.0, 0.7, 2.5])
@pytest.mark.parametrize("scale", [0.6, 1.0, 1.9])
def test_a_similar_contour_moves_every_pixel_by_that_similarity(theta: float, scale: float) -> None:
    own = circle(70, (100.0, 90.0))
    pose = Pose(theta, scale, 250.3, 180.8)
    contour = placed(own - (100, 90), pose)
    tile = warp(ramp(200, 220), own, contour)
    pixels = drawn(tile)
    y, x = np.mgrid[: pixels.shape[0], : pixels.shape[1]] + 0.5
    inside = pixels[..., 3] > 0.999
    at = np.stack([x + tile.left, y + tile.top], axis=-1)[inside] - (250.3, 180.8)
    turn = np.array([[np.cos(theta), -np.sin(theta)], [np.sin(theta), np.cos(theta)]])
    np.testing.assert_allclose(fetched(pixels)[inside], at @ turn / scale + (100, 90), atol=0.02)
    assert shrinking(own, contour) == pytest.approx(1 / scale)


def test_alpha_is_the_contours_coverage() -> None:
    own = circle(70, (100.0, 90.0))
    contour = circle(25, (40.3, -3.2)) * (1.2, 1)
    tile = warp(ramp(200, 220), own, contour)
    pixels = drawn(tile)
    assert pixels.shape[:2] == tile.shape
    expected = coverage(contour - (tile.left, tile.top), tile.shape)
    np.testing.assert_allclose(pixels[..., 3], expected, atol=1e-6)
    assert pixels[0].any()
    assert pixels[-1].any()


def test_a_bent_contour_is_followed_as_by_scipys_thin_plate() -> None:
    own = circle(70, (100.0, 90.0))
    away = own - (100, 90)
    contour = 0.8 * away + 8 * np.sin(away[:, ::-1] / 30) + (90, 85)
    tile = warp(ramp(200, 220), own, contour)
    pixels = drawn(tile)
    oracle = RBFInterpolator(contour, own, kernel="thin_plate_spline", degree=1)
    y, x = np.nonzero(pixels[..., 3] > 0.999)
    at = np.stack([x + tile.left, y + tile.top], axis=1) + 0.5
    error = np.hypot(*(fetched(pixels)[y, x] - oracle(at)).T)
    assert error.max() < 0.5  # the coarse grid's
    assert error.mean() < 0.1


def test_a_tile_smaller_than_a_pixel() -> None:
    pixels = drawn(warp(ramp(9, 9), circle(4, (4.5, 4.5)), circle(0.2, (10.5, 10.5))))
    assert pixels.shape == (1, 1, 4)
    assert pixels[0, 0, 3] == pytest.approx(0.04 * np.pi, rel=0.01)


@pytest.mark.parametrize("scale", [0.3, 0.9, 4.0])
def test_rows_are_those_of_the_whole(scale: float, rng: np.random.Generator) -> None:
    own = circle(70, (100.0, 90.0))
    contour = scale * (own + 8 * np.sin(own[:, ::-1] / 30)) + (-31.7, 12.4)
    tile = warp(rng.integers(0, 256, (200, 220, 4), np.uint8), own, contour)
    whole = drawn(tile)
    cuts = [0, 1, 8, 29, 29, tile.shape[0]]
    parts = [tile.rows(first, end) for first, end in pairwise(cuts)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_reduced_shows_the_same_in_fewer_pixels() -> None:
    own = circle(70, (100.0, 90.0)) * (1, 0.5)
    tile = warp(ramp(200, 220), own, 2 * own + 7 * np.sin(own[:, ::-1] / 9) + (3.4, 60))
    small = tile.reduced(40)
    assert max(small.shape) == 40
    (h, w), (high, wide) = small.shape, tile.shape
    pixels, whole = drawn(small), drawn(tile)
    assert pixels[..., 3].mean() == pytest.approx(whole[..., 3].mean(), abs=1e-3)
    y, x = np.nonzero(pixels[..., 3] > 0.999)
    there = whole[((y + 0.5) * high / h).astype(int), ((x + 0.5) * wide / w).astype(int)]
    np.testing.assert_allclose(fetched(pixels)[y, x], fetched(there), atol=0.5)
    assert tile.reduced(1000).shape == tile.shape
    assert tile.reduced(1).shape == (1, 1)


def test_bled_continues_the_outside_and_leaves_holes() -> None:
    y, x = np.mgrid[:40, :40] + 0.5
    far = np.hypot(x - 20, y - 20)
    pixels = np.zeros((40, 40, 4), np.uint8)
    pixels[..., :3] = 10, 200, 30
    pixels[..., 3] = 255 * np.clip(15.5 - far, 0, 1) * np.clip(far - 5.5, 0, 1)
    pixels[pixels[..., 3] == 0] = 0
    art = bled(pixels, pixels[..., 3] >= 128)
    assert (art[far > 13] == (10, 200, 30, 255)).all()
    assert (art[far < 5] == 0).all()


def test_halved_is_the_mean_of_four(rng: np.random.Generator) -> None:
    art = rng.integers(0, 256, (6, 8, 4), np.uint8)
    means = art.reshape(3, 2, 4, 2, 4).mean(axis=(1, 3))
    assert np.abs(halved(art) - means).max() <= 0.5
    assert halved(art[:5, :7]).shape == (3, 4, 4)
