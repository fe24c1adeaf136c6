"""A real Dask cluster: the same mosaics from it, whatever becomes of its workers."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from pathlib import Path

import faults
import numpy as np
import psutil
import pytest
from click.testing import CliRunner
from distributed import LocalCluster
from PIL import Image
from test_pack import picture, shapes

from smalti import shortlist
from smalti.core.errors import BadInput, Cancelled, SmaltiError, WorkerLost
from smalti.core.index import looks
from smalti.core.library import scan
from smalti.core.progress import Bounded, Progress, Step, each_result
from smalti.core.source import Source
from smalti.jigsaw import container
from smalti.jigsaw.pack import pack
from smalti.mosaic import make_mosaic
from smalti.plugin import cluster as door
from smalti.plugin.cli import smalti
from smalti.plugin.cluster import cluster
from smalti.plugin.options import run_job
from smalti.plugin.pool import workers
from smalti.request import Jigsaw, Photomosaic

SMALTI = [sys.executable, "-c", "from smalti.plugin.cli import main; main()"]


@pytest.fixture(scope="module")
def there() -> Iterator[LocalCluster]:
    """A scheduler and two workers, processes of their own, as on another machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        with LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0"
        ) as cluster:
            yield cluster


def address(there: LocalCluster) -> str:
    return str(there.scheduler_address)


def helpers(there: LocalCluster) -> list[psutil.Process]:
    """Processes that the cluster's workers have started for us."""
    started = [psutil.Process(n.pid).children() for n in there.workers.values() if n.pid]
    return [p for ours in started for p in ours if "spawn_main" in " ".join(p.cmdline())]


@pytest.fixture
def album(tmp_path: Path) -> Path:
    folder = tmp_path / "album"
    folder.mkdir()
    for number in range(120):
        Image.effect_noise((120, 90), number).convert("RGB").save(folder / f"{number:03}.jpg")
    (folder / "050.jpg").write_bytes(b"no picture")
    return folder


def executors(there: LocalCluster) -> list[AbstractContextManager[Executor | None]]:
    return [*map(workers, (1, 2, 8)), cluster(address(there), 1), cluster("local", 2)]


def test_a_photomosaic_is_the_same_from_any_number_of_workers(
    there: LocalCluster, album: Path, target: Path, tmp_path: Path
) -> None:
    made = []
    for number, one in enumerate(executors(there)):
        out = tmp_path / f"{number}.png"
        asked = Photomosaic(
            target=str(target), photos=(str(album),), output=str(out), cells=80, tile_px=40
        )
        with one as executor:
            mosaic = make_mosaic(asked, executor=executor, index=tmp_path / f"{number}.sqlite")
        laid = mosaic.assignment
        made.append((laid.photo.tolist(), laid.total_cost, out.read_bytes(), mosaic.skipped))
    assert all(other == made[0] for other in made)


def test_a_large_library_is_compared_the_same_on_a_cluster(
    there: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shortlist, "_WHOLE", 0)
    monkeypatch.setattr(shortlist, "_BLOCK", 50)
    made = []
    for one in (workers(1), cluster(address(there), 1), cluster("local", 2)):
        with one as executor:
            asked = Photomosaic(target="@demo", photos=("@demo",), cells=80, detail=3, tile_px=8)
            mosaic = make_mosaic(asked, executor=executor)
        laid = mosaic.assignment
        made.append((mosaic.project.layout.sources, laid.photo.tolist(), laid.certificate))
    assert made[0][2] is not None
    assert all(other == made[0] for other in made)


def test_containers_are_packed_the_same_on_a_cluster(
    there: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container, "_LARGE", 15)  # so that there are more of them
    monkeypatch.setattr(container, "_CELL", 8)
    labels, goal = picture(60, 80)
    library = shapes(np.random.default_rng(1))
    laid = []
    for one in (workers(1), cluster(address(there), 1)):
        with one as executor:
            rng = np.random.default_rng(5)
            placements, _ = pack(labels, goal, library, tiles=20, rng=rng, executor=executor)
        laid.append([(p.tile, p.container, p.pose, p.contour.tobytes()) for p in placements])
    assert laid[0]
    assert all(other == laid[0] for other in laid)


