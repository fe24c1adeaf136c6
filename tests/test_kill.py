"""kill -9 at random points: what is on disk is whole or not there, and the next run goes on."""

import multiprocessing
import random
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from killed import make
from PIL import Image

PHOTOS = 200


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A target and photos, with a mosaic made of them undisturbed."""
    folder = tmp_path_factory.mktemp("library")
    rng = np.random.default_rng(3)
    (folder / "photos").mkdir()
    for k in range(PHOTOS):
        corners = rng.integers(0, 256, (3, 3, 3), dtype=np.uint8)
        image = Image.fromarray(corners).resize((480, 360), Image.Resampling.BICUBIC)
        image.save(folder / "photos" / f"{k:03}.jpg")
    wave = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(wave).resize((320, 240), Image.Resampling.BICUBIC).save(folder / "target.png")
    return folder


def rows(index: Path) -> int:
    """Photos the index knows, once it is found to be sound."""
    with closing(sqlite3.connect(index)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_master")]
        if not any(name.startswith("photos") for name in names):
            return 0
        count: int = database.execute("SELECT count(*) FROM photos2").fetchone()[0]
        return count


def counts(log: Path) -> list[int]:
    """Return how many photos were known at each step, as far as lines are whole."""
    return [int(line) for line in log.read_bytes().split(b"\n")[:-1]] if log.exists() else []


def killed_at_random(library: Path, tmp_path: Path, kills: int, ending: str) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["killed", "smalti.core.generation", "smalti.core.writers"])
    chance = random.Random(5)

    def started(folder: Path) -> multiprocessing.process.BaseProcess:
        process = context.Process(target=make, args=(folder, f"out{ending}", folder / "log"))
        process.start()
        return process

    def fresh(name: str) -> Path:
        folder = tmp_path / name
        shutil.copytree(library, folder)
        return folder

    calm = fresh("calm")
    for _ in range(2):  # the first compiles
        (calm / "log").unlink(missing_ok=True)
        (calm / "index.sqlite").unlink(missing_ok=True)
        begin = time.perf_counter()
        undisturbed = started(calm)
        undisturbed.join()
        seconds = time.perf_counter() - begin
        assert undisturbed.exitcode == 0
    wanted = {name: (calm / name).read_bytes() for name in (f"out{ending}", "out.smalti.json")}

    during: list[str] = []
    for k in range(kills):
        folder = fresh(f"{k}")
        process = started(folder)
        process.join(seconds * chance.uniform(0.02, 1.0))
        process.kill()
        process.join()
        told = counts(folder / "log")
        known = rows(folder / "index.sqlite") if (folder / "index.sqlite").exists() else 0
        assert known >= max(told, default=0)  # what was told to be known is kept
        for name, data in wanted.items():
            assert not (folder / name).exists() or (folder / name).read_bytes() == data
        during.append("index" if known < PHOTOS else "later")

        (folder / "log").unlink(missing_ok=True)
        again = started(folder)
        again.join()
        assert again.exitcode == 0
        assert counts(folder / "log")[0] == known  # nothing known is read again
        for name, data in wanted.items():
            assert (folder / name).read_bytes() == data
        shutil.rmtree(folder)
    assert len(set(during)) == 2 or kills < 10, "all kills hit the same phase"


def test_a_killed_run_is_resumed(library: Path, tmp_path: Path) -> None:
    killed_at_random(library, tmp_path, 4, ".png")


@pytest.mark.slow
@pytest.mark.parametrize("ending", [".jpg", ".dzi"])
def test_fifty_killed_runs_are_resumed(library: Path, tmp_path: Path, ending: str) -> None:
    killed_at_random(library, tmp_path, 50, ending)
