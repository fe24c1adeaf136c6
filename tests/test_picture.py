import io
import os
import struct
import threading
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageCms

from smalti.core.errors import UnusablePicture
from smalti.core.picture import read_picture

RED, GREEN, BLUE, YELLOW = (230, 20, 20), (20, 200, 40), (30, 40, 220), (240, 220, 30)


def scene(w: int = 96, h: int = 64) -> Image.Image:
    """Four flat quarters: what lies where, and in what colour, shows at once."""
    pixels = np.empty((h, w, 3), np.uint8)
    pixels[: h // 2, : w // 2], pixels[: h // 2, w // 2 :] = RED, GREEN
    pixels[h // 2 :, : w // 2], pixels[h // 2 :, w // 2 :] = BLUE, YELLOW
    return Image.fromarray(pixels)


def encoded(image: Image.Image, format: str, **options: object) -> io.BytesIO:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file


def is_scene(pixels: NDArray[np.uint8], tolerance: int = 12) -> bool:
    h, w = pixels.shape[:2]
    seen = [pixels[y, x] for y in (h // 4, 3 * h // 4) for x in (w // 4, 3 * w // 4)]
    return bool(np.abs(np.array(seen, int) - [RED, GREEN, BLUE, YELLOW]).max() <= tolerance)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "PPM", "TGA", "JPEG2000"])
def test_formats(format: str) -> None:
    picture = read_picture(encoded(scene(), format))
    assert is_scene(picture.pixels)
    assert picture.pixels.dtype == np.uint8
    assert picture.size == (96, 64)


@pytest.mark.parametrize(
    "image", [scene().quantize(8), scene().convert("CMYK"), scene().convert("RGBA")]
)
def test_modes(image: Image.Image) -> None:
    assert is_scene(read_picture(encoded(image, "TIFF")).pixels)


def test_heic_and_avif() -> None:
    file = io.BytesIO()
    pillow_heif.from_pillow(scene()).save(file, quality=95)
    assert is_scene(read_picture(file).pixels)
    assert is_scene(read_picture(encoded(scene(), "AVIF", quality=95)).pixels)


def test_cmyk_jpeg_is_no_negative() -> None:
    assert is_scene(read_picture(encoded(scene().convert("CMYK"), "JPEG", quality=95)).pixels)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("at_least", [None, (48, 32)])
def test_every_orientation_comes_upright(
    format: str, turn: int, at_least: tuple[int, int] | None
) -> None:
    # ways from upright to what is stored, undone by the tag of that number
    stored = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    image = scene(192, 128)
    image = image.transpose(stored[turn]) if turn in stored else image
    exif = Image.Exif()
    exif[0x0112] = turn
    picture = read_picture(encoded(image, format, exif=exif.tobytes()), at_least=at_least)
    assert picture.size == (192, 128)
    assert is_scene(picture.pixels)
    h, w = picture.pixels.shape[:2]
    assert (w, h) == (at_least or (192, 128))


@pytest.mark.parametrize("exif", [b"Exif\0\0" + b"\xff" * 60, b"Exif\0\0II*\0\x08\0\0\0\x01\0"])
def test_broken_exif_is_ignored(exif: bytes) -> None:
    assert is_scene(read_picture(encoded(scene(), "JPEG", exif=exif)).pixels)


@given(
    w=st.integers(1, 300),
    h=st.integers(1, 300),
    wanted=st.tuples(st.integers(1, 200), st.integers(1, 200)),
    format=st.sampled_from(["JPEG", "PNG"]),
    turn=st.sampled_from([1, 6]),
)
@settings(max_examples=60)
def test_never_smaller_than_asked(
    w: int, h: int, wanted: tuple[int, int], format: str, turn: int
) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    file = encoded(Image.new("RGB", (w, h), RED), format, exif=exif.tobytes())
    picture = read_picture(file, at_least=wanted)
    assert picture.size == ((w, h) if turn == 1 else (h, w))
    for got, least, whole in zip(picture.pixels.shape[1::-1], wanted, picture.size, strict=True):
        assert min(least, whole) <= got <= whole


def test_large_jpeg_is_shrunk_by_the_decoder() -> None:
    picture = read_picture(encoded(scene(1600, 1200), "JPEG"), at_least=(96, 96))
    assert picture.pixels.shape[0] < 200
    assert picture.size == (1600, 1200)


def test_profile_is_applied() -> None:
    lab = ImageCms.profileToProfile(
        scene(), ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    assert lab is not None
    assert is_scene(read_picture(encoded(lab, "TIFF")).pixels, 20)


@pytest.mark.parametrize("profile", [b"not a profile" * 20, b"\0" * 128])
def test_broken_profile_is_ignored(profile: bytes) -> None:
    assert is_scene(read_picture(encoded(scene(), "PNG", icc_profile=profile)).pixels)


def test_profile_of_another_colour_space_is_ignored() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    gray = read_picture(encoded(scene().convert("L"), "PNG", icc_profile=srgb))
    assert np.array_equal(gray.pixels, read_picture(encoded(scene().convert("L"), "PNG")).pixels)


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_16_bit_gray_is_scaled(format: str) -> None:
    deep = np.linspace(0, 65535, 96 * 64).reshape(64, 96).astype(np.uint16)
    pixels = read_picture(encoded(Image.fromarray(deep), format)).pixels
    assert np.abs(pixels - (deep / 257)[..., None]).max() <= 0.51


@pytest.mark.parametrize("at_least", [None, (8, 8)])
def test_hidden_colour_does_not_leak(at_least: tuple[int, int] | None) -> None:
    pixels = np.zeros((64, 64, 4), np.uint8)
    pixels[..., 0] = 255  # red, hidden on every other pixel
    pixels[::2, :, 3] = 255
    image = Image.fromarray(pixels)
    seen = read_picture(encoded(image, "PNG"), at_least=at_least, background=(0, 0, 255)).pixels
    mean = seen.mean((0, 1))
    assert np.abs(mean - (127.5, 0, 127.5)).max() < 1


def test_transparent_colour_of_a_palette() -> None:
    image = Image.new("P", (8, 8), 1)
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.paste(0, (0, 0, 4, 8))
    pixels = read_picture(encoded(image, "PNG", transparency=0), background=(9, 9, 9)).pixels
    assert pixels[0, 0].tolist() == [9, 9, 9]
    assert pixels[0, 7].tolist() == [0, 255, 0]


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "RGB", "L", "1"])
def test_transparency_is_kept_without_a_background(mode: str) -> None:
    image = scene().convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 10, 10))
    image = image.quantize(8).convert(mode) if mode == "PA" else image.convert(mode)
    pixels = read_picture(encoded(image, "TIFF" if mode == "PA" else "PNG"), background=None).pixels
    assert pixels.shape == (64, 96, 4)
    expected = np.full((64, 96), 255)
    if "A" in mode:
        expected[:10, :10] = 0
    np.testing.assert_array_equal(pixels[..., 3], expected)
    flat = read_picture(encoded(image, "TIFF" if mode == "PA" else "PNG")).pixels
    np.testing.assert_array_equal(pixels[20:, 20:, :3], flat[20:, 20:])


