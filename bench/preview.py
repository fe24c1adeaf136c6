"""The preview of an editor's dialog, from a warm worker to a picture, at 10,000 photos."""

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ROOT = Path(__file__).parent.parent
DATA = ROOT.parent / "shared" / "data"
PHOTOS = 10_000
TRIES = 5
PATIENCE_S = 600


def main(argv: Sequence[str]) -> None:
    """Write docs/bench-preview.md; `argv` is not used."""
    if not DATA.exists():
        sys.exit("bench preview needs ../shared/data beside the repository")
    lines = [
        "# The preview in an editor",
        "",
        f"Made by `python -m bench preview`: {PHOTOS:,} photos (crops of real ones, 64 px) or the "
        "1,300 shapes, their",
        "index warm, a worker waiting as it does behind the dialog. From the wish to the picture,",
        f"the {TRIES} runs' median and worst; the dialog itself waits for nothing. Not in it: the",
        "0.35 s by which a preview waits for more typing.",
        "",
        "| kind | wall s | worst | CPU s of the worker |",
        "| --- | ---: | ---: | ---: |",
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["SMALTI_CACHE"] = str(folder / "cache")
        _photos(folder / "photos")
        for kind, given in (
            ("smalti-photomosaic", {"photos": folder / "photos"}),
            ("smalti-jigsaw", {"shapes": DATA / "shapes-dev.zip"}),
            ("smalti-decorative", {}),
        ):
            _measured(kind, given, folder)  # fills the index and the kernels' cache
            runs = sorted(_measured(kind, given, folder) for _ in range(TRIES))
            (wall, cpu), (worst, _) = runs[TRIES // 2], runs[-1]
            lines.append(
                f"| {kind.removeprefix('smalti-')} | {wall:.2f} | {worst:.2f} | {cpu:.2f} |"
            )
            print(lines[-1], flush=True)
    (ROOT / "docs" / "bench-preview.md").write_text("\n".join(lines) + "\n", "utf-8")


def _photos(folder: Path) -> None:
    folder.mkdir()
    with np.load(DATA / "tiles_photo_dev_16k.npz") as kept:
        tiles = kept["tiles"][:PHOTOS]
    for number, tile in enumerate(tiles):
        Image.fromarray(tile).resize((64, 64)).save(folder / f"{number:05}.jpg", quality=90)


def _measured(name: str, given: dict[str, Path], folder: Path) -> tuple[float, float]:
    """Make one preview as a dialog does; return wall and CPU seconds."""
    import psutil

    from smalti.plugin.editor import Worker
    from smalti.plugin.editor_options import KINDS, request_values
    from smalti.plugin.preview import SIDE, Preview

    kind = next(kind for kind in KINDS if kind.procedure == name)
    options = {option.name: option.default for option in kind.options}
    options |= {what: str(path) for what, path in given.items()}
    workers: list[Worker] = []
    shown: list[float] = []
    used = asked = 0.0

    def start() -> Worker:
        workers.append(Worker([sys.executable, "-P", "-m", "smalti.plugin.worker"], "gimp"))
        return workers[-1]

    def job(into: Path) -> dict[str, Any]:
        nonlocal used, asked
        process = psutil.Process(workers[0].process.pid)
        # The engine loads while the user looks at the dialog.
        before = -1.0
        while (now := _cpu(process)) > before:
            before = now
            time.sleep(0.5)
        used, asked = now, time.monotonic()
        with Image.open(DATA / "targets" / "great-wave.jpg") as image:
            image.thumbnail((SIDE, SIDE))
            pixels = np.asarray(image.convert("RGBA"))
        (into / "target.raw").write_bytes(pixels.tobytes())
        high, wide = pixels.shape[:2]
        raster = {"file": "target.raw", "format": "RGBA u8", "width": wide, "height": high,
                  "stride": 4 * wide, "x": 0, "y": 0}  # fmt: skip
        return {"request": request_values(kind, options), "target": raster}

    def show(into: Path, raster: dict[str, Any]) -> None:
        nonlocal used
        assert (into / raster["file"]).stat().st_size
        shown.append(time.monotonic() - asked)
        used = _cpu(psutil.Process(workers[0].process.pid)) - used

    said: list[str] = []
    preview = Preview(start, job, show, said.append)
    end = time.monotonic() + PATIENCE_S
    while not shown:
        preview.step()
        if time.monotonic() > end:
            sys.exit(f"no preview: {said[-1:]}")
        time.sleep(0.01)
    worker = preview.take_worker()
    for one in {*workers, worker}:
        if one is not None:
            one.close()
    return shown[0], used


def _cpu(process: Any) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
