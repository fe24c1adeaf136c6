"""Files made to do harm: each is refused in a line, or left out with its reason."""

import io
import json
import os
import re
import socket
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzz.targets import folder as fuzz_folder
from PIL import Image

import smalti
from smalti import Jigsaw, Photomosaic, make_mosaic
from smalti.core.errors import BadInput, UnusablePicture
from smalti.core.library import scan
from smalti.core.picture import read_picture
from smalti.core.source import expand, open_source
from smalti.mosaic import render_project
from smalti.plugin.worker import Channel, serve
from smalti.resources import peak_mb

PACKAGE = Path(smalti.__file__).parent


def source_files() -> list[Path]:
    rooms = ("", "core", "core/heuristics", "jigsaw", "plugin", "plugin/viewer")
    files = [file for room in rooms for file in (PACKAGE / room).glob("*.py")]
    assert len(files) > 100
    return files


# What runs or unpickles what a file says.
FORBIDDEN = re.compile(
    r"\bpickle\b|\bmarshal\b|\bshelve\b|\bdill\b|\bjoblib\b|allow_pickle=True|yaml\.load"
    r"|shell=True|os\.system|os\.popen|\beval\(|(?<![.\w])exec\(|__import__|runpy|literal_eval"
    r"|\bimport (socket|urllib|http|ftplib|requests|ssl)\b|from (socket|urllib\.request|http) "
)


# What smalti's own processes send each other, as multiprocessing does; never to or from a file.
PROCESSES = ("pool.py", "cluster.py")
SENT = re.compile(r"^import pickle$|\bpickle\.(loads|dumps)\(")


