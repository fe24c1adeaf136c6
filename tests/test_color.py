import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.color import rgb2lab

from smalti.core.color import SPACES, delta_e_2000, din99o, from_lab, to_space
from smalti.core.errors import BadInput

CORNERS = np.array([[r, g, b] for r in (0, 255) for g in (0, 255) for b in (0, 255)], np.uint8)


def test_lab_agrees_with_skimage_over_the_whole_cube() -> None:
    steps = np.arange(0, 256, 5, dtype=np.uint8)
    cube = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1)
    np.testing.assert_allclose(to_space(cube, "lab"), rgb2lab(cube), atol=0.02)


def test_oklab_of_published_colours() -> None:
    """CSS Color Module Level 4 gives the primaries of sRGB to five digits."""
    colors = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]
    published = [
        [0.62796, 0.22486, 0.12585],
        [0.86644, -0.23389, 0.17950],
        [0.45201, -0.03246, -0.31153],
        [1.0, 0.0, 0.0],
    ]
    np.testing.assert_allclose(to_space(colors, "oklab"), 100 * np.array(published), atol=2e-3)


def test_rgb_is_a_percentage() -> None:
    assert to_space([255, 0, 51], "rgb").tolist() == pytest.approx([100, 0, 20])


@pytest.mark.parametrize("space", ["lab", "oklab"])
def test_greys_are_neutral_and_lightness_rises(space: str) -> None:
    greys = to_space(np.repeat(np.arange(256.0)[:, None], 3, axis=1), space)
    assert np.abs(greys[:, 1:]).max() < 1e-3
    assert (np.diff(greys[:, 0]) > 0).all()
    np.testing.assert_allclose(greys[[0, 255], 0], [0, 100], atol=1e-3)


@pytest.mark.parametrize("space", SPACES)
@given(shape=st.lists(st.integers(0, 4), max_size=3), seed=st.integers(0, 99))
def test_shape_and_dtype_of_the_input_do_not_matter(
    space: str, shape: list[int], seed: int
) -> None:
    rgb = np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)
    converted = to_space(rgb, space)
    assert converted.shape == rgb.shape
    assert converted.dtype == np.float32
    np.testing.assert_array_equal(to_space(rgb.astype(np.float64), space), converted)
    flat = to_space(rgb.reshape(-1, 3), space)
    np.testing.assert_allclose(flat.reshape(rgb.shape), converted, atol=1e-4)


@pytest.mark.parametrize("space", SPACES)
def test_different_colours_stay_apart_and_values_beyond_are_clipped(space: str) -> None:
    corners = to_space(CORNERS, space)
    apart = np.linalg.norm(corners[:, None] - corners, axis=-1) + 1e3 * np.eye(8)
    assert apart.min() > 10
    np.testing.assert_array_equal(to_space(3.0 * CORNERS - 200, space), corners)


def test_an_unknown_space_is_named_with_those_accepted() -> None:
    with pytest.raises(BadInput, match=r"'hsv'.*rgb, lab, oklab"):
        to_space([0, 0, 0], "hsv")


def test_delta_e_of_published_pairs() -> None:
    """Pairs 1, 7 and 17 of the test data of Sharma, Wu and Dalal (2005)."""
    first = np.array([[50, 2.6772, -79.7751], [50, 0, 0], [50, 2.5, 0]])
    second = np.array([[50, 0, -82.7485], [50, -1, 2], [73, 25, -18]])
    np.testing.assert_allclose(delta_e_2000(first, second), [2.0425, 2.3669, 27.1492], atol=1e-4)


def test_delta_e_is_symmetric_and_zero_for_equals() -> None:
    lab = to_space(CORNERS, "lab")
    apart = delta_e_2000(lab[:, None], lab[None])
    assert apart.shape == (8, 8)
    np.testing.assert_allclose(apart, apart.T, atol=1e-3)
    assert (np.diag(apart) == 0).all()


def test_importing_color_does_not_import_skimage() -> None:
    code = "import sys, smalti.core.color; sys.exit('skimage' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_from_lab_undoes_to_space(rng: np.random.Generator) -> None:
    rgb = rng.uniform(0, 255, (500, 3)).astype(np.float32)
    rgb[:8] = CORNERS
    np.testing.assert_allclose(from_lab(to_space(rgb, "lab")), rgb, atol=0.05)


def test_beyond_the_gamut_from_lab_leaves_the_range() -> None:
    assert from_lab([50, 100, -100])[1] < 0
    assert (from_lab([110, 0, 0]) > 255).all()
    assert (from_lab([-5, 0, 0]) < 0).all()


def test_distances_in_din99o_are_nearly_those_of_ciede2000(rng: np.random.Generator) -> None:
    lab = to_space(rng.integers(0, 256, (4000, 3)), "lab")
    near = lab + rng.normal(0, 4, lab.shape).astype(np.float32)
    near[:, 0] = near[:, 0].clip(0, 100)
    wanted = np.asarray(delta_e_2000(lab, near))
    even = np.linalg.norm(din99o(lab) - din99o(near), axis=1)
    plain = np.linalg.norm(lab - near, axis=1)

    def apart(found: np.ndarray) -> float:
        """How far two measures are from being proportional."""
        return float(np.std(np.log(found / wanted)))

    assert apart(even) < 0.5 * apart(plain)
    assert 0.8 < np.median(even / wanted) < 1.25


def test_greys_stay_grey_in_din99o() -> None:
    greys = din99o([[0, 0, 0], [50, 0, 0], [100, 0, 0]])
    np.testing.assert_allclose(greys[:, 1:], 0, atol=1e-5)
    np.testing.assert_allclose(greys[[0, 2], 0], [0, 100], atol=0.01)
    assert (np.diff(greys[:, 0]) > 0).all()
