"""Mosaics of single-colour tiles, as special cases of the jigsaw (paper 004, section 4.1)."""

from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import smalti
from smalti.aspect import in_shape, picture_size
from smalti.core.atomic import accompanied, write_bytes
from smalti.core.color import from_lab
from smalti.core.errors import printable
from smalti.core.progress import Progress, Step, named, silent
from smalti.core.source import Skipped
from smalti.core.writers import check_output, write_picture
from smalti.ground import background_of, check_request, lay_ground
from smalti.jigsaw.compose import geojson
from smalti.jigsaw.decorative import decorative, flat_picture, voronoi
from smalti.jigsaw.frame import Frame
from smalti.jigsaw.placement import Placement, scaled
from smalti.jigsaw.pose import Pose
from smalti.jigsaw.quality import measure_packing
from smalti.jigsaw.shapes import POINTS
from smalti.jigsaw_project import posed, sizes
from smalti.project import picture_of, picture_text, project_path, project_text, real, whole
from smalti.request import FLAT_FORMATS, Jigsaw, Request
from smalti.resources import Stopwatch, peak_mb

_MOST_PX = 100_000


@dataclass(frozen=True, slots=True, eq=False)
class FlatProject:
    """Tiles of one colour each, laid.

    Attributes
    ----------
    request : Jigsaw
    size, target : (int, int)
        Width and height of the raster on which contours lie, and of the target, px.
    scale : float
        Pixels of the picture along a pixel of that raster.
    placements : tuple of Placement
        Their `tile` counts in `colours`.
    colours : ndarray of shape (n, 3), float32, CIELAB
    background : ndarray of shape (h, w, 3), uint8
    """

    request: Jigsaw
    size: tuple[int, int]
    target: tuple[int, int]
    scale: float
    placements: tuple[Placement, ...]
    colours: NDArray[np.float32]
    background: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class FlatMosaic:
    """A decorative mosaic or Voronoi picture."""

    project: FlatProject
    containers: int
    frame: Frame
    quality: dict[str, float]
    seconds: dict[str, float]
    output: Path | None = None
    project_file: Path | None = None
    skipped: tuple[Skipped, ...] = ()

    def pixels(self) -> NDArray[np.uint8]:
        """Draw the mosaic in memory, (H, W, 3) uint8 sRGB."""
        return np.concatenate(list(_bands(self.project)))

    def report(self) -> dict[str, Any]:
        """Return what ``--json`` prints, as plain values."""
        return {
            "output": self.output and printable(str(self.output)),
            "project": self.project_file and printable(str(self.project_file)),
            "tiles": len(self.project.placements),
            "containers": self.containers,
            "trimmed": self.frame._asdict(),
            "quality": self.quality,
            "seconds": self.seconds,
            "skipped": [],
            "peak_mb": peak_mb(),
            "seed": self.project.request.seed,
            "version": smalti.__version__,
        }


def make_flat(
    request: Jigsaw,
    *,
    executor: Executor | None = None,
    progress: Progress = silent,
    index: Path | None = None,
) -> FlatMosaic:
    """Make a mosaic of single-colour tiles; see `smalti.mosaic.make_mosaic`.

    `executor` and `index` are there for the sake of one call; nothing is read
    but the target, and one core suffices.
    """
    lap = Stopwatch()
    check_request(request)
    ground = lay_ground(request, progress)
    lap("segment")
    lay = decorative if request.kind == "decorative" else voronoi
    placements, colours = lay(
        ground.labels,
        ground.goal,
        tiles=ground.tiles,
        rng=np.random.default_rng(request.seed),
        progress=progress,
    )
    lap("pack")
    part = named("measuring the packing", progress)
    packing = measure_packing(placements, ground.labels, np.arange(len(placements)), progress=part)
    lap("measure")
    progress(Step("render", 0, 0, "writing the project"))
    height, width = ground.labels.shape
    project = FlatProject(
        request=request,
        size=(width, height),
        target=ground.target,
        scale=request.width / max(width, height),
        placements=tuple(in_shape(placements, (width, height), ground.target)),
        colours=colours,
        background=background_of(request, ground),
    )
    if request.geometry:
        factor = max(project.target) / max(project.size)
        names = [
            f"#{r:02x}{g:02x}{b:02x}"
            for r, g, b in np.rint(from_lab(colours).clip(0, 255)).astype(int)
        ]
        laid = [scaled(p, factor) for p in project.placements]
        text = geojson(laid, names, project.target)
        write_bytes(Path(request.geometry), text.encode())
    output = Path(request.output) if request.output else None
    file = project_path(output) if output else None
    if output and file:
        with accompanied(file, flat_text(project).encode("ascii")):
            render_flat(project, output, progress=progress)
    lap("render")
    containers = len(np.unique(ground.labels[ground.labels >= 0]))
    return FlatMosaic(
        project, containers, ground.frame, asdict(packing), lap.seconds(), output, file
    )


def render_flat(
    project: FlatProject, output: Path, *, progress: Progress = silent
) -> tuple[int, int]:
    """Draw single-colour tiles into a file; return its width and height, px."""
    width, height = picture_size(project.size, project.target, project.scale)
    check_output(output, (width, height), endings=FLAT_FORMATS)
    request = project.request
    bands = _told(_bands(project), height, progress)
    write_picture(
        bands,
        (width, height),
        output,
        dpi=request.dpi,
        quality=request.quality,
        progress=progress,
    )
    return width, height


def flat_text(project: FlatProject) -> str:
    """Write a project as JSON text."""
    placements = project.placements
    return project_text(
        project.request,
        {
            "size": list(project.size),
            "target": list(project.target),
            "scale": project.scale,
            "placements": {
                "container": [p.container for p in placements],
                "pose": [list(p.pose) for p in placements],
                "contour": [p.contour.tolist() for p in placements],
                "colour": project.colours.tolist(),
            },
            "background": picture_text(project.background),
        },
    )


def build_flat(request: Request, data: dict[str, Any], folder: Path) -> FlatProject:
    """Make a project of a file's values; for `smalti.project.read_project`."""
    if not isinstance(request, Jigsaw):
        raise TypeError("it is no mosaic of single-colour tiles")
    check_request(replace(request, output="", geometry=""))
    size, target, scale = sizes(data)
    laid = data["placements"]
    count = len(laid["contour"])
    if not count or request.kind == "grid":
        raise ValueError("it has no tiles")
    contours = real(laid["contour"], (count, POINTS, 2), _MOST_PX)
    poses = posed(laid["pose"], count).tolist()
    containers = whole(laid["container"], (count,), 0, _MOST_PX)
    return FlatProject(
        request=request,
        size=size,
        target=target,
        scale=scale,
        placements=tuple(
            Placement(k, int(c), Pose(*p), contour)
            for k, (c, p, contour) in enumerate(zip(containers, poses, contours, strict=True))
        ),
        colours=real(laid["colour"], (count, 3), 300).astype(np.float32),
        background=picture_of(data["background"]),
    )


def _bands(project: FlatProject) -> Iterator[NDArray[np.uint8]]:
    width, height = picture_size(project.size, project.target, project.scale)
    return flat_picture(
        project.placements,
        project.colours,
        size=(width / project.scale, height / project.scale),
        scale=project.scale,
        background=project.background,
    )


def _told(
    bands: Iterator[NDArray[np.uint8]], height: int, progress: Progress
) -> Iterator[NDArray[np.uint8]]:
    done = 0
    for band in bands:
        progress(Step("render", done, height, "drawing"))
        yield band
        done += len(band)
    progress(Step("render", height, height, "drawing"))
