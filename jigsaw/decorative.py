"""Mosaics of one-coloured tiles: the decorative mosaics and Voronoi pictures JIM generalises."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from scipy.cluster.vq import kmeans, vq
from scipy.spatial import cKDTree

from smalti.core.color import from_lab
from smalti.core.errors import BadInput
from smalti.core.progress import Progress, Step, silent
from smalti.jigsaw.contour import centroid, coverage, from_mask, resampled, signed_area
from smalti.jigsaw.cvd import lloyd
from smalti.jigsaw.placement import Placement
from smalti.jigsaw.pose import Pose, placed
from smalti.jigsaw.shapes import POINTS

Floats = NDArray[np.float64]
Labels = NDArray[np.intp]
Lab = NDArray[np.float32]

SQUARE: Floats = resampled(np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]]), POINTS)
"""The unit square about the origin; its corners are vertices 0, 16, 32 and 48."""

_COVER = 0.9  # side of a tile along its cell's: Hausner's delta
_SIZES = (0.65, 1.15)  # how far a tile may be from the mean, in sides
_SMOOTH = 0.8  # tiles: sigma over which directions agree
_REACH = 2.0  # tiles: a pixel farther than this from all sites waits until one comes nearer
_BAND = 256  # rows of output at a time


def decorative(
    labels: Labels,
    goal: Lab,
    *,
    tiles: int,
    steps: int = 30,
    palette: int = 64,
    rng: np.random.Generator,
    progress: Progress = silent,
) -> tuple[list[Placement], Lab]:
    """Lay square tiles of one colour along the borders of the containers.

    Sites move to the centroids of their cells; a cell is what lies nearest in
    the Manhattan metric whose balls are squares along the field of directions,
    in the site's own container, so that no tile straddles a border.

    Parameters
    ----------
    labels : ndarray of shape (H, W), intp
        Containers; negative is not to be filled.
    goal : ndarray of shape (H, W, 3), float32
        CIELAB colours wanted.
    tiles : int
        How many; no more come out than there are pixels to fill.
    steps : int
        Of Lloyd's iteration.
    palette : int
        Distinct colours at most; 0 leaves every tile the colour it wants.
    rng : numpy.random.Generator
    progress : callable
        Called with steps of the phase ``"pack"``.

    Returns
    -------
    placements : list of n Placement
        Their `tile` is their own number, their `scale` the square's side.
    colours : ndarray of shape (n, 3), float32
        CIELAB.

    References
    ----------
    .. [1] A. Hausner, "Simulating Decorative Mosaics", SIGGRAPH 2001: the
       metric, the field, the cells by z-buffer and the tiles' size.
    .. [2] G. Di Blasi, G. Gallo, "Artificial mosaics", The Visual Computer 21,
       2005: sites begin in rows along the borders.
    .. [3] J. Kim, F. Pellacini, "Jigsaw Image Mosaics", 2002, section 4.1.
    """
    _check(labels, tiles)
    shares = _shares(labels, tiles)
    if not shares:
        return [], np.empty((0, 3), np.float32)
    progress(Step("pack", 0, steps, "laying tiles"))
    mean = math.sqrt((labels >= 0).sum() / sum(shares.values()))
    field = directions(labels, mean)
    boxes = ndimage.find_objects(np.maximum(labels, -1) + 1)
    sites = np.concatenate([_rows(labels, one, boxes[one], n, rng) for one, n in shares.items()])
    owner = np.repeat(list(shares), list(shares.values()))
    centres = np.indices(labels.shape)[::-1].transpose(1, 2, 0) + 0.5
    for step in range(steps):
        progress(Step("pack", step, steps, "laying tiles"))
        cells, _ = square_cells(labels, sites, _at(field, sites), owner, _REACH * mean)
        sites = _means(centres, cells, sites)
    theta = _at(field, sites)
    cells, distance = square_cells(labels, sites, theta, owner, _REACH * mean)
    area = np.bincount(cells[cells >= 0], minlength=len(sites))
    sides = _COVER * np.clip(np.sqrt(area), *np.multiply(_SIZES, mean))
    under = (cells >= 0) & (distance <= sides[cells] / 2)
    wanted = _means(goal, np.where(under, cells, -1), _at(goal, sites)).astype(np.float32)
    colours = _in_palette(wanted, palette, rng)
    progress(Step("pack", steps, steps, "laying tiles"))
    poses = [Pose(*values) for values in np.column_stack([theta, sides, sites]).tolist()]
    return [
        Placement(i, int(owner[i]), pose, placed(SQUARE, pose)) for i, pose in enumerate(poses)
    ], colours


def voronoi(
    labels: Labels,
    goal: Lab,
    *,
    tiles: int,
    steps: int = 0,
    rng: np.random.Generator,
    progress: Progress = silent,
) -> tuple[list[Placement], Lab]:
    """Fill the containers with Voronoi cells about random sites, each of its site's colour.

    Parameters
    ----------
    labels : ndarray of shape (H, W), intp
        Containers; negative is not to be filled.
    goal : ndarray of shape (H, W, 3), float32
        CIELAB colours wanted.
    tiles : int
        How many sites; a cell thinner than two pixels makes no tile.
    steps : int
        Of Lloyd's iteration, which make the cells more and more alike.
    rng : numpy.random.Generator
    progress : callable
        Called with steps of the phase ``"pack"``.

    Returns
    -------
    placements : list of n Placement
        Their `tile` is their own number; `theta` is 0, (x, y) the centroid.
    colours : ndarray of shape (n, 3), float32
        CIELAB.

    References
    ----------
    .. [1] P. Haeberli, "Paint by Numbers", SIGGRAPH 1990.
    """
    _check(labels, tiles)
    placements: list[Placement] = []
    colours = []
    cells = np.zeros(labels.shape, np.intp)  # from 1
    owner: list[int] = []
    all_sites: list[list[float]] = []
    shares = _shares(labels, tiles)
    for one, n in shares.items():
        progress(Step("pack", len(owner), sum(shares.values()), "laying sites"))
        pixels = _pixels(labels == one)
        sites = rng.permutation(pixels)[:n]
        sites = lloyd(pixels, np.ones(len(pixels)), sites, steps)
        cells[labels == one] = 1 + len(owner) + cKDTree(sites).query(pixels)[1]
        owner += [one] * n
        all_sites += sites.tolist()
    for i, box in enumerate(ndimage.find_objects(cells)):
        if i % 256 == 0:
            progress(Step("pack", i, len(owner), "cutting cells"))
        if box is None:
            continue
        try:
            contour = from_mask(cells[box] == i + 1, POINTS)
        except BadInput:
            continue
        contour += (box[1].start, box[0].start)
        pose = Pose(0.0, math.sqrt(signed_area(contour)), *centroid(contour).tolist())
        placements.append(Placement(len(placements), owner[i], pose, contour))
        colours.append(_at(goal, np.array(all_sites[i])))
    return placements, np.array(colours, np.float32).reshape(-1, 3)


def flat_picture(
    placements: Sequence[Placement],
    colours: Lab,
    *,
    size: tuple[float, float],
    scale: float = 1.0,
    background: NDArray[np.uint8],
) -> Iterator[NDArray[np.uint8]]:
    """Draw tiles of one colour each, a band of rows after the other.

    Each pixel mixes what covers it by exact area, so that tiles which share an
    edge show no seam, and those which overlap no order.

    Parameters
    ----------
    placements : sequence of n Placement
    colours : ndarray of shape (n, 3), float32
        CIELAB.
    size : tuple of float
        (W, H) of the mosaic in packing px, which the contours are given in.
    scale : float
        Output px a packing px.
    background : ndarray of shape (h, w, 3), uint8
        sRGB seen between the tiles; resampled. The target itself hides the pinholes
        where the corners of `voronoi` cells meet.

    Yields
    ------
    ndarray of shape (rows, round(scale W), 3), uint8
        Bands of sRGB, from top to bottom, round(scale H) rows in all.
    """
    width, height = (max(1, round(scale * side)) for side in size)
    behind = Image.fromarray(background)
    paint = np.clip(from_lab(colours), 0, 255)
    spans = np.array([(p.contour[:, 1].min(), p.contour[:, 1].max()) for p in placements]).reshape(
        -1, 2
    )
    for first in range(0, height, _BAND):
        end = min(first + _BAND, height)
        strip = (0, first / height * behind.height, behind.width, end / height * behind.height)
        band = behind.resize((width, end - first), Image.Resampling.BICUBIC, box=strip)
        covered = np.zeros((end - first, width, 1), np.float32)
        mixed = np.zeros((end - first, width, 3), np.float32)
        for i in np.flatnonzero(
            (spans[:, 0] * scale < end) & (spans[:, 1] * scale > first)
        ).tolist():
            _lay(placements[i].contour * scale - (0, first), paint[i], covered, mixed)
        mixed += np.maximum(1 - covered, 0) * np.asarray(band)
        yield np.rint(mixed / np.maximum(covered, 1)).astype(np.uint8)


def _lay(contour: Floats, paint: Lab, covered: Lab, mixed: Lab) -> None:
    """Add a tile's share of every pixel, and its paint."""
    rows, columns = covered.shape[:2]
    left, top = np.maximum(np.floor(contour.min(axis=0)), 0).astype(int)
    right, bottom = np.minimum(np.ceil(contour.max(axis=0)), (columns, rows)).astype(int)
    if left < right and top < bottom:
        share = coverage(contour - (left, top), (bottom - top, right - left))[..., None]
        covered[top:bottom, left:right] += share
        mixed[top:bottom, left:right] += share * paint


