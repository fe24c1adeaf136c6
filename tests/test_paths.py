"""Shortest augmenting paths on small sparse graphs against scipy's dense answer."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from smalti.core import auction, paths


@pytest.mark.parametrize("seed", range(60))
def test_the_optimum_of_a_sparse_graph(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, columns = int(rng.integers(1, 15)), int(rng.integers(8, 20))
    supply = rng.integers(1, 4, rows).astype(np.int32)
    high = rng.integers(0, 6, columns).astype(np.int32)
    high[0] += supply.sum()
    cost = rng.integers(0, 50 if seed % 2 else 10**6, (rows, columns))
    present = rng.random((rows, columns)) < 0.4
    present[:, 0] = True  # so that there is a flow
    length = present.sum(1).astype(np.int32)
    begin = np.concatenate([[0], np.cumsum(length)])
    key, column = np.zeros(begin[-1], np.int64), np.nonzero(present)[1].astype(np.int32)
    arcs = paths.Arcs(begin, length, column, cost[present], key)
    low = (rng.random(columns) < 0.2).astype(np.int32) * (present.sum(0) > 2) * (high > 0)
    low = (low * (np.cumsum(low) < rows // 3)).astype(np.int32)

    v = -rng.integers(0, 10**5, columns)  # any duals will do to start from
    flow = paths.empty_flow(v, supply, low, high)
    search = paths.new_search(rows, columns)
    units = np.arange(supply.sum(), dtype=np.int32)
    hungry, poor = np.zeros(rows, np.int32), np.zeros(columns, np.int32)
    edge = np.full(rows, 10**9)
    paths.arrange(arcs, flow.v)
    auction.bid(arcs, flow, units, 10, 50, edge)
    auction.offer(paths.by_column(arcs, columns), flow, 10, 50)
    units = paths.release(arcs, flow, np.arange(rows, dtype=np.int32))
    paths.arrange(arcs, flow.v)
    left = auction.bid(arcs, flow, units, 0, 50, edge)
    assert paths.augment(arcs, flow, search, units[:left], 0, 10**9, edge, hungry) == left
    wanting = paths.wanting(flow)
    into = paths.by_column(arcs, columns)
    assert paths.pull(into, flow, search, wanting, 0, 10**9, poor) == len(wanting)
    assert not hungry.any()
    assert not poor.any()

    full = np.where(present, cost, 10**9)
    copies = [full[:, j] - 10**8 * (k < low[j]) for j in range(columns) for k in range(high[j])]
    matrix = np.repeat(np.stack(copies, 1), supply, axis=0)
    best = matrix[linear_sum_assignment(matrix)].sum() + 10**8 * low.sum()
    row = np.repeat(np.arange(rows), supply)
    assert present[row, flow.match].all()
    assert cost[row, flow.match].sum() == best == flow.paid.sum() == paths.dual_value(flow)
    used = np.bincount(flow.match, minlength=columns)
    assert ((used >= low) & (used <= high)).all()
    reduced = cost - flow.u[:, None] - flow.v
    assert (reduced[present] >= 0).all()
