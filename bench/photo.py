"""Weber's experiments (paper 002, section 4) on real photos, and what better rows buy.

``python -m bench photo [--long] [--into FOLDER]`` writes ``docs/bench-photo.md`` and its plots.
"""

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from smalti.core.features import photo_rows, variants
from smalti.core.grid import canvas, cells_of, lay_grid
from smalti.core.metric import pair_costs
from smalti.core.picture import read_picture
from smalti.core.quality import Quality
from smalti.mosaic import make_mosaic
from smalti.request import Photomosaic

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT.parent / "shared" / "data"
TARGETS = ("astronaut", "great-wave")
TILE = 32  # px, of the photos and of what the error compares
CLAIMS = {"A": ("k", 1), "B": ("m", 1), "C": ("n", 2)}  # time goes as this to that power
PHASES = ("features", "costs", "solving", "total")

_NEAR = 0.2  # of an exponent
_ALL: dict[str, Any] = {"detail": 6, "variants": ("mirror", "crops")}
RECIPES: dict[str, dict[str, Any]] = {
    "r = 3, RGB": {"detail": 3, "variants": (), "adjust": 0.0},
    "r = 6, RGB": {"detail": 6, "variants": (), "adjust": 0.0},
    "r = 6 + mirror + crops": {**_ALL, "adjust": 0.0},
    "the same, adjust 0.5 (the cost knows)": {**_ALL, "adjust": 0.5},
    "the same, adjust 0.7 (the cost knows)": {**_ALL, "adjust": 0.7},
    "Oklab, r = 6 + mirror + crops, adjust 0.7": {**_ALL, "adjust": 0.7, "space": "oklab"},
}
_METRICS = {
    "MAE": ("mae", 4),
    "SSIM 1/4": ("ssim_quarter", 3),
    "dE cell": ("delta_e_cell", 2),
    "gradients": ("gradient_correlation", 3),
    "seams": ("seam_energy", 4),
    "alteration": ("alteration_rms", 1),
    "distinct": ("distinct", 0),
    "most uses": ("max_uses", 0),
}


@dataclass(frozen=True)
class Scale:
    """How large the experiments are: Weber's table 1, and our section's."""

    photos: int = 15_000
    grid: tuple[int, int] = (48, 32)
    details: tuple[int, ...] = (1, 2, 3, 4, 6, 8, 12, 16)
    supplies: tuple[int, ...] = (2000, 3000, 4500, 6000, 8000, 10_000, 12_500, 15_000)
    grids: tuple[tuple[int, int], ...] = tuple((3 * k, 2 * k) for k in (8, 11, 14, 16, 18, 20, 22))
    repeats: int = 3
    our_grid: tuple[int, int] = (64, 48)
    our_supplies: tuple[int, ...] = (16_000, 5045)


LONGER = ((72, 48), (78, 52))  # more grids for experiment C


@dataclass(frozen=True)
class Run:
    """One mosaic made Weber's way: its size, CPU seconds by phase, and error."""

    experiment: str
    target: str
    n: int
    m: int
    r: int
    features: float
    costs: float
    solving: float
    error: float

    @property
    def k(self) -> int:
        """Number of features."""
        return 3 * self.r**2

    @property
    def total(self) -> float:
        """CPU seconds of all phases."""
        return self.features + self.costs + self.solving


@dataclass(frozen=True)
class Made:
    """One mosaic made through the public interface, and its CPU seconds."""

    recipe: str
    target: str
    m: int
    solver: str
    quality: Quality
    seconds: float


