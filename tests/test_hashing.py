import numpy as np
from numpy.typing import NDArray

from smalti.jigsaw.hashing import crossed, hash_table, squares_of, votes

ANGLES = np.arange(24) * 2 * np.pi / 24


def blobs(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    turn = np.arange(64) * 2 * np.pi / 64
    radius = np.ones((count, 64)) * 0.55
    for wave in (1, 2, 3, 5):
        height, phase = rng.uniform(0, 0.25 / wave, (count, 1)), rng.uniform(0, 7, (count, 1))
        radius += height * np.cos(wave * turn + phase)
    return np.stack([radius * np.cos(turn), radius * np.sin(turn)], axis=-1)


def turned(points: NDArray[np.float64], angle: float) -> NDArray[np.float64]:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.asarray(points @ np.array([[cos, sin], [-sin, cos]]))


def test_a_contour_gets_most_votes_for_itself_as_it_lies(rng: np.random.Generator) -> None:
    shapes = blobs(rng, 30)
    table = hash_table(shapes, ANGLES)
    for shape, angle in [(0, 0), (7, 5), (29, 23)]:
        border = turned(shapes[shape], ANGLES[angle])
        border = np.concatenate([border, (border + np.roll(border, -1, axis=0)) / 2])
        count = votes(table, border)
        assert count.shape == (30, 24)
        assert count.max() == crossed(table)[shape, angle]
        assert count.argmax() == shape * 24 + angle


def test_half_a_border_still_ranks_its_shape_high(rng: np.random.Generator) -> None:
    shapes = blobs(rng, 30)
    table = hash_table(shapes, ANGLES)
    half = turned(shapes[3], ANGLES[2])
    half = np.concatenate([half, (half + np.roll(half, -1, axis=0)) / 2])[:32]
    count = votes(table, half)
    assert (count > count[3, 2]).mean() < 0.01


def test_votes_are_the_squares_shared(rng: np.random.Generator) -> None:
    shapes = blobs(rng, 4)
    table = hash_table(shapes, ANGLES[:3], squares=12)
    border = rng.uniform(-2, 2, (200, 2))
    mine = set(squares_of(border, 1.5, 12).tolist()) - {-1}
    dense = np.concatenate([shapes, (shapes + np.roll(shapes, -1, axis=1)) / 2], axis=1)
    count = votes(table, border)
    for shape in range(4):
        for angle in range(3):
            crossed = squares_of(turned(dense[shape], ANGLES[angle]), 1.5, 12)
            assert count[shape, angle] == len(mine & set(crossed.tolist()))


def test_no_border_no_votes(rng: np.random.Generator) -> None:
    table = hash_table(blobs(rng, 2), ANGLES)
    assert not votes(table, np.empty((0, 2))).any()
    assert not votes(table, np.array([[9.0, 9.0]])).any()
