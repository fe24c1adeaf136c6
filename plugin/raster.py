"""Pixels as editors hand them over: raw files, described in a few words of JSON."""

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smalti.core.errors import BadInput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_CHANNELS = {"Y": 1, "YA": 2, "RGB": 3, "RGBA": 4, "BGRA": 4}
_DEPTHS = {"u8": 1, "u16": 2, "float": 4}
FORMATS = tuple(f"{channels} {depth}" for channels in _CHANNELS for depth in _DEPTHS)
_MOST_SIDE = 262_144  # px; more than any editor's canvas


@dataclass(frozen=True, slots=True)
class Raster:
    """Where raw pixels lie, and how to read them.

    Attributes
    ----------
    file : Path
    width, height : int
        px.
    format : str
        One of `FORMATS`: channels in order of memory, and their depth.
    stride : int
        Bytes from a row to the next.
    profile : Path or None
        ICC profile of the numbers; None for sRGB.
    x, y : int
        Of the upper left pixel, px of the image they are a part of.
    """

    file: Path
    width: int
    height: int
    format: str
    stride: int
    profile: Path | None = None
    x: int = 0
    y: int = 0


def parse_raster(values: Any, what: str, folder: Path) -> Raster:
    """Check a description and find its file, which must lie in the job's folder.

    Raises
    ------
    BadInput
        Saying which value of which raster cannot be used.
    """
    if not isinstance(values, dict):
        raise BadInput(f"{what} is {values!r:.80}: a raster is an object with file, width, ...")
    known = {"file", "width", "height", "format", "stride", "profile", "x", "y"}
    if strange := sorted(values.keys() - known):
        raise BadInput(f"{what} has {strange[0]!r:.80}: a raster has {', '.join(sorted(known))}")
    width, height = (_whole(values, name, what, 1) for name in ("width", "height"))
    kind = values.get("format")
    if kind not in FORMATS:
        raise BadInput(f"format of {what} is {kind!r:.80}: one of {', '.join(FORMATS)}")
    channels, depth = kind.split()
    row = width * _CHANNELS[channels] * _DEPTHS[depth]
    stride = _whole(values, "stride", what, row, row, most=2**40)
    if stride % _DEPTHS[depth]:
        raise BadInput(f"stride of {what} is {stride}: a multiple of {_DEPTHS[depth]}")
    file = _inside(values.get("file"), what, folder)
    size = file.stat().st_size
    if size < stride * (height - 1) + row:
        raise BadInput(f"{what} has {size:,} bytes; {height} rows of {stride:,} are needed")
    profile = values.get("profile")
    return Raster(
        file,
        width,
        height,
        kind,
        stride,
        None if profile is None else _inside(profile, f"profile of {what}", folder),
        _whole(values, "x", what, -_MOST_SIDE, 0),
        _whole(values, "y", what, -_MOST_SIDE, 0),
    )


def _whole(
    values: dict[str, Any],
    name: str,
    what: str,
    least: int,
    default: int | None = None,
    most: int = _MOST_SIDE,
) -> int:
    value = values.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise BadInput(f"{name} of {what} is {value!r:.80}: a whole number from {least} to {most}")
    return value


def _inside(name: Any, what: str, folder: Path) -> Path:
    """Return the path of a file that lies directly in the folder of the job."""
    if not isinstance(name, str) or not name or Path(name).name != name:
        raise BadInput(f"file of {what} is {name!r:.80}: a name in the job's folder, no path")
    file = folder / name
    if not os.path.isfile(file):  # Path.is_file fails on a name that is too long
        raise BadInput(f"{what} is not there: {name} is no file in the job's folder")
    return file


def read_raster(raster: Raster) -> "tuple[NDArray[np.uint8], NDArray[np.uint8] | None]":
    """Read raw pixels as 8-bit sRGB, and their opacity.

    Returns
    -------
    colour : ndarray of shape (H, W, 3) or (H, W), uint8
        Gray stays one number a pixel.
    alpha : ndarray of shape (H, W), uint8, or None
        None where every pixel is opaque.
    """
    import numpy as np

    channels, depth = raster.format.split()
    count, size = _CHANNELS[channels], _DEPTHS[depth]
    kind = {"u8": np.uint8, "u16": np.uint16, "float": np.float32}[depth]
    flat = np.memmap(raster.file, kind, mode="r")
    rows = np.lib.stride_tricks.as_strided(
        flat,
        (raster.height, raster.width, count),
        (raster.stride, count * size, size),
        writeable=False,
    )
    pixels = _eight_bits(rows)
    alpha = pixels[..., -1] if channels.endswith("A") else None
    if alpha is not None and alpha.min() == 255:
        alpha = None
    colour = pixels[..., 0] if channels.startswith("Y") else pixels[..., :3]
    if channels.startswith("B"):
        colour = colour[..., ::-1]
    colour = np.ascontiguousarray(colour)
    if raster.profile is not None:
        colour = _to_srgb(colour, raster.profile)
    return colour, alpha


def _eight_bits(rows: "NDArray[Any]") -> "NDArray[np.uint8]":
    import numpy as np

    if rows.dtype == np.uint8:
        return rows
    out = np.empty(rows.shape, np.uint8)
    step = max(1, math.ceil(4_000_000 / max(1, rows.shape[1])))
    for top in range(0, len(rows), step):  # in bands: 50 MP of float64 would be 1.6 GB
        band = rows[top : top + step]
        if rows.dtype == np.uint16:
            out[top : top + step] = (band.astype(np.uint32) + 128) // 257
        else:
            out[top : top + step] = (np.nan_to_num(band).clip(0, 1) * 255 + 0.5).astype(np.uint8)
    return out


def _to_srgb(colour: "NDArray[np.uint8]", profile: Path) -> "NDArray[np.uint8]":
    import numpy as np
    from PIL import Image, ImageCms

    mode = "L" if colour.ndim == 2 else "RGB"
    try:
        source = ImageCms.getOpenProfile(str(profile))
        image = ImageCms.profileToProfile(
            Image.fromarray(colour), source, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError) as error:
        space = "gray" if mode == "L" else "RGB"
        raise BadInput(f"the colour profile is no ICC profile of {space} pixels: {error}") from None
    return np.asarray(image)


def write_raster(pixels: "NDArray[np.uint8]", file: Path, x: int = 0, y: int = 0) -> dict[str, Any]:
    """Write pixels of shape (H, W, 3 or 4) as a raw file; return its description."""
    import numpy as np

    height, width, channels = pixels.shape
    np.ascontiguousarray(pixels).tofile(file)
    return {
        "file": file.name,
        "width": width,
        "height": height,
        "format": "RGBA u8" if channels == 4 else "RGB u8",
        "stride": width * channels,
        "x": x,
        "y": y,
    }
