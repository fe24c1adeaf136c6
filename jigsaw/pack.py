"""Packing: containers filled with tiles, roughly, without deforming them (section 5.2).

One tile at a time: a site from a centroidal Voronoi diagram of the free area
(6.1), candidates for it by colour and by scanning poses or by geometric hashing
(6.4), registration of the best (Gauss-Newton on the spring energies), the
choice by equation 7, and the tile subtracted from the free area (figure 5).
A container so large that several workers should share it is filled cell by
cell of its own Voronoi diagram, and then once more along the cuts.
"""

import itertools
import math
import time
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from smalti.core.errors import BadInput, Cancelled
from smalti.core.progress import Progress, Step, each_result, silent
from smalti.jigsaw.choose import Rules, Weights, angles_within, comparable
from smalti.jigsaw.container import Container, away_from_seams, cut_out, cut_up
from smalti.jigsaw.fill import Watch, fill
from smalti.jigsaw.hashing import hash_table
from smalti.jigsaw.placement import Laid, Placement
from smalti.jigsaw.quota import quotas
from smalti.jigsaw.shapes import ShapeLibrary
from smalti.jigsaw.size import wanted_sizes

Floats = NDArray[np.float64]

__all__ = ["Weights", "check_enough", "pack"]

_RIP_UPS, _MOST = 105, 3.0  # places filled anew, in all and for each tile at most
_SPARED = 0.05  # for each tile fewer: of a large mosaic's nobody sees every one
_UNLIMITED = 1 << 40  # copies, where nothing limits them


def pack(
    labels: NDArray[np.intp],
    goal: NDArray[np.float32],
    library: ShapeLibrary,
    *,
    tiles: int,
    weights: Weights | None = None,
    size_ratio: float = 3.0,
    rotate: Literal["free", "upright"] | float = "free",
    reuse: int | None = None,
    reuse_distance: float = 3.0,
    candidates: Literal["scan", "hashing"] = "scan",
    shortlist: int = 90,
    fine: NDArray[np.float32] | None = None,
    rng: np.random.Generator,
    executor: Executor | None = None,
    progress: Progress = silent,
    time_limit: float | None = None,
    keep_partial: bool = False,
    part_of: int | None = None,
) -> tuple[list[Placement], int]:
    """Fill every container with tiles, moved, turned and scaled but not deformed.

    Parameters
    ----------
    labels : ndarray of shape (h, w), intp
        Container of every pixel; -1 stays empty. Best at a size where a tile
        is about 20 px wide.
    goal : ndarray of shape (h, w, 3), float32
        CIELAB of the target.
    library : ShapeLibrary
    tiles : int
        How many tiles are wanted in all; about as many are placed.
    weights : Weights, optional
    size_ratio : float
        How many times larger than the smallest tile the largest may be.
    rotate : {"free", "upright"} or float
        Any turn, none, or at most so many degrees either way.
    reuse : int, optional
        How often the shapes of one group may be used at most.
    reuse_distance : float
        In tiles; copies nearer than this are avoided.
    candidates : {"scan", "hashing"}
        How poses are proposed.
    shortlist : int
        How many shapes of the right colour are tried at a site.
    fine : ndarray of shape (h, w), float32, optional
        How much smaller than elsewhere tiles shall be, at most 1.
    rng : Generator
    executor : Executor, optional
        One task per container; the result does not depend on it.
    progress : callable
        Steps of phase ``"pack"`` carry a tuple of `Laid`.
    time_limit : float, optional
        Seconds after which no more tiles are placed.
    keep_partial : bool
        The first `Cancelled` that `progress` raises ends the packing, as the time
        limit would, instead of losing it.
    part_of : int, optional
        Tiles of the mosaic that this is a sample of, to be packed as carefully as it would be.

    Returns
    -------
    placements : list of Placement
    backtracks : int
        How often a tile was taken back during the search.

    Raises
    ------
    BadInput
        If the library is empty or `reuse` times its groups are fewer than `tiles`.
    """
    weights = weights or Weights()
    groups = check_enough(library, tiles, reuse)
    filled = labels >= 0
    if not filled.any():
        return [], 0
    side = float(np.sqrt(filled.sum() / tiles))
    turn = turn_of(rotate)
    lifted = goal.copy()
    lifted[..., 0] = np.maximum(lifted[..., 0], 17)  # blacks show only where they are not quite
    size = wanted_sizes(labels, lifted, side, size_ratio, fine)
    rules = Rules(
        library=comparable(library),
        weights=weights,
        size_ratio=size_ratio,
        turn=turn,
        reuse_distance=reuse_distance,
        shortlist=shortlist,
        table=hash_table(library.contours, angles_within(turn))
        if candidates == "hashing"
        else None,
    )
    need = 1 / size.astype(float) ** 2
    cells, owner = cut_up(labels, need, rng)
    if reuse is None:
        quota = np.full((len(owner), groups), _UNLIMITED)
    else:
        part = ndimage.sum_labels(need, cells, np.arange(len(owner)))
        quota = quotas(cells, lifted, part, library.lab, library.group, reuse, rng)
    cut = partial(cut_out, goal=lifted, size=size, side=side)
    with TemporaryDirectory() as folder:
        stop = Path(folder) / "stop"
        shown = partial(_until_stopped, progress, stop) if keep_partial else progress
        deadline = math.inf if time_limit is None else time.time() + time_limit
        watch = Watch(deadline, stop, tiles, shown if executor is None else None)
        task = partial(
            fill,
            rules=rules,
            effort=float(np.clip(_RIP_UPS / (part_of or tiles) - _SPARED, 0, _MOST)),
            watch=watch,
        )
        each = partial(_each, task=task, tiles=tiles, executor=executor, progress=shown)
        keys = itertools.count()
        first = [
            cut(cells, k, next(keys), int(label), quota=quota[k], rng=child)
            for k, (label, child) in enumerate(zip(owner, rng.spawn(len(owner)), strict=True))
        ]
        laid, backtracks = each(first)
        large = np.flatnonzero(np.bincount(owner) > 1)
        whole = []
        for label, child in zip(large, rng.spawn(len(large)), strict=True):
            mine = owner == label
            around = away_from_seams(_joined(laid, mine), cells, labels == label, side)
            free = quota[mine].sum(axis=0)
            whole.append(
                cut(labels, int(label), next(keys), int(label), quota=free, rng=child, laid=around)
            )
        if whole and not watch.over():
            watch.cleared([first[k].key for k in np.flatnonzero(np.isin(owner, large))], shown)
            again, more = each(whole)
            backtracks += more
            for label, placements in zip(large, again, strict=True):
                mine = owner == label
                # A time limit may have left gaps where the cuts were.
                if _area(placements) > _area(_joined(laid, mine)):
                    for k in np.flatnonzero(mine):
                        laid[k] = []
                    laid[int(mine.argmax())] = placements
    return _joined(laid, np.ones(len(laid), bool)), backtracks


