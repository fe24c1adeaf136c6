"""Whatever the index is, and whoever else writes it, the library is the same."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fuzz.targets import folder as fuzz_folder
from PIL import Image

from smalti.core.library import scan


def _schema(file: Path) -> None:
    with sqlite3.connect(file) as database:
        database.execute("CREATE TABLE photos2 (path TEXT, nonsense BLOB)")
        database.execute("INSERT INTO photos2 VALUES ('a', x'00')")
    database.close()


def _rows(file: Path) -> None:
    scan([str(fuzz_folder() / "photos")], index=file)
    with sqlite3.connect(file) as database:
        database.execute("UPDATE photos2 SET data = zeroblob(1000000)")
    database.close()


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.write_bytes(b"no database at all" * 100),
        lambda file: file.write_bytes(b"SQLite format 3\0" + b"\xff" * 4000),
        lambda file: file.write_bytes(b""),
        lambda file: file.mkdir(),
        lambda file: file.symlink_to(file),
        _schema,
        _rows,
    ],
)
def test_any_index_leaves_the_library_as_it_is(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    index, photos = tmp_path / "index.sqlite", [str(fuzz_folder() / "photos")]
    damage(index)
    found, alone = scan(photos, index=index), scan(photos)
    assert found.sources == alone.sources
    assert np.array_equal(found.thumbs, alone.thumbs)


def test_an_index_of_another_form_is_used_again_after_it_was_mended(tmp_path: Path) -> None:
    index = tmp_path / "index.sqlite"
    _schema(index)
    scan([str(fuzz_folder() / "photos")], index=index)
    with sqlite3.connect(index) as database:
        assert database.execute("SELECT count(*) FROM photos2").fetchone() == (1,)
    database.close()


TWO = """
import hashlib, json, sys
from pathlib import Path
from smalti import Photomosaic, make_mosaic
target, photos, out, index = sys.argv[1:]
made = make_mosaic(
    Photomosaic(target=target, photos=(photos,), cells=60, tile_px=8, output=out), index=Path(index)
)
print(json.dumps([made.photos, hashlib.sha256(made.pixels().tobytes()).hexdigest()]))
"""


def test_two_processes_on_one_library_make_the_same(tmp_path: Path, target: Path) -> None:
    photos, rng = tmp_path / "photos", np.random.default_rng(3)
    photos.mkdir()
    for number in range(300):
        pixels = rng.integers(0, 256, (3, 4, 3), np.uint8)
        picture = Image.fromarray(pixels).resize((160, 120), Image.Resampling.BICUBIC)
        picture.save(photos / f"{number}.jpg")
    index = tmp_path / "index.sqlite"
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", TWO, target, photos, tmp_path / f"{k}.png", index],
            stdout=subprocess.PIPE,
            text=True,
        )
        for k in range(3)
    ]
    said = [run.communicate(timeout=120)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0]
    assert len(set(said)) == 1
    assert json.loads(said[0])[0] == 300
    with sqlite3.connect(index) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert database.execute("SELECT count(*) FROM photos2").fetchone() == (300,)
    database.close()
