"""`accounts set`, `undo`, `retry`, `approve`, `switch`: changing accounts from a terminal.

They need the database alone and work beside a running service, which sends what they record.
"""

import getpass
from collections.abc import Mapping, Sequence
from contextlib import suppress
from enum import StrEnum
from typing import Annotated, Any

import typer

from sync.accounts.fields import Fields, load_fields
from sync.cli.accounts import one_account, opened
from sync.cli.company import Company
from sync.cli.formats import count, custom, one_line
from sync.cli.output import Json, print_json
from sync.clock import SystemClock
from sync.settings import Settings
from sync.store.edits import HistoryEntry, unpark
from sync.store.holds import save_approval, switch_account
from sync.writeback.editing import CannotEdit, edit_account, typed_values, undo_change
from sync.writeback.filling import approve_filling

SENT_BY = "The running service sends it, or the next `pipedrive-sync sync`."

Account = Annotated[str, typer.Argument(metavar="ORGANIZATION", help="Its id, or its name or a part of it.")]


class Switch(StrEnum):
    """Whether an account's edits are sent."""

    ON = "on"
    OFF = "off"


def whoever_runs_this() -> str:
    """The name under which changes made in a terminal are noted."""
    user = "somebody"
    with suppress(OSError, KeyError):  # a user id without a name, as in containers
        user = getpass.getuser()
    return f"command line ({user})"


def set_command(
    account: Account,
    assignments: Annotated[
        list[str], typer.Argument(metavar="FIELD=VALUE…", help="owner_id=Alice 'Customer number'=K-17; empty clears.")
    ],
    company: Company = None,
    json: Json = False,
) -> None:
    """Change fields of an account; the organization at Pipedrive follows."""
    with opened(company) as (settings, database, company_id):
        organization_id = one_account(database, company_id, account)
        with database.writing() as connection:
            fields = load_fields(connection, company_id, settings)
            values = typed_values(connection, company_id, fields, assignments)
            now = SystemClock().now()
            changed = edit_account(
                connection, company_id, fields, organization_id, values, by=whoever_runs_this(), at=now
            )
    if json:
        shown = {fields.name_of(field): values[field] for field in changed}
        print_json({"organization_id": organization_id, "changed": shown})
        return
    for field in changed:
        value = custom(fields.readable(field, values[field])) or "cleared"
        typer.echo(f"{one_line(fields.name_of(field))}: {value}")
    _warn_of_parts(fields, {field: values[field] for field in changed})
    typer.echo(
        f"Changed {count(len(changed), 'field')} of account {organization_id}. {_how_sent(settings, bool(changed))}"
    )


def _how_sent(settings: Settings, changed: bool) -> str:
    if not changed:
        return "It held that already."
    return SENT_BY if settings.write_back.enabled else "It waits: writing to Pipedrive is switched off (WRITE_BACK)."


def _warn_of_parts(fields: Fields, values: Mapping[str, Any]) -> None:
    """Pipedrive API: an address that is sent without its parts loses them."""
    for field, value in values.items():
        rule = fields.rules.get(field)
        if rule and rule.field_type.kind == "address" and isinstance(value, dict) and len(value) == 1:
            name = one_line(fields.name_of(field))
            typer.echo(f"{name} is text alone now: its parts (street, city, country …) go at Pipedrive too.", err=True)


def undo(
    change: Annotated[int, typer.Argument(help="The number of the change, as `accounts show` lists it.")],
    batch: Annotated[bool, typer.Option("--batch", help="And all changes that were made together with it.")] = False,
    company: Company = None,
    json: Json = False,
) -> None:
    """Take a change back: as an edit like any other, unless the field was changed again since."""
    with opened(company) as (settings, database, company_id), database.writing() as connection:
        fields = load_fields(connection, company_id, settings)
        now = SystemClock().now()
        done = undo_change(connection, company_id, fields, change, batch=batch, by=whoever_runs_this(), at=now)
    if json:
        numbers = {
            "undone": [one.id for one in done.undone],
            "changed_since": [one.id for one in done.changed_since],
            "refused": [{"change": one.id, "reason": reason} for one, reason in done.refused],
        }
        print_json(numbers)
    else:
        _print_undone(fields, done.undone)
        for one in done.changed_since:
            typer.echo(f"Left alone: {_which(fields, one)} was changed again since.", err=True)
        for one, reason in done.refused:
            typer.echo(f"Left alone: {_which(fields, one)}: {reason}", err=True)
    if not done.undone:
        raise CannotEdit("Nothing was taken back.", "`pipedrive-sync accounts show` tells what the fields hold now.")


def _print_undone(fields: Fields, undone: Sequence[HistoryEntry]) -> None:
    for one in undone[:20]:
        typer.echo(
            f"{_which(fields, one)}: {_value(fields, one.field, one.new_value)} → "
            f"{_value(fields, one.field, one.old_value)}"
        )
    if undone:
        typer.echo(f"Took {count(len(undone), 'change')} back. {SENT_BY}")


def _value(fields: Fields, field: str, value: Any) -> str:
    return custom(fields.readable(field, value)) or "nothing"


def _which(fields: Fields, change: HistoryEntry) -> str:
    return f"account {change.organization_id}, {one_line(fields.name_of(change.field))}"


def retry(
    account: Annotated[str | None, typer.Argument(metavar="[ORGANIZATION]", help="Default: all accounts.")] = None,
    field: Annotated[list[str] | None, typer.Option(help="Only this field; may be given several times.")] = None,
    company: Company = None,
) -> None:
    """Try parked changes again."""
    with opened(company) as (settings, database, company_id):
        organization_id = None if account is None else one_account(database, company_id, account)
        with database.writing() as connection:
            fields = load_fields(connection, company_id, settings)
            wanted = [fields.find(one) for one in field or ()]
            revived = unpark(connection, company_id, organization_id=organization_id, fields=wanted)
    typer.echo(f"{count(revived, 'parked change')} will be tried again." if revived else "Nothing is parked there.")


def approve(company: Company = None) -> None:
    """Let all edits made until now go to Pipedrive, however many accounts they are of."""
    with opened(company) as (settings, database, company_id), database.writing() as connection:
        now = SystemClock().now()
        save_approval(connection, company_id, by=whoever_runs_this(), at=now)
        fields = approve_filling(connection, company_id, settings, now)
    what = f" {count(fields, 'field')} at Pipedrive will be filled from accounts." if fields else ""
    typer.echo(f"Edits made until now are approved.{what} {SENT_BY}")


def switch(
    account: Account,
    state: Annotated[Switch, typer.Argument(help="on: edits are sent. off: they wait until it is on again.")],
    company: Company = None,
) -> None:
    """Keep the edits of one account from being sent, or let them go again."""
    with opened(company) as (_, database, company_id):
        organization_id = one_account(database, company_id, account)
        with database.writing() as connection:
            switch_account(connection, company_id, organization_id, on=state is Switch.ON)
    what = "are sent" if state is Switch.ON else "wait here until it is switched on again"
    typer.echo(f"Edits of account {organization_id} {what}.")
