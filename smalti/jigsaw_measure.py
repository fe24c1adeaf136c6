"""How good a packing is, and how like its target the mosaic is, with steps for who waits."""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from smalti.core.progress import Progress, named
from smalti.ground import Ground, resized
from smalti.jigsaw.placement import Placement
from smalti.jigsaw.quality import Packing, measure_likeness, measure_packing
from smalti.jigsaw.refine import deformation
from smalti.jigsaw_picture import seen
from smalti.jigsaw_project import JigsawProject

_COMPARED = 2.0  # px of the comparison along a pixel of the raster


def measure_rigid(
    placements: Sequence[Placement],
    ground: Ground,
    group: NDArray[np.intp],
    progress: Progress,
) -> Packing:
    """Measure how rigid tiles fill their containers; see `measure_packing`.

    Their likeness is not measured: it takes drawing a picture that nobody sees.
    """
    part = named("measuring the rigid packing", progress)
    return measure_packing(placements, ground.labels, group, progress=part)


def measure_mosaic(
    project: JigsawProject,
    placements: Sequence[Placement],
    rest: NDArray[np.float64],
    ground: Ground,
    group: NDArray[np.intp],
    progress: Progress,
) -> dict[str, float]:
    """Compute every column of the metric suite.

    Parameters
    ----------
    project : JigsawProject
    placements : sequence of Placement
        Its tiles on the raster that was packed.
    rest : ndarray of shape (n, k, 2), float64
        Their contours before they were deformed.
    ground : Ground
    group : ndarray of shape (m,), intp
        Near-duplicate group of each tile of the library.
    progress : callable
        Called with steps of the phase ``"measure"``.
    """
    picture, alpha = seen(project, _COMPARED, named("drawing it small", progress))
    labels = _nearest(ground.labels, alpha.shape)
    size = (alpha.shape[1], alpha.shape[0])
    target = resized(ground.picture, size, Image.Resampling.BICUBIC)
    side = _COMPARED * ground.tile_px
    part = named("measuring the likeness", progress)
    likeness = measure_likeness(target, picture, alpha, labels, side, progress=part)
    part = named("measuring the packing", progress)
    packing = measure_packing(placements, ground.labels, group, progress=part)
    bent = deformation(np.stack([p.contour for p in placements]), rest)
    return {
        **asdict(packing),
        **asdict(likeness),
        "deformation_mean": float(bent.mean()),
        "deformation_p95": float(np.percentile(bent, 95)),
    }


def _nearest(labels: NDArray[np.intp], shape: tuple[int, ...]) -> NDArray[np.intp]:
    rows, columns = (np.arange(n) * m // n for n, m in zip(shape, labels.shape, strict=True))
    return np.asarray(labels[rows[:, None], columns])