def main(argv: Sequence[str]) -> None:
    """Measure, and write the page and its plots."""
    parser = argparse.ArgumentParser(prog="python -m bench photo", description=__doc__)
    parser.add_argument("--long", action="store_true", help="experiment C up to 4056 cells")
    parser.add_argument("--into", type=Path, default=ROOT / "docs", metavar="FOLDER")
    asked = parser.parse_args(argv)
    library, targets = DATA / "tiles_photo_dev_16k.npz", [target_file(name) for name in TARGETS]
    for file in (library, *targets):
        if not file.exists():
            sys.exit(f"bench photo needs ../shared/data/{file.relative_to(DATA).as_posix()}")
    if importlib.util.find_spec("matplotlib") is None:
        sys.exit("bench photo needs matplotlib: pip install -e '.[bench]'")
    if os.environ.get("OPENBLAS_NUM_THREADS") != "1":  # it is read when numpy is loaded
        alone = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
        sys.exit(
            subprocess.run([sys.executable, "-m", "bench", "photo", *argv], env=alone).returncode
        )
    scale = Scale()
    if asked.long:
        scale = replace(scale, grids=scale.grids + LONGER)
    with np.load(library) as arrays:
        tiles = np.random.default_rng(0).permutation(arrays["tiles"])
    runs = weber_runs(targets, tiles, scale)
    made = our_runs(targets, tiles, scale)
    command = "python -m bench photo" + " --long" * asked.long
    asked.into.mkdir(parents=True, exist_ok=True)
    (asked.into / "bench-photo.md").write_text(page(runs, made, command), "utf-8")
    draw(runs, asked.into)


def target_file(name: str) -> Path:
    """Name a target's file."""
    return DATA / "targets" / f"{name}.jpg"


def weber_runs(targets: Sequence[Path], tiles: NDArray[np.uint8], scale: Scale) -> list[Run]:
    """Run experiments A, B and C on every target."""
    m, grid = scale.photos, scale.grid
    wanted = [("A", grid, m, r) for r in scale.details]
    wanted += [("B", grid, supply, 3) for supply in scale.supplies]
    wanted += [("C", shape, m, 3) for shape in scale.grids]
    runs = []
    for file in targets:
        picture = read_picture(file).pixels
        for experiment, shape, supply, r in wanted:
            n = shape[0] * shape[1]
            tries = [weber(picture, tiles[:supply], shape, r) for _ in range(scale.repeats)]
            run = min(
                (Run(experiment, file.stem, n, supply, r, *one) for one in tries),
                key=lambda run: run.total,
            )
            print(f"{experiment} {file.stem} {n=} m={supply} {r=} {run.total:.2f} s", flush=True)
            runs.append(run)
    return runs


def weber(
    picture: NDArray[np.uint8], tiles: NDArray[np.uint8], shape: tuple[int, int], r: int
) -> tuple[float, float, float, float]:
    """Make a mosaic by paper 002's algorithm 1: CPU seconds of three phases, and the error."""
    grid = lay_grid((picture.shape[1], picture.shape[0]), *shape, aspect=1.0)
    cells = cells_of(canvas(picture, grid, TILE), grid)
    times = [time.process_time()]
    cell_rows, tile_rows = (_rows(pictures, r) for pictures in (cells, tiles))
    times.append(time.process_time())
    costs = pair_costs(cell_rows[:, 0], tile_rows, "euclidean")
    times.append(time.process_time())
    chosen = linear_sum_assignment(costs)[1]
    times.append(time.process_time())
    difference = tiles[chosen].astype(np.float32) - cells
    features, costing, solving = np.diff(times).tolist()
    return features, costing, solving, float(np.square(difference).mean(dtype=np.float64))


def _rows(pictures: NDArray[np.uint8], r: int) -> NDArray[np.float32]:
    whole = np.broadcast_to([0.0, 0.0, 1.0, 1.0], (len(pictures), 4))
    return photo_rows(pictures, whole, variants(()), detail=r, space="rgb", adjust=0.0)