def test_no_file_is_run_or_unpickled_and_no_network_is_known() -> None:
    assert FORBIDDEN.search("np.load(file, allow_pickle=True)")
    assert FORBIDDEN.search("x = eval(text)")
    found = [
        f"{file.name}:{number}: {line.strip()}"
        for file in source_files()
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1)
        if FORBIDDEN.search(line) and not (file.name in PROCESSES and SENT.search(line))
    ]
    assert not found


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **named: Any) -> Any:
        raise AssertionError(f"the network was asked for: {arguments}")

    for name in ("connect", "connect_ex", "bind", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    for name in ("create_connection", "getaddrinfo", "gethostbyname"):
        monkeypatch.setattr(socket, name, refuse)


@pytest.mark.usefixtures("no_network")
def test_no_mosaic_asks_for_the_network(
    tmp_path: Path, target: Path, folder_of_photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(AssertionError, match="network"):
        socket.create_connection(("localhost", 9))
    page = tmp_path / "m.html"
    asked = Photomosaic(
        target=str(target), photos=(str(folder_of_photos),), cells=12, output=str(page)
    )
    made = make_mosaic(asked)
    assert made.project_file is not None
    render_project(made.project_file, tmp_path / "again.png")
    clip_art = Jigsaw(
        target=str(target), shapes=("@demo",), tiles=4, deform=0, width=60,
        output=str(tmp_path / "j.png"),
    )  # fmt: skip
    make_mosaic(clip_art)
    line = {"type": "job", "protocol": 1, "jobs": 1}
    request = {"type": "photomosaic", "photos": [str(folder_of_photos)], "target": str(target)}
    out = io.BytesIO()
    pipe_out, pipe_in = os.pipe()
    with open(pipe_in, "wb") as ours, open(pipe_out, "rb") as theirs:
        ours.write(json.dumps({**line, "request": {**request, "cells": 12}}).encode() + b"\n")
        ours.flush()
        monkeypatch.setattr(out, "write", _closing(out.write, ours.close))
        assert serve(theirs, Channel(out), tmp_path) == 0
    assert b'"type": "done"' in out.getvalue()


def _closing(write: Callable[[bytes], int], close: Callable[[], None]) -> Callable[[bytes], int]:
    """End the worker's input once it has said how the job ended."""

    def written(line: bytes) -> int:
        count = write(line)
        if b'"type": "done"' in line or b'"type": "error"' in line:
            close()
        return count

    return written


@pytest.mark.usefixtures("no_network")
def test_the_viewer_opens_a_project_without_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    from smalti.plugin.viewer.kinds import canvas_of, first_state, request_of

    state = first_state(request_of(fuzz_folder() / "grid.smalti.json"), 1.0)
    assert canvas_of(state) is not None


def test_a_bomb_of_a_picture_is_refused_before_it_is_decoded() -> None:
    """A PNG of a gigapixel that is a kilobyte long."""
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", 100_000, 100_000, 1, 0, 0, 0, 0)
    body = zlib.compress(b"\0" * 1_000_000)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    with pytest.raises(UnusablePicture, match="more than the limit"):
        read_picture(io.BytesIO(png))


def test_a_bomb_of_text_in_a_png_takes_no_memory() -> None:
    bomb = io.BytesIO()
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("Comment", "0" * 200_000_000, zip=True)
    Image.new("RGB", (4, 4)).save(bomb, "PNG", pnginfo=info)
    with pytest.raises(UnusablePicture):
        read_picture(bomb)


@pytest.fixture
def hostile_zip(tmp_path: Path) -> Path:
    good = io.BytesIO()
    Image.new("RGB", (8, 6), "red").save(good, "PNG")
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as nested:
        nested.writestr("inside.png", good.getvalue())
    file = tmp_path / "foe.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in (
            *("../up.png", "../../etc/cron.d/evil.png", "/abs.png", "C:\\win.png", "..\\back.png"),
            *("CON.png", "a/../../b.png", "new\nline.png", "\u202egnp.png"),
        ):
            archive.writestr(name, good.getvalue())
        archive.writestr("nested.zip", inner.getvalue())
        archive.writestr("nested.png", inner.getvalue())
        archive.writestr("bomb.png", b"\0" * 60_000_000)
        link = zipfile.ZipInfo("link.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        device = zipfile.ZipInfo("device.png")
        device.external_attr = 0o020666 << 16
        archive.writestr(device, "")
    return file


def test_a_hostile_archive_writes_nothing_and_leads_nowhere(
    hostile_zip: Path, tmp_path: Path
) -> None:
    before = sorted(tmp_path.parent.rglob("*"))
    library = scan([str(hostile_zip)])
    # The names are labels: nothing is unpacked to disk, whatever they say.
    assert len(library.sources) == 8  # of 9: one begins with a dot, and is hidden
    assert (library.thumbs == [255, 0, 0]).all()
    reasons = {s.file.rpartition("/")[2]: s.reason for s in library.skipped}
    assert set(reasons) == {"nested.png", "bomb.png", "link.png", "device.png"}
    assert "60 MB" in reasons["bomb.png"]
    assert sorted(tmp_path.parent.rglob("*")) == before


def test_an_array_that_unpacks_to_gigabytes_is_refused_at_once(tmp_path: Path) -> None:
    file = tmp_path / "bomb.npz"
    np.savez_compressed(file, tiles=np.zeros((70, 500, 500, 3), np.uint8))
    with pytest.raises(BadInput, match="key 'tiles'"):
        expand([str(file)])


@pytest.mark.parametrize("kind", [object, "U5", "f4", "V8"])
def test_an_array_of_anything_else_is_refused(tmp_path: Path, kind: Any) -> None:
    file = tmp_path / "odd.npz"
    np.savez(file, tiles=np.zeros((2, 4, 4, 3), kind))
    with pytest.raises(BadInput, match="type uint8"):
        expand([str(file)])


@pytest.mark.skipif(os.name == "nt", reason="Windows does not tell the memory used")
def test_what_is_read_is_bounded_by_what_is_there(hostile_zip: Path) -> None:
    """Reading every hostile member takes no more memory than a photo does."""
    before = peak_mb()
    for source in expand([str(hostile_zip)])[0]:
        try:
            open_source(source)
        except UnusablePicture:
            continue
    after = peak_mb()
    assert before is not None
    assert after is not None
    assert after - before < 50


def test_links_that_go_round_list_each_photo_once(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    Image.new("RGB", (4, 4)).save(deep / "one.png")
    (deep / "up").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to(tmp_path / "self")
    (tmp_path / "self.png").symlink_to(tmp_path / "self.png")
    (tmp_path / "p.png").symlink_to(tmp_path / "q.png")
    (tmp_path / "q.png").symlink_to(tmp_path / "p.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    library = scan([str(tmp_path)])
    assert len(library.sources) == 1
    assert {Path(s.file).name for s in library.skipped} == {
        *("self.png", "p.png", "q.png", "zero.png"),
    }


NAMES = [
    b"new\nline.png",
    b"no \xff utf-8.png",
    b"-rf.png",
    b"--output=x.png",
    "🦜 \u202e.png".encode(),
    b"a" * 251 + b".png",
    b"%s{0}$(id)`id`;id.png",
    b" .png",
    b"CON.png",
]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems allow no such names")
def test_odd_names_come_through_the_whole_way(tmp_path: Path, target: Path) -> None:
    photos = os.fsencode(tmp_path / "photos")
    os.mkdir(photos)
    rng = np.random.default_rng(0)
    for name in NAMES:
        file = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8)).save(file, "PNG")
        with open(os.path.join(photos, name), "wb") as opened:
            opened.write(file.getvalue())
    index, out = tmp_path / "index.sqlite", tmp_path / "m.html"
    asked = Photomosaic(
        target=str(target), photos=(os.fsdecode(photos),), grid=(3, 3), output=str(out), tile_px=8
    )
    made = make_mosaic(asked, index=index)
    assert made.photos == 9
    assert made.project_file is not None
    again = tmp_path / "again.png"
    render_project(made.project_file, again)
    assert np.array_equal(read_picture(again).pixels, made.pixels())
    assert b"\n" not in json.dumps(made.report()).encode()
    assert scan([os.fsdecode(photos)], index=index).sources == scan([os.fsdecode(photos)]).sources
