"""How far a photo is from a cell: exactly for one pair, and quickly from below for many.

The distance that counts is `distance`, in double precision. A search need not
look at it for every pair: `lower_bounds` gives, for a block of cells and all
photos, single-precision numbers proven not to exceed it, by one matrix product
where the metric allows. The proof is the classic bound on a product of k
terms summed in any order, with or without fused multiply-adds (Higham,
*Accuracy and Stability of Numerical Algorithms*, section 3.1):

    |computed - true| <= g sum |x_l y_l| <= g |x| |y|,  g = k 2^-24 / (1 - k 2^-24).
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from smalti.core.kernel import kernel

SQEUCLIDEAN, EUCLIDEAN, L1, COSINE, CIEDE2000 = range(5)
KINDS = {
    "sqeuclidean": SQEUCLIDEAN,
    "euclidean": EUCLIDEAN,
    "l1": L1,
    "cosine": COSINE,
    "ciede2000": CIEDE2000,
}
STORED_BYTES = 1 << 30  # of distances kept, where finding them again is slow
_TILE = 1024  # photos in one product: with 256 cells it stays in the cache
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


class Bounds(NamedTuple):
    """What lower bounds are computed from.

    Attributes
    ----------
    kind : int
    near : ndarray of shape (rows, k'), float32 or uint8
    far : ndarray of shape (v, slots, k') or, for l1 of float32, (v, k', slots)
    offset : ndarray of shape (rows,), float64
        To be added to a row's products, the rounding already taken off.
    stored : ndarray of shape (rows, slots), float32, or None
        All of them, where they are few enough and slow to find.
    banned : (ndarray of shape (rows + 1,), ndarray), int64
        Slots that a row may not have: where each row's begin, and they.
    """

    kind: int
    near: NDArray[Any]
    far: NDArray[Any]
    offset: NDArray[np.float64]
    stored: Floats | None
    banned: tuple[NDArray[np.int64], NDArray[np.int64]]


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


@kernel
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


@kernel
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


def prepare(
    pairs: Pairs, banned: tuple[NDArray[np.int64], NDArray[np.int64]], tick: Tick
) -> tuple[Pairs, Bounds]:
    """Arrange rows for `lower_bounds`; for a slow metric, find all of them if they fit.

    The pairs come back with the distances, if those are exact.
    """
    bounds = _arranged(pairs, banned)
    rows, slots = len(pairs.cell), len(pairs.photo)
    if bounds.kind not in (L1, CIEDE2000) or rows * slots * 4 > STORED_BYTES:
        return pairs, bounds
    stored = np.empty((rows, slots), np.float32)
    size = rows_at_once(bounds, slots)
    for start in range(0, rows, size):
        tick(start, rows)
        part = slice(start, start + size)
        lower_bounds(bounds, part, slice(0, slots), stored[part])
    whole = bounds.kind == L1 and bounds.near.dtype == np.uint8
    known = stored if whole and 255 * bounds.near.shape[1] < 2**24 else pairs.known
    return pairs._replace(known=known), bounds._replace(stored=stored)


def rows_at_once(bounds: Bounds, slots: int) -> int:
    """How many rows to bound between two looks at the clock, some 0.1 s."""
    if bounds.stored is not None or bounds.kind in (SQEUCLIDEAN, EUCLIDEAN, COSINE):
        return 256
    bytes_ = bounds.near.dtype == np.uint8
    each = {True: 1.0, False: 8.0}[bytes_] if bounds.kind == L1 else 4000.0
    work = each * slots * bounds.near.shape[1] * bounds.far.shape[0]
    return int(min(256, max(1, 2e9 // work)))


def _arranged(pairs: Pairs, banned: tuple[NDArray[np.int64], NDArray[np.int64]]) -> Bounds:
    kind = pairs.kind
    rows, slots, kinds = len(pairs.cell), len(pairs.photo), pairs.photos.shape[1]
    offset = np.zeros(rows)
    width = pairs.cells.shape[1]
    if kind in (SQEUCLIDEAN, EUCLIDEAN, COSINE):
        near = np.empty((rows, width + 1), np.float32)
        far = np.empty((kinds, slots, width + 1), np.float32)
        g = (width + 8) * 2.0**-24 * 1.1
        if kind == COSINE:
            middle = np.zeros(width)
            scale = -1.0
        else:  # about their mean the numbers are smaller, and so is the rounding
            middle = pairs.photos.mean((0, 1), dtype=np.float64)
            scale = -2.0
        a = pairs.cells[pairs.cell].astype(np.float64) - middle
        if kind == COSINE:
            a /= np.maximum(np.sqrt(np.einsum("ij,ij->i", a, a)), 1e-300)[:, None]
        near[:, :-1] = scale * a
        near[:, -1] = 1
        longest = 0.0
        for q in range(kinds):
            for start in range(0, slots, 65536):
                part = slice(start, start + 65536)
                b = pairs.photos[pairs.photo[part], q].astype(np.float64) - middle
                squares = np.einsum("ij,ij->i", b, b)
                if kind == COSINE:
                    b /= np.maximum(np.sqrt(squares), 1e-300)[:, None]
                    squares = np.ones(len(b)) * 0
                longest = max(longest, float(squares.max(initial=0)), 1.0 * (kind == COSINE))
                far[q, part, :-1] = b
                far[q, part, -1] = squares
        norms = np.einsum("ij,ij->i", a, a)
        if kind == COSINE:
            offset = 1 - np.full(rows, 2 * g)
        else:
            offset = norms - g * (2 * np.sqrt(norms * longest) + longest + norms)
        return Bounds(kind, near, far, offset, None, banned)
    near = np.ascontiguousarray(pairs.cells[pairs.cell])
    if kind == L1 and near.dtype == np.float32:
        far = np.ascontiguousarray(pairs.photos[pairs.photo].transpose(1, 2, 0))
    else:
        far = np.ascontiguousarray(pairs.photos[pairs.photo].swapaxes(0, 1))
    return Bounds(kind, near, far, offset, None, banned)


def lower_bounds(
    bounds: Bounds, rows: NDArray[np.int64] | slice, slots: slice, out: Floats
) -> None:
    """Bound the distances of some rows to some slots from below, less the rows' offsets.

    Parameters
    ----------
    bounds : Bounds
    rows : slice, or ndarray of int64
    slots : slice
    out : ndarray of shape (len(rows), len(slots)), float32
        Filled; infinite where a slot is banned.
    """
    if bounds.stored is not None:
        out[:] = bounds.stored[rows, slots]
    elif bounds.kind in (SQEUCLIDEAN, EUCLIDEAN, COSINE):
        near, far = bounds.near[rows], bounds.far[:, slots]
        np.matmul(near, far[0].T, out=out) if len(far) == 1 else _least_products(near, far, out)
        if bounds.kind == EUCLIDEAN:
            _roots(out, bounds.offset[rows])
    elif bounds.kind == L1 and bounds.near.dtype == np.float32:
        _l1_block(bounds.near[rows], bounds.far, slots.start, out)
    elif bounds.kind == L1:
        _l1_bytes(bounds.near[rows], bounds.far, slots.start, out)
    else:
        _ciede_block(bounds.near[rows], bounds.far, slots.start, out)
    begin, banned = bounds.banned
    if len(banned):
        order = np.arange(len(begin) - 1)[rows]
        for k in np.flatnonzero(begin[order + 1] > begin[order]):
            gone = banned[begin[order[k]] : begin[order[k] + 1]]
            out[k, gone[(gone >= slots.start) & (gone < slots.stop)] - slots.start] = np.inf


def of_slots(bounds: Bounds, chosen: NDArray[np.intp]) -> Bounds:
    """Keep some slots only, in another order."""
    last = bounds.kind == L1 and bounds.near.dtype == np.float32
    far = bounds.far[:, :, chosen] if last else bounds.far[:, chosen]
    begin, banned = bounds.banned
    if len(banned):
        row = np.repeat(np.arange(len(begin) - 1), np.diff(begin))
        place = np.full(max(banned.max(), chosen.max(initial=0)) + 1, -1)
        place[chosen] = np.arange(len(chosen))
        place = place[banned]
        kept = place >= 0
        begin = np.concatenate([[0], np.cumsum(np.bincount(row[kept], minlength=len(begin) - 1))])
        banned = place[kept]
    stored = None if bounds.stored is None else bounds.stored[:, chosen]
    return bounds._replace(far=far, stored=stored, banned=(begin, banned))


def row_offset(bounds: Bounds) -> NDArray[np.float64]:
    """Return what `lower_bounds` leaves to be added to each row."""
    return np.zeros(len(bounds.offset)) if bounds.kind == EUCLIDEAN else bounds.offset


def _least_products(near: Floats, far: Floats, out: Floats) -> None:
    """Least over the variants, a tile of photos at a time."""
    slots = out.shape[1]
    work = np.empty(len(near) * _TILE, np.float32)
    for start in range(0, slots, _TILE):
        stop = min(slots, start + _TILE)
        tile = work[: len(near) * (stop - start)].reshape(len(near), -1)
        least = out[:, start:stop]
        for q in range(len(far)):
            np.matmul(near, far[q, start:stop].T, out=tile)
            if q:
                np.minimum(least, tile, out=least)
            else:
                least[:] = tile


@njit(cache=True)
def _roots(block: Floats, offset: NDArray[np.float64]) -> None:
    down = np.float32(1 - 2.0**-22)
    for i in range(len(block)):
        add = np.float32(offset[i])
        row = block[i]
        for j in range(len(row)):
            row[j] = np.sqrt(max(row[j] + add, np.float32(0))) * down


@njit(cache=True)
def _l1_block(near: Floats, far: Floats, first: int, out: Floats) -> None:
    """`far` lies feature by feature, so that photos are summed side by side."""
    kinds, width, _ = far.shape
    slots = out.shape[1]
    down = np.float32(1 - (width + 4) * 2.0**-23)
    sums = np.empty(2048, np.float32)
    for start in range(0, slots, 2048):
        size = min(2048, slots - start)
        for i in range(len(near)):
            for q in range(kinds):
                sums[:] = 0
                for k in range(width):
                    a, b = near[i, k], far[q, k, first + start : first + start + size]
                    for j in range(size):
                        sums[j] += abs(a - b[j])
                row = out[i, start : start + size]
                for j in range(size):
                    d = sums[j] * down
                    row[j] = d if q == 0 else min(d, row[j])


@njit(cache=True)
def _l1_bytes(near: NDArray[np.uint8], far: NDArray[np.uint8], first: int, out: Floats) -> None:
    kinds, slots = len(far), out.shape[1]
    for start in range(0, slots, 8):  # few enough to stay in the cache for all rows
        for i in range(len(near)):
            for j in range(start, min(slots, start + 8)):
                least = _byte_distance(near[i], far[0, first + j])
                for q in range(1, kinds):
                    least = min(least, _byte_distance(near[i], far[q, first + j]))
                out[i, j] = least


@njit(cache=True)
def _byte_distance(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> int:
    """Every step is named int32: only then does LLVM see the machine's own sum of differences."""
    total = np.int32(0)
    for k in range(len(a)):
        apart = np.int32(abs(np.int32(np.int32(a[k]) - np.int32(b[k]))))
        total = np.int32(total + apart)
    return total  # type: ignore[return-value]  # compiled, it stays an int32


@njit(cache=True)
def _ciede_block(near: Floats, far: Floats, first: int, out: Floats) -> None:
    for i in range(len(near)):
        for j in range(out.shape[1]):
            least = math.inf
            for q in range(len(far)):
                least = min(least, distance(CIEDE2000, near[i], far[q, first + j]))
            out[i, j] = least * (1 - 2.0**-20)


def pair_costs(cells: Floats, photos: Floats, metric: str) -> Floats:
    """Cost of every pair: the least distance over the photo's variants.

    For small problems and for comparison: the solver never needs them all.

    Parameters
    ----------
    cells : ndarray of shape (n, k), float32
    photos : ndarray of shape (m, v, k), float32
    metric : {"sqeuclidean", "euclidean", "l1", "cosine"}

    Returns
    -------
    ndarray of shape (n, m), float32
    """
    count, kinds, width = photos.shape
    flat = photos.reshape(-1, width)
    if metric == "l1":
        from scipy.spatial.distance import cdist

        costs = cdist(cells, flat, "cityblock").astype(np.float32)
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
