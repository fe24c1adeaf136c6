"""Streams that are closed, full or left, and what a terminal sends to all its processes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from PIL import Image

SMALTI = [sys.executable, "-c", "from smalti.plugin.cli import main; main()"]

pytestmark = pytest.mark.skipif(os.name == "nt", reason="streams and signals of POSIX")


def redirected(words: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command line with streams as a shell is told."""
    script = f'"$@" {words}'
    command = ["sh", "-c", script, "sh", *SMALTI, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("words", ["2>&-", "2>/dev/full", "2>&1 >/dev/null | true", ">&-", "<&-"])
def test_no_stream_of_words_is_the_end_of_a_job(
    words: str, target: Path, folder_of_photos: Path, tmp_path: Path
) -> None:
    (folder_of_photos / "broken.jpg").write_bytes(b"no picture")
    out = tmp_path / "m.tif"
    done = redirected(words, "photo", target, folder_of_photos, "-o", out, "--cells", "30")
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    with Image.open(out) as picture:
        picture.load()


def test_a_closed_stream_leaves_its_number_to_no_file(folder_of_photos: Path) -> None:
    """Else what a library prints would go into the index of photos."""
    program = (
        "import os, sys; from smalti.plugin.cli import keep_streams; keep_streams();"
        "opened = os.open(sys.argv[1], os.O_RDONLY); os._exit(opened)"
    )
    file = str(folder_of_photos / "photo 03.png")
    done = subprocess.run(
        ["sh", "-c", '"$@" <&- >&- 2>&-', "sh", sys.executable, "-c", program, file], check=False
    )
    assert done.returncode > 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has such a device")
@pytest.mark.parametrize("words", [["--version"], ["--help"], ["library", "list", "@demo", "-q"]])
def test_a_result_that_cannot_be_printed_is_one_line(words: list[str]) -> None:
    done = redirected(">/dev/full", *words, *(["--json"] if "list" in words else []))
    assert done.returncode == 1
    assert done.stderr.startswith("smalti: cannot print the result: ")
    assert len(done.stderr.splitlines()) == 1


def test_a_reader_that_has_read_enough_hears_no_complaint() -> None:
    done = redirected("| true", "library", "list", "@demo")
    assert done.stderr == ""


def test_ctrl_c_while_workers_start_is_one_line(tmp_path: Path) -> None:
    for number in range(100):
        Image.effect_noise((300, 200), number).convert("RGB").save(tmp_path / f"{number}.jpg")
    for delay in (0.0, 0.1, 0.2):
        process = subprocess.Popen(
            [*SMALTI, "library", "scan", str(tmp_path), "--jobs", "2", "-q"],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "SMALTI_CACHE": str(tmp_path / f"cache {delay}")},
            start_new_session=True,
        )
        while len(psutil.Process(process.pid).children(recursive=True)) < 2:
            time.sleep(0.01)
        time.sleep(delay)
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 130
        assert said == "smalti: cancelled; nothing was left behind\n"


@pytest.mark.parametrize("stop", ["SIGTERM", "SIGHUP"])
def test_a_polite_kill_while_libraries_load_is_one_line(stop: str) -> None:
    program = f"""
import os, signal, sys
class Finder:
    def find_spec(self, name, *_):
        if name == "numpy":
            os.kill(os.getpid(), signal.{stop})
sys.meta_path.insert(0, Finder())
from smalti.plugin.cli import main
main()
"""
    command = [sys.executable, "-c", program, "score", "a.png", "b.png"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 130
    assert done.stderr.strip() == "smalti: cancelled; nothing was left behind"


def test_a_closed_terminal_ends_no_job_that_was_told_to_go_on(folder_of_photos: Path) -> None:
    words = "& sleep 0.5; kill -HUP $!; wait $!"
    command = ["sh", "-c", f'nohup "$@" {words}', "sh", *SMALTI, "library", "scan"]
    done = subprocess.run(
        [*command, str(folder_of_photos)], capture_output=True, text=True, timeout=60, check=False
    )
    assert "40 photos" in done.stdout