def our_runs(targets: Sequence[Path], tiles: NDArray[np.uint8], scale: Scale) -> list[Made]:
    """Make every recipe's mosaic of every target and supply, through the public interface."""
    made = []
    with tempfile.TemporaryDirectory() as folder:
        for m in scale.our_supplies:
            photos = Path(folder, f"{m}.npz")
            np.savez(photos, tiles=tiles[:m])
            common: dict[str, Any] = {
                "photos": (str(photos),), "grid": scale.our_grid, "tile_px": TILE, "twins": "keep",
            }  # fmt: skip
            for file in targets:
                for recipe, options in RECIPES.items():
                    request = Photomosaic(target=str(file), **common, **options)
                    start = time.process_time()
                    mosaic = make_mosaic(request, index=Path(folder, "index.sqlite"))
                    seconds = time.process_time() - start
                    solver, quality = mosaic.assignment.solver, mosaic.quality
                    print(f"D {file.stem} {m=} {recipe} {seconds:.1f} s", flush=True)
                    made.append(Made(recipe, file.stem, m, solver, quality, seconds))
    return made


def page(runs: Sequence[Run], made: Sequence[Made], command: str) -> str:
    """Write the page; every comparison in it is made from the numbers."""
    a, b, c = (_of(runs, experiment) for experiment in CLAIMS)
    names = " and ".join(dict.fromkeys(run.target for run in runs))
    lines = [
        "# Weber's experiments on real photos",
        "",
        f"Made by `{command}` from `../shared/data`; its sentences follow from its numbers.",
        "",
        _item(
            f"Paper 002 (Weber 2023), section 4, on {TILE} px crops of real photos instead of "
            f"CIFAR-100, and on {names} instead of one target."
        ),
        _item(
            "r x r RGB block means, the Euclidean distance (the paper's; smalti's default is its "
            "square), no variants, no colour adjustment, each photo at most once, "
            f"`scipy.optimize.linear_sum_assignment` (scipy {scipy.__version__}, numpy "
            f"{np.__version__}). The costs come from one matrix product."
        ),
        _item(
            "The error is the paper's, the mean squared difference of pixel values, here of 0 to "
            f"255 and at {TILE} px a cell; a smaller target is enlarged to that. But for rounding "
            "it does not depend on the machine."
        ),
        _item(
            "Times are CPU seconds of one process with one BLAS thread, the least of several runs, "
            "on a shared and noisy machine: how they grow means more than how large they are."
        ),
        _item("Exponents are fitted to the means over the targets: least squares of logarithms."),
        *_heading("A: how fine to compare", a, "nm", "r"),
        _item(
            "Paper: the error converges quickly; r = 3 already yields very good results, and "
            f"beyond r = 6 any gain is insignificant. {_convergence(a)}"
        ),
        _item(f"Paper: the runtime is proportional to k = 3 r². {_growth(a)}"),
        *_heading("B: how many photos to choose from", b, "nr", "m"),
        _item(f"Paper: the runtime is linear in m. {_growth(b)}"),
        _item(f"The paper shows no error here. {_supply(b)}"),
        *_heading("C: how many cells", c, "mr", "n"),
        _item(f"Paper: the runtime increases with the square of n. {_growth(c)}"),
        *_our_section(made),
    ]
    return "\n".join([*lines, ""])


def _item(text: str) -> str:
    """Break a list item's lines."""
    return textwrap.fill(text, 100, initial_indent="- ", subsequent_indent="  ")


def _heading(title: str, runs: Sequence[Run], fixed: str, x: str) -> list[str]:
    """Begin an experiment's section: its sizes, plot and table."""
    sizes = ", ".join(f"{name} = {getattr(runs[0], name):,}" for name in fixed)
    plot = f"![{title}](bench-photo-{runs[0].experiment.lower()}.png)"
    return ["", f"## {title}", "", f"{sizes}.", "", plot, "", *_run_table(runs, x), ""]


def _of(runs: Sequence[Run], experiment: str) -> list[Run]:
    return [run for run in runs if run.experiment == experiment]


