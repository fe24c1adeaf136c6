"""Wishes of single photos: kept in the picture, or refused by name."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from smalti import Photomosaic, make_mosaic
from smalti.core.errors import BadInput
from smalti.grid_mosaic import GridMosaic


@pytest.fixture
def request_(target: Path, folder_of_photos: Path) -> Photomosaic:
    return Photomosaic(target=str(target), photos=(str(folder_of_photos),), grid=(6, 4), tile_px=8)


def laid(made: GridMosaic) -> list[str]:
    layout = made.project.layout
    return [Path(layout.sources[photo].file).name for photo in layout.photo]


def test_banned_photos_do_not_appear(request_: Photomosaic) -> None:
    first = laid(make_mosaic(request_))
    made = make_mosaic(replace(request_, ban=(first[0], first[5])))
    assert not {first[0], first[5]} & set(laid(made))
    assert made.wishes.banned == 2
    made = make_mosaic(replace(request_, ban=("photo 0*.png",)))
    assert made.wishes.banned == 10
    assert not any(name.startswith("photo 0") for name in laid(made))


def test_photos_that_must_appear_do(request_: Photomosaic) -> None:
    left = sorted({f"photo {k:02}.png" for k in range(40)} - set(laid(make_mosaic(request_))))
    made = make_mosaic(replace(request_, must_appear=tuple(left)))
    assert set(left) <= set(laid(made))
    assert made.wishes.must_appear == len(left)
    assert made.assignment.certified is True


def test_locks_hold(request_: Photomosaic) -> None:
    folder = request_.photos[0]
    made = make_mosaic(
        replace(
            request_, lock=("1,1=photo 07.png", f"6 , 4 = {folder}/photo 09.png".replace("= ", "="))
        )
    )
    assert laid(made)[0] == "photo 07.png"
    assert laid(made)[23] == "photo 09.png"
    assert made.wishes.locked == 2


def test_the_named_one_of_near_duplicates_is_meant(request_: Photomosaic) -> None:
    folder = Path(request_.photos[0])
    for k in range(40):
        Image.open(folder / f"photo {k:02}.png").save(folder / f"twin {k:02}.jpg", quality=95)
    made = make_mosaic(replace(request_, must_appear=("twin 03.jpg",), ban=("photo 04.png",)))
    assert "twin 03.jpg" in laid(made)
    assert not {"photo 03.png", "photo 04.png"} & set(laid(made))
    assert made.quality.max_uses == 1


def test_copies_keep_their_distance(request_: Photomosaic) -> None:
    many = replace(request_, grid=(12, 8), max_uses=4)
    near = make_mosaic(many).quality.nearest_repeat
    made = make_mosaic(replace(many, spacing=4, lock=("2,2=photo 01.png",)))
    assert near is not None
    assert near < 4
    assert made.wishes.too_near == 0
    assert made.wishes.spacing_reached is not None
    assert made.wishes.spacing_reached >= 4
    assert (made.quality.nearest_repeat or 9) >= 4
    assert made.assignment.gap > 0
    assert laid(made)[13] == "photo 01.png"
    impossible = make_mosaic(replace(request_, grid=(20, 10), max_uses=10, spacing=9))
    assert impossible.wishes.too_near > 0
    assert (impossible.wishes.spacing_reached or 9) < 9


def test_without_an_audit_nothing_is_certified(request_: Photomosaic) -> None:
    made = make_mosaic(replace(request_, audit=False))
    assert made.assignment.certified is None
    assert laid(made) == laid(make_mosaic(request_))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"ban": ("nobody.jpg",)}, "--ban nobody.jpg"),
        ({"must_appear": ("nobody.jpg",)}, "--must-appear nobody.jpg"),
        ({"lock": ("1,1=nobody.jpg",)}, "--lock nobody.jpg"),
        ({"lock": ("1=photo 01.png",)}, "COLUMN,ROW=FILE"),
        ({"lock": ("7,1=photo 01.png",)}, "columns 1 to 6"),
        ({"lock": ("1,0=photo 01.png",)}, "rows 1 to 4"),
        ({"lock": ("1,1=photo 0*.png",)}, "10 photos"),
        ({"lock": ("1,1=photo 01.png", "1,1=photo 02.png")}, "another"),
        ({"lock": ("1,1=photo 01.png", "2,1=photo 01.png")}, "--max-uses 2"),
        ({"ban": ("photo*",)}, "none of 40"),
        ({"ban": ("photo 0*", "photo 1*")}, "need 4 more"),
        ({"ban": ("photo 01.png",), "must_appear": ("photo 01.png",)}, "must-appear and banned"),
        ({"ban": ("photo 01.png",), "lock": ("1,1=photo 01.png",)}, "lock and banned"),
        ({"must_appear": ("photo*",)}, "16 more"),
        ({"spacing": 0}, "spacing"),
        ({"spacing": 3, "solver": "greedy"}, "spacing"),
        ({"ban": ("photo 01.png",), "solver": "greedy"}, "ban"),
        ({"adaptive": True}, "exclude"),
        ({"weight": "faces"}, "no face"),
        ({"weight": "nowhere.png"}, "nowhere.png"),
        ({"correction": "stretch"}, "stretch"),
        ({"transfer": 2.0}, "transfer"),
        ({"features": "words"}, "words"),
    ],
    ids=str,
)
def test_what_cannot_be_kept_is_named(
    request_: Photomosaic, change: dict[str, Any], named: str
) -> None:
    with pytest.raises(BadInput, match=named) as caught:
        make_mosaic(replace(request_, **change))
    assert "\n" not in str(caught.value)


def test_a_mask_of_another_shape_is_refused(request_: Photomosaic, tmp_path: Path) -> None:
    Image.new("L", (50, 50)).save(tmp_path / "mask.png")
    with pytest.raises(BadInput, match="50 x 50 px, the target 120 x 90"):
        make_mosaic(replace(request_, weight=str(tmp_path / "mask.png")))


def test_a_painted_mask_makes_its_light_part_better(request_: Photomosaic, tmp_path: Path) -> None:
    mask = Image.new("L", (240, 180))
    mask.paste(255, (0, 0, 120, 180))
    mask.save(tmp_path / "mask.png")
    full = replace(request_, grid=(8, 5), cells=None)
    plain, weighted = (
        make_mosaic(replace(full, weight=w)).project.layout
        for w in ("", str(tmp_path / "mask.png"))
    )
    cost = {}
    for name, layout in (("plain", plain), ("weighted", weighted)):
        made = make_mosaic(
            replace(full, lock=tuple(
                f"{i % 8 + 1},{i // 8 + 1}={layout.sources[p].file}"
                for i, p in enumerate(layout.photo)
            ))
        )  # fmt: skip
        cost[name] = made.assignment.cost.reshape(5, 8)
    assert cost["weighted"][:, :4].sum() < cost["plain"][:, :4].sum()
    assert cost["weighted"].sum() > cost["plain"].sum()
