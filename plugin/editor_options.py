"""The options of each kind of mosaic in an editor, and the request they make; stdlib only."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from smalti.plugin.editor import PlainError
from smalti.request import METRICS, SPACES, VARIANTS, Jigsaw, Photomosaic, Request, to_json

SEGMENTS_FROM = ("automatic", "layers", "selection", "path")
RESULTS = ("automatic", "layer", "image")


class BadOption(PlainError):
    """An option that cannot be used."""


@dataclass(frozen=True)
class Option:
    """One argument of a procedure, named as on the command line.

    Attributes
    ----------
    name, label, help : str
        The label has an underscore before its mnemonic.
    default : object
        Its type says what the argument is: bool, int, float, str; None for a folder.
    limits : (number, number)
        Of numbers.
    choices : tuple of (str, str)
        What a choice can be, and how that reads.
    """

    name: str
    label: str
    help: str
    default: bool | int | float | str | None
    limits: tuple[float, float] = (0, 0)
    choices: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Kind:
    """One procedure: its names, its options, and the request they make."""

    procedure: str
    title: str
    menu: str
    blurb: str
    help: str
    chief: tuple[Option, ...]
    expert: tuple[Option, ...]
    request: Callable[[dict[str, Any]], Request]

    @property
    def options(self) -> tuple[Option, ...]:
        """All options, in the order of the arguments."""
        return self.chief + self.expert


def request_values(kind: Kind, options: dict[str, Any]) -> dict[str, Any]:
    """Return the request as the job carries it.

    Raises
    ------
    BadOption
        Naming the option that cannot be used, and what is accepted.
    """
    values: dict[str, Any] = json.loads(to_json(kind.request(options)))
    return values


def result_size(result: str, selected: bool) -> str:
    """Say in the worker's words how large the picture shall be."""
    if result == "layer" or (result == "automatic" and selected):
        return "target"
    return "full" if result == "image" else "larger"


_READ = {
    "rgb": "RGB",
    "lab": "CIELAB",
    "sqeuclidean": "Squared Euclidean",
    "l1": "Sum of differences (L1)",
    "ciede2000": "CIEDE2000",
    "limited": "At most max uses",
    "free": "The nearest everywhere",
    "group": "Count as one",
    "keep": "Count each",
    "scan": "Scan of the boundary",
}


