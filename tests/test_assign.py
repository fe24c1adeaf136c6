"""The assignment against oracles: every permutation, and scipy on the plain matrix."""

import os
import subprocess
import sys
from dataclasses import replace
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from smalti.core.assign import Duals, assign, certify
from smalti.core.color import delta_e_2000
from smalti.core.constraints import METRICS
from smalti.core.errors import BadInput, Cancelled
from smalti.core.metric import pair_costs
from smalti.core.progress import Step
from smalti.request import METRICS as ASKED

Rows = NDArray[np.float32]


def oracle(cells: Rows, photos: Rows, metric: str) -> NDArray[np.float64]:
    """Scipy's distances of every cell to every variant of every photo, (n, m, v)."""
    flat, other = cells.astype(float), photos.reshape(-1, photos.shape[2]).astype(float)
    if metric == "ciede2000":
        pairs = flat.reshape(len(flat), 1, -1, 3), other.reshape(1, len(other), -1, 3)
        found = np.asarray(delta_e_2000(*pairs)).mean(-1)
    else:
        named: Any = "cityblock" if metric == "l1" else metric
        found = cdist(flat, other, named)
    costs: NDArray[np.float64] = found.reshape(len(cells), *photos.shape[:2])
    return costs


def instance(seed: int, n: int, m: int, v: int = 1, k: int = 6) -> tuple[Rows, Rows]:
    rng = np.random.default_rng(seed)
    return (
        rng.uniform(0, 100, (n, k)).astype(np.float32),
        rng.uniform(0, 100, (m, v, k)).astype(np.float32),
    )


def optimum(
    costs: NDArray[np.float64], low: NDArray[np.intp], high: NDArray[np.intp]
) -> float | None:
    """The least total by scipy: columns copied, those that must appear made cheap."""
    big, forbidden = 1e7, 1e9
    costs = np.where(np.isfinite(costs), costs, forbidden)
    copies = [
        costs[:, g] - (big if use < low[g] else 0)
        for g in range(len(high))
        for use in range(min(len(costs), high[g]))
    ]
    if len(copies) < len(costs):
        return None
    matrix = np.stack(copies, 1)
    total = float(matrix[linear_sum_assignment(matrix)].sum() + big * low.sum())
    return total if total < big / 2 else None


