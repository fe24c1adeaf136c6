"""What the tests of faults have killed or starved: a photomosaic made in a process of its own."""

import os
from pathlib import Path

from smalti.core.progress import Step
from smalti.grid_mosaic import make_photomosaic
from smalti.request import Photomosaic


def make(folder: Path, name: str, log: Path) -> None:
    """Make a mosaic of the photos in a folder; the log tells how many the index knows."""
    with log.open("ab", buffering=0) as file:

        def progress(step: Step) -> None:
            if step.phase == "index" and step.text == "reading photos":
                file.write(b"%d\n" % step.done)

        os.chdir(folder)
        make_photomosaic(
            Photomosaic(
                target="target.png", photos=("photos",), output=name, cells=140, tile_px=24
            ),
            index=Path("index.sqlite"),
            progress=progress,
        )
