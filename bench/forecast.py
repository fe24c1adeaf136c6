"""What ``--dry-run`` says against what the run then takes: memory, disk, CPU seconds.

Run as ``python -m bench forecast [--raw]``; needs ../shared/data. Every mosaic is made in a process
of its own with one job and one thread of BLAS, from a library that is indexed, as it is after a
dry run. Linux only, by its resource counts. ``--raw`` prints what each phase took, to fit
the constants of `smalti.effort` to.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from smalti import Jigsaw, Photomosaic, make_mosaic
from smalti.core.progress import Step
from smalti.forecast import forecast
from smalti.jigsaw_forecast import forecast_jigsaw
from smalti.request import SOLVERS, Request, from_json, to_json

DATA = Path(__file__).parents[2] / "shared" / "data"
PAGE = Path(__file__).parent.parent / "docs" / "bench-forecast.md"

_LAB = {"space": "lab", "adjust": 0.0, "detail": 3}

# Target, photos, and how it is made; "files" are JPEGs of 1200 x 900 px.
INSTANCES: list[tuple[str, str, dict[str, Any]]] = [
    ("astronaut", "1000", {"output": "m.jpg"}),
    ("panda", "1000", {"output": "m.png", "cells": 900, "tile_px": 64}),
    ("coffee", "4000", {"output": "m.jpg", "cells": 1000, "tile_px": 16}),
    ("mona-lisa", "4000", {"output": "m.tif", "cells": 3000, "tile_px": 100}),
    ("great-wave", "4000", {"output": "m.png", "cells": 9000, "tile_px": 64, "max_uses": 3}),
    ("starry-night", "16000", {"output": "m.jpg", "cells": 3000}),
    ("citrus", "16000", {"output": "m.jpg", "cells": 3000, "variants": (), "detail": 3}),
    ("panda", "16000", {"output": "m.jpg", "cells": 10_000, "tile_px": 32}),
    ("scarlet-macaw", "16000", {"output": "m.png", "cells": 6000, "tile_px": 150}),
    ("mona-lisa", "16000", {"output": "m.jpg", "cells": 6000, "repeats": "free"}),
    ("coffee", "files", {"output": "m.jpg", "cells": 300, "tile_px": 200}),
    ("astronaut", "files", {"output": "m.tif", "cells": 350, "tile_px": 40}),
    ("panda", "16000", {"output": "m.jpg", "cells": 900, "detail": 18}),  # by short lists
    ("panda", "16000", {"output": "m.jpg", "cells": 6000, "metric": "l1"}),
    ("mona-lisa", "16000", {"output": "m.jpg", "cells": 6000, "repeats": "free", "spacing": 15}),
    ("astronaut", "1000", {"output": "m.jpg", "cells": 900, "metric": "ciede2000", **_LAB}),
]

# How the same mosaic is made by every heuristic, with copies apart, and by other metrics.
SOLVED: list[dict[str, Any]] = [
    *({"solver": name} for name in SOLVERS if name not in ("exact", "nearest-random")),
    {"spacing": 6, "max_uses": 3},
    {"spacing": 6, "repeats": "free"},
    {"spacing": 15, "max_uses": 20},
    {"spacing": 15, "repeats": "free"},
    {"metric": "l1"},
    {"metric": "cosine"},
    {"metric": "cosine", "solver": "greedy"},
    {"metric": "l1", "spacing": 6, "max_uses": 3},
    {"features": "wavelets"},
    {"transfer": 1.0},
]
INSTANCES += [
    ("coffee", "4000", {"output": "m.jpg", "cells": 2000, "tile_px": 16, **how}) for how in SOLVED
]

# Target, and how a jigsaw of 1,300 shapes is made of it.
JIGSAWS: list[tuple[str, dict[str, Any]]] = [
    ("panda", {"output": "m.jpg", "tiles": 300}),
    ("panda", {"output": "m.png", "tiles": 1370}),
    ("panda", {"output": "m.jpg", "tiles": 4000}),
    ("scarlet-macaw", {"output": "m.jpg"}),
    ("", {"output": "m.png", "tiles": 40, "mask": "shape-3", "width": 900}),
    ("panda", {"output": "m.jpg", "tiles": 600, "deform": 0.0}),
    ("panda", {"output": "m.jpg", "tiles": 600, "width": 7500}),
    ("scarlet-macaw", {"output": "m.png", "tiles": 400, "width": 7500}),
    ("panda", {"output": "m.svg", "tiles": 1000}),
    ("panda", {"output": "m.jpg", "tiles": 500, "candidates": "hashing"}),
    ("mona-lisa", {"output": "m.webp", "tiles": 500, "width": 8000}),
    ("starry-night", {"output": "m.html", "tiles": 700}),
    ("coffee", {"output": "m.png", "tiles": 900, "reuse": 1, "rotate": "upright"}),
]


def main(argv: Sequence[str]) -> None:
    """Measure every instance, and write docs/bench-forecast.md.

    Parameters
    ----------
    argv : sequence of str
        ``--raw`` to print what each phase took instead.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--raw", action="store_true")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args(argv)
    if asked.child:
        _child(*asked.child)
        return
    rows, jigsaws = [], []
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder))
        trial(Path(folder), *INSTANCES[0])  # compiles what no run has yet, and counts for nothing
        for target, photos, how in INSTANCES:
            row = trial(Path(folder), target, photos, how)
            rows.append(row)
            print(json.dumps(row) if asked.raw else _line(row), flush=True)
        jigsaw_trial(Path(folder), *JIGSAWS[0])  # compiles, and indexes the shapes
        for target, how in JIGSAWS:
            row = jigsaw_trial(Path(folder), target, how)
            jigsaws.append(row)
            print(json.dumps(row) if asked.raw else _line(row), flush=True)
    if not asked.raw:
        PAGE.write_text(_page(rows, jigsaws), encoding="utf-8")


