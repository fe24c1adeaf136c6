"""Run by Krita itself, as a plug-in: every check prints PASS or FAIL and its name.

A check is a generator: it yields what it waits for, and meanwhile Krita, its
dialogs and the plug-in go on.
"""

import json
import os
import sys
import time
import traceback
from pathlib import Path

from krita import Extension
from PyQt5.QtCore import QTimer
from PyQt5.QtWidgets import QApplication, QDialogButtonBox, QLabel

sys.path.insert(0, os.environ["TESTS"])
from krita_calls import (
    HOME,
    SRGB,
    WIDE,
    K,
    bar,
    choose,
    dialog,
    document,
    finished,
    folders,
    gaps,
    mask,
    near,
    pause,
    pixels,
    press,
    ready,
    refused,
    select,
    small_as_selected,
    tree,
    workers,
)

SCREENS = Path(os.environ["SCREENS"])
CONFIG = HOME / ".local/share/krita/pykrita/smalti_krita/worker.json"
PHOTOS = {"photos": str(HOME / "photos"), "cells": 60, "result": "layer"}
SHAPES = {"shapes": str(HOME / "shapes"), "tiles": 12, "deform": 0.3, "result": "layer"}
TICK_MS = 5
AWAKE_S = 2.0  # between two turns of Krita's main loop, on a machine with much else to do
WAIT_S = 200  # on a machine with much else to do

CHECKS = []
made = {}  # the worker's last message and its result, as bytes


def check(function):
    CHECKS.append(function)
    return function


@check
def the_entries_are_in_tools_scripts():
    window = K.activeWindow().qwindow()
    menu = window.menuBar()
    for name in ("Tools", "Scripts"):
        menu = next(a.menu() for a in menu.actions() if a.text().replace("&", "") == name)
    texts = [a.text().replace("&", "") for a in menu.actions()]
    for entry in ("Photomosaic...", "Jigsaw Mosaic...", "Decorative Mosaic..."):
        assert entry in texts, texts
    yield lambda: True


