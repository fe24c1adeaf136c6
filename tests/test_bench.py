"""The benchmark's page: written, with numbers that can be read back."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from bench import photo, solvers

SCALE = photo.Scale(
    photos=60,
    grid=(6, 4),
    details=(1, 3, 6),
    supplies=(30, 60),
    grids=((3, 2), (6, 4)),
    repeats=1,
    our_grid=(6, 4),
    our_supplies=(60, 40),
)


@pytest.fixture
def tiles(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Sixty soft pictures, each of four random colours."""
    corners = rng.integers(0, 256, (60, 2, 2, 3), dtype=np.uint8)
    soft = (Image.fromarray(four).resize((photo.TILE, photo.TILE)) for four in corners)
    return np.stack([np.asarray(picture) for picture in soft])


def numbers(table_of: str, text: str) -> list[list[float]]:
    """The numbers of the first table behind a heading."""
    lines = text[text.index(table_of) :].splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("| ---")) + 1
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append([float(cell) for cell in line.strip("| ").split(" | ")[1:]])
    return rows


def test_page_and_plots_are_written(
    tmp_path: Path, target: Path, tiles: NDArray[np.uint8], capsys: pytest.CaptureFixture[str]
) -> None:
    runs = photo.weber_runs([target], tiles, SCALE)
    made = photo.our_runs([target], tiles, SCALE)
    assert len(capsys.readouterr().out.splitlines()) == len(runs) + len(made) == 7 + 12
    text = photo.page(runs, made, "the command")
    assert "the command" in text
    assert "nan" not in text
    for heading, rows in (("## A", 3), ("## B", 2), ("## C", 2), ("target, 60", 6)):
        assert len(numbers(heading, text)) == rows
    coarse, _, fine = numbers("## A", text)
    assert fine[0] < coarse[0]  # finer blocks, less error
    assert [row[6] for row in numbers("target, 60", text)] == [24] * 6  # distinct
    assert [row[5] > 0 for row in numbers("target, 60", text)] == [False] * 3 + [True] * 3

    photo.draw(runs, tmp_path)
    assert sorted(file.name for file in tmp_path.glob("bench-photo-?.png")) == [
        "bench-photo-a.png",
        "bench-photo-b.png",
        "bench-photo-c.png",
    ]


def test_error_is_zero_where_the_photos_are_the_cells(
    rng: np.random.Generator,
) -> None:
    tiles = rng.integers(0, 256, (6, photo.TILE, photo.TILE, 3), dtype=np.uint8)
    picture = tiles.reshape(2, 3, *tiles.shape[1:]).swapaxes(1, 2)
    picture = picture.reshape(2 * photo.TILE, 3 * photo.TILE, 3)
    *seconds, error = photo.weber(picture, rng.permutation(tiles), (3, 2), 4)
    assert error == 0
    assert min(seconds) >= 0


def test_every_solver_is_measured_against_the_optimum(
    tmp_path: Path, target: Path, tiles: NDArray[np.uint8], capsys: pytest.CaptureFixture[str]
) -> None:
    scale = solvers.Scale(("target",) * 2, (8, 6), 60, evaluations=400, seeds=2)
    runs, exact = solvers.measure([target, target], tiles, scale)
    assert "target" in capsys.readouterr().out
    best = next(run.mae for run in runs if run.method == "exact")
    for run in runs:
        free = "unlimited" in run.method or "adjusted" in run.method
        assert free or run.mae >= best - 1e-9, run.method
    text = solvers.page(runs, scale, exact, "the command")
    assert "nan" not in text
    rows = numbers("# Every", text.replace("| - ", "| 0 ").replace("| - |", "| 0 |"))
    assert len(rows) == len(solvers.METHODS) + 4
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)
    solvers.draw(runs, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 5000


def test_error_is_the_papers() -> None:
    cells = np.zeros((2, 4, 4, 3), np.uint8)
    tiles = cells.copy()
    tiles[0] = 255
    assert solvers._error(cells, tiles) == 0.5


def test_exponent() -> None:
    xs = np.array([1.0, 2.0, 5.0])
    assert photo.exponent(xs, 3 * xs**2) == pytest.approx(2)


def test_verdict_follows_the_numbers() -> None:
    def sentence(power: float) -> str:
        runs = [photo.Run("C", "x", n, 9, 3, 0.0, 0.0, float(n) ** power, 1.0) for n in (2, 4, 8)]
        return photo._growth(runs)

    assert "n^2.10, within 0.2 of the claimed exponent 2" in sentence(2.1)
    assert "n^1.00, below the claimed" in sentence(1)
    assert "n^3.00, above the claimed" in sentence(3)


@pytest.mark.parametrize("bench", [photo, solvers], ids=["photo", "solvers"])
def test_missing_data_is_one_line(
    bench: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "DATA", tmp_path)
    with pytest.raises(SystemExit, match=r"^bench \w+ needs \.\./shared/data/tiles_photo"):
        bench.main([])
