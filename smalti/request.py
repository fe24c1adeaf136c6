"""What a door asks for: one frozen record, to and from JSON; standard library only.

An editor's plug-in runs in the editor's own Python and ships this file alone,
so nothing else of smalti may be imported here. Values are checked where they
are used: `smalti.mosaic.make_mosaic` refuses what it cannot use.
"""

import json
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any

FORMATS = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".dzi", ".html")
KINDS = ("jigsaw", "decorative", "voronoi", "grid")
FLAT_FORMATS = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".dzi")
"""The same of a decorative mosaic or Voronoi picture."""
SHAPE_FORMATS = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".dzi", ".html", ".svg")
VARIANTS = ("mirror", "crops", "turns")
FEATURES = ("means", "wavelets")
CORRECTIONS = ("shift", "scale")
SPACES = ("rgb", "lab", "oklab")
METRICS = ("sqeuclidean", "euclidean", "l1", "cosine", "ciede2000")
SOLVERS = (
    *("exact", "nearest", "nearest-random", "greedy", "swaps", "two-swap"),
    *("iterative-improvement", "cep", "block-matching"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Photomosaic:
    """A photomosaic to make.

    Attributes
    ----------
    target : str
        Picture to imitate: a file, or ``@demo`` and ``@NAME`` for the ones shipped.
    photos : tuple of str
        Folders, files, globs, ``.zip``, sheets (``atlas.jpg#32``), ``.npz`` or ``@demo``.
    output : str
        File to write, its ending one of `FORMATS`; empty to write nothing.
    cells : int or None
        About how many cells; None for a number that suits the photos.
    grid : (int, int) or None
        Columns and rows exactly, instead of `cells`; not with `adaptive`.
    adaptive : bool
        Cells of three sizes, small where there is detail, instead of equal ones.
    brick : bool
        Every other row shifted by half a cell, cells of half the size at its ends.
    aspect : (float, float) or None
        Width and height of a tile, in any unit; None for the library's commonest.
    fit : str
        ``"crop"`` the target to the grid, ``"pad"`` it with `background`, or
        ``"exact"``: tiles give way a little, and cover the target to the pixel.
    crop : str
        Which part of a photo of another aspect is kept: ``"centre"`` or ``"attention"``.
    background : str
        Colour behind transparent pixels and padding; a CSS name or ``#rrggbb``.
    tile_px : int or None
        Width of a tile in the output, px; None for a size the photos can fill. Of
        the smallest ones if `adaptive` or `brick`.
    width_cm : float or None
        Width of the print instead of `tile_px`, cm.
    dpi : float
        Dots an inch, written into the file.
    max_uses : int
        How often a photo, with its near-duplicates, may appear.
    repeats : str
        ``"limited"`` by `max_uses`, or ``"free"``: the nearest tile everywhere.
    twins : str
        ``"group"`` near-duplicates under one limit, or ``"keep"`` each its own.
    spacing : int
        Copies of a photo, or of its near-duplicates, lie at least so many cells
        apart, along rows or columns; as far as that can be reached.
    ban, must_appear : tuple of str
        Photos never used, and such as are used once at least; the other
        near-duplicates of one that must appear stand back. File names, ends of
        paths, or globs.
    lock : tuple of str
        ``"COLUMN,ROW=NAME"``, both counted from 1 at the top left: that photo there.
    weight : str
        What counts more: ``"edges"``, ``"faces"``, or a picture of the target's
        shape, light where it counts; empty for every cell the same.
    adjust : float
        How far a tile's mean colour moves to its cell's, 0 to 1.
    correction : str
        How it is moved, from `CORRECTIONS`: ``"shift"``, or ``"scale"`` for a
        shift and as much less contrast as keeps colours from being clipped.
    transfer : float
        How far the colours of all photos move towards the target's palette first, 0 to 1.
    variants : tuple of str
        Ways a photo may be used, from `VARIANTS`; it counts once whichever is.
    features : str
        What is compared, from `FEATURES`: block means, or their wavelets.
    space : str
        Colour space of the comparison, from `SPACES`.
    detail : int
        Tiles are compared as ``detail`` x ``detail`` block means.
    metric : str
        Distance of feature rows, from `METRICS`; ``"ciede2000"`` wants `space` ``"lab"``,
        `adjust` 0 and a `detail` of 3 at most.
    solver : str
        From `SOLVERS`: ``"exact"``, or a heuristic of the field.
    audit : bool
        Whether the exact solver proves its answer by a pass over all pairs.
    time_limit : float or None
        Seconds after which a heuristic's assignment is taken as it is.
    seed : int
        Of everything random.
    quality : int
        Of JPEG and WebP, 1 to 100.
    strict : bool
        Stop at the first photo that cannot be used, instead of leaving it out.
    """

    target: str
    photos: tuple[str, ...]
    output: str = ""
    cells: int | None = None
    grid: tuple[int, int] | None = None
    adaptive: bool = False
    brick: bool = False
    aspect: tuple[float, float] | None = None
    fit: str = "crop"
    crop: str = "centre"
    background: str = "white"
    tile_px: int | None = None
    width_cm: float | None = None
    dpi: float = 300.0
    max_uses: int = 1
    repeats: str = "limited"
    twins: str = "group"
    spacing: int = 1
    ban: tuple[str, ...] = ()
    must_appear: tuple[str, ...] = ()
    lock: tuple[str, ...] = ()
    weight: str = ""
    adjust: float = 0.7
    correction: str = "shift"
    transfer: float = 0.0
    variants: tuple[str, ...] = ("mirror", "crops")
    features: str = "means"
    space: str = "rgb"
    detail: int = 6
    metric: str = "sqeuclidean"
    solver: str = "exact"
    audit: bool = True
    time_limit: float | None = None
    seed: int = 0
    quality: int = 92
    strict: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Jigsaw:
    """A jigsaw image mosaic to make: clip art packed into the shapes of a picture.

    Attributes
    ----------
    target : str
        Picture to imitate: a file, or ``@demo`` and ``@NAME`` for the ones shipped.
    shapes : tuple of str
        Folders, files, ``.zip`` of clip art, or ``@demo``.
    output : str
        File to write, its ending one of `SHAPE_FORMATS`; empty to write nothing.
    geometry : str
        GeoJSON file for every final contour; empty for none.
    tiles : int or None
        About how many tiles; None for 1200.
    tile_px : float or None
        Side of a mean tile in the picture, px, instead of `tiles`.
    size_ratio : float or None
        Largest over smallest tile, at most; None for 4, and 5 where a face is found.
    segments : int or None
        About how many containers; None for as many as the picture has.
    labels, mask, edges, colors : str
        Pictures of the target's shape: containers by colour, nothing where it is
        transparent; one container where it is light; extra borders where it is dark
        or opaque; colours instead of the target's. Empty for none.
    keep_frame : bool
        Do not cut off bands of one colour around the target. Nothing is cut off
        either where pictures of the target's shape are given.
    w_color, w_gap, w_overlap, w_deform, w_look : float
        Weights of the energy (equation 7).
    deform : float
        How far tiles may be deformed; 0 leaves them rigid, 1 is usual.
    rotate : str
        ``"free"``, ``"upright"``, or the largest turn in degrees.
    adjust : float
        How far a tile's colour moves to its place's, 0 to 1, and at most 25 dE.
    background : str
        ``"darken"`` for the blurred target, darkened; ``"target"``; or a colour.
    reuse : int or None
        How often a tile may appear; None for a limit that suits the number of tiles.
    spacing : float
        Nearer than this many tiles, copies of a tile cost more.
    kind : str
        ``"jigsaw"`` of clip art; ``"decorative"`` squares of one colour, turned along the
        borders (Hausner); ``"voronoi"`` cells (Haeberli), neither of which needs
        shapes; or ``"grid"``, the photomosaic of the shapes as they are.
    candidates : str
        ``"scan"`` of a colour shortlist, or geometric ``"hashing"``.
    shortlist : int
        How many shapes of the nearest colours are tried at a place.
    time_limit : float or None
        Seconds after which the packing is taken as it is.
    keep_partial : bool
        A cancel ends the packing or the refining at hand, and the mosaic is made of
        what there is.
    width : int
        Long side of the picture, px.
    dpi : float
        Dots an inch, written into the file.
    quality : int
        Of JPEG and WebP, 1 to 100.
    seed : int
        Of everything random.
    strict : bool
        Stop at the first shape that cannot be used, instead of leaving it out.
    """

    target: str
    shapes: tuple[str, ...]
    output: str = ""
    geometry: str = ""
    tiles: int | None = None
    tile_px: float | None = None
    size_ratio: float | None = None
    segments: int | None = None
    labels: str = ""
    mask: str = ""
    edges: str = ""
    colors: str = ""
    keep_frame: bool = False
    w_color: float = 1.0
    w_gap: float = 1.0
    w_overlap: float = 1.0
    w_deform: float = 1.0
    w_look: float = 1.0
    deform: float = 1.0
    rotate: str = "free"
    adjust: float = 0.6
    background: str = "darken"
    reuse: int | None = None
    spacing: float = 6.0
    kind: str = "jigsaw"
    candidates: str = "scan"
    shortlist: int = 90
    time_limit: float | None = None
    keep_partial: bool = False
    width: int = 3000
    dpi: float = 300.0
    quality: int = 92
    seed: int = 0
    strict: bool = False


Request = Photomosaic | Jigsaw
_TYPES: dict[str, type[Photomosaic] | type[Jigsaw]] = {"photomosaic": Photomosaic, "jigsaw": Jigsaw}


def to_json(request: Request) -> str:
    """Return a request as one line of JSON that `from_json` reads back."""
    return json.dumps({"type": type(request).__name__.lower(), **asdict(request)})


def from_json(text: str) -> Request:
    """Build a request from `to_json`'s text.

    Raises
    ------
    ValueError
        Naming what is malformed: not JSON, another kind, an unknown or
        missing field, a value of the wrong type.
    """
    try:
        values = json.loads(text)
    except RecursionError:
        raise ValueError("a request is not nested that deeply") from None
    name = values.pop("type", None) if isinstance(values, dict) else None
    if not isinstance(name, str) or name not in _TYPES:
        raise ValueError(f'a request is a JSON object with a "type" of {", ".join(_TYPES)}')
    known = {field.name: field for field in fields(_TYPES[name])}
    for key, value in values.items():
        if key not in known:
            raise ValueError(f"unknown field {key!r:.80} in the request")
        if not _fits(value, str(known[key].type)):
            raise ValueError(f"field {key!r} of the request cannot be {value!r:.80}")
    needed = {key for key, field in known.items() if field.default is MISSING}
    if missing := needed - values.keys():
        raise ValueError(f"the request lacks {', '.join(sorted(missing))}")
    frozen: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    return _TYPES[name](**frozen)


def _fits(value: Any, annotation: str) -> bool:
    """Whether a JSON value may stand in a field of the annotated type."""
    options = annotation.split(" | ")
    if value is None:
        return "None" in options
    kind = options[0].removeprefix("<class '").removesuffix("'>")
    if kind.startswith("tuple["):
        inner = [part.strip() for part in kind[6:-1].split(",")]
        if not isinstance(value, list):
            return False
        if inner[-1] == "...":
            return all(_fits(item, inner[0]) for item in value)
        return len(value) == len(inner) and all(map(_fits, value, inner))
    if kind in ("int", "float"):
        kinds = (int,) if kind == "int" else (int, float)
        return isinstance(value, kinds) and not isinstance(value, bool)
    return type(value).__name__ == kind
