from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import distance_transform_edt
from skimage.measure import label as components
from skimage.morphology import disk, opening

from smalti.core.errors import BadInput
from smalti.jigsaw.segment import (
    _depth,
    _enlarged,
    from_labels,
    from_mask,
    segment,
    tidied,
)

TARGETS = Path(__file__).parents[1] / "../shared/data/targets"


def flags(height: int, width: int) -> tuple[NDArray[np.uint8], NDArray[np.intp]]:
    """Four colours in a 2 x 2 of rooms, and the rooms."""
    y, x = np.indices((height, width))
    room = 2 * (y >= height // 2) + (x >= width // 3)
    colours = np.array([[200, 40, 40], [40, 160, 60], [240, 230, 200], [20, 30, 90]], np.uint8)
    return colours[room], room


def numbered(labels: NDArray[np.intp]) -> bool:
    return bool(np.array_equal(np.unique(labels), np.arange(labels.max() + 1)))


def connected(labels: NDArray[np.intp]) -> bool:
    return bool(components(labels, background=-1, connectivity=1).max() == labels.max() + 1)


@pytest.mark.parametrize(("height", "width"), [(60, 90), (300, 400), (1200, 900)])
def test_plain_rooms_are_found(height: int, width: int, rng: np.random.Generator) -> None:
    picture, room = flags(height, width)
    noisy = (picture + rng.normal(0, 6, picture.shape)).clip(0, 255).astype(np.uint8)
    labels = segment(noisy, tile_px=width / 20)
    assert numbered(labels)
    pairs = np.unique(np.stack([labels.ravel(), room.ravel()]), axis=1, return_counts=True)[1]
    assert labels.max() == 3
    assert np.sort(pairs)[-4:].sum() >= 0.985 * room.size


def test_regions_says_about_how_many(rng: np.random.Generator) -> None:
    picture = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8).repeat(20, 0).repeat(20, 1)
    counts = [segment(picture, tile_px=10, regions=n).max() + 1 for n in (1, 5, 40, 120)]
    assert np.allclose(counts, (1, 5, 40, 120), atol=3)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (2, 3), (64, 64)])
@pytest.mark.parametrize("tile_px", [0.1, 5, 1000])
def test_a_picture_of_one_colour_is_one_container(size: tuple[int, int], tile_px: float) -> None:
    assert not segment(np.full((*size, 3), 77, np.uint8), tile_px=tile_px).any()


def test_drawn_edges_become_borders() -> None:
    plain = np.full((300, 400, 3), (90, 120, 60), np.uint8)
    edges = np.zeros((300, 400), bool)
    edges[150, :] = True
    y, x = np.indices(edges.shape)
    edges |= np.abs(np.hypot(y - 70, x - 100) - 40) < 1.0
    labels = segment(plain, tile_px=15, edges=edges, regions=1)
    assert labels.max() == 2
    assert len({labels[70, 100], labels[70, 300], labels[250, 200]}) == 3
    inside = np.hypot(y - 70, x - 100) < 40
    assert (labels == labels[70, 100])[inside].mean() > 0.97
    assert (labels == labels[70, 100])[~inside].mean() < 0.003


def test_where_finer_tiles_are_wanted_smaller_parts_stay() -> None:
    picture = np.full((300, 400, 3), (220, 180, 150), np.uint8)
    y, x = np.indices((300, 400))
    for left in (60, 260):  # twice a pale face with eyes and a mouth
        for dx, dy, wide, high in ((20, 120, 9, 5), (60, 120, 9, 5), (40, 170, 16, 5)):
            spot = ((x - left - dx) / wide) ** 2 + ((y - dy) / high) ** 2 < 1
            picture[spot] = (150, 90, 80)
    fine = np.ones((300, 400), np.float32)
    assert segment(picture, tile_px=20, fine=fine).max() == segment(picture, tile_px=20).max() == 0
    fine[80:220, 230:330] = 0.45
    labels = segment(picture, tile_px=20, fine=fine)
    assert labels.max() == 3
    assert (labels[:, :200] == labels[0, 0]).all()
    assert segment(picture, tile_px=20, fine=fine, regions=1).max() == 0
    assert segment(picture, tile_px=20, fine=np.full_like(fine, 0.45)).max() == 6


def test_a_drawn_stroke_that_ends_inside_keeps_its_sides_apart(rng: np.random.Generator) -> None:
    grey = (128 + rng.normal(0, 8, (300, 400, 1))).repeat(3, 2).clip(0, 255).astype(np.uint8)
    edges = np.zeros((300, 400), bool)
    edges[149:151, 100:300] = True
    labels = segment(grey, tile_px=15, edges=edges)
    beside = np.arange(115, 285)
    assert (labels[144, beside] != labels[156, beside]).mean() > 0.9


def test_edges_of_another_size_are_refused() -> None:
    with pytest.raises(BadInput, match="3 x 4 px, the picture 5 x 6"):
        segment(np.zeros((6, 5, 3), np.uint8), tile_px=2, edges=np.zeros((4, 3), bool))


