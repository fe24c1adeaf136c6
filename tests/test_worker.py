"""The worker, spoken to by the protocol of docs/worker-protocol.md, in a process of its own."""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from worker_process import Worker, gone

from smalti.core.errors import BadInput
from smalti.plugin.job import Job, _labels, parse_job
from smalti.plugin.raster import FORMATS, Raster, parse_raster, read_raster, write_raster
from smalti.request import Photomosaic

PICTURE = np.arange(60 * 80 * 3, dtype=np.uint32).reshape(60, 80, 3).astype(np.uint8)


def photo(folder: Path, **more: Any) -> dict[str, Any]:
    return {"type": "photomosaic", "photos": [str(folder)], "cells": 30, **more}


def job(worker: Worker, request: dict[str, Any], **more: Any) -> dict[str, Any]:
    target = worker.raster("target.raw", PICTURE, "RGB u8", x=5, y=-7)
    return {"type": "job", "protocol": 1, "request": request, "target": target, **more}


def test_a_job_comes_back_as_pixels_and_leaves_nothing(
    tmp_path: Path, folder_of_photos: Path
) -> None:
    (folder_of_photos / "broken.jpg").write_bytes(b"no picture")
    with Worker(tmp_path) as worker:
        assert worker.hello["protocol"] == 1
        mask = np.zeros((60, 80), np.uint8)
        mask[10:50, 20:60], mask[30, 30] = 255, 77
        worker.send(job(worker, photo(folder_of_photos), mask=worker.raster("m", mask, "Y u8")))
        got = worker.until("done", "error")
        assert got[-1]["type"] == "done", got[-1]
        result = got[-1]["result"]
        assert (result["width"], result["height"], result["format"]) == (80, 60, "RGBA u8")
        assert (result["x"], result["y"]) == (5, -7)
        pixels = np.fromfile(worker.folder / result["file"], np.uint8).reshape(60, 80, 4)
        assert np.array_equal(pixels[..., 3], mask)
        shares = [m["share"] for m in got if m["type"] == "progress"]
        assert shares == sorted(shares)
        assert shares[-1] > 0.9
        assert "broken.jpg" in next(m["text"] for m in got if m["type"] == "warning")
        assert worker.close() == 0
        assert not worker.folder.exists()


@pytest.mark.usefixtures("shapes_known")
def test_a_jigsaw_gives_layers_and_paths_in_the_image(tmp_path: Path) -> None:
    wide = PICTURE.repeat(4, axis=0).repeat(4, axis=1)
    with Worker(tmp_path) as worker:
        target = worker.raster("t", wide, "RGB u8", x=100, y=50)
        request = {"type": "jigsaw", "shapes": ["@demo"], "tiles": 20, "deform": 0, "seed": 3}
        area = np.zeros((240, 320), np.uint8)
        area[:, :160] = 255
        areas = [worker.raster("a", area, "Y u8", x=100, y=50)]
        worker.send({"type": "job", "protocol": 1, "request": request, "target": target,
                     "areas": areas, "layers": True, "paths": True})  # fmt: skip
        done = worker.until("done", "error")[-1]
        assert done["type"] == "done", done
        assert [layer["name"] for layer in done["layers"]] == ["container 1"]
        layer = done["layers"][0]
        assert layer["x"] >= 100
        assert layer["x"] + layer["width"] < 100 + 160 + 80  # the left half, and overhang
        text = (worker.folder / done["paths"]).read_text()
        assert text.count("Z") == done["report"]["tiles"]


@pytest.mark.parametrize(
    ("line", "word"),
    [
        (b"no json\n", "one line of JSON"),
        (b"\n", "one line of JSON"),
        (b"[" * 100_000 + b"\n", "one line of JSON"),
        (b"\xff\xfe\n", "one line of JSON"),
        (b"{}\n", "must be a job"),
        (b'{"type": "job"}\n', "protocol None"),
        (b'{"type": "job", "protocol": 99}\n', "smalti gimp install"),
        (b'{"type": "job", "protocol": 1}\n', "request"),
        (b'{"type": "job", "protocol": 1, "colour": 3}\n', "'colour'"),
        (b'{"type": "job", "protocol": 1, "target": 7}\n', "raster is an object"),
        (b'{"type": "job", "protocol": 1, "jobs": -1}\n', "jobs is -1"),
        (b'{"type": "job", "protocol": 1, "request": {"type": "photomosaic"}}\n', "lacks"),
    ],
)
def test_a_malformed_job_is_a_message(tmp_path: Path, line: bytes, word: str) -> None:
    with Worker(tmp_path) as worker:
        worker.send(line)
        error = worker.next()
        assert (error["type"], error["kind"]) == ("error", "input")
        assert word in error["text"]
        assert worker.close() == 2
        assert not worker.folder.exists()


def test_what_the_engine_refuses_is_a_message(tmp_path: Path) -> None:
    with Worker(tmp_path) as worker:
        worker.send(job(worker, photo(tmp_path / "nowhere")))
        error = worker.until("error", "done")[-1]
        assert error["kind"] == "input"
        assert "nowhere" in error["text"]


def test_a_closed_input_ends_it_at_once(tmp_path: Path, folder_of_photos: Path) -> None:
    for before in (False, True):
        with Worker(tmp_path) as worker:
            if before:
                worker.send(job(worker, photo(folder_of_photos, repeats="free", cells=200_000)))
                worker.until("progress")
            started = time.monotonic()
            assert worker.close() == (130 if before else 0)
            assert time.monotonic() - started < 5  # 0.5 s on a machine at rest
            assert not worker.folder.exists()


