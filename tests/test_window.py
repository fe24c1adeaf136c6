"""The viewer in a real window, on a display without a screen."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

TOOLS = ("Xvfb", "xdotool")
pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, TOOLS)) and not os.environ.get("CI"),
    reason="needs Xvfb and xdotool: sh tests/need_display.sh",
)
SMALTI = [sys.executable, "-c", "from smalti.plugin.cli import main; main()"]


@pytest.fixture
def display() -> Iterator[str]:
    """A display of its own."""
    reading, writing = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1400x900x24", "-nolisten", "tcp"],
        pass_fds=[writing],
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    with os.fdopen(reading) as pipe:
        number = pipe.readline().strip()
    yield f":{number}"
    server.terminate()
    server.wait()


def hand(display: str, *words: object) -> str:
    """Do something at the display."""
    run = subprocess.run(
        ["xdotool", *map(str, words)],
        env={**os.environ, "DISPLAY": display},
        capture_output=True,
        text=True,
        check=False,
    )
    return run.stdout.strip()


def seen(display: str, file: Path) -> np.ndarray:
    """Take a picture of the display."""
    subprocess.run(
        [sys.executable, "-c", GRAB, str(file)], env={**os.environ, "DISPLAY": display}, check=True
    )
    with Image.open(file) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


GRAB = "import sys; from PIL import ImageGrab; ImageGrab.grab(xdisplay='').save(sys.argv[1])"


def until(display: str, file: Path, what: str, true: object, seconds: float = 90) -> np.ndarray:
    """Wait until the display looks as it should."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pixels = seen(display, file)
        assert callable(true)
        if true(pixels):
            return pixels
        time.sleep(0.5)
    raise AssertionError(f"{what}: see {file}")


def settled(display: str, file: Path) -> np.ndarray:
    """Wait until nothing changes any more."""
    before = seen(display, file)
    end = time.monotonic() + 90
    while time.monotonic() < end:
        time.sleep(3)
        now = seen(display, file)
        if (now == before).all():
            return now
        before = now
    raise AssertionError(f"it changes for ever: see {file}")


