"""Shortest augmenting paths on small sparse graphs against scipy's dense answer."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from smalti.core import auction, graph, paths


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
    arcs = graph.Arcs(begin, length, column, cost[present], key)
    low = (rng.random(columns) < 0.2).astype(np.int32) * (present.sum(0) > 2) * (high > 0)
    low = (low * (np.cumsum(low) < rows // 3)).astype(np.int32)

    v = -rng.integers(0, 10**5, columns)  # any duals will do to start from
    flow = paths.empty_flow(v, supply, low, high)
    search = paths.new_search(rows, columns)
    units = np.arange(supply.sum(), dtype=np.int32)
    hungry, poor = np.zeros(rows, np.int32), np.zeros(columns, np.int32)
    edge = np.full(rows, 10**9)
    graph.arrange(arcs, flow.v)
    auction.bid(arcs, flow, units, 10, 50, edge)
    auction.offer(graph.by_column(arcs, columns), flow, 10, 50)
    units = paths.release(arcs, flow, np.arange(rows, dtype=np.int32))
    graph.arrange(arcs, flow.v)
    left = auction.bid(arcs, flow, units, 0, 50, edge)
    assert paths.augment(arcs, flow, search, units[:left], 0, 10**9, edge, hungry) == left
    wanting = paths.wanting(flow)
    into = graph.by_column(arcs, columns)
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


@pytest.mark.parametrize("seed", range(30))
def test_level_opens_a_path_for_every_free_unit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, columns = int(rng.integers(2, 15)), int(rng.integers(20, 30))
    arcs = graph.begun(
        graph.Listed(
            np.arange(rows), np.tile(np.arange(columns, dtype=np.int32), (rows, 1)),
            rng.integers(0, 50, (rows, columns)), np.full(rows, columns, np.int32),
            np.zeros(rows, np.int64),
        )
    )  # fmt: skip
    cost = arcs.cost.reshape(rows, -1)[:, :columns].copy()
    one, no = np.ones(columns, np.int32), np.zeros(columns, np.int32)
    flow = paths.empty_flow(no.astype(np.int64), np.ones(rows, np.int32), no, one)
    units = np.arange(rows, dtype=np.int32)
    graph.arrange(arcs, flow.v)
    left = auction.bid(arcs, flow, units, 0, rows // 2, np.full(rows, 10**9))
    laid = flow.match.copy()
    search = paths.new_search(rows, columns)
    auction.level(arcs, graph.by_column(arcs, columns), flow, search, units[:left])

    reduced = cost - flow.u[:, None] - flow.v
    assert (reduced >= 0).all()
    assert (flow.match == laid).all()
    assert (reduced[laid >= 0, laid[laid >= 0]] == 0).all()
    holder = {int(j): i for i, j in enumerate(laid) if j >= 0}
    assert all(flow.v[j] == 0 for j in range(columns) if j not in holder)
    for i in np.flatnonzero(laid < 0):
        reached, waiting = {int(i)}, [int(i)]
        ends = set()
        while waiting:
            for j in np.flatnonzero(reduced[waiting.pop()] == 0).tolist():
                if j not in holder:
                    ends.add(j)
                elif holder[j] not in reached:
                    reached.add(holder[j])
                    waiting.append(holder[j])
        assert ends
    assert (search.distance == graph.INFINITE).all()
    assert (search.row_distance == graph.INFINITE).all()
    assert (search.heap.place == -1).all()
