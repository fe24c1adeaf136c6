"""What smalti depends on, examined: ``smalti doctor``."""

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

_LOW_DISK_GB = 2.0


class Finding(NamedTuple):
    """One thing examined."""

    what: str
    fine: bool
    found: str


def examine() -> list[Finding]:
    """Examine every dependency; a failing check is a finding, never an error."""
    checks: list[Callable[[], Iterator[Finding]]] = [_system, _packages, _codecs, _cache]
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
    yield Finding("cores", True, str(os.cpu_count()))


def _packages() -> Iterator[Finding]:
    from importlib import import_module, metadata

    for module, package in (
        ("numpy", "numpy"),
        ("scipy", "scipy"),
        ("skimage", "scikit-image"),
        ("PIL", "pillow"),
        ("pillow_heif", "pillow-heif"),
        ("pyvips", "pyvips"),
        ("rich", "rich"),
    ):
        try:
            import_module(module)
            yield Finding(package, True, metadata.version(package))
        except Exception as error:
            yield Finding(package, False, f"{error}; try: pip install --force-reinstall {package}")


def _codecs() -> Iterator[Finding]:
    from PIL import features

    names = {
        "jpg": "JPEG",
        "webp": "WebP",
        "jpg_2000": "JPEG 2000",
        "avif": "AVIF",
        "libtiff": "TIFF",
    }
    for name, label in names.items():
        there = bool(features.check(name))
        yield Finding(label, there, "read" if there else "not in this Pillow; use its wheel")


def _cache() -> Iterator[Finding]:
    from smalti.core.library import default_index

    index = default_index()
    folder = next(p for p in (index.parent, *index.parents) if p.exists())
    size = index.stat().st_size / 1e6 if index.exists() else 0.0
    writable = os.access(folder, os.W_OK)
    advice = "" if writable else "; not writable, so every run reads all photos: set SMALTI_CACHE"
    yield Finding("photo index", writable, f"{index} ({size:.1f} MB){advice}")
    free = shutil.disk_usage(Path(folder)).free / 1e9
    enough = free > _LOW_DISK_GB
    yield Finding(
        "disk", enough, f"{free:.1f} GB free" + ("" if enough else "; a poster may fill it")
    )
