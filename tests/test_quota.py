import numpy as np
import pytest

from smalti.jigsaw.quota import quotas


@pytest.mark.parametrize("reuse", [1, 3, 15])
@pytest.mark.parametrize("containers", [1, 2, 9])
def test_every_copy_is_dealt_once(containers: int, reuse: int, rng: np.random.Generator) -> None:
    labels = rng.integers(-1, containers, (40, 50))
    labels[0, :containers] = np.arange(containers)
    goal = rng.uniform(-100, 100, (40, 50, 3)).astype(np.float32)
    need = rng.uniform(0.1, 50, containers)
    colours = rng.uniform(-1000, 100, (30, 3)).astype(np.float32)  # some suit no place at all
    group = np.arange(30) // 2
    dealt = quotas(labels, goal, need, colours, group, reuse, rng)
    assert dealt.shape == (containers, 15)
    assert (dealt >= 0).all()
    assert (dealt.sum(axis=0) == reuse).all()


def test_copies_go_where_their_colour_is_wanted(rng: np.random.Generator) -> None:
    labels = np.repeat([[0, 3]], 20, axis=0).repeat(20, axis=1)
    goal = np.where(labels[..., None] == 0, [50.0, 30, 0], [50.0, -30, 0]).astype(np.float32)
    colours = np.array([[50, 28, 0], [50, -28, 0], [50, 0, 0]], np.float32)
    dealt = quotas(labels, goal, np.array([10.0, 10.0]), colours, np.arange(3), 100, rng)
    assert dealt[:, 0].tolist() == [100, 0]
    assert dealt[:, 1].tolist() == [0, 100]
    assert abs(dealt[0, 2] - 50) <= 1  # as far from both


def test_containers_of_one_colour_share_by_their_tiles(rng: np.random.Generator) -> None:
    labels = np.repeat([[0, 1]], 20, axis=0).repeat(20, axis=1)
    goal = np.full((20, 40, 3), 50, np.float32)
    colours = np.full((4, 3), 50, np.float32)
    dealt = quotas(labels, goal, np.array([30.0, 10.0]), colours, np.arange(4), 8, rng)
    assert (dealt == [[6], [2]]).all()
