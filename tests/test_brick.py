import numpy as np
import pytest

from smalti.core.brick import bricks, halves
from smalti.core.grid import board, lay_grid


@pytest.mark.parametrize(
    ("columns", "rows"), [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (5, 4), (4, 7)]
)
def test_bricks_cover_the_grid(columns: int, rows: int) -> None:
    grid = lay_grid((120, 80), 2 * columns, 2 * rows, aspect=1)
    boxes = bricks(grid)
    board(grid, boxes)
    assert len(boxes) == columns * rows + halves(rows)
    assert boxes.tolist() == sorted(boxes.tolist(), key=lambda box: (box[1], box[0]))


def test_no_joint_goes_on_into_the_next_row() -> None:
    boxes = bricks(lay_grid((120, 80), 12, 8, aspect=1))
    whole = boxes[boxes[:, 2] == 2]
    for top in range(0, 6, 2):
        here, below = (set(whole[whole[:, 1] == y, 0].tolist()) for y in (top, top + 2))
        assert not here & below
    assert np.count_nonzero(boxes[:, 2] == 1) == 4 * 2
