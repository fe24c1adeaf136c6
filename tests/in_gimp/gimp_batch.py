"""Run by GIMP itself, in its own Python: every check prints PASS or FAIL and its name."""

import json
import os
import random
import signal
import sys
import threading
import time
import traceback
from pathlib import Path

import gi

gi.require_version("Gimp", "3.0")
from gi.repository import Gimp

sys.path.insert(0, os.environ["TESTS"])
from gimp_calls import (
    CONFIG,
    HIGH,
    HOME,
    WIDE,
    call,
    decorative,
    done,
    get,
    jigsaw,
    near,
    photomosaic,
    picture,
    put,
    refused,
    state,
    workers,
)

CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


@check
def procedures_are_registered_as_the_command_line_names_them():
    names = {
        "photomosaic": "photos cells max-uses adjust result grid aspect crop tile-px repeats twins "
        "variants space detail metric background seed",
        "jigsaw": "shapes tiles segments-from adjust result layers paths segments size-ratio "
        "deform rotate background reuse spacing w-color w-gap w-overlap w-deform w-look "
        "candidates time-limit width seed",
        "decorative": "kind tiles segments-from result paths segments background width seed",
    }
    for kind, expected in names.items():
        procedure = Gimp.get_pdb().lookup_procedure(f"smalti-{kind}")
        assert procedure.get_menu_paths() == [
            "<Image>/Filters/Artistic"
        ] or procedure.get_menu_paths() == ["<Image>/Filters/Artistic/"], procedure.get_menu_paths()
        found = [a.name for a in procedure.get_arguments()]
        assert found == ["run-mode", "image", "drawables", *expected.split()], found
        assert procedure.get_blurb()
        assert all(a.get_blurb() for a in procedure.get_arguments())


@check
def a_feathered_selection_and_an_offset_layer_come_out_to_the_pixel():
    image, layer = picture()
    layer.set_offsets(-20, 15)
    Gimp.context_set_feather(True)
    Gimp.context_set_feather_radius(9, 9)
    image.select_ellipse(Gimp.ChannelOps.REPLACE, 30, 40, 120, 90)
    before = state(image)
    made, where = done(photomosaic(image, [layer]))
    assert where.get_id() == image.get_id()
    _, x, y, wide, high = layer.mask_intersect()
    assert (made.get_width(), made.get_height()) == (wide, high)
    assert tuple(made.get_offsets())[1:] == (x - 20, y + 15)
    selection = get(image.get_selection(), "Y u8", (x - 20, y + 15, wide, high))
    assert set(selection) > {0, 255}, "the feather is there"
    pixels = get(made)
    assert pixels[3::4] == selection, "as opaque as selected, everywhere"
    source = get(layer, rect=(x, y, wide, high))
    inside = [i for i, a in enumerate(selection) if a == 255]
    near(
        b"".join(pixels[4 * i : 4 * i + 4] for i in inside),
        b"".join(source[4 * i : 4 * i + 4] for i in inside),
        60,
    )
    assert pixels != source
    after = state(image)
    assert after[1] == before[1], "the source is still selected"
    assert after[0] == [(made.get_id(), made.get_name()), *before[0]], "one layer, above it"
    assert after[2][1:] == before[2], "the source is as it was"


@check
def every_kind_of_pixel_comes_out_with_its_transparency():
    steps = Gimp.Precision
    for base in (Gimp.ImageBaseType.RGB, Gimp.ImageBaseType.GRAY):
        for precision in (steps.U8_NON_LINEAR, steps.U16_NON_LINEAR, steps.FLOAT_LINEAR):
            for alpha in (True, False):
                image, layer = picture(base, precision, alpha)
                before = get(layer)
                made, _ = done(photomosaic(image, [layer]))
                pixels = get(made)
                assert pixels[3::4] == before[3::4], "transparent where the source is"
                seen = [i for i, a in enumerate(before[3::4]) if a == 255]
                near(
                    b"".join(pixels[4 * i : 4 * i + 4] for i in seen),
                    b"".join(before[4 * i : 4 * i + 4] for i in seen),
                    60,
                )
                assert get(layer) == before
                assert len(image.get_layers()) == 2
                image.delete()


