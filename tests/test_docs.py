"""What the documents show is run: examples of Python, and commands of smalti."""

import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from smalti.plugin.cli import smalti

ROOT = Path(__file__).resolve().parent.parent


def blocks(file: str, language: str) -> list[str]:
    found = re.findall(rf"^```{language}\n(.*?)^```", (ROOT / file).read_text("utf-8"), re.M | re.S)
    assert found, f"{file} shows no {language}"
    return found


@pytest.mark.parametrize("file", ["docs/library.md", "README.md"])
def test_python_examples_run(file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile("\n".join(blocks(file, "python")), file, "exec"), {"__name__": "example"})


def commands() -> list[str]:
    lines = "\n".join(blocks("README.md", "sh")).splitlines()
    return [line.split("#  ")[0].strip() for line in lines if line.startswith("smalti ")]


@pytest.mark.parametrize("command", commands())
def test_commands_of_the_readme_are_understood(command: str) -> None:
    """Every option shown exists and takes the value shown: parsed, not run."""
    words = shlex.split(command)[1:]
    found: click.Command = smalti
    while isinstance(found, click.Group):
        found = found.commands[words.pop(0)]
    found.make_context(command, words)


def test_pictures_and_links_of_the_documents_exist() -> None:
    for file in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        for link in re.findall(r"\]\(([^)#]+)\)|src=\"([^\"]+)\"", file.read_text("utf-8")):
            target = "".join(link)
            if "://" not in target:
                assert (file.parent / target).exists(), f"{file.name} points to {target}"


def test_help_names_every_exit_code() -> None:
    shown = CliRunner().invoke(smalti, ["photo", "--help"]).output
    assert all(code in shown for code in ("0 ok", "1 failed", "2 bad input", "130 cancelled"))
