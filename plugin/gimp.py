#!/usr/bin/env python3
"""Smalti in GIMP 3: Filters > Artistic > Photomosaic, Jigsaw Mosaic, Decorative Mosaic.

Runs in GIMP's own Python, which has gi and the standard library. `smalti gimp
install` puts it into a profile as ``smalti-gimp/smalti-gimp.py``, the files it
imports below ``lib/``, and the way to the worker into ``worker.json``.
"""

import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "lib"))

# Below: GIMP adds no folder of ours to the path, and gi wants versions before it imports.
import gi

gi.require_version("Gimp", "3.0")
gi.require_version("GimpUi", "3.0")
gi.require_version("Gegl", "0.4")
from gi.repository import Gegl, Gimp, Gio, GLib, GObject

from smalti.plugin import editor
from smalti.plugin.editor import PlainError, Worker
from smalti.plugin.editor_options import (
    KINDS,
    BadOption,
    Kind,
    Option,
    request_values,
    result_size,
)
from smalti.plugin.gimp_image import (
    Region,
    Writer,
    find_region,
    job_pixels,
    lay_into_image,
    make_image,
)

_MENU = "<Image>/Filters/Artistic/"


def run_kind(
    kind: Kind, procedure: Any, run_mode: Any, image: Any, drawables: Any, config: Any
) -> Any:
    """Run a procedure; whatever goes wrong comes back as GIMP's error, in words."""
    try:
        region = find_region(image, drawables)
        worker = None
        if run_mode == Gimp.RunMode.INTERACTIVE:
            from gi.repository import GimpUi

            GimpUi.init("smalti")
            from smalti.plugin.gimp_dialog import ask

            pressed, worker = ask(
                kind, procedure, config, region, lambda: options_of(kind, config), start_worker
            )
            if not pressed:
                if worker is not None:
                    worker.close()
                return procedure.new_return_values(Gimp.PDBStatusType.CANCEL, GLib.Error())
        shown = run_mode != Gimp.RunMode.NONINTERACTIVE
        layer, made = make(kind, region, options_of(kind, config), worker, shown)
    except PlainError as error:
        return _failed(procedure, str(error))
    except Exception as error:
        traceback.print_exc()
        return _failed(procedure, f"{type(error).__name__}: {error}")
    return _succeeded(procedure, layer, made)


def make(
    kind: Kind,
    region: Region,
    options: dict[str, Any],
    worker: Worker | None,
    shown: bool,
) -> tuple[Any, Any]:
    """Make the mosaic and lay it into the image; return its layer, and the image it is in."""
    try:
        request = request_values(kind, options)
        Gimp.progress_init(f"{kind.title}: starting")
        worker = worker or start_worker()
        folder = worker.greet()
        Gimp.progress_set_text(f"{kind.title}: reading the layer")
        pixels = job_pixels(Writer(region, folder), options.get("segments-from"))
        job = {
            "request": request,
            "result": result_size(options["result"], region.selected),
            "layers": bool(options.get("layers")),
            "paths": bool(options.get("paths")),
            **pixels,
        }
        name = f"{kind.title} of {region.layer.get_name()}"
        done = editor.make(worker, job, _teller(kind))
        Gimp.progress_set_text(f"{kind.title}: bringing it into GIMP")
        if done["full"]:
            image, layer = make_image(region, name, folder, done)
            if shown:
                Gimp.Display.new(image)
        else:
            image, layer = region.image, lay_into_image(region, name, folder, done)
        if shown:
            Gimp.displays_flush()
        if worker.warnings:
            Gimp.message("\n".join(worker.warnings))
        Gimp.progress_update(1.0)
        return layer, image
    finally:
        if worker is not None:
            worker.close()
        Gimp.progress_end()


def _teller(kind: Kind) -> Callable[[str, float], None]:
    """Return what shows how far a job is, in GIMP's bar."""
    said = ""

    def tell(text: str, share: float) -> None:
        nonlocal said
        if not text:
            Gimp.progress_pulse()
            return
        if text != said:
            said = text
            Gimp.progress_set_text(f"{kind.title}: {text}")
        Gimp.progress_update(share)

    return tell


