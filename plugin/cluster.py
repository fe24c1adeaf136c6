"""A Dask cluster as an executor.

Each of its workers hands what it is given to processes of its own, so that work which crashes,
hangs or swells is named as it is here, and never the end of somebody's cluster.
"""

import asyncio
import logging
import pickle
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor, Future
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from smalti import __version__
from smalti.core.errors import BadInput, SmaltiError, WorkerLost
from smalti.plugin.pool import Pool, answered, cancels, limit_of, packed, settle

if TYPE_CHECKING:
    from distributed import Client

P = ParamSpec("P")
R = TypeVar("R")

_ANSWER_S = 10.0  # for a scheduler to answer
_LARGE = "distributed.admin.large-graph-warning-threshold"
_NO_LIMIT = "1 GB"  # a large container is some MB with all shapes; it is no mistake of the user's
_UNHEARD = "127.0.0.1:0"  # Dask's pages about itself: no other machine sees them
_LOOK_S, _IDLE = 10.0, 6  # between two looks at idle processes; looks, then they end
_WATCH_S = 0.5  # between two looks whether the scheduler and workers are there
_ALONE_S = 3.0  # without any worker before it is told: a killed one is replaced sooner
_NOBODY_S = 60.0  # without any, after which none is waited for
_END_S = 3.0  # for the workers to say that their processes have ended


@contextmanager
def cluster(address: str, jobs: int) -> Iterator["Cluster"]:
    """Open a cluster, and leave no process of ours on it.

    Parameters
    ----------
    address : str
        Of its scheduler, ``"tcp://host:8786"``; ``"local"`` is one within this process.
    jobs : int
        Processes of a local one.

    Raises
    ------
    BadInput
        If there is no Dask, nobody answers, or the workers there have another smalti.
    """
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise BadInput(f"--cluster needs Dask ({error}): pip install 'smalti[cluster]'") from None
    with ExitStack() as stack:
        stack.enter_context(dask.config.set({_LARGE: _NO_LIMIT}))
        stack.callback(logging.disable, logging.root.manager.disable)
        logging.disable()  # Dask would tell of a loss in pages; it comes as an error, too
        where = address
        if address == "local":
            here = LocalCluster(
                n_workers=1,
                threads_per_worker=jobs,
                processes=False,
                dashboard_address=_UNHEARD,
                worker_dashboard_address=_UNHEARD,
            )
            where = stack.enter_context(here)
        try:
            if where == address:  # a client that finds nobody ends in 20 s and a traceback
                asyncio.run(_reach(address))
            client = stack.enter_context(Client(where, timeout=_ANSWER_S, set_as_default=False))
        except (OSError, ValueError, TypeError, KeyError, ImportError) as error:
            raise BadInput(
                f"no Dask scheduler answers at {address}: {error}; give what `dask scheduler` "
                "prints, such as tcp://host:8786, or --cluster local"
            ) from None
        _check_versions(client, address)
        with Cluster(client, address) as executor:
            yield executor


async def _reach(address: str) -> None:
    from distributed import Security
    from distributed.comm.core import connect

    as_client = Security().get_connection_args("client")
    (await connect(address, timeout=_ANSWER_S, **as_client)).abort()


