"""The exact assignment on real photos: seconds, memory, and scipy beside it.

``python -m bench assign [--scipy] [--only N,M,T ...]`` writes ``docs/bench-assign.md``. Scipy's
slow runs are kept in ``docs/bench-assign.json``; ``--scipy`` measures the missing ones.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smalti.core.assign import assign, certify
from smalti.core.features import block_means, feature_rows, photo_rows, variants
from smalti.core.grid import canvas, cells_of, lay_grid
from smalti.core.picture import read_picture

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT.parent / "shared" / "data"
KEPT = ROOT / "docs" / "bench-assign.json"
TARGETS = ("astronaut", "great-wave", "mona-lisa", "starry-night", "panda")  # one for each seed
DARK = (2, 3)  # of them: where many cells want the same few photos
CONTENDED = (7, 12, 17, 22)  # seeds of one more choice of photos each for the darker of them
GRIDS = {
    1536: (48, 32),
    4000: (80, 50),
    8000: (100, 80),
    10_000: (100, 100),
    20_000: (160, 125),
    40_000: (200, 200),
}
SIZES = (
    (1536, 15_000, 1),
    (4000, 15_000, 1),
    (8000, 10_000, 5),
    (8000, 10_000, 1),
    (10_000, 15_000, 1),
    (20_000, 100_000, 1),
    (40_000, 200_000, 1),
)
SCIPY_SEEDS = {1536: 5, 4000: 5, 8000: 1, 10_000: 5}  # how many it is run for
CELL = 12  # px, of which block means are taken
DETAIL = 3


def main(argv: Sequence[str]) -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m bench assign", description=__doc__)
    parser.add_argument("--scipy", action="store_true", help="run scipy where no run is kept")
    parser.add_argument("--only", nargs="*", metavar="N,M,T", help="these sizes only")
    parser.add_argument("--seeds", type=int, default=5, metavar="N", help="of each size")
    parser.add_argument("--into", type=Path, default=ROOT / "docs", metavar="FOLDER")
    parser.add_argument("--one", help=argparse.SUPPRESS)  # what a child measures
    asked = parser.parse_args(argv)
    if asked.one:
        print(json.dumps(measured(**json.loads(asked.one))))
        return
    if not (DATA / "tiles_photo_dev_16k.npz").exists():
        sys.exit("bench assign needs ../shared/data/tiles_photo_dev_16k.npz")
    sizes = [tuple(map(int, size.split(","))) for size in asked.only or ()] or SIZES
    kept = json.loads(KEPT.read_text("utf-8")) if KEPT.exists() else []
    runs, fresh = [], set()
    # The first child compiles what the others find in the cache: its memory is not theirs.
    child({"n": 1536, "m": 15_000, "t": 1, "seed": 0, "how": "exact"})
    for n, m, t in sizes:
        large = m > 16_000
        more = CONTENDED if n == 4000 and not asked.only else ()
        for seed in (*range(1 if large else asked.seeds), *more):
            key = {"n": n, "m": m, "t": t, "seed": seed}
            if (
                asked.scipy
                and (seed < SCIPY_SEEDS.get(n, 0) or seed in more)
                and find(kept, key) is None
                and ((n, t) != (8000, 1))
            ):
                kept.append(child({**key, "how": "scipy"}))
                fresh.add(f"{n:,} x {m:,}")
                KEPT.write_text(json.dumps(kept, indent=1), "utf-8")
            runs.append(child({**key, "how": "exact"}))
            print(runs[-1], flush=True)
    spread = [
        child({"n": 4000, "m": 15_000, "t": 1, "seed": seed, "order": k, "how": "exact"})
        for seed in DARK
        for k in range(20 if not asked.only else 0)
    ]
    again = (
        []
        if asked.only
        else [child({"n": 1536, "m": 15_000, "t": 1, "seed": s, "how": "again"}) for s in range(5)]
    )
    asked.into.mkdir(parents=True, exist_ok=True)
    (asked.into / "bench-assign.md").write_text(
        page(runs, kept, spread, again, sorted(fresh)), "utf-8"
    )


def child(what: dict[str, Any]) -> dict[str, Any]:
    """Measure in a process of its own, on one core."""
    alone = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "bench", "assign", "--one", json.dumps(what)]
    run = subprocess.run(command, env=alone, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return found


def measured(n: int, m: int, t: int, seed: int, how: str, order: int = 0) -> dict[str, Any]:
    """CPU seconds, total cost and peak memory of one instance."""
    cells, photos = cells_rows(n, TARGETS[seed % len(TARGETS)]), rows_of_photos(m, seed)
    found: dict[str, Any] = {"n": n, "m": m, "t": t, "seed": seed, "order": order}
    if how == "scipy":
        return {**found, **by_scipy(cells, photos[:, 0], t)}
    warm_up()
    before = time.process_time()
    laid = assign(cells, photos, capacity=t, seed=order)
    found |= {"seconds": time.process_time() - before, "cost": laid.total_cost, "gap": laid.gap}
    assert laid.duals is not None
    before = time.process_time()
    assert certify(cells, photos, laid.photo, laid.duals, capacity=t).holds
    found["audit"] = time.process_time() - before
    if how == "again":
        banned = [(0, int(laid.photo[0]))]
        before = time.process_time()
        assign(cells, photos, capacity=t, banned_pairs=banned, duals=laid.duals)
        found["seconds"] = time.process_time() - before
    found["mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return found


def by_scipy(cells: NDArray[np.float32], photos: NDArray[np.float32], t: int) -> dict[str, float]:
    """Run the yardstick: the matrix by one product, columns copied."""
    from scipy.optimize import linear_sum_assignment

    before = time.process_time()
    costs = -2 * (cells @ photos.T) + (cells**2).sum(1)[:, None] + (photos**2).sum(1)
    costs = np.repeat(costs, t, axis=1) if t > 1 else costs
    column = linear_sum_assignment(costs)[1] // t
    seconds = time.process_time() - before
    cost = float((np.subtract(cells, photos[column], dtype=np.float64) ** 2).sum())
    mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "cost": cost, "mb": mb}


def warm_up() -> None:
    """Run every kernel once."""
    rng = np.random.default_rng(0)
    cells = rng.uniform(0, 100, (900, 27)).astype(np.float32)
    cells[:80] = cells[0]
    for t, m in ((1, 950), (2, 500)):
        photos = rng.uniform(0, 100, (m, 1, 27)).astype(np.float32)
        laid = assign(cells, photos, capacity=t, banned_pairs=[(200, 0)])
        assert laid.duals is not None
        certify(cells, photos, laid.photo, laid.duals, capacity=t, banned_pairs=[(200, 0)])


def rows_of_photos(m: int, seed: int) -> NDArray[np.float32]:
    """Rows of m photos; beyond the library's, of crops of them with colour jitter."""
    rng = np.random.default_rng(seed)
    with np.load(DATA / "tiles_photo_dev_16k.npz") as arrays:
        tiles = arrays["tiles"]
    if m <= len(tiles):
        chosen = tiles[rng.permutation(len(tiles))[:m]]
        whole = np.broadcast_to([0.0, 0.0, 1.0, 1.0], (m, 4))
        return photo_rows(chosen, whole, variants(()), detail=DETAIL, space="rgb", adjust=0.0)
    rows, left = [], m
    while left > 0:
        count = min(left, len(tiles))
        pick = rng.permutation(len(tiles))[:count]
        size = rng.uniform(0.6, 1, count)
        x, y = rng.uniform(0, 1 - size), rng.uniform(0, 1 - size)
        boxes = np.stack([x, y, size, size], 1)
        means = np.concatenate(
            [
                block_means(tiles[pick[s : s + 2000]], boxes[s : s + 2000], DETAIL)
                for s in range(0, count, 2000)
            ]
        )
        gain = rng.uniform(0.8, 1.2, (count, 1, 1, 3)).astype(np.float32)
        shift = rng.uniform(-12, 12, (count, 1, 1, 3)).astype(np.float32)
        means = np.clip(means * gain + shift, 0, 255)
        rows.append(feature_rows(means, space="rgb", adjust=0.0)[:, None])
        left -= count
    return np.concatenate(rows)


