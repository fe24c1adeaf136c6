"""Words on clip art, as an OCR library reads them: a wall of signs reads as text, not picture."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from smalti.core.errors import SmaltiError, printable

if TYPE_CHECKING:
    from rapidocr import RapidOCR

_GLANCE = 256  # px of the longer side, on which letters are looked for
_READ = 512  # px, on which they are read: looking for them there takes four times as long
_MARGIN = 0.025  # of the longer side, around the shape: letters at its edge are read too
_MAYBE = 0.3  # of 1: evidence of letters from which a line is read
_SURE = 0.75  # of 1: certainty of a word that is one
_PARTS = ("Det", "Cls", "Rec")  # of the reader: where lines are, which way up, what they say
_SURE_OF_TWO = 0.97  # the same for two letters: stripes, holes and folds are now and then

Mask = NDArray[np.bool_]


def words(pixels: NDArray[np.uint8], inside: Mask) -> str:
    """Read what is written on a shape.

    Parameters
    ----------
    pixels : ndarray of shape (H, W, 3 or more), uint8
        sRGB.
    inside : ndarray of shape (H, W), bool
        What is seen of it.

    Returns
    -------
    str
        Words of two different letters or digits at the least, the surest one
        first, with spaces between them; empty if there are none. A row of one
        letter again and again is wheels, eyes or windows.

    Raises
    ------
    SmaltiError
        If the models that read it are not installed.
    """
    if not inside.any():
        return ""
    from rapidocr.utils.output import RapidOCROutput

    alone = np.asarray(_alone(pixels, inside))
    seen = _reader()(np.ascontiguousarray(alone[..., ::-1]))  # BGR
    if not isinstance(seen, RapidOCROutput):  # places only: none of them could be read
        return ""
    lines = sorted(zip(seen.scores or (), seen.txts or (), strict=True), reverse=True)
    return " ".join(text for sure, text in lines if _is_word(text, sure))


def _is_word(text: str, sure: float) -> bool:
    letters = [character for character in text.lower() if character.isalnum()]
    return len(set(letters)) >= 2 and sure >= (_SURE if len(letters) > 2 else _SURE_OF_TWO)


def _alone(pixels: NDArray[np.uint8], inside: Mask) -> Image.Image:
    """Cut the shape out, and let its edge's colours run on: an outline resembles letters."""
    y, x = np.nonzero(inside)
    box = slice(y.min(), y.max() + 1), slice(x.min(), x.max() + 1)
    cut = Image.fromarray(np.dstack([pixels[box][..., :3], np.uint8(255) * inside[box]]))
    cut.thumbnail((_READ, _READ))
    margin = max(1, round(_MARGIN * max(cut.size)))
    wide = np.pad(np.asarray(cut), ((margin, margin), (margin, margin), (0, 0)))
    row, column = ndimage.distance_transform_edt(
        wide[..., 3] < 128, return_distances=False, return_indices=True
    )
    alone = Image.fromarray(wide[row, column, :3])
    width, height = (max(1, round(_READ * n / max(alone.size))) for n in alone.size)
    return alone.resize((width, height), Image.Resampling.BICUBIC)


@cache
def _reader() -> "RapidOCR":
    """Open the library with the models that come with it, on this thread alone.

    Named by their paths, for it would fetch from the network what it misses.

    Raises
    ------
    SmaltiError
        If they are not there.
    """
    import cv2
    import rapidocr

    folder = Path(rapidocr.__file__).with_name("models")
    models = {part: min(folder.glob(f"*_{part.lower()}_*.onnx"), default=None) for part in _PARTS}
    missing = [part for part, file in models.items() if file is None]
    if missing:
        raise SmaltiError(
            f"{printable(str(folder))} lacks the models ({', '.join(missing)}) that words on clip "
            "art are read with: pip install --force-reinstall rapidocr"
        )
    cv2.setNumThreads(1)
    threads = "EngineConfig.onnxruntime."
    return rapidocr.RapidOCR(
        params={
            "Global.log_level": "error",
            threads + "intra_op_num_threads": 1,
            threads + "inter_op_num_threads": 1,
            "Det.limit_type": "max",
            "Det.limit_side_len": _GLANCE,
            "Det.box_thresh": _MAYBE,
            "Global.text_score": _SURE,
            **{f"{part}.model_path": str(file) for part, file in models.items()},
        }
    )
