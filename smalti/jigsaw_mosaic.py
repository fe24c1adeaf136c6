"""From the request of a jigsaw image mosaic to the mosaic."""

import math
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import smalti
from smalti.aspect import in_shape, picture_size
from smalti.core.errors import Cancelled, printable
from smalti.core.library import default_index
from smalti.core.progress import Progress, Step, silent
from smalti.core.source import Skipped
from smalti.ground import Ground, background_of, check_request, lay_ground, rotation
from smalti.jigsaw.compose import (
    colour_move,
)
from smalti.jigsaw.contour import filled_window
from smalti.jigsaw.energy import Terms
from smalti.jigsaw.frame import Frame
from smalti.jigsaw.pack import Weights, pack, turn_of
from smalti.jigsaw.placement import Packed, Placement
from smalti.jigsaw.pose import placed
from smalti.jigsaw.recolor import recolor
from smalti.jigsaw.refine import refine
from smalti.jigsaw.shapes import ShapeLibrary, scan_shapes
from smalti.jigsaw_measure import measure_mosaic, measure_rigid
from smalti.jigsaw_picture import ContainerLayer, bands, container_layers, written
from smalti.jigsaw_project import JigsawProject, used_only
from smalti.plan import check
from smalti.request import Jigsaw
from smalti.resources import Stopwatch, peak_mb

_VARIETY = 91  # tiles to a use of a shape: with fewer colours fit better, with more it is varied
_ALIKE = 0.06  # RMS distance of outlines of unit area that may take each other's place
_LEAST_OVERLAP = 0.05  # with none, tiles come to lie on each other, and are refused for it


@dataclass(frozen=True, slots=True, eq=False)
class JigsawMosaic:
    """A jigsaw image mosaic: where each tile lies, and how good the picture is.

    Attributes
    ----------
    project : JigsawProject
        The request and the placements; what ``smalti render`` needs.
    containers : int
    frame : Frame
        What was cut off the target.
    quality, rigid : dict
        The metric suite, and how tiles filled their containers before refinement.
    recolored : tuple of float
        Mean dE of places to tiles before and after re-dealing equal outlines.
    backtracks : int
    ended : tuple of str
        Phases that a cancel or the time limit ended early, with what there was.
    shapes : int
        Usable shapes in the library.
    skipped : tuple of Skipped
    seconds : dict
        Wall time by phase.
    output, project_file : Path or None
    """

    project: JigsawProject
    containers: int
    frame: Frame
    quality: dict[str, float]
    rigid: dict[str, float]
    recolored: tuple[float, float]
    backtracks: int
    ended: tuple[str, ...]
    shapes: int
    skipped: tuple[Skipped, ...]
    seconds: dict[str, float]
    output: Path | None = None
    project_file: Path | None = None

    def pixels(self) -> NDArray[np.uint8]:
        """Draw the mosaic in memory, (H, W, 3) uint8 sRGB."""
        project = self.project
        return np.concatenate(list(bands(project)))

    def container_layers(self) -> Iterator[ContainerLayer]:
        """Draw the tiles of each container apart, at the size of the picture."""
        return container_layers(self.project)

    def report(self) -> dict[str, Any]:
        """Return what ``--json`` prints, as plain values."""
        return {
            "output": self.output and printable(str(self.output)),
            "project": self.project_file and printable(str(self.project_file)),
            "tiles": len(self.project.placements),
            "containers": self.containers,
            "trimmed": self.frame._asdict(),
            "shapes": self.shapes,
            "quality": self.quality,
            "rigid": self.rigid,
            "recolored": {"before": self.recolored[0], "after": self.recolored[1]},
            "seconds": self.seconds,
            "backtracks": self.backtracks,
            "ended": list(self.ended),
            "skipped": [{"file": printable(s.file), "reason": s.reason} for s in self.skipped],
            "peak_mb": peak_mb(),
            "seed": self.project.request.seed,
            "version": smalti.__version__,
        }


