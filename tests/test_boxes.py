"""Boxes of photos against all pairs."""

import numpy as np
import pytest
from numpy.typing import NDArray

from smalti.core import boxes, kdtree
from smalti.core.bounds import Bounds, prepare, row_offset
from smalti.core.metric import KINDS, Pairs, Rows


def quiet(done: int, total: int) -> None:
    pass


def posed(
    cells: Rows, photos: Rows, weight: NDArray[np.float64], metric: str
) -> tuple[Pairs, Bounds, boxes.Places]:
    pairs = Pairs(
        KINDS[metric], cells, photos, np.arange(len(cells)), np.arange(len(photos)), weight, 1.0,
        np.zeros((0, 0), np.float32),
    )  # fmt: skip
    none = np.zeros(len(cells) + 1, np.int64), np.zeros(0, np.int64)
    pairs, bounds = prepare(pairs, none, quiet)
    frame = kdtree.frame(photos[:, 0])
    turn = np.argsort(kdtree.order(kdtree.points(frame, cells)))
    slot = kdtree.order(kdtree.points(frame, photos[:, 0]))
    return pairs, bounds, boxes.places(pairs, bounds, frame, turn, slot)


@pytest.mark.parametrize("metric", ["sqeuclidean", "euclidean", "l1", "cosine"])
@pytest.mark.parametrize(("n", "m", "variants"), [(1, 1, 1), (40, 700, 1), (600, 3000, 2)])
@pytest.mark.parametrize("shift", [0, 1000])
def test_no_pair_within_reach_is_passed_over(
    metric: str, n: int, m: int, variants: int, shift: int
) -> None:
    rng = np.random.default_rng(n)
    rows = (rng.normal(size=(n + variants * m, 27)) * 40 * 0.8 ** np.arange(27) + shift).astype(
        "f4"
    )
    cells, photos = rows[:n], rows[n:].reshape(m, variants, 27)
    cells[: n // 4] = photos[: n // 4, -1]  # at a distance of 0, at the border of what a box is
    weight = rng.uniform(0, 2, n) * (rng.random(n) < 0.9)
    pairs, bounds, places = posed(cells, photos, weight, metric)
    of = {"sqeuclidean": lambda d: (d**2).sum(-1), "euclidean": lambda d: np.sqrt((d**2).sum(-1)),
          "l1": lambda d: np.abs(d).sum(-1)}  # fmt: skip
    for slots in (m, m // 3 + 1):
        inside = boxes.boxed(places, bounds, slots)
        assert np.array_equal(np.sort(inside.slot), np.arange(slots))
        chosen = np.sort(rng.permutation(n)[: n // 2 + 1])
        apart = np.empty((len(chosen), slots))
        for k, i in enumerate(chosen):
            difference = photos[:slots].astype(float) - cells[i]
            if metric == "cosine":
                a, b = cells[i].astype(float), photos[:slots].astype(float)
                angle = (b @ a) / np.linalg.norm(b, axis=2) / np.linalg.norm(a)
                apart[k] = np.maximum(1 - angle, 0).min(1)
            else:
                apart[k] = of[metric](difference).min(1)
        apart *= weight[chosen, None]
        worth = -np.abs(rng.normal(size=slots)).astype(np.float32) * np.float32(apart.mean() / 8)
        reduced = apart[:, inside.slot] - worth
        reach = np.quantile(reduced, rng.random(len(chosen)) * 0.05, axis=1).diagonal().copy()
        if slots < m:  # the nearest alone, on the very border
            worth[:], reduced = 0, apart[:, inside.slot]
            reach = reduced.min(1) * (1 + 2.0**-21) + 1e-9  # the room that callers leave
        seen = np.zeros(reduced.shape, bool)
        offset = row_offset(bounds)
        for which, here, block in boxes.near(inside, pairs, chosen, reach, worth, quiet):
            assert not seen[which, here].any()
            seen[which, here] = True
            bound = (block + offset[chosen[which], None]) * weight[chosen[which], None]
            found = apart[:, inside.slot][which, here]
            assert (bound <= found * (1 + 1e-6) + 1e-5 * abs(found).max()).all()
        assert seen[reduced <= reach[:, None] * (1 - 1e-9)].all()


def test_boxes_spare_most_pairs() -> None:
    rng = np.random.default_rng(1)
    rows = (rng.normal(size=(9000, 27)) * 40 * 0.5 ** np.arange(27)).astype(np.float32)
    cells, photos = rows[:1000], rows[1000:, None]
    pairs, bounds, places = posed(cells, photos, np.ones(1000), "sqeuclidean")
    inside = boxes.boxed(places, bounds, 8000)
    reach, worth = np.full(1000, 25.0), np.zeros(8000, np.float32)
    looked = boxes.near(inside, pairs, np.arange(1000), reach, worth, quiet)
    assert sum(block.size for _, _, block in looked) < 0.1 * 1000 * 8000


@pytest.mark.parametrize("n", [0, 1, 7, 128, 129, 5000])
@pytest.mark.parametrize("alike", [False, True])
def test_the_order_of_a_tree_is_a_permutation_that_keeps_neighbours(n: int, alike: bool) -> None:
    rows = np.random.default_rng(n).normal(size=(n, 3)).astype(np.float32) * (not alike)
    order = kdtree.order(rows)
    assert np.array_equal(np.sort(order), np.arange(n))
    if n == 5000 and not alike:
        boxes_ = [rows[order[s : s + kdtree.BOX]] for s in range(0, n, kdtree.BOX)]
        assert np.mean([np.ptp(box, axis=0) for box in boxes_]) < 0.5 * np.ptp(rows)