@check
def a_layer_is_laid_as_it_is_seen_its_mask_and_its_filters_applied():
    hides = (bytes([0]) * 60 + bytes([128]) * 60 + bytes([255]) * 120) * HIGH
    for base, precision, alpha in (
        (Gimp.ImageBaseType.RGB, Gimp.Precision.U8_NON_LINEAR, True),
        (Gimp.ImageBaseType.GRAY, Gimp.Precision.FLOAT_LINEAR, False),
    ):
        image, layer = picture(base, precision, alpha)
        layer.set_offsets(7, 9)
        mask = layer.create_mask(Gimp.AddMaskType.WHITE)
        layer.add_mask(mask)
        put(mask, hides, "Y u8")
        layer.append_filter(Gimp.DrawableFilter.new(layer, "gegl:invert-gamma", "inverted"))
        if not alpha:  # a shadow around the layer makes it larger
            layer.append_filter(Gimp.DrawableFilter.new(layer, "gegl:dropshadow", "shadow"))
        images, before = len(Gimp.get_images()), get(layer)
        made, _ = done(photomosaic(image, [layer]))
        opacity = [(a * b + 127) // 255 for a, b in zip(before[3::4], hides)]
        pixels = get(made)
        assert list(pixels[3::4]) == opacity, "as opaque as the layer is with its mask"
        seen = [i for i, a in enumerate(opacity) if a == 255]
        near(
            b"".join(pixels[4 * i : 4 * i + 4] for i in seen),
            b"".join(bytes(255 - c for c in before[4 * i : 4 * i + 4]) for i in seen),
            60,
        )
        assert get(layer) == before
        assert len(Gimp.get_images()) == images
        refused(photomosaic(image, [mask]), "Shift+Q")
        layer.set_apply_mask(False)
        image.remove_layer(made)
        made, _ = done(photomosaic(image, [layer]))
        assert get(made)[3::4] == before[3::4]


@check
def a_locked_group_takes_the_mosaic_of_a_layer_in_it():
    image, layer = picture()
    group = Gimp.GroupLayer.new(image, "group")
    image.insert_layer(group, None, 0)
    image.reorder_item(layer, group, 0)
    group.set_lock_content(True)
    made, _ = done(photomosaic(image, [layer]))
    assert [x.get_id() for x in group.get_children()] == [made.get_id(), layer.get_id()]
    near(get(made), get(layer), 60)
    assert len(done(jigsaw(image, [layer], layers=True))[0].get_children()) > 1


@check
def what_cannot_be_used_is_said_and_nothing_changes():
    image, layer = picture()
    second = Gimp.Layer.new(
        image, "second", 9, 9, Gimp.ImageType.RGBA_IMAGE, 100.0, Gimp.LayerMode.NORMAL
    )
    image.insert_layer(second, None, 0)
    second.set_visible(False)
    group = Gimp.GroupLayer.new(image, "group")
    image.insert_layer(group, None, 0)
    image.set_selected_layers([layer])
    before = state(image)
    refused(photomosaic(image, [layer, second]), "2 layers are selected")
    refused(photomosaic(image, [group]), "layer group")
    refused(call("photomosaic", image, [layer]), "folder of photos")
    assert photomosaic(image, [layer], photos=HOME / "nowhere")[0] != Gimp.PDBStatusType.SUCCESS
    (HOME / "empty").mkdir(exist_ok=True)
    refused(photomosaic(image, [layer], photos=HOME / "empty"), "empty")
    refused(photomosaic(image, [layer], grid="wide"), "64x48")
    refused(photomosaic(image, [layer], variants="upside"), "mirror")
    refused(photomosaic(image, [layer], cells=5000), "photos")
    refused(jigsaw(image, [layer], segments_from="selection"), "nothing is selected")
    refused(jigsaw(image, [layer], segments_from="layers"), "one visible layer")
    refused(jigsaw(image, [layer], segments_from="path"), "no path")
    refused(jigsaw(image, [layer], rotate="sideways"), "upright")
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 0, 0, 9, 9)
    layer.set_offsets(50, 50)
    refused(photomosaic(image, [layer]), "outside the layer")
    layer.set_offsets(0, 0)
    Gimp.Selection.none(image)
    assert state(image) == before
    indexed, flat = picture(alpha=False)
    indexed.convert_indexed(
        Gimp.ConvertDitherType.NONE, Gimp.ConvertPaletteType.GENERATE, 16, False, False, ""
    )
    before = state(indexed)
    refused(photomosaic(indexed, [flat]), "Image > Mode > RGB")
    assert state(indexed) == before
    image, clear = picture()
    put(clear, bytes(WIDE * HIGH * 4))
    refused(photomosaic(image, [clear]), "transparent everywhere")
    image, layer = picture()
    Gimp.context_set_feather(False)
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 90, 90, 5, 5)
    for make in (jigsaw, decorative):
        refused(make(image, [layer]), "5 x 5 px to fill")


