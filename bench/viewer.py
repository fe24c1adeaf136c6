"""Frame times of the viewer: zooming, panning and hovering over 4,000 tiles or cells."""

import os
import pickle
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from smalti.plugin.viewer.kinds import State

DOCS = Path(__file__).parent.parent / "docs"
_SIZE = (1920, 1080)
_FRAMES = 240
_CHANGES = 20
_MIDDLING = 3  # the container of so many that are larger


def main(argv: Sequence[str]) -> None:
    """Write docs/bench-viewer.md, and its pictures on the way; `argv` is not used."""
    if os.environ.get("OPENBLAS_NUM_THREADS") != "1":  # threads that wait burn CPU seconds
        one = {name: "1" for name in ("NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
        again = [sys.executable, "-m", "bench", "viewer", *argv]
        os.execve(sys.executable, again, {**os.environ, **one, "SDL_VIDEODRIVER": "dummy"})
    lines = [
        "# Frame times of the viewer",
        "",
        f"Made by `python -m bench viewer`: {_SIZE[0]} x {_SIZE[1]} px, {_FRAMES} frames of each; "
        "CPU milliseconds of one core, without the display. Sixty frames a second leave 16.7 ms "
        "each.",
    ]
    for made in (_jigsaw, _photomosaic):
        for line in made():
            print(line, flush=True)
            lines.append(line)
    (DOCS / "bench-viewer.md").write_text("\n".join(lines) + "\n", "utf-8")
    print("docs/bench-viewer.md")


def _jigsaw() -> Iterator[str]:
    import pygame

    from smalti import Jigsaw
    from smalti.core.progress import Step
    from smalti.jigsaw.placement import Packed
    from smalti.plugin.viewer.event import Passed, Told
    from smalti.plugin.viewer.jigsaw_canvas import JigsawCanvas
    from smalti.plugin.viewer.jigsaw_engine import answer, begin
    from smalti.plugin.viewer.jigsaw_reducer import after
    from smalti.plugin.viewer.jigsaw_state import JigsawState
    from smalti.plugin.viewer.stage import fitted

    request = Jigsaw(target="@scarlet-macaw", shapes=("@demo",), tiles=4000)
    state = JigsawState(request=request, size=_SIZE)
    picture, before = DOCS / "viewer.jpg", time.monotonic()
    picture.unlink(missing_ok=True)

    def told(step: Step) -> None:
        nonlocal state, before
        now = time.monotonic()
        state, _ = after(state, Passed(now - before))
        state, before = after(state, Told(step))[0], now
        if step.phase == "pack" and step.done == 1900 and not picture.exists():
            look = replace(state, size=(1280, 800), seen=state.seen | {"free", "cells"})
            half = pygame.Surface(look.size)
            JigsawCanvas().draw(fitted(look), half)
            pygame.image.save(half, picture)

    desk, _ = begin(request, None, told)
    state, _ = after(state, Told(answer(desk, None, "done")))
    yield from _frames(f"A jigsaw of {len(state.placements):,} tiles", fitted(state))
    canvas, surface, state = JigsawCanvas(), pygame.Surface(_SIZE), fitted(state)
    canvas.draw(state, surface)
    label, count = Counter(p.container for p in state.placements).most_common()[_MIDDLING]
    stay = tuple(p for p in state.placements if p.container != label)
    stay = pickle.loads(pickle.dumps(stay))  # as they come from the engine
    anew, _ = after(state, Told(Step("pack", 0, count, "packing", Packed(stay))))
    at = time.process_time()
    canvas.draw(anew, surface)
    took = 1000 * (time.process_time() - at)
    yield from ("", f"The first frame of packing a container of {count} tiles anew: {took:.0f} ms.")


def _photomosaic() -> Iterator[str]:
    import numpy as np
    import pygame

    from smalti import Photomosaic
    from smalti.core.progress import Step
    from smalti.plugin.viewer.event import Change, Pointer, Told
    from smalti.plugin.viewer.grid_canvas import GridCanvas
    from smalti.plugin.viewer.grid_engine import answer, begin, changed
    from smalti.plugin.viewer.grid_reducer import after
    from smalti.plugin.viewer.grid_state import GridState, box_of
    from smalti.plugin.viewer.stage import fitted

    request = Photomosaic(target="@astronaut", photos=("@demo",), cells=4000)
    state = GridState(request=request, size=_SIZE)

    def told(step: Step) -> None:
        nonlocal state
        state, _ = after(state, Told(step))

    desk = begin(request, None, told)
    state, _ = after(state, Told(answer(desk, None, "done")))
    cells = len(desk.laid.photo)
    yield from _frames(f"A photomosaic of {cells:,} cells", fitted(state))
    yield from _frames(
        f"The same with borders and costs of {cells:,} cells",
        fitted(replace(state, seen=state.seen | {"borders", "cost"})),
    )
    begin_s = time.process_time()
    desk = desk.ready()
    ready = time.process_time() - begin_s
    yield from (
        "",
        f"Changes by hand, from the wish to the answer, {_CHANGES} of each on random cells, CPU "
        f"milliseconds; {cells:,} cells, {len(desk.plan.library.sources):,} photos. Getting ready "
        f"for them, once, behind the finished picture: {ready:.1f} s.",
        "",
        "| what | median | worst |",
        "| --- | ---: | ---: |",
    )
    rng = np.random.default_rng(0)
    for what in ("swap", "lock", "exchange", "ban"):
        took = []
        for cell, other in rng.integers(cells, size=(_CHANGES + 1, 2)).tolist():
            at = time.process_time()
            new = changed(desk, Change(what, cell, other=other))
            told_of = answer(new, desk, what)
            took.append(1000 * (time.process_time() - at))
            state, _ = after(state, Told(told_of))
            desk = new
        yield f"| {what} | {np.median(took[1:]):.1f} | {max(took[1:]):.1f} |"
    look = fitted(replace(state, size=(1280, 800), dark=False))
    look = replace(look, view=look.view.zoomed(380, 150, 3.0))
    _, _, wide, high = box_of(look, 0)
    for kind, x, y in (("down", 330, 210), ("move", 330 + 4 * wide, 210 + 2 * high)):
        look, _ = after(look, Pointer(kind, x, y, 1))
    surface = pygame.Surface(look.size)
    GridCanvas().draw(look, surface)
    pygame.image.save(surface, DOCS / "viewer-photo.jpg")


def _frames(title: str, state: "State") -> Iterator[str]:
    import numpy as np
    import pygame

    from smalti.plugin.viewer.event import Pointer, Wheel
    from smalti.plugin.viewer.kinds import after, canvas_of
    from smalti.plugin.viewer.stage import fitted

    canvas: Any = canvas_of(state)
    surface = pygame.Surface(_SIZE)
    canvas.draw(state, surface)
    yield from (
        "",
        f"{title}:",
        "",
        "| what | median | 95 % | worst |",
        "| --- | ---: | ---: | ---: |",
    )
    for name in ("hovering", "panning", "zooming"):
        now, took = state, []
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
        yield f"| {name} | {middle:.1f} | {most:.1f} | {max(took):.1f} |"
