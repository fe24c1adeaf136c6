"""What smalti depends on, examined: ``smalti doctor``."""

import os
import platform
import re
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from smalti.core.errors import SmaltiError, printable

_LOW_DISK_GB = 2.0
_WORKER_S = 30.0  # for one to start
_THREADS = (
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "VIPS_CONCURRENCY",
)


_MODULES = {"scikit-image": "skimage", "pillow": "PIL", "pyvips-binary": "_libvips"}
_PYGAME = "pygame-ce"


class Finding(NamedTuple):
    """One thing examined."""

    what: str
    fine: bool
    found: str


def examine() -> list[Finding]:
    """Examine every dependency; a failing check is a finding, never an error."""
    checks: list[Callable[[], Iterator[Finding]]] = [
        *(_system, _packages, _pygame, _codecs, _threads, _workers, _index, _disk, _editors),
    ]
    findings: list[Finding] = []
    for check in checks:
        try:
            findings.extend(check())
        except Exception as error:
            findings.append(Finding(check.__name__.strip("_"), False, f"failed: {error}"))
    return findings


def _system() -> Iterator[Finding]:
    fine = sys.version_info >= (3, 11)
    yield Finding("python", fine, platform.python_version() + ("" if fine else "; needs 3.11"))
    yield Finding("cores", *_cores(os.cpu_count() or 1, usable_cores()))