def prepare(folder: Path) -> None:
    """Put the photos of all instances into a folder."""
    with np.load(DATA / "tiles_photo_dev_16k.npz", allow_pickle=False) as arrays:
        tiles = arrays["tiles"]
    rng = np.random.default_rng(0)
    order = rng.permutation(len(tiles))
    for count in (1000, 4000, 16000):
        np.savez(folder / f"{count}.npz", tiles=tiles[order[:count]])
    files = folder / "files"
    files.mkdir()
    for number in range(500):
        # A sheet of 5 x 5 tiles, blown up: as much detail as a photo has.
        some = tiles[rng.choice(len(tiles), 25)].reshape(5, 5, 32, 32, 3)
        picture = Image.fromarray(some.swapaxes(1, 2).reshape(160, 160, 3))
        picture.resize((1200, 900), Image.Resampling.BICUBIC).save(files / f"{number}.jpg")


def trial(folder: Path, target: str, photos: str, how: dict[str, Any]) -> dict[str, Any]:
    """Forecast one mosaic, then make it, each in a process of its own."""
    library = str(folder / photos if photos == "files" else folder / f"{photos}.npz")
    request = Photomosaic(
        target=str(DATA / "targets" / f"{target}.jpg"),
        photos=(library,),
        **{**how, "output": str(_out(folder) / how["output"])},
    )
    return {"target": target, "photos": photos, **how, **_both(folder, request)}


def jigsaw_trial(folder: Path, target: str, how: dict[str, Any]) -> dict[str, Any]:
    """Forecast one jigsaw, then make it, each in a process of its own."""
    named = {**how, "output": str(_out(folder) / how["output"])}
    file = DATA / "targets" / f"{target}.jpg"
    if "mask" in how:
        file = DATA / "containers" / f"{how['mask']}.png"
        named["mask"] = str(file)
    request = Jigsaw(target=str(file), shapes=(str(DATA / "shapes-dev.zip"),), **named)
    return {"target": target or how["mask"], **how, **_both(folder, request)}


def _out(folder: Path) -> Path:
    out = folder / "out"
    out.mkdir(exist_ok=True)
    return out


