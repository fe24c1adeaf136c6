"""Photos that lie side by side: the cells of a sheet, the rows of an array."""

import re
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from smalti.core.archive import open_archive, refuse_bomb
from smalti.core.errors import BadInput, printable
from smalti.core.picture import read_picture
from smalti.core.stamp import stamp

CELL = re.compile(r"([1-9]\d{0,8})(?:x([1-9]\d{0,8}))?")
"""Of a sheet, in px: ``32`` or ``64x48``."""


def tiles_in(file: str, cell: str) -> NDArray[np.uint8]:
    """Read all tiles of a sheet or array.

    Parameters
    ----------
    file : str
    cell : str
        As `CELL` has it; empty for an array.

    Returns
    -------
    ndarray of shape (n, h, w, 3), uint8
        Not writable; kept in memory for the next call.

    Raises
    ------
    BadInput
        If there are none.
    OSError
        If it is not there.
    """
    return _tiles(file, cell, *stamp(file))


@lru_cache(maxsize=2)
def _tiles(file: str, cell: str, length: int, changed_ns: int) -> NDArray[np.uint8]:
    tiles = _cut(file, cell) if cell else _loaded(file)
    tiles.flags.writeable = False
    return tiles


def _cut(file: str, cell: str) -> NDArray[np.uint8]:
    sheet = read_picture(file).pixels
    match = CELL.fullmatch(cell)
    assert match is not None  # expand() took no other
    w, h = int(match[1]), int(match[2] or match[1])
    rows, columns = sheet.shape[0] // h, sheet.shape[1] // w
    if rows * columns == 0:
        raise BadInput(f"{printable(file)} is smaller than one cell of {w} x {h} px")
    cells = sheet[: rows * h, : columns * w].reshape(rows, h, columns, w, 3)
    return cells.swapaxes(1, 2).reshape(-1, h, w, 3)


def _loaded(file: str) -> NDArray[np.uint8]:
    try:
        with open_archive(file) as archive:
            member = archive.getinfo("tiles.npy")
            refuse_bomb(member)
            with archive.open(member) as opened:
                tiles: NDArray[np.uint8] = np.lib.format.read_array(opened, allow_pickle=False)
    except Exception as error:  # numpy, zipfile and zlib have each their own
        raise BadInput(_no_tiles(file)) from error
    if tiles.dtype != np.uint8 or tiles.ndim != 4 or tiles.shape[3] != 3 or not tiles.size:
        raise BadInput(_no_tiles(file))
    return tiles


def _no_tiles(file: str) -> str:
    return (
        f"cannot use {printable(file)}: give an .npz whose key 'tiles' is "
        "an array of shape (n, height, width, 3) and type uint8"
    )
