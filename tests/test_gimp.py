"""The plug-in's logic over a fake gi, its options, and how the worker is found and lost."""

import json
import sys
import types
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import click
import fake_gi
import pytest
from fake_gi import Image, Layer

from smalti.plugin import jigsaw as jigsaw_command
from smalti.plugin import photo as photo_command
from smalti.plugin.editor import CONFIG, VARIABLE, Worker, WorkerError, make, worker_command
from smalti.plugin.editor_options import KINDS, BadOption, Kind, request_values
from smalti.request import from_json

# What only an editor has, and where the command line has something else instead.
OWN = {"result", "segments-from", "layers", "paths", "photos", "shapes"}
RESERVED = set("ocrsl")  # of the dialog's own buttons


@pytest.fixture
def image_room(monkeypatch: pytest.MonkeyPatch) -> Any:
    fake_gi.install(monkeypatch)
    import smalti.plugin.gimp_image as room

    return room


def defaults(kind: Kind) -> dict[str, Any]:
    return {o.name: "/photos" if o.default is None else o.default for o in kind.options}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.procedure)
def test_defaults_make_the_request_of_the_command_line(kind: Kind) -> None:
    request = from_json(json.dumps(request_values(kind, defaults(kind))))
    told = ("target", "photos", "shapes", "kind", "tiles")
    plain = type(request)(**{k: getattr(request, k) for k in told if hasattr(request, k)})
    assert request == plain


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.procedure)
def test_options_have_the_names_of_the_command_line_and_mnemonics_of_their_own(kind: Kind) -> None:
    command = photo_command.photo if kind.title == "Photomosaic" else jigsaw_command.jigsaw
    known = {
        flag.lstrip("-")
        for option in command.params
        if isinstance(option, click.Option)
        for flag in option.opts
    }
    assert {option.name for option in kind.options} - OWN <= known
    letters = [o.label[o.label.index("_") + 1].lower() for o in kind.options]
    assert len(set(letters)) == len(letters), sorted(letters)
    assert not set(letters) & (RESERVED | {"x"}), "the buttons and the expander have these"
    assert all(option.help for option in kind.options)


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("photos", None, "folder of photos"),
        ("grid", "wide", "64x48"),
        ("aspect", "4/3", "4:3"),
        ("variants", "mirror,upside", "'upside'"),
    ],
)
def test_an_option_that_cannot_be_is_named(name: str, value: Any, word: str) -> None:
    with pytest.raises(BadOption, match=word):
        request_values(KINDS[0], {**defaults(KINDS[0]), name: value})


def test_options_arrive_in_the_request() -> None:
    given = defaults(KINDS[0]) | {"grid": "8x6", "aspect": "4:3", "variants": "none", "cells": 0}
    values = request_values(KINDS[0], given)
    assert (values["grid"], values["aspect"], values["variants"]) == ([8, 6], [4.0, 3.0], [])
    assert values["cells"] is None


@pytest.mark.parametrize(
    ("image", "layers", "word"),
    [
        (Image(base="INDEXED"), [Layer()], "Mode > RGB"),
        (Image(), [], "0 layers"),
        (Image(), [Layer(), Layer()], "2 layers"),
        (Image(), [Layer(group=True)], "group"),
        (Image(), [Layer(region=(False, 0, 0, 0, 0))], "outside the layer"),
    ],
)
def test_what_cannot_be_a_mosaic_is_said(
    image_room: Any, image: Image, layers: list[Layer], word: str
) -> None:
    with pytest.raises(image_room.Refused, match=word):
        image_room.find_region(image, layers)


