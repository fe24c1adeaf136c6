"""Bands of pixels into picture files, however large, each file whole or not there.

A band is an (h, W, 3) uint8 sRGB array; the bands of a picture come top to
bottom and their heights add up to its height. libvips does the encoding, a
strip at a time, so a poster never has to fit in memory; `smalti.core.atomic`
puts the file in place.
"""

import logging
import math
import os
import re
import shutil
import struct
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smalti.core.atomic import explained, replacing, sync, unwritable, write_bytes
from smalti.core.checkpoint import bands_beside
from smalti.core.errors import BadInput, printable
from smalti.core.progress import Progress, Step, silent

ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".dzi", ".html")
"""What an output file may end in; ``.html`` is written by `smalti.core.page`."""

TILE, OVERLAP = 254, 1  # px, of a deep zoom: every tile is at most 256 px a side

_LONGEST_SIDE = {".jpg": 65_535, ".jpeg": 65_535, ".webp": 16_383}  # px, by the format itself
_MOST_PX = {".webp": 100_000_000}  # somewhere above it fails, once all has been drawn
_LAST_BYTES = {".png": b"IEND\xaeB`\x82", ".jpg": b"\xff\xd9", ".jpeg": b"\xff\xd9"}
_DECODED = 50_000_000  # px up to which time is no matter: packed well, and decoded to be checked
_STRIP = 16  # rows of a TIFF that is not packed
_POLL_S = 0.2  # how long a cancel may go unnoticed while libvips ends
_SYNCED = 64  # files of a deep zoom between two steps
_OURS = "made-by-smalti.txt"  # in each deep zoom folder we make, so that we may replace it


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
    if ending in (".dzi", ".html") and os.path.lexists(tiles) and not _is_ours(tiles):
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
            write_bytes(out, _descriptor(size))
        return
    raw, poster = 3 * size[0] * size[1], math.prod(part_of or size) > _DECODED
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
        _encode(bands, size, dpi, lambda image: save(image, os.fsencode(temporary)), out, progress)
        with explained(out, raw):
            sync(temporary)
            _read_back(temporary, size)


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
            for band in _checked(bands, size):
                with explained(out, raw):
                    file.write(band.tobytes())
                    file.flush()
        with explained(out, raw):
            sync(temporary)
            _check_end(temporary, band[-1].tobytes())


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
        _encode(
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


def _descriptor(size: tuple[int, int]) -> bytes:
    """Return the text of a ``.dzi`` file."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<Image xmlns="http://schemas.microsoft.com/deepzoom/2008" Format="jpg" '
        f'Overlap="{OVERLAP}" TileSize="{TILE}">\n'
        f'  <Size Width="{size[0]}" Height="{size[1]}"/>\n'
        "</Image>\n"
    ).encode()


@cache
def _vips() -> Any:
    """Load libvips on first use, set up for us."""
    import pyvips

    # Its failures are raised; in words they would spoil the progress of one who cancels.
    logging.getLogger("pyvips").setLevel(logging.ERROR)
    # A file written twice under one name would be read back from the cache.
    pyvips.cache_set_max(0)
    # Every thread holds strips of its own: 16 of them take a poster to the memory limit.
    pyvips.concurrency_set(min(pyvips.concurrency_get(), 4))
    return pyvips


def _encode(
    bands: Iterable[NDArray[np.uint8]],
    size: tuple[int, int],
    dpi: float,
    save: Callable[[Any], None],
    out: Path,
    progress: Progress,
) -> None:
    """Hand bands to ``save(image)``, a libvips image that is read once, top to bottom.

    The bands are drawn in the caller's thread and travel through a pipe to
    another one, where libvips runs. So an exception, Ctrl-C too, rises where
    it belongs; a callback of libvips would swallow it.
    """
    vips = _vips()
    read_end, write_end = os.pipe()
    source = vips.SourceCustom()  # not from a descriptor: on Windows libvips may not share ours
    source.on_read(lambda length: os.read(read_end, length))
    images: list[Any] = []

    def consume() -> None:
        try:
            image = vips.Image.new_from_source(source, "", access="sequential", fail_on="truncated")
            # libvips counts in px per mm
            images.append(image.copy(xres=dpi / 25.4, yres=dpi / 25.4))
            save(images[0])
        finally:
            os.close(read_end)

    # Not a bare Thread: in Python 3.11 Ctrl-C during its join() gives it up for dead.
    with ThreadPoolExecutor(1, "smalti-libvips") as pool:
        saved = pool.submit(consume)
        try:
            try:
                for piece in _as_png(bands, size):
                    if not _written(write_end, piece):
                        break
            finally:
                os.close(write_end)  # where bands are missing, libvips stops here
            while not saved.done():
                progress(Step("render", 0, 0, "writing the file"))
                wait([saved], _POLL_S)
            failure = saved.exception()
        except BaseException:
            for image in images:
                image.set_kill(True)
            raise
    if failure is not None:
        raise unwritable(out, failure, 3 * size[0] * size[1]) from failure


def _as_png(bands: Iterable[NDArray[np.uint8]], size: tuple[int, int]) -> Iterator[bytes]:
    """Yield an uncompressed PNG: of the formats pyvips-binary reads, the one that streams."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(data, zlib.crc32(kind))
        return b"".join((struct.pack(">I", len(data)), kind, data, struct.pack(">I", check)))

    yield b"\x89PNG\r\n\x1a\n"
    yield chunk(b"IHDR", struct.pack(">IIBBBBB", *size, 8, 2, 0, 0, 0))
    stored = zlib.compressobj(0)
    for band in _checked(bands, size):
        for row in band:
            yield chunk(b"IDAT", stored.compress(b"\0" + row.tobytes()))
    yield chunk(b"IDAT", stored.flush())
    yield chunk(b"IEND", b"")


def _checked(
    bands: Iterable[NDArray[np.uint8]], size: tuple[int, int]
) -> Iterator[NDArray[np.uint8]]:
    """Pass bands on, and raise ValueError unless they make up a picture of that size."""
    width, height = size
    rows = 0
    for band in bands:
        if band.shape[1:] != (width, 3) or band.dtype != np.uint8:
            raise ValueError(f"a band of {band.shape} {band.dtype} in a picture {width} wide")
        rows += len(band)
        if rows > height:
            break
        yield band
    if rows != height:
        raise ValueError(f"bands of {rows} rows or more in a picture of {height}")


def _written(pipe: int, piece: bytes) -> bool:
    """Write all of it, or return False once libvips reads no more: it failed, or has enough."""
    view = memoryview(piece)
    try:
        while view:
            view = view[os.write(pipe, view) :]
    except OSError:  # BrokenPipeError; EINVAL on Windows
        return False
    return True


def _read_back(path: Path, size: tuple[int, int]) -> None:
    """Raise OSError unless the file is a picture of that size, sound as far as is cheap to say.

    Up to 50 MP all of it is decoded. Beyond, decoding would take half as long
    as writing did: a PNG or JPEG shows its end.
    """
    vips = _vips()
    try:
        whole = size[0] * size[1] <= _DECODED
        # By way of a source, since pyvips has no other word for a folder that is no UTF-8.
        image = vips.Image.new_from_source(
            vips.Source.new_from_file(os.fsencode(path)),
            "",
            access="sequential" if whole else "random",
            fail_on="truncated",
        )
        if (image.width, image.height, image.bands) != (*size, 3):
            raise OSError(f"it reads back as {image.width} x {image.height} px")
        ending = _LAST_BYTES.get(path.suffix)
        if whole:
            image.avg()
        elif ending is None:
            image.getpoint(size[0] - 1, size[1] - 1)
    except vips.Error as error:
        raise OSError(f"it does not read back: {error}") from error
    if ending is not None:
        _check_end(path, ending)


def _check_end(path: Path, ending: bytes) -> None:
    """Raise OSError unless a file ends in these bytes."""
    with path.open("rb") as file:
        file.seek(-len(ending), os.SEEK_END)
        if file.read() != ending:
            raise OSError("it does not read back: its end is missing")


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
    _read_back(level / f"{across - 1}_{down - 1}.jpg", (last_width, last_height))


def _is_ours(tiles: Path) -> bool:
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
