"""The editor's side of the worker: found, started, asked, listened to, ended.

An editor's plug-in runs in the editor's own Python and ships this file beside
`smalti.request`; the standard library is all it may use.
"""

import json
import os
import queue
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

PROTOCOL = 1
PREFIX = "smalti-job-"  # of the folder's name
CONFIG = "worker.json"
VARIABLE = "SMALTI_WORKER"
MODULE = "smalti.plugin.worker"
_HELLO_S = 60.0  # a cold start from a slow disk, with a virus scanner looking on
_LEAVE_S = 2.0  # for a worker to clean up behind itself
_POLL_S = 0.05
_TAIL = 600  # characters of its stderr that are shown

# What an editor sets for its own Python and libraries would break the worker's.
_FOREIGN = ("PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "GI_TYPELIB_PATH", "PYTHONSTARTUP",
            "DYLD_LIBRARY_PATH")  # fmt: skip


class PlainError(Exception):
    """What went wrong, in words for the user."""


class WorkerError(PlainError):
    """What went wrong with the worker."""


class Refused(PlainError):
    """What cannot be done with this image."""


class Cancelled(Exception):
    """The user does not want the mosaic any more."""


def worker_command(folder: Path, editor: str) -> list[str]:
    """Find out how the worker is started.

    Parameters
    ----------
    folder : Path
        Of the plug-in, where the installer writes ``worker.json``. The variable
        ``SMALTI_WORKER`` goes first: a JSON list of words, or the path of a Python.
    editor : str
        As the command line calls it, which can mend the installation.

    Raises
    ------
    WorkerError
        If nothing says so.
    """
    given = os.environ.get(VARIABLE)
    if given:
        command = json.loads(given) if given.startswith("[") else [given, "-P", "-m", MODULE]
    else:
        try:
            command = json.loads((folder / CONFIG).read_text("utf-8"))["command"]
        except (OSError, ValueError, KeyError, TypeError):
            raise WorkerError(
                f"Smalti does not know where its engine is: {folder / CONFIG} is missing or "
                f"damaged. {_again(editor)}"
            ) from None
    if not (isinstance(command, list) and command and all(isinstance(c, str) for c in command)):
        raise WorkerError(
            f"the command of Smalti's engine is {command!r}: a list of words. {_again(editor)}"
        )
    return command


def _again(editor: str) -> str:
    return f"Run in a terminal: smalti {editor} install"


def _anew(editor: str) -> str:
    return f"Install Smalti again, then run in a terminal: smalti {editor} install"


def scratch() -> str:
    """Return where the job's files go: a sandbox has temporary files of its own."""
    if os.path.exists("/.flatpak-info") or "SNAP" in os.environ:
        caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        folder = os.path.join(caches, "smalti")
        os.makedirs(folder, exist_ok=True)
        return folder
    return ""


