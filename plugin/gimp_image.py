"""What is read from an image of GIMP's, and what is laid into it.

Failures of libgimp do not raise in Python: every answer is looked at here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from gi.repository import Gegl, Gimp

from smalti.plugin.editor import Refused

_SEEN_ROWS = 16  # of a small copy: much of the layer may lie behind them
_BAND_PX = 1_000_000  # pixels handed over at a time
_COLOUR = "R'G'B'A u8"  # of sRGB; babl converts from and to whatever the image has


@dataclass(frozen=True)
class Region:
    """The part of a layer that becomes a mosaic.

    Attributes
    ----------
    layer : Gimp.Layer
    x, y, width, height : int
        Of the part, px of the layer.
    left, top : int
        Of the part, px of the image.
    selected : bool
        Whether there is a selection.
    """

    image: Any
    layer: Any
    x: int
    y: int
    width: int
    height: int
    left: int
    top: int
    selected: bool

    @cached_property
    def pixels(self) -> Any:
        """The buffer of the layer as it is seen."""
        return _seen(self.layer)


def _seen(layer: Any) -> Any:
    """Return a layer's pixels with its filters and its mask applied, which `get_buffer` ignores."""
    mask = layer.get_mask() if layer.get_apply_mask() else None
    if not layer.get_filters() and mask is None:
        return layer.get_buffer()
    image, size = layer.get_image(), (layer.get_width(), layer.get_height())
    own = Gimp.Image.new_with_precision(*size, image.get_base_type(), image.get_precision())
    try:
        copy = Gimp.Layer.new_from_drawable(layer, own)
        _inserted(own, copy, None, 0)
        if copy.get_mask() is not None:
            copy.remove_mask(Gimp.MaskApplyMode.DISCARD)
        _, left, top = copy.get_offsets()
        copy.merge_filters()
        _, x, y = copy.get_offsets()
        copy.resize(*size, x - left, y - top)  # a shadow may have made it larger, but no mask
        if mask is not None:
            hides, whole = copy.create_mask(Gimp.AddMaskType.WHITE), Gegl.Rectangle.new(0, 0, *size)
            copy.add_mask(hides)
            shown = hides.get_buffer()
            mask.get_buffer().copy(whole, Gegl.AbyssPolicy.NONE, shown, whole)
            shown.flush()
            copy.remove_mask(Gimp.MaskApplyMode.APPLY)
        return copy.get_buffer().dup()
    finally:
        own.delete()


def find_region(image: Any, drawables: Any) -> Region:
    """Return what is to be made a mosaic.

    Raises
    ------
    Refused
        Naming what stands in the way, and how to mend it.
    """
    if image.get_base_type() == Gimp.ImageBaseType.INDEXED:
        raise Refused(
            "An indexed image cannot hold the colours of a mosaic: choose Image > Mode > RGB first."
        )
    if len(drawables) != 1:
        raise Refused(
            f"{len(drawables)} layers are selected: a mosaic is made of one. "
            "Select one layer, or choose Layer > New from Visible."
        )
    layer = drawables[0]
    if layer.is_group():
        raise Refused(
            "A layer group is selected: select one layer in it, or choose Layer > New from Visible."
        )
    if not isinstance(layer, Gimp.Layer):
        raise Refused(
            "A mask or a channel is selected: select a layer; Shift+Q leaves the quick mask."
        )
    found, x, y, width, height = layer.mask_intersect()
    if not found or width < 1 or height < 1:
        raise Refused("The selection lies outside the layer: select a part of it, or nothing.")
    _, left, top = layer.get_offsets()
    selected = not Gimp.Selection.is_empty(image)
    return Region(image, layer, x, y, width, height, left + x, top + y, selected)


