"""What several commands share: options, and how a job is run."""

import os
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import AbstractContextManager
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
cluster_option = click.option(
    "--cluster",
    metavar="ADDRESS",
    default="",
    help="Dask scheduler whose workers to use, such as tcp://host:8786, or local.",
)

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


def run_job(
    job: Callable[..., Any],
    jobs: int | None,
    quiet: bool,
    *,
    cluster: str = "",
    patient: bool = False,
) -> Any:
    """Run a job with workers, here or on a cluster, and progress; give it both by name."""
    from smalti.plugin.pool import workers
    from smalti.plugin.terminal import run, shown

    count = jobs or os.cpu_count() or 1
    with shown(quiet) as show, _on(cluster, count) if cluster else workers(count) as executor:
        return run(
            lambda progress: job(executor=executor, progress=progress), show, patient=patient
        )


def _on(address: str, jobs: int) -> AbstractContextManager[Executor]:
    from smalti.plugin.cluster import cluster

    return cluster(address, jobs)


def columns_by_rows(value: str | tuple[int, int]) -> tuple[int, int]:
    """Columns and rows: 64x48."""
    if isinstance(value, tuple):
        return value
    try:
        columns, rows = map(int, value.lower().split("x"))
    except ValueError:
        raise click.BadParameter(f"{value!r} is not columns and rows, such as 64x48") from None
    return columns, rows
