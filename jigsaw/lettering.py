"""Words on clip art: rows of marks of one height that look like different letters.

A wall of road signs reads as text, whatever the picture. No text is recognised
here: marks are what lies above or below a lightness, letters are drawn in the
font that comes with Pillow, and a row of marks is a word if enough of them are
nearly some letter, and not all the same one.
"""

import string
from collections.abc import Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from smalti.core.color import to_space

WORD = 0.28
"""Evidence that tells words: in 1,247 pieces of clip art those found had 0.36 or more, of the
others none more than 0.20."""

_SIDE = 192  # px of the shape's longer side while it is read
_LEVELS = (15, 27, 39, 51, 63, 75, 87)  # of L: what is lighter, and what is darker, is looked at
_LOW, _HIGH = 0.04, 0.5  # height of a letter, of the longer side; smaller ones nobody can read
_MOST = 150  # marks of one level: more are a texture
_GRID = 12  # a letter is compared as this many squares a side
_LIKE = 0.7  # correlation from which a mark is some evidence of a letter
_STROKE = 0.5  # of its height: what is thicker is a blot
_LETTERS = string.ascii_uppercase + "abdefghkmnpqrtuy" + "123456789"
_PLAIN = dict.fromkeys("CFJLOQTefnrtu69", 0.3) | dict.fromkeys("I1", 0.0)
"""Weight of letters that eyes, forks, windows and stripes resemble as well."""

Mask = NDArray[np.bool_]


def word_evidence(pixels: NDArray[np.uint8], inside: Mask) -> float:
    """Tell how much a shape looks as if a word were written on it.

    Upright words only, on a ground of other lightness, each letter apart.

    Parameters
    ----------
    pixels : ndarray of shape (H, W, 3 or 4), uint8
        sRGB.
    inside : ndarray of shape (H, W), bool
        Where the shape is.

    Returns
    -------
    float
        0 without any mark like a letter; `WORD` or more for a word.
    """
    levels = [
        max((_row_evidence(row) for row in _rows(marks)), default=0.0)
        for marks in _marks(pixels, inside)
    ]
    # What is written shows at more than one level; chance does not.
    return sorted([0.0, 0.0, *levels])[-2]


class _Mark:
    """A connected part of one lightness, as tall and wide as a letter may be."""

    def __init__(self, mask: Mask, top: int, left: int) -> None:
        self.mask = mask
        self.height, self.width = mask.shape
        self.top, self.bottom = top, top + self.height
        self.left, self.right = left, left + self.width

    def precedes(self, other: "_Mark") -> bool:
        """Whether the other can be the next letter of a word."""
        tall = max(self.height, other.height)
        foot, head = abs(self.bottom - other.bottom), abs(self.top - other.top)
        return (
            self.left < other.left
            and min(self.height, other.height) >= 0.6 * tall  # x-height to capital
            and min(foot, head) <= 0.15 * tall
            and max(foot, head) <= 0.4 * tall
            and -0.1 * tall <= other.left - self.right <= 0.5 * tall
        )


def _marks(pixels: NDArray[np.uint8], inside: Mask) -> Iterator[list[_Mark]]:
    y, x = np.nonzero(inside)
    if not len(y):
        return
    box = np.s_[y.min() : y.max() + 1, x.min() : x.max() + 1]
    light = to_space(pixels[box][..., :3], "lab")[..., 0].astype(np.float32)
    high, wide = light.shape
    scale = _SIDE / max(high, wide)
    size = max(1, round(wide * scale)), max(1, round(high * scale))
    light = np.asarray(Image.fromarray(light).resize(size, Image.Resampling.BICUBIC))
    shape = Image.fromarray(inside[box].astype(np.uint8) * 255)
    within = np.asarray(shape.resize(size, Image.Resampling.BILINEAR)) > 127
    for level in _LEVELS:
        for mask in ((light > level) & within, (light < level) & within):
            labels, _ = ndimage.label(mask)
            marks = []
            for number, (rows, columns) in enumerate(ndimage.find_objects(labels), 1):
                tall, broad = rows.stop - rows.start, columns.stop - columns.start
                if _LOW * _SIDE <= tall <= _HIGH * _SIDE and 0.1 <= broad / tall <= 1.6:
                    part = labels[rows, columns] == number
                    marks.append(_Mark(part, rows.start, columns.start))
            if 2 <= len(marks) <= _MOST:
                yield marks


def _rows(marks: list[_Mark]) -> Iterator[list[_Mark]]:
    """Chain every mark with the nearest that can follow it."""
    after = {}
    for mark in marks:
        near = [other for other in marks if mark.precedes(other)]
        if near:
            after[mark] = min(near, key=lambda other: other.left)
    for first in after.keys() - set(after.values()):
        row = [first]
        while row[-1] in after:
            row.append(after[row[-1]])
        yield row


def _row_evidence(row: list[_Mark]) -> float:
    names, looks, aspects = _alphabet()
    found: dict[str, float] = {}
    hits = 0
    for mark in row:
        odd = np.abs(np.log(mark.width / mark.height / aspects))  # narrow and wide fonts to 4 : 3
        like = looks @ _look(mark.mask) - 0.3 * np.maximum(odd - 0.3, 0)
        best = int(like.argmax())
        thick = 2 * ndimage.distance_transform_edt(np.pad(mark.mask, 1)).max() / mark.height
        weight = 0.0 if thick > _STROKE else max(0.0, (float(like[best]) - _LIKE) / (1 - _LIKE))
        hits += weight > 0
        name = names[best].replace("Q", "O")
        weight *= _PLAIN.get(name, 1.0)
        if weight > 0:
            found[name] = max(found.get(name, 0.0), weight)
    return sum(found.values()) * hits / len(row) if len(found) > 1 else 0.0


@cache
def _alphabet() -> tuple[str, NDArray[np.float64], NDArray[np.float64]]:
    """Draw every letter, thin and bold: its name, its look, its width over its height."""
    from PIL import ImageDraw, ImageFont

    font = ImageFont.load_default(64)
    names, looks, aspects = "", [], []
    for name in _LETTERS:
        for bold in (0, 3):
            paper = Image.new("L", (160, 160))
            ImageDraw.Draw(paper).text((40, 30), name, fill=255, font=font, stroke_width=bold)
            ink = np.asarray(paper.crop(paper.getbbox())) > 127
            names += name
            looks.append(_look(ink))
            aspects.append(ink.shape[1] / ink.shape[0])
    return names, np.stack(looks), np.array(aspects)


def _look(mask: Mask) -> NDArray[np.float64]:
    """Stretch a mark to a square, to be compared by its scalar product with others."""
    picture = Image.fromarray(np.pad(mask, 1).astype(np.uint8) * 255)
    square = picture.resize((_GRID + 2, _GRID + 2), Image.Resampling.BOX)
    look = ndimage.gaussian_filter(np.asarray(square, float), 0.6).ravel()
    look -= look.mean()
    return np.asarray(look / max(float(np.linalg.norm(look)), 1e-9))
