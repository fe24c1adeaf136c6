"""What an assignment may do: limits, bans and locks, checked before anything is solved.

A message names the constraint that cannot be kept, with its numbers.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smalti.core.errors import BadInput

Rows = NDArray[np.float32] | NDArray[np.uint8]
Links = Sequence[tuple[int, int]] | NDArray[np.intp]

METRICS = ("sqeuclidean", "euclidean", "l1", "cosine", "ciede2000")


class Constraints(NamedTuple):
    """All that was asked, as arrays.

    Attributes
    ----------
    cells, photos : ndarray of shape (n, k) and (m, v, k), float32 or uint8
    weight : ndarray of shape (n,), float64
    group : ndarray of shape (m,), intp
    allowed : ndarray of shape (m,), bool
    low, high : ndarray of shape (g,), intp
        Fewest and most uses, those of the locks taken off.
    locks : ndarray of shape (l, 2), intp
    banned : ndarray of intp
    banned_pairs : ndarray of shape (b, 2), intp
    """

    cells: Rows
    photos: Rows
    weight: NDArray[np.float64]
    group: NDArray[np.intp]
    allowed: NDArray[np.bool_]
    low: NDArray[np.intp]
    high: NDArray[np.intp]
    locks: NDArray[np.intp]
    banned: NDArray[np.intp]
    banned_pairs: NDArray[np.intp]


def checked(
    cells: Rows,
    photos: Rows,
    weight: ArrayLike | None,
    group: NDArray[np.intp] | None,
    capacity: int | ArrayLike | None,
    minimum: int | ArrayLike,
    banned: ArrayLike,
    banned_pairs: Links,
    locks: Links,
    metric: str,
) -> Constraints:
    """Take the arguments of `smalti.core.assign.assign`.

    Raises
    ------
    BadInput
        If they cannot all be kept.
    """
    cells, photos = _rows(cells, photos, metric)
    n, m = len(cells), len(photos)
    weights = np.ones(n) if weight is None else np.asarray(weight, np.float64)
    if weights.shape != (n,) or not (np.isfinite(weights) & (weights >= 0)).all():
        raise BadInput(f"weight must be {n} finite numbers, 0 or more")
    group = np.arange(m) if group is None else np.asarray(group, np.intp)
    groups = int(group.max(initial=-1)) + 1
    out = _indices(banned, m, "banned photo")
    apart, fixed = _links(banned_pairs, n, m, "banned pair"), _links(locks, n, m, "lock")
    high = np.full(groups, n) if capacity is None else _limits(capacity, groups, n, "capacity")
    low = _limits(minimum, groups, n + 1, "minimum")
    allowed = np.ones(m, bool)
    allowed[out] = False
    high = np.where(np.bincount(group[allowed], minlength=groups) > 0, high, 0)
    _check_locks(fixed, apart, allowed, group, high)
    _check_limits(low, high, n, group, allowed, capacity)
    used = np.bincount(group[fixed[:, 1]], minlength=groups)
    high, low = high - used, np.maximum(low - used, 0)
    if (short := int(low.sum()) - (n - len(fixed))) > 0:
        raise BadInput(
            f"the photos that must appear need {short} more cells than the "
            f"{n - len(fixed)} that are not locked"
        )
    return Constraints(cells, photos, weights, group, allowed, low, high, fixed, out, apart)


def check_supply(cells: int, groups: int, capacity: int) -> None:
    """Refuse more cells than the photos may fill.

    Raises
    ------
    BadInput
        Saying how many are missing and which options would do.
    """
    if (missing := cells - groups * capacity) > 0:
        uses = -(-cells // groups)
        raise BadInput(
            f"{cells} cells need {missing} more photos than there are: {groups} different photos, "
            f"each used at most {capacity} time{'s' if capacity > 1 else ''}; add photos, or try "
            f"--max-uses {uses}, --cells {groups * capacity} or --repeats free"
        )


def _rows(cells: Rows, photos: Rows, metric: str) -> tuple[Rows, Rows]:
    if metric not in METRICS:
        raise BadInput(f"metric is {metric!r}: one of {', '.join(METRICS)}")
    if cells.ndim != 2 or photos.ndim != 3 or cells.shape[1] != photos.shape[2]:
        raise BadInput(
            f"cells of shape {cells.shape} and photos of shape {photos.shape} cannot be compared: "
            "give (n, k) and (m, v, k)"
        )
    if cells.dtype != np.uint8 or photos.dtype != np.uint8 or metric != "l1":
        cells = np.ascontiguousarray(cells, np.float32)
        photos = np.ascontiguousarray(photos, np.float32)
        if not (np.isfinite(cells).all() and np.isfinite(photos).all()):
            raise BadInput("feature rows must be finite numbers")
    if metric == "ciede2000" and (cells.shape[1] % 3 or cells.shape[1] > 27):
        raise BadInput(f"ciede2000 compares 1 to 9 Lab triples, not {cells.shape[1]} numbers")
    if metric == "ciede2000" and max(np.abs(cells).max(), np.abs(photos).max()) > 128:
        raise BadInput("ciede2000 compares Lab values within -128 and 128")
    return cells, photos


def _limits(value: int | ArrayLike, groups: int, most: int, name: str) -> NDArray[np.intp]:
    limits = np.asarray(value)
    if limits.ndim == 0:
        limits = np.broadcast_to(limits, (groups,))
    if limits.shape != (groups,) or (limits < 0).any():
        raise BadInput(f"{name} must be a whole number, or {groups} of them, 0 or more")
    kept: NDArray[np.intp] = np.minimum(limits, most).astype(np.intp)
    return kept


def _indices(values: ArrayLike, size: int, name: str) -> NDArray[np.intp]:
    indices = np.unique(np.asarray(values, np.intp).ravel())
    if indices.size and not 0 <= indices[0] <= indices[-1] < size:
        raise BadInput(f"a {name} is out of range: 0 to {size - 1}")
    return indices


def _links(values: Links, n: int, m: int, name: str) -> NDArray[np.intp]:
    links = np.asarray(values, np.intp).reshape(-1, 2)
    if ((links < 0) | (links >= (n, m))).any():
        raise BadInput(f"a {name} is out of range: cells 0 to {n - 1}, photos 0 to {m - 1}")
    unique: NDArray[np.intp] = np.unique(links, axis=0)
    return unique


def _check_locks(
    locks: NDArray[np.intp],
    apart: NDArray[np.intp],
    allowed: NDArray[np.bool_],
    group: NDArray[np.intp],
    high: NDArray[np.intp],
) -> None:
    """Refuse locks that collide with each other, with bans or with capacities."""
    cell, count = np.unique(locks[:, 0], return_counts=True)
    if (count > 1).any():
        twice = int(cell[count > 1][0])
        laid = ", ".join(str(j) for j in locks[locks[:, 0] == twice, 1])
        raise BadInput(f"cell {twice} is locked to several photos: {laid}; lock it to one")
    for i, j in locks:
        if not allowed[j]:
            raise BadInput(f"photo {j} is banned, and locked to cell {i}: choose one")
    both = set(map(tuple, locks.tolist())) & set(map(tuple, apart.tolist()))
    if both:
        i, j = min(both)
        raise BadInput(f"photo {j} is banned from cell {i}, and locked to it: choose one")
    owner, uses = np.unique(group[locks[:, 1]], return_counts=True)
    for g, count_ in zip(owner, uses, strict=True):
        if count_ > high[g]:
            photos = sorted(set(locks[group[locks[:, 1]] == g, 1].tolist()))
            subject = f"photo{'s' if len(photos) > 1 else ''} {', '.join(map(str, photos))}"
            verb = "are" if len(photos) > 1 else "is"
            raise BadInput(
                f"{subject} may be used {high[g]} time{'s' if high[g] != 1 else ''} and {verb} "
                f"locked to {count_} cells: allow more uses, or fewer locks"
            )


def _check_limits(
    low: NDArray[np.intp],
    high: NDArray[np.intp],
    n: int,
    group: NDArray[np.intp],
    allowed: NDArray[np.bool_],
    capacity: int | ArrayLike | None,
) -> None:
    """Refuse limits that no assignment can keep."""
    if (low > high).any():
        g = int(np.flatnonzero(low > high)[0])
        reason = (
            "all its photos are banned"
            if not allowed[group == g].any()
            else (f"may be used {high[g]} times")
        )
        raise BadInput(f"group {g} must appear {low[g]} times, but {reason}")
    if (short := int(low.sum()) - n) > 0:
        raise BadInput(
            f"the photos that must appear need {low.sum()} cells, {short} more than the {n} there "
            "are: ask for fewer, or more cells"
        )
    if int(high.sum()) < n:
        if isinstance(capacity, int):
            check_supply(n, int((high > 0).sum()) or 1, capacity)
        raise BadInput(
            f"{n} cells need {n - int(high.sum())} more uses of photos than the {high.sum()} "
            "allowed: add photos, or allow more uses"
        )
