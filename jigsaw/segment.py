"""A picture to containers: regions of one colour whose borders the mosaic shall keep.

Over-segmentation by watershed, then hierarchical merging (paper 004, section 3),
then a clean-up after which every container can hold a tile (section 6.3). A
container is known by its label; -1 marks pixels that are not to be filled.
"""

from heapq import heapify, heappop, heappush

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage.measure import label as components
from skimage.morphology import local_minima, skeletonize
from skimage.restoration import denoise_tv_chambolle
from skimage.segmentation import watershed

from smalti.core.color import to_space
from smalti.core.errors import BadInput

_WORK = 512  # side of the square whose area a picture has while it is segmented
_WORK_FINE = 640  # the same, where parts of it matter more
_TV = 0.08  # weight of the smoothing: takes texture away, keeps borders
_TV_FINE = 0.03  # the same, where smaller tiles are wanted: an eye is texture to the other
_BLUR = 1.5  # of the gradient whose minima become the first regions
_THIN = 0.30  # inscribed radius, in tiles, below which no tile fits
_OPEN = 0.22  # radius, in tiles, of the disc that a part of a container must hold
_ROUND = 0.12  # sigma, in tiles, with which a part is given to its neighbours
_FINAL = 0.14  # the same, of all borders at the end
_ROUNDS = 3
_FINER = 0.8  # of the usual tile: regions that want smaller ones are merged reluctantly
_DEARER = 8 / 3  # how much where all of the picture is such: it is best cut up to 3, not 8
_DEAREST = 10.0  # a smaller part counts as a picture of its own, up to this
_TOUCH = 4  # pixel pairs in which regions may meet across the end of a drawn edge

Labels = NDArray[np.intp]


def segment(
    picture: NDArray[np.uint8],
    *,
    tile_px: float,
    stop: float = 8,
    most: int = 60,
    regions: int | None = None,
    edges: NDArray[np.bool_] | None = None,
    fine: NDArray[np.float32] | None = None,
) -> Labels:
    """Cut a picture into containers of about one colour each.

    Parameters
    ----------
    picture : ndarray of shape (H, W, 3), uint8
        sRGB.
    tile_px : float
        Square root of the mean area of a tile, px of the picture. Containers too
        thin for a tile are given to a neighbour.
    stop : float
        Cost up to which regions are merged; 3 keeps the parts of a face, 12
        gives fewer containers.
    most : int
        Merge on beyond `stop` while there are more regions than this.
    regions : int, optional
        About how many containers are wanted, in place of `stop` and `most`;
        fewer come out where some are too thin for a tile.
    edges : ndarray of shape (H, W), bool, optional
        Lines drawn by hand, at least 8-connected. They become borders, and
        regions are never merged across them (figure 12).
    fine : ndarray of shape (H, W), float32, optional
        Side of the tiles wanted there in parts of `tile_px`, at most 1. Where it
        is less, as in a face, smaller containers are kept, and as many as differ.
        Of no effect together with `regions`.

    Returns
    -------
    ndarray of shape (H, W), intp
        Labels from 0; every pixel has one. Two neighbours share their border.
    """
    if not (tile_px > 0 and most >= 1 and (regions is None or regions >= 1)):
        raise BadInput(
            f"cannot segment for tiles of {tile_px} px, {regions or most} regions: "
            "both must be positive"
        )
    if regions is not None:
        stop, most, fine = -1, regions, None
    height, width = picture.shape[:2]
    if edges is not None and edges.shape != (height, width):
        raise BadInput(
            f"the drawn edges have {edges.shape[1]} x {edges.shape[0]} px, the picture "
            f"{width} x {height}: draw them on a copy of the picture"
        )
    work = _WORK if fine is None else _WORK_FINE
    shrink = min(1.0, work / np.sqrt(height * width))
    rows, columns = max(1, round(height * shrink)), max(1, round(width * shrink))
    small = Image.fromarray(picture).resize((columns, rows), Image.Resampling.BOX)
    drawn = _drawn(edges, rows, columns)
    share = np.ones((rows, columns))
    if fine is not None:
        share *= np.asarray(Image.fromarray(fine).resize((columns, rows), Image.Resampling.NEAREST))
    side = tile_px * shrink * share
    smooth = denoise_tv_chambolle(np.asarray(small) / 255, _TV, channel_axis=2)
    if fine is not None:
        finer = share < _FINER
        for box in ndimage.find_objects(ndimage.label(finer)[0]):
            part = np.asarray(small)[box] / 255
            sharp = denoise_tv_chambolle(part, _TV_FINE, channel_axis=2)
            smooth[box] = np.where(finer[box][..., None], sharp, smooth[box])
    lab = to_space(255 * smooth, "lab")

    slope = np.sqrt(sum(_slope(lab[..., i]) ** 2 for i in range(3)))
    # Drawn edges are ridges above all others: basins never reach across them.
    soft = np.where(drawn, np.inf, ndimage.gaussian_filter(slope, _BLUR))
    framed = np.pad(soft, 1, constant_values=np.inf)  # else a picture of one colour has no minimum
    basins = components(local_minima(framed, connectivity=1)[1:-1, 1:-1], connectivity=1)
    labels = watershed(np.where(drawn, np.inf, slope), basins)
    labels = _merged(labels - 1, lab, slope, drawn, stop, most, share)
    labels = _tidied(labels, side, lab, drawn)
    labels = _enlarged(labels, _FINAL * side, height, width)
    inside = labels >= 0
    labels[inside] = _renumbered(labels[inside])  # a small one may have given way
    return labels


