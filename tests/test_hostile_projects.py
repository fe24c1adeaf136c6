"""Project files made to do harm: each is refused in a line, and nothing is read or written."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fuzz.targets import folder as fuzz_folder

from smalti.core.errors import BadInput, SmaltiError
from smalti.mosaic import open_project, render_project


def project_with(**changes: Any) -> Path:
    made = fuzz_folder()
    data = json.loads((made / "grid.smalti.json").read_text("ascii"))
    for path, value in changes.items():
        place, *rest = path.split("__")
        inner = data
        for key in rest:
            inner, place = inner[place], key
        inner[place] = value
    file = made / "foe.smalti.json"
    file.write_text(json.dumps(data), "ascii")
    return file


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"version": 10**400}, "version"),
        ({"tile_px": 10**9}, "tile_px"),
        ({"tile_px": float("nan")}, "damaged"),
        ({"grid": []}, "damaged"),
        ({"grid__columns": 7000, "grid__rows": 7000}, "49000000"),
        ({"grid__aspect": float("inf")}, "aspect"),
        ({"grid__window": [0, 0, float("nan"), 1]}, "beyond"),
        ({"grid__window": [0, 0, -5, 1]}, "covers"),
        ({"photos": "ab"}, "damaged"),
        ({"photos": [["a.png"]]}, "damaged"),
        ({"photos": [["a\0.png", ""]] * 6}, "zero byte"),
        ({"photos": [["\ud800.png", ""]] * 6}, "damaged"),
        ({"photos": [["tiles.png", "0:7"]] * 6}, "no tile"),
        ({"photos": [["tiles.npz", "-1"]] * 6}, "no tile"),
        ({"assignment__photo": [99] * 6}, "outside"),
        ({"assignment__photo": [0.5] * 6}, "whole numbers"),
        ({"assignment__shift": [[10**30] * 3] * 6}, "damaged"),
        ({"variants": [[0, 0, 2, 0, 0]]}, "variant"),
        ({"boxes": [[0, 0, 3000]]}, "damaged"),
        ({"transfer": [[[0] * 3] * 3, [float("nan")] * 3]}, "beyond"),
        ({"request__quality": 10**6}, "quality"),
        ({"request__dpi": 0}, "dpi"),
        ({"request__seed": -1}, "seed"),
        ({"request__output": 5}, "output"),
        ({"request__cmd": "__import__('os').system('id')"}, "unknown field"),
    ],
)
def test_a_hostile_project_is_refused_in_a_line(changes: dict[str, Any], word: str) -> None:
    with pytest.raises(BadInput) as refused:
        open_project(project_with(**changes))
    text = str(refused.value)
    assert word in text
    assert len(text) < 600
    assert text.isprintable()


def test_a_project_in_deep_brackets_or_cut_short_is_refused(tmp_path: Path) -> None:
    file, good = tmp_path / "p.smalti.json", project_with().read_bytes()
    for data in (
        b"[" * 1_000_000,
        good[:-1],
        good[: len(good) // 2],
        b"",
        b"\xff\xfe",
        b"9" * 5000,
    ):
        file.write_bytes(data)
        with pytest.raises(BadInput, match="not"):
            open_project(file)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
@pytest.mark.parametrize("kind", ["zero", "pipe", "folder", "loop"])
def test_a_project_that_never_ends_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "p.smalti.json"
    if kind == "zero":
        file.symlink_to("/dev/zero")
    elif kind == "pipe":
        os.mkfifo(file)
    elif kind == "loop":
        file.symlink_to(file)
    else:
        file.mkdir()
    with pytest.raises(BadInput, match="project"):
        open_project(file)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
@pytest.mark.parametrize("photo", ["/dev/zero", "/dev/stdin", "/proc/self/mem", "../" * 30])
def test_a_project_reads_no_device_as_a_photo(tmp_path: Path, photo: str) -> None:
    file = project_with(photos=[[photo, ""]] * 6, assignment__photo=[0] * 6)
    with pytest.raises(SmaltiError):
        render_project(file, tmp_path / "m.png")
    assert list(tmp_path.iterdir()) == []


def test_a_small_project_takes_little_memory_before_it_is_refused() -> None:
    """Fifty million cells are claimed, and six are there."""
    file = project_with(grid__columns=10_000, grid__rows=5000)
    code = f"""
from pathlib import Path
from smalti.core.errors import BadInput
from smalti.mosaic import open_project
from smalti.resources import peak_mb
before = peak_mb()
try:
    open_project(Path({str(file)!r}))
except BadInput:
    print(peak_mb() - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert float(done.stdout) < 50
