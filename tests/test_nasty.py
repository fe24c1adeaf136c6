import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from smalti.core.errors import BadInput, UnusablePicture
from smalti.core.library import TileLibrary, scan
from smalti.core.picture import Picture, read_picture

MAKER = Path(__file__).parents[2] / "shared" / "data" / "nasty" / "make_nasty.py"
CORNERS = {(4, 4): (230, 20, 20), (4, 91): (20, 200, 40)} | {
    (59, 4): (30, 40, 220),
    (59, 91): (240, 220, 30),
}

pytestmark = pytest.mark.skipif(not MAKER.exists(), reason="../shared/data/nasty is absent")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nasty")
    subprocess.run([sys.executable, MAKER, folder], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def rows(folder: Path) -> dict[str, dict[str, str]]:
    """The manifest, by path."""
    with open(folder / "manifest.csv", encoding="utf-8", newline="") as file:
        return {_path(folder, row["name"]): row for row in csv.DictReader(file)}


def _path(folder: Path, name: str) -> str:
    for spelled in (name, name.encode().decode("unicode_escape")):
        if os.path.lexists(folder / spelled):
            return str(folder / spelled)
    return str(folder / os.fsdecode(name.encode().decode("unicode_escape").encode("latin-1")))


@pytest.fixture(scope="module")
def library(folder: Path) -> TileLibrary:
    return scan([str(folder)])


def accepted(row: dict[str, str]) -> set[str]:
    return {{"first-frame": "use"}.get(row["expect"], row["expect"]), row["also"]}


def faults(picture: Picture, row: dict[str, str]) -> str:
    w, h = picture.size
    if row["size"] and row["size"] != f"{w}x{h}":
        return f"size {w}x{h}"
    mean = picture.pixels.mean((0, 1))
    if row["rgb"] and np.abs(mean - np.array(row["rgb"].split(), float)).max() > 6:
        return f"mean {mean}"
    if row["as"] == "upright":
        for place, colour in CORNERS.items():
            if np.abs(picture.pixels[place].astype(int) - colour).max() > 40:
                return f"corner {place} is {picture.pixels[place]}"
    return ""


def test_there_are_91_rows(rows: dict[str, dict[str, str]]) -> None:
    assert len(rows) == 91
    assert all(os.path.lexists(path) for path in rows)


def test_scan_does_with_each_what_the_manifest_says(
    rows: dict[str, dict[str, str]], library: TileLibrary
) -> None:
    outcome = dict.fromkeys(rows, "ignore")
    outcome |= {source.file: "use" for source in library.sources}
    outcome |= {skipped.file: "skip-warn" for skipped in library.skipped}
    wrong = {
        path: (outcome[path], row)
        for path, row in rows.items()
        if outcome[path] not in accepted(row)
    }
    assert not wrong
    # The loop of links must list nothing again.
    assert len(outcome) == 91
    assert len(library.sources) == len({os.path.join(*source) for source in library.sources})


def test_scanned_pictures_are_right(rows: dict[str, dict[str, str]], library: TileLibrary) -> None:
    wrong = {}
    for source, size, thumb in zip(library.sources, library.sizes, library.thumbs, strict=True):
        w, h = size.tolist()
        row = {**rows[source.file], "as": ""}
        if fault := faults(Picture(thumb, (w, h)), row):
            wrong[source.file] = fault
    assert not wrong


def test_each_skipped_file_is_named_with_a_reason_of_one_line(library: TileLibrary) -> None:
    for skipped in library.skipped:
        assert skipped.reason
        assert skipped.reason.isprintable()


def as_target(path: str, row: dict[str, str]) -> str:
    """Say what is wrong with the outcome; nothing is said of what a folder would ignore."""
    try:
        picture = read_picture(path)
    except UnusablePicture as error:
        fine = str(error).isprintable() and accepted(row) != {"use", ""}
        return "" if fine else str(error)
    if row["expect"] == "skip-warn" and row["also"] != "use":
        return "read"
    return faults(picture, row)


def test_as_target_each_is_used_or_refused_in_one_line(rows: dict[str, dict[str, str]]) -> None:
    wrong = {path: fault for path, row in rows.items() if (fault := as_target(path, row))}
    assert not wrong


def test_a_folder_with_nothing_to_use_is_refused(folder: Path) -> None:
    with pytest.raises(BadInput, match=r"no pictures in .*empty-dir"):
        scan([str(folder / "empty-dir")])
