"""In which of the viewer's days the next activity of an account is due, as SQL: the same as `Calendar.bucket` says.

The conditions are about columns `due_date` and `due_time`, wherever these are selected from. What has a time of day is
judged by its instant, what is due all day by its date; a time that nobody can read counts as none.
"""

from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Integer, String, and_, case, column, func, literal_column, not_, or_

from sync.accounts.lists.calendar import Bucket, Calendar, Edge
from sync.store.schema import account_index

_BUCKETS = tuple(Bucket)
_READABLE = "^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$"
_HOURS = ("[01][0-9]", "2[0-3]")
_REST = (":[0-5][0-9]", ":[0-5][0-9]:[0-5][0-9]")


# Of whatever is selected from: `account_index`, or a query of it.
_due_date: ColumnElement[date] = column("due_date", account_index.c.due_date.type)
_due_time: ColumnElement[str] = column("due_time", account_index.c.due_time.type)


def due_in(dialect: str, calendar: Calendar, bucket: Bucket) -> ColumnElement[bool]:
    """That the next activity of an account is due in a bucket: a stretch of the index that is in this order."""
    return _due(dialect, bucket, *calendar.edges(bucket))


# What is made here is made once a day: to make it takes longer than to read many accounts.
@lru_cache(maxsize=256)
def _due(dialect: str, bucket: Bucket, first: Edge | None, beyond: Edge | None) -> ColumnElement[bool]:
    if bucket is Bucket.NONE:
        return _due_date.is_(None)
    bounds: list[ColumnElement[bool]] = []
    if first is not None:
        bounds += [_due_date >= _days(first)[0], not_(_before(dialect, first))]
    if beyond is not None:
        bounds += [_due_date <= _days(beyond)[1], _before(dialect, beyond)]
    return and_(*bounds)


def bucket_number(dialect: str, calendar: Calendar) -> ColumnElement[int]:
    """The place among all buckets of the one in which the next activity of an account is due."""
    return _number(dialect, tuple(calendar.edges(bucket)[1] for bucket in _BUCKETS[1:-1]))


@lru_cache(maxsize=64)
def _number(dialect: str, ends: Sequence[Edge | None]) -> ColumnElement[int]:
    """The same; `ends` are those of all buckets but the first and the last."""
    ended = [(_before(dialect, edge), place) for place, edge in enumerate(ends, 1) if edge is not None]
    numbers = [(_due_date.is_(None), 0), *ended]
    last = literal_column(str(len(_BUCKETS) - 1), Integer())
    return case(*((when, literal_column(str(place), Integer())) for when, place in numbers), else_=last)


def _before(dialect: str, edge: Edge) -> ColumnElement[bool]:
    """That something is due before a day begins. Where the day has a date, most rows are judged by theirs alone."""
    moment, time = edge.moment.date(), f"{edge.moment:%H:%M}"
    earlier = or_(_due_date < moment, and_(_due_date == moment, _hour_and_minute(dialect) < time))
    exact = case((_is_timed(dialect), earlier), else_=_due_date < edge.day)
    first, last = _days(edge)
    return or_(_due_date < first, and_(_due_date <= last, exact))


def _days(edge: Edge) -> tuple[date, date]:
    """The dates between which an edge lies: its own, and that of its instant in UTC. An index is searched by them."""
    moment = edge.moment.date()
    return min(moment, edge.day), max(moment, edge.day)


def _hour_and_minute(dialect: str) -> ColumnElement[Any]:
    found: ColumnElement[Any] = func.substr(_due_time, 1, 5, type_=String())
    return found.collate("C") if dialect == "postgresql" else found


def _is_timed(dialect: str) -> ColumnElement[bool]:
    """That there is a time of day, and one that can be read."""
    given = func.coalesce(_due_time, "")
    if dialect == "postgresql":
        return given.op("~", is_comparison=True)(_READABLE)
    return or_(*(given.op("GLOB", is_comparison=True)(f"{hours}{rest}") for hours in _HOURS for rest in _REST))
