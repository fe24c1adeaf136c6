"""The viewer drawn: from a stage to a surface, without a window."""

import math
from collections.abc import Iterator
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import pygame
from numpy.typing import NDArray

from smalti.plugin.viewer.stage import BAR, EDGE, PANEL, PANEL_TOP, ROW, TRACK, Stage

Colour = tuple[int, int, int]

_COARSEST = 600  # px: a smaller picture need not be kept


class Theme(NamedTuple):
    """Colours of everything that is not the mosaic; layers by Okabe and Ito's palette."""

    ground: Colour
    panel: Colour
    text: Colour
    faint: Colour
    accent: Colour
    track: Colour


DARK = Theme(
    (24, 26, 30), (36, 39, 45), (232, 232, 228), (150, 154, 160), (86, 180, 233), (70, 75, 84)
)
LIGHT = Theme(
    (236, 236, 232), (250, 250, 247), (30, 32, 36), (104, 108, 114), (0, 114, 178), (200, 202, 204)
)
BORDER: Colour = (240, 228, 66)
FREE: Colour = (0, 158, 115)
CANDIDATE: Colour = (204, 121, 167)
CHOSEN: Colour = (230, 159, 0)
SITE: Colour = (213, 94, 0)


class Kept(NamedTuple):
    """The picture at one scale, kept between frames.

    Attributes
    ----------
    scale : float
        Its pixels along a pixel of the raster.
    tiles, target : pygame.Surface
        With the tiles, and without.
    """

    scale: float
    tiles: pygame.Surface
    target: pygame.Surface


class Plot(NamedTuple):
    """A small plot of the panel: a name, values, and the highest there may be."""

    name: str
    values: list[float]
    most: float


S = TypeVar("S", bound=Stage)


