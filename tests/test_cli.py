"""The command line as other tools rely on it, in a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from smalti.core.picture import read_picture
from smalti.plugin.options import run_job
from smalti.request import Jigsaw, Photomosaic

SMALTI = [sys.executable, "-c", "from smalti.plugin.cli import main; main()"]
QUALITY = {
    "mae",
    "mse",
    "delta_e_cell",
    "delta_e_quarter",
    "ssim_quarter",
    "gradient_correlation",
    "seam_energy",
    "alteration_rms",
    "target_blend",
    "distinct",
    "max_uses",
    "nearest_repeat",
}


def smalti(*arguments: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*SMALTI, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_json_is_the_contract(target: Path, folder_of_photos: Path, tmp_path: Path) -> None:
    (folder_of_photos / "broken.jpg").write_bytes(b"no picture")
    out = tmp_path / "m.png"
    done = smalti("photo", target, folder_of_photos, "-o", out, "--cells", "30", "--json")
    found = json.loads(done.stdout)
    assert set(found) == {
        *("output", "project", "cells", "columns", "rows", "photos", "skipped"),
        *("assignment", "wishes", "quality", "seconds", "peak_mb", "seed", "version"),
    }
    assert found["wishes"] == {
        **{"banned": 0, "must_appear": 0, "locked": 0, "spacing": 1},
        **{"spacing_reached": None, "too_near": 0},
    }
    assert found["cells"] == found["columns"] * found["rows"]
    assert 25 <= found["cells"] <= 36
    assert found["photos"] == 40
    assert [Path(s["file"]).name for s in found["skipped"]] == ["broken.jpg"]
    claims = {"solver", "total_cost", "lower_bound", "gap", "certified", "certificate"}
    assert set(found["assignment"]) == claims
    assert set(found["quality"]) == QUALITY
    assert set(found["seconds"]) == {"index", "features", "assign", "render", "total"}
    assert found["peak_mb"] > 10
    assert Path(found["output"]) == out
    assert "broken.jpg" in done.stderr
    assert read_picture(out).size[0] > 0


def test_a_project_renders_again_and_scores(
    target: Path, folder_of_photos: Path, tmp_path: Path
) -> None:
    made = json.loads(
        smalti("photo", target, folder_of_photos, "-o", tmp_path / "m.png", "--json", "-q").stdout
    )
    again = tmp_path / "again.tif"
    smalti("render", made["project"], "-o", again, "--tile-px", "20", "-q")
    assert read_picture(again).size[0] == 20 * made["columns"]
    score = json.loads(smalti("score", target, made["output"], "--json").stdout)
    assert set(score) == QUALITY
    assert score["ssim_quarter"] == pytest.approx(made["quality"]["ssim_quarter"], abs=0.02)
    other = json.loads(smalti("score", target, target, "--grid", "8x6", "--json").stdout)
    assert other["mae"] == 0


def test_a_heuristic_says_that_nothing_is_known_of_the_optimum(
    target: Path, folder_of_photos: Path, tmp_path: Path
) -> None:
    words = ("photo", target, folder_of_photos, "-o", tmp_path / "m.png", "--cells", "30", "--json")
    exact, greedy = (
        json.loads(smalti(*words, "-q", "--solver", solver).stdout)["assignment"]
        for solver in ("exact", "greedy")
    )
    assert greedy["solver"] == "greedy"
    assert greedy["lower_bound"] is greedy["gap"] is greedy["certified"] is None
    assert greedy["total_cost"] >= exact["total_cost"] * (1 - 1e-6)


def test_wishes_are_told_in_words_and_values(
    target: Path, folder_of_photos: Path, tmp_path: Path
) -> None:
    words = ("photo", target, folder_of_photos, "-o", tmp_path / "m.png", "--grid", "10x8")
    asked = ("--max-uses", "9", "--spacing", "9", "--ban", "photo 3*", "--no-audit")
    done = smalti(*words, *asked, "--lock", "1,1=photo 01.png")
    assert "10 banned, 1 locked in place: all kept" in done.stdout
    assert "(asked for 9)" in done.stdout
    assert "allow no more" in done.stderr
    found = json.loads(smalti(*words, *asked, "-q", "--json").stdout)
    assert found["wishes"]["too_near"] > 0
    assert found["wishes"]["spacing_reached"] < 9
    assert found["assignment"]["certified"] is None
    assert found["assignment"]["gap"] > 0


def test_how_many_photos_are_enough(target: Path, folder_of_photos: Path) -> None:
    words = ("photo", target, folder_of_photos, "--grid", "4x3", "--explain")
    assert "more photos like these it would fall by about" in smalti(*words).stdout
    assert set(json.loads(smalti(*words, "--json", "-q").stdout)) == {
        *("cells", "photos", "error", "floor", "more"),
    }


@pytest.mark.usefixtures("shapes_known")
def test_a_jigsaw_from_the_command_line(target: Path, tmp_path: Path) -> None:
    out, contours = tmp_path / "j.png", tmp_path / "j.geojson"
    words = ("jigsaw", target, "@demo", "-o", out, "--tiles", "40", "--width", "300")
    found = json.loads(smalti(*words, "--geometry", contours, "--json", "-q").stdout)
    assert set(found) == {
        *("output", "project", "tiles", "containers", "shapes", "quality", "rigid", "recolored"),
        *("seconds", "backtracks", "ended", "skipped", "peak_mb", "seed", "version", "trimmed"),
    }
    assert read_picture(out).size[0] == 300
    assert len(json.loads(contours.read_text())["features"]) == found["tiles"]
    again = smalti("render", found["project"], "-o", tmp_path / "j.svg", "--json")
    assert json.loads(again.stdout)["output"].endswith("j.svg")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["foto"], "photo"),
        (["photo", "t.png", "p", "-o", "m.png", "--cels", "3"], "--cells"),
        (["photo", "t.png", "p", "-o", "m.png", "--variants", "miror"], "mirror"),
        (["photo", "t.png", "p", "-o", "m.png", "--grid", "3by4"], "64x48"),
        (["photo", "t.png", "p", "-o", "m.png", "--aspect", "wide"], "4:3"),
        (["photo", "t.png", "p", "-o", "m.png", "--detail", "some"], "pixels"),
        (["photo", "t.png", "p", "-o", "m.png", "--adjust", "2"], "adjust"),
        (["photo", "t.png", "p", "-o", "m.png", "--solver", "gredy"], "greedy"),
        (["photo", "t.png", "p"], "-o"),
        (["photo", "@demo", "@demo", "-o", "m.png", "--ban", "nobody.jpg"], "nobody.jpg"),
        (["photo", "@demo", "@demo", "-o", "m.png", "--must-appear", "x*y"], "x*y"),
        (["photo", "@demo", "@demo", "-o", "m.png", "--lock", "a.jpg"], "COLUMN,ROW=FILE"),
        (["photo", "@coffee", "@demo", "-o", "m.png", "--weight", "faces"], "no face"),
        (["photo", "@demo", "@demo", "-o", "m.png", "--transfer", "3"], "transfer"),
        (["photo", "t.png", "p", "-o", "m.gif"], ".png"),
        (["photo", "absent.png", "@demo", "-o", "m.png"], "absent.png"),
        (["photo", "@demo", "absent", "-o", "m.png"], "absent"),
        (["photo", "@demo", "@demo", "-o", "no/such/m.png"], "no/such"),
        (["photo", "@demo", "@demo", "--cells", "5000", "-o", "m.png"], "--max-uses 2"),
        (["jigsaw", "@demo", "absent", "-o", "m.png"], "absent"),
        (["jigsaw", "@demo", "@demo", "-o", "m.gif"], ".png"),
        (["jigsaw", "@demo", "@demo", "-o", "m.png", "--rotate", "wild"], "upright"),
        (["render", "absent.json", "-o", "m.png"], "absent.json"),
        (["score", "@demo", "absent.png"], "absent.png"),
        (["library", "scan", "absent"], "absent"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_line_and_exit_2(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = smalti(*arguments, code=2)
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""
    assert not list(tmp_path.glob("**/*.*"))


def test_debug_shows_where(tmp_path: Path) -> None:
    done = subprocess.run(
        [*SMALTI, "photo", "absent.png", "@demo", "-o", str(tmp_path / "m.png"), "--debug"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" in done.stderr
    assert done.returncode != 0


def test_strict_stops_at_a_bad_photo(target: Path, folder_of_photos: Path, tmp_path: Path) -> None:
    (folder_of_photos / "broken.jpg").write_bytes(b"no picture")
    done = smalti("photo", target, folder_of_photos, "-o", tmp_path / "m.png", "--strict", code=2)
    assert "broken.jpg" in done.stderr
    assert not (tmp_path / "m.png").exists()


def test_dry_run_writes_nothing(target: Path, folder_of_photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.png"
    done = smalti("photo", target, folder_of_photos, "-o", out, "--dry-run", "--json", "-q")
    ahead = json.loads(done.stdout)
    assert 25 <= ahead["cells"] <= 36  # about three quarters of forty photos
    assert {"width_cm", "memory_mb", "disk_mb", "seconds"} <= set(ahead)
    assert not out.exists()


@pytest.mark.usefixtures("shapes_known")
def test_dry_run_of_a_jigsaw_writes_nothing(target: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.jpg"
    words = ("jigsaw", target, "@demo", "--tiles", "80", "--jobs", "1", "--dry-run")
    ahead = json.loads(smalti(*words, "-o", out, "--json", "-q").stdout)
    assert set(ahead) == {
        *("tiles", "containers", "shapes", "width", "height", "width_cm", "height_cm"),
        *("memory_mb", "disk_mb", "seconds"),
    }
    assert ahead["tiles"] == 80
    assert ahead["width_cm"] == pytest.approx(ahead["width"] / 300 * 2.54, abs=0.1)
    said = smalti(*words).stdout
    assert "about 80 in" in said
    assert "0.0 MB of disk" in said
    assert "voronoi" in smalti(*words, "--kind", "voronoi", code=2).stderr
    assert "say what to write" in smalti("jigsaw", target, "@demo", code=2).stderr
    assert not list(tmp_path.glob("m*"))


def test_small_prints_are_warned_of(target: Path, folder_of_photos: Path, tmp_path: Path) -> None:
    done = smalti("photo", target, folder_of_photos, "-o", tmp_path / "m.jpg", "--width-cm", "4")
    assert "1.3 cm" in done.stderr
    with Image.open(tmp_path / "m.jpg") as picture:
        assert picture.size[0] / 300 * 2.54 == pytest.approx(4, rel=0.05)
        assert round(picture.info["dpi"][0]) == 300


def test_library_commands(folder_of_photos: Path) -> None:
    again = Image.fromarray(read_picture(folder_of_photos / "photo 03.png").pixels)
    again.save(folder_of_photos / "copy.png")
    (folder_of_photos / "broken.jpg").write_bytes(b"no picture")
    assert "41 photos, 40 of them different" in smalti("library", "scan", folder_of_photos).stdout
    listed = smalti("library", "list", folder_of_photos).stdout
    assert "photo 07.png" in listed
    assert "48 x 36" in listed
    checked = json.loads(smalti("library", "check", folder_of_photos, "--json").stdout)
    assert [Path(s["file"]).name for s in checked["skipped"]] == ["broken.jpg"]
    assert [Path(t["file"]).name for t in checked["twins"]] == ["photo 03.png"]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="only Linux binds processes so")
def test_no_more_processes_than_cores_that_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine shared by a batch system they are a few of many."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 5, 7})
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    pool = run_job(lambda executor, progress: executor, None, quiet=True)
    assert pool.workers == 3


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str) -> None:
    assert "_SMALTI_COMPLETE" in smalti("completion", shell).stdout


def test_doctor_and_version() -> None:
    findings = json.loads(smalti("doctor", "--json").stdout)
    assert findings["numpy"]["ok"]
    assert smalti("--version").stdout.startswith("smalti")


@pytest.mark.parametrize(("command", "kind"), [("photo", Photomosaic), ("jigsaw", Jigsaw)])
def test_every_option_of_the_request_has_a_switch(
    command: str, kind: type[Photomosaic] | type[Jigsaw]
) -> None:
    shown = smalti(command, "--help").stdout
    for name in kind.__dataclass_fields__:
        if name not in ("target", "photos", "shapes"):
            assert f"--{name.replace('_', '-')}" in shown


@pytest.mark.skipif(os.name == "nt", reason="Windows has no process groups of this kind")
@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("stop", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_ctrl_c_at_any_time_leaves_nothing(
    target: Path, tmp_path: Path, jobs: int, stop: str
) -> None:
    """A run over real files, stopped early, in the middle, and late."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(300):
        Image.effect_noise((300, 200), number).convert("RGB").save(folder / f"{number}.jpg")
    out = tmp_path / "out"
    out.mkdir()
    command = ["photo", str(target), str(folder), "-o", str(out / "m.png"), "--twins", "keep"]
    for delay in (0.0, 0.8):
        cache = tmp_path / f"cache {delay}"
        process = subprocess.Popen(
            [*SMALTI, *command, "--tile-px", "300", "--jobs", str(jobs)],
            stderr=subprocess.PIPE,
            env={**os.environ, "SMALTI_CACHE": str(cache)},
            start_new_session=True,
        )
        while not list(cache.glob("*.sqlite")):  # it has begun to read photos
            time.sleep(0.02)
        time.sleep(delay)
        os.killpg(process.pid, getattr(signal, stop))
        stopped = time.monotonic()
        _, said = process.communicate(timeout=60)
        took = time.monotonic() - stopped
        if process.returncode == 0:
            break  # it was faster than we
        assert process.returncode == 130, said
        assert b"cancelled" in said
        assert b"warn" not in said
        assert took < 5
        assert not list(out.iterdir())
        assert gone_within(process.pid, 5.0)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no process groups of this kind")
