"""A finished photomosaic on the desk: photos swapped, exchanged, banned and locked by hand.

What is changed is kept, and all else is the optimum around it. Photos that are
locked where they lie, or swapped and locked, leave the others as they were:
were there anything better for those, it would have been better before. Only
what frees a photo or takes one away is solved again, from where it stands; copies
that must lie apart (`spacing`) are solved from the duals, and moved apart again.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from smalti.core.adjust import UNIT
from smalti.core.assign import Assignment, assign
from smalti.core.constraints import check_supply
from smalti.core.errors import BadInput
from smalti.core.features import tile_means
from smalti.core.progress import Progress, Step, silent
from smalti.core.source import full_name, label
from smalti.grid_mosaic import colour_moves, lay_out
from smalti.grid_project import GridProject
from smalti.matching import Described, describe, match
from smalti.plan import Plan, make_plan
from smalti.request import Photomosaic

if TYPE_CHECKING:
    from smalti.core.reassign import Standing


@dataclass(frozen=True, slots=True, eq=False)
class GridDesk:
    """A photomosaic that is changed by hand; every change gives a new one.

    Attributes
    ----------
    request : Photomosaic
    plan : Plan
        Its locks and bans are those of now.
    described : Described
    laid : Assignment
        The best under them.
    banned : tuple of int
        Photos banned by hand.
    tried : frozenset of (int, int)
        Cells, and photos that were exchanged there for others.
    standing : Standing or None
        The same for the solver, once it is `ready`.
    """

    request: Photomosaic
    plan: Plan
    described: Described
    laid: Assignment
    banned: tuple[int, ...] = ()
    tried: frozenset[tuple[int, int]] = frozenset()
    standing: "Standing | None" = None

    @property
    def locked(self) -> frozenset[int]:
        """Cells that keep their photos."""
        return frozenset(self.plan.locks[:, 0].tolist())

    def asked(self) -> Photomosaic:
        """Return the request with the bans and locks of now: made anew, it is this mosaic."""
        sources, locks = self.plan.library.sources, self.plan.locks
        corners = self.plan.boxes[locks[:, 0], :2] + 1
        return replace(
            self.request,
            ban=self.request.ban + tuple(full_name(sources[j]) for j in self.banned),
            lock=tuple(
                f"{column},{row}={full_name(sources[photo])}"
                for (column, row), photo in zip(corners.tolist(), locks[:, 1], strict=True)
            ),
        )

    def ready(self) -> "GridDesk":
        """Take the time that makes changes fast."""
        if self.standing is not None or self.request.spacing > 1:
            return self
        from smalti.core.reassign import stand

        plan, asked, described = self.plan, self.request, self.described
        duals = self.laid.duals
        if duals is None:
            duals = match(plan, replace(asked, audit=False), described)[0].duals
            assert duals is not None
        standing = stand(
            described.cells,
            described.photos,
            self.laid.photo,
            duals,
            weight=described.weight,
            group=plan.limits.group,
            capacity=None if asked.repeats == "free" else asked.max_uses,
            minimum=plan.limits.minimum,
            banned=plan.limits.banned,
            locks=plan.locks,
            metric=asked.metric,
        )
        return replace(self, laid=replace(self.laid, duals=duals), standing=standing)

    def project(self) -> GridProject:
        """Return it as a project, to be drawn and saved."""
        layout, _ = lay_out(self.plan, self.request, self.described, self.laid)
        return GridProject(self.asked(), layout, self.plan.tile_px)

    def swapped(self, one: int, other: int) -> "GridDesk":
        """Exchange the photos of two cells, and lock both; the same desk if they are alike."""
        pair = np.array([one, other])
        photo = self.laid.photo[pair[::-1]]
        if photo[0] == photo[1]:
            return self
        return self._laid_with(pair, photo)._locking(pair)

    def lock(self, cell: int) -> "GridDesk":
        """Keep a cell's photo whatever changes around it, or let it go again."""
        if cell not in self.locked:
            return self._locking(np.array([cell]))
        plan, standing = self._unlocked(self.plan.locks[:, 0] == cell), self.ready().standing
        return self._solved(plan, standing and standing.releasing(cell))

    def exchanged(self, cell: int) -> "GridDesk":
        """Lay and lock another photo in a cell, the best as a whole that was not there yet.

        The same desk if there is none.
        """
        tried = self.tried | {(cell, int(self.laid.photo[cell]))}
        photos = np.array([j for i, j in tried if i == cell])
        plan, standing = self._unlocked(self.plan.locks[:, 0] == cell), self.ready().standing
        try:
            if standing is not None and standing.alike(cell) == 1:
                desk = self._solved(plan, standing.exchanging(cell, photos))
            else:
                desk = self._solved_apart(plan, cell, photos)
        except BadInput:
            return self
        return replace(desk, tried=tried)._locking(np.array([cell]))

    def ban(self, cell: int) -> "GridDesk":
        """Lay the photo of a cell, and its near-duplicates, no more.

        Raises
        ------
        BadInput
            If it must appear, or there are too few others.
        """
        plan, limits, asked = self.plan, self.plan.limits, self.request
        photo = int(self.laid.photo[cell])
        gone = np.flatnonzero(limits.group == limits.group[photo])
        if np.isin(gone, limits.required).any():
            raise BadInput(f"{label(plan.library.sources[photo])} must appear: it cannot be banned")
        plan = self._unlocked(np.isin(plan.locks[:, 1], gone))
        plan = replace(plan, limits=replace(limits, banned=np.union1d(limits.banned, gone)))
        if asked.repeats != "free":
            check_supply(len(plan.boxes), plan.limits.usable, asked.max_uses)
        standing = self.ready().standing
        desk = self._solved(plan, standing and standing.banning(gone))
        return replace(desk, banned=(*self.banned, *gone.tolist()))

    def drawn(self, cells: NDArray[np.intp], px: int) -> NDArray[np.uint8]:
        """Draw the tiles of some cells of one size from thumbnails, (c, px, px, 3) sRGB."""
        moves = colour_moves(self.plan, self.request, self.described, self.laid, cells)
        photo, variant = self.laid.photo[cells], self.laid.variant[cells]
        tiles = tiles_of(self.plan, self.described, photo, variant, px).astype(np.float32)
        tiles *= moves[1][:, None, None] / np.float32(UNIT)
        tiles += moves[0][:, None, None]
        return np.rint(tiles).clip(0, 255).astype(np.uint8)

    def _solved(self, plan: Plan, standing: "Standing | None") -> "GridDesk":
        """Lay what the solver found under other limits, or let it find that."""
        if standing is not None:
            photo = standing.photo()
            other = np.flatnonzero(photo != self.laid.photo)
            desk = self._laid_with(other, photo[other])
            return replace(desk, plan=plan, standing=standing)
        asked = replace(self.request, audit=False)
        laid, _ = match(plan, asked, self.described, duals=self.laid.duals)
        return replace(self, plan=plan, laid=laid, standing=None)

    def _solved_apart(self, plan: Plan, cell: int, photos: NDArray[np.intp]) -> "GridDesk":
        """Let the solver find another photo for a cell; then move copies apart, if asked."""
        group, asked = plan.limits.group, replace(self.request, audit=False, spacing=1)
        gone = np.flatnonzero(np.isin(group, group[photos]))
        pairs = np.stack([np.full(len(gone), cell), gone], axis=1)
        laid, _ = match(plan, asked, self.described, apart=pairs, duals=self.laid.duals)
        desk = replace(self, plan=plan, laid=laid, standing=None)
        if self.request.spacing == 1:
            return desk
        locked = desk._locking(np.array([cell]))
        return locked._solved(locked.plan, None)

    def _laid_with(self, cells: NDArray[np.intp], photo: NDArray[np.intp]) -> "GridDesk":
        """Put photos on cells, and leave all others alone."""
        if not len(cells):
            return self
        weight = self.described.weight
        own = assign(
            self.described.cells[cells],
            self.described.photos[photo],
            weight=None if weight is None else weight[cells],
            capacity=None,
            locks=[(k, k) for k in range(len(cells))],
            metric=self.request.metric,
        )
        laid = self.laid
        whole, variant, cost = laid.photo.copy(), laid.variant.copy(), laid.cost.copy()
        whole[cells], variant[cells], cost[cells] = photo, own.variant, own.cost
        changed = replace(
            laid, photo=whole, variant=variant, cost=cost, lower_bound=float(cost.sum()),
            certified=None, certificate=None,
        )  # fmt: skip
        return replace(self, laid=changed)

    def _locking(self, cells: NDArray[np.intp]) -> "GridDesk":
        """Lock cells to the photos that lie on them."""
        photo, locks = self.laid.photo[cells], self.plan.locks
        pairs = np.concatenate(
            [locks[~np.isin(locks[:, 0], cells)], np.stack([cells, photo], axis=1)]
        )
        plan = replace(self.plan, locks=pairs[np.argsort(pairs[:, 0])])
        standing = self.standing and self.standing.locking(cells, photo)
        return replace(self, plan=plan, standing=standing)

    def _unlocked(self, gone: NDArray[np.bool_]) -> Plan:
        return replace(self.plan, locks=self.plan.locks[~gone])


