"""A Dask cluster as an executor.

Each of its workers hands what it is given to processes of its own, so that work which crashes,
hangs or swells is named as it is here, and never the end of somebody's cluster.
"""

import pickle
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor, Future
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from threading import Lock, Thread
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from smalti import __version__
from smalti.core.errors import BadInput, WorkerLost
from smalti.plugin.pool import Pool, answered, cancels, limit_of, packed

if TYPE_CHECKING:
    from distributed import Client

P = ParamSpec("P")
R = TypeVar("R")

_ANSWER_S = 10.0  # for a scheduler to answer
_LARGE = "distributed.admin.large-graph-warning-threshold"
_NO_LIMIT = "1 GB"  # a large container is some MB with all shapes; it is no mistake of the user's
_UNHEARD = "127.0.0.1:0"  # Dask's pages about itself: no other machine sees them
_LOOK_S, _IDLE = 10.0, 6  # between two looks at idle processes; looks, then they end
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
            client = stack.enter_context(Client(where, timeout=_ANSWER_S, set_as_default=False))
        except (OSError, ValueError, TypeError, KeyError, ImportError) as error:
            raise BadInput(
                f"no Dask scheduler answers at {address}: {error}; give what `dask scheduler` "
                "prints, such as tcp://host:8786, or --cluster local"
            ) from None
        _check_versions(client, address)
        with Cluster(client) as executor:
            yield executor


class Cluster(Executor):
    """Processes of a cluster's workers; who gave them work hears `WorkerLost`.

    Parameters
    ----------
    client : Client
    """

    def __init__(self, client: "Client") -> None:
        self._client = client
        self._executor = client.get_executor(pure=False)
        self.workers = sum(client.nthreads().values())

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Have a worker call a function; a `Bounded` one in no more than its seconds."""
        return answered(partial(self._send, limit_of(fn)), packed(fn, *args, **kwargs))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = True) -> None:
        """End our processes at once; what they were at is cancelled."""
        self._executor.shutdown(wait=False)
        with suppress(Exception):  # the scheduler may be gone, and they with it
            self._client.sync(
                self._client._run, _end, self._client.id, on_error="ignore", callback_timeout=_END_S
            )

    def _send(self, seconds: float | None, work: bytes) -> Future[bytes]:
        from distributed import KilledWorker

        sent: Future[bytes] = self._executor.submit(_do, self._client.id, seconds, work)
        outcome: Future[bytes] = Future()

        def settle(sent: Future[bytes]) -> None:
            if sent.cancelled():
                outcome.cancel()
            if not outcome.set_running_or_notify_cancel():
                return
            error = sent.exception()
            if isinstance(error, KilledWorker):
                error = WorkerLost("the machines of the cluster that had it were lost")
            if error is None:
                outcome.set_result(sent.result())
            else:
                outcome.set_exception(error)

        cancels(outcome, sent)
        sent.add_done_callback(settle)
        return outcome


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
    if other := sorted(there - {__version__}):
        raise BadInput(
            f"the workers at {address} have smalti {other[0]}, and here is {__version__}: "
            "install one and the same"
        )