class Canvas(Generic[S]):
    """Draws stages, and keeps what does not change from one to the next.

    What a kind of mosaic adds is in its subclass: `refresh` brings the kept
    pictures up to date, `veils` and `overlays` draw what lies over them, `facts`
    and `plots` fill the panel.
    """

    def __init__(self) -> None:
        pygame.font.init()
        self._sized = 0.0
        self.levels: list[Kept] = []
        self.changes = 0  # of the kept pictures
        self._seen: tuple[object, pygame.Surface] | None = None  # the picture as it was blitted

    def refresh(self, state: S) -> None:
        """Bring the kept pictures up to date: only what has changed is drawn."""
        raise NotImplementedError

    def veils(self, state: S, surface: pygame.Surface) -> None:
        """Draw what lies over the picture and is kept with it while nothing moves."""

    def overlays(self, state: S, surface: pygame.Surface) -> None:
        """Draw what lies over the picture."""
        raise NotImplementedError

    def facts(self, state: S) -> list[str]:
        """Return lines of the panel."""
        raise NotImplementedError

    def plots(self, state: S) -> list[Plot]:
        """Return plots of the panel."""
        raise NotImplementedError

    def draw(self, state: S, surface: pygame.Surface) -> None:
        """Draw a stage onto a surface of its size.

        Parameters
        ----------
        state : Stage
        surface : pygame.Surface
            Changed in place.
        """
        if self._sized != state.scale:
            self._sized = state.scale
            self._font = pygame.font.Font(None, state.px(20))
            self._large = pygame.font.Font(None, state.px(30))
        theme = DARK if state.dark else LIGHT
        area = pygame.Rect(0, 0, state.wide, state.high)
        surface.set_clip(area)
        if not state.raster[0]:
            surface.fill(theme.ground)
            image = self._large.render(f"{state.said} ...", True, theme.faint)
            surface.blit(image, image.get_rect(center=area.center))
        else:
            self.refresh(state)
            self._still_or_not(state, surface, theme)
            self.overlays(state, surface)
        surface.set_clip(None)
        self._panel(state, surface, theme)
        self._bar(state, surface, theme)
        if state.help:
            self._help(state, surface, theme)

    def _still_or_not(self, state: S, surface: pygame.Surface, theme: Theme) -> None:
        """Draw the picture; while nothing moves, as it was drawn last."""
        area, still = pygame.Rect(0, 0, state.wide, state.high), state.restless == 0
        key = (state.view, state.size, state.seen, state.dark, self.changes)
        if still and self._seen is not None and self._seen[0] == key:
            surface.blit(self._seen[1], (0, 0))
            return
        surface.fill(theme.ground)
        self._picture(state, surface)
        self.veils(state, surface)
        self._seen = (key, surface.subsurface(area).copy()) if still else None

    def _picture(self, state: S, surface: pygame.Surface) -> None:
        """Blit the part of the kept picture that is seen, at the zoom that is wanted."""
        kept = min(
            (level for level in self.levels if level.scale >= state.view.zoom),
            key=lambda level: level.scale,
            default=self.levels[0],
        )
        if "tiles" in state.seen:
            blit_part(kept.tiles, kept.scale, state, surface)
        if "target" in state.seen:
            alpha = 110 if "tiles" in state.seen else 255
            blit_part(kept.target, kept.scale, state, surface, alpha)

    def _panel(self, state: S, surface: pygame.Surface, theme: Theme) -> None:
        left, px = state.wide, state.px
        pygame.draw.rect(surface, theme.panel, (left, 0, px(PANEL), state.size[1]))
        self._write(surface, "Smalti", (left + px(16), px(14)), theme.text, self._large)
        self._write(surface, "F1 help", (left + px(PANEL - 70), px(20)), theme.faint)
        y = PANEL_TOP
        for slider in state.SLIDERS:
            middle = px(y + ROW // 2)
            value = state.value_of(slider)
            share = min(max((value - slider.low) / (slider.high - slider.low), 0.0), 1.0)
            start, end = left + px(TRACK[0]), left + px(TRACK[1])
            self._write(surface, slider.text, (left + px(16), middle - px(7)), theme.text)
            pygame.draw.line(surface, theme.track, (start, middle), (end, middle), px(4))
            knob = start + share * (end - start)
            pygame.draw.line(surface, theme.accent, (start, middle), (knob, middle), px(4))
            pygame.draw.circle(surface, theme.accent, (knob, middle), px(8))
            text = f"{value:.0f}" if slider.whole else f"{value:.2f}"
            self._write(surface, text, (end + px(14), middle - px(7)), theme.faint)
            y += ROW
        y += ROW
        for number, layer in enumerate(state.LAYERS, 1):
            middle = px(y + ROW // 2)
            box = pygame.Rect(left + px(16), middle - px(8), px(16), px(16))
            width = 0 if layer in state.seen else px(2)
            pygame.draw.rect(surface, theme.accent, box, width, px(3))
            self._write(surface, layer, (left + px(42), middle - px(7)), theme.text)
            self._write(surface, str(number), (left + px(PANEL - 30), middle - px(7)), theme.faint)
            y += ROW
        self._told(state, surface, theme, px(y + 16))

    def _told(self, state: S, surface: pygame.Surface, theme: Theme, top: int) -> None:
        """Write the facts and draw the plots, as far as there is room."""
        px = state.px
        left, wide = state.wide + px(16), px(PANEL - 32)
        for line in self.facts(state):
            self._write(surface, line, (left, top), theme.text)
            top += px(20)
        for name, values, most in self.plots(state):
            if top + px(52) > state.high:
                return
            box = pygame.Rect(left, top + px(17), wide, px(30))
            self._write(surface, name, (left, top), theme.faint)
            pygame.draw.rect(surface, theme.ground, box)
            if len(values) > 1:
                xs = np.linspace(box.left, box.right - 1, len(values))
                ys = box.bottom - 2 - np.clip(np.array(values) / most, 0, 1) * (box.height - 4)
                pygame.draw.aalines(surface, theme.accent, False, np.stack([xs, ys], axis=1))
            top += px(52)

    def _bar(self, state: S, surface: pygame.Surface, theme: Theme) -> None:
        top, width, px = state.high, state.size[0], state.px
        pygame.draw.rect(surface, theme.panel, (0, top, width, px(BAR)))
        share = 1.0 if state.at is None else state.at / max(1, state.steps)
        start, end, y = px(EDGE), width - px(EDGE), top + px(10)
        at = start + share * (end - start)
        pygame.draw.line(surface, theme.track, (start, y), (end, y), px(4))
        pygame.draw.line(surface, theme.accent, (start, y), (at, y), px(4))
        pygame.draw.circle(surface, theme.accent, (at, y), px(6))
        self._write(surface, self.line(state), (start, top + px(22)), theme.text)

    def line(self, state: S) -> str:
        """Return what is said below the picture."""
        return f"paused: {state.said}" if state.paused and state.running else state.said

    def _help(self, state: S, surface: pygame.Surface, theme: Theme) -> None:
        px = state.px
        wide, high = px(560), px(60 + 24 * len(state.HELP))
        left, top = (state.size[0] - wide) // 2, max(8, (state.size[1] - high) // 2)
        pygame.draw.rect(surface, theme.panel, (left, top, wide, high), 0, px(12))
        pygame.draw.rect(surface, theme.accent, (left, top, wide, high), px(2), px(12))
        self._write(surface, "Keys", (left + px(24), top + px(18)), theme.text, self._large)
        for row, (key, what) in enumerate(state.HELP):
            y = top + px(50 + 24 * row)
            self._write(surface, key, (left + px(24), y), theme.accent)
            self._write(surface, what, (left + px(170), y), theme.text)

    def _write(
        self,
        surface: pygame.Surface,
        text: str,
        at: tuple[float, float],
        colour: Colour,
        font: pygame.font.Font | None = None,
    ) -> None:
        surface.blit((font or self._font).render(text, True, colour), at)


def levels_of(target: NDArray[np.uint8], raster: tuple[int, int], finest: float) -> Iterator[Kept]:
    """Make room for the picture at scales from the finest down, each half of the last."""
    width, height = raster
    scale, whole = finest, pygame.surfarray.make_surface(target.swapaxes(0, 1))
    while True:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        yield Kept(scale, pygame.Surface(size), pygame.transform.smoothscale(whole, size))
        if max(size) < _COARSEST:
            return
        scale /= 2


def emptied(kept: Kept) -> None:
    """Show the target where tiles are to come, dimmed."""
    kept.tiles.blit(kept.target, (0, 0))
    kept.tiles.fill((90, 90, 90), special_flags=pygame.BLEND_RGB_MULT)


def blit_part(
    source: pygame.Surface, scale: float, state: Stage, surface: pygame.Surface, alpha: int = 255
) -> None:
    """Blit what is seen of a picture of so many px along a pixel of the raster."""
    view, zoom = state.view, state.view.zoom / scale
    left, top = view.x * scale, view.y * scale
    part = pygame.Rect(
        math.floor(left),
        math.floor(top),
        math.ceil(state.wide / zoom) + 2,
        math.ceil(state.high / zoom) + 2,
    ).clip(source.get_rect())
    if min(part.size) < 1:
        return
    size = (max(1, round(part.width * zoom)), max(1, round(part.height * zoom)))
    smooth = zoom < 1 and state.restless == 0
    scaled = pygame.transform.smoothscale if smooth else pygame.transform.scale
    seen = scaled(source.subsurface(part), size)
    if alpha < 255:
        seen.set_alpha(alpha)
    surface.blit(seen, (round((part.x - left) * zoom), round((part.y - top) * zoom)))
