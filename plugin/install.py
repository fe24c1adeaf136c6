"""``smalti gimp``: the plug-in put into every profile of GIMP 3, examined, and taken out."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from smalti import __version__
from smalti.core.atomic import write_bytes
from smalti.core.errors import BadInput, SmaltiError
from smalti.plugin.editor import CONFIG, MODULE, VARIABLE, Worker, WorkerError

NAME = "smalti-gimp"
_PLUGIN = Path(__file__).resolve().parent
_SHIPPED = ("editor.py", "gimp_dialog.py", "gimp_image.py", "gimp_options.py")
_FLATPAK = "org.gimp.GIMP"
_PERMISSION = "--talk-name=org.freedesktop.Flatpak"
_SNAP = (
    "the Snap of GIMP may not start other programs, so Smalti cannot run in it: "
    "use GIMP from your distribution, from Flathub or from gimp.org"
)


@dataclass(frozen=True, slots=True)
class Profile:
    """One profile of GIMP.

    Attributes
    ----------
    kind : str
        ``"native"``, ``"flatpak"`` or ``"snap"``.
    version : str
        As its folder is named: ``"3.0"``.
    folder : Path
    """

    kind: str
    version: str
    folder: Path

    @property
    def plugin(self) -> Path:
        """Where the plug-in lies, if it does."""
        return self.folder / "plug-ins" / NAME


@dataclass(frozen=True, slots=True)
class Report:
    """What was found or done in one profile."""

    profile: Profile
    fine: bool
    words: str


def profiles(given: str = "") -> list[Profile]:
    """Find every profile of GIMP 3 on this computer.

    Parameters
    ----------
    given : str
        A profile's folder, instead of those found.

    Raises
    ------
    BadInput
        If there is none, saying what to do.
    """
    if given:
        folder = Path(given).expanduser()
        if not folder.is_dir():
            raise BadInput(
                f"--gimp-dir {given} is no folder: give GIMP's own, which it shows in "
                "Edit > Preferences > Folders, without plug-ins"
            )
        return [Profile("native", folder.name, folder.resolve())]
    found: list[Profile] = []
    old: list[Profile] = []
    for kind, home in _homes():
        for folder in sorted(home.glob("[0-9]*.[0-9]*")) if home.is_dir() else []:
            (found if folder.name[0] == "3" else old).append(Profile(kind, folder.name, folder))
    own = os.environ.get("GIMP3_DIRECTORY")
    if own and Path(own).is_dir():
        found.append(Profile("native", Path(own).name, Path(own)))
    if not found:
        raise BadInput(_none_found(old))
    return found


def _homes() -> Iterator[tuple[str, Path]]:
    """Where profiles lie on each system, each with the kind of GIMP."""
    home = Path.home()
    if sys.platform == "win32":
        yield "native", Path(os.environ.get("APPDATA", home / "AppData" / "Roaming"), "GIMP")
    elif sys.platform == "darwin":
        yield "native", home / "Library" / "Application Support" / "GIMP"
    else:
        yield "native", Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config", "GIMP")
        yield "flatpak", home / ".var" / "app" / _FLATPAK / "config" / "GIMP"
        yield "snap", home / "snap" / "gimp" / "current" / ".config" / "GIMP"


def _none_found(old: list[Profile]) -> str:
    if shutil.which("gimp-3.0") or shutil.which("gimp-3") or shutil.which("gimp-3.2"):
        return "GIMP 3 has never been started here: start it once, then run this again"
    if old or shutil.which("gimp"):
        return (
            "no profile of GIMP 3 was found, only of an older GIMP, whose plug-ins are different: "
            "install GIMP 3 (gimp.org, Flathub), start it once, then run this again"
        )
    return (
        "no GIMP was found: install GIMP 3 (gimp.org, Flathub) and start it once, then run this "
        "again; or name its profile with --gimp-dir"
    )


def install(profile: Profile) -> Report:
    """Put the plug-in into a profile, and prove that its worker starts."""
    if profile.kind == "snap":
        return Report(profile, False, _SNAP)
    command = worker_command(profile)
    problem = _unable(command)
    if problem:
        return Report(profile, False, problem)
    plugin = profile.plugin
    try:
        plugin.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(plugin / "lib", ignore_errors=True)
        package = plugin / "lib" / "smalti" / "plugin"
        package.mkdir(parents=True)
        for folder in (package, package.parent):
            (folder / "__init__.py").write_text("", "utf-8")
        for name in _SHIPPED:
            shutil.copyfile(_PLUGIN / name, package / name)
        shutil.copyfile(_request(), package.parent / "request.py")
        values = {"command": command, "version": __version__}
        write_bytes(plugin / CONFIG, json.dumps(values, indent=1).encode())
        script = plugin / f"{NAME}.py"
        shutil.copyfile(_PLUGIN / "gimp.py", script)
        script.chmod(0o755)
    except OSError as error:
        raise SmaltiError(f"cannot write to {plugin}: {error.strerror}") from error
    if profile.kind == "flatpak" and not _flatpak_allowed():
        return Report(profile, False, _flatpak_words())
    return Report(profile, True, f"installed in {plugin}; start GIMP again to see it in Filters")


def check(profile: Profile) -> Report:
    """Look whether the plug-in in a profile would work, and say how to mend it."""
    if profile.kind == "snap":
        return Report(profile, False, _SNAP)
    try:
        values = json.loads((profile.plugin / CONFIG).read_text("utf-8"))
        command, version = values["command"], values["version"]
    except (OSError, ValueError, KeyError, TypeError):
        there = profile.plugin.exists()
        words = "damaged" if there else "not installed"
        return Report(profile, False, f"{words}; run: smalti gimp install")
    if version != __version__:
        words = f"version {version} is installed, this is {__version__}; run: smalti gimp install"
        return Report(profile, False, words)
    if not os.access(profile.plugin / f"{NAME}.py", os.X_OK):
        return Report(profile, False, "it may not be executed; run: smalti gimp install")
    problem = _unable(command)
    if problem:
        return Report(profile, False, f"{problem}; install Smalti again, then: smalti gimp install")
    if profile.kind == "flatpak" and not _flatpak_allowed():
        return Report(profile, False, _flatpak_words())
    return Report(profile, True, f"works, in {profile.plugin}")


def uninstall(profile: Profile) -> Report:
    """Take the plug-in out of a profile."""
    if not profile.plugin.exists():
        return Report(profile, True, "is not installed")
    try:
        shutil.rmtree(profile.plugin)
    except OSError as error:
        raise SmaltiError(f"cannot remove {profile.plugin}: {error.strerror}") from error
    return Report(profile, True, "removed")


def worker_command(profile: Profile) -> list[str]:
    """Return how GIMP starts the worker: with this Python, and nothing from the current folder."""
    given = os.environ.get(VARIABLE)
    own = json.loads(given) if given else [sys.executable, "-P", "-m", MODULE]
    if profile.kind == "flatpak":
        return ["flatpak-spawn", "--host", "--watch-bus", *own]
    return list(own)


def _request() -> Path:
    """Return the file of `smalti.request`, wherever the package lies."""
    import smalti.request

    return Path(smalti.request.__file__)


def _unable(command: list[str]) -> str:
    """Start the worker as the plug-in will; return what is wrong, if anything."""
    if command[:1] == ["flatpak-spawn"]:  # exists in the sandbox only
        command = command[3:]
    worker = None
    try:
        worker = Worker(command)
        worker.greet()
    except WorkerError as error:
        return str(error)
    finally:
        if worker is not None:
            worker.close()
    return ""


def _flatpak_allowed() -> bool:
    """Whether the Flatpak of GIMP may start programs outside its sandbox."""
    try:
        done = subprocess.run(
            ["flatpak", "info", "--show-permissions", _FLATPAK],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return "org.freedesktop.Flatpak=talk" in done.stdout


def _flatpak_words() -> str:
    return (
        "installed, but the Flatpak of GIMP may not start Smalti yet; allow it once with: "
        f"flatpak override --user {_PERMISSION} {_FLATPAK}"
    )
