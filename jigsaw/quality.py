"""The metric suite of a jigsaw mosaic: how well it is packed, and how like its target it is.

Measured on a raster finer than the one it was packed on. No number here is
validated against human judgement; deformation can buy any coverage and many
tiny tiles any recall, so the columns stand together.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage
from scipy.spatial import cKDTree

from smalti.core.color import delta_e_2000, to_space
from smalti.core.progress import Progress, Step, silent
from smalti.jigsaw.contour import filled_window, signed_area
from smalti.jigsaw.placement import Placement

_FINE = 3  # pixels of the measuring raster along a pixel of the packing raster
_NEAR_PX = 2.0  # of the packing raster: how near an edge counts as the same edge
_BAND = 256  # rows that are compared at a time
_LAID, _HOLES = 1 / 6, 2 / 3  # of the time a packing takes: tiles are laid by then, holes measured
_MARGIN = 64  # rows around a band of the measuring raster: few gaps are as wide
_TRUNCATE = 4.0  # sigmas after which a blur ends


@dataclass(frozen=True, slots=True)
class Packing:
    """How well tiles fill their containers; shares of the containers' area.

    Attributes
    ----------
    coverage : float
        Covered by some tile of the container.
    overlap : float
        Covered more than once, counted as often as it is too much.
    spill : float
        Area of tiles beyond their own container.
    largest_gap : float
        Radius of the largest circle in a gap, over the mean side of a tile
        (square root of its area).
    border_mean_px : float
        Mean distance of the containers' borders to the nearest tile edge, px
        of the packing raster.
    border_recall : float
        Share of the containers' borders with a tile edge within 2 px.
    border_precision : float
        Share of the tile edges within a quarter tile of a border that lie
        within 2 px of it: how clean the border is.
    border_control : float
        The recall of the same borders moved by half a tile: what chance gives.
    invalid : int
        Contours that cross themselves.
    distinct : int
        Different tiles, near-duplicates counted as one.
    effective : float
        Exponential of the entropy of their use: as many, equally used, would
        be as varied.
    max_reuse : int
        Uses of the most used.
    """

    coverage: float
    overlap: float
    spill: float
    largest_gap: float
    border_mean_px: float
    border_recall: float
    border_precision: float
    border_control: float
    invalid: int
    distinct: int
    effective: float
    max_reuse: int


def measure_packing(
    placements: Sequence[Placement],
    labels: NDArray[np.intp],
    group: NDArray[np.intp],
    *,
    progress: Progress = silent,
) -> Packing:
    """Measure how well containers are filled.

    Parameters
    ----------
    placements : sequence of Placement
        Contours in px of `labels`.
    labels : ndarray of shape (H, W), intp
        Container of every pixel; -1 where nothing is to be filled.
    group : ndarray of shape (m,), intp
        Near-duplicate group of each tile of the library.
    progress : callable
        Called with steps of the phase ``"measure"``.

    Returns
    -------
    Packing
    """
    count = max(1, len(placements))

    def tell(share: float) -> None:
        progress(Step("measure", round(share * count / _LAID), round(count / _LAID)))

    fine = np.repeat(np.repeat(labels, _FINE, 0), _FINE, 1)
    inside, laid, beyond, edges = fine >= 0, np.zeros(fine.shape, np.int16), 0, _Edges(fine.shape)
    for k, placement in enumerate(placements):
        tell(_LAID * k / count)
        window, mask = filled_window(placement.contour * _FINE, fine.shape)
        own = fine[window] == placement.container
        laid[window] += mask & own
        beyond += int((mask & ~own).sum())
        edges.draw(placement.contour * _FINE)
    area = max(1, int(inside.sum()))
    gaps = inside & (laid == 0)
    sides = np.sqrt([abs(signed_area(p.contour)) for p in placements] or [1.0])
    largest = _inscribed(gaps, lambda share: tell(_LAID + (_HOLES - _LAID) * share)) / _FINE
    borders = _borders(
        labels,
        edges.mask,
        float(sides.mean()),
        lambda share: tell(_HOLES + (1 - _HOLES) * share),
    )
    tell(1)
    return Packing(
        coverage=float(1 - gaps.sum() / area),
        overlap=float(np.maximum(laid - 1, 0).sum() / area),
        spill=beyond / area,
        largest_gap=float(largest / sides.mean()),
        invalid=int((~shapely.is_valid(_polygons(placements))).sum()),
        **borders._asdict(),
        **_variety(placements, group)._asdict(),
    )


def _inscribed(gaps: NDArray[np.bool_], tell: Callable[[float], None]) -> float:
    """Radius of the largest circle in a mask, px; it ends at the picture's rim.

    Band by band: up to the margin around a band no distance can be wrong.
    """
    walled, largest = np.pad(gaps, 1), 0.0
    for top in range(0, len(walled), _BAND):
        tell(top / len(walled))
        margin = _MARGIN
        while True:
            first = max(0, top - margin)
            around = walled[first : top + _BAND + margin]
            depth = ndimage.distance_transform_edt(around)[top - first : top - first + _BAND]
            if depth.max() <= margin or len(around) == len(walled):
                break
            margin *= 2
        largest = max(largest, float(depth.max()))
    return largest


@dataclass(frozen=True, slots=True)
class Likeness:
    """How like its target a mosaic looks.

    Attributes
    ----------
    delta_e_blurred : float
        Mean CIEDE2000 after both are blurred by a third of a tile.
    delta_e_pixel : float
        The same pixel by pixel.
    coverage_alpha : float
        Share of the containers more than half covered by what tiles show: their
        holes do not count.
    """

    delta_e_blurred: float
    delta_e_pixel: float
    coverage_alpha: float


def measure_likeness(
    target: NDArray[np.uint8],
    picture: NDArray[np.uint8],
    alpha: NDArray[np.float32],
    labels: NDArray[np.intp],
    tile_px: float,
    *,
    progress: Progress = silent,
) -> Likeness:
    """Compare a mosaic with its target, where it is to be filled.

    Parameters
    ----------
    target, picture : ndarray of shape (H, W, 3), uint8 sRGB
    alpha : ndarray of shape (H, W), float32
        How far tiles cover each pixel, 0 to 1.
    labels : ndarray of shape (H, W), intp
        -1 where nothing is to be filled.
    tile_px : float
        Mean side of a tile, px.
    progress : callable
        Called with steps of the phase ``"measure"``, counted in rows.
    """
    sigma = tile_px / 3
    reach = int(_TRUNCATE * sigma + 0.5)
    count, soft, sharp, covered = 0, 0.0, 0.0, 0
    for top in range(0, len(labels), _BAND):
        progress(Step("measure", top, len(labels)))
        inside = labels[top : top + _BAND] >= 0
        first = max(0, top - reach)
        around = slice(first, top + len(inside) + reach)
        both = [to_space(p[around], "lab") for p in (target, picture)]
        blurred = [ndimage.gaussian_filter(p, (sigma, sigma, 0), truncate=_TRUNCATE) for p in both]
        here = slice(top - first, top - first + len(inside))
        soft += _sum_delta_e(*(p[here][inside] for p in blurred))
        sharp += _sum_delta_e(*(p[here][inside] for p in both))
        covered += int((alpha[top : top + _BAND][inside] > 0.5).sum())
        count += int(inside.sum())
    progress(Step("measure", len(labels), len(labels)))
    return Likeness(
        delta_e_blurred=soft / max(1, count),
        delta_e_pixel=sharp / max(1, count),
        coverage_alpha=covered / max(1, count),
    )


class _Borders(NamedTuple):
    border_mean_px: float
    border_recall: float
    border_precision: float
    border_control: float


class _Variety(NamedTuple):
    distinct: int
    effective: float
    max_reuse: int


class _Edges:
    """A raster on which the outlines of tiles are drawn."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.image = Image.new("1", (shape[1], shape[0]))
        self.pen = ImageDraw.Draw(self.image)

    def draw(self, contour: NDArray[np.float64]) -> None:
        closed = np.concatenate([contour, contour[:1]]) - 0.5
        self.pen.line([(x, y) for x, y in closed], fill=1)

    @property
    def mask(self) -> NDArray[np.bool_]:
        return np.asarray(self.image)


