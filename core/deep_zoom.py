"""Deep Zoom: a picture as a folder of small tiles at every scale, to be looked at in a browser."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smalti.core.atomic import explained, sync
from smalti.core.encoder import encode, read_back
from smalti.core.progress import Progress, Step, silent

TILE, OVERLAP = 254, 1  # px: every tile is at most 256 px a side

_SYNCED = 64  # files between two steps
_OURS = "made-by-smalti.txt"  # in each folder we make, so that we may replace it


@contextmanager
def deep_zoom(
    bands: Iterable[NDArray[np.uint8]],
    size: tuple[int, int],
    out: Path,
    *,
    quality: int = 92,
    progress: Progress = silent,
) -> Iterator[None]:
    """Put the JPEG tiles of a Deep Zoom in place for the block that writes `out` itself.

    Should the block fail, the tiles that were there before are put back.

    Parameters
    ----------
    bands, size, quality, progress
        As `write_picture`.
    out : Path
        The file that goes with the tiles; they go to `tiles_folder` of it.

    Raises
    ------
    SmaltiError
        If the disk is full or refuses.
    """
    tiles, raw = tiles_folder(out), 3 * size[0] * size[1]
    with explained(out, raw):
        scratch = Path(tempfile.mkdtemp(prefix=".smalti-", dir=out.parent))
    new, old = scratch / "new_files", scratch / "old_files"
    try:
        encode(
            bands,
            size,
            72,  # its tiles keep none
            lambda image: image.dzsave(
                os.fsencode(scratch / "new"),
                tile_size=TILE,
                overlap=OVERLAP,
                suffix=f".jpg[Q={quality},keep=none]",
            ),
            out,
            progress,
        )
        with explained(out, raw):
            (new / "vips-properties.xml").unlink(missing_ok=True)  # unasked for, and dated
            (new / _OURS).write_text("Smalti made this folder and may replace it.\n")
            paths = sorted(new.rglob("*"))
            for done, path in enumerate(paths):
                if done % _SYNCED == 0:
                    progress(Step("render", done, len(paths), "keeping the files"))
                sync(path)
            sync(new)
            _read_back_tiles(new, size)
            replaces = tiles.exists()
            if replaces:
                tiles.rename(old)
        try:
            with explained(out, raw):
                new.rename(tiles)
                sync(out.parent)
            yield
        except BaseException:
            if tiles.exists():
                tiles.rename(new)
            if replaces:
                old.rename(tiles)
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def tiles_folder(out: Path) -> Path:
    """Return the folder of Deep Zoom tiles that belongs to a ``.dzi`` or ``.html`` file."""
    return out.with_name(out.stem + "_files")


def descriptor(size: tuple[int, int]) -> bytes:
    """Return the text of a ``.dzi`` file."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<Image xmlns="http://schemas.microsoft.com/deepzoom/2008" Format="jpg" '
        f'Overlap="{OVERLAP}" TileSize="{TILE}">\n'
        f'  <Size Width="{size[0]}" Height="{size[1]}"/>\n'
        "</Image>\n"
    ).encode()


def is_ours(tiles: Path) -> bool:
    """Tell whether a folder is a deep zoom made by smalti and nothing else."""
    return (
        tiles.is_dir()
        and not tiles.is_symlink()
        and (tiles / _OURS).is_file()
        and all(
            path.name == _OURS or (path.is_dir() and re.fullmatch(r"\d+", path.name))
            for path in tiles.iterdir()
        )
    )


def _read_back_tiles(tiles: Path, size: tuple[int, int]) -> None:
    """Raise OSError unless the finest level has all its tiles and the last of them is sound."""
    level = tiles / str((max(size) - 1).bit_length())
    across, down = (-(-side // TILE) for side in size)
    if len(list(level.iterdir())) != across * down:
        raise OSError("tiles are missing")
    last_width, last_height = (
        side - (count - 1) * TILE + (OVERLAP if count > 1 else 0)
        for side, count in zip(size, (across, down), strict=True)
    )
    read_back(level / f"{across - 1}_{down - 1}.jpg", (last_width, last_height))
