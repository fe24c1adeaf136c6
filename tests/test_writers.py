"""Each writer is judged by reading its file back with Pillow, which did not write it."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import pyvips
from numpy.typing import NDArray
from PIL import Image

from smalti.core import encoder
from smalti.core.deep_zoom import OVERLAP, TILE, deep_zoom, tiles_folder
from smalti.core.errors import BadInput, Cancelled, SmaltiError
from smalti.core.progress import Step
from smalti.core.writers import ENDINGS, check_output, write_picture

PICTURES = [ending for ending in ENDINGS if ending not in (".dzi", ".html")]
WRITTEN = [*PICTURES, ".dzi"]
SIZE = (600, 401)


def scene(size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    """Flat red, green, blue and grey quarters, with a gradient between them."""
    width, height = size
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:] = np.linspace(0, 255, width, dtype=np.uint8)[None, :, None]
    third, half = width // 3, height // 2
    pixels[:half, :third] = (255, 0, 0)
    pixels[half:, :third] = (0, 255, 0)
    pixels[:half, -third:] = (0, 0, 255)
    pixels[half:, -third:] = (90, 90, 90)
    return pixels


def cut(pixels: NDArray[np.uint8], step: int = 50) -> Iterator[NDArray[np.uint8]]:
    return (pixels[top : top + step] for top in range(0, len(pixels), step))


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def assembled(out: Path, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Put the finest tiles of a deep zoom together again."""
    level = tiles_folder(out) / str((max(size) - 1).bit_length())
    canvas = Image.new("RGB", size)
    for path in level.iterdir():
        column, row = (int(part) for part in path.stem.split("_"))
        place = (column * TILE - OVERLAP * (column > 0), row * TILE - OVERLAP * (row > 0))
        with Image.open(path) as tile:
            canvas.paste(tile, place)
    return np.asarray(canvas)


@pytest.mark.parametrize("ending", PICTURES)
def test_reads_back_with_its_colours_and_density(tmp_path: Path, ending: str) -> None:
    out, pixels = tmp_path / f"a{ending}", scene()
    write_picture(cut(pixels), SIZE, out, dpi=300)
    with Image.open(out) as picture:
        assert picture.size == SIZE
        assert picture.mode == "RGB"
        if ending != ".webp":
            assert picture.info["dpi"] == pytest.approx((300, 300), abs=0.01)
        read = np.asarray(picture).astype(int)
    if ending in (".png", ".tif", ".tiff"):
        np.testing.assert_array_equal(read, pixels)
    else:
        assert np.abs(read - pixels).mean() < 2
        assert np.abs(read[20, 20] - (255, 0, 0)).max() <= 3
        assert np.abs(read[-20, 20] - (0, 255, 0)).max() <= 3
        assert np.abs(read[20, -20] - (0, 0, 255)).max() <= 3
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


def test_a_deep_zoom_is_the_picture_at_every_level(tmp_path: Path) -> None:
    out, pixels = tmp_path / "a b.dzi", scene()
    write_picture(cut(pixels), SIZE, out, dpi=300)
    assert np.abs(assembled(out, SIZE).astype(int) - pixels).mean() < 2
    assert 'Width="600" Height="401"' in out.read_text()
    levels = sorted(int(path.name) for path in tiles_folder(out).iterdir() if path.is_dir())
    assert levels == list(range(11))
    with Image.open(tiles_folder(out) / "8" / "0_0.jpg") as small:
        assert small.size == (150, 101)
        assert np.abs(np.asarray(small).astype(int)[5, 5] - (255, 0, 0)).max() <= 3


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (TILE, TILE), (TILE + 1, 2 * TILE + 1)])
@pytest.mark.parametrize("ending", WRITTEN)
def test_odd_sizes(tmp_path: Path, ending: str, size: tuple[int, int]) -> None:
    out = tmp_path / f"a{ending}"
    pixels = np.full((size[1], size[0], 3), (200, 30, 40), np.uint8)
    write_picture(cut(pixels), size, out, dpi=300)
    if ending == ".dzi":
        read = assembled(out, size)
    else:
        with Image.open(out) as picture:
            read = np.asarray(picture.convert("RGB"))
    assert read.shape == pixels.shape
    assert np.abs(read.astype(int) - pixels).max() <= 6


