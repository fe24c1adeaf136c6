"""Frame times of the viewer: zooming, panning and hovering over 4,000 tiles."""

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs"
_SIZE = (1920, 1080)
_FRAMES = 240


def main(argv: Sequence[str]) -> None:
    """Write docs/bench-viewer.md, and docs/viewer.jpg on the way; `argv` is not used."""
    os.environ["SDL_VIDEODRIVER"] = "dummy"
    import numpy as np
    import pygame

    from smalti import Jigsaw, make_mosaic
    from smalti.core.progress import Step
    from smalti.plugin.viewer.canvas import Canvas
    from smalti.plugin.viewer.engine import answer_of
    from smalti.plugin.viewer.event import Pointer, Told, Wheel
    from smalti.plugin.viewer.state import State, after, fitted

    request = Jigsaw(target="@scarlet-macaw", shapes=("@demo",), tiles=4000)
    state = State(request=request, size=_SIZE)
    picture = DOCS / "viewer.jpg"
    picture.unlink(missing_ok=True)

    def told(step: Step) -> None:
        nonlocal state
        state, _ = after(state, Told(step))
        if step.phase == "pack" and step.done == 1900 and not picture.exists():
            look = replace(state, size=(1280, 800), seen=state.seen | {"free", "cells"})
            half = pygame.Surface(look.size)
            Canvas().draw(fitted(look), half)
            pygame.image.save(half, picture)

    make_mosaic(request, progress=told)
    state = fitted(replace(state, size=_SIZE))
    ground, library = state.ground, state.library
    assert ground is not None
    assert library is not None
    state, _ = after(state, Told(answer_of(request, ground, library, state.placements)))
    canvas, surface = Canvas(), pygame.Surface(_SIZE)
    canvas.draw(state, surface)
    lines = [
        "# Frame times of the viewer",
        "",
        f"Made by `python -m bench viewer`: {len(state.placements):,} tiles, "
        f"{_SIZE[0]} x {_SIZE[1]} px, {_FRAMES} frames of each; CPU milliseconds of one core, "
        "without the display. Sixty frames a second leave 16.7 ms each.",
        "",
        "| what | median | 95 % | worst |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name in ("hovering", "panning", "zooming"):
        now, took = fitted(state), []
        for k in range(_FRAMES):
            x, y = 300 + 5 * (k % 200), 200 + 3 * (k % 200)
            if name == "zooming":
                now, _ = after(now, Wheel(800, 500, 0.4 if k % 60 < 30 else -0.4))
            elif name == "panning":
                if k % 60 == 0:
                    now, _ = after(fitted(now), Wheel(800, 500, 4))
                    now, _ = after(now, Pointer("down", x, y, 2))
                now, _ = after(now, Pointer("move", x, y))
            begin = time.process_time()
            if name == "hovering":
                now, _ = after(now, Pointer("move", x, y))
            canvas.draw(now, surface)
            took.append(1000 * (time.process_time() - begin))
        middle, most = np.percentile(took, [50, 95])
        lines.append(f"| {name} | {middle:.1f} | {most:.1f} | {max(took):.1f} |")
        print(lines[-1], flush=True)
    (DOCS / "bench-viewer.md").write_text("\n".join(lines) + "\n", "utf-8")
    print("docs/bench-viewer.md")
