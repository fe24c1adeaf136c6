"""Near-duplicates: photos so alike that a mosaic should count them as one."""

import numpy as np
from numpy.typing import NDArray

from smalti.core.scratch import let_go

# A step between neighbouring blocks counts from here on, in gray levels of
# 255: noise on a plain sky then leaves the hash alone.
_STEP = 2.0

_BAND_BITS = 16
_DISTANCE = 6  # bits two hashes may differ in; the block means decide
_NEIGHBOURS = 8  # compared with each photo of a bucket, so thousands of flat ones cost no more
_BRIGHTER = 12.0  # mean luminance two twins may differ in, of 255
_SIDE = 8  # blocks a side of what is compared
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_CHUNK = 4096  # rows at a time, which bounds memory
_PAIRS = 512  # pairs at a time: of a file the system brings in 64 kB around each of the two

FINGERPRINT = np.dtype([("hash", "u8"), ("means", "f4", (_SIDE * _SIDE, 3))])
"""What `fingerprints` keeps of a photo."""


def fingerprints(thumbs: NDArray[np.uint8]) -> NDArray[np.void]:
    """Keep of each thumbnail what tells near-duplicates.

    Parameters
    ----------
    thumbs : ndarray of shape (m, S, S, 3), uint8
        sRGB, S at least 9.

    Returns
    -------
    ndarray of shape (m,), FINGERPRINT
        ``hash`` has a bit for each two neighbours of 8 rows of 9 block means:
        whether the luminance rises from left to right [1]_. ``means`` are those
        of 8 rows of 8 blocks.

    References
    ----------
    .. [1] N. Krawetz, "Kind of Like That", hackerfactor.com, 2013.
    """
    prints = np.empty(len(thumbs), FINGERPRINT)
    for start in range(0, len(thumbs), _CHUNK):
        part = slice(start, start + _CHUNK)
        bits = np.diff(_block_means(thumbs[part], 8, 9) @ _LUMA, axis=2) > _STEP
        prints["hash"][part] = np.packbits(bits.reshape(-1, 64), axis=1).view(np.uint64).ravel()
        means = _block_means(thumbs[part], _SIDE, _SIDE)
        prints["means"][part] = means.reshape(-1, _SIDE * _SIDE, 3)
    return prints


def twin_groups(prints: NDArray[np.void]) -> NDArray[np.intp]:
    """Give near-duplicates the same number.

    Two photos are twins when their hashes agree in one band of 16 bits and in
    nearly all others, and their block means differ by no more than
    recompressing, resizing or slightly brightening does. What is allowed
    shrinks with their contrast: plain ones are twins only when nobody could
    tell them apart.

    Parameters
    ----------
    prints : ndarray of shape (m,), FINGERPRINT
        From `fingerprints`.

    Returns
    -------
    ndarray of shape (m,), intp
        Group of each photo, 0, 1, 2, ... in order of first appearance.
    """
    m, looks = len(prints), prints["means"]
    hashes = np.empty(m, np.uint64)
    contrast, colour = np.empty(m, np.float32), np.empty((m, 3), np.float32)
    for start in range(0, m, _CHUNK):
        part = slice(start, start + _CHUNK)
        hashes[part] = prints["hash"][part]
        contrast[part] = np.sqrt(looks[part].var(axis=1).mean(axis=1))
        colour[part] = looks[part].mean(axis=1)
        let_go(prints)
    luminance = colour @ _LUMA

    leader = np.arange(m)
    members = np.ones(m, np.intp)
    for shift in range(0, 64, _BAND_BITS):
        band = (hashes >> np.uint64(shift)).astype(np.uint16)
        order = np.lexsort((luminance, band))
        for step in range(1, min(_NEIGHBOURS + 1, m)):
            a, b = order[:-step], order[step:]
            near = (
                (band[a] == band[b])
                & (luminance[b] - luminance[a] <= _BRIGHTER)
                & (np.bitwise_count(hashes[a] ^ hashes[b]) <= _DISTANCE)
                & (leader[a] != leader[b])
            )
            a, b = a[near], b[near]
            # The detail of two differs by no less than their contrasts: most need no look.
            lesser = np.minimum(contrast[a], contrast[b])
            near = np.abs(contrast[a] - contrast[b]) <= 0.01 + _detail_within(lesser)
            shade = np.sqrt(np.square(colour[a] - colour[b]).mean(axis=1))
            near &= shade <= 0.01 + _shade_within(lesser)
            a, b = a[near], b[near]
            twins = _alike(looks, contrast, a, b)
            for i, j in zip(a[twins].tolist(), b[twins].tolist(), strict=True):
                _join(_find(leader, i), _find(leader, j), leader, members, looks, contrast)
            while not np.array_equal(leader[leader], leader):
                leader = leader[leader]
    _, first, group = np.unique(leader, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[group]


def _block_means(thumbs: NDArray[np.uint8], rows: int, columns: int) -> NDArray[np.float32]:
    """Average (m, S, S, 3) thumbnails to (m, rows, columns, 3)."""
    side = thumbs.shape[1]
    down, across = np.arange(rows) * side // rows, np.arange(columns) * side // columns
    sums = np.add.reduceat(thumbs, down, axis=1, dtype=np.uint32)
    sums = np.add.reduceat(sums, across, axis=2)
    areas = np.diff(down, append=side)[:, None] * np.diff(across, append=side)
    means: NDArray[np.float32] = np.divide(sums, areas[:, :, None], dtype=np.float32)
    return means


def _alike(
    looks: NDArray[np.float32],
    contrast: NDArray[np.float32],
    a: NDArray[np.intp],
    b: NDArray[np.intp],
) -> NDArray[np.bool_]:
    """Say which pairs differ by little: first in colour over all, then in detail.

    The limits were set by looking at 3000 real tiles of 32 px, enlarged to
    128 px, and their copies (JPEG 60, halved, 5 % brighter): in 99 of 100 the
    detail differs by at most 1.1, 2.3 and 3.7 levels of 255.
    """
    alike = np.empty(len(a), np.bool_)
    for start in range(0, len(a), _PAIRS):
        part = slice(start, start + _PAIRS)
        difference = looks[a[part]] - looks[b[part]]
        shift = difference.mean(axis=1)
        shade = np.sqrt(np.square(shift).mean(axis=1))
        detail = np.sqrt(np.square(difference - shift[:, None]).mean(axis=(1, 2)))
        lesser = np.minimum(contrast[a[part]], contrast[b[part]])
        alike[part] = (shade <= _shade_within(lesser)) & (detail <= _detail_within(lesser))
        let_go(looks)
    return alike


def _shade_within(contrast: NDArray[np.float32]) -> NDArray[np.float32]:
    return 1 + np.float32(0.5) * contrast


def _detail_within(contrast: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.float32(0.8) + np.float32(0.1) * contrast


def _find(leader: NDArray[np.intp], i: int) -> int:
    while leader[i] != i:
        i = int(leader[i])
    return i


def _join(
    i: int,
    j: int,
    leader: NDArray[np.intp],
    members: NDArray[np.intp],
    looks: NDArray[np.float32],
    contrast: NDArray[np.float32],
) -> None:
    """Unite two groups if their leaders are twins, too.

    Else a row of skies, each a little lighter than the one before, would all
    be one.
    """
    if i == j or not _alike(looks, contrast, np.array([i]), np.array([j]))[0]:
        return
    if members[i] < members[j]:
        i, j = j, i
    leader[j] = i
    members[i] += members[j]
