"""A time-lapse of the packing or matching, as an animated picture."""

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np

from smalti.core.atomic import write_bytes
from smalti.plugin.viewer.event import Said
from smalti.plugin.viewer.kinds import State, canvas_of
from smalti.plugin.viewer.stage import BAR, PANEL, fitted

_LONG = 720  # px of its longer side
_FRAMES = 60
_FRAME_MS, _LAST_MS = 80, 2500


def record(state: State, path: Path) -> Said:
    """Write what was laid, from the first tile to the last, as an animated WebP or GIF.

    Parameters
    ----------
    state : State
    path : Path
        Its ending says which.

    Returns
    -------
    Said
        What came of it.
    """
    import pygame
    from PIL import Image

    count, (width, height) = state.steps, state.raster
    if count == 0:
        return Said("nothing has been laid yet")
    share = _LONG / max(width, height)
    wide, high = round(width * share), round(height * share)
    canvas, surface = canvas_of(state), pygame.Surface((wide + PANEL, high + BAR))
    still = replace(state.bare(), scale=1.0, seen=frozenset({"tiles"}), help=False)
    frames = []
    for at in [*np.linspace(1, count, min(_FRAMES, count)).astype(int), None]:
        now = replace(still, size=(wide + PANEL, high + BAR), at=None if at is None else int(at))
        canvas.draw(fitted(now), surface)
        pixels = pygame.surfarray.array3d(surface.subsurface((0, 0, wide, high)))
        frames.append(Image.fromarray(pixels.swapaxes(0, 1)))
    data = BytesIO()
    frames[0].save(
        data,
        "GIF" if path.suffix.lower() == ".gif" else "WEBP",
        save_all=True,
        append_images=frames[1:],
        duration=[_FRAME_MS] * (len(frames) - 1) + [_LAST_MS],
        loop=0,
        quality=80,
    )
    write_bytes(path, data.getvalue())
    return Said(f"saved {path.name}")
