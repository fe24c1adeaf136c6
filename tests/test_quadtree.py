import numpy as np
import pytest

from smalti.core.grid import board, lay_grid, unit_boxes
from smalti.core.quadtree import LARGEST, quadtree


@pytest.mark.parametrize("cells", [1, 6, 7, 30, 60, 96, 1000])
def test_cells_cover_the_grid_and_are_as_many_as_asked(
    rng: np.random.Generator, cells: int
) -> None:
    grid = lay_grid((120, 80), 3 * LARGEST, 2 * LARGEST, aspect=1)
    picture = rng.integers(0, 256, (grid.rows * 4, grid.columns * 4, 3), dtype=np.uint8)
    boxes = quadtree(picture, grid, cells)
    board(grid, boxes)
    least, most = 6, grid.cells
    assert max(least, min(cells, most) - 2) <= len(boxes) <= max(least, cells)
    assert (boxes[:, :2] % boxes[:, 2:] == 0).all()
    assert boxes.tolist() == sorted(boxes.tolist(), key=lambda box: (box[1], box[0]))


def test_small_cells_lie_where_the_detail_is(rng: np.random.Generator) -> None:
    grid = lay_grid((64, 64), 16, 16, aspect=1)
    picture = np.full((64, 64, 3), 90, np.uint8)
    picture[:16, :16] = rng.integers(0, 256, (16, 16, 3))
    boxes = quadtree(picture, grid, 31)
    side = np.take(boxes[:, 2], board(grid, boxes))
    assert (side[:4, :4] == 1).all()
    assert (side[4:, 4:] == 4).all()


def test_weights_draw_cells_to_them(rng: np.random.Generator) -> None:
    grid = lay_grid((64, 64), 16, 16, aspect=1)
    picture = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    weight = np.ones((16, 16))
    weight[8:12, 4:8] = 50
    boxes = quadtree(picture, grid, 31, weight)
    assert (np.take(boxes[:, 2], board(grid, boxes))[8:12, 4:8] == 1).all()


@pytest.mark.parametrize(
    "boxes",
    [
        [[0, 0, 2]],
        [[0, 0, 2], [2, 0, 2], [0, 0, 2]],
        [[0, 0, 4]],
        [[0, 0, 2], [1, 0, 2]],
        [[-1, 0, 2], [2, 0, 2]],
        [[0, 0, 2], [2, 0, 2], [0, 0, 0]],
    ],
    ids=str,
)
def test_boxes_that_do_not_cover_are_refused(boxes: list[list[int]]) -> None:
    grid = lay_grid((4, 2), 4, 2, aspect=1)
    with pytest.raises(ValueError, match="cover"):
        board(grid, np.array(boxes))


def test_units_are_boxes() -> None:
    grid = lay_grid((4, 2), 4, 2, aspect=1)
    assert board(grid, unit_boxes(grid)).tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
