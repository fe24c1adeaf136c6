"""One function a parser: bytes in, and nothing but a refusal in our own words may come out."""

import atexit
import copy
import json
import shutil
import sqlite3
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from smalti import Jigsaw, Photomosaic
from smalti.core.errors import SmaltiError
from smalti.core.library import scan
from smalti.core.picture import read_picture
from smalti.core.source import expand, open_source
from smalti.flat_mosaic import FlatProject
from smalti.forecast import forecast
from smalti.grid_project import GridProject
from smalti.ground import check_request, lay_ground
from smalti.jigsaw.shapes import demo_shapes
from smalti.mosaic import make_mosaic, open_project, render_project
from smalti.plugin.job import _prepared, parse_job
from smalti.plugin.worker import _is_cancel
from smalti.request import from_json, to_json

_LONGEST = 2000  # characters of a message; a name may be a few hundred long
_RENDERED = 250_000  # px of a picture that is drawn to see whether it can be
_MEMBERS = 20  # of an archive, that are read

HOSTILE: list[Any] = [
    *(None, True, False, 0, 1, -1, 2, 7, 255, 2**31, 2**63, -(2**63), 10**400),
    *(0.0, 0.5, -0.5, 1e-300, 1e308, float("nan"), float("inf"), float("-inf")),
    *(
        "",
        "0",
        "\0",
        "\ud800",
        "../" * 20 + "dev/zero",
        "/dev/zero",
        "x" * 5000,
        "@demo",
        "@nobody",
    ),
    *("32:17", "0:5", "1x1:99999999999", "17", "-1", "%s{0}", "CON", "a.zip", "iVBORw0KGgo="),
    *([], {}, [[]], [0] * 1000, [None], [[0, 0, 1]], {"type": "jigsaw"}),
]
_deep: Any = 0
for _ in range(200):
    _deep = [_deep]
HOSTILE.append(_deep)


@cache
def folder() -> Path:
    """Make a folder with a target, tiles and a project of each kind; gone at the end."""
    made = Path(tempfile.mkdtemp(prefix="smalti-fuzz-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (24, 32, 3), np.uint8)).save(made / "target.png")
    np.savez(made / "tiles.npz", tiles=rng.integers(0, 256, (12, 4, 4, 3), np.uint8))
    (made / "photos").mkdir()
    Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8)).save(made / "photos" / "one.png")
    with zipfile.ZipFile(demo_shapes()) as archive:
        clip_art = [archive.extract(name, made / "shapes") for name in archive.namelist()[:20]]
    target, tiles = str(made / "target.png"), str(made / "tiles.npz")
    for request in (
        Photomosaic(target=target, photos=(tiles,), output=str(made / "grid.png"), grid=(3, 2)),
        Jigsaw(
            target=target, shapes=(), output=str(made / "flat.png"), kind="decorative", tiles=6,
            width=40,
        ),
        Jigsaw(
            target=target, shapes=tuple(clip_art), output=str(made / "jigsaw.png"), tiles=4,
            width=40, deform=0,
        ),
    ):  # fmt: skip
        make_mosaic(request, index=made / "index.sqlite")
    return made


def mutated(document: Any, data: bytes) -> str:
    """Put hostile values, or other parts of itself, into places of a document; write it."""
    changed = copy.deepcopy(document)
    with suppress(RecursionError):  # deeper than this no document can be written
        _mutate(changed, data)
        return json.dumps(changed)
    return json.dumps(document)


def _mutate(document: Any, data: bytes) -> None:
    for start in range(0, len(data) - 3, 4):
        places = list(_places(document))
        if not places:
            break
        where, key = places[int.from_bytes(data[start : start + 2], "big") % len(places)]
        choice = data[start + 2]
        if choice < 160:
            where[key] = copy.deepcopy(HOSTILE[(choice << 8 | data[start + 3]) % len(HOSTILE)])
        elif choice < 200:
            other, there = places[data[start + 3] * 7919 % len(places)]
            where[key] = copy.deepcopy(other[there])
        elif choice < 230:
            del where[key]
        elif isinstance(where, list):
            where.append(copy.deepcopy(where[key]))
        else:
            where[f"{key}_"] = where[key]


