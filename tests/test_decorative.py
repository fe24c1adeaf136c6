import numpy as np
import pytest
from numpy.typing import NDArray

from smalti.core.color import from_lab
from smalti.core.errors import BadInput
from smalti.core.progress import Step
from smalti.jigsaw.contour import coverage, signed_area
from smalti.jigsaw.decorative import (
    SQUARE,
    decorative,
    directions,
    flat_picture,
    square_cells,
    voronoi,
)
from smalti.jigsaw.placement import Placement
from smalti.jigsaw.pose import Pose, placed
from smalti.jigsaw.shapes import POINTS

BLACK = np.zeros((1, 1, 3), np.uint8)


def rings(height: int, width: int) -> NDArray[np.intp]:
    """A disc in a frame, with an unfilled corner."""
    y, x = np.mgrid[:height, :width]
    labels = (np.hypot(x - width / 2, y - height / 2) < height / 3).astype(np.intp)
    labels[: height // 8, : width // 8] = -1
    return np.asarray(labels)


def slope(labels: NDArray[np.intp]) -> NDArray[np.float32]:
    """Colours that differ everywhere."""
    y, x = np.indices(labels.shape)
    return np.stack([20 + 60 * x / x.max(), 0.2 * y, -0.1 * x], axis=2).astype(np.float32)


def covers(
    placements: list[Placement], labels: NDArray[np.intp]
) -> tuple[NDArray[np.float32], float]:
    """Tiles over every pixel, and the share of the tiles' area that lies in other containers."""
    shares = [coverage(p.contour, labels.shape) for p in placements]
    astray = sum(s[labels != p.container].sum() for p, s in zip(placements, shares, strict=True))
    total = np.sum(shares, axis=0)
    return total, float(astray / total.sum())


@pytest.mark.parametrize("tiles", [40, 300])
def test_squares_cover_their_own_containers(tiles: int, rng: np.random.Generator) -> None:
    labels = rings(180, 240)
    placements, colours = decorative(labels, slope(labels), tiles=tiles, rng=rng)
    assert len(placements) == len(colours) == tiles
    assert [p.tile for p in placements] == list(range(tiles))
    total, astray = covers(placements, labels)
    assert astray < 0.04
    assert np.minimum(total, 1)[labels >= 0].mean() > 0.7
    assert np.maximum(total - 1, 0)[labels >= 0].mean() < 0.05
    area = np.bincount(labels[labels >= 0])
    count = np.bincount([p.container for p in placements])
    np.testing.assert_allclose(count / tiles, area / area.sum(), atol=1 / tiles)


def test_tiles_are_squares_in_their_pose(rng: np.random.Generator) -> None:
    labels = rings(90, 90)
    for p in decorative(labels, slope(labels), tiles=30, rng=rng)[0]:
        assert p.contour.shape == (POINTS, 2)
        np.testing.assert_allclose(p.contour, placed(SQUARE, p.pose))
        assert signed_area(p.contour) == pytest.approx(p.pose.scale**2)
        sides = np.hypot(*np.diff(p.contour[[0, 16, 32, 48, 0]], axis=0).T)
        np.testing.assert_allclose(sides, p.pose.scale)


def test_a_rectangle_is_laid_like_a_floor(rng: np.random.Generator) -> None:
    labels = np.zeros((80, 120), np.intp)
    placements, _ = decorative(labels, slope(labels), tiles=24, steps=60, rng=rng)
    np.testing.assert_allclose([p.pose.theta for p in placements], 0, atol=0.02)
    total, astray = covers(placements, labels)
    assert astray == 0
    assert total.mean() == pytest.approx(0.81, abs=0.03)  # nothing but the grout is open


@pytest.mark.parametrize("degrees", [0, 20, -30, 45])
def test_directions_stand_across_a_straight_border(degrees: float) -> None:
    y, x = np.mgrid[:200, :200] - 99.5
    angle = np.deg2rad(degrees)
    labels = (np.cos(angle) * x + np.sin(angle) * y > 0).astype(np.intp)
    near = (np.abs(np.cos(angle) * x + np.sin(angle) * y) < 15) & (np.hypot(x, y) < 50)
    turn = (directions(labels, 12.0)[near] - angle) * 4
    assert np.abs(np.arctan2(np.sin(turn), np.cos(turn)) / 4).max() < np.deg2rad(4)


def test_square_cells_are_those_of_brute_force(rng: np.random.Generator) -> None:
    labels = rings(50, 60)
    sites = rng.uniform(0, (60, 50), (25, 2))
    owner = rng.integers(0, 2, 25)
    for theta in (np.full(25, 0.3), rng.uniform(-1, 1, 25)):
        cells, distance = square_cells(labels, sites, theta, owner, 200.0)
        dx, dy = np.indices(labels.shape)[::-1, ..., None] + 0.5 - sites.T[:, None, None]
        # The Manhattan metric along axes turned by 45 degrees.
        a, b = np.cos(theta + np.pi / 4), np.sin(theta + np.pi / 4)
        far = (np.abs(a * dx + b * dy) + np.abs(a * dy - b * dx)) / np.sqrt(2)
        far[labels[..., None] != owner] = np.inf
        inside = labels >= 0
        np.testing.assert_array_equal(cells[inside], far.argmin(axis=2)[inside])
        np.testing.assert_allclose(distance[inside], far.min(axis=2)[inside])
        assert (cells[~inside] == -1).all()


def test_square_cells_end_at_their_reach() -> None:
    labels = np.zeros((9, 9), np.intp)
    none = np.zeros(1)
    cells, _ = square_cells(labels, np.full((1, 2), 4.5), none, np.zeros(1, np.intp), 2.0)
    assert (cells >= 0).sum() == 25


def test_colours_are_means_from_a_palette() -> None:
    labels = np.zeros((60, 90), np.intp)
    goal = slope(labels)
    plain = decorative(labels, goal, tiles=54, palette=0, rng=np.random.default_rng(1))
    for p, colour in zip(*plain, strict=True):
        share = coverage(p.contour, labels.shape)
        mean = (goal * share[..., None]).sum(axis=(0, 1)) / share.sum()
        np.testing.assert_allclose(colour, mean, atol=1)
    few = decorative(labels, goal, tiles=54, palette=5, rng=np.random.default_rng(1))[1]
    assert len(np.unique(few, axis=0)) <= 5
    assert np.abs(few - plain[1]).mean() < 5


@pytest.mark.parametrize("make", [decorative, voronoi])
def test_degenerate(make: type, rng: np.random.Generator) -> None:
    nothing = np.full((20, 30), -1, np.intp)
    placements, colours = make(nothing, slope(nothing), tiles=9, rng=rng)
    assert placements == []
    assert colours.shape == (0, 3)
    one = np.zeros((20, 30), np.intp)
    (tile,), _ = make(one, slope(one), tiles=1, rng=rng)
    assert np.hypot(tile.pose.x - 15, tile.pose.y - 10) < 0.5
    sparse = np.full((24, 24), 7, np.intp)
    sparse[12:] = 3000
    (tile,), _ = make(sparse, slope(sparse), tiles=1, rng=rng)  # fewer than containers
    assert tile.container in (7, 3000)
    assert {p.container for p in make(sparse, slope(sparse), tiles=2, rng=rng)[0]} == {7, 3000}
    with pytest.raises(BadInput, match="tiles is 0"):
        make(one, slope(one), tiles=0, rng=rng)
    with pytest.raises(BadInput, match="shape"):
        make(one[0], slope(one), tiles=1, rng=rng)


def test_more_tiles_than_pixels(rng: np.random.Generator) -> None:
    labels = np.array([[0, 0, 1], [0, -1, 1]], np.intp)
    assert len(decorative(labels, slope(labels), tiles=99, rng=rng)[0]) == 5


@pytest.mark.parametrize("make", [decorative, voronoi])
def test_the_same_seed_makes_the_same_picture(make: type) -> None:
    labels = rings(60, 60)
    a, b = (make(labels, slope(labels), tiles=20, rng=np.random.default_rng(5)) for _ in "ab")
    np.testing.assert_array_equal([p.contour for p in a[0]], [p.contour for p in b[0]])
    np.testing.assert_array_equal(a[1], b[1])


@pytest.mark.parametrize("steps", [0, 5])
def test_voronoi_cells_fill_the_containers_once(steps: int, rng: np.random.Generator) -> None:
    labels = rings(120, 150)
    goal = slope(labels)
    placements, colours = voronoi(labels, goal, tiles=60, steps=steps, rng=rng)
    assert 55 <= len(placements) == len(colours) <= 60
    total, astray = covers(placements, labels)
    assert astray < 0.02
    assert np.minimum(total, 1)[labels >= 0].mean() > 0.97
    assert np.maximum(total - 1, 0).mean() < 0.01
    for p, colour in zip(placements, colours, strict=True):
        assert signed_area(p.contour) == pytest.approx(p.pose.scale**2)
        assert (np.abs(goal - colour).max(axis=2) == 0)[labels == p.container].any()


def test_flat_picture_paints_tiles_at_any_scale(rng: np.random.Generator) -> None:
    labels = np.zeros((40, 60), np.intp)
    placements, colours = decorative(labels, slope(labels), tiles=6, rng=rng)
    for scale in (0.5, 1.0, 8.5):  # the last takes two bands
        bands = flat_picture(placements, colours, size=(60, 40), scale=scale, background=BLACK)
        pixels = np.concatenate(list(bands))
        assert pixels.shape == (round(40 * scale), round(60 * scale), 3)
        for p, rgb in zip(placements, from_lab(colours), strict=True):
            at = pixels[int(p.pose.y * scale), int(p.pose.x * scale)]
            np.testing.assert_allclose(at, rgb.clip(0, 255), atol=1)


def test_flat_picture_shows_no_seam_between_tiles() -> None:
    corners = np.array([[0, 0], [20, 0], [20, 20], [0, 20]], float)
    pose = Pose(0, 20, 10, 10)
    left = Placement(0, 0, pose, corners * (0.515, 1))
    right = Placement(1, 0, pose, corners * (0.485, 1) + (10.3, 0))
    white = np.full((2, 3), (100, 0, 0), np.float32)
    bands = flat_picture([left, right], white, size=(20, 20), background=BLACK)
    assert np.concatenate(list(bands)).min() >= 254
    nothing = flat_picture([], white[:0], size=(20, 20), background=BLACK + 9)
    assert (np.concatenate(list(nothing)) == 9).all()


def test_sites_are_counted_by_container(rng: np.random.Generator) -> None:
    labels = rings(120, 150)
    steps: list[Step] = []
    voronoi(labels, slope(labels), tiles=60, rng=rng, progress=steps.append)
    told = [(s.done, s.total) for s in steps if s.text == "laying sites"]
    assert [total for _, total in told] == [60, 60]
    assert told[0][0] == 0
    assert 0 < told[1][0] < 60
