"""Smalti in a real Krita 5, on a screen nobody sees: ``make test-krita``.

The script Krita runs, in_krita/krita_checks.py, prints a line for each check.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from real_editor import ROOT, SCREENS, fill_home, passed, screen

from smalti.plugin import kritarc

SCRIPT = ROOT / "tests" / "in_krita" / "krita_checks.py"
CHECKS = "smalti_checks"  # the plug-in that runs the script
TIMEOUT_S = 900


@pytest.mark.krita
def test_in_krita(tmp_path: Path) -> None:
    assert shutil.which("krita"), "no Krita: sh tests/need_krita.sh"
    resources = tmp_path / ".local" / "share" / "krita"
    resources.mkdir(parents=True)
    (tmp_path / "tmp").mkdir()
    fill_home(tmp_path)
    environment = {
        "HOME": str(tmp_path),
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "TMPDIR": str(tmp_path / "tmp"),
        "SMALTI_CACHE": str(tmp_path / "cache"),
        "SCREENS": str(SCREENS),
        "TESTS": str(SCRIPT.parent),
        "CHECKS": os.environ.get("CHECKS", ""),
    }
    command = [sys.executable, "-c", "from smalti.plugin.cli import main; main()", "krita"]
    (tmp_path / ".config").mkdir()
    # On a screen without a graphics card its textures end Krita now and then.
    (tmp_path / ".config" / "kritarc").write_text("useOpenGL=false\n")
    for act in ("install", "check"):
        subprocess.run([*command, act], env=environment, check=True, stdout=subprocess.DEVNULL)
    _add_checks(resources / "pykrita", tmp_path / ".config" / "kritarc")
    SCREENS.mkdir(exist_ok=True)
    with screen("krita") as display:
        done = subprocess.run(
            ["krita", "--nosplash"],
            env={**environment, "DISPLAY": display.name},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    checks = SCRIPT.read_text("utf-8").count("\n@check") if not environment["CHECKS"] else 1
    assert len(passed(done.stdout)) >= checks, done.stdout[-6000:]
    print(*[line for line in done.stdout.splitlines() if "longest gap" in line])


def _add_checks(plugins: Path, settings: Path) -> None:
    (plugins / CHECKS).mkdir()
    (plugins / CHECKS / "__init__.py").write_text(f"exec(open({str(SCRIPT)!r}).read())\n")
    description = (plugins / "smalti_krita.desktop").read_text("utf-8")
    (plugins / f"{CHECKS}.desktop").write_text(description.replace("smalti_krita", CHECKS))
    kritarc.turn_on(settings, CHECKS)
