"""Smalti in a real GIMP 3: in batch, and in a window whose keys are pressed.

``make test`` makes that GIMP (tests/need_gimp.sh). The scripts GIMP runs,
gimp_batch.py and gimp_window.py, print a line for each check.
"""

import os
import shutil
import subprocess
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from real_gimp import ROOT, RealGimp, find_gimp

SCRIPTS = ROOT / "tests" / "in_gimp"
SCREENS = ROOT / "tests" / "report"
BAD = ("FAIL", "Plug-in crashed", "mnemonic", "Traceback", "CRITICAL")


@pytest.fixture(scope="module")
def gimp(tmp_path_factory: pytest.TempPathFactory) -> RealGimp:
    found, root, reason = find_gimp()
    if not found:
        if os.environ.get("CI"):
            pytest.fail(f"no GIMP 3 in CI: {reason}")
        pytest.skip(reason)
    home = tmp_path_factory.mktemp("gimp")
    gimp = RealGimp(root, home)
    gimp.prepare()
    _photos(home / "photos")
    (home / "shapes").mkdir()
    with zipfile.ZipFile(ROOT / "assets" / "shapes.zip") as archive:
        for name in [n for n in archive.namelist() if n.endswith(".png")][:60]:
            (home / "shapes" / Path(name).name).write_bytes(archive.read(name))
    macaw = ROOT / "assets" / "targets" / "scarlet-macaw.jpg"
    shutil.copy(macaw, home / "macaw.jpg")
    with Image.open(macaw) as picture:
        small = np.asarray(picture.resize((240, 180)))
    alpha = np.full((180, 240), 255, np.uint8)
    alpha[:, :30], alpha[:, 30:40] = 0, 100
    np.dstack([small, alpha]).tofile(home / "target.raw")
    return gimp


def _photos(folder: Path) -> None:
    """Cut real photos out of the sheet that is shipped."""
    folder.mkdir()
    with Image.open(ROOT / "assets" / "tiles.jpg") as picture:
        across = picture.width // 32
        for k in range(160):
            left, top = k % across * 32, k // across * 32
            tile = picture.crop((left, top, left + 32, top + 32)).resize((64, 64))
            tile.save(folder / f"{k:03}.jpg")


def passed(said: str) -> list[str]:
    """Return what passed, and complain of everything else."""
    wrong = [line for line in said.splitlines() if any(word in line for word in BAD)]
    assert not wrong, said[-6000:]
    assert "ALL RAN" in said, said[-6000:]
    return [line for line in said.splitlines() if line.startswith("PASS")]


def test_in_batch(gimp: RealGimp) -> None:
    said = gimp.batch(SCRIPTS / "gimp_batch.py", TESTS=str(SCRIPTS))
    assert len(passed(said)) == (SCRIPTS / "gimp_batch.py").read_text("utf-8").count("\n@check")
    assert "exit 0" in said


@pytest.mark.skipif(
    not (shutil.which("xdotool") or os.environ.get("CI")), reason="xdotool presses the keys"
)
def test_in_a_window(gimp: RealGimp) -> None:
    SCREENS.mkdir(exist_ok=True)
    with screen() as display:
        script = SCRIPTS / "gimp_window.py"
        words = ["gimp", "--no-splash", "--console-messages", "--stack-trace-mode=never",
                 "--batch-interpreter=python-fu-eval", "-b",
                 f"exec(open({str(script)!r}).read())"]  # fmt: skip
        running = subprocess.Popen(
            gimp.command(words, DISPLAY=display.name, TESTS=str(SCRIPTS)),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        said = ""
        try:
            assert running.stdout
            with running.stdout as out:
                for line in out:
                    said += line
                    if line.startswith("ASK"):
                        answer(display, gimp, line.split()[1:])
                    if line.startswith("ALL RAN"):
                        break
        finally:
            display.shoot("last")
            running.kill()
            running.wait()
    assert len(passed(said)) == 10


class Display:
    """A screen nobody sees, its windows and its keys."""

    def __init__(self, name: str) -> None:
        self.name = name

    def do(self, *words: str) -> str:
        return subprocess.run(
            words,
            env={**os.environ, "DISPLAY": self.name},
            capture_output=True,
            text=True,
            check=False,
        ).stdout

    def window(self, title: str) -> str:
        end = time.monotonic() + 30
        while time.monotonic() < end:
            found = self.do("xdotool", "search", "--onlyvisible", "--name", title).split()
            if found:
                return found[-1]
            time.sleep(0.05)
        self.shoot("no-window")
        raise AssertionError(f"no window {title!r}: see tests/report/no-window.png")

    def press(self, title: str, *keys: str) -> None:
        window = self.window(title)
        self.do("xdotool", "windowactivate", "--sync", window)
        self.do("xdotool", "windowfocus", "--sync", window)
        time.sleep(0.3)
        self.do("xdotool", "key", *keys)

    def shoot(self, name: str) -> None:
        self.do("import", "-window", "root", str(SCREENS / f"gimp-{name}.png"))


def answer(display: Display, gimp: RealGimp, asked: list[str]) -> None:
    """Press what the script in GIMP asks for."""
    image = "GIMP$"
    match asked:
        case ["dialog", kind]:
            display.window("^Smalti")
            time.sleep(12)  # for the preview, on a machine with much else to do
            display.shoot(kind)
            display.press("^Smalti", "alt+x")
            time.sleep(0.7)
            display.shoot(f"{kind}-expert")
            display.press("^Smalti", "alt+o")
            return
        case ["cancel"]:
            display.window("^Smalti")
            time.sleep(1)
            display.press("^Smalti", "Escape")
            return
        case ["arrange"]:
            window = display.window(image)
            display.do("xdotool", "windowsize", window, "1436", "920")
            display.do("xdotool", "windowmove", window, "0", "20")
            display.do("xdotool", "mousemove", "720", "4")  # off the menus and their tips
            time.sleep(1)
        case ["menu"]:
            display.press(image, "alt+r")
            time.sleep(0.7)
            for _ in range(9):  # the ninth entry that can be chosen is Artistic
                display.do("xdotool", "key", "Down")
            display.do("xdotool", "key", "Right")
            time.sleep(0.7)
            display.shoot("menu")
            display.do("xdotool", "key", "d")
            display.window("^Smalti: Decorative")
            display.press("^Smalti", "alt+o")
        case ["undo"]:
            display.press(image, "ctrl+z")
        case ["repeat"]:
            display.press(image, "ctrl+f")
        case ["stop"]:
            # Cancel in the status bar, where it is in a window of the size arranged.
            display.do("xdotool", "mousemove", "1155", "943", "click", "1")
    (gimp.home / "pressed").touch()


@contextmanager
def screen() -> Iterator[Display]:
    """Open a virtual screen with a window manager."""
    reads, writes = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writes), "-screen", "0", "1440x960x24", "-nolisten", "tcp"],
        pass_fds=[writes],
        stderr=subprocess.DEVNULL,
    )
    os.close(writes)
    with os.fdopen(reads) as told:
        display = Display(f":{told.readline().strip()}")
    manager = subprocess.Popen(
        ["openbox"],
        env={**os.environ, "DISPLAY": display.name},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield display
    finally:
        for process in (manager, server):
            process.terminate()
            process.wait()
