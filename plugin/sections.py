"""Help in sections: many options, each found where one looks for it."""

from collections.abc import Mapping, Sequence
from typing import Any

import click


class Sectioned(click.Command):
    """A command whose help lists its options under headings.

    Parameters
    ----------
    sections : mapping of str to sequence of str
        Names of the options under each heading; the rest come last.
    """

    def __init__(self, *args: Any, sections: Mapping[str, Sequence[str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.heading = {name: heading for heading, names in sections.items() for name in names}
        self.headings = [*sections, "Run"]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write every option below its heading."""
        rows: dict[str, list[tuple[str, str]]] = {heading: [] for heading in self.headings}
        options = (p for p in self.get_params(ctx) if isinstance(p, click.Option))
        for option in options:
            record = option.get_help_record(ctx)
            if record is not None:
                rows[self.heading.get(option.name or "", "Run")].append(record)
        for heading, records in rows.items():
            with formatter.section(heading):
                formatter.write_dl(records)
