"""Changes of a solved assignment: as good as solving it anew."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from smalti.core.assign import assign
from smalti.core.errors import BadInput
from smalti.core.reassign import Standing, stand

Array = NDArray[np.float32]


def instance(seed: int, n: int, m: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    cells, photos = rng.random((n, 12)) * 100, rng.random((m, 2, 12)) * 100
    return cells.astype(np.float32), photos.astype(np.float32)


def total(cells: Array, photos: Array, photo: NDArray[np.intp]) -> float:
    return float(((cells[:, None].astype(float) - photos[photo]) ** 2).sum(2).min(1).sum())


def standing_of(cells: Array, photos: Array, asked: dict[str, Any]) -> Standing:
    found = assign(cells, photos, **asked)
    assert found.duals is not None
    none = np.zeros((0, 2), np.intp)
    standing = stand(
        cells, photos, found.photo, found.duals, weight=None, banned=(), locks=none, **asked
    )
    assert (standing.photo() == found.photo).all()
    return standing


@pytest.mark.parametrize(
    ("n", "m", "capacity", "alike"), [(40, 60, 1, 1), (300, 320, 1, 1), (120, 60, 5, 2)]
)
def test_every_change_leaves_the_optimum(n: int, m: int, capacity: int, alike: int) -> None:
    cells, photos = instance(n, n, m)
    group = np.arange(m) // alike
    must = (np.arange(group.max() + 1) % 9 == 0).astype(int)
    asked: dict[str, Any] = {
        "group": group, "capacity": capacity, "minimum": must, "metric": "sqeuclidean",
    }  # fmt: skip
    standing = standing_of(cells, photos, asked)
    rng, locks, banned = np.random.default_rng(n), dict[int, int](), set[int]()
    for step in range(24):
        cell, other = rng.integers(n, size=2).tolist()
        photo, apart = standing.photo(), []
        gone = np.flatnonzero(group == group[photo[cell]])
        if step % 4 == 0 and cell != other:
            pair = np.array([cell, other])
            standing = standing.locking(pair, photo[pair[::-1]])
            locks |= {cell: int(photo[other]), other: int(photo[cell])}
        elif step % 4 == 1:
            cell = next(iter(locks))
            standing = standing.releasing(cell)
            del locks[cell]
        elif step % 4 == 2:
            locks.pop(cell, None)
            apart = [(cell, int(j)) for j in gone]
            standing = standing.exchanging(cell, photo[[cell]])
        elif not must[group[photo[cell]]] and step < 16:
            standing = standing.banning(gone)
            banned |= set(gone.tolist())
            locks = {i: j for i, j in locks.items() if j not in banned}
        best = assign(
            cells, photos, banned=sorted(banned), locks=list(locks.items()), banned_pairs=apart,
            **asked,
        )  # fmt: skip
        laid = standing.photo()
        assert total(cells, photos, laid) == pytest.approx(best.total_cost, rel=1e-6)
        used = np.bincount(group[laid], minlength=len(must))
        assert ((used >= must) & (used <= capacity)).all()
        if step % 4 == 2:
            locks[cell] = int(laid[cell])


def test_a_standing_assignment_is_never_changed() -> None:
    cells, photos = instance(1, 50, 55)
    asked: dict[str, Any] = {
        "group": np.arange(55), "capacity": 1, "minimum": 0, "metric": "sqeuclidean",
    }  # fmt: skip
    first = standing_of(cells, photos, asked)
    before = first.photo()
    after = first.exchanging(3, before[[3]]).banning(before[[7]])
    assert after.photo()[3] != before[3]
    assert before[7] not in after.photo()
    assert (first.photo() == before).all()
    again = first.exchanging(3, before[[3]]).banning(before[[7]])
    assert (again.photo() == after.photo()).all()


def test_too_few_are_left() -> None:
    cells, photos = instance(2, 6, 6)
    asked: dict[str, Any] = {
        "group": np.arange(6), "capacity": 1, "minimum": 0, "metric": "sqeuclidean",
    }  # fmt: skip
    standing = standing_of(cells, photos, asked)
    with pytest.raises(BadInput, match="too few photos"):
        standing.banning(np.array([2]))
    one = standing_of(cells[:1], photos[:1], asked | {"group": np.arange(1)})
    with pytest.raises(BadInput, match="no other photo"):
        one.exchanging(0, np.array([0]))


def test_cells_alike_keep_their_own_photos() -> None:
    cells, photos = instance(3, 20, 30)
    cells[:10] = cells[0]
    asked: dict[str, Any] = {
        "group": np.arange(30), "capacity": 1, "minimum": 0, "metric": "sqeuclidean",
    }  # fmt: skip
    standing = standing_of(cells, photos, asked)
    assert standing.alike(4) == 10
    assert standing.alike(15) == 1
    before = standing.photo()
    kept = standing.locking(np.array([4]), before[[4]])
    after = kept.banning(before[[15]]).photo()
    assert after[4] == before[4]
    best = assign(cells, photos, banned=before[[15]], locks=[(4, int(before[4]))])
    assert total(cells, photos, after) == pytest.approx(best.total_cost, rel=1e-6)
