"""Questions about the accounts as they stand in the database: which there are, and everything about all of them.

Set-based and read-only; every function works in the caller's transaction and asks the same number of queries whatever
the number of accounts. How an answer is shown is the command line's; what is known of one account is in `details`.
"""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, func, nulls_last, select

from sync.store.dialect import among
from sync.store.schema import TABLES, account_won_values, accounts, companies

BATCH = 1000  # accounts that an export holds at a time

_BOOKKEEPING = frozenset({"edited_by", "edited_at", "edits", "revision"})
_USERS, _ACTIVITIES, _ORGANIZATIONS = TABLES["users"], TABLES["activities"], TABLES["organizations"]


class Status(StrEnum):
    """Which accounts are meant."""

    ACTIVE = "active"
    FORMER = "former"
    ALL = "all"


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


_ORDERS: Mapping[Sort, ColumnElement[Any]] = {
    Sort.WON_VALUE: nulls_last(accounts.c.won_value.desc()),
    Sort.NAME: accounts.c.organization_id.asc(),  # the order of letters is Python's: see `list_accounts`
    Sort.OWNER: nulls_last(func.lower(_USERS.c.name)),
    Sort.WON_DEALS: accounts.c.won_deals_count.desc(),
    Sort.OPEN_DEALS: accounts.c.open_deals_count.desc(),
    Sort.CUSTOMER_SINCE: accounts.c.created_at.asc(),
    Sort.LAST_WON: nulls_last(accounts.c.last_won_time.desc()),
    Sort.NEXT_ACTIVITY: nulls_last(accounts.c.next_activity_due_date.asc()),
    Sort.LAST_ACTIVITY: nulls_last(accounts.c.last_activity_time.desc()),
    Sort.ID: accounts.c.organization_id.asc(),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which accounts a list is about; `search` is a part of the name, in any case of letters."""

    status: Status = Status.ACTIVE
    owner_id: int | None = None
    search: str | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """One account in a list. The next activity's fields are None where there is none; `due_time` is UTC."""

    organization_id: int
    name: str | None
    status: str
    owner_id: int | None
    owner_name: str | None
    won_value: Decimal | None
    currency: str | None
    won_deals_count: int
    open_deals_count: int
    created_at: datetime
    first_won_time: datetime | None
    last_won_time: datetime | None
    next_activity_id: int | None
    next_activity_type: str | None
    next_activity_subject: str | None
    next_activity_due_date: date | None
    next_activity_due_time: str | None
    last_activity_time: datetime | None


@dataclass(frozen=True, slots=True)
class Named:
    """A record by which a person knows it."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Names:
    """What the ids and codes of a company stand for."""

    users: Mapping[int, str]
    activity_types: Mapping[str, str]
    pipelines: Mapping[int, str]
    stages: Mapping[int, str]
    decimals: Mapping[str, int]  # by currency


def folded(text: str | None) -> str:
    """A text as it is compared with what a person typed: without case, runs of spaces, and ways to write a letter."""
    return " ".join(unicodedata.normalize("NFKC", text or "").casefold().split())


def _letters(text: str | None) -> str:
    """A text as it is sorted: an accent puts no letter behind z."""
    apart = unicodedata.normalize("NFKD", text or "").casefold()
    return "".join(letter for letter in apart if not unicodedata.combining(letter))


def load_names(connection: Connection, company_id: int) -> Names:
    """The names of the company's users, types, pipelines and stages, and its currencies' decimals."""

    def of(table: str, key: str, value: str) -> dict[Any, Any]:
        columns = TABLES[table].c
        found = connection.execute(select(columns[key], columns[value]).where(columns.company_id == company_id))
        return {one: name for one, name in found if one is not None and name is not None}

    return Names(
        users=load_users(connection, company_id),
        activity_types=of("activity_types", "key_string", "name"),
        pipelines=of("pipelines", "id", "name"),
        stages=of("stages", "id", "name"),
        decimals=of("currencies", "code", "decimal_points"),
    )


def accounts_built(connection: Connection, company_id: int) -> bool:
    """Whether the accounts were ever built: a first copy under way does so at its end."""
    basis = connection.scalar(select(companies.c.accounts_basis).where(companies.c.company_id == company_id))
    return basis is not None


def list_accounts(
    connection: Connection, company_id: int, wanted: Wanted, *, sort: Sort = Sort.WON_VALUE, limit: int | None = None
) -> tuple[Sequence[Listed], int]:
    """The accounts that are wanted, at most `limit` of them, and how many there are without the limit."""
    conditions = _conditions(connection, company_id, wanted)
    total = connection.scalar(select(func.count()).select_from(accounts).where(*conditions)) or 0
    query = _listing().where(*conditions).order_by(_ORDERS[sort], accounts.c.organization_id)
    if limit is not None and sort is not Sort.NAME:
        query = query.limit(limit)
    rows = [Listed(*row) for row in connection.execute(query)]
    if sort is Sort.NAME:  # neither database knows the order of all letters, nor do they agree on one
        rows = sorted(rows, key=lambda row: (row.name is None, _letters(row.name)))[:limit]
    return rows, total


def _conditions(connection: Connection, company_id: int, wanted: Wanted) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [accounts.c.company_id == company_id]
    if wanted.status is not Status.ALL:
        conditions.append(accounts.c.status == wanted.status.value)
    if wanted.owner_id is not None:
        conditions.append(accounts.c.owner_id == wanted.owner_id)
    if wanted.search is not None:
        part = folded(wanted.search)
        names = connection.execute(select(accounts.c.organization_id, accounts.c.name).where(*conditions))
        found = [organization for organization, name in names if part in folded(name)]
        conditions.append(among(connection, accounts.c.organization_id, found))
    return conditions


def _listing() -> Select[Any]:
    owner = (_USERS.c.company_id == accounts.c.company_id) & (_USERS.c.id == accounts.c.owner_id)
    upcoming = (_ACTIVITIES.c.company_id == accounts.c.company_id) & (_ACTIVITIES.c.id == accounts.c.next_activity_id)
    elsewhere = {
        "owner_name": _USERS.c.name,
        "next_activity_type": _ACTIVITIES.c.type,
        "next_activity_subject": _ACTIVITIES.c.subject,
        "next_activity_due_time": _ACTIVITIES.c.due_time,
    }
    columns = [elsewhere[one.name] if one.name in elsewhere else accounts.c[one.name] for one in fields(Listed)]
    return select(*columns).select_from(accounts.outerjoin(_USERS, owner).outerjoin(_ACTIVITIES, upcoming))


def find_accounts(connection: Connection, company_id: int, text: str) -> Sequence[Named]:
    """The accounts a person may mean: by id, else by the whole name, else by a part of it."""
    columns = accounts.c
    return _find(connection, text, columns.organization_id, columns.name, columns.company_id == company_id)


def find_organizations(connection: Connection, company_id: int, text: str) -> Sequence[Named]:
    """The organizations a person may mean, accounts or not, deleted ones included."""
    columns = _ORGANIZATIONS.c
    return _find(connection, text, columns.id, columns.name, columns.company_id == company_id)


def load_users(connection: Connection, company_id: int) -> Mapping[int, str]:
    """The names of all users, by id."""
    query = select(_USERS.c.id, _USERS.c.name).where(_USERS.c.company_id == company_id)
    return {one: name for one, name in connection.execute(query) if name}


def find_users(connection: Connection, company_id: int, text: str) -> Sequence[Named]:
    """The users a person may mean."""
    return _find(connection, text, _USERS.c.id, _USERS.c.name, _USERS.c.company_id == company_id)


def _find(
    connection: Connection,
    text: str,
    key: ColumnElement[Any],
    name: ColumnElement[Any],
    condition: ColumnElement[bool],
) -> Sequence[Named]:
    query = select(key, name).where(condition).order_by(key)
    if text.isascii() and text.isdigit() and len(text) < 19:
        found = connection.execute(query.where(key == int(text))).all()
        if found:
            return [Named(one, called or "") for one, called in found]
    sought = folded(text)
    if not sought:
        return []
    everyone = [Named(one, called) for one, called in connection.execute(query) if called]
    exact = [one for one in everyone if folded(one.name) == sought]
    return exact or [one for one in everyone if sought in folded(one.name)]


def names_of(connection: Connection, company_id: int, table: str, ids: Sequence[int]) -> dict[int, str]:
    """The names of some records of a mirrored table."""
    if not ids:
        return {}
    columns = TABLES[table].c
    condition = (columns.company_id == company_id) & among(connection, columns.id, ids)
    return {one: name for one, name in connection.execute(select(columns.id, columns.name).where(condition)) if name}


def stream_accounts(connection: Connection, company_id: int, status: Status) -> Iterator[Sequence[Mapping[str, Any]]]:
    """Every account with all its columns, by organization id; the database hands out a batch at a time."""
    query = (
        select(accounts)
        .where(*_conditions(connection, company_id, Wanted(status)))
        .order_by(accounts.c.organization_id)
        .execution_options(yield_per=BATCH)
    )
    for batch in connection.execute(query).mappings().partitions():
        yield [plain(row) for row in batch]


def plain(row: RowMapping) -> dict[str, Any]:
    """An account's row under keys of plain text, which SQLAlchemy's are not: not every JSON encoder takes those."""
    return {str(name): value for name, value in row.items() if name not in _BOOKKEEPING}


def account_columns() -> Sequence[str]:
    """The names of an account's columns, in their order, but for those that count edits and tell who made them."""
    return [str(column.name) for column in accounts.c if column.name not in _BOOKKEEPING]


def won_currencies(connection: Connection, company_id: int) -> Sequence[str]:
    """The currencies in which anything worth something was won; empty text for deals without a currency."""
    query = (
        select(account_won_values.c.currency)
        .where(account_won_values.c.company_id == company_id, account_won_values.c.value != 0)
        .distinct()
        .order_by(account_won_values.c.currency)
    )
    return list(connection.scalars(query))