def directions(labels: Labels, tile_px: float) -> Floats:
    """Point everywhere along or across the nearest border.

    Squares look the same after a quarter turn: it is four times the angle that
    is smoothed, and in a right-angled corner both sides agree.

    Parameters
    ----------
    labels : ndarray of shape (H, W), intp
        Containers; the picture's frame is a border, too.
    tile_px : float
        Side of a mean tile, px: directions agree over less than that.

    Returns
    -------
    ndarray of shape (H, W), float64
        Radians in (-pi/4, pi/4], from the x axis towards the y axis.
    """
    depth, y, x = _depth(labels)
    rows, columns = np.indices(labels.shape)
    cross = np.exp(4j * np.arctan2(y - rows, x - columns))
    weight = (depth > 0) / (1 + depth / tile_px) ** 2  # the border itself points nowhere
    parts = [
        ndimage.gaussian_filter(part * weight, _SMOOTH * tile_px)
        for part in (cross.real, cross.imag)
    ]
    return np.asarray(np.arctan2(parts[1], parts[0]) / 4)


def _depth(labels: Labels) -> tuple[Floats, Labels, Labels]:
    """Distance of every pixel from its container's last pixels, and row and column of those."""
    framed = np.pad(labels, 1, constant_values=-2)
    last = np.zeros(labels.shape, bool)
    for axis in (0, 1):
        for step in (-1, 1):
            last |= (framed != np.roll(framed, step, axis))[1:-1, 1:-1]
    depth, (y, x) = ndimage.distance_transform_edt(~last, return_indices=True)
    return depth, y, x


