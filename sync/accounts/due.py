"""In which of the viewer's days the next activity of an account is due, as SQL: the same as `Calendar.bucket` says.

What has a time of day is judged by its instant, what is due all day by its date; a time that nobody can read counts as
none.
"""

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
    if bucket is Bucket.NONE:
        return accounts.c.next_activity_id.is_(None)
    first, beyond = calendar.edges(bucket)
    bounds: list[ColumnElement[bool]] = [accounts.c.next_activity_id.is_not(None)]
    if first is not None:
        bounds.append(not_(_before(dialect, first)))
    if beyond is not None:
        bounds.append(_before(dialect, beyond))
    if bucket is Bucket.LATER:
        return and_(bounds[0], or_(accounts.c.next_activity_due_date.is_(None), *bounds[1:]))
    return and_(*bounds)


def bucket_number(dialect: str, calendar: Calendar) -> ColumnElement[int]:
    """The place in `ORDER` of the bucket in which the next activity of an account is due."""
    last = len(ORDER) - 1
    ends = [(number, calendar.edges(bucket)[1]) for number, bucket in enumerate(ORDER[1:last], 1)]
    ended = [(_before(dialect, edge), literal(number)) for number, edge in ends if edge is not None]
    columns = accounts.c
    nothing = (columns.next_activity_id.is_(None), literal(0))
    undated = (columns.next_activity_due_date.is_(None), literal(last))
    return case(nothing, undated, *ended, else_=literal(last))


def _before(dialect: str, edge: Edge) -> ColumnElement[bool]:
    """That something is due before a day begins. Where the day has a date, most rows are judged by theirs alone."""
    date, moment, time = accounts.c.next_activity_due_date, edge.moment.date(), f"{edge.moment:%H:%M}"
    earlier = or_(date < moment, and_(date == moment, _hour_and_minute(dialect) < time))
    exact = case((_is_timed(dialect), earlier), else_=date < edge.day)
    first, last = min(moment, edge.day), max(moment, edge.day)
    return or_(date < first, and_(date <= last, exact))


def _hour_and_minute(dialect: str) -> ColumnElement[Any]:
    found: ColumnElement[Any] = func.substr(accounts.c.next_activity_due_time, 1, 5, type_=String())
    return found.collate("C") if dialect == "postgresql" else found


def _is_timed(dialect: str) -> ColumnElement[bool]:
    """That there is a time of day, and one that can be read."""
    if dialect == "postgresql":
        return func.coalesce(accounts.c.next_activity_due_time, "").op("~", is_comparison=True)(_READABLE)
    given = func.coalesce(accounts.c.next_activity_due_time, "")
    return or_(*(given.op("GLOB", is_comparison=True)(f"{hours}{rest}") for hours in _HOURS for rest in _REST))
