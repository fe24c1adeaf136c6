"""The whole way of a jigsaw: request in; picture, project, SVG and GeoJSON out."""

import base64
import json
import re
import shutil
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from PIL import Image, ImageDraw

from smalti import Cancelled, Jigsaw, Photomosaic, Step, make_mosaic
from smalti.core.errors import BadInput
from smalti.core.picture import read_picture
from smalti.core.source import label
from smalti.flat_mosaic import FlatMosaic
from smalti.grid_mosaic import GridMosaic
from smalti.jigsaw_mosaic import JigsawMosaic
from smalti.mosaic import render_project
from smalti.project import project_path

COLUMNS = {
    *("coverage", "coverage_alpha", "overlap", "spill", "largest_gap", "delta_e_blurred"),
    *("delta_e_pixel", "border_mean_px", "border_recall", "border_precision", "border_control"),
    *("deformation_mean", "deformation_p95", "distinct", "effective", "max_reuse", "invalid"),
}


FILLED = COLUMNS - {
    *("coverage_alpha", "delta_e_blurred", "delta_e_pixel", "deformation_mean", "deformation_p95")
}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, shapes_index: Path) -> Path:
    """A target of a red disc on blue, and what is known of the demo's clip art."""
    folder = tmp_path_factory.mktemp("scene")
    shutil.copyfile(shapes_index, folder / "index.sqlite")
    target = Image.new("RGB", (240, 160), (40, 70, 160))
    ImageDraw.Draw(target).ellipse((70, 30, 170, 130), fill=(190, 50, 40))
    target.save(folder / "target.png")
    return folder


@pytest.fixture(scope="module")
def asked(scene: Path) -> Jigsaw:
    return Jigsaw(target=str(scene / "target.png"), shapes=("@demo",), tiles=60, width=480)


@pytest.fixture(scope="module")
def made(asked: Jigsaw, scene: Path) -> JigsawMosaic:
    request = replace(asked, output=str(scene / "m.png"), geometry=str(scene / "m.geojson"))
    return pack(request, scene)


def pack(request: Jigsaw, scene: Path) -> JigsawMosaic:
    found = make_mosaic(request, index=scene / "index.sqlite")
    assert isinstance(found, JigsawMosaic)
    return found


def test_a_jigsaw_fills_the_shapes_of_its_target(made: JigsawMosaic) -> None:
    report = made.report()
    assert set(report["quality"]) == COLUMNS
    assert set(report["rigid"]) == FILLED
    json.dumps(report, allow_nan=False)
    assert 40 <= report["tiles"] <= 80
    assert 2 <= report["containers"] <= 3
    found = report["quality"]
    assert found["coverage"] > report["rigid"]["coverage"] > 0.8
    assert found["invalid"] == 0
    assert found["overlap"] < 0.05
    assert 0 < found["deformation_mean"] < 0.1
    assert made.recolored[1] <= made.recolored[0]


def test_measuring_says_how_far_it_is(asked: Jigsaw, scene: Path) -> None:
    steps: list[Step] = []
    made = make_mosaic(asked, progress=steps.append, index=scene / "index.sqlite")
    assert isinstance(made, JigsawMosaic)
    for text, least in (
        ("measuring the rigid packing", 40),
        ("drawing it small", 40),
        ("measuring the likeness", 2),
        ("measuring the packing", 40),
    ):
        told = [(s.done, s.total) for s in steps if s.text == text]
        assert len(told) >= least, text
        assert told == sorted(told)
        assert len({total for _, total in told}) == 1
        assert told[0][0] == 0
        assert told[-1][0] >= told[-1][1] // 2


def test_the_picture_looks_like_the_target(made: JigsawMosaic) -> None:
    picture = read_picture(str(made.output)).pixels.astype(float)
    assert picture.shape[:2] == (320, 480)
    disc, corner = picture[100:220, 190:290].mean((0, 1)), picture[:60, :120].mean((0, 1))
    assert disc[0] - disc[2] > 40
    assert corner[2] - corner[0] > 20


def test_contours_are_written_in_target_pixels(made: JigsawMosaic, scene: Path) -> None:
    data = json.loads((scene / "m.geojson").read_text())
    assert data["type"] == "FeatureCollection"
    assert len(data["features"]) == len(made.project.placements)
    for feature in data["features"]:
        assert set(feature["properties"]) >= {"tile", "container", "theta", "scale", "x", "y"}
        shape = shapely.Polygon(feature["geometry"]["coordinates"][0])
        assert shape.is_valid
        assert shapely.box(0, 0, 240, 160).covers(shape)
        x, y = shape.centroid.coords[0]
        assert np.hypot(x - feature["properties"]["x"], y - feature["properties"]["y"]) < 12


