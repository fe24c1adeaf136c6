from pathlib import Path

import pytest

from smalti.core import atomic
from smalti.core.atomic import write_bytes
from smalti.core.errors import SmaltiError


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_write_bytes_is_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "project.json"
    write_bytes(out, b"first")
    write_bytes(out, b"second")
    assert contents(tmp_path) == {out.name: b"second"}

    def full(path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic, "sync", full)
    with pytest.raises(SmaltiError, match="No space left on device"):
        write_bytes(out, b"third")
    assert contents(tmp_path) == {out.name: b"second"}
