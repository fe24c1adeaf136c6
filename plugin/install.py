"""A plug-in put into a profile of an editor, examined, and taken out."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from smalti import __version__
from smalti.plugin import kritarc
from smalti.plugin.editor import CONFIG, MODULE, VARIABLE, Worker, WorkerError
from smalti.plugin.profiles import Editor, Profile

_PLUGIN = Path(__file__).resolve().parent
_PERMISSION = "--talk-name=org.freedesktop.Flatpak"
_ALLOW = "allow yourself to write there, then run this again"
_TURN_ON = "turn Smalti on in Settings > Configure Krita > Python Plugin Manager"


@dataclass(frozen=True, slots=True)
class Report:
    """What was found or done in one profile."""

    profile: Profile
    fine: bool
    words: str


def install(profile: Profile) -> Report:
    """Put the plug-in into a profile, and prove that its worker starts."""
    editor, plugin = profile.editor, profile.plugin
    if profile.kind == "snap":
        return Report(profile, False, _snap_words(editor))
    command = worker_command(profile)
    problem = _unable(command, editor)
    if problem:
        return Report(profile, False, problem)
    try:
        plugin.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(plugin / "lib", ignore_errors=True)
        for file, content in _files(profile).items():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        values = {"command": command, "version": __version__}
        (plugin / CONFIG).write_text(json.dumps(values, indent=1), "utf-8")
        (plugin / editor.entry).chmod(0o755)
        if editor.description:
            profile.description.write_text(editor.description, "utf-8")
        if profile.settings:
            kritarc.turn_on(profile.settings, editor.folder)
    except OSError as error:
        return Report(profile, False, f"cannot write to {plugin}: {error.strerror}; {_ALLOW}")
    if profile.kind == "flatpak" and not _flatpak_allowed(editor):
        return Report(profile, False, _flatpak_words(editor))
    words = f"installed in {plugin}; start {editor.title} again to see it in {editor.menu}"
    if editor.description and not profile.settings:
        words += f", and {_TURN_ON}"
    return Report(profile, True, words)


def check(profile: Profile) -> Report:
    """Look whether the plug-in in a profile would work, and say how to mend it."""
    editor = profile.editor
    again = f"run: smalti {editor.name} install"
    if profile.kind == "snap":
        return Report(profile, False, _snap_words(editor))
    try:
        values = json.loads((profile.plugin / CONFIG).read_text("utf-8"))
        command, version = values["command"], values["version"]
    except (OSError, ValueError, KeyError, TypeError):
        words = "damaged" if profile.plugin.exists() else "not installed"
        return Report(profile, False, f"{words}; {again}")
    if version != __version__:
        words = f"version {version} is installed, this is {__version__}; {again}"
        return Report(profile, False, words)
    if any(not p.is_file() or p.read_bytes() != b for p, b in _files(profile).items()):
        return Report(profile, False, f"damaged, or of another version; {again}")
    if not os.access(profile.plugin / editor.entry, os.X_OK):
        return Report(profile, False, f"it may not be executed; {again}")
    if editor.description and not profile.description.exists():
        return Report(profile, False, f"damaged; {again}")
    if profile.settings and not kritarc.is_on(profile.settings, editor.folder):
        return Report(profile, False, f"it is turned off; {_TURN_ON}, or {again}")
    problem = _unable(command, editor)
    if problem:
        return Report(profile, False, problem)
    if profile.kind == "flatpak" and not _flatpak_allowed(editor):
        return Report(profile, False, _flatpak_words(editor))
    return Report(profile, True, f"works, in {profile.plugin}")


def uninstall(profile: Profile) -> Report:
    """Take the plug-in out of a profile."""
    if not profile.plugin.exists():
        return Report(profile, True, "is not installed")
    try:
        shutil.rmtree(profile.plugin)
        profile.description.unlink(missing_ok=True)
        if profile.settings:
            kritarc.turn_off(profile.settings, profile.editor.folder)
    except OSError as error:
        words = f"cannot remove {profile.plugin}: {error.strerror}; {_ALLOW}"
        return Report(profile, False, words)
    return Report(profile, True, "removed")


def worker_command(profile: Profile) -> list[str]:
    """Return how the editor starts the worker: with this Python, nothing from where it is."""
    given = os.environ.get(VARIABLE)
    own = json.loads(given) if given else [sys.executable, "-P", "-m", MODULE]
    if profile.kind == "flatpak":
        return ["flatpak-spawn", "--host", "--watch-bus", *own]
    return list(own)


def _files(profile: Profile) -> dict[Path, bytes]:
    """Return what the plug-in consists of, but how its worker is started."""
    import smalti.request

    editor, package = profile.editor, profile.plugin / "lib" / "smalti"
    shipped = {
        package / "__init__.py": b"",
        package / "plugin" / "__init__.py": b"",
        package / "request.py": Path(smalti.request.__file__).read_bytes(),
        profile.plugin / editor.entry: (_PLUGIN / editor.source).read_bytes(),
    }
    for name in editor.shipped:
        shipped[package / "plugin" / name] = (_PLUGIN / name).read_bytes()
    return shipped


def _unable(command: list[str], editor: Editor) -> str:
    """Start the worker as the plug-in will; return what is wrong, if anything."""
    if command[:1] == ["flatpak-spawn"]:  # exists in the sandbox only
        command = command[3:]
    worker = None
    try:
        worker = Worker(command, editor.name)
        worker.greet()
    except WorkerError as error:
        return str(error)
    finally:
        if worker is not None:
            worker.close()
    return ""


def _flatpak_allowed(editor: Editor) -> bool:
    """Whether the Flatpak of an editor may start programs outside its sandbox."""
    try:
        done = subprocess.run(
            ["flatpak", "info", "--show-permissions", editor.flatpak],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return "org.freedesktop.Flatpak=talk" in done.stdout


def _flatpak_words(editor: Editor) -> str:
    return (
        f"installed, but the Flatpak of {editor.title} may not start Smalti yet; allow it once "
        f"with: flatpak override --user {_PERMISSION} {editor.flatpak}"
    )


def _snap_words(editor: Editor) -> str:
    return (
        f"the Snap of {editor.title} may not start other programs, so Smalti cannot run in it: "
        f"use {editor.title} from your distribution, from Flathub or from its own site"
    )
