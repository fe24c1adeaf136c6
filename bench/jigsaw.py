"""Jigsaw mosaics against the bars of the project: tables and pictures into docs/.

One process, one thread: CPU seconds with everything compiled and the shapes'
cache warm.
"""

import math
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

    from smalti import Jigsaw

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
SHARED = ROOT.parent / "shared" / "data"
COLUMNS = (
    *("coverage", "coverage_alpha", "overlap", "spill", "largest_gap", "border_recall"),
    *("deformation_mean", "deformation_p95", "delta_e_blurred", "distinct", "max_reuse", "invalid"),
)
FILES = {"heart": "shape-20.png", "bat": "shape-3.png"}
CONTAINERS = ("heart", "bat", "ring", "star", "J")


def main(argv: Sequence[str]) -> None:
    """Run every case and write docs/bench-jigsaw.md; `argv` is not used."""
    if os.environ.get("NUMBA_NUM_THREADS") != "1":
        one = {name: "1" for name in ("NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
        os.execve(
            sys.executable,
            [sys.executable, "-m", "bench", "jigsaw", *argv],
            {**os.environ, **one},
        )
    if not SHARED.exists():
        sys.exit("the bench needs ../shared/data beside the repository")
    with tempfile.TemporaryDirectory() as folder:
        lines = list(_page(Path(folder)))
    (DOCS / "bench-jigsaw.md").write_text("\n".join(lines) + "\n", "utf-8")
    print("docs/bench-jigsaw.md")


def _page(folder: Path) -> Iterator[str]:
    from smalti import Jigsaw

    shapes = (str(SHARED / "shapes-dev.zip"),)
    yield "# Jigsaw mosaics against their bars"
    yield ""
    yield "Made by `python -m bench jigsaw` from `../shared/data` (1,300 shapes). Seconds are CPU"
    yield "seconds of one process and one thread on a shared, noisy machine, compilation done and"
    yield "the shapes' cache warm: of finding containers, packing, refining and recolouring;"
    yield "drawing and measuring are apart. Every second row is the same packing before refinement."
    yield "No number here is validated against human judgement."
    panda = Jigsaw(target=str(SHARED / "targets" / "panda.jpg"), shapes=shapes, tiles=1370)
    synthetic, labels = _synthetic_panda(folder)
    # Fills the cache, and compiles, also what only large containers need.
    _measure(replace(panda, target=synthetic, labels=labels), folder)
    wave = replace(panda, target=str(SHARED / "targets" / "great-wave.jpg"), tiles=4200)
    yield from _table(
        "Photographs and a drawing",
        {
            "synthetic panda, 8 segments": replace(panda, target=synthetic, labels=labels),
            "panda.jpg": panda,
            "panda.jpg, no colour move": replace(panda, adjust=0.0),
            "panda.jpg, hashing": replace(panda, candidates="hashing"),
            "great-wave.jpg": wave,
        },
        folder,
    )
    alone = {
        f"{name}, {tiles} tiles": _container(name, tiles, shapes, folder)
        for name in CONTAINERS
        for tiles in (40, 80)
    }
    yield from _table("Single containers", alone, folder)
    letter = _container("J", 60, shapes, folder)
    yield from _table(
        "Weights, as in figure 10",
        {
            "usual": letter,
            "little colour": replace(letter, w_color=0.05),
            "much overlap": replace(letter, w_overlap=0.1, deform=0.0),
            "mixed scales": replace(letter, size_ratio=7.0),
        },
        folder,
    )


def _table(title: str, cases: dict[str, "Jigsaw"], folder: Path) -> Iterator[str]:
    from PIL import Image

    yield ""
    yield f"## {title}"
    yield ""
    yield "| case | tiles | s | " + " | ".join(c.replace("_", " ") for c in COLUMNS) + " |"
    yield "| --- |" + " ---: |" * (2 + len(COLUMNS))
    pictures = []
    for name, request in cases.items():
        report, pixels, seconds = _measure(request, folder)
        print(name, f"{seconds:.1f} s", flush=True)
        yield _row(name, report["tiles"], f"{seconds:.1f}", report["quality"])
        yield _row("rigid", "", "", report["rigid"])
        picture = DOCS / f"bench-jigsaw-{_slug(title)}-{_slug(name)}.jpg"
        small = Image.fromarray(pixels)
        small.thumbnail((560, 560), Image.Resampling.BOX)
        small.save(picture, quality=80)
        pictures.append(f'<img src="{picture.name}" width="32%" alt="{name}">')
    yield ""
    yield from pictures


def _row(name: str, tiles: object, seconds: str, found: dict[str, float]) -> str:
    cells = []
    for column in COLUMNS:
        if column not in found:  # likeness is measured of the finished picture only
            cells.append("")
            continue
        value = found[column]
        share = column in ("coverage", "coverage_alpha", "overlap", "spill", "border_recall")
        whole = column in ("distinct", "max_reuse", "invalid")
        cells.append(f"{value:.2%}" if share else f"{value:.0f}" if whole else f"{value:.3f}")
    return f"| {name} | {tiles} | {seconds} | " + " | ".join(cells) + " |"


def _measure(request: "Jigsaw", folder: Path) -> tuple[dict[str, Any], Any, float]:
    """Make one mosaic; its seconds are CPU seconds of making, not of measuring or drawing."""
    from smalti import Step, make_mosaic

    spent: dict[str, float] = {}
    phase, since = "", time.process_time()

    def progress(step: Step) -> None:
        nonlocal phase, since
        now = time.process_time()
        spent[phase] = spent.get(phase, 0.0) + now - since
        phase, since = step.phase, now

    made = make_mosaic(request, index=folder / "index.sqlite", progress=progress)
    making = sum(spent.get(p, 0.0) for p in ("segment", "containers", "pack", "refine", "assign"))
    return made.report(), made.pixels(), making


def _slug(name: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in name.lower()).strip("-")


def _synthetic_panda(folder: Path) -> tuple[str, str]:
    """Draw a panda of eight flat segments, as target and as its own labels."""
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (900, 900), (122, 158, 96))
    draw = ImageDraw.Draw(picture)
    for box, colour in (
        ((150, 420, 750, 980), (236, 232, 224)),  # body
        ((110, 520, 300, 860), (38, 36, 40)),  # arms
        ((600, 520, 790, 860), (38, 36, 44)),
        ((230, 60, 370, 200), (40, 36, 36)),  # ears
        ((530, 60, 670, 200), (44, 36, 36)),
        ((210, 100, 690, 520), (244, 240, 230)),  # head
        ((290, 240, 400, 370), (30, 28, 34)),  # eyes
        ((500, 240, 610, 370), (34, 28, 34)),
    ):
        draw.ellipse(box, fill=colour)
    file = folder / "panda.png"
    picture.save(file)
    return str(file), str(file)


def _container(name: str, tiles: int, shapes: tuple[str, ...], folder: Path) -> "Jigsaw":
    """Ask for one silhouette, packed in orange."""
    from PIL import Image

    from smalti import Jigsaw

    mask = _silhouette(name)
    file, target = folder / f"{name}.png", folder / f"{name}-orange.png"
    mask.save(file)
    Image.new("RGB", mask.size, (225, 120, 40)).save(target)
    return Jigsaw(
        target=str(target),
        shapes=shapes,
        mask=str(file),
        tiles=tiles,
        width=900,
        background="white",
    )


def _silhouette(name: str) -> "Image":
    from PIL import Image, ImageDraw, ImageFont

    if name in FILES:
        with Image.open(SHARED / "containers" / FILES[name]) as picture:
            found = picture.convert("L")
        return found.resize((600, 600 * found.height // found.width), Image.Resampling.BICUBIC)
    mask = Image.new("L", (600, 600))
    draw = ImageDraw.Draw(mask)
    if name == "J":
        draw.text((300, 300), "J", fill=255, font=ImageFont.load_default(700), anchor="mm")
    elif name == "ring":
        draw.ellipse((40, 40, 560, 560), fill=255)
        draw.ellipse((180, 180, 420, 420), fill=0)
    else:  # a star of five points
        turns = [math.pi * k / 5 - math.pi / 2 for k in range(10)]
        reach = (280, 125)
        draw.polygon(
            [
                (300 + reach[k % 2] * math.cos(a), 300 + reach[k % 2] * math.sin(a))
                for k, a in enumerate(turns)
            ],
            fill=255,
        )
    return mask