class Worker:
    """A running worker.

    Parameters
    ----------
    command : list of str
        See `worker_command`.
    editor : str
        As the command line calls it.
    scratch : str
        Where its folder shall be made; empty for the system's temporary files.

    Raises
    ------
    WorkerError
        If it does not start; the environment may have been moved or deleted.
    """

    def __init__(self, command: list[str], editor: str, scratch: str = "") -> None:
        environment = {k: v for k, v in os.environ.items() if k not in _FOREIGN}
        words = [*command, *(["--scratch", scratch] if scratch else [])]
        extra: dict[str, Any] = {}
        if sys.platform == "win32":
            extra["creationflags"] = subprocess.CREATE_NO_WINDOW
        try:
            self.process = subprocess.Popen(
                words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                cwd=os.path.expanduser("~") if os.path.isdir(os.path.expanduser("~")) else None,
                **extra,
            )
        except OSError as error:
            if isinstance(error, FileNotFoundError) and os.path.isabs(words[0]):
                raise WorkerError(
                    f"Smalti's engine is gone: there is no {words[0]} any more, its environment "
                    f"was moved or deleted. {_anew(editor)}"
                ) from None
            raise WorkerError(
                f"Smalti's engine does not start: {words[0]}: {error.strerror}. {_anew(editor)}"
            ) from None
        self._editor = editor
        self._heard: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._stderr = ""
        self.folder: Path | None = None
        self.warnings: list[str] = []
        self._messages = threading.Thread(target=self._listen, daemon=True)
        self._messages.start()
        self._complaints = threading.Thread(target=self._listen_to_complaints, daemon=True)
        self._complaints.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as out:
            for line in out:
                try:
                    message = json.loads(line)
                except ValueError:  # a library's own words
                    continue
                if isinstance(message, dict) and isinstance(message.get("type"), str):
                    self._heard.put(message)
        self._heard.put(None)

    def _listen_to_complaints(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as complaints:
            for line in complaints:
                self._stderr = (self._stderr + line.decode("utf-8", "replace"))[-_TAIL:]

    def greet(self) -> Path:
        """Wait for the worker's first words; return the folder of its job.

        Raises
        ------
        WorkerError
            If it says something else, nothing at all, or speaks another protocol.
        """
        if not self.greeted(_HELLO_S) or self.folder is None:
            raise WorkerError(f"Smalti's engine said nothing for {_HELLO_S:.0f} seconds")
        return self.folder

    def greeted(self, seconds: float = 0) -> bool:
        """Whether the worker's first words have come in time; then there is a `folder`."""
        if self.folder is None and (message := self.next(seconds)) is not None:
            self.folder = self._folder(message)
        return self.folder is not None

    def _folder(self, message: dict[str, Any]) -> Path:
        if message["type"] != "hello" or not isinstance(message.get("folder"), str):
            raise WorkerError(f"Smalti's engine began with {message!r:.200}")
        if message.get("protocol") != PROTOCOL:
            raise WorkerError(
                f"this plug-in speaks protocol {PROTOCOL} and Smalti's engine "
                f"{message.get('protocol')!r}. {_again(self._editor)}"
            )
        folder = Path(message["folder"])
        if not folder.name.startswith(PREFIX):  # it is removed in the end
            raise WorkerError(f"Smalti's engine keeps its files in {folder}: not a job's folder")
        if not folder.is_dir():
            raise WorkerError(
                f"Smalti's engine keeps its files in {folder}, which is not visible from "
                f"here. Run in a terminal: smalti {self._editor} check"
            )
        return folder

    def ask(self, job: dict[str, Any]) -> None:
        """Send the job; its pixels must lie in the folder."""
        self._send({"type": "job", "protocol": PROTOCOL, **job})

    def cancel(self) -> None:
        """Ask it to stop; an error of kind ``cancelled`` follows."""
        self._send({"type": "cancel"})

    def _send(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(message).encode("ascii") + b"\n")
            self.process.stdin.flush()
        except (OSError, ValueError):
            raise self._ended() from None

    def next(self, seconds: float) -> dict[str, Any] | None:
        """Return the next message, or None where there is none in time.

        Warnings are kept in `warnings`; an error of the worker's is raised.

        Raises
        ------
        WorkerError
            In the worker's words, or with the end of what it printed if it just ended.
        """
        try:
            message = self._heard.get(timeout=seconds) if seconds else self._heard.get_nowait()
        except queue.Empty:
            return None
        if message is None:
            raise self._ended()
        if message["type"] == "error":
            raise WorkerError(str(message.get("text")))
        if message["type"] == "warning":
            self.warnings.append(str(message.get("text")))
            return None
        return message

    def _ended(self) -> WorkerError:
        try:
            code = self.process.wait(_LEAVE_S)
        except subprocess.TimeoutExpired:
            return WorkerError("Smalti's engine does not listen any more")
        self._complaints.join(_LEAVE_S)
        lines = [line for line in self._stderr.strip().splitlines() if line.strip()]
        said = f" Its last words: {lines[-1].strip()}" if lines and code >= 0 else ""
        how = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
        if self.folder is None and code >= 0:
            return WorkerError(
                f"Smalti's engine does not start: it {how}. {_anew(self._editor)}.{said}"
            )
        return WorkerError(
            f"Smalti's engine {how} before it was done; the image is as it was.{said}"
        )

    def close(self) -> None:
        """End the worker, wherever it is, and leave no folder behind."""
        if self.process.stdin is not None:
            try:
                self.process.stdin.close()
            except OSError:
                pass
        try:
            self.process.wait(_LEAVE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        # Its own helpers may hold the pipes a little longer.
        self._messages.join(_LEAVE_S)
        self._complaints.join(_LEAVE_S)
        if self.folder is not None:  # it does so itself, unless it was killed
            shutil.rmtree(self.folder, ignore_errors=True)


def make(worker: Worker, job: dict[str, Any], tell: Callable[[str, float], None]) -> dict[str, Any]:
    """Have a mosaic made; return the worker's last message once all its files are there.

    Parameters
    ----------
    worker : Worker
    job : dict
        Its pixels lie in the worker's folder.
    tell : callable
        Given what is being done, empty until something is, and the share that is
        done, twenty times a second; what it raises ends the job.
    """
    worker.ask(job)
    text, share = "", 0.0
    while True:
        message = worker.next(_POLL_S)
        if message is not None and message["type"] == "done":
            _check(worker, message)
            return message
        if message is not None and message["type"] == "progress":
            text, share = str(message["text"]), float(message["share"])
        tell(text, share)


def _check(worker: Worker, done: dict[str, Any]) -> None:
    """Nothing of the image is touched before everything is there."""
    assert worker.folder is not None
    for raster in (done["result"], *done["layers"]):
        file = worker.folder / raster["file"]
        if not file.is_file() or file.stat().st_size != raster["stride"] * raster["height"]:
            raise WorkerError(f"Smalti's engine did not write {raster['file']} whole.")
