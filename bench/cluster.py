"""What each phase costs per million photos, and what the ways to spread it cost per task.

Run as ``python -m bench cluster [PHOTOS] [ADDRESS]``; with the address of a Dask scheduler
that is measured as well. Linux and macOS only.
"""

import math
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bench.library import SIZE, _photo
from smalti.core.features import frames, photo_rows, variants
from smalti.core.library import THUMB, scan
from smalti.core.progress import each_result
from smalti.mosaic import make_mosaic, render_project
from smalti.plugin.cluster import cluster
from smalti.plugin.pool import workers
from smalti.request import Photomosaic

THUMBS = 16_000  # for what is computed from thumbnails
TASKS = 300
TILE = 50  # px, of a poster


class Cost(NamedTuple):
    """Seconds of a clock, and of all processors."""

    wall: float
    cpu: float


def main(argv: Sequence[str]) -> None:
    """Print two tables.

    Parameters
    ----------
    argv : sequence of str
        Number of photos (256), then the address of a scheduler.
    """
    count = int(argv[0]) if argv else 256
    engines = ["here", "2 processes", "local", *argv[1:2]]
    with tempfile.TemporaryDirectory() as folder:
        photos = _album(Path(folder, "photos"), count)
        print(f"{count} photos of {SIZE[0]} x {SIZE[1]} px; tiles of {TILE} px")
        print("| phase | CPU ms each | core-hours per million |")
        print("| --- | ---: | ---: |")
        for phase, seconds in _phases(photos, Path(folder), count):
            print(f"| {phase} | {1000 * seconds:.3f} | {1e6 * seconds / 3600:.2f} |", flush=True)
        print()
        print("| on | empty task, ms | index, CPU ms a photo | index, wall ms a photo |")
        print("| --- | ---: | ---: | ---: |")
        for engine in engines:
            with _engine(engine) as executor:
                _many(_loaded, [0.2] * 8, executor)
                task = _cost(partial(_many, abs, range(TASKS), executor)).wall / TASKS
                wall = _cost(partial(scan, [str(photos)], executor=executor)).wall / count
            start, whole = (
                _cost(partial(_scan_on, engine)),
                _cost(partial(_scan_on, engine, photos)),
            )
            cpu = (whole.cpu - start.cpu) / count
            print(
                f"| {engine} | {1e3 * task:.2f} | {1e3 * cpu:.2f} | {1e3 * wall:.2f} |", flush=True
            )


def _phases(photos: Path, folder: Path, count: int) -> Iterator[tuple[str, float]]:
    """Measure what one photo, or one tile, costs in each phase, in this process."""
    index = folder / "index.sqlite"
    yield "index, first time", _cost(partial(scan, [str(photos)], index=index)).cpu / count
    yield "index, unchanged", _cost(partial(scan, [str(photos)], index=index)).cpu / count
    rng = np.random.default_rng(0)
    thumbs = rng.integers(0, 255, (THUMBS, THUMB, THUMB, 3), np.uint8)
    sizes = np.tile(SIZE, (THUMBS, 1))
    kinds = variants(["mirror", "crops"])
    cut = frames(sizes, 1.0)
    rows = partial(photo_rows, thumbs, cut, kinds, detail=6, space="rgb", adjust=0.7)
    yield "features", _cost(rows).cpu / THUMBS
    output = folder / "m.jpg"
    columns = math.isqrt(count * 3 // 4)
    asked = Photomosaic(
        target="@demo", photos=(str(photos),), output=str(output), cells=columns**2, tile_px=8
    )
    made = make_mosaic(asked, index=index)
    assert made.project_file is not None
    project, cells = made.project_file, len(made.project.layout.photo)
    yield (
        "drawing, a tile",
        _cost(partial(render_project, project, output, tile_px=TILE)).cpu / cells,
    )


@contextmanager
def _engine(name: str) -> Iterator[Executor | None]:
    opened: AbstractContextManager[Executor | None]
    if name == "here":
        opened = nullcontext()
    elif name.endswith("processes"):
        opened = workers(int(name.split()[0]))
    else:
        opened = cluster(name, os.cpu_count() or 1)
    with opened as executor:
        yield executor


def _many(function: Callable[[Any], object], items: Sequence[Any], on: Executor | None) -> None:
    for _ in each_result(function, items, phase="", executor=on):
        pass


def _scan_on(engine: str, photos: Path | None = None) -> None:
    """Start an engine, and scan photos on it, or nothing."""
    with _engine(engine) as executor:
        _many(_loaded, [0.2] * 4, executor)
        if photos:
            scan([str(photos)], executor=executor)


def _loaded(seconds: float) -> None:
    """Import what a scan does, and let the other workers have their share."""
    import smalti.core.library  # noqa: F401  # only its import counts

    time.sleep(seconds)


def _album(folder: Path, count: int) -> Path:
    folder.mkdir()
    assets = Path(__file__).parent.parent / "assets" / "targets"
    targets = sorted(assets.glob("*.jpg"))
    rng = np.random.default_rng(0)
    for number in range(count):
        photo = _photo(targets[number % len(targets)], rng)
        Path(folder, f"{number:05}.jpg").write_bytes(photo)
    return folder


def _cost(work: Callable[[], object]) -> Cost:
    """Measure work in this process and in those it has waited for."""
    begin, before = time.perf_counter(), _cpu()
    work()
    return Cost(time.perf_counter() - begin, _cpu() - before)


def _cpu() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in used)
