"""As much of Krita and Qt as the plug-in's logic touches: documents in memory, no Krita."""

import sys
import types
from dataclasses import dataclass, field
from typing import Any

import pytest

SRGB = ("RGBA", "U8", "sRGB-elle-V2-srgbtrc.icc")


@dataclass(frozen=True)
class Rectangle:
    left: int
    top: int
    wide: int
    high: int

    def x(self) -> int:
        return self.left

    def y(self) -> int:
        return self.top

    def width(self) -> int:
        return self.wide

    def height(self) -> int:
        return self.high

    def isEmpty(self) -> bool:
        return self.wide <= 0 or self.high <= 0

    def intersected(self, other: "Rectangle") -> "Rectangle":
        left, top = max(self.left, other.left), max(self.top, other.top)
        right = min(self.left + self.wide, other.left + other.wide)
        bottom = min(self.top + self.high, other.top + other.high)
        return Rectangle(left, top, right - left, bottom - top)


@dataclass(eq=False)
class Layer:
    """A layer, or a selection: pixels that say where they are."""

    label: str = "source"
    kind: str = "paintlayer"
    space: tuple[str, str, str] = SRGB
    place: Rectangle = Rectangle(0, 0, 40, 30)
    size: int = 4
    converts: bool = True
    parent: "Layer | None" = None
    children: "list[Layer]" = field(default_factory=list)
    full: bool = False
    written: dict[tuple[int, int, int, int], bytes] = field(default_factory=dict)

    def name(self) -> str:
        return self.label

    def type(self) -> str:
        return self.kind

    def bounds(self) -> Rectangle:
        return self.place

    def x(self) -> int:
        return self.place.left

    def y(self) -> int:
        return self.place.top

    def width(self) -> int:
        return self.place.wide

    def height(self) -> int:
        return self.place.high

    def uniqueId(self) -> int:
        return id(self)

    def colorModel(self) -> str:
        return self.space[0]

    def colorDepth(self) -> str:
        return self.space[1]

    def colorProfile(self) -> str:
        return self.space[2]

    def setColorSpace(self, *space: str) -> bool:
        if self.converts:
            self.space = (space[0], space[1], space[2])
        return self.converts

    def duplicate(self) -> "Layer":
        return Layer(self.label, self.kind, self.space, self.place, self.size, self.converts)

    def pixelData(self, x: int, y: int, width: int, height: int) -> bytes:
        assert self.space == SRGB, "read as 8-bit sRGB only"
        rows = range(y, y + height)
        return b"".join(bytes([row % 256]) * (width * self.size) for row in rows)

    def setPixelData(self, pixels: bytes, *place: int) -> None:
        x, y, width, height = place
        assert self.space == SRGB, "written as 8-bit sRGB only"
        assert len(pixels) == width * height * 4
        self.written[x, y, width, height] = pixels

    def parentNode(self) -> "Layer | None":
        return self.parent

    def addChildNode(self, layer: "Layer", above: "Layer") -> bool:
        if not self.full:
            self.children.insert(self.children.index(above) + 1, layer)
        return not self.full


@dataclass(eq=False)
class Document:
    layer: Layer
    chosen: Layer | None = None
    space: tuple[str, str, str] = SRGB

    def __post_init__(self) -> None:
        self.root = Layer("root", "grouplayer", children=[self.layer])
        self.layer.parent = self.root
        self.active: Layer | None = self.layer

    def width(self) -> int:
        return 40

    def height(self) -> int:
        return 30

    def selection(self) -> Layer | None:
        return self.chosen

    def createNode(self, name: str, kind: str) -> Layer:
        return Layer(name, kind, self.space)

    def waitForDone(self) -> None:
        pass

    def refreshProjection(self) -> None:
        pass

    def activeNode(self) -> Layer | None:
        return self.active

    def setActiveNode(self, layer: Layer) -> None:
        self.active = layer


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the fake where `import krita` and `import PyQt5` look."""
    application = types.SimpleNamespace(processEvents=lambda: None)
    modules: dict[str, dict[str, Any]] = {
        "krita": {"Krita": None, "Extension": object},
        "PyQt5": {},
        "PyQt5.QtCore": {
            "QRect": Rectangle,
            "Qt": types.SimpleNamespace(IgnoreAspectRatio=0, SmoothTransformation=1),
        },
        "PyQt5.QtGui": {"QImage": None},
        "PyQt5.QtWidgets": {"QApplication": application},
    }
    for name, contents in modules.items():
        module = types.ModuleType(name)
        for what, value in contents.items():
            setattr(module, what, value)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, "smalti.plugin.krita_image", raising=False)
