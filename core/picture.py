"""Any picture file as upright sRGB pixels, or the reason why not."""

import logging
import os
import stat
import struct
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from functools import lru_cache
from io import BytesIO
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageFile

from smalti.core.errors import UnusablePicture, printable

MAX_PIXELS = 250_000_000

RAW = frozenset(
    ".3fr .arw .cr2 .cr3 .dng .erf .iiq .mrw .nef .nrw .orf .pef .raf .rw2 .srw .x3f".split()
)
"""Endings of cameras' raw files. Many begin as a TIFF, whose first picture is a stamp."""

# TGA comes last: it has no signature, so it would try anything.
_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF", "HEIF", "TGA")

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112  # the EXIF tag; from 5 on, width and height change places

# ICC's name of a colour space, and how many numbers a pixel of it has
_SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK", "LAB": "Lab"}


class Picture(NamedTuple):
    """Pixels, and how large the file is.

    Attributes
    ----------
    pixels : ndarray of shape (H, W, 3), or (H, W, 4) with transparency, uint8
        Upright sRGB, not writable; smaller than `size` where less was asked for.
    size : tuple of int
        Upright (width, height) of the whole picture in the file, in px.
    """

    pixels: NDArray[np.uint8]
    size: tuple[int, int]


def read_picture(
    file: str | os.PathLike[str] | BinaryIO,
    *,
    name: str | None = None,
    at_least: tuple[int, int] | None = None,
    max_pixels: int = MAX_PIXELS,
    background: tuple[int, int, int] | None = (255, 255, 255),
) -> Picture:
    """Read a picture of any supported kind; of an animation, the first frame.

    Orientation, colour profile, transparency and depth are resolved: what
    comes back is what a viewer would show over `background`.

    Parameters
    ----------
    file : path or binary file
        A regular file, or an open one that can seek.
    name : str, optional
        What to call the file in a message.
    at_least : tuple of int, optional
        (width, height) in px that suffice. The result may be smaller than the
        file, never smaller than this unless the file is.
    max_pixels : int
        Larger pictures are refused before they are decoded.
    background : tuple of int
        sRGB colour seen through transparent places, 0 to 255. None keeps them
        transparent: pixels then have a fourth number, 255 where opaque.

    Returns
    -------
    Picture

    Raises
    ------
    UnusablePicture
        Whatever is wrong with the file.
    """
    if name is None:
        name = os.fspath(file) if isinstance(file, str | os.PathLike) else "picture"
    try:
        if os.path.splitext(name)[1].lower() in RAW:
            raise _Refused("a camera's raw file: export it as JPEG or TIFF")
        with _silence():
            if not isinstance(file, str | os.PathLike):
                return _decode(file, at_least, max_pixels, background)
            # Opening a pipe would wait for ever.
            kind = os.stat(file).st_mode
            if not stat.S_ISREG(kind):
                raise _Refused("it is a folder" if stat.S_ISDIR(kind) else "not a regular file")
            with open(file, "rb") as opened:
                return _decode(opened, at_least, max_pixels, background)
    except Exception as error:  # Pillow's decoders raise nearly everything there is
        raise UnusablePicture(name, _reason(error)) from error


class _Refused(ValueError):
    """A reason in our own words."""


def _reason(error: Exception) -> str:
    """Say in a few words what a decoder complained about."""
    message = str(error).strip()
    match error:
        case _Refused():
            return message
        case MemoryError():
            return "not enough memory to decode it"
        case OSError(strerror=str(words)):
            return words.lower()
        case Image.DecompressionBombError():
            return "it has too many pixels"
    ended = (EOFError, struct.error)
    if (
        isinstance(error, ended)
        or isinstance(error.__cause__, ended)
        or "truncated" in message.lower()
    ):
        return "cut short"
    return f"damaged ({printable(message.partition(chr(10))[0]) or type(error).__name__})"


