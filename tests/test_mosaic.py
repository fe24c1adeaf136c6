"""The whole way, by the library: request in, picture and project out."""

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from smalti import Cancelled, Photomosaic, Step, make_mosaic
from smalti.core.errors import BadInput
from smalti.core.picture import read_picture
from smalti.forecast import forecast
from smalti.grid_project import build_grid
from smalti.mosaic import render_project
from smalti.plan import target_file
from smalti.project import project_path, read_project


@pytest.fixture
def request_(target: Path, folder_of_photos: Path) -> Photomosaic:
    return Photomosaic(target=str(target), photos=(str(folder_of_photos),), cells=30, tile_px=16)


def test_defaults_give_a_picture_of_different_photos(request_: Photomosaic) -> None:
    mosaic = make_mosaic(request_)
    layout = mosaic.project.layout
    assert 25 <= layout.grid.cells <= 36
    assert len(set(layout.photo)) == layout.grid.cells
    assert mosaic.pixels().shape == (12 * layout.grid.rows, 16 * layout.grid.columns, 3)  # 4:3
    assert mosaic.quality.max_uses == 1
    assert mosaic.quality.target_blend == 0
    assert mosaic.output is None


def test_a_mosaic_is_more_like_its_target_than_a_shuffled_one(request_: Photomosaic) -> None:
    mosaic = make_mosaic(replace(request_, adjust=0.0))
    layout = mosaic.project.layout
    order = np.random.default_rng(1).permutation(layout.grid.cells)
    shuffled = replace(
        mosaic, project=replace(mosaic.project, layout=replace(layout, photo=layout.photo[order]))
    )
    target = np.asarray(Image.open(request_.target).resize(mosaic.pixels().shape[1::-1])).astype(
        float
    )
    errors = [np.abs(m.pixels() - target).mean() for m in (mosaic, shuffled)]
    assert errors[0] < 0.75 * errors[1]


def test_tiles_of_the_target_itself_are_put_back(tmp_path: Path, rng: np.random.Generator) -> None:
    """The oracle: photos cut out of the target have exactly one right place each."""
    picture = rng.integers(0, 256, (6 * 24, 8 * 24, 3), dtype=np.uint8)
    Image.fromarray(picture).save(tmp_path / "target.png")
    places = [(r, c) for r in range(6) for c in range(8)]
    rng.shuffle(places)
    (tmp_path / "cut").mkdir()
    for number, (r, c) in enumerate(places):
        tile = picture[r * 24 : r * 24 + 24, c * 24 : c * 24 + 24]
        tile = tile[:, ::-1] if number % 2 else tile  # every other one mirrored
        turned = Image.Exif()
        if number % 3 == 0:  # every third one taken with the camera on its side
            tile, turned[0x0112] = np.rot90(tile), 6
        Image.fromarray(tile).save(tmp_path / "cut" / f"{number:02}.png", exif=turned)
    made = make_mosaic(
        Photomosaic(
            target=str(tmp_path / "target.png"), photos=(str(tmp_path / "cut"),), grid=(8, 6)
        )
    )
    layout = made.project.layout
    found = [int(Path(layout.sources[p].file).stem) for p in layout.photo]
    assert [places[number] for number in found] == [(r, c) for r in range(6) for c in range(8)]
    assert np.array_equal(made.pixels(), picture)
    assert made.quality.mae == 0


def test_adjust_brings_the_picture_nearer_and_is_owned_up_to(request_: Photomosaic) -> None:
    made = [make_mosaic(replace(request_, adjust=s)).quality for s in (0.0, 0.5, 1.0)]
    assert made[0].mae > made[1].mae > made[2].mae
    assert made[0].alteration_rms == 0
    assert (made[1].alteration_rms or 0) < (made[2].alteration_rms or 0)


def test_limits_on_use(request_: Photomosaic) -> None:
    many = replace(request_, cells=100, max_uses=3)
    quality = make_mosaic(many).quality
    assert quality.max_uses is not None
    assert 1 < quality.max_uses <= 3
    free = make_mosaic(replace(request_, cells=100, repeats="free"))
    assert free.assignment.certified is True
    with pytest.raises(BadInput, match=r"--cells 40\b.*--repeats free"):
        make_mosaic(replace(request_, cells=None, grid=(20, 20)))


def test_near_duplicates_share_a_limit(tmp_path: Path, request_: Photomosaic) -> None:
    folder = Path(request_.photos[0])
    for photo in sorted(folder.iterdir())[:20]:
        Image.open(photo).save(folder / f"again {photo.stem}.jpg", quality=95)
    grouped = make_mosaic(replace(request_, cells=40))
    assert grouped.quality.max_uses == 1
    assert grouped.photos == 60
    kept = make_mosaic(replace(request_, cells=None, grid=(10, 6), twins="keep"))
    assert kept.project.layout.grid.cells == 60
    assert kept.quality.max_uses == 2  # counted as the eye does
    with pytest.raises(BadInput, match="20 more"):
        make_mosaic(replace(request_, cells=None, grid=(10, 6)))