def tiles_of(
    plan: Plan,
    described: Described,
    photo: NDArray[np.intp],
    variant: NDArray[np.intp],
    px: int,
) -> NDArray[np.uint8]:
    """Draw photos as they are on cells, from thumbnails, (c, px, px, 3) sRGB."""
    how = (plan.frames[photo], described.kinds, variant, px)
    return np.rint(tile_means(described.thumbs[photo], *how)).astype(np.uint8)


def lay(
    request: Photomosaic, *, index: Path | None = None, progress: Progress = silent
) -> GridDesk:
    """Match a photomosaic, and put it on the desk without drawing it.

    Parameters
    ----------
    request : Photomosaic
    index : Path, optional
        Of the photos already looked at.
    progress : callable
        Steps of the phase ``"features"`` bring the `Plan`, then what was `Described`; those
        of ``"assign"`` the photos as they are laid.

    Raises
    ------
    BadInput
        If the target, the photos or an option cannot be used.
    """
    plan, described = _prepared(request, index, progress)
    laid, _ = match(plan, request, described, progress)
    return GridDesk(replace(request, lock=()), plan, described, laid)


def reopened(
    project: GridProject, *, index: Path | None = None, progress: Progress = silent
) -> GridDesk:
    """Put a saved photomosaic on the desk again.

    Parameters
    ----------
    project : GridProject
    index, progress
        As for `lay`.

    Raises
    ------
    BadInput
        If the target or a photo of it is gone, or the photos ask for another grid now.
    """
    request = replace(project.request, output="", solver="exact")  # what others cannot keep
    layout = project.layout
    plan, described = _prepared(request, index, progress)
    if plan.grid != layout.grid or not np.array_equal(plan.boxes, layout.boxes):
        raise BadInput(
            "target or photos have changed since the project was saved, and their grid with "
            "them: bring them back, or make the mosaic anew"
        )
    number = {source: j for j, source in enumerate(plan.library.sources)}
    gone = [label(source) for source in layout.sources if source not in number]
    if gone:
        raise BadInput(f"the project uses {gone[0]}, which its photos hold no more: bring it back")
    photo = np.array([number[source] for source in layout.sources])[layout.photo]
    costs = np.zeros(len(photo))
    unknown = Assignment(photo, layout.variant, costs, "exact", 0.0, None)
    desk = GridDesk(replace(request, lock=()), plan, described, unknown)
    return desk._laid_with(np.arange(len(photo)), photo)


def _prepared(
    request: Photomosaic, index: Path | None, progress: Progress
) -> tuple[Plan, Described]:
    plan = make_plan(request, progress=progress, index=index)
    progress(Step("features", 0, 0, "describing cells and photos", plan))
    described = describe(plan, request, progress)
    progress(Step("features", 1, 1, "describing cells and photos", described))
    return plan, described
