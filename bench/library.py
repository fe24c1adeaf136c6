"""Scanning photos against nothing but decoding them: CPU seconds of one process."""

import io
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from smalti.core.library import THUMB, scan

SIZE = (3072, 2304)  # 7 MP


def main(argv: Sequence[str]) -> None:
    """Print the time of a cold scan, a repeated one and the bare decoding, in turn.

    Parameters
    ----------
    argv : sequence of str
        Number of photos (200), then pictures to make them of.
    """
    count = int(argv[0]) if argv else 200
    assets = Path(__file__).parent.parent / "assets" / "targets"
    targets = [Path(name) for name in argv[1:]] or sorted(assets.glob("*.jpg"))
    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder, "photos")
        photos.mkdir()
        rng = np.random.default_rng(0)
        for k in range(count):
            photo = _photo(targets[k % len(targets)], rng)
            Path(photos, f"{k:05}.jpg").write_bytes(photo)
        scans = [str(photos)]
        index = Path(folder, "index.sqlite")
        _decode(photos)  # once unmeasured, for the file cache and the decoder's tables
        decoding = _cpu_seconds(lambda: _decode(photos))
        cold = _cpu_seconds(lambda: scan(scans, index=index))
        again = _cpu_seconds(lambda: scan(scans, index=index))
    print(f"{count} photos of {SIZE[0]} x {SIZE[1]} px, CPU ms a photo")
    for name, seconds in (("decoding alone", decoding), ("first scan", cold), ("rescan", again)):
        print(f"{name:15} {1000 * seconds / count:8.2f}   {seconds / decoding:6.3f}")


def _photo(target: Path, rng: np.random.Generator) -> bytes:
    with Image.open(target) as image:
        w, h = image.size
        left, top = int(rng.integers(w // 4)), int(rng.integers(h // 4))
        part = image.convert("RGB").crop((left, top, left + w * 3 // 4, top + h * 3 // 4))
    pixels = np.asarray(part.resize(SIZE, Image.Resampling.BICUBIC)).astype(np.int16)
    pixels += rng.integers(-6, 7, pixels.shape, np.int16)
    file = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=88)
    return file.getvalue()


def _decode(folder: Path) -> None:
    for file in sorted(folder.iterdir()):
        with Image.open(file) as image:
            image.draft("RGB", (2 * THUMB, 2 * THUMB))
            image.resize((THUMB, THUMB), Image.Resampling.BOX)


def _cpu_seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start