def start_worker() -> Worker:
    """Start a worker whose folder can be seen from both sides of a sandbox."""
    return Worker(editor.worker_command(HERE, "gimp"), "gimp", editor.scratch())


def options_of(kind: Kind, config: Any) -> dict[str, Any]:
    """Read the options as plain values."""
    values = {option.name: config.get_property(option.name) for option in kind.options}
    for option in kind.options:
        value = values[option.name]
        if isinstance(value, Gio.File):
            path = value.get_path()
            if path is None:
                raise BadOption(
                    f"{value.get_uri()} is not a folder of this computer: copy it first"
                )
            values[option.name] = path
        elif isinstance(option.default, str) and value is None:
            values[option.name] = ""
    return values


def _failed(procedure: Any, words: str) -> Any:
    error = GLib.Error.new_literal(Gimp.PlugIn.error_quark(), words, 0)
    return procedure.new_return_values(Gimp.PDBStatusType.EXECUTION_ERROR, error)


def _succeeded(procedure: Any, layer: Any, image: Any) -> Any:
    values = procedure.new_return_values(Gimp.PDBStatusType.SUCCESS, GLib.Error())
    for place, (kind, made) in enumerate(((Gimp.Layer, layer), (Gimp.Image, image)), 1):
        values.remove(place)
        values.insert(place, GObject.Value(kind, made))
    return values


def _add(procedure: Any, option: Option) -> None:
    """Add one argument, of the type its default has."""
    flags = GObject.ParamFlags.READWRITE
    words = (option.name, option.label, option.help)
    if option.choices:
        choice = Gimp.Choice.new()
        for number, (value, label) in enumerate(option.choices):
            choice.add(value, number, label, "")
        procedure.add_choice_argument(*words, choice, option.default, flags)
    elif option.default is None:
        folder = Gimp.FileChooserAction.SELECT_FOLDER
        procedure.add_file_argument(*words, folder, True, None, flags)
    elif isinstance(option.default, bool):
        procedure.add_boolean_argument(*words, option.default, flags)
    elif isinstance(option.default, str):
        procedure.add_string_argument(*words, option.default, flags)
    elif isinstance(option.default, int):
        low, high = map(int, option.limits)
        procedure.add_int_argument(*words, low, high, option.default, flags)
    else:
        procedure.add_double_argument(*words, *option.limits, option.default, flags)


class Smalti(Gimp.PlugIn):  # type: ignore[misc]  # GIMP's classes have no types outside of GIMP
    """The plug-in: a procedure for each kind of mosaic."""

    def do_set_i18n(self, name: str) -> bool:
        """Leave texts as they are."""
        return False

    def do_query_procedures(self) -> list[str]:
        """Name the procedures."""
        return [kind.procedure for kind in KINDS]

    def do_create_procedure(self, name: str) -> Any:
        """Describe one procedure."""
        Gegl.init(None)
        kind = next(kind for kind in KINDS if kind.procedure == name)
        run: Callable[..., Any] = _runner(kind)
        procedure = Gimp.ImageProcedure.new(self, name, Gimp.PDBProcType.PLUGIN, run, None)
        # All kinds of images: what cannot be used is said in words, not by a grey entry.
        procedure.set_image_types("*")
        sensitive = Gimp.ProcedureSensitivityMask
        procedure.set_sensitivity_mask(sensitive.DRAWABLE | sensitive.DRAWABLES)
        procedure.set_documentation(kind.blurb, kind.help, None)
        procedure.set_menu_label(kind.menu)
        procedure.add_menu_path(_MENU)
        procedure.set_attribution("Smalti", "Smalti, MIT licence", "2026")
        for option in kind.options:
            _add(procedure, option)
        flags = GObject.ParamFlags.READWRITE
        procedure.add_layer_return_value("layer", "Layer", "The mosaic", True, flags)
        procedure.add_image_return_value("made", "Image", "The image it is in", True, flags)
        return procedure


def _runner(kind: Kind) -> Callable[..., Any]:
    def run(
        procedure: Any, run_mode: Any, image: Any, drawables: Any, config: Any, data: Any
    ) -> Any:
        return run_kind(kind, procedure, run_mode, image, drawables, config)

    return run


if __name__ == "__main__":
    Gimp.main(Smalti.__gtype__, sys.argv)
