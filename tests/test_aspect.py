import numpy as np
import pytest

from smalti.aspect import in_shape, picture_size
from smalti.jigsaw.placement import Placement
from smalti.jigsaw.pose import Pose


@pytest.mark.parametrize("target", [(651, 435), (308, 486), (1000, 1000), (4000, 7), (1, 1)])
@pytest.mark.parametrize("width", [16, 999, 2000, 3001])
@pytest.mark.parametrize("tiles", [1, 37, 1200])
def test_the_picture_has_the_targets_shape(target: tuple[int, int], width: int, tiles: int) -> None:
    factor = np.sqrt(400 * tiles / np.prod(target))
    raster = max(8, round(target[0] * factor)), max(8, round(target[1] * factor))
    size = picture_size(raster, target, width / max(raster))
    assert max(size) == width
    assert min(size) == max(1, round(width * min(target) / max(target)))
    assert (size[0] >= size[1]) == (target[0] >= target[1])


@pytest.mark.parametrize(
    ("raster", "target"), [((850, 565), (1024, 681)), ((552, 870), (308, 486))]
)
def test_contours_reach_the_pictures_corner(
    raster: tuple[int, int], target: tuple[int, int]
) -> None:
    corners = np.array([(0, 0), (raster[0], 0), raster, (0, raster[1])], float)
    placement = Placement(0, 0, Pose(0.3, 10.0, *raster), corners)
    shaped = in_shape([placement], raster, target)[0]
    factor = max(target) / max(raster)
    np.testing.assert_allclose(shaped.contour[2] * factor, target, atol=1e-4)
    np.testing.assert_allclose((shaped.pose.x * factor, shaped.pose.y * factor), target, atol=1e-4)
    assert np.abs(shaped.contour - corners).max() < 1
