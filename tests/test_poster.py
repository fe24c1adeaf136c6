"""Pictures larger than memory: 600 megapixels, and a jigsaw 20,000 px wide."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from smalti import Jigsaw, make_mosaic
from smalti.jigsaw_project import JigsawProject
from smalti.mosaic import open_project

LIMIT = 500  # MB resident
# Seconds of the best known way over those of libvips alone, where libvips is not the best: its
# TIFF is pyramidal, and tifffile writes a plain one (3.3 s of its 13.9).
BEST = {".tif": 3.3 / 13.9}
ROOT = Path(__file__).parent.parent


@pytest.mark.slow
@pytest.mark.parametrize("ending", [".png", ".jpg", ".tif", ".dzi"])
def test_a_poster_of_600_megapixels(ending: str, tmp_path: Path) -> None:
    """Beside each format stands the best known way to write it, measured just before."""
    run = subprocess.run(
        [sys.executable, "-m", "bench", "poster", "--plain", ending],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    print(run.stdout)
    plain, ours = (
        [float(number) for number in re.findall(r"[\d.]+", line[8:])]
        for line in run.stdout.splitlines()[-2:]
    )
    assert ours[2] <= LIMIT
    assert ours[0] <= 1.5 * plain[0] * BEST.get(ending, 1)


RENDER = """
import sys
from pathlib import Path
from smalti.mosaic import render_project
print(*render_project(Path(sys.argv[1]), Path(sys.argv[2]), tile_px=int(sys.argv[3])))
print(Path("/proc/self/status").read_text())
"""


@pytest.mark.slow
@pytest.mark.parametrize("tiles", [250, 1200])
def test_a_jigsaw_20000_px_wide(tiles: int, tmp_path: Path) -> None:
    made = make_mosaic(
        Jigsaw(
            target="@scarlet-macaw", shapes=("@demo",), tiles=tiles, output=str(tmp_path / "a.png")
        )
    )
    assert made.project_file
    project = open_project(made.project_file)
    assert isinstance(project, JigsawProject)
    side = sum(p.pose.scale for p in project.placements) / len(project.placements)
    tile_px = round(20_000 / max(project.size) * side)
    child = [sys.executable, "-c", RENDER, str(made.project_file), str(tmp_path / "big.tif")]
    run = subprocess.run([*child, str(tile_px)], capture_output=True, text=True, check=True)
    size, status = run.stdout.split("\n", 1)
    assert max(map(int, size.split())) == pytest.approx(20_000, rel=0.01)
    peak = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert peak
    print(size, "px, peak", int(peak[1]) // 1000, "MB")
    assert int(peak[1]) / 1000 <= LIMIT
