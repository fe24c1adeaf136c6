"""A time-lapse of the packing or matching, as an animated picture."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from smalti.core.atomic import write_bytes
from smalti.plugin.viewer.jigsaw_state import JigsawState, lasting
from smalti.plugin.viewer.kinds import State, canvas_of
from smalti.plugin.viewer.stage import BAR, PANEL, View

if TYPE_CHECKING:
    from PIL import Image

_LONG = 720  # px of its longer side
_FRAMES = 60
_FRAME_MS, _LAST_MS = 80, 2500


def record(state: State, path: Path) -> Iterator[str]:
    """Write what was laid, from the first tile to the last, as an animated WebP or GIF.

    It is drawn a frame at a time, so that the window goes on meanwhile.

    Parameters
    ----------
    state : State
    path : Path
        Its ending says which.

    Yields
    ------
    str
        How far it is; the last is what came of it.
    """
    import pygame
    from PIL import Image

    count, (width, height) = state.steps, state.raster
    if count == 0:
        yield "nothing has been laid yet"
        return
    share = _LONG / max(width, height)
    wide, high = round(width * share), round(height * share)
    canvas, surface = canvas_of(state), pygame.Surface((wide + PANEL, high + BAR))
    still = replace(
        state.bare(),
        scale=1.0,
        size=surface.get_size(),
        view=View(0.0, 0.0, max(wide / width, high / height)),
        seen=frozenset({"tiles"}),
        restless=0.0,
        help=False,
    )

    def seen(at: int | None) -> Image.Image:
        now = replace(still, at=at)
        canvas.draw(now, surface)
        pixels = pygame.surfarray.array3d(surface.subsurface((0, 0, wide, high)))
        picture = Image.fromarray(pixels.swapaxes(0, 1))
        if isinstance(now, JigsawState) and at is not None:
            picture.paste(finished, mask=_mask(picture.size, lasting(now), share))
        return picture

    finished = seen(None)
    frames: list[Image.Image] = []
    times = np.linspace(1, count, min(_FRAMES, count)).astype(int).tolist()
    for at in times:
        yield f"recording {len(frames)} of {len(times)}"
        frames.append(seen(at))
    encoder = ThreadPoolExecutor(1)  # it takes seconds, most of them without the interpreter
    saved = encoder.submit(_save, [*frames, finished], path)
    encoder.shutdown(wait=False)
    while not saved.done():
        yield f"writing {path.name}"
    failed = saved.exception()
    yield f"saved {path.name}" if failed is None else f"cannot write {path.name}: {failed}"


def _save(frames: "list[Image.Image]", path: Path) -> None:
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
