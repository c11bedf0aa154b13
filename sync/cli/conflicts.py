"""`conflicts`: fields that both sides changed, edits that Pipedrive does not take, and deciding about them."""

from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

import typer

from sync.accounts.fields import Fields, load_fields
from sync.accounts.queries import names_of
from sync.cli.accounts import one_account, opened
from sync.cli.company import Company
from sync.cli.editing import SENT_BY, whoever_runs_this
from sync.cli.formats import custom, minute, one_line
from sync.cli.output import Json, print_json, print_table
from sync.clock import SystemClock
from sync.store.conflicts import Conflict, load_conflict, load_conflicts
from sync.store.edits import Parked, load_parked
from sync.writeback.editing import CannotEdit, resolve_conflict, typed_value


class Keep(StrEnum):
    """Whose value of a conflict is kept."""

    THEIRS = "theirs"
    OURS = "ours"


def list_command(
    account: Annotated[str | None, typer.Argument(metavar="[ORGANIZATION]", help="Default: all accounts.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also those that are decided.")] = False,
    company: Company = None,
    json: Json = False,
) -> None:
    """List the conflicts that wait for a decision, and parked changes with the reason."""
    with opened(company) as (settings, database, company_id):
        one = None if account is None else one_account(database, company_id, account)
        with database.reading() as connection:
            fields = load_fields(connection, company_id, settings)
            found = load_conflicts(connection, company_id, organization_id=one, only_open=not everything)
            parked = load_parked(connection, company_id, one)
            ids = sorted({of.organization_id for of in found} | {of.organization_id for of in parked})
            names = names_of(connection, company_id, "organizations", ids)
    if json:
        print_json([asdict(of) | {"field_name": fields.name_of(of.field)} for of in found])
        return
    if found:
        columns = ("id", "account", "field", "here", "at Pipedrive", "detected", "decided")
        print_table("Conflicts", columns, (_row(of, fields, names) for of in found), right=("id",))
    _print_parked(parked, fields, names)
    if not (found or parked):
        typer.echo("No conflict waits, and nothing is parked." if not everything else "There was never a conflict.")


def _row(conflict: Conflict, fields: Fields, names: dict[int, str]) -> tuple[object, ...]:
    decided = f"{conflict.resolution} ({one_line(conflict.resolved_by)})" if conflict.resolution else "waits"
    return (
        str(conflict.id),
        _account(conflict.organization_id, names),
        one_line(fields.name_of(conflict.field)),
        custom(fields.readable(conflict.field, conflict.account_value)),
        custom(fields.readable(conflict.field, conflict.pipedrive_value)),
        minute(conflict.detected_at),
        decided,
    )


def _account(organization_id: int, names: dict[int, str]) -> str:
    return f"{organization_id} {one_line(names.get(organization_id))}".strip()


def _print_parked(parked: Sequence[Parked], fields: Fields, names: dict[int, str]) -> None:
    if parked:
        rows = (
            (
                _account(one.organization_id, names),
                one_line(fields.name_of(one.field)),
                custom(fields.readable(one.field, one.value)),
                one_line(one.reason),
                minute(one.since),
                one.attempts,
            )
            for one in parked
        )
        print_table("Parked changes", ("account", "field", "value", "reason", "since", "attempts"), rows)


def show_command(
    conflict: Annotated[int, typer.Argument(help="Its number, as `conflicts list` shows it.")],
    company: Company = None,
    json: Json = False,
) -> None:
    """Show one conflict with all its values, times, and who made them."""
    with opened(company) as (settings, database, company_id), database.reading() as connection:
        fields = load_fields(connection, company_id, settings)
        found = load_conflict(connection, company_id, conflict)
    if found is None:
        raise CannotEdit(f"There is no conflict {conflict}.", "`pipedrive-sync conflicts list --all` shows them.")
    if json:
        print_json(asdict(found) | {"field_name": fields.name_of(found.field)})
        return
    typer.echo(f"Conflict {found.id}: {one_line(fields.name_of(found.field))} of account {found.organization_id}")
    base, account, pipedrive = (
        custom(fields.readable(found.field, value)) or "nothing"
        for value in (found.base_value, found.account_value, found.pipedrive_value)
    )
    typer.echo(f"Before        {base}")
    ours = f"{account}  ({minute(found.account_time)}, {one_line(found.account_by)})"
    who = f", {one_line(found.pipedrive_by)}" if found.pipedrive_by else ""
    theirs = f"{pipedrive}  ({minute(found.pipedrive_time)}{who})"
    typer.echo(f"Here          {ours}")
    typer.echo(f"At Pipedrive  {theirs}")
    typer.echo(f"Detected      {minute(found.detected_at)}, policy {found.policy}")
    if found.resolution:
        typer.echo(f"Decided       {found.resolution}, {minute(found.resolved_at)}, by {one_line(found.resolved_by)}")
    else:
        typer.echo("It waits: `pipedrive-sync conflicts resolve` decides it.")


def resolve_command(
    conflict: Annotated[int, typer.Argument(help="Its number, as `conflicts list` shows it.")],
    keep: Annotated[Keep | None, typer.Option(help="theirs: Pipedrive's value. ours: the account's.")] = None,
    value: Annotated[str | None, typer.Option(help="A third value instead.")] = None,
    company: Company = None,
    json: Json = False,
) -> None:
    """Decide a conflict, or decide one anew: keep theirs, ours, or a third value."""
    if (keep is None) == (value is None):
        raise CannotEdit("Say what is kept: either --keep theirs, --keep ours, or --value and a value.")
    with opened(company) as (settings, database, company_id), database.writing() as connection:
        fields = load_fields(connection, company_id, settings)
        found = load_conflict(connection, company_id, conflict)
        third = None
        if found is not None and value is not None:
            third = typed_value(connection, company_id, fields, fields.find(found.field), value)
        choice = "value" if keep is None else keep.value
        now = SystemClock().now()
        resolve_conflict(connection, company_id, fields, conflict, choice, value=third, by=whoever_runs_this(), at=now)
        settled = load_conflict(connection, company_id, conflict)
    if json:
        print_json(asdict(settled) if settled else {})
    else:
        typer.echo(f"Conflict {conflict} is decided. {SENT_BY}")
