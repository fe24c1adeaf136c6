"""A library in which one photo in twenty is damaged, against the same library without those.

Run as ``python -m bench damaged [PHOTOS]`` (10,000): CPU seconds of one process, the least of
three, in turn.
"""

import io
import math
import shutil
import struct
import tempfile
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from smalti.core.library import scan

SHEET = Path(__file__).parent.parent / "assets" / "tiles.jpg"
_SIDE = 32  # px of a tile of the sheet
_PHOTO = 160  # px of a photo
_EACH = 20  # one photo in so many
_TRIES = 3


def main(argv: Sequence[str]) -> None:
    """Print the seconds of scanning both."""
    count = int(argv[0]) if argv else 10_000
    with tempfile.TemporaryDirectory() as name:
        mixed, clean = Path(name, "mixed"), Path(name, "clean")
        bad = make_library(mixed, count)
        shutil.copytree(mixed, clean)
        for file in bad:
            (clean / file).unlink()
        took = {clean: math.inf, mixed: math.inf}
        for _ in range(_TRIES):
            for folder in took:
                start = time.process_time()
                found = scan([str(folder)], index=Path(name, f"{folder.name}.sqlite"))
                took[folder] = min(took[folder], time.process_time() - start)
                Path(name, f"{folder.name}.sqlite").unlink()
        print(
            f"{len(found.sources):,} of {count:,} photos used, {len(found.skipped)} damaged named"
        )
    print(f"clean {took[clean]:.1f} s, with the damaged {took[mixed]:.1f} s of CPU: "
          f"{took[mixed] / took[clean] - 1:+.0%}")  # fmt: skip


def make_library(folder: Path, count: int) -> list[str]:
    """Write photos of real ones, every twentieth damaged in one of ten ways; return their names.

    Parameters
    ----------
    folder : Path
        To be made.
    count : int
        Of the photos, the damaged among them.
    """
    rng = np.random.default_rng(0)
    folder.mkdir()
    with Image.open(SHEET) as sheet:
        pixels = np.asarray(sheet.convert("RGB"))
    across = pixels.shape[1] // _SIDE
    tiles = across * (pixels.shape[0] // _SIDE)
    bad = []
    for k in range(count):
        y, x = (_SIDE * place for place in divmod(int(rng.integers(tiles)), across))
        tile = Image.fromarray(pixels[y : y + _SIDE, x : x + _SIDE])
        photo = np.asarray(tile.resize((_PHOTO, _PHOTO), Image.Resampling.BICUBIC))
        # No two alike, or near-duplicates would count as one.
        tint = photo + rng.normal(0, 8, 3) + rng.normal(0, 12, photo.shape)
        file = io.BytesIO()
        Image.fromarray(tint.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=85)
        name, data = f"{k:06}.jpg", file.getvalue()
        if k % _EACH == _EACH - 1:
            data = _DAMAGES[k // _EACH % len(_DAMAGES)](data)
            bad.append(name)
        (folder / name).write_bytes(data)
    return bad


def _chunk(kind: bytes, data: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + check


def _png(width: int, height: int, data: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pieces = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*piece) for piece in pieces)


_DAMAGES: tuple[Callable[[bytes], bytes], ...] = (
    lambda data: b"",
    lambda data: b"this is no picture at all\n" * 40,
    lambda data: bytes(len(data)),
    lambda data: data[:64],  # ends within the header
    lambda data: b"\xff\xd8\xff" + data[200:],  # no header
    lambda data: b"<html><body>404 Not Found</body></html>",
    lambda data: b"PK\x03\x04" + data[4:],
    lambda data: _png(160, 160, b"not deflated"),
    lambda data: _png(60_000, 60_000, zlib.compress(bytes(1000))),  # a bomb by its size
    lambda data: _png(0, 160, zlib.compress(b"")),
)
