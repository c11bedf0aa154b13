"""In which of the viewer's days the next activity of an account is due, as SQL: the same as `Calendar.bucket` says.

The conditions are about a column `due`, wherever that is selected from: a date, or a date and a time in UTC. As texts,
`2026-11-24` comes before `2026-11-24T00:00`, and that before `2026-11-25`. So all that is due before a day begins comes
before the instant at which it begins, but for what is due all that day, where it begins later than the day does in UTC.
"""

from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Integer, and_, case, column, literal_column, or_

from sync.accounts.lists.calendar import Bucket, Calendar, Edge
from sync.store.schema import account_index

_BUCKETS = tuple(Bucket)
_due: ColumnElement[Any] = column("due", account_index.c.due.type)  # of `account_index`, or a query of it


def due_in(calendar: Calendar, bucket: Bucket) -> ColumnElement[bool]:
    """That the next activity of an account is due in a bucket: a stretch of the index that is in this order."""
    return _due_between(bucket, *calendar.edges(bucket))


# What is made here is made once a day: to make it takes longer than to read many accounts.
@lru_cache(maxsize=256)
def _due_between(bucket: Bucket, first: Edge | None, beyond: Edge | None) -> ColumnElement[bool]:
    if bucket is Bucket.NONE:
        return _due.is_(None)
    bounds: list[ColumnElement[bool]] = []
    if first is not None:
        bounds += _from(*_begin(first))
    if beyond is not None:
        bounds += _before(*_begin(beyond))
    return and_(*bounds)


def bucket_number(bucket: Bucket) -> ColumnElement[int]:
    """The place of a bucket among all."""
    return literal_column(str(_BUCKETS.index(bucket)), Integer())


def bucket_due(calendar: Calendar) -> ColumnElement[int]:
    """The place among all buckets of the one in which the next activity of an account is due."""
    return _bucket_due(tuple((bucket, calendar.edges(bucket)[1]) for bucket in _BUCKETS))


@lru_cache(maxsize=64)
def _bucket_due(ends: tuple[tuple[Bucket, Edge | None], ...]) -> ColumnElement[int]:
    ended = [(and_(*_before(*_begin(edge))), bucket_number(bucket)) for bucket, edge in ends if edge is not None]
    unplanned = (_due.is_(None), bucket_number(Bucket.NONE))
    return case(unplanned, *ended, else_=bucket_number(Bucket.LATER))


def _begin(edge: Edge) -> tuple[str, str]:
    """The day that begins, and the instant at which it does."""
    return edge.day.isoformat(), edge.moment.replace(tzinfo=None).isoformat(timespec="minutes")


def _before(day: str, moment: str) -> list[ColumnElement[bool]]:
    return [_due < moment] if moment < day else [_due < moment, _due != day]


def _from(day: str, moment: str) -> list[ColumnElement[bool]]:
    return [_due >= moment] if moment < day else [_due >= day, or_(_due == day, _due >= moment)]
