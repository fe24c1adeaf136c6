"""Stratified samples against what chance would give."""

import numpy as np
import pytest
from numpy.typing import NDArray

from smalti.core import kdtree
from smalti.core.metric import Rows
from smalti.core.sampling import spread


def sampled(rows: Rows, rng: np.random.Generator) -> NDArray[np.float64]:
    return spread(kdtree.order(kdtree.points(kdtree.frame(rows), rows)), rng)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("share", [0.04, 1 / 3, 0.8])
def test_every_region_gives_its_share(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    rows = (rng.normal(size=(6000, 12)) * 0.5 ** np.arange(12)).astype(np.float32)
    taken = sampled(rows, rng) < share
    regions = (rows[:, :2] > 0) @ [1, 2]
    for region in range(4):
        inside = regions == region
        by_chance = np.sqrt(inside.sum() * share * (1 - share))  # deviation of a random sample
        assert abs(taken[inside].sum() - share * inside.sum()) < max(by_chance, 8)
    assert abs(taken.sum() - share * len(rows)) <= 4


@pytest.mark.parametrize(("n", "k"), [(0, 3), (1, 1), (2, 27), (50, 3072)])
def test_few_rows_wide_rows_and_rows_alike(n: int, k: int) -> None:
    turn = sampled(np.zeros((n, k), np.uint8), np.random.default_rng(0))
    assert turn.shape == (n,)
    assert len(set(turn)) == n  # no two at one time, though all are alike
    assert ((turn >= 0) & (turn < 1)).all()
