import numpy as np
import pytest
import shapely
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from shapely import affinity

from smalti.core.errors import BadInput
from smalti.jigsaw.contour import (
    centroid,
    coverage,
    filled,
    from_background,
    from_mask,
    is_simple,
    resampled,
    signed_area,
    solid,
)

Points = NDArray[np.float64]


def disc(side: int, radius: float, middle: tuple[float, float]) -> NDArray[np.bool_]:
    y, x = np.mgrid[:side, :side] + 0.5
    return np.asarray((x - middle[0]) ** 2 + (y - middle[1]) ** 2 < radius**2)


def star(rng: np.random.Generator, points: int, middle: float, radius: float) -> Points:
    turn = np.sort(rng.uniform(0, 2 * np.pi, points))
    far = radius * rng.uniform(0.3, 1, points)
    return np.asarray(middle + far[:, None] * np.stack([np.cos(turn), np.sin(turn)], axis=1))


@pytest.mark.parametrize("points", [3, 17, 64])
@pytest.mark.parametrize("radius", [0.4, 4.0, 30.0])
def test_area_and_centroid_agree_with_shapely(
    rng: np.random.Generator, points: int, radius: float
) -> None:
    contour = star(rng, points, 1e4, radius)
    polygon = shapely.Polygon(contour)
    assert signed_area(contour) == pytest.approx(polygon.area, rel=1e-6)
    assert signed_area(contour[::-1]) == pytest.approx(-polygon.area, rel=1e-6)
    np.testing.assert_allclose(centroid(contour), polygon.centroid.coords[0], atol=1e-6)


@pytest.mark.parametrize("points", [3, 17, 64])
@pytest.mark.parametrize("radius", [0.4, 4.0, 30.0])
def test_coverage_is_the_area_that_shapely_cuts_from_each_pixel(
    rng: np.random.Generator, points: int, radius: float
) -> None:
    contour = star(rng, points, 9.3, radius)  # the largest reach beyond all four sides
    polygon = shapely.Polygon(contour)
    x, y = np.meshgrid(np.arange(20), np.arange(18))
    pixels = shapely.box(x, y, x + 1, y + 1)
    expected = shapely.area(shapely.intersection(pixels, polygon))
    for turned in (contour, contour[::-1]):
        np.testing.assert_allclose(coverage(turned, (18, 20)), expected, atol=1e-6)
        np.testing.assert_array_equal(
            coverage(turned, (7, 20), 5), coverage(turned, (18, 20))[5:12]
        )


def test_coverage_of_edges_on_the_grid() -> None:
    square = np.array([[1, 1], [4, 1], [4, 3], [1, 3]], float)
    expected = np.zeros((5, 5))
    expected[1:3, 1:4] = 1
    np.testing.assert_array_equal(coverage(square, (5, 5)), expected)
    assert coverage(square + 40, (5, 5)).sum() == 0


def test_resampled_takes_equal_steps_along_the_polygon(rng: np.random.Generator) -> None:
    contour = star(rng, 9, 0, 10)
    ring = shapely.LinearRing(contour)
    even = resampled(contour, 50)
    np.testing.assert_allclose(even[0], contour[0])
    along = shapely.line_locate_point(ring, shapely.points(even))
    np.testing.assert_allclose(np.diff(along), ring.length / 50, rtol=1e-6)
    assert shapely.distance(ring, shapely.points(even)).max() < 1e-9


@pytest.mark.parametrize("radius", [5, 20, 60])
def test_a_disc_gives_a_circle(radius: int) -> None:
    middle = (radius + 4.25, radius + 3.5)
    contour = from_mask(disc(2 * radius + 9, radius, middle), 64)
    far = np.hypot(*(contour - middle).T)
    assert np.abs(far - radius).max() < 0.75
    assert abs(far.mean() - radius) < 0.25
    assert signed_area(contour) > 0
    np.testing.assert_allclose(centroid(contour), middle, atol=0.15)


def test_filled_undoes_from_mask(rng: np.random.Generator) -> None:
    for _ in range(20):
        mask = filled(star(rng, 8, 40, 38), (80, 80))
        again = filled(from_mask(mask, 256), mask.shape)
        assert (solid(mask) ^ again).sum() < 0.05 * mask.sum()


def test_a_shape_that_fills_its_picture_reaches_the_edges() -> None:
    contour = from_mask(np.ones((30, 50), bool), 400)
    np.testing.assert_allclose(contour.min(axis=0), 0, atol=0.05)
    np.testing.assert_allclose(contour.max(axis=0), (50, 30), atol=0.05)


def test_the_largest_part_counts_with_its_holes_filled() -> None:
    ring = disc(50, 20, (22, 22)) & ~disc(50, 19, (22, 22))
    mask = ring | disc(50, 15, (22, 22)) | disc(50, 3, (46, 46))
    np.testing.assert_array_equal(solid(mask), disc(50, 20, (22, 22)))


def test_masks_without_an_inside() -> None:
    line = np.zeros((9, 9), bool)
    with pytest.raises(BadInput, match="thicker"):
        from_mask(line, 64)
    line[4, 4] = True
    with pytest.raises(BadInput, match="thicker"):
        from_mask(line, 64)


def test_a_figure_of_eight_is_not_simple() -> None:
    assert is_simple(np.array([[0, 0], [2, 0], [2, 2], [0, 2]], float))
    assert not is_simple(np.array([[0, 0], [2, 2], [2, 0], [0, 2]], float))


@pytest.mark.parametrize("turn", [0, 30, 200])
def test_the_snake_finds_bays_and_noise_does_not_matter(
    rng: np.random.Generator, turn: float
) -> None:
    shape = shapely.Polygon([(30, 30), (110, 30), (110, 60), (70, 60), (70, 90), (110, 90),
                             (110, 120), (30, 120)])  # fmt: skip
    picture = Image.new("RGB", (150, 150), (230, 240, 250))
    ring = affinity.rotate(shape, turn).exterior.coords
    ImageDraw.Draw(picture).polygon(list(ring), fill=(180, 60, 40))
    pixels = np.asarray(picture).astype(float) + rng.normal(0, 2, (150, 150, 3))
    mask = from_background(pixels.clip(0, 255).astype(np.uint8))
    expected = filled(np.array(ring[:-1]), (150, 150))
    assert (mask & expected).sum() > 0.95 * (mask | expected).sum()


def test_a_background_that_is_not_plain_is_refused(rng: np.random.Generator) -> None:
    noise = rng.integers(0, 256, (40, 40, 3), np.uint8)
    with pytest.raises(BadInput, match="no plain background"):
        from_background(noise)
    with pytest.raises(BadInput, match="nothing but background"):
        from_background(np.full((40, 40, 3), 200, np.uint8))
