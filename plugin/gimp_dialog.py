"""The dialog of a procedure: chief options, expert options folded away, and a preview."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gi.repository import GdkPixbuf, GimpUi, GLib, Gtk

from smalti.plugin.editor import PlainError, Worker
from smalti.plugin.editor_options import Kind, request_values
from smalti.plugin.gimp_image import Region, Writer, job_pixels
from smalti.plugin.preview import SIDE, STEP_MS, Preview

_READ_S = 0.03  # of reading the layer, between two turns of the dialog


class Side:
    """The left side of the dialog: the part of the layer, or a mosaic of it, and a line below."""

    def __init__(self, region: Region) -> None:
        self._region = region
        self._scale = min(1.0, SIDE / max(region.width, region.height))
        self._picture = Gtk.Image()
        self._writer = Writer(region, Path(), self._scale)
        self._picture.set_size_request(SIDE, max(SIDE * 3 // 4, self._writer.height))
        self._words = Gtk.Label(label="", wrap=True, max_width_chars=44, xalign=0)
        self._words.set_lines(3)
        self.widget = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        self.widget.set_valign(Gtk.Align.START)
        self.widget.pack_start(self._picture, True, True, 0)
        self.widget.pack_start(self._words, False, False, 0)
        self.widget.show_all()
        # Gimp.Drawable.get_sub_thumbnail frees its pixels twice in GIMP 3.0.4.
        self._bands = self._writer.seen()
        self._seen: bytes | None = None
        self._read = bytearray()

    def read(self) -> bool:
        """Read a little more of the layer; whether all has been read, and is shown."""
        if self._seen is None:
            end = time.monotonic() + _READ_S
            while time.monotonic() < end:
                band = next(self._bands, None)
                if band is None:
                    self._seen = bytes(self._read)
                    self._show(self._seen, True, self._writer.width, self._writer.height)
                    return True
                self._read += band
        return self._seen is not None

    def job(self, folder: Path, kind: Kind, options: dict[str, Any]) -> dict[str, Any]:
        """Write the small copy of the region; return the job of a preview."""
        request = request_values(kind, options)
        writer = Writer(self._region, folder, self._scale)
        return {"request": request, **job_pixels(writer, options.get("segments-from"), self._seen)}

    def show(self, folder: Path, raster: dict[str, Any]) -> None:
        """Show a mosaic."""
        pixels = (folder / raster["file"]).read_bytes()
        self._show(pixels, raster["format"] == "RGBA u8", raster["width"], raster["height"])

    def say(self, words: str) -> None:
        """Show a line of text."""
        self._words.set_text(words)

    def insist(self, words: str) -> None:
        """Show a line of text that must not be overlooked."""
        self._words.set_markup(f"<b>{GLib.markup_escape_text(words, -1)}</b>")

    def _show(self, pixels: bytes, alpha: bool, width: int, height: int) -> None:
        space = GdkPixbuf.Colorspace.RGB
        self._picture.set_from_pixbuf(
            GdkPixbuf.Pixbuf.new_from_bytes(
                GLib.Bytes.new(pixels), space, alpha, 8, width, height, width * (4 if alpha else 3)
            )
        )


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
    scrolled.set_vexpand(True)  # an expander gives its child no more than it asks for
    scrolled.set_policy(Gtk.PolicyType.NEVER, Gtk.PolicyType.AUTOMATIC)
    dialog.get_label("smalti-expert-title", "E_xpert options", False, True)
    expander = dialog.fill_expander(
        "smalti-expert", "smalti-expert-title", False, "smalti-scrolled"
    )
    expander.set_expanded(False)
    left = dialog.fill_box("smalti-options", ["smalti-chief", "smalti-expert"])
    left.set_orientation(Gtk.Orientation.VERTICAL)
    left.set_child_packing(expander, True, True, 0, Gtk.PackType.START)  # all room there is
    dialog.fill(["smalti-options"])
    side = Side(region)
    preview = Preview(start, lambda folder: side.job(folder, kind, options()), side.show, side.say)
    content = dialog.get_content_area()
    content.remove(left)
    beside = Gtk.Box(orientation=Gtk.Orientation.HORIZONTAL, spacing=18)
    beside.set_border_width(6)
    beside.pack_start(side.widget, False, False, 0)
    beside.pack_start(left, True, True, 0)
    beside.show()
    content.pack_start(beside, True, True, 0)
    config.connect("notify", preview.changed)
    # The engine loads once the window is there: both at once, on a busy machine, open it late.
    dialog.connect("map-event", lambda *_: not preview.step())
    # Only once the window is there to be seen: what is read first takes GIMP half a second.
    steps = GLib.timeout_add(
        STEP_MS,
        lambda: preview.step() if dialog.get_mapped() and side.read() else True,
        priority=GLib.PRIORITY_LOW,
    )
    pressed = _pressed(dialog, side, lambda: request_values(kind, options()))
    GLib.source_remove(steps)
    worker = preview.take_worker()
    dialog.destroy()
    return pressed, worker


def _pressed(dialog: Any, side: Side, request: Callable[[], object]) -> bool:
    """Run the dialog until it is left, or OK is pressed with options that can be used."""
    while dialog.run():
        try:
            request()
            return True
        except PlainError as error:
            side.insist(str(error))
    return False
