"""Lists of accounts: a page of them with what is next and what waits, all of them a batch at a time, and totals.

Read-only, in the caller's transaction; the number of statements does not depend on the number of accounts. Ids are
found and sorted first, in `account_index`; whole rows of `accounts` are read for what is shown alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    case,
    cast,
    func,
    literal_column,
    null,
    select,
    union_all,
)

from sync.accounts.folding import folded
from sync.accounts.lists.calendar import Calendar
from sync.accounts.lists.filtering import Filter, conditions, containing, matching
from sync.accounts.lists.indexing import AT_ONCE, stale_entries
from sync.accounts.lists.orders import Order, Sorting, sorting
from sync.accounts.lists.totals import summed, summing_units
from sync.accounts.queries import Named, account_columns, plain
from sync.store.dialect import among
from sync.store.edits import count_edits_of
from sync.store.schema import TABLES, account_index, accounts

BATCH = 1000  # accounts that are held at a time

_ACTIVITIES = TABLES["activities"]
_UPCOMING = {"next_activity_type": _ACTIVITIES.c.type, "next_activity_subject": _ACTIVITIES.c.subject}
_ITS_ENTRY = (account_index.c.company_id == accounts.c.company_id) & (
    account_index.c.organization_id == accounts.c.organization_id
)
_INDEX_AND_ACCOUNTS = account_index.join(accounts, _ITS_ENTRY)
_ANY = account_index.alias()
_ORGANIZATION: ColumnElement[int] = literal_column("organization_id")  # of the only query that is selected from
_NO_EDITS: Mapping[str, int] = MappingProxyType({"waiting": 0, "parked": 0, "disputed": 0})


@dataclass(frozen=True, slots=True)
class Next:
    """The next activity of an account: `type` is the key of its type, `due_time` is UTC."""

    id: int
    type: str | None
    subject: str | None
    due_date: date | None
    due_time: str | None


@dataclass(frozen=True, slots=True)
class Row:
    """An account in a list. Each edited field is `waiting` to be written, `parked`, or in one of the `conflicts`."""

    account: Mapping[str, Any]  # every column
    next_activity: Next | None
    waiting: int
    parked: int
    conflicts: int


@dataclass(frozen=True, slots=True)
class Totals:
    """What the accounts of a list come to. `currency` is the one that they are all valued in."""

    accounts: int
    won_value: Decimal | None  # of those that have one; None if none has
    currency: str | None
    without_value: int  # accounts of which a rate is missing
    won_deals: int
    open_deals: int


def list_page(
    connection: Connection,
    company_id: int,
    filter: Filter,
    calendar: Calendar,
    order: Order,
    *,
    limit: int | None = 50,
    offset: int = 0,
) -> tuple[Sequence[Row], Totals]:
    """Some of the accounts that are wanted, and what all of them come to. Raises `NoSuchColumn`."""
    wanted = conditions(connection, company_id, filter, calendar)
    by = sorting(connection, company_id, order)
    found = matching(_with_keys(wanted, by), once=filter.is_selective or by.beside)
    totals, ids = _found(connection, company_id, found, _chosen(found, by).limit(limit).offset(offset))
    return _rows(connection, company_id, ids), totals


def page_after(
    connection: Connection, company_id: int, filter: Filter, calendar: Calendar, *, after: int | None, limit: int
) -> Sequence[Row]:
    """The accounts that are wanted, by the organization's id, at most so many, from behind one on."""
    organization = account_index.c.organization_id
    query = select(organization).where(*conditions(connection, company_id, filter, calendar))
    if after is not None:
        query = query.where(organization > after)
    ids = connection.scalars(query.order_by(organization).limit(limit)).all()
    return _rows(connection, company_id, ids)


def stream_rows(
    connection: Connection, company_id: int, filter: Filter, calendar: Calendar, order: Order
) -> Iterator[Sequence[Row]]:
    """All accounts that are wanted; the database hands out a batch at a time. Raises `NoSuchColumn`."""
    wanted = conditions(connection, company_id, filter, calendar)
    by = sorting(connection, company_id, order)
    query = _whole_rows().join(account_index, _ITS_ENTRY).where(*wanted)
    query = query.order_by(*by.of(by.keys), accounts.c.organization_id)
    for batch in connection.execute(query.execution_options(yield_per=BATCH)).mappings().partitions():
        ids = [row["organization_id"] for row in batch]
        edits = count_edits_of(connection, company_id, ids)
        yield [_row(row, edits.get(row["organization_id"], _NO_EDITS)) for row in batch]


def matching_ids(connection: Connection, company_id: int, filter: Filter, calendar: Calendar) -> Sequence[int]:
    """The organizations of all accounts that are wanted."""
    organization = account_index.c.organization_id
    query = select(organization).where(*conditions(connection, company_id, filter, calendar))
    return connection.scalars(query.order_by(organization)).all()


