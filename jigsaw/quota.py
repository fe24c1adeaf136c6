"""Who may use a shape how often: its copies go to the containers that its colour suits.

Containers are packed without knowing each other, and yet no shape may be used
more often than its limit in all. So its copies are dealt out beforehand.
"""

import numpy as np
from numpy.typing import NDArray

from smalti.core.color import din99o

_SAMPLES = 100  # places of a container whose colours are looked at
_FAR = 4.0  # DIN99o at which a shape suits a place e times less
_LEAST = 1e-6  # what any shape suits any place: copies nobody suits are dealt by size


def quotas(
    labels: NDArray[np.intp],
    goal: NDArray[np.float32],
    need: NDArray[np.float64],
    colours: NDArray[np.float32],
    group: NDArray[np.intp],
    reuse: int,
    rng: np.random.Generator,
) -> NDArray[np.intp]:
    """Deal the copies of every shape to the containers.

    A container's part in the copies of a group grows with the tiles it needs
    and with the share of its places that the best of the group suits. Parts are
    rounded by systematic sampling, so that they add up to `reuse` exactly.

    Parameters
    ----------
    labels : ndarray of shape (h, w), intp
        Container of every pixel; those below 0 count for nothing.
    goal : ndarray of shape (h, w, 3), float32
        CIELAB of the target.
    need : ndarray of shape (c,), float64
        Tiles that each container needs, in the order of their labels.
    colours : ndarray of shape (m, 3), float32
        Mean CIELAB of the shapes.
    group : ndarray of shape (m,), intp
        Shapes that share a limit, from 0 on.
    reuse : int
        Copies of each group.
    rng : Generator

    Returns
    -------
    ndarray of shape (c, groups), intp
        Every column adds up to `reuse`.
    """
    colours = din99o(colours)
    place = np.flatnonzero(labels.ravel() >= 0)
    order = place[np.argsort(labels.ravel()[place], kind="stable")]
    numbers, first = np.unique(labels.ravel()[order], return_index=True)
    ends = np.append(first[1:], len(order))
    suits = np.empty((len(numbers), int(group.max()) + 1))
    for row, (start, end) in enumerate(zip(first, ends, strict=True)):
        spots = order[np.linspace(start, end - 1, min(_SAMPLES, end - start)).astype(np.intp)]
        wanted = din99o(goal.reshape(-1, 3)[spots])
        apart = np.linalg.norm(colours - wanted[:, None], axis=2)
        share = np.exp(-apart / _FAR).mean(axis=0) + _LEAST
        best = np.zeros(suits.shape[1])
        np.maximum.at(best, group, share)
        suits[row] = need[row] * best
    part = np.cumsum(suits, axis=0) / suits.sum(axis=0)
    part[-1] = 1  # not a rounding error less
    dealt = np.floor(part * reuse + rng.random(suits.shape[1]))
    before = np.zeros(suits.shape[1])
    quota: NDArray[np.intp] = np.diff(dealt, axis=0, prepend=before[None]).astype(np.intp)
    return quota
