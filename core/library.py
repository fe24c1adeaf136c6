"""The photos a mosaic may use: one thumbnail each, remembered between runs."""

import os
from collections.abc import Sequence
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from struct import Struct

import numpy as np
import platformdirs
from numpy.typing import NDArray

from smalti.core.errors import BadInput, UnusablePicture, printable
from smalti.core.index import looks
from smalti.core.picture import MAX_PIXELS
from smalti.core.progress import Progress, Step, silent
from smalti.core.scratch import Scratch, let_go
from smalti.core.source import (
    Skipped,
    Source,
    expand,
    full_name,
    is_tile,
    open_source,
    tiles_around,
)
from smalti.core.twins import FINGERPRINT, fingerprints, twin_groups

THUMB = 48
"""Side of a thumbnail in px; 2, 3, 4, 6, 8, 12, 16 and 24 blocks fit in it."""

# What is remembered of a photo; when any of it changes, so must the name.
_KIND = "photos2"
_LONGEST_SIDE = 2**31  # px, of any picture there is
_PHOTO = np.dtype([("size", "i8", 2), ("thumb", "u1", (THUMB, THUMB, 3)), ("print", FINGERPRINT)])
_SIZE = Struct("=2q")  # what that begins with; NumPy takes ten times as long over one
_BATCH = 4096  # photos, 30 MB, after which their pages are let go


@dataclass(frozen=True, slots=True)
class TileLibrary:
    """What is known of m photos.

    Attributes
    ----------
    sources : tuple of Source
    sizes : ndarray of shape (m, 2), intp
        Upright width and height in px.
    thumbs : ndarray of shape (m, THUMB, THUMB, 3), uint8
        Each whole photo, upright sRGB, stretched to a square.
    group : ndarray of shape (m,), intp
        Near-duplicates share a number.
    skipped : tuple of Skipped
        What could not be used.
    """

    sources: tuple[Source, ...]
    sizes: NDArray[np.intp]
    thumbs: NDArray[np.uint8]
    group: NDArray[np.intp]
    skipped: tuple[Skipped, ...]


def default_index() -> Path:
    """Say where the index is kept: in ``$SMALTI_CACHE``, or where the system has caches."""
    folder = os.environ.get("SMALTI_CACHE") or platformdirs.user_cache_dir("smalti")
    return Path(folder, "library-v1.sqlite")


def scan(
    photos: Sequence[str],
    *,
    index: Path | None = None,
    executor: Executor | None = None,
    progress: Progress = silent,
    max_pixels: int = MAX_PIXELS,
    strict: bool = False,
) -> TileLibrary:
    """Look at every photo once.

    Parameters
    ----------
    photos : sequence of str
        Folders, files, globs, archives, sheets; see `smalti.core.source`.
    index : Path, optional
        Where to remember what was read, usually `default_index()`; a file
        that is in it and has not changed is not opened. Without one, nothing
        is remembered. A broken index is replaced, an unwritable one unused.
    executor : Executor, optional
        Reads files in parallel.
    progress : callable
        Called with steps of the phase ``"index"``, counted in photos.
    max_pixels : int
        Larger pictures are skipped.
    strict : bool
        Fail at the first unusable photo instead of skipping it.

    Returns
    -------
    TileLibrary
        Photos in the order of `photos`, then of their names.

    Raises
    ------
    BadInput
        If `photos` names something that is not there, or no photo is usable.
    UnusablePicture
        If `strict`.
    """
    sources, skipped = expand(photos)
    if strict and skipped:
        raise UnusablePicture(*skipped[0])
    table = Scratch(len(sources), _PHOTO, None if index is None else index.parent)
    known = table.array
    sizes = np.zeros((len(sources), 2), np.intp)

    tiles = (i for i, source in enumerate(sources) if is_tile(source))
    for _, run in groupby(tiles, lambda i: (sources[i].file, sources[i].part.rpartition(":")[0])):
        first = next(run)
        pixels = tiles_around(sources[first])
        for start in range(0, len(pixels), _BATCH):
            progress(Step("index", first + start, len(sources), "reading tiles"))
            part = pixels[start : start + _BATCH]
            here = slice(first + start, first + start + len(part))
            known["thumb"][here] = thumbnails(part)
            known["print"][here] = fingerprints(known["thumb"][here])
        sizes[first : first + len(pixels)] = pixels.shape[2], pixels.shape[1]

    unusable: dict[int, str] = {}
    files = [i for i, source in enumerate(sources) if not is_tile(source)]
    found = looks(
        [sources[i] for i in files],
        partial(_look_at, max_pixels=max_pixels),
        kind=_KIND,
        limits=f"{max_pixels} px",
        usable=_is_look,
        text="reading photos",
        index=index,
        executor=executor,
        progress=progress,
    )
    with closing(found):
        for j, look in found:
            i = files[j]
            if not look.reason:
                table.put(i, look.data)
                sizes[i] = _SIZE.unpack_from(look.data)
            elif strict:
                raise UnusablePicture(full_name(sources[i]), look.reason)
            else:
                unusable[i] = look.reason

    skipped += [Skipped(full_name(sources[i]), unusable[i]) for i in sorted(unusable)]
    good = [i for i in range(len(sources)) if i not in unusable]
    if not good:
        name, reason = skipped[0]
        raise BadInput(
            f"none of {len(sources)} photos can be used; the first, {printable(name)}: {reason}"
        )
    if unusable:  # close the gaps in place: a copy would need the memory twice
        for to, i in enumerate(good):
            known[to], sizes[to] = known[i], sizes[i]
            if to % _BATCH == 0:
                let_go(known)
        known, sizes = known[: len(good)], sizes[: len(good)]
    return TileLibrary(
        sources=tuple(sources[i] for i in good),
        sizes=sizes,
        thumbs=known["thumb"],
        group=twin_groups(known["print"]),
        skipped=tuple(skipped),
    )


