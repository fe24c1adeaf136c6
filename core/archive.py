"""Zip archives, and arrays in them, from whoever made them: nothing unpacks to more than it may."""

import math
import os
import stat
import zipfile
from functools import lru_cache

from smalti.core.stamp import stamp

_MEMBER_LIMIT = 1_000_000_000  # bytes one member of an archive may unpack to
_RATIO_LIMIT = 200  # no photo packs better; from _RATIO_FROM bytes on it is a trap
_RATIO_FROM = 50_000_000


def names_in(file: str) -> list[str]:
    """List the members of an archive, sorted.

    Raises
    ------
    Exception
        Of all sorts, if it is broken.
    """
    return sorted(set(_archive(file, *stamp(file), os.getpid()).namelist()))


def unpack(file: str, name: str) -> bytes:
    """Unpack a member of an archive.

    Raises
    ------
    Exception
        zlib, lzma, zipfile and the file system have each their own; `ValueError` if it
        is encrypted or a trap.
    """
    archive = _archive(file, *stamp(file), os.getpid())
    member = archive.getinfo(name)
    if member.flag_bits & 1:
        raise ValueError("it is encrypted")
    refuse_bomb(member, _MEMBER_LIMIT)
    return archive.read(member)  # never more than the size it declares


def open_archive(file: str) -> zipfile.ZipFile:
    """Open an archive; a device or a pipe might never end."""
    if not stat.S_ISREG(os.stat(file).st_mode):
        raise ValueError("it is not a regular file")
    return zipfile.ZipFile(file)


def refuse_bomb(member: zipfile.ZipInfo, limit: float = math.inf) -> None:
    """Raise ValueError if a member would unpack to more than a limit, or is packed too well."""
    ratio = member.file_size / max(1, member.compress_size)
    if member.file_size > limit or (member.file_size > _RATIO_FROM and ratio > _RATIO_LIMIT):
        raise ValueError(f"it would unpack to {member.file_size / 1e6:,.0f} MB")


# Forked workers would share the position in the file, hence one opening a process.
@lru_cache(maxsize=4)
def _archive(file: str, length: int, changed_ns: int, process: int) -> zipfile.ZipFile:
    return open_archive(file)
