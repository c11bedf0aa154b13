"""`accounts`: the accounts in a terminal and for other programs. Reads the database only, beside a running sync too."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from sync.accounts.details import Details, load_details
from sync.accounts.fields import load_fields
from sync.accounts.lists.calendar import Calendar
from sync.accounts.lists.filtering import Filter, Status
from sync.accounts.lists.indexing import freshen_index
from sync.accounts.lists.listing import Row, list_page
from sync.accounts.lists.orders import Order
from sync.accounts.queries import (
    Named,
    Names,
    accounts_built,
    find_accounts,
    find_organizations,
    find_users,
    load_names,
)
from sync.cli.account_page import document, print_page
from sync.cli.company import Company, NothingMirrored, choose_company
from sync.cli.exporting import Format, export
from sync.cli.formats import activity, day, money, one_line
from sync.cli.output import Json, print_json, print_table, reader_may_leave
from sync.cli.runtime import migrated_database, start
from sync.clock import SystemClock
from sync.errors import SyncError
from sync.settings import Settings
from sync.store.database import Database

_MOST_ROWS = 500
_SHOWN_MATCHES = 10
_COLUMNS = (
    "id",
    "name",
    "owner",
    "won value",
    "won",
    "open",
    "customer since",
    "last won",
    "next activity",
    "last activity",
)

_ACTIVE = Filter()

# What of an account's row a list tells before and after its next activity.
_BEFORE = ("organization_id", "name", "status", "owner_id")
_VALUES = (
    *("won_value", "currency", "won_deals_count", "open_deals_count", "created_at", "first_won_time"),
    *("last_won_time", "next_activity_id"),
)

StatusOption = Annotated[Status, typer.Option("--status", help="Which accounts.")]


class Sort(StrEnum):
    """The order of a list of accounts; amounts, counts and past times the highest first, what is unknown last."""

    WON_VALUE = "won_value"
    NAME = "name"
    OWNER = "owner"
    WON_DEALS = "won_deals"
    OPEN_DEALS = "open_deals"
    CUSTOMER_SINCE = "customer_since"
    LAST_WON = "last_won"
    NEXT_ACTIVITY = "next_activity"
    LAST_ACTIVITY = "last_activity"
    ID = "id"

    @property
    def order(self) -> Order:
        """The order that is meant."""
        return Order(self.value, descending=self in _HIGHEST_FIRST)


_HIGHEST_FIRST = (Sort.WON_VALUE, Sort.WON_DEALS, Sort.OPEN_DEALS, Sort.LAST_WON, Sort.LAST_ACTIVITY)


class NotFound(SyncError):
    """No account, organization or user fits what was given."""


class Ambiguous(SyncError):
    """Several fit what was given."""


def list_command(
    status: StatusOption = Status.ACTIVE,
    owner: Annotated[str | None, typer.Option(help="Only those of this user, by name or id.")] = None,
    search: Annotated[str | None, typer.Option(help="Only those with these words in their texts.")] = None,
    sort: Annotated[Sort, typer.Option(help="The order: highest amounts and counts first, latest times first.")] = (
        Sort.WON_VALUE
    ),
    limit: Annotated[
        int | None, typer.Option(min=1, help=f"At most so many; default: {_MOST_ROWS} in a table, all with --json.")
    ] = None,
    company: Company = None,
    json: Json = False,
) -> None:
    """List accounts with what they are worth and what is next."""
    with opened(company) as (_, database, company_id), reader_may_leave():
        owner_id = one_user(database, company_id, owner)
        owners = frozenset() if owner_id is None else frozenset({owner_id})
        wanted = Filter(status=status, owners=owners, search=search or "")
        most = limit if limit or json else _MOST_ROWS
        print_list(database, company_id, wanted=wanted, sort=sort, limit=most, json=json)


def show_command(
    account: Annotated[str, typer.Argument(metavar="ORGANIZATION", help="Its id, or its name or a part of it.")],
    company: Company = None,
    json: Json = False,
) -> None:
    """Show everything known of one account."""
    with opened(company) as (settings, database, company_id), reader_may_leave():
        found = _details(database, company_id, account)
        if json:
            print_json(document(found))
        else:
            with database.reading() as connection:
                fields = load_fields(connection, company_id, settings)
            print_page(found, fields)


def export_command(
    form: Annotated[Format, typer.Option("--format", help="How it is written.")] = Format.CSV,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A file, written whole or not at all; default: printed.")
    ] = None,
    status: StatusOption = Status.ALL,
    company: Company = None,
    json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Write all accounts out, however many: as CSV, JSON Lines, or one JSON list."""
    with opened(company) as (_, database, company_id):
        written = export(database, company_id, status, Format.JSON if json else form, output)
    if output is not None:
        typer.echo(f"Wrote {written:,} accounts to {output}.", err=True)


def print_list(
    database: Database,
    company_id: int,
    *,
    wanted: Filter = _ACTIVE,
    sort: Sort = Sort.WON_VALUE,
    limit: int | None = None,
    json: bool = False,
) -> None:
    """Print the accounts that are wanted, as a table with one line that counts them, or as a JSON list."""
    with database.reading() as connection:
        today = Calendar(SystemClock().now())
        rows, totals = list_page(connection, company_id, wanted, today, sort.order, limit=limit)
        names = load_names(connection, company_id)
    if json:
        print_json([_listed(row, names) for row in rows])
        return
    if rows:
        print_table("", _COLUMNS, (_cells(row, names) for row in rows), right=("id", "won value", "won", "open"))
    kind = "" if wanted.status is Status.ALL else f"{wanted.status} "
    more = "" if len(rows) == totals.accounts else " --limit shows more, `accounts export` all."
    typer.echo(f"{len(rows):,} of {totals.accounts:,} {kind}accounts{_filters(wanted)}.{more}")


