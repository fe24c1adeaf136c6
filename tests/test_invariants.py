"""Geometry and containers, whatever the numbers: what holds for every input."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from smalti.core.grid import board, columns_and_rows, lay_grid, unit_boxes
from smalti.jigsaw.pose import Pose, placed, unplaced
from smalti.jigsaw.segment import from_labels

sides = st.integers(1, 20_000)
within = st.floats(-1e4, 1e4, allow_nan=False)


@given(
    st.builds(Pose, st.floats(-7, 7), st.floats(0.01, 1000), within, within),
    arrays(np.float64, (5, 2), elements=st.floats(-3, 3)),
)
def test_a_pose_is_undone_and_keeps_shapes_similar(pose: Pose, points: np.ndarray) -> None:
    there = placed(points, pose)
    assert unplaced(there, pose) == pytest.approx(points, abs=1e-6)
    apart = np.linalg.norm(there[:, None] - there, axis=2)
    before = np.linalg.norm(points[:, None] - points, axis=2)
    assert apart == pytest.approx(pose.scale * before, abs=1e-6 * max(1, pose.scale))


@given(st.tuples(sides, sides), st.integers(1, 5000), st.floats(0.1, 10))
def test_a_grid_has_as_many_cells_as_it_may_and_lies_in_the_target(
    size: tuple[int, int], cells: int, aspect: float
) -> None:
    columns, rows = columns_and_rows(size, cells, aspect)
    assert 1 <= columns * rows <= cells
    grid = lay_grid(size, columns, rows, aspect=aspect)
    left, top, width, height = grid.window
    assert left >= -1e-6
    assert top >= -1e-6
    assert left + width <= size[0] * (1 + 1e-9) + 1e-6
    assert top + height <= size[1] * (1 + 1e-9) + 1e-6
    assert width / columns / (height / rows) == pytest.approx(aspect, rel=1e-6)
    assert np.array_equal(board(grid, unit_boxes(grid)).ravel(), np.arange(grid.cells))


@given(
    arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=12).map(lambda s: (*s, 4)),
           elements=st.sampled_from([0, 1, 128, 255]))
)  # fmt: skip
def test_containers_are_the_colours_of_a_label_image(image: np.ndarray) -> None:
    labels = from_labels(image)
    clear = image[..., 3] == 0
    assert np.array_equal(labels < 0, clear)
    colours: dict[int, list[int]] = {}
    for label, colour in zip(labels[~clear], image[~clear][:, :3].tolist(), strict=True):
        assert colours.setdefault(int(label), colour) == colour
    assert len({tuple(colour) for colour in colours.values()}) == len(colours)
    assert sorted(colours) == list(range(len(colours)))
