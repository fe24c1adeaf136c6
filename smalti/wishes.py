"""What is wanted of single photos, as the solver takes it: bans, locks, photos that must appear."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smalti.core.errors import BadInput, printable
from smalti.core.library import TileLibrary
from smalti.core.source import label, named
from smalti.request import Photomosaic

_LOCK = re.compile(r"\s*(\d+)\s*,\s*(\d+)\s*=(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True, eq=False)
class Limits:
    """Which photos may be used how often.

    Attributes
    ----------
    group : ndarray of shape (m,), intp
        Photos that share one limit of uses.
    banned : ndarray of shape (b,), intp
        Photos never used: those asked for, and near-duplicates that stand back.
    required : ndarray of shape (r,), intp
        Photos that must appear; each is alone in its group.
    asked : int
        How many of the banned ones the user banned.
    """

    group: NDArray[np.intp]
    banned: NDArray[np.intp]
    required: NDArray[np.intp]
    asked: int

    @property
    def usable(self) -> int:
        """Number of groups of which a photo may be used."""
        free = np.ones(len(self.group), bool)
        free[self.banned] = False
        return len(np.unique(self.group[free]))

    @property
    def minimum(self) -> NDArray[np.intp]:
        """Fewest uses of each group."""
        return np.bincount(self.group[self.required], minlength=int(self.group.max()) + 1)


def limits(request: Photomosaic, library: TileLibrary) -> Limits:
    """Find the photos that are banned and those that must appear.

    Raises
    ------
    BadInput
        Naming a word that stands for no photo, or a photo both banned and wanted.
    """
    sources = library.sources
    count = len(sources)
    group = library.group if request.twins == "group" else np.arange(count)
    banned, required = np.zeros(count, bool), np.zeros(count, bool)
    for word in request.ban:
        banned[_photos(library, word, "ban")] = True
    for word in request.must_appear:
        required[_photos(library, word, "must-appear")] = True
    locked = np.zeros(count, bool)
    for text in request.lock:
        locked[_locked(library, text)[2]] = True
    if (both := np.flatnonzero(banned & (required | locked))).size:
        wish = "must-appear" if required[both[0]] else "lock"
        raise BadInput(f"{label(sources[both[0]])} is wanted by --{wish} and banned: choose one")
    if banned.all():
        raise BadInput(f"--ban leaves none of {count} photos: ban fewer")
    asked = int(banned.sum())
    wanted = np.flatnonzero(required)
    stand_back = np.isin(group, group[wanted]) & ~required & ~locked
    alone = group.copy()
    alone[wanted] = int(group.max()) + 1 + np.arange(len(wanted))
    _, alone = np.unique(alone, return_inverse=True)
    return Limits(alone.astype(np.intp), np.flatnonzero(banned | stand_back), wanted, asked)


def locks(
    request: Photomosaic,
    library: TileLibrary,
    limits: Limits,
    cells: NDArray[np.intp],
) -> NDArray[np.intp]:
    """Find the cells that are locked, and to which photos.

    Parameters
    ----------
    request : Photomosaic
    library : TileLibrary
    limits : Limits
    cells : ndarray of shape (rows, columns), intp
        The cell at each place of the grid.

    Returns
    -------
    ndarray of shape (l, 2), intp
        Cell and photo.

    Raises
    ------
    BadInput
        Naming a lock that cannot be read or kept.
    """
    rows, columns = cells.shape
    place: dict[int, int] = {}
    for text in request.lock:
        column, row, photo = _locked(library, text)
        if not (1 <= column <= columns and 1 <= row <= rows):
            raise BadInput(
                f"--lock {printable(text)}: the grid has columns 1 to {columns} and rows 1 to "
                f"{rows} (fix it with --grid)"
            )
        if place.setdefault(int(cells[row - 1, column - 1]), photo) != photo:
            raise BadInput(f"--lock {printable(text)}: that cell is locked to another photo")
    pairs = np.array(sorted(place.items()), np.intp).reshape(-1, 2)
    _check_uses(request, library, limits, pairs, cells.max() + 1)
    return pairs


def _check_uses(
    request: Photomosaic,
    library: TileLibrary,
    limits: Limits,
    pairs: NDArray[np.intp],
    count: int,
) -> None:
    """Refuse more locks than uses, and more photos that must appear than cells."""
    uses = np.bincount(limits.group[pairs[:, 1]], minlength=int(limits.group.max()) + 1)
    if request.repeats != "free" and (uses > request.max_uses).any():
        photo = pairs[uses[limits.group[pairs[:, 1]]] > request.max_uses][0, 1]
        raise BadInput(
            f"{label(library.sources[photo])}, with its near-duplicates, is locked to "
            f"{uses[limits.group[photo]]} cells: lock fewer, or try --max-uses "
            f"{uses[limits.group[photo]]}"
        )
    wanted = int((limits.minimum > uses).sum())
    if (short := wanted - (count - len(pairs))) > 0:
        raise BadInput(
            f"{wanted} photos that must appear are {short} more than the {count - len(pairs)} "
            "cells that are not locked: name fewer, or give more --cells"
        )


def _photos(library: TileLibrary, word: str, option: str) -> Sequence[int]:
    if found := named(library.sources, word):
        return found
    raise BadInput(
        f"--{option} {printable(word)}: none of the {len(library.sources)} usable photos is called "
        "that; give a file name, the end of a path, or a glob such as 'IMG_1*.jpg'"
    )


def _locked(library: TileLibrary, text: str) -> tuple[int, int, int]:
    """Column and row of a lock, from 1, and its photo."""
    match = _LOCK.fullmatch(text)
    if match is None:
        raise BadInput(f"--lock {printable(text)}: give COLUMN,ROW=FILE, such as 12,5=IMG_1.jpg")
    found = _photos(library, match[3], "lock")
    if len(found) > 1:
        raise BadInput(
            f"--lock {printable(text)}: {len(found)} photos are called that; name one by its path"
        )
    return int(match[1]), int(match[2]), found[0]
