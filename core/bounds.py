"""How near a photo may be to a cell, quickly, for many pairs.

`lower_bounds` gives, for a block of cells and photos, single-precision numbers
proven not to exceed their distances, by one matrix product where the metric
allows. The proof is the classic bound on a product of k terms summed in any
order, with or without fused multiply-adds (Higham, *Accuracy and Stability of
Numerical Algorithms*, section 3.1):

    |computed - true| <= g sum |x_l y_l| <= g |x| |y|,  g = k 2^-24 / (1 - k 2^-24).
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from smalti.core.metric import (
    CIEDE2000,
    COSINE,
    EUCLIDEAN,
    L1,
    SQEUCLIDEAN,
    Floats,
    Pairs,
    Tick,
    distance,
)

PRODUCTS = SQEUCLIDEAN, EUCLIDEAN, COSINE
"""Metrics bounded by products of matrices; the others are slow."""
_STORED_BYTES = 1 << 30  # of distances kept, where finding them again is slow
_TILE = 1024  # photos in one product: with 256 cells it stays in the cache
_AXES = 14  # of a narrow bound: of 108 numbers, one pair in 350 need be looked at closer
_SEEN = 4096  # rows from which the axes are found


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


def prepare(
    pairs: Pairs, banned: tuple[NDArray[np.int64], NDArray[np.int64]], tick: Tick
) -> tuple[Pairs, Bounds]:
    """Arrange rows for `lower_bounds`; for a slow metric, find all of them if they fit.

    The pairs come back with the distances, if those are exact.
    """
    bounds = arranged(pairs, banned)
    rows, slots = len(pairs.cell), len(pairs.photo)
    if not stored_bytes(bounds.kind, rows, slots):
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


def stored_bytes(kind: int, rows: int, slots: int) -> int:
    """Bytes of all distances, where `prepare` finds them once; 0 where it does not."""
    needed = rows * slots * 4
    return needed if kind not in PRODUCTS and needed <= _STORED_BYTES else 0


def rows_at_once(bounds: Bounds, slots: int) -> int:
    """How many rows to bound between two looks at the clock, some 0.1 s."""
    if bounds.stored is not None or bounds.kind in PRODUCTS:
        return 256
    bytes_ = bounds.near.dtype == np.uint8
    each = {True: 1.0, False: 8.0}[bytes_] if bounds.kind == L1 else 4000.0
    work = each * slots * bounds.near.shape[1] * bounds.far.shape[0]
    return int(min(256, max(1, 2e9 // work)))


def arranged(pairs: Pairs, banned: tuple[NDArray[np.int64], NDArray[np.int64]]) -> Bounds:
    """Arrange rows for `lower_bounds`, and find none of them."""
    kind = pairs.kind
    rows, slots, kinds = len(pairs.cell), len(pairs.photo), pairs.photos.shape[1]
    offset = np.zeros(rows)
    width = pairs.cells.shape[1]
    if kind in PRODUCTS:
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


def narrowed(bounds: Bounds) -> Bounds:
    """Bound by fewer numbers: a product along the main axes of the photos, and two lengths.

    By Cauchy and Schwarz the rest of a product is no more than the product of what is
    left of the two lengths. Those of whole rows stay as they are, and so do the proof and the
    offset. Bounds that are no products, or not of many numbers, come back as they are.
    """
    width = bounds.far.shape[-1] - 1
    if bounds.kind not in PRODUCTS or width < 2 * _AXES:
        return bounds
    rows = bounds.far[..., :-1].reshape(-1, width)
    seen = rows[:: -(-len(rows) // _SEEN)].astype(np.float64)
    axes = np.linalg.eigh(seen.T @ seen)[1][:, -_AXES:]

    def narrow(long: Floats, sign: float) -> Floats:
        out = np.empty((*long.shape[:-1], _AXES + 2), np.float32)
        along = long[..., :-1] @ axes
        whole = np.einsum("...i,...i", long[..., :-1], long[..., :-1], dtype=np.float64)
        out[..., :_AXES] = along
        left = whole - np.einsum("...i,...i", along, along)
        out[..., _AXES] = sign * np.sqrt(np.maximum(left, 0))
        out[..., -1] = long[..., -1]
        return out

    return bounds._replace(near=narrow(bounds.near, -1), far=narrow(bounds.far, 1))


def refine(bounds: Bounds, rows: slice, limit: NDArray[np.float64], out: Floats) -> None:
    """Bound again, by all numbers, the pairs that `narrowed` bounds leave below a limit.

    Parameters
    ----------
    bounds : Bounds
        From which the others were made.
    rows : slice
    limit : ndarray of shape (rows,), float64
        Of each row, less its offset.
    out : ndarray of shape (rows, slots), float32
        What `lower_bounds` found for all slots; changed.
    """
    root = bounds.kind == EUCLIDEAN
    _refine(bounds.near[rows], bounds.far, bounds.offset[rows], root, limit, out)


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
    elif bounds.kind in PRODUCTS:
        chosen = bounds.near[rows] if isinstance(rows, slice) else bounds.near.take(rows, axis=0)
        near, far = chosen, bounds.far[:, slots]
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
def _refine(
    near: Floats,
    far: Floats,
    offset: NDArray[np.float64],
    root: bool,
    limit: NDArray[np.float64],
    out: Floats,
) -> None:
    """Stretches of slots that have nothing below the limit are passed over side by side."""
    for i in range(len(near)):
        least = np.float32(limit[i])
        for start in range(0, out.shape[1], 128):
            part = out[i, start : start + 128]
            any_ = np.int32(0)
            for j in range(len(part)):
                any_ |= np.int32(part[j] < least)
            for j in range(len(part) if any_ else 0):
                if part[j] < least:
                    part[j] = _least_product(near[i], far, start + j)
                    if root:
                        _roots(part[j : j + 1].reshape(1, 1), offset[i : i + 1])


@njit(cache=True, fastmath={"reassoc", "contract"})  # the proof holds for any order
def _least_product(near: Floats, far: Floats, slot: int) -> np.floating[Any]:
    least = np.float32(np.inf)
    for q in range(len(far)):
        row, total = far[q, slot], np.float32(0)
        for k in range(len(near)):
            total += near[k] * row[k]
        least = min(least, total)
    return least


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