def jump(connection: Connection, company_id: int, text: str, limit: int = 8) -> Sequence[Named]:
    """Accounts, active or former, that a text finds: those whose names begin with it first, then by name."""
    sought = folded(text)
    if not sought:
        return []
    words = sought.split()
    changed = [
        (entry.sort_name, one)
        for one, entry in stale_entries(connection, company_id, AT_ONCE)
        if all(word in entry.text for word in words)
    ]
    starts = func.substr(account_index.c.sort_name, 1, len(sought)) == sought
    query = (
        select(account_index.c.sort_name, account_index.c.organization_id)
        .where(account_index.c.company_id == company_id, *containing(connection.dialect.name, words))
        .order_by(case((starts, 0), else_=1), account_index.c.sort_name, account_index.c.organization_id)
    )
    found = [*changed, *(tuple(row) for row in connection.execute(query.limit(limit)))]
    found.sort(key=lambda one: (not one[0].startswith(sought), one))
    ids = [one for _, one in found[:limit]]
    names = _names(connection, company_id, ids)
    return [Named(one, names[one]) for one in ids if one in names]


def _names(connection: Connection, company_id: int, ids: Sequence[int]) -> Mapping[int, str]:
    columns = accounts.c
    its = (columns.company_id == company_id) & among(connection, columns.organization_id, ids)
    found = connection.execute(select(columns.organization_id, columns.name).where(its))
    return {one: name or "" for one, name in found}


def _with_keys(wanted: Sequence[ColumnElement[bool]], by: Sorting) -> Select[Any]:
    """The accounts that are wanted, with what they are sorted and summed up by."""
    columns = account_index.c
    keys = [key.label(f"key_{number}") for number, key in enumerate(by.keys)]
    sums = (columns.won_value, columns.won_units, columns.won_deals_count, columns.open_deals_count)
    source = _INDEX_AND_ACCOUNTS if by.beside else account_index
    return select(columns.organization_id, *sums, *keys).select_from(source).where(*wanted)


def _chosen(wanted: CTE, by: Sorting) -> Select[Any]:
    """The organizations in their order."""
    keys = [wanted.c[f"key_{number}"] for number, _ in enumerate(by.keys)]
    return select(wanted.c.organization_id).order_by(*by.of(keys), wanted.c.organization_id)


def _found(connection: Connection, company_id: int, wanted: CTE, chosen: Select[Any]) -> tuple[Totals, Sequence[int]]:
    """What all of them come to, and which are chosen, in one statement."""
    columns, amounts = wanted.c, summing_units(wanted.c.won_units, wanted.c.won_value)
    currency = select(_ANY.c.currency).where(_ANY.c.company_id == company_id).limit(1).scalar_subquery()
    sums = (columns.won_deals_count, columns.open_deals_count)
    counts = (func.count(), func.count(columns.won_value), *(func.coalesce(func.sum(one), 0) for one in sums))
    totals = select(cast(null(), BigInteger), *counts, currency, *amounts)
    rest = [null()] * (len(counts) + 1 + len(amounts))
    ids = select(_ORGANIZATION, *rest).select_from(chosen.subquery())
    rows: Sequence[Any] = connection.execute(union_all(totals, ids)).all()
    (row,) = (row for row in rows if row[0] is None)
    _, number, valued, won, open_, code, *parts = row
    found = Totals(number, summed(parts), code, number - valued, int(won), int(open_))
    return found, [row[0] for row in rows if row[0] is not None]


def _whole_rows() -> Select[Any]:
    its_next = (_ACTIVITIES.c.company_id == accounts.c.company_id) & (_ACTIVITIES.c.id == accounts.c.next_activity_id)
    columns = [accounts.c[name] for name in account_columns()]
    upcoming = [column.label(name) for name, column in _UPCOMING.items()]
    return select(*columns, *upcoming).select_from(accounts.outerjoin(_ACTIVITIES, its_next))


def _rows(connection: Connection, company_id: int, ids: Sequence[int]) -> Sequence[Row]:
    """Some accounts, in the order of their ids as given."""
    if not ids:
        return []
    its = (accounts.c.company_id == company_id) & among(connection, accounts.c.organization_id, ids)
    found = {row["organization_id"]: row for row in connection.execute(_whole_rows().where(its)).mappings()}
    edits = count_edits_of(connection, company_id, ids)
    return [_row(found[one], edits.get(one, _NO_EDITS)) for one in ids if one in found]


def _row(row: RowMapping, edits: Mapping[str, int]) -> Row:
    account = plain(row)
    upcoming = [account.pop(name) for name in _UPCOMING]
    return Row(account, next_of(account, *upcoming), edits["waiting"], edits["parked"], edits["disputed"])


def next_of(account: Mapping[str, Any] | RowMapping, type_: str | None, subject: str | None) -> Next | None:
    """The next activity of an account, as far as the account's row and the activity tell."""
    if account["next_activity_id"] is None:
        return None
    return Next(
        account["next_activity_id"],
        type_,
        subject,
        account["next_activity_due_date"],
        account["next_activity_due_time"],
    )