@pytest.mark.parametrize("ending", [".png", ".jpg", ".tif", ".html"])
def test_a_project_makes_the_same_bytes_again(
    request_: Photomosaic, tmp_path: Path, ending: str
) -> None:
    first, again = tmp_path / f"first{ending}", tmp_path / f"again{ending}"
    made = make_mosaic(replace(request_, output=str(first)))
    assert made.project_file == project_path(first)
    render_project(project_path(first), again)
    if ending == ".html":
        trees = [
            {f.relative_to(t): f.read_bytes() for f in sorted(t.rglob("*.jpg"))}
            for t in (tmp_path / "first_files", tmp_path / "again_files")
        ]
        assert trees[0] == trees[1]
        assert trees[0]
    else:
        assert first.read_bytes() == again.read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        {"correction": "scale", "adjust": 1.0},
        {"transfer": 0.6},
        {"adaptive": True},
        {"brick": True},
        {"adaptive": True, "aspect": (1, 1), "variants": ("turns",), "transfer": 1.0},
        {"weight": "edges", "ban": ("photo 00.png",), "must_appear": ("photo 01.png",)},
        {"spacing": 3, "max_uses": 4, "cells": 60, "lock": ("1,1=photo 01.png",)},
    ],
    ids=str,
)
def test_every_kind_of_layout_makes_the_same_bytes_again(
    request_: Photomosaic, tmp_path: Path, change: dict[str, Any]
) -> None:
    asked = replace(request_, output=str(tmp_path / "first.png"), **change)
    made = make_mosaic(asked)
    assert made.project_file is not None
    render_project(made.project_file, tmp_path / "again.png")
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "again.png").read_bytes()
    assert read_project(made.project_file, build_grid).request == asked


def test_cells_of_several_sizes_show_the_target(request_: Photomosaic) -> None:
    made = make_mosaic(replace(request_, adaptive=True, cells=38))
    layout = made.project.layout
    assert 36 <= len(layout.photo) <= 38
    assert set(layout.boxes[:, 2].tolist()) <= {1, 2, 4}
    assert len(set(layout.photo)) == len(layout.photo)
    assert made.pixels().shape == (12 * layout.grid.rows, 16 * layout.grid.columns, 3)
    target = np.asarray(Image.open(request_.target).resize(made.pixels().shape[1::-1]), float)
    turned = made.pixels()[::-1, ::-1]
    assert np.abs(made.pixels() - target).mean() < 0.7 * np.abs(turned - target).mean()


@pytest.mark.parametrize("read", ["target", "photos", "weight"])
def test_nothing_that_is_read_is_written_over(
    request_: Photomosaic, tmp_path: Path, read: str
) -> None:
    file = tmp_path / "m.png"
    shutil.copyfile(request_.target, file)
    before = file.read_bytes()
    change: dict[str, Any] = {read: (str(file),) if read == "photos" else str(file)}
    with pytest.raises(BadInput, match="it is read for this mosaic"):
        make_mosaic(replace(request_, output=str(file), **change))
    assert file.read_bytes() == before


def test_bricks_show_the_target(request_: Photomosaic) -> None:
    made = make_mosaic(replace(request_, brick=True, cells=38))
    layout = made.project.layout
    assert 30 <= len(layout.photo) <= 38
    assert len(set(layout.photo)) == len(layout.photo)
    target = np.asarray(Image.open(request_.target).resize(made.pixels().shape[1::-1]), float)
    turned = made.pixels()[::-1, ::-1]
    assert np.abs(made.pixels() - target).mean() < 0.7 * np.abs(turned - target).mean()


def test_as_many_bricks_as_the_grid_asks_for(request_: Photomosaic) -> None:
    made = make_mosaic(replace(request_, brick=True, cells=None, grid=(4, 5)))
    assert len(made.project.layout.photo) == 4 * 5 + 2 * 3


