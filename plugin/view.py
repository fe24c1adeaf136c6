"""``smalti view``: watch a mosaic being made, and take part."""

from pathlib import Path

import click

from smalti.plugin.options import EXIT_CODES, flag, real, seed_option, text, whole
from smalti.plugin.sections import Sectioned
from smalti.request import Jigsaw, Photomosaic, Request


@click.command(
    cls=Sectioned,
    epilog=EXIT_CODES,
    sections={
        "Jigsaw": ["tiles", "segments", "mask", "edges"],
        "Photomosaic": ["photo", "cells", "max_uses"],
    },
)
@click.argument("target", default="")
@click.argument("tiles_from", metavar="[SHAPES]...", nargs=-1)
@whole("--tiles", "N", "About how many.  [default: 1200]")
@whole("--segments", "N", "How many containers.")
@text("--mask", "FILE", "One container, where it is light.")
@text("--edges", "FILE", "Extra borders, drawn dark on light.")
@flag("--photo", "A photomosaic; SHAPES are photos.")
@whole("--cells", "N", "About how many.  [default: 3000, or 3/4 of the photos]")
@whole("--max-uses", "T", "Times a photo may appear.", default=1)
@real("--scale", "S", "Of text and controls.  [default: as the screen is]", least=0.5, most=4)
@seed_option
def view(
    target: str,
    tiles_from: tuple[str, ...],
    tiles: int | None,
    segments: int | None,
    mask: str,
    edges: str,
    photo: bool,
    cells: int | None,
    max_uses: int,
    scale: float | None,
    seed: int,
) -> None:
    """Watch a jigsaw of SHAPES being packed into TARGET, and take part.

    SHAPES are folders, files or a .zip of clip art; without any, the ones that come
    with smalti. With --photo they are photos, and matched to a grid instead. TARGET
    may be the project of either (.smalti.json), to go on with it.

    F1 in the window lists its keys. Nothing is written until you save.
    """
    project = Path(target) if target.endswith(".json") else None
    request: Request
    if project is not None:
        from smalti.plugin.viewer.kinds import request_of

        request = request_of(project)
    elif photo:
        request = Photomosaic(
            target=target or "@demo",
            photos=tiles_from or ("@demo",),
            cells=cells,
            max_uses=max_uses,
            seed=seed,
        )
    else:
        request = Jigsaw(
            target=target or "@scarlet-macaw",
            shapes=tiles_from or ("@demo",),
            tiles=tiles,
            segments=segments,
            mask=mask,
            edges=edges,
            seed=seed,
        )
    from smalti.core.library import default_index
    from smalti.plugin.viewer.window import view as open_viewer

    open_viewer(request, project=project, scale=scale, index=default_index())
