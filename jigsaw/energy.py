"""The terms of the mosaicing energy, as the paper numbers them (Kim and Pellacini 2002).

The kernels of `smalti.jigsaw.pack` and the refinement evaluate the same formulas
in their loops; these are the plain ones they are tested against.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Terms(NamedTuple):
    """What the energy of a tile is made of (equation 7), each term with its weight."""

    colour: float = 0.0
    gap: float = 0.0
    overlap: float = 0.0
    look: float = 0.0


def colour_energy(tile: NDArray[np.floating], goal: NDArray[np.floating]) -> float:
    """E_C: the mean L2 difference of colours of tile and target (section 4.2).

    Parameters
    ----------
    tile, goal : ndarray of shape (n, 3)
        CIELAB of the tile and of the target at the same n places.
    """
    return float(np.linalg.norm(tile - goal, axis=-1).mean())


def gap_energy(distance: NDArray[np.floating]) -> float:
    """E_G: the sum of d^2 / 2 over the vertices that lie in a gap (section 4.2).

    Parameters
    ----------
    distance : ndarray of shape (k,)
        Signed distance d of each vertex to the nearest edge of another tile or
        of the container, px; negative where the vertex has passed that edge.
    """
    return float((np.maximum(distance, 0) ** 2).sum() / 2)


def overlap_energy(distance: NDArray[np.floating]) -> float:
    """E_O: the sum of d^2 / 2 over the vertices that penetrate an edge (section 4.2).

    Takes the same distances as `gap_energy`.
    """
    return float((np.minimum(distance, 0) ** 2).sum() / 2)


def deform_energy(
    deformed: NDArray[np.float64],
    original: NDArray[np.float64],
    alpha: float = 1.0,
    beta: float = 1.0,
) -> float:
    """E_D of one tile: how far its shape has left its own (equation 2).

    Parameters
    ----------
    deformed, original : ndarray of shape (k, 2), float64
        Closed contours D and T, vertex by vertex, in the same units; s runs
        once from 0 to 1 around them.
    alpha, beta : float
        Weights of the second and of the first derivative.

    Returns
    -------
    float
        ``1/2 sum (alpha |D'' - T''|^2 + beta |D' - T'|^2) / k`` with central
        differences; moving the tile costs nothing, turning or scaling does.
    """
    apart = deformed - original
    k = len(apart)
    after, before = np.roll(apart, -1, axis=0), np.roll(apart, 1, axis=0)
    first = (after - before) * k / 2
    second = (after - 2 * apart + before) * k**2
    return float((alpha * second**2 + beta * first**2).sum() / (2 * k))


def look_ahead_energy(area: float, length: float, weight: float = 0.5) -> float:
    """E_LA: how hard the free area left behind is to fill (equation 8).

    Parameters
    ----------
    area, length : float
        Area and boundary length of the container that is left.
    weight : float
        w_A, 0 to 1: how much the area counts against the squared length.
    """
    return weight * area + (1 - weight) * length**2
