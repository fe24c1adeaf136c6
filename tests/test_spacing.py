"""Copies moved apart: limits kept, the spacing reached told as it is."""

import numpy as np
import pytest
from numpy.typing import NDArray

from smalti.core.assign import assign
from smalti.core.metric import pair_costs
from smalti.core.spacing import Spaced, least_distance, spread


def spaced(apart: int, photos: int, capacity: int, group_size: int = 1) -> tuple[Spaced, float]:
    rng = np.random.default_rng(1)
    place = np.stack(np.divmod(np.arange(100), 10), 1)
    cells = (place @ rng.uniform(0, 5, (2, 3)) + rng.normal(0, 1, (100, 3))).astype(np.float32)
    tiles = rng.uniform(0, 60, (photos, 1, 3)).astype(np.float32)
    group = np.arange(photos) // group_size
    limits = np.full(group[-1] + 1, capacity)
    best = assign(cells, tiles, group=group, capacity=capacity)
    found = spread(
        best.photo, pair_costs(cells, tiles, "sqeuclidean"), place, group, limits, apart,
        best.lower_bound, fixed=np.array([0]),
    )  # fmt: skip
    assert np.bincount(group[found.photo]).max() <= capacity
    assert found.photo[0] == best.photo[0]
    assert found.spacing == brute(group[found.photo], place)
    return found, best.total_cost


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


def test_nothing_asked_changes_nothing() -> None:
    found, best = spaced(1, 120, 10)
    assert found.violations == 0
    assert found.total_cost == pytest.approx(best, rel=1e-4)


def test_no_copies_have_no_distance() -> None:
    place = np.stack(np.divmod(np.arange(6), 3), 1)
    assert least_distance(np.arange(6), place) is None
    assert least_distance(np.array([0, 1, 2, 3, 0, 4]), place) == 1
