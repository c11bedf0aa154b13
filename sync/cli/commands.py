"""Every command there is: what it is called, where it is, and the line that lists of commands say of it.

A command's module is imported when it is called: the libraries of one take longer to import than most others to run.
The line is the first of the function's own docstring, which a test sees to.
"""

import gc
import sys
from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import Any, cast

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

_PROGRAM = {
    "demo": (
        "demo.demo",
        "Show the whole service on a simulated Pipedrive with a made-up company; nothing leaves this machine.",
    ),
    "backfill": (
        "mirror.backfill",
        "Copy everything once, go on where a stopped copy left off, and build the accounts.",
    ),
    "sync": (
        "mirror.sync",
        "Do one whole incremental cycle and exit, for cron and for now: read, build the accounts, write changes back.",
    ),
    "receive": (
        "receive.receive",
        "Receive webhooks into the database, until Ctrl-C or SIGTERM; what they tell is applied by `sync` or `run`.",
    ),
    "run": (
        "run.run",
        "Keep both sides in step until stopped: webhooks, polls, the sweep, and changes of accounts written back.",
    ),
    "status": ("status.status", "Show how far everything is copied, what it costs, and what needs attention."),
    "pause": (
        "holds.pause",
        "Write nothing to Pipedrive until `resume`; edits queue up meanwhile, and reading goes on.",
    ),
    "resume": ("holds.resume", "Let the writes go that `pause` held back."),
    "check": (
        "check.check",
        "Check the settings, the database, the token, visibility, currencies, the clock and the tokens left.",
    ),
    "config": (
        "config.config",
        "Print the example of every setting, explained; save it as config/sync.toml and change what you need.",
    ),
}
_ACCOUNTS = {
    "list": ("accounts.list_command", "List accounts with what they are worth and what is next."),
    "show": ("accounts.show_command", "Show everything known of one account."),
    "export": (
        "accounts.export_command",
        "Write all accounts out, however many: as CSV, JSON Lines, or one JSON list.",
    ),
    "set": ("editing.set_command", "Change fields of an account; the organization at Pipedrive follows."),
    "undo": (
        "editing.undo",
        "Take a change back: as an edit like any other, unless the field was changed again since.",
    ),
    "retry": ("editing.retry", "Try parked changes again."),
    "approve": ("editing.approve", "Let all edits made until now go to Pipedrive, however many accounts they are of."),
    "switch": ("editing.switch", "Keep the edits of one account from being sent, or let them go again."),
    "plan": ("errands.plan", "Plan an activity for an account."),
    "reschedule": (
        "errands.reschedule",
        "Move an activity to another day; its time and duration stay where none are given.",
    ),
    "done": ("errands.done", "Mark an activity as done."),
    "unplan": ("errands.unplan", "Delete an activity at Pipedrive."),
    "note": ("errands.note", "Add a note to an account."),
    "errands": (
        "errands.errands",
        "List the activities and notes that wait to be sent, or were refused; try one again, or forget it.",
    ),
}
_CONFLICTS = {
    "list": (
        "conflicts.list_command",
        "List the conflicts that wait for a decision, and parked changes with the reason.",
    ),
    "show": ("conflicts.show_command", "Show one conflict with all its values, times, and who made them."),
    "resolve": (
        "conflicts.resolve_command",
        "Decide a conflict, or decide one anew: keep theirs, ours, or a third value.",
    ),
}
_WEBHOOKS = {
    "install": (
        "webhooks.install_command",
        "Subscribe to what is mirrored, as far as that is not done yet, at WEBHOOK_PUBLIC_URL.",
    ),
    "list": ("webhooks.list_command", "Show every subscription of the token's user, and which are ours."),
    "remove": (
        "webhooks.remove_command",
        "End every subscription of ours; changes are then found by polling alone.",
    ),
}
_USERS = {
    "add": ("people.add_user", "Let somebody sign in to the page, with a password that is asked for."),
    "list": ("people.list_users", "Show who may sign in, and who is signed in."),
    "remove": ("people.remove_user", "Let somebody sign in no more; where he is signed in, he is signed out."),
    "password": (
        "people.change_password",
        "Change somebody's password; wherever he is signed in, he is signed out.",
    ),
    "role": ("people.change_role", "Let somebody do more or less, at once."),
}
_TOKENS = {
    "add": ("people.add_token", "Let a program use the JSON API; prints its token, which nobody can see again."),
    "list": ("people.list_tokens", "Show which programs may use the JSON API, and when they last did."),
    "revoke": ("people.revoke_token", "Let a program in no more, at once."),
}
_DB = {
    "upgrade": ("database.upgrade_command", "Run the migrations that are missing (every other command does so too).")
}


class Command(TyperCommand):
    """A command that can be listed before its module is imported, and is when it is called."""

    def __init__(self, name: str, where: str, line: str) -> None:
        super().__init__(name, help=line)
        self._where = where

    def load(self) -> TyperCommand:
        """The command itself, with its options."""
        module, _, function = self._where.rpartition(".")
        alone = typer.Typer(add_completion=False)
        alone.command(self.name)(getattr(_imported(f"sync.cli.{module}"), function))
        return cast(TyperCommand, get_command(alone))

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        """What a group asks for when the command is called."""
        return self.load().make_context(*arguments, **options)


def _imported(module: str) -> ModuleType:
    if module not in sys.modules:
        gc.disable()
        try:
            import_module(module)
        finally:
            # All of it stays: to look for garbage in it, now and at the end, takes a quarter of a short command's time.
            gc.freeze()
            gc.enable()
    return sys.modules[module]


def _commands(table: Mapping[str, tuple[str, str]]) -> list[Command]:
    return [Command(name, where, line) for name, (where, line) in table.items()]


def _group(name: str, line: str, table: Mapping[str, tuple[str, str]]) -> TyperGroup:
    return TyperGroup(name=name, help=line, commands=_commands(table), no_args_is_help=True)


COMMANDS = [
    *_commands(_PROGRAM),
    _group("accounts", "The accounts: organizations with at least one won deal.", _ACCOUNTS),
    _group("conflicts", "Fields changed on both sides, and edits that Pipedrive does not take.", _CONFLICTS),
    _group("webhooks", "The subscriptions at Pipedrive that bring changes within a second.", _WEBHOOKS),
    _group("users", "Who may sign in to the page.", _USERS),
    _group("tokens", "Which programs may use the JSON API.", _TOKENS),
    _group("db", "The database's schema.", _DB),
]
