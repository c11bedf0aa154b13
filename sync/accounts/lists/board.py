"""The board: accounts as cards, in columns by when their next activity is due.

Read-only, in the caller's transaction; three statements at most, whatever the number of accounts and of columns.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
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
    nulls_first,
    nulls_last,
    select,
    union_all,
)

from sync.accounts.lists.calendar import Bucket, Calendar
from sync.accounts.lists.due import bucket_number, due_in
from sync.accounts.lists.filtering import Filter, conditions, matching
from sync.accounts.lists.listing import Next, next_of
from sync.accounts.lists.totals import summed, summing, summing_again
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
    query = select(columns.organization_id, columns.due_date, columns.due_time, columns.won_value).where(*wanted)
    # Of many accounts the index soon has some of each column; few are sooner put aside than sought in it each time.
    found = matching(query, once=filter.is_costly and not filter.is_broad)
    sums, buckets = _found(connection, found, calendar, per_column)
    cards: dict[Bucket, list[Card]] = {bucket: [] for bucket in Bucket}
    for card in _cards(connection, company_id, list(buckets)):
        cards[buckets[card.organization_id]].append(card)
    return [_column(bucket, sums.get(bucket, _NOTHING), cards[bucket]) for bucket in Bucket]


def _column(bucket: Bucket, total: _Sum, cards: Sequence[Card]) -> Column:
    """A column; its cards are in the order in which `_in_order` finds them."""
    in_order = sorted(cards, key=_by_value if bucket is Bucket.NONE else _by_due)
    return Column(bucket, total.count, total.won_value, total.count - total.valued, in_order)


def _by_value(card: Card) -> Any:
    return card.won_value is None, -(card.won_value or 0), card.organization_id


def _by_due(card: Card) -> Any:
    due = card.next_activity
    return (due.due_date or date.max, due.due_time or "", card.organization_id) if due else ()


def _found(
    connection: Connection, wanted: CTE, calendar: Calendar, per_column: int
) -> tuple[Mapping[Bucket, _Sum], Mapping[int, Bucket]]:
    """What the columns come to, and the accounts of their cards, in one statement."""
    dialect = connection.dialect.name
    totals = _totals(dialect, wanted, calendar)
    nothing = [null() for _ in totals.selected_columns][2:]
    parts: list[Select[*tuple[Any, ...]]] = [totals]
    for number, bucket in enumerate(_BUCKETS):
        first = _in_order(wanted, bucket).where(due_in(dialect, calendar, bucket)).limit(per_column).subquery()
        parts.append(select(literal_column(str(number)), _ORGANIZATION, *nothing).select_from(first))
    sums, buckets = {}, {}
    for place, organization_id, count, valued, *amounts in connection.execute(union_all(*parts)):
        if organization_id is None:
            sums[_BUCKETS[place]] = _Sum(count, valued, summed(amounts))
        else:
            buckets[organization_id] = _BUCKETS[place]
    return sums, buckets


def _totals(dialect: str, wanted: CTE, calendar: Calendar) -> Select[*tuple[Any, ...]]:
    """What each column comes to that has any accounts. Summed up by day and time first, in which order the index is: so
    nothing is sorted, and the bucket is told of each time instead of each account.
    """
    columns, value = wanted.c, wanted.c.won_value
    amounts = [one.label(f"amount_{number}") for number, one in enumerate(summing(dialect, value))]
    counts = (func.count().label("number"), func.count(value).label("valued"))
    time = (columns.due_date, columns.due_time)
    by_time = select(*time, *counts, *amounts).group_by(*time).subquery()
    of = by_time.c
    place = bucket_number(dialect, calendar).label("place")
    again = summing_again(dialect, [of[one.name] for one in amounts])
    sums = (cast(func.sum(one), BigInteger) for one in (of.number, of.valued))
    return select(place, cast(null(), BigInteger), *sums, *again).group_by(place)


def _in_order(wanted: CTE, bucket: Bucket) -> Select[Any]:
    """The accounts of a column, in the order of its cards."""
    columns = wanted.c
    order = (
        [nulls_last(columns.won_value.desc())]
        if bucket is Bucket.NONE
        else [nulls_last(columns.due_date.asc()), nulls_first(columns.due_time.asc())]
    )
    return select(columns.organization_id).order_by(*order, columns.organization_id)


def _cards(connection: Connection, company_id: int, ids: Sequence[int]) -> Sequence[Card]:
    if not ids:
        return []
    columns = [accounts.c[name] for name in _SHOWN]
    its_next = (_ACTIVITIES.c.company_id == accounts.c.company_id) & (_ACTIVITIES.c.id == accounts.c.next_activity_id)
    query = (
        select(*columns, _ACTIVITIES.c.type, _ACTIVITIES.c.subject)
        .select_from(accounts.outerjoin(_ACTIVITIES, its_next))
        .where(accounts.c.company_id == company_id, among(connection, accounts.c.organization_id, ids))
    )
    return [_card(row) for row in connection.execute(query).mappings()]


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
