"""Problems of assignment, their optimum by scipy, and what any answer to them must be."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from smalti.core.heuristics.costs import Problem, pose
from smalti.core.heuristics.search import Found

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


def tabled(costs: NDArray[np.float64], capacity: int = 1) -> Problem:
    """A problem of these very costs."""
    n, m = costs.shape
    posed = pose(np.zeros((n, 1), np.float32), np.zeros((m, 1, 1), np.float32), capacity=capacity)
    source = posed.source._replace(table=costs.astype(np.float32))
    return Problem(source, posed.group, posed.capacity, True, posed.metric)
