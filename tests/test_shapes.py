import os
import zipfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from smalti.core.color import to_space
from smalti.core.errors import BadInput, UnusablePicture
from smalti.core.source import label
from smalti.jigsaw.contour import centroid, is_simple, signed_area
from smalti.jigsaw.shapes import GRID, POINTS, ShapeLibrary, demo_shapes, scan_shapes

RED, BLUE = (220, 20, 30), (10, 40, 200)


def drawing(
    size: tuple[int, int] = (100, 80), mode: str = "RGBA"
) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new(mode, size, (0, 0, 0, 0) if mode == "RGBA" else (255, 255, 255))
    return image, ImageDraw.Draw(image)


def two_halves() -> Image.Image:
    """An ellipse, its left half red and its right half blue."""
    image, draw = drawing()
    draw.pieslice((10, 20, 90, 60), 90, 270, fill=RED)
    draw.pieslice((10, 20, 90, 60), 270, 90, fill=BLUE)
    return image


def on_white() -> Image.Image:
    image, draw = drawing(mode="RGB")
    draw.ellipse((10, 20, 90, 60), fill=RED)
    return image


def same(a: ShapeLibrary, b: ShapeLibrary) -> bool:
    names = [field.name for field in fields(a)]
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in names)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "shapes"
    folder.mkdir()
    two_halves().save(folder / "a.png")
    on_white().save(folder / "b.png")
    two_halves().rotate(90, expand=True).save(folder / "c.webp", lossless=True)
    (folder / "d.png").write_bytes(b"no picture")
    return folder