class _Heard:
    """Passes steps on, and remembers which phases ended early."""

    def __init__(self, progress: Progress, *, keep: bool) -> None:
        self.progress, self.keep = progress, keep
        self.phases: list[str] = []

    def between(self, step: Step) -> None:
        """Pass on a step of work that cannot end early; what can, does so after a cancel."""
        try:
            self(step)
        except Cancelled:
            if not self.keep:
                raise

    def __call__(self, step: Step) -> None:
        try:
            self.progress(step)
        except Cancelled:
            self.phases.append(step.phase)
            raise


def make_jigsaw(
    request: Jigsaw,
    *,
    executor: Executor | None = None,
    progress: Progress = silent,
    index: Path | None = None,
) -> JigsawMosaic:
    """Make a jigsaw image mosaic; see `smalti.mosaic.make_mosaic`."""
    lap = Stopwatch()
    check_request(request)
    ground = lay_ground(request, progress)
    progress(Step("segment", 1, 1, "finding containers", ground))
    lap("segment")
    library = scan_shapes(
        request.shapes,
        index=index or default_index(),
        executor=executor,
        progress=progress,
        strict=request.strict,
    )
    progress(Step("index", len(library.sources), len(library.sources), "shapes", library))
    lap("index")
    return fill_ground(request, ground, library, lap, executor=executor, progress=progress)


def fill_ground(
    request: Jigsaw,
    ground: Ground,
    library: ShapeLibrary,
    lap: Stopwatch,
    *,
    executor: Executor | None = None,
    progress: Progress = silent,
    part_of: Ground | None = None,
) -> JigsawMosaic:
    """Make the mosaic on a ground; a sample as the mosaic would be made that it is `part_of`."""
    heard = _Heard(progress, keep=request.keep_partial)
    placements, backtracks = _packed(request, ground, library, executor, heard, part_of)
    lap("pack")
    rigid = measure_rigid(placements, ground, library.group, heard.between)
    lap("measure")

    heard.between(Step("refine", 0, 0, "closing gaps", Packed(tuple(placements))))
    if not {"measure", "refine"} & set(heard.phases):
        placements = refined(request, ground, library, placements, heard)
    lap("refine")
    goals = _place_colours(placements, ground)
    dealt = recolor(
        placements,
        library.contours,
        library.lab,
        goals,
        alike=_ALIKE * min(1.0, request.deform),
        turned=turn_of(rotation(request.rotate)) >= math.pi,
        progress=heard.between,
    )
    heard.between(Step("recolor", 0, 0, "dealing again", Packed(tuple(dealt.placements))))
    lap("recolor")
    laid = dealt.placements
    project = project_of(request, ground, library, laid)
    quality = measure_mosaic(
        project, laid, _rest(library, laid), ground, library.group, heard.between
    )
    lap("measure")

    whole = None if part_of is None else pixels_of(part_of, project.scale)
    output, project_file = written(project, progress, part_of=whole)
    lap("render")
    return JigsawMosaic(
        project=project,
        containers=len(np.unique(ground.labels[ground.labels >= 0])),
        frame=ground.frame,
        quality=quality,
        rigid=asdict(rigid),
        recolored=(dealt.before, dealt.after),
        backtracks=backtracks,
        ended=tuple(heard.phases),
        shapes=len(library.sources),
        skipped=library.skipped,
        seconds=lap.seconds(),
        output=output,
        project_file=project_file,
    )


def pixels_of(ground: Ground, scale: float) -> tuple[int, int]:
    """Return the width and height of the picture, px, at so many along a pixel of the ground."""
    height, width = ground.labels.shape
    return picture_size((width, height), ground.target, scale)


def weights_of(request: Jigsaw) -> Weights:
    """Return the usual weights times those asked for."""
    usual = Weights()
    return Weights(
        color=usual.color * request.w_color,
        gap=usual.gap * request.w_gap,
        overlap=usual.overlap * max(request.w_overlap, _LEAST_OVERLAP),
        deform=usual.deform * request.w_deform,
        look=usual.look * request.w_look,
    )