@pytest.mark.usefixtures("shapes_known")
@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_may_keep_what_is_laid(target: Path, tmp_path: Path, jobs: int) -> None:
    out = tmp_path / "m.png"
    command = ["jigsaw", str(target), "@demo", "-o", str(out), "--tiles", "3000", "--width", "900"]
    process = subprocess.Popen(
        [*SMALTI, *command, "--keep-partial", "--json", "--jobs", str(jobs)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "SMALTI_CACHE": str(tmp_path / "cache")},
        start_new_session=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith(b"packing"):
            break
    os.killpg(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert json.loads(said)["ended"] == ["pack"]
    assert out.exists()
    assert gone_within(process.pid, 5.0)


def gone_within(group: int, seconds: float) -> bool:
    """Whether a group of processes has ended; Python's own tracker takes a moment."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def test_only_a_jigsaw_can_be_watched(target: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.png"
    done = smalti("jigsaw", target, "@demo", "-o", out, "--watch", "--kind", "voronoi", code=2)
    assert "--kind voronoi" in done.stderr
    assert not out.exists()


def test_many_files_left_out_are_counted_and_written_down(
    target: Path, folder_of_photos: Path, tmp_path: Path
) -> None:
    for number in range(30):
        (folder_of_photos / f"empty {number}.jpg").write_bytes(b"")
    (folder_of_photos / "vector.svg").write_bytes(b"<svg/>")
    out = tmp_path / "m.png"
    done = smalti("photo", target, folder_of_photos, "-o", out, "--cells", "30", "--json")
    said = [line for line in done.stderr.splitlines() if "left out" in line]
    assert len(said) == 3
    assert "left out 30 files: empty file: " in said[0]
    assert said[0].count("empty ") == 4  # the reason, and three of them
    assert "vector.svg: SVG is a drawing" in said[1]
    assert "left out 31 files in all" in said[2]
    written = json.loads((tmp_path / "m.skipped.json").read_text())
    assert written == json.loads(done.stdout)["skipped"]
    assert len(written) == 31


def test_doctor_says_how_it_may_end() -> None:
    assert "1 something is to be mended" in smalti("doctor", "--help").stdout
