"""What tests share: pictures told apart, a packed jigsaw, a cache of their own, golden pictures."""

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import settings
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from smalti.core.library import default_index
from smalti.jigsaw.shapes import scan_shapes
from smalti.request import Jigsaw

if TYPE_CHECKING:  # most tests need no viewer
    from smalti.plugin.viewer.engine import Engine
    from smalti.plugin.viewer.jigsaw_state import JigsawState

GOLDEN = Path(__file__).parent / "golden"
REPORT = Path(__file__).parent / "report"
pytest.register_assert_rewrite("assigning", "viewing")  # their checks tell what was compared
settings.register_profile("smalti", deadline=None)  # a first call compiles; no test is timed
settings.load_profile("smalti")
CLOSE = 2.0  # mean absolute difference, of 255, that codecs and rounding may make


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--store-golden", action="store_true", help="keep what is drawn as golden")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[NDArray[np.uint8], str], None]:
    """Compare a picture with the golden one of a name.

    ``pytest --store-golden`` keeps what is drawn now: look at it before it is
    committed. On a failure tests/report/ shows reference, result and difference.
    """
    return partial(compare, store=bool(request.config.getoption("--store-golden")))


def compare(picture: NDArray[np.uint8], name: str, *, store: bool) -> None:
    file = GOLDEN / f"{name}.png"
    if store:
        GOLDEN.mkdir(exist_ok=True)
        Image.fromarray(picture).save(file, optimize=True)
        return
    with Image.open(file) as kept:
        reference = np.asarray(kept.convert("RGB"))
    assert reference.shape == picture.shape, f"{name} is {picture.shape}, was {reference.shape}"
    apart = np.abs(reference.astype(int) - picture)
    if apart.mean() > CLOSE:
        REPORT.mkdir(exist_ok=True)
        beside = np.concatenate([reference, picture, (4 * apart).clip(0, 255)], axis=1)
        Image.fromarray(beside.astype(np.uint8)).save(REPORT / f"{name}.png")
        raise AssertionError(f"{name} differs by {apart.mean():.1f}: see tests/report/{name}.png")


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep every test away from the user's own index."""
    monkeypatch.setenv("SMALTI_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session")
def shapes_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Look at the demo's clip art, once for all tests: reading its words takes a minute."""
    index = tmp_path_factory.mktemp("shapes") / "index.sqlite"
    scan_shapes(["@demo"], index=index)
    return index


@pytest.fixture
def shapes_known(shapes_index: Path, own_cache: None) -> None:
    """Let a test's own index know the demo's clip art."""
    default_index().parent.mkdir(exist_ok=True)
    shutil.copyfile(shapes_index, default_index())


@pytest.fixture(scope="module")
def jigsaw_request(tmp_path_factory: pytest.TempPathFactory) -> Jigsaw:
    """Ask for a jigsaw of a red disc before blue, for the viewer."""
    folder = tmp_path_factory.mktemp("viewer")
    target = Image.new("RGB", (240, 160), (40, 70, 160))
    ImageDraw.Draw(target).ellipse((70, 30, 170, 130), fill=(190, 50, 40))
    target.save(folder / "target.png")
    return Jigsaw(target=str(folder / "target.png"), shapes=("@demo",), tiles=40)


@pytest.fixture(scope="module")
def engine(shapes_index: Path) -> "Iterator[Engine]":
    """Start the viewer's engine, which knows the demo's clip art."""
    from smalti.plugin.viewer.engine import Engine

    engine = Engine(shapes_index)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def packed(engine: "Engine", jigsaw_request: Jigsaw) -> "JigsawState":
    """Watch the engine pack the jigsaw; a module's own, as both remember what is done to them."""
    from viewing import told

    from smalti.plugin.viewer.event import Make
    from smalti.plugin.viewer.jigsaw_engine import Answer
    from smalti.plugin.viewer.jigsaw_state import JigsawState

    engine.ask(Make(jigsaw_request))
    return told(JigsawState(request=jigsaw_request), engine, Answer)


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
