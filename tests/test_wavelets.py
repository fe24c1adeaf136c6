import numpy as np
import pytest

from smalti.core.wavelets import haar, side_for, wavelet_rows


@pytest.mark.parametrize("side", [1, 2, 4, 8, 16])
def test_the_transform_keeps_lengths_and_finds_the_mean(
    rng: np.random.Generator, side: int
) -> None:
    blocks = rng.normal(0, 1, (5, side, side, 3)).astype(np.float32)
    found = haar(blocks)
    np.testing.assert_allclose((found**2).sum((1, 2)), (blocks**2).sum((1, 2)), rtol=1e-4)
    np.testing.assert_allclose(found[:, 0, 0] / side, blocks.mean((1, 2)), atol=1e-5)


def test_a_step_is_one_coefficient() -> None:
    blocks = np.zeros((8, 8, 1), np.float32)
    blocks[:, 4:] = 1
    found = haar(blocks)[..., 0]
    assert np.flatnonzero(np.abs(found) > 1e-5).tolist() == [0, 1]  # (0, 0) and (0, 1)
    assert found[0, 1] == pytest.approx(-4)


def test_rows_tell_contrast_by_its_sign_alone() -> None:
    tile = np.full((8, 8, 3), 100, np.float32)
    tile[:, 4:] = 140
    strong, turned = tile.copy(), tile[:, ::-1].copy()
    strong[:, :4], strong[:, 4:] = 60, 180
    rows = wavelet_rows(np.stack([tile, strong, turned]), adjust=0.0)
    assert rows.shape == (3, 192)
    assert np.allclose(rows[0], rows[1], atol=1e-3)
    assert np.abs(rows[0] - rows[2]).max() > 1


def test_what_will_be_moved_counts_less() -> None:
    tiles = np.stack([np.full((4, 4, 3), 50, np.float32), np.full((4, 4, 3), 150, np.float32)])
    for adjust in (0.0, 0.7, 1.0):
        rows = wavelet_rows(tiles, adjust=adjust)
        assert rows[1, 0] - rows[0, 0] == pytest.approx((1 - adjust) * 5 * 100 / 255, rel=1e-4)
        assert np.allclose(rows[:, 3:], 0)


def test_blocks_come_in_powers_of_two() -> None:
    assert [side_for(detail) for detail in (1, 2, 3, 6, 8, 32)] == [1, 2, 4, 8, 8, 32]
