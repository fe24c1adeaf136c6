"""Containers as they are packed: cut out of the picture, and cut up where they are large."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from smalti.core.color import din99o
from smalti.jigsaw.cvd import lloyd
from smalti.jigsaw.distance import Map
from smalti.jigsaw.placement import Placement

Floats = NDArray[np.float64]

_LARGE = 450  # tiles of a container that is cut up, so that several workers may fill it
_CELL = 250  # tiles of its cells
_PIXELS = 40  # of a cell, that Lloyd's method looks at
_SEAM = 0.3  # of a tile's side: tiles nearer to a cut are laid anew when it is gone


@dataclass(frozen=True, slots=True, eq=False)
class Container:
    """All that is needed to fill one container, wherever that is done.

    Attributes
    ----------
    key : int
        Its own number among all that are filled.
    label : int
        Of the container that it is, or belongs to.
    mask : ndarray of shape (h, w), bool
        With a margin around it.
    goal : ndarray of shape (h, w, 3), float32
        Of the target, as `din99o` has it.
    size : ndarray of shape (h, w), float32
        Side of the tile wanted at every pixel.
    side : float
        Of a mean tile of the whole mosaic, px.
    corner : (int, int)
        Where the mask lies in the picture, x and y.
    quota : ndarray of shape (groups,), intp
        Copies of each shape that may be used.
    rng : Generator
    laid : tuple of Placement
        Tiles that lie in it already.
    """

    key: int
    label: int
    mask: NDArray[np.bool_]
    goal: NDArray[np.float32]
    size: Map
    side: float
    corner: tuple[int, int]
    quota: NDArray[np.intp]
    rng: np.random.Generator
    laid: tuple[Placement, ...] = ()


def cut_up(
    labels: NDArray[np.intp], need: Floats, rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Divide large containers into the cells of a centroidal Voronoi diagram of their own.

    Parameters
    ----------
    labels : ndarray of shape (h, w), intp
        Container of every pixel; below 0 none.
    need : ndarray of shape (h, w), float64
        Tiles wanted per pixel.
    rng : Generator

    Returns
    -------
    cells : ndarray of shape (h, w), intp
        Cell of every pixel, -1 for none; a small container is one cell.
    owner : ndarray of shape (c,), intp
        Label of the container that each cell belongs to, ascending.
    """
    cells = np.full(labels.shape, -1, np.intp)
    owner: list[int] = []
    for label in np.unique(labels[labels >= 0]):
        rows, columns = np.nonzero(labels == label)
        tiles = float(need[rows, columns].sum())
        count = max(2, round(tiles / _CELL)) if tiles > _LARGE else 1
        cell = np.zeros(len(rows), np.intp)
        if count > 1:
            points = np.stack([columns + 0.5, rows + 0.5], axis=1)
            few = rng.choice(len(points), min(len(points), count * _PIXELS), replace=False)
            sites = lloyd(points[few], need[rows, columns][few], points[few[:count]], 50)
            cell = np.unique(cKDTree(sites).query(points)[1], return_inverse=True)[1]
        cells[rows, columns] = len(owner) + cell
        owner += [int(label)] * (int(cell.max()) + 1)
    return cells, np.array(owner, np.intp)


def cut_out(
    labels: NDArray[np.intp],
    number: int,
    key: int,
    label: int,
    *,
    goal: NDArray[np.float32],
    size: Map,
    side: float,
    quota: NDArray[np.intp],
    rng: np.random.Generator,
    laid: tuple[Placement, ...] = (),
) -> Container:
    """Take what a worker needs, where `labels` equals `number`, with a margin."""
    box = ndimage.find_objects((labels == number).astype(np.uint8))[0]
    margin = int(np.ceil(2 * float(size.max())))
    pad = ((margin, margin), (margin, margin))
    return Container(
        key=key,
        label=label,
        mask=np.pad(labels[box] == number, pad),
        goal=din99o(np.pad(goal[box], (*pad, (0, 0)), mode="edge")),
        size=np.pad(size[box], pad, mode="edge"),
        side=side,
        corner=(box[1].start - margin, box[0].start - margin),
        quota=quota,
        rng=rng,
        laid=laid,
    )


def away_from_seams(
    placements: list[Placement], cells: NDArray[np.intp], mask: NDArray[np.bool_], side: float
) -> tuple[Placement, ...]:
    """Keep the tiles that do not lie along a cut between cells of one container.

    Parameters
    ----------
    placements : list of Placement
    cells : ndarray of shape (h, w), intp
    mask : ndarray of shape (h, w), bool
        The container.
    side : float
        Of a mean tile, px.
    """
    cut = np.zeros(mask.shape, bool)
    for axis in (0, 1):
        one, other = np.moveaxis(cells, axis, 0)[1:], np.moveaxis(cells, axis, 0)[:-1]
        both = np.moveaxis(mask, axis, 0)[1:] & np.moveaxis(mask, axis, 0)[:-1]
        np.moveaxis(cut, axis, 0)[1:] |= both & (one != other)
    near = ndimage.distance_transform_edt(~cut) < _SEAM * side
    last = np.array(mask.shape)[::-1] - 1
    inside = [np.clip(p.contour.astype(np.intp), 0, last) for p in placements]
    return tuple(
        p for p, at in zip(placements, inside, strict=True) if not near[at[:, 1], at[:, 0]].any()
    )
