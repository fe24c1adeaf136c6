"""Arrays in files without a name, and what of them stays in memory."""

import sys
from pathlib import Path

import numpy as np
import pytest

from smalti.core import scratch
from smalti.core.scratch import Scratch, picked


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Scratch:
    """2,000 items of 32 kB in a file."""
    monkeypatch.setattr(scratch, "_IN_MEMORY", 0)
    made = Scratch(2000, np.dtype(("i8", 4096)), tmp_path)
    made.array[:] = np.arange(2000)[:, None]
    return made


def mapped_mb() -> float:
    status = Path("/proc/self/status").read_text()
    lines = dict(line.split(":", 1) for line in status.splitlines())
    return sum(int(lines[name].split()[0]) / 1e3 for name in ("RssFile", "RssShmem"))


@pytest.mark.parametrize("count", [0, 1, 256, 700])
def test_picked_are_the_items(table: Scratch, count: int, rng: np.random.Generator) -> None:
    items = rng.integers(0, 2000, count)
    for array in (table.array, table.array.copy(), table.array[5:]):
        found = picked(array, items % len(array))
        assert found.shape == (count, 4096)
        assert np.array_equal(found, array[items % len(array)])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_what_is_picked_brings_nothing_along(table: Scratch) -> None:
    scratch.let_go(table.array)
    before = mapped_mb()
    items = np.arange(0, 2000, 2)
    found = picked(table.array, items)
    assert mapped_mb() < before + 5
    assert np.array_equal(found, table.array[items])
    assert mapped_mb() > before + 30  # as indexing does
