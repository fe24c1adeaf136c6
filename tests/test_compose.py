import json
import xml.etree.ElementTree as ET
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import shapely
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from smalti.core.color import to_space
from smalti.jigsaw.compose import band_heights, colour_move, compose, darkened, geojson, svg
from smalti.jigsaw.placement import Placement
from smalti.jigsaw.pose import Pose, placed
from smalti.jigsaw.shapes import ShapeLibrary, scan_shapes

COLOURS = [(200, 60, 40), (40, 160, 60), (90, 90, 220)]
GREY = np.full((1, 1, 3), 50, np.uint8)


@pytest.fixture
def library(tmp_path: Path) -> ShapeLibrary:
    for k, colour in enumerate(COLOURS):
        image = Image.new("RGBA", (90, 60 + 10 * k), (0, 0, 0, 0))
        ImageDraw.Draw(image).ellipse((4, 4, 80, 50 + 8 * k), fill=colour)
        image.save(tmp_path / f"{k}.png")
    return scan_shapes([str(tmp_path)])


def scattered(library: ShapeLibrary, rng: np.random.Generator, n: int = 20) -> list[Placement]:
    """One tile every 60 px, 5 a row, their contours bent a little."""
    placements = []
    for k in range(n):
        pose = Pose(rng.uniform(0, 6), 38.0, 60.0 * (k % 5) + 30, 60.0 * (k // 5) + 30)
        contour = placed(library.contours[k % 3], pose)
        contour += np.sin(contour[:, ::-1] / 9)
        placements.append(Placement(k % 3, k // 5, pose, contour))
    return placements


def drawn(
    placements: list[Placement],
    library: ShapeLibrary,
    scale: float = 1.0,
    moves: NDArray[np.float32] | None = None,
) -> NDArray[np.uint8]:
    bands = compose(placements, library, size=(300, 240), scale=scale, background=GREY, moves=moves)
    return np.concatenate(list(bands))


@pytest.mark.parametrize("scale", [0.3, 1.0, 2.7])
def test_each_contour_is_filled_with_its_tile_and_nothing_else(
    library: ShapeLibrary, rng: np.random.Generator, scale: float
) -> None:
    placements = scattered(library, rng)
    picture = drawn(placements, library, scale)
    assert picture.shape == (round(240 * scale), round(300 * scale), 3)
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]] + 0.5
    outside = np.ones(picture.shape[:2], bool)
    for placement in placements:
        polygon = shapely.Polygon(placement.contour * scale)
        inside = shapely.contains_xy(polygon.buffer(-1.5), x, y)
        outside &= ~shapely.contains_xy(polygon.buffer(1.5), x, y)
        assert np.abs(picture[inside].astype(int) - COLOURS[placement.tile]).max() <= 2
    assert (picture[outside] == GREY[0, 0]).all()


def test_bands_change_nothing(
    library: ShapeLibrary, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    placements = scattered(library, rng)
    moves = rng.uniform(-25, 25, (20, 3)).astype(np.float32)
    whole = drawn(placements, library, 1.3, moves)
    monkeypatch.setattr("smalti.jigsaw.compose._BAND", 7)
    np.testing.assert_array_equal(drawn(placements, library, 1.3, moves), whole)


def test_drawing_may_begin_at_any_band(
    library: ShapeLibrary, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smalti.jigsaw.compose._BAND", 50)
    draw = partial(
        compose, scattered(library, rng), library, size=(300, 240), background=GREY, moves=None
    )
    bands = list(draw())
    assert [len(band) for band in bands] == band_heights(240) == [50, 50, 50, 50, 40]
    for start in range(6):
        rest = list(draw(start=start))
        assert len(rest) == 5 - start
        for band, same in zip(rest, bands[start:], strict=True):
            np.testing.assert_array_equal(band, same)


def test_tiles_beyond_the_edges_are_cut(library: ShapeLibrary) -> None:
    placements = []
    for x, y in [(0, 0), (300, 240), (-90, 50), (345, 90), (150, 400), (150, -90)]:
        pose = Pose(0.3, 60.0, x, y)
        placements.append(Placement(0, 0, pose, placed(library.contours[0], pose)))
    picture = drawn(placements, library)
    np.testing.assert_allclose(picture[[0, -1], [0, -1]], [COLOURS[0]] * 2, atol=2)
    assert (picture[:, 100:200] == 50).all()


def test_no_tiles_leave_the_background(library: ShapeLibrary) -> None:
    assert (drawn([], library) == 50).all()


def test_a_move_moves_the_mean_colour(library: ShapeLibrary, rng: np.random.Generator) -> None:
    placements = scattered(library, rng)
    moves = np.tile(np.array([8, -6, 5], np.float32), (20, 1))
    before, after = (to_space(drawn(placements, library, 1, m), "lab") for m in (None, moves))
    inside = shapely.contains_xy(
        shapely.Polygon(placements[0].contour).buffer(-2), *np.mgrid[:60, :60][::-1] + 0.5
    )
    shift = (after[:60, :60] - before[:60, :60])[inside].mean(axis=0)
    np.testing.assert_allclose(shift, moves[0], atol=1)


def test_a_move_keeps_within_the_cap_and_the_way() -> None:
    goal, lab = (
        np.array([[50, 0, 0], [90, 60, -20], [10, 0, 0]], np.float32),
        np.array([[48, 3, 0]] * 3, np.float32),
    )
    for adjust in (0.0, 0.6, 1.0):
        move = colour_move(goal, lab, adjust)
        np.testing.assert_allclose(move[0], adjust * (goal - lab)[0], atol=1e-5)
        assert np.linalg.norm(move, axis=1).max() <= 25.001
        np.testing.assert_allclose(np.cross(move, goal - lab), 0, atol=1e-2)
    np.testing.assert_array_equal(colour_move(lab, lab, 1), 0)


def test_contrast_shrinks_rather_than_clips(tmp_path: Path) -> None:
    """Stripes made much lighter stay stripes, of the mean colour asked for."""
    image = Image.new("RGBA", (80, 80), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    draw.ellipse((2, 2, 77, 77), fill=(230, 230, 230))
    for y in range(12, 68, 16):
        draw.rectangle((18, y, 61, y + 7), fill=(120, 120, 120))
    image.save(tmp_path / "stripes.png")
    library = scan_shapes([str(tmp_path)])
    pose = Pose(0, 60.0, 150, 120)
    placements = [Placement(0, 0, pose, placed(library.contours[0], pose))]
    moves = np.array([[94 - library.lab[0, 0], 0, 0]], np.float32)
    tile = to_space(drawn(placements, library, 1, moves)[105:135, 135:165], "lab")
    assert tile[..., 0].std() > 2
    assert tile[..., 0].max() < 100
    np.testing.assert_allclose(tile[..., 1:], 0, atol=1)


def test_darkened() -> None:
    plain = np.full((20, 30, 3), (180, 120, 90), np.uint8)
    lab = to_space(plain[0, 0], "lab") * (0.62, 0.8, 0.8) - (4, 0, 0)
    np.testing.assert_allclose(
        to_space(darkened(plain, 3), "lab"), np.tile(lab, (20, 30, 1)), atol=1
    )
    assert darkened(np.zeros((4, 4, 3), np.uint8), 2).max() == 0


def test_geojson_ends_at_the_rim(library: ShapeLibrary, rng: np.random.Generator) -> None:
    placements = scattered(library, rng)
    width, height = np.concatenate([p.contour for p in placements]).max(axis=0) / 2
    features = json.loads(geojson(placements, ["a", "b", "c"], (width, height)))["features"]
    picture = shapely.box(0, 0, width, height)
    for placement, feature in zip(placements, features, strict=True):
        polygon = shapely.from_geojson(json.dumps(feature["geometry"]))
        whole = shapely.Polygon(placement.contour)
        assert polygon.is_valid
        assert polygon.exterior.is_ccw
        if whole.intersects(picture):
            assert picture.buffer(1e-5).covers(polygon)
            assert polygon.area <= whole.intersection(picture).area + 1e-3


def test_svg_and_geojson_hold_every_contour(
    library: ShapeLibrary, rng: np.random.Generator
) -> None:
    placements = scattered(library, rng)
    names = ["a & <b>", 'c"', "d"]
    root = ET.fromstring(svg(placements, library, size=(300, 240), names=names))
    assert root.get("viewBox") == "0 0 300 240"
    paths = [element for element in root if element.tag.endswith("path")]
    features = json.loads(geojson(placements, names, (300, 240)))["features"]
    for placement, path, feature in zip(placements, paths, features, strict=True):
        drawn_points = [point.split() for point in (path.get("d") or "")[1:-1].split("L")]
        np.testing.assert_allclose(np.array(drawn_points, float), placement.contour, atol=0.006)
        assert path.get("data-tile") == names[placement.tile]
        fill = path.get("fill") or ""
        rgb = [int(fill[k : k + 2], 16) for k in (1, 3, 5)]
        np.testing.assert_allclose(rgb, COLOURS[placement.tile], atol=2)
        polygon = shapely.from_geojson(json.dumps(feature["geometry"]))
        assert polygon.is_valid
        assert polygon.exterior.is_ccw  # numerically, as RFC 7946 wants it
        np.testing.assert_allclose(polygon.exterior.coords[:-1], placement.contour, atol=0.001)
        assert feature["properties"] == {
            "tile": names[placement.tile],
            "container": placement.container,
            **{k: pytest.approx(v, abs=1e-4) for k, v in placement.pose._asdict().items()},
        }
