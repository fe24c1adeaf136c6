"""Tiles for sites: a colour shortlist, poses, registration, the choice by equation 7."""

from copy import copy
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from smalti.core.color import din99o
from smalti.jigsaw.distance import (
    Box,
    border_length,
    box_around,
    contour_distance,
    covered,
    openable,
)
from smalti.jigsaw.energy import Terms, look_ahead_energy
from smalti.jigsaw.fit import register, scan, shades, weigh
from smalti.jigsaw.hashing import HashTable, crossed, votes
from smalti.jigsaw.pose import Pose, placed
from smalti.jigsaw.shapes import ShapeLibrary
from smalti.jigsaw.space import SHALLOW, Choice, Space, around

Floats = NDArray[np.float64]

# Lengths are in units of the side of the tile wanted at a place, areas in units
# of its square, colour differences in DIN99o. The values were found by trying them
# on pictures of 1,400 tiles and on single containers of 40 and 80.
_SPRING = 0.2  # longest spring: what lies farther away is not a gap of this tile's
_ANGLES = 24
_SCALES = (0.9, 1.1)
_OFFSET = 0.25  # from a site to the places tried around it
_BEST = 32  # poses registered
_CHOICE = 5  # poses judged by look-ahead
_STEPS = 12  # of Gauss-Newton
_SWALLOW = 0.12  # share of a tile that may lie beyond the border
_SIZE_PRIOR = 0.03  # energy of a tile e times too large or too small
_DOUBLED = 0.3  # w_O of a pixel covered twice: most of it is no overlap once tiles bend
_AGAIN = 20.0  # colour difference that a copy beside its like costs
_EVERY = 1.5  # the same for every copy there is, wherever it lies
_AHEAD = 0.9  # w_A of equation 8
_WORTH_FILLING = 0.3  # a site of less area is closed without taking tiles back


@dataclass(frozen=True, slots=True)
class Weights:
    """What counts how much in the energy (equations 1 and 7).

    Lengths count in units of the wanted tile's side, areas in units of its
    area, colours in units of 100 in DIN99o, nearly CIEDE2000.
    """

    color: float = 0.7
    gap: float = 1.0
    overlap: float = 1.7
    deform: float = 1.0
    look: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Rules:
    """What holds in every container.

    Attributes
    ----------
    library : ShapeLibrary
        Its colours `comparable`.
    weights : Weights
    size_ratio : float
        Largest over smallest side of a tile.
    turn : float
        Largest turn either way, radians.
    reuse_distance : float
        In tiles; copies nearer than this are avoided.
    shortlist : int
        Shapes of the right colour that are tried at a site.
    table : HashTable or None
        Proposes poses by geometric hashing; without it poses are scanned.
    """

    library: ShapeLibrary
    weights: Weights
    size_ratio: float
    turn: float
    reuse_distance: float
    shortlist: int
    table: HashTable | None


def comparable(library: ShapeLibrary) -> ShapeLibrary:
    """Return a library whose colours are compared as the eye does (DIN99o)."""
    return replace(library, lab=din99o(library.lab), colours=din99o(library.colours))


