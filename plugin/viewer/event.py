"""What can happen to the viewer: what the user does, and what is asked of the engine."""

from dataclasses import dataclass

from smalti.jigsaw.pose import Pose
from smalti.request import Jigsaw, Request


@dataclass(frozen=True, slots=True)
class Key:
    """A key went down; `name` as pygame spells it, with ``"ctrl+"`` and ``"shift+"`` before."""

    name: str


@dataclass(frozen=True, slots=True)
class Pointer:
    """The pointer did something at (x, y), px of the window.

    Attributes
    ----------
    kind : str
        ``"down"``, ``"up"`` or ``"move"``.
    button : int
        1 left, 2 middle, 3 right, 0 none.
    """

    kind: str
    x: float
    y: float
    button: int = 0


@dataclass(frozen=True, slots=True)
class Wheel:
    """The wheel turned `steps` upwards at (x, y); `turning` with shift held."""

    x: float
    y: float
    steps: float
    turning: bool = False


@dataclass(frozen=True, slots=True)
class Resized:
    """The window has another size, px."""

    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Said:
    """Something for the user to read; `fatal` if the engine is gone."""

    said: str
    fatal: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """The engine told something: a `Step`, an `Answer` of its kind of mosaic, or `Said`."""

    news: object


@dataclass(frozen=True, slots=True)
class Passed:
    """Time has passed."""

    seconds: float


Event = Key | Pointer | Wheel | Resized | Told | Passed


@dataclass(frozen=True, slots=True)
class Make:
    """Ask for a mosaic, from the beginning."""

    request: Request


@dataclass(frozen=True, slots=True)
class Pace:
    """Ask the engine to wait after every step: for ever is a pause, `once` a step in it."""

    seconds: float
    once: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """Ask for a change by hand.

    Attributes
    ----------
    what : str
        ``"move"``, ``"remove"``, ``"exchange"``, ``"fit"``, ``"ban"``, ``"lock"``,
        ``"undo"``, ``"redo"``, ``"repack"``, ``"divide"`` or ``"unite"``; of a
        photomosaic ``"swap"``, ``"exchange"``, ``"ban"``, ``"lock"`` and back.
    number, other : int
        Of the placement, or cell; `other` for ``"swap"``.
    pose : Pose or None
        Where it is held; for ``"fit"`` only x and y count.
    request : Jigsaw or None
        For ``"repack"``: what weighs now.
    containers : frozenset of int
        For ``"repack"``; empty for all.
    stroke : tuple of (float, float)
        For ``"divide"`` and ``"unite"``: drawn over containers, px of the raster.
    """

    what: str
    number: int = -1
    pose: Pose | None = None
    other: int = -1
    request: Jigsaw | None = None
    containers: frozenset[int] = frozenset()
    stroke: tuple[tuple[float, float], ...] = ()


STOP = Change("stop")
"""Asks for the mosaic that was there before what is being made; no change, nothing to undo."""


@dataclass(frozen=True, slots=True)
class Save:
    """Ask for files of one name: picture, project, and the SVG of a jigsaw."""

    path: str


@dataclass(frozen=True, slots=True)
class Record:
    """Ask the window for a time-lapse of what was laid."""

    path: str


@dataclass(frozen=True, slots=True)
class Quit:
    """Ask the window to close."""


Wish = Make | Pace | Change | Save | Record | Quit
