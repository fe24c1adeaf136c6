"""The dialog of a procedure: chief options, expert options folded away, and a preview."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gi.repository import GdkPixbuf, GimpUi, GLib, Gtk

from smalti.plugin.editor import Worker, WorkerError
from smalti.plugin.gimp_image import Refused, Region, Writer, job_pixels
from smalti.plugin.gimp_options import BadOption, Kind, request_values

_SIDE = 360  # px of the preview's longer side
_WAIT_MS = 350  # after a change, so that typing does not start a preview a letter
_POLL_MS = 40


class Preview:
    """A small mosaic beside the options, made again when they change.

    A worker is always warm and waiting, so that the engine's loading is not felt;
    OK takes it over for the mosaic itself.

    Parameters
    ----------
    kind : Kind
    region : Region
    options : callable
        Returns the options as they are now.
    start : callable
        Starts a worker.
    """

    def __init__(
        self,
        kind: Kind,
        region: Region,
        options: Callable[[], dict[str, Any]],
        start: Callable[[], Worker],
    ) -> None:
        self._kind, self._region, self._options, self._start = kind, region, options, start
        self._worker: Worker | None = None
        self._asked = False
        self._timer = self._poller = 0
        self._picture = Gtk.Image()
        self._picture.set_size_request(_SIDE, _SIDE * 3 // 4)
        self._words = Gtk.Label(label="", wrap=True, max_width_chars=44, xalign=0)
        self._words.set_lines(3)
        self.widget = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        self.widget.set_valign(Gtk.Align.START)
        self.widget.pack_start(self._picture, True, True, 0)
        self.widget.pack_start(self._words, False, False, 0)
        self.widget.show_all()
        self._show_source()
        self._warm()

    def changed(self, *_: Any) -> None:
        """Make it again soon."""
        if self._timer:
            GLib.source_remove(self._timer)
        self._timer = GLib.timeout_add(_WAIT_MS, self._begin)

    def take_worker(self) -> Worker | None:
        """End the preview; return the warm worker if it has not been asked anything."""
        for source in (self._timer, self._poller):
            if source:
                GLib.source_remove(source)
        self._timer = self._poller = 0
        worker, self._worker = self._worker, None
        if worker is not None and self._asked:
            _let_go(worker)
            return None
        return worker

    def _show_source(self) -> None:
        """Show the part itself until there is a mosaic of it."""
        # Gimp.Drawable.get_sub_thumbnail frees its pixels twice in GIMP 3.0.4.
        writer = Writer(self._region, Path(), self._scale())
        self._show(writer.seen(), True, writer.width, writer.height)

    def _scale(self) -> float:
        return min(1.0, _SIDE / max(self._region.width, self._region.height))

    def _warm(self) -> None:
        if self._worker is None:
            try:
                self._worker, self._asked = self._start(), False
            except WorkerError as error:
                self._say(str(error))

    def _begin(self) -> bool:
        self._timer = 0
        if self._worker is not None and self._asked:
            _let_go(self._worker)
            self._worker = None
        self._warm()
        if self._worker is None:
            return False
        try:
            options = self._options()
            request = request_values(self._kind, options)
            writer = Writer(self._region, self._worker.greet(), self._scale())
            pixels = job_pixels(writer, options.get("segments-from"))
            self._worker.ask({"request": request, "preview": True, **pixels})
        except (BadOption, Refused, WorkerError) as error:
            self._say(str(error))
            return False
        self._asked = True
        self._say("Preview: starting ...")
        if not self._poller:
            self._poller = GLib.timeout_add(_POLL_MS, self._poll)
        return False

    def _poll(self) -> bool:
        worker = self._worker
        if worker is None:
            self._poller = 0
            return False
        try:
            while (message := worker.next(0)) is not None:
                if message["type"] == "progress":
                    self._say(f"Preview: {message['text']} ...")
                elif message["type"] == "done":
                    self._show_result(worker, message)
                    self._say(f"Quick preview: {message['summary']}.")
                    return self._ended(worker)
        except WorkerError as error:
            self._say(str(error))
            return self._ended(worker)
        return True

    def _ended(self, worker: Worker) -> bool:
        _let_go(worker)
        self._worker, self._poller = None, 0
        self._warm()
        return False

    def _show_result(self, worker: Worker, done: dict[str, Any]) -> None:
        assert worker.folder is not None
        raster = done["result"]
        pixels = (worker.folder / raster["file"]).read_bytes()
        self._show(pixels, raster["format"] == "RGBA u8", raster["width"], raster["height"])

    def _show(self, pixels: bytes, alpha: bool, width: int, height: int) -> None:
        space = GdkPixbuf.Colorspace.RGB
        self._picture.set_from_pixbuf(
            GdkPixbuf.Pixbuf.new_from_bytes(
                GLib.Bytes.new(pixels), space, alpha, 8, width, height, width * (4 if alpha else 3)
            )
        )

    def _say(self, words: str) -> None:
        self._words.set_text(words)


def _let_go(worker: Worker) -> None:
    """End a worker without waiting for it."""
    threading.Thread(target=worker.close, daemon=False).start()


def ask(
    kind: Kind,
    procedure: Any,
    config: Any,
    region: Region,
    options: Callable[[], dict[str, Any]],
    start: Callable[[], Worker],
) -> tuple[bool, Worker | None]:
    """Show the dialog; return whether OK was pressed, and a warm worker if there is one."""
    dialog = GimpUi.ProcedureDialog.new(procedure, config, f"Smalti: {kind.title}")
    chief = dialog.fill_box("smalti-chief", [option.name for option in kind.chief])
    chief.set_orientation(Gtk.Orientation.VERTICAL)
    experts = dialog.fill_box("smalti-experts", [option.name for option in kind.expert])
    experts.set_orientation(Gtk.Orientation.VERTICAL)
    scrolled = dialog.fill_scrolled_window("smalti-scrolled", "smalti-experts")
    scrolled.set_min_content_height(240)
    scrolled.set_policy(Gtk.PolicyType.NEVER, Gtk.PolicyType.AUTOMATIC)
    dialog.get_label("smalti-expert-title", "E_xpert options", False, True)
    expander = dialog.fill_expander(
        "smalti-expert", "smalti-expert-title", False, "smalti-scrolled"
    )
    expander.set_expanded(False)
    left = dialog.fill_box("smalti-options", ["smalti-chief", "smalti-expert"])
    left.set_orientation(Gtk.Orientation.VERTICAL)
    dialog.fill(["smalti-options"])
    preview = Preview(kind, region, options, start)
    content = dialog.get_content_area()
    content.remove(left)
    beside = Gtk.Box(orientation=Gtk.Orientation.HORIZONTAL, spacing=18)
    beside.set_border_width(6)
    beside.pack_start(preview.widget, False, False, 0)
    beside.pack_start(left, True, True, 0)
    beside.show()
    content.pack_start(beside, True, True, 0)
    config.connect("notify", preview.changed)
    preview.changed()
    pressed = dialog.run()
    worker = preview.take_worker()
    dialog.destroy()
    return pressed, worker
