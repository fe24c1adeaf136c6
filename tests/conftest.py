"""What tests share: pictures made to be told apart, and the data beside the repository."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep every test away from the user's own index."""
    monkeypatch.setenv("SMALTI_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture
def folder_of_photos(tmp_path: Path, rng: np.random.Generator) -> Path:
    """Forty photos, each a soft picture of its own colours, 48 x 36 px."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(40):
        Image.fromarray(soft_picture(rng, 48, 36)).save(folder / f"photo {number:02}.png")
    return folder


@pytest.fixture
def target(tmp_path: Path, rng: np.random.Generator) -> Path:
    """A soft picture, 120 x 90 px."""
    file = tmp_path / "target.png"
    Image.fromarray(soft_picture(rng, 120, 90)).save(file)
    return file


def soft_picture(rng: np.random.Generator, width: int, height: int) -> NDArray[np.uint8]:
    """A few random colours blended into each other."""
    few = rng.integers(0, 256, (3, 4, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(few).resize((width, height), Image.Resampling.BICUBIC))


def shared(name: str) -> Path:
    """A file of the data beside the repository; the test is skipped where it is absent."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"needs ../shared/{name}, which is not part of the repository")
    return path
