"""Seconds and memory that matching will take, computed from numbers and a measured pace.

The constants are CPU seconds and megabytes on one core of 2026, which ``python -m bench
forecast`` checks; how much slower a machine or a metric is, `smalti.pace` measures.
"""

import math
import time
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from smalti.core.bounds import PRODUCTS, stored_bytes
from smalti.core.features import variants
from smalti.core.heuristics.costs import table_bytes
from smalti.core.heuristics.solvers import ENDLESS, EVALUATIONS_PER_CELL
from smalti.core.metric import KINDS
from smalti.core.progress import Progress, Step, silent
from smalti.core.source import is_tile
from smalti.matching import Described, numbers
from smalti.pace import Pace, measured, one_thread
from smalti.plan import Plan
from smalti.request import Photomosaic
from smalti.shortlist import LISTS, is_large, is_sampled

_START_S = 1.15
_TILE_S, _FILE_S = 1.7e-4, 1e-4  # to know a photo again that was indexed

# Of the exact solver.
_SOLVE_S = 0.4  # to load the solver
_CELL_S = 1.8e-4
_PASSES = 5.8  # over all pairs, as if each was compared, though most are passed over
_NEAREST = 2.7  # the same without limits
_LISTED = 2.0  # the same where one lists the nearest
_STORED_S = 6e-8  # of a pair, where all are compared once: to look it up time and again
_LAID = 0.55  # of the rounds when all cells are laid for the first time
_PROVEN = 0.85  # of them when the last pass over all pairs begins
_NARROW_S = 1.5e-9  # of a pair of cell and variant, where most are not compared in full
_AGAIN_S = 1e-4  # of a photo in a second such pass, for the cells that want more
_LIST_CELL_S = 8e-3  # to solve on the listed photos that join, round after round

# Of moving copies apart.
_APART_S = 4e-8  # of a pair of cell and photo: to find the nearest
_OPTIONS = 200  # photos whose cells are looked at for an exchange
_EXCHANGE_S = 0.8e-9  # of a number of a variant of one
_VAIN_S = 1.6e-3  # of exchanges that are tried in vain, the more often the more are too near

# Of heuristics.
_LOAD_S = 0.3  # to load its compiled loops
_LOOK_S = 5.5e-8  # at a pair in the table
_LAID_S = 6e-5  # of a cell

_SOLVER_MB = 60.0  # of its compiled loops
_CELL_MB = 0.019  # of its lists of pairs
_HEURISTIC_MB = 30.0
_JOINING = 3.5  # photos of a cell that join, where short lists say which
_COPIES = 3  # of their feature rows, in as many orders


class _Heuristic(NamedTuple):
    """What a heuristic does.

    Attributes
    ----------
    whole : bool
        Whether it compares every cell with every photo.
    again : float
        Pairs it looks at once more, of as many as the square of the cells.
    photo_s : float
        Seconds of a photo before it begins.
    """

    whole: bool = True
    again: float = 0.0
    photo_s: float = 0.0


_HEURISTICS = {
    "nearest": _Heuristic(),
    "nearest-random": _Heuristic(),
    "block-matching": _Heuristic(),
    "greedy": _Heuristic(again=1.5),  # 0.3 to 5, by how many cells want the same photos
    "swaps": _Heuristic(again=1.5),
    "two-swap": _Heuristic(again=7),  # 4 to 10
    "iterative-improvement": _Heuristic(whole=False),
    "cep": _Heuristic(whole=False, photo_s=1.4e-4),
}


class Told(NamedTuple):
    """What making a small part of a mosaic tells of the whole.

    Attributes
    ----------
    moved : float
        Share of the cells that are given other photos to keep copies apart, each time counted.
    copies : float
        Cells that a used photo lies on before that.
    photo_s, apart_s : float
        Seconds to describe a photo, and to compare it with a cell that is given another.
    pace : Pace
    """

    moved: float
    copies: float
    photo_s: float
    apart_s: float
    pace: Pace


def matching_s(plan: Plan, request: Photomosaic, told: Told) -> float:
    """Forecast the seconds of all that is not drawing."""
    photos = len(plan.library.sources)
    in_sheets = sum(map(is_tile, plan.library.sources))
    known = in_sheets * _TILE_S + (photos - in_sheets) * _FILE_S
    if _is_heuristic(request):
        solving = _heuristic_s(plan, request, told.pace)
    else:
        solving = _exact_s(plan, request, told.pace) + _apart_s(plan, request, told)
    return told.pace.machine * (_START_S + known) + photos * told.photo_s + solving


def matching_mb(plan: Plan, request: Photomosaic) -> float:
    """Forecast the memory that matching takes on top of what the plan has."""
    cells, photos = len(plan.boxes), len(plan.library.sources)
    photo_mb = 4e-6 * numbers(request)
    if _is_heuristic(request):
        return photo_mb * photos + _HEURISTIC_MB + _table(plan, request) / 1e6
    solving = _SOLVER_MB + cells * _CELL_MB
    if not is_large(plan, request):
        stored = stored_bytes(KINDS[request.metric], cells, photos) / 1e6
        return photo_mb * photos + stored + solving
    return LISTS / 1e6 + _COPIES * photo_mb * _joining(plan) + solving


