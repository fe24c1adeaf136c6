"""Clustering based evolutionary programming, CEP (paper 003, section 3, algorithm 1)."""

from functools import partial

import numpy as np
from numba import njit
from numpy.typing import NDArray

from smalti.core.heuristics.costs import Problem, Source, pair_cost, tabulated
from smalti.core.heuristics.search import CHUNK, Found, State, improve, random_start
from smalti.core.heuristics.watch import Watch
from smalti.core.progress import Progress, silent

BINS = 15
CLUSTERS = 90
ALPHA = 0.75

_BATCH = 256  # pictures counted at a time
_ROUNDS = 100  # of k-means at most; it settles earlier


def cep(
    problem: Problem,
    rng: np.random.Generator,
    *,
    start: NDArray[np.intp] | None = None,
    evaluations: int | None = None,
    time_limit: float | None = None,
    progress: Progress = silent,
    bins: int = BINS,
    clusters: int = CLUSTERS,
    alpha: float = ALPHA,
) -> Found:
    """Mutate a cell's photo within its cluster if it fits well, out of it if not.

    Cells are drawn in proportion to their cost. A photo already used as often
    as it may be is drawn in vain, which is no evaluation. Photos are clustered
    once, by k-means of their histograms; near-duplicates by their mean.

    Parameters
    ----------
    problem : Problem
        Its pictures are clustered; where it has none, the photos' rows are, taken as
        colours from 0 to 255.
    rng : numpy.random.Generator
    start : ndarray of shape (n,), intp, optional
        Group of each cell; random without.
    evaluations : int or None
    time_limit : float or None
        Wall seconds; without either limit it ends on Ctrl-C only.
    progress : callable
        Raising in it cancels.
    bins, clusters : int
        B and K of the paper.
    alpha : float
        Probability of a mutation within the cluster where a cell costs less than the mean.
    """
    watch = Watch(evaluations, time_limit, progress, "evolving within clusters")
    problem = tabulated(problem, watch)
    label = np.zeros(problem.groups, np.intp)
    with watch.interruptible():
        label = kmeans(_histograms(problem, bins), clusters, rng)
    first = random_start(problem, rng) if start is None else start
    return improve(problem, first, partial(_step, problem, label, alpha, rng), watch, "cep")


def colour_histograms(pictures: NDArray[np.uint8], bins: int = BINS) -> NDArray[np.float64]:
    """Count each channel's values in equal bins; the counts of a picture sum to 1.

    Parameters
    ----------
    pictures : ndarray of shape (m, ..., c), uint8
    bins : int
        Per channel.

    Returns
    -------
    ndarray of shape (m, c * bins), float64
    """
    count, channels = len(pictures), pictures.shape[-1]
    values = pictures.reshape(count, -1, channels)
    width = channels * bins
    out: NDArray[np.float64] = np.empty((count, width))
    for start in range(0, count, _BATCH):
        part = values[start : start + _BATCH].astype(np.intp) * bins >> 8
        part += bins * np.arange(channels)
        part += width * np.arange(len(part))[:, None, None]
        counted = np.bincount(part.ravel(), minlength=len(part) * width)
        out[start : start + _BATCH] = counted.reshape(-1, width)
    out /= channels * values.shape[1]
    return out