class Writer:
    """Writes pixels of a region into the folder of a job, whole or small.

    Parameters
    ----------
    region : Region
    folder : Path
    scale : float
        1, or less for a preview.
    """

    def __init__(self, region: Region, folder: Path, scale: float = 1.0) -> None:
        self.region = region
        self.folder = folder
        self.scale = scale
        self.width = max(1, round(region.width * scale))
        self.height = max(1, round(region.height * scale))

    def target(self, seen: bytes | None = None) -> dict[str, Any]:
        """Write the layer's colours, or those that `seen` gave."""
        region = self.region
        where = {"x": region.left, "y": region.top} if self.scale == 1 else {}
        if seen is None:
            raster = self._write(region.pixels, "target.raw", region.x, region.y, _COLOUR, 4)
        else:
            raster = {"file": "target.raw", "width": self.width, "height": self.height}
            (self.folder / raster["file"]).write_bytes(seen)
        return {**raster, "format": "RGBA u8", **where}

    def seen(self) -> Iterator[bytes]:
        """Yield the layer's colours, RGBA, as `target` would write them, some rows at a time."""
        region = self.region
        x, y = round(region.x * self.scale), round(region.y * self.scale)
        for top in range(0, self.height, _SEEN_ROWS):
            high = min(_SEEN_ROWS, self.height - top)
            yield _pixels(region.pixels, (x, y + top, self.width, high), self.scale)

    def mask(self) -> dict[str, Any]:
        """Write how far each pixel is selected."""
        region = self.region
        buffer = region.image.get_selection().get_buffer()
        raster = self._write(buffer, "mask.raw", region.left, region.top, "Y u8", 1)
        return {**raster, "format": "Y u8"}

    def areas(self) -> list[dict[str, Any]]:
        """Write where each visible layer is opaque, from the top down."""
        layers = _visible(self.region.image.get_layers())
        if len(layers) < 2:
            raise Refused(
                "Segments from layers: the image has one visible layer, and two or more are "
                "needed, each of which becomes a container."
            )
        return [one for k, layer in enumerate(layers) if (one := self._area(layer, k)) is not None]

    def _area(self, layer: Any, number: int) -> dict[str, Any] | None:
        region = self.region
        _, left, top = layer.get_offsets()
        x0, y0 = max(left, region.left), max(top, region.top)
        x1 = min(left + layer.get_width(), region.left + region.width)
        y1 = min(top + layer.get_height(), region.top + region.height)
        width, height = (int((b - a) * self.scale) for a, b in ((x0, x1), (y0, y1)))
        if width < 1 or height < 1:
            return None
        raster = self._write(
            _seen(layer), f"area-{number}.raw", x0 - left, y0 - top, "YA u8", 2, width, height
        )
        shift = (0, 0) if self.scale == 1 else (region.left, region.top)
        x, y = (round((a - b) * self.scale) for a, b in zip((x0, y0), shift, strict=True))
        return {**raster, "format": "YA u8", "x": x, "y": y}

    def lines(self) -> list[list[tuple[float, float]]]:
        """Return the strokes of the selected paths, or of all, as polylines."""
        image, region = self.region.image, self.region
        shift = (0, 0) if self.scale == 1 else (region.left, region.top)
        found = []
        for path in image.get_selected_paths() or image.get_paths():
            for stroke in path.get_strokes():
                coordinates, closed = path.stroke_interpolate(stroke, 1.0)
                points = [
                    ((x - shift[0]) * self.scale, (y - shift[1]) * self.scale)
                    for x, y in zip(coordinates[::2], coordinates[1::2], strict=True)
                ]
                found.append(points + points[:1] if closed else points)
        if not any(len(points) > 1 for points in found):
            raise Refused("Segments from a path: the image has no path with a stroke; draw one.")
        return found

    def _write(
        self,
        buffer: Any,
        name: str,
        x: int,
        y: int,
        form: str,
        size: int,
        width: int = 0,
        height: int = 0,
    ) -> dict[str, Any]:
        width, height = width or self.width, height or self.height
        x, y = round(x * self.scale), round(y * self.scale)
        rows = max(1, _BAND_PX // width)
        with (self.folder / name).open("wb") as file:
            for first in range(0, height, rows):
                high = min(rows, height - first)
                place = (x, y + first, width, high)
                file.write(_pixels(buffer, place, self.scale, form, size))
        return {"file": name, "width": width, "height": height}


def _pixels(
    buffer: Any,
    place: tuple[int, int, int, int],
    scale: float,
    form: str = _COLOUR,
    size: int = 4,
) -> bytes:
    pixels = buffer.get(Gegl.Rectangle.new(*place), scale, form, Gegl.AbyssPolicy.CLAMP)
    if pixels is None or len(pixels) != place[2] * place[3] * size:
        raise Refused("GIMP did not give the pixels of the layer; try again.")
    return bytes(pixels)


def _visible(layers: Any) -> list[Any]:
    """List layers that are seen, from the top down, those in groups among them."""
    found: list[Any] = []
    for layer in layers:
        if layer.get_visible():
            found += _visible(layer.get_children()) if layer.is_group() else [layer]
    return found


def job_pixels(
    writer: Writer, segments_from: str | None, seen: bytes | None = None
) -> dict[str, Any]:
    """Write all pixels a job needs; return what the job says of them.

    Parameters
    ----------
    writer : Writer
    segments_from : str or None
    seen : bytes, optional
        The layer's colours, if they have been read already.
    """
    region = writer.region
    job: dict[str, Any] = {"target": writer.target(seen)}
    if segments_from == "selection" and not region.selected:
        raise Refused("Segments from the selection: nothing is selected.")
    if region.selected:
        job["mask"] = writer.mask()
    if segments_from == "layers":
        job["areas"] = writer.areas()
    if segments_from == "path":
        job["lines"] = writer.lines()
    return job


def lay_into_image(region: Region, name: str, folder: Path, done: dict[str, Any]) -> Any:
    """Add the result to the image above its source, as one step to undo; return the layer.

    A source that was deleted meanwhile is not asked where it is: its mosaic goes to the top.
    """
    image, source = region.image, region.layer
    if not image.is_valid():
        raise Refused("The image was closed before its mosaic was done.")
    parent, place = None, 0
    if source.is_valid():
        parent, place = source.get_parent(), image.get_item_position(source)
    image.undo_group_start()
    try:
        if done["layers"]:
            result = Gimp.GroupLayer.new(image, name)
            _inserted(image, result, parent, place)
            _lay_all(image, result, name, folder, done)
        else:
            result = _new_layer(image, name, folder, done["result"])
            _inserted(image, result, parent, place)
        _add_paths(image, name, folder, done)
        if source.is_valid():  # the new layer is selected, and a repetition would be made of it
            image.set_selected_layers([source])
    finally:
        image.undo_group_end()
    return result


def make_image(region: Region, name: str, folder: Path, done: dict[str, Any]) -> tuple[Any, Any]:
    """Make a new image of the result, to be printed as finely; return it and its layer."""
    raster = done["result"]
    size = raster["width"], raster["height"]
    try:
        image = Gimp.Image.new(*size, Gimp.ImageBaseType.RGB)
    except TypeError:  # what a constructor that gives nothing raises
        raise Refused(f"GIMP could not make an image of {size[0]} x {size[1]} px.") from None
    image.undo_disable()
    if region.image.is_valid():  # it may have been closed meanwhile
        _, across, down = region.image.get_resolution()
        image.set_resolution(across, down)
        image.set_unit(region.image.get_unit())
    if done["layers"]:
        layer = Gimp.GroupLayer.new(image, name)
        _inserted(image, layer, None, 0)
        _lay_all(image, layer, name, folder, done)
    else:
        layer = _new_layer(image, name, folder, raster)
        _inserted(image, layer, None, 0)
    _add_paths(image, name, folder, done)
    image.undo_enable()
    return image, layer


def _lay_all(image: Any, group: Any, name: str, folder: Path, done: dict[str, Any]) -> None:
    """Lay the whole mosaic at the bottom of a group and each container's tiles above it."""
    rasters = [{**done["result"], "name": f"{name}, whole"}, *done["layers"]]
    for raster in rasters:
        _inserted(image, _new_layer(image, raster["name"], folder, raster), group, 0)


def _new_layer(image: Any, name: str, folder: Path, raster: dict[str, Any]) -> Any:
    """Make a layer that is whole before the image has it: one in a locked group is locked too."""
    gray = image.get_base_type() == Gimp.ImageBaseType.GRAY
    kind = Gimp.ImageType.GRAYA_IMAGE if gray else Gimp.ImageType.RGBA_IMAGE
    size = raster["width"], raster["height"]
    try:
        layer = Gimp.Layer.new(image, name, *size, kind, 100.0, Gimp.LayerMode.NORMAL)
    except TypeError:
        raise Refused(f"GIMP could not make a layer of {size[0]} x {size[1]} px.") from None
    layer.set_offsets(raster["x"], raster["y"])
    _fill(layer, folder, raster)
    return layer


def _inserted(image: Any, layer: Any, parent: Any, place: int) -> None:
    if not image.insert_layer(layer, parent, max(0, place)):
        raise Refused("GIMP could not add a layer to the image.")


def _fill(layer: Any, folder: Path, raster: dict[str, Any]) -> None:
    """Copy raw pixels into a layer, a band at a time, so that nobody waits long."""
    width, height, stride = raster["width"], raster["height"], raster["stride"]
    form = _COLOUR if raster["format"] == "RGBA u8" else "R'G'B' u8"
    buffer = layer.get_buffer()
    rows = max(1, _BAND_PX // width)
    with (folder / raster["file"]).open("rb") as file:
        for first in range(0, height, rows):
            high = min(rows, height - first)
            pixels = file.read(stride * high)
            if len(pixels) != stride * high:
                raise Refused("The mosaic's pixels are cut short; the disk may be full.")
            buffer.set(Gegl.Rectangle.new(0, first, width, high), form, pixels)
    buffer.flush()


def _add_paths(image: Any, name: str, folder: Path, done: dict[str, Any]) -> None:
    if not done["paths"]:
        return
    used = image.get_selected_paths() or image.get_paths()
    text = (folder / done["paths"]).read_text("ascii")
    fine, paths = image.import_paths_from_string(text, len(text), True, False)
    if not fine:
        raise Refused("GIMP could not read the contours as a path.")
    for path in paths:
        path.set_name(f"{name}, contours")
    if used:  # the contours are selected now, and a repetition would cut along them
        image.set_selected_paths(used)
