"""A placed tile, as every phase from packing to assembly hands it on."""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from smalti.jigsaw.energy import Terms
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
    terms : Terms
        Of its energy, as it was chosen; all 0 where none was.
    """

    tile: int
    container: int
    pose: Pose
    contour: NDArray[np.float64]
    terms: Terms = field(default_factory=Terms)

    @property
    def energy(self) -> float:
        """The sum of its terms."""
        return sum(self.terms)


@dataclass(frozen=True, slots=True, eq=False)
class Laid:
    """News of a container while it is packed, for who watches.

    Attributes
    ----------
    container : int
        Number among all that are filled; cells of a large one count alone.
    number : int
        Of the tile in its container, which it keeps; negative for all that lie there.
    placement : Placement or None
        None where the tile is gone.
    again : bool
        Whether the tile takes another's place.
    """

    container: int
    number: int = -1
    placement: Placement | None = None
    again: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Sought:
    """What was tried at a site, for who watches; good until the next step.

    Attributes
    ----------
    container : int
        Number among all that are filled.
    corner : (int, int)
        Where the maps lie in the picture, x and y, px.
    free : ndarray of shape (h, w), bool
        Where a tile worth placing may yet lie.
    cells : ndarray of shape (h, w), int32
        Voronoi cell of every pixel of it, negative elsewhere.
    site : (float, float)
        x and y in the picture, px.
    candidates : tuple of ndarray of shape (k, 2), float64
        Contours that were compared, the chosen one first.
    terms : Terms
        Of the chosen one's energy.
    """

    container: int
    corner: tuple[int, int]
    free: NDArray[np.bool_]
    cells: NDArray[np.int32]
    site: tuple[float, float]
    candidates: tuple[NDArray[np.float64], ...]
    terms: Terms


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """All tiles between two phases, for who watches; contours come in this order, of the last."""

    placements: tuple[Placement, ...]


def scaled(placement: Placement, factor: float) -> Placement:
    """Bring a placement to a raster `factor` times as fine."""
    theta, scale, x, y = placement.pose
    return replace(
        placement,
        pose=Pose(theta, scale * factor, x * factor, y * factor),
        contour=placement.contour * factor,
    )
