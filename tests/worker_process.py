"""The real worker in a process of its own, spoken to as an editor does."""

import json
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

WORKER = [
    sys.executable,
    "-c",
    "from smalti.plugin.worker import main; import sys; main(*sys.argv[1:])",
]
TIMEOUT_S = 90.0


class Worker:
    """A running worker; its messages are read by a thread, so that a test can time out."""

    def __init__(self, scratch: Path) -> None:
        with (scratch / "stderr").open("wb") as stderr:
            self.process = subprocess.Popen(
                [*WORKER, str(scratch)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
            )
        self.heard: queue.Queue[dict[str, Any] | None] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()
        self.hello = self.next()
        self.folder = Path(self.hello["folder"])

    def _listen(self) -> None:
        assert self.process.stdout
        with self.process.stdout as out:
            for line in out:
                self.heard.put(json.loads(line))
        self.heard.put(None)

    def next(self) -> dict[str, Any]:
        message = self.heard.get(timeout=TIMEOUT_S)
        assert message is not None, "the worker said no more"
        return message

    def send(self, message: Any) -> None:
        line = message if isinstance(message, bytes) else json.dumps(message).encode() + b"\n"
        assert self.process.stdin
        self.process.stdin.write(line)
        self.process.stdin.flush()

    def until(self, *kinds: str) -> list[dict[str, Any]]:
        """Return all messages up to the first of a kind."""
        got = [self.next()]
        while got[-1]["type"] not in kinds:
            got.append(self.next())
        return got

    def close(self) -> int:
        """End the input; return the exit code once the worker has gone."""
        if self.process.stdin and not self.process.stdin.closed:
            self.process.stdin.close()
        return self.process.wait(TIMEOUT_S)

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdin:
            try:
                self.process.stdin.close()
            except OSError:
                pass

    def raster(self, name: str, pixels: NDArray[Any], form: str, **more: Any) -> dict[str, Any]:
        pixels.tofile(self.folder / name)
        high, wide = pixels.shape[:2]
        return {"file": name, "width": wide, "height": high, "format": form, **more}


def gone(path: Path, seconds: float) -> bool:
    """Whether a path goes away in time."""
    end = time.monotonic() + seconds
    while path.exists() and time.monotonic() < end:
        time.sleep(0.02)
    return not path.exists()