def foretelling(
    plan: Plan, request: Photomosaic, described: Described, progress: Progress
) -> Progress:
    """Pass on steps; those of the exact solver, whose rounds nobody knows, with a time left.

    It is a forecast first, and what was found on the way later: when all cells are laid for
    the first time, the rest takes about as long again. It is counted in seconds of this thread;
    the clock runs faster where others work too.
    """
    if _is_heuristic(request) or progress is silent:
        return progress
    clock, begin = time.thread_time, time.monotonic()
    since = start = clock()
    with one_thread():
        pace = measured(request, described, clock)
    storing = _storing_s(plan, request, pace)
    total, most = _exact_s(plan, request, pace) - storing, _LAID

    def left(step: Step) -> float | None:
        """Seconds left of this thread; None where the step itself says how much there is."""
        nonlocal since, total, most, storing
        now = clock()
        if storing and (step.total or since == start):
            since = now if step.total else start
            return storing + total - (now - start) if now - start < storing else None
        if step.total:
            return None
        used = now - since
        if most == _LAID and step.made is not None and bool((np.asarray(step.made) >= 0).all()):
            total, most, storing = used / _LAID, _PROVEN, 0.0
        return max(total - used, used / most - used)

    def told(step: Step) -> None:
        seconds = left(step) if step.phase == "assign" else None
        if seconds is not None:
            slower = (time.monotonic() - begin) / max(clock() - start, 1e-3)
            step = replace(step, left=seconds * slower)
        progress(step)

    return told


def _exact_s(plan: Plan, request: Photomosaic, pace: Pace) -> float:
    cells, photos = len(plan.boxes), len(plan.library.sources)
    comparing = cells * photos * pace.pair_s  # once
    free = request.repeats == "free"
    product = KINDS[request.metric] in PRODUCTS
    if is_large(plan, request):
        solving = _SOLVE_S + cells * _LIST_CELL_S
        looking = comparing * (_LISTED if product else 1) + cells * _joining(plan) * pace.pair_s
        if is_sampled(cells, photos) and product:
            kinds = len(variants(request.variants))
            solving += cells * photos * kinds * _NARROW_S + photos * _AGAIN_S
            looking = 0
        return pace.machine * solving + looking
    solving = _SOLVE_S + (0 if free else cells * _CELL_S)
    if storing := _storing_s(plan, request, pace):
        return pace.machine * (solving + cells * photos * _STORED_S) + storing
    return pace.machine * solving + comparing * (_NEAREST if free else _PASSES)


def _storing_s(plan: Plan, request: Photomosaic, pace: Pace) -> float:
    """Forecast the seconds to compare all pairs beforehand; 0 where that is not done."""
    cells, photos = len(plan.boxes), len(plan.library.sources)
    stored = stored_bytes(KINDS[request.metric], cells, photos)
    return cells * photos * pace.pair_s if stored else 0.0


def _apart_s(plan: Plan, request: Photomosaic, told: Told) -> float:
    """Compare cells whose photo lies too near a copy with all photos, and try exchanges."""
    cells, photos, pace = len(plan.boxes), len(plan.library.sources), told.pace
    if is_large(plan, request):
        photos = _joining(plan)
    comparing = photos * (pace.machine * _APART_S + told.apart_s)
    others = min(cells / 2, _OPTIONS * told.copies)
    # One by one, no metric is as quick as by a product of matrices.
    exchange_s = max(told.apart_s, pace.machine * numbers(request) * _EXCHANGE_S)
    exchanging = others * exchange_s + pace.machine * min(1, told.moved) ** 3 * _VAIN_S
    return told.moved * cells * (comparing + exchanging)


def _heuristic_s(plan: Plan, request: Photomosaic, pace: Pace) -> float:
    cells, photos = len(plan.boxes), len(plan.library.sources)
    how, table = _HEURISTICS[request.solver], _table(plan, request)
    compared = cells * photos if how.whole or table else 0
    looks = how.again * cells**2
    limit = request.time_limit or math.inf
    if request.solver in ENDLESS:
        if request.time_limit:
            return pace.machine * _LOAD_S + limit
        looks += EVALUATIONS_PER_CELL * cells
    look = _LOOK_S * pace.machine if table else pace.pair_s
    searching = compared * pace.pair_s + looks * look + photos * how.photo_s * pace.machine
    return pace.machine * (_LOAD_S + cells * _LAID_S) + min(limit, searching)


def _is_heuristic(request: Photomosaic) -> bool:
    return request.solver != "exact" and request.repeats != "free"


def _table(plan: Plan, request: Photomosaic) -> int:
    """Bytes of the table of all costs that a heuristic makes first; 0 if it makes none."""
    how, cells = _HEURISTICS[request.solver], len(plan.boxes)
    if how.whole and not how.again:
        return 0
    few = request.solver in ENDLESS and not how.whole and not request.time_limit
    evaluations = EVALUATIONS_PER_CELL * cells if few else math.inf
    return table_bytes(cells, plan.limits.usable, evaluations)


def _joining(plan: Plan) -> int:
    return min(len(plan.library.sources), round(_JOINING * len(plan.boxes)))
