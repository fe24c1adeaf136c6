"""A mosaic as a page to zoom into, which knows the photo under the pointer.

The page opens from a disk, a stick or a server alike: beside it lies only the
folder of its Deep Zoom tiles, and it fetches nothing else. OpenSeadragon, which
draws them, is inside it.
"""

import base64
import html
import json
import os
import re
from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from smalti.core.atomic import write_bytes
from smalti.core.deep_zoom import OVERLAP, TILE, deep_zoom, tiles_folder
from smalti.core.errors import printable
from smalti.core.progress import Progress, silent
from smalti.core.writers import check_output


def write_page(
    bands: Iterable[NDArray[np.uint8]],
    size: tuple[int, int],
    out: Path,
    *,
    dpi: float,
    quality: int = 92,
    columns: int,
    rows: int,
    labels: Sequence[str],
    links: Sequence[str],
    tile: NDArray[np.integer],
    title: str,
    facts: Sequence[tuple[str, str]],
    outlined: bool = True,
    progress: Progress = silent,
) -> None:
    """Write an HTML page to zoom into, and its tiles to ``NAME_files`` beside it.

    Parameters
    ----------
    bands : iterable of ndarray of shape (h, W, 3), uint8
        sRGB, top to bottom, as for `smalti.core.writers.write_picture`.
    size : (W, H)
        Of the picture, in px.
    out : Path
        The page, ending in ``.html``.
    dpi : float
        Pixels per inch, for the size in print that the caption states.
    quality : int
        1 to 100, of the JPEG tiles.
    columns, rows : int
        Of the grid of equal cells that covers the picture.
    labels, links : sequence of str, one per photo
        The name shown for a photo, in any characters (none is shown for ``""``), and
        the URL of its file as `link_to` makes it, or ``""`` where there is nothing
        to open.
    tile : ndarray of shape (rows * columns,), integer
        The photo in each cell, row by row, as an index into `labels`.
    title : str
        Shown in the caption and by the browser.
    facts : sequence of (name, value)
        Shown in the caption as "value name", or the value where the name is "".
    outlined : bool
        Whether the cell under the pointer is framed; not where cells only sample
        tiles of another shape.
    progress : callable
        As for `smalti.core.writers.write_picture`.

    Raises
    ------
    BadInput, SmaltiError
        As `smalti.core.writers.write_picture`.
    """
    check_output(out, size)
    used, cells = np.unique(np.ravel(tile), return_inverse=True)
    if len(cells) != rows * columns:
        raise ValueError(f"{len(cells)} tiles in a grid of {columns} x {rows}")
    wide = len(used) > 2**16
    data = {
        "width": size[0],
        "height": size[1],
        "columns": columns,
        "rows": rows,
        "tiles": quote(os.fsencode(tiles_folder(out).name)) + "/",
        "tile": TILE,
        "overlap": OVERLAP,
        "labels": [printable(labels[photo]) for photo in used],
        "links": [links[photo] for photo in used],
        "wide": wide,
        "outlined": outlined,
        "cells": base64.b64encode(cells.astype("<u4" if wide else "<u2").tobytes()).decode(),
    }
    width, height = (f"{side / dpi * 2.54:.0f}" for side in size)
    caption = [
        *(f"{value} {name}".strip() for name, value in facts),
        f"{width} \N{MULTIPLICATION SIGN} {height} cm at {dpi:g} dpi",
        "made with Smalti",
    ]
    assets = files("smalti.assets")
    seadragon = assets / "openseadragon"
    parts = {
        "title": html.escape(printable(title)),
        "facts": html.escape(printable(" \N{MIDDLE DOT} ".join(caption))),
        # "<" would end the script in a name like "</script>".
        "data": json.dumps(data, separators=(",", ":")).replace("<", "\\u003c"),
        "licence": (seadragon / "LICENSE.txt").read_text("utf-8").strip(),
        "openseadragon": (seadragon / "openseadragon.min.js").read_text("utf-8"),
    }
    template = (assets / "page.html").read_text("utf-8")
    page = re.sub(r"\{\{(\w+)\}\}", lambda slot: parts[slot[1]], template)
    with deep_zoom(bands, size, out, quality=quality, progress=progress):
        write_bytes(out, page.encode())


def link_to(file: str, page: Path) -> str:
    """URL of a file as seen from a page: relative, so that both may move together.

    Parameters
    ----------
    file : str
        Name of a file, absolute or seen from the current folder; its bytes
        need not be UTF-8.
    page : Path
        The page, likewise.

    Returns
    -------
    str
        Percent-encoded, so plain ASCII. Absolute where the two are on
        different drives.
    """
    try:
        path = os.path.relpath(file, os.path.dirname(os.path.abspath(page)))
    except ValueError:
        return Path(os.path.abspath(file)).as_uri()
    return quote(os.fsencode(path.replace(os.sep, "/")))