def random_case(seed: int) -> tuple[Rows, Rows, dict[str, Any], float | None]:
    """An instance with any of the constraints, and its optimum (None if there is none)."""
    rng = np.random.default_rng(seed)
    n, m, v = (int(rng.integers(1, top)) for top in (40, 60, 4))
    k, ties, metric = 3 * int(rng.integers(1, 4)), rng.random() < 0.4, METRICS[seed % 5]
    low_value = 1 if metric == "cosine" else 0

    def rows(*shape: int) -> Rows:
        values = rng.integers(0, 3, shape) * 20 if ties else rng.uniform(0, 99, shape)
        return (values + low_value).astype(np.float32)

    cells, photos = rows(n, k), rows(m, v, k)
    asked: dict[str, Any] = {"metric": metric}
    weight = rng.choice([0, 0.5, 1, 3], n) if rng.random() < 0.5 else np.ones(n)
    group = rng.integers(0, max(1, m // 2), m) if rng.random() < 0.4 else np.arange(m)
    group = np.unique(group, return_inverse=True)[1]
    groups = int(group.max()) + 1
    high = rng.integers(0, 5, groups) if rng.random() < 0.5 else rng.integers(1, 4)
    high = np.broadcast_to(high, groups)
    low = ((rng.random(groups) < 0.15) & (high > 0)).astype(int) * int(rng.random() < 0.5)
    banned = rng.choice(m, int(rng.integers(0, 3)))
    pairs = np.stack([rng.integers(0, n, 5), rng.integers(0, m, 5)], 1)[: rng.integers(0, 6)]
    locks = [(int(rng.integers(n)), int(rng.integers(m)))] if rng.random() < 0.3 else []
    asked |= {"weight": weight, "group": group, "capacity": high, "minimum": low}
    asked |= {"banned": banned, "banned_pairs": pairs, "locks": locks}
    costs = oracle(cells, photos, metric).min(2) * weight[:, None]
    costs[:, banned] = np.inf
    costs[pairs[:, 0], pairs[:, 1]] = np.inf
    for i, j in locks:
        kept, costs[i] = costs[i, j], np.inf
        costs[i, j] = kept
    grouped = np.stack([costs[:, group == g].min(1) for g in range(groups)], 1)
    return cells, photos, asked, optimum(grouped, low, high)


@pytest.mark.parametrize("part", range(8))
def test_random_instances_under_any_constraints(part: int) -> None:
    for seed in range(50 * part, 50 * part + 50):
        cells, photos, asked, best = random_case(seed)
        if best is None:
            with pytest.raises(BadInput):
                assign(cells, photos, **asked)
            continue
        found = assign(cells, photos, **asked)
        assert found.total_cost == pytest.approx(best, rel=1e-6, abs=1e-6)
        assert found.certificate is not None
        assert found.certificate.holds
        # The salt is 2^-30 of the largest cost there could be: much, where all is nearly 0.
        assert found.total_cost - found.lower_bound <= 5e-4 * found.total_cost + 1e-6
        assert found.duals is not None
        assert certify(cells, photos, found.photo, found.duals, **asked).holds
        again = assign(cells, photos, duals=found.duals, seed=seed, **asked)
        assert np.array_equal(again.photo, found.photo)


@pytest.mark.parametrize("metric", ASKED)
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
    assert found.total_cost == pytest.approx(best, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(("n", "m", "capacity"), [(900, 950, 1), (1300, 1300, 1), (1300, 300, 5)])
def test_several_scales(n: int, m: int, capacity: int) -> None:
    cells, photos = instance(7, n, m, 2)
    cells[: n // 3] = cells[0]  # of many cells alike
    photos[: m // 4] = photos[: m // 4][::-1]
    photos[-5:] = photos[0]
    costs = np.repeat(oracle(cells, photos, "sqeuclidean").min(2), capacity, axis=1)
    best = costs[linear_sum_assignment(costs)].sum()
    found = [assign(cells, photos, capacity=capacity, seed=seed) for seed in (0, 1)]
    for one in found:
        assert np.bincount(one.photo).max() <= capacity
        assert one.total_cost == pytest.approx(best, rel=1e-7)
        assert one.certified is True
        assert one.gap < 1e-5
    assert np.array_equal(found[0].photo, found[1].photo)


def test_the_certificate_fails_when_spoiled() -> None:
    cells, photos = instance(8, 60, 80, 2)
    asked: dict[str, Any] = {"capacity": 1, "banned": [3], "locks": [(5, 7)]}
    found = assign(cells, photos, **asked)
    assert found.duals is not None
    good = certify(cells, photos, found.photo, found.duals, **asked)
    assert good.holds
    assert good.audited_pairs >= 60 * 78

    def spoiled(photo: NDArray[np.intp], duals: Duals) -> Any:
        return certify(cells, photos, photo, duals, **asked)

    swapped = found.photo.copy()
    swapped[[0, 1]] = swapped[[1, 0]]
    assert not spoiled(swapped, found.duals).slack
    twice = found.photo.copy()
    twice[0] = twice[1]
    assert not spoiled(twice, found.duals).feasible
    unlocked = found.photo.copy()
    unlocked[5] = np.setdiff1d(np.arange(80), found.photo)[0]
    assert not spoiled(unlocked, found.duals).feasible
    cell, group = found.duals.cell.copy(), found.duals.group.copy()
    cell[2] += 10**9
    assert spoiled(found.photo, found.duals._replace(cell=cell)).least_reduced_cost < 0
    # Equal totals prove nothing: what one cell gains here, another loses.
    cell = found.duals.cell.copy()
    cell[[2, 9]] += [10**9, -(10**9)]
    even = spoiled(found.photo, found.duals._replace(cell=cell))
    assert even.lower_bound == pytest.approx(good.lower_bound)
    assert not even.holds
    group[found.photo[2]] -= 10**9
    assert not spoiled(found.photo, found.duals._replace(group=group)).holds


def test_near_duplicates_share_one_limit() -> None:
    cells, photos = instance(3, 12, 40, 2)
    group = np.arange(40) // 3
    found = assign(cells, photos, group=group)
    assert len(set(group[found.photo])) == 12


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
    assert found.gap < 1e-5


@pytest.mark.parametrize("n", [1, 2, 17, 700])
def test_as_many_photos_as_cells_and_all_alike(n: int) -> None:
    cells = np.zeros((n, 3), np.float32)
    found = assign(cells, np.zeros((n, 1, 3), np.float32))
    assert sorted(found.photo) == list(range(n))
    assert found.total_cost == 0
    assert found.gap == 0


@pytest.mark.parametrize(("n", "m"), [(30, 50), (900, 920)])
def test_bytes_are_compared_as_they_are(n: int, m: int) -> None:
    rng = np.random.default_rng(9)
    cells, photos = (rng.integers(0, 256, s, dtype=np.uint8) for s in ((n, 48), (m, 2, 48)))
    found = assign(cells, photos, metric="l1")
    costs = oracle(cells.astype(np.float32), photos.astype(np.float32), "l1").min(2)
    assert found.total_cost == costs[linear_sum_assignment(costs)].sum()


def test_without_audit_the_answer_is_the_same_and_nothing_is_claimed() -> None:
    cells, photos = instance(10, 40, 50)
    plain, proven = (assign(cells, photos, audit=audit) for audit in (False, True))
    assert np.array_equal(plain.photo, proven.photo)
    assert plain.certified is None
    assert plain.certificate is None


def test_the_answer_does_not_depend_on_threads() -> None:
    code = (
        "import numpy as np; from smalti.core.assign import assign;"
        "r = np.random.default_rng(0); a = r.uniform(0, 100, (500, 27)).astype('f4');"
        "b = r.uniform(0, 100, (600, 1, 27)).astype('f4');"
        "print(*assign(a, b).photo)"
    )
    answers = set()
    for threads in ("1", "2", "8"):
        alone = {**os.environ, "OPENBLAS_NUM_THREADS": threads, "NUMBA_NUM_THREADS": "1"}
        run = subprocess.run(
            [sys.executable, "-c", code], env=alone, capture_output=True, text=True
        )
        answers.add(run.stdout)
    assert len(answers) == 1
    assert len(answers.pop().split()) == 500


def test_too_few_photos_are_counted_and_ways_out_named() -> None:
    cells, photos = instance(6, 10, 4)
    with pytest.raises(BadInput, match=r"need 2 more .*--max-uses 3.*--cells 8.*free"):
        assign(cells, photos, capacity=2)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"locks": [(1, 2), (1, 3)]}, "cell 1 is locked to several photos: 2, 3"),
        ({"locks": [(1, 2), (4, 2)]}, "photo 2 may be used 1 time and is locked to 2 cells"),
        ({"locks": [(1, 2)], "banned": [2]}, "photo 2 is banned, and locked to cell 1"),
        ({"locks": [(1, 2)], "banned_pairs": [(1, 2)]}, "photo 2 is banned from cell 1, and"),
        ({"minimum": 2, "capacity": 1}, "group 0 must appear 2 times, but may be used 1 times"),
        ({"minimum": 1, "banned": [4]}, "group 4 must appear 1 times, but all its photos are"),
        ({"minimum": 2, "capacity": 3}, "need 30 cells, 20 more than the 10"),
        ({"banned": [15]}, "banned photo is out of range: 0 to 14"),
        ({"locks": [(10, 0)]}, "lock is out of range: cells 0 to 9"),
        ({"capacity": [1] * 14}, "capacity must be a whole number, or 15 of them"),
        ({"capacity": [0] * 9 + [1] * 6}, "10 cells need 4 more uses of photos than the 6"),
        ({"banned_pairs": [(3, j) for j in range(15)]}, r"bans leave 1 cells \(numbers 3\)"),
        ({"banned_pairs": [(i, 2) for i in range(10)], "minimum": np.eye(15, dtype=int)[2]},
         "group 2 must appear 1 times, but bans leave it too few cells"),
        ({"weight": [1.0] * 9}, "weight must be 10 finite numbers"),
        ({"metric": "angle"}, "metric is 'angle': one of sqeuclidean"),
    ],
)  # fmt: skip
def test_constraints_that_cannot_be_kept_are_named(asked: dict[str, Any], message: str) -> None:
    cells, photos = instance(6, 10, 15)
    with pytest.raises(BadInput, match=message):
        assign(cells, photos, **asked)


def test_an_audit_that_fails_is_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    from smalti.core import generation

    solve = generation.generate

    def wrong(*problem: Any, **how: Any) -> Any:
        solved = solve(*problem, **how)
        solved.flow.u[0] -= 10**9
        return solved

    monkeypatch.setattr(generation, "generate", wrong)
    cells, photos = instance(6, 10, 15)
    with pytest.raises(AssertionError, match="failed its audit"):
        assign(cells, photos)


def test_raising_in_progress_cancels() -> None:
    cells, photos = instance(11, 800, 900)
    steps: list[Step] = []

    def stop(step: Step) -> None:
        steps.append(step)
        if len(steps) > 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        assign(cells, photos, progress=stop)
    assert {step.phase for step in steps} == {"assign"}


def test_only_the_last_pass_says_how_far_it_is() -> None:
    """Rounds are done again and again: that of one says nothing of when all is done."""
    cells, photos = instance(1, 1500, 1600)
    steps: list[Step] = []
    assign(cells, photos, progress=steps.append)
    begun = next(k for k, step in enumerate(steps) if step.made is not None)
    told = [(step.done, step.total) for step in steps[begun:] if step.total]
    assert told
    assert told == sorted(told)
    assert len({total for _, total in told}) == 1


def test_gap_is_that_of_the_bound() -> None:
    cells, photos = instance(6, 10, 15)
    found = assign(cells, photos)
    assert replace(found, lower_bound=found.total_cost / 2).gap == pytest.approx(1)
