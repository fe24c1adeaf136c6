import os
import sqlite3
import zipfile
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from PIL import Image

from smalti.core import index as core_index
from smalti.core.errors import BadInput, Cancelled, UnusablePicture
from smalti.core.index import looks
from smalti.core.library import THUMB, TileLibrary, default_index, scan, thumbnails
from smalti.core.progress import Step
from smalti.core.source import Source

COUNT = 40


def save(path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 255, (6, 8, 3), np.uint8).repeat(16, 0).repeat(16, 1)
    Image.fromarray(pixels).save(path, "PNG")


@pytest.fixture
def album(tmp_path: Path) -> Path:
    folder = tmp_path / "album"
    folder.mkdir()
    for k in range(COUNT):
        save(folder / f"{k:02}.png", k)
    (folder / "07.png").write_bytes(b"no picture")
    (folder / "05.png").write_bytes(b"")
    return folder


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "index.sqlite"


def spoil(folder: Path) -> None:
    """Make every file unreadable in a way that its length and date do not show."""
    for file in folder.iterdir():
        status = file.stat()
        file.write_bytes(b"\0" * status.st_size)
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def same(a: TileLibrary, b: TileLibrary) -> bool:
    arrays = ((a.sizes, b.sizes), (a.thumbs, b.thumbs), (a.group, b.group))
    return (
        a.sources == b.sources
        and a.skipped == b.skipped
        and all(np.array_equal(x, y) for x, y in arrays)
    )


def test_scan(album: Path) -> None:
    library = scan([str(album)])
    names = [os.path.basename(source.file) for source in library.sources]
    assert names == [f"{k:02}.png" for k in range(COUNT) if k not in (5, 7)]
    assert [os.path.basename(bad.file) for bad in library.skipped] == ["05.png", "07.png"]
    assert [bad.reason for bad in library.skipped] == ["empty file", "not a picture"]
    assert library.sizes.tolist() == [[128, 96]] * len(names)
    assert library.group.tolist() == list(range(len(names)))
    for k, thumb in zip((0, COUNT - 1), (library.thumbs[0], library.thumbs[-1]), strict=True):
        with Image.open(album / f"{k:02}.png") as image:
            blocks = np.asarray(image).reshape(2, 48, 2, 64, 3).mean((1, 3))
        assert np.abs(thumb.reshape(2, 24, 2, 24, 3).mean((1, 3)) - blocks).max() < 0.5


@pytest.mark.parametrize(
    "pool",
    [partial(ProcessPoolExecutor, mp_context=get_context("spawn")), ThreadPoolExecutor],
)
def test_workers_change_nothing(album: Path, pool: Callable[[int], Executor]) -> None:
    with pool(2) as executor:
        assert same(scan([str(album)], executor=executor), scan([str(album)]))


def test_an_unchanged_file_is_not_read_again(album: Path, index: Path) -> None:
    first = scan([str(album)], index=index)
    spoil(album)
    assert same(scan([str(album)], index=index), first)
    with pytest.raises(BadInput, match="none of 40 photos can be used"):
        scan([str(album)])


def test_a_changed_file_is_read_again(album: Path, index: Path) -> None:
    scan([str(album)], index=index)
    save(album / "05.png", 5)
    save(album / "06.png", 100)
    assert same(scan([str(album)], index=index), scan([str(album)]))


def test_a_raised_limit_is_tried_again(album: Path, index: Path) -> None:
    with pytest.raises(BadInput, match="limit"):
        scan([str(album)], index=index, max_pixels=100)
    assert len(scan([str(album)], index=index).sources) == COUNT - 2


