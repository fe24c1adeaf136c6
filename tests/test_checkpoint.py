import shutil
import signal
import subprocess
import sys
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from smalti import Jigsaw, Photomosaic, make_mosaic
from smalti.core import render
from smalti.core.checkpoint import resumed
from smalti.core.picture import Picture
from smalti.core.source import Source, open_source
from smalti.grid_project import GridProject
from smalti.jigsaw import compose
from smalti.jigsaw_mosaic import JigsawMosaic
from smalti.jigsaw_project import JigsawProject
from smalti.mosaic import open_project, render_project

WIDTH, HEIGHTS, KEY = 5, [2, 1, 3, 2], b"a picture"
HIDDEN = ".smalti-out.png.bands"


@pytest.fixture
def wanted(rng: np.random.Generator) -> list[NDArray[np.uint8]]:
    return [rng.integers(0, 256, (height, WIDTH, 3), np.uint8) for height in HEIGHTS]


def kept_by_a_killed_run(wanted: list[NDArray[np.uint8]], count: int, folder: Path) -> bytes:
    """Return what is in the file once so many bands were drawn."""
    with resumed(folder / "out.png", KEY, HEIGHTS, WIDTH, lambda k: iter(wanted[k:])) as bands:
        for _ in range(count):
            next(bands)
        return (folder / HIDDEN).read_bytes()


def begun_at(wanted: list[NDArray[np.uint8]], folder: Path, key: bytes = KEY) -> int:
    """Draw all that is missing, find it right and nothing left; return where that began."""
    begun = []

    def draw(done: int) -> Iterator[NDArray[np.uint8]]:
        begun.append(done)
        return iter(wanted[done:])

    with resumed(folder / "out.png", key, HEIGHTS, WIDTH, draw) as bands:
        for band, right in zip(bands, wanted, strict=True):
            np.testing.assert_array_equal(band, right)
    assert not list(folder.iterdir())
    (first,) = begun
    return first


@pytest.mark.parametrize("count", [1, 3, 4])
def test_drawing_begins_at_the_first_missing_band(
    wanted: list[NDArray[np.uint8]], count: int, tmp_path: Path
) -> None:
    assert begun_at(wanted, tmp_path) == 0
    kept = kept_by_a_killed_run(wanted, count, tmp_path)
    assert not list(tmp_path.iterdir())  # this run was not killed
    (tmp_path / HIDDEN).write_bytes(kept)
    assert begun_at(wanted, tmp_path) == count
    (tmp_path / HIDDEN).write_bytes(kept)
    assert begun_at(wanted, tmp_path, KEY.upper()) == 0


def test_a_band_that_is_not_whole_is_drawn_again(
    wanted: list[NDArray[np.uint8]], tmp_path: Path, rng: np.random.Generator
) -> None:
    kept = kept_by_a_killed_run(wanted, 4, tmp_path)
    ends = len(KEY) + np.cumsum([3 * WIDTH * height + 4 for height in HEIGHTS])
    assert ends[-1] == len(kept)
    for at in range(len(KEY), len(kept)):
        sound = np.searchsorted(ends, at, side="right")
        (tmp_path / HIDDEN).write_bytes(kept[:at])
        assert begun_at(wanted, tmp_path) == sound
        other = bytes([kept[at] ^ int(rng.integers(1, 256))])
        (tmp_path / HIDDEN).write_bytes(kept[:at] + other + kept[at + 1 :])
        assert begun_at(wanted, tmp_path) == sound


def test_bands_drawn_after_a_resumption_are_kept_too(
    wanted: list[NDArray[np.uint8]], tmp_path: Path
) -> None:
    (tmp_path / HIDDEN).write_bytes(kept_by_a_killed_run(wanted, 2, tmp_path)[:-1])
    (tmp_path / HIDDEN).write_bytes(kept_by_a_killed_run(wanted, 3, tmp_path))
    assert begun_at(wanted, tmp_path) == 3


def test_without_room_for_both_nothing_is_kept(
    wanted: list[NDArray[np.uint8]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "free")
    raw = sum(band.nbytes for band in wanted)
    for free, there in [(2 * raw - 1, False), (2 * raw, True)]:
        monkeypatch.setattr(shutil, "disk_usage", lambda folder, free=free: usage(free))
        with resumed(tmp_path / "out.png", KEY, HEIGHTS, WIDTH, lambda k: iter(wanted)) as bands:
            next(bands)
            assert (tmp_path / HIDDEN).exists() == there


def test_a_link_of_that_name_is_not_followed(
    wanted: list[NDArray[np.uint8]], tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "precious").write_bytes(KEY + b"precious")
    (tmp_path / "folder" / HIDDEN).symlink_to(tmp_path / "precious")
    assert begun_at(wanted, tmp_path / "folder") == 0
    assert (tmp_path / "precious").read_bytes() == KEY + b"precious"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project of a mosaic of 60 photos, each used once, and its picture."""
    folder = tmp_path_factory.mktemp("saved")
    rng = np.random.default_rng(4)
    (folder / "photos").mkdir()
    for k in range(60):
        corners = rng.integers(0, 256, (3, 3, 3), dtype=np.uint8)
        image = Image.fromarray(corners).resize((120, 90), Image.Resampling.BICUBIC)
        image.save(folder / "photos" / f"{k:02}.png")
    request = Photomosaic(
        target="@demo",
        photos=(str(folder / "photos"),),
        output=str(folder / "out.png"),
        grid=(10, 6),
        tile_px=40,
    )
    make_mosaic(request, index=folder / "index")
    return folder


KILLED = """
import os, resource, signal, sys
from pathlib import Path
from smalti import jigsaw_picture
from smalti.mosaic import render_project

def kill(step):
    if step.phase == "render" and step.done == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)

