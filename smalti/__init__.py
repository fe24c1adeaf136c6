"""Smalti: photomosaics laid optimally, and jigsaw image mosaics.

>>> from smalti import Jigsaw, Photomosaic, make_mosaic
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = [
    "Cancelled",
    "Jigsaw",
    "Mosaic",
    "Photomosaic",
    "SmaltiError",
    "Step",
    "__version__",
    "make_mosaic",
]

if TYPE_CHECKING:
    from smalti.core.errors import Cancelled, SmaltiError
    from smalti.core.progress import Step
    from smalti.mosaic import Mosaic, make_mosaic
    from smalti.request import Jigsaw, Photomosaic

_HOMES = {
    "Cancelled": "smalti.core.errors",
    "Jigsaw": "smalti.request",
    "Mosaic": "smalti.mosaic",
    "Photomosaic": "smalti.request",
    "SmaltiError": "smalti.core.errors",
    "Step": "smalti.core.progress",
    "make_mosaic": "smalti.mosaic",
}


def __getattr__(name: str) -> Any:
    """Load public names on first use, so that ``import smalti`` costs nothing."""
    import importlib

    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'smalti' has no attribute {name!r}")
