"""A library compared by short lists gives what comparing it whole does."""

from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any, ParamSpec, TypeVar

import numpy as np
import pytest
from numpy.typing import NDArray

from smalti import shortlist
from smalti.core.errors import WorkerLost
from smalti.core.library import TileLibrary
from smalti.core.metric import pair_costs
from smalti.core.nearest import Nearest, merged, nearest
from smalti.core.progress import Step
from smalti.core.source import Source
from smalti.grid_mosaic import make_photomosaic
from smalti.matching import describe, match
from smalti.plan import Plan, make_plan
from smalti.plugin.pool import Pool
from smalti.request import Photomosaic
from smalti.shortlist import Matched, match_short

P = ParamSpec("P")
R = TypeVar("R")


@pytest.mark.parametrize("metric", ["sqeuclidean", "euclidean", "l1", "cosine"])
@pytest.mark.parametrize("few", [1, 7, 50])
@pytest.mark.parametrize("take", [1, 7, 60, 300])
def test_lists_are_the_nearest(metric: str, take: int, few: int, rng: np.random.Generator) -> None:
    cells = rng.uniform(0, 255, (40, 27)).astype(np.float32)
    photos = rng.uniform(0, 255, (190, 3, 27)).astype(np.float32)
    costs = pair_costs(cells, photos, metric).astype(float)
    in_order = costs[20].argsort()  # as in a library sorted by colour
    photos, costs = photos[in_order], costs[:, in_order]
    blocks = [np.arange(k, min(k + 50, 190)) for k in range(0, 190, 50)]
    lists = (nearest(cells, block, photos[block], few, metric=metric) for block in blocks)
    photo, bound, beyond = merged(lists, 40, take)
    assert photo.shape == bound.shape == (40, take)
    kept = min(take, sum(min(few, len(block)) for block in blocks))
    slack = 1e-4 * costs.max()
    for i in range(40):
        listed = photo[i, :kept]
        assert len(set(listed.tolist())) == kept
        assert (photo[i, kept:] == -1).all()
        assert np.isinf(bound[i, kept:]).all()
        assert (bound[i, :kept] <= costs[i, listed] + slack).all()
        assert (bound[i, :kept] >= costs[i, listed] - slack).all()
        assert (np.diff(bound[i, :kept]) >= 0).all()
        # What a block may give at most, and then the list, are the nearest of it.
        given = [block[costs[i, block].argsort()[:few]] for block in blocks]
        expected = np.sort(costs[i, np.concatenate(given)])[:kept]
        assert costs[i, listed] == pytest.approx(expected, abs=2 * slack)
        # Nothing else is nearer than is said, and no less is said than is known.
        others = np.delete(costs[i], listed)
        assert beyond[i] <= others.min(initial=np.inf) + slack
        farthest = [costs[i, g].max() for g in given if len(g) == few < 40]
        farthest += [costs[i, listed].max()] if kept < sum(map(len, given)) else []
        assert beyond[i] == pytest.approx(min(farthest, default=np.inf), abs=2 * slack)