@pytest.mark.parametrize("ending", WRITTEN)
def test_same_bands_same_bytes(tmp_path: Path, ending: str) -> None:
    for name, step in (("one", 50), ("two", 50), ("whole", 401)):
        (tmp_path / name).mkdir()
        write_picture(cut(scene(), step), SIZE, tmp_path / name / f"a{ending}", dpi=300)
    one = contents(tmp_path / "one")
    assert one == contents(tmp_path / "two") == contents(tmp_path / "whole")


@pytest.mark.parametrize("ending", WRITTEN)
def test_a_second_writing_replaces_the_first(tmp_path: Path, ending: str) -> None:
    out, once = tmp_path / f"a{ending}", tmp_path / f"once{ending}"
    write_picture(cut(scene((900, 700))), (900, 700), out, dpi=300)
    write_picture(cut(scene()), SIZE, out, dpi=300)
    write_picture(cut(scene()), SIZE, once, dpi=300)
    assert out.read_bytes() == once.read_bytes()
    if ending == ".dzi":
        assert contents(tiles_folder(out)) == contents(tiles_folder(once))


@pytest.mark.parametrize("error", [Cancelled(), KeyboardInterrupt(), BadInput("x"), OSError("x")])
@pytest.mark.parametrize("decoded", [0, 10**9])
@pytest.mark.parametrize("ending", WRITTEN)
def test_an_error_in_the_bands_comes_out_as_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, decoded: int, error: BaseException
) -> None:
    monkeypatch.setattr(encoder, "_DECODED", decoded)
    out = tmp_path / f"a{ending}"
    write_picture(cut(scene()), SIZE, out, dpi=300)
    before = contents(tmp_path)

    def failing() -> Iterator[NDArray[np.uint8]]:
        yield from cut(scene()[:200])
        raise error

    with pytest.raises(type(error)) as caught:
        write_picture(failing(), SIZE, out, dpi=300)
    assert caught.value is error
    assert contents(tmp_path) == before
    assert sorted(tmp_path.iterdir()) == sorted({out, *tmp_path.glob("a_files")})


@pytest.mark.parametrize("ending", WRITTEN)
@pytest.mark.parametrize("decoded", [0, 10**9])
@pytest.mark.parametrize("rows", [400, 402])
def test_bands_must_add_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, decoded: int, rows: int
) -> None:
    monkeypatch.setattr(encoder, "_DECODED", decoded)
    with pytest.raises(ValueError, match="in a picture of 401"):
        write_picture(cut(scene((600, rows))), SIZE, tmp_path / f"a{ending}", dpi=300)
    assert not list(tmp_path.iterdir())


def test_ctrl_c_while_libvips_works_alone(tmp_path: Path) -> None:
    def noise() -> Iterator[NDArray[np.uint8]]:
        rng = np.random.default_rng(1)
        for _ in range(40):
            yield rng.integers(0, 256, (100, 4000, 3), np.uint8)
        # From here on only libvips is at work, for seconds.
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()

    with pytest.raises(KeyboardInterrupt):
        write_picture(noise(), (4000, 4000), tmp_path / "a.webp", dpi=300)
    assert not list(tmp_path.iterdir())
    assert not [thread for thread in threading.enumerate() if thread.name == "smalti-libvips"]