class Cluster(Executor):
    """Processes of a cluster's workers; who gave them work hears `WorkerLost`.

    Parameters
    ----------
    client : Client
    address : str
        Of its scheduler, for messages.

    Attributes
    ----------
    notice : str
        What keeps all work from going on, for people; empty if nothing does.
    """

    def __init__(self, client: "Client", address: str) -> None:
        self._client = client
        self._address = address
        self._executor = client.get_executor(pure=False)
        self.workers = sum(client.nthreads().values())
        self.notice = ""
        self._begun: set[Future[bytes]] = set()
        self._lock = Lock()
        self._closed = Event()
        self._watcher = Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Have a worker call a function; a `Bounded` one in no more than its seconds."""
        return answered(partial(self._send, limit_of(fn)), packed(fn, *args, **kwargs))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = True) -> None:
        """End our processes at once; what they were at is cancelled."""
        self._closed.set()
        self._watcher.join()
        with suppress(Exception):  # the scheduler may be gone, and they with it
            self._executor.shutdown(wait=False)
            self._client.sync(
                self._client._run, _end, self._client.id, on_error="ignore", callback_timeout=_END_S
            )

    def _send(self, seconds: float | None, work: bytes) -> Future[bytes]:
        from distributed import KilledWorker
        from distributed.client import ClosedClientError

        outcome: Future[bytes] = Future()
        with self._lock:
            self._begun.add(outcome)

        def finish(sent: Future[bytes]) -> None:
            if self._client.status != "running":  # the watch tells
                return
            with self._lock:
                if outcome not in self._begun:
                    return
                self._begun.discard(outcome)
            if sent.cancelled():
                outcome.cancel()
                settle(outcome, b"")
                return
            error = sent.exception()
            if isinstance(error, KilledWorker):
                error = WorkerLost("the machines of the cluster that had it were lost")
            settle(outcome, b"" if error else sent.result(), error)

        with suppress(ClosedClientError):
            sent: Future[bytes] = self._executor.submit(_do, self._client.id, seconds, work)
            cancels(outcome, sent)
            sent.add_done_callback(finish)
        return outcome

    def _watch(self) -> None:
        """Tell whoever waits what was lost: Dask lets some wait for ever."""
        since: float | None = None  # when there was no worker any more
        while not self._closed.wait(_WATCH_S):
            now = time.monotonic()
            if self._client.status != "running":
                self._give_up(f"the scheduler at {self._address} was lost", "it is back")
            elif not self._begun or self._has_workers():
                since, self.notice = None, ""
            elif since is None:
                since = now
            elif now - since > _NOBODY_S:
                self._give_up(
                    f"all workers at {self._address} were lost, and none came back "
                    f"within {_NOBODY_S:g} s",
                    "there are some",
                )
            elif now - since > _ALONE_S:
                self.notice = f"no workers are left at {self._address}: waiting for one"

    def _has_workers(self) -> bool:
        """Whether the scheduler has workers; a scheduler that is slow to answer may have some."""
        try:
            scheduler = self._client.scheduler
            return not scheduler or bool(
                self._client.sync(scheduler.ncores, callback_timeout=_END_S)
            )
        except Exception:
            return True

    def _give_up(self, lost: str, until: str) -> None:
        with self._lock:
            begun, self._begun = self._begun, set()
        words = f"{lost}; photos that were read are remembered: run again once {until}"
        for outcome in begun:
            settle(outcome, b"", SmaltiError(words))


# What follows runs on a worker of the cluster.

_pools: dict[str, Pool] = {}  # by client: several may be at work on one cluster
_ended: set[str] = set()  # clients that want no more; what was on its way is refused
_lock = Lock()


def _do(client: str, seconds: float | None, work: bytes) -> bytes:
    """Do packed work in a process of this worker's own."""
    try:
        with _lock:
            if client in _ended:
                raise CancelledError
            if client not in _pools:
                pool = _pools[client] = _own_pool()
                Thread(target=_end_if_idle, args=(client, pool), daemon=True).start()
            sent = _pools[client].send(seconds, work)
        return sent.result()
    except CancelledError:
        error = WorkerLost("it was given up")
    except WorkerLost as lost:  # no failure of the cluster, which would write it into its log
        error = lost
    return pickle.dumps((error, None))


def _own_pool() -> Pool:
    import multiprocessing

    from distributed import get_worker

    # Dask starts its workers as daemons, which Python lets start no process. Ours end with
    # the worker by themselves.
    multiprocessing.current_process()._config["daemon"] = False  # type: ignore[attr-defined]  # it has no public name
    return Pool(get_worker().state.nthreads)


def _end(client: str) -> None:
    """End a client's processes; the client says so when it leaves."""
    with _lock:
        _ended.add(client)
        pool = _pools.pop(client, None)
    if pool is not None:
        pool.shutdown()


def _end_if_idle(client: str, pool: Pool) -> None:
    """End the processes of a client that was killed, or is long about something else."""
    idle = 0
    while idle < _IDLE:
        time.sleep(_LOOK_S)
        with _lock:
            if _pools.get(client) is not pool:
                return
            idle = 0 if pool.busy else idle + 1
            if idle == _IDLE:
                del _pools[client]
    pool.shutdown()


def _version() -> str:
    return __version__


def _check_versions(client: "Client", address: str) -> None:
    try:
        there = set(client.run(_version).values())
    except Exception as error:
        raise BadInput(
            f"the workers at {address} cannot load smalti: {error}; "
            f"pip install smalti=={__version__} on all of them"
        ) from None
    if not there:
        raise BadInput(
            f"the scheduler at {address} has no workers: `dask worker {address}` starts one"
        )
    if other := sorted(there - {__version__}):
        raise BadInput(
            f"the workers at {address} have smalti {other[0]}, and here is {__version__}: "
            "install one and the same"
        )
