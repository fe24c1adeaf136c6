"""Heuristics against naive counterparts in plain numpy, scipy's optimum, and their own limits."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from smalti.core.errors import BadInput, Cancelled
from smalti.core.heuristics import costs as costs_module
from smalti.core.heuristics.block_matching import adjust_intensity, block_matching
from smalti.core.heuristics.cep import cep, colour_histograms, evolve, kmeans
from smalti.core.heuristics.costs import Problem, block, pair_cost, pose, tabulated
from smalti.core.heuristics.greedy import greedy
from smalti.core.heuristics.iterative_improvement import iterative_improvement, mutate
from smalti.core.heuristics.nearest import nearest
from smalti.core.heuristics.search import Found, begin, random_start
from smalti.core.heuristics.solvers import HEURISTICS, solve
from smalti.core.heuristics.swaps import exchange, swaps
from smalti.core.heuristics.two_swap import two_swap
from smalti.core.heuristics.watch import Watch
from smalti.core.progress import Step, silent
from smalti.request import METRICS, SOLVERS

ALL = sorted(HEURISTICS)
SEARCHES = {
    "swaps": swaps,
    "two-swap": two_swap,
    "iterative-improvement": iterative_improvement,
    "cep": cep,
}
METRIC_NAMES = {"l1": "cityblock"}


def problem(
    seed: int,
    n: int,
    m: int,
    *,
    v: int = 1,
    k: int = 6,
    capacity: int | None = 1,
    twins: int = 1,
    top: int = 256,
    metric: str = "sqeuclidean",
) -> Problem:
    """Random whole features, which every sum represents exactly; groups of so many twins."""
    rng = np.random.default_rng(seed)
    cells = rng.integers(0, top, (n, k)).astype(np.float32)
    photos = rng.integers(0, top, (m, v, k)).astype(np.float32)
    return pose(cells, photos, group=np.arange(m) // twins, capacity=capacity, metric=metric)


def matrix(posed: Problem) -> NDArray[np.float64]:
    """Scipy's costs of every cell and group."""
    photos = posed.source.photos
    flat = photos.reshape(-1, photos.shape[2]).astype(float)
    metric: Any = METRIC_NAMES.get(posed.metric, posed.metric)
    found = cdist(posed.source.cells.astype(float), flat, metric)
    each = found.reshape(posed.cells, *photos.shape[:2]).min(2)
    return np.stack([each[:, posed.group == g].min(1) for g in range(posed.groups)], 1)


def optimum(posed: Problem) -> float:
    wide = np.repeat(matrix(posed), posed.capacity, axis=1)
    return float(wide[linear_sum_assignment(wide)].sum())


def check(posed: Problem, found: Found) -> None:
    """Within capacity per group, each cost that of its pair, not below the optimum."""
    laid = found.assignment
    assert np.array_equal(posed.group[laid.photo], found.group)
    assert np.bincount(found.group).max() <= posed.capacity
    pairs = posed.source.photos[laid.photo, laid.variant].astype(float)
    assert posed.metric == "sqeuclidean"
    assert np.array_equal(((posed.source.cells - pairs) ** 2).sum(1), laid.cost)
    assert np.array_equal(matrix(posed)[np.arange(posed.cells), found.group], laid.cost)
    assert laid.total_cost >= optimum(posed)
    trace = found.trace
    assert trace.total[-1] == laid.total_cost
    assert len(trace.evaluations) == len(trace.seconds) == len(trace.total)
    assert (np.diff(trace.evaluations) >= 0).all()
    assert (np.diff(trace.total) <= 0).all()


SHAPES: dict[str, dict[str, Any]] = {
    "one cell, one photo": {"n": 1, "m": 1},
    "one cell": {"n": 1, "m": 5},
    "as many photos as cells": {"n": 12, "m": 12},
    "photos to spare": {"n": 12, "m": 30, "v": 3},
    "all of every photo used": {"n": 12, "m": 4, "capacity": 3},
    "more uses than cells": {"n": 5, "m": 3, "capacity": 99},
    "unlimited": {"n": 9, "m": 4, "capacity": None},
    "twins share": {"n": 10, "m": 30, "twins": 3},
    "twins share two": {"n": 10, "m": 18, "twins": 3, "capacity": 2, "v": 2},
    "ties": {"n": 12, "m": 15, "k": 1, "top": 3},
    "all alike": {"n": 8, "m": 10, "top": 1},
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ALL)
def test_every_answer_is_an_assignment(name: str, shape: str) -> None:
    posed = problem(3, **SHAPES[shape])
    check(posed, HEURISTICS[name](posed, np.random.default_rng(0), evaluations=3000))


