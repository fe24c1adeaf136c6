"""The logic of Krita's plug-in over a fake krita, and the settings that turn it on."""

from pathlib import Path
from typing import Any

import fake_krita
import numpy as np
import pytest
from fake_krita import SRGB, Document, Layer, Rectangle

from smalti.plugin import kritarc
from smalti.plugin.editor import Refused


@pytest.fixture
def image_room(monkeypatch: pytest.MonkeyPatch) -> Any:
    fake_krita.install(monkeypatch)
    import smalti.plugin.krita_image as room

    return room


def selection(x: int, y: int, width: int, height: int) -> Layer:
    return Layer("selection", place=Rectangle(x, y, width, height), size=1)


def region_of(room: Any, layer: Layer, chosen: Layer | None = None, **more: Any) -> Any:
    return room.find_region(Document(layer, chosen, **more), [layer])


def nothing() -> None:
    pass


@pytest.mark.parametrize(
    ("document", "layers", "word"),
    [
        (None, [], "No document"),
        (Document(Layer()), [], "0 layers"),
        (Document(Layer()), [Layer(), Layer()], "2 layers"),
        (Document(Layer()), [Layer(kind="grouplayer")], "no paint layer"),
        (Document(Layer()), [Layer(place=Rectangle(0, 0, 0, 0))], "empty"),
        (Document(Layer()), [Layer(place=Rectangle(40, 0, 9, 9))], "empty"),
        (Document(Layer(), selection(50, 0, 9, 9)), [Layer()], "outside the layer"),
    ],
)
def test_what_cannot_be_a_mosaic_is_said(
    image_room: Any, document: Any, layers: list[Layer], word: str
) -> None:
    with pytest.raises(Refused, match=word):
        image_room.find_region(document, layers)


def test_a_region_lies_where_document_layer_and_selection_meet(image_room: Any) -> None:
    layer = Layer(place=Rectangle(-5, 4, 30, 90))
    region = region_of(image_room, layer, selection(10, 0, 99, 20))
    assert (region.x, region.y, region.width, region.height) == (10, 4, 15, 16)


def test_pixels_of_a_job_are_those_of_the_region(
    image_room: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_room, "_BAND_PX", 45)  # three rows at a time
    turns: list[int] = []
    layer = Layer()
    region = region_of(image_room, layer, selection(3, 5, 15, 10))
    job = image_room.Writer(region, lambda: turns.append(1)).job(tmp_path)
    for raster, size in ((job["target"], 4), (job["mask"], 1)):
        pixels = np.fromfile(tmp_path / raster["file"], np.uint8)
        assert (raster["width"], raster["height"]) == (15, 10)
        assert np.array_equal(pixels.reshape(10, -1)[:, 0], np.arange(5, 15)), size
        assert len(pixels) == 15 * 10 * size
    assert (job["target"]["x"], job["target"]["y"]) == (3, 5)
    assert len(turns) == 2 * 4, "Krita takes its turn between bands"


def test_another_colour_model_is_read_from_a_copy(image_room: Any, tmp_path: Path) -> None:
    layer = Layer(space=("CMYKA", "U16", "press.icc"))
    job = image_room.Writer(region_of(image_room, layer), nothing).job(tmp_path)
    assert (tmp_path / job["target"]["file"]).stat().st_size == 40 * 30 * 4
    assert layer.space == ("CMYKA", "U16", "press.icc"), "the source is as it was"
    stubborn = Layer(space=("XYZA", "F32", "odd"), converts=False)
    with pytest.raises(Refused, match="XYZA F32 odd to sRGB"):
        image_room.Writer(region_of(image_room, stubborn), nothing)


@pytest.mark.parametrize("space", [SRGB, ("GRAYA", "U8", "gray.icc")])
def test_a_result_is_one_layer_above_its_source(
    image_room: Any, tmp_path: Path, space: tuple[str, str, str]
) -> None:
    layer = Layer()
    region = region_of(image_room, layer, space=space)
    (tmp_path / "r").write_bytes(bytes(range(8 * 5 * 3)))
    raster = {"file": "r", "width": 8, "height": 5, "format": "RGB u8", "stride": 24,
              "x": 2, "y": 3}  # fmt: skip
    made = image_room.lay_into_document(region, "mosaic", tmp_path, raster, nothing)
    assert [one.label for one in region.document.root.children] == ["source", "mosaic"]
    assert made.space == space
    (place, pixels), = made.written.items()  # fmt: skip
    assert place == (2, 3, 8, 5)
    assert pixels[:8] == bytes([2, 1, 0, 255, 5, 4, 3, 255])
    region.document.active = made
    image_room.select_source(region)
    assert region.document.active is layer


def test_nothing_is_added_of_pixels_that_are_cut_short(image_room: Any, tmp_path: Path) -> None:
    region = region_of(image_room, Layer())
    (tmp_path / "r").write_bytes(bytes(7))
    raster = {"file": "r", "width": 8, "height": 5, "format": "RGBA u8", "stride": 32,
              "x": 0, "y": 0}  # fmt: skip
    with pytest.raises(Refused, match="cut short"):
        image_room.lay_into_document(region, "mosaic", tmp_path, raster, nothing)
    assert len(region.document.root.children) == 1
    (tmp_path / "r").write_bytes(bytes(8 * 5 * 4))
    region.document.root.full = True
    with pytest.raises(Refused, match="could not add"):
        image_room.lay_into_document(region, "mosaic", tmp_path, raster, nothing)


@pytest.mark.parametrize("channels", [3, 4])
def test_channels_come_in_kritas_order(
    image_room: Any, channels: int, rng: np.random.Generator
) -> None:
    pixels = rng.integers(0, 256, (50, channels), np.uint8)
    expected = np.full((50, 4), 255, np.uint8)
    expected[:, :channels] = pixels
    expected[:, :3] = expected[:, 2::-1]
    assert image_room.as_bgra(pixels.tobytes(), channels) == expected.tobytes()


@pytest.mark.parametrize(
    "text", ["", "theme=dark\n", "[python]\nenable_other=true\n\n[last]\na=1\n",
             "[python]\nenable_smalti_krita=false\n"]
)  # fmt: skip
def test_kritas_settings_keep_all_else(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config" / "kritarc"
    if text:
        file.parent.mkdir()
        file.write_text(text)
    assert not kritarc.is_on(file, "smalti_krita")
    for _ in range(2):
        kritarc.turn_on(file, "smalti_krita")
    lines = file.read_text().splitlines()
    assert kritarc.is_on(file, "smalti_krita")
    assert lines.count("enable_smalti_krita=true") == lines.count("[python]") == 1
    assert lines.index("enable_smalti_krita=true") == lines.index("[python]") + 1
    kritarc.turn_off(file, "smalti_krita")
    left = [line for line in file.read_text().splitlines() if line and line != "[python]"]
    known = [line for line in text.splitlines() if line and line != "[python]"]
    assert left == [line for line in known if "smalti" not in line]
