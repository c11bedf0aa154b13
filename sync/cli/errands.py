"""`accounts plan`, `reschedule`, `done`, `unplan`, `note`: work for an account that is to be done at Pipedrive.

They need the database alone and work beside a running service, which carries out what they note.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from typing import Annotated, Any

import typer

from sync.cli.accounts import one_account, one_user, opened
from sync.cli.company import Company
from sync.cli.editing import SENT_BY, Account, whoever_runs_this
from sync.cli.formats import due, minute, one_line, short
from sync.cli.output import Json, print_json, print_table
from sync.clock import SystemClock
from sync.errors import SyncError
from sync.pipedrive.entities import ACTIVITIES, NOTES
from sync.settings import Settings
from sync.store.database import Database
from sync.store.holds import load_hold
from sync.store.journal import Action, Write
from sync.store.mirror import load_record
from sync.writeback.errands import (
    ask_for_activity,
    ask_for_note,
    ask_to_complete,
    ask_to_delete,
    ask_to_reschedule,
    drop_errand,
    html_of,
    load_errands,
    retry_errand,
)

ActivityId = Annotated[int, typer.Argument(metavar="ACTIVITY", help="Its id, as `accounts show --json` lists it.")]
DueDate = Annotated[str, typer.Option("--due", metavar="DATE", help="The day it is due, as 2026-12-01.")]
DueTime = Annotated[
    str | None, typer.Option("--time", metavar="HH:MM", help="The time of day it is due, in UTC as Pipedrive keeps it.")
]
Duration = Annotated[str | None, typer.Option(metavar="HH:MM", help="How long it takes.")]


class NotConfirmed(SyncError):
    """Something that can't be taken back was asked for without a word that it is meant."""

    exit_code = 2


def plan(
    account: Account,
    subject: Annotated[str, typer.Argument(help="What is to be done.")],
    type: Annotated[str, typer.Option("--type", help="The kind of activity, by key or name: call, meeting, …")],
    due_date: DueDate,
    due_time: DueTime = None,
    duration: Duration = None,
    owner: Annotated[str | None, typer.Option(help="Whose it is, by name or id; default: the token's user.")] = None,
    deal: Annotated[int | None, typer.Option(help="The id of the deal it is about.")] = None,
    note: Annotated[str | None, typer.Option(help="A note on it, as plain text.")] = None,
    company: Company = None,
    json: Json = False,
) -> None:
    """Plan an activity for an account."""
    with _desk(company, json) as desk:
        desk.note(
            partial(
                ask_for_activity,
                organization_id=one_account(desk.database, desk.company_id, account),
                subject=subject,
                type=type,
                due_date=due_date,
                due_time=due_time,
                duration=duration,
                owner_id=one_user(desk.database, desk.company_id, owner),
                deal_id=deal,
                note=None if note is None else html_of(note),
            )
        )


def reschedule(
    activity: ActivityId,
    due_date: DueDate,
    due_time: DueTime = None,
    duration: Duration = None,
    company: Company = None,
    json: Json = False,
) -> None:
    """Move an activity to another day; its time and duration stay where none are given."""
    with _desk(company, json) as desk:
        ask = partial(ask_to_reschedule, activity_id=activity, due_date=due_date, due_time=due_time, duration=duration)
        desk.note(ask)


def done(
    activity: ActivityId,
    undo: Annotated[bool, typer.Option("--undo", help="Mark it as not done instead.")] = False,
    company: Company = None,
    json: Json = False,
) -> None:
    """Mark an activity as done."""
    with _desk(company, json) as desk:
        desk.note(partial(ask_to_complete, activity_id=activity, done=not undo))


def unplan(
    activity: ActivityId,
    yes: Annotated[bool, typer.Option("--yes", help="It is meant: the activity goes for good.")] = False,
    company: Company = None,
    json: Json = False,
) -> None:
    """Delete an activity at Pipedrive."""
    if not yes:
        raise NotConfirmed(
            f"This deletes activity {activity} at Pipedrive, for everyone.",
            "Add --yes if that is meant; `accounts done` marks it as done instead.",
        )
    with _desk(company, json) as desk:
        desk.note(partial(ask_to_delete, activity_id=activity))