@pytest.mark.slow
def test_a_jigsaw_is_the_same_from_any_number_of_workers(
    there: LocalCluster, target: Path, tmp_path: Path
) -> None:
    made = []
    for number, one in enumerate(executors(there)):
        out = tmp_path / f"{number}.png"
        asked = Jigsaw(
            target=str(target), shapes=("@demo",), output=str(out), tiles=25, segments=4, width=200
        )
        with one as executor:
            make_mosaic(asked, executor=executor, index=tmp_path / f"{number}.sqlite")
        made.append(out.read_bytes())
    assert all(other == made[0] for other in made)


def test_killed_workers_change_nothing(there: LocalCluster, album: Path) -> None:
    expected = scan([str(album)])
    killed = 0

    def kill(step: Step) -> None:
        nonlocal killed
        if step.done >= 16 * (killed + 1) and killed < 2:
            killed += 1
            for nanny in list(there.workers.values()):
                if nanny.pid:
                    psutil.Process(nanny.pid).kill()

    with cluster(address(there), 1) as executor:
        found = scan([str(album)], executor=executor, progress=kill)
    assert killed == 2
    assert found.sources == expected.sources
    assert found.skipped == expected.skipped
    assert np.array_equal(found.thumbs, expected.thumbs)


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_culprits_are_named_and_the_cluster_lives_on(there: LocalCluster, album: Path) -> None:
    before = {nanny.pid for nanny in there.workers.values()}
    for number, word in ((3, "segfault"), (60, "kill"), (61, "segfault")):
        (album / f"{number:03}.jpg").write_text(word)
    sources = [Source(str(file)) for file in sorted(album.iterdir())]
    with cluster(address(there), 1) as executor:
        found = dict(looks(sources, faults.learn, kind="t1", executor=executor))
        assert [k for k in sorted(found) if found[k].reason] == [3, 50, 60, 61]
        assert "segmentation fault" in found[3].reason
        assert "was killed" in found[60].reason
        with pytest.raises(WorkerLost, match="longer than 1 s"):
            executor.submit(Bounded(faults.slow, 1.0), 60.0).result()
        with pytest.raises(ValueError, match="no 3"):
            executor.submit(faults.fail, 3).result()
    assert {nanny.pid for nanny in there.workers.values()} == before


def test_a_cancel_ends_our_processes_there(there: LocalCluster) -> None:
    def stop(step: Step) -> None:
        if helpers(there):
            raise Cancelled

    begin = time.monotonic()
    with pytest.raises(Cancelled), cluster(address(there), 1) as executor:
        list(each_result(faults.slow, [60.0] * 4, phase="p", executor=executor, progress=stop))
    while helpers(there):
        assert time.monotonic() < begin + 30
        time.sleep(0.1)


def test_idle_processes_end_and_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "_LOOK_S", 0.1)
    begin = time.monotonic()
    with cluster("local", 1) as executor:  # its worker is this process
        first = executor.submit(faults.once, ("", "")).result()
        while psutil.pid_exists(first):
            assert time.monotonic() < begin + 30
            time.sleep(0.1)
        assert executor.submit(faults.once, ("", "")).result() != first


def test_two_jobs_share_a_cluster(there: LocalCluster) -> None:
    with cluster(address(there), 1) as first:
        waiting = [first.submit(faults.slow, 0.5) for _ in range(4)]
        with cluster(address(there), 1) as second:
            assert second.submit(faults.slow, 0.1).result() == 0.1
        assert [future.result() for future in waiting] == [0.5] * 4


def test_the_command_line_on_a_cluster(there: LocalCluster, album: Path) -> None:
    def told(*more: str) -> object:
        done = CliRunner().invoke(smalti, ["library", "list", str(album), "--json", "-q", *more])
        assert done.exit_code == 0, done.output
        return json.loads(done.output)

    on_cluster = threading.active_count()
    assert told("--cluster", address(there)) == told("--jobs", "1")
    assert threading.active_count() <= on_cluster + 1


