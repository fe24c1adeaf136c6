"""Arrays too large for memory: in files without a name, which the system pages in and out."""

import mmap
import os
import tempfile
import weakref
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from smalti.core.errors import SmaltiError, printable

_IN_MEMORY = 256 << 20  # bytes; what is larger goes to disk
_AT_ONCE = 256  # items picked: with 64 kB about each, 16 MB

T = TypeVar("T", bound=np.generic)


class Scratch:
    """Items of one kind, in memory or in a file.

    Parameters
    ----------
    count : int
    dtype : data type
    folder : Path, optional
        Where the file of a large one is kept until the array is gone; where the
        system has temporary files without. It never has a name there, where the
        system can do that.

    Attributes
    ----------
    array : ndarray of shape (count,), dtype
        With nothing in particular in it at first.

    Raises
    ------
    SmaltiError
        If the disk has no room for it.
    """

    def __init__(self, count: int, dtype: DTypeLike, folder: Path | None = None) -> None:
        kind = np.dtype(dtype)
        size = count * kind.itemsize
        self._file: IO[bytes] | None = None
        if size < _IN_MEMORY:
            self.array: NDArray[Any] = np.empty(count, kind)
            return
        where = folder if folder is not None and folder.is_dir() else Path(tempfile.gettempdir())
        try:
            self._file = tempfile.TemporaryFile(prefix=".smalti-", dir=where, buffering=0)
            weakref.finalize(self, self._file.close)
            if hasattr(os, "posix_fallocate"):  # else a full disk would kill us at some access
                os.posix_fallocate(self._file.fileno(), 0, size)
            self.array = np.asarray(np.memmap(self._file, kind, "r+", shape=(count,)))
        except OSError as error:
            raise SmaltiError(
                f"cannot keep what is known of {count} photos in {printable(str(where))}: "
                f"{error.strerror or error}; it takes {size / 1e6:.0f} MB: make room on the disk, "
                "or name another folder in SMALTI_CACHE"
            ) from error

    def put(self, i: int, item: bytes) -> None:
        """Store the bytes of an item; written, since mapping a new page costs ten times that."""
        if self._file is None:
            self.array[i] = np.frombuffer(item, self.array.dtype)[0]
        else:
            self._file.seek(i * self.array.itemsize)
            self._file.write(item)


def let_go(array: NDArray[Any]) -> None:
    """Let the pages of a `Scratch`, or of a part of one, leave this process.

    They come back when they are next looked at. Any other array stays as it is.
    """
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)


def picked(array: NDArray[T], items: NDArray[np.intp]) -> NDArray[T]:
    """Copy some items of a `Scratch` into memory, so few at a time that little else comes along.

    The system brings in the pages about each, and would keep them.
    """
    out = np.empty((len(items), *array.shape[1:]), array.dtype)
    for start in range(0, len(items), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        out[part] = array[items[part]]
        let_go(array)
    return out