def _borders(
    labels: NDArray[np.intp],
    edges: NDArray[np.bool_],
    side: float,
    tell: Callable[[float], None],
) -> _Borders:
    """Compare the borders of containers with the edges of tiles on the fine raster."""
    fine = np.repeat(np.repeat(labels, _FINE, 0), _FINE, 1)
    border = np.zeros(fine.shape, bool)
    border[:, 1:] |= fine[:, 1:] != fine[:, :-1]
    border[1:] |= fine[1:] != fine[:-1]
    # The picture's own rim is a wall as well, but no border anybody sees.
    if not border.any():
        return _Borders(0.0, 1.0, 1.0, 1.0)
    if not edges.any():
        return _Borders(float(np.hypot(*labels.shape)), 0.0, 1.0, 0.0)
    to_edge = _distances(border, edges)
    tell(1 / 3)
    to_border = _distances(edges, border)
    tell(2 / 3)
    beside = to_border[to_border <= side / 4]
    moved = np.roll(border, round(side / 2 * _FINE), (0, 1))
    return _Borders(
        border_mean_px=float(to_edge.mean()),
        border_recall=float((to_edge <= _NEAR_PX).mean()),
        border_precision=float((beside <= _NEAR_PX).mean()) if len(beside) else 1.0,
        border_control=float((_distances(moved, edges) <= _NEAR_PX).mean()),
    )


def _distances(pixels: NDArray[np.bool_], others: NDArray[np.bool_]) -> NDArray[np.float64]:
    """How far each of some pixels is from the nearest of others, px of the packing raster."""
    # A transform of the whole raster takes six times as long: few of its pixels are lines.
    tree = cKDTree(np.argwhere(others), compact_nodes=False, balanced_tree=False)
    return np.asarray(tree.query(np.argwhere(pixels))[0] / _FINE)


def _variety(placements: Sequence[Placement], group: NDArray[np.intp]) -> _Variety:
    if not placements:
        return _Variety(0, 0.0, 0)
    _, uses = np.unique(group[[p.tile for p in placements]], return_counts=True)
    share = uses / uses.sum()
    return _Variety(len(uses), float(np.exp(-(share * np.log(share)).sum())), int(uses.max()))


def _polygons(placements: Sequence[Placement]) -> NDArray[np.object_]:
    return np.array([shapely.Polygon(p.contour) for p in placements], object)


def _sum_delta_e(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    chunks = range(0, len(one), 1 << 20)  # the formula has dozens of temporaries
    return sum(
        float(delta_e_2000(one[i : i + (1 << 20)], other[i : i + (1 << 20)]).sum(dtype=float))
        for i in chunks
    )
