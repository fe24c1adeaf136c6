"""Smalti in Krita 5: Tools > Scripts > Photomosaic, Jigsaw Mosaic, Decorative Mosaic.

Runs in Krita's own Python, which has PyQt5 and the standard library. `smalti krita
install` puts it into Krita's resources as ``pykrita/smalti_krita/__init__.py``, the
files it imports below ``lib/``, and the way to the worker into ``worker.json``.
"""

import json
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from krita import Extension, Krita
from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import QApplication, QMessageBox, QProgressDialog

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "lib"))

# Below: Krita adds no folder of ours to the path.
from smalti.plugin import editor
from smalti.plugin.editor import Cancelled, PlainError, Worker
from smalti.plugin.editor_options import KINDS, Kind, request_values, result_size
from smalti.plugin.krita_dialog import Dialog
from smalti.plugin.krita_image import (
    Region,
    Writer,
    find_region,
    lay_into_document,
    make_document,
    select_source,
)
from smalti.plugin.preview import SIDE

_GROUP = "smalti"  # of Krita's settings, where the last options are kept
_NOT_HERE = {"segments-from", "layers", "paths"}  # made of what only GIMP's plug-in reads or lays
_STEPS = 1000  # of the progress bar


def run_kind(kind: Kind) -> None:
    """Ask for the options and make a mosaic; whatever goes wrong is said in words."""
    window = Krita.instance().activeWindow()
    parent = window.qwindow() if window else None
    try:
        region = find_region(Krita.instance().activeDocument(), _selected_layers(window))
        options, worker = _ask(kind, region, parent)
        if options is not None:
            _make(kind, region, options, worker, parent)
    except Cancelled:
        pass
    except PlainError as error:
        QMessageBox.warning(parent, f"Smalti: {kind.title}", str(error))
    except Exception as error:
        traceback.print_exc()
        words = f"{type(error).__name__}: {error}"
        QMessageBox.critical(parent, f"Smalti: {kind.title}", words)


def _selected_layers(window: Any) -> list[Any]:
    view = window.activeView() if window else None
    return list(view.selectedNodes()) if view and view.document() else []


def _ask(kind: Kind, region: Region, parent: Any) -> tuple[dict[str, Any] | None, Worker | None]:
    """Show the dialog; return its options, None for none, and a warm worker if there is one."""
    krita = Krita.instance()
    values = {o.name: o.default for o in kind.options if o.name not in _NOT_HERE}
    try:
        last = json.loads(krita.readSetting(_GROUP, kind.procedure, "{}"))
    except ValueError:
        last = {}
    values |= {name: value for name, value in last.items() if name in values}
    small = Writer(region, lambda: None).small(SIDE)
    dialog = Dialog(parent, kind, values, small, start_worker)
    pressed = dialog.exec_()
    options, worker = dialog.values(), dialog.end()
    if pressed:
        krita.writeSetting(_GROUP, kind.procedure, json.dumps(options))
        return options, worker
    if worker is not None:
        worker.close()
    return None, None


def _make(
    kind: Kind, region: Region, options: dict[str, Any], worker: Worker | None, parent: Any
) -> None:
    """Make the mosaic and lay it into the document, or show it as a new one."""
    bar = QProgressDialog(f"{kind.title}: starting", "Cancel", 0, _STEPS, parent)
    bar.setWindowTitle(f"Smalti: {kind.title}")
    bar.setWindowModality(Qt.WindowModal)
    bar.setMinimumDuration(0)
    bar.setAutoClose(False)
    bar.setAutoReset(False)
    tell = _teller(kind, bar)

    def turn() -> None:
        tell("", 0.0)

    try:
        turn()
        request = request_values(kind, options)
        worker = worker or start_worker()
        while not worker.greeted(0.05):
            turn()
        folder = worker.greet()
        job = {
            "request": request,
            "result": result_size(options["result"], region.selection is not None),
            **Writer(region, turn).job(folder),
        }
        done = editor.make(worker, job, tell)
        name = f"{kind.title} of {region.layer.name()}"
        lay = make_document if done["full"] else lay_into_document
        lay(region, name, folder, done["result"], turn)
        warnings = worker.warnings
    finally:
        if worker is not None:
            worker.close()
        bar.close()
        bar.deleteLater()
    if not done["full"]:
        select_source(region)
    if warnings:
        QMessageBox.information(parent, f"Smalti: {kind.title}", "\n".join(warnings))


def _teller(kind: Kind, bar: Any) -> Callable[[str, float], None]:
    """Return what shows how far a job is, and lets Krita take its turn."""

    def tell(text: str, share: float) -> None:
        if text:
            bar.setLabelText(f"{kind.title}: {text}")
        bar.setValue(max(bar.value(), int(share * _STEPS)))
        QApplication.processEvents()
        if bar.wasCanceled():
            raise Cancelled

    return tell


def start_worker() -> Worker:
    """Start a worker whose folder can be seen from both sides of a sandbox."""
    return Worker(editor.worker_command(HERE, "krita"), "krita", editor.scratch())


class Smalti(Extension):  # type: ignore[misc]  # Krita's classes have no types outside of it
    """The plug-in: an entry in Tools > Scripts for each kind of mosaic."""

    def setup(self) -> None:
        """Nothing is done when Krita starts."""

    def createActions(self, window: Any) -> None:
        """Add the entries to the menu of a window."""
        for kind in KINDS:
            name = kind.procedure.replace("-", "_")
            action = window.createAction(name, kind.menu.replace("_", "&"), "tools/scripts")
            action.setToolTip(kind.blurb)
            action.triggered.connect(lambda _, kind=kind: run_kind(kind))


Krita.instance().addExtension(Smalti(Krita.instance()))
