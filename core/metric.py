"""How far a photo is from a cell, and what laying the one on the other costs.

The distance that counts is `distance`, in double precision. A search need not
look at it for every pair: see `smalti.core.bounds`.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from smalti.core.kernel import inlined, kernel

SQEUCLIDEAN, EUCLIDEAN, L1, COSINE, CIEDE2000 = range(5)
KINDS = {
    "sqeuclidean": SQEUCLIDEAN,
    "euclidean": EUCLIDEAN,
    "l1": L1,
    "cosine": COSINE,
    "ciede2000": CIEDE2000,
}
_SALT_BITS = 20
_COST_BITS = 50

Rows = NDArray[np.float32] | NDArray[np.uint8]
Floats = NDArray[np.float32]
Tick = Callable[[int, int], None]
"""Told how many rows of how many are done; may raise."""


class Pairs(NamedTuple):
    """What the exact cost of a pair is made of; rows and slots are in the solver's order.

    Attributes
    ----------
    kind : int
        Which metric, one of `KINDS`.
    cells : ndarray of shape (n, k), float32 or uint8
    photos : ndarray of shape (m, v, k), of the same type
    cell : ndarray of shape (rows,), int64
        Cell of each row.
    photo : ndarray of shape (slots,), int64
        Photo of each slot.
    weight : ndarray of shape (rows,), float64
    per_unit : float
        Integer costs per unit of weighted distance.
    known : ndarray of shape (rows, slots), float32
        Distances where all are kept and none is rounded; else of shape (0, 0).
    """

    kind: int
    cells: Rows
    photos: Rows
    cell: NDArray[np.int64]
    photo: NDArray[np.int64]
    weight: NDArray[np.float64]
    per_unit: float
    known: Floats


@kernel
def distance(kind: int, a: Rows, b: Rows) -> float:
    """Distance of two rows, in double precision.

    ``ciede2000`` takes rows of Lab triples and is the mean over them; the
    others are as scipy's. A row of zeros has no direction, so its cosine
    distance is 1, as of a right angle.
    """
    total = 0.0
    if kind == L1:
        for k in range(len(a)):
            total += abs(np.float64(a[k]) - np.float64(b[k]))
    elif kind == COSINE:
        aa = bb = 0.0
        for k in range(len(a)):
            x, y = np.float64(a[k]), np.float64(b[k])
            total += x * y
            aa += x * x
            bb += y * y
        total = 1 - total / math.sqrt(aa * bb) if aa * bb > 0 else 1.0
        total = max(total, 0.0)
    elif kind == CIEDE2000:
        for k in range(0, len(a), 3):
            total += _ciede2000(a[k], a[k + 1], a[k + 2], b[k], b[k + 1], b[k + 2])
        total /= len(a) // 3
    else:
        for k in range(len(a)):
            x = np.float64(a[k]) - np.float64(b[k])
            total += x * x
        if kind == EUCLIDEAN:
            total = math.sqrt(total)
    return total


@kernel
def _ciede2000(l1: float, a1: float, b1: float, l2: float, a2: float, b2: float) -> float:
    """Sharma, Wu and Dalal, Color Research and Application 30, 2005, equations 2 to 22."""
    l1, a1, b1 = np.float64(l1), np.float64(a1), np.float64(b1)
    l2, a2, b2 = np.float64(l2), np.float64(a2), np.float64(b2)
    mean = ((math.hypot(a1, b1) + math.hypot(a2, b2)) / 2) ** 7
    stretch = 1 + 0.5 * (1 - math.sqrt(mean / (mean + 25.0**7)))
    a1, a2 = a1 * stretch, a2 * stretch
    c1, c2 = math.hypot(a1, b1), math.hypot(a2, b2)
    turn = 2 * math.pi
    h1 = math.atan2(b1, a1) % turn if c1 > 0 else 0.0
    h2 = math.atan2(b2, a2) % turn if c2 > 0 else 0.0
    apart, hue = h2 - h1, h1 + h2
    if c1 * c2 == 0:
        apart = 0.0
    elif abs(apart) <= math.pi:
        hue /= 2
    else:
        apart += -turn if apart > 0 else turn
        hue = (hue + turn) / 2 if hue < turn else (hue - turn) / 2
    chroma = (c1 + c2) / 2
    lightness = ((l1 + l2) / 2 - 50) ** 2
    t = (
        1
        - 0.17 * math.cos(hue - math.pi / 6)
        + 0.24 * math.cos(2 * hue)
        + 0.32 * math.cos(3 * hue + math.pi / 30)
        - 0.20 * math.cos(4 * hue - 63 * math.pi / 180)
    )
    d_l = (l2 - l1) / (1 + 0.015 * lightness / math.sqrt(20 + lightness))
    d_c = (c2 - c1) / (1 + 0.045 * chroma)
    d_h = 2 * math.sqrt(c1 * c2) * math.sin(apart / 2) / (1 + 0.015 * chroma * t)
    blue = math.pi / 3 * math.exp(-(((hue * 180 / math.pi - 275) / 25) ** 2))
    rotation = -2 * math.sqrt(chroma**7 / (chroma**7 + 25.0**7)) * math.sin(blue)
    return math.sqrt(max(0.0, d_l**2 + d_c**2 + d_h**2 + rotation * d_c * d_h))


@kernel
def least_variant(kind: int, a: Rows, b: Rows) -> tuple[float, int]:
    """Distance of a cell (k,) to the nearest variant of a photo (v, k), and which that is."""
    best, which = math.inf, 0
    for q in range(len(b)):
        d = distance(kind, a, b[q])
        if d < best:
            best, which = d, q
    return best, which


@inlined
def _least_square(cells: Rows, i: int, photos: Rows, j: int) -> float:
    """Squared distance to the nearest variant, in four sums side by side.

    A third of the time of `least_variant`, which is handed slices.
    """
    width, best = cells.shape[1], math.inf
    for q in range(photos.shape[1]):
        a = b = c = d = 0.0
        for k in range(0, width - 3, 4):
            x = np.float64(cells[i, k]) - np.float64(photos[j, q, k])
            a += x * x
            x = np.float64(cells[i, k + 1]) - np.float64(photos[j, q, k + 1])
            b += x * x
            x = np.float64(cells[i, k + 2]) - np.float64(photos[j, q, k + 2])
            c += x * x
            x = np.float64(cells[i, k + 3]) - np.float64(photos[j, q, k + 3])
            d += x * x
        for k in range(width - width % 4, width):
            x = np.float64(cells[i, k]) - np.float64(photos[j, q, k])
            a += x * x
        best = min(best, (a + b) + (c + d))
    return best


@inlined
def cost(pairs: Pairs, i: int, s: int) -> int:
    """Integer cost of row i on slot s: weight times distance, rounded, plus a salt.

    The salt, below 2^20 of at most 2^50, depends on the cell and the photo alone.
    It makes the optimum unique wherever chance can, so that the answer depends
    neither on the order of the work nor on how BLAS rounds.
    """
    cell, photo = pairs.cell[i], pairs.photo[s]
    if len(pairs.known):
        d = float(pairs.known[i, s])
    elif pairs.kind == SQEUCLIDEAN or pairs.kind == EUCLIDEAN:
        d = _least_square(pairs.cells, cell, pairs.photos, photo)
        if pairs.kind == EUCLIDEAN:
            d = math.sqrt(d)
    else:
        d, _ = least_variant(pairs.kind, pairs.cells[cell], pairs.photos[photo])
    x = np.uint64(cell) * np.uint64(0x9E3779B97F4A7C15) ^ np.uint64(photo) * np.uint64(
        0xC2B2AE3D27D4EB4F
    )
    x = (x ^ (x >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    salt = np.int64(x >> np.uint64(64 - _SALT_BITS))
    price = np.int64(pairs.weight[i] * d * pairs.per_unit + 0.5)
    return price + salt  # type: ignore[return-value]  # compiled, the sum stays an int64


@njit(cache=True)
def laid_costs(
    pairs: Pairs, photo: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Distance of every cell to its photo, and the variant that gives it."""
    least, variant = np.empty(len(photo)), np.empty(len(photo), np.intp)
    for i in range(len(photo)):
        least[i], variant[i] = least_variant(pairs.kind, pairs.cells[i], pairs.photos[photo[i]])
    return least, variant