def reuse_of(request: Jigsaw, ground: Ground, library: ShapeLibrary) -> int:
    """Return how often a shape may be used: as asked, or as suits the number of tiles."""
    groups = len(np.unique(library.group))
    return request.reuse or max(5, ground.tiles // _VARIETY, -(-2 * ground.tiles // groups))


def _packed(
    request: Jigsaw,
    ground: Ground,
    library: ShapeLibrary,
    executor: Executor | None,
    progress: _Heard,
    part_of: Ground | None,
) -> tuple[list[Placement], int]:
    start = time.monotonic()
    placements, backtracks = pack(
        ground.labels,
        ground.goal,
        library,
        tiles=ground.tiles,
        weights=weights_of(request),
        size_ratio=ground.size_ratio,
        rotate=rotation(request.rotate),
        reuse=reuse_of(request, ground, library),
        reuse_distance=request.spacing,
        candidates="hashing" if request.candidates == "hashing" else "scan",
        shortlist=request.shortlist,
        fine=ground.fine,
        rng=np.random.default_rng(request.seed),
        executor=executor,
        progress=progress,
        time_limit=request.time_limit,
        keep_partial=request.keep_partial,
        part_of=None if part_of is None else part_of.tiles,
    )
    if not placements and progress.phases:
        raise Cancelled
    if request.time_limit is not None and time.monotonic() - start >= request.time_limit:
        progress.phases.append("pack")
    check(
        bool(placements),
        f"no tile was laid within {request.time_limit:g} s; give a longer --time-limit"
        if request.time_limit is not None
        else "no tile fits: every container is smaller than any; try more --tiles",
    )
    return placements, backtracks


def refined(
    request: Jigsaw,
    ground: Ground,
    library: ShapeLibrary,
    placements: Sequence[Placement],
    progress: Progress,
) -> list[Placement]:
    """Close gaps and overlaps of rigid placements, as far as the request allows."""
    contours = refine(
        np.stack([p.contour for p in placements]),
        _rest(library, placements),
        ground.labels,
        np.array([p.container for p in placements], np.intp),
        tile_px=ground.tile_px,
        amount=request.deform,
        gap=request.w_gap,
        overlap=1.5 * request.w_overlap,
        deform=request.w_deform,
        progress=progress,
        keep_partial=request.keep_partial,
    )
    return [replace(p, contour=contour) for p, contour in zip(placements, contours, strict=True)]


def _rest(library: ShapeLibrary, placements: Sequence[Placement]) -> NDArray[np.float64]:
    return np.stack([placed(library.contours[p.tile], p.pose) for p in placements])


def _place_colours(placements: Sequence[Placement], ground: Ground) -> NDArray[np.float32]:
    """Mean CIELAB of the target under each tile."""
    goals = np.empty((len(placements), 3), np.float32)
    for k, placement in enumerate(placements):
        window, mask = filled_window(placement.contour, ground.labels.shape)
        pixels = ground.goal[window][mask]
        if not len(pixels):  # thinner than a pixel, or outside
            x, y = placement.contour.mean(axis=0).astype(int)
            height, width = ground.labels.shape
            pixels = ground.goal[min(max(y, 0), height - 1), min(max(x, 0), width - 1)][None]
        goals[k] = pixels.mean(axis=0)
    return goals


def project_of(
    request: Jigsaw, ground: Ground, library: ShapeLibrary, placements: Sequence[Placement]
) -> JigsawProject:
    """Bring placements on the raster that is packed into a project."""
    kept, tile = used_only(library, placements)
    goals = _place_colours(placements, ground)
    moves = colour_move(goals, library.lab[[p.tile for p in placements]], request.adjust)
    height, width = ground.labels.shape
    shaped = in_shape(placements, (width, height), ground.target)
    return JigsawProject(
        request=request,
        size=(width, height),
        target=ground.target,
        scale=request.width / max(width, height),
        library=kept,
        placements=tuple(
            replace(p, tile=int(t), terms=Terms(*(round(term, 4) for term in p.terms)))
            for p, t in zip(shaped, tile, strict=True)
        ),
        moves=moves.round(2),
        background=background_of(request, ground),
    )
