"""A quick mosaic beside the options of an editor's dialog; the standard library only."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from smalti.plugin.editor import PlainError, Worker

SIDE = 360  # px of its longer side
STEP_MS = 40  # between two steps
_WAIT_S = 0.35  # after a change, so that typing does not start a preview a letter


class Preview:
    """A mosaic that is made again when the options change, in steps that never wait.

    A worker is always warm and waiting, so that the engine's loading is not felt;
    OK takes it over for the mosaic itself.

    Parameters
    ----------
    start : callable
        Starts a worker.
    job : callable
        Writes pixels into a folder and returns the job.
    show : callable
        Shows a raster of a folder.
    say : callable
        Shows a line of text.
    """

    def __init__(
        self,
        start: Callable[[], Worker],
        job: Callable[[Path], dict[str, Any]],
        show: Callable[[Path, dict[str, Any]], None],
        say: Callable[[str], None],
    ) -> None:
        self._start, self._job, self._show, self._say = start, job, show, say
        self._worker: Worker | None = None
        self._asked = False
        self._due: float | None = None  # when it shall be made
        self.changed()

    def changed(self, *_: object) -> None:
        """Make it again soon."""
        self._due = time.monotonic() + _WAIT_S

    def step(self) -> bool:
        """Do what can be done without waiting; to be called every `STEP_MS`."""
        try:
            if self._worker is None:
                if self._due is not None:
                    self._warm()
            elif self._due is not None and time.monotonic() >= self._due:
                self._begin(self._worker)
            elif self._asked:
                self._listen(self._worker)
        except PlainError as error:
            self._say(str(error))
            self._due = None  # until something changes
            self._renew()
        return True

    def take_worker(self) -> Worker | None:
        """End the preview; return the warm worker if it has not been asked anything."""
        if self._asked:
            self._renew()
        worker, self._worker = self._worker, None
        return worker

    def _warm(self) -> None:
        self._worker, self._asked = self._start(), False

    def _begin(self, worker: Worker) -> None:
        if self._asked:
            self._renew()
            self._warm()
        elif worker.greeted():
            self._due = None
            assert worker.folder is not None
            worker.ask({**self._job(worker.folder), "preview": True})
            self._asked = True
            self._say("Preview: starting ...")

    def _listen(self, worker: Worker) -> None:
        while (message := worker.next(0)) is not None:
            if message["type"] == "progress":
                self._say(f"Preview: {message['text']} ...")
            elif message["type"] == "done":
                assert worker.folder is not None
                self._show(worker.folder, message["result"])
                self._say(f"Quick preview: {message['summary']}.")
                self._renew()
                self._warm()
                return

    def _renew(self) -> None:
        """End the worker without waiting for it."""
        worker, self._worker, self._asked = self._worker, None, False
        if worker is not None:
            threading.Thread(target=worker.close, daemon=False).start()
