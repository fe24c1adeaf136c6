"""How large the tiles shall be: small where the container is narrow or the picture detailed."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from smalti.jigsaw.distance import Map, signed_distance

_FILLED = 1.24  # tiles laid for one that is wanted, far from any border
_LOST = 0.148  # tiles not laid for one along a border
_HALF_FACE = 0.55  # of a face's square: how far it reaches to the side of its middle
_LARGEST = 0.75  # of the usual tile, however large the face is
_ACROSS = 16.0  # tiles wanted across a face: an eye is a fifth of it


def wanted_sizes(
    labels: NDArray[np.intp],
    goal: NDArray[np.float32],
    side: float,
    ratio: float,
    fine: NDArray[np.float32] | None = None,
) -> Map:
    """Say how large a tile is wanted at every pixel.

    Parameters
    ----------
    labels : ndarray of shape (h, w), intp
        Container of every pixel; -1 stays empty.
    goal : ndarray of shape (h, w, 3), float32
        CIELAB of the target.
    side : float
        Of a mean tile, px: as many will be laid as of this size fill the containers.
    ratio : float
        Largest over smallest.
    fine : ndarray of shape (h, w), float32, optional
        What sizes are multiplied by, at most 1.

    Returns
    -------
    ndarray of shape (h, w), float32
        Px, from ``side / sqrt(ratio)`` to ``side * sqrt(ratio)``.
    """
    blurred = ndimage.gaussian_filter(goal, (side, side, 0))
    detail = ndimage.uniform_filter(np.linalg.norm(goal - blurred, axis=-1), int(2 * side) | 1)
    filled = labels >= 0
    middle = float(np.median(detail[filled]))
    lively = ((middle + 0.5) / (detail + 0.5)) ** 0.6
    wide = np.full(labels.shape, 0.42 * side)
    for label, box in enumerate(ndimage.find_objects(labels + 1)):
        if box is not None:
            radius = _inscribed(labels[box] == label, side)
            part = wide[box]
            np.maximum(part, np.clip(0.85 * radius, 0, 1.25 * side), out=part)
    size = wide * np.clip(lively, 0.6, 1.25)
    if fine is not None:
        size *= fine
    size = ndimage.gaussian_filter(size, 0.3 * side)
    tiles = filled.sum() / side**2
    for _ in range(4):  # rescale to the wanted count; clamping moves it, hence again
        size *= np.sqrt(expected_tiles(labels, size) / tiles)
        size = np.clip(size, side / np.sqrt(ratio), side * np.sqrt(ratio))
    return size.astype(np.float32)


def expected_tiles(labels: NDArray[np.intp], size: NDArray[np.floating]) -> float:
    """Foresee how many tiles will be laid.

    In the open, gaps left between tiles of the wanted size are filled with small
    ones; along a border, tiles that do not fit are left out. The two shares were
    measured in 18 packings, of 40 to 1,370 tiles in 1 to 90 containers, most of which
    are foreseen within 5 %.

    Parameters
    ----------
    labels : ndarray of shape (h, w), intp
        Containers; -1 stays empty.
    size : ndarray of shape (h, w)
        Side of the tile wanted at every pixel, px.
    """
    filled = labels >= 0
    tiles = float((1 / size[filled].astype(float) ** 2).sum())
    border = 0.0  # in tiles, each container's own
    framed = np.pad(labels, 1, constant_values=-1)
    pace = np.pad(1 / size.astype(float), 1, mode="edge")
    for here, there in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        sides = (framed[here] >= 0).astype(float) + (framed[there] >= 0)
        border += float((pace[here] * sides)[framed[here] != framed[there]].sum())
    border *= np.pi / 4  # stairs of pixels are that much longer than what they stand for
    return max(_FILLED * tiles - _LOST * border, tiles / 2)


def fine_faces(
    shape: tuple[int, int], faces: NDArray[np.float64], tile_px: float, ratio: float
) -> NDArray[np.float32]:
    """Say how much smaller tiles shall be in faces.

    Parameters
    ----------
    shape : tuple of int
        (h, w).
    faces : ndarray of shape (k, 3), float64
        Left, top and side of a square about each, px; see `find_faces`.
    tile_px : float
        Side of a mean tile.
    ratio : float
        Largest over smallest tile.

    Returns
    -------
    ndarray of shape (h, w), float32
        1 outside of faces.
    """
    y, x = np.indices(shape) + 0.5
    fine = np.ones(shape, np.float32)
    for left, top, wide in faces:
        away = np.hypot(x - left - wide / 2, (y - top - wide / 2) / 1.2)
        least = max(1 / np.sqrt(ratio), min(_LARGEST, wide / (_ACROSS * tile_px)))
        fine[away < _HALF_FACE * wide] = least
    return fine


def _inscribed(mask: NDArray[np.bool_], side: float) -> NDArray[np.float64]:
    """Radius of the largest disc, of a few sizes, that holds each pixel and fits the mask."""
    distance = signed_distance(mask)
    radius = np.zeros(mask.shape)
    for step in np.linspace(0.5, 1.5, 5) * side:
        centres = distance >= step
        if not centres.any():
            break
        radius[ndimage.distance_transform_edt(~centres) <= step] = step
    return radius * mask
