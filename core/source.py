"""Where photos are: folders, files, globs, zip archives, sheets and arrays."""

import fnmatch
import os
import re
from collections.abc import Iterator, Sequence
from functools import cache, partial
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from smalti.core.archive import names_in, unpack
from smalti.core.errors import BadInput, UnusablePicture, printable
from smalti.core.picture import MAX_PIXELS, RAW, Picture, read_picture
from smalti.core.sheet import CELL, tiles_in

ACCEPTED = (
    "a folder, a picture, a glob such as 'trip/**/*.jpg', a .zip, "
    "a sheet of tiles such as tiles.jpg#32 or #64x48, an .npz with a key 'tiles', or @demo"
)

# Some are among them so that they are named as unusable rather than overlooked.
_EXTENSIONS = RAW.union(
    ".jpg .jpeg .jpe .jfif .mpo .png .apng .gif .webp .bmp .dib .tif .tiff .ppm .pgm .pbm .pnm "
    ".tga .jp2 .j2k .jpx .jpf .avif .avifs .heic .heics .heif .heifs .hif .jxl .svg".split()
)
_TILE_PART = re.compile(rf"(?:{CELL.pattern}:)?\d{{1,9}}")
_DEMO_CELL = "32"  # px a side, of the sheet in assets


class Source(NamedTuple):
    """One photo.

    Attributes
    ----------
    file : str
        Absolute path.
    part : str
        ``""`` for the file itself, a member's name in a zip, ``"17"`` for row
        17 of an array, ``"32:17"`` or ``"64x48:17"`` for cell 17 (counted
        along rows) of a sheet of such cells, in px.
    """

    file: str
    part: str = ""


class Skipped(NamedTuple):
    """What was left out, and why."""

    file: str
    reason: str


def label(source: Source) -> str:
    """Name a photo for people, on one line.

    Returns
    -------
    str
        ``"IMG_1.jpg"``, or ``"tile 17 of atlas.jpg"``.
    """
    name = os.path.basename(source.file)
    if is_tile(source):
        name = f"tile {source.part.rpartition(':')[2]} of {name}"
    elif source.part:
        name = source.part.rpartition("/")[2]
    return printable(name)


def full_name(source: Source) -> str:
    """Name a photo for messages: its path and, in an archive, the member's."""
    return f"{source.file}/{source.part}" if source.part else source.file


def named(sources: Sequence[Source], word: str) -> list[int]:
    """Find the photos that a word of the user stands for.

    Parameters
    ----------
    sources : sequence of Source
    word : str
        A path, the end of one from a file name on, a `label`, or a glob of
        these. What is there by that very name is meant before any glob.

    Returns
    -------
    list of int
        Which of the sources.
    """
    plain = os.path.expanduser(word).replace(os.sep, "/")
    ends = (os.path.abspath(plain).replace(os.sep, "/"), plain)
    names = [full_name(source).replace(os.sep, "/") for source in sources]
    found = [
        i
        for i, name in enumerate(names)
        if name in ends or name.endswith("/" + plain) or label(sources[i]) == word
    ]
    if found:
        return found
    whole = re.compile(fnmatch.translate(plain if plain.startswith("/") else "*/" + plain))
    below = re.compile(fnmatch.translate(ends[0])) if "/" in plain else whole
    labels = re.compile(fnmatch.translate(word))
    return [
        i
        for i, name in enumerate(names)
        if whole.match(name) or below.match(name) or labels.match(label(sources[i]))
    ]


def is_tile(source: Source) -> bool:
    """Say whether a photo lies in a sheet or array, which is read as a whole."""
    return bool(source.part) and not _has_extension(source.file, ".zip")


def check_source(source: Source) -> None:
    """Refuse what `expand` would never list, such as a project file may name.

    Raises
    ------
    ValueError
        Saying what it is.
    """
    os.fsencode(source.file)  # a lone surrogate names no file; UnicodeEncodeError says so
    if "\0" in source.file:
        raise ValueError("a file's name has a zero byte in it")
    if is_tile(source) and not _TILE_PART.fullmatch(source.part):
        raise ValueError(f"there is no tile {source.part[:80]!r} of a sheet")


def expand(photos: Sequence[str]) -> tuple[list[Source], list[Skipped]]:
    """List every photo that the user's words stand for.

    Folders are searched to the bottom; hidden files and what is no picture by
    name are passed over in silence. Nothing is listed twice, and the same
    folders give the same order.

    Parameters
    ----------
    photos : sequence of str
        Each one of what `ACCEPTED` says.

    Returns
    -------
    sources : list of Source
    skipped : list of Skipped
        Folders that cannot be read.

    Raises
    ------
    BadInput
        For a word that stands for nothing.
    """
    found: dict[tuple[str, str, str], Source] = {}
    skipped: list[Skipped] = []
    real = cache(os.path.realpath)
    for photo in photos:
        empty = True
        for source in _expand_one(photo, skipped):
            empty = False
            # Through whatever links the folder was reached, it is the same photo.
            folder, name = os.path.split(source.file)
            found.setdefault((real(folder), name, source.part), source)
        if empty:
            raise BadInput(f"no pictures in {printable(photo)}: give {ACCEPTED}")
    return list(found.values()), skipped


