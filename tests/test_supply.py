from dataclasses import replace
from pathlib import Path

import pytest

from smalti import Photomosaic
from smalti.core.errors import BadInput
from smalti.supply import Supply, explain


@pytest.fixture
def request_(target: Path, folder_of_photos: Path) -> Photomosaic:
    return Photomosaic(target=str(target), photos=(str(folder_of_photos),), grid=(4, 3))


def test_more_photos_make_less_error(request_: Photomosaic) -> None:
    found = explain(replace(request_, ban=("photo 00.png",), must_appear=("photo 01.png",)))
    assert found.photos[-1] == 39
    assert found.photos[0] >= 12
    assert found.errors[-1] == 1
    assert found.errors[0] > 1.05
    falls = [found.expected(more) for more in (0, 10, 100)]
    assert falls[0] == 0 < falls[1] < falls[2] < 1
    report = found.report()
    assert len(report["photos"]) == len(report["error"])
    assert [m["photos"] for m in report["more"]] == [10, 20, 40]


def test_too_few_to_leave_any_out_is_said(request_: Photomosaic) -> None:
    with pytest.raises(BadInput, match="--max-uses 2"):
        explain(replace(request_, grid=(8, 5)))
    assert explain(replace(request_, grid=(8, 5), max_uses=4)).cells == 40
    with pytest.raises(BadInput, match="--solver"):
        explain(replace(request_, solver="greedy"))


def test_an_error_that_has_reached_its_floor_falls_no_more(request_: Photomosaic) -> None:
    assert Supply(request_, 3, (1, 2), (1.0, 1.0), 1.0).expected(1000) == 0