@pytest.mark.parametrize("metric", ["sqeuclidean", "euclidean", "l1", "cosine"])
@pytest.mark.parametrize("take", [5, 200])
def test_what_is_beyond_a_limit_is_not_listed(
    metric: str, take: int, rng: np.random.Generator
) -> None:
    cells = rng.uniform(0, 255, (40, 48)).astype(np.float32)
    photos = rng.uniform(0, 255, (200, 2, 48)).astype(np.float32)
    costs = pair_costs(cells, photos, metric).astype(float)
    limit = np.sort(costs)[np.arange(40), np.arange(40) // 4]
    limit[0] = 0
    limit[39] = np.inf
    photo, bound, beyond = nearest(cells, np.arange(200), photos, take, metric=metric, limit=limit)
    slack = 1e-4 * costs.max()
    for i in range(40):
        listed = photo[i][photo[i] >= 0]
        surely = np.flatnonzero(costs[i] < limit[i] - slack)
        assert (costs[i, listed] < limit[i] + slack).all()
        assert set(surely[costs[i, surely].argsort()][:take]) <= set(listed)
        assert (bound[i, : len(listed)] <= costs[i, listed] + 1e-9 * slack).all()
        assert np.isinf(bound[i, len(listed) :]).all()
        others = np.delete(costs[i], listed)
        assert beyond[i] <= others.min(initial=np.inf) * (1 + 1e-12)
        full = len(listed) == take < 200
        expected = costs[i, listed].max() if full else limit[i]
        assert beyond[i] == pytest.approx(expected, abs=slack)


def test_all_photos_listed_leave_nothing_beyond(rng: np.random.Generator) -> None:
    cells, photos = rng.random((5, 12), np.float32), rng.random((30, 1, 12), np.float32)
    lists = [nearest(cells, np.arange(30), photos, 30, metric="l1")]
    for take in (30, 40):
        assert np.isinf(merged(lists, 5, take).beyond).all()
    assert np.isfinite(merged(lists, 5, 29).beyond).all()
    nothing = merged([], 5, 3)
    assert (nothing.photo == -1).all()
    assert np.isinf(nothing.beyond).all()


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


def test_a_sample_says_how_far_lists_reach(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = Photomosaic(target="@demo", photos=("@demo",), cells=60, detail=4, weight="edges")
    plan = plan_of(rng, request, 2000)
    monkeypatch.setattr(shortlist, "_RARE", 10)
    monkeypatch.setattr(shortlist, "LISTS", 8 * len(plan.boxes) * 100)
    compared: list[tuple[int, int, bool]] = []
    listed = shortlist._listed

    def watched(*args: Any) -> Nearest:
        lists = listed(*args)
        compared.append((len(args[5]), lists.photo.shape[1], args[7] is None))
        return lists

    monkeypatch.setattr(shortlist, "_listed", watched)
    laid = match_short(plan, request).laid
    assert compared[:2] == [(62, 5, True), (1980, 100, False)]
    whole, _ = match(plan, request, describe(plan, request))
    assert laid.total_cost == pytest.approx(whole.total_cost, rel=1e-6)
    assert laid.certified


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
    monkeypatch.setattr(shortlist, "LISTS", 1)
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


def many(request: Photomosaic, rng: np.random.Generator) -> Plan:
    return replace(plan_of(rng, request, 700), locks=np.array([[5, 7]]))


def found(matched: Matched) -> tuple[object, ...]:
    """All that a mosaic may depend on."""
    part, _, laid, _ = matched
    names = [part.library.sources[j] for j in laid.photo]
    return names, laid.variant.tolist(), laid.total_cost, laid.lower_bound, laid.certificate


@pytest.mark.parametrize("asked", [{}, {"transfer": 0.5, "metric": "l1"}], ids=str)
def test_processes_find_what_is_found_without(
    asked: dict[str, object], rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shortlist, "_BLOCK", 100)
    request = Photomosaic(target="@demo", photos=("@demo",), cells=100, detail=4, **asked)  # type: ignore[arg-type]  # of several kinds
    plan = many(request, rng)
    steps: list[Step] = []
    alone = found(match_short(plan, request, steps.append))
    compared = [step for step in steps if step.text == "comparing photos"]
    assert {step.total for step in compared} == {680}
    assert [compared[0].done, compared[1].done, compared[-1].done] == [0, 100, 680]
    for jobs in (1, 2):
        with Pool(jobs) as pool:
            assert found(match_short(plan, request, executor=pool)) == alone


class Clumsy(Executor):
    """Loses its worker over every block, once."""

    def __init__(self) -> None:
        self.given: list[object] = []
        self.lost: list[object] = []

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        future: Future[R] = Future()
        name = args[0].number.tolist()  # type: ignore[attr-defined]  # a block of photos
        self.given.append(name)
        if name in self.lost:
            future.set_result(fn(*args, **kwargs))
        else:
            self.lost.append(name)
            future.set_exception(WorkerLost("its worker was killed"))
        return future


def test_a_block_whose_worker_is_lost_is_compared_again(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shortlist, "_BLOCK", 100)
    request = Photomosaic(target="@demo", photos=("@demo",), cells=60, detail=3)
    plan, clumsy = many(request, rng), Clumsy()
    assert found(match_short(plan, request, executor=clumsy)) == found(match_short(plan, request))
    assert len(clumsy.lost) == 7
    assert len(clumsy.given) == 14


def test_blocks_are_cut_when_it_is_their_turn(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shortlist, "_BLOCK", 20)
    cut: list[int] = []
    blocks = shortlist._Blocks

    class Watched(blocks):  # type: ignore[misc,valid-type]  # mypy knows no class in a variable
        def __getitem__(self, k: int, /) -> object:
            cut.append(k)
            return super().__getitem__(k)

    monkeypatch.setattr(shortlist, "_Blocks", Watched)
    compared = 0

    def watch(step: Step) -> None:
        nonlocal compared
        if step.text == "comparing photos":
            compared = step.done // 20
            assert len(cut) <= compared + 4

    request = Photomosaic(target="@demo", photos=("@demo",), cells=60, detail=3)
    with ThreadPoolExecutor(1) as pool:
        match_short(many(request, rng), request, watch, executor=pool)
    assert cut == list(range(34))
    assert compared == 34


def test_a_library_sorted_by_colour_is_compared_to_the_end(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = Photomosaic(target="@demo", photos=("@demo",), cells=100, detail=3)
    plan = same_cells(plan_of(rng, request, 700))
    light = plan.library.thumbs.mean((1, 2, 3)).argsort()
    library = replace(plan.library, thumbs=plan.library.thumbs[light])
    plan = replace(plan, library=library, frames=plan.frames[light])
    whole, _ = match(plan, request, describe(plan, request))
    passes: list[tuple[int, bool]] = []
    listed = shortlist._listed

    def watched(*args: Any) -> Nearest:
        lists = listed(*args)
        passes.append((args[9], bool(np.isfinite(lists.beyond).all())))
        return lists

    monkeypatch.setattr(shortlist, "_listed", watched)
    monkeypatch.setattr(shortlist, "_BLOCK", 200)
    monkeypatch.setattr(shortlist, "LISTS", 8 * 100 * 130)  # 32 of the 100 that all cells want
    laid = match_short(plan, request).laid
    assert passes[0] == (1, True)
    assert [share for share, _ in passes] == [1, 8, 64][: len(passes)]
    assert len(passes) > 1
    assert laid.certified
    assert laid.gap < 1e-4
    assert laid.total_cost == pytest.approx(whole.total_cost, rel=1e-6)