@check
def a_large_mosaic_becomes_an_image_of_its_own():
    image, layer = picture(alpha=False)
    image.set_resolution(240, 120)
    image.set_unit(Gimp.Unit.mm())
    before = state(image)
    made, where = done(photomosaic(image, [layer], result="automatic", tile_px=60))
    assert where.get_id() != image.get_id()
    assert where.get_resolution()[1:] == image.get_resolution()[1:] == (240, 120)
    assert where.get_unit().get_name() == image.get_unit().get_name()
    assert where.get_width() > WIDE
    assert (made.get_width(), made.get_height()) == (where.get_width(), where.get_height())
    assert state(image) == before
    made, where = done(decorative(image, [layer], result="image", width=640))
    assert (where.get_width(), where.get_height()) == (640, 480)
    made, where = done(photomosaic(image, [layer], result="automatic", tile_px=2))
    assert where.get_id() == image.get_id()
    assert made.get_width() == WIDE


@check
def the_selection_is_the_container_of_a_jigsaw():
    image, layer = picture(alpha=False)
    Gimp.context_set_feather(False)
    image.select_ellipse(Gimp.ChannelOps.REPLACE, 20, 10, 180, 150)
    for make in (jigsaw, decorative):
        before = state(image)
        made, _ = done(make(image, [layer], paths=True))
        _, x, y, wide, high = layer.mask_intersect()
        selection = get(image.get_selection(), "Y u8", (x, y, wide, high))
        assert get(made)[3::4] == selection
        after = state(image)
        assert after[1] == before[1]
        assert len(after[2]) == len(before[2]) + 1
        assert get(layer) == before[2][-1]
        assert after[3] == before[3] + 1
        path = image.get_paths()[0]
        assert "contours" in path.get_name()
        strokes = path.get_strokes()
        assert 4 <= len(strokes) <= 90, len(strokes)
        for stroke in strokes:
            points, closed = path.stroke_interpolate(stroke, 1.0)
            assert closed
            middle = [sum(points[k::2]) / len(points[k::2]) for k in (0, 1)]
            assert x - 5 <= middle[0] <= x + wide + 5, middle
            assert y - 5 <= middle[1] <= y + high + 5, middle


