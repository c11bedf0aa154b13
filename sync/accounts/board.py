"""The board: accounts as cards, in columns by when their next activity is due.

Read-only, in the caller's transaction; four statements or so, whatever the number of accounts and of columns.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, func, nulls_first, nulls_last, select, union_all

from sync.accounts.calendar import Bucket, Calendar
from sync.accounts.due import ORDER, bucket_number, due_in
from sync.accounts.filtering import Filter, conditions
from sync.accounts.listing import Next, next_of
from sync.accounts.totals import summed, summing
from sync.store.dialect import among
from sync.store.schema import TABLES, accounts

_ACTIVITIES = TABLES["activities"]
_SHOWN = (
    *("organization_id", "name", "owner_id", "status", "won_value", "currency", "label_ids", "last_activity_time"),
    *("next_activity_id", "next_activity_due_date", "next_activity_due_time"),
)

_Wanted = Sequence[ColumnElement[bool]]


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
    count: int
    won_value: Decimal | None
    without_value: int


_EMPTY = _Sum(0, None, 0)


def load_board(
    connection: Connection, company_id: int, filter: Filter, calendar: Calendar, *, per_column: int = 30
) -> Sequence[Column]:
    """All columns, each with its first cards."""
    wanted = conditions(connection, company_id, filter, calendar)
    sums = _sums(connection, wanted, calendar)
    filled = [bucket for bucket in ORDER if bucket in sums]
    firsts = [_cards_of(connection, wanted, calendar, bucket).limit(per_column) for bucket in filled]
    ids = connection.scalars(union_all(*(select(one.subquery()) for one in firsts))).all() if firsts else []
    cards: dict[Bucket, list[Card]] = {bucket: [] for bucket in ORDER}
    for card in _cards(connection, company_id, ids):
        cards[_bucket(card, calendar)].append(card)
    return [_column(bucket, sums.get(bucket, _EMPTY), cards[bucket]) for bucket in ORDER]


def load_column(
    connection: Connection,
    company_id: int,
    filter: Filter,
    calendar: Calendar,
    bucket: Bucket,
    *,
    offset: int,
    limit: int,
) -> Column:
    """One column, and cards from somewhere in it."""
    wanted = conditions(connection, company_id, filter, calendar)
    its = [*wanted, due_in(connection.dialect.name, calendar, bucket)]
    total = _sums(connection, its, calendar).get(bucket, _EMPTY)
    ids = connection.scalars(_cards_of(connection, wanted, calendar, bucket).limit(limit).offset(offset)).all()
    return _column(bucket, total, _cards(connection, company_id, ids))


def _column(bucket: Bucket, total: _Sum, cards: Sequence[Card]) -> Column:
    """A column; its cards are in the order in which `_cards_of` finds them."""
    in_order = sorted(cards, key=_by_value if bucket is Bucket.NONE else _by_due)
    return Column(bucket, total.count, total.won_value, total.without_value, in_order)


def _by_value(card: Card) -> Any:
    return card.won_value is None, -(card.won_value or 0), card.organization_id


def _by_due(card: Card) -> Any:
    due = card.next_activity
    return (due.due_date or date.max, due.due_time or "", card.organization_id) if due else ()


def _bucket(card: Card, calendar: Calendar) -> Bucket:
    due = card.next_activity
    return calendar.bucket(due.due_date, due.due_time) if due else Bucket.NONE


def _sums(connection: Connection, wanted: _Wanted, calendar: Calendar) -> Mapping[Bucket, _Sum]:
    value, dialect = accounts.c.won_value, connection.dialect.name
    place = bucket_number(dialect, calendar).label("place")
    query = select(place, func.count(), func.count(value), *summing(dialect, value)).where(*wanted).group_by(place)
    return {
        ORDER[place]: _Sum(number, summed(parts), number - valued)
        for place, number, valued, *parts in connection.execute(query)
    }


def _cards_of(connection: Connection, wanted: _Wanted, calendar: Calendar, bucket: Bucket) -> Select[Any]:
    """The organizations of a column, in the order of its cards."""
    columns = accounts.c
    its = due_in(connection.dialect.name, calendar, bucket)
    order = (
        [nulls_last(columns.won_value.desc())]
        if bucket is Bucket.NONE
        else [nulls_last(columns.next_activity_due_date.asc()), nulls_first(columns.next_activity_due_time.asc())]
    )
    return select(columns.organization_id).where(*wanted, its).order_by(*order, columns.organization_id)


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