@contextmanager
def opened(
    display: str, folder: Path, *words: str, door: str = "view"
) -> Iterator["subprocess.Popen[bytes]"]:
    """Open the viewer on a red disc."""
    target = Image.new("RGB", (240, 160), (40, 70, 160))
    ImageDraw.Draw(target).ellipse((70, 30, 170, 130), fill=(190, 50, 40))
    target.save(folder / "target.png")
    process = subprocess.Popen(
        [*SMALTI, door, str(folder / "target.png"), *words],
        stdout=subprocess.PIPE,
        env={
            **os.environ,
            "DISPLAY": display,
            "SDL_VIDEODRIVER": "x11",
            "SDL_VIDEO_WINDOW_POS": "0,0",
        },
        cwd=folder,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture
def window(shapes_known: None, display: str, tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    with opened(display, tmp_path, "--tiles", "40") as process:
        yield process


def gone(group: int) -> bool:
    """Whether a group of processes ends within a few seconds."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


def is_packed(pixels: np.ndarray) -> bool:
    """Whether the red disc is laid and drawn from clip art: of many colours."""
    disc = pixels[330:430, 440:540]
    return bool(disc[..., 0].mean() > disc[..., 2].mean() + 30 and disc.std(axis=(0, 1)).max() > 20)


def test_a_session(display: str, window: "subprocess.Popen[bytes]", tmp_path: Path) -> None:
    shot = tmp_path / "shot.png"
    first = until(display, shot, "it opens", lambda p: p[20:700, 1010:1260].std() > 10)
    packed = until(display, shot, "it packs", is_packed)
    assert (packed != first).any()

    hand(display, "mousemove", 1146, 273, "mousedown", 1)  # deformation
    hand(display, "mousemove", 1100, 273, "mouseup", 1)
    hand(display, "mousemove", 30, 30)
    time.sleep(1)
    slid = settled(display, shot)
    assert is_packed(slid)
    assert (slid[:740, :970] != packed[:740, :970]).any()

    hand(display, "mousemove", 490, 380, "mousedown", 1)
    for step in range(5):
        hand(display, "mousemove", 494 + 4 * step, 380)
        time.sleep(0.1)
    hand(display, "mouseup", 1)
    hand(display, "mousemove", 30, 30, "key", "Escape")
    moved = settled(display, shot)
    assert (moved[:740, :970] != slid[:740, :970]).any()
    hand(display, "key", "ctrl+z")
    back = settled(display, shot)
    assert np.abs(back - slid)[:740, :970].mean() < np.abs(moved - slid)[:740, :970].mean()

    hand(display, "key", "s")
    end = time.monotonic() + 60
    while not (tmp_path / "smalti-view.svg").exists() and time.monotonic() < end:
        time.sleep(0.2)
    assert (tmp_path / "smalti-view.png").exists()
    assert (tmp_path / "smalti-view.svg").exists()
    hand(display, "key", "q")
    assert window.wait(20) == 0
    assert gone(window.pid)


def is_laid(pixels: np.ndarray) -> bool:
    """Whether the red disc is laid of photos: of the colour it has, and of others."""
    disc = pixels[330:430, 440:540]
    return bool(disc[..., 0].mean() > 130 and disc.std(axis=(0, 1)).max() > 8)


def test_a_session_with_photos(display: str, tmp_path: Path, folder_of_photos: Path) -> None:
    shot, room = tmp_path / "shot.png", (slice(0, 740), slice(0, 970))
    words = ("--photo", str(folder_of_photos), "--cells", "24")
    with opened(display, tmp_path, *words) as window:
        until(display, shot, "it opens", lambda p: p[20:700, 1010:1260].std() > 10)
        until(display, shot, "it is laid", is_laid)
        hand(display, "mousemove", 1000, 700)
        laid = settled(display, shot)

        hand(display, "mousemove", 490, 380, "mousedown", 1)
        for step in range(1, 6):
            hand(display, "mousemove", 490 - 60 * step, 380 - 40 * step)
            time.sleep(0.1)
        hand(display, "mouseup", 1, "mousemove", 1000, 700, "key", "Escape")
        swapped = settled(display, shot)
        assert (swapped[room] != laid[room]).any()
        hand(display, "key", "ctrl+z")
        back = settled(display, shot)
        apart = np.abs(back - laid)[room].mean()
        assert apart < 0.1 * np.abs(swapped - laid)[room].mean()

        hand(display, "key", "ctrl+y")
        settled(display, shot)
        hand(display, "key", "s")
        project, picture = tmp_path / "smalti-view.smalti.json", tmp_path / "smalti-view.png"
        end = time.monotonic() + 60
        while not picture.exists() and time.monotonic() < end:  # it comes after its project
            time.sleep(0.2)
        assert picture.exists()
        assert len(json.loads(project.read_text())["request"]["lock"]) == 2
        hand(display, "key", "q")
        assert window.wait(20) == 0
        assert gone(window.pid)


def test_closing_in_the_middle_leaves_no_process(
    display: str, window: "subprocess.Popen[bytes]", tmp_path: Path
) -> None:
    until(display, tmp_path / "shot.png", "it opens", lambda p: p[20:700, 1010:1260].std() > 10)
    time.sleep(1)
    hand(display, "key", "q")
    assert window.wait(20) == 0
    assert gone(window.pid)


def test_what_is_watched_is_written_and_told(
    shapes_known: None, display: str, tmp_path: Path
) -> None:
    out = tmp_path / "out.png"
    geometry = tmp_path / "out.geojson"
    words = ["@demo", "--tiles", "40", "--width", "300", "--watch", "--json", "-o", str(out)]
    words += ["--geometry", str(geometry)]
    with opened(display, tmp_path, *words, door="jigsaw") as window:
        until(display, tmp_path / "shot.png", "it packs", is_packed)
        begin = time.monotonic()
        while not out.exists() and time.monotonic() < begin + 60:  # what is packed is yet measured
            time.sleep(0.1)
        assert out.exists()
        hand(display, "key", "q")
        said, _ = window.communicate(timeout=20)
        assert window.returncode == 0
    assert json.loads(said)["output"] == str(out)
    assert geometry.exists()
    with opened(display, tmp_path, *words, "--seed", "3", door="jigsaw") as window:
        until(display, tmp_path / "shot.png", "it opens", lambda p: p[20:700, 1010:1260].std() > 10)
        hand(display, "key", "q")
        assert window.wait(20) == 130  # as if cancelled: it was not written
    assert "smalti-view.png" not in os.listdir(tmp_path)


@pytest.mark.parametrize(
    "words",
    [
        ("view", "/nowhere.png"),
        ("view", "@demo", "--mask", "/nowhere.png"),
        ("view", "--photo", "@demo", "/nowhere"),
        ("view", "--seed", "-1"),
        ("jigsaw", "/nowhere.png", "@demo", "--watch", "-o", "out.png"),
    ],
)
def test_bad_input_closes_the_window_with_a_line(words: tuple[str, ...], tmp_path: Path) -> None:
    run = subprocess.run(
        [*SMALTI, *words],
        env={**os.environ, "SDL_VIDEODRIVER": "dummy", "SMALTI_CACHE": str(tmp_path / "cache")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 2
    assert len(run.stderr.strip().splitlines()) == 1
    assert "/nowhere" in run.stderr or "seed is -1" in run.stderr
    assert os.listdir(tmp_path) in ([], ["cache"])


def test_without_a_display_it_says_so(tmp_path: Path) -> None:
    bare = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    run = subprocess.run(
        [*SMALTI, "view"],
        env={**bare, "SDL_VIDEODRIVER": "x11", "SMALTI_CACHE": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 2
    assert "display" in run.stderr
    assert len(run.stderr.strip().splitlines()) == 1
