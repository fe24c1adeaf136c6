import numpy as np
import pytest
from numpy.typing import NDArray

from smalti.core.color import to_space
from smalti.core.transfer import palette_transfer, transferred


def colours(rng: np.random.Generator, centre: tuple[int, int, int], size: int) -> NDArray[np.uint8]:
    mix = rng.uniform(-1, 1, (3, 3))
    drawn = np.array(centre) + size * (rng.normal(0, 1, (4000, 3)).clip(-2, 2) @ mix)
    drawn8: NDArray[np.uint8] = np.rint(drawn.clip(0, 255)).astype(np.uint8)
    return drawn8


def test_the_whole_way_leads_to_the_palette(rng: np.random.Generator) -> None:
    photos, palette = colours(rng, (120, 130, 110), 15), colours(rng, (140, 110, 120), 12)
    found = transferred(
        photos, palette_transfer(photos.astype(np.float32), palette.astype(np.float32), 1.0)
    )
    got, wanted = (to_space(c, "lab").astype(float) for c in (found, palette))
    np.testing.assert_allclose(got.mean(0), wanted.mean(0), atol=0.5)
    np.testing.assert_allclose(np.cov(got.T), np.cov(wanted.T), atol=6)


@pytest.mark.parametrize("strength", [0.0, 0.5])
def test_strength_is_a_share_of_the_way(rng: np.random.Generator, strength: float) -> None:
    photos, palette = colours(rng, (120, 130, 110), 15), colours(rng, (160, 100, 120), 12)
    map_ = palette_transfer(photos.astype(np.float32), palette.astype(np.float32), strength)
    start, goal = (to_space(c, "lab").astype(float).mean(0) for c in (photos, palette))
    found = to_space(transferred(photos, map_), "lab").mean(0)
    np.testing.assert_allclose(found, start + strength * (goal - start), atol=0.5)
    if not strength:
        assert np.abs(transferred(photos, map_).astype(int) - photos).max() <= 1


def test_its_own_palette_changes_nothing(rng: np.random.Generator) -> None:
    photos = colours(rng, (100, 150, 90), 20)
    rows = photos.astype(np.float32)
    assert (
        np.abs(transferred(photos, palette_transfer(rows, rows, 1.0)).astype(int) - photos).max()
        <= 1
    )


def test_flat_libraries_and_targets_are_borne() -> None:
    grey, red = np.full((9, 3), 128, np.float32), np.full((9, 3), (200, 10, 10), np.float32)
    pixels = np.full((2, 2, 3), 128, np.uint8)
    found = transferred(pixels, palette_transfer(grey, red, 1.0))
    assert np.abs(found.astype(int) - (200, 10, 10)).max() <= 2
