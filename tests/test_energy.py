import numpy as np
import pytest
from numpy.typing import NDArray

from smalti.jigsaw.energy import (
    colour_energy,
    deform_energy,
    gap_energy,
    look_ahead_energy,
    overlap_energy,
)

SQUARE = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])


def circle(k: int) -> NDArray[np.float64]:
    s = np.arange(k) * 2 * np.pi / k
    return np.stack([np.cos(s), np.sin(s)], axis=1)


def test_figure_3_two_squares_with_a_gap() -> None:
    gap = 0.25
    other = 1 + gap  # where the second square begins
    facing = SQUARE[1:3]
    distance = other - facing[:, 0]
    assert gap_energy(distance) == pytest.approx(2 * gap**2 / 2)
    assert overlap_energy(distance) == 0


def test_figure_3_two_squares_that_overlap() -> None:
    distance = 0.9 - SQUARE[1:3, 0]
    assert overlap_energy(distance) == pytest.approx(2 * 0.1**2 / 2)
    assert gap_energy(distance) == 0


def test_squares_that_just_touch_cost_nothing() -> None:
    assert gap_energy(np.zeros(4)) == overlap_energy(np.zeros(4)) == 0


def test_colour_is_a_mean_of_distances() -> None:
    tile = np.array([[50.0, 0, 0], [50.0, 3, 4]])
    goal = np.array([[50.0, 0, 0], [50.0, 0, 0]])
    assert colour_energy(tile, goal) == pytest.approx(2.5)
    assert colour_energy(goal, goal) == 0


def test_moving_a_tile_does_not_deform_it() -> None:
    shape = circle(64)
    assert deform_energy(shape + np.array([5, -2]), shape) == pytest.approx(0, abs=1e-12)


def test_deformation_of_a_blown_up_circle_is_that_of_equation_2() -> None:
    # |D' - T'| = e 2 pi and |D'' - T''| = e (2 pi)^2 everywhere on a unit circle.
    e = 0.1
    shape = circle(512)
    stretch = deform_energy((1 + e) * shape, shape, alpha=0, beta=1)
    bend = deform_energy((1 + e) * shape, shape, alpha=1, beta=0)
    assert stretch == pytest.approx((e * 2 * np.pi) ** 2 / 2, rel=1e-3)
    assert bend == pytest.approx((e * (2 * np.pi) ** 2) ** 2 / 2, rel=1e-3)
    both = deform_energy((1 + e) * shape, shape, alpha=2, beta=3)
    assert both == pytest.approx(2 * bend + 3 * stretch)


def test_look_ahead_prefers_the_compact_rest() -> None:
    square = look_ahead_energy(4, 8)
    ribbon = look_ahead_energy(4, 10)  # 4 x 1
    assert square == pytest.approx(0.5 * 4 + 0.5 * 64)
    assert ribbon > square
    assert look_ahead_energy(4, 10, 1.0) == 4
