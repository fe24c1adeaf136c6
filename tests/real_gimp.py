"""A real GIMP 3: a native one, or the one in the Debian root that need_gimp.sh makes."""

import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT_S = 1200


@dataclass(frozen=True)
class RealGimp:
    """Where GIMP runs, and the home it is given.

    Attributes
    ----------
    root : Path or None
        Of the system it is in; None for this one.
    home : Path
        Everything it may write lies here; the profile too.
    """

    root: Path | None
    home: Path

    @property
    def profile(self) -> Path:
        return self.home / "profile" / "3.0"

    @property
    def scratch(self) -> Path:
        return self.home / "tmp"

    def prepare(self) -> None:
        """Make a profile that asks nothing, with the plug-in installed as users do it."""
        self.profile.mkdir(parents=True)
        self.scratch.mkdir()
        (self.profile / "gimprc").write_text(
            '(show-welcome-dialog no)\n(config-version "3.0.4")\n(num-processors 2)\n'
        )
        subprocess.run(
            [sys.executable, "-c", "from smalti.plugin.cli import main; main()", "gimp", "install",
             "--gimp-dir", str(self.profile)],
            check=True,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip

    def command(self, words: list[str], **environment: str) -> list[str]:
        """Return what runs `words` where GIMP is, in an environment of its own."""
        variables = {
            "HOME": str(self.home),
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "TMPDIR": str(self.scratch),
            "GIMP3_DIRECTORY": str(self.profile),
            "SMALTI_CACHE": str(self.home / "cache"),
            # The checkout is read-only in there, and compiling takes a minute.
            "NUMBA_CACHE_DIR": str(_numba_cache()),
            **environment,
        }
        inner = ["env", "-i", *(f"{k}={v}" for k, v in variables.items()), *words]
        if self.root is None:
            return inner
        # In a namespace of its own, the mounts go with the last process.
        mounts = [f"mount -t proc proc {self.root}/proc", f"mount --rbind /dev {self.root}/dev"]
        for path, writable in _bound(self.home):
            place = shlex.quote(f"{self.root}{path}")
            kind = "mkdir -p" if path.is_dir() else f"mkdir -p {self.root}{path.parent} && touch"
            mounts.append(f"{kind} {place} && mount --bind {shlex.quote(str(path))} {place}")
            if not writable:
                mounts.append(f"mount -o remount,bind,ro {place}")
        script = " && ".join([*mounts, shlex.join(["exec", "chroot", str(self.root), *inner])])
        script = script.replace("'exec'", "exec")
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script]

    def batch(self, script: Path, **environment: str) -> str:
        """Run a script in GIMP's Python; return all that was printed."""
        words = [
            "gimp-console", "--no-interface", "--console-messages", "--stack-trace-mode=never",
            "--batch-interpreter=python-fu-eval", "-b", f"exec(open({str(script)!r}).read())",
            "--quit",
        ]  # fmt: skip
        done = subprocess.run(
            self.command(words, **environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        return f"{done.stdout}\nexit {done.returncode}"


def _numba_cache() -> Path:
    cache = Path(os.environ.get("SMALTI_CI_CACHE") or Path.home() / ".cache" / "smalti-ci")
    folder = cache / "numba"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _bound(home: Path) -> list[tuple[Path, bool]]:
    """List what is seen from inside, and whether it can be written there."""
    python = {Path(sys.prefix), Path(sys.base_prefix), ROOT}
    python |= {Path(p) for p in sys.path if Path(p).is_dir() and "site-packages" in p}
    if Path("/usr") in python:  # the system's own Python goes beside the other system's
        name = f"python{sys.version_info.major}.{sys.version_info.minor}"
        python = python - {Path("/usr")} | {Path("/usr/bin", name), Path("/usr/lib", name)}
    outer = {p for p in python if not any(q in p.parents for q in python)}
    return [(p, False) for p in sorted(outer)] + [(home, True), (_numba_cache(), True)]


def find_gimp() -> tuple[bool, Path | None, str]:
    """Return whether there is a GIMP, the root it is in, and else why not."""
    suite = os.environ.get("SMALTI_GIMP_SUITE", "trixie")
    done = subprocess.run(
        ["sh", str(ROOT / "tests" / "need_gimp.sh"), suite],
        capture_output=True,
        text=True,
        check=False,
    )
    last = (done.stdout.strip().splitlines() or [done.stderr.strip()])[-1]
    if done.returncode == 0 and last == "native":
        return True, None, ""
    if done.returncode == 0 and Path(last).is_dir():
        return True, Path(last), ""
    return False, None, last