@check
def a_feathered_selection_comes_out_to_the_pixel_and_one_undo_takes_it_back():
    one, _ = yield from document()
    select(one)
    before, selected = tree(one), mask(one)
    assert set(selected) > {0, 255}, "the feather is there"
    QTimer.singleShot(0, K.action("smalti_photomosaic").trigger)
    yield ready
    found = dialog()
    found.set({**found.values(), **PHOTOS})
    yield lambda: found._words.text().startswith("Quick preview")
    assert found._picture.pixmap().toImage() != found._small.image, "the preview is shown"
    gaps.clear()
    found.buttons.button(QDialogButtonBox.Ok).click()
    yield finished(one, 2)
    names = [name for name, _ in tree(one)]
    assert names == [before[0][0], f"Photomosaic of {before[0][0]}"], names
    new = one.rootNode().childNodes()[1]
    assert tree(one)[0] == before[0], "the source is as it was"
    got, source = pixels(new), before[0][1]
    alpha = [round(s * a / 255) for s, a in zip(selected, source[3::4])]
    wrong = [(a, b) for a, b in zip(got[3::4], alpha) if abs(a - b) > (0 < b < 255)]
    assert not wrong, wrong[:9]
    raster = made["result"]
    x, y, wide, high = (raster[k] for k in ("x", "y", "width", "height"))
    for i, s in enumerate(selected):
        if not (x <= i % WIDE < x + wide and y <= i // WIDE < y + high):
            assert (s, got[4 * i : 4 * i + 4]) == (0, b"\0\0\0\0"), "nothing outside"
    sent = bytearray(made["pixels"])
    sent[0::4], sent[2::4] = made["pixels"][2::4], made["pixels"][0::4]
    assert bytes(new.pixelData(x, y, wide, high)) == bytes(sent), "as the worker made it"
    inside = [i for i, a in enumerate(alpha) if a == 255]
    near(got, source, inside, 60)
    assert any(got[4 * i : 4 * i + 4] != source[4 * i : 4 * i + 4] for i in inside)
    K.action("edit_undo").trigger()
    one.waitForDone()
    yield lambda: tree(one) == before


@check
def a_jigsaw_fills_the_selection():
    one, _ = yield from document()
    select(one, 40, 10, 150, 150, 0)
    before = tree(one)
    yield from press("jigsaw", **SHAPES)
    yield finished(one, 2)
    got, selected = pixels(one.rootNode().childNodes()[1]), mask(one)
    source = before[0][1]
    for i, s in enumerate(selected):
        assert got[4 * i + 3] == (source[4 * i + 3] if s else 0), i
    assert tree(one)[0] == before[0]


@check
def every_kind_of_layer_comes_out_in_its_own_colours():
    for model, depth in (("RGBA", "U16"), ("RGBA", "F32"), ("GRAYA", "U8"), ("CMYKA", "U8")):
        one, layer = yield from document(model, depth)
        before = tree(one)
        yield from press("photomosaic", **PHOTOS)
        yield finished(one, 2)
        new = one.rootNode().childNodes()[1]
        assert (new.colorModel(), new.colorDepth()) == (model, depth)
        assert new.colorProfile() == layer.colorProfile()
        assert tree(one)[0] == before[0], (model, depth)
        copies = [layer.duplicate(), new.duplicate()]
        for copy in copies:
            assert copy.setColorSpace(*SRGB)
        source, got = map(pixels, copies)
        assert got[3::4] == source[3::4], (model, depth)
        near(got, source, [i for i, a in enumerate(source[3::4]) if a == 255], 60)


@check
def a_new_image_is_a_document_of_its_own():
    one, _ = yield from document()
    before = tree(one)
    known = len(K.documents())
    yield from press("decorative", tiles=200, width=640, result="image")
    yield lambda: len(K.documents()) == known + 1 and dialog() is None
    other = K.documents()[-1]
    assert (other.width(), other.height()) == (640, 480)
    new = other.topLevelNodes()[0]
    raster = made["result"]
    assert len(other.topLevelNodes()) == 1
    got = bytes(new.pixelData(0, 0, 640, 480))
    size = 4 if raster["format"] == "RGBA u8" else 3
    assert (got[0::4], got[2::4]) == (made["pixels"][2::size], made["pixels"][0::size])
    assert tree(one) == before


@check
def what_cannot_be_used_is_said_and_nothing_changes():
    one, layer = yield from document()
    group = one.createGroupLayer("group")
    one.rootNode().addChildNode(group, layer)
    one.waitForDone()
    before = tree(one)
    yield from choose(one, group)
    QTimer.singleShot(0, K.action("smalti_photomosaic").trigger)
    yield from refused("no paint layer")
    yield from choose(one, layer)
    for values, word in (
        ({"photos": str(HOME / "nowhere")}, "nowhere"),
        ({"cells": 5000}, "photos"),
    ):
        yield from press("photomosaic", **{**PHOTOS, "grid": "auto", **values})
        yield from refused(word)
    # What cannot be an option at all is said in the dialog, which stays as it was filled in.
    for values, word in (({"photos": None}, "folder of photos"), ({"grid": "wide"}, "64x48")):
        yield from press("photomosaic", **{**PHOTOS, "grid": "auto", **values})
        yield from pause(0.3)
        found = ready()
        assert found, "the dialog is gone"
        assert any(word in label.text() for label in found.findChildren(QLabel))
        found.buttons.button(QDialogButtonBox.Cancel).click()
        yield lambda: dialog() is None
    kept = CONFIG.read_text()
    try:
        for text, word in (
            (json.dumps({"command": ["/nowhere/bin/python"]}), "moved or deleted"),
            ("{", "smalti krita install"),
        ):
            CONFIG.write_text(text)
            yield from press("photomosaic", **PHOTOS, grid="auto")
            yield from refused(word)
    finally:
        CONFIG.write_text(kept)
    assert tree(one) == before


@check
def cancel_at_any_moment_leaves_nothing():
    one, _ = yield from document()
    before = tree(one)
    QTimer.singleShot(0, K.action("smalti_photomosaic").trigger)
    yield ready
    dialog().buttons.button(QDialogButtonBox.Cancel).click()
    yield lambda: dialog() is None and not workers() and not folders()
    for wait in (0.0, 0.4, 1.2):
        yield from press("photomosaic", **{**PHOTOS, "cells": 140})
        yield bar
        yield from pause(wait)
        if bar():
            bar().cancel()
        yield lambda: dialog() is None and not workers() and not folders()
        left = tree(one)
        assert left == before or (wait and len(left) == 2), "cancelled, or it was faster"
        if left != before:
            K.action("edit_undo").trigger()
            one.waitForDone()


@check
def krita_stays_awake_over_a_large_picture():
    one, _ = yield from document()
    one.scaleImage(2400, 1800, 300, 300, "Bilinear")
    one.waitForDone()
    select(one, 300, 150, 1500, 1500, 60)
    QTimer.singleShot(0, K.action("smalti_photomosaic").trigger)
    yield ready
    found = dialog()
    # A folder of home, where the engine runs, has a short name in the picture for docs/.
    found.set({**found.values(), **PHOTOS, "photos": "photos", "cells": 140})
    yield lambda: found._words.text().startswith("Quick preview")
    yield from pause(0.5)
    QApplication.primaryScreen().grabWindow(0).save(str(SCREENS / "krita-photomosaic.png"))
    small_as_selected(found._small, one.selection())
    gaps.clear()
    found.buttons.button(QDialogButtonBox.Ok).click()
    yield finished(one, 2)
    gaps.sort()
    print(f"longest gap {gaps[-1]:.3f} s, then {gaps[-2]:.3f} s, of {len(gaps)}", flush=True)
    assert gaps[-1] < AWAKE_S, gaps[-3:]


@check
def nothing_is_left_behind():
    yield lambda: not workers() and not folders()


def watched():
    """Keep what the worker answers, to compare it with what Krita shows."""
    from smalti.plugin import editor

    true = editor.make

    def make(worker, job, tell):
        done = true(worker, job, tell)
        made.update(done, pixels=(worker.folder / done["result"]["file"]).read_bytes())
        return done

    editor.make = make


class Checks(Extension):
    def setup(self):
        pass

    def createActions(self, window):
        self.last = time.monotonic()
        self.pulse = QTimer()
        self.pulse.timeout.connect(self.turn)
        self.pulse.start(TICK_MS)
        QTimer.singleShot(1500, self.begin)

    def turn(self):
        now = time.monotonic()
        gaps.append(now - self.last)
        self.last = now

    def begin(self):
        watched()
        wanted = os.environ.get("CHECKS", "").split()
        self.left = [c for c in CHECKS if not wanted or c.__name__ in wanted]
        self.running = None
        self.driver = QTimer()
        self.driver.timeout.connect(self.step)
        self.driver.start(20)

    def step(self):
        if self.running is None:
            if not self.left:
                self.driver.stop()
                print("ALL RAN", flush=True)
                os._exit(0)
            self.name = self.left[0].__name__
            self.running = self.left.pop(0)()
            self.started = self.since = time.monotonic()
            self.holds = lambda: True
        try:
            if self.holds():
                self.holds, self.since = next(self.running), time.monotonic()
            elif time.monotonic() - self.since > WAIT_S:
                raise AssertionError(f"waited too long: {[dialog(), workers(), folders()]}")
        except StopIteration:
            self.running = None
            print(f"PASS {self.name} {time.monotonic() - self.started:.1f} s", flush=True)
        except BaseException:
            self.running = None
            print(f"FAIL {self.name}\n{traceback.format_exc()}", flush=True)
            while dialog():
                dialog().close()


K.addExtension(Checks(K))
sys.stdout.flush()