def usable_cores() -> int:
    """Cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cores(there: int, usable: int) -> tuple[bool, str]:
    if usable < there:
        return True, f"{there}, of which {usable} may be used here"
    return True, str(there)


def _packages() -> Iterator[Finding]:
    from importlib import import_module, metadata

    for requirement in metadata.requires("smalti") or ():
        package = re.split(r"[^\w.-]", requirement)[0]
        if "extra ==" in requirement or package == _PYGAME:  # that is looked at by itself
            continue
        module = _MODULES.get(package, package.replace("-", "_"))
        try:
            import_module(module)
            yield Finding(package, True, metadata.version(package))
        except Exception as error:
            yield Finding(package, False, f"{error}; try: pip install --force-reinstall {package}")


def _pygame() -> Iterator[Finding]:
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")  # it would greet on stdout
    again = f"pip install --force-reinstall {_PYGAME}"
    try:
        import pygame
    except ImportError as error:
        yield Finding(_PYGAME, False, f"{error}; try: {again}")
        return
    ce = bool(getattr(pygame, "IS_CE", False))
    mend = f"; the older pygame is in its place: pip uninstall pygame, then {again}"
    yield Finding(_PYGAME, ce, pygame.version.ver + ("" if ce else mend))


def _codecs() -> Iterator[Finding]:
    import pyvips
    from PIL import features

    names = {
        "jpg": "JPEG",
        "zlib": "PNG",
        "webp": "WebP",
        "jpg_2000": "JPEG 2000",
        "avif": "AVIF",
        "libtiff": "TIFF",
    }
    for name, label in names.items():
        there = bool(features.check(name))
        yield Finding(label, there, "read" if there else "not in this Pillow; use its wheel")
    savers = ("jpegsave", "pngsave", "webpsave", "tiffsave", "dzsave")
    lacking = [name for name in savers if not pyvips.type_find("VipsOperation", name)]
    yield Finding(
        "writers",
        not lacking,
        f"libvips lacks {', '.join(lacking)}; try: pip install --force-reinstall pyvips-binary"
        if lacking
        else "JPEG, PNG, WebP, TIFF, Deep Zoom",
    )


def _threads() -> Iterator[Finding]:
    yield Finding("threads", *_oversubscribed(os.environ, usable_cores()))


def _oversubscribed(
    environment: "os._Environ[str] | dict[str, str]", cores: int
) -> tuple[bool, str]:
    """Whether libraries are told to start more threads than there are cores."""
    asked = {name: environment[name] for name in _THREADS if name in environment}
    many = [name for name, value in asked.items() if value.isdecimal() and int(value) > cores]
    if many:
        return False, f"{', '.join(many)} ask for more than {cores} cores: unset them"
    told = ", ".join(f"{name}={printable(value)}" for name, value in asked.items())
    return True, told or f"BLAS, OpenMP and libvips as many as cores ({cores})"


def _workers() -> Iterator[Finding]:
    """Start one: there are systems that let no process share a lock, or start another."""
    from smalti.plugin.pool import THREADS, Pool

    with Pool(1) as pool:
        told = pool.submit(_environment, THREADS).result(_WORKER_S)
    more = [name for name, value in told.items() if value != "1"]
    yield Finding(
        "workers",
        not more,
        f"{', '.join(more)} of a worker are not 1" if more else "start, with one thread each",
    )


def _environment(names: Sequence[str]) -> dict[str, str]:
    return {name: os.environ.get(name, "") for name in names}


def _index() -> Iterator[Finding]:
    from smalti.core.library import default_index

    index = default_index()
    folder = _nearest(index.parent)
    name = printable(str(index))
    try:
        tempfile.TemporaryFile(dir=folder).close()  # permissions alone do not tell
    except OSError as error:
        mend = f"{error.strerror}, so every run reads all photos: set SMALTI_CACHE"
        yield Finding("photo index", False, f"{name}: {mend}")
        return
    if not os.path.lexists(index):
        yield Finding("photo index", True, f"{name}, none yet")
    elif not index.is_file():  # opening a pipe would wait for ever
        yield Finding("photo index", False, f"{name} is no regular file; delete it: one is made")
    else:
        yield Finding("photo index", *_health(index))


def _health(index: Path) -> tuple[bool, str]:
    """Look whether an index is whole."""
    name = printable(str(index))
    try:
        size = index.stat().st_size / 1e6
        with closing(sqlite3.connect(f"{index.as_uri()}?mode=ro", uri=True, timeout=5)) as database:
            (verdict,) = database.execute("PRAGMA quick_check(1)").fetchone()
            tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            rows = sum(
                database.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0]
                for (table,) in tables.fetchall()
            )
    except sqlite3.OperationalError as error:
        return False, f"{name}: {error}; if no smalti is running, delete it: it is made again"
    except sqlite3.DatabaseError as error:
        return False, f"{name}: {error}; delete it: it is made again"
    except OSError as error:
        return False, f"{name}: {error.strerror}"
    if verdict != "ok":
        return False, f"{name} is damaged; delete it: it is made again"
    return True, f"{name}, {rows:,} files, {size:.1f} MB, whole"


def _disk() -> Iterator[Finding]:
    from smalti.core.library import default_index

    for what, folder in (
        ("disk, cache", default_index().parent),
        ("disk, temporary", Path(tempfile.gettempdir())),
        ("disk, here", Path.cwd()),
    ):
        free = shutil.disk_usage(_nearest(folder)).free / 1e9
        enough = free > _LOW_DISK_GB
        yield Finding(
            what,
            enough,
            f"{free:.1f} GB free in {printable(str(folder))}"
            + ("" if enough else "; a poster may fill it: make room"),
        )


def _nearest(folder: Path) -> Path:
    """Find the folder, or the one that it would be made in."""
    return next(p for p in (folder, *folder.parents) if p.exists())


def _editors() -> Iterator[Finding]:
    from smalti.plugin import install, profiles

    for editor, find in (("GIMP", profiles.gimp_profiles), ("Krita", profiles.krita_profiles)):
        try:
            found = find()
        except SmaltiError:
            yield Finding(editor, True, "none found; its plug-in is not needed")
            continue
        for profile in found:
            what = f"{editor} {profile.version}".strip()
            if not profile.plugin.exists():
                install_it = f"run: smalti {profile.editor.name} install"
                yield Finding(what, True, f"plug-in not installed; if wanted, {install_it}")
            else:
                report = install.check(profile)
                yield Finding(what, report.fine, report.words)
