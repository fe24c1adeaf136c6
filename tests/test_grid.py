import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smalti.core.errors import BadInput
from smalti.core.grid import canvas, cells_of, columns_and_rows, lay_grid

sides = st.integers(1, 5000)


@given(sides, sides, st.integers(1, 10_000), st.sampled_from([0.5, 0.75, 1.0, 1.5, 2.0]))
def test_never_more_cells_than_there_may_be(
    width: int, height: int, cells: int, aspect: float
) -> None:
    for most in (None, cells, cells + 7):
        columns, rows = columns_and_rows((width, height), cells, aspect, most=most)
        assert columns >= 1
        assert rows >= 1
        assert columns * rows <= (most or cells)


@pytest.mark.parametrize("size", [(1920, 1080), (600, 800), (512, 512), (4000, 1000)])
@pytest.mark.parametrize("cells", [100, 1000, 3000, 20_000])
def test_about_as_many_cells_and_hardly_any_loss(size: tuple[int, int], cells: int) -> None:
    columns, rows = columns_and_rows(size, cells, 1.0, most=2 * cells)
    assert 0.87 * cells <= columns * rows <= 1.13 * cells
    shape = size[0] / size[1]
    assert abs(columns / rows / shape - 1) < 0.08


@given(sides, sides, st.integers(1, 60), st.integers(1, 60), st.floats(0.2, 5))
def test_a_cropped_grid_lies_inside_and_a_padded_one_around(
    width: int, height: int, columns: int, rows: int, aspect: float
) -> None:
    for fit in ("crop", "pad"):
        grid = lay_grid((width, height), columns, rows, aspect=aspect, fit=fit)
        left, top, covered_w, covered_h = grid.window
        assert np.isclose(covered_w / covered_h, columns * aspect / rows)
        assert np.isclose(2 * left + covered_w, width)  # centred
        assert np.isclose(2 * top + covered_h, height)
        slack = max(width, height) * 1e-9
        if fit == "crop":
            assert min(left, top) >= -slack
        else:
            assert max(left, top) <= slack


def test_an_unknown_fit_is_named() -> None:
    with pytest.raises(BadInput, match="stretch"):
        lay_grid((3, 3), 1, 1, aspect=1, fit="stretch")


def test_the_canvas_of_a_picture_that_fits_is_the_picture(rng: np.random.Generator) -> None:
    picture = rng.integers(0, 256, (12, 20, 3), dtype=np.uint8)
    grid = lay_grid((20, 12), 5, 3, aspect=1)
    assert np.array_equal(canvas(picture, grid, 4), picture)


def test_cells_are_numbered_along_rows(rng: np.random.Generator) -> None:
    picture = rng.integers(0, 256, (12, 20, 3), dtype=np.uint8)
    grid = lay_grid((20, 12), 5, 3, aspect=1)
    cells = cells_of(picture, grid)
    assert np.array_equal(cells[7], picture[4:8, 8:12])  # row 1, column 2


def test_padding_has_the_background_and_the_middle_the_picture() -> None:
    picture = np.full((10, 30, 3), (200, 30, 40), np.uint8)
    grid = lay_grid((30, 10), 3, 3, aspect=1, fit="pad")
    padded = canvas(picture, grid, 10, background=(0, 0, 255))
    assert np.array_equal(padded[4, 15], (0, 0, 255))
    assert np.array_equal(padded[25, 15], (0, 0, 255))
    assert np.array_equal(padded[15, 15], (200, 30, 40))


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1)])
def test_the_smallest_targets(size: tuple[int, int]) -> None:
    picture = np.full((size[1], size[0], 3), 9, np.uint8)
    columns, rows = columns_and_rows(size, 20, 1.0)
    for fit in ("crop", "pad"):
        grid = lay_grid(size, columns, rows, aspect=1, fit=fit)
        assert canvas(picture, grid, 6).shape == (rows * 6, columns * 6, 3)