def test_what_may_pass_is_not_remembered(album: Path, index: Path) -> None:
    (album / "link.png").symlink_to(album.parent / "later.png")
    assert scan([str(album)], index=index).skipped[-1].reason == "no such file or directory"
    save(album.parent / "later.png", 99)
    assert len(scan([str(album)], index=index).skipped) == 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda index: index.write_bytes(b"this is no database" * 1000),
        lambda index: index.write_bytes(index.read_bytes()[:9000] + b"\xff" * 50_000),
        lambda index: index.unlink(),
    ],
)
def test_a_broken_index_is_replaced(
    album: Path, index: Path, damage: Callable[[Path], object]
) -> None:
    first = scan([str(album)], index=index)
    damage(index)
    assert same(scan([str(album)], index=index), first)
    scan([str(album)], index=index)
    spoil(album)
    assert same(scan([str(album)], index=index), first)


def test_an_index_of_an_older_form_is_learned_again(album: Path, index: Path) -> None:
    first = scan([str(album)], index=index)
    with closing(sqlite3.connect(index)) as database, database:
        (now,) = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchone()
        database.execute(f"ALTER TABLE {now} RENAME TO photos")
        database.execute("UPDATE photos SET data = 'of another form'")
        database.execute("CREATE TABLE shapes2 (path)")
    assert same(scan([str(album)], index=index), first)
    with closing(sqlite3.connect(index)) as database:
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    assert sorted(tables) == [(now,), ("shapes2",)]
    spoil(album)
    assert same(scan([str(album)], index=index), first)


