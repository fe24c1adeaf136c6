from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from smalti import Jigsaw
from smalti.core.color import to_space
from smalti.core.errors import BadInput
from smalti.core.progress import Step
from smalti.ground import check_request, lay_ground


@pytest.fixture
def head(tmp_path: Path) -> Jigsaw:
    """A face, and a wall as wide again beside it."""
    picture = np.asarray(astronaut())[:240, 100:340]
    Image.fromarray(np.pad(picture, ((0, 0), (0, 240), (0, 0)), mode="reflect")).crop(
        (0, 0, 400, 240)
    ).save(tmp_path / "head.png")
    return Jigsaw(target=str(tmp_path / "head.png"), shapes=("@demo",), tiles=400)


def test_a_face_is_cut_finer_and_its_tiles_are_smaller(
    head: Jigsaw, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground = lay_ground(head)
    assert ground.fine is not None
    face = ground.fine < 1
    assert 0.02 < face.mean() < 0.4
    assert ground.size_ratio == 5
    monkeypatch.setattr("smalti.ground.find_faces", lambda picture: np.empty((0, 3)))
    plain = lay_ground(head)
    assert plain.fine is None
    assert plain.size_ratio == 4
    assert len(np.unique(ground.labels[face])) >= 2 * len(np.unique(plain.labels[face]))


def test_whoever_says_how_is_obeyed(head: Jigsaw, tmp_path: Path) -> None:
    assert lay_ground(replace(head, size_ratio=2.0)).size_ratio == 2
    assert lay_ground(replace(head, segments=5)).fine is None
    with Image.open(head.target) as picture:
        Image.new("L", picture.size, 9).save(tmp_path / "labels.png")
    assert lay_ground(replace(head, labels=str(tmp_path / "labels.png"))).fine is None
    with pytest.raises(BadInput, match="size-ratio"):
        check_request(replace(head, size_ratio=9.0))


def test_a_frame_is_cut_off_unless_it_is_kept(tmp_path: Path, rng: np.random.Generator) -> None:
    noise = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8).repeat(20, 0).repeat(20, 1)
    framed = np.pad(noise, ((10, 14), (8, 8), (0, 0)))
    Image.fromarray(framed).save(tmp_path / "framed.png")
    asked = Jigsaw(target=str(tmp_path / "framed.png"), shapes=("@demo",), tiles=30)
    ground = lay_ground(asked)
    assert ground.frame == (8, 10, 8, 14)
    assert ground.target == (320, 240)
    assert ground.picture[0].mean() > 20
    kept = lay_ground(replace(asked, keep_frame=True))
    assert kept.target == (336, 264)
    assert not any(kept.frame)
    assert not any(lay_ground(replace(asked, mask=asked.target)).frame)


def test_nothing_is_filled_where_labels_are_transparent(tmp_path: Path) -> None:
    target, labels = tmp_path / "target.png", tmp_path / "labels.png"
    Image.new("RGB", (80, 60), "white").save(target)
    drawn = np.zeros((60, 80, 4), np.uint8)
    drawn[:, :40] = (200, 0, 0, 255)
    Image.fromarray(drawn).save(labels)
    request = Jigsaw(target=str(target), shapes=("@demo",), labels=str(labels), tiles=20)
    ground = lay_ground(request)
    width = ground.labels.shape[1]
    assert (ground.labels[:, : width // 2 - 1] == 0).all()
    assert (ground.labels[:, width // 2 + 1 :] == -1).all()
    assert (ground.labels >= 0).sum() / ground.tile_px**2 == pytest.approx(20, rel=0.05)


def test_colours_of_a_large_ground_are_counted(head: Jigsaw) -> None:
    steps: list[Step] = []
    ground = lay_ground(replace(head, tiles=3000), steps.append)
    texts = [s.text for s in steps]
    assert texts[:2] == ["reading the target", "finding containers"]
    told = [(s.done, s.total) for s in steps if s.text == "converting its colours"]
    assert len(told) >= 3
    assert told == sorted(told)
    assert {total for _, total in told} == {len(ground.labels)}
    assert np.array_equal(ground.goal, to_space(ground.picture, "lab"))
