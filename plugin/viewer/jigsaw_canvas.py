"""A jigsaw drawn: its tiles, its containers, and how it is packed."""

import math

import numpy as np
import pygame
from numpy.typing import NDArray

from smalti.core.color import from_lab
from smalti.ground import Ground
from smalti.jigsaw.placement import Placement
from smalti.jigsaw.pose import Pose
from smalti.plugin.viewer.canvas import Canvas, Kept, emptied, levels_of
from smalti.plugin.viewer.jigsaw_engine import Answer
from smalti.plugin.viewer.jigsaw_state import JigsawState, boxes, shown
from smalti.plugin.viewer.surround import Plot
from smalti.plugin.viewer.theme import BORDER, CANDIDATE, CHOSEN, FREE, SITE, Colour

_FINEST = 3.0  # px of the kept picture along a pixel of the raster
_KEPT_PX = 24_000_000  # of that picture at most
_TERMS = ("colour", "gaps", "overlap", "look-ahead")
_FEW = 20  # newest tiles, whose mean is written
_GONE = 40  # tiles that are gone, about each of which alone is drawn again
_SOFT = 0.6  # from there on a tile of one colour is moved to its place's, as the mosaic's will be


class JigsawCanvas(Canvas[JigsawState]):
    """Draws a jigsaw."""

    def __init__(self) -> None:
        super().__init__()
        self._ground: Ground | None = None
        self._labels: object = None
        self._answer: Answer | None = None
        self._drawn: dict[int, Placement] | None = None  # None: something else is
        self._borders = np.empty((0, 2), np.intp)

    def refresh(self, state: JigsawState) -> None:
        """Draw the tiles that have come, or what the engine has drawn."""
        ground = state.ground
        assert ground is not None
        if self._ground is None or self._ground.picture is not ground.picture:
            self._ground, self._answer, self._drawn = ground, None, None
            finest = min(_FINEST, math.sqrt(_KEPT_PX / math.prod(state.raster)))
            self.levels = list(levels_of(ground.picture, state.raster, finest))
        if self._labels is not ground.labels:
            labels = self._labels = ground.labels
            edges = np.zeros(labels.shape, bool)
            edges[1:] |= labels[1:] != labels[:-1]
            edges[:, 1:] |= labels[:, 1:] != labels[:, :-1]
            self._borders = np.argwhere(edges)[:, ::-1]
        if state.answer is not None and state.at is None and not state.laying:
            self._patch(state)
        else:
            self._tiles(state)
            self._answer = None

    def _patch(self, state: JigsawState) -> None:
        """Lay what the engine has drawn over the kept pictures."""
        answer = state.answer
        if answer is self._answer or answer is None:
            return
        left, top, right, bottom = box = answer.box
        if self._answer is None or self._answer.undo + 1 != answer.undo:
            height, width = state.ground.labels.shape if state.ground else answer.picture.shape[:2]
            left, top, right, bottom = box = 0, 0, width, height
        x, y, until, below = (round(edge * answer.scale) for edge in box)
        part = pygame.surfarray.make_surface(answer.picture[y:below, x:until].swapaxes(0, 1))
        for kept in self.levels:
            x, y = round(left * kept.scale), round(top * kept.scale)
            size = round(right * kept.scale) - x, round(bottom * kept.scale) - y
            if min(size) > 0:
                kept.tiles.blit(pygame.transform.smoothscale(part, size), (x, y))
        self._answer, self._drawn = answer, None
        self.changes += 1

    def _tiles(self, state: JigsawState) -> None:
        """Draw the tiles that have come, and again what lay about those that are gone."""
        answer = state.answer
        art = {p.pose: p.contour for p in answer.placements} if answer else {}
        present = {id(p): p for p in shown(state)}
        if answer is not None and answer is self._answer:  # all its tiles are there to be seen
            drawn = {key: p for key, p in present.items() if _is_drawn(p, art)}
            stay = {p.pose for p in drawn.values()}
            gone = [p for p in answer.placements if p.pose not in stay]
        else:
            drawn = self._drawn or {}
            gone = [p for key, p in drawn.items() if key not in present]
            if self._drawn is None:
                for kept in self.levels:
                    emptied(kept)
                self.changes += 1
        old = tuple(p for key, p in present.items() if key in drawn)
        new = [p for key, p in present.items() if key not in drawn]
        self._drawn = present
        if not (gone or new):
            return
        self.changes += 1
        low, high = boxes(old if gone else ())
        for spot in [gone] if len(gone) > _GONE else [[placement] for placement in gone]:
            contours = np.concatenate([placement.contour for placement in spot])
            left, right = contours.min(axis=0), contours.max(axis=0)
            near = np.flatnonzero((low <= right + 1).all(axis=1) & (high >= left - 1).all(axis=1))
            for kept in self.levels:
                x, y = np.floor(left * kept.scale).astype(int) - 1
                until, below = np.ceil(right * kept.scale).astype(int) + 2
                kept.tiles.set_clip((x, y, until - x, below - y))
                emptied(kept)
                _laid(state, [old[k] for k in near], kept, art)
                kept.tiles.set_clip(None)
        for kept in self.levels:
            _laid(state, new, kept, art)

    def overlays(self, state: JigsawState, surface: pygame.Surface) -> None:
        """Draw borders, the search, energies, and what is chosen."""
        view = state.view
        if "borders" in state.seen or state.brush:
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
                pygame.draw.circle(surface, SITE, at, state.px(4))
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
        self, at: NDArray[np.intp], colour: Colour, state: JigsawState, surface: pygame.Surface
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
        state: JigsawState,
        surface: pygame.Surface,
        closed: bool = True,
    ) -> None:
        points = (contour - (state.view.x, state.view.y)) * state.view.zoom
        pygame.draw.lines(surface, colour, closed, points, state.px(width))

    def _energies(self, state: JigsawState, surface: pygame.Surface) -> None:
        """Tint every tile by its energy: the worse, the stronger."""
        tiles = shown(state)
        if not tiles:
            return
        least, most = np.percentile([p.energy for p in tiles], (5, 95))  # below 0 where all is well
        veil = pygame.Surface((state.wide, state.high), pygame.SRCALPHA)
        for placement in tiles:
            share = min(max((placement.energy - least) / max(most - least, 1e-9), 0.0), 1.0)
            points = (placement.contour - (state.view.x, state.view.y)) * state.view.zoom
            pygame.draw.polygon(veil, (*SITE, round(190 * share)), points)
        surface.blit(veil, (0, 0))

    def facts(self, state: JigsawState) -> list[str]:
        """Say how fast tiles are laid, and what the one under the pointer is."""
        tiles = shown(state)
        lines = [f"{len(tiles):,} tiles"]
        if state.at is None and state.seconds > 0.5:
            rate = (len(tiles) - state.history.stayed) / state.seconds
            lines = [f"{lines[0]}   {rate:.0f} a second   {state.seconds:.0f} s"]
        number = state.selected if state.selected >= 0 else state.hovered
        if 0 <= number < len(state.placements) and state.library is not None:
            tile = state.placements[number]
            source = state.library.sources[tile.tile]
            terms = [f"{name} {term:.3f}" for name, term in zip(_TERMS, tile.terms, strict=True)]
            lines += [
                str(source.part or source.file).rsplit("/", 1)[-1],
                f"energy {tile.energy:.3f}   turned {math.degrees(tile.pose.theta) % 360:.0f}"
                f"\N{DEGREE SIGN}   {tile.pose.scale:.0f} px",
                ", ".join(terms[:2]),
                ", ".join(terms[2:]),
            ]
        return lines

    def plots(self, state: JigsawState) -> list[Plot]:
        """Plot coverage over time, the energy of the newest tiles by its terms, and the bending."""
        covered = [share for _, share in state.coverage]
        plots = [Plot("coverage", covered, f"{covered[-1]:.0%}" if covered else "")]
        terms = list(zip(*state.terms, strict=True)) or [()] * len(_TERMS)
        for name, values in zip(_TERMS, terms, strict=True):
            newest = f"{np.mean(values[-_FEW:]):.3f}" if values else ""
            plots.append(Plot(name, list(values), newest))
        bent = f"{state.bent[-1]:.1%}" if state.bent else ""
        return [*plots, Plot("bending", list(state.bent), bent)]

    def line(self, state: JigsawState) -> str:
        """Say what a stroke does, while one may be drawn."""
        if state.brush and state.running:
            return f"{super().line(state)}; then you may draw to {state.brush} containers"
        if state.brush:
            return f"draw over the picture to {state.brush} containers, Esc ends that; {state.said}"
        return super().line(state)


