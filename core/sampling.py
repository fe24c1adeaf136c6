"""Even samples of feature rows, whatever their size.

A random third of the cells and a random third of the photos differ by chance in how
many dark ones they hold, and so in what a dark photo is worth. A stratified sample
takes its share of every region instead (Cochran, *Sampling Techniques*, chapter 5).
"""

import numpy as np
from numpy.typing import NDArray

_FEATURES = 64  # about as many are looked at
_AXES = 8
_BOX = 8  # rows that need no further order


def spread(
    rows: NDArray[np.float32] | NDArray[np.uint8], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Find numbers in 0 to 1 such that the rows below any limit are an even sample of all.

    Rows are put in the order of a k-d tree along their principal axes, and that order
    is walked in steps of the golden ratio.

    Parameters
    ----------
    rows : ndarray of shape (n, k), float32 or uint8
    rng : numpy.random.Generator
        Chooses among the samples.

    Returns
    -------
    ndarray of shape (n,), float64
    """
    n = len(rows)
    some = rows[:, :: rows.shape[1] // _FEATURES | 1]  # odd: every channel of a colour
    data = some - (some.sum(0, dtype=np.float64) / max(n, 1)).astype(np.float32)
    variance, axes = np.linalg.eigh(data.T @ data)
    variance = variance[::-1][:_AXES].copy()
    along = data @ axes[:, ::-1][:, :_AXES]
    along -= along.min(0, initial=np.inf)
    along /= np.maximum(along.max(0, initial=0), 1e-30) * 1.001
    box, order = np.zeros(n), np.arange(n)
    boxes = 1
    while boxes * _BOX < n:
        boxes *= 2
        axis = int(np.argmax(variance))
        variance[axis] /= 4  # boxes are half as wide now
        order = np.argsort(box + along[:, axis])
        box[order] = np.arange(n) * boxes // n
    place = np.empty(n)
    place[order] = np.arange(n)
    return (place * ((5**0.5 - 1) / 2) + rng.random()) % 1
