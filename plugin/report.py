"""What the command line says of a result, in words and as values."""

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from smalti.core.errors import printable

if TYPE_CHECKING:
    from pathlib import Path

    from smalti.core.source import Skipped
    from smalti.flat_mosaic import FlatMosaic
    from smalti.forecast import Forecast
    from smalti.grid_mosaic import GridMosaic
    from smalti.jigsaw_forecast import JigsawForecast
    from smalti.jigsaw_mosaic import JigsawMosaic
    from smalti.mosaic import Mosaic
    from smalti.supply import Supply

_NAMED = 20  # files left out for one reason, up to which each is named
_EXAMPLES = 3
_NUMBER = re.compile(r"\d[\d,.]*")
_SMALL_CM = 1.3  # a tile printed smaller than this can hardly be made out


def tell(values: dict[str, Any], text: str, *, as_json: bool, quiet: bool) -> None:
    """Print a result on stdout: its values as JSON, or its text, or nothing."""
    if as_json:
        click.echo(json.dumps(values, allow_nan=False))
    elif not quiet:
        click.echo(text)


def skipped_values(skipped: "Sequence[Skipped]") -> list[dict[str, str]]:
    """Files left out, for JSON."""
    return [{"file": printable(s.file), "reason": s.reason} for s in skipped]


def warn_skipped(skipped: "Sequence[Skipped]", output: "Path | None" = None) -> None:
    """Name files left out, on stderr; of more than a few of one kind, some and their number.

    Parameters
    ----------
    skipped : sequence of Skipped
    output : Path, optional
        The picture, beside which all are written down where not all are named.
    """
    kinds: dict[str, list[Skipped]] = {}
    for skip in skipped:  # reasons that differ in their numbers alone are of one kind
        kinds.setdefault(_NUMBER.sub("#", skip.reason), []).append(skip)
    many = False
    for alike in kinds.values():
        if len(alike) <= _NAMED:
            for skip in alike:
                click.echo(f"smalti: left out {printable(skip.file)}: {skip.reason}", err=True)
            continue
        many = True
        first = ", ".join(printable(skip.file) for skip in alike[:_EXAMPLES])
        click.echo(
            f"smalti: left out {len(alike):,} files: {alike[0].reason}: {first}, ...", err=True
        )
    if not many:
        return
    where = "`smalti library check` names them"
    if output is not None:
        from smalti.core.atomic import write_bytes

        file = output.with_suffix(".skipped.json")
        write_bytes(file, json.dumps(skipped_values(skipped), indent=1).encode("ascii"))
        where = f"all are named in {printable(str(file))}"
    click.echo(f"smalti: left out {len(skipped):,} files in all; {where}", err=True)


def warn_small(made: "GridMosaic") -> None:
    """Warn of tiles too small to make out, where a size in print was asked for."""
    request = made.project.request
    cm = made.project.tile_px / request.dpi * 2.54
    if request.width_cm and cm < _SMALL_CM:
        click.echo(
            f"smalti: tiles print {cm:.1f} cm wide; under {_SMALL_CM} cm they are hard to make "
            "out (fewer --cells, or a larger --width-cm)",
            err=True,
        )


def warn_near(made: "GridMosaic") -> None:
    """Warn of copies nearer to each other than was asked."""
    wishes = made.wishes
    if wishes.too_near:
        click.echo(
            f"smalti: {wishes.too_near:,} cells lie nearer to a copy of their photo than "
            f"{wishes.spacing}, the nearest {wishes.spacing_reached} apart: the photos allow no "
            "more (add photos, or give a smaller --spacing or a larger --max-uses)",
            err=True,
        )


def summary(made: "Mosaic") -> str:
    """Tell what a mosaic came out as, what was done to its tiles, and what to do next."""
    from smalti.flat_mosaic import FlatMosaic
    from smalti.jigsaw_mosaic import JigsawMosaic

    if isinstance(made, JigsawMosaic):
        return _jigsaw_summary(made)
    return _flat_summary(made) if isinstance(made, FlatMosaic) else _grid_summary(made)


def _grid_summary(made: "GridMosaic") -> str:
    grid, quality = made.project.layout.grid, made.quality
    width, height = grid.tile_size(made.project.tile_px)
    most = quality.max_uses or 1
    use = "each once" if most == 1 else f"one of them {most} times"
    cells = f"{grid.columns} x {grid.rows} cells"
    if made.project.request.adaptive:
        cells = f"{len(made.assignment.photo):,} cells of three sizes"
    elif made.project.request.brick:
        cells = f"{len(made.assignment.photo):,} cells laid like bricks"
    lines = [
        f"{made.output}  {width * grid.columns} x {height * grid.rows} px",
        f"{cells}, {quality.distinct:,} of {made.photos:,} photos, "
        f"{use}; colours moved by {quality.alteration_rms:.0f} of 255, nothing blended in",
        f"SSIM {quality.ssim_quarter:.3f}, colour difference {quality.delta_e_cell:.1f} "
        "seen from afar (not validated against human judgement)",
        *_wishes(made),
        f"make it again at another size: smalti render {made.project_file} -o OUT --tile-px N",
    ]
    return "\n".join(lines)