def test_a_project_makes_the_same_bytes_again(made: JigsawMosaic, scene: Path) -> None:
    project = project_path(scene / "m.png")
    render_project(project, scene / "again.png")
    assert (scene / "again.png").read_bytes() == (scene / "m.png").read_bytes()
    size = render_project(project, scene / "large.png", tile_px=60)
    assert read_picture(str(scene / "large.png")).size == size
    assert size[0] > 480


def test_svg_holds_every_tile(made: JigsawMosaic, scene: Path) -> None:
    render_project(project_path(scene / "m.png"), scene / "m.svg")
    root = ET.parse(scene / "m.svg").getroot()
    paths = [e for e in root.iter() if e.tag.endswith("path")]
    assert len(paths) == len(made.project.placements)
    assert root.get("viewBox") == "0 0 240 160"


def test_a_page_knows_the_tile_under_the_pointer(made: JigsawMosaic, scene: Path) -> None:
    render_project(project_path(scene / "m.png"), scene / "m.html")
    page = (scene / "m.html").read_text("utf-8")
    found = re.search(r'<script id="mosaic" type="application/json">(.*?)</script>', page, re.S)
    assert found
    data = json.loads(found[1])
    cells = np.frombuffer(base64.b64decode(data["cells"]), "<u2")
    cells = cells.reshape(data["rows"], data["columns"])
    width, height = made.project.size
    right = 0
    for placement in made.project.placements:
        x, y = placement.contour.mean(axis=0)
        row, column = int(y / height * data["rows"]), int(x / width * data["columns"])
        expected = label(made.project.library.sources[placement.tile])
        right += data["labels"][cells[row, column]] == expected
    assert right > 0.9 * len(made.project.placements)  # a centroid may lie outside its tile
    assert not data["outlined"]


def test_the_same_seed_gives_the_same_jigsaw_for_any_workers(asked: Jigsaw, scene: Path) -> None:
    alone = make_mosaic(asked, index=scene / "index.sqlite")
    with ThreadPoolExecutor(2) as executor:
        together = make_mosaic(asked, executor=executor, index=scene / "index.sqlite")
    other = make_mosaic(replace(asked, seed=5), index=scene / "index.sqlite")
    assert np.array_equal(alone.pixels(), together.pixels())
    assert not np.array_equal(alone.pixels(), other.pixels())


def test_own_labels_mask_and_colours(asked: Jigsaw, scene: Path) -> None:
    halves = np.zeros((160, 240, 3), np.uint8)
    halves[:, 120:] = 255
    Image.fromarray(halves).save(scene / "halves.png")
    file = str(scene / "halves.png")
    labelled = pack(replace(asked, labels=file), scene)
    assert labelled.containers == 2
    masked = pack(replace(asked, mask=file, tiles=30), scene)
    assert masked.containers == 1
    assert all(
        p.contour[:, 0].mean() > masked.project.size[0] / 2 for p in masked.project.placements
    )
    painted = pack(replace(asked, colors=file, background="white"), scene)
    picture = painted.pixels()
    assert picture[:, 240:].mean() > picture[:, :240].mean() + 40


def test_deform_0_leaves_tiles_rigid(asked: Jigsaw, scene: Path) -> None:
    found = pack(replace(asked, deform=0.0), scene)
    assert found.quality["deformation_mean"] < 0.001
    assert found.quality["coverage"] == pytest.approx(found.rigid["coverage"], abs=0.002)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"tiles": 0}, "tiles"),
        ({"tile_px": 5.0}, "exclude"),
        ({"size_ratio": 9.0}, "size-ratio"),
        ({"segments": 0}, "segments"),
        ({"labels": "a", "mask": "b"}, "exclude"),
        ({"w_gap": -1.0}, "w-gap"),
        ({"adjust": 2.0}, "adjust"),
        ({"reuse": 0}, "reuse"),
        ({"rotate": "sideways"}, "sideways"),
        ({"candidates": "guess"}, "guess"),
        ({"shortlist": 0}, "shortlist"),
        ({"kind": "collage"}, "collage"),
        ({"background": "reddish"}, "reddish"),
        ({"width": 3}, "width"),
        ({"time_limit": 0.0}, "time-limit"),
        ({"shapes": ()}, "no shapes"),
        ({"shapes": ("nowhere",)}, "nowhere"),
        ({"target": "nowhere.png"}, "nowhere"),
        ({"mask": "nowhere.png"}, "nowhere"),
        ({"output": "m.gif"}, "gif"),
    ],
    ids=str,
)
def test_what_cannot_be_used_is_named(asked: Jigsaw, change: dict[str, Any], named: str) -> None:
    with pytest.raises(BadInput, match=named) as caught:
        make_mosaic(replace(asked, **change))
    assert "\n" not in str(caught.value)


