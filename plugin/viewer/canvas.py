"""The viewer drawn: from a stage to a surface, without a window."""

import math
from collections.abc import Iterator
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import pygame
from numpy.typing import NDArray

from smalti.plugin.viewer.stage import Stage
from smalti.plugin.viewer.surround import Plot, Surround
from smalti.plugin.viewer.theme import DARK, LIGHT, Theme

_COARSEST = 600  # px: a smaller picture need not be kept


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


S = TypeVar("S", bound=Stage)


class Canvas(Generic[S]):
    """Draws stages, and keeps what does not change from one to the next.

    What a kind of mosaic adds is in its subclass: `refresh` brings the kept
    pictures up to date, `veils` and `overlays` draw what lies over them, `facts`
    and `plots` fill the panel.
    """

    def __init__(self) -> None:
        self._surround = Surround()
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
        """Draw a stage onto a surface; of a smaller one than a stage can be, its corner.

        Parameters
        ----------
        state : Stage
        surface : pygame.Surface
            Changed in place.
        """
        if surface.get_size() != state.size:
            whole = pygame.Surface(state.size)
            self.draw(state, whole)
            surface.blit(whole, (0, 0))
            return
        theme = DARK if state.dark else LIGHT
        area = pygame.Rect(0, 0, state.wide, state.high)
        surface.set_clip(area)
        if not state.raster[0]:
            surface.fill(theme.ground)
            self._surround.wait(state, surface, theme)
        else:
            self.refresh(state)
            self._still_or_not(state, surface, theme)
            self.overlays(state, surface)
        surface.set_clip(None)
        self._surround.panel(state, surface, theme, self.facts(state), self.plots(state))
        self._surround.bar(state, surface, theme, self.line(state))
        if state.help:
            self._surround.help(state, surface, theme)

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

    def line(self, state: S) -> str:
        """Return what is said below the picture."""
        return f"paused: {state.said}" if state.paused and state.running else state.said


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
