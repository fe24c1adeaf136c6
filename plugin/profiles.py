"""Where editors keep what belongs to a user, on each system: the places a plug-in can go."""

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from smalti.core.errors import BadInput


@dataclass(frozen=True, slots=True)
class Editor:
    """A program that takes a plug-in.

    Attributes
    ----------
    name : str
        As in ``smalti gimp install``.
    title : str
    plugins : str
        Folder of a profile in which plug-ins lie.
    folder, entry : str
        Of our plug-in, and its file that the editor loads.
    source : str
        Our module that becomes `entry`.
    shipped : tuple of str
        Our modules that lie beside it.
    menu : str
        Where users find it.
    flatpak : str
        Its name there.
    description : str
        Of our plug-in, in a file beside its folder; empty where none is needed.
    """

    name: str
    title: str
    plugins: str
    folder: str
    entry: str
    source: str
    shipped: tuple[str, ...]
    menu: str
    flatpak: str
    description: str = ""


_SHARED = ("editor.py", "editor_options.py", "preview.py")
GIMP = Editor(
    "gimp",
    "GIMP",
    "plug-ins",
    "smalti-gimp",
    "smalti-gimp.py",
    "gimp.py",
    (*_SHARED, "gimp_dialog.py", "gimp_image.py"),
    "Filters > Artistic",
    "org.gimp.GIMP",
)
KRITA = Editor(
    "krita",
    "Krita",
    "pykrita",
    "smalti_krita",
    "__init__.py",
    "krita.py",
    (*_SHARED, "krita_dialog.py", "krita_image.py"),
    "Tools > Scripts",
    "org.kde.krita",
    """[Desktop Entry]
Type=Service
ServiceTypes=Krita/PythonPlugin
X-KDE-Library=smalti_krita
X-Python-2-Compatible=false
Name=Smalti
Comment=Photomosaics and jigsaw mosaics: Tools > Scripts
""",
)


@dataclass(frozen=True, slots=True)
class Profile:
    """One profile of an editor.

    Attributes
    ----------
    editor : Editor
    kind : str
        ``"native"``, ``"flatpak"`` or ``"snap"``.
    version : str
        As GIMP's folder is named: ``"3.0"``; empty for Krita.
    folder : Path
    settings : Path or None
        Krita's file of settings, which says what plug-ins it loads.
    """

    editor: Editor
    kind: str
    version: str
    folder: Path
    settings: Path | None = None

    @property
    def plugin(self) -> Path:
        """Where the plug-in lies, if it does."""
        return self.folder / self.editor.plugins / self.editor.folder

    @property
    def description(self) -> Path:
        """Where Krita looks for what the plug-in is called."""
        return self.plugin.with_name(f"{self.editor.folder}.desktop")


def gimp_profiles(given: str = "") -> list[Profile]:
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
        folder = Path(given).expanduser().resolve()
        above = folder.name == "plug-ins" or any(p.is_dir() for p in folder.glob("[23].[0-9]*"))
        if not folder.is_dir() or above or folder.name.startswith("2."):
            raise BadInput(
                f"--gimp-dir {given} is no profile of GIMP 3: give the folder that it shows in "
                "Edit > Preferences > Folders > Plug-ins, without plug-ins at its end"
            )
        kinds = [kind for kind, home in _gimp_homes() if folder.is_relative_to(home.resolve())]
        return [Profile(GIMP, kinds[0] if kinds else "native", folder.name, folder)]
    found: list[Profile] = []
    old: list[Profile] = []
    for kind, home in _gimp_homes():
        for folder in sorted(home.glob("[0-9]*.[0-9]*")) if home.is_dir() else []:
            known = found if folder.name[0] == "3" else old
            known.append(Profile(GIMP, kind, folder.name, folder))
    own = os.environ.get("GIMP3_DIRECTORY")
    if own and Path(own).is_dir() and Path(own) not in [one.folder for one in found]:
        found.append(Profile(GIMP, "native", Path(own).name, Path(own)))
    if not found:
        raise BadInput(_no_gimp(old))
    return found


def _gimp_homes() -> Iterator[tuple[str, Path]]:
    """Where profiles lie on each system, each with the kind of GIMP."""
    home = Path.home()
    if sys.platform == "win32":
        yield "native", Path(os.environ.get("APPDATA", home / "AppData" / "Roaming"), "GIMP")
    elif sys.platform == "darwin":
        yield "native", home / "Library" / "Application Support" / "GIMP"
    else:
        yield "native", Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config", "GIMP")
        yield "flatpak", home / ".var" / "app" / GIMP.flatpak / "config" / "GIMP"
        yield "snap", home / "snap" / "gimp" / "current" / ".config" / "GIMP"


def _no_gimp(old: list[Profile]) -> str:
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


def krita_profiles(given: str = "") -> list[Profile]:
    """Find every profile of Krita on this computer.

    Parameters
    ----------
    given : str
        Krita's folder of resources, instead of those found.

    Raises
    ------
    BadInput
        If there is none, saying what to do.
    """
    places = list(_krita_places())
    if given:
        folder = Path(given).expanduser().resolve()
        if not folder.is_dir():
            raise BadInput(
                f"--krita-dir {given} is no folder: give Krita's own, which opens with "
                "Settings > Manage Resources > Open Resource Folder"
            )
        settings = {place.resolve(): file for _, place, file in places}
        return [Profile(KRITA, "native", "", folder, settings.get(folder))]
    found = [Profile(KRITA, kind, "", p, file) for kind, p, file in places if p.is_dir()]
    if not found and shutil.which("krita"):
        raise BadInput("Krita has never been started here: start it once, then run this again")
    if not found:
        raise BadInput(
            "no Krita was found: install Krita 5 (krita.org, Flathub) and start it once, then run "
            "this again; or name its folder of resources with --krita-dir"
        )
    return found


def _krita_places() -> Iterator[tuple[str, Path, Path]]:
    """Where resources and settings lie on each system, each with the kind of Krita."""
    home = Path.home()
    if sys.platform == "win32":
        roaming = Path(os.environ.get("APPDATA", home / "AppData" / "Roaming"))
        local = Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local"))
        yield "native", roaming / "krita", local / "kritarc"
    elif sys.platform == "darwin":
        library = home / "Library"
        yield "native", library / "Application Support" / "krita", library / "Preferences/kritarc"
    else:
        data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
        config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
        yield "native", data / "krita", config / "kritarc"
        sandbox = home / ".var" / "app" / KRITA.flatpak
        yield "flatpak", sandbox / "data" / "krita", sandbox / "config" / "kritarc"
        snap = home / "snap" / "krita" / "current"
        yield "snap", snap / ".local" / "share" / "krita", snap / ".config" / "kritarc"
