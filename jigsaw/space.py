"""The free area of a container while it is filled: distances, what is open, sites, tiles."""

import itertools
from collections.abc import Sequence
from copy import copy
from functools import partial
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from smalti.jigsaw.cvd import lloyd, relax
from smalti.jigsaw.distance import (
    Box,
    Map,
    box_around,
    contour_distance,
    extent,
    openable,
    signed_distance,
)
from smalti.jigsaw.energy import Terms
from smalti.jigsaw.pose import Pose

Floats = NDArray[np.float64]

# In units of the side of the tile wanted at a place.
_REACH = 0.3  # of the distance map
SHALLOW = 0.18  # radius of a disc that fits into every tile worth placing


class Choice(NamedTuple):
    """A tile judged at a place."""

    energy: float
    tile: int
    pose: Pose
    contour: Floats
    terms: Terms


class Space:
    """The free area of a container, and the tiles and sites in it."""

    def __init__(
        self, mask: NDArray[np.bool_], size: Map, side: float, rng: np.random.Generator
    ) -> None:
        self.size, self.side, self.rng = size, side, rng
        self.reach = _REACH * float(size.max())
        self.shallow = (SHALLOW * size).astype(np.float32)
        self.density = (float(size.mean()) / size) ** 4
        self.border = signed_distance(mask).clip(-self.reach, self.reach)
        self.distance = self.border.copy()
        self.closed = np.zeros(mask.shape, bool)
        self.open = openable(self.distance, self.shallow)
        self.cells = np.full(mask.shape, -1, np.int32)
        self.sites = np.empty((0, 2))
        self.neighbours = np.empty(0)  # of each site; infinite once it is gone
        self.tiles: list[Choice] = []
        self.numbers: list[int] = []  # of the tiles, each of which keeps its own
        self.others: list[list[Choice]] = []  # what else could lie in each tile's place
        self.traces: list[tuple[Box, Map]] = []  # of each tile, its distances
        self.extents = np.empty((0, 4))  # of each tile: left, top, right, bottom
        self._count = itertools.count()  # shared by copies, so that no number comes twice

    def seed(self, box: Box = (slice(None), slice(None))) -> int:
        """Spread sites over the open pixels that have none; return how many."""
        top, left = box[0].start or 0, box[1].start or 0
        bare = self.open[box] & (self.cells[box] < 0)
        parts, count = ndimage.label(bare)
        if count == 0:
            return 0
        rows, columns = np.nonzero(bare)
        points = np.stack([columns + left + 0.5, rows + top + 0.5], axis=1)
        need = 1 / self.size[box][rows, columns].astype(float) ** 2
        part = parts[rows, columns] - 1
        wanted = np.maximum(1, np.round(np.bincount(part, need))).astype(int)
        # Every site at its quantile of the area, part by part: even without a draw.
        order = np.argsort(part, kind="stable")
        chosen = np.concatenate(
            [
                self.rng.choice(members, min(n, len(members)), replace=False)
                for members, n in zip(
                    np.split(order, np.cumsum(np.bincount(part))[:-1]), wanted, strict=True
                )
            ]
        )
        stride = max(1, int(self.side / 5)) ** 2 if len(points) > 1000 else 1
        few = self.rng.permutation(len(points))[: max(len(points) // stride, 1)]
        density = self.density[box][rows, columns].astype(float)
        sites = lloyd(points[few], density[few], points[chosen], 12)
        first = len(self.sites)
        self.sites = np.concatenate([self.sites, sites])
        self.neighbours = np.concatenate([self.neighbours, np.zeros(len(sites))])
        self.cells[box][rows, columns] = first
        self._relax_all(range(first, len(self.sites)), box)
        return len(sites)

    def _relax_all(self, numbers: range, box: Box) -> None:
        """Give every site its cell and count its neighbours."""
        top, left = box[0].start or 0, box[1].start or 0
        cells = self.cells[box]
        rows, columns = np.nonzero(cells == numbers.start)
        _, nearest = cKDTree(self.sites[numbers.start :]).query(
            np.stack([columns + left + 0.5, rows + top + 0.5], axis=1)
        )
        cells[rows, columns] = numbers.start + nearest
        pairs: list[NDArray[np.int32]] = []
        for one, other in ((cells[1:], cells[:-1]), (cells[:, 1:], cells[:, :-1])):
            apart = (one != other) & (one >= 0) & (other >= 0)
            pairs += [np.stack([one[apart], other[apart]]), np.stack([other[apart], one[apart]])]
        links = np.unique(np.concatenate(pairs, axis=1), axis=1)
        self.neighbours += np.bincount(links[0], minlength=len(self.sites))

    def next_site(self, rng: np.random.Generator) -> int | None:
        """Return a random one of the sites with the fewest neighbours."""
        if not len(self.sites):
            return None
        least = self.neighbours.min()
        if not np.isfinite(least):
            return None
        return int(rng.choice(np.flatnonzero(self.neighbours == least)))

    def cell(self, site: int) -> tuple[Floats, float]:
        """Return where to place a tile for a site, and the area of its cell."""
        x, y = self.sites[site]
        half = 2.5 * self.size[int(y), int(x)]
        rows = slice(max(0, int(y - half)), int(y + half))
        columns = slice(max(0, int(x - half)), int(x + half))
        own = self.cells[rows, columns] == site
        area = int(np.count_nonzero(own))
        if area == 0:
            return np.array([x, y]), 0.0
        ys, xs = np.nonzero(own)
        depth = self.distance[rows, columns][ys, xs]
        if self.distance[int(y), int(x)] < depth.max() / 2:  # the centroid lies outside
            ys, xs = ys[depth >= depth.max() - 0.5], xs[depth >= depth.max() - 0.5]
        return np.array([columns.start + xs.mean() + 0.5, rows.start + ys.mean() + 0.5]), area

    def place(self, choice: Choice, others: list[Choice]) -> None:
        """Subtract a tile and let the sites around it settle."""
        self._append(choice, others)
        self.refresh(self.traces[-1][0])
        self.settle(choice.pose.x, choice.pose.y)

    def occupy(self, choices: list[Choice]) -> None:
        """Lay tiles that are not to be exchanged."""
        for choice in choices:
            self._append(choice, [])
        if choices:
            self.reopen()

    def _append(self, choice: Choice, others: list[Choice]) -> None:
        self.tiles.append(choice)
        self.numbers.append(next(self._count))
        self.others.append(others)
        self.extents = np.concatenate([self.extents, [extent(choice.contour)]])
        self.traces.append(self.draw(choice.contour))

    def take_out(self, index: int) -> None:
        """Give a tile's place back to the free area; the tile stays in the list."""
        gone = self.tiles[index].contour
        box = box_around(gone, self.reach + 1, self.distance.shape)
        window = self.distance[box]
        window[:] = self.border[box]
        left, top, right, bottom = self.extents.T
        margin = self.reach + 1
        near = (
            (left < box[1].stop + margin)
            & (right > box[1].start - margin)
            & (top < box[0].stop + margin)
            & (bottom > box[0].start - margin)
        )
        near[index] = False
        for other in np.flatnonzero(near):
            whole, apart = self.traces[other]
            part = common(whole, box)
            if part is not None:
                window = self.distance[part]
                np.minimum(window, apart[within(part, whole)], out=window)

    def clear(self, indices: NDArray[np.intp]) -> Box:
        """Forget tiles, and open their places again; return the window that holds these."""
        boxes = [self.traces[i][0] for i in indices]
        for index in sorted(map(int, indices), reverse=True):
            self.take_out(index)
            del self.tiles[index], self.numbers[index], self.others[index], self.traces[index]
            self.extents = np.delete(self.extents, index, axis=0)
        box = hull(boxes)
        self.reopen(box)
        return box

    def copy(self) -> Self:
        """Return the same configuration, to be changed apart."""
        twin = copy(self)
        for name in ("distance", "closed", "open", "cells", "sites", "neighbours", "extents"):
            setattr(twin, name, getattr(self, name).copy())
        twin.tiles, twin.traces = list(self.tiles), list(self.traces)
        twin.numbers = list(self.numbers)
        twin.others = [list(others) for others in self.others]
        return twin

    def put_back(self, index: int, choice: Choice) -> None:
        """Put a tile where another has been taken out."""
        self.tiles[index] = choice
        self.extents[index] = extent(choice.contour)
        self.traces[index] = self.draw(choice.contour)

    def draw(self, contour: Floats) -> tuple[Box, Map]:
        """Subtract a tile from the free area; return its distances, to do so again."""
        box = box_around(contour, self.reach + 1, self.distance.shape)
        apart = contour_distance(contour, box, self.reach)
        window = self.distance[box]
        np.minimum(window, apart, out=window)
        return box, apart

    def worst_first(self, first: int = 0) -> list[int]:
        """Return the tiles from the `first` on by their energy, the largest first."""
        order = np.argsort([-choice.energy for choice in self.tiles[first:]], kind="stable")
        return [first + int(i) for i in order]

    def gap(self) -> Floats:
        """Return a place in one of the widest gaps, drawn by how wide they are."""
        wide = np.flatnonzero(self.distance >= max(float(self.distance.max()) / 2, 0))
        width = np.maximum(self.distance.ravel()[wide], 0.01)
        y, x = divmod(int(self.rng.choice(wide, p=width / width.sum())), self.open.shape[1])
        return np.array([x + 0.5, y + 0.5])

    def hole(self, contour: Floats) -> int:
        """Free area in and around a place, px."""
        box = box_around(contour, 2.0, self.distance.shape)
        parts, _ = ndimage.label(self.distance[box] > 0)
        return int(np.bincount(parts.ravel())[1:].max(initial=1))

    def refresh(self, box: Box) -> None:
        """Find out again what is open in and around a window whose distances changed."""
        margin = int(np.ceil(float(self.shallow[box].max()))) + 2
        wide = grown(box, 2 * margin, self.open.shape)
        inner = grown(box, margin, self.open.shape)
        free = openable(self.distance[wide], self.shallow[wide])
        self.open[inner] = free[within(inner, wide)] & ~self.closed[inner]
        self.cells[inner][~self.open[inner]] = -1

    def settle(self, x: float, y: float) -> None:
        """Update the diagram around a place."""
        unit = float(self.size[int(y), int(x)])
        apart = np.abs(self.sites - (x, y)).max(axis=1)
        alive = np.isfinite(self.neighbours)
        near = np.flatnonzero(alive & (apart < 3.2 * unit))
        if not len(near):
            return
        half = int(2.4 * unit)
        box = (
            slice(max(0, int(y) - half), int(y) + half),
            slice(max(0, int(x) - half), int(x) + half),
        )
        moving = apart[near] < 1.5 * unit
        step = partial(relax, self.cells[box], self.density[box], box[1].start, box[0].start)
        area, _ = step(near, moving, self.sites)
        wanted = self.size[self.sites[near, 1].astype(int), self.sites[near, 0].astype(int)]
        starved = moving & (area < 0.3 * wanted**2)
        self.neighbours[near[starved]] = np.inf
        near, moving = near[~starved], moving[~starved]
        if not len(near):
            self.cells[box] = -1  # what is left is sought again in the next round
            return
        _, touching = step(near, moving, self.sites)
        self.neighbours[near[moving]] = touching.sum(axis=1)[moving]

    def reopen(self, box: Box | None = None) -> None:
        """Let what was given up, anywhere or in a window, be tried again."""
        box = box or (slice(0, self.open.shape[0]), slice(0, self.open.shape[1]))
        self.closed[box] = False
        self.cells[box] = -1
        self.refresh(box)
        self.neighbours[:] = np.inf

    def close(self, site: int) -> None:
        """Give up a site: its cell stays a gap (6.3)."""
        own = self.cells == site
        self.closed |= own
        self.open &= ~own
        self.cells[own] = -1
        self.neighbours[site] = np.inf


def grown(box: Box, margin: int, shape: tuple[int, ...]) -> Box:
    """Return a window with a margin around it, within an array of `shape`."""
    rows, columns = box
    return (
        slice(max(0, rows.start - margin), min(shape[0], rows.stop + margin)),
        slice(max(0, columns.start - margin), min(shape[1], columns.stop + margin)),
    )


def around(box: Box, contour: Floats, space: Space) -> Box:
    """Return the window that holds a window and a contour's surroundings."""
    return hull([box, box_around(contour, space.reach + 1, space.distance.shape)])


def hull(boxes: Sequence[Box]) -> Box:
    """Return the window that holds all of them."""
    rows, columns = (
        slice(min(side.start for side in sides), max(side.stop for side in sides))
        for sides in zip(*boxes, strict=True)
    )
    return rows, columns


def common(one: Box, other: Box) -> Box | None:
    """Return what two windows share, if anything."""
    (rows, columns), (others, across) = one, other
    top, bottom = max(rows.start, others.start), min(rows.stop, others.stop)
    left, right = max(columns.start, across.start), min(columns.stop, across.stop)
    return (slice(top, bottom), slice(left, right)) if top < bottom and left < right else None


def within(inner: Box, outer: Box) -> Box:
    """Return where a window lies within another that holds it."""
    (rows, columns), (top, left) = inner, (side.start for side in outer)
    return (
        slice(rows.start - top, rows.stop - top),
        slice(columns.start - left, columns.stop - left),
    )
