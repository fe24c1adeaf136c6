"""What was learned from files, remembered between runs."""

import os
import sqlite3
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from functools import partial
from math import inf
from pathlib import Path
from string import digits
from typing import NamedTuple, TypeVar

import PIL

from smalti.core.errors import UnusablePicture, WorkerLost, printable
from smalti.core.progress import Progress, Step, each_result, silent
from smalti.core.source import Source
from smalti.core.stamp import stamp

_CHUNK = 16  # files a task: a quarter of a second's work, and what a kill may lose
_SENT = 40  # files a task of an executor: half a second's, for a cluster takes 5 ms a task
# In both a worker that has just started gets ready, which takes 3 s, and more on a busy machine.
_RECALLED = 250  # files between two looks at the clock
_CHUNK_S = 11.0  # after which the worker of a task is given up, and its files read one by one
_FILE_S = 17.0  # after which one file's is
_ENOUGH_S = 2.0  # after which a task leaves the rest of slow files to others
_LOCKED_S = 30.0  # that another process may have the index to itself, then it is left alone
_TELL_S = 0.6  # of that, before it is told
_TRY_S = 0.2  # between two tries

_COLUMNS = (
    "path BLOB, part TEXT, length INTEGER, changed_ns INTEGER, data BLOB, reason TEXT, reader TEXT"
)


R = TypeVar("R")


class Look(NamedTuple):
    """What one look at a file told.

    Attributes
    ----------
    stamp : tuple of int or None
        The file's state just before the look; None where the outcome is not
        the file's own doing and should not be remembered.
    data : bytes
        What was learned.
    reason : str
        Why nothing was learned; empty if something was.
    """

    stamp: tuple[int, int] | None
    data: bytes = b""
    reason: str = ""


def looks(
    sources: Sequence[Source],
    learn: Callable[[Source], bytes],
    *,
    kind: str,
    limits: str = "",
    usable: Callable[[bytes], bool] = bool,
    text: str = "",
    index: Path | None = None,
    executor: Executor | None = None,
    progress: Progress = silent,
) -> Generator[tuple[int, Look], None, None]:
    """Yield number and look of every source: first the known, then the read, in mixed order.

    Parameters
    ----------
    sources : sequence of Source
    learn : callable
        Reads one source, or raises `UnusablePicture`; picklable when
        `executor` runs processes.
    kind : str
        Table of the index, an identifier that ends in a number, the form of
        the data: what is there in another form is removed, and learned again.
    limits : str
        What a refusal depends on; under other limits it is tried again.
    usable : callable
        Whether what was remembered can be what `learn` returned; else the file is
        read again. An index is a file like any other, and may hold anything.
    text : str
        What the reading is called, for people.
    index : Path, optional
        Where to remember; without one, nothing is. A broken index is
        replaced, an unwritable one unused.
    executor : Executor, optional
        Reads files in parallel.
    progress : callable
        Called with steps of the phase ``"index"``, counted in sources.
    """
    with closing(_Index(index, kind, f"Pillow {PIL.__version__}, {limits}", progress)) as known:
        unread: list[int] = []
        for start in range(0, len(sources), _RECALLED):
            progress(Step("index", start - len(unread), len(sources), "looking for changes"))
            for i, look in enumerate(known.get(sources[start : start + _RECALLED]), start):
                if look is None or not (look.reason or usable(look.data)):
                    unread.append(i)
                else:
                    yield i, look

        left = set(unread)

        told = handed = found = 0  # sources, and in a round: tasks, and sources of theirs

        def in_sources(step: Step) -> None:
            """Count sources, and of tasks that are finished and not yet handed on their usual."""
            nonlocal told
            usual = (step.done - handed) * found // max(1, handed)
            told = max(told, min(len(sources), len(sources) - len(left) + usual))
            progress(replace(step, done=told, total=len(sources)))

        patience = inf if executor is None else _ENOUGH_S
        # What a lost worker had, and what took long, is read again file by file.
        together = _CHUNK if executor is None else _SENT
        for size, seconds, lost in ((together, _CHUNK_S, _none), (1, _FILE_S, _unreadable)):
            waiting = [i for i in unread if i in left]
            chunks = [waiting[start : start + size] for start in range(0, len(waiting), size)]
            # From all over, or the time left is of the folder at hand: photos of one are alike.
            chunks = [chunks[k] for k in _spread(len(chunks))]
            tasks = [[sources[i] for i in chunk] for chunk in chunks]
            handed = found = 0
            results = each_result(
                partial(_look_at_all, learn, patience),
                tasks,
                phase="index",
                text=text,
                executor=executor,
                progress=in_sources,
                seconds=seconds,
                lost=lost,
            )
            for chunk, task, batch in zip(chunks, tasks, results, strict=True):
                known.put(task[: len(batch)], batch)
                left.difference_update(chunk[: len(batch)])
                handed, found = handed + 1, found + len(batch)
                in_sources(Step("index", handed, 0, text))
                yield from zip(chunk, batch, strict=False)


def _spread(count: int) -> list[int]:
    """Order numbers so that any few of them stand for all: by multiples of the golden ratio."""
    return sorted(range(count), key=lambda k: k * 0.618033988749895 % 1)


