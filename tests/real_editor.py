"""What tests in real editors share: pictures to work with, a screen, what was printed."""

import os
import shutil
import subprocess
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
SCREENS = ROOT / "tests" / "report"
BAD = ("FAIL", "Plug-in crashed", "mnemonic", "Traceback", "CRITICAL")
# Of GIMP 3.2 itself: where no pen was ever seen, as on a virtual screen; and of the radio buttons
# it makes of a choice, whose title can have no mnemonic.
NOISE_3_2 = (
    "gdk_device_",
    "gdk_window_get_device_",
    "gimp_device_info_",
    "no mnemonic for property",
)


def fill_home(home: Path) -> None:
    """Lay photos, clip art and a target into a folder."""
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


def _photos(folder: Path) -> None:
    """Cut real photos out of the sheet that is shipped."""
    folder.mkdir()
    with Image.open(ROOT / "assets" / "tiles.jpg") as picture:
        across = picture.width // 32
        for k in range(160):
            left, top = k % across * 32, k // across * 32
            tile = picture.crop((left, top, left + 32, top + 32)).resize((64, 64))
            tile.save(folder / f"{k:03}.jpg")


def workers(home: Path) -> list[int]:
    """List the workers that were started by an editor whose home this is."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                if b"smalti.plugin.worker" in words:
                    environment = (entry / "environ").read_bytes()
                    if f"HOME={home}".encode() in environment.split(b"\0"):
                        found.append(int(entry.name))
            except OSError:  # just gone
                continue
    return found


def until(holds: Callable[[], object], seconds: float) -> bool:
    """Wait until something holds; return whether it does in time."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def passed(said: str, noise: tuple[str, ...] = ()) -> list[str]:
    """Return what passed, and complain of everything else but lines of noise."""
    wrong = [
        line
        for line in said.splitlines()
        if any(word in line for word in BAD) and not any(word in line for word in noise)
    ]
    assert not wrong, said[-6000:]
    assert "ALL RAN" in said, said[-6000:]
    return [line for line in said.splitlines() if line.startswith("PASS")]


class Display:
    """A screen nobody sees, its windows and its keys."""

    def __init__(self, name: str, editor: str) -> None:
        self.name, self.editor = name, editor

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
        raise AssertionError(f"no window {title!r}: see tests/report")

    def press(self, title: str, *keys: str) -> None:
        window = self.window(title)
        self.do("xdotool", "windowactivate", "--sync", window)
        self.do("xdotool", "windowfocus", "--sync", window)
        time.sleep(0.3)
        self.do("xdotool", "key", *keys)

    def shoot(self, name: str) -> None:
        self.do("import", "-window", "root", str(SCREENS / f"{self.editor}-{name}.png"))


@contextmanager
def screen(editor: str) -> Iterator[Display]:
    """Open a virtual screen with a window manager."""
    reads, writes = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writes), "-screen", "0", "1440x960x24", "-nolisten", "tcp"],
        pass_fds=[writes],
        stderr=subprocess.DEVNULL,
    )
    os.close(writes)
    with os.fdopen(reads) as told:
        display = Display(f":{told.readline().strip()}", editor)
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
