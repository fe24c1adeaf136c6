"""What ``smalti jigsaw --dry-run`` says, against what then comes."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from bench.forecast import DATA, JIGSAWS, jigsaw_trial
from smalti import Jigsaw, make_mosaic
from smalti.core.errors import BadInput, Cancelled
from smalti.core.progress import Step
from smalti.jigsaw_forecast import JigsawForecast, forecast_jigsaw
from smalti.jigsaw_mosaic import JigsawMosaic

NEAR = 0.3


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory, shapes_index: Path) -> Path:
    return Path(shutil.copy(shapes_index, tmp_path_factory.mktemp("index") / "index.sqlite"))


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A red disc on blue."""
    picture = Image.new("RGB", (240, 160), (40, 70, 160))
    ImageDraw.Draw(picture).ellipse((70, 30, 170, 130), fill=(190, 50, 40))
    file = tmp_path_factory.mktemp("target") / "target.png"
    picture.save(file)
    return str(file)


def asking(target: str, **how: Any) -> Jigsaw:
    usual = Jigsaw(target=target, shapes=("@demo",), tiles=120, width=600)
    return replace(usual, **how)


def both(request: Jigsaw, index: Path) -> tuple[JigsawForecast, JigsawMosaic]:
    ahead = forecast_jigsaw(request, index=index)
    folder = Path(request.output).parent
    assert list(folder.iterdir()) == []
    made = make_mosaic(request, index=index)
    assert isinstance(made, JigsawMosaic)
    return ahead, made


@pytest.mark.parametrize("name", ["m.png", "m.svg"])
def test_a_forecast_is_what_comes(tmp_path: Path, target: str, index: Path, name: str) -> None:
    ahead, made = both(asking(target, output=str(tmp_path / name)), index)
    assert ahead.tiles == pytest.approx(len(made.project.placements), rel=0.1)
    assert ahead.containers == made.containers
    assert ahead.shapes == made.shapes
    assert ahead.size == made.pixels().shape[1::-1]
    written = sum(f.stat().st_size for f in tmp_path.rglob("*") if f.is_file()) / 1e6
    assert ahead.disk_mb == pytest.approx(written, rel=NEAR)


def test_geometry_alone_takes_disk_too(tmp_path: Path, target: str, index: Path) -> None:
    request = asking(target, geometry=str(tmp_path / "m.geojson"))
    ahead = forecast_jigsaw(request, index=index)
    assert list(tmp_path.iterdir()) == []
    make_mosaic(request, index=index)
    written = (tmp_path / "m.geojson").stat().st_size / 1e6
    assert ahead.disk_mb == pytest.approx(written, rel=NEAR)


def test_more_costs_more(tmp_path: Path, target: str, index: Path) -> None:
    usual = asking(target, output=str(tmp_path / "m.png"))
    few = forecast_jigsaw(usual, index=index)
    many = forecast_jigsaw(replace(usual, tiles=1200), index=index)
    assert many.seconds > few.seconds
    assert many.memory_mb > few.memory_mb + 100  # whatever this process has done before
    assert many.disk_mb > few.disk_mb
    wide = forecast_jigsaw(replace(usual, width=3000), index=index)
    assert wide.size == (3000, 2000)
    assert wide.disk_mb > 4 * few.disk_mb


def test_a_time_limit_ends_the_packing_early(tmp_path: Path, target: str, index: Path) -> None:
    usual = asking(target, output=str(tmp_path / "m.png"), tiles=3000)
    whole = forecast_jigsaw(usual, index=index)
    short = forecast_jigsaw(replace(usual, time_limit=1.0), index=index)
    assert short.tiles < whole.tiles == 3000
    assert short.seconds < whole.seconds


@pytest.mark.parametrize("tiles", [1, 2, 7])
def test_a_few_tiles_are_foretold(tmp_path: Path, target: str, index: Path, tiles: int) -> None:
    request = asking(target, tiles=tiles, segments=1, output=str(tmp_path / "m.png"))
    ahead = forecast_jigsaw(request, index=index)
    assert ahead.tiles == tiles
    assert ahead.seconds > 0
    assert ahead.disk_mb > 0


def test_a_corner_to_fill_is_found(tmp_path: Path, target: str, index: Path) -> None:
    mask = Image.new("L", (240, 160))
    ImageDraw.Draw(mask).rectangle((200, 130, 239, 159), fill=255)
    mask.save(tmp_path / "mask.png")
    ahead = forecast_jigsaw(asking(target, tiles=30, mask=str(tmp_path / "mask.png")), index=index)
    assert ahead.containers == 1
    assert ahead.disk_mb == 0  # nothing is to be written


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"kind": "voronoi"}, "not --kind voronoi"),
        ({"kind": "grid"}, "smalti photo --dry-run"),
        ({"tiles": 0}, "tiles is 0"),
        ({"reuse": 1, "tiles": 3000}, "allow more reuse"),
        ({"width": 70_000, "output": "m.jpg"}, "65535"),
    ],
)
def test_what_cannot_be_made_cannot_be_foretold(
    target: str, index: Path, how: dict[str, object], said: str
) -> None:
    with pytest.raises(BadInput, match=said):
        forecast_jigsaw(asking(target, **how), index=index)


def test_a_forecast_can_be_cancelled(target: str, index: Path) -> None:
    told = 0

    def progress(step: Step) -> None:
        nonlocal told
        told += step.phase == "forecast"
        if told > 5:  # in the midst of the small part
            raise Cancelled

    with pytest.raises(Cancelled):
        forecast_jigsaw(asking(target, keep_partial=True), index=index, progress=progress)


@pytest.mark.slow
@pytest.mark.skipif(not DATA.exists(), reason="../shared/data is absent")
@pytest.mark.parametrize("number", range(len(JIGSAWS)))
def test_memory_and_time_are_foretold(tmp_path: Path, number: int) -> None:
    jigsaw_trial(tmp_path, *JIGSAWS[0])  # indexes the shapes
    found = jigsaw_trial(tmp_path, *JIGSAWS[number])
    ahead, made = found["forecast"], found["make"]
    assert ahead["seconds"] == pytest.approx(made["cpu"], rel=NEAR)
    assert ahead["memory_mb"] == pytest.approx(made["memory_mb"], rel=NEAR)
    assert ahead["disk_mb"] == pytest.approx(made["disk_mb"], rel=NEAR)