def _places(document: Any) -> Any:
    """List every place in a document, but only some of a long list."""
    keys = document if isinstance(document, dict) else range(len(document))
    for key in list(keys)[:40]:
        yield document, key
        if isinstance(document[key], dict | list):
            yield from _places(document[key])


def _refused(error: Exception) -> None:
    """Check what is said of a refusal."""
    text = str(error)
    assert text
    assert len(text) < _LONGEST, text[:200]
    assert "\n" not in text


def project(data: bytes) -> None:
    """Read a file as a project, and draw what it says."""
    file = folder() / "fuzzed.smalti.json"
    file.write_bytes(data)
    try:
        found = open_project(file)
        if isinstance(found, GridProject):
            width, height = found.layout.grid.tile_size(found.tile_px)
            area = found.layout.grid.cells * width * height
        else:
            long = found.scale * max(found.size)
            area = int(long * long)
            if isinstance(found, FlatProject):
                area = max(area, found.size[0] * found.size[1])
        if area <= _RENDERED:
            render_project(file, folder() / "fuzzed.png")
    except SmaltiError as error:
        _refused(error)


def project_values(data: bytes) -> None:
    """Read a project in which some values are not what they were."""
    kind = ("grid", "flat", "jigsaw")[data[0] % 3 if data else 0]
    text = (folder() / f"{kind}.smalti.json").read_text("ascii")
    project(mutated(json.loads(text), data[1:]).encode())


def request(data: bytes) -> None:
    """Read a request, and plan it."""
    target, tiles = str(folder() / "target.png"), str(folder() / "tiles.npz")
    if not data or data[0] % 2:
        asked: Photomosaic | Jigsaw = Photomosaic(target=target, photos=(tiles,), tile_px=4)
    else:
        asked = Jigsaw(target=target, shapes=("@demo",))
    try:
        read = from_json(mutated(json.loads(to_json(asked)), data[1:]))
    except ValueError as error:
        _refused(error)
        return
    try:
        if isinstance(read, Photomosaic):
            if read.output == "" and (read.cells or 0) < 10_000:
                forecast(read, index=folder() / "index.sqlite")
        elif read.output == "":
            check_request(read)
    except SmaltiError as error:
        _refused(error)


def job(data: bytes) -> None:
    """Read an editor's line, and the pixels it names."""
    here = folder()
    (here / "raw").write_bytes(data[:1] * 24 * 32 * 16)
    raster = {"file": "raw", "width": 32, "height": 24, "format": "RGBA u8", "stride": 128}
    mask = {"file": "raw", "width": 32, "height": 24, "format": "Y u8", "stride": 32}
    kind = (
        {"type": "jigsaw", "shapes": ["@demo"]}
        if data[:1] > b"\x7f"
        else {"type": "photomosaic", "photos": ["tiles.npz"]}
    )
    line = {
        "type": "job", "protocol": 1, "request": kind, "target": {**raster, "x": 3, "y": -2},
        "mask": mask, "areas": [raster], "lines": [[[0, 0], [20, 10.5]]], "jobs": 1,
        "result": "full", "layers": False, "preview": False,
    }  # fmt: skip
    _job_line(mutated(line, data[1:]).encode())


def job_line(data: bytes) -> None:
    """Read any bytes as an editor's line, and as a cancel."""
    _is_cancel(data)
    _job_line(data)


def _job_line(line: bytes) -> None:
    try:
        _prepared(parse_job(line, folder(), 1))
    except SmaltiError as error:
        _refused(error)


def picture(data: bytes) -> None:
    """Read a picture."""
    try:
        pixels = read_picture(BytesIO(data), max_pixels=1_000_000).pixels
    except SmaltiError as error:
        _refused(error)
    else:
        assert pixels.dtype == np.uint8
        assert pixels.ndim == 3
        assert pixels.size


def _photos(file: Path) -> None:
    try:
        sources, _ = expand([str(file)])
    except SmaltiError as error:
        _refused(error)
        return
    for source in sources[:_MEMBERS]:
        try:
            open_source(source, max_pixels=1_000_000)
        except SmaltiError as error:
            _refused(error)


def archive(data: bytes) -> None:
    """Read a zip and all in it."""
    file = folder() / "fuzzed.zip"
    file.write_bytes(data)
    _photos(file)


