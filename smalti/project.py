"""The project file: JSON beside the picture, from which it can be made again.

It holds the request, the seed, the versions, the tiles used and where each
lies, so that rendering needs neither the target nor any matching. Reading one
runs nothing: it is numbers and names, checked before use. What lies around the
layout is the same for every kind of mosaic, and is here.
"""

import base64
import io
import json
import os
import platform
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import smalti
from smalti.core.errors import BadInput, printable
from smalti.core.picture import read_picture
from smalti.core.source import Source, check_source
from smalti.request import Request, from_json, to_json

FORMAT = "smalti-project"
VERSION = 1
_MOST_PX = 100_000_000_000  # of a picture made from a file; a billionth of the work fills a disk
_SHIPPED = "@demo/"  # what the name of a file begins with that comes with smalti
MOST_RASTER = 40_000_000
"""Pixels of the largest raster a jigsaw is packed on, and of pictures within a project."""

P = TypeVar("P")


def project_path(output: Path) -> Path:
    """Where the project of a picture lies: ``mosaic.jpg`` has ``mosaic.smalti.json``."""
    return output.with_suffix(".smalti.json")


def project_text(request: Request, layout: dict[str, Any]) -> str:
    """Write a project as JSON text.

    Parameters
    ----------
    request : Request
        What was asked for.
    layout : dict
        What the kind of mosaic adds, as plain values.
    """
    return json.dumps(
        {
            "format": FORMAT,
            "version": VERSION,
            "made_with": {
                "smalti": smalti.__version__,
                "python": platform.python_version(),
                "numpy": np.__version__,
            },
            "seed": request.seed,
            "request": json.loads(to_json(request)),
            **layout,
        }
    )


def read_project(file: Path, build: Callable[[Request, dict[str, Any], Path], P]) -> P:
    """Read a project file.

    Parameters
    ----------
    file : Path
    build : callable
        Makes the project of the request, the file's values and its folder; a
        KeyError, ValueError, TypeError, OverflowError or BadInput in it means damage.

    Raises
    ------
    BadInput
        If it cannot be read, is no project, is of a later version, or holds
        what no mosaic can be made of; the message names the field.
    """
    name = printable(str(file))
    try:
        if not stat.S_ISREG(os.stat(file).st_mode):  # a device or a pipe might never end
            raise BadInput(f"{name} is not a project: it is no regular file")
        data = json.loads(file.read_bytes())
    except OSError as error:
        raise BadInput(f"cannot read {name}: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise BadInput(f"{name} is not a project: it is not JSON") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise BadInput(f"{name} is not a project that smalti wrote beside a picture")
    if data.get("version") != VERSION:
        theirs = repr(data.get("version"))[:80]
        raise BadInput(f"{name} is a project of version {theirs}; this smalti reads {VERSION}")
    try:
        return build(from_json(json.dumps(data["request"])), data, file.absolute().parent)
    except KeyError as error:
        raise BadInput(f"{name} is damaged: it lacks {error}") from None
    except (ValueError, TypeError, OverflowError, RecursionError, BadInput) as error:
        raise BadInput(f"{name} is damaged: {printable(str(error))}") from None


def whole(values: Any, shape: tuple[int, ...], low: int, high: int) -> NDArray[np.intp]:
    """Check an array of whole numbers of a shape, from `low` to `high`."""
    array = np.array(values)
    if array.shape != shape or (array.size and array.dtype.kind != "i"):
        raise ValueError(f"whole numbers of shape {shape} are wanted")
    if array.size and not (low <= array.min() and array.max() <= high):
        raise ValueError(f"there are numbers outside {low} to {high}")
    return array.astype(np.intp)


def real(values: Any, shape: tuple[int, ...], most: float) -> NDArray[np.float64]:
    """Check an array of finite numbers of a shape, none larger than `most`."""
    array = np.array(values, float).reshape(shape)
    if not np.isfinite(array).all() or (array.size and np.abs(array).max() > most):
        raise ValueError(f"there are numbers beyond {most:g}")
    return array


def picture_text(picture: NDArray[np.uint8]) -> str:
    """Write a small picture, (h, w, 3) sRGB, as text; `picture_of` reads it back."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode("ascii")


def picture_of(text: Any) -> NDArray[np.uint8]:
    """Read a picture from its text."""
    file = io.BytesIO(base64.b64decode(text))
    return read_picture(file, name="the background", max_pixels=MOST_RASTER).pixels


def check_size(width: float, height: float) -> None:
    """Refuse a picture so large that only damage can ask for it."""
    if width * height > _MOST_PX:
        raise ValueError(f"it asks for a picture of {width:,.0f} x {height:,.0f} px")


def relative(file: str, folder: Path) -> str:
    """Name a file relative to a folder where that stays within two folders up.

    A file that comes with smalti is named so that every installation finds its own.
    """
    if os.path.dirname(file) == _shipped():
        return _SHIPPED + os.path.basename(file)
    try:
        name = os.path.relpath(file, folder)
    except ValueError:  # another drive on Windows
        return file
    if name.startswith(_SHIPPED):
        return os.path.join(os.curdir, name)
    return file if name.startswith(os.path.join("..", "..", "..")) else name


def absolute(name: Any, part: Any, folder: Path) -> Source:
    """Undo `relative`, for a photo or shape."""
    if not isinstance(name, str) or not isinstance(part, str):
        raise TypeError(f"{[name, part]!r:.80} names no photo")
    shipped = name.startswith(_SHIPPED)
    file = os.path.join(_shipped(), name.removeprefix(_SHIPPED)) if shipped else folder / name
    source = Source(os.path.normpath(file), part)
    check_source(source)
    return source


def _shipped() -> str:
    """Folder of what comes with smalti."""
    import smalti.assets

    return os.path.abspath(next(iter(smalti.assets.__path__)))
