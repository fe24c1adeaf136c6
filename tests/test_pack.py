from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import numpy as np
import pytest
import shapely
from numpy.typing import NDArray

from smalti.core.errors import BadInput, Cancelled
from smalti.core.progress import Step
from smalti.jigsaw import container
from smalti.jigsaw import pack as pack_module
from smalti.jigsaw.choose import Weights
from smalti.jigsaw.distance import signed_distance
from smalti.jigsaw.energy import Terms, colour_energy, gap_energy, overlap_energy
from smalti.jigsaw.fit import register, scan, shades, weigh
from smalti.jigsaw.pack import pack
from smalti.jigsaw.placement import Laid, Placement, Sought
from smalti.jigsaw.pose import Pose, placed
from smalti.jigsaw.shapes import GRID, POINTS, ShapeLibrary
from smalti.jigsaw.space import Choice, Space

SQUARE = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]
LAW = np.array([4.0, 1.0, 3.0, 0.03, 20.0])  # spring, gap, overlap, prior, wanted scale


def polygon(corners: list[tuple[float, float]]) -> NDArray[np.float64]:
    """POINTS points equal in arc length, unit area about the centroid."""
    ring = shapely.Polygon(corners).exterior
    steps = np.arange(POINTS) / POINTS * ring.length
    points = shapely.get_coordinates(shapely.line_interpolate_point(ring, steps))
    shape = shapely.Polygon(points)
    points = (points - [shape.centroid.x, shape.centroid.y]) / np.sqrt(shape.area)
    return np.array(points if shapely.is_ccw(shapely.LinearRing(points)) else points[::-1])


def shapes(rng: np.random.Generator) -> ShapeLibrary:
    """Make 48 shapes, from triangles to hexagons, of all kinds of colours."""
    contours = []
    for number in range(48):
        count = 3 + number % 4
        turn = (np.arange(count) + rng.uniform(-0.2, 0.2, count)) * 2 * np.pi / count
        wide = rng.uniform(0.6, 1)
        contours.append(polygon(list(zip(np.cos(turn), wide * np.sin(turn), strict=True))))
    lab = rng.uniform((20, -30, -30), (90, 30, 30), (48, 3)).astype(np.float32)
    every = np.array(contours)
    return ShapeLibrary(
        sources=(),
        contours=every,
        size=np.full(48, 64.0),
        centroid=np.full((48, 2), 64.0),
        lab=lab,
        spread=np.full(48, 10, np.float32),
        light=np.full(48, 60, np.float32),
        colours=np.broadcast_to(lab[:, None, None], (48, GRID, GRID, 3)).copy(),
        reach=np.abs(every).max(axis=(1, 2)),
        group=np.arange(48),
        skipped=(),
    )


