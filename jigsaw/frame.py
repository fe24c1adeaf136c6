"""The frame around a picture: scanned margins, mounts and letterbox bars."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from smalti.core.color import to_space

_SAME = 12.0  # dE a frame's pixels may lie from its colour
_FULL, _NONE = 0.9, 0.1  # of a line in that colour: it is frame, or picture
_SKEW = 0.015  # of the side: how far a frame may take to end, as it may be slightly turned
_WIDEST = 0.2  # of the side
_LOOKED = 2000  # px of a side that are looked at: of a larger picture, every so many


class Frame(NamedTuple):
    """Width of a frame at each side, px."""

    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0


def find_frame(picture: NDArray[np.uint8]) -> Frame:
    """Find bands of one colour along opposite sides that end all at once.

    A plain background is none: what stands before it begins at different depths.

    Parameters
    ----------
    picture : ndarray of shape (H, W, 3), uint8
        sRGB.

    Returns
    -------
    Frame
        All zero without a frame.
    """
    step = -(-max(picture.shape[:2]) // _LOOKED)
    lab = to_space(picture[::step, ::step], "lab").astype(np.float32)
    top, bottom = _bars(lab)
    left, right = _bars(lab.swapaxes(0, 1))
    return Frame(left * step, top * step, right * step, bottom * step)


def trimmed(picture: NDArray[np.uint8], frame: Frame) -> NDArray[np.uint8]:
    """Cut a frame off; a view.

    Parameters
    ----------
    picture : ndarray of shape (H, W, 3), uint8
    frame : Frame
    """
    height, width = picture.shape[:2]
    return picture[frame.top : height - frame.bottom, frame.left : width - frame.right]


def _bars(lab: NDArray[np.float32]) -> tuple[int, int]:
    """Rows of frame at the top and at the bottom, both or neither."""
    colours = np.median(lab[0], axis=0), np.median(lab[-1], axis=0)
    if np.linalg.norm(colours[0] - colours[1]) > _SAME:
        return 0, 0
    above, below = _bar(lab, colours[0]), _bar(lab[::-1], colours[1])
    return (above, below) if above and below else (0, 0)


def _bar(lab: NDArray[np.float32], colour: NDArray[np.float32]) -> int:
    same = np.linalg.norm(lab[: int(_WIDEST * len(lab)) + 1] - colour, axis=2) < _SAME
    full = int(np.argmin(same.mean(axis=1) >= _FULL))  # of the whole lines, the first that is not
    ends = int(_WIDEST * same.shape[1])  # where the frame's other sides may be
    over = np.flatnonzero(same[:, ends : same.shape[1] - ends].mean(axis=1) < _NONE)
    if full == 0 or len(over) == 0 or over[0] - full > max(2, _SKEW * len(lab)):
        return 0
    return int(over[0])
