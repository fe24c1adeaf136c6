"""Seconds and memory that matching will take, computed from numbers alone.

The constants are CPU seconds and megabytes on one core of 2026, which ``python -m bench
forecast`` checks.
"""

import math
import time
from dataclasses import replace
from typing import NamedTuple

from smalti.core.features import variants
from smalti.core.heuristics.costs import table_bytes
from smalti.core.heuristics.solvers import ENDLESS, EVALUATIONS_PER_CELL
from smalti.core.progress import Progress, Step
from smalti.core.source import is_tile
from smalti.plan import Plan
from smalti.request import Photomosaic
from smalti.shortlist import LISTS, is_large, is_sampled

_START_S = 1.15
_TILE_S, _FILE_S = 1.7e-4, 1e-4  # to know a photo again that was indexed
_FEATURE_S, _NUMBER_S = 2e-6, 2.4e-8  # of a photo's variant, and of a number of it

# Of the exact solver.
_SOLVE_S = 0.4  # to load the solver
_PAIR_S = 1.1e-10  # of a number of a pair of cell and variant
_CELL_S = 1.8e-4
_NEAREST_S = 0.6e-10  # the same without limits: one pass
_LISTED_S = 3.5e-11  # the same where a pass lists the nearest
_NARROW_S = 1.5e-9  # of a pair of cell and variant, where most are not compared in full
_AGAIN_S = 1e-4  # of a photo in a second such pass, for the cells that want more
_LIST_CELL_S = 8e-3  # to solve on the listed photos that join, round after round

# Of moving copies apart.
_APART_S = 4e-8  # of a pair of cell and photo: to find the nearest
_AWAY_S = 1e-10  # of a number of a pair of cell and variant
_OPTIONS = 200  # photos whose cells are looked at for an exchange
_EXCHANGE_S = 0.8e-9  # of a number of a variant of one
_VAIN_S = 1.6e-3  # of exchanges that are tried in vain, the more often the more are too near

# Of heuristics.
_LOAD_S = 0.3  # to load its compiled loops
_COSTS_S, _KIND_S, _COST_S = 4e-9, 6.2e-9, 6.8e-11  # of a pair, a variant of it, a number of that
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


def matching_s(plan: Plan, request: Photomosaic, moved: float, copies: float) -> float:
    """Forecast the seconds of all that is not drawing.

    Parameters
    ----------
    plan : Plan
    request : Photomosaic
    moved : float
        Share of the cells that are given other photos to keep copies apart, each time counted.
    copies : float
        Cells that a used photo lies on.
    """
    photos, numbers = len(plan.library.sources), _numbers(request)
    in_sheets = sum(map(is_tile, plan.library.sources))
    known = in_sheets * _TILE_S + (photos - in_sheets) * _FILE_S
    describing = (
        photos * len(variants(request.variants)) * _FEATURE_S + photos * numbers * _NUMBER_S
    )
    if _is_heuristic(request):
        solving = _heuristic_s(plan, request)
    else:
        solving = _exact_s(plan, request) + _apart_s(plan, request, moved, copies)
    return _START_S + known + describing + solving


def matching_mb(plan: Plan, request: Photomosaic) -> float:
    """Forecast the memory that matching takes on top of what the plan has."""
    cells, photos = len(plan.boxes), len(plan.library.sources)
    photo_mb = 4e-6 * _numbers(request)
    if _is_heuristic(request):
        return photo_mb * photos + _HEURISTIC_MB + _table(plan, request) / 1e6
    solving = _SOLVER_MB + cells * _CELL_MB
    if not is_large(plan, request):
        return photo_mb * photos + solving
    return LISTS / 1e6 + _COPIES * photo_mb * _joining(plan) + solving


def foretelling(plan: Plan, request: Photomosaic, progress: Progress) -> Progress:
    """Pass on steps; those of the exact solver, whose rounds nobody knows, with a forecast."""
    if _is_heuristic(request):
        return progress
    begin, seconds = time.monotonic(), _exact_s(plan, request)

    def told(step: Step) -> None:
        left = begin + seconds - time.monotonic()
        known = step.phase != "assign" or step.total > 0 or left <= 0
        progress(step if known else replace(step, left=left))

    return told


def _exact_s(plan: Plan, request: Photomosaic) -> float:
    cells, photos = len(plan.boxes), len(plan.library.sources)
    pairs = cells * photos * _numbers(request)
    if is_large(plan, request):
        listing = pairs * _LISTED_S
        if is_sampled(cells, photos):
            kinds = len(variants(request.variants))
            listing = cells * photos * kinds * _NARROW_S + photos * _AGAIN_S
        return _SOLVE_S + listing + cells * _LIST_CELL_S
    if request.repeats == "free":
        return _SOLVE_S + pairs * _NEAREST_S
    return _SOLVE_S + pairs * _PAIR_S + cells * _CELL_S


def _apart_s(plan: Plan, request: Photomosaic, moved: float, copies: float) -> float:
    """Compare cells whose photo lies too near a copy with all photos, and try exchanges."""
    cells, photos = len(plan.boxes), len(plan.library.sources)
    if is_large(plan, request):
        photos = _joining(plan)
    numbers = _numbers(request)
    comparing = photos * (_APART_S + numbers * _AWAY_S)
    others = min(cells / 2, _OPTIONS * copies)
    exchanging = others * numbers * _EXCHANGE_S + min(1, moved) ** 3 * _VAIN_S
    return moved * cells * (comparing + exchanging)


def _heuristic_s(plan: Plan, request: Photomosaic) -> float:
    cells, photos = len(plan.boxes), len(plan.library.sources)
    how, table = _HEURISTICS[request.solver], _table(plan, request)
    kinds, numbers = len(variants(request.variants)), _numbers(request)
    cost = _COSTS_S + kinds * _KIND_S + numbers * _COST_S
    compared = cells * photos if how.whole or table else 0
    looks = how.again * cells**2
    limit = request.time_limit or math.inf
    if request.solver in ENDLESS:
        if request.time_limit:
            return _LOAD_S + limit
        looks += EVALUATIONS_PER_CELL * cells
    comparing = compared * cost + looks * (_LOOK_S if table else cost)
    return _LOAD_S + cells * _LAID_S + min(limit, comparing + photos * how.photo_s)


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


def _numbers(request: Photomosaic) -> int:
    """Numbers that are compared of a photo, all its variants together."""
    return 3 * request.detail**2 * len(variants(request.variants))


def _joining(plan: Plan) -> int:
    return min(len(plan.library.sources), round(_JOINING * len(plan.boxes)))