def test_without_dask_the_command_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(BadInput, match=r"pip install 'smalti\[cluster\]'"), cluster("local", 1):
        pass


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense://x", "127.0.0.1:99999999"])
def test_an_address_without_a_scheduler_is_named(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "_ANSWER_S", 1.0)
    with pytest.raises(BadInput, match=f"answers at {address}"), cluster(address, 1):
        pass


def test_a_wrong_address_is_one_line() -> None:
    done = subprocess.run(
        [*SMALTI, "library", "scan", "@demo", "--cluster", "nonsense"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1, done.stderr


def test_a_scheduler_without_workers_is_refused() -> None:
    with (
        LocalCluster(n_workers=0, dashboard_address="127.0.0.1:0") as empty,
        pytest.raises(BadInput, match="has no workers: `dask worker"),
        cluster(address(empty), 1),
    ):
        pass


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_scheduler_that_is_lost_is_named_in_one_line(album: Path, tmp_path: Path) -> None:
    """Dask tells of it in pages, and lets who waits for a result that was there wait for ever."""
    program = [sys.executable, str(Path(__file__).with_name("scheduler.py"))]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as scheduler:
        assert scheduler.stdout is not None
        where = scheduler.stdout.readline().strip()
        options = ["-o", str(tmp_path / "m.png"), "-q", "--tile-px", "900", "--cluster", where]
        process = subprocess.Popen(
            [*SMALTI, "photo", "@demo", str(album), *options],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "SMALTI_CACHE": str(tmp_path / "cache")},
        )
        while not list((tmp_path / "cache").glob("*.sqlite")):
            time.sleep(0.02)
        scheduler.kill()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said.startswith(f"smalti: the scheduler at {where} was lost")
    assert len(said.splitlines()) == 1, said


@pytest.mark.parametrize("quiet", [True, False])
def test_a_cluster_without_workers_is_not_waited_for_for_ever(
    quiet: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(door, "_ALONE_S", 0.0)
    monkeypatch.setattr(door, "_NOBODY_S", 4.0)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0") as there:

        def job(executor: Executor, progress: Progress) -> None:
            def leave(step: Step) -> None:
                if helpers(there):
                    there.scale(0)
                progress(step)

            list(each_result(faults.slow, [600.0], phase="p", executor=executor, progress=leave))

        with pytest.raises(SmaltiError, match="were lost, and none came back within 4 s"):
            run_job(job, 1, quiet, cluster=address(there))
    said = capsys.readouterr().err
    assert said.count(f"no workers are left at {address(there)}: waiting") == (not quiet)


def test_workers_that_come_back_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "_ALONE_S", 0.0)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0") as there:
        with cluster(address(there), 1) as executor:
            there.scale(0)
            later = executor.submit(faults.slow, 0.1)
            begin = time.monotonic()
            while not executor.notice:
                assert time.monotonic() < begin + 30
                time.sleep(0.1)
            there.scale(1)
            assert later.result(timeout=60) == 0.1
            while executor.notice:
                assert time.monotonic() < begin + 60
                time.sleep(0.1)


def test_workers_of_another_version_are_refused(
    there: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "__version__", "99")
    with pytest.raises(BadInput, match="here is 99"), cluster(address(there), 1):
        pass


@pytest.mark.skipif(os.name == "nt", reason="Windows has no process groups of this kind")
def test_ctrl_c_ends_a_job_on_a_cluster(there: LocalCluster, album: Path, tmp_path: Path) -> None:
    cache, out = tmp_path / "cache", tmp_path / "m.png"
    options = ["-o", str(out), "--tile-px", "300", "--cluster", address(there)]
    process = subprocess.Popen(
        [*SMALTI, "photo", "@demo", str(album), *options],
        stderr=subprocess.PIPE,
        env={**os.environ, "SMALTI_CACHE": str(cache)},
        start_new_session=True,
    )
    while not helpers(there):
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    begin = time.monotonic()
    _, said = process.communicate(timeout=60)
    assert time.monotonic() - begin < 5
    assert process.returncode == 130, said
    assert said.endswith(b"smalti: cancelled; nothing was left behind\n")
    assert not out.exists()
    while helpers(there):
        assert time.monotonic() < begin + 10
        time.sleep(0.1)