class Chooser:
    """Finds tiles for the sites of a container, and judges what has been laid."""

    def __init__(
        self, space: Space, goal: NDArray[np.float32], quota: NDArray[np.intp], rules: Rules
    ) -> None:
        self.space, self.goal, self.quota = space, goal, quota.copy()
        self.library, self.weights, self.turn = rules.library, rules.weights, rules.turn
        self.table, self.angles = rules.table, angles_within(rules.turn)
        if rules.table is not None:
            self.crossed = crossed(rules.table)
        library, size_ratio, self.shortlist = rules.library, rules.size_ratio, rules.shortlist
        self.count = np.zeros(len(quota))
        self.laid = np.empty((0, 3))  # x, y and group of every copy; replaced, never written
        self.apart = rules.reuse_distance * space.side
        self.limits = (space.side / np.sqrt(size_ratio), space.side * np.sqrt(size_ratio))
        # Flat shapes read as blots, contrasty ones as noise, black ones melt into one.
        self.fault = (
            np.where(library.spread < 4, 4.0, 0.0)
            + 0.3 * np.maximum(library.spread - 25, 0)
            + np.where(library.light < 14, 15.0, 0.0)
        )
        self.coarse = np.ascontiguousarray(library.contours[:, ::4])

    def used(self, choice: Choice, times: int) -> None:
        """Remember a copy of a shape, or forget it."""
        group = self.library.group[choice.tile]
        self.quota[group] -= times
        self.count[group] += times
        copy = np.array([[choice.pose.x, choice.pose.y, group]])
        if times > 0:
            self.laid = np.concatenate([self.laid, copy])
        else:
            self.laid = np.delete(self.laid, np.flatnonzero((self.laid == copy).all(axis=1))[0], 0)

    def copy(self) -> Self:
        """Return the same configuration, to be changed apart."""
        twin = copy(self)
        twin.space = self.space.copy()
        twin.quota, twin.count = self.quota.copy(), self.count.copy()
        return twin

    def rip_up(self, place: Floats, count: int, first: int) -> Box:
        """Take out the tiles nearest to a place, of those from the `first` on.

        Returns the window that is to be filled again.
        """
        apart = [np.hypot(*(c.contour - place).T).min() for c in self.space.tiles[first:]]
        nearest = first + np.argsort(apart, kind="stable")[:count]
        for index in nearest:
            self.used(self.space.tiles[index], -1)
        return self.space.clear(nearest)

    def repeated(self, place: Floats) -> Floats:
        """Return what another copy of each group costs at a place, as a colour difference."""
        again = _EVERY * self.count
        if len(self.laid):
            x, y, group = self.laid.T
            near = np.zeros(len(again))
            apart = np.hypot(x - place[0], y - place[1])
            np.maximum.at(near, group.astype(np.intp), 1 - apart / self.apart)
            again += _AGAIN * near
        return again

    def colours(self, place: Floats, want: float) -> NDArray[np.intp]:
        """Return the shapes whose colour suits a place best."""
        x, y = place.astype(int)
        half = max(1, int(want / 2))
        window = self.goal[max(0, y - half) : y + half + 1, max(0, x - half) : x + half + 1]
        wanted = window.reshape(-1, 3).mean(axis=0)
        cost = (
            np.linalg.norm(self.library.lab - wanted, axis=1)
            + self.fault
            + self.repeated(place)[self.library.group]
        )
        cost[self.quota[self.library.group] <= 0] = np.inf
        count = min(self.shortlist, len(cost))
        best = np.argpartition(cost, count - 1)[:count]
        return np.asarray(best[np.isfinite(cost[best])], np.intp)

    def choices(self, site: int) -> list[Choice]:
        """Return tiles that fit a site, the best first."""
        space = self.space
        return self.choices_at(*space.cell(site))

    def choices_at(self, place: Floats, area: float) -> list[Choice]:
        """Return tiles that fit the free area around a place, the best first."""
        space = self.space
        if area == 0:
            return []
        x, y = place.astype(int)
        unit = float(space.size[y, x])
        want = float(np.clip(np.sqrt(area), 0.62 * unit, 1.25 * unit).clip(*self.limits))
        tiles = self.colours(place, want)
        if not len(tiles):
            return []
        for shrink in (1.0, 0.72):
            found = self._judge(tiles, place, want * shrink)
            if found:
                return found
        return []

    def backtrack(self, site: int) -> int | None:
        """Go back to the configuration of least energy in which the site can be filled.

        A tile near the site is exchanged for what came next to it when it was
        chosen. The tiles that came after it stay, unless that would overlap
        them: far ones do not matter, and near ones would be found again. Returns
        the index of the tile that was exchanged, if any.
        """
        space = self.space
        place, area = space.cell(site)
        unit = float(space.size[tuple(place.astype(int)[::-1])])
        if area < _WORTH_FILLING * unit**2:
            return None
        centres = np.array([(choice.pose.x, choice.pose.y) for choice in space.tiles])
        near = np.flatnonzero(np.hypot(*(centres - place).T) < 1.8 * unit) if len(centres) else ()
        gap = self.weights.look * area / unit**2
        rises = sorted(
            (space.others[i][0].energy - space.tiles[i].energy, int(i))
            for i in near
            if space.others[i]
        )
        for rise, index in rises[:3]:
            if rise > gap:
                break
            old, other = space.tiles[index], space.others[index].pop(0)
            if self.quota[self.library.group[other.tile]] <= 0:
                continue
            space.take_out(index)
            free, blocked = covered(space.distance, other.contour)
            fits = blocked <= _SWALLOW * (free + blocked)
            box = around(space.traces[index][0], other.contour, space)
            space.put_back(index, other if fits else old)
            space.refresh(box)
            if fits and (found := self.choices(site)) and rise + found[0].energy < gap:
                self.used(old, -1)
                self.used(other, 1)
                return int(index)
            if fits:
                space.take_out(index)
                space.put_back(index, old)
                space.refresh(box)
        return None

    def energy(self) -> float:
        """Energy of the configuration (equation 1): gaps, overlaps and colours, per area."""
        space = self.space
        area = np.count_nonzero(space.border > 0)
        free = np.count_nonzero(space.distance > 0)
        if not space.tiles:
            return self.weights.gap + self.weights.color
        numbers = np.array([choice.tile for choice in space.tiles])
        poses = np.array(
            [(c.pose.theta, c.pose.scale, c.pose.x, c.pose.y) for c in space.tiles], float
        )
        sizes = poses[:, 1] ** 2
        shade = shades(self.goal, self.library.colours[numbers], self.library.reach[numbers], poses)
        twice = sizes.sum() - (area - free)
        return float(
            self.weights.gap * free / area
            + _DOUBLED * self.weights.overlap * max(twice, 0) / area
            + self.weights.color * np.average(shade, weights=sizes)
        )

    def improve(self, index: int) -> bool:
        """Take a tile out and put the best into its hole, which may be the same again."""
        space = self.space
        old = space.tiles[index]
        space.take_out(index)
        self.used(old, -1)
        place = np.array([old.pose.x, old.pose.y])
        hole = space.hole(old.contour)
        tiles = self.colours(place, old.pose.scale)
        if old.tile not in tiles:
            tiles = np.append(tiles, old.tile)
        want = float(np.sqrt(hole))
        start = np.array([[old.pose.theta, old.pose.scale, old.pose.x, old.pose.y]])
        found = self._judge(tiles, place, want, (old.tile, start))
        best = found[0] if found else old
        space.put_back(index, best)
        self.used(best, 1)
        return best is not old

    def snapped(self, tile: int, pose: Pose, *, stiff: bool = False) -> Choice:
        """Let a tile slide from where it is held to where its springs are shortest.

        Parameters
        ----------
        tile : int
        pose : Pose
            Where it is held, px of the container.
        stiff : bool
            Whether it neither turns nor grows on its way.
        """
        low, high = self.limits
        want = float(np.clip(pose.scale, low, high))
        contour, held, turn = self.library.contours[[tile]], pose.theta, self.turn
        if stiff:  # turned beforehand, and from there not at all
            contour = placed(contour, Pose(held, 1.0, 0.0, 0.0))
            low, high, held, turn = want, want, 0.0, 0.0
        poses = np.array([[held, want, pose.x, pose.y]])
        gap, overlap = self.weights.gap, self.weights.overlap
        law = np.array([_SPRING * want, gap, overlap, _SIZE_PRIOR, want, low, high, turn])
        half = contour[:, ::2].copy()
        springs = register(self.space.distance, half, poses, law, _STEPS)
        push = register(self.space.distance, half, poses, _pushing(law), 0)
        _, places = weigh(self.space.distance, contour, poses)
        poses[0, 0] += pose.theta - held
        shade = self.weights.color * shades(
            self.goal, self.library.colours[[tile]], self.library.reach[[tile]], poses
        )
        terms = Terms(float(shade[0]), float(springs[0] - push[0]), float(push[0]))
        return Choice(sum(terms), tile, Pose(*map(float, poses[0])), places[0], terms)

    def _judge(
        self,
        tiles: NDArray[np.intp],
        place: Floats,
        want: float,
        old: tuple[int, Floats] | None = None,
    ) -> list[Choice]:
        space = self.space
        span = (max(self.limits[0], 0.72 * want), min(self.limits[1], 1.4 * want))
        if span[0] > span[1]:
            return []
        want = min(max(want, span[0]), span[1])
        spring, gap, overlap = _SPRING * want, self.weights.gap, self.weights.overlap
        scales = np.clip(np.array(_SCALES) * want, *span)
        around = np.arange(4) * np.pi / 2 + self.space.rng.random()
        offsets = np.concatenate(
            [[[0.0, 0.0]], _OFFSET * want * np.stack([np.cos(around), np.sin(around)], axis=1)]
        )
        propose = self._scan if self.table is None else self._vote
        k, poses = propose(tiles, place + offsets, scales, want)
        numbers = tiles[k]
        if old is not None:  # as it lies, and as a start
            numbers = np.concatenate([numbers, [old[0], old[0]]])
            poses = np.concatenate([poses, old[1], old[1]])
        contours = np.ascontiguousarray(self.library.contours[numbers])
        half = np.ascontiguousarray(contours[:, ::2])
        law = np.array([spring, gap, overlap, _SIZE_PRIOR, want, *span, self.turn])
        springs = register(space.distance, half, poses, law, _STEPS)
        if old is not None:
            poses[-1] = old[1]
        shade = self.weights.color * (
            shades(self.goal, self.library.colours[numbers], self.library.reach[numbers], poses)
            + self.repeated(place)[self.library.group[numbers]] / 100
        )
        total = springs + shade
        pixels, places = weigh(space.distance, contours, poses)
        free, blocked = pixels.T
        if old is not None:
            worth = shade + (_DOUBLED * overlap * blocked - gap * free) / want**2
            best = int(worth.argsort()[0])
            pose = Pose(*map(float, poses[best]))
            filled = -gap * float(free[best]) / want**2
            twice = _DOUBLED * overlap * float(blocked[best]) / want**2
            terms = Terms(float(shade[best]), filled, twice)
            return [Choice(float(worth[best]), int(numbers[best]), pose, places[best], terms)]
        swallowed = 0.5 * overlap * blocked / want**2
        worth = total + swallowed
        worth[blocked > _SWALLOW * (free + blocked)] = np.inf
        order = worth.argsort()[:_CHOICE]
        order = order[np.isfinite(worth[order])]
        ahead = [self.weights.look * self._look_ahead(places[i], want) for i in order]
        worth[order] += ahead
        push = register(space.distance, half[order], poses[order], _pushing(law), 0)
        found = [
            Choice(
                float(worth[i]),
                int(numbers[i]),
                Pose(*map(float, poses[i])),
                places[i],
                Terms(float(shade[i]), float(springs[i] - p), float(p + swallowed[i]), float(look)),
            )
            for i, p, look in zip(order, push, ahead, strict=True)
        ]
        return sorted(found, key=lambda choice: choice.energy)

    def _scan(
        self, tiles: NDArray[np.intp], places: Floats, scales: Floats, want: float
    ) -> tuple[NDArray[np.intp], Floats]:
        """Propose poses by trying many; return which of the tiles, and where."""
        energy, which = scan(
            self.space.distance,
            self.coarse[tiles],
            self.angles,
            scales,
            places,
            np.array([_SPRING * want, self.weights.gap, self.weights.overlap, _SIZE_PRIOR, want]),
        )
        count = min(_BEST, energy.size)
        best = np.argpartition(energy.ravel(), count - 1)[:count]
        k, a = np.divmod(best, len(self.angles))
        s, p = np.divmod(which.ravel()[best], len(places))
        return k, np.column_stack([self.angles[a], scales[s], places[p]])

    def _vote(
        self, tiles: NDArray[np.intp], places: Floats, scales: Floats, want: float
    ) -> tuple[NDArray[np.intp], Floats]:
        """Propose poses by geometric hashing of the border nearby (6.4)."""
        assert self.table is not None
        half = int(1.4 * want) + 1  # farther borders touch few tiles
        x, y = places[0].astype(int)
        top, left = max(0, y - half), max(0, x - half)
        window = self.space.distance[top : y + half, left : x + half]
        rows, columns = np.nonzero((window > 0) & (window <= 1))
        border = np.column_stack([columns + left + 0.5, rows + top + 0.5])
        # A jagged contour crosses many squares, and would win by chance.
        share = 1 / (self.crossed[tiles] + 10)
        count = np.stack(
            [votes(self.table, (border - spot) / want)[tiles] * share for spot in places]
        )
        number = min(2 * _BEST, count.size)
        best = np.argpartition(-count.ravel(), number - 1)[:number]
        p, k, a = np.unravel_index(best, count.shape)
        scale = np.full(number, want)
        return k, np.column_stack([self.angles[a], scale, places[p]])

    def _look_ahead(self, contour: Floats, want: float) -> float:
        """E_LA (equation 8): what no tile will fill, and the border left, around a tile."""
        space = self.space
        margin = int(np.ceil(SHALLOW * 1.3 * want)) + 2
        box = box_around(contour, margin, space.open.shape)
        before = space.open[box]
        radius = space.shallow[box]
        apart = contour_distance(contour, box, float(margin))
        free = np.minimum(space.distance[box], apart)
        after = openable(free, radius) & before
        after |= before & (apart >= margin - 1)  # the window's rim knows no discs beyond it
        lost = np.count_nonzero(before & (free > 0) & ~after) / want**2
        length = (border_length(after) - border_length(before)) / (4 * want)
        return look_ahead_energy(lost, max(0.0, 1 + length), _AHEAD)


def _pushing(law: Floats) -> Floats:
    """Return a law by which only those springs count that push."""
    return law * (1, 0, 1, 0, 1, 1, 1, 1)


def angles_within(turn: float) -> Floats:
    """Angles that are tried, within a turn either way."""
    if turn == 0:
        return np.zeros(1)
    count = max(3, int(np.ceil(_ANGLES * turn / np.pi)))
    if turn >= np.pi:
        return np.arange(count) * 2 * np.pi / count
    return np.linspace(-turn, turn, count)