def test_cells_of_several_sizes_on_a_page(request_: Photomosaic, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    make_mosaic(replace(request_, adaptive=True, output=str(out)))
    assert '"outlined":false' in out.read_text("utf-8")


def test_the_palette_moved_is_owned_up_to(request_: Photomosaic) -> None:
    made = [make_mosaic(replace(request_, adjust=0.0, transfer=s)).quality for s in (0.0, 0.5, 1.0)]
    altered = [quality.alteration_rms or 0 for quality in made]
    assert altered[0] == 0
    assert 1 < altered[1] < altered[2]


def test_a_project_at_another_size_after_moving_both(request_: Photomosaic, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    Path(request_.photos[0]).rename(home / "photos")
    make_mosaic(replace(request_, photos=(str(home / "photos"),), output=str(home / "mosaic.png")))
    home.rename(tmp_path / "moved")
    Path(request_.target).unlink()
    file = tmp_path / "moved" / "mosaic.smalti.json"
    size = render_project(file, tmp_path / "large.png", tile_px=40)
    small, large = (
        Image.fromarray(read_picture(f).pixels)
        for f in (tmp_path / "moved" / "mosaic.png", tmp_path / "large.png")
    )
    assert large.size == size
    apart = np.asarray(small.resize((60, 45))).astype(int) - np.asarray(large.resize((60, 45)))
    assert np.abs(apart).mean() < 8
    assert str(tmp_path) not in json.dumps(json.loads(file.read_text())["photos"])


def test_workers_do_not_change_the_mosaic(request_: Photomosaic, tmp_path: Path) -> None:
    alone = make_mosaic(request_)
    for jobs in (2, 8):
        with ThreadPoolExecutor(jobs) as executor:
            together = make_mosaic(request_, executor=executor, index=tmp_path / f"{jobs}.sqlite")
        assert np.array_equal(alone.pixels(), together.pixels())
        assert alone.quality == together.quality


@pytest.mark.parametrize(
    "change",
    [
        {"variants": ()},
        {"variants": ("mirror", "crops", "turns")},
        {"space": "lab"},
        {"space": "oklab"},
        {"metric": "euclidean"},
        {"metric": "l1"},
        {"metric": "cosine"},
        {"metric": "ciede2000", "space": "lab", "detail": 2, "adjust": 0.0},
        {"detail": 1},
        {"detail": 32},
        {"fit": "pad"},
        {"crop": "attention"},
        {"aspect": (1, 1)},
        {"aspect": (2, 3)},
        {"width_cm": 10.0, "tile_px": None},
        {"background": "#336699", "fit": "pad"},
        {"correction": "scale", "adjust": 1.0},
        {"transfer": 0.5},
        {"features": "wavelets"},
        {"weight": "edges"},
        {"spacing": 3},
    ],
    ids=str,
)
def test_every_option_makes_a_mosaic(request_: Photomosaic, change: dict[str, Any]) -> None:
    mosaic = make_mosaic(replace(request_, **change))
    layout = mosaic.project.layout
    assert len(set(layout.photo)) == layout.grid.cells
    assert mosaic.pixels().std() > 5


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"cells": 0}, "cells"),
        ({"grid": (0, 3), "cells": None}, "grid"),
        ({"grid": (3, 3)}, "exclude"),
        ({"aspect": (0, 1)}, "aspect"),
        ({"fit": "stretch"}, "stretch"),
        ({"crop": "top"}, "top"),
        ({"repeats": "no"}, "repeats"),
        ({"twins": "no"}, "twins"),
        ({"max_uses": 0}, "max-uses"),
        ({"adjust": 1.5}, "adjust"),
        ({"adjust": float("nan")}, "adjust"),
        ({"variants": ("upside",)}, "upside"),
        ({"space": "hsv"}, "hsv"),
        ({"metric": "l7"}, "l7"),
        ({"metric": "ciede2000"}, "--space lab"),
        (
            {"metric": "ciede2000", "space": "lab", "detail": 2, "adjust": 0.0, "solver": "greedy"},
            "leave out --solver",
        ),
        ({"detail": 99}, "detail"),
        ({"tile_px": 0}, "tile-px"),
        ({"width_cm": 3.0}, "exclude"),
        ({"dpi": 0.0}, "dpi"),
        ({"background": "reddish"}, "reddish"),
        ({"output": "mosaic.xyz"}, "xyz"),
        ({"photos": ()}, "no photos"),
        ({"photos": ("nowhere",)}, "nowhere"),
        ({"target": "nowhere.jpg"}, "nowhere"),
        ({"target": "@nobody"}, "@astronaut"),
    ],
    ids=str,
)
def test_what_cannot_be_used_is_named(
    request_: Photomosaic, change: dict[str, Any], named: str
) -> None:
    with pytest.raises(BadInput, match=named) as caught:
        make_mosaic(replace(request_, **change))
    assert "\n" not in str(caught.value)