def test_a_region_lies_where_layer_and_selection_meet(image_room: Any) -> None:
    layer = Layer(offsets=(-7, 9), region=(True, 10, 5, 20, 12))
    region = image_room.find_region(Image([layer], empty=False), [layer])
    assert (region.left, region.top, region.selected) == (3, 14, True)


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_pixels_of_a_job_have_the_size_they_say(
    image_room: Any, tmp_path: Path, scale: float
) -> None:
    layer, over = Layer(region=(True, 4, 2, 20, 12)), Layer("over", 10, 10, (0, 0))
    image = Image([over, layer], empty=False)
    region = image_room.find_region(image, [layer])
    job = image_room.job_pixels(image_room.Writer(region, tmp_path, scale), "layers")
    sizes = {"RGBA u8": 4, "Y u8": 1, "YA u8": 2}
    for raster in (job["target"], job["mask"], *job["areas"]):
        size = raster["width"] * raster["height"] * sizes[raster["format"]]
        assert (tmp_path / raster["file"]).stat().st_size == size
    assert job["target"]["width"] == 20 * scale
    assert [a["width"] for a in job["areas"]] == [6 * scale, 20 * scale]


def test_segments_need_what_they_are_made_from(image_room: Any, tmp_path: Path) -> None:
    layer = Layer()
    region = image_room.find_region(Image([layer]), [layer])
    for source, word in (
        ("selection", "nothing is selected"),
        ("layers", "one visible layer"),
        ("path", "no path"),
    ):
        with pytest.raises(image_room.Refused, match=word):
            image_room.job_pixels(image_room.Writer(region, tmp_path), source)


def test_lines_are_strokes_closed_where_they_are_closed(image_room: Any, tmp_path: Path) -> None:
    stroke = types.SimpleNamespace(
        get_strokes=lambda: [1],
        stroke_interpolate=lambda *_: ([0.0, 0.0, 8.0, 0.0, 8.0, 8.0], True),
    )
    layer = Layer()
    region = image_room.find_region(Image([layer], paths=[stroke]), [layer])
    lines = image_room.Writer(region, tmp_path).lines()
    assert lines == [[(0.0, 0.0), (8.0, 0.0), (8.0, 8.0), (0.0, 0.0)]]


