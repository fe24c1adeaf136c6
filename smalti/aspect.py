"""The picture has its target's shape to the pixel, though the raster that is packed is rounded."""

from collections.abc import Sequence
from dataclasses import replace

from smalti.jigsaw.placement import Placement
from smalti.jigsaw.pose import Pose

Size = tuple[int, int]


def picture_size(raster: Size, target: Size, scale: float) -> Size:
    """Return the width and height of the picture, px.

    Parameters
    ----------
    raster, target : (int, int)
        Width and height of the raster that was packed, and of the target, px.
    scale : float
        Pixels of the picture along a pixel of the raster's longer side.
    """
    long = max(1, round(scale * max(raster)))
    width, height = (max(1, round(long * side / max(target))) for side in target)
    return width, height


def in_shape(placements: Sequence[Placement], raster: Size, target: Size) -> list[Placement]:
    """Stretch contours by what rounding took from the raster, a pixel at most.

    The longer side keeps its pixels, the shorter gets the target's proportion.
    """
    right, down = _stretch(raster, target)
    return [_stretched(p, right, down) for p in placements]


def on_raster(placements: Sequence[Placement], raster: Size, target: Size) -> list[Placement]:
    """Take back what `in_shape` has stretched."""
    right, down = _stretch(raster, target)
    return [_stretched(p, 1 / right, 1 / down) for p in placements]


def _stretch(raster: Size, target: Size) -> tuple[float, float]:
    long, most = max(raster), max(target)
    right, down = (long * side / most / own for own, side in zip(raster, target, strict=True))
    return right, down


def _stretched(placement: Placement, right: float, down: float) -> Placement:
    theta, scale, x, y = placement.pose
    return replace(
        placement,
        pose=Pose(theta, scale * (right * down) ** 0.5, x * right, y * down),
        # Rounded as the project file rounds, so that its picture is the same to the byte.
        contour=(placement.contour * (right, down)).round(6),
    )