def check_enough(library: ShapeLibrary, tiles: int, reuse: int | None) -> int:
    """Return how many shapes differ; raise BadInput if so many tiles cannot be made of them."""
    groups = int(library.group.max()) + 1 if len(library.group) else 0
    if groups == 0:
        raise BadInput("the library holds no shape: give clip art with a transparent ground")
    if reuse is not None and reuse * groups < tiles:
        raise BadInput(
            f"{groups} different shapes used {reuse} times each make fewer than {tiles} tiles: "
            "allow more reuse, or add shapes"
        )
    return groups


def _joined(laid: list[list[Placement]], which: NDArray[np.bool_]) -> list[Placement]:
    """Return the tiles of some of the cells as one list."""
    return [placement for k in np.flatnonzero(which) for placement in laid[k]]


def _each(
    containers: list[Container],
    *,
    task: Callable[[Container], tuple[list[Placement], int]],
    tiles: int,
    executor: Executor | None,
    progress: Progress,
) -> tuple[list[list[Placement]], int]:
    """Fill containers; return what was laid in each, and how often a tile was taken back."""
    laid: list[list[Placement]] = []
    backtracks, count = 0, 0

    def told(step: Step) -> None:
        """Count tiles instead of containers; in this process they are told one by one."""
        if executor is not None:
            progress(Step("pack", count, max(tiles, count), "packing"))

    results = each_result(task, containers, phase="pack", executor=executor, progress=told)
    for container, (placements, taken_back) in zip(containers, results, strict=True):
        laid.append(placements)
        backtracks += taken_back
        count += len(placements)
        if executor is not None:  # else they were told as they landed
            laid_there = (Laid(container.key, i, p) for i, p in enumerate(placements))
            news = (Laid(container.key), *laid_there)
            progress(Step("pack", count, max(tiles, count), "packing", news))
    return laid, backtracks


def _until_stopped(progress: Progress, stop: Path, step: Step) -> None:
    """Report a step; the first cancel is only noted, in a file that all workers look at."""
    try:
        progress(step)
    except Cancelled:
        if stop.exists():
            raise
        stop.touch()


def _area(placements: list[Placement]) -> float:
    return sum(p.pose.scale**2 for p in placements)


def turn_of(rotate: str | float) -> float:
    """Largest turn allowed, radians."""
    if rotate == "free":
        return float(np.pi)
    if rotate == "upright":
        return 0.0
    return float(np.radians(min(float(rotate), 180.0)))
