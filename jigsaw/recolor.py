"""Tiles of nearly equal outline dealt again over their places, so that colours fit best.

A tile may take another's place where turning it makes their outlines agree.
Such tiles form families; within a family every place may have any tile, so the
choice that fits best overall is an assignment, solved by `smalti.core.assign`.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from smalti.core.assign import assign
from smalti.core.progress import Progress, silent
from smalti.jigsaw.placement import Placement
from smalti.jigsaw.pose import Pose


class Recolored(NamedTuple):
    """Placements dealt again.

    Attributes
    ----------
    placements : list of Placement
        In the order they came.
    before, after : float
        Mean distance of the places' colours to their tiles', dE*ab (CIE 1976).
    """

    placements: list[Placement]
    before: float
    after: float


def recolor(
    placements: Sequence[Placement],
    contours: NDArray[np.float64],
    colours: NDArray[np.float32],
    goals: NDArray[np.float32],
    *,
    alike: float = 0.06,
    turned: bool = True,
    progress: Progress = silent,
) -> Recolored:
    """Deal tiles of nearly equal outline again over their places.

    Every tile is used as often as before, so no limit of reuse is touched.

    Parameters
    ----------
    placements : sequence of Placement, length n
    contours : ndarray of shape (m, k, 2), float64
        Of the library's tiles, in their own planes.
    colours : ndarray of shape (m, 3), float32
        Mean CIELAB of the tiles.
    goals : ndarray of shape (n, 3), float32
        Mean CIELAB of the target at each place.
    alike : float
        RMS distance up to which two outlines of unit area pass for equal; what
        remains of it deforms the tile.
    turned : bool
        Whether a tile may be turned onto the one whose place it takes.
    progress : callable
        Given the steps of the assignments.

    Returns
    -------
    Recolored
        Each place keeps its contour; its vertices are renumbered so that vertex
        i stems from vertex i of the new tile.
    """
    tile = np.array([p.tile for p in placements], np.intp)
    used, index = np.unique(tile, return_inverse=True)
    turn = alignment(contours[used], turned=turned)
    dealt = tile.copy()
    for family in _families(turn.distance, alike):
        places = np.flatnonzero(np.isin(index, family))
        if len(places) > 1:
            cost_rows = colours[tile[places]][:, None]
            wanted = goals[places].astype(np.float32)
            laid = assign(wanted, cost_rows, metric="euclidean", progress=progress)
            dealt[places] = tile[places][laid.photo]
    before, after = (
        float(np.linalg.norm(goals - colours[t], axis=1).mean()) if len(t) else 0.0
        for t in (tile, dealt)
    )
    position = {int(t): i for i, t in enumerate(used)}
    moved = [
        _moved(p, int(new), turn, position) if p.tile != new else p
        for p, new in zip(placements, dealt, strict=True)
    ]
    return Recolored(moved, before, after)


class Alignment(NamedTuple):
    """How outlines agree when one is turned onto the other.

    Attributes
    ----------
    distance : ndarray of shape (m, m), float64
        RMS distance of vertices at the best turn and numbering.
    shift : ndarray of shape (m, m), intp
        Vertex of outline b that meets vertex 0 of outline a.
    theta : ndarray of shape (m, m), float64
        Turn of outline b that brings it onto a, radians.
    """

    distance: NDArray[np.float64]
    shift: NDArray[np.intp]
    theta: NDArray[np.float64]


def alignment(contours: NDArray[np.float64], *, turned: bool = True) -> Alignment:
    """Find the best turn and numbering of every pair of outlines.

    With vertices as complex numbers, the sum of squared distances at numbering
    s is ``|a|^2 + |b|^2 - 2 |c_s|``, where c is the circular correlation of a
    and b, and the turn that reaches it is the angle of ``c_s``: one FFT a pair.
    Without a turn it is the real part of ``c_s`` that counts.

    Parameters
    ----------
    contours : ndarray of shape (m, k, 2), float64
        Equal in arc length, positively oriented, about their centroids.
    turned : bool
        Whether outlines may be turned.
    """
    z = contours[..., 0] + 1j * contours[..., 1]
    count, points = z.shape
    spectrum, energy = np.fft.fft(z, axis=1), (np.abs(z) ** 2).sum(1)
    distance, theta = np.zeros((count, count)), np.zeros((count, count))
    shift = np.zeros((count, count), np.intp)
    for a in range(count):  # row by row: all pairs at once would need m^2 k numbers
        # np.fft's correlation at s: the sum over i of a_i conj(b_(i+s)).
        c = np.fft.ifft(np.conj(spectrum[a]) * spectrum, axis=1).conj()
        fit = np.abs(c) if turned else c.real
        shift[a] = fit.argmax(1)
        squares = energy[a] + energy - 2 * fit.max(1)
        distance[a] = np.sqrt(squares.clip(0) / points)
        if turned:
            theta[a] = np.angle(np.take_along_axis(c, shift[a][:, None], 1)[:, 0])
    return Alignment(distance, shift, theta)


def _families(distance: NDArray[np.float64], alike: float) -> list[NDArray[np.intp]]:
    """Group outlines that are all alike: complete linkage, so that nothing drifts."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    if len(distance) < 2:
        return []
    symmetric = (distance + distance.T) / 2
    np.fill_diagonal(symmetric, 0)
    label = fcluster(linkage(squareform(symmetric, checks=False), "complete"), alike, "distance")
    return [np.flatnonzero(label == one) for one in np.unique(label)]


def _moved(placement: Placement, new: int, turn: Alignment, position: dict[int, int]) -> Placement:
    """Put another tile of the family in a place, turned onto the one that was there."""
    a, b = position[placement.tile], position[new]
    pose = placement.pose
    return replace(
        placement,
        tile=new,
        pose=Pose(pose.theta + float(turn.theta[a, b]), pose.scale, pose.x, pose.y),
        contour=np.roll(placement.contour, int(turn.shift[a, b]), axis=0),
    )
