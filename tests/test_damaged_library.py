"""One photo in twenty is damaged: the mosaic is that of the others, and each is named."""

import json
from pathlib import Path

import numpy as np
import pytest
from test_cli import smalti

from bench.damaged import make_library
from smalti.core.library import scan


@pytest.mark.parametrize("count", [400, pytest.param(10_000, marks=pytest.mark.slow)])
def test_a_mosaic_of_a_damaged_library_is_that_of_what_is_sound(tmp_path: Path, count: int) -> None:
    photos = tmp_path / "photos"
    bad = make_library(photos, count)
    assert len(bad) == count // 20
    words: list[str | Path] = [
        "photo",
        "@demo",
        photos,
        "--cells",
        str(count // 5),
        "--tile-px",
        "8",
        "--json",
    ]
    told = json.loads(smalti(*words, "-o", tmp_path / "mixed.png").stdout)
    assert sorted(Path(skipped["file"]).name for skipped in told["skipped"]) == bad
    assert all(skipped["reason"] for skipped in told["skipped"])
    found = scan([str(photos)])
    for name in bad:
        (photos / name).unlink()
    smalti(*words, "-o", tmp_path / "clean.png")
    alone = scan([str(photos)])
    assert found.sources == alone.sources
    assert np.array_equal(found.thumbs, alone.thumbs)
    assert (tmp_path / "mixed.png").read_bytes() == (tmp_path / "clean.png").read_bytes()
