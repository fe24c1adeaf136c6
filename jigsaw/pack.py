"""Packing: containers filled with tiles, roughly, without deforming them (section 5.2).

One tile at a time: a site from a centroidal Voronoi diagram of the free area
(6.1), candidates for it by colour and by scanning poses or by geometric hashing
(6.4), registration of the best (Gauss-Newton on the spring energies), the
choice by equation 7, and the tile subtracted from the free area (figure 5).
"""

import time
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from smalti.core.errors import BadInput
from smalti.core.progress import Progress, Step, each_result, silent
from smalti.jigsaw.choose import Chooser, Weights, angles_within
from smalti.jigsaw.distance import Map
from smalti.jigsaw.hashing import HashTable, hash_table
from smalti.jigsaw.placement import Placement
from smalti.jigsaw.shapes import ShapeLibrary
from smalti.jigsaw.size import wanted_sizes
from smalti.jigsaw.space import Space

Floats = NDArray[np.float64]

__all__ = ["Weights", "pack"]

_ROUNDS = 3  # times that sites are sought in what is left
_SWEEPS = (1.0, 0.5)  # share of the tiles, the worst, that may be exchanged in each sweep


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """All that a worker needs to fill one container."""

    label: int
    mask: NDArray[np.bool_]
    goal: NDArray[np.float32]
    size: Map
    corner: tuple[int, int]
    quota: NDArray[np.intp]
    rng: np.random.Generator
    share: float


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
    shortlist: int = 120,
    fine: NDArray[np.float32] | None = None,
    rng: np.random.Generator,
    executor: Executor | None = None,
    progress: Progress = silent,
    time_limit: float | None = None,
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
        Phase ``"pack"``.
    time_limit : float, optional
        Seconds after which no more tiles are placed.

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
    groups = int(library.group.max()) + 1 if len(library.group) else 0
    if groups == 0:
        raise BadInput("the library holds no shape: give clip art with a transparent ground")
    if reuse is not None and reuse * groups < tiles:
        raise BadInput(
            f"{groups} different shapes used {reuse} times each make fewer than {tiles} tiles: "
            "allow more reuse, or add shapes"
        )
    filled = labels >= 0
    if not filled.any():
        return [], 0
    side = float(np.sqrt(filled.sum() / tiles))
    turn = _turn(rotate)
    table = None
    if candidates == "hashing":
        table = hash_table(library.contours, angles_within(turn))
    lifted = goal.copy()
    lifted[..., 0] = np.maximum(lifted[..., 0], 17)  # blacks show only where they are not quite
    size = wanted_sizes(labels, lifted, side, size_ratio, fine)
    jobs = list(_jobs(labels, lifted, size, groups, reuse, rng))
    deadline = None if time_limit is None else time.time() + time_limit
    task = partial(
        _fill,
        library=library,
        side=side,
        weights=weights,
        size_ratio=size_ratio,
        turn=turn,
        reuse_distance=reuse_distance,
        table=table,
        shortlist=shortlist,
        deadline=deadline,
    )
    placements: list[Placement] = []
    backtracks = 0
    if executor is None:
        task = partial(task, landed=_Landed(progress, tiles))
    results = each_result(
        task, jobs, phase="containers", text="packing", executor=executor, progress=progress
    )
    for part, taken_back in results:
        placements += part
        backtracks += taken_back
        progress(Step("pack", len(placements), max(tiles, len(placements)), "packing"))
    return placements, backtracks


class _Landed:
    """Counts tiles as they land, where the work is done in this process."""

    def __init__(self, progress: Progress, expected: int) -> None:
        self.progress, self.expected, self.count = progress, expected, 0

    def __call__(self) -> None:
        self.count += 1
        if self.count % 10 == 0:
            expected = max(self.expected, self.count)
            self.progress(Step("pack", self.count, expected, "packing"))


def _turn(rotate: str | float) -> float:
    """Largest turn allowed, radians."""
    if rotate == "free":
        return float(np.pi)
    if rotate == "upright":
        return 0.0
    return float(np.radians(min(float(rotate), 180.0)))


def _jobs(
    labels: NDArray[np.intp],
    goal: NDArray[np.float32],
    size: Map,
    groups: int,
    reuse: int | None,
    rng: np.random.Generator,
) -> Iterator[_Job]:
    """Cut out every container, with its share of the copies of every shape."""
    numbers = np.unique(labels[labels >= 0])
    need = ndimage.sum_labels(1 / size.astype(float) ** 2, labels, numbers)
    shares = need / need.sum()
    # Systematic sampling: the copies of a shape go to containers in proportion
    # to their tiles, and add up exactly, without containers knowing each other.
    begin = rng.random(groups)
    margin = int(np.ceil(2 * float(size.max())))
    boxes = ndimage.find_objects(labels + 1)
    before = 0.0
    for number, share, child in zip(numbers, shares, rng.spawn(len(numbers)), strict=True):
        after = min(before + share, 1.0)
        if reuse is None:
            quota = np.full(groups, np.iinfo(np.intp).max)
        else:
            quota = (np.floor(after * reuse + begin) - np.floor(before * reuse + begin)).astype(
                np.intp
            )
        before = after
        rows, columns = boxes[number]
        pad = ((margin, margin), (margin, margin))
        box = (rows, columns)
        yield _Job(
            label=int(number),
            mask=np.pad(labels[box] == number, pad),
            goal=np.pad(goal[box], (*pad, (0, 0)), mode="edge"),
            size=np.pad(size[box], pad, mode="edge"),
            corner=(columns.start - margin, rows.start - margin),
            quota=quota,
            rng=child,
            share=float(share),
        )


def _fill(
    job: _Job,
    *,
    library: ShapeLibrary,
    side: float,
    weights: Weights,
    size_ratio: float,
    turn: float,
    reuse_distance: float,
    table: HashTable | None,
    shortlist: int,
    deadline: float | None,
    landed: _Landed | None = None,
) -> tuple[list[Placement], int]:
    """Fill one container."""
    space = Space(job.mask, job.size, side, job.rng)
    chooser = Chooser(
        space,
        library,
        job.goal,
        job.quota,
        weights,
        size_ratio,
        turn,
        reuse_distance,
        shortlist,
        table,
    )
    backtracks = 0
    for _ in range(_ROUNDS):
        if not space.seed():
            break
        while (site := space.next_site(job.rng)) is not None:
            if deadline is not None and time.time() > deadline:
                break
            choices = chooser.choices(site)
            if choices:
                space.place(choices[0], choices[1:3])
                chooser.used(choices[0], 1)
                if landed is not None:
                    landed()
            elif chooser.backtrack(site):
                backtracks += 1
            else:
                space.close(site)
        space.reopen()
    for share in _SWEEPS:
        for index in space.worst_first(share):
            if deadline is not None and time.time() > deadline:
                break
            chooser.improve(int(index))
    x, y = job.corner
    return [
        Placement(
            choice.tile,
            job.label,
            choice.pose._replace(x=choice.pose.x + x, y=choice.pose.y + y),
            choice.contour + np.array([x, y]),
            choice.energy,
        )
        for choice in space.tiles
    ], backtracks
