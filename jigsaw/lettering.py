"""Words on clip art: rows of marks of one height that look like different letters.

A wall of road signs reads as text, whatever the picture. No text is recognised
here: marks are what lies above or below a lightness, letters are drawn in the
font that comes with Pillow, upright, slanted and with serifs, and a row of marks
in any of several directions is a word if enough of them are nearly some letter,
and not all the same one.
"""

import string
from collections.abc import Iterator
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from smalti.core.color import to_space

WORD = 0.21
"""Evidence that tells words: on the half of 1,237 pieces of clip art that it was set by, no piece
without words had more than 0.17; on the other half one had, 0.25."""

_SIDE = 256  # px of the shape's longer side while it is read
_LEVELS = (21, 39, 57, 75)  # of L: what is lighter, and what is darker; chance grows with them
_STEPS = (2, 6, 12, 24)  # of L more or less than around it: letters too small to part at any level
_AROUND = 10  # px, standard deviation of the blur that tells what is around
_TURNS = np.deg2rad(np.arange(-60, 61, 15))  # rows that rise to the right by these
_AXES = np.moveaxis(
    np.array([[np.cos(_TURNS), -np.sin(_TURNS)], [np.sin(_TURNS), np.cos(_TURNS)]]), 2, 0
)
_TILTED = 0.7  # weight of evidence in a row that is not level: most words are
_LOW, _HIGH = 0.04, 0.5  # height of a letter, of the longer side; smaller ones nobody can read
_MOST = 150  # marks of one level: more are a texture
_WIDE = 1.9  # of its height, a letter is no wider
_GRID = 12  # a letter is compared as this many squares a side
_LIKE = 0.6  # correlation from which a mark is some evidence of a letter
_STROKE = 0.5  # of its height: what is thicker is a blot
_HOLE = 0.1  # of likeness lost per hole that only one of letter and mark has
_LETTERS = string.ascii_uppercase + "abdefghkmnpqrtuy" + "123456789"
_PLAIN = (
    dict.fromkeys("I1", 0.02)
    | dict.fromkeys("ft7r", 0.1)
    | dict.fromkeys("CJLO", 0.2)
    | dict.fromkeys("FUYenuy4", 0.4)
)
"""Weight of letters that eyes, forks, windows and stripes resemble as well, the more the less."""
_LEANS = (0.0, 0.25)  # of its height: upright, and an italic

Mask = NDArray[np.bool_]


def word_evidence(pixels: NDArray[np.uint8], inside: Mask) -> float:
    """Tell how much a shape looks as if a word were written on it.

    Words on a straight line, on a ground of other lightness, each letter apart.

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
    seen = np.array([_evidence(mask) for mask in _parts(*_read(pixels, inside))])
    # What is written shows at more than one level; chance does not.
    return float(np.sort(seen, axis=0)[-2].max())


def _read(pixels: NDArray[np.uint8], inside: Mask) -> tuple[NDArray[np.float32], Mask]:
    """Bring a shape's L, and where it is, to the size at which it is read."""
    y, x = np.nonzero(inside)
    if not len(y):
        return np.zeros((1, 1), np.float32), np.zeros((1, 1), bool)
    box = np.s_[y.min() : y.max() + 1, x.min() : x.max() + 1]
    light = to_space(pixels[box][..., :3], "lab")[..., 0].astype(np.float32)
    high, wide = light.shape
    scale = _SIDE / max(high, wide)
    size = max(1, round(wide * scale)), max(1, round(high * scale))
    light = np.asarray(Image.fromarray(light).resize(size, Image.Resampling.BICUBIC))
    shape = Image.fromarray(inside[box].astype(np.uint8) * 255)
    return light, np.asarray(shape.resize(size, Image.Resampling.BILINEAR)) > 127


def _parts(light: NDArray[np.float32], within: Mask) -> Iterator[Mask]:
    """Yield what is lighter, and what is darker, than each level and than what is around it."""
    covered = ndimage.gaussian_filter(within.astype(np.float32), _AROUND)
    around = ndimage.gaussian_filter(np.where(within, light, 0), _AROUND)
    nearby = light - around / np.maximum(covered, 1e-3)
    for level in _LEVELS:
        yield (light > level) & within
        yield (light < level) & within
    for step in _STEPS:
        yield (nearby > step) & within
        yield (nearby < -step) & within


