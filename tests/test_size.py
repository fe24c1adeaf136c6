import numpy as np
import pytest

from smalti.jigsaw.size import expected_tiles, fine_faces, wanted_sizes


def grey(height: int, width: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.full((height, width, 3), (50, 0, 0), np.float32)


@pytest.mark.parametrize("ratio", [1.0, 3.0, 8.0])
def test_sizes_stay_within_their_ratio(ratio: float, rng: np.random.Generator) -> None:
    labels = (np.indices((200, 300)).sum(axis=0) // 90).astype(np.intp)
    goal = grey(200, 300)
    goal[:, :100] += rng.normal(0, 20, (200, 100, 3)).astype(np.float32)
    size = wanted_sizes(labels, goal, 20, ratio)
    assert size.min() >= 20 / np.sqrt(ratio) - 1e-3
    assert size.max() <= 20 * np.sqrt(ratio) + 1e-3


def test_tiles_are_small_where_it_is_narrow_detailed_or_fine(rng: np.random.Generator) -> None:
    labels = np.zeros((300, 600), np.intp)
    labels[:, 590:] = 1
    goal = grey(300, 600)
    goal[:, :100] += rng.normal(0, 20, (300, 100, 3)).astype(np.float32)
    fine = np.ones(labels.shape, np.float32)
    fine[100:200, 250:350] = 0.5
    size = wanted_sizes(labels, goal, 20, 8, fine)
    plain = size[150, 450]
    assert size[150, 30] < 0.75 * plain
    assert size[150, 595] < 0.75 * plain
    assert size[150, 300] < 0.6 * plain


def test_a_fine_part_does_not_change_how_many_tiles_fit() -> None:
    labels = np.zeros((400, 400), np.intp)
    fine = np.ones(labels.shape, np.float32)
    fine[150:250, 150:250] = 0.6
    for given in (None, fine):
        size = wanted_sizes(labels, grey(400, 400), 20, 3, given)
        assert expected_tiles(labels, size) == pytest.approx(400, rel=0.02)


def test_tiles_are_counted_the_same_at_every_scale() -> None:
    labels = np.zeros((80, 120), np.intp)
    labels[:, 70:] = 1
    labels[:10] = -1
    few = expected_tiles(labels, np.full(labels.shape, 10.0))
    fine = labels.repeat(3, 0).repeat(3, 1)
    assert expected_tiles(fine, np.full(fine.shape, 30.0)) == pytest.approx(few)


def test_borders_cost_tiles() -> None:
    size = np.full((200, 200), 10.0)
    one = np.zeros((200, 200), np.intp)
    nine = (np.indices((200, 200)) // 67).T @ (1, 3)
    assert 400 < expected_tiles(nine.astype(np.intp), size) < expected_tiles(one, size) < 1.25 * 400
    thin = np.indices((200, 200))[0] // 2
    assert expected_tiles(thin.astype(np.intp), size) == pytest.approx(200)  # never none
    assert expected_tiles(np.full((200, 200), -1), size) == 0


def test_a_face_wants_sixteen_tiles_across() -> None:
    fine = fine_faces((400, 400), np.array([[100.0, 100, 120], [300, 300, 60]]), 20, 8)
    assert fine[160, 160] == pytest.approx(120 / 16 / 20)
    assert fine[330, 330] == pytest.approx(1 / np.sqrt(8))  # as small as may be
    assert fine[0, 0] == fine[160, 300] == 1
    large = fine_faces((400, 400), np.array([[0.0, 0, 390]]), 20, 8)
    assert large[200, 200] == 0.75  # there are enough tiles as it is
    assert (fine_faces((9, 9), np.empty((0, 3)), 20, 8) == 1).all()