def test_what_is_learned_of_an_ellipse_of_two_colours(folder: Path) -> None:
    library = scan_shapes([str(folder / "a.png")])
    area = np.pi * 40.5 * 20.5
    np.testing.assert_allclose(library.size, np.sqrt(area), rtol=0.02)
    np.testing.assert_allclose(library.centroid, [[50.5, 40.5]], atol=0.2)
    np.testing.assert_allclose(library.reach, 40.5 / np.sqrt(area), rtol=0.02)
    red, blue = to_space(np.array([RED, BLUE]), "lab")
    np.testing.assert_allclose(library.lab[0], (red + blue) / 2, atol=1.5)
    np.testing.assert_allclose(library.spread, abs(red[0] - blue[0]) / 2, atol=0.2)
    np.testing.assert_allclose(library.light, red[0], atol=0.01)
    middle = library.colours[0, GRID // 2]
    np.testing.assert_allclose(middle[0], red, atol=0.1)
    np.testing.assert_allclose(middle[-1], blue, atol=0.1)
    np.testing.assert_array_equal(library.colours[0, 0, 0], library.lab[0])  # nothing there


def check(library: ShapeLibrary) -> None:
    m = len(library.sources)
    assert library.contours.shape == (m, POINTS, 2)
    for contour, reach in zip(library.contours, library.reach, strict=True):
        assert is_simple(contour)
        assert signed_area(contour) == pytest.approx(1)
        np.testing.assert_allclose(centroid(contour), 0, atol=1e-9)
        assert np.abs(contour).max() == reach
    assert library.colours.shape == (m, GRID, GRID, 3)
    assert library.lab.dtype == library.spread.dtype == library.light.dtype == np.float32


def test_every_demo_shape_is_usable_and_normal(shapes_index: Path) -> None:
    library = scan_shapes(["@demo"], index=shapes_index, strict=True)
    assert len(library.sources) >= 500
    assert len(np.unique(library.group)) == len(library.sources)
    check(library)
    assert demo_shapes().stat().st_size < 4_000_000


def test_the_demo_says_whose_it_is() -> None:
    with zipfile.ZipFile(demo_shapes()) as archive:
        names = {f"shapes.zip:{name}" for name in archive.namelist()}
    rows = demo_shapes().with_name("shapes.LICENCES.csv").read_text("utf-8").splitlines()[1:]
    assert {row.partition(",")[0] for row in rows} == names


def test_a_plain_background_is_as_good_as_transparency(folder: Path) -> None:
    library = scan_shapes([str(folder)])
    assert [label(source) for source in library.sources] == ["a.png", "b.png", "c.webp"]
    np.testing.assert_allclose(library.size[1], library.size[0], rtol=0.03)
    np.testing.assert_allclose(library.centroid[1], library.centroid[0], atol=0.5)
    assert library.skipped[0].reason == "not a picture"
    check(library)


def test_what_is_remembered_is_the_same(folder: Path, tmp_path: Path) -> None:
    index = tmp_path / "index.sqlite"
    first = scan_shapes([str(folder)], index=index)
    states = [(file, file.stat()) for file in sorted(folder.iterdir())]
    for file, _ in states:  # same length and time, but no picture any more
        file.write_bytes(b"x" * file.stat().st_size)
    for file, state in states:
        os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert same(scan_shapes([str(folder)], index=index), first)
    with ProcessPoolExecutor(1) as executor, pytest.raises(BadInput, match="none of 4 shapes"):
        scan_shapes([str(folder)], executor=executor)


def holed(draw: ImageDraw.ImageDraw) -> None:
    draw.ellipse((10, 10, 90, 70), fill=RED)
    draw.ellipse((25, 20, 75, 60), fill=(0, 0, 0, 0))


def apart(draw: ImageDraw.ImageDraw) -> None:
    draw.ellipse((5, 5, 45, 45), fill=RED)
    draw.ellipse((55, 35, 95, 75), fill=RED)


def spiky(draw: ImageDraw.ImageDraw) -> None:
    for x in range(2, 98, 8):
        draw.rectangle((x, 10, x + 3, 70), fill=RED)
    draw.rectangle((2, 38, 98, 42), fill=RED)


def sign(draw: ImageDraw.ImageDraw) -> None:
    draw.ellipse((5, 5, 95, 75), fill=RED)
    draw.text((50, 40), "STOP", font=ImageFont.load_default(26), fill="white", anchor="mm")


def balloon(draw: ImageDraw.ImageDraw) -> None:
    draw.polygon([(20, 50), (10, 78), (45, 55)], fill="black")
    draw.ellipse((5, 5, 95, 65), fill="white", outline="black", width=3)


UNFIT: dict[str, Callable[[ImageDraw.ImageDraw], None]] = {
    "mostly holes": holed,
    "in several pieces": apart,
    "too spiky for 64 points": spiky,
    "smaller than 16 px a side": lambda draw: draw.ellipse((5, 5, 15, 15), fill=RED),
    "a whole rectangular picture, no shape": lambda draw: draw.rectangle((0, 0, 99, 78), fill=RED),
    "a word is written on it": sign,
    "a blank form: only an outline is drawn": balloon,
    "it is not transparent and has no plain background": lambda draw: draw.bitmap(
        (0, 0), Image.linear_gradient("L").resize((100, 80)).convert("RGBA")
    ),
    "nothing visible: it is transparent everywhere": lambda draw: None,
}


@pytest.mark.parametrize("reason", UNFIT)
def test_what_makes_no_good_tile_is_left_out(folder: Path, reason: str) -> None:
    image, draw = drawing()
    UNFIT[reason](draw)
    if "plain" in reason:
        image = Image.linear_gradient("L").resize((100, 80)).convert("RGB")
    image.save(folder / "unfit.png")
    library = scan_shapes([str(folder)])
    assert library.skipped[-1] == (str(folder / "unfit.png"), reason)
    with pytest.raises(UnusablePicture):
        scan_shapes([str(folder)], strict=True)


@pytest.mark.parametrize("margin", [0, 1, 7, 30])
def test_a_picture_in_a_transparent_margin_is_left_out(
    folder: Path, margin: int, rng: np.random.Generator
) -> None:
    image = Image.new("RGBA", (90 + 2 * margin, 60 + margin))
    image.paste(Image.fromarray(rng.integers(0, 256, (60, 90, 3), dtype=np.uint8)), (margin, 0))
    image.putpixel((0, image.height - 1), (0, 0, 0, 0))
    image.save(folder / "framed.png")
    reason = scan_shapes([str(folder)]).skipped[-1].reason
    assert reason == "a whole rectangular picture, no shape"


def test_a_rounded_or_turned_rectangle_is_a_shape(folder: Path) -> None:
    image, draw = drawing()
    draw.rounded_rectangle((5, 5, 94, 74), 16, fill=BLUE)
    image.save(folder / "rounded.png")
    image, draw = drawing((100, 100))
    draw.polygon([(50, 5), (95, 50), (50, 95), (5, 50)], fill=BLUE)
    image.save(folder / "turned.png")
    assert len(scan_shapes([str(folder / "rounded.png"), str(folder / "turned.png")]).sources) == 2


def test_white_shapes_without_an_outline_or_with_a_face_stay(folder: Path) -> None:
    image, draw = drawing()
    draw.ellipse((5, 5, 95, 75), fill="white")
    image.save(folder / "white.png")
    draw.ellipse((5, 5, 95, 75), fill="white", outline="black", width=3)
    for x in (30, 60):
        draw.ellipse((x, 25, x + 10, 40), fill="black")
    image.save(folder / "face.png")
    names = [str(folder / "white.png"), str(folder / "face.png")]
    assert len(scan_shapes(names).sources) == 2


def test_copies_share_a_group(folder: Path) -> None:
    two_halves().resize((150, 120), Image.Resampling.LANCZOS).save(folder / "copy.png")
    group = scan_shapes([str(folder)]).group
    assert group.tolist() == [0, 1, 2, 0]
