"""One account, shown: as a page for people, as one JSON document for programs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import typer
from rich.cells import cell_len

from sync.accounts.details import LAST_CHANGES, LAST_DONE, Activity, Deal, Details
from sync.accounts.fields import Fields
from sync.accounts.overlay import OWN
from sync.cli.formats import activity, count, custom, day, due, minute, money, one_line, short
from sync.cli.output import print_table

_SHOWN_DEALS = 20
_SHOWN_PLANNED = 20
_PLAIN_FIELDS = ("website", "linkedin", "industry", "annual_revenue", "employee_count")
# Pipedrive API: the numbers of `visible_to`.
_VISIBLE_TO: Mapping[int, str] = {
    1: "the owner",
    3: "the owner's visibility group",
    5: "the owner's visibility group and those below it",
    7: "everyone",
}


def document(found: Details) -> Mapping[str, Any]:
    """The account as JSON: its own columns, then what hangs on it."""
    account = dict(found.account)
    return {
        **account,
        "owner_name": found.names.users.get(account["owner_id"]),
        "labels": found.labels,
        "custom_fields_by_name": found.custom_fields,
        "won_values": [asdict(one) for one in found.won_values],
        "created_by_deal": asdict(found.created_by) if found.created_by else None,
        "next_activity": asdict(found.next_activity) if found.next_activity else None,
        "deals_count": _counts(found.deals),
        "deals": [asdict(one) for one in found.deals],
        "persons": [asdict(one) for one in found.persons],
        "activities": {
            "planned": [asdict(one) for one in found.planned],
            "done": [asdict(one) for one in found.done],
        },
        "notes_count": found.notes_count,
        "files_count": found.files_count,
        "organization_deleted_at": found.deleted_at,
        "synced_at": found.synced_at,
        "read_at": found.read_at,
        "changes": [asdict(one) for one in found.changes],
        "edits": [asdict(one) for one in found.edits],
        "parked": [asdict(one) for one in found.parked],
        "conflicts": [asdict(one) for one in found.conflicts],
    }


def print_page(found: Details, fields: Fields) -> None:
    """Print the account for a person."""
    account = found.account
    typer.secho(f"{one_line(account['name'])}  ({account['status']} account {account['organization_id']})", bold=True)
    rows = [(label, value) for label, value in [*_value_rows(found), *_time_rows(found), *_field_rows(found)] if value]
    width = max(cell_len(label) for label, _ in rows)
    for label, value in rows:
        typer.echo(f"{label}{' ' * (width - cell_len(label))}  {value}")
    _print_deals(found)
    _print_persons(found)
    _print_activities("Planned", found.planned[:_SHOWN_PLANNED], len(found.planned), found)
    _print_activities(f"Done (the last {LAST_DONE})", found.done, len(found.done), found)
    _print_changes(found, fields)
    typer.echo(f"\n{count(found.notes_count, 'note')}, {count(found.files_count, 'file')}.")
    typer.echo(_freshness(found))


def _counts(deals: Sequence[Deal]) -> Mapping[str, int]:
    by_status = Counter(one.status for one in deals)
    counts = {status: by_status[status] for status in ("won", "open", "lost")}
    return {**counts, "archived": sum(one.is_archived for one in deals)}


def _value_rows(found: Details) -> Sequence[tuple[str, str]]:
    account, decimals = found.account, found.names.decimals
    worth = money(account["won_value"], account["currency"], decimals)
    per_currency = [
        f"{money(one.value, one.currency, decimals)} ({count(one.deals_count, 'deal')})" for one in found.won_values
    ]
    counts = ", ".join(f"{number:,} {status}" for status, number in _counts(found.deals).items())
    return [
        ("Won value", worth or f"unknown: a rate into {account['currency']} is missing in the settings"),
        ("… by currency", "; ".join(per_currency)),
        ("Deals", counts),
    ]


def _time_rows(found: Details) -> Sequence[tuple[str, str]]:
    account, origin, upcoming = found.account, found.created_by, found.next_activity
    through = f", through deal {origin.id} ({short(origin.title)})" if origin else ""
    return [
        ("Customer since", f"{day(account['created_at'])}{through}"),
        ("First won", day(account["first_won_time"])),
        ("Last won", day(account["last_won_time"])),
        ("Next activity", _activity(upcoming) if upcoming else "none planned"),
        ("Last activity", minute(account["last_activity_time"])),
        ("Deleted at Pipedrive", minute(found.deleted_at)),
    ]


def _field_rows(found: Details) -> Sequence[tuple[str, str]]:
    account = found.account
    owner, visible_to = account["owner_id"], account["visible_to"]
    owner_name = found.names.users.get(owner, "" if owner is None else str(owner))
    rows = [
        ("Owner", one_line(owner_name)),
        ("Labels", ", ".join(map(one_line, found.labels))),
        ("Address", custom(account["address"]) if account["address"] else ""),
        ("Visible to", _VISIBLE_TO.get(visible_to, one_line(visible_to))),
    ]
    rows += [(name.replace("_", " ").capitalize(), one_line(account[name])) for name in _PLAIN_FIELDS]
    rows += [(one_line(name), custom(value)) for name, value in found.custom_fields.items()]
    own = account["fields"] if isinstance(account["fields"], dict) else {}
    return rows + [(f"{one_line(name)} (account only)", custom(value)) for name, value in own.items()]


def _print_deals(found: Details) -> None:
    typer.echo()
    print_table(
        _some("Deals", min(len(found.deals), _SHOWN_DEALS), len(found.deals)),
        ("id", "title", "status", "value", "stage", "owner", "closed"),
        (
            (
                str(deal.id),
                short(deal.title),
                f"{one_line(deal.status)}{', archived' if deal.is_archived else ''}",
                money(deal.value, deal.currency, found.names.decimals),
                one_line(deal.stage),
                one_line(deal.owner_name),
                day(deal.won_time or deal.lost_time),
            )
            for deal in found.deals[:_SHOWN_DEALS]
        ),
        right=("id", "value"),
    )


def _print_persons(found: Details) -> None:
    if found.persons:
        typer.echo()
        rows = ((str(one.id), one_line(one.name), _ways(one.emails), _ways(one.phones)) for one in found.persons)
        print_table("Persons", ("id", "name", "mail", "phone"), rows, right=("id",))


def _ways(contacts: Any) -> str:
    """Addresses or numbers, the primary one first; Pipedrive API: [{value, primary, label}]."""
    if not isinstance(contacts, list):
        return one_line(contacts)
    given = [one for one in contacts if isinstance(one, dict) and one.get("value")]
    return ", ".join(one_line(one["value"]) for one in sorted(given, key=lambda one: not one.get("primary")))


def _print_activities(title: str, activities: Sequence[Activity], total: int, found: Details) -> None:
    if not activities:
        return
    deals = {deal.id: short(deal.title) for deal in found.deals}
    typer.echo()
    print_table(
        _some(title, len(activities), total),
        ("due", "done", "what", "owner", "deal"),
        (
            (
                due(one.due_date, one.due_time),
                day(one.marked_as_done_time),
                activity(one.type, one.subject, None, None),
                one_line(one.owner_name),
                deals.get(one.deal_id or 0, ""),
            )
            for one in activities
        ),
    )


def _print_changes(found: Details, fields: Fields) -> None:
    """What was changed last, and what of it waits, is parked, or has to be decided."""
    if found.changes:
        typer.echo()
        print_table(
            f"Changes (the last {LAST_CHANGES})",
            ("no.", "when", "by", "field", "before", "after"),
            (
                (
                    str(one.id),
                    minute(one.changed_at),
                    one_line(one.changed_by),
                    one_line(fields.name_of(one.field)),
                    short(custom(fields.readable(one.field, one.old_value))),
                    short(custom(fields.readable(one.field, one.new_value))),
                )
                for one in found.changes
            ),
            right=("no.",),
        )
    for edit in found.edits:
        if not (edit.is_parked or edit.is_disputed or edit.field.startswith(OWN)):
            typer.echo(f"{one_line(fields.name_of(edit.field))} waits to be written, since {minute(edit.edited_at)}.")
    for parked in found.parked:
        typer.echo(f"{one_line(fields.name_of(parked.field))} can't be written: {one_line(parked.reason)}.")
    for conflict in found.conflicts:
        name = one_line(fields.name_of(conflict.field))
        typer.echo(f"{name} was changed on both sides: decide with `pipedrive-sync conflicts resolve {conflict.id}`.")


def _activity(one: Activity) -> str:
    return activity(one.type, one.subject, one.due_date, one.due_time)


def _some(title: str, shown: int, total: int) -> str:
    return title if shown == total else f"{title} ({shown:,} of {total:,}; all with --json)"


def _freshness(found: Details) -> str:
    read_at: datetime | None = found.read_at
    return f"As Pipedrive had it at {minute(read_at)}." if read_at else "Organizations are still being copied."
