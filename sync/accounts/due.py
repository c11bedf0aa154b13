"""In which of the viewer's days the next activity of an account is due, as SQL: the same as `Calendar.bucket` says.

What has a time of day is judged by its instant, what is due all day by its date; a time that nobody can read counts as
none.
"""

from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, String, and_, case, func, literal, not_, or_

from sync.accounts.calendar import Bucket, Calendar, Edge
from sync.store.schema import accounts

ORDER = tuple(Bucket)  # as the columns of the board

_READABLE = "^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$"
_HOURS = ("[01][0-9]", "2[0-3]")
_REST = (":[0-5][0-9]", ":[0-5][0-9]:[0-5][0-9]")


def due_in(dialect: str, calendar: Calendar, bucket: Bucket) -> ColumnElement[bool]:
    """That the next activity of an account is due in a bucket."""
    return _due(dialect, bucket, *calendar.edges(bucket))


@lru_cache(maxsize=256)
def _due(dialect: str, bucket: Bucket, first: Edge | None, beyond: Edge | None) -> ColumnElement[bool]:
    """The same; made once a day, for that takes longer than to read many accounts."""
    due, planned = accounts.c.next_activity_due_date, accounts.c.next_activity_id
    if bucket is Bucket.NONE:  # and so no date either, which is what the index is by
        return and_(planned.is_(None), due.is_(None))
    bounds: list[ColumnElement[bool]] = []
    if first is not None:
        bounds += [due >= _days(first)[0], not_(_before(dialect, first))]
    if beyond is not None:
        bounds += [due <= _days(beyond)[1], _before(dialect, beyond)]
    dated = and_(*bounds)
    return and_(planned.is_not(None), or_(due.is_(None), dated) if bucket is Bucket.LATER else dated)


def bucket_number(dialect: str, calendar: Calendar) -> ColumnElement[int]:
    """The place in `ORDER` of the bucket in which the next activity of an account is due."""
    return _number(dialect, tuple(calendar.edges(bucket)[1] for bucket in ORDER[1:-1]))


@lru_cache(maxsize=64)
def _number(dialect: str, ends: Sequence[Edge | None]) -> ColumnElement[int]:
    """The same; `ends` are those of all buckets but the first and the last."""
    columns, last = accounts.c, len(ORDER) - 1
    ended = [(_before(dialect, edge), literal(place)) for place, edge in enumerate(ends, 1) if edge is not None]
    nothing = (columns.next_activity_id.is_(None), literal(0))
    undated = (columns.next_activity_due_date.is_(None), literal(last))
    return case(nothing, undated, *ended, else_=literal(last))


def _before(dialect: str, edge: Edge) -> ColumnElement[bool]:
    """That something is due before a day begins. Where the day has a date, most rows are judged by theirs alone."""
    due, moment, time = accounts.c.next_activity_due_date, edge.moment.date(), f"{edge.moment:%H:%M}"
    earlier = or_(due < moment, and_(due == moment, _hour_and_minute(dialect) < time))
    exact = case((_is_timed(dialect), earlier), else_=due < edge.day)
    first, last = _days(edge)
    return or_(due < first, and_(due <= last, exact))


def _days(edge: Edge) -> tuple[date, date]:
    """The dates between which an edge lies: its own, and that of its instant in UTC. An index is searched by them."""
    moment = edge.moment.date()
    return min(moment, edge.day), max(moment, edge.day)


def _hour_and_minute(dialect: str) -> ColumnElement[Any]:
    found: ColumnElement[Any] = func.substr(accounts.c.next_activity_due_time, 1, 5, type_=String())
    return found.collate("C") if dialect == "postgresql" else found


def _is_timed(dialect: str) -> ColumnElement[bool]:
    """That there is a time of day, and one that can be read."""
    if dialect == "postgresql":
        return func.coalesce(accounts.c.next_activity_due_time, "").op("~", is_comparison=True)(_READABLE)
    given = func.coalesce(accounts.c.next_activity_due_time, "")
    return or_(*(given.op("GLOB", is_comparison=True)(f"{hours}{rest}") for hours in _HOURS for rest in _REST))