@pytest.mark.parametrize("decoded", [0, 10**9])
@pytest.mark.parametrize("ending", WRITTEN)
def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path, ending: str, decoded: int) -> None:
    script = f"""
import resource, numpy as np
from pathlib import Path
from smalti.core import encoder
from smalti.core.writers import write_picture
encoder._DECODED = {decoded}
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
pixels = np.random.default_rng(1).integers(0, 256, (600, 500, 3), np.uint8)
write_picture([pixels], (500, 600), Path({str(tmp_path / f"a{ending}")!r}), dpi=300)
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert run.returncode == 1
    assert "SmaltiError: cannot write" in run.stderr.splitlines()[-1]
    said = run.stderr.splitlines()[-1]
    assert re.search(r"File too large; it takes up to 0\.9 MB and [\d.]+ MB are free: make", said)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("decoded", [0, 10**9])
@pytest.mark.parametrize("ending", WRITTEN)
def test_a_damaged_file_never_gets_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, decoded: int
) -> None:
    def damage(path: Path) -> None:
        if path.is_file():
            os.truncate(path, path.stat().st_size * 2 // 3)

    for module in ("writers", "deep_zoom"):
        monkeypatch.setattr(f"smalti.core.{module}.sync", damage)
    monkeypatch.setattr(encoder, "_DECODED", decoded)
    with pytest.raises(SmaltiError, match="does not read back"):
        write_picture(cut(scene()), SIZE, tmp_path / f"a{ending}", dpi=300)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("ending", PICTURES)
def test_a_poster_is_read_back_by_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    monkeypatch.setattr(encoder, "_DECODED", 0)
    write_picture(cut(scene()), SIZE, tmp_path / f"a{ending}", dpi=300)


@pytest.mark.parametrize("size", [(600, 401), (1, 1), (3, 50), (2000, 16)])
def test_a_tiff_of_a_poster_is_its_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    monkeypatch.setattr(encoder, "_DECODED", 0)
    out, pixels = tmp_path / "a.tif", scene(size)
    write_picture(cut(pixels), size, out, dpi=150.5)
    with Image.open(out) as picture:
        assert picture.info["dpi"] == pytest.approx((150.5, 150.5))
        np.testing.assert_array_equal(np.asarray(picture), pixels)
    image = pyvips.Image.new_from_file(str(out))
    np.testing.assert_array_equal(image.numpy(), pixels)
    assert image.get("xres") == pytest.approx(150.5 / 25.4)
    write_picture(cut(pixels, 7), size, tmp_path / "other-bands.tif", dpi=150.5)
    assert (tmp_path / "other-bands.tif").read_bytes() == out.read_bytes()


def test_a_tiff_beyond_4_gib_is_a_bigtiff(tmp_path: Path) -> None:
    """Its pixels are never written: the bands end at once, after its header."""
    headers: list[bytes] = []

    def none() -> Iterator[NDArray[np.uint8]]:
        for path in tmp_path.iterdir():
            with path.open("rb") as file:
                headers.append(file.read(4))
        raise Cancelled
        yield

    for size in ((30_000, 40_000), (40_000, 40_000)):
        with pytest.raises(Cancelled):
            write_picture(none(), size, tmp_path / "a.tif", dpi=300)
    assert headers == [b"II*\0", b"II+\0"]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "size", "says"),
    [
        ("a.bmp", (9, 9), r"must end in one of \.png .*\.dzi \.html"),
        ("a", (9, 9), "must end in one of"),
        ("a.webp", (16_384, 9), r"at most 16383 px a side.*write \.png, \.tif or \.dzi"),
        ("a.webp", (10_001, 10_000), r"at most 100 MP; make it smaller, or write \.jpg"),
        ("a.JPG", (9, 65_536), "at most 65535 px a side"),
        ("none/a.png", (9, 9), "there is no folder"),
        ("folder.png", (9, 9), "it is a folder"),
        ("a" * 300 + ".png", (9, 9), "name too long; choose another"),
        ("a" * 240 + ".png", (9, 9), "name too long; choose another"),
        ("theirs.dzi", (9, 9), "is not smalti's"),
        ("theirs.html", (9, 9), "is not smalti's"),
        ("mixed.dzi", (9, 9), "is not smalti's"),
        ("a\u202eb.txt", (9, 9), r"a\\u202eb"),
    ],
)
def test_outputs_refused_before_the_work(
    tmp_path: Path, name: str, size: tuple[int, int], says: str
) -> None:
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "theirs_files" / "0").mkdir(parents=True)
    write_picture(cut(scene()), SIZE, tmp_path / "mixed.dzi", dpi=300)
    (tmp_path / "mixed_files" / "notes.txt").write_text("mine")
    before = contents(tmp_path)

    def untouched() -> Iterator[NDArray[np.uint8]]:
        pytest.fail("rendered")
        yield

    with pytest.raises(BadInput, match=says):
        check_output(tmp_path / name, size)
    with pytest.raises(BadInput, match=says):
        write_picture(untouched(), size, tmp_path / name, dpi=300)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_good_output_is_let_through_and_not_made(tmp_path: Path, ending: str) -> None:
    check_output(tmp_path / f"A{ending.upper()}", (9, 9))
    assert not list(tmp_path.iterdir())


def test_a_folder_that_takes_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)  # root may write anywhere
    with pytest.raises(SmaltiError, match="Permission denied"):
        check_output(tmp_path / "a.png", (9, 9))


def test_a_failing_page_puts_the_old_tiles_back(tmp_path: Path) -> None:
    out = tmp_path / "a.dzi"
    write_picture(cut(scene()), SIZE, out, dpi=300)
    before = contents(tmp_path)
    for name in ("a.html", "new.html"):
        with (
            pytest.raises(RuntimeError, match="page"),
            deep_zoom(cut(scene((300, 200))), (300, 200), tmp_path / name),
        ):
            raise RuntimeError("page" if contents(tmp_path) != before else "no tiles")
        assert contents(tmp_path) == before


def test_a_folder_whose_name_is_no_utf8(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    folder.mkdir()
    for ending in WRITTEN:
        write_picture(cut(scene()), SIZE, folder / f"\udce9{ending}", dpi=300)
        assert (folder / f"\udce9{ending}").stat().st_size


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("ending", [".png", ".jpg", ".tif", ".dzi"])
def test_a_poster_never_lies_in_memory(tmp_path: Path, ending: str) -> None:
    script = f"""
