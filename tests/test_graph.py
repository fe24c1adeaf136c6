"""A sparse graph against a dense table of the same arcs."""

import numpy as np
import pytest
from numpy.typing import NDArray

from smalti.core import graph

ABSENT = 10**9


def table(arcs: graph.Arcs, columns: int) -> NDArray[np.int64]:
    """Cost of every pair, ABSENT where there is no arc."""
    costs = np.full((len(arcs.length), columns), ABSENT)
    for i in range(len(costs)):
        own = slice(arcs.begin[i], arcs.begin[i] + arcs.length[i])
        assert len(set(arcs.column[own].tolist())) == arcs.length[i]
        costs[i, arcs.column[own]] = arcs.cost[own]
    return costs


def listed(rng: np.random.Generator, rows: NDArray[np.int64], columns: int) -> graph.Listed:
    """Any arcs of some rows, with none twice."""
    width = int(rng.integers(1, columns + 1))
    column = np.stack([rng.permutation(columns)[:width] for _ in rows]).astype(np.int32)
    length = rng.integers(0, width + 1, len(rows)).astype(np.int32)
    return graph.Listed(
        rows, column, rng.integers(0, 1000, column.shape), length, np.zeros(len(rows), np.int64)
    )


@pytest.mark.parametrize("seed", range(20))
def test_arcs_join_once_and_the_cheapest_counts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, columns = int(rng.integers(1, 8)), int(rng.integers(1, 60))
    costs = np.full((rows, columns), ABSENT)
    first = listed(rng, np.arange(rows), columns)
    arcs = graph.begun(first)
    more = [np.sort(rng.integers(0, rows, rng.integers(1, 9))) for _ in range(4)]
    for k, new in enumerate([first, *(listed(rng, some, columns) for some in more)]):
        if k:
            arcs = graph.join(arcs, new)
        for r, i in enumerate(new.row):
            for a in range(new.length[r]):
                j = new.column[r, a]
                costs[i, j] = min(costs[i, j], new.cost[r, a])
        assert (table(arcs, columns) == costs).all()

    for _ in range(3):  # from any order, and from nearly the right one
        v = -rng.integers(0, 300, columns)
        graph.arrange(arcs, v)
        assert (table(arcs, columns) == costs).all()
        for i in range(rows):
            own = slice(arcs.begin[i], arcs.begin[i] + arcs.length[i])
            assert (arcs.key[own] == arcs.cost[own] - v[arcs.column[own]]).all()
            assert (np.diff(arcs.key[own]) >= 0).all()
        v[0] -= 50

    begin, tails, paid = graph.by_column(arcs, columns)
    back = np.full((rows, columns), ABSENT)
    back[tails, np.repeat(np.arange(columns), np.diff(begin))] = paid
    assert (back == costs).all()
