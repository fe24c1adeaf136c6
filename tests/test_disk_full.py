"""A disk that is full at twenty points, or read-only: one line, and nothing is lost or left."""

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from smalti.core import atomic, scratch
from smalti.core.errors import SmaltiError
from smalti.core.scratch import let_go
from smalti.core.writers import write_picture

Disk = Callable[[int], Path]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Mount small disks, given their bytes, or skip where that is not allowed."""
    mounted: list[Path] = []

    def mount(size: int) -> Path:
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "smalti-test", str(folder)]
        if not shutil.which("mount") or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("no right to mount a small disk; test_a_write_that_fails does without")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def noise(size: tuple[int, int]) -> Iterator[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
    rng = np.random.default_rng(1)
    for _ in range(size[1] // 50):
        yield rng.integers(0, 256, (50, size[0], 3), np.uint8)


@pytest.mark.parametrize("ending", [".png", ".jpg", ".tif", ".webp", ".dzi"])
def test_full_at_twenty_points(disk: Disk, tmp_path: Path, ending: str) -> None:
    size = (500, 400)
    wanted = tmp_path / "wanted"
    wanted.mkdir()
    write_picture(noise(size), size, wanted / f"a{ending}", dpi=300)
    old = b"the old one"
    # A disk gives whole pages, to each file its own; one is the old picture's.
    pages = sum(-(-path.stat().st_size // 4096) for path in wanted.rglob("*") if path.is_file())
    for room in np.linspace(1, pages - 2, 4).astype(int).tolist():  # four points of each format
        folder = disk((room + 1) * 4096)
        out = folder / f"a{ending}"
        out.write_bytes(old)
        with pytest.raises(SmaltiError) as caught:
            write_picture(noise(size), size, out, dpi=300)
        assert re.fullmatch(
            rf"cannot write \S+a\{ending}: No space left on device; it takes up to 0\.6 MB and "
            r"[\d.]+ MB are free: make room on the disk, or write to another folder",
            str(caught.value),
        ), str(caught.value)
        assert tree(folder) == {out.name: old}


def photos_in(folder: Path) -> Path:
    rng = np.random.default_rng(2)
    (folder / "photos").mkdir()
    for k in range(30):
        corners = rng.integers(0, 256, (2, 2, 3), dtype=np.uint8)
        Image.fromarray(corners).resize((96, 96)).save(folder / "photos" / f"{k}.png")
    return folder / "photos"


def smalti(*arguments: str, cache: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from smalti.plugin.cli import main; main()", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "SMALTI_CACHE": str(cache)}
    )


def test_the_command_says_it_in_one_line(disk: Disk, tmp_path: Path) -> None:
    photos = photos_in(tmp_path)
    folder = disk(64 * 1024)
    old = {"a.png": b"old", "a.smalti.json": b"older"}
    for name, data in old.items():
        (folder / name).write_bytes(data)
    run = smalti(
        *("photo", "@demo", str(photos), "-o", str(folder / "a.png"), "--cells", "20", "-q"),
        cache=folder / "cache",  # full, too: the index is done without
    )
    assert run.returncode == 1, run.stderr
    assert len(run.stderr.splitlines()) == 1, run.stderr
    assert "No space left on device" in run.stderr
    assert {name: data for name, data in tree(folder).items() if "cache" not in name} == old


def test_a_read_only_folder(disk: Disk, tmp_path: Path) -> None:
    photos = photos_in(tmp_path)
    folder = disk(1 << 20)
    (folder / "a.png").write_bytes(b"old")
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    run = smalti(
        *("photo", "@demo", str(photos), "-o", str(folder / "a.png"), "--cells", "20"),
        cache=folder / "cache",
    )
    assert run.returncode == 1, run.stderr
    assert len(run.stderr.splitlines()) == 1, run.stderr  # before any work
    assert "Read-only file system: let it be written to, or write to another" in run.stderr
    assert tree(folder) == {"a.png": b"old"}

    # An index that cannot be written is done without.
    out = tmp_path / "b.png"
    run = smalti(
        *("photo", "@demo", str(photos), "-o", str(out), "--cells", "20", "--json"),
        cache=folder / "cache",
    )
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["photos"] == 30
    assert out.exists()


def test_an_index_on_a_full_disk_is_done_without(disk: Disk, tmp_path: Path) -> None:
    photos, folder = photos_in(tmp_path), disk(40 * 1024)
    out = tmp_path / "a.png"
    run = smalti("photo", "@demo", str(photos), "-o", str(out), "--cells", "20", cache=folder)
    assert run.returncode == 0, run.stderr
    assert out.exists()


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_room_is_spoken_of_where_it_is_lacking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(SmaltiError, match=os.strerror(number)) as raised:
        atomic.write_bytes(tmp_path / "a.json", b"new")
    full = number == errno.ENOSPC
    assert ("it takes up to 0.1 MB" in str(raised.value)) == full
    assert ("make room" in str(raised.value)) == full


@pytest.mark.parametrize("at", range(2))
def test_a_write_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """The same without a disk to mount: the system refuses one of the calls."""
    out, calls = tmp_path / "a.json", iter(range(100))
    atomic.write_bytes(out, b"old")

    def refusing(path: Path) -> None:
        if next(calls) == at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(atomic, "sync", refusing)

    def write() -> None:
        with atomic.accompanied(out, b"new"):
            raise SmaltiError("No space left")  # of the picture

    with pytest.raises(SmaltiError, match="No space left"):
        write()
    assert out.read_bytes() == b"old"


def test_what_accompanies_stands_before_and_goes_with_a_failure(tmp_path: Path) -> None:
    file = tmp_path / "a.json"

    def write() -> None:
        with atomic.accompanied(file, b"new"):
            assert file.read_bytes() == b"new"
            raise KeyError

    with pytest.raises(KeyError):
        write()
    assert not list(tmp_path.iterdir())
    with atomic.accompanied(file, b"new"):
        pass
    with atomic.accompanied(file, b"newer"):
        assert file.read_bytes() == b"new"
    assert tree(tmp_path) == {"a.json": b"newer"}


def test_scratch_on_a_full_disk(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "_IN_MEMORY", 0)
    folder = disk(1 << 20)
    with pytest.raises(SmaltiError, match=r"photos in .*No space left.*takes 2 MB"):
        scratch.Scratch(2000, "V1000", folder)
    table = scratch.Scratch(1000, "i8", folder)
    table.array[:] = np.arange(1000)
    table.put(7, np.array(-7).tobytes())
    let_go(table.array[5:])
    assert table.array[7] == -7
    assert (np.delete(table.array, 7) == np.delete(np.arange(1000), 7)).all()
    assert not list(folder.iterdir())