def cells_rows(n: int, target: str) -> NDArray[np.float32]:
    """Rows of a target's cells."""
    picture = read_picture(DATA / "targets" / f"{target}.jpg").pixels
    grid = lay_grid((picture.shape[1], picture.shape[0]), *GRIDS[n], aspect=1.0)
    cells = cells_of(canvas(picture, grid, CELL), grid)
    whole = np.broadcast_to([0.0, 0, 1, 1], (n, 4))
    return feature_rows(block_means(cells, whole, DETAIL), space="rgb", adjust=0.0)


def find(kept: Sequence[dict[str, Any]], run: dict[str, Any]) -> dict[str, Any] | None:
    """Scipy's run of the same instance."""
    same = (one for one in kept if all(one[key] == run[key] for key in ("n", "m", "t", "seed")))
    return next(same, None)


def by_target(runs: Sequence[dict[str, Any]], kept: Sequence[dict[str, Any]]) -> list[str]:
    """Say what the mean hides: the ratio for each target, over all choices of photos."""
    pairs: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for run in runs:
        if (other := find(kept, run)) is not None:
            size = ", ".join(f"{run[k]:,}" for k in ("n", "m", "t"))
            here = pairs.setdefault((size, TARGETS[run["seed"] % len(TARGETS)]), [])
            here.append((run["seconds"], other["seconds"]))
    rows = [
        f"| {size} | {target} | {len(both)} | {statistics.mean(a for a, _ in both):.2f} | "
        f"{statistics.mean(b for _, b in both):.1f} | "
        f"{sum(b for _, b in both) / sum(a for a, _ in both):.0f} |"
        for (size, target), both in pairs.items()
    ]
    return [
        "",
        "Target by target (scipy's seconds hang on how many cells want the same photos):",
        "",
        "| n, m, t | target | choices of photos | s | scipy s | ratio |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
        *rows,
    ]


