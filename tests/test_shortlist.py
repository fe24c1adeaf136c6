"""A library compared by short lists gives what comparing it whole does."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from smalti import shortlist
from smalti.core.library import TileLibrary
from smalti.core.metric import pair_costs
from smalti.core.nearest import nearest
from smalti.core.source import Source
from smalti.grid_mosaic import make_photomosaic
from smalti.matching import describe, match
from smalti.plan import Plan, make_plan
from smalti.request import Photomosaic
from smalti.shortlist import match_short


@pytest.mark.parametrize("metric", ["sqeuclidean", "euclidean", "l1", "cosine"])
@pytest.mark.parametrize("take", [1, 7, 300])
def test_lists_are_the_nearest(metric: str, take: int, rng: np.random.Generator) -> None:
    cells = rng.uniform(0, 255, (40, 27)).astype(np.float32)
    photos = rng.uniform(0, 255, (200, 3, 27)).astype(np.float32)
    blocks = ((np.arange(k, k + 50), photos[k : k + 50]) for k in range(0, 200, 50))
    photo, bound, beyond = nearest(cells, blocks, take, metric=metric)
    costs = pair_costs(cells, photos, metric).astype(float)
    kept = min(take, 200)
    slack = 1e-4 * costs.max()
    for i in range(40):
        listed = photo[i, :kept]
        assert len(set(listed.tolist())) == kept
        assert (photo[i, kept:] == -1).all()
        assert (bound[i, :kept] <= costs[i, listed] + slack).all()
        assert (bound[i, :kept] >= costs[i, listed] - slack).all()
        assert (np.diff(bound[i, :kept]) >= 0).all()
        others = np.delete(costs[i], listed)
        assert others.size == 0 or beyond[i] <= others.min() + slack
        assert np.sort(costs[i])[kept - 1] >= costs[i, listed].max() - slack


def plan_of(rng: np.random.Generator, request: Photomosaic, photos: int) -> Plan:
    """The demonstration plan with many more photos, some of them alike."""
    plan = make_plan(request)
    pick = rng.integers(0, len(plan.library.sources), photos)
    light = rng.uniform(0.6, 1.4, (photos, 1, 1, 3))
    thumbs = (plan.library.thumbs[pick] * light).clip(0, 255).astype(np.uint8)
    group = np.unique(rng.integers(0, photos * 4 // 5, photos), return_inverse=True)[1]
    library = TileLibrary(
        tuple(Source("/photos", f"{k}.jpg") for k in range(photos)),
        plan.library.sizes[pick],
        thumbs,
        group,
        (),
    )
    limits = replace(
        plan.limits,
        group=group,
        banned=np.arange(0, 40, 2),
        required=np.zeros(0, np.intp),
    )
    return replace(plan, library=library, limits=limits, frames=plan.frames[pick])


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"max_uses": 3, "weight": "edges"},
        {"repeats": "free"},
        {"transfer": 0.5, "metric": "l1"},
        {"features": "wavelets", "metric": "euclidean"},
    ],
    ids=str,
)
def test_the_optimum_is_that_of_the_whole_library(
    asked: dict[str, object], rng: np.random.Generator
) -> None:
    request = Photomosaic(target="@demo", photos=("@demo",), cells=100, detail=4, **asked)  # type: ignore[arg-type]  # of several kinds
    plan = plan_of(rng, request, 1000)
    plan = replace(plan, locks=np.array([[5, 7], [9, 834]]))
    whole, _ = match(plan, request, describe(plan, request))
    part, _, laid, _ = match_short(plan, request)
    assert len(part.library.sources) < 1000
    assert laid.total_cost == pytest.approx(whole.total_cost, rel=1e-6)
    assert laid.certified
    assert laid.certificate is not None
    assert laid.certificate.audited_pairs == len(plan.boxes) * 980
    assert laid.gap < 1e-4
    names = [part.library.sources[j] for j in laid.photo]
    assert names[5] == plan.library.sources[7]
    assert names[9] == plan.library.sources[834]


def same_cells(plan: Plan) -> Plan:
    return replace(plan, target=np.full_like(plan.target, 120))


def test_cells_that_are_all_alike_want_the_same_photos(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = Photomosaic(target="@demo", photos=("@demo",), cells=100, detail=3)
    plan = same_cells(plan_of(rng, request, 700))
    whole, _ = match(plan, request, describe(plan, request))
    proven = match_short(plan, request).laid
    assert proven.total_cost == pytest.approx(whole.total_cost, rel=1e-6)
    assert proven.certified

    # Lists too short for a proof still give a bound.
    monkeypatch.setattr(shortlist, "_LISTS", 1)
    monkeypatch.setattr(shortlist, "_PASSES", 1)
    laid = match_short(plan, request).laid
    assert laid.certified is False
    assert laid.lower_bound < whole.total_cost <= laid.total_cost * (1 + 1e-9)
    assert laid.gap > 0.01


def test_a_mosaic_is_made_by_short_lists_where_there_are_many_photos(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    request = Photomosaic(
        target="@demo", photos=("@demo",), cells=200, must_appear=("tile 7 of *",)
    )
    whole = make_photomosaic(request)
    monkeypatch.setattr(shortlist, "_WHOLE", 0)
    made = make_photomosaic(request)
    assert made.photos == whole.photos
    assert made.assignment.total_cost == pytest.approx(whole.assignment.total_cost, rel=1e-6)
    assert made.project.layout.sources == whole.project.layout.sources
    picture: NDArray[np.uint8] = made.pixels()
    assert np.array_equal(picture, whole.pixels())
