"""Smalti in a real GIMP 3: in batch, and in a window whose keys are pressed.

``make test`` makes that GIMP (tests/need_gimp.sh). The scripts GIMP runs,
gimp_batch.py and gimp_window.py, print a line for each check.
"""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from real_editor import NOISE_3_2, SCREENS, Display, fill_home, passed, screen, until, workers
from real_gimp import ROOT, RealGimp, find_gimp

SCRIPTS = ROOT / "tests" / "in_gimp"
STARTED_S = 120  # within which GIMP comes to the first mosaic
GONE_S = 5  # after a kill, on a machine with much else to do


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
    fill_home(home)
    return gimp


def test_in_batch(gimp: RealGimp) -> None:
    said = gimp.batch(SCRIPTS / "gimp_batch.py", TESTS=str(SCRIPTS))
    assert len(passed(said)) == (SCRIPTS / "gimp_batch.py").read_text("utf-8").count("\n@check")
    assert "exit 0" in said


@pytest.mark.parametrize("wait_s", [0.0, 1.0])
def test_a_killed_gimp_leaves_no_worker_and_no_folder(gimp: RealGimp, wait_s: float) -> None:
    script = SCRIPTS / "gimp_killed.py"
    words = ["gimp-console", "--no-interface", "--batch-interpreter=python-fu-eval", "-b",
             f"exec(open({str(script)!r}).read())"]  # fmt: skip
    log = gimp.home / "killed.log"
    with log.open("wb") as out:
        running = subprocess.Popen(
            gimp.command(words, TESTS=str(SCRIPTS)), stdout=out, stderr=subprocess.STDOUT
        )
    try:
        working = until(lambda: workers(gimp.home) and folders(gimp.scratch), STARTED_S)
        assert working, log.read_text("utf-8", "replace")
        time.sleep(wait_s)
    finally:
        running.kill()
        running.wait()
    gone = until(lambda: not workers(gimp.home) and not folders(gimp.scratch), GONE_S)
    assert gone, (workers(gimp.home), folders(gimp.scratch))


def folders(scratch: Path) -> list[Path]:
    return list(scratch.glob("smalti-job-*"))


@pytest.mark.skipif(
    not (shutil.which("xdotool") or os.environ.get("CI")), reason="xdotool presses the keys"
)
def test_in_a_window(gimp: RealGimp) -> None:
    SCREENS.mkdir(exist_ok=True)
    with screen("gimp") as display:
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
    noise = NOISE_3_2 if os.environ.get("SMALTI_GIMP_SUITE") == "forky" else ()
    assert len(passed(said, noise)) == 12
    print(*[line for line in said.splitlines() if line.startswith("LONGEST")])


def answer(display: Display, gimp: RealGimp, asked: list[str]) -> None:
    """Press what the script in GIMP asks for."""
    image = "GIMP$"
    match asked:
        case ["dialog", kind]:
            begin = time.monotonic()
            display.window("^Smalti")
            print(f"OPENED {kind} after {time.monotonic() - begin:.2f} s")
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
        case ["wrong"]:
            display.window("^Smalti")
            time.sleep(1)
            display.press("^Smalti", "alt+o")
            time.sleep(1)
            display.shoot("wrong")
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
            time.sleep(1)
            display.shoot("stop")
            # Cancel in the status bar, where it is in a window of the size arranged.
            display.do("xdotool", "mousemove", "1155", "943", "click", "1")
    (gimp.home / "pressed").touch()