@settings(max_examples=60)
@given(
    st.sampled_from(ALL),
    st.integers(0, 10**6),
    st.integers(1, 12),
    st.integers(0, 6),
    st.integers(1, 3),
    st.integers(0, 800),
)
def test_any_problem_within_any_limit(
    name: str, seed: int, n: int, spare: int, capacity: int, evaluations: int
) -> None:
    posed = problem(seed, n, -(-n // capacity) + spare, capacity=capacity, top=9)
    found = HEURISTICS[name](posed, np.random.default_rng(seed), evaluations=evaluations)
    check(posed, found)
    made = int(found.trace.evaluations[-1])
    if name in ("swaps", "two-swap"):  # from a greedy start, which is not part of the limit
        made -= int(greedy(posed, np.random.default_rng(0)).trace.evaluations[-1])
    assert made <= max(n, evaluations)


@pytest.mark.parametrize("name", ALL)
def test_the_same_seed_gives_the_same_answer(name: str) -> None:
    posed = problem(5, 40, 60, v=2)
    one, two = (
        HEURISTICS[name](posed, np.random.default_rng(8), evaluations=5000) for _ in range(2)
    )
    assert np.array_equal(one.assignment.photo, two.assignment.photo)
    assert np.array_equal(one.trace.total, two.trace.total)


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_is_never_worse_than_its_start(name: str) -> None:
    posed = problem(6, 30, 20, capacity=2)
    start = random_start(posed, np.random.default_rng(1))
    cost = matrix(posed)[np.arange(30), start].sum()
    for evaluations in (0, 29, 31, 40, 100, 4000):
        search = SEARCHES[name]
        rng = np.random.default_rng(2)
        found = search(posed, rng, start=start, evaluations=evaluations)
        check(posed, found)
        assert found.assignment.total_cost <= cost
        assert found.trace.evaluations[-1] <= max(30, evaluations)
        assert np.bincount(start).max() <= 2, "the start itself is left as it was"


@pytest.mark.parametrize("at", [1, 3, 6, 9, 12])
@pytest.mark.parametrize("name", ALL)
def test_interrupted_it_keeps_the_best(name: str, at: int) -> None:
    """While tabulating, in the greedy start, or in the search itself."""
    posed = problem(7, 200, 300)
    steps = 0

    def interrupt(step: Step) -> None:
        nonlocal steps
        steps += 1
        assert step.phase == "assign"
        if steps == at:
            raise KeyboardInterrupt

    found = HEURISTICS[name](posed, np.random.default_rng(0), progress=interrupt)
    check(posed, found)
    assert found.interrupted == (steps >= at)
    assert steps == at or name not in ("swaps", "cep", "iterative-improvement")


@pytest.mark.parametrize("name", ALL)
def test_a_cancel_passes_through(name: str) -> None:
    def cancel(step: Step) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        HEURISTICS[name](problem(8, 30, 40), np.random.default_rng(0), progress=cancel)


@pytest.mark.parametrize("name", ALL)
def test_a_limit_of_time_ends_it(name: str) -> None:
    posed = problem(9, 30, 40)
    check(posed, HEURISTICS[name](posed, np.random.default_rng(0), time_limit=0.05))


@pytest.mark.parametrize("kind", ["float", "bytes"])
@pytest.mark.parametrize("metric", METRICS)
def test_costs_are_scipys(metric: str, kind: str) -> None:
    rng = np.random.default_rng(10)
    dtype: Any = np.uint8 if kind == "bytes" else np.float32
    cells, photos = (rng.integers(0, 256, s).astype(dtype) for s in ((9, 48), (20, 3, 48)))
    group = rng.permutation(np.arange(20) // 2)
    posed = pose(cells, photos, group=group, metric=metric)
    expected = matrix(posed)
    every = block(posed, np.arange(9))
    assert np.allclose(every, expected, rtol=1e-5, atol=1e-5)
    if metric == "l1":
        assert np.array_equal(every, expected)
    table = tabulated(posed)
    assert np.array_equal(table.source.table, every)
    assert np.array_equal(block(table, np.arange(9)), every)
    assert pair_cost(posed.source, 3, 4) == pair_cost(table.source, 3, 4) == every[3, 4]
    found = nearest(posed, rng)
    assert np.allclose(found.assignment.cost, expected[np.arange(9), found.group])


def test_black_is_as_far_from_all_as_a_right_angle() -> None:
    posed = pose(np.zeros((1, 3), np.float32), np.ones((2, 1, 3), np.float32), metric="cosine")
    assert np.array_equal(block(posed, np.arange(1)), [[1, 1]])
    assert nearest(posed, np.random.default_rng(0)).assignment.cost == 1


def test_a_table_is_made_only_where_it_is_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    posed = problem(11, 10, 20)
    assert tabulated(posed, Watch(49, None, silent, "")) is posed
    assert tabulated(posed, Watch(50, None, silent, "")).source.table.shape == (10, 20)
    assert tabulated(posed, Watch(None, 0.0, silent, "")) is posed
    monkeypatch.setattr(costs_module, "_TABLE_BYTES", 799)
    assert tabulated(posed) is posed
    with_table = HEURISTICS["two-swap"](posed, np.random.default_rng(0))
    monkeypatch.undo()
    without = HEURISTICS["two-swap"](posed, np.random.default_rng(0))
    assert np.array_equal(with_table.group, without.group)


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
def test_greedy_is_a_sort_of_all_pairs(capacity: int, top: int, k: int) -> None:
    posed = problem(14, 150, 170, capacity=capacity, top=top, k=k)
    costs = matrix(posed)
    group, used = np.full(150, -1), np.zeros(170, int)
    for pair in np.argsort(costs.ravel(), kind="stable"):
        cell, wanted = divmod(int(pair), 170)
        if group[cell] < 0 and used[wanted] < capacity:
            group[cell] = wanted
            used[wanted] += 1
    assert np.array_equal(greedy(posed, np.random.default_rng(0)).group, group)


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


def tabled(costs: NDArray[np.float64], capacity: int = 1) -> Problem:
    """A problem of these very costs."""
    n, m = costs.shape
    posed = pose(np.zeros((n, 1), np.float32), np.zeros((m, 1, 1), np.float32), capacity=capacity)
    source = posed.source._replace(table=costs.astype(np.float32))
    return Problem(source, posed.group, posed.capacity, True, posed.metric)


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


def test_a_longer_search_goes_on_from_where_a_shorter_one_ends() -> None:
    posed = problem(24, 50, 80)
    short, long = (cep(posed, np.random.default_rng(1), evaluations=e) for e in (20_000, 60_000))
    assert long.assignment.total_cost <= short.assignment.total_cost


def test_random_starts_repeat_no_photo_before_all_are_used() -> None:
    for n, m, capacity in ((10, 30, 1), (10, 10, 3), (10, 4, 3)):
        start = random_start(problem(25, n, m, capacity=capacity), np.random.default_rng(0))
        counts = np.bincount(start, minlength=m)
        assert len(start) == n
        assert counts.max() == -(-n // m)


def test_bad_input_is_named() -> None:
    with pytest.raises(BadInput, match=r"need 2 more"):
        problem(26, 6, 2, capacity=2)
    with pytest.raises(BadInput, match="ciede"):
        problem(26, 2, 2, metric="ciede")
    with pytest.raises(BadInput, match=r"nearest.*cep"):
        solve("best", problem(26, 2, 2), np.random.default_rng(0))
    with pytest.raises(ValueError, match="spiral"):
        nearest(problem(26, 2, 2), np.random.default_rng(0), order="spiral")
    with pytest.raises(ValueError, match="2 times of 1"):
        swaps(problem(26, 2, 2), np.random.default_rng(0), start=np.array([1, 1]))


def test_what_the_request_promises_the_solvers_keep() -> None:
    assert SOLVERS == ("exact", *HEURISTICS)
    posed = problem(27, 20, 30)
    for name in HEURISTICS:
        found = solve(name, posed, np.random.default_rng(0))
        check(posed, found)
        assert found.assignment.solver == name


def test_solvers_without_an_end_have_a_usual_one() -> None:
    found = solve("cep", problem(28, 20, 30), np.random.default_rng(0))
    assert found.trace.evaluations[-1] == 200 * 20
