"""Days as a viewer counts them: which day something is due, and in which column of the board that puts it.

Pipedrive API: `due_date` is a plain date where an activity has no `due_time`; with one, the two together are an instant
in UTC, and its day depends on who looks. Pure functions.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from functools import cached_property

MONDAY, SUNDAY = 0, 6

_TIME_OF_DAY = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])(?::[0-5][0-9])?")


class Bucket(StrEnum):
    """When the next planned activity of an account is due, as seen from today."""

    NONE = "none"
    OVERDUE = "overdue"
    TODAY = "today"
    TOMORROW = "tomorrow"
    THIS_WEEK = "this_week"  # after tomorrow, and before the next week begins
    LATER = "later"


@dataclass(frozen=True, slots=True)
class Edge:
    """Where a day begins: the date for what is due all day, the instant for what has a time."""

    day: date
    moment: datetime


@dataclass(frozen=True)
class Calendar:
    """A viewer's days at a moment: his time zone, and the weekday his weeks begin with (0 is Monday)."""

    now: datetime
    zone: tzinfo = UTC
    week_start: int = MONDAY

    @cached_property
    def today(self) -> date:
        """The date where the viewer is."""
        return self.now.astimezone(self.zone).date()

    @property
    def next_week(self) -> date:
        """The first day of the week after this one."""
        return self.today + timedelta(days=7 - (self.today.weekday() - self.week_start) % 7)

    def edge(self, day: date) -> Edge:
        """Where a day of the viewer's begins."""
        return Edge(day, datetime.combine(day, time(), self.zone).astimezone(UTC))

    def edges(self, bucket: Bucket) -> tuple[Edge | None, Edge | None]:
        """Where the days of a bucket begin and where they have ended; None where they have no such edge."""
        first, beyond = self._days[bucket]
        return self.edge(first) if first else None, self.edge(beyond) if beyond else None

    @cached_property
    def _days(self) -> Mapping[Bucket, tuple[date | None, date | None]]:
        """The first day of each bucket, and the first one after it."""
        today, tomorrow = self.today, self.today + timedelta(days=1)
        after = tomorrow + timedelta(days=1)
        week = max(self.next_week, after)
        return {
            Bucket.OVERDUE: (None, today),
            Bucket.TODAY: (today, tomorrow),
            Bucket.TOMORROW: (tomorrow, after),
            Bucket.THIS_WEEK: (after, week),
            Bucket.LATER: (week, None),
            Bucket.NONE: (None, None),
        }

    def day_of(self, due_date: date, due_time: str | None) -> date:
        """The viewer's day on which something is due; a time that nobody can read counts as none."""
        moment = due_moment(due_date, due_time)
        return due_date if moment is None else moment.astimezone(self.zone).date()

    def bucket(self, due_date: date | None, due_time: str | None) -> Bucket:
        """Where something that is due then belongs; undated activities are due later than any day."""
        if due_date is None:
            return Bucket.LATER
        day = self.day_of(due_date, due_time)
        return next((bucket for bucket, (_, beyond) in self._days.items() if beyond and day < beyond), Bucket.LATER)


def due_moment(due_date: date, due_time: str | None) -> datetime | None:
    """The instant at which something is due; None where it is due all day."""
    found = _TIME_OF_DAY.fullmatch(due_time or "")
    return datetime.combine(due_date, time(int(found[1]), int(found[2])), UTC) if found else None
