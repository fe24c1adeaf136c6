"""What a door asks for: one frozen record, to and from JSON; standard library only.

An editor's plug-in runs in the editor's own Python and ships this file alone,
so nothing else of smalti may be imported here. Values are checked where they
are used: `smalti.mosaic.make_mosaic` refuses what it cannot use.
"""

import json
from dataclasses import asdict, dataclass, fields
from typing import Any

FORMATS = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".dzi", ".html")
VARIANTS = ("mirror", "crops", "turns")
SPACES = ("rgb", "lab", "oklab")
METRICS = ("sqeuclidean", "euclidean", "l1", "cosine")


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
        Columns and rows exactly, instead of `cells`.
    aspect : (float, float) or None
        Width and height of a tile, in any unit; None for the library's commonest.
    fit : str
        ``"crop"`` the target to the grid, or ``"pad"`` it with `background`.
    crop : str
        Which part of a photo of another aspect is kept: ``"centre"`` or ``"attention"``.
    background : str
        Colour behind transparent pixels and padding; a CSS name or ``#rrggbb``.
    tile_px : int or None
        Width of a tile in the output, px; None for a size the photos can fill.
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
    adjust : float
        How far a tile's mean colour moves to its cell's, 0 to 1.
    variants : tuple of str
        Ways a photo may be used, from `VARIANTS`; it counts once whichever is.
    space : str
        Colour space of the comparison, from `SPACES`.
    detail : int
        Tiles are compared as ``detail`` x ``detail`` block means.
    metric : str
        Distance of feature rows, from `METRICS`.
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
    adjust: float = 0.7
    variants: tuple[str, ...] = ("mirror", "crops")
    space: str = "rgb"
    detail: int = 6
    metric: str = "sqeuclidean"
    seed: int = 0
    quality: int = 92
    strict: bool = False

    def to_json(self) -> str:
        """Return the request as one line of JSON that `from_json` reads back."""
        return json.dumps({"kind": "photomosaic", **asdict(self)})

    @classmethod
    def from_json(cls, text: str) -> "Photomosaic":
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
        if not isinstance(values, dict) or values.pop("kind", None) != "photomosaic":
            raise ValueError('a request is a JSON object with "kind": "photomosaic"')
        known = {field.name: field for field in fields(cls)}
        for name, value in values.items():
            if name not in known:
                raise ValueError(f"unknown field {name!r} in the request")
            if not _fits(value, str(known[name].type)):
                raise ValueError(f"field {name!r} of the request cannot be {value!r}")
        if missing := {"target", "photos"} - values.keys():
            raise ValueError(f"the request lacks {', '.join(sorted(missing))}")
        frozen: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in values.items()
        }
        return cls(**frozen)


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
