"""A packed jigsaw as a picture: in bands, in part, by containers; and written to files."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from smalti.aspect import picture_size
from smalti.core.atomic import accompanied, write_bytes
from smalti.core.checkpoint import fingerprint, resumed
from smalti.core.page import link_to, write_page
from smalti.core.progress import Progress, Step, silent
from smalti.core.source import label
from smalti.core.writers import check_output, write_picture
from smalti.ground import resized
from smalti.jigsaw.compose import DrawnTile, band_heights, compose, drawn, geojson, svg
from smalti.jigsaw.contour import filled_window
from smalti.jigsaw.placement import Placement, scaled
from smalti.jigsaw_project import JigsawProject, jigsaw_text
from smalti.plan import target_file
from smalti.project import project_path
from smalti.request import SHAPE_FORMATS

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


def bands(
    project: JigsawProject, progress: Progress = silent, start: int = 0
) -> Iterator[NDArray[np.uint8]]:
    """Draw the bands of the picture, from one of them on; see `compose`."""
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


def container_layers(project: JigsawProject) -> Iterator[ContainerLayer]:
    """Draw the tiles of each container apart, at the size of the picture."""
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


def seen(
    project: JigsawProject, scale: float, progress: Progress = silent
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Draw the mosaic small, and how far tiles cover each pixel; steps are of ``"measure"``."""
    width, height = (max(1, round(side * scale)) for side in project.size)
    behind = resized(project.background, (width, height), Image.Resampling.BICUBIC)
    mosaic = np.dstack([behind / np.float32(255), np.zeros((height, width), np.float32)])
    count = len(project.placements)
    for k, (placement, move) in enumerate(zip(project.placements, project.moves, strict=True)):
        progress(Step("measure", k, count))
        _lay_over(mosaic, drawn(placement, project.library, scale=scale, move=move), 0, 0)
    return (mosaic[..., :3] * 255).clip(0, 255).astype(np.uint8), mosaic[..., 3]


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


def written(
    project: JigsawProject, progress: Progress, *, part_of: tuple[int, int] | None = None
) -> tuple[Path | None, Path | None]:
    """Write all that the request asks for; return the files of picture and project.

    A sample is written as the picture would be that it is `part_of`, px.
    """
    request = project.request
    if request.geometry:
        names = [label(s) for s in project.library.sources]
        text = geojson(_in_target(project), names, project.target)
        write_bytes(Path(request.geometry), text.encode())
    if not request.output:
        return None, None
    output = Path(request.output)
    return output, save(project, output, progress, part_of=part_of)


def save(
    project: JigsawProject,
    output: Path,
    progress: Progress = silent,
    *,
    part_of: tuple[int, int] | None = None,
) -> Path:
    """Write a picture and the project beside it; return the project's file."""
    file = project_path(output)
    progress(Step("render", 0, 0, "writing the project"))
    with accompanied(file, jigsaw_text(project, output.absolute().parent).encode("ascii")):
        render_jigsaw(project, output, progress=progress, part_of=part_of)
    return file


def render_jigsaw(
    project: JigsawProject,
    output: Path,
    *,
    progress: Progress = silent,
    part_of: tuple[int, int] | None = None,
) -> tuple[int, int]:
    """Draw a jigsaw into a file; return its width and height, px."""
    size = _size(project)
    check_output(output, size, endings=SHAPE_FORMATS)
    if output.suffix.lower() == ".svg":
        size = project.target  # drawn in its pixels, at any size
    _write(project, output, progress, part_of or size)
    return size


def _write(
    project: JigsawProject, output: Path, progress: Progress, part_of: tuple[int, int]
) -> None:
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
    with _drawn(project, output, progress, part_of) as rows:
        if output.suffix.lower() == ".html":
            _write_page(project, rows, output, names, progress)
        else:
            size = _size(project)
            write_picture(
                rows,
                size,
                output,
                dpi=request.dpi,
                quality=request.quality,
                part_of=part_of,
                progress=progress,
            )


def _write_page(
    project: JigsawProject,
    rows: Iterator[NDArray[np.uint8]],
    output: Path,
    names: list[str],
    progress: Progress,
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
        progress=progress,
    )


@contextmanager
def _drawn(
    project: JigsawProject, output: Path, progress: Progress, part_of: tuple[int, int]
) -> Iterator[Iterator[NDArray[np.uint8]]]:
    """Draw the bands, those of a large picture from where a killed run left off."""
    width, height = _size(project)
    if math.prod(part_of) < _LARGE:
        yield bands(project, progress)
        return
    key = fingerprint(jigsaw_text(project, output.absolute().parent), project.library.sources)
    heights = band_heights(height)
    with resumed(output, key, heights, width, lambda k: bands(project, progress, k)) as kept:
        yield kept


def _in_target(project: JigsawProject) -> list[Placement]:
    """Placements in pixels of the target, as cutters and plotters want them."""
    factor = max(project.target) / max(project.size)
    return [scaled(p, factor) for p in project.placements]


def _size(project: JigsawProject) -> tuple[int, int]:
    return picture_size(project.size, project.target, project.scale)