@check
def layers_and_paths_are_containers():
    image, layer = picture(alpha=False)
    half = Gimp.Layer.new(
        image, "half", 100, HIGH, Gimp.ImageType.RGBA_IMAGE, 100.0, Gimp.LayerMode.NORMAL
    )
    image.insert_layer(half, None, 0)
    put(half, bytes([9, 200, 9, 255]) * (100 * HIGH))
    image.set_selected_layers([layer])
    made, _ = done(jigsaw(image, [layer], segments_from="layers", layers=True))
    assert made.is_group()
    names = [child.get_name() for child in made.get_children()]
    assert names[-1].endswith("whole"), names
    assert len(names) == 3, names
    assert [x.get_id() for x in image.get_selected_layers()] == [layer.get_id()]
    image.remove_layer(made)
    image.remove_layer(half)
    path = Gimp.Path.new(image, "cut")
    image.insert_path(path, None, 0)
    path.stroke_new_from_points(
        Gimp.PathStrokeType.BEZIER,
        [c for x, y in ((120, 0), (120, HIGH)) for c in (x, y) * 3],
        False,
    )
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 10, 10, 220, 160)
    for _ in range(2):  # the contours of the first do not cut the second
        made, _ = done(jigsaw(image, [layer], segments_from="path", layers=True, paths=True))
        assert len(made.get_children()) == 3, "the whole, and a layer each side of the path"
        assert [x.get_id() for x in image.get_selected_paths()] == [path.get_id()]


@check
def a_repetition_before_there_were_values_says_what_is_missing():
    image, layer = picture(alpha=False)
    answer = call("photomosaic", image, [layer], mode=Gimp.RunMode.WITH_LAST_VALS)
    refused(answer, "folder of photos")


@check
def a_broken_worker_is_a_readable_message():
    kept = CONFIG.read_text()
    image, layer = picture()
    before = state(image)
    folder = Path(os.environ["TMPDIR"], "smalti-job-fake")
    folder.mkdir()
    words = json.dumps({"type": "hello", "protocol": 1, "folder": str(folder)})
    hello = f"print({words!r}, flush=True)"
    try:
        for command, word in (
            (["/nowhere/bin/python"], "moved or deleted"),
            (["no-such-program"], "does not start"),
            (["python3", "-c", "raise SystemExit('no engine')"], "no engine"),
            (["python3", "-c", "print('hello')"], "code 0"),
            (["python3", "-c", hello.replace("1,", "7,")], "engine 7"),
            (["python3", "-c", "import os; os.abort()"], "signal 6"),
            (["python3", "-c", hello.replace("smalti-job", "my-own")], "not a job's folder"),
            (["python3", "-c", f"{hello}; input(); print('noise'); raise SystemExit(3)"], "code 3"),
        ):
            CONFIG.write_text(json.dumps({"command": command}))
            refused(photomosaic(image, [layer]), word)
        CONFIG.write_text("{")
        refused(photomosaic(image, [layer]), "smalti gimp install")
        CONFIG.unlink()
        refused(photomosaic(image, [layer]), "smalti gimp install")
        assert state(image) == before
    finally:
        CONFIG.write_text(kept)


@check
def killed_twenty_times_it_leaves_the_image_alone():
    image, layer = picture()
    before = state(image)
    chance = random.Random(1)
    killed = 0
    for _ in range(20):
        wait = chance.uniform(0.0, 1.6)

        def kill(wait=wait):
            end = time.monotonic() + 10
            while not workers() and time.monotonic() < end:
                time.sleep(0.01)
            time.sleep(wait)
            for one in workers():
                os.kill(one, signal.SIGKILL)

        assassin = threading.Thread(target=kill)
        assassin.start()
        answer = photomosaic(image, [layer], cells=90)
        assassin.join()
        if answer[0] == Gimp.PDBStatusType.SUCCESS:
            image.remove_layer(answer[1])
        else:
            refused(answer, "was ended by signal 9")
            killed += 1
        assert state(image) == before
    print("killed", killed)
    assert killed >= 8, killed


@check
def nothing_is_left_behind():
    time.sleep(0.5)
    assert not workers()
    left = [p.name for p in Path(os.environ["TMPDIR"]).glob("smalti-job-*")]
    assert not left, left


wanted = os.environ.get("CHECKS", "").split()
for function in CHECKS:
    if wanted and function.__name__ not in wanted:
        continue
    started = time.monotonic()
    try:
        function()
        print(f"PASS {function.__name__} {time.monotonic() - started:.1f} s", flush=True)
    except BaseException:
        print(f"FAIL {function.__name__}\n{traceback.format_exc()}", flush=True)
print("ALL RAN", flush=True)
