"""Files that are there whole or as they were before, whatever happens.

One sequence: a temporary name in the same folder, fsync, read back, rename,
fsync the folder.
"""

import errno
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from smalti.core.errors import SmaltiError, printable

_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}  # whatever room there is
_LEAST = 100_000  # bytes: less is told as so much


def write_bytes(out: Path, data: bytes) -> None:
    """Write a small file so that it is there whole or as it was before.

    Parameters
    ----------
    out : Path
        In a folder that is there.
    data : bytes
        All of the file.

    Raises
    ------
    SmaltiError
        If the disk is full or refuses.
    """
    with replacing(out, len(data)) as temporary:
        _write(temporary, data, out)


@contextmanager
def accompanied(file: Path, data: bytes) -> Iterator[None]:
    """Have a small file beside what the block writes, both or none of them.

    It is on disk before the block begins, so that it cannot fail afterwards. Where
    none stood it has its name at once: should the system go down in the block,
    that much is saved.

    Raises
    ------
    SmaltiError
        If the disk is full or refuses.
    """
    if not file.exists():
        write_bytes(file, data)
        try:
            yield
        except BaseException:
            file.unlink(missing_ok=True)
            raise
    else:
        with replacing(file, len(data)) as temporary:
            _write(temporary, data, file)
            yield


def _write(temporary: Path, data: bytes, out: Path) -> None:
    with explained(out, len(data)):
        temporary.write_bytes(data)
        sync(temporary)
        if temporary.read_bytes() != data:
            raise OSError("it reads back otherwise than it was written")


@contextmanager
def replacing(out: Path, need: int) -> Iterator[Path]:
    """Give a temporary name beside `out`; what the block puts there takes the place of `out`."""
    temporary = out.with_name(f".smalti-{secrets.token_hex(4)}{out.suffix.lower()}")
    try:
        yield temporary
        with explained(out, need):
            os.replace(temporary, out)
            sync(out.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def explained(out: Path, need: int) -> Iterator[None]:
    """Turn an error of the system into one that says how to mend it."""
    try:
        yield
    except OSError as error:
        raise unwritable(out, error, need) from error


def unwritable(out: Path, error: BaseException, need: int) -> SmaltiError:
    """Return what to raise when `out` of up to `need` bytes could not be written."""
    # libvips tells a long story with the system's word somewhere in it.
    said = re.search(r"system error: (.+)", str(error))
    reason = said[1] if said else getattr(error, "strerror", None) or " ".join(str(error).split())
    where = f"cannot write {printable(str(out))}: {reason}"
    if getattr(error, "errno", None) in _REFUSED:
        return SmaltiError(f"{where}: let it be written to, or write to another folder")
    try:
        room = f" and {shutil.disk_usage(out.parent).free / 1e6:.1f} MB are free"
    except OSError:  # the folder is gone
        room = ""
    return SmaltiError(
        f"{where}; it takes up to {max(need, _LEAST) / 1e6:.1f} MB{room}: "
        "make room on the disk, or write to another folder"
    )


def sync(path: Path) -> None:
    """Have a file, or the names in a folder, on disk."""
    if os.name == "nt" and path.is_dir():
        return  # Windows keeps names safe by itself and opens no folder
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