def tidied(labels: Labels, tile_px: float) -> Labels:
    """Give the parts of containers that are too thin for a tile to a neighbour.

    Section 6.3. What has no neighbour but pixels labelled -1 stays as it is.

    Parameters
    ----------
    labels : ndarray of shape (H, W), intp
        Containers, in any numbering; -1 is not to be filled, and remains so.
    tile_px : float
        Square root of the mean area of a tile, px.

    Returns
    -------
    ndarray of shape (H, W), intp
        Labels from 0, one for every connected container.
    """
    nothing = np.zeros(labels.shape, bool)
    side = np.full(labels.shape, float(tile_px))
    return _tidied(labels, side, np.zeros((*labels.shape, 3), np.float32), nothing)


def from_labels(image: NDArray[np.integer]) -> Labels:
    """Read containers from the user's own label image: one for each distinct colour.

    Parameters
    ----------
    image : ndarray of shape (H, W) or (H, W, 1 to 4), integers of up to 16 bits
        Grey values or colours; where the last of 2 or 4 channels, the opacity,
        is 0, nothing is to be filled.

    Returns
    -------
    ndarray of shape (H, W), intp
        Labels from 0 in the order of the colours; -1 where nothing is filled.
    """
    channels = image[..., None] if image.ndim == 2 else image
    if channels.ndim != 3 or not 1 <= channels.shape[2] <= 4 or channels.dtype.itemsize > 2:
        raise BadInput(
            f"a label image of shape {image.shape}, {image.dtype} cannot be used: "
            "give grey or colour values of 8 or 16 bits"
        )
    clear = np.zeros(channels.shape[:2], bool)
    if channels.shape[2] in (2, 4):
        clear = channels[..., -1] == 0
        channels = channels[..., :-1]
    code = np.zeros(clear.shape, np.int64)
    for i in range(channels.shape[2]):
        code = code << 16 | (channels[..., i].astype(np.int64) & 0xFFFF)
    labels = np.full(clear.shape, -1, np.intp)
    labels[~clear] = np.unique(code[~clear], return_inverse=True)[1].ravel()
    return labels


def from_mask(mask: NDArray[np.bool_]) -> Labels:
    """Make one container, label 0, of a mask; all else, -1, is not to be filled."""
    return np.where(mask, 0, -1).astype(np.intp)


