"""A library of a million photos: seconds and memory of rescanning, adding to and matching it.

Run as ``python -m bench million [--photos N] [--added N] [--cells N] [--folder DIR]``. The
thumbnails are crops of real ones with noise, put into an index as if they had been read; the
files are links to one small picture, since an unchanged file is never opened. The photos that
are added are real files, and are read. What reading costs is measured by ``python -m bench
library``. Linux only, by its /proc. A million photos take 25 GB of disk.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.photo import DATA
from smalti.core import library
from smalti.core.index import Look, _Index
from smalti.core.library import THUMB, scan
from smalti.core.picture import MAX_PIXELS
from smalti.core.source import Source
from smalti.core.stamp import stamp
from smalti.core.twins import fingerprints
from smalti.mosaic import make_mosaic
from smalti.request import Photomosaic

_BATCH = 1000  # photos a folder


def main(argv: Sequence[str]) -> None:
    """Print a line for each phase, measured in a process of its own."""
    parser = argparse.ArgumentParser(prog="bench million", description=__doc__)
    parser.add_argument("--photos", type=int, default=1_000_000)
    parser.add_argument("--added", type=int, default=1000)
    parser.add_argument("--cells", type=int, default=10_000)
    parser.add_argument("--folder", type=Path, help="where the library is made, and kept")
    parser.add_argument("--phase", help=argparse.SUPPRESS)
    asked = parser.parse_args(argv)
    if asked.phase:
        _phase(asked.phase, asked.folder, asked.cells)
        return
    with tempfile.TemporaryDirectory(dir=".") as scratch:
        folder = asked.folder or Path(scratch)
        if not (folder / "index.sqlite").exists():
            _make(folder, asked.photos)
        print(f"{asked.photos:,} photos; index of {(folder / 'index.sqlite').stat().st_size:,} B")
        print("phase      CPU s   peak MB", flush=True)
        _measure("rescan", folder, asked.cells)
        _add(folder, asked.added)
        _measure("add", folder, asked.cells)
        _measure("match", folder, asked.cells)


def _make(folder: Path, count: int) -> None:
    """Fill an index with crops of real thumbnails, and folders with files to go with them."""
    with np.load(DATA / "tiles_photo_dev_16k.npz", allow_pickle=False) as data:
        tiles = data["tiles"]
    rng = np.random.default_rng(1)
    (folder / "photos").mkdir(parents=True)
    with closing(_Index(folder / "index.sqlite", library._KIND, _reader())) as index:
        for start in range(0, count, _BATCH):
            here = folder / "photos" / f"{start // _BATCH:05}"
            here.mkdir()
            size = min(_BATCH, count - start)
            first = here / "0000.jpg"
            Image.fromarray(tiles[start % len(tiles)]).save(first)
            for k in range(1, size):
                os.link(first, here / f"{k:04}.jpg")
            sources = [Source(str(here / f"{k:04}.jpg")) for k in range(size)]
            known = np.empty(size, library._PHOTO)
            known["size"] = 640, 480
            known["thumb"] = _crops(tiles, size, rng)
            known["print"] = fingerprints(known["thumb"])
            state = stamp(str(first))
            index.put(sources, [Look(state, photo.tobytes()) for photo in known])


def _crops(tiles: NDArray[np.uint8], count: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Windows of random thumbnails, 55 to 100 % wide, in other light and with noise."""
    out = np.empty((count, THUMB, THUMB, 3), np.uint8)
    for k in range(count):
        tile = tiles[rng.integers(len(tiles))]
        side = tile.shape[0] * rng.uniform(0.55, 1)
        left, top = rng.uniform(0, tile.shape[0] - side, 2)
        image = Image.fromarray(tile[:, ::-1] if rng.random() < 0.5 else tile)
        box = (left, top, left + side, top + side)
        out[k] = np.asarray(image.resize((THUMB, THUMB), Image.Resampling.BILINEAR, box=box))
    light = rng.uniform(0.75, 1.25, (count, 1, 1, 3)) * rng.uniform(0.8, 1.25, (count, 1, 1, 1))
    noise = rng.integers(-3, 4, out.shape)
    out[:] = (out * light + noise).clip(0, 255)
    return out


def _reader() -> str:
    from PIL import __version__

    return f"Pillow {__version__}, {MAX_PIXELS} px"


def _add(folder: Path, count: int) -> None:
    """Put small photos into the library that it does not know."""
    rng = np.random.default_rng(2)
    here = folder / "photos" / "added"
    here.mkdir(exist_ok=True)
    wave = rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)
    for k in range(count):
        image = Image.fromarray(np.roll(wave, int(rng.integers(1200)))).resize((400, 300))
        image.save(here / f"{k:05}.jpg")


def _measure(phase: str, folder: Path, cells: int) -> None:
    before = _cpu_of_children()
    child = [sys.executable, "-m", "bench", "million", "--phase", phase]
    subprocess.run([*child, "--folder", str(folder), "--cells", str(cells)], check=True)
    print(f"{phase:8} {_cpu_of_children() - before:7.1f}", flush=True)


def _phase(phase: str, folder: Path, cells: int) -> None:
    photos, index = str(folder / "photos"), folder / "index.sqlite"
    if phase in ("rescan", "add"):
        found = scan([photos], index=index)
        print(f"{len(found.sources):,} photos, {found.group.max() + 1:,} different")
    else:
        made = make_mosaic(
            Photomosaic(target="@demo", photos=(photos,), cells=cells, tile_px=8), index=index
        )
        report = made.report()
        print(report["seconds"], report["assignment"], len(made.project.layout.sources))
    print("peak MB", _peak_mb())


def _peak_mb() -> float:
    """Largest resident size, MB."""
    status = Path("/proc/self/status").read_text()
    lines = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return int(lines["VmHWM"].split()[0]) / 1000


def _cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
