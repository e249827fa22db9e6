"""What every command shares: one sentence for bad input, exit codes, and JSON or text as asked."""

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

import click

from etatrick.errors import InputError

EXIT_CODES: Final = """
\b
Exit codes:
  0  done; every claim asked for holds
  1  a claim was refuted or could not be settled
  2  bad input: one sentence says what, why, and what to do
  130  interrupted; finished parts are kept
"""
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")


class Group(click.Group):
    """Turns bad input into one sentence and exit code 2, and an interrupt into exit code 130."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except InputError as error:
            click.echo(f"etatrick: {error}", err=True)
            ctx.exit(2)
        except KeyboardInterrupt:
            click.echo(
                "etatrick: interrupted; finished parts are kept, the same command goes on from there.",
                err=True,
            )
            ctx.exit(130)


def command_line() -> str:
    """Return what the user typed."""
    return " ".join(["etatrick", *sys.argv[1:]])


def show(as_json: bool, data: dict[str, Any], text: Callable[[Mapping[str, Any]], str]) -> None:
    """Print a result as JSON, or as the text that `text` makes of it."""
    click.echo(json.dumps(data, ensure_ascii=False, indent=2) if as_json else text(data))
