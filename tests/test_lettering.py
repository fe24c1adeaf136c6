from pathlib import Path

import matplotlib
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from smalti.core.errors import SmaltiError
from smalti.core.source import expand, open_source
from smalti.jigsaw import lettering
from smalti.jigsaw.lettering import words
from smalti.jigsaw.shapes import demo_shapes, opaque_pixels


def written(
    text: str,
    size: float = 34,
    *,
    ground: str = "#c01818",
    ink: str = "white",
    side: int = 160,
    font: str | None = None,
    rising: float = 0,
) -> NDArray[np.uint8]:
    image = Image.new("RGB", (side, side), ground)
    # matplotlib comes with fonts that the detector has never seen.
    face = Path(matplotlib.get_data_path(), "fonts", "ttf", font) if font else None
    type_ = ImageFont.truetype(face, size) if face else ImageFont.load_default(size)
    ImageDraw.Draw(image).text((side / 2, side / 2), text, font=type_, fill=ink, anchor="mm")
    return np.asarray(image.rotate(rising, Image.Resampling.BICUBIC, fillcolor=ground))


def read(picture: NDArray[np.uint8]) -> str:
    y, x = np.indices(picture.shape[:2]) + 0.5
    height, width = picture.shape[:2]
    return words(picture, ((x / width - 0.5) ** 2 + (y / height - 0.5) ** 2) < 0.25)


def letters(text: str) -> str:
    """What matters of a reading: O and 0 look alike."""
    return "".join(c for c in text.lower().replace("o", "0") if c.isalnum())


@pytest.mark.parametrize("text", ["STOP", "GIVE", "Exit", "no image", "404", "Sale 30"])
def test_a_word_is_seen_whatever_its_colours_and_size(text: str) -> None:
    for size in (20, 34):
        assert letters(read(written(text, size))) == letters(text)
        assert letters(read(written(text, size, ground="#f0e0c0", ink="#333355"))) == letters(text)
    assert letters(read(written(text, 160, side=800))) == letters(text)


def test_a_word_may_be_bold() -> None:
    picture = Image.fromarray(written("STOP"))
    font = ImageFont.load_default(34)
    ImageDraw.Draw(picture).text(
        (80, 80), "STOP", font=font, fill="white", anchor="mm", stroke_width=1
    )
    assert letters(read(np.asarray(picture))) == "st0p"


@pytest.mark.parametrize("rising", [-50, -25, 12, 40])
def test_a_word_may_rise_or_fall(rising: float) -> None:
    for text in ("STOP", "no image", "Sale 30"):
        assert letters(read(written(text, 24, rising=rising))) == letters(text)


@pytest.mark.parametrize(
    "font", ["DejaVuSerif.ttf", "DejaVuSerif-Italic.ttf", "DejaVuSans-BoldOblique.ttf"]
)
def test_a_word_may_have_serifs_and_slant(font: str) -> None:
    for text in ("STOP", "Storage", "Open", "Beer"):
        for size in (20, 30):
            assert letters(read(written(text, size, font=font))) == letters(text)


def test_a_word_may_be_small() -> None:
    for text in ("STOP", "no image", "Sale 30"):
        assert letters(read(written(text, 12))) == letters(text)  # capitals of 5 % of the side


def test_letters_may_be_of_little_contrast() -> None:
    assert read(written("STOP", ground="#909090", ink="#a0a0a0")) == "STOP"


@pytest.mark.parametrize("rising", [-40, 20])
@pytest.mark.parametrize("text", ["O O", "OOOO", "I I I I", "- - -", ". . ."])
def test_eyes_windows_and_dashes_may_be_tilted(text: str, rising: float) -> None:
    assert read(written(text, rising=rising)) == ""


@pytest.mark.parametrize("text", ["", "O O", "OOOO", "I I I I", "- - -", ". . ."])
def test_eyes_windows_and_dashes_are_no_word(text: str) -> None:
    assert read(written(text)) == ""


def test_blocks_circles_and_noise_are_no_word(rng: np.random.Generator) -> None:
    image = Image.new("RGB", (160, 160), "khaki")
    draw = ImageDraw.Draw(image)
    for k, x in enumerate(range(30, 130, 20)):
        draw.rectangle((x, 40, x + 12, 56), fill="navy")  # windows
        draw.ellipse((x, 70, x + 14, 84), outline="black", width=3)  # wheels
        draw.line((x + 8, 100, x + 8 + 2 * k, 125), fill="maroon", width=4)  # grass
    assert read(np.asarray(image)) == ""
    assert read(rng.integers(0, 256, (160, 160, 3), dtype=np.uint8)) == ""
    blocks = rng.integers(0, 256, (20, 20, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    assert read(blocks) == ""


def test_a_keyboard_is_no_word() -> None:
    image = Image.new("RGB", (160, 160), "silver")
    draw = ImageDraw.Draw(image)
    for y in range(50, 110, 15):
        for x in range(30 + y % 4, 130, 15):
            draw.rounded_rectangle((x, y, x + 11, y + 11), 2, fill="white", outline="black")
    for rising in range(-45, 50, 15):
        tilted = image.rotate(rising, Image.Resampling.BICUBIC, fillcolor="silver")
        assert read(np.asarray(tilted)) == ""


CLIP_ART = """smiley111 hummer-05 piano-theory-ganson svg-globe-blue tigre02-architetto-franc-01
house-fudriot-omic-ch-01 handphone-toh-yen-cheng-01 guitar-ganson bomb-01"""


@pytest.mark.parametrize("name", CLIP_ART.split())
def test_clip_art_without_words_stays(name: str) -> None:
    sources, _ = expand([str(demo_shapes())])
    (source,) = (source for source in sources if source.part == f"{name}.png")
    pixels = open_source(source, transparent=True).pixels
    assert words(pixels, opaque_pixels(pixels)) == ""


def test_what_is_written_outside_the_shape_does_not_count() -> None:
    picture = written("STOP")
    below = np.indices(picture.shape[:2])[0] > 110
    assert words(picture, below) == ""
    assert words(picture, np.zeros(picture.shape[:2], bool)) == ""


@pytest.mark.parametrize("size", [(1, 1), (1, 30), (30, 1), (2, 200)])
def test_degenerate_sizes(size: tuple[int, int]) -> None:
    picture = np.zeros((*size, 4), np.uint8)
    assert words(picture, np.ones(size, bool)) == ""


def test_models_that_are_missing_are_named_not_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import rapidocr
    import requests

    def fetched(*args: object, **options: object) -> None:
        raise AssertionError("it asks for the network")

    monkeypatch.setattr(requests, "get", fetched)
    monkeypatch.setattr(rapidocr, "__file__", str(tmp_path / "__init__.py"))
    lettering._reader.cache_clear()
    with pytest.raises(SmaltiError, match=r"Det, Cls, Rec.*pip install"):
        read(written("STOP"))
    monkeypatch.undo()
    assert read(written("STOP")) == "STOP"
