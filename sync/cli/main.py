"""The program's front door: all commands in one application, and every failure turned into a sentence."""

import sys
from typing import Any

import typer
from typer.core import TyperGroup

from sync import __version__
from sync.cli.commands import COMMANDS


class _Program(TyperGroup):
    def __init__(self, **settings: Any) -> None:
        super().__init__(**{**settings, "commands": COMMANDS})


app = typer.Typer(
    name="pipedrive-sync",
    cls=_Program,
    help="A Pipedrive company mirrored into your own SQL database, with the accounts Pipedrive took away.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pipedrive-sync {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Print the version."),
) -> None:
    del version


def main() -> None:
    """Run the command in `sys.argv` and exit with its code."""
    try:
        sys.exit(app(standalone_mode=False) or 0)
    except Exception as failure:
        from sync.cli.failures import tell  # and the logs with it, for which no list of commands should wait

        sys.exit(tell(failure))
