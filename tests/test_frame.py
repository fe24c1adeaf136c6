import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from smalti.jigsaw.frame import Frame, find_frame, trimmed


def framed(
    rng: np.random.Generator, frame: Frame, colour: tuple[int, int, int] = (0, 0, 0)
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Colourful noise, and the same in a frame."""
    inner = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8).repeat(10, 0).repeat(10, 1)
    pads = ((frame.top, frame.bottom), (frame.left, frame.right))
    planes = [np.pad(inner[..., i], pads, constant_values=colour[i]) for i in range(3)]
    return inner, np.stack(planes, axis=2)


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (120, 20, 30)])
@pytest.mark.parametrize(
    "frame",
    [
        Frame(9, 7, 12, 8),
        Frame(1, 1, 1, 1),
        Frame(0, 20, 0, 25),
        Frame(30, 0, 30, 0),
        Frame(60, 40, 60, 40),
        Frame(0, 0, 0, 0),
    ],
)
def test_a_frame_is_cut_off_to_the_pixel(
    frame: Frame, colour: tuple[int, int, int], rng: np.random.Generator
) -> None:
    inner, picture = framed(rng, frame, colour)
    assert find_frame(picture) == frame
    assert np.array_equal(trimmed(picture, find_frame(picture)), inner)


def test_a_frame_slightly_turned_and_compressed_is_cut_off_whole(
    rng: np.random.Generator,
) -> None:
    _, picture = framed(rng, Frame(40, 40, 40, 40))
    turned = Image.fromarray(picture).rotate(0.4, Image.Resampling.BICUBIC)
    noisy = (np.asarray(turned) + rng.normal(0, 2, picture.shape)).clip(0, 255).astype(np.uint8)
    frame = find_frame(noisy)
    assert all(40 <= side <= 45 for side in frame)


def test_a_plain_background_is_no_frame() -> None:
    image = Image.new("RGB", (300, 200), "white")
    ImageDraw.Draw(image).ellipse((20, 20, 280, 180), fill="red")
    assert find_frame(np.asarray(image)) == Frame()
    image = Image.new("RGB", (300, 200), "white")
    ImageDraw.Draw(image).rectangle((100, 20, 200, 180), fill="red")
    assert find_frame(np.asarray(image)) == Frame()


def test_a_dark_sky_alone_is_no_frame(rng: np.random.Generator) -> None:
    _, picture = framed(rng, Frame(0, 30, 0, 0), (10, 10, 40))
    assert find_frame(picture) == Frame()


def test_a_large_picture_is_cut_generously(rng: np.random.Generator) -> None:
    _, picture = framed(rng, Frame(9, 7, 12, 8))
    large = picture.repeat(9, 0).repeat(9, 1)
    assert np.all(np.subtract(find_frame(large), (81, 63, 108, 72)) >= 0)
    assert np.all(np.subtract(find_frame(large), (81, 63, 108, 72)) < 4)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (2, 2), (50, 50)])
def test_a_picture_of_one_colour_has_none(size: tuple[int, int]) -> None:
    picture = np.full((*size, 3), 77, np.uint8)
    assert find_frame(picture) == Frame()
    assert trimmed(picture, Frame()).shape == picture.shape
