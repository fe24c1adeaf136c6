"""Colours of everything in the window that is not the mosaic, by Okabe and Ito's palette."""

from typing import NamedTuple

Colour = tuple[int, int, int]


class Theme(NamedTuple):
    """Colours of the panel, and of what lies around the mosaic."""

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
