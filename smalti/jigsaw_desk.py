"""A finished jigsaw on the desk: tiles moved, exchanged and laid anew by hand."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from smalti.aspect import on_raster
from smalti.core.errors import BadInput
from smalti.core.progress import Progress, Step, silent
from smalti.core.source import label
from smalti.ground import Ground, lay_ground, rotation
from smalti.jigsaw.choose import Chooser, Rules, comparable
from smalti.jigsaw.container import Container, cut_out
from smalti.jigsaw.contour import filled_window
from smalti.jigsaw.fill import choice_of, placement_of
from smalti.jigsaw.pack import pack, turn_of
from smalti.jigsaw.placement import Packed, Placement
from smalti.jigsaw.pose import Pose
from smalti.jigsaw.shapes import ShapeLibrary, scan_shapes
from smalti.jigsaw.size import wanted_sizes
from smalti.jigsaw.space import Space
from smalti.jigsaw_mosaic import project_of, refined, reuse_of, weights_of
from smalti.jigsaw_project import JigsawProject
from smalti.request import Jigsaw

_PIECE = 0.5  # of a tile's square: smaller pieces of a container stay with a neighbour
_ROOM = 0.35  # of a tile's square: less free area than this is not worth a tile


@dataclass(frozen=True, slots=True, eq=False)
class Desk:
    """A packing that is changed by hand; every change gives a new one.

    Attributes
    ----------
    request : Jigsaw
    ground : Ground
    library : ShapeLibrary
        All usable shapes.
    placements : tuple of Placement
        In pixels of the raster that is packed.
    size : ndarray of shape (H, W), float32
        Side of the tile wanted at every pixel, px.
    locked : frozenset of int
        Which of them stay when their container is packed anew.
    banned : frozenset of int
        Groups of shapes that are laid no more.
    by_hand : bool
        Whether containers were cut or joined by hand.
    """

    request: Jigsaw
    ground: Ground
    library: ShapeLibrary
    placements: tuple[Placement, ...]
    size: NDArray[np.float32]
    locked: frozenset[int] = frozenset()
    banned: frozenset[int] = frozenset()
    by_hand: bool = False

    def project(self) -> JigsawProject:
        """Return it as a project, to be drawn and saved."""
        project = project_of(self.request, self.ground, self.library, self.placements)
        return replace(project, labels=self.ground.labels if self.by_hand else None)

    def moved(self, number: int, pose: Pose) -> "Desk":
        """Hold a tile in a pose and let it slide to its neighbours' borders.

        A tile that is only moved may turn and grow as they let it; one that is turned or
        scaled stays so.

        Parameters
        ----------
        number : int
            Of the placement.
        pose : Pose
            Where it is held; it stays in its container.

        Raises
        ------
        BadInput
            If the tile is locked.
        """
        old = self._free(number)
        chooser, container = self._chooser(old.container, without=number)
        x, y = container.corner
        stiff = pose[:2] != old.pose[:2]
        found = chooser.snapped(old.tile, pose._replace(x=pose.x - x, y=pose.y - y), stiff=stiff)
        return self._with(number, placement_of(found, container))

    def removed(self, number: int) -> "Desk":
        """Take a tile away, and leave its place free; BadInput if it is locked."""
        self._free(number)
        rest = self.placements[:number] + self.placements[number + 1 :]
        locked = frozenset(k - (k > number) for k in self.locked if k != number)
        return replace(self, placements=rest, locked=locked)

    def exchanged(self, number: int) -> "Desk":
        """Lay the next best tile in a place; the same desk if no other fits.

        Raises
        ------
        BadInput
            If the tile there is locked.
        """
        old = self._free(number)
        chooser, container = self._chooser(old.container, without=number)
        chooser.quota[self.library.group[old.tile]] = 0
        x, y = container.corner
        place = np.array([old.pose.x - x, old.pose.y - y])
        found = chooser.choices_at(place, old.pose.scale**2)
        return self._with(number, placement_of(found[0], container)) if found else self

    def fitted(self, x: float, y: float) -> "Desk":
        """Lay a tile into the free area around a point; the same desk if there is no room."""
        height, width = self.ground.labels.shape
        column, row = math.floor(x), math.floor(y)
        inside = 0 <= column < width and 0 <= row < height
        number = int(self.ground.labels[row, column]) if inside else -1
        if number < 0:
            return self
        chooser, container = self._chooser(number)
        left, top = container.corner
        parts, _ = ndimage.label(chooser.space.distance > 0)
        part = parts[row - top, column - left]
        unit = float(chooser.space.size[row - top, column - left])
        area = min(float(np.count_nonzero(parts == part)), unit**2)
        if part == 0 or area < _ROOM * unit**2:
            return self
        found = chooser.choices_at(np.array([x - left, y - top]), area)
        if not found:
            return self
        return replace(self, placements=(*self.placements, placement_of(found[0], container)))

    def ban(self, number: int) -> "Desk":
        """Lay a shape no more, and something else wherever it lies, but for locked tiles.

        Raises
        ------
        BadInput
            If the tile is locked.
        """
        group = int(self.library.group[self._free(number).tile])
        desk = replace(self, banned=self.banned | {group})
        for k, placement in enumerate(self.placements):
            if self.library.group[placement.tile] == group and k not in self.locked:
                desk = desk.exchanged(k)
        return desk

    def lock(self, number: int) -> "Desk":
        """Keep a tile when its container is packed anew, or let it go again."""
        return replace(self, locked=self.locked ^ {number})

    def repacked(
        self, containers: frozenset[int], request: Jigsaw, progress: Progress = silent
    ) -> "Desk":
        """Pack some containers anew, as another request weighs; locked tiles stay.

        Parameters
        ----------
        containers : frozenset of int
            Their labels.
        request : Jigsaw
            Of the same ground.
        progress : callable
        """
        keep = [
            k
            for k, placement in enumerate(self.placements)
            if k in self.locked or placement.container not in containers
        ]
        kept = [self.placements[k] for k in keep]
        labels = np.where(np.isin(self.ground.labels, list(containers)), self.ground.labels, -1)
        for placement in kept:
            window, mask = filled_window(placement.contour, labels.shape)
            labels[window][mask] = -1
        progress(Step("pack", 0, 0, "packing", Packed(tuple(kept))))
        share = np.count_nonzero(labels >= 0) / np.count_nonzero(self.ground.labels >= 0)
        fresh, _ = pack(
            labels,
            self.ground.goal,
            self.library,
            tiles=max(1, round(self.ground.tiles * share)),
            weights=weights_of(request),
            size_ratio=self.ground.size_ratio,
            rotate=rotation(request.rotate),
            reuse=reuse_of(request, self.ground, self.library),
            reuse_distance=request.spacing,
            shortlist=request.shortlist,
            fine=self.ground.fine,
            rng=np.random.default_rng(request.seed),
            progress=progress,
        )
        progress(Step("refine", 0, 0, "closing gaps", Packed((*kept, *fresh))))
        walls = replace(self.ground, labels=labels)
        laid = refined(request, walls, self.library, fresh, progress) if fresh else []
        locked = frozenset(i for i, k in enumerate(keep) if k in self.locked)
        return replace(self, request=request, placements=(*kept, *laid), locked=locked)

    def divided(self, stroke: Sequence[tuple[float, float]], progress: Progress = silent) -> "Desk":
        """Cut containers along a stroke, and pack the pieces; the same desk if it cuts none.

        Parameters
        ----------
        stroke : sequence of (float, float)
            Its points, px of the raster (figure 12: edges drawn by hand).
        progress : callable
        """
        labels = self.ground.labels.copy()
        line = _drawn(stroke, labels.shape)
        fresh = int(labels.max()) + 1
        touched: set[int] = set()
        for number in np.unique(labels[line & (labels >= 0)]):
            inside = labels == number
            parts, _ = ndimage.label(inside & ~line)
            sizes = np.bincount(parts.ravel())[1:]
            large = 1 + np.flatnonzero(sizes >= _PIECE * self.ground.tile_px**2)
            if len(large) < 2:
                continue
            seeds = np.where(np.isin(parts, large), parts, 0)
            nearest = ndimage.distance_transform_edt(
                seeds == 0, return_distances=False, return_indices=True
            )
            whole = seeds[tuple(nearest)]
            for part in large[1:]:
                labels[inside & (whole == part)] = fresh
                touched |= {int(number), fresh}
                fresh += 1
        return self._on(labels, touched, progress) if touched else self

    def united(self, stroke: Sequence[tuple[float, float]], progress: Progress = silent) -> "Desk":
        """Make one container of all that a stroke touches; the same desk if it is one already.

        Parameters
        ----------
        stroke : sequence of (float, float)
            Its points, px of the raster.
        progress : callable
        """
        line = _drawn(stroke, self.ground.labels.shape)
        touched = np.unique(self.ground.labels[line & (self.ground.labels >= 0)])
        if len(touched) < 2:
            return self
        labels = self.ground.labels.copy()
        labels[np.isin(labels, touched)] = touched[0]
        return self._on(labels, {int(label) for label in touched}, progress)

    def _on(self, labels: NDArray[np.intp], touched: set[int], progress: Progress) -> "Desk":
        """Pack on other labels what is touched; a locked tile goes with its place."""
        ground = replace(self.ground, labels=labels)
        last = np.array(labels.shape)[::-1] - 1
        places = [np.clip((p.pose.x, p.pose.y), 0, last).astype(int) for p in self.placements]
        placements = tuple(
            replace(p, container=int(labels[y, x])) if p.container in touched else p
            for p, (x, y) in zip(self.placements, places, strict=True)
        )
        desk = desk_of(self.request, ground, self.library, placements)
        desk = replace(desk, locked=self.locked, banned=self.banned, by_hand=True)
        return desk.repacked(frozenset(touched), self.request, progress)

    def _free(self, number: int) -> Placement:
        """Return a tile that may be changed."""
        if number in self.locked:
            raise BadInput("this tile is locked: unlock it first (L)")
        return self.placements[number]

    def _with(self, number: int, placement: Placement) -> "Desk":
        changed = (*self.placements[:number], placement, *self.placements[number + 1 :])
        return replace(self, placements=changed)

    def _chooser(self, label: int, without: int = -1) -> tuple[Chooser, Container]:
        """Set up one container with the tiles that lie in it."""
        request, ground, library = self.request, self.ground, self.library
        quota = np.full(int(library.group.max()) + 1, reuse_of(request, ground, library))
        for group, times in Counter(library.group[p.tile] for p in self.placements).items():
            quota[group] = max(0, quota[group] - times)
        inside = tuple(
            p for k, p in enumerate(self.placements) if p.container == label and k != without
        )
        quota += np.bincount(library.group[[p.tile for p in inside]], minlength=len(quota))
        quota[list(self.banned)] = 0
        container = cut_out(
            ground.labels,
            label,
            0,
            label,
            goal=ground.goal,
            size=self.size,
            side=ground.tile_px,
            quota=quota,
            rng=np.random.default_rng(request.seed),
            laid=inside,
        )
        rules = Rules(
            library=comparable(library),
            weights=weights_of(request),
            size_ratio=ground.size_ratio,
            turn=turn_of(rotation(request.rotate)),
            reuse_distance=request.spacing,
            shortlist=request.shortlist,
            table=None,
        )
        space = Space(container.mask, container.size, container.side, container.rng)
        chooser = Chooser(space, container.goal, container.quota, rules)
        space.occupy([choice_of(placement, container) for placement in inside])
        for choice in space.tiles:
            chooser.used(choice, 1)
        return chooser, container


def reopened(
    project: JigsawProject, *, index: Path | None = None, progress: Progress = silent
) -> Desk:
    """Put a saved jigsaw on the desk again.

    Parameters
    ----------
    project : JigsawProject
    index : Path, optional
        Of the shapes already looked at.
    progress : callable

    Raises
    ------
    BadInput
        If the target or a shape of it is gone.
    """
    ground = lay_ground(project.request, progress)
    by_hand = project.labels is not None and project.labels.shape == ground.labels.shape
    if project.labels is not None and by_hand:
        ground = replace(ground, labels=project.labels)
    progress(Step("segment", 1, 1, "finding containers", ground))
    library = scan_shapes(project.request.shapes, index=index, progress=progress)
    progress(Step("index", len(library.sources), len(library.sources), "shapes", library))
    number = {source: k for k, source in enumerate(library.sources)}
    gone = [label(s) for s in project.library.sources if s not in number]
    if gone:
        raise BadInput(f"the project uses {gone[0]}, which its shapes hold no more: bring it back")
    last = np.array(ground.labels.shape)[::-1] - 1
    placements = []
    for placement in on_raster(project.placements, project.size, project.target):
        x, y = np.clip((placement.pose.x, placement.pose.y), 0, last).astype(int)
        tile = number[project.library.sources[placement.tile]]
        placements.append(replace(placement, tile=tile, container=int(ground.labels[y, x])))
    desk = desk_of(project.request, ground, library, tuple(placements))
    return replace(desk, by_hand=by_hand)


def _drawn(stroke: Sequence[tuple[float, float]], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Mark the pixels that a stroke covers."""
    canvas = Image.new("1", (shape[1], shape[0]))
    ImageDraw.Draw(canvas).line([(x, y) for x, y in stroke], fill=1, width=2)
    return np.asarray(canvas)


def desk_of(
    request: Jigsaw, ground: Ground, library: ShapeLibrary, placements: tuple[Placement, ...]
) -> Desk:
    """Put a finished packing on the desk."""
    size = wanted_sizes(ground.labels, ground.goal, ground.tile_px, ground.size_ratio, ground.fine)
    return Desk(request, ground, library, placements, size)
