"""Heuristics that lay one photo after the other, never to move it: against plain numpy."""

import numpy as np
import pytest
from assigning import matrix, problem

from smalti.core.heuristics import costs as costs_module
from smalti.core.heuristics.block_matching import adjust_intensity, block_matching
from smalti.core.heuristics.costs import pose
from smalti.core.heuristics.greedy import greedy
from smalti.core.heuristics.nearest import nearest


def test_nearest_is_the_least_of_every_row() -> None:
    posed = problem(12, 150, 40, v=2, capacity=None)
    found = nearest(posed, np.random.default_rng(0))
    assert np.array_equal(found.group, matrix(posed).argmin(1))
    assert found.assignment.certified is True
    assert found.assignment.gap == 0


@pytest.mark.parametrize("order", ["raster", "random"])
def test_nearest_in_order_takes_what_is_left(order: str) -> None:
    posed = problem(13, 80, 30, capacity=3)
    sequence = np.arange(80) if order == "raster" else np.random.default_rng(4).permutation(80)
    left, expected, uses = matrix(posed), np.empty(80, int), np.zeros(30, int)
    for cell in sequence:
        expected[cell] = left[cell].argmin()
        uses[expected[cell]] += 1
        left[:, uses == 3] = np.inf
    found = nearest(posed, np.random.default_rng(4), order=order)
    assert np.array_equal(found.group, expected)
    assert found.assignment.certified is None
    assert found.assignment.gap == np.inf


@pytest.mark.parametrize(("top", "k"), [(256, 6), (4, 1), (1, 1)])
@pytest.mark.parametrize("capacity", [1, 2])
@pytest.mark.parametrize("room", [0, 1 << 30])
def test_greedy_is_a_sort_of_all_pairs(
    monkeypatch: pytest.MonkeyPatch, room: int, capacity: int, top: int, k: int
) -> None:
    """Whether there is room for a table of all costs, or not."""
    monkeypatch.setattr(costs_module, "_TABLE_BYTES", room)
    posed = problem(14, 150, 170, capacity=capacity, top=top, k=k)
    costs = matrix(posed)
    group, used = np.full(150, -1), np.zeros(170, int)
    for pair in np.argsort(costs.ravel(), kind="stable"):
        cell, wanted = divmod(int(pair), 170)
        if group[cell] < 0 and used[wanted] < capacity:
            group[cell] = wanted
            used[wanted] += 1
    assert np.array_equal(greedy(posed, np.random.default_rng(0)).group, group)


def test_a_matched_block_is_not_beside_its_like() -> None:
    """On 3 x 3 black cells the darkest photos are laid, but no corner touches its like."""
    cells = np.zeros((9, 3), np.float32)
    photos = np.arange(1, 7, dtype=np.float32).reshape(6, 1, 1).repeat(3, axis=2)
    posed = pose(cells, photos, capacity=9, columns=3)
    found = block_matching(posed, np.random.default_rng(0)).group.reshape(3, 3)
    assert found.tolist() == [[0, 1, 0], [2, 3, 2], [0, 1, 0]]
    forced = pose(cells, photos[:1], capacity=9, columns=3)
    assert block_matching(forced, np.random.default_rng(0)).group.tolist() == [0] * 9


def test_adjusted_tiles_are_as_light_as_their_blocks() -> None:
    rng = np.random.default_rng(23)
    tiles, blocks = (rng.integers(90, 160, (6, 8, 8, 3), dtype=np.uint8) for _ in range(2))
    moved = adjust_intensity(tiles, blocks)
    assert np.abs(moved.mean((1, 2, 3)) - blocks.mean((1, 2, 3))).max() <= 0.5
    assert (np.ptp(moved.astype(int) - tiles, axis=(1, 2, 3)) == 0).all()
    white = np.full((1, 2, 2, 3), 255, np.uint8)
    assert np.array_equal(adjust_intensity(tiles[:1, :2, :2], white).max(), 255)