@njit(cache=True)
def laid_integers(
    pairs: Pairs, rows: NDArray[np.intp], photo: NDArray[np.intp]
) -> NDArray[np.int64]:
    """Integer costs of photos on rows, as `cost` has them."""
    slot = np.full(len(pairs.photos), -1)
    for s in range(len(pairs.photo)):
        slot[pairs.photo[s]] = s
    out = np.empty(len(rows), np.int64)
    for k in range(len(rows)):
        out[k] = cost(pairs, rows[k], slot[photo[k]])
    return out


def rounding(pairs: Pairs) -> float:
    """How far an integer cost may lie above or below the true one, in weighted distance.

    Half a unit, the salt, and the double-precision error of 2 k + 16 operations.
    """
    largest = 2.0**_COST_BITS
    double = largest * (2 * pairs.cells.shape[1] + 16) * 2.0**-52
    if pairs.kind == CIEDE2000:  # of functions such as exp, to a few units in the last place
        double = largest * 2.0**-36
    return float((2.0**_SALT_BITS + 1 + double) / pairs.per_unit)


def largest_distance(kind: int, cells: Rows, photos: Rows) -> float:
    """Bound the distance of every pair."""
    if kind == COSINE:
        return 2.0
    if kind == CIEDE2000:
        return 400.0  # of Lab within -128 to 128: checked by the door
    low = np.minimum(cells.min(0), photos.min((0, 1))).astype(float)
    extent = np.maximum(cells.max(0), photos.max((0, 1))) - low
    if kind == L1:
        return float(extent.sum())
    square = float((extent**2).sum())
    return square if kind == SQEUCLIDEAN else math.sqrt(square)


