"""The board: accounts as cards, in columns by when their next activity is due.

Read-only, in the caller's transaction; three statements at most, whatever the number of accounts and of columns.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    cast,
    func,
    literal_column,
    null,
    nulls_last,
    select,
    union_all,
)

from sync.accounts.lists.calendar import Bucket, Calendar
from sync.accounts.lists.due import bucket_due, bucket_number, due_in
from sync.accounts.lists.filtering import Filter, conditions, matching
from sync.accounts.lists.listing import Next, next_of
from sync.accounts.lists.totals import summed, summing_units
from sync.store.dialect import among
from sync.store.schema import TABLES, account_index, accounts

_ACTIVITIES = TABLES["activities"]
_BUCKETS = tuple(Bucket)
_ORGANIZATION: ColumnElement[int] = literal_column("organization_id")  # of the only query that is selected from
_SHOWN = (
    *("organization_id", "name", "owner_id", "status", "won_value", "currency", "label_ids", "last_activity_time"),
    *("next_activity_id", "next_activity_due_date", "next_activity_due_time"),
)


@dataclass(frozen=True, slots=True)
class Card:
    """An account on the board."""

    organization_id: int
    name: str | None
    owner_id: int | None
    won_value: Decimal | None
    currency: str | None
    next_activity: Next | None
    last_activity_time: datetime | None
    label_ids: Sequence[int]
    status: str


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the board: what is in it altogether, and some of its cards."""

    bucket: Bucket
    count: int
    won_value: Decimal | None  # of the accounts that have one; None if none has
    without_value: int  # accounts of which a rate is missing
    cards: Sequence[Card]  # the earliest due first; where nothing is planned, the highest won value


@dataclass(frozen=True, slots=True)
class _Sum:
    """What some accounts come to: all of them, and those that have a value."""

    count: int
    valued: int
    won_value: Decimal | None


_NOTHING = _Sum(0, 0, None)


def load_board(
    connection: Connection, company_id: int, filter: Filter, calendar: Calendar, *, per_column: int = 30
) -> Sequence[Column]:
    """All columns, each with its first cards."""
    wanted = conditions(connection, company_id, filter, calendar)
    columns = account_index.c
    query = select(columns.organization_id, columns.due, columns.won_value, columns.won_units).where(*wanted)
    # Of many accounts the index soon has some of each column; few are sooner put aside than sought in it each time.
    found = matching(query, once=filter.is_costly)
    sums, places = _found(connection, found, calendar, per_column)
    cards = _cards(connection, company_id, list(places))
    by_bucket: dict[Bucket, list[Card]] = {bucket: [] for bucket in Bucket}
    for one, bucket in places.items():
        if one in cards:
            by_bucket[bucket].append(cards[one])
    return [_column(bucket, sums.get(bucket, _NOTHING), by_bucket[bucket]) for bucket in Bucket]


def _column(bucket: Bucket, total: _Sum, cards: Sequence[Card]) -> Column:
    return Column(bucket, total.count, total.won_value, total.count - total.valued, cards)


def _found(
    connection: Connection, wanted: CTE, calendar: Calendar, per_column: int
) -> tuple[Mapping[Bucket, _Sum], Mapping[int, Bucket]]:
    """What the columns come to, and the accounts of their cards in their order, in one statement."""
    parts = list(_totals(connection.dialect.name, wanted, calendar))
    nothing: list[Any] = [null() for _ in parts[0].selected_columns][2:]
    for bucket in Bucket:
        first = _in_order(wanted, bucket).where(due_in(calendar, bucket)).limit(per_column).subquery()
        parts.append(select(bucket_number(bucket), _ORGANIZATION, *nothing).select_from(first))
    sums, buckets = {}, {}
    for place, organization_id, count, valued, *amounts in connection.execute(union_all(*parts)):
        if organization_id is None:
            sums[_BUCKETS[place]] = _Sum(count, valued, summed(amounts))
        else:
            buckets[organization_id] = _BUCKETS[place]
    return sums, buckets


def _totals(dialect: str, wanted: CTE, calendar: Calendar) -> Iterator[Select[Any]]:
    """What each column comes to. One after the other in SQLite, which would sort all accounts to group them; PostgreSQL
    would read them all for each, where a filter looks into texts.
    """
    value = wanted.c.won_value
    sums = (cast(null(), BigInteger), func.count(), func.count(value), *summing_units(wanted.c.won_units, value))
    if dialect == "postgresql":
        place = bucket_due(calendar).label("place")
        yield select(place, *sums).select_from(wanted).group_by(place)
    else:
        for bucket in Bucket:
            yield select(bucket_number(bucket), *sums).select_from(wanted).where(due_in(calendar, bucket))


def _in_order(wanted: CTE, bucket: Bucket) -> Select[Any]:
    """The accounts of a column, in the order of its cards."""
    columns = wanted.c
    order = nulls_last(columns.won_value.desc()) if bucket is Bucket.NONE else columns.due
    return select(columns.organization_id).order_by(order, columns.organization_id)


def _cards(connection: Connection, company_id: int, ids: Sequence[int]) -> Mapping[int, Card]:
    if not ids:
        return {}
    columns = [accounts.c[name] for name in _SHOWN]
    its_next = (_ACTIVITIES.c.company_id == accounts.c.company_id) & (_ACTIVITIES.c.id == accounts.c.next_activity_id)
    query = (
        select(*columns, _ACTIVITIES.c.type, _ACTIVITIES.c.subject)
        .select_from(accounts.outerjoin(_ACTIVITIES, its_next))
        .where(accounts.c.company_id == company_id, among(connection, accounts.c.organization_id, ids))
    )
    return {row["organization_id"]: _card(row) for row in connection.execute(query).mappings()}


def _card(row: RowMapping) -> Card:
    labels = row["label_ids"]
    return Card(
        organization_id=row["organization_id"],
        name=row["name"],
        owner_id=row["owner_id"],
        won_value=row["won_value"],
        currency=row["currency"],
        next_activity=next_of(row, row["type"], row["subject"]),
        last_activity_time=row["last_activity_time"],
        label_ids=[one for one in labels if isinstance(one, int)] if isinstance(labels, list) else [],
        status=row["status"],
    )
