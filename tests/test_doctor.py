"""What ``smalti doctor`` makes of a system, well or ill."""

import json
import os
import re
import sqlite3
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from smalti.core.library import default_index, scan
from smalti.plugin import doctor
from smalti.plugin.doctor import Finding, examine

ROOT = Path(__file__).parent.parent


def found(what: str) -> Finding:
    return next(finding for finding in examine() if finding.what == what)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without editors."""
    for name in ("HOME", "APPDATA", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "GIMP3_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_a_sound_system_has_nothing_to_mend() -> None:
    findings = examine()
    names = [finding.what for finding in findings]
    assert len(names) == len(set(names))
    assert {"python", "numpy", "pygame-ce", "JPEG", "writers", "threads", "photo index"} <= {*names}
    for finding in findings:
        assert finding.found
        assert finding.found.isprintable()
        assert finding.fine or "disk" in finding.what, finding


def test_all_that_smalti_needs_is_looked_at() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {re.split("[<>=]", requirement)[0] for requirement in project["dependencies"]}
    assert needed <= {finding.what for finding in examine()}


def test_a_worker_that_does_not_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert found("workers") == Finding("workers", True, "start, with one thread each")

    def refuse(*_: object) -> None:
        raise OSError("no semaphores here")

    monkeypatch.setattr("smalti.plugin.pool.Pool.submit", refuse)
    assert found("workers") == Finding("workers", False, "failed: no semaphores here")


def test_an_index_is_looked_into(folder_of_photos: Path) -> None:
    scan([str(folder_of_photos)], index=default_index())
    assert "40 files" in found("photo index").found
    assert found("photo index").fine


@pytest.mark.parametrize("how", ["garbage", "folder", "page"])
def test_a_broken_index_is_told(folder_of_photos: Path, how: str) -> None:
    index = default_index()
    index.parent.mkdir(parents=True, exist_ok=True)
    if how == "garbage":
        index.write_bytes(b"garbage " * 1000)
    elif how == "folder":
        index.mkdir()
    else:
        scan([str(folder_of_photos)], index=index)
        with sqlite3.connect(index) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.close()
        with index.open("r+b") as file:
            file.seek(4096 * 3)
            file.write(b"\xff" * 4096 * 4)
    finding = found("photo index")
    assert not finding.fine
    assert "delete it" in finding.found
    assert str(index) in finding.found


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pipes in folders")
def test_an_index_that_is_a_pipe_is_told_at_once() -> None:
    default_index().parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(default_index())
    assert "no regular file; delete it" in found("photo index").found
    assert not found("photo index").fine


def test_a_cache_that_is_a_file_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SMALTI_CACHE", str(tmp_path / "file"))
    assert not found("photo index").fine
    assert "set SMALTI_CACHE" in found("photo index").found


def test_the_older_pygame_is_told_from_the_newer(monkeypatch: pytest.MonkeyPatch) -> None:
    older = ModuleType("pygame")
    older.version = ModuleType("version")  # type: ignore[attr-defined]  # made up
    older.version.ver = "2.6.1"
    monkeypatch.setitem(sys.modules, "pygame", older)
    finding = found("pygame-ce")
    assert not finding.fine
    assert "pip uninstall pygame" in finding.found


def test_more_threads_than_cores_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1000")
    assert not found("threads").fine
    assert "OMP_NUM_THREADS" in found("threads").found
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert found("threads").fine
    assert "OMP_NUM_THREADS=1" in found("threads").found


def test_a_full_disk_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_LOW_DISK_GB", 1e9)
    assert not found("disk, here").fine
    assert "make room" in found("disk, here").found


def test_a_damaged_plug_in_is_told(home: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("profiles lie elsewhere")
    profile = home / ".config" / "GIMP" / "3.0"
    profile.mkdir(parents=True)
    assert found("GIMP 3.0") == Finding(
        "GIMP 3.0", True, "plug-in not installed; if wanted, run: smalti gimp install"
    )
    (profile / "plug-ins" / "smalti-gimp").mkdir(parents=True)
    assert not found("GIMP 3.0").fine
    assert "smalti gimp install" in found("GIMP 3.0").found


def test_a_check_that_fails_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Iterator[Finding]:
        raise RuntimeError("no luck")
        yield

    monkeypatch.setattr(doctor, "_codecs", broken)
    assert any("no luck" in finding.found for finding in examine())
    assert json.dumps([finding._asdict() for finding in examine()])
    assert os.environ["SMALTI_CACHE"]
