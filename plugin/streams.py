"""What a process is given: standard streams that may be closed, full or left, and signals."""

import os
import signal
import sys
from typing import Any, TextIO, cast

from smalti.core.errors import SmaltiError


class Unprinted(SmaltiError):
    """A result that stdout did not take; without a message if its reader had read enough."""


class Output:
    """A text stream that fails in words once, and then takes whatever comes.

    Parameters
    ----------
    stream : TextIO or None
        None where it was closed before we began.
    needed : bool
        Whether a failure is one of ours: of results it is, of progress it is not.
    """

    def __init__(self, stream: TextIO | None, *, needed: bool) -> None:
        self._stream = stream or _nowhere()
        self._needed = needed

    def write(self, text: str) -> int:
        """Write, or raise `Unprinted` where the stream is needed."""
        if text != "":  # by which click tries a stream, hiding what it says
            self._attempt("write", text)
        return len(text)

    def flush(self) -> None:
        """Flush, or raise `Unprinted` where the stream is needed."""
        self._attempt("flush")

    def _attempt(self, call: str, *arguments: str) -> None:
        try:
            getattr(self._stream, call)(*arguments)
        except OSError as error:
            self._stream = _nowhere()
            if self._needed:
                left = isinstance(error, BrokenPipeError)
                why = "" if left else f"cannot print the result: {error.strerror or error}"
                raise Unprinted(why) from error

    def __getattr__(self, name: str) -> Any:
        """Be like the stream in all else."""
        return getattr(self._stream, name)


def _nowhere() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")


def keep_signals() -> None:
    """Have a polite kill and a closed terminal heard as Ctrl-C is, at any moment."""
    for number in {getattr(signal, name, signal.SIGTERM) for name in ("SIGTERM", "SIGHUP")}:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup has it so
            signal.signal(number, _interrupt)


def _interrupt(signum: int, frame: object) -> None:
    raise KeyboardInterrupt


def keep_streams() -> None:
    """Have all three standard streams, and none of them the end of a job.

    A closed one's number would go to the next file that is opened, such as the index of
    photos, and what a library prints would go there.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    sys.stdout = cast(TextIO, Output(sys.stdout, needed=True))
    sys.stderr = cast(TextIO, Output(sys.stderr, needed=False))