def _both(folder: Path, request: Request) -> dict[str, Any]:
    """Return the forecast of a mosaic, and what making it took."""
    out, found = _out(folder), dict[str, Any]()
    one = {name: "1" for name in ("OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")}
    env = {**os.environ, **one, "SMALTI_CACHE": str(folder / "cache")}
    for what in ("forecast", "make"):
        before = _cpu_of_children()
        run = subprocess.run(
            [sys.executable, "-m", "bench", "forecast", "--child", what, to_json(request)],
            stdout=subprocess.PIPE, text=True, check=True, env=env,
        )  # fmt: skip
        found[what] = json.loads(run.stdout)
        found[what]["cpu"] = _cpu_of_children() - before
    found["make"]["disk_mb"] = sum(f.stat().st_size for f in out.rglob("*") if f.is_file()) / 1e6
    shutil.rmtree(out)
    return found


def _child(what: str, text: str) -> None:
    request = from_json(text)
    if what == "forecast":
        ahead = forecast_jigsaw(request) if isinstance(request, Jigsaw) else forecast(request)
        print(json.dumps(ahead.report()))
        return
    phases: dict[str, float] = {}
    phase, since = "start", 0.0

    def progress(step: Step) -> None:
        nonlocal phase, since
        now = time.process_time()
        phases[phase] = phases.get(phase, 0.0) + now - since
        phase, since = step.phase, now

    make_mosaic(request, progress=progress)
    progress(Step("end", 0, 0))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(json.dumps({"memory_mb": peak, "phases": phases}))


def _cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _line(row: dict[str, Any]) -> str:
    ahead, made = row["forecast"], row["make"]
    ending = Path(row["output"]).suffix
    known = (
        *("photos", "solver", "metric", "features", "transfer", "repeats", "max_uses", "spacing"),
        *("detail", "deform", "candidates", "reuse"),
    )
    named = [
        f"{row[name]}" if name == "photos" else f"{name} {row[name]}"
        for name in known
        if name in row
    ]
    parts = [
        ", ".join([row["target"], *named]),
        f"{ahead['cells' if 'cells' in ahead else 'tiles']:,}",
        f"{ahead['width']} x {ahead['height']} {ending}",
    ]
    for name, actual in (
        ("seconds", made["cpu"]),
        ("memory_mb", made["memory_mb"]),
        ("disk_mb", made["disk_mb"]),
    ):
        parts.append(f"{ahead[name]:,} / {actual:,.1f} ({ahead[name] / actual - 1:+.0%})")
    return "| " + " | ".join(parts) + " |"


def _page(rows: list[dict[str, Any]], jigsaws: list[dict[str, Any]]) -> str:
    lines = [
        "# Forecast and reality",
        "",
        "Made by `python -m bench forecast`: what `smalti photo --dry-run` said / what the run",
        "then took (how far off that was). CPU seconds of one process with one thread of BLAS,",
        "starting included; largest resident size; bytes of the picture and its project. Photos",
        "are tiles of 32 px in an array; `files` are 500 JPEGs of 1200 x 900 px.",
        "",
        "| target, photos | cells | picture | CPU s | MB of memory | MB of disk |",
        "| --- | ---: | --- | ---: | ---: | ---: |",
        *(_line(row) for row in rows),
        "",
        _worst(rows),
        "",
        *_jigsaws(jigsaws),
    ]
    return "\n".join(lines)


def _jigsaws(rows: list[dict[str, Any]]) -> list[str]:
    return [
        "The same of `smalti jigsaw --dry-run`, with 1,300 shapes already indexed.",
        "",
        "| target | tiles | picture | CPU s | MB of memory | MB of disk |",
        "| --- | ---: | --- | ---: | ---: | ---: |",
        *(_line(row) for row in rows),
        "",
        _worst(rows),
        "",
    ]


def _worst(rows: list[dict[str, Any]]) -> str:
    worst = {
        name: max(
            abs(row["forecast"][name] / row["make"]["cpu" if name == "seconds" else name] - 1)
            for row in rows
        )
        for name in ("seconds", "memory_mb", "disk_mb")
    }
    return (
        f"Worst: CPU seconds {worst['seconds']:.0%}, memory {worst['memory_mb']:.0%}, "
        f"disk {worst['disk_mb']:.0%}."
    )
