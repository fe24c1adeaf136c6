"""Bands of pixels into picture files, however large, each file whole or not there.

A band is an (h, W, 3) uint8 sRGB array; the bands of a picture come top to
bottom and their heights add up to its height. libvips does the encoding, a
strip at a time, so a poster never has to fit in memory; `smalti.core.atomic`
puts the file in place.
"""

import math
import os
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smalti.core.atomic import explained, replacing, sync, unwritable, write_bytes
from smalti.core.checkpoint import bands_beside
from smalti.core.deep_zoom import deep_zoom, descriptor, is_ours, tiles_folder
from smalti.core.encoder import check_end, checked, encode, is_poster, read_back
from smalti.core.errors import BadInput, printable
from smalti.core.progress import Progress, silent

ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".dzi", ".html")
"""What an output file may end in; ``.html`` is written by `smalti.core.page`."""


_LONGEST_SIDE = {".jpg": 65_535, ".jpeg": 65_535, ".webp": 16_383}  # px, by the format itself
_MOST_PX = {".webp": 100_000_000}  # somewhere above it fails, once all has been drawn
_STRIP = 16  # rows of a TIFF that is not packed


def check_output(
    out: Path,
    size: tuple[int, int] = (1, 1),
    *,
    endings: Sequence[str] = ENDINGS,
    read: Iterable[str] = (),
) -> None:
    """Fail early where writing `out` is bound to fail.

    Parameters
    ----------
    out : Path
        A file, there already or not, in a folder that is there.
    size : (W, H)
        Of the picture, in px; (1, 1) while it is not known.
    endings : sequence of str
        What its name may end in.
    read : iterable of str
        Files that it must not be, for they are still needed; "" for none.

    Raises
    ------
    BadInput
        If the ending is unknown, the folder is missing, the format cannot hold
        the size, or something not ours stands where `out` is to go.
    SmaltiError
        If the folder cannot be written to.
    """
    name, ending = printable(str(out)), out.suffix.lower()
    if ending not in endings:
        raise BadInput(f"cannot write {name}: its name must end in one of {' '.join(endings)}")
    if os.path.realpath(out) in {os.path.realpath(file) for file in read if file}:
        raise BadInput(f"cannot write {name}: it is read for this mosaic; choose another name")
    longest = _LONGEST_SIDE.get(ending)
    if longest and max(size) > longest:
        raise BadInput(
            f"cannot write {name}: {size[0]} x {size[1]} px, and {ending} holds at most "
            f"{longest} px a side; make it smaller, or write .png, .tif or .dzi"
        )
    if math.prod(size) > _MOST_PX.get(ending, math.inf):
        raise BadInput(
            f"cannot write {name}: {size[0]} x {size[1]} px, and {ending} holds at most "
            f"{_MOST_PX[ending] // 10**6} MP; make it smaller, or write .jpg, .png, .tif or .dzi"
        )
    try:
        with suppress(FileNotFoundError, NotADirectoryError):
            bands_beside(out).lstat()  # the longest of the names there will be
    except OSError as error:
        raise BadInput(f"cannot write {name}: {error.strerror}; choose another name") from error
    if out.is_dir():
        raise BadInput(f"cannot write {name}: it is a folder; name a file in it")
    if not out.parent.is_dir():
        raise BadInput(
            f"cannot write {name}: there is no folder {printable(str(out.parent))}; make it first"
        )
    tiles = tiles_folder(out)
    if ending in (".dzi", ".html") and os.path.lexists(tiles) and not is_ours(tiles):
        raise BadInput(
            f"cannot write {name}: {printable(str(tiles))} is there and is not smalti's; "
            "move it away or choose another name"
        )
    try:
        # Trying is the only test that knows about quotas, read-only disks and access lists.
        tempfile.TemporaryFile(prefix=".smalti-", dir=out.parent).close()
    except OSError as error:
        raise unwritable(out, error, 0) from error


