"""``smalti photo``: the options of a photomosaic."""

import difflib
from typing import Any

import click

from smalti.plugin import report
from smalti.plugin.options import (
    EXIT_CODES,
    choice,
    cluster_option,
    columns_by_rows,
    dpi_option,
    flag,
    quality_option,
    real,
    run_job,
    seed_option,
    several,
    strict_option,
    text,
    typed,
    whole,
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
        "Grid": ["cells", "grid", "adaptive", "brick", "aspect", "fit", "crop"],
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
@whole("--cells", "N", "About how many cells.  [default: 3000, or 3/4 of the photos]")
@typed("--grid", "COLSxROWS", columns_by_rows, "Columns and rows exactly.")
@flag("--adaptive", "Cells of 3 sizes, small where there is detail.")
@flag("--brick", "Every other row shifted by half a cell.")
@typed("--aspect", "W:H", _aspect, "Shape of a tile.  [default: the photos' commonest]")
@choice(
    "--fit", ["crop", "pad", "exact"], "Crop the target to the grid, pad it, or fit tiles to it."
)
@choice("--crop", ["centre", "attention"], "Part of a photo kept where its shape differs.")
@text("--background", "COLOR", "Behind transparency and padding.", default="white")
@whole("--tile-px", "N", "Width of a tile.  [default: what the photos fill]", most=10_000)
@real("--width-cm", "CM", "Width of the print, instead of --tile-px.", above=0)
@dpi_option
@whole("--max-uses", "T", "Times a photo may appear.", default=1)
@whole(
    "--spacing", "D", "Cells from one copy of a photo to the next, as far as it goes.", default=1
)
@several("--ban", "FILE", "A photo, or glob of photos, never used; repeat.")
@several("--must-appear", "FILE", "A photo, or glob, used for sure; repeat.")
@several("--lock", "COL,ROW=FILE", "That photo in that cell, 1,1 at the top left; repeat.")
@choice("--repeats", ["limited", "free"], "'free' lays the nearest photo everywhere.")
@choice("--twins", ["group", "keep"], "Near-duplicates share one limit, or keep their own.")
@real("--adjust", "S", "How far tile colours move to the cell's.", most=1, default=0.7)
@choice(
    "--correction", CORRECTIONS, "How they move; 'scale' loses contrast, not colours beyond range."
)
@real(
    "--transfer", "S", "How far all photos first take on the target's palette.", most=1, default=0.0
)
@text("--weight", "WHAT", "What counts more: edges, faces, or a FILE, light where it does.")
@typed(
    "--variants",
    "LIST",
    _variants,
    "Ways to use a photo: mirror, crops, turns, none.",
    default="mirror,crops",
)
@choice("--space", SPACES, "Colour space of the comparison.")
@choice("--features", FEATURES, "What is compared: block means, or signs of wavelets (in YIQ).")
@typed("--detail", "R", _detail, "Compare R x R block means, or 'pixels'.", default="6")
@choice("--metric", METRICS, "Distance of two tiles; ciede2000 in Lab, unadjusted.")
@choice("--solver", SOLVERS, "How photos are chosen; all but 'exact' only come near.")
@click.option(
    "--audit/--no-audit",
    default=True,
    help="Prove the exact answer by a pass over all pairs, or not.  [default: audit]",
)
@real("--time-limit", "S", "Seconds a solver other than 'exact' may search.", above=0)
@quality_option
@seed_option
@flag("--dry-run", "Say what would be made; write nothing.")
@flag("--explain", "Say what more photos would bring, from parts of them; write nothing.")
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
