import numpy as np
import pytest
import shapely
from numpy.typing import NDArray
from scipy import ndimage

from smalti.jigsaw.distance import (
    contour_distance,
    covered,
    openable,
    signed_distance,
    subtract,
)


def star(rng: np.random.Generator, x: float, y: float, radius: float) -> NDArray[np.float64]:
    """Make a jagged polygon, star-shaped about (x, y)."""
    turn = np.sort(rng.random(24)) * 2 * np.pi
    length = radius * rng.uniform(0.4, 1, 24)
    return np.stack([x + length * np.cos(turn), y + length * np.sin(turn)], axis=1)


def centres(height: int, width: int) -> NDArray[np.object_]:
    y, x = np.mgrid[:height, :width] + 0.5
    return np.asarray(shapely.points(x, y))


def test_distance_of_a_half_plane_is_that_to_the_border_between_pixels() -> None:
    mask = np.zeros((9, 12), bool)
    mask[:, 5:] = True
    distance = signed_distance(mask)
    np.testing.assert_allclose(distance[4, 2:9], [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5])


@pytest.mark.parametrize("reach", [3.0, 8.0])
def test_contour_distance_is_shapelys(rng: np.random.Generator, reach: float) -> None:
    for _ in range(5):
        contour = star(rng, 15, 12, 11)
        found = contour_distance(contour, (slice(0, 26), slice(0, 31)), reach)
        polygon = shapely.Polygon(contour)
        points = centres(26, 31)
        wanted = shapely.distance(polygon.exterior, points).clip(max=reach)
        wanted = np.where(shapely.contains(polygon, points), -wanted, wanted)
        np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_free_area_after_tiles_is_exact_up_to_the_reach(rng: np.random.Generator) -> None:
    reach = 6.0
    distance = np.full((60, 80), reach, np.float32)
    tiles = [star(rng, x, y, 9) for x, y in [(20, 20), (33, 25), (60, 40), (79, 0)]]
    for tile in tiles:
        before = distance.copy()
        box = subtract(distance, tile, reach)
        before[box] = distance[box]
        np.testing.assert_array_equal(before, distance)  # nothing changed beyond the window
    union = shapely.union_all([shapely.Polygon(tile) for tile in tiles])
    wanted = shapely.distance(union, centres(60, 80)).clip(max=reach)
    free = wanted > 0
    np.testing.assert_allclose(distance[free], wanted[free], atol=1e-4)
    assert (distance[~free] <= 0).all()


def test_pixels_covered_are_those_whose_centres_lie_within(rng: np.random.Generator) -> None:
    distance = rng.normal(size=(40, 40)).astype(np.float32)
    for x, y in [(20, 20), (2, 20), (38, 39)]:  # the last two leave the picture
        tile = star(rng, x, y, 10)
        free, blocked = covered(distance, tile)
        grown = np.pad(distance, 20, constant_values=-1)
        inside = shapely.contains(shapely.Polygon(tile + 20), centres(80, 80))
        assert free == np.count_nonzero(inside & (grown > 0))
        assert blocked == np.count_nonzero(inside & (grown <= 0))


def test_a_tile_that_swallows_a_thin_obstacle_is_seen() -> None:
    distance = np.full((20, 20), 5, np.float32)
    distance[10, 4:16] = -0.5
    square = np.array([[2.0, 2], [18, 2], [18, 18], [2, 18]])
    assert covered(distance, square) == (16 * 16 - 12, 12)


def test_openable_is_an_opening_by_a_disc(rng: np.random.Generator) -> None:
    mask = ndimage.gaussian_filter(rng.normal(size=(80, 80)), 4) > 0
    distance = signed_distance(mask)
    for radius in (2.0, 4.0):
        found = openable(distance, np.full(mask.shape, radius, np.float32))
        away = ndimage.distance_transform_edt(distance < radius)
        assert (found <= mask).all()
        assert found[away <= 0.9 * radius].all()
        assert not found[away > 1.1 * radius].any()


def test_a_channel_thinner_than_the_disc_is_closed_and_a_hall_stays() -> None:
    mask = np.zeros((40, 60), bool)
    mask[10:30, 5:25] = True
    mask[18:21, 25:55] = True
    found = openable(signed_distance(mask), np.full(mask.shape, 4.0, np.float32))
    assert found[20, 15]
    assert not found[:, 28:].any()
