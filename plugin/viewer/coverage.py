"""How much of its picture a jigsaw covers, while it is packed and when it is changed."""

import numpy as np

from smalti.jigsaw.contour import filled_window
from smalti.jigsaw.placement import Placement
from smalti.plugin.viewer.jigsaw_engine import Answer, Box
from smalti.plugin.viewer.jigsaw_state import JigsawState, boxes

_EVERY_S = 0.25
_POINTS = 400


def watched(state: JigsawState) -> tuple[tuple[float, float], ...]:
    """Add a point to the plot of coverage, a few times a second."""
    points = state.coverage
    if state.ground is None or (points and state.seconds - points[-1][0] < _EVERY_S):
        return points
    lying = state.history.tiles(len(state.history.news)).values()
    area = sum(p.pose.scale**2 for p in lying)
    share = area / np.count_nonzero(state.ground.labels >= 0)
    return (*points[1 - _POINTS :], (state.seconds, share))


def answered(state: JigsawState, answer: Answer) -> float:
    """Return the share of the containers that is covered after a change.

    What was measured is not measured again: only what has changed is counted, in pixels.
    """
    if answer.quality is not None:
        return answer.quality["coverage"]
    assert state.ground is not None
    now = _filled(state, answer.placements, answer.box)
    if state.answer is None:
        return now
    return state.covered + now - _filled(state, state.answer.placements, answer.box)


def _filled(state: JigsawState, placements: tuple[Placement, ...], box: Box) -> float:
    """Share of the containers that tiles cover within a box."""
    assert state.ground is not None
    inside = state.ground.labels >= 0
    covered = np.zeros(inside.shape, bool)
    left, top, right, bottom = box
    low, high = boxes(placements)
    near = (low < (right, bottom)).all(axis=1) & (high > (left, top)).all(axis=1)
    for number in np.flatnonzero(near):
        window, mask = filled_window(placements[number].contour, inside.shape)
        covered[window] |= mask
    part = np.s_[top:bottom, left:right]
    return float(np.count_nonzero(covered[part] & inside[part]) / np.count_nonzero(inside))
