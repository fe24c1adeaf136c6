import numpy as np
from scipy.spatial import cKDTree

from smalti.jigsaw.cvd import lloyd, relax


def grid(height: int, width: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    y, x = np.mgrid[:height, :width] + 0.5
    return np.stack([x.ravel(), y.ravel()], axis=1)


def test_lloyd_never_raises_the_energy(rng: np.random.Generator) -> None:
    points = grid(50, 70)
    weights = rng.uniform(0.5, 2, len(points))
    sites = points[rng.choice(len(points), 12, replace=False)]

    def energy() -> float:
        return float((weights * cKDTree(sites).query(points)[0] ** 2).sum())

    before = energy()
    for _ in range(8):
        sites = lloyd(points, weights, sites, 1)
        assert energy() <= before + 1e-9
        before = energy()


def test_cells_come_out_nearly_equal(rng: np.random.Generator) -> None:
    points = grid(60, 60)
    sites = lloyd(points, np.ones(3600), points[rng.choice(3600, 16, replace=False)], 60)
    area = np.bincount(cKDTree(sites).query(points)[1])
    assert area.std() < 0.25 * area.mean()


def test_density_makes_cells_small(rng: np.random.Generator) -> None:
    points = grid(60, 60)
    weights = np.where(points[:, 0] < 30, 16.0, 1.0)
    sites = lloyd(points, weights, points[rng.choice(3600, 24, replace=False)], 80)
    assert (sites[:, 0] < 30).sum() > 1.4 * (sites[:, 0] >= 30).sum()


def test_a_site_without_a_cell_stays() -> None:
    far = np.array([[5.0, 5.0], [1000.0, 1000.0]])
    np.testing.assert_array_equal(lloyd(grid(10, 10), np.ones(100), far, 3)[1], far[1])


def test_relax_is_a_step_of_lloyds_in_the_window(rng: np.random.Generator) -> None:
    cells = np.where(rng.random((30, 40)) < 0.8, 0, -1).astype(np.int32)
    free = cells >= 0
    weights = rng.uniform(0.5, 2, (30, 40)).astype(np.float32)
    sites = rng.uniform((0, 0), (40, 30), (9, 2)) + np.array([100, 200])
    near = np.array([1, 3, 4, 5, 8])
    moving = np.array([True, True, False, True, True])
    points = grid(30, 40)[free.ravel()] + (100, 200)
    wanted = sites.copy()
    moved = lloyd(points, weights[free].astype(float), sites[near], 1)
    wanted[near[moving]] = moved[moving]
    nearest = cKDTree(sites[near]).query(points)[1]
    area, touching = relax(cells, weights, 100, 200, near, moving, sites)
    np.testing.assert_array_equal(cells[free], near[nearest])
    assert (cells[~free] == -1).all()
    np.testing.assert_array_equal(area, np.bincount(nearest, minlength=5))
    np.testing.assert_allclose(sites, wanted)
    assert (touching == touching.T).all()
    assert not touching.diagonal().any()


def test_neighbours_of_a_row_of_cells() -> None:
    cells = np.zeros((4, 12), np.int32)
    sites = np.array([[2.0, 2], [6, 2], [10, 2]])
    _, touching = relax(
        cells, np.ones((4, 12), np.float32), 0, 0, np.arange(3), np.ones(3, bool), sites
    )
    assert touching.sum(axis=1).tolist() == [1, 2, 1]
