"""Colour spaces in which colours are compared, and how far apart two colours are."""

import numpy as np
import numpy.typing as npt

from smalti.core.errors import BadInput

Floats = npt.NDArray[np.float32]

SPACES = ("rgb", "lab", "oklab")

# Linear sRGB to XYZ (IEC 61966-2-1). Each row is divided by its sum, which puts
# the white point at (1, 1, 1): D65, as CIELAB wants it, and every grey neutral.
_XYZ = np.array(
    [
        [0.412453, 0.357580, 0.180423],
        [0.212671, 0.715160, 0.072169],
        [0.019334, 0.119193, 0.950227],
    ]
)
_XYZ /= _XYZ.sum(axis=1, keepdims=True)
_LAB = np.array([[0.0, 116.0, 0.0], [500.0, -500.0, 0.0], [0.0, 200.0, -200.0]])

# B. Ottosson, "A perceptual color space for image processing", 2020,
# https://bottosson.github.io/posts/oklab/: linear sRGB to cones, their roots to Oklab.
_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_OKLAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def to_space(rgb: npt.ArrayLike, space: str) -> Floats:
    """Convert sRGB colours to a space in which they are compared.

    The numbers of all three spaces have a similar size, so that weights and
    rounding suit each of them.

    Parameters
    ----------
    rgb : array_like of shape (..., 3)
        Gamma-encoded sRGB, 0 to 255; values beyond are clipped.
    space : {"rgb", "lab", "oklab"}
        ``"rgb"``: the same values, 0 to 100. ``"lab"``: CIELAB (D65, 2 degrees)
        in its own units. ``"oklab"``: Oklab times 100.

    Returns
    -------
    ndarray of float32, shape (..., 3)

    Raises
    ------
    BadInput
        If `space` is none of `SPACES`.
    """
    if space not in SPACES:
        raise BadInput(f"unknown colour space {space!r}: choose one of {', '.join(SPACES)}")
    values: Floats = np.clip(np.asarray(rgb, np.float32) / 255, 0, 1)
    if space == "rgb":
        return 100 * values
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    if space == "oklab":
        return _times(np.cbrt(_times(linear, _CONES)), 100 * _OKLAB)
    xyz = _times(linear, _XYZ)
    # The cube root is too steep near black: CIELAB continues it by its tangent.
    roots = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * (841 / 108) + 4 / 29)
    lab = _times(roots, _LAB)
    lab[..., 0] -= 16
    return lab


def din99o(lab: npt.ArrayLike) -> Floats:
    """Bring CIELAB to where plain distances are nearly those of CIEDE2000.

    DIN99o (Cui, Luo, Rigg, Roesler and Witt, "Uniform colour spaces based on the
    DIN99 colour-difference formula", Color Research and Application 27, 2002;
    constants of DIN 6176:2018, k_E = k_CH = 1).

    Parameters
    ----------
    lab : array_like of shape (..., 3)
        CIELAB.

    Returns
    -------
    ndarray of float32, shape (..., 3)
        Lightness, 0 to 100, and two axes of chroma, in units of about one
        just noticeable difference.
    """
    light, a, b = np.moveaxis(np.asarray(lab, np.float32), -1, 0)
    turn = np.radians(26)
    red = np.cos(turn) * a + np.sin(turn) * b
    yellow = 0.83 * (np.cos(turn) * b - np.sin(turn) * a)
    chroma = np.hypot(red, yellow)
    # Chroma shrinks to its logarithm; near grey that is a plain scale.
    with np.errstate(invalid="ignore"):
        scale = np.where(
            chroma > 1e-6, np.log1p(0.075 * chroma) / (0.0435 * chroma), 0.075 / 0.0435
        )
    return np.stack(
        [
            303.67 * np.log1p(0.0039 * np.maximum(light, 0)),
            scale * (np.cos(turn) * red - np.sin(turn) * yellow),
            scale * (np.sin(turn) * red + np.cos(turn) * yellow),
        ],
        axis=-1,
    ).astype(np.float32)


def from_lab(lab: npt.ArrayLike) -> Floats:
    """Convert CIELAB colours to sRGB; undoes ``to_space(rgb, "lab")``.

    Parameters
    ----------
    lab : array_like of shape (..., 3)
        CIELAB (D65, 2 degrees).

    Returns
    -------
    ndarray of float32, shape (..., 3)
        Gamma-encoded sRGB, 0 to 255 where the colour is within its gamut;
        beyond, each channel goes on along the same curve, mirrored below 0.
    """
    shifted = np.array(lab, np.float32)
    shifted[..., 0] += 16
    roots = _times(shifted, np.linalg.inv(_LAB))
    xyz = np.where(roots > 6 / 29, roots**3, (roots - 4 / 29) * (108 / 841))
    linear = _times(xyz.astype(np.float32), np.linalg.inv(_XYZ))
    size = np.abs(linear)
    curve = np.where(size <= 0.0031308, 12.92 * size, 1.055 * size ** (1 / 2.4) - 0.055)
    rgb: Floats = 255 * np.copysign(curve, linear)
    return rgb


def delta_e_2000(lab1: npt.ArrayLike, lab2: npt.ArrayLike) -> npt.NDArray[np.floating]:
    """Return the CIEDE2000 colour difference; about 1 is just noticeable.

    Parameters
    ----------
    lab1, lab2 : array_like of shape (..., 3)
        CIELAB colours, as `to_space` returns them.

    Returns
    -------
    ndarray of floats, shape (...)

    References
    ----------
    G. Sharma, W. Wu, E. N. Dalal, "The CIEDE2000 color-difference formula",
    Color Research and Application 30, 2005.
    """
    from skimage.color import deltaE_ciede2000 as delta_e  # 0.65 s, needed by few callers

    difference: npt.NDArray[np.floating] = np.asarray(delta_e(np.asarray(lab1), np.asarray(lab2)))
    return difference


def _times(colors: Floats, matrix: npt.NDArray[np.float64]) -> Floats:
    """Apply a (3, 3) `matrix` to every colour of (..., 3)."""
    product: Floats = colors @ matrix.T.astype(np.float32)
    return product