def test_first_frame() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, GREEN)]
    file = encoded(frames[0], "PNG", save_all=True, append_images=frames[1:])
    assert read_picture(file).pixels[0, 0].tolist() == list(RED)


def png(w: int, h: int, *, bits: int = 1, gray: int = 0) -> io.BytesIO:
    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", w, h, bits, gray, 0, 0, 0)
    lines = zlib.compress(bytes(1 + (w * bits + 7) // 8) * min(h, 10_000), 9)
    return io.BytesIO(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", lines) + chunk(b"IEND", b"")
    )


def test_pixel_limit_is_checked_before_decoding() -> None:
    with pytest.raises(UnusablePicture, match=r"2,500,000,000 pixels .* limit of 250,000,000"):
        read_picture(png(50_000, 50_000))
    with pytest.raises(UnusablePicture, match="6,144 pixels are more than the limit of 6,143"):
        read_picture(encoded(scene(), "PNG"), max_pixels=6143)
    assert read_picture(encoded(scene(), "PNG"), max_pixels=6144).size == (96, 64)


def test_limit_is_ours_and_not_pillows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # it would warn, then fail at twice that
    assert is_scene(read_picture(encoded(scene(), "PNG")).pixels)
    assert Image.MAX_IMAGE_PIXELS == 1000


def cut(image: Image.Image, format: str, part: float = 0.5) -> bytes:
    whole = encoded(image, format).getvalue()
    return whole[: int(len(whole) * part)]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"This is no picture.\n" * 40, "not a picture"),
        (b"<!DOCTYPE html><title>404</title>", "not a picture"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "SVG .* not a raster"),
        (b"%PDF-1.7\n", "PDF .* not a raster"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "PostScript .* not a raster"),
        (cut(scene(), "JPEG"), "cut short"),
        (cut(scene(), "JPEG", 0.05), "cut short"),
        (cut(scene(), "PNG"), "cut short"),
        (cut(scene(), "WEBP"), "damaged|cut short"),
        (cut(scene(), "TIFF"), "damaged|cut short"),
        (b"\xff\xd8\xff\xd9", "damaged"),
        (png(0, 0).getvalue(), "damaged|no pixels"),
        (encoded(Image.new("RGBA", (8, 8), (255, 0, 255, 0)), "PNG").getvalue(), "nothing visible"),
        (encoded(Image.new("F", (8, 8), 0.5), "TIFF").getvalue(), "floating-point"),
        (encoded(Image.new("I", (8, 8), 1 << 20), "TIFF").getvalue(), "32-bit"),
    ],
)
def test_reasons(tmp_path: Path, content: bytes, reason: str) -> None:
    file = tmp_path / "x.jpg"
    file.write_bytes(content)
    with pytest.raises(UnusablePicture, match=f"cannot use .*x.jpg: .*({reason})") as caught:
        read_picture(file)
    assert str(caught.value).isprintable()
    assert caught.value.file == str(file)