def units(kind: int, cells: Rows, photos: Rows, weight: NDArray[np.float64]) -> float:
    """Integer costs per unit of weighted distance, so that none exceeds 2^50 before its salt."""
    largest = largest_distance(kind, cells, photos) * float(weight.max(initial=0))
    return 2.0**_COST_BITS / largest if largest > 0 else 1.0


@kernel
def _distances(kind: int, cells: Floats, others: Floats, out: Floats) -> None:
    for i in range(len(cells)):
        for j in range(len(others)):
            out[i, j] = distance(kind, cells[i], others[j])


def pair_costs(cells: Floats, photos: Floats, metric: str) -> Floats:
    """Cost of every pair: the least distance over the photo's variants.

    For small problems and for comparison: the solver never needs them all.

    Parameters
    ----------
    cells : ndarray of shape (n, k), float32
    photos : ndarray of shape (m, v, k), float32
    metric : {"sqeuclidean", "euclidean", "l1", "cosine", "ciede2000"}

    Returns
    -------
    ndarray of shape (n, m), float32
    """
    count, kinds, width = photos.shape
    flat = photos.reshape(-1, width)
    if metric in ("l1", "ciede2000"):
        costs = np.empty((len(cells), len(flat)), np.float32)
        _distances(KINDS[metric], cells, flat, costs)
    elif metric == "cosine":
        unit = [x / np.maximum(np.linalg.norm(x, axis=1), 1e-12)[:, None] for x in (cells, flat)]
        costs = 1 - unit[0] @ unit[1].T
    else:
        costs = -2 * (cells @ flat.T)
        costs += np.einsum("ij,ij->i", cells, cells)[:, None]
        costs += np.einsum("ij,ij->i", flat, flat)
        np.maximum(costs, 0, out=costs)  # rounding may leave -0.001
        if metric == "euclidean":
            np.sqrt(costs, out=costs)
    least: Floats = costs.reshape(-1, count, kinds).min(2)
    return least
