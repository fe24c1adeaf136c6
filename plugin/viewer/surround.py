"""What is drawn around the picture: the panel, the line at the bottom, and the help."""

import math
from itertools import product
from typing import NamedTuple

import numpy as np
import pygame

from smalti.plugin.viewer.panel import PLOT, SIDE, TITLE, Box, Layout, layout, track
from smalti.plugin.viewer.stage import BAR, EDGE, PANEL, Stage
from smalti.plugin.viewer.theme import Colour, Theme

_TEXT, _LARGE = 20, 30  # of letters, at scale 1
_HELP = (20, 18, 16, 14, 12)  # the same of the help, as small as the window wants
_POINTS = 60  # of a plot: of more, means are drawn


class Plot(NamedTuple):
    """A small plot of the panel: its name, its values, and the last of them as it is written."""

    name: str
    values: list[float]
    last: str = ""


class Surround:
    """Draws around the picture, and keeps its letters."""

    def __init__(self) -> None:
        pygame.font.init()
        self._fonts: dict[int, pygame.font.Font] = {}

    def _font(self, state: Stage, size: float = _TEXT) -> pygame.font.Font:
        """Return letters of a height, at scale 1."""
        height = state.px(size)
        if height not in self._fonts:
            self._fonts[height] = pygame.font.Font(None, height)
        return self._fonts[height]

    def panel(
        self,
        state: Stage,
        surface: pygame.Surface,
        theme: Theme,
        facts: list[str],
        plots: list[Plot],
    ) -> None:
        """Draw the panel, with lines of text and plots."""
        px, places = state.px, layout(state)
        left, title = state.wide, px(TITLE)
        pygame.draw.rect(surface, theme.panel, (left, 0, px(PANEL), state.size[1]))
        self._write(state, surface, "Smalti", (left + px(SIDE), px(14)), theme.text, size=_LARGE)
        self._write(state, surface, "F1 help", (left + px(PANEL - 70), px(20)), theme.faint)
        surface.set_clip((left, title, px(PANEL), state.high - title))
        self._sliders(state, surface, theme, places)
        for (number, layer), box in zip(enumerate(state.LAYERS, 1), places.layers, strict=True):
            middle = round(box.top + box.height / 2)
            check = pygame.Rect(round(box.left), middle - px(8), px(16), px(16))
            width = 0 if layer in state.seen else px(2)
            pygame.draw.rect(surface, theme.accent, check, width, px(3))
            self._write(state, surface, layer, (box.left + px(24), middle - px(7)), theme.text)
            place = box.left + box.width - px(24), middle - px(7)
            self._write(state, surface, str(number), place, theme.faint)
        for line, text in enumerate(facts[: state.FACTS]):
            top = places.facts.top + line * places.facts.height / state.FACTS
            self._write(
                state, surface, text, (places.facts.left, top), theme.text, places.facts.width
            )
        for plot, box in zip(plots, places.plots, strict=False):
            self._plot(state, surface, theme, plot, box)
        if places.hidden:
            whole = state.high - title
            share = whole / (whole + places.hidden)
            top = title + share * min(state.scroll, places.hidden)
            bar = (state.size[0] - px(6), top, px(4), share * whole)
            pygame.draw.rect(surface, theme.track, bar, 0, px(2))
        surface.set_clip(None)

    def _sliders(self, state: Stage, surface: pygame.Surface, theme: Theme, places: Layout) -> None:
        px, (start, end) = state.px, track(state)
        for slider, box in zip(state.SLIDERS, places.sliders, strict=True):
            middle, chosen = round(box.top + box.height / 2), slider.field == state.focus
            place = box.left, middle - px(7)
            self._write(state, surface, slider.text, place, theme.accent if chosen else theme.text)
            pygame.draw.line(surface, theme.track, (start, middle), (end, middle), px(4))
            value, text = state.value_of(slider), "-"
            if value is not None:
                share = min(max((value - slider.low) / (slider.high - slider.low), 0.0), 1.0)
                knob = start + share * (end - start)
                pygame.draw.line(surface, theme.accent, (start, middle), (knob, middle), px(4))
                pygame.draw.circle(surface, theme.accent, (knob, middle), px(7))
                text = f"{value:.0f}" if slider.whole else f"{value:.2f}"
                if chosen:
                    pygame.draw.circle(surface, theme.text, (knob, middle), px(7), px(2))
            self._write(state, surface, text, (end + px(12), middle - px(7)), theme.faint)

    def _plot(
        self, state: Stage, surface: pygame.Surface, theme: Theme, plot: Plot, box: Box
    ) -> None:
        """Draw values from the least to the greatest, whatever they are."""
        px, room = state.px, box.width - state.px(8)
        self._write(state, surface, plot.name, (box.left, box.top), theme.faint)
        wide = self._font(state).size(plot.last)[0]
        self._write(state, surface, plot.last, (box.left + room - wide, box.top), theme.text)
        area = pygame.Rect(round(box.left), round(box.top) + px(16), round(room), px(PLOT - 20))
        pygame.draw.rect(surface, theme.ground, area)
        if len(plot.values) > 1:
            each = -(-len(plot.values) // _POINTS)
            starts = np.arange(0, len(plot.values), each)
            ends = np.append(starts[1:], len(plot.values))
            values = np.add.reduceat(plot.values, starts) / (ends - starts)
            share = (values - values.min()) / max(float(np.ptp(values)), 1e-12)
            xs = np.linspace(area.left, area.right - 1, len(values))
            ys = area.bottom - 2 - share * (area.height - 4)
            pygame.draw.aalines(surface, theme.accent, False, np.stack([xs, ys], axis=1))

    def bar(self, state: Stage, surface: pygame.Surface, theme: Theme, line: str) -> None:
        """Draw the line at the bottom, and what is said below it."""
        top, width, px = state.high, state.size[0], state.px
        pygame.draw.rect(surface, theme.panel, (0, top, width, px(BAR)))
        share = 1.0 if state.at is None else state.at / max(1, state.steps)
        start, end, y = px(EDGE), width - px(EDGE), top + px(10)
        at = start + share * (end - start)
        pygame.draw.line(surface, theme.track, (start, y), (end, y), px(4))
        pygame.draw.line(surface, theme.accent, (start, y), (at, y), px(4))
        pygame.draw.circle(surface, theme.accent, (at, y), px(6))
        beside = self._font(state).size(state.recording)[0]
        place = end - beside, top + px(22)
        self._write(state, surface, state.recording, place, theme.accent)
        room = place[0] - start - px(EDGE)
        self._write(state, surface, line, (start, top + px(22)), theme.text, room)

    def help(self, state: Stage, surface: pygame.Surface, theme: Theme) -> None:
        """List the keys, in letters and columns that fit into the window."""
        width, height = state.size
        for size, columns in product(_HELP, (1, 2)):
            px = size / _TEXT * state.scale
            font, rows = self._font(state, size), -(-len(state.HELP) // columns)
            keys = max(font.size(key)[0] for key, _ in state.HELP) + 16 * px
            column = keys + max(font.size(what)[0] for _, what in state.HELP) + 24 * px
            wide, high = columns * column + 24 * px, (24 * rows + 64) * px
            if wide <= width and high <= height:
                break
        left, top = max(0.0, (width - wide) / 2), max(0.0, (height - high) / 2)
        box = pygame.Rect(round(left), round(top), round(wide), round(high))
        pygame.draw.rect(surface, theme.panel, box, 0, round(12 * px))
        pygame.draw.rect(surface, theme.accent, box, state.px(2), round(12 * px))
        self._write(
            state, surface, "Keys", (left + 24 * px, top + 18 * px), theme.text, size=1.5 * size
        )
        for number, (key, what) in enumerate(state.HELP):
            x = left + 24 * px + number // rows * column
            y = top + (50 + 24 * (number % rows)) * px
            self._write(state, surface, key, (x, y), theme.accent, size=size)
            self._write(state, surface, what, (x + keys, y), theme.text, size=size)

    def wait(self, state: Stage, surface: pygame.Surface, theme: Theme) -> None:
        """Say in the middle what is done before there is a picture."""
        image = self._font(state, _LARGE).render(f"{state.said} ...", True, theme.faint)
        surface.blit(image, image.get_rect(center=(state.wide / 2, state.high / 2)))

    def _write(
        self,
        state: Stage,
        surface: pygame.Surface,
        text: str,
        at: tuple[float, float],
        colour: Colour,
        room: float = math.inf,
        size: float = _TEXT,
    ) -> None:
        """Write a line, cut off where there is no more room."""
        font = self._font(state, size)
        if font.size(text)[0] > room:
            while text and font.size(text + "...")[0] > room:
                text = text[:-1]
            text += "..."
        surface.blit(font.render(text, True, colour), at)