def test_without_a_place_for_the_index(album: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    expected = scan([str(album)])
    assert same(scan([str(album)], index=tmp_path / "file" / "index.sqlite"), expected)
    assert same(scan([str(album)], index=tmp_path), expected)


def test_cancelling_loses_one_batch_at_most(album: Path, index: Path) -> None:
    def stop(step: Step) -> None:
        if step.done >= 32:
            raise Cancelled

    with pytest.raises(Cancelled):
        scan([str(album)], index=index, progress=stop)
    done = []
    scan([str(album)], index=index, progress=lambda step: done.append(step.done))
    assert min(done[1:]) >= 16


def test_two_scans_at_once(album: Path, index: Path) -> None:
    with ThreadPoolExecutor(4) as threads:
        scans = [threads.submit(scan, [str(album)], index=index) for _ in range(4)]
    assert all(same(future.result(), scan([str(album)])) for future in scans)


@pytest.mark.parametrize("new", [True, False])
def test_an_index_that_another_process_has_is_told_of_and_then_done_without(
    album: Path, index: Path, new: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core_index, "_TELL_S", 0.0)
    monkeypatch.setattr(core_index, "_LOCKED_S", 1.0)
    texts: list[str] = []

    def listen(step: Step) -> None:
        texts.append(step.text)

    index.parent.mkdir()
    if not new:
        scan([str(album / "00.png")], index=index)
    with closing(sqlite3.connect(index, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        found = scan([str(album)], index=index, progress=listen)
    assert f"another smalti has the index {index}: waiting for it" in texts
    assert same(found, scan([str(album)]))


def test_an_index_that_is_let_go_is_used(
    album: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core_index, "_TELL_S", 0.0)
    scan([str(album / "00.png")], index=index)
    with closing(sqlite3.connect(index, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN EXCLUSIVE")

        def let_go(step: Step) -> None:
            if step.text.startswith("another") and other.in_transaction:
                other.execute("ROLLBACK")

        first = scan([str(album)], index=index, progress=let_go)
        assert not other.in_transaction
    spoil(album)
    assert same(scan([str(album)], index=index), first)


def test_the_first_files_read_stand_for_all() -> None:
    """Else the time left is that of the folder at hand, and the next has larger photos."""
    sources = [Source(f"{folder}/{number}.jpg") for folder in "ab" for number in range(400)]
    read = [k for k, _ in looks(sources, lambda source: b"what is in it", kind="t1")]
    assert sorted(read) == list(range(800))
    assert 64 <= sum(k >= 400 for k in read[:160]) <= 96


def test_files_that_are_read_count_before_their_turn() -> None:
    """A worker that is slow to begin holds up no others, and not the count either."""
    sources, released, counted = [Source(f"{n}.jpg") for n in range(400)], Event(), list[int]()

    def learn(source: Source) -> bytes:
        return b"in time" if source.file != "200.jpg" or released.wait(10) else b"too late"

    def watch(step: Step) -> None:
        if not released.is_set():
            counted.append(step.done)
            if step.done >= 320:
                released.set()

    with ThreadPoolExecutor(2) as pool:
        found = dict(looks(sources, learn, kind="t1", executor=pool, progress=watch))
    assert {look.data for look in found.values()} == {b"in time"}
    assert len(found) == 400
    assert counted == sorted(counted)


def test_progress_counts_the_tiles_of_an_array(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    np.savez(tmp_path / "t.npz", tiles=rng.integers(0, 255, (9000, 4, 4, 3), np.uint8))
    steps: list[Step] = []
    scan([str(tmp_path / "t.npz")], progress=steps.append)
    told = [(step.done, step.total) for step in steps if step.text == "reading tiles"]
    assert told == [(0, 9000), (4096, 9000), (8192, 9000)]


def test_progress_counts_photos(album: Path) -> None:
    steps: list[Step] = []
    scan([str(album)], progress=steps.append)
    assert {(step.phase, step.total) for step in steps} == {("index", COUNT)}
    assert [step.done for step in steps] == sorted(step.done for step in steps)
    assert steps[-1].done == COUNT


def test_strict(album: Path, index: Path) -> None:
    for _ in range(2):  # the second time from the index
        with pytest.raises(UnusablePicture, match=r"05\.png: empty file"):
            scan([str(album)], index=index, strict=True)


def test_names_of_any_bytes(album: Path, index: Path) -> None:
    raw = os.fsencode(album) + b"/\xff\xfe.png"
    try:
        os.rename(album / "00.png", raw)
    except OSError:
        pytest.skip("this file system takes no such names")
    first = scan([str(album)], index=index)
    spoil(album)
    assert os.fsdecode(raw) in {source.file for source in first.sources}
    assert same(scan([str(album)], index=index), first)


def test_archives_sheets_and_files_together(album: Path, index: Path) -> None:
    with zipfile.ZipFile(album.parent / "a.zip", "w") as archive:
        archive.write(album / "05.png", "x.png")
        archive.write(album / "06.png", "y.png")
    tiles = np.random.default_rng(0).integers(0, 255, (3, 10, 20, 3), np.uint8)
    np.savez(album.parent / "t.npz", tiles=tiles)
    photos = [str(album.parent / name) for name in ("t.npz", "a.zip", "album/06.png")]
    library = scan(photos, index=index)
    assert [source.part for source in library.sources] == ["0", "1", "2", "y.png", ""]
    assert library.sizes.tolist() == [[20, 10]] * 3 + [[128, 96]] * 2
    assert library.group.tolist() == [0, 1, 2, 3, 3]
    assert library.skipped[0].file.endswith("a.zip/x.png")
    assert same(scan(photos, index=index), library)


@pytest.mark.parametrize("shape", [(1, 1), (7, 300), (32, 32), (48, 48), (96, 131)])
def test_thumbnails_keep_the_mean_of_every_block(shape: tuple[int, int]) -> None:
    h, w = shape
    pictures = np.random.default_rng(0).integers(0, 256, (3, h, w, 3), np.uint8)
    # A repeat of each pixel makes blocks of whole pixels, whatever the size.
    large = pictures.repeat(8, 1).repeat(8, 2)
    blocks = large.reshape(3, 8, h, 8, w, 3).mean((2, 4))
    thumbs = thumbnails(pictures)
    assert thumbs.shape == (3, THUMB, THUMB, 3)
    assert np.abs(thumbs.reshape(3, 8, 6, 8, 6, 3).mean((2, 4)) - blocks).max() <= 0.5


def test_default_index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SMALTI_CACHE", str(tmp_path))
    assert default_index() == tmp_path / "library-v1.sqlite"
    monkeypatch.delenv("SMALTI_CACHE")
    assert default_index().name == "library-v1.sqlite"
