"""The preview of an editor's dialog: steps that never wait, a worker always warm."""

from pathlib import Path
from typing import Any

import pytest

from smalti.plugin import preview as room
from smalti.plugin.editor import Worker, WorkerError
from smalti.plugin.preview import Preview


class Warm(Worker):
    """A worker that says what a test gives it."""

    def __init__(self, folder: Path) -> None:
        self.folder: Path | None = None
        self.place = folder
        self.messages: list[Any] = []
        self.asked: list[dict[str, Any]] = []
        self.closed = False

    def greeted(self, seconds: float = 0) -> bool:
        assert seconds == 0, "a step does not wait"
        self.folder = self.place
        return True

    def ask(self, job: dict[str, Any]) -> None:
        self.asked.append(job)

    def next(self, seconds: float) -> dict[str, Any] | None:
        assert seconds == 0, "a step does not wait"
        message = self.messages.pop(0) if self.messages else None
        if isinstance(message, Exception):
            raise message
        return message

    def close(self) -> None:
        self.closed = True


class Dialog:
    """What a dialog of an editor gives a preview, and what it was told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.workers: list[Warm] = []
        self.shown: list[Any] = []
        self.said: list[str] = []
        self.preview = Preview(self.start, lambda _: {"request": 1}, self.show, self.said.append)

    def start(self) -> Worker:
        self.workers.append(Warm(self.folder))
        return self.workers[-1]

    def show(self, folder: Path, raster: Any) -> None:
        self.shown.append((folder, raster))

    def step(self, count: int = 1) -> None:
        for _ in range(count):
            assert self.preview.step()


@pytest.fixture
def dialog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dialog:
    monkeypatch.setattr(room, "_WAIT_S", 0.0)
    return Dialog(tmp_path)


def test_a_preview_is_shown_and_another_worker_waits(dialog: Dialog) -> None:
    dialog.step(2)
    first = dialog.workers[0]
    assert first.asked == [{"request": 1, "preview": True}]
    first.messages = [
        {"type": "progress", "text": "drawing"},
        {"type": "done", "result": "raster", "summary": "4 x 3 cells"},
    ]
    dialog.step(5)
    assert dialog.shown == [(dialog.folder, "raster")]
    assert dialog.said[-1] == "Quick preview: 4 x 3 cells."
    assert first.closed
    assert len(dialog.workers) == 2, "nothing changed, so nothing is made again"
    taken = dialog.preview.take_worker()
    assert taken is dialog.workers[1]
    assert not dialog.workers[1].asked


def test_a_change_makes_it_again_with_another_worker(dialog: Dialog) -> None:
    dialog.step(2)
    dialog.preview.changed()
    dialog.step(2)
    first, second = dialog.workers
    assert first.closed
    assert len(second.asked) == 1
    assert dialog.preview.take_worker() is None, "it is busy with a preview"
    assert second.closed


def test_what_goes_wrong_is_said_once_until_something_changes(dialog: Dialog) -> None:
    dialog.step(2)
    dialog.workers[0].messages = [WorkerError("no photos")]
    dialog.step(5)
    assert dialog.said[-1] == "no photos"
    assert len(dialog.workers) == 1
    dialog.preview.changed()
    dialog.step(2)
    assert len(dialog.workers[1].asked) == 1


def test_nothing_is_made_before_the_typing_ends(
    dialog: Dialog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_WAIT_S", 60.0)
    dialog.preview.changed()
    dialog.step(5)
    assert [worker.asked for worker in dialog.workers] == [[]]