def test_what_is_no_file_is_refused_unopened(tmp_path: Path) -> None:
    with pytest.raises(UnusablePicture, match="folder"):
        read_picture(tmp_path)
    with pytest.raises(UnusablePicture, match="no such file"):
        read_picture(tmp_path / "missing.jpg")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.jpg")
        with pytest.raises(UnusablePicture, match="not a regular file"):
            read_picture(tmp_path / "pipe.jpg")


def test_name_of_an_open_file() -> None:
    with pytest.raises(UnusablePicture, match=r"cannot use a\.zip/b\.jpg: empty file"):
        read_picture(io.BytesIO(), name="a.zip/b.jpg")


def complaint(content: bytes) -> str:
    try:
        read_picture(io.BytesIO(content), max_pixels=1_000_000)
    except UnusablePicture as error:
        return str(error)
    return ""


WHOLE = [
    encoded(scene(), format, **options).getvalue()
    for format, options in [
        ("JPEG", {}),
        ("PNG", {}),
        ("GIF", {}),
        ("WEBP", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("BMP", {}),
        ("JPEG2000", {}),
        ("AVIF", {}),
    ]
]


@given(
    whole=st.sampled_from(WHOLE),
    changes=st.lists(st.tuples(st.floats(0, 0.999), st.integers(1, 255)), min_size=1, max_size=12),
    part=st.floats(0.01, 1),
)
@settings(max_examples=200)
def test_damage_is_never_more_than_an_unusable_picture(
    whole: bytes, changes: list[tuple[float, int]], part: float
) -> None:
    damaged = bytearray(whole[: max(1, int(len(whole) * part))])
    for place, change in changes:
        damaged[int(place * len(damaged))] ^= change
    assert complaint(bytes(damaged)).isprintable()


def test_decoders_are_silent(capfd: pytest.CaptureFixture[str]) -> None:
    whole = encoded(
        Image.effect_noise((64, 64), 90).convert("RGB"), "TIFF", compression="tiff_lzw"
    ).getvalue()
    rng = np.random.default_rng(0)
    for _ in range(20):
        damaged = bytearray(whole)
        for place in rng.integers(8, len(whole), 20):
            damaged[place] ^= 0x5A
        complaint(bytes(damaged))
    assert capfd.readouterr() == ("", "")


def test_threads_leave_the_warning_filters_as_they_were() -> None:
    before = list(warnings.filters)
    file = encoded(scene(), "PNG").getvalue()
    failures: list[BaseException] = []

    def guarded(work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)

    threads = [
        threading.Thread(
            target=guarded,
            args=(lambda: [read_picture(io.BytesIO(file)) for _ in range(30)],),
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert list(warnings.filters) == before
