"""The command line: options in, one call, a picture out."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from smalti import __version__
from smalti.plugin import report
from smalti.plugin.jigsaw import jigsaw
from smalti.plugin.options import EXIT_CODES, cluster_option, columns_by_rows, run_job, with_common
from smalti.plugin.photo import photo
from smalti.plugin.streams import Unprinted, keep_signals, keep_streams
from smalti.plugin.view import view
from smalti.request import FORMATS

if TYPE_CHECKING:
    from smalti.plugin.install import Report


def main() -> None:
    """Run the command line; the process ends with one of the documented codes."""
    debug = "--debug" in sys.argv
    keep_streams()
    keep_signals()
    try:
        # What a click.exceptions.Exit carries comes back as the command's value.
        code = smalti.main(prog_name="smalti", standalone_mode=False) or 0
        sys.stdout.flush()
    except click.ClickException as error:
        code = _say(error.format_message() + _where_to_read(error), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        code = _say("cancelled; nothing was left behind", 130)
    except Unprinted as error:
        code = _say(str(error), error.exit_code) if str(error) else error.exit_code
    except Exception as error:
        if debug:
            raise
        code = _explain(error)
    sys.exit(code)


def _explain(error: Exception) -> int:
    from smalti.core.errors import Cancelled, SmaltiError

    if isinstance(error, Cancelled):
        return _say("cancelled; nothing was left behind", error.exit_code)
    if isinstance(error, SmaltiError):
        return _say(str(error), error.exit_code)
    return _say(f"{type(error).__name__}: {error} (run again with --debug to see where)", 1)


def _where_to_read(error: click.ClickException) -> str:
    ctx = error.ctx if isinstance(error, click.UsageError) else None
    return f" (see {ctx.command_path} --help)" if ctx else ""


def _say(message: str, code: int) -> int:
    click.echo(f"smalti: {message}", err=True)
    return code


@click.group(
    epilog=EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="smalti")
def smalti() -> None:
    """Make mosaics: photos laid optimally on a grid, or clip art packed into shapes.

    \b
    smalti photo portrait.jpg ~/Photos -o mosaic.jpg     photos on a grid
    smalti photo portrait.jpg ~/Photos -o mosaic.html    a page to zoom into
    smalti jigsaw panda.jpg ~/Clipart -o jigsaw.png      a jigsaw of clip art
    smalti photo @demo @demo -o demo.html                try it without any photos
    smalti jigsaw @demo @demo -o demo.png                or any clip art
    """  # noqa: D301 (click's mark for lines that stay as they are)


smalti.add_command(photo)
smalti.add_command(jigsaw)
smalti.add_command(view)


@smalti.command(epilog=EXIT_CODES)
@click.argument("project", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    metavar="OUT",
    type=click.Path(path_type=Path),
    required=True,
    help=f"What to write: {' '.join(FORMATS)}, or .svg of a jigsaw.",
)
@click.option(
    "--tile-px", type=click.IntRange(1, 10_000), help="Width of a tile.  [default: as before]"
)
@cluster_option
@with_common
def render(
    project: Path,
    output: Path,
    tile_px: int | None,
    cluster: str,
    jobs: int | None,
    as_json: bool,
    debug: bool,
    quiet: bool,
) -> None:
    """Make a saved PROJECT again, at another size, without matching again.

    PROJECT is the .smalti.json that lies beside every mosaic.
    """
    from smalti.mosaic import render_project

    size = run_job(
        lambda **how: render_project(project, output, tile_px=tile_px, **how),
        jobs,
        quiet,
        cluster=cluster,
    )
    values = {"output": str(output), "width": size[0], "height": size[1], "version": __version__}
    text = f"{output}  {size[0]} x {size[1]} px"
    report.tell(values, text, as_json=as_json, quiet=quiet)


@smalti.command(epilog=EXIT_CODES)
@click.argument("target")
@click.argument("mosaic")
@click.option(
    "--grid",
    type=columns_by_rows,
    metavar="COLSxROWS",
    help="Cells of the mosaic.  [default: its project's, or 64 across]",
)
@with_common
def score(
    target: str,
    mosaic: str,
    grid: tuple[int, int] | None,
    jobs: int | None,
    as_json: bool,
    debug: bool,
    quiet: bool,
) -> None:
    """Measure how like TARGET a MOSAIC is; any two pictures will do."""
    from smalti.score import score_pictures

    found = score_pictures(Path(target), Path(mosaic), grid=grid)
    lines = [f"{name:<21} {value:.4f}" for name, value in found.items() if value is not None]
    note = "None of these is validated against human judgement of photomosaics."
    report.tell(found, "\n".join([*lines, note]), as_json=as_json, quiet=quiet)


@smalti.group()
def library() -> None:
    """Look into folders of photos."""


def _library_command(function: Callable[..., None]) -> Callable[..., None]:
    return click.argument("photos", nargs=-1, required=True)(cluster_option(with_common(function)))


def _scan(photos: tuple[str, ...], cluster: str, jobs: int | None, quiet: bool) -> Any:
    from smalti.core.library import default_index, scan

    return run_job(
        lambda **how: scan(photos, index=default_index(), **how), jobs, quiet, cluster=cluster
    )


@library.command("scan")
@_library_command
def library_scan(
    photos: tuple[str, ...],
    cluster: str,
    jobs: int | None,
    as_json: bool,
    debug: bool,
    quiet: bool,
) -> None:
    """Index photos, so that mosaics of them start at once."""
    found = _scan(photos, cluster, jobs, quiet)
    groups = int(found.group.max()) + 1
    values = {
        "photos": len(found.sources),
        "different": groups,
        "skipped": report.skipped_values(found.skipped),
    }
    if not quiet:
        report.warn_skipped(found.skipped)
    text = f"{len(found.sources):,} photos, {groups:,} of them different"
    report.tell(values, text, as_json=as_json, quiet=quiet)


@library.command("list")
@_library_command
def library_list(
    photos: tuple[str, ...],
    cluster: str,
    jobs: int | None,
    as_json: bool,
    debug: bool,
    quiet: bool,
) -> None:
    """List the usable photos: size, group of near-duplicates, name."""
    from smalti.core.errors import printable

    found = _scan(photos, cluster, jobs, quiet)
    rows = [
        {
            "file": printable(s.file),
            "part": s.part,
            "width": int(w),
            "height": int(h),
            "group": int(g),
        }
        for s, (w, h), g in zip(found.sources, found.sizes, found.group, strict=True)
    ]
    lines = [
        f"{r['width']:>6} x {r['height']:<6} {r['group']:>7}  {r['file']} {r['part']}".rstrip()
        for r in rows
    ]
    values = {"photos": rows, "skipped": report.skipped_values(found.skipped)}
    report.tell(values, "\n".join(lines), as_json=as_json, quiet=quiet)


@library.command("check")
@_library_command
def library_check(
    photos: tuple[str, ...],
    cluster: str,
    jobs: int | None,
    as_json: bool,
    debug: bool,
    quiet: bool,
) -> None:
    """Name every file that cannot be used, and every near-duplicate."""
    import numpy as np

    from smalti.core.errors import printable

    found = _scan(photos, cluster, jobs, quiet)
    _, first = np.unique(found.group, return_index=True)
    twins = [
        {"file": printable(found.sources[j].file), "like": printable(found.sources[first[g]].file)}
        for j, g in enumerate(found.group)
        if j != first[g]
    ]
    lines = [f"cannot use {printable(s.file)}: {s.reason}" for s in found.skipped]
    lines += [f"near-duplicate {t['file']} of {t['like']}" for t in twins]
    lines.append(
        f"{len(found.sources):,} usable, {len(found.skipped):,} not, {len(twins):,} near-duplicates"
    )
    values = {"skipped": report.skipped_values(found.skipped), "twins": twins}
    report.tell(values, "\n".join(lines), as_json=as_json, quiet=quiet)


@smalti.command(epilog="Exit codes: 0 all is well, 1 something is to be mended.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as one JSON object.")
def doctor(as_json: bool) -> None:
    """Check what smalti depends on, and say how to mend what is wrong."""
    from smalti.plugin.doctor import examine

    findings = examine()
    lines = [f"{'ok  ' if f.fine else 'MEND'}  {f.what:<15} {f.found}" for f in findings]
    values = {f.what: {"ok": f.fine, "found": f.found} for f in findings}
    report.tell(values, "\n".join(lines), as_json=as_json, quiet=False)
    if not all(f.fine for f in findings):
        raise click.exceptions.Exit(1)


@smalti.group()
def gimp() -> None:
    """Install the plug-in for GIMP 3, check it, or remove it."""


@smalti.group()
def krita() -> None:
    """Install the plug-in for Krita 5, check it, or remove it."""


def _plugin_commands(group: click.Group, find: str, where: str) -> None:
    """Add install, check and uninstall to the group of an editor."""

    def add(act: str, meaning: str) -> None:
        @group.command(act, help=meaning)
        @click.option(
            where, "folder", metavar="DIR", default="", help="A profile.  [default: all there are]"
        )
        @click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
        def command(folder: str, as_json: bool) -> None:
            from smalti.plugin import install, profiles

            found = getattr(profiles, find)(folder)
            _tell_of_profiles([getattr(install, act)(profile) for profile in found], as_json)

    add("install", "Put the plug-in into every profile, and start its engine once.")
    add("check", "Say whether the plug-in works, and how to mend it.")
    add("uninstall", "Remove the plug-in from every profile.")


_plugin_commands(gimp, "gimp_profiles", "--gimp-dir")
_plugin_commands(krita, "krita_profiles", "--krita-dir")


def _tell_of_profiles(reports: "Sequence[Report]", as_json: bool) -> None:
    lines = [
        f"{'ok  ' if r.fine else 'MEND'}  {r.profile.editor.title} {r.profile.version} "
        f"({r.profile.kind}): {r.words}".replace("  (", " (")
        for r in reports
    ]
    values = {
        str(r.profile.folder): {"ok": r.fine, "kind": r.profile.kind, "found": r.words}
        for r in reports
    }
    report.tell(values, "\n".join(lines), as_json=as_json, quiet=False)
    if not all(r.fine for r in reports):
        raise click.exceptions.Exit(1)


@smalti.command()
@click.option(
    "--scratch", metavar="DIR", default="", help="Where its folder is made.  [default: temporary]"
)
def worker(scratch: str) -> None:
    """Serve an editor: one job on stdin, steps on stdout (docs/worker-protocol.md)."""
    from smalti.plugin.worker import main

    main(scratch)


@smalti.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print completion for a SHELL.

    \b
    bash   smalti completion bash >> ~/.bashrc
    zsh    smalti completion zsh >> ~/.zshrc
    fish   smalti completion fish > ~/.config/fish/completions/smalti.fish
    """  # noqa: D301 (click's mark for lines that stay as they are)
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(smalti, {}, "smalti", "_SMALTI_COMPLETE").source())
