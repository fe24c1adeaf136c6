"""Processes of this machine as an executor that outlives them: each may crash, hang or swell.

pebble starts and replaces them; here are what a lost one is called, how much memory and
how many threads each may have, and that none is left behind.
"""

import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor, Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing.context import SpawnContext
from pathlib import Path
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar
from weakref import ref

from smalti.core.errors import SmaltiError, WorkerLost
from smalti.core.progress import Bounded

if TYPE_CHECKING:
    from pebble import ProcessPool

P = ParamSpec("P")
R = TypeVar("R")

THREADS = tuple(
    f"{name}_NUM_THREADS"
    for name in ("OMP", "OPENBLAS", "MKL", "BLIS", "VECLIB_MAXIMUM", "NUMEXPR", "NUMBA")
)
"""Variables that say how many threads the libraries of a process start."""

_LEAST_MEMORY = 3_000_000_000  # bytes: the largest photo that is read, in float
_RESENT = 3  # times that work is sent again which a broken pool had not yet begun


@contextmanager
def workers(jobs: int) -> Iterator["Pool | None"]:
    """Open a pool of processes, and leave none behind; None for a single job.

    Processes start when the first work is handed to them.
    """
    if jobs == 1:
        yield None
        return
    with Pool(jobs) as pool:
        yield pool