jigsaw_picture._LARGE = 0
if len(sys.argv) > 4:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[4]),) * 2)
render_project(Path(sys.argv[1]), Path(sys.argv[2]), progress=kill)
"""


def rendered(project: Path, output: Path, *more: int) -> int:
    command = [sys.executable, "-c", KILLED, str(project), str(output), *map(str, more)]
    return subprocess.run(command).returncode


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Source]]:
    """Every photo that is decoded to be drawn."""
    sources: list[Source] = []
    read = open_source

    def told(source: Source, *, at_least: tuple[int, int], max_pixels: int) -> Picture:
        sources.append(source)
        return read(source, at_least=at_least, max_pixels=max_pixels)

    render._kept.clear()
    monkeypatch.setattr(render, "open_source", told)
    yield sources
    render._kept.clear()


def in_bands_from(project: Path, first: int) -> set[Source]:
    opened = open_project(project)
    assert isinstance(opened, GridProject)
    layout = opened.layout
    return {layout.sources[k] for k in layout.photo[layout.boxes[:, 1] >= first]}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no kill -9")
def test_a_killed_rendering_goes_on(saved: Path, tmp_path: Path, decoded: list[Source]) -> None:
    project, out = saved / "out.smalti.json", tmp_path / "out.png"
    assert rendered(project, out, 4) == -signal.SIGKILL
    assert (tmp_path / HIDDEN).exists()
    assert not out.exists()
    render_project(project, out)
    assert out.read_bytes() == (saved / "out.png").read_bytes()
    assert not (tmp_path / HIDDEN).exists()
    missing = in_bands_from(project, 3)  # of the fourth was only said that it was drawn
    assert 0 < len(missing) < 60
    assert set(decoded) == missing


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no kill -9")
@pytest.mark.parametrize("changed", ["size", "photo"])
def test_bands_of_something_else_are_not_used(
    changed: str, saved: Path, tmp_path: Path, decoded: list[Source]
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(saved, folder)
    project, out = folder / "out.smalti.json", folder / "again.png"
    assert rendered(project, out, 4) == -signal.SIGKILL
    tile_px = 30 if changed == "size" else 40
    if changed == "photo":
        Image.new("RGB", (120, 90), "red").save(in_bands_from(project, 0).pop().file)
    render_project(project, out, tile_px=tile_px)
    assert set(decoded) == in_bands_from(project, 0)
    assert not (folder / HIDDEN.replace("out", "again")).exists()
    calm = tmp_path / "calm.png"
    render_project(project, calm, tile_px=tile_px)
    assert out.read_bytes() == calm.read_bytes()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no kill -9")
def test_a_killed_rendering_of_a_jigsaw_goes_on(
    tmp_path: Path, shapes_index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = Jigsaw(
        target="@demo", shapes=("@demo",), output=f"{tmp_path}/calm.png", tiles=40, width=700
    )
    made = make_mosaic(request, index=shapes_index)
    assert isinstance(made, JigsawMosaic)
    assert made.project_file
    assert made.output
    folder = tmp_path / "folder"
    folder.mkdir()
    tiles = made.project.placements
    assert rendered(made.project_file, folder / "out.png", len(tiles)) == -signal.SIGKILL
    band = 3 * 700 * compose._BAND + 4
    kept = (folder / HIDDEN).stat().st_size // band
    assert kept > 0
    project = open_project(made.project_file)
    assert isinstance(project, JigsawProject)
    library, scale = project.library, project.scale
    missing = {
        library.sources[p.tile]
        for p in tiles
        if p.contour[:, 1].max() * scale > kept * compose._BAND
    }
    assert missing < set(library.sources)

    decoded: set[Source] = set()

    def told(source: Source, *, transparent: bool) -> Picture:
        decoded.add(source)
        return open_source(source, transparent=transparent)

    compose._kept_art.cache_clear()
    monkeypatch.setattr(compose, "open_source", told)
    monkeypatch.setattr("smalti.jigsaw_picture._LARGE", 0)
    render_project(made.project_file, folder / "out.png")
    assert (folder / "out.png").read_bytes() == made.output.read_bytes()
    assert not (folder / HIDDEN).exists()
    assert decoded == missing


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limits of files")
def test_a_disk_that_takes_no_more_bands_does_not_matter(saved: Path, tmp_path: Path) -> None:
    project = saved / "out.smalti.json"
    render_project(project, tmp_path / "calm.jpg")
    with Image.open(saved / "out.png") as picture:
        raw = 3 * picture.width * picture.height
    limit = raw // 2
    assert (tmp_path / "calm.jpg").stat().st_size < limit
    assert rendered(project, tmp_path / "out.jpg", -1, limit) == 0
    assert (tmp_path / "out.jpg").read_bytes() == (tmp_path / "calm.jpg").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"calm.jpg", "out.jpg"}
