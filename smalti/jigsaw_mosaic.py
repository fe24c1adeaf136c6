"""From the request of a jigsaw image mosaic to the mosaic."""

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor

import smalti
from smalti.core.color import to_space
from smalti.core.errors import BadInput, printable
from smalti.core.library import default_index
from smalti.core.picture import read_picture
from smalti.core.progress import Progress, Step, silent
from smalti.core.source import Skipped, label
from smalti.core.writers import check_output, write_bytes, write_picture
from smalti.jigsaw.compose import colour_move, compose, darkened, drawn, geojson, svg
from smalti.jigsaw.pack import Weights, pack
from smalti.jigsaw.placement import Placement, scaled
from smalti.jigsaw.pose import placed
from smalti.jigsaw.quality import filled, measure_likeness, measure_packing
from smalti.jigsaw.recolor import recolor
from smalti.jigsaw.refine import deformation, refine
from smalti.jigsaw.segment import from_labels, from_mask, segment, tidied
from smalti.jigsaw.shapes import ShapeLibrary, scan_shapes
from smalti.jigsaw_project import JigsawProject, jigsaw_text, used_only
from smalti.plan import check, target_file
from smalti.project import project_path
from smalti.request import Jigsaw
from smalti.resources import Stopwatch, peak_mb

_TILES = 1200  # enough for a face, few enough that each is a thing
_RASTER_PX = 20.0  # side of a mean tile on the raster that is packed
_MOST_PX = 36_000_000  # of that raster: 90,000 tiles
_ALIKE = 0.06  # RMS distance of outlines of unit area that may take each other's place
_COMPARED = 2.0  # px of the comparison along a pixel of the raster


@dataclass(frozen=True, slots=True, eq=False)
class JigsawMosaic:
    """A jigsaw image mosaic: where each tile lies, and how good the picture is.

    Attributes
    ----------
    project : JigsawProject
        The request and the placements; what ``smalti render`` needs.
    containers : int
    quality, rigid : dict
        The metric suite, and the same before refinement.
    recolored : tuple of float
        Mean dE of places to tiles before and after re-dealing equal outlines.
    backtracks : int
    shapes : int
        Usable shapes in the library.
    skipped : tuple of Skipped
    seconds : dict
        Wall time by phase.
    output, project_file : Path or None
    """

    project: JigsawProject
    containers: int
    quality: dict[str, float]
    rigid: dict[str, float]
    recolored: tuple[float, float]
    backtracks: int
    shapes: int
    skipped: tuple[Skipped, ...]
    seconds: dict[str, float]
    output: Path | None = None
    project_file: Path | None = None

    def pixels(self) -> NDArray[np.uint8]:
        """Draw the mosaic in memory, (H, W, 3) uint8 sRGB."""
        project = self.project
        return np.concatenate(list(_bands(project, project.scale, project.background)))

    def report(self) -> dict[str, Any]:
        """Return what ``--json`` prints, as plain values."""
        return {
            "output": self.output and printable(str(self.output)),
            "project": self.project_file and printable(str(self.project_file)),
            "tiles": len(self.project.placements),
            "containers": self.containers,
            "shapes": self.shapes,
            "quality": self.quality,
            "rigid": self.rigid,
            "recolored": {"before": self.recolored[0], "after": self.recolored[1]},
            "seconds": self.seconds,
            "backtracks": self.backtracks,
            "skipped": [{"file": printable(s.file), "reason": s.reason} for s in self.skipped],
            "peak_mb": peak_mb(),
            "seed": self.project.request.seed,
            "version": smalti.__version__,
        }


@dataclass(frozen=True, slots=True, eq=False)
class _Ground:
    """The target on the raster that is packed.

    Attributes
    ----------
    picture : ndarray of shape (H, W, 3), uint8
        Its colours, or those given instead.
    labels : ndarray of shape (H, W), intp
    goal : ndarray of shape (H, W, 3), float32, CIELAB
    tiles : int
    tile_px : float
        Side of a mean tile on the raster.
    target : (int, int)
        Width and height of the target itself, px.
    """

    picture: NDArray[np.uint8]
    labels: NDArray[np.intp]
    goal: NDArray[np.float32]
    tiles: int
    tile_px: float
    target: tuple[int, int]


