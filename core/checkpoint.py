"""A checkpoint of a long drawing: one that was killed goes on where it was.

Finished bands lie in a hidden file beside the picture: a key that says of what
they are, then each band with a checksum, since a power cut may leave holes in it.
"""

import shutil
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from smalti.core.source import Source
from smalti.core.stamp import stamp

Bands = Iterator[NDArray[np.uint8]]

_CHECKSUM = 4  # bytes


@contextmanager
def resumed(
    out: Path, key: bytes, heights: Sequence[int], width: int, draw: Callable[[int], Bands]
) -> Iterator[Bands]:
    """Give the block all bands of a picture: those that a killed run kept, then drawn ones.

    When the block ends nothing stays, however it ends. Where the disk refuses, or
    has no room for the picture and its bands both, none are kept.

    Parameters
    ----------
    out : Path
        The picture.
    key : bytes
        A `fingerprint`; the same only for the same bands.
    heights : sequence of int
        Of the bands, px.
    width : int
        Of the picture, px.
    draw : callable
        Given how many bands there are, yields those that follow, (h, width, 3) uint8 each.
    """
    file = bands_beside(out)
    bands = _bands(file, key, [(height, width, 3) for height in heights], draw)
    try:
        yield bands
    finally:
        bands.close()
        with suppress(OSError):
            file.unlink()


def bands_beside(out: Path) -> Path:
    """Say where the bands of a picture are kept."""
    return out.with_name(f".smalti-{out.name}.bands")


def fingerprint(text: str, sources: Iterable[Source]) -> bytes:
    """Digest what pixels depend on: a text that says all, and the state of each file drawn."""
    digest = sha256(text.encode())
    for file in dict.fromkeys(source.file for source in sources):
        with suppress(OSError):  # drawing will say which is gone
            digest.update(b"%d %d " % stamp(file))
    return digest.digest()


def _bands(
    file: Path, key: bytes, shapes: Sequence[tuple[int, int, int]], draw: Callable[[int], Bands]
) -> Generator[NDArray[np.uint8], None, None]:
    store = _opened(file, key, sum(h * w * c for h, w, c in shapes))
    if store is None:
        yield from draw(0)
        return
    try:
        done = 0
        while done < len(shapes) and (band := _read(store, key, shapes[done])) is not None:
            yield band
            done += 1
        for band in draw(done):
            if not store.closed:
                _keep(store, key, band, file)
            yield band
    finally:
        with suppress(OSError):  # what it could not write is lost with it
            store.close()


def _opened(file: Path, key: bytes, size: int) -> BinaryIO | None:
    """Open the bands of this key, if there are any, or a new file; None if that cannot be."""
    try:
        ours = file.is_file() and not file.is_symlink()
        room = shutil.disk_usage(file.parent).free + (file.stat().st_size if ours else 0)
        if ours and room >= 2 * size:
            store = file.open("r+b")
            if store.read(len(key)) == key:
                return store
            store.close()
        file.unlink(missing_ok=True)
        if room < 2 * size:
            return None
        store = file.open("x+b")  # another's link under this name is not followed
        store.write(key)
    except OSError:
        return None
    return store


def _read(store: BinaryIO, key: bytes, shape: tuple[int, int, int]) -> NDArray[np.uint8] | None:
    """Read the next band; without a sound one, stay where it is to be written."""
    place, size = store.tell(), shape[0] * shape[1] * shape[2]
    data = store.read(size)
    if store.read(_CHECKSUM) == _checksum(data, key):
        return np.frombuffer(data, np.uint8).reshape(shape)
    store.seek(place)
    return None


def _keep(store: BinaryIO, key: bytes, band: NDArray[np.uint8], file: Path) -> None:
    """Write a band; should the disk refuse, make room again."""
    data = band.tobytes()
    try:
        store.write(data)
        store.write(_checksum(data, key))
        store.flush()
    except OSError:
        with suppress(OSError):
            store.close()
        with suppress(OSError):
            file.unlink()


def _checksum(data: bytes, key: bytes) -> bytes:
    return zlib.crc32(data, zlib.crc32(key)).to_bytes(_CHECKSUM, "little")
