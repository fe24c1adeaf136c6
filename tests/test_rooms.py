"""The rooms point one way: core knows no jigsaw, neither knows the doors."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from smalti.plugin.profiles import GIMP, KRITA, Editor

ROOT = Path(__file__).resolve().parent.parent
MAY_IMPORT = {
    "core": {"smalti.core", "smalti.assets"},
    "jigsaw": {"smalti.core", "smalti.jigsaw", "smalti.assets"},
}
STANDARD_LIBRARY_ONLY = [
    ROOT / "smalti" / "request.py",
    *(ROOT / "plugin" / name for name in ("editor.py", "editor_options.py", "preview.py")),
]


def imports(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports relatively"
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_what_lies_below_it(room: str) -> None:
    for file in (ROOT / room).rglob("*.py"):
        for module in imports(file):
            allowed = any(module == m or module.startswith(m + ".") for m in MAY_IMPORT[room])
            assert allowed or module.split(".")[0] not in ("smalti", "core", "jigsaw", "plugin"), (
                f"{file.name} imports {module}"
            )


def test_the_engine_knows_no_door() -> None:
    for file in (ROOT / "smalti").glob("*.py"):
        assert not any(module.startswith("smalti.plugin") for module in imports(file)), file.name


def test_no_door_computes_a_mosaic_itself() -> None:
    inner = ("assign", "features", "render", "grid", "adjust")
    for file in (ROOT / "plugin").glob("*.py"):
        assert not imports(file) & {f"smalti.core.{name}" for name in inner}, file.name


@pytest.mark.parametrize("file", STANDARD_LIBRARY_ONLY, ids=lambda file: file.name)
def test_what_editors_ship_needs_the_standard_library_only(file: Path) -> None:
    shipped = {"smalti.request", "smalti.plugin.editor"}
    others = {module.split(".")[0] for module in imports(file) - shipped}
    assert others <= set(sys.stdlib_module_names)


@pytest.mark.parametrize(
    ("editor", "own"), [(GIMP, {"gi"}), (KRITA, {"krita", "PyQt5"})], ids=["gimp", "krita"]
)
def test_what_runs_in_an_editor_needs_its_modules_and_what_is_shipped(
    editor: Editor, own: set[str]
) -> None:
    shipped = {"smalti.request", "smalti.plugin"}
    shipped |= {f"smalti.plugin.{Path(name).stem}" for name in editor.shipped}
    for name in (editor.source, *editor.shipped):
        for module in imports(ROOT / "plugin" / name):
            known = module in shipped or module.split(".")[0] in own | set(sys.stdlib_module_names)
            assert known, f"{name} imports {module}"


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys, smalti.plugin.cli\n"
        "from click.testing import CliRunner\n"
        "assert CliRunner().invoke(smalti.plugin.cli.smalti, ['photo', '--help']).exit_code == 0\n"
        "print(*sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {
        "numpy",
        "numba",
        "scipy",
        "PIL",
        "skimage",
        "pyvips",
        "rich",
        "pebble",
        "dask",
    } & set(out.stdout.split())