def _evidence(mask: Mask) -> NDArray[np.float64]:
    """Read one level: the evidence of its best row in every direction."""
    marks, boxes = _marks(mask)
    best = np.zeros(len(_TURNS))
    high, wide = boxes[..., 3] - boxes[..., 1], boxes[..., 2] - boxes[..., 0]
    fit = (high >= _LOW * _SIDE) & (high <= _HIGH * _SIDE)
    fit &= (wide >= 0.1 * high) & (wide <= _WIDE * high)
    for turn in np.flatnonzero((fit.sum(axis=0) >= 2) & (fit.sum(axis=0) <= _MOST)):
        (which,) = np.nonzero(fit[:, turn])
        rows = [which[row].tolist() for row in _rows(boxes[which, turn])]
        used = {i for row in rows for i in row}
        written = [i for i in used if marks[i].stroke <= _STROKE * high[i, turn]]
        if len(written) >= 2:
            letters = dict.fromkeys(used, ("", 0.0))
            upright = [_turned(marks[i].mask, _TURNS[turn]) for i in written]
            letters |= zip(written, _letters(upright), strict=True)
            best[turn] = max(_row_evidence([letters[i] for i in row]) for row in rows)
    return np.where(_TURNS == 0, 1, _TILTED) * best


class _Mark:
    """A connected part of a level."""

    def __init__(self, mask: Mask) -> None:
        self.mask = mask

    @cached_property
    def stroke(self) -> float:
        """How wide its widest stroke is."""
        return 2 * float(ndimage.distance_transform_edt(np.pad(self.mask, 1)).max())


def _marks(mask: Mask) -> tuple[list[_Mark], NDArray[np.float64]]:
    """Part a level into what is connected: n marks, and their boxes.

    The boxes, of shape (n, len(_TURNS), 4), are left, top, right and bottom once the
    picture is turned so that rows of each direction are level.
    """
    labels, _ = ndimage.label(mask)
    marks, boxes = [], []
    for number, place in enumerate(ndimage.find_objects(labels), 1):
        extent = max(side.stop - side.start for side in place)
        if _LOW * _SIDE <= extent <= 2 * _HIGH * _SIDE:
            part = labels[place] == number
            rows = np.arange(len(part))
            first, last = part.argmax(axis=1), part.shape[1] - part[:, ::-1].argmax(axis=1)
            x = np.concatenate([first, first, last, last]) + place[1].start
            y = np.concatenate([rows, rows + 1, rows, rows + 1]) + place[0].start
            ends = _AXES @ np.stack([x, y])
            marks.append(_Mark(part))
            boxes.append(np.stack([ends.min(axis=2), ends.max(axis=2)], axis=1).reshape(-1, 4))
    return marks, np.reshape(boxes, (-1, len(_TURNS), 4))


def _rows(boxes: NDArray[np.float64]) -> Iterator[list[int]]:
    """Chain every box with the nearest that can follow it."""
    left, top, right, bottom = boxes.T[..., None]
    high = bottom - top
    tall = np.maximum(high, high.T)
    foot, head = np.abs(bottom - bottom.T) / tall, np.abs(top - top.T) / tall
    gap = (left.T - right) / tall
    precedes = (
        (left < left.T)
        & (np.minimum(high, high.T) >= 0.6 * tall)  # x-height to capital
        & (np.minimum(foot, head) <= 0.15)
        & (np.maximum(foot, head) <= 0.4)
        & (gap >= -0.15)
        & (gap <= 0.6)
    )
    nearest = np.where(precedes, left.T, np.inf).argmin(axis=1).tolist()
    after = {i: nearest[i] for i in np.flatnonzero(precedes.any(axis=1)).tolist()}
    for first in after.keys() - set(after.values()):
        row = [first]
        while row[-1] in after:
            row.append(after[row[-1]])
        yield row


def _row_evidence(row: list[tuple[str, float]]) -> float:
    """Sum up letters, each once, and less so a row of few or of marks that are none."""
    found: dict[str, float] = {}
    for name, like in row:
        weight = like * _PLAIN.get(name, 1.0)
        if weight > 0:
            found[name] = max(found.get(name, 0.0), weight)
    if len(found) < 2:
        return 0.0
    hits = sum(like > 0 for _, like in row)
    return sum(found.values()) * (hits - 1) / len(row)