def _listed(row: Row, names: Names) -> dict[str, Any]:
    """An account in a list, for programs."""
    account, upcoming = row.account, row.next_activity
    return {
        **{name: account[name] for name in _BEFORE},
        "owner_name": names.users.get(account["owner_id"]),
        **{name: account[name] for name in _VALUES},
        "next_activity_type": upcoming.type if upcoming else None,
        "next_activity_subject": upcoming.subject if upcoming else None,
        "next_activity_due_date": account["next_activity_due_date"],
        "next_activity_due_time": account["next_activity_due_time"],
        "last_activity_time": account["last_activity_time"],
    }


def _cells(row: Row, names: Names) -> tuple[object, ...]:
    account, upcoming = row.account, row.next_activity
    next_activity = (
        activity(
            names.activity_types.get(upcoming.type or "", upcoming.type),
            upcoming.subject,
            upcoming.due_date,
            upcoming.due_time,
        )
        if upcoming
        else ""
    )
    return (
        str(account["organization_id"]),
        one_line(account["name"]),
        _person(account["owner_id"], names),
        money(account["won_value"], account["currency"], names.decimals) or "rate missing",
        account["won_deals_count"],
        account["open_deals_count"],
        day(account["created_at"]),
        day(account["last_won_time"]),
        next_activity,
        day(account["last_activity_time"]),
    )


def _person(user_id: int | None, names: Names) -> str:
    return "" if user_id is None else one_line(names.users.get(user_id, str(user_id)))


def _filters(wanted: Filter) -> str:
    owner = " of this owner" if wanted.owners else ""
    return f"{owner} with “{one_line(wanted.search)}”" if wanted.search else owner


@contextmanager
def opened(company: int | None) -> Iterator[tuple[Settings, Database, int]]:
    """The settings, the database, and the id of the company that is meant, whose accounts were built."""
    settings = start()
    with migrated_database(settings) as database:
        company_id = _company_with_accounts(database, company)
        freshen_index(database, company_id)
        yield settings, database, company_id


def _company_with_accounts(database: Database, wanted: int | None) -> int:
    """The id of the company that is meant. Raises `NothingMirrored` while its accounts were never built."""
    company_id: int = choose_company(database, wanted)["company_id"]
    with database.reading() as connection:
        if not accounts_built(connection, company_id):
            raise NothingMirrored(
                "The first copy from Pipedrive is not complete; the accounts are built at its end.",
                "Run `pipedrive-sync backfill`, which goes on where it stopped, or look at `pipedrive-sync status`.",
            )
    return company_id


def one_user(database: Database, company_id: int, text: str | None) -> int | None:
    """The user that a text means, by id, name or a part of it; None for none. Raises `NotFound`, `Ambiguous`."""
    if text is None:
        return None
    with database.reading() as connection:
        users = find_users(connection, company_id, text)
    if not users:
        raise NotFound(f"There is no user {one_line(text)!r}.", "Give the name, a part of it, or the id.")
    return _only(users, text, "users").id


def one_account(database: Database, company_id: int, text: str) -> int:
    """The organization of the account that a text means: its id, its name, or a part of it. Raises `NotFound`."""
    with database.reading() as connection:
        matches = find_accounts(connection, company_id, text)
        if not matches:
            raise _no_account(find_organizations(connection, company_id, text), text)
    return _only(matches, text, "accounts").id


def _details(database: Database, company_id: int, text: str) -> Details:
    organization_id = one_account(database, company_id, text)
    with database.reading() as connection:
        found = load_details(connection, company_id, organization_id)
    if found is None:  # gone between two questions, which takes another program that erases accounts
        raise NotFound(f"There is no account {one_line(text)!r} any more.")
    return found


def _only(matches: Sequence[Named], text: str, what: str) -> Named:
    if len(matches) == 1:
        return matches[0]
    listed = "; ".join(f"{one.id} {one_line(one.name)}" for one in matches[:_SHOWN_MATCHES])
    more = f"; and {len(matches) - _SHOWN_MATCHES:,} more" if len(matches) > _SHOWN_MATCHES else ""
    raise Ambiguous(f"{len(matches):,} {what} fit {one_line(text)!r}: {listed}{more}.", "Give the id.")


def _no_account(organizations: Sequence[Named], text: str) -> NotFound:
    if not organizations:
        return NotFound(
            f"There is no account and no organization {one_line(text)!r}.",
            "Give its id or a part of its name; `pipedrive-sync accounts list --search …` finds them.",
        )
    listed = "; ".join(f"{one.id} {one_line(one.name)}" for one in organizations[:_SHOWN_MATCHES])
    verb = "exists, but has" if len(organizations) == 1 else "exist, but have"
    return NotFound(
        f"No account fits {one_line(text)!r}: {listed} {verb} no won deal.",
        "An organization becomes an account when a deal of it is won.",
    )