def _wishes(made: "GridMosaic") -> list[str]:
    """Tell what came of bans, locks and spacing."""
    wishes, laid = made.wishes, made.assignment
    kept = [
        f"{count:,} {name}"
        for count, name in (
            (wishes.banned, "banned"),
            (wishes.must_appear, "sure to appear"),
            (wishes.locked, "locked in place"),
        )
        if count
    ]
    lines = [f"photos {', '.join(kept)}: all kept"] if kept else []
    if wishes.spacing > 1:
        reached = wishes.spacing_reached
        apart = (
            "no photo has copies" if reached is None else f"copies {reached} or more cells apart"
        )
        gap = f"{laid.gap:.1%} above the optimum without spacing"
        lines.append(f"{apart} (asked for {wishes.spacing}), {gap}")
    return lines


def _without_frame(made: "FlatMosaic | JigsawMosaic") -> str:
    """Say so if a frame was cut off the target."""
    return "; its frame was cut off (--keep-frame keeps it)" if any(made.frame) else ""


def _flat_summary(made: "FlatMosaic") -> str:
    return "\n".join(
        [
            f"{made.output}{_without_frame(made)}",
            f"{len(made.project.placements):,} tiles in {made.containers} containers, "
            f"coverage {made.quality['coverage']:.1%}, overlap {made.quality['overlap']:.1%}",
            f"make it again at another size: smalti render {made.project_file} -o OUT --tile-px N",
        ]
    )


def _jigsaw_summary(made: "JigsawMosaic") -> str:
    found, rigid = made.quality, made.rigid
    return "\n".join(
        [
            f"{made.output}{_without_frame(made)}",
            f"{len(made.project.placements):,} tiles in {made.containers} containers, "
            f"{found['distinct']} of {made.shapes} shapes, each at most {found['max_reuse']} times",
            f"coverage {found['coverage']:.1%} (rigid {rigid['coverage']:.1%}), "
            f"overlap {found['overlap']:.1%} ({rigid['overlap']:.1%}), "
            f"deformed by {found['deformation_mean']:.1%} of a tile",
            f"colour difference {found['delta_e_blurred']:.1f} when blurred",
            *([f"ended early, as asked: {', '.join(made.ended)}"] if made.ended else []),
            f"make it again at another size: smalti render {made.project_file} -o OUT --tile-px N",
        ]
    )


def forecast_text(ahead: "Forecast") -> str:
    """Tell what a request would make."""
    v, request = ahead.report(), ahead.request
    free = request.repeats == "free"
    use = "the nearest everywhere" if free else f"each at most {request.max_uses} x"
    cells = f"{v['columns']} x {v['rows']} = {v['cells']:,} cells"
    if request.adaptive:
        cells = (
            f"{v['cells']:,} cells of three sizes on {v['columns']} x {v['rows']} of the smallest"
        )
    elif request.brick:
        cells = f"{v['cells']:,} cells laid like bricks"
    return "\n".join(
        [
            f"grid    {cells}",
            f"photos  {v['photos']:,}, {v['different']:,} of them different, {use}",
            *_size_and_needs(v, request.dpi),
        ]
    )


def jigsaw_forecast_text(ahead: "JigsawForecast") -> str:
    """Tell what a request of a jigsaw would make."""
    v = ahead.report()
    return "\n".join(
        [
            f"tiles   about {v['tiles']:,} in {v['containers']:,} containers",
            f"shapes  {v['shapes']:,}",
            *_size_and_needs(v, ahead.request.dpi),
        ]
    )


def _size_and_needs(v: dict[str, Any], dpi: float) -> list[str]:
    return [
        f"size    {v['width']} x {v['height']} px, "
        f"{v['width_cm']} x {v['height_cm']} cm at {dpi:g} dpi",
        f"needs   about {v['memory_mb']:,} MB of memory, {v['disk_mb']:,} MB of disk, "
        f"{v['seconds']:,} s of one core",
    ]


def supply_text(supply: "Supply") -> str:
    """Tell how the error falls with the number of photos."""
    most = max(supply.errors)
    lines = [f"error on {supply.cells:,} cells by number of different photos, of that with all:"]
    lines += [
        f"{photos:>9,}  {error:>5.0%}  {'#' * round(40 * error / most if most else 0)}"
        for photos, error in zip(supply.photos, supply.errors, strict=True)
    ]
    lines += [
        f"with {more:,} more photos like these it would fall by about {supply.expected(more):.0%}"
        for more in supply.more()
    ]
    return "\n".join(lines)