def test_a_cancel_at_any_step_leaves_nothing(request_: Photomosaic, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    asked = replace(request_, output=str(folder / "mosaic.png"))
    steps: list[Step] = []
    make_mosaic(asked, progress=steps.append)
    phases = [step.phase for step in steps]
    assert sorted(set(phases), key=phases.index) == [
        "index",
        "features",
        "assign",
        "render",
        "score",
    ]
    before = {f: f.read_bytes() for f in folder.iterdir()}
    for stop in range(0, phases.index("score"), 3):
        seen = 0

        def cancel(step: Step, stop: int = stop) -> None:
            nonlocal seen
            seen += 1
            if seen > stop:
                raise Cancelled

        with pytest.raises(Cancelled):
            make_mosaic(
                replace(asked, adjust=0.1), progress=cancel, index=tmp_path / f"{stop}.sqlite"
            )
        assert {f: f.read_bytes() for f in folder.iterdir()} == before


def test_steps_tell_the_truth(request_: Photomosaic) -> None:
    steps: list[Step] = []
    make_mosaic(request_, progress=steps.append)
    for phase in ("index", "render"):
        done = [step.done for step in steps if step.phase == phase and step.total]
        total = {step.total for step in steps if step.phase == phase and step.total}
        assert done == sorted(done)
        assert done[-1] == max(total)


def test_a_forecast_is_what_comes(request_: Photomosaic) -> None:
    ahead = forecast(request_)
    layout = make_mosaic(request_).project.layout
    assert ahead.grid == layout.grid
    assert ahead.size == (16 * layout.grid.columns, 12 * layout.grid.rows)


def test_a_forecast_counts_cells_of_several_sizes(request_: Photomosaic) -> None:
    asked = replace(request_, adaptive=True)
    ahead, layout = forecast(asked), make_mosaic(asked).project.layout
    assert ahead.cells == len(layout.photo)
    assert ahead.grid == layout.grid


def test_the_demo_looks_as_it_did(golden: Callable[[NDArray[np.uint8], str], None]) -> None:
    asked = Photomosaic(target="@demo", photos=("@demo",), cells=600, tile_px=8)
    golden(make_mosaic(asked).pixels(), "demo")


def test_a_golden_picture_can_fail(golden: Callable[[NDArray[np.uint8], str], None]) -> None:
    asked = Photomosaic(target="@demo", photos=("@demo",), cells=600, tile_px=8, space="lab")
    with pytest.raises(AssertionError, match="differs"):
        golden(make_mosaic(asked).pixels(), "demo")


def test_shipped_targets() -> None:
    assert target_file("@demo") == target_file("@astronaut")
    assert target_file("here/there.jpg") == Path("here/there.jpg")


def damaged(file: Path, **change: object) -> Path:
    data = json.loads(file.read_text())
    file.write_text(json.dumps({**data, **change}))
    return file


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"format": "other"},
        {"grid": {"columns": 3}},
        {"grid": {"columns": 10**6, "rows": 10**6, "aspect": 1, "window": [0, 0, 1, 1]}},
        {"tile_px": 0},
        {"tile_px": "wide"},
        {"photos": [["a"]]},
        {"frames": [[0, 0, 2, 2]]},
        {"variants": [[0, 0, 1, False, 9]]},
        {"boxes": [[0, 0, 2]]},
        {"boxes": [[0, 0, 1.5]]},
        {"transfer": [[1, 2], [3]]},
        {"transfer": 3},
        {"assignment": {"photo": [-1], "variant": [0], "shift": [[0, 0, 0]]}},
        {"assignment": {}},
        {"assignment": None},
        {"request": {"type": "photomosaic"}},
    ],
    ids=str,
)
def test_a_damaged_project_is_refused(
    request_: Photomosaic, tmp_path: Path, change: dict[str, Any]
) -> None:
    made = make_mosaic(replace(request_, output=str(tmp_path / "m.png")))
    assert made.project_file is not None
    assert read_project(made.project_file, build_grid).request == made.project.request
    with pytest.raises(BadInput, match=r"m\.smalti\.json"):
        read_project(damaged(made.project_file, **change), build_grid)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff\xfe", b"[" * 200_000])
def test_what_is_no_project_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "p.json").write_bytes(content)
    with pytest.raises(BadInput, match="not a project"):
        read_project(tmp_path / "p.json", build_grid)
    with pytest.raises(BadInput, match="cannot read"):
        read_project(tmp_path / "absent.json", build_grid)


def test_an_exact_fit_covers_the_target_to_the_pixel(target: Path, folder_of_photos: Path) -> None:
    asked = {"target": str(target), "photos": (str(folder_of_photos),), "cells": 30}
    # Keywords from a dict: their types are not told apart.
    made = make_mosaic(Photomosaic(**asked, aspect=(1, 1), fit="exact"))  # type: ignore[arg-type]
    assert made.project.layout.grid.window == pytest.approx((0, 0, 120, 90))
    with pytest.raises(BadInput, match="fit exact makes tiles"):
        make_mosaic(Photomosaic(**asked | {"cells": None}, grid=(30, 1), fit="exact"))  # type: ignore[arg-type]
