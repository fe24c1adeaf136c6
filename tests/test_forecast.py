"""What ``--dry-run`` says, against what then comes."""

from dataclasses import replace
from pathlib import Path

import pytest

from bench.forecast import DATA, INSTANCES, prepare, trial
from smalti import Photomosaic, make_mosaic
from smalti.core.progress import Step
from smalti.forecast import forecast

NEAR = 0.3


@pytest.mark.parametrize(
    ("ending", "how"),
    [
        (".png", {}),
        (".jpg", {}),
        (".tif", {}),
        (".dzi", {}),
        (".html", {}),
        (".jpg", {"target": "@coffee", "cells": 2000, "tile_px": 16, "repeats": "free"}),
        (".jpg", {"target": "@coffee", "cells": 1000, "tile_px": 16, "max_uses": 3, "spacing": 4}),
        (".jpg", {"target": "@scarlet-macaw", "cells": 400, "tile_px": 32, "detail": 18}),
        (".jpg", {"solver": "iterative-improvement"}),
        (".png", {"adaptive": True, "tile_px": 20}),
    ],
)
def test_the_disk_it_takes_is_foretold(tmp_path: Path, ending: str, how: dict[str, object]) -> None:
    output = str(tmp_path / f"m{ending}")
    usual = Photomosaic(target="@demo", photos=("@demo",), cells=700, tile_px=40, output=output)
    asked = replace(usual, **how)  # type: ignore[arg-type]  # fields by name
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


def test_every_solver_has_its_own_time() -> None:
    asked = Photomosaic(target="@demo", photos=("@demo",), cells=3000, max_uses=3)

    def seconds(**how: object) -> float:
        return forecast(replace(asked, **how)).seconds  # type: ignore[arg-type]  # fields by name

    random, nearest = seconds(solver="iterative-improvement"), seconds(solver="nearest")
    greedy, local = seconds(solver="greedy"), seconds(solver="two-swap")
    assert random + 1 < nearest
    assert nearest + 0.3 < greedy
    assert greedy + 1 < local
    assert seconds(solver="cep") > random + 0.3
    assert seconds(solver="two-swap", time_limit=0.5) < random + 1
    assert seconds(solver="swaps", time_limit=60.0) > 60
    assert seconds(spacing=8) > seconds() + 0.5
    assert seconds(spacing=8, repeats="free") > seconds(repeats="free") + 1


def test_the_exact_solver_says_how_long_it_still_takes(tmp_path: Path) -> None:
    steps: list[Step] = []
    for solver in ("exact", "greedy"):
        steps.clear()
        request = Photomosaic(target="@demo", photos=("@demo",), cells=400, solver=solver)
        make_mosaic(replace(request, output=str(tmp_path / "m.png")), progress=steps.append)
        left = [s.left for s in steps if s.left is not None]
        assert bool(left) == (solver == "exact")
        assert left == sorted(left, reverse=True)
        assert all(s.phase == "assign" and not s.total for s in steps if s.left is not None)


def test_photos_that_are_asked_for_need_no_room_in_the_small_part() -> None:
    asked = Photomosaic(target="@demo", photos=("@demo",), cells=300)
    wishes = replace(
        asked, must_appear=("tile 7 of *",), lock=("1,1=tile 8 of *",), ban=("tile 9 of *",)
    )
    assert forecast(wishes).cells == forecast(asked).cells


@pytest.mark.slow
@pytest.mark.skipif(not DATA.exists(), reason="../shared/data is absent")
@pytest.mark.parametrize("number", [1, 3, 6, 10, 12, 15, 17, 20, 21])
def test_memory_and_time_are_foretold(tmp_path: Path, number: int) -> None:
    prepare(tmp_path)
    found = trial(tmp_path, *INSTANCES[number])
    ahead, made = found["forecast"], found["make"]
    assert ahead["seconds"] == pytest.approx(made["cpu"], rel=NEAR)
    assert ahead["memory_mb"] == pytest.approx(made["memory_mb"], rel=NEAR)
    assert ahead["disk_mb"] == pytest.approx(made["disk_mb"], rel=NEAR)
