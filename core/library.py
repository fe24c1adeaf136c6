"""The photos a mosaic may use: one thumbnail each, remembered between runs."""

import os
import sqlite3
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
import PIL
import platformdirs
from numpy.typing import NDArray

from smalti.core.errors import BadInput, UnusablePicture, printable
from smalti.core.picture import MAX_PIXELS
from smalti.core.progress import Progress, Step, each_result, silent
from smalti.core.source import (
    Skipped,
    Source,
    expand,
    full_name,
    is_tile,
    open_source,
    stamp,
    tiles_around,
)
from smalti.core.twins import difference_hash, twin_groups

THUMB = 48
"""Side of a thumbnail in px; 2, 3, 4, 6, 8, 12, 16 and 24 blocks fit in it."""

_CHUNK = 16  # photos a task: a quarter of a second's work, and what a kill may lose


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
    thumbs = np.empty((len(sources), THUMB, THUMB, 3), np.uint8)
    sizes = np.zeros((len(sources), 2), np.intp)

    tiles = (i for i, source in enumerate(sources) if is_tile(source))
    for _, run in groupby(tiles, lambda i: (sources[i].file, sources[i].part.rpartition(":")[0])):
        first = next(run)
        pixels = tiles_around(sources[first])
        thumbs[first : first + len(pixels)] = thumbnails(pixels)
        sizes[first : first + len(pixels)] = pixels.shape[2], pixels.shape[1]

    unusable: dict[int, str] = {}
    with (
        closing(_Index(index, f"Pillow {PIL.__version__}, {max_pixels} px")) as known,
        closing(_looks(sources, known, executor, progress, max_pixels)) as looks,
    ):
        for i, look in looks:
            if not look.reason:
                thumbs[i] = np.frombuffer(look.thumb, np.uint8).reshape(thumbs.shape[1:])
                sizes[i] = look.size
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
            thumbs[to], sizes[to] = thumbs[i], sizes[i]
        thumbs, sizes = thumbs[: len(good)], sizes[: len(good)]
    return TileLibrary(
        sources=tuple(sources[i] for i in good),
        sizes=sizes,
        thumbs=thumbs,
        group=twin_groups(difference_hash(thumbs), thumbs),
        skipped=tuple(skipped),
    )


class _Look(NamedTuple):
    """What one look at a file told.

    `stamp` is the file's state just before the look, None where the outcome
    is not the file's own doing and should not be remembered.
    """

    stamp: tuple[int, int] | None
    size: tuple[int, int] = (0, 0)
    thumb: bytes = b""
    reason: str = ""


def _looks(
    sources: Sequence[Source],
    known: "_Index",
    executor: Executor | None,
    progress: Progress,
    max_pixels: int,
) -> Generator[tuple[int, _Look], None, None]:
    """Yield number and look of every file and member: first the known, then the read."""
    files = [i for i, source in enumerate(sources) if not is_tile(source)]
    unread: list[int] = []
    for done, i in enumerate(files):
        if done % 1000 == 0:
            progress(Step("index", done - len(unread), len(files), "looking for changes"))
        look = known.get(sources[i])
        if look is None:
            unread.append(i)
        else:
            yield i, look

    def in_photos(step: Step) -> None:
        left = max(0, len(unread) - step.done * _CHUNK)
        progress(replace(step, done=len(files) - left, total=len(files)))

    chunks = [unread[start : start + _CHUNK] for start in range(0, len(unread), _CHUNK)]
    tasks = [[sources[i] for i in chunk] for chunk in chunks]
    results = each_result(
        partial(_look_at_all, max_pixels=max_pixels),
        tasks,
        phase="index",
        text="reading photos",
        executor=executor,
        progress=in_photos,
    )
    for chunk, task, looks in zip(chunks, tasks, results, strict=True):
        known.put(task, looks)
        yield from zip(chunk, looks, strict=True)


def _look_at_all(sources: Sequence[Source], *, max_pixels: int) -> list[_Look]:
    return [_look_at(source, max_pixels) for source in sources]


def _look_at(source: Source, max_pixels: int) -> _Look:
    state = None
    try:
        with suppress(OSError):  # whatever it is, reading says it better
            state = stamp(source.file)
        # Twice the size leaves the decoder's shrinking invisible.
        pixels, size = open_source(source, at_least=(2 * THUMB, 2 * THUMB), max_pixels=max_pixels)
    except UnusablePicture as error:
        cause = error.__cause__
        passing = isinstance(cause, MemoryError) or getattr(cause, "errno", None) is not None
        return _Look(None if passing else state, reason=error.reason)
    return _Look(state, size, thumbnails(pixels[None])[0].tobytes())


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


class _Index:
    """Looks of earlier runs, in SQLite.

    It is a cache: whatever goes wrong with it, the photos are read again. It
    may be used by several processes at once.
    """

    def __init__(self, file: Path | None, reader: str) -> None:
        self._file = file
        self._reader = reader  # which programs and limits a refusal depends on
        self._database: sqlite3.Connection | None = None
        for _ in range(2):  # a broken file is removed, then there is none
            if self._file is not None and self._database is None:
                with self._tolerance():
                    self._file.parent.mkdir(parents=True, exist_ok=True)
                    self._database = sqlite3.connect(self._file, timeout=30)
                    self._database.execute("PRAGMA journal_mode = WAL")
                    self._database.execute("PRAGMA synchronous = NORMAL")
                    self._database.execute(
                        "CREATE TABLE IF NOT EXISTS photo (path BLOB, part TEXT, length INTEGER, "
                        "changed_ns INTEGER, width INTEGER, height INTEGER, thumb BLOB, "
                        "reason TEXT, reader TEXT, PRIMARY KEY (path, part))"
                    )

    def get(self, source: Source) -> _Look | None:
        """Recall an unchanged file."""
        if self._database is None:
            return None
        with self._tolerance():
            state = stamp(source.file)
            row = self._database.execute(
                "SELECT width, height, thumb, reason, reader FROM photo "
                "WHERE path = ? AND part = ? AND length = ? AND changed_ns = ?",
                (os.fsencode(source.file), source.part, *state),
            ).fetchone()
            if row and (not row[3] or row[4] == self._reader):
                return _Look(state, row[:2], row[2], row[3])
        return None

    def put(self, sources: Sequence[Source], looks: Sequence[_Look]) -> None:
        """Remember a batch, all of it or nothing."""
        if self._database is None:
            return
        rows = [
            (
                *(os.fsencode(source.file), source.part, *look.stamp, *look.size),
                *(look.thumb, look.reason, self._reader),
            )
            for source, look in zip(sources, looks, strict=True)
            if look.stamp is not None
        ]
        with self._tolerance(), self._database:
            self._database.executemany(
                "INSERT OR REPLACE INTO photo VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows
            )

    def close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    @contextmanager
    def _tolerance(self) -> Iterator[None]:
        """Go on without the index if it fails, and remove it if it is broken."""
        try:
            yield
        except OSError:
            pass  # the photo is gone, or there can be no such folder
        except sqlite3.DatabaseError as error:
            self.close()
            # Operational: locked, full, not writable; all but the file itself.
            if self._file is not None and not isinstance(error, sqlite3.OperationalError):
                for ending in ("", "-wal", "-shm"):
                    Path(f"{self._file}{ending}").unlink(missing_ok=True)
