"""What a poster costs in each format: seconds, memory and megabytes.

Run as ``python -m bench poster [--size W H] [--plain] [ENDING ...]``; by default 30,000 x
20,000 px of 240,000 tiles, in every format that streams. With ``--plain`` each line is
preceded by one of libvips alone, as it was measured when the formats were chosen. Linux
only, by its /proc.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib.resources import files
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from smalti.core.writers import write_picture

TILE = 50  # px
CELL = 32  # px, of a photo in the sheet
SHEET_ROWS = 16  # of its photos: all of them would take more memory than the writers do
STREAMING = (".png", ".jpg", ".tif", ".dzi")


def main(argv: Sequence[str] | None = None) -> None:
    """Print a line per format, each measured in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("endings", nargs="*", default=STREAMING, metavar="ENDING")
    parser.add_argument("--size", nargs=2, type=int, default=(30_000, 20_000), metavar=("W", "H"))
    parser.add_argument("--plain", action="store_true", help="libvips alone as well")
    parser.add_argument("--into", type=Path, help=argparse.SUPPRESS)  # what a child writes
    asked = parser.parse_args(argv)
    width, height = (side // TILE * TILE for side in asked.size)
    if asked.into:
        (_plain if asked.plain else _ours)((width, height), asked.into)
        print(Path("/proc/self/status").read_text())
        return
    print(f"{width} x {height} px, {width * height // TILE**2} tiles")
    print("format     CPU s   wall s   peak MB   size MB")
    ways = ["--plain", ""] if asked.plain else [""]
    for ending, way in product(asked.endings, ways):
        with tempfile.TemporaryDirectory(dir=".") as folder:
            child = [sys.executable, "-m", "bench", "poster", "--into", f"{folder}/poster{ending}"]
            size = ["--size", str(width), str(height), *filter(None, [way])]
            start, before = time.perf_counter(), _cpu_of_children()
            run = subprocess.run([*child, *size], stdout=subprocess.PIPE, text=True, check=True)
            wall, cpu = time.perf_counter() - start, _cpu_of_children() - before
            status = dict(line.split(":", 1) for line in run.stdout.splitlines() if ":" in line)
            peak = int(status["VmHWM"].split()[0]) / 1000
            written = sum(path.stat().st_size for path in Path(folder).rglob("*")) / 1e6
        name = f"{ending} vips" if way else ending
        print(f"{name:9} {cpu:7.1f} {wall:8.1f} {peak:9.0f} {written:9.0f}", flush=True)


def _ours(size: tuple[int, int], out: Path) -> None:
    write_picture(bands(size), size, out, dpi=300)


def _plain(size: tuple[int, int], out: Path) -> None:
    """Let libvips write by itself, not read back, not synced, of a file for its input."""
    import pyvips

    raw = out.with_suffix(".raw")
    with raw.open("wb") as file:
        for band in bands(size):
            file.write(band.tobytes())
    image = pyvips.Image.rawload(str(raw), *size, 3).copy(interpretation="srgb")
    match out.suffix:
        case ".png":
            image.pngsave(str(out), compression=1)
        case ".jpg":
            image.jpegsave(str(out), Q=92, subsample_mode="off")
        case ".tif":
            image.tiffsave(str(out), compression="jpeg", Q=92, tile=True, pyramid=True)
        case ".dzi":
            image.dzsave(str(out.with_suffix("")), suffix=".jpg[Q=92]")
    raw.unlink()


def bands(size: tuple[int, int]) -> Iterator[NDArray[np.uint8]]:
    """Draw the photos of the demonstration sheet at random, a row of tiles at a time."""
    with Image.open(str(files("smalti.assets") / "tiles.jpg")) as sheet:
        across, down = sheet.width // CELL, SHEET_ROWS
        part = sheet.crop((0, 0, across * CELL, down * CELL))
        pixels = np.asarray(part.resize((across * TILE, down * TILE)))
    photos = pixels.reshape(down, TILE, across, TILE, 3).swapaxes(1, 2).reshape(-1, TILE, TILE, 3)
    rng = np.random.default_rng(1)
    width, height = size
    for _ in range(height // TILE):
        drawn = photos[rng.integers(len(photos), size=width // TILE)]
        yield drawn.swapaxes(0, 1).reshape(TILE, width, 3)


def _cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
