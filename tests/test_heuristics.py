"""Every heuristic, called alike: an assignment within its limits, of costs that are scipy's."""

from typing import Any

import numpy as np
import pytest
from assigning import check, matrix, problem
from hypothesis import given, settings
from hypothesis import strategies as st

from smalti.core.errors import BadInput, Cancelled
from smalti.core.heuristics import costs as costs_module
from smalti.core.heuristics.cep import cep
from smalti.core.heuristics.costs import block, pair_cost, pose, tabulated
from smalti.core.heuristics.greedy import greedy
from smalti.core.heuristics.iterative_improvement import iterative_improvement
from smalti.core.heuristics.nearest import nearest
from smalti.core.heuristics.search import random_start
from smalti.core.heuristics.solvers import HEURISTICS, solve
from smalti.core.heuristics.swaps import swaps
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
@pytest.mark.parametrize("metric", [metric for metric in METRICS if metric != "ciede2000"])
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
