"""Faces in a picture: where eyes, brows and a mouth must be told apart.

The cascade that comes with scikit-image sees faces in hands and citrus fruits
too, but not the same ones in the mirror or at another size.
"""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_SIDES = (256, 294, 338)  # of the squares whose area the picture has when it is looked at
_SMALLEST = 0.1  # of that side: smaller faces are a few tiles, whatever is done
_AGREE = 5  # of the six views: faces are seen in all, hands and badges in 4 at most
_SAME = 0.4  # overlap of two boxes over their union

Boxes = NDArray[np.float64]


def find_faces(picture: NDArray[np.uint8]) -> Boxes:
    """Find faces that look out of the picture, upright.

    Parameters
    ----------
    picture : ndarray of shape (H, W, 3), uint8
        sRGB.

    Returns
    -------
    ndarray of shape (k, 3), float64
        Left, top and side of a square from the brows to the chin of each, px.

    References
    ----------
    .. [1] P. Viola, M. Jones, "Rapid object detection using a boosted cascade
       of simple features", 2001; with local binary patterns.
    """
    whole = np.sqrt(picture.shape[0] * picture.shape[1])
    views = [_seen(picture, _SIDES[0], mirrored, (_SMALLEST, 1)) for mirrored in (False, True)]
    boxes = np.concatenate(views)
    if not len(boxes):
        return boxes
    sizes = max(_SMALLEST, 0.7 * boxes[:, 2].min() / whole), 1.4 * boxes[:, 2].max() / whole
    views += [_seen(picture, side, m, sizes) for side in _SIDES[1:] for m in (False, True)]
    boxes = np.concatenate(views)
    view = np.repeat(np.arange(len(views)), [len(found) for found in views])
    faces = []
    while len(boxes):
        same = _overlap(boxes) >= _SAME
        votes = [len(np.unique(view[near])) for near in same]
        near = same[int(np.argmax(votes))]
        if max(votes) < _AGREE:
            break
        faces.append(np.median(boxes[near], axis=0))
        boxes, view = boxes[~near], view[~near]
    return np.array(faces).reshape(-1, 3)


@cache
def _cascade() -> Any:
    from skimage.data import lbp_frontal_face_cascade_filename
    from skimage.feature import Cascade

    return Cascade(lbp_frontal_face_cascade_filename())


def _seen(
    picture: NDArray[np.uint8], side: int, mirrored: bool, sizes: tuple[float, float]
) -> Boxes:
    """Find what looks like a face of some sizes, in parts of the picture's side."""
    height, width = picture.shape[:2]
    scale = side / np.sqrt(height * width)
    columns, rows = max(1, round(width * scale)), max(1, round(height * scale))
    if min(columns, rows) < 2 * _SMALLEST * side:
        return np.empty((0, 3))
    small = np.asarray(Image.fromarray(picture).resize((columns, rows), Image.Resampling.BILINEAR))
    found = _cascade().detect_multi_scale(
        img=np.ascontiguousarray(small[:, ::-1] if mirrored else small),
        scale_factor=1.2,
        step_ratio=1,
        min_size=(int(sizes[0] * side),) * 2,
        max_size=(min(columns, rows, int(sizes[1] * side) + 1),) * 2,
    )
    boxes = np.array([(f["c"], f["r"], f["width"]) for f in found], float).reshape(-1, 3)
    if mirrored:
        boxes[:, 0] = columns - boxes[:, 0] - boxes[:, 2]
    return np.asarray(boxes / scale)


def _overlap(boxes: Boxes) -> Boxes:
    """Area shared by every two boxes over the area of their union."""
    low, side = boxes[:, None, :2], boxes[:, None, 2:]
    shared = np.minimum(low + side, (low + side).swapaxes(0, 1)) - np.maximum(
        low, low.swapaxes(0, 1)
    )
    both = shared.clip(0).prod(axis=-1)
    area = boxes[:, 2] ** 2
    return np.asarray(both / (area[:, None] + area - both))
