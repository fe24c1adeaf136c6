import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from smalti.core.errors import BadInput, UnusablePicture
from smalti.core.library import scan
from smalti.core.source import Source, expand, is_tile, label, named, open_source, tiles_around


def save(path: Path, colour: tuple[int, int, int] = (10, 20, 30)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 6), colour).save(path, "PNG")
    return path


def names(*photos: str | Path) -> list[str]:
    return [os.path.basename(source.file) for source in expand([str(p) for p in photos])[0]]


@pytest.fixture
def album(tmp_path: Path) -> Path:
    for name in ("b.png", "a.JPG", "sub/deep/c.jpeg", ".hidden.png", "._d.png", ".cache/e.png"):
        save(tmp_path / "album" / name)
    (tmp_path / "album" / "notes.txt").write_text("hello")
    return tmp_path / "album"


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    """Six cells of 4 x 2 px, numbered by their red, and a strip that is no whole cell."""
    pixels = np.zeros((5, 12, 3), np.uint8)
    for k in range(6):
        y, x = 2 * (k // 3), 4 * (k % 3)
        pixels[y : y + 2, x : x + 4, 0] = 40 * k
    Image.fromarray(pixels).save(tmp_path / "sheet.png")
    return tmp_path / "sheet.png"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    picture = save(tmp_path / "p.png").read_bytes()
    with zipfile.ZipFile(tmp_path / "photos.zip", "w", zipfile.ZIP_DEFLATED) as file:
        for name in ("b.png", "in/a.png", "../up.png", "in/.x.png", "__MACOSX/b.png", "read.me"):
            file.writestr(name, picture)
        file.writestr("broken.jpg", b"no picture")
        file.writestr("bomb.png", bytes(60_000_000))
    return tmp_path / "photos.zip"


def test_folder(album: Path) -> None:
    assert names(album) == ["a.JPG", "b.png", "c.jpeg"]
    assert all(os.path.isabs(source.file) for source in expand([str(album)])[0])


def test_a_file_named_explicitly_may_have_any_name(album: Path) -> None:
    hidden = album / ".hidden.png"
    assert names(album / "notes.txt", hidden) == ["notes.txt", ".hidden.png"]


def test_globs(album: Path) -> None:
    assert names(album / "*.png") == ["b.png"]
    assert names(album / "**" / "*.*") == ["a.JPG", "b.png", "c.jpeg"]
    assert names(album / "s*") == ["c.jpeg"]


def test_globs_from_here_and_home(album: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(album / "sub")
    monkeypatch.setenv("HOME", str(album.parent))
    monkeypatch.setenv("USERPROFILE", str(album.parent))
    assert names("*/*.jpeg") == ["c.jpeg"]
    assert names("../*.png") == ["b.png"]
    assert names("~/album/*.png") == ["b.png"]


def test_nothing_is_listed_twice(album: Path) -> None:
    assert names(album, album / "sub", album / "b.png") == ["a.JPG", "b.png", "c.jpeg"]


def test_links_end_and_a_link_to_a_picture_is_a_picture(album: Path) -> None:
    (album / "sub" / "loop").symlink_to("..")
    (album / "sub" / "loop2").symlink_to(album)
    (album / "again").symlink_to("sub")
    (album / "link.png").symlink_to("b.png")
    assert sorted(names(album)) == ["a.JPG", "b.png", "c.jpeg", "link.png"]
    assert sorted(names(album / "**" / "*.*")) == ["a.JPG", "b.png", "c.jpeg", "link.png"]


@pytest.mark.parametrize("photo", ["missing", "empty", "*.gif", "a**", "", "x#32", "notes.txt#32"])
def test_what_stands_for_nothing_is_named(
    album: Path, photo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (album / "empty").mkdir()
    monkeypatch.chdir(album)
    with pytest.raises(BadInput) as caught:
        expand([str(album), photo])
    assert photo.partition("#")[0] in str(caught.value)


def test_sheet(sheet: Path) -> None:
    sources, skipped = expand([f"{sheet}#4x2"])
    assert [source.part for source in sources] == [f"4x2:{k}" for k in range(6)]
    assert not skipped
    for k, source in enumerate(sources):
        picture = open_source(source)
        assert picture.size == (4, 2)
        assert picture.pixels.shape == (2, 4, 3)
        assert (picture.pixels[..., 0] == 40 * k).all()
    assert label(sources[5]) == "tile 5 of sheet.png"
    assert len(expand([f"{sheet}#4"])[0]) == 3
    with pytest.raises(BadInput, match="smaller than one cell of 64 x 64 px"):
        expand([f"{sheet}#64"])


def test_a_changed_sheet_is_read_again(sheet: Path) -> None:
    source = expand([f"{sheet}#4x2"])[0][5]
    Image.new("RGB", (12, 4), (1, 2, 3)).save(sheet)
    assert open_source(source).pixels[0, 0].tolist() == [1, 2, 3]
    Image.new("RGB", (4, 4)).save(sheet)
    with pytest.raises(UnusablePicture, match="only 2 tiles"):
        open_source(source)
    sheet.unlink()
    with pytest.raises(UnusablePicture, match="no such file"):
        open_source(source)


def test_a_file_with_a_number_sign_in_its_name(tmp_path: Path) -> None:
    file = save(tmp_path / "a#32")
    assert expand([str(file)])[0] == [Source(str(file))]


def test_array(tmp_path: Path) -> None:
    tiles = np.arange(2 * 3 * 4 * 3, dtype=np.uint8).reshape(2, 3, 4, 3)
    np.savez(tmp_path / "t.npz", tiles=tiles)
    sources, _ = expand([str(tmp_path / "t.npz")])
    assert [source.part for source in sources] == ["0", "1"]
    assert is_tile(sources[0])
    assert open_source(sources[1]).size == (4, 3)
    assert np.array_equal(open_source(sources[1]).pixels, tiles[1])
    assert np.array_equal(tiles_around(sources[0]), tiles)
    assert label(sources[1]) == "tile 1 of t.npz"


@pytest.mark.parametrize(
    ("key", "tiles"),
    [
        ("other", np.zeros((1, 2, 2, 3), np.uint8)),
        ("tiles", np.zeros((1, 2, 2, 3))),
        ("tiles", np.zeros((2, 2, 3), np.uint8)),
        ("tiles", np.zeros((0, 2, 2, 3), np.uint8)),
        ("tiles", np.array([{"code": "run"}], dtype=object)),
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, key: str, tiles: NDArray[Any]) -> None:
    np.savez(tmp_path / "t.npz", allow_pickle=True, **{key: tiles})
    with pytest.raises(BadInput, match=r"t\.npz.*'tiles'.*\(n, height, width, 3\).*uint8"):
        expand([str(tmp_path / "t.npz")])


def test_archive(archive: Path) -> None:
    sources, _ = expand([str(archive)])
    parts = [source.part for source in sources]
    assert parts == ["../up.png", "b.png", "bomb.png", "broken.jpg", "in/a.png"]
    assert not any(is_tile(source) for source in sources)
    assert open_source(sources[0]).size == (8, 6)
    assert open_source(sources[4]).pixels[0, 0].tolist() == [10, 20, 30]
    assert label(sources[4]) == "a.png"
    with pytest.raises(UnusablePicture, match=r"photos\.zip/bomb\.png: it would unpack to 60 MB"):
        open_source(sources[2])
    with pytest.raises(UnusablePicture, match=r"photos\.zip/broken\.jpg: not a picture"):
        open_source(sources[3])
    assert not (archive.parent.parent / "up.png").exists()


def test_encrypted_member(archive: Path) -> None:
    content = bytearray(archive.read_bytes())
    for mark, flag in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + flag] |= 1
    archive.write_bytes(content)
    with pytest.raises(UnusablePicture, match="encrypted"):
        open_source(Source(str(archive), "b.png"))


def test_broken_archive(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"PK no archive")
    with pytest.raises(BadInput, match=r"cannot open .*x\.zip"):
        expand([str(tmp_path / "x.zip")])
    with zipfile.ZipFile(tmp_path / "y.zip", "w") as file:
        file.writestr("read.me", b"")
    with pytest.raises(BadInput, match=r"no pictures in .*y\.zip"):
        expand([str(tmp_path / "y.zip")])


def test_demo() -> None:
    sources, _ = expand(["@demo"])
    assert len(sources) == 4096
    assert open_source(sources[17]).size == (32, 32)
    assert label(sources[17]) == "tile 17 of tiles.jpg"


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("a.jpg", [0, 1]),
        ("/x/one/a.jpg", [0]),
        ("one/a.jpg", [0]),
        ("e/a.jpg", []),
        ("*.jpg", [0, 1, 2]),
        ("b*", [2]),
        ("two/*", [1, 2]),
        ("/x/two/*", [1, 2]),
        ("[1].png", [3]),
        ("tile 17 of s.png", [4]),
        ("tile 1? of s.png", [4]),
        ("s.png/32:17", [4]),
        ("in.jpg", [5]),
        ("z.zip/deep/*", [5]),
        ("A.jpg", []),
        ("", []),
    ],
)
def test_photos_by_name(word: str, found: list[int]) -> None:
    sources = [
        Source("/x/one/a.jpg"),
        Source("/x/two/a.jpg"),
        Source("/x/two/b.jpg"),
        Source("/x/[1].png"),
        Source("/x/s.png", "32:17"),
        Source("/x/z.zip", "deep/in.jpg"),
    ]
    wanted = [5, *found] if word == "*.jpg" else found
    assert named(sources, word) == sorted(wanted)


def test_label_fits_one_line() -> None:
    assert label(Source("/a/new\nline\u202e.jpg")) == "new\\nline\\u202e.jpg"


def test_unreadable_folder_is_skipped(album: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for a user without the right; root, who may read all, has to be told so."""
    listed = os.scandir

    def refuse(folder: str) -> object:
        if Path(folder).name == "sub":
            raise PermissionError(13, "Permission denied", folder)
        return listed(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    sources, skipped = expand([str(album)])
    assert len(sources) == 2
    assert skipped[0].reason == "permission denied"


def test_every_kind_of_source_has_alpha_if_asked(sheet: Path, archive: Path) -> None:
    kinds = [Source(str(sheet)), Source(str(archive), "b.png"), Source(str(sheet), "4x2:3")]
    for source in kinds:
        flat, clear = (open_source(source, transparent=t).pixels for t in (False, True))
        np.testing.assert_array_equal(clear[..., :3], flat)
        assert (clear[..., 3] == 255).all()


@pytest.mark.parametrize(("name", "reason"), [("a.NEF", "camera's raw file"), ("b.jxl", "JPEG XL")])
def test_pictures_of_kinds_not_read_are_named(tmp_path: Path, name: str, reason: str) -> None:
    """A raw file is a TIFF whose first picture is a stamp, which must not be taken for it."""
    Image.new("RGB", (160, 120), "red").save(tmp_path / "a.tif")
    stamp = (tmp_path / "a.tif").read_bytes()
    (tmp_path / name).write_bytes(stamp if name == "a.NEF" else b"\xff\x0a" + bytes(99))
    library = scan([str(tmp_path)])
    assert len(library.sources) == 1
    assert [(Path(s.file).name, reason in s.reason) for s in library.skipped] == [(name, True)]
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.write(tmp_path / name, name)
    with pytest.raises(BadInput, match=reason):
        scan([str(tmp_path / "z.zip")])
