"""Bands of pixels through libvips into a file, a strip at a time, and a look at what is there."""

import logging
import math
import os
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smalti.core.atomic import unwritable
from smalti.core.progress import Progress, Step

_LAST_BYTES = {".png": b"IEND\xaeB`\x82", ".jpg": b"\xff\xd9", ".jpeg": b"\xff\xd9"}
_DECODED = 50_000_000  # px up to which time is no matter: packed well, and decoded to be checked
_POLL_S = 0.2  # how long a cancel may go unnoticed while libvips ends


def is_poster(size: tuple[int, int]) -> bool:
    """Whether a picture is so large that time matters more than room."""
    return math.prod(size) > _DECODED


def encode(
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

    Parameters
    ----------
    bands : iterable of ndarray of shape (h, W, 3), uint8
    size : (W, H)
        In px.
    dpi : float
    save : callable
    out : Path
        For messages.
    progress : callable
        Called with steps of the phase ``"render"`` once the last band is drawn.

    Raises
    ------
    SmaltiError
        If libvips cannot write.
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


def read_back(path: Path, size: tuple[int, int]) -> None:
    """Raise OSError unless the file is a picture of that size, sound as far as is cheap to say.

    Up to 50 MP all of it is decoded. Beyond, decoding would take half as long
    as writing did: a PNG or JPEG shows its end.
    """
    vips = _vips()
    try:
        whole = not is_poster(size)
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
        check_end(path, ending)


def check_end(path: Path, ending: bytes) -> None:
    """Raise OSError unless a file ends in these bytes."""
    with path.open("rb") as file:
        file.seek(-len(ending), os.SEEK_END)
        if file.read() != ending:
            raise OSError("it does not read back: its end is missing")


def checked(
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


def _as_png(bands: Iterable[NDArray[np.uint8]], size: tuple[int, int]) -> Iterator[bytes]:
    """Yield an uncompressed PNG: of the formats pyvips-binary reads, the one that streams."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(data, zlib.crc32(kind))
        return b"".join((struct.pack(">I", len(data)), kind, data, struct.pack(">I", check)))

    yield b"\x89PNG\r\n\x1a\n"
    yield chunk(b"IHDR", struct.pack(">IIBBBBB", *size, 8, 2, 0, 0, 0))
    stored = zlib.compressobj(0)
    for band in checked(bands, size):
        for row in band:
            yield chunk(b"IDAT", stored.compress(b"\0" + row.tobytes()))
    yield chunk(b"IDAT", stored.flush())
    yield chunk(b"IEND", b"")


def _written(pipe: int, piece: bytes) -> bool:
    """Write all of it, or return False once libvips reads no more: it failed, or has enough."""
    view = memoryview(piece)
    try:
        while view:
            view = view[os.write(pipe, view) :]
    except OSError:  # BrokenPipeError; EINVAL on Windows
        return False
    return True