@pytest.mark.parametrize("bad", [{"tile_px": 0}, {"tile_px": 5, "regions": 0}])
def test_sizes_must_be_positive(bad: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        segment(np.zeros((6, 5, 3), np.uint8), **bad)


@pytest.mark.parametrize("kind", ["grey", "colour", "16-bit", "opacity"])
def test_distinct_colours_become_labels(kind: str) -> None:
    room = flags(30, 40)[1]
    image: NDArray[np.integer]
    if kind == "grey":
        image = np.array([3, 200, 7, 0], np.uint8)[room]
    elif kind == "16-bit":
        image = np.array([300, 301, 65535, 0], np.uint16)[room]  # equal once cut to 8 bits
    else:
        image = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1]], np.uint8)[room]
    if kind == "opacity":
        opaque = np.where(room == 2, 0, 255).astype(np.uint8)
        image = np.concatenate([image, opaque[..., None]], axis=2)
    labels = from_labels(image)
    assert labels.shape == room.shape
    for number in range(4):
        there = np.unique(labels[room == number])
        assert len(there) == 1
        assert (labels == there[0]).sum() == (room == number).sum()
    assert labels.min() == (-1 if kind == "opacity" else 0)
    assert labels.max() == (2 if kind == "opacity" else 3)


def test_what_is_no_label_image_is_refused() -> None:
    for image in (np.zeros((4, 4, 5), np.uint8), np.zeros(4, np.uint8), np.zeros((4, 4), np.int64)):
        with pytest.raises(BadInput):
            from_labels(image)


def test_a_mask_is_one_container() -> None:
    mask = np.array([[True, False], [False, True]])
    assert np.array_equal(from_mask(mask), [[0, -1], [-1, 0]])


def test_tidied_gives_slivers_to_the_neighbour_with_the_longer_border() -> None:
    labels = np.zeros((60, 90), np.intp)
    labels[:, 45:] = 1
    labels[20:50, 43:46] = 2  # 2 px of it lie in the left half, 1 in the right: a sliver
    labels[30:32, 60:75] = 3  # wholly inside
    clean = tidied(labels, 15)
    assert numbered(clean)
    assert connected(clean)
    assert clean.max() == 1
    assert (clean[:, :42] == clean[0, 0]).all()
    assert (clean[:, 47:] == clean[0, -1]).all()


def test_tidied_leaves_what_is_not_filled(rng: np.random.Generator) -> None:
    y, x = np.indices((120, 160))
    ring = np.abs(np.hypot(y - 60, x - 80) - 40) < 12
    labels = np.where(ring, x // 40, -1)
    clean = tidied(labels, 14)
    assert np.array_equal(clean >= 0, labels >= 0)
    assert numbered(clean + 1)
    alone = np.full((50, 50), -1, np.intp)
    alone[20, 5:40] = 4
    assert np.array_equal(tidied(alone, 30) == 0, alone == 4)  # no neighbour: it stays
    assert (tidied(np.full((9, 9), -1, np.intp), 3) == -1).all()


@pytest.mark.parametrize("tile_px", [8, 20])
def test_every_container_holds_a_tile(tile_px: float, rng: np.random.Generator) -> None:
    labels = rng.integers(0, 5, (20, 30)).repeat(6, 0).repeat(6, 1)
    clean = tidied(labels, tile_px)
    assert connected(clean)
    for number in range(clean.max() + 1):
        assert _depth(clean)[clean == number].max() >= 0.30 * tile_px - 0.5


def test_the_opening_of_all_regions_at_once_is_each_regions_opening() -> None:
    # The oracle opens one region after the other by the same disc.
    room = flags(50, 70)[1]
    room[10:30, 20:33] = 4
    room[12, 33:60] = 4
    radius = 4.0
    core = _depth(room) > radius - 0.5
    at_once = distance_transform_edt(~core) <= radius
    each = np.zeros(room.shape, bool)
    for number in range(5):
        framed = np.pad(room == number, 9)
        each |= opening(framed, disk(4))[9:-9, 9:-9]
    assert (at_once == each).mean() > 0.985


@pytest.mark.parametrize("factor", [1, 2, 3.7])
def test_enlarging_keeps_every_pixel_filled_and_straight_borders_in_place(factor: float) -> None:
    room = flags(48, 60)[1]
    height, width = round(48 * factor), round(60 * factor)
    large = _enlarged(room, np.full(room.shape, 1.5), height, width)
    assert large.min() == 0
    expected = np.asarray(
        Image.fromarray(room.astype(np.uint8)).resize((width, height), Image.Resampling.NEAREST)
    )
    assert (large == expected).mean() > 0.985
    y, x = large.shape[0] // 4, round(20 * factor)
    assert (np.diff(large[y]) != 0).sum() == 1
    assert abs(int(np.argmax(np.diff(large[y]))) + 1 - x) <= 1


@pytest.mark.skipif(not TARGETS.is_dir(), reason="needs ../shared/data")
@pytest.mark.parametrize("name", ["panda", "scarlet-macaw"])
def test_a_photograph_gives_some_dozens_of_containers(name: str) -> None:
    picture = np.asarray(Image.open(TARGETS / f"{name}.jpg").convert("RGB"))
    tile_px = float(np.sqrt(picture.shape[0] * picture.shape[1] / 1367))
    labels = segment(picture, tile_px=tile_px)
    assert numbered(labels)
    assert connected(labels)
    assert 25 <= labels.max() + 1 <= 70
