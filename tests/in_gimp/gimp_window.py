"""Run by GIMP in a window, while test_gimp_real.py presses the keys it asks for."""

import os
import signal
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path

import gi

gi.require_version("Gimp", "3.0")
from gi.repository import Gimp, Gio

sys.path.insert(0, os.environ["TESTS"])
from gimp_calls import HOME, PHOTOS, SHAPES, call, get, state, workers

WAIT_S = 120  # for a mosaic, on a machine with much else to do
AWAKE_S = 0.1  # between two turns of GIMP's main loop, beyond what it takes when idle
TRIES = 4  # other jobs on the machine only ever add to a wait: the shortest longest one is ours
KINDS = {
    "photomosaic": {"photos": PHOTOS, "cells": 140, "result": "layer"},
    "jigsaw": {
        "shapes": SHAPES,
        "tiles": 14,
        "deform": 0.3,
        "result": "layer",
        "layers": True,
        "paths": True,
    },
    "decorative": {"tiles": 400, "result": "layer"},
}


def ask(what):
    """Ask for a key, and wait until it has been pressed."""
    flag = HOME / "pressed"
    flag.unlink(missing_ok=True)
    print(f"ASK {what}", flush=True)
    until(flag.exists, 60, f"nobody pressed {what}")


def until(holds, seconds, words):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, words
        time.sleep(0.05)


def longest_wait(holds):
    """Wait until something holds; return how long GIMP took at most to answer a call, s."""
    longest, end = 0.0, time.monotonic() + WAIT_S
    while True:
        asked = time.monotonic()
        done = holds()
        longest = max(longest, time.monotonic() - asked)
        if done:
            return longest
        assert asked < end, "no mosaic"
        time.sleep(0.005)


def folders():
    return list(Path(os.environ["TMPDIR"]).glob("smalti-job-*"))


def longest_waits(image):
    """GIMP answers calls in its main loop: how long one takes is how long that was busy.

    First where nothing is done, then while a mosaic is made.
    """
    ask("undo")
    until(lambda: len(image.get_layers()) == 1, 10, "one Ctrl+Z does not take it back")
    image.scale(4000, 3000)
    time.sleep(3)  # GIMP draws it
    end = time.monotonic() + 2
    idle = longest_wait(lambda: len(image.get_layers()) != 1 or time.monotonic() > end)
    (HOME / "pressed").unlink(missing_ok=True)
    print("ASK repeat", flush=True)
    return idle, longest_wait(lambda: len(image.get_layers()) == 2)


def main():
    file = Gio.File.new_for_path(str(HOME / "macaw.jpg"))
    image = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, file)
    image.undo_enable()  # the JPEG loader leaves it off
    layer = image.get_layers()[0]
    image.select_ellipse(Gimp.ChannelOps.REPLACE, 170, 30, 640, 740)
    display = Gimp.Display.new(image)
    Gimp.displays_flush()
    time.sleep(1.5)
    ask("arrange")
    before = state(image)
    print("ASK wrong", flush=True)  # nothing has been used before, so that no folder is chosen
    status, _, _ = call("photomosaic", image, [layer], Gimp.RunMode.INTERACTIVE)
    assert status == Gimp.PDBStatusType.CANCEL, status
    print("PASS OK without a folder leaves the dialog open", flush=True)
    for kind, options in KINDS.items():
        print(f"ASK dialog {kind}", flush=True)
        status, made, _ = call(kind, image, [layer], Gimp.RunMode.INTERACTIVE, **options)
        assert status == Gimp.PDBStatusType.SUCCESS, (status, made)
        assert len(image.get_layers()) == 2
        assert state(image)[1] == before[1]
        print(f"PASS {kind}: OK lays one layer", flush=True)
        ask("undo")
        until(lambda: len(image.get_layers()) == 1, 10, "one Ctrl+Z does not take it back")
        assert state(image) == before
        print(f"PASS {kind}: one Ctrl+Z takes it back", flush=True)
    print("ASK cancel", flush=True)
    status, _, _ = call("photomosaic", image, [layer], Gimp.RunMode.INTERACTIVE)
    assert status == Gimp.PDBStatusType.CANCEL, status
    assert state(image)[:3] == before[:3]
    until(lambda: not workers() and not folders(), 3, f"{workers()} {folders()} are left")
    print("PASS Escape in the dialog leaves nothing", flush=True)
    ask("menu")  # the options are those of the last run
    until(lambda: len(image.get_layers()) == 2, WAIT_S, "the menu entry does nothing")
    assert get(image.get_layers()[1]) == before[2][0]
    print("PASS the entry in Filters > Artistic opens the dialog", flush=True)
    ask("undo")
    until(lambda: len(image.get_layers()) == 1, 10, "one Ctrl+Z does not take it back")
    ask("repeat")
    until(lambda: len(image.get_layers()) == 2, WAIT_S, "Ctrl+F does nothing")
    assert get(image.get_layers()[1]) == before[2][0]
    until(lambda: not workers() and not folders(), 5, f"{workers()} {folders()} are left")
    print("PASS Ctrl+F makes it again of the source", flush=True)
    for _ in range(TRIES):
        idle, longest = longest_waits(image)
        print(f"LONGEST {longest:.3f} s between two answers of GIMP, {idle:.3f} s idle", flush=True)
        if longest < AWAKE_S + idle:
            break
    assert longest < AWAKE_S + idle, (longest, idle)
    print("PASS GIMP stays awake", flush=True)
    ask("repeat")
    until(folders, 10, "no worker was started")
    frozen = workers()
    for worker in frozen:
        os.kill(worker, signal.SIGSTOP)  # so that it is not done before Cancel is pressed
    ask("stop")
    for worker in frozen:
        with suppress(ProcessLookupError):  # the system wakes what is stopped and has lost its GIMP
            os.kill(worker, signal.SIGCONT)
    until(lambda: not workers() and not folders(), 5, "the worker or its folder is left")
    time.sleep(0.5)
    assert len(image.get_layers()) == 2, "a cancelled run adds nothing"
    print("PASS the status bar's Cancel leaves no worker and no folder", flush=True)
    display.delete()


try:
    main()
except BaseException:
    print(f"FAIL {traceback.format_exc()}", flush=True)
print("ALL RAN", flush=True)
