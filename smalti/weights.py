"""Where the picture must be right: what ``--weight`` stands for, on the units of a grid."""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from smalti.core.errors import BadInput, printable
from smalti.core.grid import Grid, canvas, cells_of
from smalti.core.picture import read_picture
from smalti.core.saliency import edge_weights, face_weights, mask_weights

_SHAPE = 0.02  # how far the shape of a mask may be off the target's, relative
_UNIT_PX = 8  # of a unit, over which weights are averaged


def unit_weights(target: NDArray[np.uint8], name: str, grid: Grid) -> NDArray[np.float64] | None:
    """Find how much each unit counts.

    Parameters
    ----------
    target : ndarray of shape (H, W, 3), uint8 sRGB
    name : str
        ``edges``, ``faces``, the file of a mask, or nothing.
    grid : Grid

    Returns
    -------
    ndarray of shape (rows, columns), float64, or None
        More than 0; None if all count the same.

    Raises
    ------
    BadInput
        If there is no face, or the mask cannot be used.
    """
    if not name:
        return None
    wanted = _pixel_weights(target, name)
    most, least = float(wanted.max()), float(wanted.min())
    levels = np.rint(wanted * (255 / most)).astype(np.uint8)
    padding = round(255 * least / most)
    seen = canvas(np.repeat(levels[..., None], 3, axis=2), grid, _UNIT_PX, (padding,) * 3)
    units = cells_of(seen, grid).mean((1, 2, 3)).reshape(grid.rows, grid.columns)
    weights: NDArray[np.float64] = np.maximum(units, 1) / 255
    return weights


def _pixel_weights(target: NDArray[np.uint8], name: str) -> NDArray[np.float32]:
    if name == "edges":
        return edge_weights(target)
    if name == "faces":
        found = face_weights(target)
        if found is None:
            raise BadInput(
                "--weight faces: no face is found in the target; paint a mask and give its file, "
                "or try --weight edges"
            )
        return found
    mask = read_picture(name, background=(0, 0, 0)).pixels
    height, width = target.shape[:2]
    if abs(math.log(mask.shape[1] / mask.shape[0] * height / width)) > _SHAPE:
        raise BadInput(
            f"--weight {printable(name)}: it has {mask.shape[1]} x {mask.shape[0]} px, the target "
            f"{width} x {height}: give a mask of the target's shape, edges or faces"
        )
    resized = Image.fromarray(mask).resize((width, height), Image.Resampling.BILINEAR)
    return mask_weights(np.asarray(resized))
