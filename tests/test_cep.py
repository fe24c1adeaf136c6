"""CEP against paper 003 word by word, and the histograms and k-means it clusters photos by."""

import numpy as np
import pytest
from assigning import check, problem, tabled
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from smalti.core.heuristics.cep import cep, colour_histograms, evolve, kmeans
from smalti.core.heuristics.costs import pose
from smalti.core.heuristics.search import begin, random_start


def cep_in_numpy(
    costs: NDArray[np.float64],
    capacity: int,
    group: NDArray[np.intp],
    label: NDArray[np.intp],
    draws: NDArray[np.float64],
) -> tuple[NDArray[np.intp], int]:
    """Algorithm 1 of paper 003, lines 12 to 30, word by word."""
    n = len(costs)
    evaluations = 0
    for wheel, prob, choice in draws:
        fitness = costs[np.arange(n), group]
        g = int(np.searchsorted(fitness.cumsum(), wheel * fitness.sum(), "right"))
        th = 0.75 if fitness[g] < fitness.mean() else 1 - 0.75
        own = label == label[group[g]]
        among = np.flatnonzero(own if prob < th or own.all() else ~own)
        if not prob < th:  # the kernel lists what is out cluster by cluster
            among = among[np.argsort(label[among], kind="stable")]
        k = among[int(choice * len(among))]
        if (group == k).sum() < capacity:
            evaluations += 1
            if costs[g, k] < fitness[g]:
                group[g] = k
    return group, evaluations


@pytest.mark.parametrize("clusters", [1, 3, 8])
def test_cep_is_algorithm_1(clusters: int) -> None:
    rng = np.random.default_rng(18)
    n, m, capacity = 13, 10, 2
    costs = rng.integers(1, 1000, (n, m)).astype(float)
    posed, draws = tabled(costs, capacity), rng.random((500, 3))
    label = rng.permutation(np.arange(m) % clusters)
    member = np.argsort(label, kind="stable")
    first = np.searchsorted(label[member], np.arange(clusters + 1))
    state = begin(posed, random_start(posed, rng))
    expected, evaluations = cep_in_numpy(costs, capacity, state.group.copy(), label, draws)
    arrays = (state.group, state.cost, state.used)
    made = evolve(posed.source, capacity, *arrays, label, member, first, 0.75, draws, 10**6)
    assert made == evaluations
    assert np.array_equal(state.group, expected)


def test_a_cell_is_drawn_in_proportion_to_its_cost() -> None:
    costs = np.array([[1.0, 1], [2, 2], [7, 7]])
    posed = tabled(np.concatenate([costs, np.zeros((3, 2))], 1), 3)
    drawn = []
    for wheel in (np.arange(10) + 0.5) / 10:
        state = begin(posed, np.array([0, 0, 0]))
        label, member = np.zeros(4, np.intp), np.array([3, 2, 1, 0])
        arrays = (state.group, state.cost, state.used)
        draw = np.array([[wheel, 0.0, 0.0]])
        evolve(posed.source, 3, *arrays, label, member, np.array([0, 4]), 0.75, draw, 1)
        drawn += np.flatnonzero(state.group).tolist()
    assert drawn == [0] + [1] * 2 + [2] * 7


def test_histograms_of_fifteen_bins() -> None:
    pictures = np.zeros((2, 1, 2, 3), np.uint8)
    pictures[1, 0] = [[0, 17, 18], [255, 239, 238]]
    rows = colour_histograms(pictures)
    assert rows.shape == (2, 45)
    assert np.allclose(rows.sum(1), 1)
    assert np.flatnonzero(rows[0]).tolist() == [0, 15, 30]
    # 256 values in 15 bins: 17 is the last of the first bin, 239 the first of the last.
    assert np.flatnonzero(rows[1]).tolist() == [0, 14, 15, 15 + 14, 30 + 1, 30 + 13]


def test_histograms_are_numpys() -> None:
    pictures = np.random.default_rng(19).integers(0, 256, (300, 5, 4, 3), dtype=np.uint8)
    rows = colour_histograms(pictures).reshape(300, 3, 15)
    for number in (0, 255, 256, 299):
        for channel in range(3):
            values = pictures[number, ..., channel]
            expected = np.histogram(values, bins=np.linspace(0, 256, 16))[0] / (3 * values.size)
            assert np.allclose(rows[number, channel], expected)


def test_kmeans_parts_what_lies_apart() -> None:
    rng = np.random.default_rng(20)
    centres = np.array([[0.0, 0], [10, 0], [0, 10]])
    rows = np.repeat(centres, 20, axis=0) + rng.normal(0, 0.1, (60, 2))
    tries = [kmeans(rows, 3, np.random.default_rng(seed)) for seed in range(8)]
    best = min(tries, key=lambda label: inertia(rows, label))
    assert [len(set(best[i : i + 20])) for i in (0, 20, 40)] == [1, 1, 1]
    assert len(set(best)) == 3


def inertia(rows: NDArray[np.float64], label: NDArray[np.intp]) -> float:
    return sum(float(((part - part.mean(0)) ** 2).sum()) for part in
               (rows[label == c] for c in set(label.tolist())))  # fmt: skip


def test_kmeans_ends_where_each_row_has_the_nearest_centre() -> None:
    rows = np.random.default_rng(21).random((200, 5))
    label = kmeans(rows, 7, np.random.default_rng(0))
    centres = np.stack([rows[label == c].mean(0) for c in range(7)])
    assert np.array_equal(cdist(rows, centres).argmin(1), label)


def test_kmeans_of_few_different_rows() -> None:
    assert kmeans(np.zeros((5, 2)), 90, np.random.default_rng(0)).tolist() == [0] * 5


def test_cep_clusters_pictures_where_there_are_any() -> None:
    rng = np.random.default_rng(22)
    cells = rng.integers(0, 256, (10, 5)).astype(np.float32)
    photos = rng.integers(0, 256, (24, 1, 5)).astype(np.float32)
    pictures = rng.integers(0, 256, (24, 8, 8, 3), dtype=np.uint8)
    posed = pose(cells, photos, group=np.arange(24) // 2, pictures=pictures)
    check(posed, cep(posed, rng, evaluations=500, clusters=4))


def test_a_longer_search_goes_on_from_where_a_shorter_one_ends() -> None:
    posed = problem(24, 50, 80)
    short, long = (cep(posed, np.random.default_rng(1), evaluations=e) for e in (20_000, 60_000))
    assert long.assignment.total_cost <= short.assignment.total_cost