def _none(task: Sequence[Source], error: WorkerLost) -> list[Look]:
    return []


def _unreadable(task: Sequence[Source], error: WorkerLost) -> list[Look]:
    return [Look(None, reason=error.reason)]


def _look_at_all(
    learn: Callable[[Source], bytes], patience: float, sources: Sequence[Source]
) -> list[Look]:
    """Look at files; at no more of them once `patience` seconds are over."""
    begin = time.monotonic()
    found: list[Look] = []
    for source in sources:
        if found and time.monotonic() > begin + patience:
            break
        found.append(_look_at(learn, source))
    return found


def _look_at(learn: Callable[[Source], bytes], source: Source) -> Look:
    state = None
    try:
        with suppress(OSError):  # whatever it is, reading says it better
            state = stamp(source.file)
        return Look(state, learn(source))
    except UnusablePicture as error:
        cause = error.__cause__
        passing = isinstance(cause, MemoryError) or getattr(cause, "errno", None) is not None
        return Look(None if passing else state, reason=error.reason)


class _Index:
    """Looks of earlier runs, in SQLite.

    It is a cache: whatever goes wrong with it, the files are read again. It
    may be used by several processes at once.
    """

    def __init__(
        self, file: Path | None, kind: str, reader: str, progress: Progress = silent
    ) -> None:
        self._file = file
        self._progress = progress
        self._kind = kind
        self._reader = reader  # which programs and limits a refusal depends on
        self._database: sqlite3.Connection | None = None
        for _ in range(2):  # a broken file is removed, then there is none
            if self._file is not None and self._database is None:
                with self._tolerance():
                    self._file.parent.mkdir(parents=True, exist_ok=True)
                    self._database = sqlite3.connect(self._file, timeout=_TRY_S)
                    self._free(self._prepare, self._database)

    def _prepare(self, database: sqlite3.Connection) -> None:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        self._remove_other_forms(database)
        database.execute(
            f"CREATE TABLE IF NOT EXISTS {self._kind} ({_COLUMNS}, PRIMARY KEY (path, part))"
        )

    def _free(self, act: Callable[[sqlite3.Connection], R], database: sqlite3.Connection) -> R:
        """Do something with the index once no other process has it to itself; say so meanwhile."""
        begin = time.monotonic()
        while True:
            try:
                return act(database)
            except sqlite3.OperationalError as error:
                waited = time.monotonic() - begin
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or waited > _LOCKED_S:
                    raise
            if waited > _TELL_S:
                words = f"another smalti has the index {self._file}: waiting for it"
                self._progress(Step("index", 0, 0, words))
            time.sleep(_TRY_S)

    def _remove_other_forms(self, database: sqlite3.Connection) -> None:
        """Remove what an older Smalti, or a newer one, knew of the same files."""
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (name,) in tables:
            if name.rstrip(digits) != self._kind.rstrip(digits):
                continue
            columns = database.execute(f"PRAGMA table_info({name})").fetchall()
            if name != self._kind or ", ".join(f"{c[1]} {c[2]}" for c in columns) != _COLUMNS:
                database.execute(f"DROP TABLE IF EXISTS {name}")

    def get(self, sources: Sequence[Source]) -> list[Look | None]:
        """Recall those files that have not changed."""
        found: list[Look | None] = [None] * len(sources)
        if self._database is None:
            return found
        words = (
            f"SELECT data, reason, reader FROM {self._kind} "
            "WHERE path = ? AND part = ? AND length = ? AND changed_ns = ?"
        )

        def select(database: sqlite3.Connection) -> None:
            for i, source in enumerate(sources):
                try:
                    state = stamp(source.file)
                except OSError:  # whatever it is, reading says it better
                    continue
                key = (os.fsencode(source.file), source.part, *state)
                row = database.execute(words, key).fetchone()
                # SQLite's types are hints: any column may hold anything.
                if row and isinstance(row[0], bytes) and isinstance(row[1], str):
                    if not row[1] or row[2] == self._reader:
                        found[i] = Look(state, row[0], printable(row[1]))

        with self._tolerance():
            self._free(select, self._database)
        return found

    def put(self, sources: Sequence[Source], looks: Sequence[Look]) -> None:
        """Remember a batch, all of it or nothing."""
        if self._database is None:
            return
        rows = [
            (
                *(os.fsencode(source.file), source.part, *look.stamp),
                *(look.data, look.reason, self._reader),
            )
            for source, look in zip(sources, looks, strict=True)
            if look.stamp is not None
        ]

        def insert(database: sqlite3.Connection) -> None:
            with database:
                database.executemany(
                    f"INSERT OR REPLACE INTO {self._kind} VALUES (?, ?, ?, ?, ?, ?, ?)", rows
                )

        with self._tolerance():
            self._free(insert, self._database)

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
            pass  # the file is gone, or there can be no such folder
        except sqlite3.DatabaseError as error:
            self.close()
            # Operational: locked, full, not writable; all but the file itself.
            if isinstance(error, sqlite3.OperationalError):
                self._file = None
            elif self._file is not None:
                for ending in ("", "-wal", "-shm"):
                    Path(f"{self._file}{ending}").unlink(missing_ok=True)
