"""Lee's block matching with colour adjustment, without adaptive tiling (rival of paper 003).

Paper 003 only names the algorithm; the steps are those of its abstract (H.-Y.
Lee, "Generation of photo-mosaic images through block matching and color
adjustment", 2014): features of blocks, matching by the Euclidean distance,
removal of redundancy in adjacent blocks, adjustment of intensity. Features of
its forerunner (Seo et al., 2012) are 4 x 4 block means of RGB.
"""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from smalti.core.heuristics.costs import Problem
from smalti.core.heuristics.nearest import lay
from smalti.core.heuristics.search import Found
from smalti.core.heuristics.watch import Watch
from smalti.core.progress import Progress, silent

DETAIL = 4
"""Blocks along a side of a tile that are compared."""


def block_matching(
    problem: Problem,
    rng: np.random.Generator,
    *,
    evaluations: int | None = None,
    time_limit: float | None = None,
    progress: Progress = silent,
) -> Found:
    """Lay on each cell, in raster order, the nearest photo not adjacent to itself.

    None is used more often than the problem allows. Where every photo left
    lies next to the cell, the nearest of them is laid all the same.

    Parameters
    ----------
    problem : Problem
        Its rows are the features; without its columns no cells are adjacent.
    rng : numpy.random.Generator
        Unused: nothing here is random.
    evaluations : int or None
    time_limit : float or None
        Wall seconds; cells without a photo at a limit, or on Ctrl-C, get any left.
    progress : callable
        Raising in it cancels.
    """
    watch = Watch(evaluations, time_limit, progress, "matching blocks")
    choose = partial(_least_apart, problem.capacity, problem.columns)
    return lay(problem, np.arange(problem.cells), choose, watch, "block-matching")


def adjust_intensity(tiles: NDArray[np.uint8], blocks: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Replace each tile's mean intensity by its block's, its colours and contrast kept.

    Parameters
    ----------
    tiles, blocks : ndarray of shape (n, h, w, 3), uint8 sRGB

    Returns
    -------
    ndarray of shape (n, h, w, 3), uint8 sRGB
    """
    axes = (1, 2, 3)
    shift = blocks.mean(axes, np.float32) - tiles.mean(axes, np.float32)
    moved: NDArray[np.float32] = tiles + np.rint(shift)[:, None, None, None]
    return moved.clip(0, 255).astype(np.uint8)


def _least_apart(
    capacity: int,
    columns: int | None,
    cell: int,
    costs: NDArray[np.float32],
    group: NDArray[np.intp],
    used: NDArray[np.intp],
) -> int:
    free = np.where(used < capacity, costs, np.inf)
    apart = free.copy()
    if columns is not None:
        left, right = cell % columns > 0, cell % columns < columns - 1
        ways = ((-1, left), (-columns - 1, left), (-columns, True), (-columns + 1, right))
        for way, inside in ways:
            if inside and cell + way >= 0:
                apart[group[cell + way]] = np.inf
    best = int(apart.argmin())
    return best if np.isfinite(apart[best]) else int(free.argmin())
