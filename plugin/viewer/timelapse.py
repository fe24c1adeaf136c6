"""A time-lapse of the packing or matching, as an animated picture."""

from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from smalti.core.atomic import write_bytes
from smalti.plugin.viewer.event import Said
from smalti.plugin.viewer.jigsaw_state import JigsawState, lasting
from smalti.plugin.viewer.kinds import State, canvas_of
from smalti.plugin.viewer.stage import BAR, PANEL, fitted

if TYPE_CHECKING:
    from PIL import Image

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

    def seen(at: int | None) -> Image.Image:
        now = replace(still, size=(wide + PANEL, high + BAR), at=at)
        canvas.draw(fitted(now), surface)
        pixels = pygame.surfarray.array3d(surface.subsurface((0, 0, wide, high)))
        picture = Image.fromarray(pixels.swapaxes(0, 1))
        if isinstance(now, JigsawState) and at is not None:
            picture.paste(finished, mask=_mask(picture.size, lasting(now), share))
        return picture

    finished = seen(None)
    times = np.linspace(1, count, min(_FRAMES, count)).astype(int)
    frames = [*(seen(int(at)) for at in times), finished]
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


def _mask(
    size: tuple[int, int], contours: list[NDArray[np.float64]], share: float
) -> "Image.Image":
    """Mark where tiles lie that stay: there the finished mosaic is seen already."""
    from PIL import Image, ImageDraw

    mask = Image.new("1", size)
    draw = ImageDraw.Draw(mask)
    for contour in contours:
        draw.polygon([(x, y) for x, y in (contour * share).tolist()], fill=1)
    return mask
