"""What ``--dry-run`` says, against what then comes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.forecast import DATA, INSTANCES, prepare, trial
from smalti import Photomosaic, make_mosaic
from smalti.core.progress import Step
from smalti.effort import Told, foretelling, matching_s
from smalti.forecast import forecast
from smalti.matching import Described, describe
from smalti.pace import measured
from smalti.plan import Plan, make_plan

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
def test_the_disk_it_takes_is_foretold(tmp_path: Path, ending: str, how: dict[str, Any]) -> None:
    output = str(tmp_path / f"m{ending}")
    usual = Photomosaic(target="@demo", photos=("@demo",), cells=700, tile_px=40, output=output)
    asked = replace(usual, **how)
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

    def seconds(**how: Any) -> float:
        return forecast(replace(asked, **how)).seconds

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


def test_every_metric_and_feature_has_its_own_time() -> None:
    plain = Photomosaic(target="@demo", photos=("@demo",), cells=200, variants=("mirror",))

    def seconds(**how: Any) -> float:
        return forecast(replace(plain, **how)).seconds

    lab = {"space": "lab", "adjust": 0.0, "detail": 3}
    assert seconds(metric="ciede2000", **lab) > seconds(**lab) + 1
    assert seconds(features="wavelets", detail=9) > seconds(detail=9) + 0.1
    apart = {"cells": 1500, "max_uses": 5, "spacing": 8}
    assert seconds(metric="l1", **apart) > seconds(**apart) + 0.2
    assert seconds(transfer=1.0) > seconds() + 0.1


def test_distances_that_are_kept_take_memory() -> None:
    many = Photomosaic(target="@demo", photos=("@demo",), cells=20_000, repeats="free")
    kept = forecast(replace(many, metric="l1")).memory_mb
    assert kept > forecast(replace(many, metric="cosine")).memory_mb + 30


class Clock:
    """One that goes on whenever it is read, and else as it is told."""

    def __init__(self, slower: float = 1.0) -> None:
        self.step, self.now = 0.02 * slower, 0.0

    def __call__(self) -> float:
        """Say how late it is."""
        self.now += self.step
        return self.now


def posed(**how: Any) -> tuple[Photomosaic, Plan, Described]:
    asked = Photomosaic(target="@demo", photos=("@demo",), cells=400)
    asked = replace(asked, **how)
    plan = make_plan(asked)
    return asked, plan, describe(plan, asked)


@pytest.mark.parametrize("how", [{}, {"metric": "l1"}, {"solver": "two-swap"}])
def test_a_machine_twice_as_slow_takes_twice_as_long(how: dict[str, Any]) -> None:
    asked, plan, described = posed(**how)
    pace, slow = (measured(asked, described, Clock(slower)) for slower in (1, 2))
    assert slow.machine == pytest.approx(2 * pace.machine)
    assert slow.pair_s == pytest.approx(2 * pace.pair_s)
    once = matching_s(plan, asked, Told(0.5, 3.0, 1e-4, 1e-7, pace))
    assert matching_s(plan, asked, Told(0.5, 3.0, 2e-4, 2e-7, slow)) == pytest.approx(2 * once)


@pytest.mark.parametrize("shared", [1, 3])
def test_the_time_left_is_mended_on_the_way(monkeypatch: pytest.MonkeyPatch, shared: int) -> None:
    asked, plan, described = posed()
    steps: list[Step] = []
    work = Clock()
    monkeypatch.setattr("time.thread_time", work)
    monkeypatch.setattr("time.monotonic", lambda: shared * work.now)
    told = foretelling(plan, asked, described, steps.append)

    def left(at: float, **what: Any) -> float:
        """Seconds of this thread that are told at some time after its beginning."""
        work.now = at
        told(Step("assign", 0, 0, **what))
        assert steps[-1].left is not None
        return steps[-1].left / shared

    work.step, begin = 0.0, 5.0
    whole = begin + left(begin)
    assert left((begin + whole) / 2) == pytest.approx((whole - begin) / 2, rel=0.05)
    some, every = np.full(400, -1), np.zeros(400, np.intp)
    some[:130] = 0
    late = begin + 3 * (whole - begin)
    assert left(late, made=some) > 0.5 * (late - begin), "cells lie free: it is not the end"
    rest = left(late, made=every)
    assert rest == pytest.approx(0.8 * (late - begin), rel=0.2), "the rest takes as long, about"
    assert left(late + rest / 2) == pytest.approx(rest / 2, rel=0.1)
    assert left(late + 3 * rest) > 0, "still not the last pass"
    told(Step("assign", 1, 10))
    assert steps[-1].left is None, "the last pass tells how much there is"


def test_the_exact_solver_says_how_long_it_still_takes(tmp_path: Path) -> None:
    steps: list[Step] = []
    for solver in ("exact", "greedy"):
        steps.clear()
        request = Photomosaic(target="@demo", photos=("@demo",), cells=400, solver=solver)
        make_mosaic(replace(request, output=str(tmp_path / "m.png")), progress=steps.append)
        left = [s.left for s in steps if s.left is not None]
        assert bool(left) == (solver == "exact")
        assert all(seconds > 0 for seconds in left)
        assert all(s.phase == "assign" and not s.total for s in steps if s.left is not None)


def test_photos_that_are_asked_for_need_no_room_in_the_small_part() -> None:
    asked = Photomosaic(target="@demo", photos=("@demo",), cells=300)
    wishes = replace(
        asked, must_appear=("tile 7 of *",), lock=("1,1=tile 8 of *",), ban=("tile 9 of *",)
    )
    assert forecast(wishes).cells == forecast(asked).cells


@pytest.mark.slow
@pytest.mark.skipif(not DATA.exists(), reason="../shared/data is absent")
@pytest.mark.parametrize("number", [1, 3, 6, 10, 12, 13, 15, 18, 20, 23, 24, 26, 28])
def test_memory_and_time_are_foretold(tmp_path: Path, number: int) -> None:
    prepare(tmp_path)
    found = trial(tmp_path, *INSTANCES[number])
    ahead, made = found["forecast"], found["make"]
    assert ahead["seconds"] == pytest.approx(made["cpu"], rel=NEAR)
    assert ahead["memory_mb"] == pytest.approx(made["memory_mb"], rel=NEAR)
    assert ahead["disk_mb"] == pytest.approx(made["disk_mb"], rel=NEAR)
