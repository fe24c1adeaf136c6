"""A job as an editor gives it: a request, raw pixels around it, and what is to come back."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smalti.core.errors import BadInput, printable
from smalti.plugin.raster import Raster, parse_raster, read_raster, write_raster
from smalti.request import Jigsaw, Photomosaic, Request, from_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from smalti.core.progress import Progress
    from smalti.mosaic import Mosaic

_NAMED = 5  # files left out that are named; the others are counted
_MOST_JOBS = 1024
_FARTHEST = 1e7  # px of the image that a point of a line may lie away
_LEAST_PX = 16  # as for Jigsaw.width, which no editor's user has asked for
_LINE_PX = 3  # width of a path drawn as a border
_PREVIEW_CELLS = 400
_PREVIEW_TILES = 60
_PREVIEW_FLAT = 300
_PREVIEW_S = 0.5  # of packing

Say = Callable[..., None]
Lines = tuple[tuple[tuple[float, float], ...], ...]


@dataclass(frozen=True, slots=True)
class Job:
    """One job.

    Attributes
    ----------
    folder : Path
        Where all its files lie.
    request : Photomosaic or Jigsaw
    target : Raster or None
        Pixels to imitate; None where the request names a file.
    mask : Raster or None
        The selection: the mosaic is as opaque as this, and for a jigsaw it is the container.
    areas : tuple of Raster
        Containers, each where its raster is opaque; the first lies on top.
    lines : tuple
        Polylines that are borders of containers, in px of the image.
    size : str
        ``"target"``: the picture has the target's size; ``"full"``: the request's own;
        ``"larger"``: its own where that is larger.
    layers : bool
        A picture of each container's tiles as well (jigsaw only).
    paths : bool
        All contours as SVG as well (jigsaw and decorative).
    preview : bool
        Something like the mosaic, at once.
    jobs : int
        Processes.
    """

    folder: Path
    request: Request
    target: Raster | None
    mask: Raster | None
    areas: tuple[Raster, ...]
    lines: Lines
    size: str
    layers: bool
    paths: bool
    preview: bool
    jobs: int

    @property
    def family(self) -> str:
        """``"photomosaic"``, ``"jigsaw"`` or ``"flat"``: which phases it goes through."""
        if isinstance(self.request, Photomosaic) or self.request.kind == "grid":
            return "photomosaic"
        return "jigsaw" if self.request.kind == "jigsaw" else "flat"


def parse_job(line: bytes, folder: Path, protocol: int) -> Job:
    """Read a job's line.

    Raises
    ------
    BadInput
        Naming what is malformed.
    """
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"the job is not one line of JSON: {printable(str(error))}") from None
    if not isinstance(values, dict) or values.pop("type", None) != "job":
        raise BadInput('the first line must be a job: {"type": "job", "protocol": 1, ...}')
    theirs = values.pop("protocol", None)
    if theirs != protocol:
        raise BadInput(
            f"the editor speaks protocol {theirs!r:.20} and this worker {protocol}: "
            "run `smalti gimp install` (or `smalti krita install`) again"
        )
    known = {"request", "target", "mask", "areas", "lines", "result", "layers", "paths", "preview",
             "jobs"}  # fmt: skip
    if strange := sorted(values.keys() - known):
        raise BadInput(f"the job has {strange[0]!r:.80}: it can have {', '.join(sorted(known))}")
    rasters = {
        what: None if values.get(what) is None else parse_raster(values[what], what, folder)
        for what in ("target", "mask")
    }
    areas = values.get("areas", [])
    if not isinstance(areas, list):
        raise BadInput(f"areas is {areas!r:.80}: a list of rasters")
    size = values.get("result", "target")
    if size not in ("target", "full", "larger"):
        raise BadInput(f"result is {size!r:.80}: target, full or larger")
    jobs = values.get("jobs") or os.cpu_count() or 1
    if not isinstance(jobs, int) or isinstance(jobs, bool) or not 1 <= jobs <= _MOST_JOBS:
        raise BadInput(f"jobs is {jobs!r:.80}: a number of processes, 1 to {_MOST_JOBS}")
    return Job(
        folder,
        _request(values.get("request"), rasters["target"]),
        rasters["target"],
        rasters["mask"],
        tuple(parse_raster(a, f"area {i + 1}", folder) for i, a in enumerate(areas)),
        _lines(values.get("lines", [])),
        size,
        _flag(values, "layers"),
        _flag(values, "paths"),
        _flag(values, "preview"),
        jobs,
    )


def _request(values: Any, target: Raster | None) -> Request:
    if isinstance(values, dict) and target is not None:
        values = {**values, "target": "target"}
    try:
        return from_json(json.dumps(values))
    except (ValueError, RecursionError) as error:
        raise BadInput(f"the request cannot be used: {error}") from None


def _flag(values: dict[str, Any], name: str) -> bool:
    value = values.get(name, False)
    if not isinstance(value, bool):
        raise BadInput(f"{name} is {value!r:.80}: true or false")
    return value


def _lines(values: Any) -> Lines:
    try:
        lines = tuple(tuple((float(x), float(y)) for x, y in line) for line in values)
    except (TypeError, ValueError, OverflowError):
        raise BadInput("lines are lists of [x, y] points, px of the image") from None
    if not all(abs(number) <= _FARTHEST for line in lines for point in line for number in point):
        raise BadInput(f"a point of the lines lies beyond {_FARTHEST:,.0f} px")
    return lines


def run_job(job: Job, progress: "Progress", say: Say) -> dict[str, Any]:
    """Make the mosaic, write its pixels into the folder, and describe them.

    Returns
    -------
    dict
        ``result``, a raster; ``layers``, a list of them with names; ``paths``, a file's
        name or None; ``summary``, a sentence; ``report``, what ``--json`` prints.
    """
    from smalti.core.picture import read_picture
    from smalti.mosaic import make_mosaic
    from smalti.plugin.pool import workers

    request, alpha, size = _prepared(job)
    if job.preview:
        request = _hurried(request)
    output = job.folder / "mosaic.tif"
    request = replace(request, output=str(output))
    with workers(1 if job.preview else job.jobs) as pool:
        made = make_mosaic(request, executor=pool, progress=progress)
    for skip in made.skipped[:_NAMED]:
        say("warning", text=f"left out {printable(skip.file)}: {skip.reason}")
    if len(made.skipped) > _NAMED:
        say("warning", text=f"left out {len(made.skipped) - _NAMED:,} more files")
    picture = read_picture(output).pixels
    own = (picture.shape[1], picture.shape[0])
    full = size is None or job.size == "full" or (job.size == "larger" and max(own) > max(size))
    wanted = own if full or size is None else size
    x, y = (job.target.x, job.target.y) if job.target and not full else (0, 0)
    return {
        "result": _result(job, picture, alpha, wanted, (x, y)),
        "full": full,
        "layers": list(_layers(job, made, None if full else alpha, (x, y))) if job.layers else [],
        "paths": _paths(job, made, full, (x, y)) if job.paths else None,
        "summary": _summary(made),
        "report": made.report(),
    }


def _prepared(job: Job) -> "tuple[Request, NDArray[np.uint8] | None, tuple[int, int] | None]":
    """Write the pictures the engine reads; return its request, the opacity, and the size."""
    import numpy as np
    from PIL import Image

    request = job.request
    if job.target is None:
        if job.mask or job.areas or job.lines:
            raise BadInput("mask, areas and lines belong to a target given as pixels")
        return request, None, None
    colour, alpha = read_raster(job.target)
    size = (job.target.width, job.target.height)
    if alpha is not None and not alpha.any():
        raise BadInput("there is nothing to imitate: the layer is transparent everywhere here")
    if job.mask is not None:
        if (job.mask.width, job.mask.height) != size:
            raise BadInput(
                f"the mask is {job.mask.width} x {job.mask.height} px and the target "
                f"{size[0]} x {size[1]}: give both for one rectangle"
            )
        selected, _ = read_raster(job.mask)
        selected = selected if selected.ndim == 2 else selected.max(axis=2)
        both = selected if alpha is None else (selected.astype(np.uint16) * alpha + 127) // 255
        opacity: NDArray[np.uint8] | None = both.astype(np.uint8)
    else:
        opacity = alpha
    if opacity is not None and not opacity.any():
        raise BadInput("there is nothing to fill: nothing opaque of the layer is selected")
    if colour.ndim == 2:
        colour = np.repeat(colour[..., None], 3, axis=2)
    if alpha is not None:
        colour = np.dstack([colour, alpha])
    target = job.folder / "target.tif"
    Image.fromarray(colour).save(target)
    request = replace(request, target=str(target))
    if isinstance(request, Photomosaic):
        return _fitted(request, job, size), opacity, size
    return _contained(request, job, opacity, size), opacity, size


def _fitted(request: Photomosaic, job: Job, size: tuple[int, int]) -> Photomosaic:
    """Cover the target to the pixel, and draw no more than it can show."""
    request = replace(request, fit="exact" if request.fit == "crop" else request.fit)
    if job.size != "target":
        return request
    return replace(request, tile_px=None, width_cm=size[0] / request.dpi * 2.54)


def _contained(
    request: Jigsaw, job: Job, opacity: "NDArray[np.uint8] | None", size: tuple[int, int]
) -> Jigsaw:
    """Give the engine the containers as pictures of the target's size."""
    import numpy as np
    from PIL import Image

    request = replace(request, keep_frame=True)
    if job.size == "target" or (job.size == "larger" and request.width < max(size)):
        if max(size) < _LEAST_PX:
            raise BadInput(
                f"there are only {size[0]} x {size[1]} px to fill, and {_LEAST_PX} on the long "
                "side are needed: enlarge the layer, or select more of it"
            )
        request = replace(request, width=max(size))
    inside = np.ones(size[::-1], bool) if opacity is None else opacity > 127
    if not inside.any():
        raise BadInput("there is nothing to fill: nothing is selected by more than half")
    edges = _drawn(job, size) if job.lines else None
    if job.areas or (edges is not None and opacity is not None):
        labels = _labels(job, inside, edges)
        picture = np.stack([labels >> 16, labels >> 8, labels, 255 * (labels > 0)], axis=-1)
        file = job.folder / "labels.png"
        Image.fromarray(picture.astype(np.uint8)).save(file, compress_level=1)
        return replace(request, labels=str(file), mask="", segments=None)
    if opacity is not None:
        file = job.folder / "mask.png"
        Image.fromarray(np.where(inside, 255, 0).astype(np.uint8)).save(file, compress_level=1)
        return replace(request, mask=str(file), segments=None)
    if edges is not None:
        file = job.folder / "edges.png"
        Image.fromarray(np.where(edges, 0, 255).astype(np.uint8)).save(file, compress_level=1)
        return replace(request, edges=str(file))
    return request


