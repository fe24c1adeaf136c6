"""``smalti jigsaw``: the options of a jigsaw image mosaic."""

from collections.abc import Callable
from typing import Any

import click

from smalti.plugin import report
from smalti.plugin.options import (
    EXIT_CODES,
    cluster_option,
    dpi_option,
    quality_option,
    run_job,
    seed_option,
    strict_option,
    with_common,
)
from smalti.plugin.sections import Sectioned
from smalti.request import KINDS, SHAPE_FORMATS, Jigsaw

Command = Callable[..., None]
Decorator = Callable[[Command], Command]


def _weight(name: str, meaning: str) -> Decorator:
    return click.option(
        f"--w-{name}",
        metavar="W",
        type=click.FloatRange(min=0),
        default=1.0,
        show_default=True,
        help=f"Weight of {meaning}; 1 is usual.",
    )


def _picture(name: str, meaning: str) -> Decorator:
    return click.option(f"--{name}", metavar="FILE", default="", help=meaning)


@click.command(
    cls=Sectioned,
    epilog=EXIT_CODES,
    sections={
        "Output": ["output", "geometry", "width", "dpi", "quality"],
        "Tiles": [
            "tiles",
            "tile_px",
            "size_ratio",
            "rotate",
            "reuse",
            "spacing",
            "candidates",
            "shortlist",
        ],
        "Containers": ["segments", "labels", "mask", "edges", "colors", "keep_frame"],
        "Energy": ["w_color", "w_gap", "w_overlap", "w_deform", "w_look", "deform"],
        "Look": ["kind", "adjust", "background"],
    },
)
@click.argument("target")
@click.argument("shapes", nargs=-1)
@click.option(
    "-o",
    "--output",
    metavar="OUT",
    required=True,
    help=f"What to write: {' '.join(SHAPE_FORMATS)}.",
)
@click.option(
    "--geometry", metavar="FILE", default="", help="GeoJSON of every contour, in target pixels."
)
@click.option(
    "--tiles",
    metavar="N",
    type=click.IntRange(min=1),
    help="About how many tiles.  [default: 1200]",
)
@click.option(
    "--tile-px",
    metavar="N",
    type=click.FloatRange(min=1),
    help="Side of a mean tile, instead of --tiles.",
)
@click.option(
    "--size-ratio",
    metavar="R",
    type=click.FloatRange(1, 8),
    help="Largest over smallest tile.  [default: 4; 5 with a face]",
)
@click.option(
    "--segments",
    metavar="N",
    type=click.IntRange(min=1),
    help="About how many containers.  [default: as the picture asks]",
)
@_picture("labels", "Containers, a colour each, instead of the picture's.")
@_picture("mask", "One container, where it is light.")
@_picture("edges", "Extra borders, drawn dark on light.")
@_picture("colors", "Colours instead of the target's, averaged per container.")
@click.option("--keep-frame", is_flag=True, help="Do not cut off a plain frame around TARGET.")
@_weight("color", "colour")
@_weight("gap", "gaps")
@_weight("overlap", "overlap")
@_weight("deform", "deformation")
@_weight("look", "looking ahead")
@click.option(
    "--deform",
    metavar="D",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    help="How far tiles may be deformed; 0 keeps them rigid.",
)
@click.option(
    "--rotate",
    metavar="HOW",
    default="free",
    show_default=True,
    help="free, upright, or at most so many degrees.",
)
@click.option(
    "--adjust",
    metavar="S",
    type=click.FloatRange(0, 1),
    default=0.6,
    show_default=True,
    help="How far tile colours move to their place's, at most 25 dE.",
)
@click.option(
    "--background",
    metavar="COLOR",
    default="darken",
    show_default=True,
    help="Between tiles: darken (the blurred target), target, or a colour.",
)
@click.option(
    "--reuse",
    metavar="N",
    type=click.IntRange(min=1),
    help="Times a tile may appear.  [default: as few as suffice]",
)
@click.option(
    "--spacing",
    metavar="D",
    type=click.FloatRange(min=0),
    default=6.0,
    show_default=True,
    help="Copies nearer than so many tiles are avoided.",
)
@click.option(
    "--kind",
    type=click.Choice(KINDS),
    default="jigsaw",
    show_default=True,
    help="jigsaw of clip art; decorative squares or voronoi cells of one colour; a grid.",
)
@click.option(
    "--candidates",
    type=click.Choice(["scan", "hashing"]),
    default="scan",
    show_default=True,
    help="How tiles are proposed for a place.",
)
@click.option(
    "--shortlist",
    metavar="N",
    type=click.IntRange(min=1),
    default=90,
    show_default=True,
    help="Tiles of the nearest colours tried at a place.",
)
@click.option(
    "--time-limit",
    metavar="S",
    type=click.FloatRange(min=0, min_open=True),
    help="Seconds of packing; then the best so far is taken.",
)
@click.option(
    "--keep-partial",
    is_flag=True,
    help="Ctrl-C ends the packing or refining at hand, and what there is is written.",
)
@click.option(
    "--width",
    metavar="PX",
    type=click.IntRange(16, 100_000),
    default=3000,
    show_default=True,
    help="Long side of the picture.",
)
@click.option(
    "--watch", is_flag=True, help="Open the viewer; OUT is written when the packing is done."
)
@dpi_option
@quality_option
@seed_option
@strict_option
@cluster_option
@with_common
def jigsaw(
    cluster: str,
    jobs: int | None,
    as_json: bool,
    debug: bool,
    quiet: bool,
    watch: bool,
    **asked: Any,
) -> None:
    """Pack SHAPES into the shapes of TARGET: a jigsaw image mosaic.

    SHAPES are folders, files or a .zip of clip art, with transparency or on a plain
    background, or @demo. TARGET is a picture, or @demo.

    The picture is cut into containers of about one colour; tiles are packed into each,
    then slightly deformed to close gaps and overlaps. Tile colours move 6/10 of the way
    to those of their place, at most 25 dE (--adjust).
    """
    request = Jigsaw(**asked)
    if watch:
        if request.kind != "jigsaw":
            raise click.UsageError(
                f"--watch shows a jigsaw being packed, not --kind {request.kind}: leave one out"
            )
        from smalti.core.library import default_index
        from smalti.plugin.viewer.window import view

        view(request, index=default_index())
        return
    from smalti.mosaic import make_mosaic

    made = run_job(
        lambda **how: make_mosaic(request, **how),
        jobs,
        quiet,
        cluster=cluster,
        patient=request.keep_partial,
    )
    if not quiet:
        report.warn_skipped(made.skipped, made.output)
    report.tell(made.report(), report.summary(made), as_json=as_json, quiet=quiet)
