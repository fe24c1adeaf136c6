"""What ``--dry-run`` says, against what then comes."""

from dataclasses import replace
from pathlib import Path

import pytest

from bench.forecast import DATA, INSTANCES, prepare, trial
from smalti import Photomosaic, make_mosaic
from smalti.forecast import forecast

NEAR = 0.3


@pytest.mark.parametrize("ending", [".png", ".jpg", ".tif", ".dzi", ".html"])
def test_the_disk_it_takes_is_foretold(tmp_path: Path, ending: str) -> None:
    asked = Photomosaic(
        target="@demo",
        photos=("@demo",),
        cells=700,
        tile_px=40,
        output=str(tmp_path / f"m{ending}"),
    )
    ahead = forecast(asked)
    assert list(tmp_path.iterdir()) == []
    make_mosaic(asked)
    written = sum(f.stat().st_size for f in tmp_path.rglob("*") if f.is_file()) / 1e6
    assert ahead.disk_mb == pytest.approx(written, rel=NEAR)


def test_more_costs_more(tmp_path: Path) -> None:
    asked = Photomosaic(
        target="@demo", photos=("@demo",), cells=200, output=str(tmp_path / "m.png")
    )
    few, many = forecast(asked), forecast(replace(asked, cells=900))
    assert many.seconds > few.seconds
    large = forecast(replace(asked, tile_px=200))
    assert large.disk_mb > 4 * forecast(replace(asked, tile_px=50)).disk_mb
    assert large.memory_mb >= few.memory_mb
    finer = forecast(replace(asked, detail=12))
    assert finer.seconds > few.seconds


@pytest.mark.slow
@pytest.mark.skipif(not DATA.exists(), reason="../shared/data is absent")
@pytest.mark.parametrize("number", [1, 3, 6, 10, 12])
def test_memory_and_time_are_foretold(tmp_path: Path, number: int) -> None:
    prepare(tmp_path)
    found = trial(tmp_path, *INSTANCES[number])
    ahead, made = found["forecast"], found["make"]
    assert ahead["seconds"] == pytest.approx(made["cpu"], rel=NEAR)
    assert ahead["memory_mb"] == pytest.approx(made["memory_mb"], rel=NEAR)
    assert ahead["disk_mb"] == pytest.approx(made["disk_mb"], rel=NEAR)
