from typing import Any

import numpy as np
import pytest
import shapely
from numpy.typing import NDArray
from scipy.spatial import Voronoi, procrustes

from smalti.core.errors import BadInput, Cancelled
from smalti.core.progress import Step
from smalti.jigsaw.refine import LIMIT, _simple, deformation, refine
from smalti.jigsaw.spring import (
    _CELL,
    _DEPTH,
    _NEAR,
    _REACH,
    _edge_grid,
    _to_tile,
    _to_wall,
    walls_of,
)

Contours = NDArray[np.float64]
TILE = 20.0


def blob(middle: tuple[float, float], radius: float, wobble: float = 0, k: int = 64) -> Contours:
    angle = np.arange(k) * 2 * np.pi / k
    reach = radius * (1 + wobble * np.cos(3 * angle))
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return np.asarray(middle + reach[:, None] * ring)


def square(left: float, top: float, side: float, k: int = 64) -> Contours:
    along = np.arange(k // 4) / (k // 4) * side
    zero, full = np.zeros(k // 4), np.full(k // 4, side)
    x = np.concatenate([along, full, side - along, zero])
    y = np.concatenate([zero, along, full, side - along])
    return np.stack([left + x, top + y], axis=1)


def packing(
    rng: np.random.Generator, rows: int = 5, columns: int = 7, loose: float = 0.04
) -> tuple[Contours, NDArray[np.intp], NDArray[np.intp]]:
    """Voronoi cells of two containers side by side, shrunk, turned, moved; some overlap."""
    height, half = rows * int(TILE), columns * int(TILE)
    labels = np.zeros((height, 2 * half), np.intp)
    labels[:, half:] = 1
    tiles, owner = [], []
    for side in (0, 1):
        y, x = np.indices((rows, columns)) + 0.5
        seeds = TILE * (np.stack([x, y], axis=-1).reshape(-1, 2))
        seeds += rng.uniform(-0.25, 0.25, seeds.shape) * TILE
        size = np.array([half, height])
        mirrored = [seeds, *(seeds * flip + 2 * size * far for flip, far in _MIRRORS)]
        cells = Voronoi(np.concatenate(mirrored))
        for i in range(len(seeds)):
            ring = cells.vertices[cells.regions[cells.point_region[i]]]
            middle = ring.mean(axis=0)
            ring = ring[np.argsort(np.arctan2(*(ring - middle).T[::-1]))] - middle
            line = shapely.LinearRing(ring)
            at = [line.interpolate(s, normalized=True).coords[0] for s in np.arange(64) / 64]
            turn = rng.normal(0, 0.06)
            rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
            move = middle + rng.normal(0, loose * TILE, 2) + (side * half, 0)
            tiles.append(0.99 * np.array(at) @ rotation + move)
            owner.append(side)
    return np.array(tiles), np.array(owner), labels


_MIRRORS = [
    (np.array([-1, 1]), np.array([0, 0])),
    (np.array([1, -1]), np.array([0, 0])),
    (np.array([-1, 1]), np.array([1, 0])),
    (np.array([1, -1]), np.array([0, 1])),
]


def shares(
    contours: Contours, owner: NDArray[np.intp], labels: NDArray[np.intp]
) -> tuple[float, float, float]:
    """Coverage, overlap and spill of the two rooms of `packing`, exactly."""
    half = labels.shape[1] // 2
    rooms = [shapely.box(side * half, 0, (side + 1) * half, labels.shape[0]) for side in (0, 1)]
    polygons = shapely.polygons(contours)
    inside = [shapely.intersection(p, rooms[o]) for p, o in zip(polygons, owner, strict=True)]
    areas = shapely.area(inside)
    union = sum(
        shapely.union_all([p for p, o in zip(inside, owner, strict=True) if o == side]).area
        for side in (0, 1)
    )
    beyond = shapely.area(polygons).sum() - areas.sum()
    return union / labels.size, (areas.sum() - union) / labels.size, beyond / labels.size


def refined(
    contours: Contours, owner: NDArray[np.intp], labels: NDArray[np.intp], **options: Any
) -> Contours:
    return refine(contours, contours, labels, owner, tile_px=TILE, **options)


@pytest.mark.parametrize("loose", [0.02, 0.05, 0.1])
def test_gaps_and_overlaps_close(rng: np.random.Generator, loose: float) -> None:
    some = packing(rng, loose=loose)
    before = shares(*some)
    out = refined(*some)
    after = shares(out, *some[1:])
    assert after[0] > 0.98
    assert after[1] < 0.25 * before[1] + 0.002
    assert after[2] < 0.25 * before[2] + 0.002
    assert shapely.is_valid(shapely.polygons(out)).all()
    assert deformation(out, some[0]).mean() < 0.06
    assert deformation(out, some[0]).max() <= 1.02 * LIMIT


def test_more_is_allowed_with_a_greater_amount(rng: np.random.Generator) -> None:
    some = packing(rng)
    covered = []
    for amount in (0.1, 0.4, 1.0):
        out = refined(*some, amount=amount)
        covered.append(shares(out, *some[1:])[0])
        assert deformation(out, some[0]).max() <= 1.02 * LIMIT * amount
    assert covered == sorted(covered)


@pytest.mark.parametrize("nothing", [{"amount": 0}, {"steps": 0}])
def test_nothing_allowed_changes_nothing(rng: np.random.Generator, nothing: dict[str, Any]) -> None:
    some = packing(rng, 2, 2)
    assert np.array_equal(refined(*some, **nothing), some[0])


def test_no_tiles() -> None:
    none = np.empty((0, 64, 2))
    assert refined(none, np.empty(0, np.intp), np.zeros((9, 9), np.intp)).shape == (0, 64, 2)


def test_two_squares_meet_half_way() -> None:
    # A room as high as the squares: they touch its walls but for a gap in the middle.
    labels = np.zeros((20, 42), np.intp)
    pair = np.array([square(0, 0, 20), square(22, 0, 20)])
    out = refined(pair, np.array([0, 0]), labels)
    facing = out[0, 20:28, 0], out[1, 52:60, 0]  # the middles of the sides that face each other
    assert abs(facing[0].mean() - 21) < 0.3
    assert abs(facing[1].mean() - 21) < 0.3


def test_a_tile_inside_another_by_a_little_slides_out() -> None:
    labels = np.zeros((200, 200), np.intp)
    pair = np.array([blob((90, 100), 11), blob((109, 100), 11)])
    out = refined(pair, np.array([0, 0]), labels)
    before, after = (shapely.intersection(*shapely.polygons(c)).area for c in (pair, out))
    assert after < 0.05 * before
    assert deformation(out, pair).max() < 0.03


def test_tiles_of_other_containers_do_not_matter(rng: np.random.Generator) -> None:
    contours, owner, labels = packing(rng, 3, 3)
    left = owner == 0
    alone = refined(contours[left], owner[left], labels)
    assert np.allclose(refined(contours, owner, labels)[left], alone)


def test_order_place_and_orientation_of_the_picture_do_not_matter(
    rng: np.random.Generator,
) -> None:
    contours, owner, labels = packing(rng, 3, 4)
    out = refined(contours, owner, labels)
    order = rng.permutation(len(contours))
    assert np.allclose(refined(contours[order], owner[order], labels), out[order])
    moved = np.pad(labels, ((30, 5), (11, 60)), constant_values=-1)
    shift = np.array([11, 30])
    assert np.allclose(refined(contours + shift, owner, moved), out + shift, atol=1e-6)
    # Vertices are renumbered backwards, so that orientation stays positive.
    turned = refined(contours[:, ::-1, ::-1], owner, labels.T.copy())
    assert np.allclose(turned[:, ::-1, ::-1], out, atol=1e-6)


@pytest.mark.parametrize("scale", [0.2, 5])
def test_scale_does_not_matter_much(rng: np.random.Generator, scale: float) -> None:
    contours, owner, labels = packing(rng, 3, 4)
    height, width = (round(scale * side) for side in labels.shape)
    y, x = np.indices((height, width))
    scaled = labels[(y / scale).astype(int), (x / scale).astype(int)]
    out = refine(scale * contours, contours, scaled, owner, tile_px=scale * TILE)
    assert np.abs(out / scale - refined(contours, owner, labels)).mean() < 0.02 * TILE


@pytest.mark.parametrize("seed", range(6))
def test_every_contour_stays_simple_however_wild(seed: int) -> None:
    rng = np.random.default_rng(seed)
    angle = np.arange(64) * 2 * np.pi / 64
    spikes = 1 + 0.9 * np.sign(np.sin(rng.integers(3, 12, (30, 1)) * angle + rng.random((30, 1))))
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1) * spikes[..., None]
    wild = 6 * ring + rng.uniform(0, 120, (30, 1, 2))
    labels = rng.integers(-1, 2, (12, 12)).repeat(10, 0).repeat(10, 1)
    owner = np.repeat([0, 1], 15)
    fine = shapely.is_valid(shapely.polygons(wild))
    out = refined(wild, owner, labels, amount=5, gap=4, overlap=9, deform=0.01)
    changed = (out != wild).any(axis=(1, 2))
    assert shapely.is_valid(shapely.polygons(out))[fine].all()
    assert not changed[~fine].any()
    assert np.isfinite(out).all()


def test_what_came_in_crossed_goes_out_as_it_came() -> None:
    bow = blob((30, 30), 10)
    bow[:, 1] = 30 + 10 * np.sin(2 * np.arange(64) * 2 * np.pi / 64 + 0.01)
    pair = np.array([bow, blob((55, 30), 10)])
    out = refined(pair, np.array([0, 0]), np.zeros((60, 90), np.intp))
    assert np.array_equal(out[0], bow)
    assert not np.array_equal(out[1], pair[1])


def test_a_tile_without_area_stays() -> None:
    pair = np.array([np.full((64, 2), 30.0), blob((55, 30), 10)])
    out = refined(pair, np.array([0, 0]), np.zeros((60, 90), np.intp))
    assert np.array_equal(out[0], pair[0])


def test_input_that_does_not_fit_is_refused(rng: np.random.Generator) -> None:
    contours, owner, labels = packing(rng, 2, 2)
    with pytest.raises(BadInput, match="do not belong together"):
        refine(contours, contours[1:], labels, owner, tile_px=TILE)
    with pytest.raises(BadInput, match="no pixel is labelled 7"):
        refined(contours, owner + 7 * (owner == 1) - owner, labels)
    with pytest.raises(BadInput, match="negative"):
        refined(contours, owner, labels, amount=-1)
    with pytest.raises(BadInput, match="finite"):
        refined(contours * np.nan, owner, labels)


def test_progress_cancels(rng: np.random.Generator) -> None:
    def stop(step: Step) -> None:
        if step.done == 2:
            raise Cancelled

    contours, owner, labels = packing(rng, 2, 2)
    with pytest.raises(Cancelled):
        refine(contours, contours, labels, owner, tile_px=TILE, progress=stop)


def test_a_similarity_is_no_deformation(rng: np.random.Generator) -> None:
    rest = np.array([blob((0, 0), 3, wobble) for wobble in (0, 0.1, 0.4)])
    turn = np.array([[np.cos(2), np.sin(2)], [-np.sin(2), np.cos(2)]])
    assert np.allclose(deformation(7 * rest @ turn + (50, -80), rest), 0, atol=1e-9)


def test_deformation_is_the_procrustes_residual(rng: np.random.Generator) -> None:
    rest = np.array([blob((5, 2), 3, wobble) for wobble in (0, 0.1, 0.4)])
    bent = rest + rng.normal(0, 0.05, rest.shape)
    for one, shape, value in zip(bent, rest, deformation(bent, rest), strict=True):
        # scipy's disparity is the squared residual, of shapes of norm 1.
        _, _, disparity = procrustes(one, shape)
        norm = np.linalg.norm(one - one.mean(axis=0))
        ratio = np.sqrt(1 - disparity) * norm / np.linalg.norm(shape - shape.mean(axis=0))
        side = ratio * np.sqrt(shapely.Polygon(shape).area)
        assert np.isclose(value, np.sqrt(disparity / 64) * norm / side)
    assert np.allclose(deformation(9 * bent, rest), deformation(bent, rest))


def test_springs_lead_to_the_nearest_other_tile(rng: np.random.Generator) -> None:
    contours, owner, _ = packing(rng)
    grid = _edge_grid(contours, _CELL * TILE)
    polygons, seen, way = shapely.polygons(contours), np.empty((_NEAR, 4)), np.empty(2)
    known = 0
    for i in range(len(contours)):
        others = polygons[(owner == owner[i]) & (np.arange(len(owner)) != i)]
        for j in range(0, 64, 3):
            point = shapely.Point(contours[i, j])
            rim = shapely.distance(shapely.boundary(others), point)
            inside = shapely.contains(others, point)
            args = (i, j, _REACH * TILE, _DEPTH * TILE, seen, way)
            found = _to_tile(contours, owner, grid, *args)
            expected = np.where(inside, -rim, rim).min()
            if abs(expected) < _DEPTH * TILE:
                known += 1
                assert np.isclose(found, expected)
                end = shapely.Point(contours[i, j] + way)
                assert shapely.distance(shapely.boundary(others), end).min() < 1e-9
            else:
                assert found >= _DEPTH * TILE or np.isclose(found, expected)
    assert known > 500


def test_walls_are_as_far_as_geometry_says(rng: np.random.Generator) -> None:
    y, x = np.indices((120, 150)) + 0.5
    labels = np.where(np.hypot(x - 70, y - 60) < 35, 1, 0)
    labels[:, 120:] = -1
    walls, way = walls_of(labels, np.array([0, 1, 1]), 25), np.empty(2)
    for point in rng.uniform((1, 1), (149, 119), (500, 2)):
        radius = float(np.hypot(*(point - (70, 60))))
        disc = 35 - radius
        rest = min(-disc, 120 - point[0], point[0], point[1], 120 - point[1])
        for container, expected in ((1, disc), (0, rest)):
            if abs(expected) < 12:
                distance = _to_wall(walls, container, point, way)
                assert abs(distance - expected) < 1
                if abs(_to_wall(walls, container, point + way, way.copy())) > 0.7:
                    assert expected > 3  # on the ridge between two walls


def test_simple_is_what_shapely_calls_valid(rng: np.random.Generator) -> None:
    angle = np.arange(24) * 2 * np.pi / 24
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    some = ring + rng.normal(0, 0.12, (400, 24, 2))
    expected = shapely.is_valid(shapely.polygons(some))
    assert 40 < expected.sum() < 360
    assert np.array_equal(_simple(some), expected)


@pytest.mark.parametrize(
    "ring",
    [
        [[0, 0], [4, 4], [4, 0], [0, 4]],  # a bow
        [[0, 0], [4, 0], [4, 0], [0, 4]],  # a point twice
        [[0, 0], [8, 0], [4, 0], [0, 4]],  # runs back over itself
        [[0, 0], [8, 0], [4, 5], [4, 0]],  # touches its own edge
        [[0, 0], [1, 1], [2, 2], [3, 3]],  # flat
    ],
)
def test_degenerate_rings_are_not_simple(ring: list[list[float]]) -> None:
    assert not _simple(np.array([ring], float))[0]
