"""What is read from a document of Krita's, and what is laid into it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from krita import Krita
from PyQt5.QtCore import QRect, Qt
from PyQt5.QtGui import QImage
from PyQt5.QtWidgets import QApplication

from smalti.plugin.editor import Refused

SRGB = "sRGB-elle-V2-srgbtrc.icc"  # Krita's own profile of 8-bit sRGB
_PLAIN = ("RGBA", "U8", SRGB)
_SELECTED_S = 1.0  # within which a window becomes active
_BAND_PX = 500_000  # pixels handed over at a time, so that Krita's window stays awake


@dataclass(frozen=True)
class Region:
    """The part of a layer that becomes a mosaic.

    Attributes
    ----------
    document, layer : of Krita
    selection : of Krita, or None
    x, y, width, height : int
        Of the part, px of the document.
    """

    document: Any
    layer: Any
    selection: Any
    x: int
    y: int
    width: int
    height: int


def find_region(document: Any, layers: list[Any]) -> Region:
    """Return what is to be made a mosaic.

    Parameters
    ----------
    document : of Krita, or None
    layers : list
        Those that are selected.

    Raises
    ------
    Refused
        Naming what stands in the way, and how to mend it.
    """
    if document is None:
        raise Refused("No document is open: open the picture that shall become a mosaic.")
    if len(layers) != 1:
        raise Refused(
            f"{len(layers)} layers are selected: a mosaic is made of one. "
            "Select one layer, or choose Layer > New > Layer from Visible."
        )
    layer = layers[0]
    if layer.type() != "paintlayer":
        raise Refused(
            f"The selected layer is no paint layer ({layer.type()}): select a paint layer, or "
            "choose Layer > Convert > to Paint Layer."
        )
    part = QRect(0, 0, document.width(), document.height()).intersected(layer.bounds())
    if part.isEmpty():
        raise Refused("The layer is empty here: there is nothing to imitate.")
    selection = document.selection()
    if selection is not None:
        place = (selection.x(), selection.y(), selection.width(), selection.height())
        part = part.intersected(QRect(*place))
        if part.isEmpty():
            raise Refused("The selection lies outside the layer: select a part of it, or nothing.")
    return Region(document, layer, selection, part.x(), part.y(), part.width(), part.height())


class Writer:
    """Writes pixels of a region into the folder of a job.

    Parameters
    ----------
    region : Region
    turn : callable
        Called between two bands, so that Krita can do something else.
    """

    def __init__(self, region: Region, turn: Callable[[], None]) -> None:
        self._region, self._turn = region, turn
        self._layer = _plain(region.layer)

    def job(self, folder: Path) -> dict[str, Any]:
        """Write all pixels of the region; return what the job says of them."""
        region = self._region
        whole = {"width": region.width, "height": region.height}
        self._write(self._layer, folder / "target.raw")
        target = {"file": "target.raw", "format": "BGRA u8", "x": region.x, "y": region.y}
        if region.selection is None:
            return {"target": {**target, **whole}}
        self._write(region.selection, folder / "mask.raw")
        mask = {"file": "mask.raw", "format": "Y u8", **whole}
        return {"target": {**target, **whole}, "mask": mask}

    def small(self, side: int) -> "Small":
        """Return a copy whose longer side is at most `side`."""
        size = _within(self._region, side)
        # In memory blue, green, red, alpha.
        target = self._scaled(self._layer, QImage.Format_ARGB32, 4, size)
        if self._region.selection is None:
            return Small(target, None)
        selection = self._region.selection
        return Small(target, self._scaled(selection, QImage.Format_Grayscale8, 1, size))

    def _write(self, source: Any, file: Path) -> None:
        with file.open("wb") as out:
            for first, high in _bands(self._region.width, self._region.height):
                out.write(self._pixels(source, first, high))
                self._turn()

    def _scaled(self, source: Any, form: Any, channels: int, size: tuple[int, int]) -> Any:
        region = self._region
        pixels = self._pixels(source, 0, region.height)
        image = QImage(pixels, region.width, region.height, region.width * channels, form)
        small = image.scaled(*size, Qt.IgnoreAspectRatio, Qt.SmoothTransformation)
        # Qt scales in a format of its own, and a copy's bytes are not ours.
        return small.convertToFormat(form).copy()

    def _pixels(self, source: Any, first: int, high: int) -> bytes:
        region = self._region
        return bytes(source.pixelData(region.x, region.y + first, region.width, high))


class Small:
    """A small copy of a region, for previews."""

    def __init__(self, image: Any, mask: Any) -> None:
        self.image, self._mask = image, mask

    def job(self, folder: Path) -> dict[str, Any]:
        """Write its pixels into a folder; return what the job says of them."""
        job = {"target": _stored(self.image, folder / "target.raw", "BGRA u8")}
        if self._mask is not None:
            job["mask"] = _stored(self._mask, folder / "mask.raw", "Y u8")
        return job


def _stored(image: Any, file: Path, form: str) -> dict[str, Any]:
    stride = image.bytesPerLine()
    file.write_bytes(image.constBits().asstring(stride * image.height()))
    size = {"width": image.width(), "height": image.height()}
    return {"file": file.name, "format": form, "stride": stride, **size}


def _within(region: Region, side: int) -> tuple[int, int]:
    scale = min(1.0, side / max(region.width, region.height))
    return max(1, round(region.width * scale)), max(1, round(region.height * scale))


def _bands(width: int, height: int) -> list[tuple[int, int]]:
    """List first row and number of rows of each band."""
    rows = max(1, _BAND_PX // width)
    return [(first, min(rows, height - first)) for first in range(0, height, rows)]


def _plain(layer: Any) -> Any:
    """Return a layer of 8-bit sRGB: this one, or a copy of it converted."""
    model = (layer.colorModel(), layer.colorDepth(), layer.colorProfile())
    if model == _PLAIN:
        return layer
    copy = layer.duplicate()
    if not copy.setColorSpace(*_PLAIN):
        raise Refused(
            f"Krita cannot convert a layer of {' '.join(model)} to sRGB: choose Image > Convert "
            "Image Color Space, and there RGB."
        )
    return copy


def lay_into_document(
    region: Region, name: str, folder: Path, raster: dict[str, Any], turn: Callable[[], None]
) -> Any:
    """Add the result above its source, as one step to undo; return the layer."""
    document, source = region.document, region.layer
    layer = document.createNode(name, "paintlayer")
    own = (layer.colorModel(), layer.colorDepth(), layer.colorProfile())
    if own != _PLAIN:
        layer.setColorSpace(*_PLAIN)
    _fill(layer, folder, raster, turn)
    if own != _PLAIN and not layer.setColorSpace(*own):
        raise Refused(f"Krita cannot convert the mosaic to {' '.join(own)}.")
    if not source.parentNode().addChildNode(layer, source):
        raise Refused("Krita could not add a layer to the document.")
    document.waitForDone()
    document.refreshProjection()
    return layer


def select_source(region: Region) -> None:
    """Select the source again: Krita selects a new layer, and a repetition would be made of that.

    Krita heeds it only while its window is the active one, which it becomes soon
    after a dialog is closed.
    """
    document, source = region.document, region.layer
    end = time.monotonic() + _SELECTED_S
    while time.monotonic() < end:
        QApplication.processEvents()
        document.setActiveNode(source)
        active = document.activeNode()
        if active is not None and active.uniqueId() == source.uniqueId():
            return
        time.sleep(0.01)


def make_document(
    region: Region, name: str, folder: Path, raster: dict[str, Any], turn: Callable[[], None]
) -> Any:
    """Show the result as a document of its own; return it."""
    krita = Krita.instance()
    size = (raster["width"], raster["height"])
    document = krita.createDocument(*size, name, *_PLAIN, float(region.document.resolution()))
    if document is None:
        raise Refused(f"Krita could not make a document of {size[0]} x {size[1]} px.")
    layer = document.topLevelNodes()[0]
    layer.setName(name)
    _fill(layer, folder, raster, turn)
    document.refreshProjection()
    krita.activeWindow().addView(document)
    return document


def _fill(layer: Any, folder: Path, raster: dict[str, Any], turn: Callable[[], None]) -> None:
    """Copy raw pixels into a layer, a band at a time."""
    width, height, stride = raster["width"], raster["height"], raster["stride"]
    with (folder / raster["file"]).open("rb") as file:
        for first, high in _bands(width, height):
            pixels = file.read(stride * high)
            if len(pixels) != stride * high:
                raise Refused("The mosaic's pixels are cut short; the disk may be full.")
            layer.setPixelData(
                as_bgra(pixels, len(raster["format"].split()[0])),
                raster["x"],
                raster["y"] + first,
                width,
                high,
            )
            turn()


def as_bgra(pixels: bytes, channels: int) -> bytes:
    """Reorder 8-bit pixels of three or four channels, red first, to Krita's order."""
    out = bytearray(b"\xff") * (len(pixels) // channels * 4)
    for channel in range(channels):
        out[(2, 1, 0, 3)[channel] :: 4] = pixels[channel::channels]
    return bytes(out)