@njit(cache=True)
def square_cells(
    labels: Labels, sites: Floats, theta: Floats, owner: Labels, reach: float
) -> tuple[Labels, Floats]:
    """Give every pixel to the nearest site of its container, by z-buffer.

    The distance is max(|u|, |v|) along the site's own axes: the Manhattan
    metric turned by 45 degrees, whose balls are squares with sides along them.

    Parameters
    ----------
    labels : ndarray of shape (H, W), intp
    sites : ndarray of shape (s, 2), float64
        (x, y) px.
    theta : ndarray of shape (s,), float64
        Turn of their axes, radians.
    owner : ndarray of shape (s,), intp
        The container of each.
    reach : float
        Along x and y, px: beyond, a site takes no pixel.

    Returns
    -------
    cells : ndarray of shape (H, W), intp
        -1 where there is no site.
    distance : ndarray of shape (H, W), float64
    """
    height, width = labels.shape
    cells = np.full((height, width), -1, np.intp)
    distance = np.full((height, width), np.inf)
    for i in range(len(sites)):
        x, y = sites[i]
        cos, sin = np.cos(theta[i]), np.sin(theta[i])
        for row in range(max(0, int(y - reach)), min(height, int(y + reach) + 1)):
            for column in range(max(0, int(x - reach)), min(width, int(x + reach) + 1)):
                if labels[row, column] != owner[i]:
                    continue
                dx, dy = column + 0.5 - x, row + 0.5 - y
                far = max(abs(cos * dx + sin * dy), abs(cos * dy - sin * dx))
                if far < distance[row, column]:
                    distance[row, column] = far
                    cells[row, column] = i
    return cells, distance