def _curve(runs: Sequence[Run], x: str, y: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values of `x`, and the mean of `y` over the targets at each."""
    xs = np.array([getattr(run, x) for run in runs], float)
    ys = np.array([getattr(run, y) for run in runs], float)
    steps = np.unique(xs)
    return steps, np.array([ys[xs == step].mean() for step in steps])


def exponent(xs: NDArray[np.float64], ys: NDArray[np.float64]) -> float:
    """Fit a power law; what is too fast for the clock counts as a microsecond."""
    return float(np.polyfit(np.log(xs), np.log(np.maximum(ys, 1e-6)), 1)[0])


def _growth(runs: Sequence[Run]) -> str:
    """Compare how the time grows with what the paper says."""
    x, claimed = CLAIMS[runs[0].experiment]
    fitted = {phase: exponent(*_curve(runs, x, phase)) for phase in PHASES}
    steps, totals = _curve(runs, x, "total")
    excess = fitted["total"] - claimed
    verdict = "above" if excess > 0 else "below"
    if abs(excess) <= _NEAR:
        verdict = f"within {_NEAR} of"
    latest = exponent(steps[-2:], totals[-2:])
    phases = ", ".join(f"{fitted[phase]:z.2f} for {phase}" for phase in PHASES[:-1])
    explained = 100 * float(np.corrcoef(steps**claimed, totals)[0, 1]) ** 2
    power = x if claimed == 1 else f"{x}^{claimed}"
    return (
        f"Here the total grows as {x}^{fitted['total']:.2f}, {verdict} the claimed exponent "
        f"{claimed} ({phases}; {latest:.2f} for the total over the "
        f"last step, {x} = {steps[-2]:,.0f} to {steps[-1]:,.0f}). A fixed time and one "
        f"proportional to {power} together explain {explained:.0f} % of its variance. "
        f"While {x} grew {steps[-1] / steps[0]:.1f}-fold, the total grew "
        f"{totals[-1] / totals[0]:.1f}-fold; solving is {_share(runs):.0f} % of the time."
    )


def _share(runs: Sequence[Run]) -> float:
    return 100 * sum(run.solving for run in runs) / sum(run.total for run in runs)


def _convergence(runs: Sequence[Run]) -> str:
    """Say how much of the error's fall is got by r = 3 and r = 6."""
    steps, errors = _curve(runs, "r", "error")
    at = dict(zip(steps.astype(int).tolist(), errors.tolist(), strict=True))
    first, last = min(at), max(at)
    said = [
        f"r = {r} gets {100 * (at[first] - at[r]) / (at[first] - at[last]):.0f} % of that and lies "
        f"{100 * (at[r] / at[last] - 1):.1f} % above r = {last}"
        for r in (3, 6)
    ]
    return (
        f"Here the mean error of the targets falls by {100 * (1 - at[last] / at[first]):.0f} % "
        f"from r = {first} to r = {last}; {said[0]}; {said[1]}."
    )


def _supply(runs: Sequence[Run]) -> str:
    """Say what more photos do to the error."""
    steps, errors = _curve(runs, "m", "error")
    return (
        f"Ours is {errors[0]:.0f} with {steps[0]:,.0f} photos and {errors[-1]:.0f} with "
        f"{steps[-1]:,.0f}: it goes as m^{exponent(steps, errors):.2f}."
    )


def _run_table(runs: Sequence[Run], x: str) -> list[str]:
    names = list(dict.fromkeys(run.target for run in runs))
    heads = [x, *(f"error, {name}" for name in names), *(f"{phase} s" for phase in PHASES)]
    columns = [_curve(_on(runs, name), x, "error")[1] for name in names]
    columns += [_curve(runs, x, phase)[1] for phase in PHASES]
    formats = ["{:.1f}"] * len(names) + ["{:.2f}"] * len(PHASES)
    rows = [
        [f"{step:.0f}", *(form.format(v) for form, v in zip(formats, values, strict=True))]
        for step, *values in zip(_curve(runs, x, "error")[0], *columns, strict=True)
    ]
    return _table(heads, rows)


def _on(runs: Sequence[Run], target: str) -> list[Run]:
    return [run for run in runs if run.target == target]


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


def _our_section(made: Sequence[Made]) -> list[str]:
    solvers = ", ".join(dict.fromkeys(one.solver for one in made))
    text = (
        "Not in the paper. Made by `make_mosaic`, with the squared Euclidean distance, each photo "
        'at most once (`twins="keep"`) and none of the target blended in; solver: '
        f"{solvers}. CPU seconds are of one run, from indexing to measuring. MAE is of values in "
        "0 to 1; alteration is the median RMS change of a tile, of 255; distinct and most uses "
        "count near-twins as one photo. Mosaics of different alteration are no fair contest, and "
        "no number here has been validated against human judgement of photomosaics."
    )
    lines = ["", "## D: what better rows buy", "", textwrap.fill(text, 100)]
    for target, m in dict.fromkeys((one.target, one.m) for one in made):
        rows = [_made_row(one) for one in made if (one.target, one.m) == (target, m)]
        table = _table(["what", *_METRICS, "CPU s"], rows)
        lines += ["", f"### {target}, {m:,} photos", "", *table]
    heads = ["what", "MAE", "dE cell", "SSIM 1/4", "gradients"]
    gains = _table(heads, [_gain(made, recipe) for recipe in list(RECIPES)[1:]])
    against = f"### Change against {next(iter(RECIPES))}: from least to most over these tables"
    return [*lines, "", against, "", *gains]


def _made_row(one: Made) -> list[str]:
    numbers = (f"{getattr(one.quality, name):.{digits}f}" for name, digits in _METRICS.values())
    return [one.recipe, *numbers, f"{one.seconds:.1f}"]


def _gain(made: Sequence[Made], recipe: str) -> list[str]:
    """Compare a recipe with the first one, over all targets and supplies."""
    first = {(one.target, one.m): one.quality for one in made if one.recipe == next(iter(RECIPES))}
    pairs = [
        (asdict(one.quality), asdict(first[one.target, one.m]))
        for one in made
        if one.recipe == recipe
    ]
    shares = [
        _range([100 * (own[name] / base[name] - 1) for own, base in pairs], ".0f") + " %"
        for name in ("mae", "delta_e_cell")
    ]
    steps = [
        _range([own[name] - base[name] for own, base in pairs], ".3f")
        for name in ("ssim_quarter", "gradient_correlation")
    ]
    return [recipe, *shares, *steps]


def _range(values: Sequence[float], form: str) -> str:
    return f"{min(values):+{form}} to {max(values):+{form}}"


def draw(runs: Sequence[Run], folder: Path) -> None:
    """Draw the plots beside the page: time by phase and as claimed, for A the error too."""
    from matplotlib.figure import Figure

    for experiment, x in zip(CLAIMS, "rmn", strict=True):
        here = _of(runs, experiment)
        wide = experiment == "A"
        figure = Figure(figsize=(8.6, 3.4) if wide else (5, 3.4), layout="constrained")
        panels = figure.subplots(1, 1 + wide, squeeze=False)[0]
        steps, totals = _curve(here, x, "total")
        for phase, colour in zip(PHASES, ("C2", "C1", "C0", "black"), strict=True):
            panels[0].plot(*_curve(here, x, phase), "o-", color=colour, markersize=4, label=phase)
        power = CLAIMS[experiment][1] * (2 if wide else 1)  # k goes as the square of r
        claimed = totals[-1] * (steps / steps[-1]) ** power
        panels[0].plot(steps, claimed, ":", color="gray", label="total if as claimed")
        panels[0].set(xlabel=x, ylabel="CPU seconds, mean of targets")
        for name in dict.fromkeys(run.target for run in here) if wide else ():
            panels[1].plot(*_curve(_on(here, name), x, "error"), "o-", markersize=4, label=name)
            panels[1].set(xlabel=x, ylabel="mean squared error, of 0 to 255")
        for panel in panels:
            panel.set_ylim(bottom=0)
            panel.legend(frameon=False, fontsize="small")
            panel.spines[["top", "right"]].set_visible(False)
            if wide:
                panel.set_xticks(steps)
        figure.savefig(folder / f"bench-photo-{experiment.lower()}.png", dpi=100)
