"""What scripts run by GIMP share: pictures, calls of the procedures, and how they ended."""

import os
from pathlib import Path

import gi

gi.require_version("Gimp", "3.0")
gi.require_version("Gegl", "0.4")
from gi.repository import Gegl, Gimp, Gio

HOME = Path(os.environ["HOME"])
PHOTOS, SHAPES = HOME / "photos", HOME / "shapes"
CONFIG = Path(os.environ["GIMP3_DIRECTORY"]) / "plug-ins" / "smalti-gimp" / "worker.json"
PIXELS = (HOME / "target.raw").read_bytes()  # 240 x 180, RGBA
WIDE, HIGH = 240, 180
RGBA = "R'G'B'A u8"


def picture(base=Gimp.ImageBaseType.RGB, precision=Gimp.Precision.U8_NON_LINEAR, alpha=True):
    image = Gimp.Image.new_with_precision(WIDE, HIGH, base, precision)
    gray = base == Gimp.ImageBaseType.GRAY
    kinds = Gimp.ImageType
    kind = (
        (kinds.GRAYA_IMAGE if alpha else kinds.GRAY_IMAGE)
        if gray
        else (kinds.RGBA_IMAGE if alpha else kinds.RGB_IMAGE)
    )
    layer = Gimp.Layer.new(image, "source", WIDE, HIGH, kind, 100.0, Gimp.LayerMode.NORMAL)
    image.insert_layer(layer, None, 0)
    put(layer, PIXELS)
    return image, layer


def put(layer, pixels, form=RGBA):
    buffer = layer.get_buffer()
    rect = Gegl.Rectangle.new(0, 0, layer.get_width(), layer.get_height())
    buffer.set(rect, form, pixels)
    buffer.flush()


def get(item, form=RGBA, rect=None):
    place = rect or (0, 0, item.get_width(), item.get_height())
    return bytes(
        item.get_buffer().get(Gegl.Rectangle.new(*place), 1.0, form, Gegl.AbyssPolicy.NONE)
    )


def call(kind, image, drawables, mode=Gimp.RunMode.NONINTERACTIVE, **options):
    procedure = Gimp.get_pdb().lookup_procedure(f"smalti-{kind}")
    config = procedure.create_config()
    config.set_property("run-mode", mode)
    config.set_property("image", image)
    config.set_core_object_array("drawables", drawables)
    for name, value in options.items():
        if isinstance(value, Path):
            value = Gio.File.new_for_path(str(value))
        config.set_property(name.replace("_", "-"), value)
    result = procedure.run(config)
    status = result.index(0)
    if status != Gimp.PDBStatusType.SUCCESS:
        return status, Gimp.get_pdb().get_last_error(), None
    return status, result.index(1), result.index(2)


def photomosaic(image, drawables, **options):
    return call(
        "photomosaic",
        image,
        drawables,
        **{"photos": PHOTOS, "cells": 60, "result": "layer", **options},
    )


def jigsaw(image, drawables, **options):
    return call(
        "jigsaw",
        image,
        drawables,
        **{"shapes": SHAPES, "tiles": 12, "deform": 0.3, "result": "layer", **options},
    )


def decorative(image, drawables, **options):
    return call("decorative", image, drawables, **{"tiles": 60, "result": "layer", **options})


def done(answer):
    assert answer[0] == Gimp.PDBStatusType.SUCCESS, answer
    return answer[1], answer[2]


def refused(answer, word):
    status, words, _ = answer
    assert status == Gimp.PDBStatusType.EXECUTION_ERROR, answer
    assert word in words, words


def state(image):
    layers = image.get_layers()
    return (
        [(x.get_id(), x.get_name()) for x in layers],
        [x.get_id() for x in image.get_selected_layers()],
        [get(x) for x in layers if not x.is_group()],
        len(image.get_paths()),
    )


def near(first, second, most):
    apart = [abs(a - b) for k, (a, b) in enumerate(zip(first, second)) if k % 4 < 3]
    mean = sum(apart) / len(apart)
    assert mean < most, f"colours differ by {mean:.1f} on average"


def workers():
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                if b"smalti.plugin.worker" in words:
                    environment = (entry / "environ").read_bytes()
                    if f"HOME={HOME}".encode() in environment.split(b"\0"):
                        found.append(int(entry.name))
            except OSError:
                continue
    return found
