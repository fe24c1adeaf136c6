"""``smalti worker``: one job from an editor in, steps and raw pixels out.

The line protocol is written down in docs/worker-protocol.md. The main thread
only listens, so that the end of its input is noticed at once: then the job is
cancelled and the folder removed, whatever a library is busy with.
"""

import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any, BinaryIO

from smalti import __version__
from smalti.core.errors import BadInput, Cancelled, SmaltiError, printable

if TYPE_CHECKING:
    from smalti.core.progress import Progress, Step

PROTOCOL = 1
PREFIX = "smalti-job-"
_LOCK = "lock"
_MOST_LINE = 64_000_000  # bytes of a job; a path of a million points fits
_GRACE_S = 0.3  # for a cancelled job to clean up before it is left behind
_BETWEEN_S = 0.1  # between two messages of progress
_YOUNG_S = 60.0  # a folder so new may belong to a worker that is just starting

# What share of a job each phase ends at, for one bar over all of them.
_ENDS: dict[str, dict[str, float]] = {
    "photomosaic": {"index": 0.35, "features": 0.45, "assign": 0.75, "render": 0.97, "score": 0.98},
    "jigsaw": {"segment": 0.03, "index": 0.15, "pack": 0.6, "measure": 0.62, "refine": 0.75,
               "recolor": 0.77, "render": 0.98},
    "flat": {"segment": 0.1, "pack": 0.55, "measure": 0.7, "render": 0.98},
}  # fmt: skip


class Channel:
    """The way back to the editor: one JSON object a line."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._lock = Lock()
        self.closed = Event()

    def say(self, message: str, **values: Any) -> None:
        """Send a message; an editor that has gone is noted, no error."""
        line = json.dumps({"type": message, **values}, allow_nan=False, default=str)
        with self._lock:
            try:
                self._out.write(line.encode("ascii") + b"\n")
                self._out.flush()
            except (OSError, ValueError):
                self.closed.set()


def serve(lines: BinaryIO, channel: Channel, scratch: Path | None = None) -> int:
    """Do one job; return the exit code once the input has ended.

    Parameters
    ----------
    lines : binary file
        The editor's messages; its end cancels.
    channel : Channel
    scratch : Path, optional
        Where the job's folder is made; where the system has temporary files without.
    """
    parent = scratch or Path(tempfile.gettempdir())
    stop, ended = Event(), Event()
    code = [0]
    try:
        with _folder(parent) as folder:
            channel.say(
                "hello", protocol=PROTOCOL, smalti=__version__, folder=str(folder), pid=os.getpid()
            )
            Thread(target=_warm, daemon=True).start()
            line = lines.readline(_MOST_LINE)
            if not line:
                return 0
            Thread(target=_work, args=(line, folder, channel, stop, ended, code)).start()
            while later := lines.readline(_MOST_LINE):
                if _is_cancel(later):
                    stop.set()
            stop.set()
            ended.wait(_GRACE_S)
            _end_helpers()
            return code[0] if ended.is_set() else Cancelled.exit_code
    except OSError as error:
        text = f"no folder for the job can be made in {printable(str(parent))}: {error.strerror}"
        channel.say("error", kind="failed", text=f"{text}; name another with --scratch")
        return 1


def _warm() -> None:
    """Load the engine while the editor writes its pixels."""
    from smalti.mosaic import warm_up

    warm_up()


def _work(
    line: bytes, folder: Path, channel: Channel, stop: Event, ended: Event, code: list[int]
) -> None:
    """Do the job and say how it ended, always."""
    try:
        from smalti.plugin.job import parse_job, run_job

        job = parse_job(line, folder, PROTOCOL)
        done = run_job(job, _reporter(channel, stop, _ENDS[job.family]), channel.say)
        channel.say("done", **done)
        return
    except Cancelled as error:
        kind, text, code[0] = "cancelled", "cancelled; nothing was left behind", error.exit_code
    except SmaltiError as error:
        kind = "input" if isinstance(error, BadInput) else "failed"
        text, code[0] = str(error), error.exit_code
    except MemoryError:
        kind, code[0] = "failed", 1
        text = "not enough memory: close other programs, or make a smaller mosaic"
    except BaseException as error:
        if stop.is_set():  # a helper that was ended on the way out fails in its own way
            kind, text, code[0] = "cancelled", "cancelled; nothing was left behind", 130
        else:
            traceback.print_exc()
            kind, text, code[0] = "failed", f"{type(error).__name__}: {error}", 1
    finally:
        ended.set()
    channel.say("error", kind=kind, text=text)


def _reporter(channel: Channel, stop: Event, ends: dict[str, float]) -> "Progress":
    """Make the progress of a job: now and then a message, `Cancelled` once it shall stop."""
    starts = dict(zip(ends, [0.0, *ends.values()], strict=False))
    said, share, last = 0.0, 0.0, ""

    def progress(step: "Step") -> None:
        nonlocal said, share, last
        if stop.is_set() or channel.closed.is_set():
            raise Cancelled
        if step.phase in ends:
            part = min(1.0, step.done / step.total) if step.total else 0.0
            start = starts[step.phase]
            share = max(share, start + (ends[step.phase] - start) * part)
        now, text = time.monotonic(), step.text or step.phase
        if now - said >= _BETWEEN_S or text != last:
            said, last = now, text
            channel.say(
                "progress",
                phase=step.phase,
                done=step.done,
                total=step.total,
                text=text,
                share=round(share, 4),
            )

    return progress


def _is_cancel(line: bytes) -> bool:
    try:
        return bool(json.loads(line)["type"] == "cancel")
    except (ValueError, TypeError, KeyError, RecursionError):
        return False


@contextmanager
def _folder(parent: Path) -> Iterator[Path]:
    """Keep a folder for the job as long as it lasts, and sweep what dead workers left."""
    _sweep(parent)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent)).resolve()
    held = (folder / _LOCK).open("wb")
    _locked(held)
    try:
        yield folder
    finally:
        held.close()
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(parent: Path) -> None:
    """Remove folders whose worker was killed: the lock on them has gone with it."""
    for left in parent.glob(PREFIX + "*"):
        try:
            if time.time() - left.stat().st_mtime < _YOUNG_S or left.is_symlink():
                continue
            with (left / _LOCK).open("r+b") as lock:
                if not _locked(lock):
                    continue
            shutil.rmtree(left, ignore_errors=True)
        except OSError:  # another user's, or just gone
            continue


def _locked(file: Any) -> bool:
    """Take the lock on an open file, unless somebody has it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _end_helpers() -> None:
    if "multiprocessing" in sys.modules:
        import multiprocessing

        for process in multiprocessing.active_children():
            process.terminate()


def main(scratch: str = "") -> None:
    """Serve standard input and output; whatever else prints, prints on stderr."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGINT", "SIGHUP"):  # the last if the editor's terminal is closed
            if hasattr(signal, name):  # not all on Windows
                signal.signal(getattr(signal, name), _leave)
    code = 1
    try:
        code = serve(sys.stdin.buffer, Channel(out), Path(scratch) if scratch else None)
    except SystemExit:
        code = Cancelled.exit_code
    finally:
        sys.stderr.flush()
        os._exit(code)  # a job that does not hear the cancel is left behind


def _leave(signum: int, frame: object) -> None:
    raise SystemExit


if __name__ == "__main__":
    main(sys.argv[2] if len(sys.argv) == 3 and sys.argv[1] == "--scratch" else "")
