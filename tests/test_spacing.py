"""Copies moved apart: limits kept, the spacing reached told as it is."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from smalti.core.assign import assign
from smalti.core.spacing import Spaced, least_distance, spread


def spaced(apart: int, photos: int, capacity: int, group_size: int = 1) -> tuple[Spaced, float]:
    rng = np.random.default_rng(1)
    place = np.stack(np.divmod(np.arange(100), 10), 1)
    boxes = units(place)
    cells = (place @ rng.uniform(0, 5, (2, 3)) + rng.normal(0, 1, (100, 3))).astype(np.float32)
    tiles = rng.uniform(0, 60, (photos, 1, 3)).astype(np.float32)
    group = np.arange(photos) // group_size
    limits = np.full(group[-1] + 1, capacity)
    best = assign(cells, tiles, group=group, capacity=capacity)
    found = spread(
        best.photo, cells, tiles, boxes, group, limits, apart, best.lower_bound,
        fixed=np.array([0]),
    )  # fmt: skip
    assert np.bincount(group[found.photo]).max() <= capacity
    assert found.photo[0] == best.photo[0]
    assert found.spacing == brute(group[found.photo], place)
    return found, best.total_cost


def units(place: NDArray[np.intp]) -> NDArray[np.intp]:
    return np.column_stack([place[:, ::-1], np.ones(len(place), np.intp)])


def brute(owner: NDArray[np.intp], place: NDArray[np.intp]) -> int | None:
    apart = np.abs(place[:, None] - place).max(2)[np.triu(owner[:, None] == owner, 1)]
    return int(apart.min()) if apart.size else None


@pytest.mark.parametrize(("apart", "group_size"), [(2, 1), (3, 1), (4, 2)])
def test_copies_come_to_lie_apart(apart: int, group_size: int) -> None:
    found, best = spaced(apart, 120, 10, group_size)
    assert found.violations == 0
    assert found.spacing is None or found.spacing >= apart
    assert found.total_cost >= best * (1 - 1e-5)
    assert found.gap == pytest.approx(found.total_cost / best - 1, abs=1e-4)


def test_what_cannot_be_reached_is_told() -> None:
    found, _ = spaced(5, 4, 100)  # four photos cannot keep 25 cells apart
    assert found.violations > 0
    assert found.spacing is not None
    assert found.spacing < 5


def test_farther_than_the_grid_is_as_far_as_the_grid() -> None:
    (huge, _), (wide, _) = spaced(10**30, 4, 100), spaced(10, 4, 100)
    assert np.array_equal(huge.photo, wide.photo)


def test_nothing_asked_changes_nothing() -> None:
    found, best = spaced(1, 120, 10)
    assert found.violations == 0
    assert found.total_cost == pytest.approx(best, rel=1e-4)


def test_no_copies_have_no_distance() -> None:
    place = np.stack(np.divmod(np.arange(6), 3), 1)
    assert least_distance(np.arange(6), units(place)) is None
    assert least_distance(np.array([0, 1, 2, 3, 0, 4]), units(place)) == 1


def test_weights_bans_and_minima_are_kept() -> None:
    rng = np.random.default_rng(3)
    place = np.stack(np.divmod(np.arange(64), 8), 1)
    cells = rng.normal(0, 1, (64, 3)).astype(np.float32)
    tiles = rng.normal(0, 3, (40, 2, 3)).astype(np.float32)
    weight = rng.uniform(0.5, 2, 64)
    low = np.zeros(40, np.intp)
    low[5:25] = 1
    wanted: dict[str, Any] = {"weight": weight, "minimum": low, "banned": np.array([0, 1])}
    best = assign(cells, tiles, capacity=8, **wanted)
    found = spread(
        best.photo, cells, tiles, units(place), np.arange(40), np.full(40, 8), 3, best.lower_bound,
        **wanted,
    )  # fmt: skip
    assert found.violations == 0
    assert (np.bincount(found.photo, minlength=40) >= low).all()
    assert not np.isin(found.photo, [0, 1]).any()
    apart = ((cells[:, None] - tiles[found.photo]) ** 2).sum(2)
    np.testing.assert_allclose(found.cost, weight * apart.min(1), rtol=1e-5)
    assert (found.variant == apart.argmin(1)).all()


def test_near_duplicates_of_other_groups_are_kept_apart_too() -> None:
    place = np.stack([np.zeros(12, int), np.arange(12)], 1)
    cells = np.zeros((12, 1), np.float32)
    tiles = np.arange(24, dtype=np.float32).reshape(24, 1, 1)
    best = assign(cells, tiles)
    found = spread(
        best.photo, cells, tiles, units(place), np.arange(24), np.ones(24, np.intp), 2, 0.0,
        alike=np.arange(24) // 2,
    )  # fmt: skip
    assert found.violations == 0
    assert found.spacing is None or found.spacing >= 2


def test_distances_of_large_cells_are_those_of_their_nearest_units() -> None:
    boxes = np.array([[0, 0, 4], [4, 0, 2], [6, 0, 2], [4, 2, 2], [6, 2, 1], [7, 2, 1]])
    for one in range(6):
        for other in range(one + 1, 6):
            parts = [
                [(x + i, y + j) for i in range(s) for j in range(s)]
                for x, y, s in boxes[[one, other]].tolist()
            ]
            expected = min(max(abs(a - c), abs(b - d)) for a, b in parts[0] for c, d in parts[1])
            owner = np.arange(6)
            owner[other] = one
            assert least_distance(owner, boxes) == expected
