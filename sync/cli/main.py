"""The program's front door: all commands in one application, and every failure turned into a sentence."""

import sys

import structlog
import typer

from sync import __version__
from sync.cli import (
    accounts,
    check,
    config,
    conflicts,
    database,
    demo,
    editing,
    errands,
    holds,
    mirror,
    people,
    receive,
    run,
    status,
    webhooks,
)
from sync.errors import SyncError
from sync.telemetry.logs import redact

app = typer.Typer(
    name="pipedrive-sync",
    help="A Pipedrive company mirrored into your own SQL database, with the accounts Pipedrive took away.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for room in (demo, mirror, receive, run, status, holds, check, config):
    room.register(app)
editing.register(accounts.app)
errands.register(accounts.app)
app.add_typer(accounts.app, name="accounts")
app.add_typer(conflicts.app, name="conflicts")
app.add_typer(webhooks.app, name="webhooks")
app.add_typer(people.users, name="users")
app.add_typer(people.tokens, name="tokens")
app.add_typer(database.app, name="db")


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
    except typer.TyperException as error:
        if text := str(error).rstrip("."):  # nothing where a group without a command has printed its help
            _complain(f"{text}. `pipedrive-sync --help` tells what there is.")
        sys.exit(2)
    except SyncError as error:
        _complain(str(error))
        sys.exit(error.exit_code)
    except Exception as error:
        structlog.get_logger(__name__).debug("internal_error", exc_info=True)
        _complain(
            f"Internal error: {type(error).__name__}: {error}. Nothing committed is lost. "
            "Run it again with SYNC_LOGS__LEVEL=debug and report what it prints."
        )
        sys.exit(1)


def _complain(text: str) -> None:
    print(f"pipedrive-sync: {redact(text)}", file=sys.stderr)
