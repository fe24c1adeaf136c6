"""``smalti view``: watch a jigsaw being packed, and take part."""

import click

from smalti.plugin.options import EXIT_CODES, seed_option
from smalti.plugin.sections import Sectioned
from smalti.request import Jigsaw


@click.command(cls=Sectioned, epilog=EXIT_CODES, sections={})
@click.argument("target", default="@scarlet-macaw")
@click.argument("shapes", nargs=-1)
@click.option(
    "--tiles", metavar="N", type=click.IntRange(min=1), help="About how many.  [default: 1200]"
)
@click.option("--segments", metavar="N", type=click.IntRange(min=1), help="How many containers.")
@click.option("--mask", metavar="FILE", default="", help="One container, where it is light.")
@click.option("--edges", metavar="FILE", default="", help="Extra borders, drawn dark on light.")
@seed_option
def view(
    target: str,
    shapes: tuple[str, ...],
    tiles: int | None,
    segments: int | None,
    mask: str,
    edges: str,
    seed: int,
) -> None:
    """Watch a jigsaw of SHAPES being packed into TARGET, and take part.

    SHAPES are folders, files or a .zip of clip art; without any, the ones that come
    with smalti. TARGET may be the project of a jigsaw (.smalti.json), to go on with it.

    F1 in the window lists its keys. Nothing is written until you save.
    """
    request = Jigsaw(
        target=target,
        shapes=shapes or ("@demo",),
        tiles=tiles,
        segments=segments,
        mask=mask,
        edges=edges,
        seed=seed,
    )
    from smalti.core.library import default_index
    from smalti.plugin.viewer.window import view as open_viewer

    open_viewer(request, index=default_index())