def picture(height: int, width: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """A disc in front of a ground, in two colours, and a strip that stays empty."""
    y, x = np.mgrid[:height, :width]
    disc = np.hypot(x - width / 2, y - height / 2) < 0.35 * height
    labels = np.where(disc, 4, 1)
    labels[:6] = -1
    goal = np.where(disc[..., None], [70.0, 10, 20], [40.0, -10, -10]).astype(np.float32)
    return labels.astype(np.intp), goal


def measure(labels: NDArray[np.intp], placements: list[Placement]) -> tuple[float, float, float]:
    """Coverage, overlap and spill into other containers, in shares of the area."""
    count = np.zeros(labels.shape)
    spill = 0.0
    y, x = np.mgrid[: labels.shape[0], : labels.shape[1]] + 0.5
    for placement in placements:
        inside = shapely.contains_xy(shapely.Polygon(placement.contour), x, y)
        count += inside
        spill += float(np.count_nonzero(inside & (labels != placement.container)))
    filled = labels >= 0
    area = np.count_nonzero(filled)
    return (
        np.count_nonzero(filled & (count > 0)) / area,
        float((count - 1).clip(0)[filled].sum()) / area,
        spill / area,
    )


def test_scan_agrees_with_the_plain_energies(rng: np.random.Generator) -> None:
    mask = np.zeros((120, 120), bool)
    mask[30:90, 30:90] = True
    distance = signed_distance(mask).clip(-9, 9)
    contours = shapes(rng).contours[:5]
    places = np.array([[60.5, 60.5], [40.5, 50.5]])
    angles, scales = np.array([0.0, 0.7, 2.0]), np.array([16.0, 20.0])
    energy, which = scan(distance, contours, angles, scales, places, LAW)
    for n in range(5):
        for a, angle in enumerate(angles):
            every = []
            for scale in scales:
                for place in places:
                    x, y = placed(contours[n], Pose(angle, scale, *(place - 0.5))).T
                    d = distance[np.round(y).astype(int), np.round(x).astype(int)]
                    spring = gap_energy(np.minimum(d, 4)) + 3 * overlap_energy(np.maximum(d, -4))
                    size = 0.03 * np.log(scale / 20) ** 2
                    every.append(spring / (POINTS * 20**2) + size)
            assert which[n, a] == np.argmin(every)
            assert energy[n, a] == pytest.approx(min(every), rel=1e-3)


def test_registration_fits_a_square_into_a_square() -> None:
    mask = np.zeros((60, 60), bool)
    mask[20:40, 22:42] = True
    distance = signed_distance(mask).clip(-9, 9)
    square = polygon([(0, 0), (1, 0), (1, 1), (0, 1)])[None]
    poses = np.array([[0.12, 17.5, 30.0, 32.5]])
    law = np.array([*LAW, 10, 30, np.pi])
    energy = register(distance, square, poses, law, 30)
    np.testing.assert_allclose(poses[0], [0, 20, 32, 30], atol=0.3)
    assert energy[0] < 1e-3


def test_registration_never_ends_worse_and_keeps_its_limits(rng: np.random.Generator) -> None:
    distance = signed_distance(rng.random((90, 90)) < 0.995).clip(-9, 9)
    contours = shapes(rng).contours
    start = np.column_stack(
        [rng.uniform(-0.3, 0.3, 48), rng.uniform(15, 25, 48), rng.uniform(30, 60, (48, 2))]
    )
    law = np.array([*LAW, 14, 26, 0.3])
    before, after = start.copy(), start.copy()
    first = register(distance, contours, before, law, 0)
    np.testing.assert_array_equal(before, start)
    last = register(distance, contours, after, law, 12)
    assert (last <= first).all()
    assert (np.abs(after[:, 0]) <= 0.3).all()
    assert ((after[:, 1] >= 14) & (after[:, 1] <= 26)).all()


def test_colours_are_compared_where_the_tile_lies(rng: np.random.Generator) -> None:
    goal = rng.uniform(0, 60, (50, 50, 3)).astype(np.float32)
    colours = rng.uniform(0, 60, (2, GRID, GRID, 3)).astype(np.float32)
    poses = np.array([[0.4, 12, 25, 24], [2.0, 9, 20, 30]])
    reach = np.array([0.8, 1.1])
    line = (np.arange(GRID) + 0.5) * 2 / GRID - 1
    grid = np.stack(np.meshgrid(line, line), axis=-1)
    for n, energy in enumerate(shades(goal, colours, reach, poses)):
        x, y = placed(grid * reach[n], Pose(*poses[n])).astype(int).transpose(2, 0, 1)
        plain = colour_energy(goal[y, x].reshape(-1, 3), colours[n].reshape(-1, 3))
        assert energy == pytest.approx(plain / 100, rel=1e-5)


def test_weighed_contours_are_the_placed_ones(rng: np.random.Generator) -> None:
    contours = shapes(rng).contours[:3]
    poses = np.array([[0.4, 12, 25, 24], [2.0, 9, 20, 30], [1, 11, 2, 2]])
    pixels, places = weigh(np.ones((50, 50), np.float32), contours, poses)
    for n in range(3):
        np.testing.assert_allclose(places[n], placed(contours[n], Pose(*poses[n])))
    assert pixels[0].tolist() == pytest.approx([144, 0], abs=5)
    assert pixels[2, 1] > 0  # beyond the picture counts as beyond the border


@pytest.mark.parametrize("candidates", ["scan", "hashing"])
def test_a_picture_is_filled(
    rng: np.random.Generator, candidates: Literal["scan", "hashing"]
) -> None:
    labels, goal = picture(110, 150)
    library = shapes(rng)
    placements, _ = pack(labels, goal, library, tiles=40, candidates=candidates, rng=rng)
    coverage, overlap, spill = measure(labels, placements)
    assert coverage > 0.87
    assert overlap < 0.05
    assert spill < 0.06
    assert 0.7 * 40 < len(placements) < 1.4 * 40
    sizes = [placement.pose.scale for placement in placements]
    assert max(sizes) / min(sizes) <= 3 * (1 + 1e-6)
    for placement in placements:
        assert placement.container in (1, 4)
        contour = placed(library.contours[placement.tile], placement.pose)
        np.testing.assert_allclose(placement.contour, contour, atol=1e-9)


@pytest.fixture
def cut_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut up containers that are large only for a test."""
    monkeypatch.setattr(container, "_LARGE", 15)
    monkeypatch.setattr(container, "_CELL", 8)


@pytest.mark.usefixtures("cut_small")
def test_the_result_does_not_depend_on_the_workers() -> None:
    labels, goal = picture(80, 110)
    library = shapes(np.random.default_rng(1))

    def packed(executor: ThreadPoolExecutor | None) -> list[Placement]:
        rng = np.random.default_rng(5)
        return pack(labels, goal, library, tiles=25, rng=rng, executor=executor)[0]

    alone = packed(None)
    for workers in (2, 8):
        with ThreadPoolExecutor(workers) as executor:
            together = packed(executor)
        assert [(p.tile, p.container, p.pose) for p in alone] == [
            (p.tile, p.container, p.pose) for p in together
        ]


@pytest.mark.usefixtures("cut_small")
def test_a_container_cut_up_is_filled_as_well_as_a_whole_one(rng: np.random.Generator) -> None:
    labels, goal = picture(150, 200)
    placements, _ = pack(labels, goal, shapes(rng), tiles=60, reuse=4, rng=rng)
    coverage, overlap, _ = measure(labels, placements)
    assert {p.container for p in placements} == {1, 4}
    assert coverage > 0.87
    assert overlap < 0.05
    assert np.bincount([p.tile for p in placements]).max() <= 4


def test_places_filled_anew_leave_less_of_a_gap(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels, goal = picture(100, 140)
    library = shapes(rng)

    def gap(places: int) -> float:
        monkeypatch.setattr(pack_module, "_RIP_UPS", places)
        placements, _ = pack(
            labels,
            goal,
            library,
            tiles=25,
            weights=Weights(color=0.0),
            rng=np.random.default_rng(3),
        )
        coverage, overlap, spill = measure(labels, placements)
        assert overlap < 0.05
        assert spill < 0.03
        return 1 - coverage

    assert gap(75) < 0.95 * gap(0)


def test_tiles_cleared_leave_what_would_be_without_them(rng: np.random.Generator) -> None:
    mask = np.zeros((90, 120), bool)
    mask[5:-5, 5:-5] = True
    size = np.full(mask.shape, 20, np.float32)
    tiles = [
        Choice(0.0, k, (pose := Pose(0.3 * k, 18.0, x, y)), placed(polygon(SQUARE), pose), Terms())
        for k, (x, y) in enumerate([(30.0, 30.0), (48.0, 36.0), (70.0, 50.0), (40.0, 60.0)])
    ]

    def space(choices: list[Choice]) -> Space:
        made = Space(mask, size, 20.0, np.random.default_rng(0))
        made.occupy(choices)
        return made

    full = space(tiles)
    twin = full.copy()
    twin.clear(np.array([1, 3]))
    rest = space([tiles[0], tiles[2]])
    np.testing.assert_array_equal(twin.distance, rest.distance)
    np.testing.assert_array_equal(twin.open, rest.open)
    assert [choice.tile for choice in twin.tiles] == [0, 2]
    np.testing.assert_array_equal(full.distance, space(tiles).distance)  # the other is untouched
    assert len(full.tiles) == 4


@pytest.mark.parametrize("workers", [0, 2])
def test_a_cancel_may_keep_what_is_laid(rng: np.random.Generator, workers: int) -> None:
    labels, goal = picture(110, 150)
    fatal, heard = False, 0

    def cancel(step: Step) -> None:
        nonlocal heard
        if step.phase == "pack":
            heard += 1
            if heard == (1 if workers else 12) or fatal:
                raise Cancelled

    def packed() -> list[Placement]:
        with ThreadPoolExecutor(max(workers, 1)) as pool:
            return pack(
                labels,
                goal,
                shapes(rng),
                tiles=60,
                rng=rng,
                executor=pool if workers else None,
                progress=cancel,
                keep_partial=True,
            )[0]

    kept = packed()
    assert len(kept) < 40
    assert workers or len(kept) >= 5
    fatal, heard = True, 0
    with pytest.raises(Cancelled):
        packed()


@pytest.mark.parametrize("large", [False, True])
def test_who_watches_sees_the_mosaic_grow(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch, large: bool
) -> None:
    if large:
        monkeypatch.setattr(container, "_LARGE", 15)
        monkeypatch.setattr(container, "_CELL", 8)
    labels, goal = picture(110, 150)
    seen: dict[int, dict[int, Placement]] = {}

    def watch(step: Step) -> None:
        assert isinstance(step.made, tuple | None)
        match step.made:
            case (Sought(terms=terms), Laid(placement=Placement(terms=own))):
                assert own == terms
                every.append(terms)
        for laid in step.made or ():
            if isinstance(laid, Sought):
                assert laid.candidates
            elif laid.placement is None and laid.number < 0:
                seen[laid.container] = {}
            elif laid.placement is None:
                del seen[laid.container][laid.number]
            else:
                assert laid.again == (laid.number in seen[laid.container])
                assert laid.placement.terms.colour > 0  # also where it takes another's place
                seen[laid.container][laid.number] = laid.placement

    every: list[Terms] = []
    placements, _ = pack(labels, goal, shapes(rng), tiles=40, rng=rng, progress=watch)
    assert len(every) >= len(placements) / 2
    assert min(np.min(every, axis=0)) >= -0.01  # but for the prior of the size none is negative
    assert min(np.ptp(every, axis=0)) > 0
    shown = [tiles[number] for tiles in seen.values() for number in sorted(tiles)]
    assert sorted((p.tile, p.pose) for p in shown) == sorted((p.tile, p.pose) for p in placements)


def test_upright_tiles_stay_upright_and_others_within_their_turn(
    rng: np.random.Generator,
) -> None:
    labels, goal = picture(80, 110)
    turns: list[tuple[Literal["upright"] | float, float]] = [
        ("upright", 0.0),
        (20.0, np.radians(20)),
    ]
    for rotate, most in turns:
        placements, _ = pack(
            labels,
            goal,
            shapes(rng),
            tiles=25,
            rotate=rotate,
            rng=rng,
        )
        assert max(abs(placement.pose.theta) for placement in placements) <= most + 1e-9


def test_no_group_is_used_more_often_than_allowed(rng: np.random.Generator) -> None:
    labels, goal = picture(110, 150)
    library = shapes(rng)
    library.group[:] = np.arange(48) // 2
    placements, _ = pack(labels, goal, library, tiles=40, reuse=2, rng=rng)
    groups = [int(library.group[placement.tile]) for placement in placements]
    assert np.bincount(groups).max() <= 2
    with pytest.raises(BadInput, match="allow more reuse"):
        pack(labels, goal, library, tiles=49, reuse=2, rng=rng)


def test_nothing_to_fill_and_no_time_to_fill_it(rng: np.random.Generator) -> None:
    labels, goal = picture(80, 110)
    library = shapes(rng)
    assert pack(np.full_like(labels, -1), goal, library, tiles=25, rng=rng) == ([], 0)
    assert pack(labels, goal, library, tiles=25, time_limit=-1.0, rng=rng)[0] == []


def test_a_container_too_small_for_any_tile_stays_empty(rng: np.random.Generator) -> None:
    labels, goal = picture(80, 110)
    labels[labels == 4] = 1
    labels[0:2, 0:2] = 0
    placements, _ = pack(labels, goal, shapes(rng), tiles=25, rng=rng)
    assert {placement.container for placement in placements} == {1}


def test_tiles_are_reported_as_they_land_and_can_be_cancelled(rng: np.random.Generator) -> None:
    labels, goal = picture(110, 150)
    steps: list[Step] = []

    def watch(step: Step) -> None:
        steps.append(step)
        if step.phase == "pack" and step.done >= 20:
            raise Cancelled

    with pytest.raises(Cancelled):
        pack(labels, goal, shapes(rng), tiles=40, rng=rng, progress=watch)
    landed = [step.done for step in steps if step.phase == "pack"]
    assert landed == sorted(landed)
    assert landed[0] < 20 <= landed[-1] < 30
