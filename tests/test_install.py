"""``smalti gimp`` and ``smalti krita``: profiles found, plug-ins put there and removed."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from smalti.core.errors import BadInput
from smalti.plugin import kritarc
from smalti.plugin.cli import main
from smalti.plugin.editor import VARIABLE
from smalti.plugin.install import check, install, uninstall
from smalti.plugin.profiles import GIMP, KRITA, Profile, gimp_profiles, krita_profiles

WORKER = [sys.executable, "-c", "from smalti.plugin.worker import main; main()"]


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.delenv("GIMP3_DIRECTORY", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setenv(VARIABLE, json.dumps(WORKER))


def test_every_profile_of_gimp_3_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in (
        ".config/GIMP/2.10", ".config/GIMP/3.0", ".config/GIMP/3.2",
        ".var/app/org.gimp.GIMP/config/GIMP/3.0", "snap/gimp/current/.config/GIMP/3.0",
    ):  # fmt: skip
        (tmp_path / place).mkdir(parents=True)
    found = [(p.kind, p.version) for p in gimp_profiles()]
    assert found == [("native", "3.0"), ("native", "3.2"), ("flatpak", "3.0"), ("snap", "3.0")]
    monkeypatch.setattr(sys, "platform", "darwin")
    (tmp_path / "Library/Application Support/GIMP/3.0").mkdir(parents=True)
    assert [p.folder.parent.parent.name for p in gimp_profiles()] == ["Application Support"]
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("APPDATA", str(tmp_path / "Roaming"))
    (tmp_path / "Roaming/GIMP/3.0").mkdir(parents=True)
    assert [p.folder.parent.parent.name for p in gimp_profiles()] == ["Roaming"]


def test_no_profile_is_plain_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match="no GIMP was found"):
        gimp_profiles()
    (tmp_path / ".config/GIMP/2.10").mkdir(parents=True)
    with pytest.raises(BadInput, match="older GIMP"):
        gimp_profiles()
    monkeypatch.setattr(shutil, "which", lambda name: name == "gimp-3.0")
    with pytest.raises(BadInput, match="never been started"):
        gimp_profiles()
    with pytest.raises(BadInput, match="Preferences"):
        gimp_profiles(str(tmp_path / "nowhere"))


@pytest.mark.parametrize("wrong", ["", "2.10", "3.0/plug-ins", "3.0/nowhere"])
def test_a_folder_that_is_no_profile_is_refused(tmp_path: Path, wrong: str) -> None:
    home = tmp_path / ".config/GIMP"
    for place in ("2.10", "3.0/plug-ins"):
        (home / place).mkdir(parents=True)
    with pytest.raises(BadInput, match="no profile of GIMP 3: give the folder"):
        gimp_profiles(str(home / wrong))


def test_a_profile_that_is_given_has_the_kind_of_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / ".var/app/org.gimp.GIMP/config/GIMP/3.0"
    for folder, kind in ((kept, "flatpak"), (tmp_path / "mine", "native")):
        folder.mkdir(parents=True)
        assert [(p.kind, p.folder) for p in gimp_profiles(str(folder))] == [(kind, folder)]
    monkeypatch.setenv("GIMP3_DIRECTORY", str(kept))
    assert [p.kind for p in gimp_profiles()] == ["flatpak"]


def test_what_is_to_be_mended_is_an_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for act, code in (("check", 1), ("install", 0), ("check", 0)):
        monkeypatch.setattr(sys, "argv", ["smalti", "gimp", act, "--gimp-dir", str(tmp_path)])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == code


def test_every_profile_of_krita_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match="no Krita was found"):
        krita_profiles()
    monkeypatch.setattr(shutil, "which", lambda name: name == "krita")
    with pytest.raises(BadInput, match="never been started"):
        krita_profiles()
    with pytest.raises(BadInput, match="Open Resource Folder"):
        krita_profiles(str(tmp_path / "nowhere"))
    for place in (".local/share/krita", ".var/app/org.kde.krita/data/krita"):
        (tmp_path / place).mkdir(parents=True)
    found = krita_profiles()
    assert [p.kind for p in found] == ["native", "flatpak"]
    assert found[0].settings == tmp_path / ".config" / "kritarc"
    assert krita_profiles(str(found[0].folder)) == found[:1]
    (given,) = krita_profiles(str(tmp_path))
    assert given.settings is None
    for system, name, place in (
        ("darwin", "Library/Application Support/krita", "Library/Preferences/kritarc"),
        ("win32", "AppData/Roaming/krita", "AppData/Local/kritarc"),
    ):
        monkeypatch.setattr(sys, "platform", system)
        monkeypatch.delenv("APPDATA", raising=False)
        monkeypatch.delenv("LOCALAPPDATA", raising=False)
        (tmp_path / name).mkdir(parents=True)
        assert [(p.folder, p.settings) for p in krita_profiles()] == [
            (tmp_path / name, tmp_path / place)
        ]


def test_krita_is_told_to_load_the_plug_in_and_to_forget_it(tmp_path: Path) -> None:
    settings = tmp_path / "kritarc"
    profile = Profile(KRITA, "native", "", tmp_path / "krita", settings)
    assert "not installed" in check(profile).words
    assert install(profile).fine
    assert (profile.plugin / "__init__.py").is_file()
    assert "X-KDE-Library=smalti_krita\n" in profile.description.read_text()
    assert check(profile).fine
    kritarc.turn_off(settings, "smalti_krita")
    assert "turned off" in check(profile).words
    assert install(profile).fine
    profile.description.unlink()
    assert "smalti krita install" in check(profile).words
    assert uninstall(profile).fine
    assert list((tmp_path / "krita" / "pykrita").iterdir()) == []
    assert not kritarc.is_on(settings, "smalti_krita")
    elsewhere = Profile(KRITA, "native", "", tmp_path / "krita")
    assert "Python Plugin Manager" in install(elsewhere).words


def test_installing_twice_is_installing_once(tmp_path: Path) -> None:
    profile = Profile(GIMP, "native", "3.0", tmp_path)
    assert not check(profile).fine
    for _ in range(2):
        assert install(profile).fine
        files = sorted(
            p.relative_to(profile.plugin).as_posix() for p in profile.plugin.rglob("*.*")
        )
        assert files == [
            *("lib/smalti/__init__.py", "lib/smalti/plugin/__init__.py"),
            *(f"lib/smalti/plugin/{name}" for name in sorted(GIMP.shipped)),
            *("lib/smalti/request.py", "smalti-gimp.py", "worker.json"),
        ]
    assert (profile.plugin / "smalti-gimp.py").stat().st_mode & 0o111
    assert check(profile).fine
    assert uninstall(profile).fine
    assert not profile.plugin.exists()
    assert "not installed" in uninstall(profile).words


def test_what_would_not_work_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profile = Profile(GIMP, "native", "3.0", tmp_path)
    install(profile)
    config = profile.plugin / "worker.json"
    good = json.loads(config.read_text())
    for change, word in (
        ({"command": [str(tmp_path / "gone")]}, "moved or deleted"),
        (
            {"command": [sys.executable, "-c", "raise SystemExit('broken')"]},
            "smalti gimp install. Its last words: broken",
        ),
        ({"version": "0.0.1"}, "version 0.0.1"),
    ):
        config.write_text(json.dumps({**good, **change}))
        assert word in check(profile).words
        assert check(profile).words.count("smalti gimp install") == 1
    config.write_text("{")
    assert "damaged" in check(profile).words
    assert install(profile).fine
    (profile.plugin / "lib" / "smalti" / "plugin" / "preview.py").unlink()
    assert "damaged" in check(profile).words
    assert install(profile).fine
    (profile.plugin / "smalti-gimp.py").write_text("# of another version\n")
    assert "another version" in check(profile).words
    monkeypatch.setenv(VARIABLE, json.dumps([str(tmp_path / "gone")]))
    assert not install(profile).fine


def test_a_profile_that_cannot_be_written_does_not_hide_the_others(tmp_path: Path) -> None:
    (tmp_path / "plug-ins").write_text("no folder")
    report = install(Profile(GIMP, "native", "3.0", tmp_path))
    assert not report.fine
    assert "cannot write to" in report.words


def test_sandboxes_are_told_of(tmp_path: Path) -> None:
    assert "may not start other programs" in install(Profile(GIMP, "snap", "3.0", tmp_path)).words
    flatpak = Profile(GIMP, "flatpak", "3.0", tmp_path)
    assert "flatpak override --user" in install(flatpak).words
    values = json.loads((flatpak.plugin / "worker.json").read_text())
    assert values["command"][:2] == ["flatpak-spawn", "--host"]
    assert "flatpak override" in check(flatpak).words


def test_the_plug_in_needs_nothing_but_gi(tmp_path: Path) -> None:
    """What is shipped imports in a bare Python, with a gi that is none."""
    profile = Profile(GIMP, "native", "3.0", tmp_path)
    install(profile)
    code = (
        "import sys; sys.path[:] = [p for p in sys.path if 'site-packages' not in p]\n"
        f"sys.path.insert(0, {str(profile.plugin / 'lib')!r})\n"
        "import smalti.plugin.editor, smalti.plugin.editor_options, smalti.plugin.preview\n"
        "print(smalti.plugin.editor.__file__)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(str(profile.plugin))
