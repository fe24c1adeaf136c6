"""The panel beside the picture: where everything in it lies, and what is done there."""

from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

from smalti.plugin.viewer.stage import PANEL, Slider, Stage
from smalti.request import Request

TITLE = 44  # px of its first line, which stays; at scale 1, as all that follow
SIDE = 16  # px beside what it shows
TRACK = (112, 240)  # px from its left, between which a slider moves
LINE = 16  # px of a line of text
PLOT = 44  # px of a plot and its name
_ROWS = 18.0, 30.0  # px of a control: the less room, the less
_APART = 7
_KNOB = 8
_TURN = 40  # px that a step of the wheel scrolls
_KEYS = 50  # keys pressed bring a slider from end to end

S = TypeVar("S", bound=Stage)


class Box(NamedTuple):
    """A part of the window, px."""

    left: float
    top: float
    width: float
    height: float

    def holds(self, x: float, y: float) -> bool:
        """Whether a place of the window lies in it."""
        return 0 <= x - self.left < self.width and 0 <= y - self.top < self.height


class Layout(NamedTuple):
    """Where the parts of the panel lie, as far as they are seen or would be.

    Attributes
    ----------
    sliders, layers, plots : tuple of Box
    facts : Box
    hidden : float
        How far the panel can be scrolled, px.
    """

    sliders: tuple[Box, ...]
    layers: tuple[Box, ...]
    facts: Box
    plots: tuple[Box, ...]
    hidden: float


def layout(stage: Stage) -> Layout:
    """Lay the panel out: rows as low as the window wants, and scrolled where that is not enough."""
    unit, wide = stage.scale, PANEL - 2 * SIDE
    beside = 2 if stage.PLOTS > 1 else 1
    rows = len(stage.SLIDERS) + -(-len(stage.LAYERS) // 2)
    rest = TITLE + 4 * _APART + LINE * stage.FACTS + PLOT * -(-stage.PLOTS // beside)
    row = min(max((stage.high / unit - rest) / rows, _ROWS[0]), _ROWS[1])
    hidden = max(0.0, (rest + rows * row) * unit - stage.high)
    top = TITLE - min(stage.scroll, hidden) / unit

    def parts(count: int, columns: int, height: float) -> tuple[Box, ...]:
        nonlocal top
        first, width = top, wide / columns
        top += -(-count // columns) * height + _APART
        return tuple(
            Box(
                stage.wide + unit * (SIDE + k % columns * width),
                unit * (first + k // columns * height),
                unit * width,
                unit * height,
            )
            for k in range(count)
        )

    sliders, layers = parts(len(stage.SLIDERS), 1, row), parts(len(stage.LAYERS), 2, row)
    (facts,) = parts(1, 1, LINE * stage.FACTS)
    return Layout(sliders, layers, facts, parts(stage.PLOTS, beside, PLOT), hidden)


def track(stage: Stage) -> tuple[float, float]:
    """Return the ends of all sliders, px from the window's left."""
    return stage.wide + stage.scale * TRACK[0], stage.wide + stage.scale * TRACK[1]


def pressed(stage: S, x: float, y: float) -> S:
    """Press the panel: a slider is taken hold of, or by its name only chosen; a layer switched."""
    if not stage.px(TITLE) <= y < stage.high:
        return stage
    places = layout(stage)
    for slider, box in zip(stage.SLIDERS, places.sliders, strict=True):
        if box.holds(x, y):
            chosen = replace(stage, focus=slider.field, tuned=None)
            if x < track(stage)[0] - stage.px(_KNOB):
                return chosen
            return slid(replace(chosen, dragging="slider"), x)
    for layer, box in zip(stage.LAYERS, places.layers, strict=True):
        if box.holds(x, y):
            return replace(stage, seen=stage.seen ^ {layer})
    return stage


def slid(stage: S, x: float) -> S:
    """Bring the slider that is dragged to a place of the window."""
    slider = focused(stage)
    if slider is None:
        return stage
    start, end = track(stage)
    share = (x - start) / (end - start)
    return _brought(stage, slider, slider.low + share * (slider.high - slider.low))


def scrolled(stage: S, down: float) -> S:
    """Scroll the panel by steps of the wheel."""
    hidden = layout(stage).hidden
    scroll = min(stage.scroll, hidden) + down * stage.px(_TURN)
    return replace(stage, scroll=min(max(scroll, 0.0), hidden))


def keyed(stage: S, name: str) -> S | None:
    """Choose a slider by key, and change it; without one, scroll. None for other keys."""
    if name in (",", ";"):
        return _next(stage, 1 if name == ";" else -1)
    slider = focused(stage)
    if name in ("page up", "page down"):
        up = 1 if name == "page up" else -1
        if slider is None:
            return scrolled(stage, -5 * up)
        value = stage.value_of(slider)
        if value is None:
            return stage
        step = (slider.high - slider.low) / _KEYS
        return _brought(stage, slider, value + up * (max(1, round(step)) if slider.whole else step))
    if name == "escape" and slider is not None and not stage.help:
        return replace(stage, focus="", tuned=None)
    return None


def focused(stage: Stage) -> Slider | None:
    """Return the slider that keys change."""
    return next((slider for slider in stage.SLIDERS if slider.field == stage.focus), None)


def tuned(stage: Stage) -> Request | None:
    """Return what is asked for with the slider where it was brought; None if none was."""
    slider = focused(stage)
    if slider is None or stage.tuned is None:
        return None
    changed: dict[str, Any] = {
        slider.field: round(stage.tuned) if slider.whole else stage.tuned,
    }
    return replace(stage.request, **changed)


def _brought(stage: S, slider: Slider, value: float) -> S:
    value = min(max(value, slider.low), slider.high)
    return replace(stage, tuned=float(round(value)) if slider.whole else round(value, 2))


def _next(stage: S, step: int) -> S:
    """Choose the next slider, and scroll to where it is seen."""
    fields = [slider.field for slider in stage.SLIDERS]
    if stage.focus in fields:
        number = (fields.index(stage.focus) + step) % len(fields)
    else:
        number = 0 if step > 0 else len(fields) - 1
    places = layout(stage)
    box, scroll = places.sliders[number], min(stage.scroll, places.hidden)
    above = stage.px(TITLE) - box.top
    below = box.top + box.height - stage.high
    scroll += max(0.0, below) - max(0.0, above)
    return replace(stage, focus=fields[number], tuned=None, scroll=max(0.0, scroll))