def _laid(
    state: JigsawState,
    tiles: list[Placement],
    kept: Kept,
    art: dict[Pose, NDArray[np.float64]],
) -> None:
    """Draw tiles within the clip: those of the art as the engine has drawn them, others flat."""
    same = [p for p in tiles if _is_drawn(p, art)]
    if same and state.answer is not None:
        _art(state.answer, [p.contour for p in same], kept)
    done = {id(p) for p in same}
    for placement in tiles:
        if id(placement) in done:
            continue
        colour = tile_colour(state, placement)
        points = placement.contour * kept.scale
        pygame.draw.polygon(kept.tiles, colour, points)
        pygame.draw.aalines(kept.tiles, tuple(max(0, c - 45) for c in colour), True, points)


def _is_drawn(placement: Placement, art: dict[Pose, NDArray[np.float64]]) -> bool:
    """Whether a tile lies exactly as one that the engine has drawn."""
    contour = art.get(placement.pose)
    return contour is not None and np.array_equal(placement.contour, contour)


def _art(answer: Answer, contours: list[NDArray[np.float64]], kept: Kept) -> None:
    """Show what the engine has drawn within contours."""
    area = kept.tiles.get_clip()
    fine = answer.scale / kept.scale
    until, below = (round(edge * fine) for edge in (area.right, area.bottom))
    part = answer.picture[round(area.top * fine) : below, round(area.left * fine) : until]
    if not part.size:
        return
    whole = pygame.surfarray.make_surface(part.swapaxes(0, 1))
    seen = pygame.Surface(area.size, pygame.SRCALPHA)
    for contour in contours:
        pygame.draw.polygon(seen, (255, 255, 255), contour * kept.scale - area.topleft)
    scaled = pygame.transform.smoothscale(whole, area.size)
    seen.blit(scaled, (0, 0), special_flags=pygame.BLEND_RGB_MULT)
    kept.tiles.blit(seen, area)


def tile_colour(state: JigsawState, placement: Placement) -> Colour:
    """Return the one colour that stands for a tile until it is drawn, sRGB."""
    if state.library is None or state.ground is None:
        return 160, 160, 160
    height, width = state.ground.labels.shape
    x = min(max(int(placement.pose.x), 0), width - 1)
    y = min(max(int(placement.pose.y), 0), height - 1)
    own, wanted = state.library.lab[placement.tile], state.ground.goal[y, x]
    lab = own + min(_SOFT, state.request.adjust) * (wanted - own)
    red, green, blue = from_lab(lab).clip(0, 255).astype(int).tolist()  # moved, it may leave sRGB
    return red, green, blue


def in_hand(state: JigsawState) -> NDArray[np.float64]:
    """Return the contour of the tile that is held, where it is held."""
    assert state.pose is not None
    own, pose = state.placements[state.selected], state.pose
    turn = pose.theta - own.pose.theta
    cos, sin = math.cos(turn), math.sin(turn)
    about = own.contour - (own.pose.x, own.pose.y)
    grown = about * (pose.scale / own.pose.scale)
    return np.asarray(grown @ np.array([[cos, sin], [-sin, cos]]) + (pose.x, pose.y))
