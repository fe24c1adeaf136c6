"""The heap of a search against a plain sort."""

import numpy as np
import pytest

from smalti.core.heap import clear, drop_first, new_heap, rise


@pytest.mark.parametrize("seed", range(20))
def test_the_nearest_comes_first(seed: int) -> None:
    rng = np.random.default_rng(seed)
    columns = int(rng.integers(1, 60))
    heap, size = new_heap(columns), 0
    waiting: dict[int, int] = {}
    for _ in range(400):
        if waiting and rng.random() < 0.4:
            least = min(waiting.values())
            first = int(heap.column[0])
            assert heap.key[0] == least == waiting.pop(first)
            size = drop_first(heap, size)
            assert heap.place[first] == -1
        else:
            j = int(rng.integers(columns))
            distance = int(rng.integers(0, waiting[j] + 1 if j in waiting else 30))
            size = rise(heap, j, distance, size)
            waiting[j] = distance
        assert size == len(waiting)
        assert {j for j in range(columns) if heap.place[j] >= 0} == set(waiting)
        assert (heap.column[heap.place[list(waiting)]] == list(waiting)).all()
    clear(heap, size)
    assert (heap.place == -1).all()
