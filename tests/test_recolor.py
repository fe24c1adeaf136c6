import numpy as np
import pytest
from numpy.typing import NDArray

from smalti.jigsaw.placement import Placement
from smalti.jigsaw.pose import Pose, placed, unplaced
from smalti.jigsaw.recolor import alignment, recolor


def outline(seed: int, points: int = 64) -> NDArray[np.float64]:
    """A smooth star-shaped outline of unit area about its centroid."""
    rng = np.random.default_rng(seed)
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    radius = 1 + sum(rng.normal() * 0.15 * np.cos(k * angle + rng.uniform(0, 6)) for k in (2, 3, 5))
    z = radius * np.exp(1j * angle)
    z -= z.mean()
    area = (np.conj(z) * np.roll(z, -1)).imag.sum() / 2
    return np.asarray(np.stack([z.real, z.imag], 1) / np.sqrt(area))


@pytest.mark.parametrize("theta", [0.0, 1.0, -2.5, 3.1])
@pytest.mark.parametrize("shift", [0, 1, 40])
def test_a_turned_and_renumbered_outline_is_found_equal(theta: float, shift: int) -> None:
    a = outline(1)
    b = np.roll(placed(a, Pose(theta, 1, 0, 0)), shift, axis=0)
    found = alignment(np.stack([a, b]))
    assert found.distance[0, 1] == pytest.approx(0, abs=1e-6)
    back = placed(b, Pose(float(found.theta[0, 1]), 1, 0, 0))
    assert np.allclose(np.roll(back, -found.shift[0, 1], axis=0), a, atol=1e-6)


def test_distance_is_the_least_over_turns_and_numberings() -> None:
    a, b = outline(2), outline(3)
    found = alignment(np.stack([a, b])).distance[0, 1]
    least = min(
        np.sqrt(((np.roll(placed(b, Pose(t, 1, 0, 0)), -s, axis=0) - a) ** 2).sum(1).mean())
        for t in np.linspace(0, 2 * np.pi, 361)
        for s in range(64)
    )
    assert found == pytest.approx(least, abs=2e-3)


def test_pose_and_back(rng: np.random.Generator) -> None:
    points = rng.normal(size=(7, 2))
    pose = Pose(0.7, 30.0, 5.0, -4.0)
    assert np.allclose(unplaced(placed(points, pose), pose), points)


def scene() -> tuple[list[Placement], NDArray[np.float64], NDArray[np.float32]]:
    """Three tiles of one outline, turned, and one of another, each in a place."""
    same = outline(1)
    contours = np.stack([same, placed(same, Pose(1.0, 1, 0, 0)), np.roll(same, 9, 0), outline(8)])
    lab = np.array([[20, 0, 0], [50, 0, 0], [80, 0, 0], [50, 60, 0]], np.float32)
    poses = [Pose(0.3 * i, 20.0, 50.0 * i, 30.0) for i in range(4)]
    places = [Placement(i, 0, p, placed(contours[i], p)) for i, p in enumerate(poses)]
    return places, contours, lab


def test_colours_fit_best_overall_and_outlines_stay() -> None:
    places, contours, lab = scene()
    goals = lab[[2, 0, 1, 0]]
    found = recolor(places, contours, lab, goals)
    assert [p.tile for p in found.placements] == [2, 0, 1, 3]
    assert found.after < found.before
    for old, new in zip(places, found.placements, strict=True):
        assert {tuple(v) for v in new.contour} == {tuple(v) for v in old.contour}
        # The new tile at its new pose is the outline that was there.
        assert np.allclose(placed(contours[new.tile], new.pose), new.contour, atol=1e-6)


def test_upright_tiles_stay_upright() -> None:
    places, contours, lab = scene()
    found = recolor(places, contours, lab, lab[[2, 0, 1, 0]], turned=False)
    # The second is the first turned: only the third, renumbered, may take its place.
    assert [p.tile for p in found.placements] == [2, 1, 0, 3]
    for old, new in zip(places, found.placements, strict=True):
        assert new.pose.theta == old.pose.theta
        assert np.allclose(placed(contours[new.tile], new.pose), new.contour, atol=1e-6)


def test_every_tile_is_used_as_often_as_before() -> None:
    places, contours, lab = scene()
    twice = [*places, *places]
    goals = np.random.default_rng(0).uniform(0, 100, (8, 3)).astype(np.float32)
    found = recolor(twice, contours, lab, goals)
    assert sorted(p.tile for p in found.placements) == sorted(p.tile for p in twice)


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_to_deal(count: int) -> None:
    places, contours, lab = scene()
    found = recolor(places[:count], contours, lab, lab[:count])
    assert [p.tile for p in found.placements] == list(range(count))
    assert found.before == found.after
