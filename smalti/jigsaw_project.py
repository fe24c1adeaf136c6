"""The project of a jigsaw image mosaic."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smalti.aspect import picture_size
from smalti.ground import check_request
from smalti.jigsaw.energy import Terms
from smalti.jigsaw.placement import Placement
from smalti.jigsaw.pose import Pose
from smalti.jigsaw.shapes import POINTS, ShapeLibrary
from smalti.project import (
    MOST_RASTER,
    absolute,
    check_size,
    picture_of,
    picture_text,
    project_text,
    real,
    relative,
    whole,
)
from smalti.request import Jigsaw, Request

_MOST_TILES = 1_000_000
_MOST_PX = 100_000
_NO_LABEL = 0xFFFFFF


@dataclass(frozen=True, slots=True, eq=False)
class JigsawProject:
    """A jigsaw that has been packed.

    Attributes
    ----------
    request : Jigsaw
        What was asked for.
    size : (int, int)
        Width and height of the raster on which contours lie, px.
    target : (int, int)
        Width and height of the target, px.
    scale : float
        Pixels of the picture along a pixel of that raster.
    library : ShapeLibrary
        The shapes used, and no others.
    placements : tuple of Placement
        Their `tile` counts in `library`.
    moves : ndarray of shape (n, 3), float32
        CIELAB added to the colours of each tile.
    background : ndarray of shape (h, w, 3), uint8
        Small; it is blurred or of one colour.
    labels : ndarray of shape (height, width), intp, or None
        Containers drawn by hand, -1 for none; None where they are found again.
    """

    request: Jigsaw
    size: tuple[int, int]
    target: tuple[int, int]
    scale: float
    library: ShapeLibrary
    placements: tuple[Placement, ...]
    moves: NDArray[np.float32]
    background: NDArray[np.uint8]
    labels: NDArray[np.intp] | None = None


def jigsaw_text(project: JigsawProject, folder: Path) -> str:
    """Write a project as JSON text for a file in `folder`."""
    library, placements = project.library, project.placements
    return project_text(
        project.request,
        {
            "size": list(project.size),
            "target": list(project.target),
            "scale": project.scale,
            "shapes": [[relative(s.file, folder), s.part] for s in library.sources],
            "outlines": {
                "contour": library.contours.round(5).tolist(),
                "size": library.size.tolist(),
                "centroid": library.centroid.tolist(),
                "lab": library.lab.round(2).tolist(),
            },
            "placements": {
                "tile": [p.tile for p in placements],
                "container": [p.container for p in placements],
                "pose": [list(p.pose) for p in placements],
                "contour": [p.contour.tolist() for p in placements],
                "terms": [[round(term, 4) for term in p.terms] for p in placements],
                "move": project.moves.tolist(),
            },
            "background": picture_text(project.background),
            "labels": None if project.labels is None else picture_text(_coloured(project.labels)),
        },
    )


def build_jigsaw(request: Request, data: dict[str, Any], folder: Path) -> JigsawProject:
    """Make a project of a file's values; for `smalti.project.read_project`."""
    if not isinstance(request, Jigsaw):
        raise TypeError("it is no jigsaw")
    check_request(replace(request, output="", geometry=""))
    size, target, scale = sizes(data)
    width, height = size
    outlines, laid = data["outlines"], data["placements"]
    sources = tuple(absolute(file, part, folder) for file, part in data["shapes"])
    m, n = len(sources), len(laid["tile"])
    if not 1 <= n <= _MOST_TILES:
        raise ValueError(f"it has {n} tiles")
    contours = real(outlines["contour"], (m, POINTS, 2), 100)
    library = outlines_only(
        sources,
        contours,
        real(outlines["size"], (m,), _MOST_PX),
        real(outlines["centroid"], (m, 2), _MOST_PX),
        real(outlines["lab"], (m, 3), 200).astype(np.float32),
    )
    poses = posed(laid["pose"], n)
    shapes = real(laid["contour"], (n, POINTS, 2), _MOST_PX)
    terms = real(laid.get("terms", np.zeros((n, 4))), (n, 4), np.inf)
    tiles = whole(laid["tile"], (n,), 0, m - 1)
    containers = whole(laid["container"], (n,), 0, _MOST_PX)
    return JigsawProject(
        request=request,
        size=size,
        target=target,
        scale=scale,
        library=library,
        placements=tuple(
            Placement(int(t), int(c), Pose(*p), shape, Terms(*energies))
            for t, c, p, shape, energies in zip(
                tiles, containers, poses.tolist(), shapes, terms.tolist(), strict=True
            )
        ),
        moves=real(laid["move"], (n, 3), 200).astype(np.float32),
        background=picture_of(data["background"]),
        labels=_labels(data.get("labels"), width, height),
    )


