"""Fuzz every parser, guided by coverage: ``python -m fuzz [SECONDS]``, by ``make fuzz``.

Each target has its share of the time, in a process of its own, and starts from what it takes
and from what was kept in tests/fuzz/cases. What fails is left in tests/fuzz/found: mend it, and
move the input to tests/fuzz/cases/TARGET, where tests/test_fuzz.py tries it from then on.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
_PACKAGES = ["smalti", "PIL", "zipfile", "json"]
_MOST_MB = 3000
_MOST_S = 20  # for one input


def main() -> None:
    """Run all targets, or in a child process one."""
    if len(sys.argv) > 2:
        _fuzz(*sys.argv[1:])
    from fuzz.targets import TARGETS

    share = max(5, int(float(sys.argv[1] if len(sys.argv) > 1 else 3600) / len(TARGETS)))
    found = HERE / "found"
    found.mkdir(exist_ok=True)
    failed = []
    for name in TARGETS:
        with tempfile.TemporaryDirectory() as corpus:
            child = [sys.executable, "-m", "fuzz", name, str(share), corpus]
            done = subprocess.run(child, env={**os.environ, "SMALTI_CACHE": corpus}, check=False)
        if done.returncode:
            failed.append(name)
    sys.exit(f"found in tests/fuzz/found: {', '.join(failed)}" if failed else None)


def _compiled() -> list[str]:
    """List our modules with loops for numba, which cannot be instrumented."""
    import smalti

    found = []
    for package in ("core", "jigsaw"):
        top = Path(smalti.__file__).parent / package
        for file in top.resolve().rglob("*.py"):
            if "numba" in file.read_text("utf-8"):
                within = file.relative_to(top.resolve()).with_suffix("")
                found.append(".".join(("smalti", package, *within.parts)))
    return found


def _fuzz(name: str, seconds: str, corpus: str) -> None:
    import atheris  # type: ignore[import-untyped]  # it has no types

    with atheris.instrument_imports(include=_PACKAGES, exclude=_compiled()):
        from fuzz.targets import TARGETS, seeds

    kept = sorted((HERE / "cases" / name).glob("*"))
    for number, seed in enumerate([*seeds(name), *(file.read_bytes() for file in kept)]):
        Path(corpus, f"seed{number}").write_bytes(seed)
    options = [
        f"-max_total_time={seconds}", f"-rss_limit_mb={_MOST_MB}", f"-timeout={_MOST_S}",
        f"-artifact_prefix={HERE / 'found'}/{name}-", "-max_len=20000", "-print_final_stats=1",
    ]  # fmt: skip
    atheris.Setup([sys.argv[0], *options, corpus], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
