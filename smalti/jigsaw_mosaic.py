"""From the request of a jigsaw image mosaic to the mosaic."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import smalti
from smalti.aspect import in_shape, picture_size
from smalti.core.atomic import accompanied, write_bytes
from smalti.core.checkpoint import fingerprint, resumed
from smalti.core.errors import Cancelled, printable
from smalti.core.library import default_index
from smalti.core.page import link_to, write_page
from smalti.core.progress import Progress, Step, silent
from smalti.core.source import Skipped, label
from smalti.core.writers import check_output, write_picture
from smalti.ground import Ground, background_of, check_request, lay_ground, resized, rotation
from smalti.jigsaw.compose import (
    DrawnTile,
    band_heights,
    colour_move,
    compose,
    drawn,
    geojson,
    svg,
)
from smalti.jigsaw.contour import filled_window
from smalti.jigsaw.frame import Frame
from smalti.jigsaw.pack import Weights, pack
from smalti.jigsaw.placement import Packed, Placement, scaled
from smalti.jigsaw.pose import placed
from smalti.jigsaw.quality import measure_likeness, measure_packing
from smalti.jigsaw.recolor import recolor
from smalti.jigsaw.refine import deformation, refine
from smalti.jigsaw.shapes import ShapeLibrary, scan_shapes
from smalti.jigsaw_project import JigsawProject, jigsaw_text, used_only
from smalti.plan import check, target_file
from smalti.project import project_path
from smalti.request import Jigsaw
from smalti.resources import Stopwatch, peak_mb

_VARIETY = 91  # tiles to a use of a shape: with fewer colours fit better, with more it is varied
_ALIKE = 0.06  # RMS distance of outlines of unit area that may take each other's place
_COMPARED = 2.0  # px of the comparison along a pixel of the raster
_LARGE = 20_000_000  # px; what is smaller is drawn anew in seconds


class ContainerLayer(NamedTuple):
    """The tiles of one container, transparent between them.

    Attributes
    ----------
    container, left, top : int
        Its label, and where the pixels lie in the picture, px.
    pixels : ndarray of shape (H, W, 4), uint8 sRGB and opacity
    """

    container: int
    left: int
    top: int
    pixels: NDArray[np.uint8]


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
        The metric suite, and the same before refinement.
    recolored : tuple of float
        Mean dE of places to tiles before and after re-dealing equal outlines.
    backtracks : int
    ended : tuple of str
        Phases that a cancel ended early, with what there was.
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
        return np.concatenate(list(_bands(project)))

    def container_layers(self) -> Iterator[ContainerLayer]:
        """Draw the tiles of each container apart, at the size of the picture."""
        project = self.project
        width, height = _size(project)
        for container in sorted({p.container for p in project.placements}):
            tiles = [
                drawn(placement, project.library, scale=project.scale, move=move)
                for placement, move in zip(project.placements, project.moves, strict=True)
                if placement.container == container
            ]
            windows = [tile.warp for tile in tiles]
            top = max(0, min(w.top for w in windows))
            left = max(0, min(w.left for w in windows))
            bottom = min(height, max(w.top + w.shape[0] for w in windows))
            right = min(width, max(w.left + w.shape[1] for w in windows))
            if bottom > top and right > left:
                seen = np.zeros((bottom - top, right - left, 4), np.float32)
                for tile in tiles:
                    _lay_over(seen, tile, top, left)
                yield ContainerLayer(container, left, top, _unmultiplied(seen))

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
    """Passes steps on, and remembers which phases were cancelled."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.phases: list[str] = []

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
    progress(Step("segment", 0, 0, "finding containers"))
    ground = lay_ground(request)
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
    heard = _Heard(progress)
    placements, backtracks = _packed(request, ground, library, executor, heard)
    lap("pack")
    rigid = _measured(request, ground, library, placements, progress)
    lap("measure")

    progress(Step("refine", 0, 0, "closing gaps", Packed(tuple(placements))))
    placements = refined(request, ground, library, placements, heard)
    lap("refine")
    goals = _place_colours(placements, ground)
    dealt = recolor(
        placements,
        library.contours,
        library.lab,
        goals,
        alike=_ALIKE * min(1.0, request.deform),
        progress=progress,
    )
    progress(Step("recolor", 0, 0, "dealing again", Packed(tuple(dealt.placements))))
    lap("recolor")
    quality = _measured(request, ground, library, dealt.placements, progress)
    lap("measure")

    project = project_of(request, ground, library, dealt.placements)
    output, project_file = _write_all(project, progress)
    lap("render")
    return JigsawMosaic(
        project=project,
        containers=len(np.unique(ground.labels[ground.labels >= 0])),
        frame=ground.frame,
        quality=quality,
        rigid=rigid,
        recolored=(dealt.before, dealt.after),
        backtracks=backtracks,
        ended=tuple(heard.phases),
        shapes=len(library.sources),
        skipped=library.skipped,
        seconds=lap.seconds(),
        output=output,
        project_file=project_file,
    )