def sizes(data: dict[str, Any]) -> tuple[tuple[int, int], tuple[int, int], float]:
    """Read sizes of the raster and of the target, px, and the scale of the picture."""
    width, height = whole(data["size"], (2,), 1, _MOST_PX).tolist()
    wide, high = whole(data["target"], (2,), 1, _MOST_PX).tolist()
    if width * height > MOST_RASTER:
        raise ValueError(f"its raster is {width} x {height} px")
    scale = float(data["scale"])
    if not 0.01 <= scale <= 1000:
        raise ValueError(f"scale is {scale}")
    check_size(*picture_size((width, height), (wide, high), scale))
    return (width, height), (wide, high), scale


def posed(values: Any, count: int) -> NDArray[np.float64]:
    """Read poses, (count, 4)."""
    poses = real(values, (count, 4), _MOST_PX)
    if not (poses[:, 1] > 0).all():
        raise ValueError("a tile has no size")
    return poses


def _coloured(labels: NDArray[np.intp]) -> NDArray[np.uint8]:
    """Paint containers in colours that `_labels` reads back: their numbers, white for none."""
    number = np.where(labels < 0, _NO_LABEL, labels)
    return np.stack([number >> 16, number >> 8 & 255, number & 255], axis=2).astype(np.uint8)


def _labels(text: Any, width: int, height: int) -> NDArray[np.intp] | None:
    if text is None:
        return None
    red, green, blue = np.moveaxis(picture_of(text).astype(np.intp), 2, 0)
    number: NDArray[np.intp] = (red << 16) + (green << 8) + blue
    if number.shape != (height, width):
        raise ValueError(f"labels are {number.shape[1]} x {number.shape[0]} px")
    return np.where(number == _NO_LABEL, -1, number)


def used_only(
    library: ShapeLibrary, placements: Sequence[Placement]
) -> tuple[ShapeLibrary, NDArray[np.intp]]:
    """Keep the shapes that are used, and say which of them each placement uses.

    Numbers are rounded as the project file rounds them, so that a picture and
    the one made again from its project are the same to the byte.
    """
    used, tile = np.unique([p.tile for p in placements], return_inverse=True)
    kept = outlines_only(
        tuple(library.sources[t] for t in used),
        library.contours[used].round(5),
        library.size[used],
        library.centroid[used],
        library.lab[used].round(2),
    )
    return kept, tile.astype(np.intp)


def outlines_only(
    sources: tuple[Any, ...],
    contours: NDArray[np.float64],
    size: NDArray[np.float64],
    centroid: NDArray[np.float64],
    lab: NDArray[np.float32],
) -> ShapeLibrary:
    """Make a library of what drawing needs; what only packing needs is left at zero."""
    count = len(sources)
    nothing = np.zeros(count, np.float32)
    return ShapeLibrary(
        sources=sources,
        contours=contours,
        size=size,
        centroid=centroid,
        lab=lab,
        spread=nothing,
        light=nothing,
        colours=np.zeros((count, 1, 1, 3), np.float32),
        reach=np.abs(contours).max((1, 2), initial=0),
        group=np.arange(count),
        skipped=(),
    )