def _choice(values: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    return tuple((value, _READ.get(value, value.capitalize())) for value in values)


# Not an empty text: GIMP remembers one as no text at all, which its dialogs cannot show.
_AUTO = "auto"
_RESULT = Option(
    "result",
    "Resul_t",
    "Where the mosaic goes: a new layer of this image, or a new image at its full size. "
    "Automatic: a layer if something is selected or the mosaic is not larger, else an image",
    "automatic",
    choices=(("automatic", "Automatic"), ("layer", "New layer"), ("image", "New image")),
)
_SEGMENTS_FROM = Option(
    "segments-from",
    "Segments _from",
    "What the containers are. Automatic: the selection, or without one the shapes of the picture. "
    "Layers: each visible layer. Path: the paths cut the picture or the selection",
    "automatic",
    choices=(
        ("automatic", "Automatic"),
        ("layers", "Layers of the image"),
        ("selection", "The selection"),
        ("path", "Paths as extra edges"),
    ),
)
_SEGMENTS = Option(
    "segments",
    "Se_gments",
    "About how many containers; 0 for as many as the picture has",
    0,
    (0, 1000),
)
_WIDTH = Option(
    "width", "_Width of a new image", "Long side of the mosaic in a new image, px", 3000,
    (16, 100_000),
)  # fmt: skip
_PATHS = Option("paths", "Contours as pat_hs", "Every contour as a path as well", False)
_SEED = Option("seed", "Ra_ndom seed", "Of everything random", 0, (0, 2**31 - 1))


def _weight(name: str, label: str, meaning: str) -> Option:
    return Option(f"w-{name}", label, f"Weight of {meaning}; 1 is usual", 1.0, (0, 100))


def _photomosaic(given: dict[str, Any]) -> Photomosaic:
    return Photomosaic(
        target="",
        photos=(_folder(given["photos"], "photos"),),
        cells=given["cells"] or None,
        grid=_grid(given["grid"]),
        aspect=_aspect(given["aspect"]),
        crop=given["crop"],
        background=given["background"],
        tile_px=given["tile-px"] or None,
        max_uses=given["max-uses"],
        repeats=given["repeats"],
        twins=given["twins"],
        adjust=given["adjust"],
        variants=_variants(given["variants"]),
        space=given["space"],
        detail=given["detail"],
        metric=given["metric"],
        seed=given["seed"],
    )


def _jigsaw(given: dict[str, Any]) -> Jigsaw:
    return Jigsaw(
        target="",
        shapes=(_folder(given["shapes"], "shapes"),),
        tiles=given["tiles"] or None,
        segments=given["segments"] or None,
        size_ratio=given["size-ratio"] or None,
        deform=given["deform"],
        rotate=given["rotate"],
        adjust=given["adjust"],
        background=given["background"],
        reuse=given["reuse"] or None,
        spacing=given["spacing"],
        w_color=given["w-color"],
        w_gap=given["w-gap"],
        w_overlap=given["w-overlap"],
        w_deform=given["w-deform"],
        w_look=given["w-look"],
        candidates=given["candidates"],
        time_limit=given["time-limit"] or None,
        width=given["width"],
        seed=given["seed"],
    )


def _decorative(given: dict[str, Any]) -> Jigsaw:
    return Jigsaw(
        target="",
        shapes=(),
        kind=given["kind"],
        tiles=given["tiles"] or None,
        segments=given["segments"] or None,
        background=given["background"],
        width=given["width"],
        seed=given["seed"],
    )


def _folder(path: str | None, what: str) -> str:
    if not path:
        raise BadOption(f"Choose a folder of {what} first.")
    return path


def _grid(text: str) -> tuple[int, int] | None:
    if text.strip() in ("", _AUTO):
        return None
    try:
        columns, rows = map(int, text.lower().split("x"))
    except ValueError:
        raise BadOption(f"Grid is {text!r}: columns and rows such as 64x48, or nothing") from None
    return columns, rows


def _aspect(text: str) -> tuple[float, float] | None:
    if text.strip() in ("", _AUTO):
        return None
    try:
        width, height = map(float, text.split(":"))
    except ValueError:
        raise BadOption(f"Aspect is {text!r}: width and height such as 4:3, or nothing") from None
    return width, height


def _variants(text: str) -> tuple[str, ...]:
    chosen = tuple(kind.strip() for kind in text.split(",") if kind.strip() not in ("", "none"))
    for kind in chosen:
        if kind not in VARIANTS:
            raise BadOption(f"Variants has {kind!r}: some of {', '.join(VARIANTS)}, or none")
    return chosen


KINDS = (
    Kind(
        "smalti-photomosaic",
        "Photomosaic",
        "_Photomosaic...",
        "Make the picture out of photos, each used once",
        "Lays a folder of photos on the layer, or on the selected part of it, so that from afar "
        "they are the picture. Of all ways to lay them the one most like it is found.",
        (
            Option("photos", "_Folder of photos", "Folder of photos", None),
            Option("cells", "C_ells", "About how many photos are laid; 0 for as many as suit", 0,
                   (0, 100_000)),
            Option("max-uses", "_Max uses", "How often a photo may appear", 1, (1, 1000)),
            Option("adjust", "Ad_just colours",
                   "How far the colour of a photo moves to that of its place", 0.7, (0, 1)),
            _RESULT,
        ),
        (
            Option("grid", "_Grid", "Columns and rows, such as 64x48; auto: as cells says",
                   _AUTO),
            Option("aspect", "As_pect", "Shape of a tile, such as 4:3; auto for the photos'",
                   _AUTO),
            Option("crop", "Part _kept", "Part of a photo kept where its shape differs", "centre",
                   choices=_choice(("centre", "attention"))),
            Option("tile-px", "Tile widt_h", "Width of a tile in a new image; 0 for what suits",
                   0, (0, 10_000)),
            Option("repeats", "Repe_ats", "Limited by max uses, or the nearest everywhere",
                   "limited", choices=_choice(("limited", "free"))),
            Option("twins", "T_wins", "Near-duplicates count as one photo, or each", "group",
                   choices=_choice(("group", "keep"))),
            Option("variants", "_Variants", "Ways to use a photo: mirror, crops, turns, or none",
                   "mirror,crops"),
            Option("space", "Colo_ur space", "In which photos are compared", "rgb",
                   choices=_choice(SPACES)),
            Option("detail", "_Detail", "Photos are compared as so many block means a side", 6,
                   (1, 32)),
            Option("metric", "Metr_ic", "Distance of photos", "sqeuclidean",
                   choices=_choice(METRICS)),
            Option("background", "_Background", "Colour behind transparent photos", "white"),
            _SEED,
        ),
        _photomosaic,
    ),
    Kind(
        "smalti-jigsaw",
        "Jigsaw Mosaic",
        "_Jigsaw Mosaic...",
        "Pack clip art into the shapes of the picture",
        "Packs a folder of clip art into containers, the selection or the shapes of the picture, "
        "and bends each piece a little until gaps and overlaps close.",
        (
            Option("shapes", "Folder of sha_pes",
                   "Folder of clip art, transparent or on a plain background", None),
            Option("tiles", "T_iles", "About how many pieces; 0 for 1200", 0, (0, 90_000)),
            _SEGMENTS_FROM,
            Option("adjust", "Ad_just colours",
                   "How far the colour of a piece moves to that of its place", 0.6, (0, 1)),
            _RESULT,
            Option("layers", "A la_yer for each container",
                   "The pieces of each container as a layer of a group", False),
            _PATHS,
        ),
        (
            _SEGMENTS,
            Option("size-ratio", "Si_ze ratio", "Largest over smallest piece; 0 for 4", 0.0,
                   (0, 8)),
            Option("deform", "_Deform", "How far pieces may be deformed; 0 keeps them rigid",
                   1.0, (0, 10)),
            Option("rotate", "Rot_ate", "free, upright, or at most so many degrees", "free"),
            Option("background", "Bac_kground",
                   "Between pieces: darken (the blurred picture), target, or a colour", "darken"),
            Option("reuse", "Re_use", "How often a piece may appear; 0 for as few as suffice", 0,
                   (0, 10_000)),
            Option("spacing", "Space _between copies",
                   "Copies nearer than so many pieces are avoided", 6.0, (0, 1000)),
            _weight("color", "Weight _1: colour", "colour"),
            _weight("gap", "Weight _2: gaps", "gaps"),
            _weight("overlap", "Weight _3: overlap", "overlap"),
            _weight("deform", "Weight _4: deformation", "deformation"),
            _weight("look", "Weight _5: looking ahead", "looking ahead"),
            Option("candidates", "Candidat_es", "How pieces are proposed for a place", "scan",
                   choices=_choice(("scan", "hashing"))),
            Option("time-limit", "Ti_me limit", "Seconds of packing; 0 for no limit", 0.0,
                   (0, 86_400)),
            _WIDTH,
            _SEED,
        ),
        _jigsaw,
    ),
    Kind(
        "smalti-decorative",
        "Decorative Mosaic",
        "_Decorative Mosaic...",
        "Lay tesserae of one colour along the edges of the picture",
        "Covers the layer, or the selected part of it, with small squares that follow the edges, "
        "as on an antique floor, or with Voronoi cells.",
        (
            Option("kind", "_Kind", "Squares along the edges, or Voronoi cells", "decorative",
                   choices=_choice(("decorative", "voronoi"))),
            Option("tiles", "T_iles", "About how many tesserae", 3000, (1, 90_000)),
            _SEGMENTS_FROM,
            _RESULT,
            _PATHS,
        ),
        (
            _SEGMENTS,
            Option("background", "_Background",
                   "Between tesserae: darken (the blurred picture), target, or a colour", "darken"),
            _WIDTH,
            _SEED,
        ),
        _decorative,
    ),
)  # fmt: skip
