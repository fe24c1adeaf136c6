"""Worker processes that crash, hang and swell: the rest goes on, and the culprit is named."""

import gc
import importlib
import os
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any

import faults
import numpy as np
import psutil
import pytest
from PIL import Image

from smalti.core import index
from smalti.core.errors import Cancelled, WorkerLost
from smalti.core.index import looks
from smalti.core.progress import Bounded, Step, each_result
from smalti.core.source import Source
from smalti.plugin.pool import Pool

MEMORY = 2_000_000_000
SAID = {
    "segfault": "segmentation fault",
    "kill": "was killed",
    "hog": "2.0 GB of memory",
    "hang": "longer",
}
posix = pytest.mark.skipif(os.name == "nt", reason="signals and limits of POSIX")


@pytest.fixture
def pool() -> Iterator[Pool]:
    before = set(psutil.Process().children(recursive=True))
    with Pool(2, MEMORY) as pool:
        yield pool
    left = set(psutil.Process().children(recursive=True)) - before
    # Python's own tracker of semaphores serves the whole session.
    assert not [p for p in left if "resource_tracker" not in " ".join(p.cmdline())]


def album(folder: Path, words: list[str]) -> list[Source]:
    """Photos, and between them files at which the reader goes down."""
    folder.mkdir()
    for k, word in enumerate(words):
        file = folder / f"{k:03}.png"
        if word:
            file.write_text(word)
        else:
            Image.fromarray(np.full((9, 12, 3), k, np.uint8)).save(file)
    return [Source(str(file)) for file in sorted(folder.iterdir())]


def mixed(count: int, bad: list[str]) -> list[str]:
    words = [""] * count
    places = np.random.default_rng(3).permutation(count)[: len(bad)]
    for place, word in zip(places, bad, strict=True):
        words[place] = word
    return words


@posix
def test_every_culprit_is_named_and_the_rest_read(
    tmp_path: Path, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "_CHUNK_S", 3.0)
    monkeypatch.setattr(index, "_FILE_S", 6.0)
    words = mixed(200, ["segfault"] * 8 + ["hog"] * 5 + ["kill"] * 5 + ["hang"] * 2)
    sources = album(tmp_path / "a", words)
    clean = [source for source, word in zip(sources, words, strict=True) if not word]
    remembered = tmp_path / "i.sqlite"
    steps: list[Step] = []
    found = dict(
        looks(sources, faults.learn, kind="t1", executor=pool, index=remembered,
              progress=steps.append)
    )  # fmt: skip
    assert len(found) == 200
    alone = [look for _, look in sorted(looks(clean, faults.learn, kind="t1"))]
    assert [found[k] for k, word in enumerate(words) if not word] == alone
    for k, word in enumerate(words):
        if word:
            assert SAID[word] in found[k].reason
            assert found[k].stamp is None
    assert [step.done for step in steps] == sorted(step.done for step in steps)
    assert steps[-1].done == 200
    again = looks(clean, fail_if_read, kind="t1", index=remembered)
    assert len(list(again)) == len(clean)


def fail_if_read(source: Source) -> bytes:
    raise AssertionError(f"{source} is known")


@posix
@pytest.mark.slow
@pytest.mark.parametrize("word", faults.FAULTS)
def test_a_culprit_costs_no_more_than_thirty_seconds(tmp_path: Path, pool: Pool, word: str) -> None:
    sources = album(tmp_path / "a", mixed(40, [word]))
    pool.submit(faults.learn, sources[0]).exception()  # a worker has started
    begin = time.monotonic()
    reasons = [look.reason for _, look in looks(sources, faults.learn, kind="t1", executor=pool)]
    assert time.monotonic() - begin < 30
    assert [SAID[word] in reason for reason in reasons if reason] == [True]


def test_slow_files_are_read_to_the_end(
    tmp_path: Path, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "_ENOUGH_S", 0.0)  # every file leaves the others to others
    sources = album(tmp_path / "a", [""] * 40)
    found = dict(looks(sources, faults.learn, kind="t1", executor=pool))
    assert sorted(found) == list(range(40))
    assert not any(look.reason for look in found.values())


@posix
@pytest.mark.parametrize("fault", ["segfault", "kill", "hog"])
def test_work_whose_worker_was_lost_is_done_again(tmp_path: Path, pool: Pool, fault: str) -> None:
    items = [(str(tmp_path / str(k)), fault if k in (3, 7) else "") for k in range(12)]
    pids = list(each_result(faults.once, items, phase="p", executor=pool))
    assert len(pids) == 12
    assert os.getpid() not in pids


