"""Swaps, 2-swap optimum and iterative improvement: against plain numpy, and by hand."""

import numpy as np
import pytest
from assigning import check, matrix, problem, tabled
from numpy.typing import NDArray

from smalti.core.heuristics.iterative_improvement import mutate
from smalti.core.heuristics.search import begin, random_start
from smalti.core.heuristics.swaps import exchange
from smalti.core.heuristics.two_swap import two_swap


@pytest.mark.parametrize("capacity", [1, 2, 4])
@pytest.mark.parametrize("m", [40, 60])
def test_after_two_swap_no_exchange_gains(m: int, capacity: int) -> None:
    posed = problem(15, 40 * capacity, m, capacity=capacity)
    costs = matrix(posed)
    found = two_swap(posed, np.random.default_rng(0))
    check(posed, found)
    group, cost = found.group, found.assignment.cost
    swapped = costs[:, group]  # of cell i what lies on cell j
    assert (swapped + swapped.T >= cost[:, None] + cost - 1e-6).all()
    free = np.bincount(group, minlength=m) < capacity
    assert (costs[:, free] >= cost[:, None]).all()
    start = begin(posed, random_start(posed, np.random.default_rng(0)))
    assert cost.sum() < start.cost.sum()


def test_swaps_by_hand() -> None:
    """A swap that gains; a rotation where no swap does; a photo better than the one laid."""
    swap = np.array([[9.0, 1], [1, 9]])
    assert laid_by_exchange(swap, [0, 1], [[0.0, 0.9]]) == [1, 0]
    rotation = np.array([[5.0, 1, 9], [9, 5, 1], [1, 9, 5]])
    assert laid_by_exchange(rotation, [0, 1, 2], [[0.0, 0.4, 0.9]]) == [1, 2, 0]
    assert laid_by_exchange(rotation, [0, 1, 2], [[0.0, 0.9, 0.4]]) == [1, 2, 0]
    unused = np.array([[5.0, 1, 9]])
    assert laid_by_exchange(unused, [0], [[0.0, 0.6]]) == [1]
    chain = np.array([[5.0, 1, 9], [9, 5, 1]])  # 0 takes the photo of 1, which takes an unused one
    assert laid_by_exchange(chain, [0, 1], [[0.0, 0.3, 0.9]]) == [1, 2]
    assert laid_by_exchange(chain, [0, 1], [[0.0, 0.9, 0.3]]) == [1, 2]


def laid_by_exchange(
    costs: NDArray[np.float64], start: list[int], draws: list[list[float]]
) -> list[int]:
    posed = tabled(costs)
    state = begin(posed, np.array(start))
    arrays = (state.group, state.cost, state.used)
    exchange(posed.source, 1, *arrays, np.array(draws), 100)
    assert np.array_equal(state.cost, costs[np.arange(len(start)), state.group])
    assert np.array_equal(state.used, np.bincount(state.group, minlength=costs.shape[1]))
    return list(state.group)


def swaps_in_numpy(
    costs: NDArray[np.float64],
    capacity: int,
    group: NDArray[np.intp],
    draws: NDArray[np.float64],
) -> NDArray[np.intp]:
    """The same swaps and rotations, the total computed anew for every one."""
    n, m = costs.shape
    places = n if n == m * capacity else n + m

    def total(whole: NDArray[np.intp]) -> float:
        return float(costs[np.arange(n), whole[:n]].sum())

    for a, b, *thirds in np.floor(draws * [n, *[places] * (draws.shape[1] - 1)]).astype(int):
        whole = np.concatenate([group, np.arange(m)])
        room = np.concatenate([np.full(n, True), np.bincount(group, minlength=m) < capacity])
        if not room[b] or whole[a] == whole[b]:
            continue
        tried = whole.copy()
        tried[[a, b]] = whole[[b, a]]
        if total(tried) < total(whole) - 1e-6:
            group = tried[:n]
            continue
        for c in thirds:
            if not room[c] or c in (a, b) or (b >= n and c >= n) or whole[c] in whole[[a, b]]:
                continue
            options = []
            for order in ([b, c, a], [c, a, b]):
                tried = whole.copy()
                tried[[a, b, c]] = whole[order]
                options.append(tried)
            best = min(options, key=total)
            if total(best) < total(whole) - 1e-6:
                group = best[:n]
                break
    return group


@pytest.mark.parametrize(("m", "capacity"), [(12, 1), (20, 1), (7, 2), (6, 2)])
def test_swaps_are_those_of_plain_numpy(m: int, capacity: int) -> None:
    rng = np.random.default_rng(16)
    costs = rng.integers(0, 1000, (12, m)).astype(float)
    posed = tabled(costs, capacity)
    draws = rng.random((300, 5))
    state = begin(posed, random_start(posed, rng))
    expected = swaps_in_numpy(costs, capacity, state.group.copy(), draws)
    exchange(posed.source, capacity, state.group, state.cost, state.used, draws, 10**6)
    assert np.array_equal(state.group, expected)


def test_iterative_improvement_is_that_of_plain_numpy() -> None:
    rng = np.random.default_rng(17)
    costs = rng.integers(0, 1000, (12, 9)).astype(float)
    posed, draws = tabled(costs, 2), rng.random((400, 2))
    state = begin(posed, random_start(posed, rng))
    group, evaluations = state.group.copy(), 0
    for cell, new in np.floor(draws * [12, 9]).astype(int):
        if (group == new).sum() < 2:
            evaluations += 1
            if costs[cell, new] < costs[cell, group[cell]]:
                group[cell] = new
    made = mutate(posed.source, 2, state.group, state.cost, state.used, draws, 10**6)
    assert made == evaluations
    assert np.array_equal(state.group, group)
    assert np.array_equal(state.used, np.bincount(group, minlength=9))
