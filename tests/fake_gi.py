"""As much of gi as the plug-in's logic touches: images in memory, no GIMP."""

import sys
import types
from dataclasses import dataclass, field
from typing import Any

import pytest

MOST_PX = 524_288  # a side, of anything in GIMP


class Enum:
    """Names that stand for themselves."""

    def __getattr__(self, name: str) -> str:
        return name


class Rectangle(tuple[int, int, int, int]):
    @classmethod
    def new(cls, x: int, y: int, width: int, height: int) -> "Rectangle":
        return cls((x, y, width, height))


@dataclass
class Buffer:
    """Pixels of a drawable, one byte string, `size` bytes a pixel."""

    width: int
    size: int
    pixels: bytearray

    def get(self, place: Rectangle, scale: float, form: str, abyss: Any) -> bytes:
        _, _, width, height = place
        size = 1 if form == "Y u8" else 2 if form == "YA u8" else self.size
        return bytes(width * height * size)

    def set(self, place: Rectangle, form: str, pixels: bytes) -> None:
        x, y, width, _ = place
        assert (x, width) == (0, self.width)
        size = 4 if "A" in form else 3
        start = y * width * size
        self.pixels[start : start + len(pixels)] = pixels

    def flush(self) -> None:
        pass


@dataclass(eq=False)
class Layer:
    name: str = "source"
    width: int = 40
    height: int = 30
    offsets: tuple[int, int] = (0, 0)
    group: bool = False
    visible: bool = True
    region: tuple[bool, int, int, int, int] = (True, 0, 0, 40, 30)
    children: "list[Layer]" = field(default_factory=list)
    deleted: bool = False

    def __post_init__(self) -> None:
        self.buffer = Buffer(self.width, 4, bytearray(self.width * self.height * 4))
        self.whole = b""  # its pixels when an image got it

    @classmethod
    def new(cls, image: Any, name: str, width: int, height: int, *_: Any) -> "Layer":
        if not image.is_valid() or width > MOST_PX:
            raise TypeError("constructor returned NULL")
        return cls(name, width, height)

    def is_valid(self) -> bool:
        return not self.deleted

    def is_group(self) -> bool:
        return self.group

    def get_children(self) -> "list[Layer]":
        return self.children

    def get_name(self) -> str:
        return self.name

    def get_visible(self) -> bool:
        return self.visible

    def get_width(self) -> int:
        return self.width

    def get_height(self) -> int:
        return self.height

    def mask_intersect(self) -> tuple[bool, int, int, int, int]:
        return self.region

    def get_offsets(self) -> tuple[bool, int, int]:
        return (True, *self.offsets)

    def set_offsets(self, x: int, y: int) -> None:
        self.offsets = (x, y)

    def get_buffer(self) -> Buffer:
        return self.buffer

    def get_parent(self) -> None:
        return None

    def get_filters(self) -> list[Any]:
        return []

    def get_apply_mask(self) -> bool:
        return False


@dataclass(eq=False)
class Image:
    layers: list[Layer] = field(default_factory=list)
    base: str = "RGB"
    empty: bool = True
    paths: list[Any] = field(default_factory=list)
    refuses: bool = False
    closed: bool = False

    def __post_init__(self) -> None:
        self.chosen: list[Layer] = []
        self.chosen_paths: list[Any] = []
        self.groups = 0
        self.done: list[str] = []

    def is_valid(self) -> bool:
        return not self.closed

    def get_base_type(self) -> str:
        return self.base

    def get_layers(self) -> list[Layer]:
        return self.layers

    def get_item_position(self, layer: Layer) -> int:
        return self.layers.index(layer)

    def get_selection(self) -> Layer:
        return Layer()

    def get_selected_paths(self) -> list[Any]:
        return self.chosen_paths

    def set_selected_paths(self, paths: list[Any]) -> None:
        assert paths, "GIMP refuses an empty list"
        self.chosen_paths = paths

    def get_paths(self) -> list[Any]:
        return self.paths

    def import_paths_from_string(self, text: str, *_: Any) -> tuple[bool, list[Any]]:
        path = types.SimpleNamespace(set_name=lambda name: None)
        self.paths = [path, *self.paths]
        self.chosen_paths = [path]
        return True, [path]

    def insert_layer(self, layer: Layer, parent: Layer | None, place: int) -> bool:
        if self.refuses:
            return False
        layer.whole = bytes(layer.buffer.pixels)
        (self.layers if parent is None else parent.children).insert(place, layer)
        self.chosen = [layer]
        return True

    def set_selected_layers(self, layers: list[Layer]) -> None:
        assert not any(layer.deleted for layer in layers), "GIMP tells the user of an error"
        self.chosen = layers

    def undo_group_start(self) -> None:
        self.groups += 1
        self.done.append("start")

    def undo_group_end(self) -> None:
        self.groups -= 1
        self.done.append("end")


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the fake where `import gi` looks."""
    gi = types.ModuleType("gi")
    repository = types.ModuleType("gi.repository")
    gimp = types.SimpleNamespace(
        Layer=Layer,
        PlugIn=object,
        ImageBaseType=Enum(),
        ImageType=Enum(),
        LayerMode=Enum(),
        Selection=types.SimpleNamespace(is_empty=lambda image: image.empty),
        GroupLayer=types.SimpleNamespace(new=lambda image, name: Layer(name, group=True)),
    )
    gegl = types.SimpleNamespace(Rectangle=Rectangle, AbyssPolicy=Enum())
    for name, what in {"Gimp": gimp, "Gegl": gegl}.items():
        setattr(repository, name, what)
    for name in ("Gio", "GLib", "GObject", "Gtk", "GimpUi", "GdkPixbuf"):
        setattr(repository, name, types.SimpleNamespace(File=type(None)))
    # A module made by hand: it has no attributes until they are set.
    gi.repository = repository  # type: ignore[attr-defined]
    gi.require_version = lambda *_: None  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "gi", gi)
    monkeypatch.setitem(sys.modules, "gi.repository", repository)
    for module in ("gimp", "gimp_image", "gimp_dialog"):
        monkeypatch.delitem(sys.modules, f"smalti.plugin.{module}", raising=False)
