"""What several commands share: options, and how a job is run."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from smalti.plugin.cluster import Cluster

EXIT_CODES = "Exit codes: 0 ok, 1 failed, 2 bad input, 130 cancelled."

Command = Callable[..., Any]
Option = Callable[[Command], Command]


def flag(name: str, meaning: str) -> Option:
    """Make an option that is given or not."""
    return click.option(name, is_flag=True, help=meaning)


def text(name: str, metavar: str, meaning: str, *, default: str = "") -> Option:
    """Make an option of any words; empty where it is not given."""
    return click.option(
        name, metavar=metavar, default=default, show_default=bool(default), help=meaning
    )


def several(name: str, metavar: str, meaning: str) -> Option:
    """Make an option of any words that may be repeated."""
    return click.option(name, metavar=metavar, multiple=True, help=meaning)


def choice(name: str, values: Sequence[str], meaning: str) -> Option:
    """Make an option of one of some words, of the first where it is not given."""
    return click.option(
        name, type=click.Choice(values), default=values[0], show_default=True, help=meaning
    )


def whole(
    name: str,
    metavar: str,
    meaning: str,
    *,
    least: int = 1,
    most: int | None = None,
    default: int | None = None,
) -> Option:
    """Make an option of a whole number."""
    return typed(name, metavar, click.IntRange(least, most), meaning, default=default)


def real(
    name: str,
    metavar: str,
    meaning: str,
    *,
    least: float = 0,
    above: float | None = None,
    most: float | None = None,
    default: float | None = None,
) -> Option:
    """Make an option of a number, no less than `least`, or more than `above`."""
    low, is_open = (least, False) if above is None else (above, True)
    kind = click.FloatRange(low, most, min_open=is_open)
    return typed(name, metavar, kind, meaning, default=default)


def typed(
    name: str,
    metavar: str,
    kind: click.ParamType[Any] | Callable[[Any], Any],
    meaning: str,
    *,
    default: Any = None,
) -> Option:
    """Make an option of a type of its own; where there is no default the meaning says it."""
    return click.option(
        name, metavar=metavar, type=kind, default=default, show_default=True, help=meaning
    )


dpi_option = real("--dpi", "DPI", "Dots an inch of the print.", least=1, most=10_000, default=300)
quality_option = whole("--quality", "Q", "Of JPEG and WebP.", most=100, default=92)
seed_option = typed("--seed", "N", int, "Of everything random.", default=0)
strict_option = flag("--strict", "Stop at a file that cannot be used.")
cluster_option = text(
    "--cluster",
    "ADDRESS",
    "Dask scheduler whose workers to use, such as tcp://host:8786, or local.",
)

_common: list[Option] = [
    click.option(
        "--jobs", type=click.IntRange(min=1), help="Processes at work.  [default: all cores]"
    ),
    click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object."),
    flag("--debug", "Show where an error came from."),
    click.option("-q", "--quiet", is_flag=True, help="No progress, no summary."),
]


def with_common(command: Command) -> Command:
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
    from smalti.core.progress import Step
    from smalti.plugin.doctor import usable_cores
    from smalti.plugin.pool import workers
    from smalti.plugin.terminal import run, shown

    count = jobs or usable_cores()
    with shown(quiet) as show, _on(cluster, count) if cluster else workers(count) as executor:

        def show_or_notice(step: Step) -> None:
            notice = executor.notice if executor else ""
            show(Step(step.phase, 0, 0, notice) if notice else step)

        return run(
            lambda progress: job(executor=executor, progress=progress),
            show_or_notice,
            patient=patient,
        )


def _on(address: str, jobs: int) -> AbstractContextManager["Cluster"]:
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
