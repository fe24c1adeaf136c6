"""What can go wrong, as one family: catch `SmaltiError` and show its message."""

_LONGEST = 1000  # characters of a message; it may quote a value that is megabytes long


class SmaltiError(Exception):
    """Anything smalti reports in words; the base of the family.

    A message says what is wrong, with which file or value, what is accepted
    and how to mend it, in one line.
    """

    exit_code = 1

    def __init__(self, message: str) -> None:
        end = _LONGEST // 2
        whole = len(message) <= _LONGEST
        super().__init__(message if whole else f"{message[:end]} ... {message[-end:]}")


class BadInput(SmaltiError):
    """A target, option, library or project that cannot be used."""

    exit_code = 2


class UnusablePicture(BadInput):
    """One file that is not a picture smalti can read.

    Parameters
    ----------
    file : str
        The file, as the user would name it.
    reason : str
        Why it cannot be used, without the file's name.
    """

    def __init__(self, file: str, reason: str) -> None:
        super().__init__(f"cannot use {printable(file)}: {reason}")
        self.file = file
        self.reason = reason

    def __reduce__(self) -> tuple[type["UnusablePicture"], tuple[str, str]]:
        """Survive the way back from a worker process."""
        return type(self), (self.file, self.reason)


class WorkerLost(SmaltiError):
    """A worker process that crashed, hung or outgrew its memory over what it was given.

    Parameters
    ----------
    reason : str
        What happened, as a sentence about "it", the work.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Cancelled(Exception):
    """Raised by a progress callback to stop the work; nothing half-done stays."""

    exit_code = 130


def printable(name: str) -> str:
    """Escape what would break a line, or turn its direction, in a file's name.

    Line breaks, control characters, bytes that are no UTF-8 and marks such as
    U+202E come out as backslash escapes.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)