def kmeans(rows: NDArray[np.float64], clusters: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Cluster rows by Lloyd's k-means, begun from random different rows.

    Parameters
    ----------
    rows : ndarray of shape (m, d), float64
    clusters : int
        As many as there are different rows, if those are fewer.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of shape (m,), intp
        Cluster of each row, from 0 on.
    """
    different = np.unique(rows, axis=0)
    centres = different[rng.permutation(len(different))[:clusters]]
    label = np.full(len(rows), -1)
    for _ in range(_ROUNDS):
        # The square of each row itself is the same for all centres.
        nearest = ((centres**2).sum(1) - 2 * rows @ centres.T).argmin(1)
        if np.array_equal(nearest, label):
            break
        label = nearest
        sums = np.zeros_like(centres)
        np.add.at(sums, label, rows)
        members = np.bincount(label, minlength=len(centres))
        filled = members > 0
        centres[filled] = sums[filled] / members[filled, None]
    return label


def _histograms(problem: Problem, bins: int) -> NDArray[np.float64]:
    """Mean histogram of each group's photos."""
    pictures = problem.pictures
    if pictures is None:
        rows = problem.source.photos[:, 0].clip(0, 255).astype(np.uint8)
        pictures = rows.reshape(len(rows), -1, 1 if rows.shape[1] % 3 else 3)
    each = colour_histograms(pictures, bins)
    sums = np.zeros((problem.groups, each.shape[1]))
    np.add.at(sums, problem.group, each)
    members: NDArray[np.intp] = np.bincount(problem.group, minlength=problem.groups)
    return sums / members[:, None]


def _step(
    problem: Problem,
    label: NDArray[np.intp],
    alpha: float,
    rng: np.random.Generator,
    state: State,
    limit: int,
) -> tuple[int, bool]:
    if problem.groups * problem.capacity == problem.cells or not state.cost.any():
        return 0, False  # no move is allowed, or none is wanted
    member = np.argsort(label, kind="stable")
    first = np.searchsorted(label[member], np.arange(label.max() + 2))
    arrays = (state.group, state.cost, state.used)
    draws = rng.random((CHUNK, 3))
    made = evolve(
        problem.source, problem.capacity, *arrays, label, member, first, alpha, draws, limit
    )
    return made, True


@njit(cache=True)
def evolve(
    source: Source,
    capacity: int,
    group: NDArray[np.intp],
    cost: NDArray[np.float64],
    used: NDArray[np.intp],
    label: NDArray[np.intp],
    member: NDArray[np.intp],
    first: NDArray[np.intp],
    alpha: float,
    draws: NDArray[np.float64],
    limit: int,
) -> int:
    """Try one mutation for every row of draws from [0, 1): cell, in or out, group.

    `member` lists the groups cluster by cluster, `first` where each begins.
    """
    n, groups = len(group), len(used)
    tree = _sum_tree(cost)
    total = cost.sum()
    made = 0
    for row in range(len(draws)):
        if made == limit or total <= 0:
            break
        cell = _wheel(tree, draws[row, 0] * total)
        begin, end = first[label[group[cell]]], first[label[group[cell]] + 1]
        within = draws[row, 1] < (alpha if cost[cell] < total / n else 1 - alpha)
        if within or end - begin == groups:
            new = member[begin + int(draws[row, 2] * (end - begin))]
        else:
            place = int(draws[row, 2] * (groups - end + begin))
            new = member[place if place < begin else place + end - begin]
        if used[new] >= capacity:
            continue
        price = np.float64(pair_cost(source, cell, new))
        made += 1
        if price < cost[cell]:
            change = price - cost[cell]
            place = cell + 1
            while place <= n:
                tree[place] += change
                place += place & -place
            total += change
            used[group[cell]] -= 1
            used[new] += 1
            group[cell], cost[cell] = new, price
    return made


@njit(cache=True)
def _sum_tree(cost: NDArray[np.float64]) -> NDArray[np.float64]:
    """Binary indexed tree: sums over spans, so that drawing and changing take log n."""
    tree = np.zeros(len(cost) + 1)
    for place in range(1, len(tree)):
        tree[place] += cost[place - 1]
        above = place + (place & -place)
        if above < len(tree):
            tree[above] += tree[place]
    return tree


@njit(cache=True)
def _wheel(tree: NDArray[np.float64], target: float) -> int:
    """Find the cell on whose share of the total the wheel has stopped."""
    place, step = 0, 1
    while 2 * step < len(tree):
        step *= 2
    while step:
        if place + step < len(tree) and tree[place + step] <= target:
            place += step
            target -= tree[place]
        step //= 2
    return min(place, len(tree) - 2)  # rounding may carry it beyond the last