def test_a_label_image_of_another_size_is_refused(asked: Jigsaw, scene: Path) -> None:
    Image.new("RGB", (24, 16)).save(scene / "small.png")
    for option in ("labels", "mask", "edges", "colors"):
        given: dict[str, Any] = {option: str(scene / "small.png")}
        with pytest.raises(BadInput, match="24 x 16"):
            make_mosaic(replace(asked, **given))


def test_an_empty_mask_is_refused(asked: Jigsaw, scene: Path) -> None:
    Image.new("RGB", (240, 160)).save(scene / "dark.png")
    with pytest.raises(BadInput, match="nothing to fill"):
        make_mosaic(replace(asked, mask=str(scene / "dark.png")), index=scene / "index.sqlite")


@pytest.mark.parametrize("phase", ["segment", "index", "pack", "refine", "render"])
def test_a_cancel_leaves_nothing(asked: Jigsaw, scene: Path, tmp_path: Path, phase: str) -> None:
    def cancel(step: Step) -> None:
        if step.phase == phase:
            raise Cancelled

    with pytest.raises(Cancelled):
        make_mosaic(
            replace(asked, output=str(tmp_path / "m.png")),
            progress=cancel,
            index=scene / "index.sqlite",
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("phase", "at"), [("pack", 30), ("measure", 1), ("refine", 3)])
def test_a_cancel_may_keep_what_there_is(
    asked: Jigsaw, scene: Path, tmp_path: Path, phase: str, at: int
) -> None:
    heard = 0

    def cancel(step: Step) -> None:
        nonlocal heard
        heard += step.phase == phase
        if step.phase == phase and heard == at:
            raise Cancelled

    kept = make_mosaic(
        replace(asked, output=str(tmp_path / "m.png"), keep_partial=True),
        progress=cancel,
        index=scene / "index.sqlite",
    )
    assert isinstance(kept, JigsawMosaic)
    assert kept.ended == (phase,)
    assert kept.quality["invalid"] == 0
    rigid, final = (found["coverage"] for found in (kept.rigid, kept.quality))
    assert final == pytest.approx(rigid) if phase == "measure" else final > rigid
    tiles = len(kept.project.placements)
    assert 20 <= tiles < 40 if phase == "pack" else tiles > 50
    with Image.open(tmp_path / "m.png") as picture:
        assert picture.width == 480
    render_project(project_path(tmp_path / "m.png"), tmp_path / "again.png")
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "m.png").read_bytes()


def test_what_is_shipped_is_named_for_any_installation(made: JigsawMosaic, scene: Path) -> None:
    project = json.loads(project_path(scene / "m.png").read_text())
    assert {name for name, _ in project["shapes"]} == {"@demo/shapes.zip"}
    assert project["request"]["shapes"] == ["@demo"]


def test_a_damaged_project_is_refused(made: JigsawMosaic, scene: Path, tmp_path: Path) -> None:
    good = json.loads(project_path(scene / "m.png").read_text())
    laid = good["placements"]
    changes: list[dict[str, Any]] = [
        {"size": [0, 5]},
        {"scale": 0},
        {"shapes": []},
        {"background": "not a picture"},
        {"placements": {**laid, "tile": [-1] * len(laid["tile"])}},
        {"placements": {**laid, "pose": laid["pose"][1:]}},
        {"placements": {**laid, "contour": "long"}},
        {"placements": {**laid, "terms": laid["terms"][1:]}},
        {"outlines": {}},
    ]
    for change in changes:
        (tmp_path / "p.json").write_text(json.dumps({**good, **change}))
        with pytest.raises(BadInput, match=r"p\.json"):
            render_project(tmp_path / "p.json", tmp_path / "m.png")


def test_a_project_from_before_energies_had_terms_is_opened(
    made: JigsawMosaic, scene: Path, tmp_path: Path
) -> None:
    whole = json.loads(project_path(scene / "m.png").read_text())
    del whole["placements"]["terms"]
    (tmp_path / "p.json").write_text(json.dumps(whole))
    render_project(tmp_path / "p.json", tmp_path / "m.png")
    assert (tmp_path / "m.png").read_bytes() == (scene / "m.png").read_bytes()


