"""What several commands share: options, and how a job is run."""

import os
from collections.abc import Callable
from typing import Any

import click

EXIT_CODES = "Exit codes: 0 ok, 1 failed, 2 bad input, 130 cancelled."

dpi_option = click.option(
    "--dpi",
    metavar="DPI",
    type=click.FloatRange(1, 10_000),
    default=300,
    show_default=True,
    help="Dots an inch of the print.",
)
quality_option = click.option(
    "--quality",
    metavar="Q",
    type=click.IntRange(1, 100),
    default=92,
    show_default=True,
    help="Of JPEG and WebP.",
)
seed_option = click.option(
    "--seed", metavar="N", type=int, default=0, show_default=True, help="Of everything random."
)
strict_option = click.option("--strict", is_flag=True, help="Stop at a file that cannot be used.")

_common = [
    click.option(
        "--jobs", type=click.IntRange(min=1), help="Processes at work.  [default: all cores]"
    ),
    click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object."),
    click.option("--debug", is_flag=True, help="Show where an error came from."),
    click.option("-q", "--quiet", is_flag=True, help="No progress, no summary."),
]


def with_common(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options every command has: jobs, json, debug, quiet."""
    for option in reversed(_common):
        command = option(command)
    return command


def run_job(job: Callable[..., Any], jobs: int | None, quiet: bool, patient: bool = False) -> Any:
    """Run a job with workers and a progress display; give it both by name."""
    from smalti.plugin.terminal import run, shown, workers

    with shown(quiet) as show, workers(jobs or os.cpu_count() or 1) as pool:
        return run(lambda progress: job(executor=pool, progress=progress), show, patient=patient)


def columns_by_rows(value: str | tuple[int, int]) -> tuple[int, int]:
    """Columns and rows: 64x48."""
    if isinstance(value, tuple):
        return value
    try:
        columns, rows = map(int, value.lower().split("x"))
    except ValueError:
        raise click.BadParameter(f"{value!r} is not columns and rows, such as 64x48") from None
    return columns, rows
