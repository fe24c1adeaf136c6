"""The assignment against oracles: every permutation, and scipy on the plain matrix."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from smalti.core.assign import assign, pair_costs
from smalti.core.errors import BadInput, Cancelled
from smalti.core.progress import Step
from smalti.request import METRICS

Rows = NDArray[np.float32]


def oracle(cells: Rows, photos: Rows, metric: str) -> NDArray[np.float64]:
    """Scipy's distances of every cell to every variant of every photo, (n, m, v)."""
    flat, other = cells.astype(float), photos.reshape(-1, photos.shape[2]).astype(float)
    if metric == "l1":
        found = cdist(flat, other, "cityblock")
    elif metric == "cosine":
        found = cdist(flat, other, "cosine")
    elif metric == "euclidean":
        found = cdist(flat, other, "euclidean")
    else:
        found = cdist(flat, other, "sqeuclidean")
    return found.reshape(len(cells), *photos.shape[:2])


def instance(seed: int, n: int, m: int, v: int = 1, k: int = 5) -> tuple[Rows, Rows]:
    rng = np.random.default_rng(seed)
    return (
        rng.uniform(0, 100, (n, k)).astype(np.float32),
        rng.uniform(0, 100, (m, v, k)).astype(np.float32),
    )


@pytest.mark.parametrize("metric", METRICS)
def test_pair_costs_are_scipys_distances(metric: str) -> None:
    cells, photos = instance(1, 20, 30, 3)
    expected = oracle(cells, photos, metric).min(2)
    assert np.allclose(pair_costs(cells, photos, metric), expected, rtol=1e-3, atol=1e-2)


@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(0, 3), st.sampled_from(METRICS))
def test_no_permutation_is_cheaper(seed: int, n: int, spare: int, metric: str) -> None:
    cells, photos = instance(seed, n, n + spare, 2)
    costs = oracle(cells, photos, metric).min(2)
    best = min(sum(costs[range(n), p]) for p in permutations(range(n + spare), n))
    found = assign(cells, photos, metric=metric)
    assert len(set(found.photo)) == n
    assert found.total_cost == pytest.approx(best, rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("capacity", [1, 2, 3, 50])
def test_capacity_is_kept_and_the_total_is_scipys(capacity: int) -> None:
    cells, photos = instance(2, 30, 30)
    costs = np.repeat(oracle(cells, photos, "sqeuclidean")[..., 0], min(capacity, 30), axis=1)
    row, column = linear_sum_assignment(costs)
    found = assign(cells, photos, capacity=capacity)
    assert np.bincount(found.photo).max() <= capacity
    assert found.total_cost == pytest.approx(costs[row, column].sum(), rel=1e-4)
    assert found.lower_bound <= found.total_cost
    assert found.certified is None


def test_near_duplicates_share_one_limit() -> None:
    cells, photos = instance(3, 12, 40, 2)
    group = np.arange(40) // 3
    found = assign(cells, photos, group=group)
    assert len(set(group[found.photo])) == 12
    costs = oracle(cells, photos, "sqeuclidean").min(2)
    grouped = np.stack([costs[:, group == g].min(1) for g in range(14)], 1)
    row, column = linear_sum_assignment(grouped)
    assert found.total_cost == pytest.approx(grouped[row, column].sum(), rel=1e-4)


def test_a_photo_counts_once_whichever_variant_is_used() -> None:
    cells = np.array([[0.0], [10]], np.float32)
    photos = np.array([[[0.0], [10]], [[5], [50]]], np.float32)
    found = assign(cells, photos)
    assert sorted(found.photo) == [0, 1]
    assert found.total_cost == 25


def test_variant_and_cost_are_those_of_the_pair() -> None:
    cells, photos = instance(4, 25, 60, 4)
    found = assign(cells, photos)
    pairs = photos[found.photo, found.variant]
    assert np.allclose(((cells - pairs) ** 2).sum(1), found.cost, rtol=1e-4)


def test_free_repeats_take_the_nearest() -> None:
    cells, photos = instance(5, 50, 7, 2)
    found = assign(cells, photos, capacity=None)
    assert np.array_equal(found.photo, pair_costs(cells, photos, "sqeuclidean").argmin(1))
    assert found.certified is True
    assert found.gap == 0


@pytest.mark.parametrize("n", [1, 2, 17])
def test_as_many_photos_as_cells_and_all_alike(n: int) -> None:
    cells = np.zeros((n, 3), np.float32)
    found = assign(cells, np.zeros((n, 1, 3), np.float32))
    assert sorted(found.photo) == list(range(n))
    assert found.total_cost == 0
    assert found.gap == 0


def test_too_few_photos_are_counted_and_ways_out_named() -> None:
    cells, photos = instance(6, 10, 4)
    with pytest.raises(BadInput, match=r"need 2 more .*--max-uses 3.*--cells 8.*free"):
        assign(cells, photos, capacity=2)


def test_a_cancel_is_heard_while_solving() -> None:
    def cancel(step: Step) -> None:
        if "solving" in step.text:
            raise Cancelled

    cells, photos = instance(7, 60, 80)
    with pytest.raises(Cancelled):
        assign(cells, photos, progress=cancel)
