import numpy as np

from smalti.jigsaw.container import _CELL, _LARGE, away_from_seams, cut_up
from smalti.jigsaw.placement import Placement
from smalti.jigsaw.pose import Pose


def test_only_large_containers_are_cut_up(rng: np.random.Generator) -> None:
    labels = np.zeros((200, 300), np.intp)
    labels[:40] = 5
    labels[:, :5] = -1
    tiles = 3 * _CELL
    need = np.full(labels.shape, tiles / (160 * 295))
    cells, owner = cut_up(labels, need, rng)
    assert owner.tolist() == [0, 0, 0, 5]
    assert tiles > _LARGE > need[labels == 5].sum()
    assert ((cells < 0) == (labels < 0)).all()
    assert (owner[cells[labels >= 0]] == labels[labels >= 0]).all()
    areas = np.bincount(cells[labels == 0])
    assert areas.max() < 2 * areas.mean()


def test_tiles_along_a_cut_are_told_from_the_others() -> None:
    labels = np.zeros((40, 80), np.intp)
    labels[:, 60:] = 1
    cells = labels * 2
    cells[:, 30:60] = 1  # the cut; the border at 60 is none
    turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    disc = 4 * np.stack([np.cos(turn), np.sin(turn)], axis=1)

    def tile(x: float) -> Placement:
        return Placement(0, 0, Pose(0, 7, x, 14), disc + np.array([x, 14]))

    tiles = [tile(6), tile(24), tile(30), tile(45), tile(56)]
    kept = away_from_seams(tiles, cells, labels == 0, 10.0)
    assert [p.pose.x for p in kept] == [6, 45, 56]