def note(
    account: Account,
    text: Annotated[str, typer.Argument(help="What it says, as plain text; - reads it from standard input.")],
    company: Company = None,
    json: Json = False,
) -> None:
    """Add a note to an account."""
    with _desk(company, json) as desk:
        organization_id = one_account(desk.database, desk.company_id, account)
        content = html_of((sys.stdin.read() if text == "-" else text).strip())
        desk.note(partial(ask_for_note, organization_id=organization_id, content=content))


@dataclass(frozen=True, slots=True)
class _Desk:
    """Where errands of one company are noted."""

    settings: Settings
    database: Database
    company_id: int
    json: bool

    def note(self, ask: Callable[..., int]) -> None:
        """Note an errand, and print what was noted."""
        with self.database.writing() as connection:
            number = ask(connection, self.company_id, by=whoever_runs_this(), now=SystemClock().now())
            (errand,) = [one for one in load_errands(connection, self.company_id) if one.id == number]
            paused = load_hold(connection, self.company_id).paused_at is not None
        if self.json:
            print_json(asdict(errand))
        else:
            typer.echo(f"Noted: {described(self.database, self.company_id, errand)}. {self._how_sent(paused=paused)}")

    def _how_sent(self, *, paused: bool) -> str:
        if not self.settings.write_back.enabled:
            return "It waits: writing to Pipedrive is switched off (WRITE_BACK)."
        return "It waits: writing is paused until `pipedrive-sync resume`." if paused else SENT_BY


def errands(
    account: Annotated[str | None, typer.Argument(metavar="[ORGANIZATION]", help="Default: all accounts.")] = None,
    retry: Annotated[int | None, typer.Option(metavar="NUMBER", help="Try a refused one again.")] = None,
    drop: Annotated[int | None, typer.Option(metavar="NUMBER", help="Forget one that waits or was refused.")] = None,
    company: Company = None,
    json: Json = False,
) -> None:
    """List the activities and notes that wait to be sent, or were refused; try one again, or forget it."""
    with _desk(company, json) as desk:
        one = None if account is None else one_account(desk.database, desk.company_id, account)
        with desk.database.writing() as connection:
            if retry is not None:
                retry_errand(connection, desk.company_id, retry)
            if drop is not None:
                drop_errand(connection, desk.company_id, drop)
            found = load_errands(connection, desk.company_id, one)
        what = {errand.id: described(desk.database, desk.company_id, errand) for errand in found}
    if json:
        print_json([asdict(errand) for errand in found])
        return
    rows = [
        (
            str(errand.id),
            what[errand.id],
            errand.state.value,
            minute(errand.requested_at),
            one_line(errand.requested_by),
            one_line(errand.error or ""),
        )
        for errand in found
    ]
    if rows:
        print_table("", ("no.", "what", "state", "asked for", "by", "why"), rows, right=("no.",))
    else:
        typer.echo("Nothing waits, and nothing was refused.")


@contextmanager
def _desk(company: int | None, json: bool) -> Iterator[_Desk]:
    with opened(company) as (settings, database, company_id):
        yield _Desk(settings, database, company_id, json)


def described(database: Database, company_id: int, errand: Write) -> str:
    """What is to be done, in words."""
    with database.reading() as connection:
        held = load_record(connection, company_id, ACTIVITIES, errand.record_id or 0) or {}
    body, account = errand.body, f"account {errand.organization_id}"
    if errand.entity == NOTES.name:
        return f"a note for {account}"
    if errand.action is Action.CREATE:
        return f"“{short(body['subject'])}” for {account}, due {_when(body)}"
    activity = f"activity {errand.record_id} of {account}, “{short(held.get('subject'))}”"
    if errand.action is Action.DELETE:
        return f"{activity}, is to be deleted"
    if "done" in body:
        return f"{activity}, is {'done' if body['done'] else 'not done'}"
    return f"{activity}, moves to {_when(body)}"


def _when(body: Mapping[str, Any]) -> str:
    return due(body["due_date"], body.get("due_time")) + (" UTC" if "due_time" in body else "")
