import numpy as np
import pytest
from numpy.typing import NDArray

from smalti.core.progress import Step
from smalti.jigsaw.contour import filled_window, signed_area
from smalti.jigsaw.placement import Placement
from smalti.jigsaw.pose import Pose
from smalti.jigsaw.quality import measure_likeness, measure_packing


def box(left: float, top: float, right: float, bottom: float) -> NDArray[np.float64]:
    """A rectangle with a vertex every quarter of a side."""
    corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)], float)
    steps = np.arange(4)[:, None] / 4
    sides = zip(corners, np.roll(corners, -1, 0), strict=True)
    return np.concatenate([a + (b - a) * steps for a, b in sides])


def put(contour: NDArray[np.float64], tile: int = 0, container: int = 0) -> Placement:
    x, y = contour.mean(0)
    return Placement(tile, container, Pose(0, 1, x, y), contour)


LABELS = np.zeros((40, 60), np.intp)
LABELS[:, 30:] = 1
GROUP = np.array([0, 0, 1, 2])


def test_a_perfect_tiling() -> None:
    tiles = [
        put(box(x, y, x + 10, y + 10), 0, x // 30)
        for x in range(0, 60, 10)
        for y in range(0, 40, 10)
    ]
    found = measure_packing(tiles, LABELS, GROUP)
    assert found.coverage == 1
    assert found.overlap == 0
    assert found.spill == 0
    assert found.largest_gap == 0
    assert found.border_recall == 1
    assert found.border_mean_px < 0.5
    assert found.invalid == 0
    assert (found.distinct, found.max_reuse) == (1, 24)
    assert found.effective == pytest.approx(1)


def test_gaps_overlap_and_spill_are_shares_of_the_area() -> None:
    half = measure_packing([put(box(0, 0, 30, 40))], LABELS, GROUP)
    assert half.coverage == pytest.approx(0.5)
    assert half.spill == 0
    assert half.largest_gap == pytest.approx(15 / np.sqrt(1200), rel=0.05)
    over = measure_packing([put(box(0, 0, 36, 40)), put(box(30, 0, 60, 40), 2, 1)], LABELS, GROUP)
    assert over.coverage == pytest.approx(1)
    assert over.spill == pytest.approx(6 / 60, rel=0.02)
    assert over.overlap == 0  # beyond its own container a tile is spill, not overlap
    twice = measure_packing([put(box(0, 0, 30, 40)), put(box(0, 0, 15, 40))], LABELS, GROUP)
    assert twice.overlap == pytest.approx(0.25)


def test_twins_count_as_one_and_folds_are_counted() -> None:
    bow = np.array([(0, 0), (9, 9), (9, 0), (0, 9)], float)
    tiles = [put(box(0, 0, 9, 9), t) for t in (0, 1, 2)] + [put(bow, 3)]
    found = measure_packing(tiles, LABELS, GROUP)
    assert (found.distinct, found.max_reuse, found.invalid) == (3, 2, 1)


def test_borders_that_no_tile_respects() -> None:
    across = measure_packing([put(box(-20, -20, 80, 60))], LABELS, GROUP)
    assert across.border_recall < 0.2
    assert across.border_mean_px > 5


def test_nothing_placed_and_nothing_to_fill() -> None:
    empty = measure_packing([], LABELS, GROUP)
    assert empty.coverage == 0
    assert empty.distinct == 0
    measure_packing([], np.full((9, 9), -1), GROUP)


def test_pixels_whose_centre_is_inside() -> None:
    window, mask = filled_window(box(2, 3, 7, 9), (20, 20))
    whole = np.zeros((20, 20), bool)
    whole[window] = mask
    assert whole.sum() == 30
    outside, cut = filled_window(box(-5, -5, 4, 4), (20, 20))
    assert cut.shape == np.zeros((20, 20))[outside].shape


@pytest.mark.parametrize("seed", range(5))
def test_a_mask_has_the_area_of_its_polygon(seed: int) -> None:
    rng = np.random.default_rng(seed)
    angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    radius = 40 + 8 * np.cos(3 * angle + rng.uniform(0, 6))
    circle = np.stack([np.cos(angle), np.sin(angle)], 1)
    contour = circle * radius[:, None] + rng.uniform(60, 61, 2)
    _, mask = filled_window(contour, (120, 120))
    assert mask.sum() == pytest.approx(signed_area(contour), rel=0.004)


def test_likeness(rng: np.random.Generator) -> None:
    picture = rng.integers(0, 256, (40, 60, 3), dtype=np.uint8)
    same = measure_likeness(picture, picture, np.ones((40, 60), np.float32), LABELS, 10)
    assert (same.delta_e_pixel, same.delta_e_blurred, same.coverage_alpha) == (0, 0, 1)
    other = rng.integers(0, 256, (40, 60, 3), dtype=np.uint8)
    half = np.zeros((40, 60), np.float32)
    half[:20] = 0.9
    found = measure_likeness(picture, other, half, LABELS, 10)
    assert found.delta_e_blurred < found.delta_e_pixel
    assert found.coverage_alpha == 0.5


def test_a_likeness_is_the_same_in_bands(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape = (700, 50)
    one, other = (rng.integers(0, 256, (*shape, 3), dtype=np.uint8) for _ in range(2))
    alpha = rng.random(shape, np.float32)
    labels = np.zeros(shape, np.intp)
    labels[300:420, :20] = -1
    steps: list[Step] = []
    found = measure_likeness(one, other, alpha, labels, 30, progress=steps.append)
    assert [(s.done, s.total) for s in steps] == [(0, 700), (256, 700), (512, 700), (700, 700)]
    monkeypatch.setattr("smalti.jigsaw.quality._BAND", 700)
    whole = measure_likeness(one, other, alpha, labels, 30)
    assert found.delta_e_blurred == pytest.approx(whole.delta_e_blurred, rel=1e-5)
    assert found.delta_e_pixel == pytest.approx(whole.delta_e_pixel, rel=1e-5)
    assert found.coverage_alpha == whole.coverage_alpha


@pytest.mark.parametrize("radius", [9, 100])
def test_the_largest_hole_is_found_whatever_the_band(radius: float) -> None:
    """Also one across bands, wider than what is looked at around them."""
    labels = np.zeros((700, 400), np.intp)
    hole = box(20, 299 - radius, 380, 299 + radius)
    ring = put(np.concatenate([box(0, 0, 400, 700), [(0.0, 0.0)], hole[::-1], hole[-1:]]))
    steps: list[Step] = []
    found = measure_packing([ring], labels, GROUP, progress=steps.append)
    side = np.sqrt(400 * 700 - 360 * 2 * radius)
    assert found.largest_gap * side == pytest.approx(radius, rel=0.05)
    told = [s.done for s in steps]
    assert len(told) >= 10
    assert told == sorted(told)
    assert told[-1] <= steps[-1].total
