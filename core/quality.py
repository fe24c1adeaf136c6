"""How good a photomosaic is: likeness to its target, and what that likeness cost.

No number here has been validated against human judgement of photomosaics. Compare
two mosaics only at an equal repeat rule and equal alteration of the tiles, and by
all numbers together.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from smalti.core.color import delta_e_2000, to_space
from smalti.core.errors import BadInput

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Quality:
    """The metric suite of a grid photomosaic; the field names are a public contract.

    "Cell" and "quarter" measure after both pictures are averaged, as sRGB values,
    over boxes as large as a cell (how it looks from afar) or a quarter of one in
    each direction (from nearer). What only the maker of a mosaic knows is None
    where two pictures are all there is.

    Attributes
    ----------
    mae, mse : float
        Mean absolute and mean squared error over pixels and channels, of values
        in 0..1.
    delta_e_cell, delta_e_quarter : float
        Mean CIEDE2000 colour difference; 0 is equal, about 1 just noticeable.
    ssim_quarter : float
        Structural similarity (Wang et al. 2004, uniform window of 7, of 3 where the
        grid has one row or one column), mean over channels; 1 is equal.
    gradient_correlation : float
        Cosine between the gradients, as one vector over all quarters, channels and
        both directions: -1..1, 1 where edges agree in place, direction and relative
        strength. Two pictures without any edge agree (1); one without does not (0).
    seam_energy : float
        Mean absolute difference of pixels that touch across a border of cells, less
        the same of the target, of values in 0..1. Below 0 if the mosaic is smoother
        there; 0 for a single cell.
    alteration_rms : float, optional
        Median over cells of the root mean square colour change of a tile, of 255.
    target_blend : float, optional
        Share of the target blended into the mosaic, 0..1.
    distinct, max_uses : int, optional
        Photos in use, and the most uses of one; near-twins count as one photo.
    nearest_repeat : float, optional
        Least distance between two uses of a photo, in cells; None also if none
        repeats.
    """

    mae: float
    mse: float
    delta_e_cell: float
    delta_e_quarter: float
    ssim_quarter: float
    gradient_correlation: float
    seam_energy: float
    alteration_rms: float | None = None
    target_blend: float | None = None
    distinct: int | None = None
    max_uses: int | None = None
    nearest_repeat: float | None = None


class Usage(NamedTuple):
    """The fields of `Quality` that tell how often photos repeat."""

    distinct: int
    max_uses: int
    nearest_repeat: float | None


def measure(target: Picture, mosaic: Picture, *, columns: int, rows: int) -> Quality:
    """Compare a mosaic with its target.

    Add what only the maker knows with ``dataclasses.replace(measure(...),
    **usage(...)._asdict(), alteration_rms=..., target_blend=...)``.

    Parameters
    ----------
    target, mosaic : ndarray of uint8, shape (H, W, 3)
        sRGB pictures of one size.
    columns, rows : int
        Cells across and down. Where they do not divide the size, cell i of n begins
        at pixel ``floor(i * size / n)``.

    Returns
    -------
    Quality
        With None for what two pictures do not tell.

    Raises
    ------
    BadInput
        If the sizes differ, or a cell would be smaller than a pixel.
    """
    height, width = target.shape[:2]
    if target.shape != mosaic.shape:
        raise BadInput(
            f"the target has {width} x {height} pixels, the mosaic "
            f"{mosaic.shape[1]} x {mosaic.shape[0]}: give two pictures of equal size"
        )
    if not (1 <= columns <= width and 1 <= rows <= height):
        raise BadInput(
            f"{columns} x {rows} cells do not fit {width} x {height} pixels: "
            "give at least one cell, and at least a pixel for each"
        )
    error = np.maximum(target, mosaic) - np.minimum(target, mosaic)
    cells = [_box_means(picture, rows, columns) for picture in (target, mosaic)]
    quarters = [_box_means(picture, 4 * rows, 4 * columns) for picture in (target, mosaic)]
    return Quality(
        mae=float(error.mean() / 255),
        mse=float(np.square(error, dtype=np.uint16).mean() / 255**2),
        delta_e_cell=_mean_delta_e(*cells),
        delta_e_quarter=_mean_delta_e(*quarters),
        ssim_quarter=_ssim(*quarters),
        gradient_correlation=_gradient_correlation(*quarters),
        seam_energy=_seam_contrast(mosaic, rows, columns) - _seam_contrast(target, rows, columns),
    )


def usage(
    photo: npt.NDArray[np.integer],
    group: npt.NDArray[np.integer],
    place: npt.NDArray[np.floating] | npt.NDArray[np.integer],
) -> Usage:
    """Count how often photos repeat, and how close to each other.

    Parameters
    ----------
    photo : ndarray of int, shape (n,)
        The photo in each cell.
    group : ndarray of int, shape (m,)
        The group of near-twins each photo belongs to; a group counts as one photo.
    place : ndarray of shape (n, 2)
        Middle of each cell, column and row.

    Returns
    -------
    Usage
        Groups in use, uses of the most used, and the least Euclidean distance in
        cells between two uses of one group (None if none repeats).
    """
    _, plane, uses = np.unique(group[photo], return_inverse=True, return_counts=True)
    most = int(uses.max(initial=0))
    if most <= 1:
        return Usage(len(uses), most, None)
    from scipy.spatial import cKDTree

    # One tree for all groups: each lies in a plane of its own, and the planes are
    # further apart than any two cells.
    far = float(np.ptp(place, axis=0).sum()) + 1
    points = np.column_stack([place, plane * far])
    distance, _ = cKDTree(points).query(points, k=2)
    return Usage(len(uses), most, float(np.asarray(distance)[:, 1].min()))


def _borders(length: int, parts: int) -> npt.NDArray[np.intp]:
    """Return the first pixel of each of `parts` intervals of 0..length."""
    return np.arange(parts) * length // parts


def _box_means(picture: Picture, rows: int, columns: int) -> Floats:
    """Average over boxes; (H, W, 3) to (rows, columns, 3), still 0..255.

    Sums of integers are exact, so flat pictures stay exactly flat. A box narrower
    than a pixel takes the pixel it begins in, which is what ``reduceat`` does too.
    """
    height, width = picture.shape[:2]
    top, left = _borders(height, rows), _borders(width, columns)
    sums = np.add.reduceat(picture, top, axis=0, dtype=np.uint32)
    sums = np.add.reduceat(sums, left, axis=1, dtype=np.uint64)
    heights = np.maximum(np.diff(top, append=height), 1)
    widths = np.maximum(np.diff(left, append=width), 1)
    means: Floats = (sums / (heights[:, None, None] * widths[:, None])).astype(np.float32)
    return means


def _mean_delta_e(first: Floats, second: Floats) -> float:
    """Return the mean CIEDE2000 difference of two sRGB pictures."""
    return float(delta_e_2000(to_space(first, "lab"), to_space(second, "lab")).mean())


def _ssim(first: Floats, second: Floats) -> float:
    """Return the mean SSIM of two pictures whose sides are multiples of four."""
    from skimage.metrics import structural_similarity as ssim  # slow to import

    window = min(7, min(first.shape[:2]) - 1)  # 3 for a side of 4, the only one below 7
    options = {"win_size": window, "data_range": 255, "channel_axis": -1}
    return float(ssim(first, second, **options))


def _gradient_correlation(first: Floats, second: Floats) -> float:
    """Return the cosine between the gradients of two pictures, as `Quality` defines it."""
    a, b = (np.asarray(np.gradient(picture, axis=(0, 1))) for picture in (first, second))
    energy_a, energy_b = float(np.vdot(a, a)), float(np.vdot(b, b))
    if energy_a == 0 or energy_b == 0:
        return float(energy_a == energy_b)
    return float(np.vdot(a, b)) / math.sqrt(energy_a * energy_b)


def _seam_contrast(picture: Picture, rows: int, columns: int) -> float:
    """Return the mean absolute step across the borders of cells, of values in 0..1."""
    if rows == columns == 1:
        return 0.0
    height, width = picture.shape[:2]
    top, left = _borders(height, rows)[1:], _borders(width, columns)[1:]
    across = picture[top].astype(np.int16) - picture[top - 1]
    along = picture[:, left].astype(np.int16) - picture[:, left - 1]
    steps = np.concatenate([across, along], axis=None)
    return float(np.abs(steps).mean() / 255)