def page(
    runs: Sequence[dict[str, Any]],
    kept: Sequence[dict[str, Any]],
    spread: Sequence[dict[str, Any]],
    again: Sequence[dict[str, Any]],
    fresh: Sequence[str],
) -> str:
    """Write the page; every comparison in it is made from the numbers."""
    lines = [
        "# The exact assignment",
        "",
        "Made by `python -m bench assign`. CPU seconds of one core, cost computation and audit",
        "included, compilation excluded; every instance in a process of its own. Squared",
        "Euclidean distance of 3 x 3 block means (k = 27). Seeds 0 to 4 are the targets",
        f"{', '.join(TARGETS)}, each with",
        "another choice of photos. More photos than the library's 16,000 are random crops of them",
        "with colour jitter; those sizes are run for seed 0. The audit is the proof alone, by",
        "`certify` from the answer and its duals: the setting up again, and one pass over all",
        "pairs. Scipy's seconds and memory are of the same instances, measured by `--scipy`",
        f"in this run for {', '.join(fresh) or 'none'}, else on another occasion; the ratio is of",
        "the instances both ran.",
        "",
        "| n, m, t | s: mean (range) | audit s | MB | gap | scipy s (seeds) | scipy MB | ratio |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for size in dict.fromkeys((r["n"], r["m"], r["t"]) for r in runs):
        here = [r for r in runs if (r["n"], r["m"], r["t"]) == size and r["seed"] not in CONTENDED]
        both = [(r, s) for r in here if (s := find(kept, r)) is not None]
        for run, other in both:  # the optimum, but for scipy's single-precision matrix
            assert run["cost"] <= other["cost"] * (1 + 1e-6), (run, other)
        seconds = [r["seconds"] for r in here]
        cells = [
            ", ".join(f"{x:,}" for x in size),
            f"{statistics.mean(seconds):.2f} ({min(seconds):.2f} to {max(seconds):.2f})",
            f"{statistics.mean(r['audit'] for r in here):.2f}",
            f"{max(r['mb'] for r in here):.0f}",
            f"{max(r['gap'] for r in here):.0e}",
        ]
        if both:
            ours, theirs = (sum(pair[k]["seconds"] for pair in both) for k in (0, 1))
            cells += [
                f"{theirs / len(both):.1f} ({len(both)})",
                f"{max(s['mb'] for _, s in both):.0f}",
                f"{theirs / ours:.0f}",
            ]
        else:
            cells += ["-", "-", "-"]
        lines.append("| " + " | ".join(cells) + " |")
    lines += by_target(runs, kept)
    for seed in dict.fromkeys(r["seed"] for r in spread):
        seconds = sorted(r["seconds"] for r in spread if r["seed"] == seed)
        lines += [
            "",
            f"4,000 x 15,000, {TARGETS[seed]}, in {len(seconds)} random orders of the work: median "
            f"{statistics.median(seconds):.2f} s, worst {seconds[-1]:.2f} s, "
            f"{seconds[-1] / statistics.median(seconds):.1f} times the median.",
        ]
    if again:
        lines += [
            "",
            "After a ban by hand at 1,536 x 15,000, from the duals, audit included: mean "
            f"{statistics.mean(r['seconds'] for r in again):.2f} s, worst "
            f"{max(r['seconds'] for r in again):.2f} s.",
        ]
    return "\n".join(lines) + "\n"