def make_jigsaw(
    request: Jigsaw,
    *,
    executor: Executor | None = None,
    progress: Progress = silent,
    index: Path | None = None,
) -> JigsawMosaic:
    """Make a jigsaw image mosaic; see `smalti.mosaic.make_mosaic`."""
    lap = Stopwatch()
    _check(request)
    progress(Step("segment", 0, 0, "finding containers"))
    ground = _ground(request)
    lap("segment")
    library = scan_shapes(
        request.shapes,
        index=index or default_index(),
        executor=executor,
        progress=progress,
        strict=request.strict,
    )
    lap("index")
    placements, backtracks = _packed(request, ground, library, executor, progress)
    lap("pack")
    rigid = _measured(request, ground, library, placements, progress)
    lap("measure")

    placements = _refined(request, ground, library, placements, progress)
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
    lap("recolor")
    quality = _measured(request, ground, library, dealt.placements, progress)
    lap("measure")

    project = _project(request, ground, library, dealt.placements)
    output, project_file = _write_all(project, progress)
    lap("render")
    return JigsawMosaic(
        project=project,
        containers=len(np.unique(ground.labels[ground.labels >= 0])),
        quality=quality,
        rigid=rigid,
        recolored=(dealt.before, dealt.after),
        backtracks=backtracks,
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


def _check(r: Jigsaw) -> None:
    """Refuse values no mosaic can be made of."""
    check(bool(r.shapes), "no shapes: name folders or files of clip art, or @demo")
    check(r.tiles is None or 1 <= r.tiles <= 90_000, f"tiles is {r.tiles}: 1 to 90000")
    check(r.tile_px is None or r.tile_px > 0, f"tile-px is {r.tile_px}: more than 0")
    check(r.tiles is None or r.tile_px is None, "tiles and tile-px exclude each other: give one")
    check(1 <= r.size_ratio <= 8, f"size-ratio is {r.size_ratio}: 1 to 8")
    check(r.segments is None or r.segments >= 1, f"segments is {r.segments}: 1 or more")
    check(
        bool(r.labels) + bool(r.mask) + (r.segments is not None) <= 1,
        "segments, labels and mask exclude each other: give one",
    )
    for name in ("w_color", "w_gap", "w_overlap", "w_deform", "w_look", "deform", "spacing"):
        value = getattr(r, name)
        check(0 <= value <= 1000, f"{name.replace('_', '-')} is {value}: 0 or more, 1 is usual")
    check(0 <= r.adjust <= 1, f"adjust is {r.adjust}: from 0 to 1")
    check(r.reuse is None or r.reuse >= 1, f"reuse is {r.reuse}: 1 or more")
    check(r.candidates in ("scan", "hashing"), f"candidates is {r.candidates!r}: scan or hashing")
    check(r.time_limit is None or r.time_limit > 0, f"time-limit is {r.time_limit}: seconds")
    check(16 <= r.width <= 100_000, f"width is {r.width}: 16 to 100000 px")
    check(1 <= r.dpi <= 10_000, f"dpi is {r.dpi}: 1 to 10000")
    check(1 <= r.quality <= 100, f"quality is {r.quality}: 1 to 100")
    _rotation(r.rotate)
    if r.output and not r.output.endswith(".svg"):
        check_output(Path(r.output), (1, 1))  # before the long work, not after


def _rotation(text: str) -> Literal["free", "upright"] | float:
    if text == "free":
        return "free"
    if text == "upright":
        return "upright"
    try:
        degrees = float(text)
    except ValueError:
        degrees = math.nan
    check(0 <= degrees <= 180, f"rotate is {text!r}: free, upright, or 0 to 180 degrees")
    return degrees


def _ground(request: Jigsaw) -> _Ground:
    """Bring target, containers and colours to the raster that is packed."""
    target = read_picture(target_file(request.target)).pixels
    height, width = target.shape[:2]
    mask = _beside(request.mask, target, "mask")
    share = 1.0 if mask is None else float(_light(mask).mean())
    check(share > 0, "there is nothing to fill: the mask is dark everywhere")
    tiles = request.tiles or _TILES
    if request.tile_px:
        wide, high = _fitted(width, height, request.width)
        tiles = max(1, round(wide * high * share / request.tile_px**2))
    area = tiles * _RASTER_PX**2 / share
    check(area <= _MOST_PX, f"{tiles} tiles are too many: at most {int(_MOST_PX / 400)}")
    scale = math.sqrt(area / (width * height))
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    small = _resized(target, size)
    tile_px = math.sqrt(size[0] * size[1] * share / tiles)
    drawn = _beside(request.edges, target, "edges")
    given = _beside(request.labels, target, "labels")
    if given is not None:
        labels = tidied(from_labels(_resized(given, size, Image.Resampling.NEAREST)), tile_px)
    elif mask is not None:
        labels = from_mask(_light(_resized(mask, size)))
    else:
        edges = None if drawn is None else ~_light(_resized(drawn, size, Image.Resampling.BOX))
        labels = segment(small, tile_px=tile_px, regions=request.segments, edges=edges)
    check(bool((labels >= 0).any()), "there is nothing to fill: the mask or the labels are empty")
    colours = _beside(request.colors, target, "colors")
    small = small if colours is None else _per_segment(_resized(colours, size), labels)
    return _Ground(small, labels, to_space(small, "lab"), tiles, tile_px, (width, height))


def _beside(file: str, target: NDArray[np.uint8], option: str) -> NDArray[np.uint8] | None:
    """Read a picture that belongs to the target and must have its size."""
    if not file:
        return None
    picture = read_picture(file).pixels
    (h, w), (high, wide) = picture.shape[:2], target.shape[:2]
    check(
        (w, h) == (wide, high),
        f"--{option} {printable(file)} is {w} x {h} px and the target {wide} x {high}: "
        "give pictures of one size",
    )
    return picture


def _light(picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return np.asarray(picture.mean(axis=2) > 127)


def _fitted(width: int, height: int, long_side: int) -> tuple[float, float]:
    scale = long_side / max(width, height)
    return width * scale, height * scale


def _resized(
    picture: NDArray[np.uint8],
    size: tuple[int, int],
    how: Image.Resampling = Image.Resampling.LANCZOS,
) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(picture).resize(size, how))


def _per_segment(colours: NDArray[np.uint8], labels: NDArray[np.intp]) -> NDArray[np.uint8]:
    """Give every container the mean of the colours drawn over it (figure 13)."""
    out = colours.copy()
    for one in np.unique(labels[labels >= 0]):
        out[labels == one] = colours[labels == one].mean(axis=0)
    return out


def _packed(
    request: Jigsaw,
    ground: _Ground,
    library: ShapeLibrary,
    executor: Executor | None,
    progress: Progress,
) -> tuple[list[Placement], int]:
    usual, groups = Weights(), len(np.unique(library.group))
    placements, backtracks = pack(
        ground.labels,
        ground.goal,
        library,
        tiles=ground.tiles,
        weights=Weights(
            color=usual.color * request.w_color,
            gap=usual.gap * request.w_gap,
            overlap=usual.overlap * request.w_overlap,
            deform=usual.deform * request.w_deform,
            look=usual.look * request.w_look,
        ),
        size_ratio=request.size_ratio,
        rotate=_rotation(request.rotate),
        reuse=request.reuse or max(5, ground.tiles // 90, -(-2 * ground.tiles // groups)),
        reuse_distance=request.spacing,
        candidates="hashing" if request.candidates == "hashing" else "scan",
        rng=np.random.default_rng(request.seed),
        executor=executor,
        progress=progress,
        time_limit=request.time_limit,
    )
    check(bool(placements), "no tile fits: every container is smaller than any; try more --tiles")
    return placements, backtracks


def _refined(
    request: Jigsaw,
    ground: _Ground,
    library: ShapeLibrary,
    placements: Sequence[Placement],
    progress: Progress,
) -> list[Placement]:
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
    )
    # Rounded as the project file rounds, so that its picture is the same to the byte.
    return [
        replace(p, contour=contour)
        for p, contour in zip(placements, contours.round(6), strict=True)
    ]


def _rest(library: ShapeLibrary, placements: Sequence[Placement]) -> NDArray[np.float64]:
    return np.stack([placed(library.contours[p.tile], p.pose) for p in placements])


def _place_colours(placements: Sequence[Placement], ground: _Ground) -> NDArray[np.float32]:
    """Mean CIELAB of the target under each tile."""
    goals = np.empty((len(placements), 3), np.float32)
    for k, placement in enumerate(placements):
        window, mask = filled(placement.contour, ground.labels.shape)
        pixels = ground.goal[window][mask]
        if not len(pixels):  # thinner than a pixel, or outside
            x, y = placement.contour.mean(axis=0).astype(int)
            height, width = ground.labels.shape
            pixels = ground.goal[min(max(y, 0), height - 1), min(max(x, 0), width - 1)][None]
        goals[k] = pixels.mean(axis=0)
    return goals


def _project(
    request: Jigsaw, ground: _Ground, library: ShapeLibrary, placements: Sequence[Placement]
) -> JigsawProject:
    kept, tile = used_only(library, placements)
    goals = _place_colours(placements, ground)
    moves = colour_move(goals, library.lab[[p.tile for p in placements]], request.adjust)
    height, width = ground.labels.shape
    return JigsawProject(
        request=request,
        size=(width, height),
        target=ground.target,
        scale=request.width / max(width, height),
        library=kept,
        placements=tuple(
            replace(p, tile=int(t), energy=round(p.energy, 4))
            for p, t in zip(placements, tile, strict=True)
        ),
        moves=moves.round(2),
        background=_background(request, ground),
    )


def _background(request: Jigsaw, ground: _Ground) -> NDArray[np.uint8]:
    if request.background == "darken":
        return darkened(ground.picture, 0.3 * ground.tile_px)
    if request.background == "target":
        return ground.picture
    try:
        colour = ImageColor.getrgb(request.background)[:3]
    except ValueError:
        raise BadInput(
            f"background is {request.background!r}: darken, target, or a colour such as #336699"
        ) from None
    return np.full((1, 1, 3), colour, np.uint8)


def _measured(
    request: Jigsaw,
    ground: _Ground,
    library: ShapeLibrary,
    placements: Sequence[Placement],
    progress: Progress,
) -> dict[str, float]:
    """Compute every column of the metric suite for one state of the packing."""
    progress(Step("measure", 0, 0, "measuring"))
    project = _project(request, ground, library, placements)
    picture, alpha = _seen(project, _COMPARED)
    labels = _nearest(ground.labels, alpha.shape)
    size = (alpha.shape[1], alpha.shape[0])
    target = _resized(ground.picture, size, Image.Resampling.BICUBIC)
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
    behind = _resized(project.background, (width, height), Image.Resampling.BICUBIC)
    seen = np.dstack([behind / np.float32(255), np.zeros((height, width), np.float32)])
    for placement, move in zip(project.placements, project.moves, strict=True):
        window = drawn(placement, project.library, scale=scale, move=move)
        high, wide = window.pixels.shape[:2]
        rows = slice(max(0, window.top), max(0, window.top + high))
        columns = slice(max(0, window.left), max(0, window.left + wide))
        place = seen[rows, columns]
        cut = window.pixels[max(0, -window.top) :, max(0, -window.left) :]
        cut = cut[: place.shape[0], : place.shape[1]]
        place *= 1 - cut[..., 3:]
        place += cut
    return (seen[..., :3] * 255).clip(0, 255).astype(np.uint8), seen[..., 3]


def _nearest(labels: NDArray[np.intp], shape: tuple[int, ...]) -> NDArray[np.intp]:
    rows, columns = (np.arange(n) * m // n for n, m in zip(shape, labels.shape, strict=True))
    return np.asarray(labels[rows[:, None], columns])


def _bands(
    project: JigsawProject,
    scale: float,
    background: NDArray[np.uint8],
    progress: Progress = silent,
) -> Iterator[NDArray[np.uint8]]:
    return compose(
        project.placements,
        project.library,
        size=project.size,
        scale=scale,
        background=background,
        moves=project.moves,
        progress=progress,
    )


def _write_all(project: JigsawProject, progress: Progress) -> tuple[Path | None, Path | None]:
    request = project.request
    if request.geometry:
        names = [label(s) for s in project.library.sources]
        text = geojson(_in_target(project), names)
        write_bytes(Path(request.geometry), text.encode())
    if not request.output:
        return None, None
    output = Path(request.output)
    render_jigsaw(project, output, progress=progress)
    file = project_path(output)
    write_bytes(file, jigsaw_text(project, output.absolute().parent).encode("ascii"))
    return output, file


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
    rows = _bands(project, project.scale, project.background, progress)
    write_picture(rows, _size(project), output, dpi=request.dpi, quality=request.quality)


def _in_target(project: JigsawProject) -> list[Placement]:
    """Placements in pixels of the target, as cutters and plotters want them."""
    factor = project.target[0] / project.size[0]
    return [scaled(p, factor) for p in project.placements]


def _size(project: JigsawProject) -> tuple[int, int]:
    width, height = project.size
    return max(1, round(width * project.scale)), max(1, round(height * project.scale))
