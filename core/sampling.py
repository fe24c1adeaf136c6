"""Even samples of feature rows, whatever their size.

A random third of the cells and a random third of the photos differ by chance in how
many dark ones they hold, and so in what a dark photo is worth. A stratified sample
takes its share of every region instead (Cochran, *Sampling Techniques*, chapter 5).
"""

import numpy as np
from numpy.typing import NDArray


def spread(order: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Find numbers in 0 to 1 such that the rows below any limit are an even sample of all.

    The order is walked in steps of the golden ratio.

    Parameters
    ----------
    order : ndarray of shape (n,), int64
        The rows, neighbours together (`smalti.core.kdtree.order`).
    rng : numpy.random.Generator
        Chooses among the samples.

    Returns
    -------
    ndarray of shape (n,), float64
    """
    place = np.empty(len(order))
    place[order] = np.arange(len(order))
    return (place * ((5**0.5 - 1) / 2) + rng.random()) % 1
