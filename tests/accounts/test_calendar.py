"""Days as a viewer counts them: time zones, clock changes, weeks that begin on Monday or Sunday."""

from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.accounts.lists.calendar import MONDAY, SUNDAY, Bucket, Calendar, due_moment

LOS_ANGELES, AUCKLAND, BERLIN = (
    ZoneInfo(name) for name in ("America/Los_Angeles", "Pacific/Auckland", "Europe/Berlin")
)


@pytest.mark.parametrize(
    ("zone", "today"),
    [(UTC, date(2026, 11, 25)), (LOS_ANGELES, date(2026, 11, 24)), (AUCKLAND, date(2026, 11, 25))],
)
def test_today_is_the_date_where_the_viewer_is(zone: tzinfo, today: date) -> None:
    assert Calendar(datetime(2026, 11, 25, 3, tzinfo=UTC), zone).today == today


@pytest.mark.parametrize(
    ("day", "week_start", "expected"),
    [
        (date(2026, 11, 25), MONDAY, date(2026, 11, 30)),  # a Wednesday
        (date(2026, 11, 25), SUNDAY, date(2026, 11, 29)),
        (date(2026, 11, 29), MONDAY, date(2026, 11, 30)),  # a Sunday
        (date(2026, 11, 29), SUNDAY, date(2026, 12, 6)),
    ],
)
def test_the_next_week_begins_as_the_viewer_has_it(day: date, week_start: int, expected: date) -> None:
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    assert Calendar(noon, week_start=week_start).next_week == expected


@pytest.mark.parametrize(
    ("due_date", "due_time", "bucket"),
    [
        (date(2026, 11, 24), None, Bucket.OVERDUE),
        (date(2026, 11, 25), None, Bucket.TODAY),
        (date(2026, 11, 25), "06:00", Bucket.OVERDUE),  # 22:00 on the 24th
        (date(2026, 11, 25), "08:00", Bucket.TODAY),
        (date(2026, 11, 26), "07:59:59", Bucket.TODAY),
        (date(2026, 11, 26), "08:00", Bucket.TOMORROW),
        (date(2026, 11, 26), "at noon", Bucket.TOMORROW),  # all day, as nobody can read it
        (date(2026, 11, 29), None, Bucket.THIS_WEEK),
        (date(2026, 11, 30), None, Bucket.LATER),
        (None, None, Bucket.LATER),
    ],
)
def test_what_has_a_time_is_due_on_the_viewers_day(due_date: date | None, due_time: str | None, bucket: Bucket) -> None:
    assert Calendar(datetime(2026, 11, 25, 20, tzinfo=UTC), LOS_ANGELES).bucket(due_date, due_time) is bucket


def test_a_day_on_which_clocks_change_has_its_own_length() -> None:
    calendar = Calendar(datetime(2026, 10, 25, 12, tzinfo=UTC), BERLIN)
    begins, ends = calendar.edges(Bucket.TODAY)
    assert begins
    assert ends
    assert ends.moment - begins.moment == timedelta(hours=25)


def test_on_the_last_day_of_a_week_nothing_is_left_of_it() -> None:
    calendar = Calendar(datetime(2026, 11, 29, 12, tzinfo=UTC))
    assert calendar.bucket(date(2026, 11, 30), None) is Bucket.TOMORROW
    assert calendar.bucket(date(2026, 12, 1), None) is Bucket.LATER


@given(
    now=st.integers(0, 5_000_000).map(lambda minutes: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)),
    zone=st.sampled_from([UTC, LOS_ANGELES, AUCKLAND, BERLIN]),
    days=st.integers(-20, 20),
    minutes=st.none() | st.integers(0, 1439),
    week_start=st.sampled_from([MONDAY, SUNDAY]),
)
def test_every_due_time_lies_between_the_edges_of_its_bucket_alone(
    now: datetime, zone: tzinfo, days: int, minutes: int | None, week_start: int
) -> None:
    calendar = Calendar(now, zone, week_start)
    due_date = now.date() + timedelta(days=days)
    due_time = None if minutes is None else f"{minutes // 60:02}:{minutes % 60:02}"
    moment = due_moment(due_date, due_time)
    for bucket in (Bucket.OVERDUE, Bucket.TODAY, Bucket.TOMORROW, Bucket.THIS_WEEK, Bucket.LATER):
        begins, ends = calendar.edges(bucket)
        at = due_date if moment is None else moment
        after = begins is None or at >= (begins.day if moment is None else begins.moment)  # type: ignore[operator]
        before = ends is None or at < (ends.day if moment is None else ends.moment)  # type: ignore[operator]
        assert (after and before) == (calendar.bucket(due_date, due_time) is bucket)
