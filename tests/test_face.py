import subprocess
import sys

import numpy as np
import pytest
from skimage.data import astronaut

from smalti.core.face import _overlap, find_faces


def test_a_face_is_found_wherever_it_is_and_at_any_size() -> None:
    picture = np.asarray(astronaut())
    left, top, side = find_faces(picture)[0]
    assert abs(left + side / 2 - 223) < 10
    assert abs(top + side / 2 - 115) < 10
    assert 80 < side < 125
    moved = find_faces(picture[40:, 100:])
    assert np.abs(moved - [[left - 100, top - 40, side]]).max() < 12
    large = find_faces(picture.repeat(2, 0).repeat(2, 1))
    assert np.abs(large / 2 - [[left, top, side]]).max() < 5
    mirrored = find_faces(np.ascontiguousarray(picture[:, ::-1]))
    assert np.abs(mirrored - [[512 - left - side, top, side]]).max() < 8


def test_no_face_is_seen_where_there_is_none(rng: np.random.Generator) -> None:
    assert find_faces(np.asarray(astronaut())[250:]).shape == (0, 3)
    noise = rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)
    assert not len(find_faces(noise.repeat(4, 0).repeat(4, 1)))


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (30, 30), (4000, 9)])
def test_degenerate_sizes(size: tuple[int, int]) -> None:
    assert find_faces(np.zeros((*size, 3), np.uint8)).shape == (0, 3)


def test_overlap_of_boxes() -> None:
    boxes = np.array([[0, 0, 10], [0, 0, 10], [5, 0, 10], [20, 0, 10]], float)
    np.testing.assert_allclose(_overlap(boxes)[0], [1, 1, 1 / 3, 0])


def test_the_cascade_is_loaded_only_when_it_is_needed() -> None:
    code = "import sys, smalti.core.face; sys.exit('skimage.feature' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
