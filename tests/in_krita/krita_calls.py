"""What the checks run by Krita share: documents, dialogs, how they are filled in and how they end.

What waits is a generator: it yields what it waits for.
"""

import os
import time
from pathlib import Path

from krita import Krita, Selection
from PyQt5.QtCore import QTimer
from PyQt5.QtWidgets import QApplication, QDialogButtonBox, QMessageBox, QProgressDialog

HOME = Path(os.environ["HOME"])
SCRATCH = Path(os.environ["TMPDIR"])
WIDE, HIGH = 240, 180
SRGB = ("RGBA", "U8", "sRGB-elle-V2-srgbtrc.icc")
RGBA = (HOME / "target.raw").read_bytes()

K = Krita.instance()
gaps = []  # s between two turns of Krita's main loop while a mosaic is made


def document(model="RGBA", depth="U8"):
    """Make and show a document of one layer, the target; none is closed, which can end Krita."""
    one = K.createDocument(WIDE, HIGH, "test", model, depth, "", 300.0)
    layer = one.topLevelNodes()[0]
    own = (layer.colorModel(), layer.colorDepth(), layer.colorProfile())
    pixels = bytearray(RGBA)
    pixels[0::4], pixels[2::4] = RGBA[2::4], RGBA[0::4]
    if own != SRGB:
        assert layer.setColorSpace(*SRGB)
    layer.setPixelData(bytes(pixels), 0, 0, WIDE, HIGH)
    if own != SRGB:
        assert layer.setColorSpace(*own)
    one.waitForDone()
    K.activeWindow().addView(one)
    one.refreshProjection()
    yield from choose(one, layer)
    return one, layer


def choose(one, layer):
    def holds():
        chosen = K.activeWindow().activeView().selectedNodes()
        return [node.uniqueId() for node in chosen] == [layer.uniqueId()]

    for _ in range(20):  # heeded only while Krita's window is the active one
        yield from pause(0.3)
        if holds():
            return
        one.setActiveNode(layer)
    assert holds(), "Krita does not select the layer"


def select(one, x=30, y=20, wide=120, high=90, feather=9):
    selection = Selection()
    selection.select(x, y, wide, high, 255)
    if feather:
        selection.feather(feather)
    one.setSelection(selection)
    one.waitForDone()


def mask(one):
    selection = one.selection()
    return bytes(selection.pixelData(0, 0, WIDE, HIGH))


def pixels(layer):
    return bytes(layer.pixelData(0, 0, WIDE, HIGH))


def tree(one):
    """List all that must not change: names, and the pixels of paint layers; not the selection."""
    layers = [n for n in one.rootNode().childNodes() if n.type() != "selectionmask"]
    return [(n.name(), pixels(n)) for n in layers]


def dialog():
    found = QApplication.activeModalWidget()
    return found if found and found.windowTitle().startswith("Smalti: ") else None


def ready():
    found = dialog()
    return found if hasattr(found, "fields") and found.isVisible() else None


def message():
    found = dialog()
    return found if isinstance(found, QMessageBox) else None


def bar():
    found = dialog()
    return found if isinstance(found, QProgressDialog) else None


def press(kind, **values):
    """Open the dialog from the menu's entry, fill it in, and press OK."""
    QTimer.singleShot(0, K.action(f"smalti_{kind}").trigger)
    yield ready
    found = dialog()
    found.set({**found.values(), **values})
    yield from pause(0.1)
    gaps.clear()
    found.buttons.button(QDialogButtonBox.Ok).click()


def pause(seconds):
    end = time.monotonic() + seconds
    yield lambda: time.monotonic() > end


def finished(one, layers):
    """Wait for one more layer, and for the end of the dialogs."""

    def holds():
        wrong = message()
        assert wrong is None, wrong.text()
        source = one.rootNode().childNodes()[0]
        return (
            len(tree(one)) == layers
            and not workers()
            and QApplication.activeModalWidget() is None
            and one.activeNode().uniqueId() == source.uniqueId()  # again
        )

    return holds


def refused(word):
    yield message
    found = message()
    assert word in found.text(), found.text()
    found.button(QMessageBox.Ok).click()
    yield lambda: dialog() is None


def workers():
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if entry.name.isdigit() and b"smalti.plugin.worker" in words:
                if f"HOME={HOME}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
        except OSError:
            continue
    return found


def folders():
    return list(SCRATCH.glob("smalti-job-*"))


def small_as_selected(small, selection):
    """The mask of a preview is the selection made smaller, and so is the target."""
    (HOME / "small").mkdir()
    job = small.job(HOME / "small")
    mask, target = job["mask"], job["target"]
    read = (HOME / "small" / "mask.raw").read_bytes()
    wide, high = selection.width(), selection.height()
    whole = bytes(selection.pixelData(selection.x(), selection.y(), wide, high))
    assert (mask["width"], mask["height"]) == (target["width"], target["height"])
    assert target["stride"] == 4 * target["width"]
    for y in range(mask["height"]):
        for x in range(mask["width"]):
            there = int((y + 0.5) * high / mask["height"]) * wide
            there += int((x + 0.5) * wide / mask["width"])
            assert abs(read[y * mask["stride"] + x] - whole[there]) < 16, (x, y)


def near(first, second, places, most):
    apart = sum(abs(first[4 * i + c] - second[4 * i + c]) for i in places for c in range(3))
    assert apart / (3 * len(places)) < most, apart / (3 * len(places))