def _drawn(edges: NDArray[np.bool_] | None, rows: int, columns: int) -> NDArray[np.bool_]:
    """Bring drawn edges to the work size, as lines one pixel wide."""
    drawn = np.zeros((rows, columns), bool)
    if edges is not None:
        y, x = np.nonzero(edges)
        drawn[y * rows // edges.shape[0], x * columns // edges.shape[1]] = True
    return np.asarray(skeletonize(drawn), bool) & ~drawn.all()


def _slope(channel: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(ndimage.gaussian_gradient_magnitude(channel, 1.0), np.float32)


def _borders(
    labels: Labels, drawn: NDArray[np.bool_], slope: NDArray[np.float32]
) -> list[dict[int, NDArray[np.float64]]]:
    """List every region's neighbours: pixel pairs between them, those drawn, summed slope."""
    rows = []
    for there, here in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        a, b = labels[here], labels[there]
        at = (a != b) & (a >= 0) & (b >= 0)
        low, high = np.minimum(a, b)[at], np.maximum(a, b)[at]
        line = (drawn[here] | drawn[there])[at]
        rows.append(np.stack([low, high, line, (slope[here] + slope[there])[at] / 2]))
    low, high, line, steep = np.concatenate(rows, axis=1)
    count = int(labels.max()) + 1
    keys, which, length = np.unique(low * count + high, return_inverse=True, return_counts=True)
    sums = np.stack([length, np.bincount(which, line), np.bincount(which, steep)], axis=1)
    borders: list[dict[int, NDArray[np.float64]]] = [{} for _ in range(count)]
    for key, border in zip(keys.astype(int).tolist(), sums, strict=True):
        a, b = divmod(key, count)
        borders[a][b] = borders[b][a] = border
    return borders


def _walled(border: NDArray[np.float64]) -> bool:
    """Whether a drawn edge keeps two regions apart."""
    return bool(border[1] > min(_TOUCH, border[0] / 2))


def _join(borders: list[dict[int, NDArray[np.float64]]], gone: int, into: int) -> None:
    """Hand a region's neighbours to another region."""
    for other, border in borders[gone].items():
        del borders[other][gone]
        if other != into:
            both = border + borders[into].get(other, 0)
            borders[into][other] = borders[other][into] = both
    borders[gone] = {}


def _merged(
    labels: Labels,
    lab: NDArray[np.float32],
    slope: NDArray[np.float32],
    drawn: NDArray[np.bool_],
    stop: float,
    most: int,
    share: NDArray[np.float64],
) -> Labels:
    """Merge the two neighbours that cost least, until the least cost exceeds `stop`.

    The cost of a and b is h^0.6 (|Lab a - Lab b|^2 / 2 + e^2), h = n_a n_b / (n_a + n_b)
    in parts of the picture, e twice the mean slope along their border. Where finer tiles are
    wanted it is dearer, and `most` does not count.
    """
    size, mean = _means(labels, lab)
    inside = labels >= 0
    wanted = np.bincount(labels[inside], share[inside]) / size
    finer = wanted < _FINER
    of_picture = max(float(np.mean(share < _FINER)), 1e-3)
    dear = min(_DEAREST, _DEARER * of_picture**-0.6)
    size /= labels.size
    borders = _borders(labels, drawn, slope)

    def cost(a: int, b: int) -> float:
        border = borders[a][b]
        if _walled(border):
            return np.inf
        apart, edge = mean[a] - mean[b], 2 * border[2] / border[0]
        dearer = dear if finer[a] or finer[b] else 1.0
        return float(
            dearer
            * (size[a] * size[b] / (size[a] + size[b])) ** 0.6
            * (apart @ apart / 2 + edge**2)
        )

    heap = [(cost(a, b), a, b) for a, near in enumerate(borders) for b in near if a < b]
    heapify(heap)
    left = len(size) - int(finer.sum())
    into = np.arange(len(size))
    while heap:
        price, a, b = heappop(heap)
        if price == np.inf or (price > stop and left <= most):
            break
        if price > stop and (finer[a] or finer[b]):
            continue
        if b not in borders[a] or cost(a, b) != price:
            continue  # an older price of a pair that has changed since
        if size[a] < size[b]:
            a, b = b, a
        mean[a] = (size[a] * mean[a] + size[b] * mean[b]) / (size[a] + size[b])
        left -= int(not finer[a]) + int(not finer[b])
        wanted[a] = (size[a] * wanted[a] + size[b] * wanted[b]) / (size[a] + size[b])
        finer[a] = wanted[a] < _FINER
        left += int(not finer[a])
        size[a] += size[b]
        into[b] = a
        _join(borders, b, a)
        for other in borders[a]:
            heappush(heap, (cost(*(pair := (min(a, other), max(a, other)))), *pair))
    return _followed(into)[labels]


def _means(labels: Labels, lab: NDArray[np.float32]) -> tuple[NDArray[np.float64], ...]:
    """Pixels and mean colour of every region."""
    flat = labels.ravel()
    inside = flat >= 0
    size = np.bincount(flat[inside]).astype(float)
    sums = [np.bincount(flat[inside], lab[..., i].ravel()[inside]) for i in range(3)]
    return size, np.stack(sums, axis=1) / np.maximum(size, 1)[:, None]


def _followed(into: Labels) -> Labels:
    """Follow merges to the region that remains."""
    while not np.array_equal(into[into], into):
        into = into[into]
    return into


def _tidied(
    labels: Labels, side: NDArray[np.float64], lab: NDArray[np.float32], drawn: NDArray[np.bool_]
) -> Labels:
    """Merge what is too thin, then give thin parts away and round borders, in turns."""
    labels = _without_thin(labels, side, lab, drawn)
    for _ in range(_ROUNDS):
        # All openings at once: a pixel within reach of a region's core lies in that region,
        # as the disc about a pixel of the core does.
        core = _depth(labels) > _OPEN * side
        if not core.any():
            break
        kept = (ndimage.distance_transform_edt(~core) <= _OPEN * side) | (labels < 0)
        filled = _nearest(labels, kept)
        soft = _enlarged(filled, _ROUND * side, *labels.shape)
        labels = _without_thin(np.where(kept, filled, soft), side, lab, drawn)
    return labels


def _nearest(labels: Labels, kept: NDArray[np.bool_]) -> Labels:
    """Fill what is not kept with the nearest kept container; where there is none, keep all."""
    sources = kept & (labels >= 0)
    if not sources.any():
        return labels
    y, x = ndimage.distance_transform_edt(~sources, return_distances=False, return_indices=True)
    return np.where(kept, labels, labels[y, x])


def _depth(labels: Labels) -> NDArray[np.float64]:
    """Distance of every pixel from the border of its region or of the picture."""
    framed = np.pad(labels, 1, constant_values=-2)
    edge = np.zeros(framed.shape, bool)
    for axis in (0, 1):
        for step in (-1, 1):
            edge |= framed != np.roll(framed, step, axis)
    depth = ndimage.distance_transform_edt(~edge)[1:-1, 1:-1] + 0.5
    return np.asarray(np.where(labels < 0, 0, depth))


def _without_thin(
    labels: Labels, side: NDArray[np.float64], lab: NDArray[np.float32], drawn: NDArray[np.bool_]
) -> Labels:
    """Merge connected regions of inscribed radius < 0.30 tiles, the thinnest first.

    Into the neighbour of least (dE + 3) / sqrt(share of the border); no merge
    reaches across a drawn edge. Returns labels from 0, one per connected region.
    """
    labels = np.asarray(components(labels, background=-1, connectivity=1), np.intp) - 1
    count = int(labels.max()) + 1
    if count < 2:
        return labels
    size, mean = _means(labels, lab)
    inside = labels >= 0
    radius = np.zeros(count)  # in tiles
    np.maximum.at(radius, labels[inside], (_depth(labels) / side)[inside])
    borders = _borders(labels, drawn, np.zeros(labels.shape, np.float32))
    into = np.arange(count)
    thin = [(radius[a], a) for a in range(count) if radius[a] < _THIN]
    heapify(thin)
    while thin:
        was, a = heappop(thin)
        open_to = [b for b, border in borders[a].items() if not _walled(border)]
        if into[a] != a or was != radius[a] or not open_to:
            continue
        ring = sum(border[0] for border in borders[a].values())
        away = np.linalg.norm(mean[open_to] - mean[a], axis=1) + 3
        share = np.array([borders[a][b][0] for b in open_to]) / ring
        b = open_to[int(np.argmin(away / np.sqrt(share)))]
        mean[b] = (size[a] * mean[a] + size[b] * mean[b]) / (size[a] + size[b])
        size[b] += size[a]
        into[a] = b
        _join(borders, a, b)
        # Together they are at least as thick as the thicker: the true radius costs another
        # transform and changes little.
        if radius[b] < radius[a]:
            radius[b] = radius[a]
            if radius[b] < _THIN:
                heappush(thin, (radius[b], b))
    return np.where(inside, _renumbered(_followed(into))[labels], -1)


def _renumbered(labels: Labels) -> Labels:
    """Close the gaps in a numbering from 0; sorting the pixels would take half of all the time."""
    there = np.bincount(labels.ravel()) > 0
    return np.asarray((np.cumsum(there) - 1)[labels], np.intp)


def _enlarged(labels: Labels, blur: NDArray[np.float64], height: int, width: int) -> Labels:
    """Smooth all borders at once, on the way to a larger size.

    Each region's indicator is blurred, by the mean of `blur` in it, and enlarged; a
    pixel belongs to the region whose indicator is highest there. Pixels labelled -1
    take no part.
    """
    rows, columns = labels.shape
    inside = labels >= 0
    sigmas = np.bincount(labels[inside], blur[inside]) / np.bincount(labels[inside]).clip(1)
    best = np.zeros((height, width), np.float32)
    out = np.full((height, width), -1, np.intp)
    for number, box in enumerate(ndimage.find_objects(labels + 1)):
        if box is None:  # drawn edges left nothing of it
            continue
        sigma = float(sigmas[number])
        margin = int(np.ceil(4 * sigma)) + 2
        top, bottom = max(0, box[0].start - margin), min(rows, box[0].stop + margin)
        left, right = max(0, box[1].start - margin), min(columns, box[1].stop + margin)
        soft = (labels[top:bottom, left:right] == number).astype(np.float32)
        soft = ndimage.gaussian_filter(soft, sigma, mode="nearest")
        # The whole pixels of the enlarged picture within the crop, and where they lie in it.
        y0, y1 = -(-top * height // rows), bottom * height // rows
        x0, x1 = -(-left * width // columns), right * width // columns
        part = (
            x0 * columns / width - left,
            y0 * rows / height - top,
            x1 * columns / width - left,
            y1 * rows / height - top,
        )
        grown = np.asarray(
            Image.fromarray(soft).resize((x1 - x0, y1 - y0), Image.Resampling.BILINEAR, box=part)
        )
        window = np.s_[y0:y1, x0:x1]
        higher = grown > best[window]
        best[window][higher] = grown[higher]
        out[window][higher] = number
    return out
