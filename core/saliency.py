"""Weights of cells: where the picture must be right, and where it may be less so."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from smalti.core.color import to_space
from smalti.core.face import find_faces

_EDGE = 4.0  # how much more than a flat cell one full of edges counts
_FACE = 8.0  # and one in a face
_DARK = 0.1  # how much a cell counts where a mask is black, of where it is white
_FULL = 95  # percentile of the edges that counts as full of them


def edge_weights(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Weigh pixels by the lightness edges around them.

    Parameters
    ----------
    picture : ndarray of shape (H, W, 3), uint8 sRGB

    Returns
    -------
    ndarray of shape (H, W), float32
        From 1 where it is flat to 5 where edges are as strong as its strongest
        twentieth.
    """
    light = to_space(picture, "lab")[..., 0]
    scale = max(1.0, np.sqrt(light.size) / 512)
    strength = ndimage.gaussian_gradient_magnitude(light, scale, mode="nearest")
    full = float(np.percentile(strength, _FULL))
    share = np.minimum(strength / full, 1) if full > 0 else np.zeros_like(strength)
    return np.asarray(1 + _EDGE * share, np.float32)


def face_weights(picture: NDArray[np.uint8]) -> NDArray[np.float32] | None:
    """Weigh pixels by whether they lie in a face.

    Parameters
    ----------
    picture : ndarray of shape (H, W, 3), uint8 sRGB

    Returns
    -------
    ndarray of shape (H, W), float32, or None
        9 in faces, 1 elsewhere, with a soft border; None if no face is found.
    """
    faces = find_faces(picture)
    if not len(faces):
        return None
    height, width = picture.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    share = np.zeros((height, width), np.float32)
    for left, top, side in faces:
        # The box reaches from the brows to the chin: a face is a little taller and narrower.
        across = (x + 0.5 - left - side / 2) / (0.55 * side)
        down = (y + 0.5 - top - 0.45 * side) / (0.7 * side)
        inside = 1 - np.sqrt(across**2 + down**2)
        share = np.maximum(share, (inside / 0.2 + 1).clip(0, 1))
    return 1 + np.float32(_FACE) * share


def mask_weights(mask: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Weigh pixels by the lightness of a mask, (H, W, 3) uint8: 0.1 if black, 1 if white."""
    return np.asarray(_DARK + (1 - _DARK) * mask.mean(-1) / 255, np.float32)
