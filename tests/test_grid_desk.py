"""Changes of a photomosaic by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from smalti.core.errors import BadInput
from smalti.core.progress import Step
from smalti.grid_desk import GridDesk, lay, reopened
from smalti.mosaic import make_mosaic, open_project
from smalti.plan import Plan
from smalti.request import Photomosaic


@pytest.fixture
def request_(target: Path, folder_of_photos: Path) -> Photomosaic:
    return Photomosaic(target=str(target), photos=(str(folder_of_photos),), grid=(5, 4), tile_px=8)


@pytest.fixture
def desk(request_: Photomosaic) -> GridDesk:
    return lay(request_)


def anew(desk: GridDesk) -> float:
    """Cost of the mosaic that is made of the request as it is now, which has all changes."""
    return make_mosaic(desk.asked()).assignment.total_cost


def test_laid_as_it_is_made(request_: Photomosaic) -> None:
    steps: list[Step] = []
    desk = lay(request_, progress=steps.append)
    made = make_mosaic(request_)
    assert (desk.laid.photo == made.assignment.photo).all()
    assert any(isinstance(step.made, Plan) for step in steps)
    seen = [step.made for step in steps if isinstance(step.made, np.ndarray)]
    assert (seen[-1] >= 0).all()
    assert (made.pixels() == _drawn(desk)).all()


def _drawn(desk: GridDesk) -> np.ndarray:
    from smalti.core.picture import MAX_PIXELS
    from smalti.core.render import bands

    project = desk.project()
    return np.concatenate(list(bands(project.layout, project.tile_px, max_pixels=MAX_PIXELS)))


def test_swapped_photos_stay_and_all_else_is_best(desk: GridDesk) -> None:
    before = desk.laid.photo
    swapped = desk.swapped(2, 11)
    assert swapped.laid.photo[[2, 11]].tolist() == before[[11, 2]].tolist()
    assert swapped.locked == {2, 11}
    assert (np.delete(swapped.laid.photo, [2, 11]) == np.delete(before, [2, 11])).all()
    assert swapped.laid.total_cost > desk.laid.total_cost
    assert swapped.laid.total_cost == pytest.approx(anew(swapped))
    assert desk.swapped(4, 4) is desk
    back = swapped.lock(2).lock(11)
    assert back.laid.total_cost == pytest.approx(desk.laid.total_cost)


def test_exchanged_again_and_again(desk: GridDesk) -> None:
    seen = [int(desk.laid.photo[7])]
    for _ in range(4):
        desk = desk.exchanged(7)
        seen.append(int(desk.laid.photo[7]))
        assert desk.laid.total_cost == pytest.approx(anew(desk))
    assert len(set(seen)) == 5
    assert desk.locked == {7}


def test_a_banned_photo_is_gone_even_from_a_locked_cell(desk: GridDesk) -> None:
    photo = desk.laid.photo[3]
    free = desk.lock(3).lock(9).ban(3)
    assert photo not in free.laid.photo
    assert free.locked == {9}
    assert free.laid.photo[9] == desk.laid.photo[9]
    assert free.laid.total_cost == pytest.approx(anew(free))


def test_what_must_appear_or_is_needed_cannot_be_banned(request_: Photomosaic) -> None:
    wanted = lay(replace(request_, must_appear=("photo 07.png",)))
    names = [Path(source.file).name for source in wanted.plan.library.sources]
    cell = int(np.flatnonzero(wanted.laid.photo == names.index("photo 07.png"))[0])
    with pytest.raises(BadInput, match=r"photo 07\.png must appear"):
        wanted.ban(cell)
    full = lay(replace(request_, grid=(8, 5)))
    with pytest.raises(BadInput, match="40 cells need 1 more photo"):
        full.ban(0)
    assert full.swapped(0, 1).locked == {0, 1}
    exchanged = full.exchanged(0)
    assert sorted(exchanged.laid.photo) == list(range(40))


@pytest.mark.parametrize(
    "asked",
    [
        {"spacing": 3, "max_uses": 3},
        {"repeats": "free"},
        {"adaptive": True, "grid": None},
        {"brick": True},
    ],
)
def test_kinds_of_requests(request_: Photomosaic, asked: dict[str, object]) -> None:
    desk = lay(replace(request_, cells=20 if "adaptive" in asked else None, **asked))  # type: ignore[arg-type]  # a test's table of fields
    changed = desk.swapped(0, 6).exchanged(1).lock(0)
    assert changed.locked == {1, 6} - ({6} if desk.swapped(0, 6) is desk else set())
    assert changed.laid.photo[1] != desk.laid.photo[1]
    anew(changed)  # the request can be kept


def test_saved_and_opened_again(desk: GridDesk, request_: Photomosaic, tmp_path: Path) -> None:
    from smalti.grid_mosaic import save
    from smalti.project import project_path

    changed = desk.swapped(2, 11).ban(5)
    save(changed.project(), tmp_path / "m.png")
    project = open_project(project_path(tmp_path / "m.png"))
    again = reopened(project)  # type: ignore[arg-type]  # it is a photomosaic's
    assert (again.laid.photo == changed.laid.photo).all()
    assert (again.laid.variant == changed.laid.variant).all()
    assert again.locked == changed.locked
    assert again.laid.total_cost == pytest.approx(changed.laid.total_cost)
    both = changed.exchanged(8), again.exchanged(8)
    assert both[0].laid.total_cost == pytest.approx(both[1].laid.total_cost)
    lost = Path(again.plan.library.sources[int(again.laid.photo[0])].file)
    lost.unlink()
    with pytest.raises(BadInput, match="bring it back"):
        reopened(project)  # type: ignore[arg-type]  # it is a photomosaic's


def test_tiles_drawn_from_thumbnails_are_like_the_mosaic(desk: GridDesk) -> None:
    tiles = desk.drawn(np.arange(20), 8).astype(int)
    whole = _drawn(desk).astype(int)
    high = whole.shape[0] // 4
    cut = whole.reshape(4, high, 5, 8, 3).swapaxes(1, 2).reshape(20, high, 8, 3)
    assert np.abs(tiles.mean((1, 2)) - cut.mean((1, 2))).max() < 4