@posix
@pytest.mark.parametrize("fault", faults.FAULTS)
def test_what_loses_its_worker_twice_is_named(pool: Pool, fault: str) -> None:
    items = ["", "", fault, ""]
    results = each_result(
        faults.always, items, phase="p", text="packing", executor=pool, seconds=2.0
    )
    with pytest.raises(WorkerLost, match=f"packing, part 3 of 4: .*{SAID[fault]}.*twice"):
        list(results)


@posix
def test_a_pool_outlives_all_its_idle_workers(pool: Pool) -> None:
    for _ in range(3):
        assert list(each_result(faults.slow, [0.0] * 4, phase="p", executor=pool)) == [0.0] * 4
        for child in psutil.Process().children():
            with suppress(psutil.ZombieProcess):  # it has ended, of an earlier test
                if "resource_tracker" not in " ".join(child.cmdline()):
                    child.send_signal(signal.SIGKILL)
        time.sleep(0.3)  # for the pool to notice, as it would between two phases


def test_errors_of_the_work_come_back_as_they_are(pool: Pool) -> None:
    with pytest.raises(ValueError, match="no 3") as caught:
        pool.submit(faults.fail, 3).result()
    assert "in fail" in caught.value.__notes__[0]
    with pytest.raises(TypeError):  # the error cannot be unpacked
        pool.submit(faults.odd, 1).result()
    with pytest.raises((AttributeError, TypeError)):  # and this cannot be packed
        pool.submit(lambda: 1)
    assert pool.submit(faults.slow, 0.0).result() == 0.0


def test_a_limit_holds_for_one_call_only(pool: Pool) -> None:
    assert pool.submit(Bounded(faults.slow, 5.0), 0.1).result() == 0.1
    with pytest.raises(WorkerLost, match="longer than 1 s"):
        pool.submit(Bounded(faults.slow, 1.0), 60.0).result()
    assert pool.submit(faults.slow, 1.5).result() == 1.5


def test_work_that_is_done_is_let_go_at_once(pool: Pool) -> None:
    kept: list[weakref.ref[Future[Any]]] = []

    def sent(seconds: float | None, work: bytes) -> Future[bytes]:
        inner = Pool.send(pool, seconds, work)
        kept.append(weakref.ref(inner))
        return inner

    gc.disable()  # what is sent and comes back are megabytes that no count of objects tells
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pool, "send", sent)
            for _ in range(3):
                outer = pool.submit(faults.length, bytes(1000))
                assert outer.result() == 1000
                kept.append(weakref.ref(outer))
        del outer
        begin = time.monotonic()
        while any(future() is not None for future in kept[:-2]):  # pebble looks at its last one
            assert time.monotonic() < begin + 5
            time.sleep(0.02)
    finally:
        gc.enable()


@pytest.mark.parametrize("size", [10, 3_000_000])
def test_a_cancel_ends_the_workers_whatever_they_hold(pool: Pool, size: int) -> None:
    def stop(step: Step) -> None:
        if step.done == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        list(
            each_result(faults.length, [bytes(size)] * 30, phase="p", executor=pool, progress=stop)
        )
    busy = [pool.submit(faults.slow, 60.0) for _ in range(3)]
    pool.submit(faults.length, bytes(size))
    begin = time.monotonic()
    pool.shutdown()
    assert time.monotonic() - begin < 3
    for future in busy:
        with pytest.raises(WorkerLost, match="given up"):
            future.result(timeout=0)
    with pytest.raises(RuntimeError, match="closed"):
        pool.submit(faults.slow, 0.0)


@posix
def test_workers_end_with_a_killed_parent() -> None:
    code = (
        "import faults, os\n"
        "from smalti.plugin.pool import Pool\n"
        "pool = Pool(2)\n"
        "print(pool.submit(faults.once, ('', '')).result(), flush=True)\n"
        "pool.submit(faults.slow, 60.0).result()\n"
    )
    path = os.pathsep.join([os.path.dirname(__file__), *sys.path])
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}
    ) as parent:
        assert parent.stdout is not None
        worker = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    psutil.wait_procs([worker], timeout=5)
    assert not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE


def test_a_worker_keeps_to_one_core(pool: Pool) -> None:
    counted = pool.submit(faults.threads, 0).result()
    assert counted["numba"] == counted["environment"] == counted["cores kept busy"] == 1
    assert counted["all"] <= 4  # the main one, and those that watch


def test_what_a_worker_loads_is_no_work(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numba and its like take a busy machine longer than a photo may."""
    (tmp_path / "slow_to_load.py").write_text(
        "import multiprocessing, time\n"
        "if multiprocessing.parent_process():\n"
        "    time.sleep(5)\n"
        "def same(item):\n"
        "    return item\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    same = importlib.import_module("slow_to_load").same
    assert pool.submit(Bounded(same, 4.0), 7).result() == 7
