"""``smalti jigsaw``: the options of a jigsaw image mosaic."""

from typing import TYPE_CHECKING, Any

import click

from smalti.plugin import report
from smalti.plugin.options import (
    EXIT_CODES,
    Option,
    choice,
    cluster_option,
    dpi_option,
    flag,
    quality_option,
    real,
    run_job,
    seed_option,
    strict_option,
    text,
    whole,
    with_common,
)
from smalti.plugin.sections import Sectioned
from smalti.request import KINDS, SHAPE_FORMATS, Jigsaw

if TYPE_CHECKING:
    from smalti.jigsaw_mosaic import JigsawMosaic
    from smalti.mosaic import Mosaic


def _weight(name: str, meaning: str) -> Option:
    return real(f"--w-{name}", "W", f"Weight of {meaning}; 1 is usual.", default=1.0)


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
    help=f"What to write: {' '.join(SHAPE_FORMATS)}.",
)
@text("--geometry", "FILE", "GeoJSON of every contour, in target pixels.")
@whole("--tiles", "N", "About how many tiles.  [default: 1200]")
@real("--tile-px", "N", "Side of a mean tile, instead of --tiles.", least=1)
@real(
    "--size-ratio", "R", "Largest over smallest tile.  [default: 4; 5 with a face]", least=1, most=8
)
@whole("--segments", "N", "About how many containers.  [default: as the picture asks]")
@text("--labels", "FILE", "Containers, a colour each, instead of the picture's.")
@text("--mask", "FILE", "One container, where it is light.")
@text("--edges", "FILE", "Extra borders, drawn dark on light.")
@text("--colors", "FILE", "Colours instead of the target's, averaged per container.")
@flag("--keep-frame", "Do not cut off a plain frame around TARGET.")
@_weight("color", "colour")
@_weight("gap", "gaps")
@_weight("overlap", "overlap")
@_weight("deform", "deformation")
@_weight("look", "looking ahead")
@real("--deform", "D", "How far tiles may be deformed; 0 keeps them rigid.", default=1.0)
@text("--rotate", "HOW", "free, upright, or at most so many degrees.", default="free")
@real(
    "--adjust",
    "S",
    "How far tile colours move to their place's, at most 25 dE.",
    most=1,
    default=0.6,
)
@text(
    "--background",
    "COLOR",
    "Between tiles: darken (the blurred target), target, or a colour.",
    default="darken",
)
@whole("--reuse", "N", "Times a tile may appear.  [default: as few as suffice]")
@real("--spacing", "D", "Copies nearer than so many tiles are avoided.", default=6.0)
@choice(
    "--kind",
    KINDS,
    "jigsaw of clip art; decorative squares or voronoi cells of one colour; a grid.",
)
@choice("--candidates", ["scan", "hashing"], "How tiles are proposed for a place.")
@whole("--shortlist", "N", "Tiles of the nearest colours tried at a place.", default=90)
@real("--time-limit", "S", "Seconds of packing; then the best so far is taken.", above=0)
@flag(
    "--keep-partial", "Ctrl-C ends the packing or refining at hand, and what there is is written."
)
@whole("--width", "PX", "Long side of the picture.", least=16, most=100_000, default=3000)
@flag("--watch", "Open the viewer; OUT is written when the packing is done.")
@dpi_option
@quality_option
@seed_option
@flag("--dry-run", "Say what would be made; write nothing.")
@strict_option
@cluster_option
@with_common
def jigsaw(
    output: str | None,
    dry_run: bool,
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
    if not output and not dry_run:
        raise click.UsageError("say what to write: -o mosaic.jpg, or -o mosaic.html to zoom into")
    request = Jigsaw(output=output or "", **asked)
    if dry_run:
        from smalti.jigsaw_forecast import forecast_jigsaw

        ahead = run_job(lambda **how: forecast_jigsaw(request, **how), jobs, quiet, cluster=cluster)
        report.tell(
            ahead.report(), report.jigsaw_forecast_text(ahead), as_json=as_json, quiet=quiet
        )
        return
    made: Mosaic
    if watch:
        made = _watched(request)
    else:
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


def _watched(request: Jigsaw) -> "JigsawMosaic":
    """Make a jigsaw in the viewer; Cancelled if the window is closed before it is written."""
    if request.kind != "jigsaw":
        raise click.UsageError(
            f"--watch shows a jigsaw being packed, not --kind {request.kind}: leave one out"
        )
    from smalti.core.errors import Cancelled
    from smalti.core.library import default_index
    from smalti.plugin.viewer.window import view

    made = view(request, index=default_index())
    if made is None:
        raise Cancelled
    return made
