from pathlib import Path

import matplotlib
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from smalti.core.source import expand, open_source
from smalti.jigsaw.lettering import WORD, word_evidence
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


def evidence(picture: NDArray[np.uint8]) -> float:
    y, x = np.indices(picture.shape[:2]) + 0.5
    height, width = picture.shape[:2]
    return word_evidence(picture, ((x / width - 0.5) ** 2 + (y / height - 0.5) ** 2) < 0.25)


@pytest.mark.parametrize("text", ["STOP", "GIVE", "Exit", "no image", "404", "Sale 30"])
def test_a_word_is_seen_whatever_its_colours_and_size(text: str) -> None:
    for size in (20, 34):
        assert evidence(written(text, size)) >= WORD
        assert evidence(written(text, size, ground="#f0e0c0", ink="#333355")) >= WORD
    assert evidence(written(text, 160, side=800)) >= WORD


def test_a_word_may_be_bold() -> None:
    picture = Image.fromarray(written("STOP"))
    font = ImageFont.load_default(34)
    ImageDraw.Draw(picture).text(
        (80, 80), "STOP", font=font, fill="white", anchor="mm", stroke_width=1
    )
    assert evidence(np.asarray(picture)) >= WORD


@pytest.mark.parametrize("rising", [-50, -25, 12, 40])
def test_a_word_may_rise_or_fall(rising: float) -> None:
    for text in ("STOP", "no image", "Sale 30"):
        assert evidence(written(text, 24, rising=rising)) >= WORD


@pytest.mark.parametrize(
    "font", ["DejaVuSerif.ttf", "DejaVuSerif-Italic.ttf", "DejaVuSans-BoldOblique.ttf"]
)
def test_a_word_may_have_serifs_and_slant(font: str) -> None:
    for text in ("STOP", "Storage", "Open", "Beer"):
        for size in (20, 30):
            assert evidence(written(text, size, font=font)) >= WORD


def test_a_word_may_be_small() -> None:
    for text in ("STOP", "no image", "Sale 30"):
        assert evidence(written(text, 12)) >= WORD  # capitals of 5 % of the side


def test_letters_may_be_of_little_contrast() -> None:
    assert evidence(written("STOP", ground="#909090", ink="#a8a8a8")) >= WORD


@pytest.mark.parametrize("rising", [-40, 20])
@pytest.mark.parametrize("text", ["O O", "OOOO", "I I I I", "- - -", ". . ."])
def test_eyes_windows_and_dashes_may_be_tilted(text: str, rising: float) -> None:
    assert evidence(written(text, rising=rising)) < WORD


@pytest.mark.parametrize("text", ["", "O O", "OOOO", "I I I I", "- - -", ". . ."])
def test_eyes_windows_and_dashes_are_no_word(text: str) -> None:
    assert evidence(written(text)) < WORD


def test_blocks_circles_and_noise_are_no_word(rng: np.random.Generator) -> None:
    image = Image.new("RGB", (160, 160), "khaki")
    draw = ImageDraw.Draw(image)
    for k, x in enumerate(range(30, 130, 20)):
        draw.rectangle((x, 40, x + 12, 56), fill="navy")  # windows
        draw.ellipse((x, 70, x + 14, 84), outline="black", width=3)  # wheels
        draw.line((x + 8, 100, x + 8 + 2 * k, 125), fill="maroon", width=4)  # grass
    assert evidence(np.asarray(image)) < WORD
    assert evidence(rng.integers(0, 256, (160, 160, 3), dtype=np.uint8)) < WORD
    assert (
        evidence(rng.integers(0, 256, (20, 20, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)) < WORD
    )


def test_a_keyboard_is_no_word() -> None:
    image = Image.new("RGB", (160, 160), "silver")
    draw = ImageDraw.Draw(image)
    for y in range(50, 110, 15):
        for x in range(30 + y % 4, 130, 15):
            draw.rounded_rectangle((x, y, x + 11, y + 11), 2, fill="white", outline="black")
    for rising in (0, 30):
        tilted = image.rotate(rising, Image.Resampling.BICUBIC, fillcolor="silver")
        assert evidence(np.asarray(tilted)) < WORD


CLIP_ART = """smiley111 hummer-05 piano-theory-ganson svg-globe-blue tigre02-architetto-franc-01
house-fudriot-omic-ch-01 handphone-toh-yen-cheng-01 guitar-ganson bomb-01"""


@pytest.mark.parametrize("name", CLIP_ART.split())
def test_clip_art_without_words_stays(name: str) -> None:
    sources, _ = expand([str(demo_shapes())])
    (source,) = (source for source in sources if source.part == f"{name}.png")
    pixels = open_source(source, transparent=True).pixels
    assert word_evidence(pixels, opaque_pixels(pixels)) < WORD


def test_what_is_written_outside_the_shape_does_not_count() -> None:
    picture = written("STOP")
    below = np.indices(picture.shape[:2])[0] > 110
    assert word_evidence(picture, below) == 0
    assert word_evidence(picture, np.zeros(picture.shape[:2], bool)) == 0


@pytest.mark.parametrize("size", [(1, 1), (1, 30), (30, 1), (2, 200)])
def test_degenerate_sizes(size: tuple[int, int]) -> None:
    picture = np.zeros((*size, 4), np.uint8)
    assert word_evidence(picture, np.ones(size, bool)) == 0
