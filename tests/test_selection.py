"""The least of many numbers, against a sort of all of them."""

import numpy as np
import pytest

from smalti.core import selection


@pytest.mark.parametrize("seed", range(30))
def test_the_least_of_all_that_came(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, slots, depth = (
        int(rng.integers(1, 9)),
        int(rng.integers(1, 700)),
        int(rng.integers(1, 60)),
    )
    numbers = rng.integers(-40, 40 if seed % 3 else 10**6, (rows, slots)).astype(np.float32)
    weight = rng.uniform(0, 2, rows).astype(np.float32)
    worth = rng.uniform(0, 9, slots).astype(np.float32)
    limit = np.full(rows, np.inf, np.float32)
    limit[rows // 2 :] = 15
    least = selection.none_yet(depth, limit, np.zeros(rows, np.float32))
    numbered = np.arange(rows)
    for start in range(0, slots, 130):
        part = np.arange(start, min(start + 130, slots))
        which = rng.permutation(rows)  # in any order, and all at once
        block = np.ascontiguousarray(numbers[which][:, part])
        selection.enter(least, block, which, numbered, weight, worth[part], part)
    selection.keep(least)
    for r in range(rows):
        reduced = weight[r] * numbers[r] - worth
        below = np.sort(reduced[reduced < limit[r]])[:depth]
        kept = slice(0, least.length[r])
        assert len(set(least.slot[r, kept].tolist())) == least.length[r] == len(below)
        np.testing.assert_allclose(np.sort(least.value[r, kept]), below, rtol=1e-5, atol=1e-4)
        np.testing.assert_allclose(reduced[least.slot[r, kept]], least.value[r, kept], 1e-5, 1e-4)
        if len(below) == depth and (reduced < limit[r]).sum() > depth:
            assert least.limit[r] == pytest.approx(below[-1], rel=1e-5, abs=1e-4)
        else:
            assert least.limit[r] <= limit[r]

    take = min(depth, 5)
    slot, length = np.zeros((rows, 2 * depth + 1), np.int32), np.zeros(rows, np.int32)
    edge = np.empty(rows, np.float32)
    selection.thinned(least, take, slot, length, edge)
    for r in range(rows):
        count = int(least.length[r])
        first = np.sort(least.value[r, :count])[:take]
        listed = (weight[r] * numbers[r] - worth)[slot[r, : length[r]]]
        np.testing.assert_allclose(np.sort(listed)[: len(first)], first, rtol=1e-5, atol=1e-4)
        rest = max(0, count - take)
        assert length[r] - min(take, count) in (rest // 2, rest - rest // 2)
        whole = len(first) == take
        assert edge[r] == pytest.approx(first[-1], rel=1e-5) if whole else edge[r] == least.limit[r]


def test_equals_are_told_apart_by_the_noise() -> None:
    rows, slots = 40, 1000
    least = selection.none_yet(8, np.full(rows, np.inf, np.float32), np.full(rows, 0.1, np.float32))
    selection.enter(
        least, np.ones((rows, slots), np.float32), np.arange(rows), np.arange(rows),
        np.ones(rows, np.float32), np.zeros(slots, np.float32), np.arange(slots),
    )  # fmt: skip
    selection.keep(least)
    assert len(np.unique(least.slot[:, :8])) > 100
    assert (np.abs(least.value[:, :8] - 1) <= 0.1).all()
