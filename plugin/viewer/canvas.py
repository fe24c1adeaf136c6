"""The viewer drawn: from a state to a surface, without a window."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pygame
from numpy.typing import NDArray

from smalti.core.color import from_lab
from smalti.ground import Ground
from smalti.jigsaw.placement import Placement
from smalti.plugin.viewer.state import (
    BAR,
    LAYERS,
    PANEL,
    PANEL_TOP,
    ROW,
    SLIDERS,
    TRACK,
    State,
    shown,
    value_of,
)

Colour = tuple[int, int, int]

_FINEST = 3.0  # px of the kept picture along a pixel of the raster
_KEPT_PX = 24_000_000  # of that picture at most
_COARSEST = 600  # px: smaller it need not be kept
_SOFT = 0.6  # from there on a tile of one colour is moved to its place's, as the mosaic's will be


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

HELP = (
    ("space", "pause, go on"),
    (".", "one step"),
    ("+  -", "faster, slower"),
    ("R", "start again with another seed"),
    ("1 to 7", "show or hide layers"),
    ("wheel, drag", "zoom, move the picture"),
    ("arrows", "move the picture, or the selected tile"),
    ("0", "whole picture"),
    ("click, Tab", "select a tile"),
    ("drag a tile", "move it; it slides to its neighbours"),
    ("wheel in hand", "turn it; with shift, scale it"),
    ("[  ]", "turn it"),
    ("Del", "take it away"),
    ("F", "another tile here"),
    ("B", "ban this shape"),
    ("L", "lock this tile"),
    ("P", "pack its container anew"),
    ("E, then draw", "cut containers"),
    ("M, then draw", "make one container of several"),
    ("Ctrl+Z  Ctrl+Y", "undo, redo"),
    ("S", "save picture, project and SVG"),
    ("G", "save a time-lapse"),
    ("T", "light or dark"),
    ("Q", "quit"),
)


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


class Canvas:
    """Draws states, and keeps what does not change from one to the next."""

    def __init__(self) -> None:
        pygame.font.init()
        self._font = pygame.font.Font(None, 20)
        self._large = pygame.font.Font(None, 30)
        self._ground: Ground | None = None
        self._labels: object = None
        self._answer: object = None
        self._levels: list[Kept] = []
        self._drawn: dict[int, Placement] | None = None  # None: something else is
        self._borders = np.empty((0, 2), np.intp)
        self._seen: tuple[object, pygame.Surface] | None = None  # the picture as it was blitted
        self._changes = 0

    def draw(self, state: State, surface: pygame.Surface) -> None:
        """Draw a state onto a surface of its size.

        Parameters
        ----------
        state : State
        surface : pygame.Surface
            Changed in place.
        """
        theme = DARK if state.dark else LIGHT
        area = pygame.Rect(0, 0, state.wide, state.high)
        surface.set_clip(area)
        if state.ground is None:
            surface.fill(theme.ground)
            self._middle(surface, area, f"{state.said} ...", theme)
        else:
            self._refresh(state, state.ground)
            still = state.restless == 0
            key = (state.view, state.size, state.seen, state.dark, still, self._changes)
            if not still or self._seen is None or self._seen[0] != key:
                surface.fill(theme.ground)
                self._picture(state, surface)
            if not still:
                self._seen = None
            elif self._seen is None or self._seen[0] != key:
                self._seen = key, surface.subsurface(area).copy()
            else:
                surface.blit(self._seen[1], (0, 0))
            self._overlays(state, surface)
        surface.set_clip(None)
        self._panel(state, surface, theme)
        self._bar(state, surface, theme)
        if state.help:
            self._help(state, surface, theme)

    def _refresh(self, state: State, ground: Ground) -> None:
        """Bring the kept pictures up to date: only what has changed is drawn."""
        if self._ground is None or self._ground.picture is not ground.picture:
            self._ground, self._answer, self._drawn = ground, None, None
            self._levels = list(_levels(ground))
        if self._labels is not ground.labels:
            labels = self._labels = ground.labels
            edges = np.zeros(labels.shape, bool)
            edges[1:] |= labels[1:] != labels[:-1]
            edges[:, 1:] |= labels[:, 1:] != labels[:, :-1]
            self._borders = np.argwhere(edges)[:, ::-1]
        if state.answer is not None and state.at is None and state.contours is None:
            self._patch(state)
        else:
            self._answer = None
            self._tiles(state)

    def _empty(self) -> None:
        for kept in self._levels:
            kept.tiles.blit(kept.target, (0, 0))
            kept.tiles.fill((90, 90, 90), special_flags=pygame.BLEND_RGB_MULT)

    def _patch(self, state: State) -> None:
        """Lay what the engine has drawn over the kept pictures."""
        answer = state.answer
        if answer is self._answer or answer is None:
            return
        if self._answer is None and answer.undo:
            self._tiles(state)  # it holds what has changed, and what was there is not drawn
        left, top, right, bottom = answer.box
        part = pygame.surfarray.make_surface(answer.picture.swapaxes(0, 1))
        for kept in self._levels:
            x, y = round(left * kept.scale), round(top * kept.scale)
            size = round(right * kept.scale) - x, round(bottom * kept.scale) - y
            if min(size) > 0:
                kept.tiles.blit(pygame.transform.smoothscale(part, size), (x, y))
        self._answer, self._drawn = answer, None
        self._changes += 1

    def _tiles(self, state: State) -> None:
        """Draw tiles in one colour each: new ones only, or all where one is gone."""
        present = {id(p): p for p in shown(state)}
        if self._drawn is None or any(key not in present for key in self._drawn):
            self._empty()
            self._drawn = {}
        for key, placement in present.items():
            if key not in self._drawn:
                colour = tile_colour(state, placement)
                edge = tuple(max(0, c - 45) for c in colour)
                for kept in self._levels:
                    points = placement.contour * kept.scale
                    pygame.draw.polygon(kept.tiles, colour, points)
                    pygame.draw.aalines(kept.tiles, edge, True, points)
        self._changes += present.keys() != self._drawn.keys()
        self._drawn = present

    def _picture(self, state: State, surface: pygame.Surface) -> None:
        """Blit the part of the kept picture that is seen, at the zoom that is wanted."""
        kept = min(
            (level for level in self._levels if level.scale >= state.view.zoom),
            key=lambda level: level.scale,
            default=self._levels[0],
        )
        if "tiles" in state.seen:
            self._part(kept.tiles, kept.scale, state, surface)
        if "target" in state.seen:
            self._part(
                kept.target, kept.scale, state, surface, 110 if "tiles" in state.seen else 255
            )

    def _part(
        self,
        source: pygame.Surface,
        scale: float,
        state: State,
        surface: pygame.Surface,
        alpha: int = 255,
    ) -> None:
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

    def _overlays(self, state: State, surface: pygame.Surface) -> None:
        view = state.view
        if "borders" in state.seen and (state.answer is None or state.brush):
            self._dots(self._borders, BORDER, state, surface)
        sought = state.sought
        if sought is not None and state.at is None:
            corner = np.array(sought.corner)
            if "free" in state.seen:
                self._dots(np.argwhere(sought.free)[:, ::-1] + corner, FREE, state, surface)
            if "cells" in state.seen:
                cells = sought.cells
                apart = np.zeros(cells.shape, bool)
                apart[1:] |= cells[1:] != cells[:-1]
                apart[:, 1:] |= cells[:, 1:] != cells[:, :-1]
                self._dots(
                    np.argwhere(apart & (cells >= 0))[:, ::-1] + corner, SITE, state, surface
                )
            if "candidates" in state.seen:
                for contour in sought.candidates[:0:-1]:
                    self._outline(contour, CANDIDATE, 1, state, surface)
                for contour in sought.candidates[:1]:
                    self._outline(contour, CHOSEN, 2, state, surface)
                at = ((sought.site[0] - view.x) * view.zoom, (sought.site[1] - view.y) * view.zoom)
                pygame.draw.circle(surface, SITE, at, 4)
        if "energy" in state.seen:
            self._energies(state, surface)
        if state.at is None and not state.running:
            for k in state.answer.locked if state.answer else ():
                self._outline(state.placements[k].contour, FREE, 2, state, surface)
            if 0 <= state.hovered < len(state.placements):
                self._outline(state.placements[state.hovered].contour, CANDIDATE, 2, state, surface)
            if 0 <= state.selected < len(state.placements):
                self._outline(state.placements[state.selected].contour, CHOSEN, 3, state, surface)
            if len(state.stroke) > 1:
                self._outline(np.array(state.stroke), BORDER, 3, state, surface, closed=False)
            if state.pose is not None and state.held is not None:
                self._outline(in_hand(state), CHOSEN, 2, state, surface)

    def _dots(
        self, at: NDArray[np.intp], colour: Colour, state: State, surface: pygame.Surface
    ) -> None:
        """Mark pixels of the raster, half through, each as large as the zoom shows it."""
        view = state.view
        side = max(1, math.ceil(view.zoom))
        xy = ((at - (view.x, view.y)) * view.zoom).astype(int)
        fits = ((xy >= 0) & (xy < (state.wide - side, state.high - side))).all(axis=1)
        pixels = pygame.surfarray.pixels3d(surface)
        for right in range(side):
            for down in range(side):
                x, y = xy[fits, 0] + right, xy[fits, 1] + down
                pixels[x, y] = pixels[x, y] // 2 + np.array(colour, np.uint8) // 2
        del pixels

    def _outline(
        self,
        contour: NDArray[np.float64],
        colour: Colour,
        width: int,
        state: State,
        surface: pygame.Surface,
        closed: bool = True,
    ) -> None:
        points = (contour - (state.view.x, state.view.y)) * state.view.zoom
        pygame.draw.lines(surface, colour, closed, points, width)

    def _energies(self, state: State, surface: pygame.Surface) -> None:
        """Tint every tile by its energy: the worse, the stronger."""
        tiles = shown(state)
        if not tiles:
            return
        most = np.percentile([p.energy for p in tiles], 95) + 1e-9
        veil = pygame.Surface((state.wide, state.high), pygame.SRCALPHA)
        for placement in tiles:
            share = min(max(placement.energy / most, 0.0), 1.0)
            points = (placement.contour - (state.view.x, state.view.y)) * state.view.zoom
            pygame.draw.polygon(veil, (*SITE, round(190 * share)), points)
        surface.blit(veil, (0, 0))

    def _panel(self, state: State, surface: pygame.Surface, theme: Theme) -> None:
        left = state.wide
        pygame.draw.rect(surface, theme.panel, (left, 0, PANEL, state.size[1]))
        self._write(surface, "Smalti", (left + 16, 14), theme.text, self._large)
        self._write(surface, "F1 help", (left + PANEL - 70, 20), theme.faint)
        y = PANEL_TOP
        for slider in SLIDERS:
            middle = y + ROW // 2
            value = value_of(state, slider)
            share = min(max((value - slider.low) / (slider.high - slider.low), 0.0), 1.0)
            start, end = left + TRACK[0], left + TRACK[1]
            self._write(surface, slider.text, (left + 16, middle - 7), theme.text)
            pygame.draw.line(surface, theme.track, (start, middle), (end, middle), 4)
            knob = start + share * (end - start)
            pygame.draw.line(surface, theme.accent, (start, middle), (knob, middle), 4)
            pygame.draw.circle(surface, theme.accent, (knob, middle), 8)
            text = f"{value:.0f}" if slider.whole else f"{value:.2f}"
            self._write(surface, text, (end + 14, middle - 7), theme.faint)
            y += ROW
        y += ROW
        for number, layer in enumerate(LAYERS, 1):
            middle = y + ROW // 2
            box = pygame.Rect(left + 16, middle - 8, 16, 16)
            pygame.draw.rect(surface, theme.accent, box, 0 if layer in state.seen else 2, 3)
            self._write(surface, f"{layer}", (left + 42, middle - 7), theme.text)
            self._write(surface, str(number), (left + PANEL - 30, middle - 7), theme.faint)
            y += ROW
        self._plots(state, surface, theme, left + 16, y + 16)

    def _plots(
        self, state: State, surface: pygame.Surface, theme: Theme, left: int, top: int
    ) -> None:
        wide = PANEL - 32
        laid = len(state.history.news)
        rate = laid / state.seconds if state.seconds > 0.5 else 0.0
        lines = [f"{len(shown(state)):,} tiles   {rate:.0f} a second   {state.seconds:.0f} s"]
        number = state.selected if state.selected >= 0 else state.hovered
        if 0 <= number < len(state.placements) and state.library is not None:
            tile = state.placements[number]
            source = state.library.sources[tile.tile]
            lines += [
                str(source.part or source.file).rsplit("/", 1)[-1][:36],
                f"energy {tile.energy:.3f}   turned {math.degrees(tile.pose.theta) % 360:.0f} deg"
                f"   {tile.pose.scale:.0f} px",
            ]
        for line in lines:
            self._write(surface, line, (left, top), theme.text)
            top += 20
        for name, values, most in (
            ("coverage", [share for _, share in state.coverage], 1.0),
            ("energy of tiles", list(state.energies), max([*state.energies, 1e-9])),
        ):
            if top + 52 > state.size[1] - BAR:
                return
            box = pygame.Rect(left, top + 17, wide, 30)
            self._write(surface, name, (left, top), theme.faint)
            pygame.draw.rect(surface, theme.ground, box)
            if len(values) > 1:
                xs = np.linspace(box.left, box.right - 1, len(values))
                ys = box.bottom - 2 - np.clip(np.array(values) / most, 0, 1) * (box.height - 4)
                pygame.draw.aalines(surface, theme.accent, False, np.stack([xs, ys], axis=1))
            top += 52

    def _bar(self, state: State, surface: pygame.Surface, theme: Theme) -> None:
        top, width = state.high, state.size[0]
        pygame.draw.rect(surface, theme.panel, (0, top, width, BAR))
        total = max(1, len(state.history.news))
        share = 1.0 if state.at is None else state.at / total
        pygame.draw.line(surface, theme.track, (16, top + 10), (width - 16, top + 10), 4)
        at = 16 + share * (width - 32)
        pygame.draw.line(surface, theme.accent, (16, top + 10), (at, top + 10), 4)
        pygame.draw.circle(surface, theme.accent, (at, top + 10), 6)
        said = state.said
        if state.brush:
            said = f"draw over the picture to {state.brush} containers; Esc ends that"
        elif state.paused and state.running:
            said = f"paused: {said}"
        self._write(surface, said, (16, top + 22), theme.text)

    def _help(self, state: State, surface: pygame.Surface, theme: Theme) -> None:
        wide, high = 520, 60 + 24 * len(HELP)
        left, top = (state.size[0] - wide) // 2, max(8, (state.size[1] - high) // 2)
        pygame.draw.rect(surface, theme.panel, (left, top, wide, high), 0, 12)
        pygame.draw.rect(surface, theme.accent, (left, top, wide, high), 2, 12)
        self._write(surface, "Keys", (left + 24, top + 18), theme.text, self._large)
        for row, (key, what) in enumerate(HELP):
            y = top + 50 + 24 * row
            self._write(surface, key, (left + 24, y), theme.accent)
            self._write(surface, what, (left + 170, y), theme.text)

    def _middle(self, surface: pygame.Surface, area: pygame.Rect, text: str, theme: Theme) -> None:
        image = self._large.render(text, True, theme.faint)
        surface.blit(image, image.get_rect(center=area.center))

    def _write(
        self,
        surface: pygame.Surface,
        text: str,
        at: tuple[float, float],
        colour: Colour,
        font: pygame.font.Font | None = None,
    ) -> None:
        surface.blit((font or self._font).render(text, True, colour), at)


def _levels(ground: Ground) -> Iterator[Kept]:
    """Make room for the picture at scales from the finest down, each half of the last."""
    height, width = ground.labels.shape
    scale = min(_FINEST, math.sqrt(_KEPT_PX / (width * height)))
    small = pygame.surfarray.make_surface(ground.picture.swapaxes(0, 1))
    while True:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        yield Kept(scale, pygame.Surface(size), pygame.transform.smoothscale(small, size))
        if max(size) < _COARSEST:
            return
        scale /= 2


def tile_colour(state: State, placement: Placement) -> Colour:
    """Return the one colour that stands for a tile until it is drawn, sRGB."""
    if state.library is None or state.ground is None:
        return 160, 160, 160
    height, width = state.ground.labels.shape
    x = min(max(int(placement.pose.x), 0), width - 1)
    y = min(max(int(placement.pose.y), 0), height - 1)
    own, wanted = state.library.lab[placement.tile], state.ground.goal[y, x]
    lab = own + min(_SOFT, state.request.adjust) * (wanted - own)
    red, green, blue = (int(c) for c in from_lab(lab[None, None].astype(np.float32))[0, 0])
    return red, green, blue


def in_hand(state: State) -> NDArray[np.float64]:
    """Return the contour of the tile that is held, where it is held."""
    assert state.pose is not None
    own, pose = state.placements[state.selected], state.pose
    turn = pose.theta - own.pose.theta
    cos, sin = math.cos(turn), math.sin(turn)
    about = own.contour - (own.pose.x, own.pose.y)
    grown = about * (pose.scale / own.pose.scale)
    return np.asarray(grown @ np.array([[cos, sin], [-sin, cos]]) + (pose.x, pose.y))