def _decode(
    file: BinaryIO,
    at_least: tuple[int, int] | None,
    max_pixels: int,
    background: tuple[int, int, int] | None,
) -> Picture:
    image: Image.Image
    with _open(file) as image:
        size = width, height = image.size
        if width < 1 or height < 1:
            raise _Refused("it has no pixels")
        if width * height > max_pixels:
            raise _Refused(
                f"its {width * height:,} pixels are more than the limit of {max_pixels:,}"
            )
        # The orientation is not known yet, hence the longer side both ways.
        draft = at_least and image.draft(None, (max(at_least), max(at_least)))
        with _without_stderr() if image.format == "TIFF" else nullcontext():
            image.load()
        if not draft:
            size = image.size  # a TIFF turns itself upright while it loads
        turn = _orientation(image)
        flat = _flatten(image, background)
    if turn in _UPRIGHT:
        flat = flat.transpose(_UPRIGHT[turn])
        size = size[::-1] if turn >= 5 else size
    if at_least:
        factor = min(flat.width // at_least[0], flat.height // at_least[1])
        flat = flat.reduce(factor) if factor > 1 else flat
    return Picture(np.asarray(flat), size)


def _open(file: BinaryIO) -> ImageFile.ImageFile:
    """Do what `Image.open` does, without its limit on pixels, which is a global."""
    file.seek(0)
    start = file.read(1024)
    if not start:
        raise _Refused("empty file")
    fault: Exception = _Refused(_kind_of_other(start))
    for factory, accept in _openers():
        if accept is None or accept(start[:16]) is True:
            file.seek(0)
            try:
                return factory(file, "")
            except (SyntaxError, IndexError, TypeError, struct.error) as error:
                if accept is not None:
                    fault = error
    raise fault


def _kind_of_other(start: bytes) -> str:
    if b"<svg" in start:
        return "SVG is a drawing, not a raster picture"
    if start.startswith(b"%PDF"):
        return "PDF is a document, not a raster picture"
    if start.startswith((b"%!PS", b"\xc5\xd0\xd3\xc6")):
        return "PostScript is a drawing, not a raster picture"
    if start.startswith((b"\xff\x0a", b"\0\0\0\x0cJXL ")):
        return "JPEG XL is not read: save it as JPEG or PNG"
    return "not a picture"


_Factory = Callable[[BinaryIO, str], ImageFile.ImageFile]
_Accept = Callable[[bytes], bool | str]


@lru_cache(maxsize=1)
def _openers() -> tuple[tuple[_Factory, _Accept | None], ...]:
    import pillow_heif  # 15 ms that no other room of the library needs

    Image.init()
    pillow_heif.register_heif_opener()
    # Without a handler of its own, Pillow's complaints go to stderr.
    logging.getLogger("PIL").addHandler(logging.NullHandler())
    return tuple(Image.OPEN[format] for format in _FORMATS if format in Image.OPEN)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # broken EXIF is no reason to lose the picture
        return 1


def _flatten(image: Image.Image, background: tuple[int, int, int] | None) -> Image.Image:
    """Make any mode RGB or RGBA: depth, then transparency, then colour profile."""
    profile = image.info.get("icc_profile")
    if image.mode == "F":
        raise _Refused("floating-point pixels, whose range is unknown")
    if image.mode.startswith("I"):
        image = _eight_bits(image)
    alpha = None
    if image.has_transparency_data:
        gray = image.mode in ("L", "LA", "La")
        image = image.convert("RGBA")
        alpha = image.getchannel("A")
        if alpha.getextrema()[1] == 0:
            raise _Refused("nothing visible: it is transparent everywhere")
        image = image.getchannel("R") if gray else image.convert("RGB")
    elif image.mode == "1":
        image = image.convert("L")
    elif image.mode not in _SPACES:
        image = image.convert("RGB")
    image = _to_srgb(image, profile)
    if background is None:
        image.putalpha(255 if alpha is None else alpha)
    elif alpha is not None:
        image = Image.composite(image, Image.new("RGB", image.size, background), alpha)
    return image


def _eight_bits(image: Image.Image) -> Image.Image:
    deep = np.asarray(image)
    if deep.min() < 0 or deep.max() > 65535:
        raise _Refused("32-bit pixels, whose range is unknown")
    return Image.fromarray(((deep.astype(np.uint32) + 128) // 257).astype(np.uint8))


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    transform = _transform(profile or b"", image.mode)
    if transform is not None:
        return ImageCms.applyTransform(image, transform) or image
    return image if image.mode == "RGB" else image.convert("RGB")


@lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Build the way from an embedded profile to sRGB, or None where none is needed."""
    srgb = ImageCms.createProfile("sRGB")
    if mode == "LAB":  # the numbers say all; Pillow alone cannot convert them
        return ImageCms.buildTransform(ImageCms.createProfile("LAB"), srgb, mode, "RGB")
    try:
        source = ImageCms.getOpenProfile(BytesIO(profile))
        if source.profile.xcolor_space.strip() != _SPACES[mode]:
            return None
        if "sRGB" in (source.profile.profile_description or ""):
            return None
        return ImageCms.buildTransform(source, srgb, mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None  # a broken profile, or none: take the numbers as sRGB


_silence_lock = threading.Lock()
_silence_ends = ExitStack()
_silence_depth = 0


@contextmanager
def _silence() -> Iterator[None]:
    """Ignore warnings as `warnings.catch_warnings` does, in any number of threads.

    Its users must leave in reverse order, which threads do not; so the first
    to come installs the filter and the last to go removes it.
    """
    global _silence_depth
    with _silence_lock:
        if not _silence_depth:
            _silence_ends.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")
        _silence_depth += 1
    try:
        yield
    finally:
        with _silence_lock:
            _silence_depth -= 1
            if not _silence_depth:
                _silence_ends.close()


_stderr_lock = threading.Lock()


@contextmanager
def _without_stderr() -> Iterator[None]:
    """Keep libtiff from printing: Pillow leaves its handlers on, out of Python's reach."""
    with _stderr_lock, ExitStack() as ends:
        try:
            kept = os.dup(2)
        except OSError:  # no stderr, as under a windowed program
            yield
            return
        ends.callback(os.close, kept)
        ends.callback(os.dup2, kept, 2)
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
