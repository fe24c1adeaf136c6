"""A job run from a terminal: its steps as bars or lines, Ctrl-C at any moment.

The job runs in a thread of its own and the main thread only waits, so that an
interrupt is heard at once whatever library is busy; the next step of the job
then raises `Cancelled` and everything half-done is removed on the way out.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any, TextIO, TypeVar

from smalti.core.errors import Cancelled
from smalti.core.progress import Progress, Step
from smalti.plugin.remaining import Remaining, spelled

R = TypeVar("R")

_TICK_S = 0.05
_TWICE_S = 1.0  # two interrupts so close together mean it
_GRACE_S = 5.0  # for a cancelled job to clean up before it is left behind
_LINE_S = 10.0  # between two plain lines of one phase
_SLOW_S = 1.0  # a phase shorter than this shows no bar


def run(job: Callable[[Progress], R], show: Progress, *, patient: bool = False) -> R:
    """Run a job that reports steps, and cancel it on KeyboardInterrupt, such as of Ctrl-C.

    Parameters
    ----------
    job : callable
        Given the progress to report to.
    show : callable
        Shows a step.
    patient : bool
        Every interrupt cancels once, for a job that keeps what it has; a second one
        within a second gives up.

    Raises
    ------
    Cancelled
        On an interrupt, once the job has cleaned up behind itself.
    """
    stop, final, done = Event(), Event(), Event()
    if not patient:
        final.set()
    outcome: list[R] = []
    failure: list[BaseException] = []

    def progress(step: Step) -> None:
        if stop.is_set():
            if not final.is_set():
                stop.clear()
            raise Cancelled
        show(step)

    def work() -> None:
        try:
            outcome.append(job(progress))
        except BaseException as error:  # carried over to the caller's thread
            failure.append(error)
        finally:
            done.set()

    Thread(target=work, daemon=True).start()
    _wait(done, stop, final)
    if failure:  # a worker that heard the signal too may have failed in its own way
        raise Cancelled if stop.is_set() else failure[0]
    return outcome[0]


def _wait(done: Event, stop: Event, final: Event) -> None:
    """Wait for the job; once interrupted, only as long as cleaning up may take."""
    deadline, heard = float("inf"), float("-inf")
    while not done.is_set():
        try:
            done.wait(_TICK_S)
        except KeyboardInterrupt:
            now = time.monotonic()
            stop.set()
            if final.is_set() or now - heard < _TWICE_S:
                final.set()
                deadline = min(deadline, now + _GRACE_S)
            heard = now
        if time.monotonic() > deadline:
            raise Cancelled


@contextmanager
def shown(quiet: bool, stream: TextIO | None = None) -> Iterator[Progress]:
    """Show steps: bars on a terminal, now and then a line elsewhere, nothing if quiet."""
    if quiet:
        yield lambda step: None
        return
    stream = stream or sys.stderr
    if stream.isatty() and os.environ.get("TERM") != "dumb":
        with _bars(stream) as progress:
            yield progress
    else:
        yield _lines(stream)


@contextmanager
def _bars(stream: TextIO) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        ProgressColumn,
        SpinnerColumn,
        Task,
        TextColumn,
        TimeElapsedColumn,
    )
    from rich.progress import Progress as Bars
    from rich.text import Text

    class Left(ProgressColumn):
        """The time left, which goes on counting down while nothing is heard."""

        def render(self, task: Task) -> Text:
            remaining: Remaining | None = task.fields["remaining"]
            if remaining is None:
                return Text()
            done, total = int(task.completed), int(task.total or 0)
            return Text(spelled(remaining(done, total, time.monotonic())))

    columns: list[Any] = [
        SpinnerColumn(finished_text="[green]✓"),
        TextColumn("{task.description:<34}"),
        BarColumn(bar_width=28),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        Left(),
    ]
    tasks: dict[str, Any] = {}
    spent: dict[str, float] = {}  # seconds
    current, remaining, begun = "", Remaining(), 0.0
    with Bars(*columns, console=Console(file=stream)) as bars:

        def finish() -> None:
            """Complete the current bar; it goes if it was short, for nobody has to know of it."""
            if not current:
                return
            task, spent[current] = tasks[current], spent[current] + time.monotonic() - begun
            total = bars.tasks[task].total or 1
            bars.update(task, total=total, completed=total, remaining=None)
            bars.update(task, visible=spent[current] >= _SLOW_S)

        def progress(step: Step) -> None:
            nonlocal current, remaining, begun
            what = step.text or step.phase
            if what != current:
                finish()  # one thing ends where the next begins
                if what not in tasks:
                    tasks[what] = bars.add_task(what, total=None, remaining=None)
                    spent[what] = 0.0
                current, remaining, begun = what, Remaining(), time.monotonic()
                bars.update(tasks[what], remaining=remaining, visible=True)
            if step.left is not None:
                remaining.foretold(step.left, time.monotonic())
            bars.update(tasks[what], completed=step.done, total=step.total or None)

        yield progress
        finish()


def _lines(stream: TextIO) -> Progress:
    """Print a line when something begins that takes longer, and every ten seconds of it."""
    current, due, remaining = "", 0.0, Remaining()

    def progress(step: Step) -> None:
        nonlocal current, due, remaining
        what, now = step.text or step.phase, time.monotonic()
        if what != current:
            current, due, remaining = what, now + _SLOW_S, Remaining()
        left = remaining(step.done, step.total, now) if step.left is None else step.left
        if now >= due and (step.done < step.total or not step.total):
            due = now + _LINE_S
            share = f" {step.done:,} of {step.total:,}" if step.total else " ..."
            until = f", {spelled(left)}" if left is not None else ""
            print(f"{what}{share}{until}", file=stream, flush=True)

    return progress
