"""The command line: options in, one call, a picture out."""

import difflib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from smalti import __version__
from smalti.plugin import report
from smalti.plugin.sections import Sectioned
from smalti.request import FORMATS, METRICS, SPACES, VARIANTS, Photomosaic

EXIT_CODES = "Exit codes: 0 ok, 1 failed, 2 bad input, 130 cancelled."


def main() -> None:
    """Run the command line; the process ends with one of the documented codes."""
    debug = "--debug" in sys.argv
    try:
        smalti.main(prog_name="smalti", standalone_mode=False)
        code = 0
    except click.exceptions.Exit as error:
        code = error.exit_code
    except click.ClickException as error:
        code = _say(error.format_message() + _where_to_read(error), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        code = _say("cancelled; nothing was left behind", 130)
    except BrokenPipeError:  # the reader of our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except Exception as error:
        if debug:
            raise
        code = _explain(error)
    sys.stdout.flush()
    if code == 130:  # a solver left to end unheard in its thread must not hold the process up
        os._exit(code)
    sys.exit(code)


def _explain(error: Exception) -> int:
    from smalti.core.errors import Cancelled, SmaltiError

    if isinstance(error, Cancelled):
        return _say("cancelled; nothing was left behind", error.exit_code)
    if isinstance(error, SmaltiError):
        return _say(str(error), error.exit_code)
    return _say(f"{type(error).__name__}: {error} (run again with --debug to see where)", 1)


def _where_to_read(error: click.ClickException) -> str:
    ctx = error.ctx if isinstance(error, click.UsageError) else None
    return f" (see {ctx.command_path} --help)" if ctx else ""


def _say(message: str, code: int) -> int:
    click.echo(f"smalti: {message}", err=True)
    return code


@click.group(
    epilog=EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="smalti")
def smalti() -> None:
    r"""Make mosaics: photos laid optimally on a grid.

    \b
    smalti photo portrait.jpg ~/Photos -o mosaic.jpg     a picture
    smalti photo portrait.jpg ~/Photos -o mosaic.html    a page to zoom into
    smalti photo @demo @demo -o demo.html                try it without any photos
    """


def _grid(value: str | tuple[int, int]) -> tuple[int, int]:
    """Columns and rows: 64x48."""
    if isinstance(value, tuple):
        return value
    try:
        columns, rows = map(int, value.lower().split("x"))
    except ValueError:
        raise click.BadParameter(f"{value!r} is not columns and rows, such as 64x48") from None
    return columns, rows


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


_common = [
    click.option(
        "--jobs", type=click.IntRange(min=1), help="Processes at work.  [default: all cores]"
    ),
    click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object."),
    click.option("--debug", is_flag=True, help="Show where an error came from."),
    click.option("-q", "--quiet", is_flag=True, help="No progress, no summary."),
]


def _with_common(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_common):
        command = option(command)
    return command


@smalti.command(
    cls=Sectioned,
    epilog=EXIT_CODES,
    sections={
        "Output": ["output", "tile_px", "width_cm", "dpi", "quality"],
        "Grid": ["cells", "grid", "aspect", "fit", "crop"],
        "Use of photos": ["max_uses", "repeats", "twins"],
        "Look": ["adjust", "variants", "space", "detail", "metric", "background"],
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
@click.option("--grid", type=_grid, metavar="COLSxROWS", help="Columns and rows exactly.")
@click.option(
    "--aspect",
    type=_aspect,
    metavar="W:H",
    help="Shape of a tile.  [default: the photos' commonest]",
)
@click.option(
    "--fit",
    type=click.Choice(["crop", "pad"]),
    default="crop",
    show_default=True,
    help="Crop the target to the grid, or pad it.",
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
@click.option(
    "--dpi",
    metavar="DPI",
    type=click.FloatRange(1, 10_000),
    default=300,
    show_default=True,
    help="Dots an inch of the print.",
)
@click.option(
    "--max-uses",
    metavar="T",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Times a photo may appear.",
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
    "--quality",
    metavar="Q",
    type=click.IntRange(1, 100),
    default=92,
    show_default=True,
    help="Of JPEG and WebP.",
)
@click.option(
    "--seed", metavar="N", type=int, default=0, show_default=True, help="Of everything random."
)
@click.option("--dry-run", is_flag=True, help="Say what would be made; write nothing.")
@click.option("--strict", is_flag=True, help="Stop at a photo that cannot be used.")
@_with_common
def photo(
    output: str | None,
    dry_run: bool,
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
    if not output and not dry_run:
        raise click.UsageError("say what to write: -o mosaic.jpg, or -o mosaic.html to zoom into")
    request = Photomosaic(output=output or "", **asked)
    from smalti.mosaic import make_mosaic
    from smalti.plan import forecast

    if dry_run:
        ahead = _run(lambda **how: forecast(request, **how), jobs, quiet)
        report.tell(ahead.report(), report.forecast_text(ahead), as_json=as_json, quiet=quiet)
        return
    made = _run(lambda **how: make_mosaic(request, **how), jobs, quiet)
    if not quiet:
        report.warn_skipped(made.skipped)
        report.warn_small(made)
    report.tell(made.report(), report.summary(made), as_json=as_json, quiet=quiet)


@smalti.command(epilog=EXIT_CODES)
@click.argument("project", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    metavar="OUT",
    type=click.Path(path_type=Path),
    required=True,
    help=f"What to write: {' '.join(FORMATS)}.",
)
@click.option(
    "--tile-px", type=click.IntRange(1, 10_000), help="Width of a tile.  [default: as before]"
)
@_with_common
def render(
    project: Path,
    output: Path,
    tile_px: int | None,
    jobs: int | None,
    as_json: bool,
    debug: bool,
    quiet: bool,
) -> None:
    """Make a saved PROJECT again, at another size, without matching again.

    PROJECT is the .smalti.json that lies beside every mosaic.
    """
    from smalti.mosaic import render_project

    size = _run(lambda **how: render_project(project, output, tile_px=tile_px, **how), jobs, quiet)
    values = {"output": str(output), "width": size[0], "height": size[1], "version": __version__}
    text = f"{output}  {size[0]} x {size[1]} px"
    report.tell(values, text, as_json=as_json, quiet=quiet)


@smalti.command(epilog=EXIT_CODES)
@click.argument("target")
@click.argument("mosaic")
@click.option(
    "--grid",
    type=_grid,
    metavar="COLSxROWS",
    help="Cells of the mosaic.  [default: its project's, or 64 across]",
)
@_with_common
def score(
    target: str,
    mosaic: str,
    grid: tuple[int, int] | None,
    jobs: int | None,
    as_json: bool,
    debug: bool,
    quiet: bool,
) -> None:
    """Measure how like TARGET a MOSAIC is; any two pictures will do."""
    from smalti.score import score_pictures

    found = score_pictures(Path(target), Path(mosaic), grid=grid)
    lines = [f"{name:<21} {value:.4f}" for name, value in found.items() if value is not None]
    note = "None of these is validated against human judgement of photomosaics."
    report.tell(found, "\n".join([*lines, note]), as_json=as_json, quiet=quiet)


@smalti.group()
def library() -> None:
    """Look into folders of photos."""


def _library_command(function: Callable[..., None]) -> Callable[..., None]:
    return click.argument("photos", nargs=-1, required=True)(_with_common(function))


def _scan(photos: tuple[str, ...], jobs: int | None, quiet: bool) -> Any:
    from smalti.core.library import default_index, scan

    return _run(lambda **how: scan(photos, index=default_index(), **how), jobs, quiet)


@library.command("scan")
@_library_command
def library_scan(
    photos: tuple[str, ...], jobs: int | None, as_json: bool, debug: bool, quiet: bool
) -> None:
    """Index photos, so that mosaics of them start at once."""
    found = _scan(photos, jobs, quiet)
    groups = int(found.group.max()) + 1
    values = {
        "photos": len(found.sources),
        "different": groups,
        "skipped": report.skipped_values(found.skipped),
    }
    if not quiet:
        report.warn_skipped(found.skipped)
    text = f"{len(found.sources):,} photos, {groups:,} of them different"
    report.tell(values, text, as_json=as_json, quiet=quiet)


@library.command("list")
@_library_command
def library_list(
    photos: tuple[str, ...], jobs: int | None, as_json: bool, debug: bool, quiet: bool
) -> None:
    """List the usable photos: size, group of near-duplicates, name."""
    from smalti.core.errors import printable

    found = _scan(photos, jobs, quiet)
    rows = [
        {
            "file": printable(s.file),
            "part": s.part,
            "width": int(w),
            "height": int(h),
            "group": int(g),
        }
        for s, (w, h), g in zip(found.sources, found.sizes, found.group, strict=True)
    ]
    lines = [
        f"{r['width']:>6} x {r['height']:<6} {r['group']:>7}  {r['file']} {r['part']}".rstrip()
        for r in rows
    ]
    values = {"photos": rows, "skipped": report.skipped_values(found.skipped)}
    report.tell(values, "\n".join(lines), as_json=as_json, quiet=quiet)


@library.command("check")
@_library_command
def library_check(
    photos: tuple[str, ...], jobs: int | None, as_json: bool, debug: bool, quiet: bool
) -> None:
    """Name every file that cannot be used, and every near-duplicate."""
    import numpy as np

    from smalti.core.errors import printable

    found = _scan(photos, jobs, quiet)
    _, first = np.unique(found.group, return_index=True)
    twins = [
        {"file": printable(found.sources[j].file), "like": printable(found.sources[first[g]].file)}
        for j, g in enumerate(found.group)
        if j != first[g]
    ]
    lines = [f"cannot use {printable(s.file)}: {s.reason}" for s in found.skipped]
    lines += [f"near-duplicate {t['file']} of {t['like']}" for t in twins]
    lines.append(
        f"{len(found.sources):,} usable, {len(found.skipped):,} not, {len(twins):,} near-duplicates"
    )
    values = {"skipped": report.skipped_values(found.skipped), "twins": twins}
    report.tell(values, "\n".join(lines), as_json=as_json, quiet=quiet)


@smalti.command()
@click.option("--json", "as_json", is_flag=True, help="Print the findings as one JSON object.")
def doctor(as_json: bool) -> None:
    """Check what smalti depends on, and say how to mend what is wrong."""
    from smalti.plugin.doctor import examine

    findings = examine()
    lines = [f"{'ok  ' if f.fine else 'MEND'}  {f.what:<14} {f.found}" for f in findings]
    values = {f.what: {"ok": f.fine, "found": f.found} for f in findings}
    report.tell(values, "\n".join(lines), as_json=as_json, quiet=False)
    if not all(f.fine for f in findings):
        raise click.exceptions.Exit(1)


@smalti.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    r"""Print completion for a SHELL.

    \b
    bash   smalti completion bash >> ~/.bashrc
    zsh    smalti completion zsh >> ~/.zshrc
    fish   smalti completion fish > ~/.config/fish/completions/smalti.fish
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(smalti, {}, "smalti", "_SMALTI_COMPLETE").source())


def _run(job: Callable[..., Any], jobs: int | None, quiet: bool) -> Any:
    from smalti.plugin.terminal import run, shown, workers

    with shown(quiet) as show, workers(jobs or os.cpu_count() or 1) as pool:
        return run(lambda progress: job(executor=pool, progress=progress), show)