def raster(folder: Path, name: str, width: int, height: int, x: int, y: int) -> dict[str, Any]:
    (folder / name).write_bytes(bytes(range(256)) * (width * height * 4 // 256 + 1))
    return {"file": name, "width": width, "height": height, "format": "RGBA u8",
            "stride": width * 4, "x": x, "y": y, "name": name}  # fmt: skip


def test_a_result_is_one_layer_above_its_source_which_stays_selected(
    image_room: Any, tmp_path: Path
) -> None:
    layer = Layer()
    image = Image([Layer("over"), layer])
    region = image_room.find_region(image, [layer])
    done: dict[str, Any] = {
        "result": raster(tmp_path, "r", 20, 10, 3, 4),
        "layers": [],
        "paths": None,
    }
    made = image_room.lay_into_image(region, "mosaic", tmp_path, done)
    assert [one.name for one in image.layers] == ["over", "mosaic", "source"]
    assert made.offsets == (3, 4)
    assert made.whole == (tmp_path / "r").read_bytes()[: 20 * 10 * 4], "and nothing half laid"
    assert image.chosen == [layer]
    assert (image.done, image.groups) == (["start", "end"], 0)


def test_the_mosaic_of_a_layer_deleted_meanwhile_goes_to_the_top(
    image_room: Any, tmp_path: Path
) -> None:
    layer, other = Layer(), Layer("other")
    image = Image([other, layer])
    region = image_room.find_region(image, [layer])
    image.layers.remove(layer)
    layer.deleted = True
    done: dict[str, Any] = {
        "result": raster(tmp_path, "r", 20, 10, 3, 4),
        "layers": [],
        "paths": None,
    }
    made = image_room.lay_into_image(region, "mosaic", tmp_path, done)
    assert image.layers == [made, other]
    assert image.chosen == [made]
    assert image.groups == 0


@pytest.mark.parametrize("chosen", [[], [0]])
def test_contours_do_not_become_the_path_a_repetition_cuts_along(
    image_room: Any, tmp_path: Path, chosen: list[int]
) -> None:
    layer, cuts = Layer(), [types.SimpleNamespace(), types.SimpleNamespace()]
    image = Image([layer], paths=cuts)
    image.chosen_paths = [cuts[k] for k in chosen]
    region = image_room.find_region(image, [layer])
    (tmp_path / "p.svg").write_text("<svg/>")
    done: dict[str, Any] = {
        "result": raster(tmp_path, "r", 8, 8, 0, 0),
        "layers": [],
        "paths": "p.svg",
    }
    image_room.lay_into_image(region, "mosaic", tmp_path, done)
    assert len(image.paths) == 3
    assert image.chosen_paths == ([cuts[0]] if chosen else cuts)


def test_layers_of_containers_lie_in_a_group(image_room: Any, tmp_path: Path) -> None:
    layer = Layer()
    image = Image([layer])
    region = image_room.find_region(image, [layer])
    parts = [raster(tmp_path, "a", 4, 4, 1, 1), raster(tmp_path, "b", 4, 4, 4, 4)]
    done = {"result": raster(tmp_path, "r", 8, 8, 0, 0), "paths": None, "layers": parts}
    made = image_room.lay_into_image(region, "mosaic", tmp_path, done)
    assert made.group
    assert [one.name for one in made.children] == ["b", "a", "mosaic, whole"]


@pytest.mark.parametrize(
    ("closed", "width", "word"), [(True, 8, "was closed"), (False, 600_000, "600000 x 8 px")]
)
def test_an_image_that_cannot_take_the_mosaic_is_told_of(
    image_room: Any, tmp_path: Path, closed: bool, width: int, word: str
) -> None:
    layer = Layer()
    image = Image([layer])
    region = image_room.find_region(image, [layer])
    image.closed = closed
    result = {"width": width, "height": 8, "x": 0, "y": 0, "file": "r", "format": "RGBA u8"}
    done: dict[str, Any] = {"result": result, "layers": [], "paths": None}
    with pytest.raises(image_room.Refused, match=word):
        image_room.lay_into_image(region, "mosaic", tmp_path, done)
    assert (image.layers, image.groups) == ([layer], 0)


def test_an_undo_group_is_closed_when_gimp_refuses(image_room: Any, tmp_path: Path) -> None:
    layer = Layer()
    image = Image([layer], refuses=True)
    region = image_room.find_region(image, [layer])
    done: dict[str, Any] = {
        "result": raster(tmp_path, "r", 8, 8, 0, 0),
        "layers": [],
        "paths": None,
    }
    with pytest.raises(image_room.Refused, match="could not add"):
        image_room.lay_into_image(region, "mosaic", tmp_path, done)
    assert image.groups == 0


def test_the_worker_is_found_or_its_loss_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(WorkerError, match="smalti gimp install"):
        worker_command(tmp_path, "gimp")
    for text in ("{", "[]", '{"command": 7}', '{"command": []}'):
        (tmp_path / CONFIG).write_text(text)
        with pytest.raises(WorkerError, match="smalti gimp install"):
            worker_command(tmp_path, "gimp")
    with pytest.raises(WorkerError, match=r"moved or deleted.*smalti gimp install"):
        Worker([str(tmp_path / "gone")], "gimp")
    (tmp_path / CONFIG).write_text(json.dumps({"command": [sys.executable, "-V"]}))
    assert worker_command(tmp_path, "gimp") == [sys.executable, "-V"]
    monkeypatch.setenv(VARIABLE, sys.executable)
    assert worker_command(tmp_path, "gimp")[:2] == [sys.executable, "-P"]


@pytest.mark.parametrize(
    ("code", "word"),
    [
        ("", "code 0"),
        (
            "raise SystemExit('no engine here')",
            "smalti gimp install. Its last words: no engine here",
        ),
        ('print(\'{"type": "hello"}\')', "began with"),
        ('print(\'{"type": "hello", "folder": "/", "protocol": 1}\')', "not a job's folder"),
        ('print(\'{"type": "hello", "folder": "/", "protocol": 2}\')', "protocol 1"),
        ('print(\'{"type": "error", "text": "no disk"}\')', "no disk"),
    ],
)
def test_a_worker_that_misbehaves_is_an_error_in_words(code: str, word: str) -> None:
    worker = Worker([sys.executable, "-c", code], "gimp")
    try:
        with pytest.raises(WorkerError, match=word):
            worker.greet()
    finally:
        worker.close()


def test_a_worker_does_a_job_for_an_editor(tmp_path: Path, folder_of_photos: Path) -> None:
    command = [sys.executable, "-c", "from smalti.plugin.worker import main; import sys; "
               "sys.exit(main(sys.argv[2]))"]  # fmt: skip
    worker = Worker(command, "gimp", str(tmp_path))
    try:
        folder = worker.greet()
        assert folder.parent == tmp_path
        job = {"request": {"type": "photomosaic", "target": "@demo", "cells": 12,
                           "photos": [str(folder_of_photos)], "tile_px": 8},
               "result": "full"}  # fmt: skip
        told: list[tuple[str, float]] = []
        message = make(worker, job, lambda *how: told.append(how))
        shares = [share for _, share in told]
        assert shares == sorted(shares)
        assert message["full"]
        assert (folder / message["result"]["file"]).stat().st_size > 0
    finally:
        worker.close()
    assert not folder.exists()


def test_a_result_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "smalti-job-x"
    folder.mkdir()
    (folder / "r").write_bytes(bytes(11))
    raster = {"file": "r", "stride": 4, "height": 3}
    words = [{"type": "hello", "protocol": 1, "folder": str(folder)},
             {"type": "done", "result": raster, "layers": []}]  # fmt: skip
    code = f"import json\nfor w in {words!r}: print(json.dumps(w), flush=True)\ninput(); input()"
    worker = Worker([sys.executable, "-c", code], "gimp")
    try:
        worker.greet()
        with pytest.raises(WorkerError, match="did not write r whole"):
            make(worker, {}, lambda *_: None)
    finally:
        worker.close()


class Window:
    """A dialog of GIMP's whose OK or Cancel is pressed when it runs."""

    def __init__(self, presses: list[bool], seen: list[str]) -> None:
        self.presses, self.seen = presses, seen
        self.on_map: Any = None

    def connect(self, event: str, call: Any) -> None:
        assert event == "map-event"
        self.on_map = call

    def run(self) -> bool:
        self.seen.append("run")
        self.on_map()
        return self.presses.pop(0)

    def __getattr__(self, name: str) -> Any:
        return MagicMock()


@pytest.mark.parametrize("presses", [[True, False], [True, True]])
def test_ok_without_a_folder_leaves_the_dialog_open(
    monkeypatch: pytest.MonkeyPatch, image_room: Any, presses: list[bool]
) -> None:
    import smalti.plugin.gimp_dialog as room

    seen: list[str] = []
    window = Window(list(presses), seen)
    gtk, glib = MagicMock(), MagicMock(markup_escape_text=lambda text, _: text)
    for name, fake in {"Gtk": gtk, "GLib": glib, "GdkPixbuf": MagicMock()}.items():
        monkeypatch.setattr(room, name, fake)
    dialogs = types.SimpleNamespace(new=lambda *_: window)
    monkeypatch.setattr(room, "GimpUi", types.SimpleNamespace(ProcedureDialog=dialogs))
    given = [defaults(KINDS[0]) | {"photos": None}, defaults(KINDS[0])]

    def start() -> Any:
        seen.append("worker")
        raise WorkerError("none here")

    region = image_room.find_region(Image([Layer()]), [Layer()])
    pressed, _ = room.ask(KINDS[0], None, MagicMock(), region, lambda: given.pop(0), start)
    assert pressed == presses[-1]
    words = gtk.Label.return_value.set_markup
    assert words.call_args.args == ("<b>Choose a folder of photos first.</b>",)
    assert seen[:2] == ["run", "worker"], "the engine loads once the window is there"
