"""``smalti photo``: the options of a photomosaic."""

import difflib
from typing import Any

import click

from smalti.plugin import report
from smalti.plugin.options import (
    EXIT_CODES,
    cluster_option,
    columns_by_rows,
    dpi_option,
    quality_option,
    run_job,
    seed_option,
    strict_option,
    with_common,
)
from smalti.plugin.sections import Sectioned
from smalti.request import (
    CORRECTIONS,
    FEATURES,
    FORMATS,
    METRICS,
    SOLVERS,
    SPACES,
    VARIANTS,
    Photomosaic,
)


def _aspect(value: str | tuple[float, float]) -> tuple[float, float]:
    """Width and height: 4:3."""
    if isinstance(value, tuple):
        return value
    try:
        width, height = map(float, value.split(":"))
    except ValueError:
        raise click.BadParameter(f"{value!r} is not width and height, such as 4:3") from None
    return width, height


def _detail(value: str | int) -> int:
    """Blocks along a side of a tile, or as many as a tile of paper 003 has pixels."""
    try:
        return 32 if value == "pixels" else int(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is neither a number nor 'pixels'") from None


def _variants(value: str | tuple[str, ...]) -> tuple[str, ...]:
    """Variants joined by commas; none for none."""
    if isinstance(value, tuple):
        return value
    chosen = tuple(kind.strip() for kind in value.split(",") if kind.strip() not in ("", "none"))
    for kind in chosen:
        if kind not in VARIANTS:
            near = difflib.get_close_matches(kind, VARIANTS, 1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise click.BadParameter(f"{kind!r} is none of {', '.join(VARIANTS)}, none.{hint}")
    return chosen


@click.command(
    cls=Sectioned,
    epilog=EXIT_CODES,
    sections={
        "Output": ["output", "tile_px", "width_cm", "dpi", "quality"],
        "Grid": ["cells", "grid", "adaptive", "aspect", "fit", "crop"],
        "Use of photos": [
            *("max_uses", "spacing", "ban", "must_appear", "lock", "repeats", "twins"),
        ],
        "Search": ["solver", "audit", "time_limit"],
        "Look": ["adjust", "correction", "transfer", "weight", "variants", "background"],
        "Comparison": ["features", "detail", "space", "metric"],
    },
)
@click.argument("target")
@click.argument("photos", nargs=-1, required=True)
@click.option("-o", "--output", metavar="OUT", help=f"What to write: {' '.join(FORMATS)}.")
@click.option(
    "--cells",
    metavar="N",
    type=click.IntRange(min=1),
    help="About how many cells.  [default: 3000, or 3/4 of the photos]",
)
@click.option("--grid", type=columns_by_rows, metavar="COLSxROWS", help="Columns and rows exactly.")
@click.option("--adaptive", is_flag=True, help="Cells of 3 sizes, small where there is detail.")
@click.option(
    "--aspect",
    type=_aspect,
    metavar="W:H",
    help="Shape of a tile.  [default: the photos' commonest]",
)
@click.option(
    "--fit",
    type=click.Choice(["crop", "pad", "exact"]),
    default="crop",
    show_default=True,
    help="Crop the target to the grid, pad it, or fit tiles to it.",
)
@click.option(
    "--crop",
    type=click.Choice(["centre", "attention"]),
    default="centre",
    show_default=True,
    help="Part of a photo kept where its shape differs.",
)
@click.option(
    "--background",
    metavar="COLOR",
    default="white",
    show_default=True,
    help="Behind transparency and padding.",
)
@click.option(
    "--tile-px",
    metavar="N",
    type=click.IntRange(1, 10_000),
    help="Width of a tile.  [default: what the photos fill]",
)
@click.option(
    "--width-cm",
    metavar="CM",
    type=click.FloatRange(min=0, min_open=True),
    help="Width of the print, instead of --tile-px.",
)
@dpi_option
@click.option(
    "--max-uses",
    metavar="T",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Times a photo may appear.",
)
@click.option(
    "--spacing",
    metavar="D",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Cells from one copy of a photo to the next, as far as it goes.",
)
@click.option(
    "--ban", metavar="FILE", multiple=True, help="A photo, or glob of photos, never used; repeat."
)
@click.option(
    "--must-appear", metavar="FILE", multiple=True, help="A photo, or glob, used for sure; repeat."
)
@click.option(
    "--lock",
    metavar="COL,ROW=FILE",
    multiple=True,
    help="That photo in that cell, 1,1 at the top left; repeat.",
)
@click.option(
    "--repeats",
    type=click.Choice(["limited", "free"]),
    default="limited",
    show_default=True,
    help="'free' lays the nearest photo everywhere.",
)
@click.option(
    "--twins",
    type=click.Choice(["group", "keep"]),
    default="group",
    show_default=True,
    help="Near-duplicates share one limit, or keep their own.",
)
@click.option(
    "--adjust",
    metavar="S",
    type=click.FloatRange(0, 1),
    default=0.7,
    show_default=True,
    help="How far tile colours move to the cell's.",
)
@click.option(
    "--correction",
    type=click.Choice(CORRECTIONS),
    default="shift",
    show_default=True,
    help="How they move; 'scale' loses contrast, not colours beyond range.",
)
@click.option(
    "--transfer",
    metavar="S",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="How far all photos first take on the target's palette.",
)
@click.option(
    "--weight",
    metavar="WHAT",
    default="",
    help="What counts more: edges, faces, or a FILE, light where it does.",
)
@click.option(
    "--variants",
    type=_variants,
    metavar="LIST",
    default="mirror,crops",
    show_default=True,
    help="Ways to use a photo: mirror, crops, turns, none.",
)
@click.option(
    "--space",
    type=click.Choice(SPACES),
    default="rgb",
    show_default=True,
    help="Colour space of the comparison.",
)
@click.option(
    "--features",
    type=click.Choice(FEATURES),
    default="means",
    show_default=True,
    help="What is compared: block means, or signs of wavelets (in YIQ).",
)
@click.option(
    "--detail",
    type=_detail,
    metavar="R",
    default="6",
    show_default=True,
    help="Compare R x R block means, or 'pixels'.",
)
@click.option(
    "--metric",
    type=click.Choice(METRICS),
    default="sqeuclidean",
    show_default=True,
    help="Distance of two tiles.",
)
@click.option(
    "--solver",
    type=click.Choice(SOLVERS),
    default="exact",
    show_default=True,
    help="How photos are chosen; all but 'exact' only come near.",
)
@click.option(
    "--audit/--no-audit",
    default=True,
    help="Prove the exact answer by a pass over all pairs, or not.  [default: audit]",
)
@click.option(
    "--time-limit",
    metavar="S",
    type=click.FloatRange(min=0, min_open=True),
    help="Seconds a solver other than 'exact' may search.",
)
@quality_option
@seed_option
@click.option("--dry-run", is_flag=True, help="Say what would be made; write nothing.")
@click.option(
    "--explain",
    is_flag=True,
    help="Say what more photos would bring, from parts of them; write nothing.",
)
@strict_option
@cluster_option
@with_common
def photo(
    output: str | None,
    dry_run: bool,
    explain: bool,
    cluster: str,
    jobs: int | None,
    as_json: bool,
    debug: bool,
    quiet: bool,
    **asked: Any,
) -> None:
    """Make a photomosaic of TARGET out of PHOTOS.

    PHOTOS are folders, files, globs, a .zip, a sheet of tiles (atlas.jpg#32), an
    .npz with the key 'tiles', or @demo. TARGET is a picture, or @demo.

    Every photo appears once. Tile colours move 7/10 of the way to those of their
    cell (--adjust 0.7; the summary says by how much); nothing of the target is blended in.
    """
    if not output and not dry_run and not explain:
        raise click.UsageError("say what to write: -o mosaic.jpg, or -o mosaic.html to zoom into")
    request = Photomosaic(output=output or "", **asked)
    from smalti.forecast import forecast
    from smalti.mosaic import make_mosaic

    if dry_run:
        ahead = run_job(lambda **how: forecast(request, **how), jobs, quiet, cluster=cluster)
        report.tell(ahead.report(), report.forecast_text(ahead), as_json=as_json, quiet=quiet)
        return
    if explain:
        from smalti.supply import explain as explained

        supply = run_job(lambda **how: explained(request, **how), jobs, quiet, cluster=cluster)
        report.tell(supply.report(), report.supply_text(supply), as_json=as_json, quiet=quiet)
        return
    made = run_job(lambda **how: make_mosaic(request, **how), jobs, quiet, cluster=cluster)
    if not quiet:
        report.warn_skipped(made.skipped, made.output)
        report.warn_small(made)
        report.warn_near(made)
    report.tell(made.report(), report.summary(made), as_json=as_json, quiet=quiet)