def _turned(mask: Mask, turn: float) -> Mask:
    """Set a mark upright that stands on a row which rises by an angle."""
    if not turn:
        return mask
    picture = Image.fromarray(mask.astype(np.uint8) * 255)
    return _ink(picture.rotate(-np.rad2deg(turn), Image.Resampling.BILINEAR, expand=True))


def _ink(paper: Image.Image) -> Mask:
    mask = np.asarray(paper) > 127
    y, x = np.nonzero(mask)
    return mask[y.min() : y.max() + 1, x.min() : x.max() + 1] if len(y) else np.ones((1, 1), bool)


def _letters(marks: list[Mask]) -> list[tuple[str, float]]:
    """Name the letter that each mark is most like, and how much evidence of one it is."""
    names, looks, aspects, holes = _alphabet()
    like = _looks(marks) @ looks.T
    wider = np.array([[mark.shape[1] / mark.shape[0]] for mark in marks]) / aspects
    like -= 0.3 * np.maximum(np.abs(np.log(wider)) - 0.3, 0)  # narrow and wide fonts to 4 : 3
    like -= _HOLE * np.abs(np.array([[_holes(mark)] for mark in marks]) - holes)
    best = like.argmax(axis=1)
    weight = np.maximum(0, (like.max(axis=1) - _LIKE) / (1 - _LIKE))
    return [(names[i].replace("Q", "O"), float(w)) for i, w in zip(best, weight, strict=True)]


@cache
def _alphabet() -> tuple[str, NDArray[np.float64], NDArray[np.float64], NDArray[np.intp]]:
    """Draw every letter in some fonts: its name, its look, its width over its height, its holes."""
    from PIL import ImageDraw, ImageFont

    font = ImageFont.load_default(64)
    names, drawn = "", []
    for name in _LETTERS:
        for bold, serif in ((0, 0), (3, 0), (0, 13)):
            paper = Image.new("L", (240, 160))
            ImageDraw.Draw(paper).text((80, 30), name, fill=255, font=font, stroke_width=bold)
            ink = _ink(paper)
            if serif:  # the ends of strokes are broadened
                ink = np.pad(ink, ((0, 0), (serif, serif)))
                for end in (ink[:5], ink[-5:]):
                    end[:] = ndimage.binary_dilation(end, np.ones((1, serif), bool))
            for lean in _LEANS:
                drawn.append(_leaning(ink, lean))
                names += name
    aspects = np.array([ink.shape[1] / ink.shape[0] for ink in drawn])
    return names, _looks(drawn), aspects, np.array([_holes(ink) for ink in drawn])


def _leaning(ink: Mask, lean: float) -> Mask:
    """Slant a letter to the right."""
    high = len(ink)
    room = int(abs(lean) * high) + 1
    paper = Image.fromarray(np.pad(ink, ((0, 0), (room, room))).astype(np.uint8) * 255)
    way = (1, lean, -lean * high / 2, 0, 1, 0)
    return _ink(paper.transform(paper.size, Image.Transform.AFFINE, way))


def _holes(mark: Mask) -> int:
    """Count what a mark encloses, larger than a speck."""
    labels, _ = ndimage.label(np.pad(~mark, 1, constant_values=True), np.ones((3, 3)))
    return int((np.bincount(labels.ravel())[2:] >= 0.004 * len(mark) ** 2).sum())


def _looks(marks: list[Mask]) -> NDArray[np.float64]:
    """Stretch marks to squares, to be compared by the scalar products of the rows."""
    size = _GRID + 2, _GRID + 2
    pictures = [Image.fromarray(np.pad(mark, 1).astype(np.uint8) * 255) for mark in marks]
    squares = np.array([picture.resize(size, Image.Resampling.BOX) for picture in pictures], float)
    looks = ndimage.gaussian_filter(squares, (0, 0.6, 0.6)).reshape(len(marks), -1)
    looks -= looks.mean(axis=1, keepdims=True)
    return np.asarray(looks / np.maximum(np.linalg.norm(looks, axis=1, keepdims=True), 1e-9))