def array(data: bytes) -> None:
    """Read an array of tiles."""
    file = folder() / "fuzzed.npz"
    file.write_bytes(data)
    _photos(file)


def index(data: bytes) -> None:
    """Scan with any bytes for an index: the library must be what the photos say."""
    file = folder() / "fuzzed.sqlite"
    for ending in ("-wal", "-shm"):
        Path(f"{file}{ending}").unlink(missing_ok=True)
    file.write_bytes(data)
    _same_library(file)


def index_row(data: bytes) -> None:
    """Scan with an index in which any value of a row is something else."""
    file = folder() / "row.sqlite"
    scan([str(folder() / "photos")], index=file)
    columns = ("path", "part", "length", "changed_ns", "data", "reason", "reader")
    column = columns[data[0] % len(columns)] if data else "data"
    values: list[Any] = [data[2:], None, 0, -1, 1.5, "", data[2:].decode("latin-1")]
    value = values[data[1] % len(values)] if len(data) > 1 else b""
    with sqlite3.connect(file) as database, suppress(sqlite3.IntegrityError):
        database.execute(f"UPDATE photos2 SET {column} = ?", (value,))
    database.close()
    if column != "reason":
        _same_library(file, pixels=column != "data")
    else:  # a refusal that is remembered is one: the index is trusted where it can be true
        with suppress(SmaltiError):
            scan([str(folder() / "photos")], index=file)
    file.unlink()


def _same_library(file: Path, pixels: bool = True) -> None:
    photos = [str(folder() / "photos")]
    here, alone = scan(photos, index=file), scan(photos)
    assert here.sources == alone.sources
    if pixels:
        assert np.array_equal(here.thumbs, alone.thumbs)
        assert np.array_equal(here.sizes, alone.sizes)
    assert (here.sizes > 0).all()


def containers(data: bytes) -> None:
    """Read label, mask, edge and colour pictures of any content beside a target."""
    option = ("labels", "mask", "edges", "colors")[data[0] % 4 if data else 0]
    mode, channels = (("L", 1), ("RGB", 3), ("RGBA", 4))[data[1] % 3 if len(data) > 1 else 0]
    pixels = np.resize(np.frombuffer(data[2:] or b"\0", np.uint8), (24, 32, channels))
    file = folder() / "beside.png"
    shaped = pixels[..., 0] if channels == 1 else pixels
    Image.frombytes(mode, (32, 24), shaped.tobytes()).save(file)
    plain = Jigsaw(target=str(folder() / "target.png"), shapes=(), tiles=6)
    changed: dict[str, Any] = {option: str(file)}
    asked = replace(plain, **changed)
    try:
        ground = lay_ground(asked)
    except SmaltiError as error:
        _refused(error)
    else:
        assert (ground.labels >= 0).any()
        assert ground.labels.min() >= -1
        assert np.isfinite(ground.goal).all()


TARGETS: dict[str, Callable[[bytes], None]] = {
    function.__name__: function
    for function in (
        *(project, project_values, request, job, job_line, picture, archive, array),
        *(index, index_row, containers),
    )
}


def seeds(name: str) -> list[bytes]:
    """Give inputs that a parser takes, for the fuzzer to start from."""
    here = folder()
    if name == "project":
        return [(here / f"{kind}.smalti.json").read_bytes() for kind in ("grid", "flat")]
    if name == "job_line":
        return [b'{"type":"job","protocol":1,"request":{"type":"photomosaic","photos":["@demo"]}}']
    if name == "array":
        return [(here / "tiles.npz").read_bytes()]
    if name == "index":
        return [(here / "index.sqlite").read_bytes()[:8192]]
    if name in ("picture", "archive"):
        pictures = []
        some = Image.open(here / "target.png")
        for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "TGA", "JPEG2000"):
            file = BytesIO()
            some.save(file, kind)
            pictures.append(file.getvalue())
        if name == "picture":
            return pictures
        return [_zipped(pictures[:2])]
    return [bytes(range(64))]


def _zipped(members: list[bytes]) -> bytes:
    import zipfile

    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, member in enumerate(members):
            archive.writestr(f"../{number}.png", member)
    return file.getvalue()
