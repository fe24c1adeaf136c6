"""A placed tile, as every phase from packing to assembly hands it on."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from smalti.jigsaw.pose import Pose


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """One tile in the mosaic.

    Attributes
    ----------
    tile : int
        Index into the `ShapeLibrary`.
    container : int
        Label of the container it lies in.
    pose : Pose
        Where it lies.
    contour : ndarray of shape (k, 2), float64
        Its contour in the picture, (x, y) px, positively oriented, the end not
        repeated; vertex i stems from vertex i of the tile's own contour. Equal
        to ``placed(library.contours[tile], pose)`` before refinement.
    energy : float
        Of this tile, as it was chosen.
    """

    tile: int
    container: int
    pose: Pose
    contour: NDArray[np.float64]
    energy: float


@dataclass(frozen=True, slots=True, eq=False)
class Laid:
    """News of a container while it is packed, for who watches.

    Attributes
    ----------
    container : int
        Number among all that are filled; cells of a large one count alone.
    number : int
        Of the tile in its container.
    placement : Placement or None
        None where the container is begun anew: all its tiles are gone.
    again : bool
        Whether the tile takes another's place.
    """

    container: int
    number: int = -1
    placement: Placement | None = None
    again: bool = False


def scaled(placement: Placement, factor: float) -> Placement:
    """Bring a placement to a raster `factor` times as fine."""
    theta, scale, x, y = placement.pose
    return replace(
        placement,
        pose=Pose(theta, scale * factor, x * factor, y * factor),
        contour=placement.contour * factor,
    )