def render_jigsaw(
    project: JigsawProject, output: Path, *, progress: Progress = silent
) -> tuple[int, int]:
    """Draw a jigsaw into a file; return its width and height, px."""
    size = _size(project)
    if output.suffix.lower() == ".svg":
        size = project.target  # drawn in its pixels, at any size
    else:
        check_output(output, size)
    _write(project, output, progress)
    return size


def weights_of(request: Jigsaw) -> Weights:
    """Return the usual weights times those asked for."""
    usual = Weights()
    return Weights(
        color=usual.color * request.w_color,
        gap=usual.gap * request.w_gap,
        overlap=usual.overlap * request.w_overlap,
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
) -> tuple[list[Placement], int]:
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
    )
    if not placements and progress.phases:
        raise Cancelled
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
            replace(p, tile=int(t), energy=round(p.energy, 4))
            for p, t in zip(shaped, tile, strict=True)
        ),
        moves=moves.round(2),
        background=background_of(request, ground),
    )


def _measured(
    request: Jigsaw,
    ground: Ground,
    library: ShapeLibrary,
    placements: Sequence[Placement],
    progress: Progress,
) -> dict[str, float]:
    """Compute every column of the metric suite for one state of the packing."""
    progress(Step("measure", 0, 0, "measuring"))
    project = project_of(request, ground, library, placements)
    picture, alpha = _seen(project, _COMPARED)
    labels = _nearest(ground.labels, alpha.shape)
    size = (alpha.shape[1], alpha.shape[0])
    target = resized(ground.picture, size, Image.Resampling.BICUBIC)
    likeness = measure_likeness(target, picture, alpha, labels, _COMPARED * ground.tile_px)
    packing = measure_packing(placements, ground.labels, library.group)
    bent = deformation(np.stack([p.contour for p in placements]), _rest(library, placements))
    return {
        **asdict(packing),
        **asdict(likeness),
        "deformation_mean": float(bent.mean()),
        "deformation_p95": float(np.percentile(bent, 95)),
    }


def _seen(project: JigsawProject, scale: float) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Draw the mosaic small, and how far tiles cover each pixel."""
    width, height = (max(1, round(side * scale)) for side in project.size)
    behind = resized(project.background, (width, height), Image.Resampling.BICUBIC)
    seen = np.dstack([behind / np.float32(255), np.zeros((height, width), np.float32)])
    for placement, move in zip(project.placements, project.moves, strict=True):
        _lay_over(seen, drawn(placement, project.library, scale=scale, move=move), 0, 0)
    return (seen[..., :3] * 255).clip(0, 255).astype(np.uint8), seen[..., 3]


def _lay_over(seen: NDArray[np.float32], tile: DrawnTile, top: int, left: int) -> None:
    """Lay a tile over premultiplied pixels whose corner is at `top` and `left`."""
    down, right, (high, wide) = tile.warp.top - top, tile.warp.left - left, tile.warp.shape
    rows = slice(max(0, down), max(0, down + high))
    columns = slice(max(0, right), max(0, right + wide))
    place = seen[rows, columns]
    cut = tile.rows(0, high)[max(0, -down) :, max(0, -right) :]
    cut = cut[: place.shape[0], : place.shape[1]]
    place *= 1 - cut[..., 3:]
    place += cut


def _unmultiplied(seen: NDArray[np.float32]) -> NDArray[np.uint8]:
    colour = seen[..., :3] / np.maximum(seen[..., 3:], 1e-6)
    return (np.dstack([colour, seen[..., 3]]) * 255 + 0.5).clip(0, 255).astype(np.uint8)


def _nearest(labels: NDArray[np.intp], shape: tuple[int, ...]) -> NDArray[np.intp]:
    rows, columns = (np.arange(n) * m // n for n, m in zip(shape, labels.shape, strict=True))
    return np.asarray(labels[rows[:, None], columns])


def _bands(
    project: JigsawProject, progress: Progress = silent, start: int = 0
) -> Iterator[NDArray[np.uint8]]:
    width, height = _size(project)
    return compose(
        project.placements,
        project.library,
        size=(width / project.scale, height / project.scale),
        scale=project.scale,
        background=project.background,
        moves=project.moves,
        start=start,
        progress=progress,
    )


@contextmanager
def _drawn(
    project: JigsawProject, output: Path, progress: Progress
) -> Iterator[Iterator[NDArray[np.uint8]]]:
    """Draw the bands, those of a large picture from where a killed run left off."""
    width, height = _size(project)
    if width * height < _LARGE:
        yield _bands(project, progress)
        return
    key = fingerprint(jigsaw_text(project, output.absolute().parent), project.library.sources)
    with resumed(
        output, key, band_heights(height), width, lambda k: _bands(project, progress, k)
    ) as bands:
        yield bands


def _write_all(project: JigsawProject, progress: Progress) -> tuple[Path | None, Path | None]:
    request = project.request
    if request.geometry:
        names = [label(s) for s in project.library.sources]
        text = geojson(_in_target(project), names)
        write_bytes(Path(request.geometry), text.encode())
    if not request.output:
        return None, None
    output = Path(request.output)
    return output, save(project, output, progress)


def save(project: JigsawProject, output: Path, progress: Progress = silent) -> Path:
    """Write a picture and the project beside it; return the project's file."""
    file = project_path(output)
    with accompanied(file, jigsaw_text(project, output.absolute().parent).encode("ascii")):
        render_jigsaw(project, output, progress=progress)
    return file