def write_picture(
    bands: Iterable[NDArray[np.uint8]],
    size: tuple[int, int],
    out: Path,
    *,
    dpi: float,
    quality: int = 92,
    part_of: tuple[int, int] | None = None,
    progress: Progress = silent,
) -> None:
    """Write a picture in the format its name asks for; the same bands give the same bytes.

    What the iterable of bands raises comes out as it is, and nothing is left
    behind: a file that stood at `out` still stands there. A streaming format
    (all but WebP, which gathers the whole picture) needs memory for strips of
    `W` only.

    Parameters
    ----------
    bands : iterable of ndarray of shape (h, W, 3), uint8
        sRGB, top to bottom; drawn from in the caller's thread.
    size : (W, H)
        Of the picture, in px.
    out : Path
        ``.png``, ``.jpg``, ``.tif``, ``.webp``, or ``.dzi`` for a Deep Zoom,
        whose tiles go to ``NAME_files`` beside it.
    dpi : float
        Pixels per inch in print, kept by PNG, JPEG and TIFF.
    quality : int
        1 to 100, of JPEG, WebP and Deep Zoom. Colours have the full
        resolution from 90 up and half of it below.
    part_of : (W, H), optional
        Of the picture that this is a sample of, to be packed as it would be.
    progress : callable
        Called with steps of the phase ``"render"`` once the last band is drawn.

    Raises
    ------
    BadInput
        As `check_output`.
    SmaltiError
        If the disk is full or refuses.
    """
    check_output(out, size)
    ending = out.suffix.lower()
    if ending == ".dzi":
        with deep_zoom(bands, size, out, quality=quality, progress=progress):
            write_bytes(out, descriptor(size))
        return
    raw, poster = 3 * size[0] * size[1], is_poster(part_of or size)
    if poster and ending in (".tif", ".tiff"):
        _write_plain_tiff(bands, size, out, dpi=dpi)
        return

    def save(image: Any, path: bytes) -> None:
        match ending:
            case ".png":
                # Half the time of the default level and, by the filter, two thirds of the size;
                # of a poster half of that time again, for half as much more.
                level, kind = (1, "sub") if poster else (3, "paeth")
                image.pngsave(path, compression=level, filter=kind, keep="none")
            case ".jpg" | ".jpeg":
                # Keeping "none" would drop the density, too: libvips writes it into EXIF only,
                # beside the size in px, and there is nothing else in it.
                image.jpegsave(path, Q=quality, subsample_mode="auto", keep="exif")
            case ".webp":
                # A sixth of the time of the default effort, for a file larger by one in fifty.
                image.webpsave(path, Q=quality, effort=2, keep="none")
            case ".tif" | ".tiff":
                image.tiffsave(
                    path,
                    compression="deflate",  # lossless, and read everywhere
                    predictor="horizontal",
                    level=6,
                    tile=True,
                    tile_width=256,
                    tile_height=256,
                    resunit="inch",
                    keep="none",
                )

    with replacing(out, raw) as temporary:
        encode(bands, size, dpi, lambda image: save(image, os.fsencode(temporary)), out, progress)
        with explained(out, raw):
            sync(temporary)
            read_back(temporary, size)


def _write_plain_tiff(
    bands: Iterable[NDArray[np.uint8]], size: tuple[int, int], out: Path, *, dpi: float
) -> None:
    """Write a TIFF that is not packed: packing photos takes four times as long and saves a fifth.

    Few old readers know BigTIFF, so it is one only where the classic one ends, at 4 GiB.
    """
    import tifffile

    (width, height), raw = size, 3 * size[0] * size[1]
    with replacing(out, raw) as temporary:
        with explained(out, raw):
            place = tifffile.imwrite(
                temporary,
                shape=(height, width, 3),
                dtype=np.uint8,
                bigtiff=raw > 4_000_000_000,
                photometric="rgb",
                rowsperstrip=_STRIP,
                resolution=(dpi, dpi),
                resolutionunit="inch",
                metadata=None,
                software=False,
                returnoffset=True,
            )
        assert place
        with temporary.open("r+b") as file:
            file.seek(place[0])
            for band in checked(bands, size):
                with explained(out, raw):
                    file.write(band.tobytes())
                    file.flush()
        with explained(out, raw):
            sync(temporary)
            check_end(temporary, band[-1].tobytes())
