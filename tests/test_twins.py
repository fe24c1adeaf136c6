import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from smalti.core.twins import fingerprints, twin_groups

DATA = Path(__file__).parents[2] / "shared" / "data" / "tiles_photo_dev_16k.npz"
SIDE = 48


def groups(thumbs: NDArray[np.uint8]) -> list[int]:
    return list(map(int, twin_groups(fingerprints(thumbs))))


def photo(seed: int, *, mean: float = 120, contrast: float = 45) -> Image.Image:
    """Smooth coloured noise, as blurry photos are."""
    noise = np.random.default_rng(seed).normal(size=(6, 6, 3))
    pixels = mean + contrast * (noise - noise.mean()) / noise.std()
    small = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    return small.resize((192, 144), Image.Resampling.BICUBIC)


def thumb(image: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX))


def recompressed(image: Image.Image, quality: int = 60) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file)


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "same": lambda image: image,
    "recompressed": recompressed,
    "halved": lambda image: recompressed(image.resize((96, 72), Image.Resampling.LANCZOS), 80),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.05),
}


@pytest.mark.parametrize("copy", COPIES)
def test_copies_are_found_and_others_left_alone(copy: str) -> None:
    originals = [photo(seed) for seed in range(60)]
    copies = [COPIES[copy](image) for image in originals]
    found = groups(np.stack([thumb(image) for image in originals + copies]))
    assert found == list(range(60)) * 2


def test_mirrored_or_recoloured_is_another_photo() -> None:
    image = photo(1)
    r, g, b = image.split()
    others = [image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), Image.merge("RGB", (b, g, r))]
    assert groups(np.stack([thumb(other) for other in [image, *others]])) == [0, 1, 2]


def test_plain_ones_are_twins_only_if_nobody_could_tell() -> None:
    grays = np.full((4, SIDE, SIDE, 3), 128, np.uint8)
    grays[1] += 1
    grays[2] += 4
    grays[3, ..., 2] += 6  # a shade bluer
    assert groups(grays) == [0, 0, 1, 2]


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)])
def test_a_row_of_grays_is_no_group(order: slice) -> None:
    ramp = np.arange(256, dtype=np.uint8)[order]
    found = groups(np.tile(ramp[:, None, None, None], (1, SIDE, SIDE, 3)))
    assert np.bincount(found).max() <= 3


def test_thousands_of_equal_ones() -> None:
    flat = np.zeros((20_000, 12, 12, 3), np.uint8)
    flat[10_000:] = 200
    assert np.array_equal(groups(flat), np.repeat([0, 1], 10_000))


def test_numbers_are_dense_in_order_of_first_appearance() -> None:
    a, b, c = (thumb(photo(seed)) for seed in range(3))
    assert groups(np.stack([c, a, c, b, a])) == [0, 1, 0, 2, 1]


def test_one_and_none() -> None:
    assert groups(np.zeros((1, SIDE, SIDE, 3), np.uint8)) == [0]
    assert groups(np.zeros((0, SIDE, SIDE, 3), np.uint8)) == []


@pytest.mark.skipif(not DATA.exists(), reason="../shared/data is absent")
def test_real_tiles() -> None:
    with np.load(DATA) as arrays:
        tiles = arrays["tiles"][::8]
    # All are different pictures, though many show parts of the same photo.
    assert len(set(groups(tiles))) == len(tiles)
    assert groups(np.concatenate([tiles, tiles])) == list(range(len(tiles))) * 2