def _expand_one(photo: str, skipped: list[Skipped]) -> Iterator[Source]:
    if photo == "@demo":
        import smalti.assets

        demo = Path(next(iter(smalti.assets.__path__)), "tiles.jpg")
        yield from _tiles_of(os.path.abspath(demo), _DEMO_CELL)
        return
    path = photo if os.path.lexists(photo) else os.path.expanduser(photo)
    sheet, _, cell = path.rpartition("#")
    if os.path.lexists(path):
        yield from _expand_path(path, skipped)
    elif CELL.fullmatch(cell) and os.path.isfile(sheet):
        yield from _tiles_of(os.path.abspath(sheet), cell)
    else:
        for match in _matches(path):
            if os.path.isdir(match) or _has_extension(match, *_EXTENSIONS, ".zip", ".npz"):
                yield from _expand_path(match, skipped)


def _matches(pattern: str) -> list[str]:
    """Expand a glob; unlike `glob.glob`, `**` enters no links, which may go round for ever."""
    path = Path(pattern)
    try:
        matches = list(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
    except (ValueError, IndexError, NotImplementedError, OSError):  # empty, ** in a name, too long
        return []
    hidden = [
        any(part.startswith(".") and part not in path.parts for part in match.parts)
        for match in matches
    ]
    return sorted(str(match) for match, skip in zip(matches, hidden, strict=True) if not skip)


def _expand_path(path: str, skipped: list[Skipped]) -> Iterator[Source]:
    path = os.path.abspath(path)
    if os.path.isdir(path):
        yield from _walk(path, skipped)
    elif _has_extension(path, ".zip"):
        yield from _members_of(path)
    elif _has_extension(path, ".npz"):
        yield from _tiles_of(path, "")
    else:
        yield Source(path)


def _walk(top: str, skipped: list[Skipped]) -> Iterator[Source]:
    def unreadable(error: OSError) -> None:
        skipped.append(Skipped(str(error.filename), (error.strerror or "unreadable").lower()))

    entered = {os.path.realpath(top)}
    for folder, folders, files in os.walk(top, onerror=unreadable, followlinks=True):
        for name in sorted(files):
            if _is_picture_name(name):
                yield Source(os.path.join(folder, name))
        # A link may lead to a folder above it, or to one listed already.
        kept = []
        for name in sorted(folders):
            real = os.path.realpath(os.path.join(folder, name))
            if not name.startswith(".") and real not in entered:
                entered.add(real)
                kept.append(name)
        folders[:] = kept


def _members_of(file: str) -> Iterator[Source]:
    try:
        names = names_in(file)
    except Exception as error:  # a broken archive is met with all sorts
        raise BadInput(f"cannot open {printable(file)}: {error}; a .zip of pictures?") from error
    for name in names:
        folders = name.split("/")
        if _is_picture_name(folders[-1]) and not any(
            folder == "__MACOSX" or (folder.startswith(".") and folder != "..")
            for folder in folders[:-1]
        ):
            yield Source(file, name)


def _tiles_of(file: str, cell: str) -> Iterator[Source]:
    prefix = cell and cell + ":"
    for k in range(len(tiles_in(file, cell))):
        yield Source(file, f"{prefix}{k}")


def open_source(
    source: Source,
    *,
    at_least: tuple[int, int] | None = None,
    max_pixels: int = MAX_PIXELS,
    transparent: bool = False,
) -> Picture:
    """Read one photo.

    Parameters
    ----------
    source : Source
    at_least : tuple of int, optional
        (width, height) in px that suffice, as for `read_picture`.
    max_pixels : int
        Larger pictures are refused.
    transparent : bool
        Keep transparent places: pixels then have a fourth number, 255 where
        opaque. Without it they are white.

    Returns
    -------
    Picture

    Raises
    ------
    UnusablePicture
        Whatever is wrong with it.
    """
    if is_tile(source):
        pixels = tiles_around(source)[_number(source)]
        if transparent:
            pixels = np.pad(pixels, ((0, 0), (0, 0), (0, 1)), constant_values=255)
        return Picture(pixels, (pixels.shape[1], pixels.shape[0]))
    read = partial(
        read_picture,
        at_least=at_least,
        max_pixels=max_pixels,
        background=None if transparent else (255, 255, 255),
    )
    if not source.part:
        return read(source.file)
    name = full_name(source)
    try:
        member = BytesIO(unpack(source.file, source.part))
    except Exception as error:  # zlib, lzma, zipfile and the file system have each their own
        raise UnusablePicture(name, printable(str(error)) or "cut short") from error
    return read(member, name=name)


def tiles_around(source: Source) -> NDArray[np.uint8]:
    """Read all tiles of the sheet or array that one tile lies in.

    Returns
    -------
    ndarray of shape (n, h, w, 3), uint8
        Not writable; kept in memory for the next call.

    Raises
    ------
    BadInput
        If the file has changed into something else.
    """
    cell = source.part.rpartition(":")[0]
    try:
        tiles = tiles_in(source.file, cell)
    except OSError as error:
        raise UnusablePicture(source.file, (error.strerror or "unreadable").lower()) from error
    if _number(source) >= len(tiles):
        raise UnusablePicture(source.file, f"it has only {len(tiles)} tiles")
    return tiles


def _number(source: Source) -> int:
    return int(source.part.rpartition(":")[2])


def _is_picture_name(name: str) -> bool:
    return not name.startswith(".") and _has_extension(name, *_EXTENSIONS)


def _has_extension(name: str, *extensions: str) -> bool:
    return os.path.splitext(name)[1].lower() in extensions