class Pool(Executor):
    """Processes that are replaced when they are lost; who gave them work hears `WorkerLost`.

    Parameters
    ----------
    jobs : int
        Processes.
    memory : int, optional
        Bytes of address space that one may take; its share of the machine's memory
        without. Only POSIX systems keep to it, and macOS does not.

    Attributes
    ----------
    notice : str
        What keeps all work from going on, for people: nothing, since lost processes are replaced.
    """

    notice = ""

    def __init__(self, jobs: int, memory: int | None = None) -> None:
        self.workers = jobs
        self.memory = memory or max(_LEAST_MEMORY, _physical_memory() // (jobs + 1))
        self._pools: list[ProcessPool] = []  # the last is at work, the others broke
        self._begun: set[Future[bytes]] = set()
        self._closed = False
        self._lock = Lock()

    @property
    def busy(self) -> bool:
        """Whether any work is under way."""
        return bool(self._begun)

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Have a worker call a function; a `Bounded` one in no more than its seconds."""
        return answered(partial(self.send, limit_of(fn)), packed(fn, *args, **kwargs))

    def send(self, seconds: float | None, work: bytes) -> Future[bytes]:
        """Have a worker do packed work."""
        outcome: Future[bytes] = Future()
        with self._lock:
            self._begun.add(outcome)
        outcome.add_done_callback(self._begun.discard)
        self._start(outcome, seconds, work, _RESENT)
        return outcome

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = True) -> None:
        """End all processes at once; what they were at is cancelled."""
        with self._lock:
            self._closed = True
            pools, begun = self._pools, list(self._begun)
            self._pools = []
        for outcome in begun:
            outcome.cancel()
        for pool in pools:
            pool.stop()
            pool.join()

    def _start(
        self, outcome: Future[bytes], seconds: float | None, work: bytes, resent: int
    ) -> None:
        with self._lock:
            if self._closed:
                raise RuntimeError("the pool is closed")
            with _deaf():
                if not self._pools or not self._pools[-1].active:
                    self._pools.append(_new_pool(self.workers, self.memory, work))
                inner = self._pools[-1].schedule(_do, (work,), timeout=seconds)

        def finish(inner: Future[bytes]) -> None:
            try:
                result = inner.result()
            except BrokenProcessPool as error:
                if resent and not self._closed:
                    self._start(outcome, seconds, work, resent - 1)
                else:
                    settle(outcome, b"", WorkerLost(f"all workers were lost ({error})"))
            except CancelledError:
                outcome.cancel()
                settle(outcome, b"")
            except BaseException as error:
                settle(outcome, b"", self._lost(error, seconds))
            else:
                settle(outcome, result)

        cancels(outcome, inner)
        inner.add_done_callback(finish)

    def _lost(self, error: BaseException, seconds: float | None) -> BaseException:
        """Say in words how a worker was lost."""
        from pebble import ProcessExpired

        match error:
            case TimeoutError():
                return WorkerLost(f"it took longer than {seconds:g} s")
            case MemoryError():
                return WorkerLost(f"it takes more than {self.memory / 1e9:.1f} GB of memory")
            case ProcessExpired(exitcode=int(code)) if -code == getattr(signal, "SIGKILL", 0):
                return WorkerLost("its worker was killed; the system may be short of memory")
            case ProcessExpired(exitcode=int(code)) if code < 0:
                name = signal.strsignal(-code) or f"signal {-code}"
                return WorkerLost(f"its worker crashed ({name.lower()})")
            case ProcessExpired(exitcode=code):
                return WorkerLost(f"its worker ended with code {code}")
        return error


def packed(fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> bytes:
    """Pack a call, so that only who does it unpacks it and has to import what it is about."""
    return pickle.dumps((fn, args, kwargs), pickle.HIGHEST_PROTOCOL)


def limit_of(fn: Callable[..., Any]) -> float | None:
    """Seconds that a call may take."""
    return fn.seconds if isinstance(fn, Bounded) else None


def answered(send: Callable[[bytes], Future[bytes]], work: bytes) -> Future[Any]:
    """Send packed work, and unpack what comes back: a result, or an error of the work itself."""
    outcome: Future[Any] = Future()
    inner = send(work)

    def finish(inner: Future[bytes]) -> None:
        try:
            error, result = pickle.loads(inner.result())
        except CancelledError:
            settle(outcome, None, WorkerLost("it was given up"))
        except BaseException as failure:
            settle(outcome, None, failure)
        else:
            settle(outcome, result, error)

    cancels(outcome, inner)
    inner.add_done_callback(finish)
    return outcome


def cancels(outcome: Future[Any], inner: Future[Any]) -> None:
    """Have a cancel of an outcome reach the work that is to settle it.

    That holds the outcome; held by it in turn, both would stay, with all that was sent
    and came back, until Python looks for cycles.
    """
    below = ref(inner)

    def pass_on(outcome: Future[Any]) -> None:
        if outcome.cancelled() and (found := below()) is not None:
            found.cancel()

    outcome.add_done_callback(pass_on)


def settle(outcome: Future[R], result: R, error: BaseException | None = None) -> None:
    """Say how work ended, unless it was cancelled."""
    if not outcome.set_running_or_notify_cancel():
        return
    if error is None:
        outcome.set_result(result)
    else:
        outcome.set_exception(error)


def _do(work: bytes) -> bytes:
    """Unpack a call, do it, and pack what comes of it."""
    error = result = None
    try:
        function, args, kwargs = pickle.loads(work)
        result = function(*args, **kwargs)
    except MemoryError:
        raise
    except Exception as failure:
        if not isinstance(failure, SmaltiError):
            failure.add_note(f"in a worker process:\n{traceback.format_exc()}")
        error = failure
    return pickle.dumps((error, result), pickle.HIGHEST_PROTOCOL)


def _new_pool(jobs: int, memory: int, first: bytes) -> "ProcessPool":
    from pebble import ProcessPool

    return ProcessPool(jobs, initializer=_serve, initargs=(memory, first), context=_Spawning())


class _Spawning(SpawnContext):
    """Starts processes anew, as on every system: a forked copy of one with threads may hang.

    It keeps the locks it makes. pebble lets go of them before it ends its workers, and one
    that has hardly begun, and looks for them by their names, would tell at length of their loss.
    """

    def __init__(self) -> None:
        super().__init__()
        self._locks: list[Any] = []

    def RLock(self) -> Any:
        """Make a lock."""
        lock = super().RLock()
        self._locks.append(lock)
        return lock


@contextmanager
def _deaf() -> Iterator[None]:
    """Let no process or thread that is started in the block hear Ctrl-C or a closed terminal.

    That reaches the whole group of processes and is the parent's; one that has hardly begun
    would tell at length where it was.
    """
    if sys.platform == "win32":
        yield
        return
    from multiprocessing import resource_tracker

    ours = {signal.SIGINT, signal.SIGHUP}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ours)
    try:
        resource_tracker.ensure_running()  # whose start lets Ctrl-C through again
        signal.pthread_sigmask(signal.SIG_BLOCK, ours)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(memory: int, first: bytes) -> None:
    """Prepare a worker, and import what the first work is about: its time does not count that.

    A polite kill ends it whatever library is busy. Several workers with all threads each
    would be more than there are cores.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.environ.update(dict.fromkeys(THREADS, "1"))
    Thread(target=_end_with_parent, daemon=True).start()
    with suppress(ImportError, ValueError, OSError):  # no such module, or a lower limit is set
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (memory, resource.getrlimit(resource.RLIMIT_AS)[1]))
    with suppress(Exception):  # who does the work says it better
        pickle.loads(first)


def _end_with_parent() -> None:
    """End when the parent does: one that was killed could not say so."""
    import multiprocessing

    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _physical_memory() -> int:
    """Bytes that all processes here may have; 0 where the system does not say."""
    if sys.platform == "win32":
        return 0
    found = 0
    with suppress(ValueError, OSError):
        found = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(ValueError, OSError):  # in a container there may be less, or "max"
        found = min(found, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return found
