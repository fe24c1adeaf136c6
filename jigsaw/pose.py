"""Where a shape lies: a turn, a size and a place."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Pose(NamedTuple):
    """A similarity transform, from a shape's own plane to the picture.

    Attributes
    ----------
    theta : float
        Turn in radians, from the x axis towards the y axis.
    scale : float
        Length in px of one unit of the shape's plane: the side of the square
        that has the shape's area.
    x, y : float
        Where the shape's centroid comes to lie, px; x right, y down.
    """

    theta: float
    scale: float
    x: float
    y: float


def placed(points: NDArray[np.float64], pose: Pose) -> NDArray[np.float64]:
    """Move points of a shape's own plane into the picture.

    Parameters
    ----------
    points : ndarray of shape (..., 2), float64
        (x, y), unit area about the origin.
    pose : Pose

    Returns
    -------
    ndarray of shape (..., 2), float64
        (x, y) in px.
    """
    cos, sin = pose.scale * np.cos(pose.theta), pose.scale * np.sin(pose.theta)
    turn = np.array([[cos, sin], [-sin, cos]])
    return np.asarray(points @ turn + (pose.x, pose.y))


def unplaced(points: NDArray[np.float64], pose: Pose) -> NDArray[np.float64]:
    """Move points of the picture back into the shape's own plane; undoes `placed`."""
    cos, sin = np.cos(pose.theta) / pose.scale, np.sin(pose.theta) / pose.scale
    turn = np.array([[cos, -sin], [sin, cos]])
    return np.asarray((points - (pose.x, pose.y)) @ turn)
