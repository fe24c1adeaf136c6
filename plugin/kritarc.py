"""Krita's file of settings: which of its Python plug-ins are on. All else in it stays."""

from pathlib import Path

from smalti.core.atomic import write_bytes

_SECTION = "[python]"


def is_on(file: Path, plugin: str) -> bool:
    """Whether Krita loads a plug-in."""
    return f"enable_{plugin}=true" in _lines(file)


def turn_on(file: Path, plugin: str) -> None:
    """Have Krita load a plug-in from its next start on."""
    lines = _without(_lines(file), plugin)
    if _SECTION not in lines:
        lines += ["", _SECTION] if lines else [_SECTION]
    lines.insert(lines.index(_SECTION) + 1, f"enable_{plugin}=true")
    _write(file, lines)


def turn_off(file: Path, plugin: str) -> None:
    """Remove what `turn_on` wrote."""
    lines = _lines(file)
    kept = _without(lines, plugin)
    if kept != lines:
        _write(file, kept)


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text("utf-8", errors="surrogateescape").splitlines()
    except FileNotFoundError:
        return []


def _without(lines: list[str], plugin: str) -> list[str]:
    return [line for line in lines if not line.startswith(f"enable_{plugin}=")]


def _write(file: Path, lines: list[str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(file, ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape"))