def _look_at(source: Source, *, max_pixels: int) -> bytes:
    # Twice the size leaves the decoder's shrinking invisible.
    pixels, size = open_source(source, at_least=(2 * THUMB, 2 * THUMB), max_pixels=max_pixels)
    photo = np.empty(1, _PHOTO)
    photo["size"], photo["thumb"] = size, thumbnails(pixels[None])
    photo["print"] = fingerprints(photo["thumb"])
    return photo.tobytes()


def _is_look(data: bytes) -> bool:
    if len(data) != _PHOTO.itemsize:
        return False
    width, height = _SIZE.unpack_from(data)
    return bool(1 <= width <= _LONGEST_SIDE and 1 <= height <= _LONGEST_SIDE)


def thumbnails(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Stretch pictures of one size to squares, each pixel by the area it covers.

    Parameters
    ----------
    pictures : ndarray of shape (n, h, w, 3), uint8

    Returns
    -------
    ndarray of shape (n, THUMB, THUMB, 3), uint8
        Of the same mean colour, block by block.
    """
    n, h, w = pictures.shape[:3]
    thumbs = np.empty((n, THUMB, THUMB, 3), np.uint8)
    at_once = max(1, 30_000 // (h * w))
    for start in range(0, n, at_once):
        part = slice(start, start + at_once)
        thumbs[part] = np.rint(_stretched(_stretched(pictures[part], 1), 2))
    return thumbs


def _stretched(pixels: NDArray[np.uint8] | NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """Resample one axis to THUMB.

    The running sum, read between pixels, gives the sum over any stretch. A
    product with a matrix of shares is shorter, but took 5 to 9 ms a photo
    with two threads of BLAS (0.3 with one, as this does).
    """
    length = pixels.shape[axis]
    pixels = np.moveaxis(pixels, axis, 0)
    sums = np.zeros((length + 1, *pixels.shape[1:]), np.float32)
    np.cumsum(pixels, axis=0, out=sums[1:])
    edges = np.arange(THUMB + 1) * (length / THUMB)
    before = edges.astype(np.intp)
    between = (edges - before).astype(np.float32).reshape(-1, 1, 1, 1)
    after = np.minimum(before + 1, length)
    ends = sums[before] * (1 - between) + sums[after] * between
    means: NDArray[np.float32] = np.diff(ends, axis=0) * np.float32(THUMB / length)
    return np.moveaxis(means, 0, axis)