def _check(labels: Labels, tiles: int) -> None:
    if labels.ndim != 2:
        raise BadInput(f"labels have shape {labels.shape}: give (height, width)")
    if tiles < 1:
        raise BadInput(f"tiles is {tiles}: 1 or more")


def _shares(labels: Labels, tiles: int) -> dict[int, int]:
    """Deal tiles to containers by area, one at least while there are enough."""
    names, area = np.unique(labels[labels >= 0], return_counts=True)
    if not len(names):
        return {}
    tiles = min(tiles, int(area.sum()))
    wanted = area * tiles / area.sum()
    least = 1 if tiles >= len(names) else 0
    share = np.clip(wanted.astype(int), least, area)
    while (left := tiles - share.sum()) != 0:
        step = np.sign(left)
        may = share < area if step > 0 else share > least
        share[np.argmax(np.where(may, step * (wanted - share), -np.inf))] += step
    return {int(name): int(n) for name, n in zip(names, share, strict=True) if n}


def _rows(
    labels: Labels, one: int, box: tuple[slice, ...], count: int, rng: np.random.Generator
) -> Floats:
    """Put sites in rows along the border of a container, a tile's side apart."""
    from skimage.measure import find_contours  # 0.3 s

    inside = labels[box] == one
    side = math.sqrt(inside.sum() / count)
    depth = ndimage.distance_transform_edt(np.pad(inside, 1)) - 0.5
    sites = np.empty((0, 2))
    for level in np.arange(0.5, depth.max() / side) * side:
        rings = [ring[:-1, ::-1] - 0.5 for ring in find_contours(depth, level)]
        lengths = [np.hypot(*np.diff(ring, axis=0).T).sum() for ring in rings]
        rows = [resampled(r, max(1, round(n / side))) for r, n in zip(rings, lengths, strict=True)]
        sites = np.concatenate([sites, *rows])
    # In order still: neighbours then meet the same memory, which halves the time.
    sites = sites[np.sort(rng.permutation(len(sites))[:count])]
    pixels = _pixels(inside)
    missing = count - len(sites)
    if missing > 0:  # put where the gaps are wide
        free = cKDTree(sites).query(pixels)[0] if len(sites) else depth[1:-1, 1:-1][inside]
        chance = np.power(free, 4) + 1e-9
        more = rng.choice(len(pixels), missing, replace=False, p=chance / chance.sum())
        sites = np.concatenate([sites, pixels[more]])
    corner = (box[1].start, box[0].start)
    moved: Floats = sites + corner
    return moved


def _pixels(inside: NDArray[np.bool_]) -> Floats:
    """List the centres of pixels, (x, y)."""
    return np.argwhere(inside)[:, ::-1].astype(np.float64) + 0.5


def _at(values: NDArray[Any], sites: Floats) -> NDArray[Any]:
    """Look up the pixels that points (x, y) lie in."""
    rows, columns = values.shape[:2]
    x, y = sites[..., 0].astype(int), sites[..., 1].astype(int)
    return np.asarray(values[y.clip(0, rows - 1), x.clip(0, columns - 1)])


def _means(values: NDArray[Any], cells: Labels, empty: NDArray[Any]) -> Floats:
    """Mean of the values in every cell; for a cell without pixels, those given."""
    cell, count = cells.ravel() + 1, len(empty) + 1  # the first holds what is in no cell
    area = np.bincount(cell, minlength=count)[1:, None]
    columns = values.reshape(-1, values.shape[-1]).T
    sums = np.stack([np.bincount(cell, column, count)[1:] for column in columns], axis=1)
    means: Floats = np.where(area > 0, sums / np.maximum(area, 1), empty).astype(np.float64)
    return means


def _in_palette(colours: Lab, palette: int, rng: np.random.Generator) -> Lab:
    """Replace colours by those of a palette that suits them.

    It is begun from distinct colours, so that the rare ones have their place.
    """
    distinct = np.unique(4 * np.round(colours / 4), axis=0)
    if not 0 < palette < len(distinct):
        return colours
    book, _ = kmeans(colours, rng.permutation(distinct)[:palette])
    return np.asarray(book[vq(colours, book)[0]], np.float32)