def test_a_cancel_is_answered_and_leaves_nothing(tmp_path: Path, folder_of_photos: Path) -> None:
    with Worker(tmp_path) as worker:
        worker.send(job(worker, photo(folder_of_photos, repeats="free", cells=200_000)))
        worker.until("progress")
        worker.send({"type": "cancel"})
        assert worker.until("error", "done")[-1]["kind"] == "cancelled"
        assert worker.close() == 130
        assert not worker.folder.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_polite_kill_leaves_nothing_and_what_a_hard_one_leaves_is_swept(tmp_path: Path) -> None:
    for polite in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        with Worker(tmp_path) as worker:
            worker.process.send_signal(polite)
            worker.process.wait(10)
            assert not worker.folder.exists()
    with Worker(tmp_path) as killed, Worker(tmp_path) as alive:
        killed.process.kill()
        killed.process.wait()
        old = time.time() - 1000
        os.utime(killed.folder, (old, old))
        os.utime(alive.folder, (old, old))
        with Worker(tmp_path):
            assert gone(killed.folder, 5)
            assert alive.folder.exists()


def test_the_largest_pictures_fit(tmp_path: Path, folder_of_photos: Path) -> None:
    """50 megapixels, 16 bits deep, with rows longer than their pixels."""
    with Worker(tmp_path) as worker:
        stride = 8000 * 6 + 64
        with (worker.folder / "t").open("wb") as file:
            file.truncate(stride * 6250)
        target = {"file": "t", "width": 8000, "height": 6250, "format": "RGB u16", "stride": stride}
        worker.send({"type": "job", "protocol": 1, "target": target, "jobs": 1,
                     "request": photo(folder_of_photos, cells=12)})  # fmt: skip
        done = worker.until("done", "error")[-1]
        assert done["type"] == "done", done
        size = (worker.folder / done["result"]["file"]).stat().st_size
        assert size == 8000 * 6250 * 3
        assert worker.close() == 0


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_reads_as_the_same_colours(tmp_path: Path, form: str) -> None:
    channels, depth = form.split()
    order = {"Y": [0], "YA": [0, 3], "RGB": [0, 1, 2], "RGBA": [0, 1, 2, 3], "BGRA": [2, 1, 0, 3]}
    rgba = np.dstack([PICTURE, PICTURE[..., 1]])
    own = rgba[..., order[channels]]
    deep = {"u8": own, "u16": own.astype(np.uint16) * 257, "float": (own / 255).astype("f4")}
    deep[depth].tofile(tmp_path / "p")
    raster = parse_raster(
        {"file": "p", "width": 80, "height": 60, "format": form}, "target", tmp_path
    )
    colour, alpha = read_raster(raster)
    assert np.array_equal(colour, rgba[..., 0] if channels[0] == "Y" else PICTURE)
    assert (alpha is None) == (not channels.endswith("A"))
    if alpha is not None:
        assert np.array_equal(alpha, rgba[..., 3])


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"file": "../x"}, "no path"),
        ({"file": "none"}, "not there"),
        ({"width": 0}, "width"),
        ({"width": 10**9}, "width"),
        ({"height": 61}, "bytes"),
        ({"format": "CMYK u8"}, "RGBA u8"),
        ({"stride": 3}, "stride"),
        ({"depth": 8}, "'depth'"),
        ({"profile": "none.icc"}, "profile of target"),
    ],
)
def test_a_raster_that_cannot_be_is_named(
    tmp_path: Path, change: dict[str, Any], word: str
) -> None:
    good = write_raster(PICTURE, tmp_path / "p")
    parse_raster(good, "target", tmp_path)
    with pytest.raises(BadInput, match=word):
        parse_raster({**good, **change}, "target", tmp_path)


def test_a_profile_is_honoured(tmp_path: Path) -> None:
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    (tmp_path / "s.icc").write_bytes(profile.tobytes())
    good = write_raster(PICTURE, tmp_path / "p")
    colour, _ = read_raster(parse_raster({**good, "profile": "s.icc"}, "target", tmp_path))
    assert np.abs(colour.astype(int) - PICTURE).max() <= 1
    (tmp_path / "s.icc").write_bytes(b"no profile")
    with pytest.raises(BadInput, match="no ICC profile"):
        read_raster(parse_raster({**good, "profile": "s.icc"}, "target", tmp_path))


def test_areas_lie_over_each_other_and_lines_cut_them(tmp_path: Path) -> None:
    def area(name: str, left: int, right: int) -> Raster:
        shown = np.zeros((20, 40), np.uint8)
        shown[:, left:right] = 255
        shown.tofile(tmp_path / name)
        return Raster(tmp_path / name, 40, 20, "Y u8", 40, None, 3, 4)

    target = Raster(tmp_path / "top", 40, 20, "Y u8", 40, None, 3, 4)
    areas = (area("top", 0, 10), area("under", 0, 30))
    request = Photomosaic(target="t", photos=())
    one = Job(tmp_path, request, target, None, areas, (), "target", False, False, False, 1)
    inside = np.ones((20, 40), bool)
    inside[0] = False
    labels = _labels(one, inside, None)
    assert labels[0].max() == 0
    assert [labels[5, x] for x in (5, 20, 35)] == [1, 2, 0]
    edges = np.zeros((20, 40), bool)
    edges[:, 20] = True
    cut = _labels(one, inside, edges)
    assert len({cut[5, x] for x in (5, 15, 25)}) == 3
    assert (cut > 0).sum() == (labels > 0).sum()


def test_a_job_needs_no_pixels(tmp_path: Path) -> None:
    line = {"type": "job", "protocol": 1, "result": "full",
            "request": {"type": "photomosaic", "target": "@demo", "photos": ["@demo"]}}  # fmt: skip
    found = parse_job(json.dumps(line).encode(), tmp_path, 1)
    assert (found.request.target, found.size, found.family) == ("@demo", "full", "photomosaic")
