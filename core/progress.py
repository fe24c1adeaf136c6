"""Steps of a running job, and the one loop that spreads work over an executor."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar

from smalti.core.errors import WorkerLost

T = TypeVar("T")
R = TypeVar("R")
T_co = TypeVar("T_co", covariant=True)

_POLL_S = 0.2  # how long a cancel may go unnoticed while workers are busy


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """How far one phase has come.

    Attributes
    ----------
    phase : str
        ``"index"``, ``"features"``, ``"assign"``, ``"render"``, ...
    done, total : int
        Units finished and units in all; ``total`` is 0 where it is unknown.
    text : str
        What is being done, for people.
    made : object
        The newest of what is made, for who wants to watch: see the function that
        reports the step.
    left : float, optional
        Seconds it still takes by a forecast, where units in all are unknown.
    """

    phase: str
    done: int
    total: int
    text: str = ""
    made: object = None
    left: float | None = None


Progress = Callable[[Step], None]
"""Called with every step; raising `smalti.core.errors.Cancelled` in it cancels."""


def silent(step: Step) -> None:
    """Show nothing: the progress of a caller who does not ask."""


def named(text: str, progress: Progress) -> Progress:
    """Pass on steps under a name of their own, by which their time left is told."""
    return lambda step: progress(replace(step, text=text))


@dataclass(frozen=True, slots=True)
class Bounded(Generic[T, R]):
    """A function that may take so many seconds of a clock, where the executor can see to it."""

    function: Callable[[T], R]
    seconds: float

    def __call__(self, item: T) -> R:
        """Do it."""
        return self.function(item)


class Items(Protocol[T_co]):
    """What work is done on, each made when it is its turn, or a plain sequence."""

    def __len__(self) -> int:
        """How many there are."""

    def __getitem__(self, k: int, /) -> T_co:
        """One of them; asked for again if its worker was lost."""


def each_result(
    function: Callable[[T], R],
    items: Items[T],
    *,
    phase: str,
    text: str = "",
    executor: Executor | None = None,
    progress: Progress = silent,
    ahead: int = 16,
    seconds: float | None = None,
    lost: Callable[[T, WorkerLost], R] | None = None,
) -> Iterator[R]:
    """Yield ``function(item)`` for every item, in the order of the items.

    Parameters
    ----------
    function : callable
        Must be picklable when `executor` runs processes.
    items : sequence, or whatever has a length and an item of each number
    phase, text : str
        Of the steps reported: one before the first result, one after each. They count
        what is finished, though it may wait for its turn behind what is not.
    executor : Executor, optional
        Without one the work is done here, by the same loop.
    progress : callable
        Also called about five times a second while results are awaited, so
        that a cancel is noticed at once.
    ahead : int
        How many items may be in flight, which bounds memory; two more than the
        executor has workers, if it says how many and that is more.
    seconds : float, optional
        After which an executor that can shall take the worker for lost.
    lost : callable, optional
        Says what to yield for an item whose worker was lost. Without it the
        item is tried once more.

    Raises
    ------
    WorkerLost
        If an item's worker was lost both times; it is named by its number.
    """
    total = len(items)
    ahead = max(ahead, 2 + getattr(executor, "workers", 0))
    work = function if seconds is None else Bounded(function, seconds)
    progress(Step(phase, 0, total, text))
    pending: deque[Future[R]] = deque()
    submitted = told = 0

    def tell(done: int) -> None:
        """Never count down: what was finished may be sent anew, where its worker was lost."""
        nonlocal told
        told = max(told, done + sum(future.done() for future in pending))
        progress(Step(phase, told, total, text))

    def awaited(done: int) -> R:
        for last in (False, True):
            while not wait([pending[0]], _POLL_S).done:
                tell(done)
            try:
                return pending[0].result()
            except WorkerLost as error:
                if lost is not None:
                    return lost(items[done], error)
                if last:
                    part = f"{text or phase}, part {done + 1} of {total}"
                    raise WorkerLost(
                        f"{part}: {error.reason}, twice; with fewer --jobs it has more memory"
                    ) from error
            assert executor is not None
            pending[0] = executor.submit(work, items[done])
        raise AssertionError("the second try returns or raises")

    try:
        for done in range(total):
            if executor is None:
                result = function(items[done])
            else:
                while submitted < min(total, done + ahead):
                    pending.append(executor.submit(work, items[submitted]))
                    submitted += 1
                result = awaited(done)
                pending.popleft()
            tell(done + 1)
            yield result
    finally:
        for future in pending:
            future.cancel()
