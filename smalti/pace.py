"""How fast this machine compares photos with cells: measured on a few of them.

The metric, the detail and the variants are in it, since it is rows of the request that are
compared, by what the solver asked for will compare them by.
"""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import NamedTuple

import numpy as np

from smalti.core.bounds import PRODUCTS, arranged, lower_bounds, rows_at_once
from smalti.core.boxes import block_size
from smalti.core.metric import KINDS, SQEUCLIDEAN, Floats, Pairs, laid_costs, pair_costs
from smalti.matching import Described
from smalti.request import Photomosaic

Clock = Callable[[], float]
Work = Callable[[int], object]
"""Does so many of the same things."""

_LONG_S, _TIMES = 5e-3, 5  # enough to tell how long one takes, and how often it is told
_LOOKED_AT = 64, 512  # cells and photos, as heuristics look at them
_MOVED, _MOVED_S = 64, 0.1  # cells that are given another photo, and enough to tell that
_MOVED_BYTES = 64 << 20  # of the photos
_ROWS, _WIDTH = 256, 108  # numbers of which it is known how long they take:
_ROWS_S = 2.8e-5


class Pace(NamedTuple):
    """How long work takes here.

    Attributes
    ----------
    machine : float
        Times as long as on the machine that the constants of `smalti.effort` are of.
    pair_s : float
        Seconds to compare a cell with a photo in all its variants, as the solver does.
    """

    machine: float
    pair_s: float


def one_thread() -> AbstractContextManager[object]:
    """Keep BLAS to one thread in a block: on a busy machine several burn time waiting."""
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[object] = threadpool_limits(1, "blas")
    return limits


def measured(request: Photomosaic, described: Described, clock: Clock) -> Pace:
    """Compare a few cells and photos, as the solver asked for does.

    Parameters
    ----------
    request : Photomosaic
    described : Described
    clock : callable
        CPU seconds of this thread.
    """
    if request.solver == "exact" or request.repeats == "free":
        cells, photos = _sample(described, block_size(KINDS[request.metric]))
        work, at_once = _bounding(cells, photos, request.metric)
    else:
        cells, photos = _sample(described, _LOOKED_AT)
        work, at_once = _looking(cells, photos, request.metric)
    machine = _seconds(_reference(), 1, clock) / _ROWS_S
    return Pace(machine, _seconds(work, at_once, clock) / len(photos))


def moving_s(request: Photomosaic, described: Described, photos: int, clock: Clock) -> float:
    """Seconds to compare a cell with one of so many photos where copies are moved apart.

    What matters there is the memory: photos that are not described are taken for others.
    """
    cells, rows = described.cells[:_MOVED], described.photos
    most = max(1, _MOVED_BYTES // rows[0].nbytes)
    rows = rows[np.arange(min(photos, most)) % len(rows)]

    def work(number: int) -> None:
        pair_costs(cells[:number], rows, request.metric)

    at_once = min(len(cells), math.ceil(_MOVED_S / _seconds(work, 1, clock)))
    return _seconds(work, at_once, clock) / len(rows)


def _seconds(work: Work, at_once: int, clock: Clock) -> float:
    """Seconds of one of many things, of which so many are done at once."""
    work(1)  # whatever is loaded is loaded now
    found = list[float]()
    for _ in range(_TIMES):
        done, seconds, begin = 0, 0.0, clock()
        while seconds < _LONG_S:
            work(at_once)
            done += at_once
            seconds = clock() - begin
        found.append(seconds / done)
    return min(found)  # whatever disturbs makes it longer


def _sample(described: Described, size: tuple[int, int]) -> tuple[Floats, Floats]:
    """Take cells and photos from all over, so many at most."""
    return _some(described.cells, size[0]), _some(described.photos, size[1])


def _some(rows: Floats, most: int) -> Floats:
    chosen = np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(np.intp)
    return np.ascontiguousarray(rows[chosen])


def _bounding(cells: Floats, photos: Floats, metric: str) -> tuple[Work, int]:
    """As the exact solver looks at all pairs; and at how many cells at once."""
    no_bans = np.zeros(len(cells) + 1, np.int64), np.zeros(0, np.int64)
    bounds = arranged(_pairs(KINDS[metric], cells, photos), no_bans)
    out, slots = np.empty((len(cells), len(photos)), np.float32), slice(0, len(photos))
    products = bounds.kind in PRODUCTS
    at_once = len(cells) if products else min(len(cells), rows_at_once(bounds, len(photos)))
    return lambda n: lower_bounds(bounds, slice(0, n), slots, out[:n]), at_once


def _looking(cells: Floats, photos: Floats, metric: str) -> tuple[Work, int]:
    """As heuristics do."""
    from smalti.core.heuristics.costs import block, pose

    problem = pose(cells, photos, capacity=None, metric=metric)
    return lambda n: block(problem, np.arange(n)), len(cells)


def _reference() -> Work:
    """Compare the same numbers on every machine, in one thread."""
    rows = np.random.default_rng(0).random((_ROWS, _WIDTH), np.float32)
    pairs, photo = _pairs(SQEUCLIDEAN, rows, rows[:, None]), np.arange(_ROWS)

    def work(number: int) -> None:
        for _ in range(number):
            laid_costs(pairs, photo)

    return work


def _pairs(kind: int, cells: Floats, photos: Floats) -> Pairs:
    return Pairs(
        kind, cells, photos, np.arange(len(cells)), np.arange(len(photos)), np.ones(len(cells)),
        1.0, np.zeros((0, 0), np.float32),
    )  # fmt: skip