def draw_part(
    project: JigsawProject, scale: float, box: tuple[int, int, int, int]
) -> NDArray[np.uint8]:
    """Draw a part of a mosaic.

    Parameters
    ----------
    project : JigsawProject
    scale : float
        Pixels along a pixel of the raster that was packed.
    box : (int, int, int, int)
        Left, top, right and bottom on that raster, px.

    Returns
    -------
    ndarray of shape (round(scale h), round(scale w), 3), uint8
        sRGB.
    """
    left, top, right, bottom = box
    width, height = project.size
    inside = [
        k
        for k, placement in enumerate(project.placements)
        if (placement.contour.max(axis=0) > (left, top)).all()
        and (placement.contour.min(axis=0) < (right, bottom)).all()
    ]
    moved = [
        replace(p, contour=p.contour - (left, top)) for p in (project.placements[k] for k in inside)
    ]
    behind = Image.fromarray(project.background)
    part = behind.resize(
        (right - left, bottom - top),
        Image.Resampling.BICUBIC,
        box=(
            left / width * behind.width,
            top / height * behind.height,
            right / width * behind.width,
            bottom / height * behind.height,
        ),
    )
    bands = compose(
        moved,
        project.library,
        size=(right - left, bottom - top),
        scale=scale,
        background=np.asarray(part),
        moves=project.moves[inside],
    )
    return np.concatenate(list(bands))


def _write(project: JigsawProject, output: Path, progress: Progress) -> None:
    request, names = project.request, [label(s) for s in project.library.sources]
    if output.suffix.lower() == ".svg":
        text = svg(
            _in_target(project),
            project.library,
            size=project.target,
            names=names,
            moves=project.moves,
        )
        write_bytes(output, text.encode())
        return
    with _drawn(project, output, progress) as rows:
        if output.suffix.lower() == ".html":
            _write_page(project, rows, output, names)
        else:
            write_picture(rows, _size(project), output, dpi=request.dpi, quality=request.quality)


def _write_page(
    project: JigsawProject, rows: Iterator[NDArray[np.uint8]], output: Path, names: list[str]
) -> None:
    """Write a page to zoom into; a fine grid tells it which tile is under the pointer."""
    width, height = (max(1, side // 2) for side in project.size)
    under = np.full((height, width), len(names))
    for placement in project.placements:
        half = scaled(placement, width / project.size[0])
        window, mask = filled_window(half.contour, under.shape)
        under[window][mask] = placement.tile
    write_page(
        rows,
        _size(project),
        output,
        dpi=project.request.dpi,
        quality=project.request.quality,
        columns=width,
        rows=height,
        labels=[*names, ""],
        links=[*(link_to(s.file, output) for s in project.library.sources), ""],
        tile=under.ravel(),
        title=target_file(project.request.target).stem,
        facts=[("tiles", f"{len(project.placements):,}"), ("shapes", f"{len(names):,}")],
        outlined=False,
    )


def _in_target(project: JigsawProject) -> list[Placement]:
    """Placements in pixels of the target, as cutters and plotters want them."""
    factor = max(project.target) / max(project.size)
    return [scaled(p, factor) for p in project.placements]


def _size(project: JigsawProject) -> tuple[int, int]:
    return picture_size(project.size, project.target, project.scale)
