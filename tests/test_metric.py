"""Lower bounds never exceed the distance, and are close to it; distances are scipy's."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from smalti.core.bounds import Bounds, lower_bounds, narrowed, prepare, refine, row_offset
from smalti.core.color import delta_e_2000
from smalti.core.metric import (
    CIEDE2000,
    KINDS,
    Pairs,
    distance,
    largest_distance,
)

NO_BANS = (np.zeros(41, np.int64), np.zeros(0, np.int64))


def prepared(
    metric: str, cells: NDArray[np.float32], photos: NDArray[np.float32]
) -> tuple[Pairs, Bounds]:
    n, m = len(cells), len(photos)
    pairs = Pairs(
        KINDS[metric],
        cells,
        photos,
        np.arange(n),
        np.arange(m),
        np.ones(n),
        1.0,
        np.zeros((0, 0), np.float32),
    )
    return prepare(pairs, NO_BANS, lambda *_: None)


def bounds_and_truth(
    metric: str, cells: NDArray[np.float32], photos: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    n, m = len(cells), len(photos)
    pairs, bounds = prepared(metric, cells, photos)
    out = np.empty((n, m), np.float32)
    for slots in (slice(0, m // 3), slice(m // 3, m)):
        part = np.empty((n, slots.stop - slots.start), np.float32)
        lower_bounds(bounds, slice(0, n), slots, part)
        out[:, slots] = part
    truth = np.array(
        [[min(distance(pairs.kind, a, b) for b in kinds) for kinds in photos] for a in cells]
    )
    return out.astype(np.float64) + row_offset(bounds)[:, None], truth


@pytest.mark.parametrize("metric", KINDS)
@pytest.mark.parametrize(("scale", "base"), [(1, 0), (100, 0), (1, 90), (1e-3, 50)])
def test_bounds_are_below_and_near(metric: str, scale: float, base: float) -> None:
    rng = np.random.default_rng(0)
    cells = (base + rng.uniform(0, scale, (40, 27))).astype(np.float32)
    photos = (base + rng.uniform(0, scale, (30, 2, 27))).astype(np.float32)
    photos[:5, 0] = cells[:5]  # at no distance
    low, truth = bounds_and_truth(metric, cells, photos)
    assert (low <= truth * (1 + 1e-13)).all()
    largest = largest_distance(KINDS[metric], cells, photos)
    assert truth.max() <= largest * (1 + 1e-12)
    assert (truth - low).max() <= 0.02 * largest
    assert (truth - low)[truth > 0.1 * largest].max(initial=0) <= 1e-4 * largest


@pytest.mark.parametrize("metric", ["sqeuclidean", "cosine"])
def test_wide_rows(metric: str) -> None:
    rng = np.random.default_rng(1)
    cells = rng.uniform(0, 255, (40, 3072)).astype(np.float32)
    photos = rng.uniform(0, 255, (6, 1, 3072)).astype(np.float32)
    low, truth = bounds_and_truth(metric, cells, photos)
    assert (low <= truth).all()
    assert (truth - low).max() <= 3e-3 * truth.max()


@pytest.mark.parametrize("metric", KINDS)
@pytest.mark.parametrize("steep", [True, False])
def test_narrow_bounds_are_below_and_refined_where_they_are_asked_for(
    metric: str, steep: bool
) -> None:
    rng = np.random.default_rng(5)
    width = 3 if metric == "ciede2000" else 108
    size = 60 / (1 + np.arange(width)) if steep else np.full(width, 9.0)
    mix = np.linalg.qr(rng.normal(size=(width, width)))[0]
    cells, photos = (
        (50 + (rng.normal(0, size, (k, width)) @ mix)).astype(np.float32) for k in (40, 90)
    )
    photos[:5] = cells[:5]  # at no distance
    photos = photos.reshape(45, 2, width)
    pairs, full = prepared(metric, cells, photos)
    narrow = narrowed(full)
    exact, low = np.empty((2, 40, 45), np.float32)
    everything = slice(0, 40), slice(0, 45)
    lower_bounds(full, *everything, exact)
    lower_bounds(narrow, *everything, low)
    if metric in ("l1", "ciede2000"):
        assert narrow is full
        return
    assert narrow.near.shape[1] < 20
    offset = row_offset(full)[:, None]
    truth = np.array(
        [[min(distance(pairs.kind, a, b) for b in kinds) for kinds in photos] for a in cells]
    )
    assert (low + offset <= truth * (1 + 1e-13)).all()
    limit = np.quantile(exact, 0.2, axis=1).astype(np.float64)
    if steep:  # most lies along few axes
        assert (low < limit[:, None]).mean() < 0.3
    asked = low < limit[:, None]
    before = low.copy()
    refine(full, slice(0, 40), limit, low)
    assert (low + offset <= truth * (1 + 1e-13)).all()
    assert np.array_equal(low[~asked], before[~asked])
    slack = 1e-5 * np.abs(exact).max()
    assert np.allclose(low[asked], exact[asked], rtol=0, atol=slack)
    near = exact < limit[:, None] - 2 * slack
    assert (low[near] < np.broadcast_to(limit[:, None], low.shape)[near]).all()
    assert (low[~near] >= np.broadcast_to(limit[:, None], low.shape)[~near] - 4 * slack).all()


@pytest.mark.parametrize("metric", ["sqeuclidean", "euclidean", "l1", "cosine"])
def test_distances_are_scipys(metric: str) -> None:
    rng = np.random.default_rng(2)
    a, b = rng.uniform(0, 100, (2, 20, 12)).astype(np.float32)
    found = [[distance(KINDS[metric], x, y) for y in b] for x in a]
    name = "cityblock" if metric == "l1" else metric
    # scipy's stubs list the names one by one; here it is a variable.
    expected = cdist(a.astype(float), b.astype(float), name)  # type: ignore[call-overload]
    assert np.allclose(found, expected, rtol=1e-10)


def test_ciede2000_is_skimages() -> None:
    rng = np.random.default_rng(3)
    low, high = (0, -100, -100), (100, 100, 100)
    a, b = rng.uniform(low, high, (2, 3000, 3)).astype(np.float32)
    a[:50, 1:] = 0  # greys, which have no hue
    b[25:75, 1:] = 0
    found = [distance(CIEDE2000, x, y) for x, y in zip(a, b, strict=True)]
    expected = np.asarray(delta_e_2000(a.astype(float), b.astype(float)))
    assert np.allclose(found, expected, rtol=1e-7, atol=1e-7)


def test_products_of_small_integers_are_exact() -> None:
    rng = np.random.default_rng(4)
    a, b = rng.integers(-128, 128, (2, 40, 1, 27)).astype(np.float32)
    assert 27 * 128**2 < 2**24
    exact = a[:, 0].astype(np.int64) @ b[:, 0].astype(np.int64).T
    assert np.array_equal(a[:, 0] @ b[:, 0].T, exact)