def _drawn(job: Job, size: tuple[int, int]) -> "NDArray[np.bool_]":
    import numpy as np
    from PIL import Image, ImageDraw

    assert job.target is not None
    picture = Image.new("L", size, 0)
    pen = ImageDraw.Draw(picture)
    width = max(_LINE_PX, max(size) // 300)
    for line in job.lines:
        points = [(x - job.target.x, y - job.target.y) for x, y in line]
        pen.line(points, fill=255, width=width)
    return np.asarray(picture) > 0


def _labels(
    job: Job, inside: "NDArray[np.bool_]", edges: "NDArray[np.bool_] | None"
) -> "NDArray[np.int32]":
    """Give containers numbers from 1: areas, cut by lines; 0 is not to be filled."""
    import numpy as np
    from scipy import ndimage

    assert job.target is not None
    labels = np.where(inside, 0 if job.areas else 1, 0).astype(np.int32)
    for number, area in reversed(list(enumerate(job.areas, 1))):
        colour, alpha = read_raster(area)
        left, top = area.x - job.target.x, area.y - job.target.y
        rows = slice(max(0, top), max(0, min(top + area.height, len(labels))))
        columns = slice(max(0, left), max(0, min(left + area.width, labels.shape[1])))
        seen = _opaque(colour, alpha, area)[
            rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
        ]
        labels[rows, columns][seen] = number
    labels[~inside] = 0
    if not labels.any():
        raise BadInput("there is nothing to fill: the layers show nothing opaque here")
    if edges is None:
        return labels
    cut = np.zeros_like(labels)
    count = 0
    for number in np.unique(labels[labels > 0]):
        parts, found = ndimage.label((labels == number) & ~edges)
        cut = np.where(parts > 0, parts + count, cut)
        count += found
    # What the lines themselves cover goes to the nearest part.
    near = ndimage.distance_transform_edt(cut == 0, return_distances=False, return_indices=True)
    return np.where(labels > 0, cut[tuple(near)], 0).astype(np.int32)


def _opaque(
    colour: "NDArray[np.uint8]", alpha: "NDArray[np.uint8] | None", area: Raster
) -> "NDArray[np.bool_]":
    """Where an area is: where its alpha is, or where it is light if it has one number a pixel."""
    import numpy as np

    if area.format.startswith("Y "):
        return np.asarray(colour > 127)
    return np.ones(colour.shape[:2], bool) if alpha is None else np.asarray(alpha > 127)


def _hurried(request: Request) -> Request:
    """Ask for less, so that a preview is there at once."""
    if isinstance(request, Photomosaic):
        cells, grid = request.cells, request.grid
        if grid is not None and grid[0] * grid[1] > _PREVIEW_CELLS:
            shrink = (_PREVIEW_CELLS / (grid[0] * grid[1])) ** 0.5
            grid = (max(1, int(grid[0] * shrink)), max(1, int(grid[1] * shrink)))
        elif grid is None:
            cells = min(cells or _PREVIEW_CELLS, _PREVIEW_CELLS)
        return replace(request, cells=cells, grid=grid, detail=min(3, request.detail), variants=())
    if request.kind != "jigsaw":
        return replace(request, tiles=min(request.tiles or _PREVIEW_FLAT, _PREVIEW_FLAT))
    return replace(
        request,
        tiles=min(request.tiles or _PREVIEW_TILES, _PREVIEW_TILES),
        tile_px=None,
        deform=0.0,
        time_limit=_PREVIEW_S,
    )


def _result(
    job: Job,
    pixels: "NDArray[np.uint8]",
    alpha: "NDArray[np.uint8] | None",
    wanted: tuple[int, int],
    corner: tuple[int, int],
) -> dict[str, Any]:
    """Bring the picture to the size and opacity asked for."""
    import numpy as np
    from PIL import Image

    if (pixels.shape[1], pixels.shape[0]) != wanted:
        pixels = np.asarray(Image.fromarray(pixels).resize(wanted, Image.Resampling.LANCZOS))
    if alpha is not None:
        if (alpha.shape[1], alpha.shape[0]) != wanted:
            alpha = np.asarray(Image.fromarray(alpha).resize(wanted, Image.Resampling.BILINEAR))
        pixels = np.dstack([pixels, alpha])
    return write_raster(pixels, job.folder / "result.raw", *corner)


def _layers(
    job: Job, made: "Mosaic", alpha: "NDArray[np.uint8] | None", corner: tuple[int, int]
) -> Iterator[dict[str, Any]]:
    from smalti.jigsaw_mosaic import JigsawMosaic

    if not isinstance(made, JigsawMosaic):
        raise BadInput("layers: only a jigsaw of clip art has containers to make layers of")
    for one in made.container_layers():
        pixels = one.pixels
        if alpha is not None:  # nothing outside the selection
            height, width = pixels.shape[:2]
            within = alpha[one.top : one.top + height, one.left : one.left + width]
            pixels[..., 3] = (pixels[..., 3].astype(int) * within + 127) // 255
        file = job.folder / f"layer-{one.container}.raw"
        described = write_raster(pixels, file, one.left + corner[0], one.top + corner[1])
        yield {**described, "name": f"container {one.container + 1}"}


def _paths(job: Job, made: "Mosaic", full: bool, corner: tuple[int, int]) -> str:
    """Write all contours as one SVG path, px of the image the result belongs to."""
    from smalti.grid_mosaic import GridMosaic
    from smalti.jigsaw.placement import scaled

    if isinstance(made, GridMosaic):
        raise BadInput("paths: the cells of a photomosaic are a grid; only a jigsaw has contours")
    project = made.project
    factor = project.scale if full else max(project.target) / max(project.size)
    drawn = (
        "M"
        + "L".join(
            f"{x + corner[0]:.2f},{y + corner[1]:.2f} " for x, y in scaled(p, factor).contour
        )
        + "Z"
        for p in project.placements
    )
    text = f'<svg xmlns="http://www.w3.org/2000/svg"><path d="{" ".join(drawn)}"/></svg>\n'
    (job.folder / "paths.svg").write_text(text, "ascii")
    return "paths.svg"


def _summary(made: "Mosaic") -> str:
    from smalti.grid_mosaic import GridMosaic

    if isinstance(made, GridMosaic):
        grid = made.project.layout.grid
        return f"{grid.columns} x {grid.rows} cells, {made.quality.distinct:,} different photos"
    containers = "1 container" if made.containers == 1 else f"{made.containers} containers"
    return f"{len(made.project.placements):,} tiles in {containers}"
