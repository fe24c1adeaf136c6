"""One container filled with tiles, one tile at a time (section 5.2, figure 5)."""

import time
from pathlib import Path
from typing import Self

import numpy as np

from smalti.core.progress import Progress, Step
from smalti.jigsaw.choose import Chooser, Rules
from smalti.jigsaw.container import Container
from smalti.jigsaw.placement import Laid, Placement, Sought
from smalti.jigsaw.space import Choice, Space

_ROUNDS = 3  # times that sites are sought in what is left
_RIPPED = (2, 5)  # tiles taken out around a place, the latter excluded
_EVEN = 0.2  # of the places are any tile's, the others in the widest gaps


class Watch:
    """Shows tiles as they land, where the work is done in this process, and knows when to stop.

    A worker process has only the file to look at: it shares no memory with its parent.
    """

    def __init__(
        self, deadline: float, stop: Path, expected: int, progress: Progress | None
    ) -> None:
        self.deadline, self.stop, self.expected, self.progress = deadline, stop, expected, progress
        self.laid: dict[int, int] = {}  # tiles in each container, by its key

    def unseen(self) -> Self:
        """Return the same watch for what may yet be thrown away: it shows nothing."""
        return type(self)(self.deadline, self.stop, self.expected, None)

    def over(self) -> bool:
        """Whether no more tiles are to be laid."""
        return time.time() > self.deadline or self.stop.exists()

    def cleared(self, containers: list[int], progress: Progress) -> None:
        """Show that containers are empty: what lay there is laid again in larger ones."""
        for key in containers:
            self.laid.pop(key, None)
        count = sum(self.laid.values())
        gone = tuple(Laid(key) for key in containers)
        progress(Step("pack", count, max(self.expected, count), "packing", gone))

    def landed(self, *made: Laid | Sought) -> None:
        """Show what is new."""
        if self.progress is None:
            return
        for one in made:
            if isinstance(one, Laid):
                change = -1 if one.placement is None else not one.again
                begun = one.number < 0
                self.laid[one.container] = 0 if begun else self.laid[one.container] + change
        count = sum(self.laid.values())
        self.progress(Step("pack", count, max(self.expected, count), "packing", made))


def fill(
    container: Container, *, rules: Rules, effort: float, watch: Watch
) -> tuple[list[Placement], int]:
    """Fill a container, then rip up its worst places and fill them anew, as long as that helps.

    Parameters
    ----------
    container : Container
    rules : Rules
    effort : float
        How many places are ripped up, for each tile.
    watch : Watch
        Is shown the tiles, and says when to stop.

    Returns
    -------
    placements : list of Placement
        In the order they were laid, those that lay there already first.
    backtracks : int
        How often a tile was taken back.
    """
    rng = container.rng
    chooser = Chooser(
        Space(container.mask, container.size, container.side, rng),
        container.goal,
        container.quota,
        rules,
    )
    space = chooser.space
    space.occupy([choice_of(placement, container) for placement in container.laid])
    for choice in space.tiles:
        chooser.used(choice, 1)
    laid = [_laid(space, index, container) for index in range(len(space.tiles))]
    watch.landed(Laid(container.key), *laid)
    backtracks = 0
    for _ in range(_ROUNDS):
        if watch.over() or not space.seed():
            break
        backtracks += _settle(chooser, container, watch)
        space.reopen()
    fixed = len(container.laid)
    for index in space.worst_first(fixed):
        if watch.over():
            break
        if chooser.improve(index):
            watch.landed(_laid(space, index, container, again=True))
    energy = chooser.energy()
    for _ in range(round(effort * (len(space.tiles) - fixed))):
        if watch.over():
            break
        other, ripped = _elsewise(chooser, fixed, container, watch.unseen())
        if (changed := other.energy()) < energy:
            backtracks += ripped
            watch.landed(*_changed(chooser.space, other.space, container))
            chooser, energy = other, changed
    return [placement_of(choice, container) for choice in chooser.space.tiles], backtracks


def _settle(chooser: Chooser, container: Container, watch: Watch) -> int:
    """Lay a tile at every site that takes one; return how often one was taken back."""
    space, backtracks = chooser.space, 0
    while (site := space.next_site(container.rng)) is not None:
        if watch.over():
            break
        choices = chooser.choices(site)
        if choices:
            space.place(choices[0], choices[1:3])
            chooser.used(choices[0], 1)
            watch.landed(_sought(space, site, choices, container), _laid(space, -1, container))
        elif (changed := chooser.backtrack(site)) is not None:
            backtracks += 1
            watch.landed(_laid(space, changed, container, again=True))
        else:
            space.close(site)
    return backtracks


def _elsewise(
    chooser: Chooser, fixed: int, container: Container, watch: Watch
) -> tuple[Chooser, int]:
    """Return another configuration: some tiles around one place laid anew, and how many."""
    rng, twin = container.rng, chooser.copy()
    space = twin.space
    number = int(rng.integers(fixed, len(space.tiles)))
    pose = space.tiles[number].pose
    place = np.array([pose.x, pose.y]) if rng.random() < _EVEN else space.gap()
    count = min(int(rng.integers(*_RIPPED)), len(space.tiles) - fixed)
    box = twin.rip_up(place, count, fixed)
    kept = len(space.tiles)
    for _ in range(_ROUNDS - 1):
        if not space.seed(box):
            break
        _settle(twin, container, watch)
        space.reopen(box)
    for index in range(kept, len(space.tiles)):
        twin.improve(index)
    return twin, count


def _changed(before: Space, after: Space, container: Container) -> list[Laid]:
    """Tell how one configuration differs from another."""
    gone = [Laid(container.key, number) for number in set(before.numbers) - set(after.numbers)]
    new = set(after.numbers) - set(before.numbers)
    return [
        *gone,
        *(_laid(after, k, container) for k, n in enumerate(after.numbers) if n in new),
    ]


def _laid(space: Space, index: int, container: Container, again: bool = False) -> Laid:
    """Tell of a tile."""
    placement = placement_of(space.tiles[index], container)
    return Laid(container.key, space.numbers[index], placement, again)


def _sought(space: Space, site: int, choices: list[Choice], container: Container) -> Sought:
    """Tell what was tried at a site; the maps are those at work, not copies."""
    contours = tuple(choice.contour + container.corner for choice in choices)
    x, y = space.sites[site] + container.corner
    return Sought(
        container.key, container.corner, space.open, space.cells, (x, y), contours, choices[0].terms
    )


def placement_of(choice: Choice, container: Container) -> Placement:
    """Bring a choice from the container's window to the picture."""
    x, y = container.corner
    pose = choice.pose._replace(x=choice.pose.x + x, y=choice.pose.y + y)
    return Placement(
        choice.tile, container.label, pose, choice.contour + container.corner, choice.terms
    )


def choice_of(placement: Placement, container: Container) -> Choice:
    """Bring a placement from the picture to the container's window."""
    x, y = container.corner
    pose = placement.pose._replace(x=placement.pose.x - x, y=placement.pose.y - y)
    contour = placement.contour - container.corner
    return Choice(placement.energy, placement.tile, pose, contour, placement.terms)