@pytest.mark.parametrize(
    ("rotate", "most"), [("upright", 0.0), ("15", np.radians(15)), ("0", 0.0)], ids=str
)
def test_no_tile_is_turned_farther_than_asked(
    asked: Jigsaw, scene: Path, rotate: str, most: float
) -> None:
    turned = pack(replace(asked, rotate=rotate, tiles=40), scene).project.placements
    assert max(abs(p.pose.theta) for p in turned) <= most + 1e-9
    assert len(turned) > 30


@pytest.mark.parametrize("change", [{"size_ratio": 1.0}, {"w_overlap": 0.0}], ids=str)
def test_the_ends_of_what_may_be_asked_still_fill(
    asked: Jigsaw, scene: Path, change: dict[str, Any]
) -> None:
    made = pack(replace(asked, tiles=40, **change), scene)
    assert len(made.project.placements) > 30
    assert made.quality["coverage"] > 0.9


def test_a_time_limit_that_ends_the_packing_is_told(asked: Jigsaw, scene: Path) -> None:
    assert pack(replace(asked, tiles=3000, time_limit=2.0), scene).ended == ("pack",)


@pytest.mark.parametrize("read", ["target", "labels", "mask", "edges", "colors", "shapes"])
@pytest.mark.parametrize("write", ["output", "geometry"])
def test_nothing_that_is_read_is_written_over(
    asked: Jigsaw, tmp_path: Path, read: str, write: str
) -> None:
    file = tmp_path / ("m.png" if write == "output" else "m.json")
    file.write_bytes(b"needed")
    link = tmp_path / file.with_stem("link").name
    link.symlink_to(file)
    change: dict[str, Any] = {read: (str(link),) if read == "shapes" else str(link)}
    change[write] = str(file)
    with pytest.raises(BadInput, match="it is read for this mosaic"):
        make_mosaic(replace(asked, **change))
    assert file.read_bytes() == b"needed"


@pytest.mark.parametrize(
    "change",
    [
        {"output": "gone/m.svg"},
        {"geometry": "gone/m.json"},
        {"geometry": "m.png"},
        {"output": "m.html", "kind": "voronoi"},
        {"output": "m.svg", "kind": "decorative"},
        {"geometry": "m.json", "kind": "grid"},
    ],
    ids=str,
)
def test_what_cannot_be_written_is_told_at_once(
    asked: Jigsaw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    steps: list[Step] = []
    with pytest.raises(BadInput, match=r"cannot write|of tiles of any shape"):
        make_mosaic(replace(asked, **change), progress=steps.append)
    assert not steps
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["decorative", "voronoi"])
def test_tiles_of_one_colour_need_no_shapes(asked: Jigsaw, tmp_path: Path, kind: str) -> None:
    out, geometry = tmp_path / "m.png", tmp_path / "m.geojson"
    asked = replace(asked, kind=kind, shapes=(), tiles=200)
    steps: list[Step] = []
    request = replace(asked, output=str(out), geometry=str(geometry))
    made = make_mosaic(request, progress=steps.append)
    assert isinstance(made, FlatMosaic)
    told = [(s.done, s.total) for s in steps if s.text == "measuring the packing"]
    assert len(told) >= 180
    assert told == sorted(told)
    assert 180 <= len(made.project.placements) <= 200
    assert made.quality["coverage"] > 0.7
    assert made.quality["overlap"] < 0.05
    assert len(json.loads(geometry.read_text())["features"]) == len(made.project.placements)
    json.dumps(made.report(), allow_nan=False)
    geometry.unlink()
    render_project(project_path(out), tmp_path / "again.png")
    assert (tmp_path / "again.png").read_bytes() == out.read_bytes()
    size = render_project(project_path(out), tmp_path / "large.png", tile_px=40)
    assert size[0] > 480


def test_a_grid_of_shapes_is_the_photomosaic_of_core(tmp_path: Path) -> None:
    asked: dict[str, Any] = {"target": "@demo", "output": str(tmp_path / "m.png"), "adjust": 0.3}
    grid = make_mosaic(Jigsaw(shapes=("@demo",), kind="grid", tiles=100, **asked))
    photo = make_mosaic(Photomosaic(photos=("@demo",), cells=100, **asked))
    assert isinstance(grid, GridMosaic)
    assert np.array_equal(grid.pixels(), photo.pixels())