import numpy as np
from pathlib import Path
from smalti.core.writers import write_picture
band = np.tile(np.random.default_rng(1).integers(0, 256, (50, 50, 3), np.uint8), (1, 240, 1))
write_picture((band for _ in range(160)), (12_000, 8_000),
              Path({str(tmp_path / f"a{ending}")!r}), dpi=300)
print(Path("/proc/self/status").read_text())
"""
    # Not by getrusage: the peak it tells of a child begins with that of pytest itself.
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    status = dict(line.split(":", 1) for line in run.stdout.splitlines() if ":" in line)
    peak = int(status["VmHWM"].split()[0]) / 1000
    assert peak < 220, f"{peak:.0f} MB, and the pixels alone are 288"


def test_a_webp_is_cancelled_while_it_is_packed(tmp_path: Path) -> None:
    steps: list[Step] = []

    def cancel(step: Step) -> None:
        steps.append(step)
        raise Cancelled

    with pytest.raises(Cancelled):
        write_picture(cut(scene((4000, 3000))), (4000, 3000), tmp_path / "a.webp", dpi=300,
                      progress=cancel)  # fmt: skip
    assert not list(tmp_path.iterdir())
    (step,) = steps
    assert (step.phase, step.text) == ("render", "writing the file")


def test_files_of_a_deep_zoom_are_counted(tmp_path: Path) -> None:
    steps: list[Step] = []
    size = (3000, 2500)
    write_picture(cut(scene(size)), size, tmp_path / "a.dzi", dpi=300, progress=steps.append)
    told = [(s.done, s.total) for s in steps if s.text == "keeping the files"]
    assert len(told) >= 3
    assert told == sorted(told)
    assert {total for _, total in told} == {len(list((tmp_path / "a_files").rglob("*")))}
