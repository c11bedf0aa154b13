"""Whether an event is taken, dropped, or settled by another read: every case there is."""

import itertools
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from sync.mirror.ordering import Verdict, judge_change, judge_deletion
from sync.store.mirror import Held

OVERLAP = timedelta(seconds=60)
SECOND = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)  # in which the event happened
EVENT = SECOND + timedelta(milliseconds=500)
LONG_AFTER = SECOND + timedelta(seconds=1) + OVERLAP
TICK = timedelta(milliseconds=1)


def held(synced_at: datetime, event_time: datetime | None = None) -> Held:
    return Held(SECOND, event_time, synced_at, is_deleted=False, custom_fields=None)


HELD: Mapping[str, Held | None] = {
    "nothing": None,
    "a read before the event": held(SECOND - TICK),
    "a read just after the event": held(SECOND + timedelta(seconds=1)),
    "a read that has surely seen the event": held(LONG_AFTER),
    "an earlier event": held(SECOND, EVENT - TICK),
    "an event of that moment": held(SECOND, EVENT),
    "a later event": held(SECOND, EVENT + TICK),
}
# What is held and what is told, by the record's own times.
TOLD: Mapping[str, datetime | None] = {
    "older": SECOND - timedelta(seconds=1),
    "of one second": SECOND,
    "newer": SECOND + timedelta(seconds=1),
    "without a time": None,
}
WORDS: Mapping[str, Verdict] = {
    "take": Verdict(take=True, ask=False),
    "take, ask": Verdict(take=True, ask=True),
    "ask": Verdict(take=False, ask=True),
    "drop": Verdict(take=False, ask=False),
}
CASES = list(itertools.product(HELD, TOLD))

CHANGES = {
    # what wrote the row:                     what is told is older, of one second, newer, without a time
    "nothing": ("take, ask", "take, ask", "take, ask", "take, ask"),
    "a read before the event": ("drop", "ask", "take", "ask"),
    "a read just after the event": ("drop", "ask", "take", "ask"),
    "a read that has surely seen the event": ("drop", "drop", "take", "ask"),
    "an earlier event": ("drop", "take, ask", "take", "ask"),
    "an event of that moment": ("drop", "drop", "drop", "drop"),
    "a later event": ("drop", "drop", "drop", "drop"),
}
# Of an entity whose records tell no time at all, as users.
TIMELESS_CHANGES = {
    "nothing": "take, ask",
    "a read before the event": "take, ask",
    "a read just after the event": "ask",
    "a read that has surely seen the event": "drop",
    "an earlier event": "take, ask",
    "an event of that moment": "drop",
    "a later event": "drop",
}
DELETIONS = {
    # what wrote the row:                     what is held is older, of one second, newer, without a time
    "nothing": ("drop", "drop", "drop", "drop"),
    "a read before the event": ("take", "take, ask", "drop", "take"),
    "a read just after the event": ("take", "take, ask", "drop", "take"),
    "a read that has surely seen the event": ("take", "take, ask", "drop", "take"),
    "an earlier event": ("take", "take, ask", "drop", "take"),
    "an event of that moment": ("drop", "drop", "drop", "drop"),
    "a later event": ("drop", "drop", "drop", "drop"),
}


def judged(row: Held | None, told: datetime | None, *, has_update_time: bool = True) -> Verdict:
    return judge_change(row, event_time=EVENT, changed_at=told, has_update_time=has_update_time, overlap=OVERLAP)


def deleted(row: Held | None) -> Held | None:
    return row and replace(row, is_deleted=True)


def cell(table: Mapping[str, tuple[str, ...]], writer: str, place: str) -> Verdict:
    return WORDS[table[writer][list(TOLD).index(place)]]


def test_the_tables_are_complete() -> None:
    for table in (CHANGES, DELETIONS):
        assert {(writer, len(row)) for writer, row in table.items()} == {(writer, len(TOLD)) for writer in HELD}
    assert TIMELESS_CHANGES.keys() == HELD.keys()
    # What wrote the row, and whether it has seen the event.
    rows = [row for row in HELD.values() if row is not None]
    by_events = {(row.event_time > EVENT) - (row.event_time < EVENT) for row in rows if row.event_time}
    by_reads = {(row.synced_at >= EVENT, row.synced_at >= LONG_AFTER) for row in rows if not row.event_time}
    assert by_events == {-1, 0, 1}
    assert by_reads == {(False, False), (True, False), (True, True)}
    assert None in HELD.values()
    times = [time for time in TOLD.values() if time]
    assert {(time > SECOND) - (time < SECOND) for time in times} == {-1, 0, 1}
    assert None in TOLD.values()


@pytest.mark.parametrize(("writer", "told"), CASES)
def test_a_change(writer: str, told: str) -> None:
    assert judged(HELD[writer], TOLD[told]) == cell(CHANGES, writer, told)


@pytest.mark.parametrize(("writer", "told"), CASES)
def test_a_change_of_what_is_deleted_is_asked_about_where_it_is_taken(writer: str, told: str) -> None:
    expected = cell(CHANGES, writer, told)
    assert judged(deleted(HELD[writer]), TOLD[told]) == replace(expected, ask=expected.ask or expected.take)


@pytest.mark.parametrize(("writer", "told"), CASES)
def test_any_time_is_newer_than_none(writer: str, told: str) -> None:
    row = HELD[writer]
    expected = cell(CHANGES, writer, told)
    if row is not None and (row.event_time is None or row.event_time < EVENT):
        expected = Verdict(take=True, ask=TOLD[told] is None)
    assert judged(row and replace(row, changed_at=None), TOLD[told]) == expected


@pytest.mark.parametrize("writer", HELD)
@pytest.mark.parametrize("is_deleted", [False, True])
def test_a_change_of_a_record_that_never_tells_a_time(writer: str, is_deleted: bool) -> None:
    row = HELD[writer]
    row = row and replace(row, changed_at=None, is_deleted=is_deleted)
    assert judged(row, None, has_update_time=False) == WORDS[TIMELESS_CHANGES[writer]]


@pytest.mark.parametrize(("writer", "place"), CASES)
def test_a_deletion(writer: str, place: str) -> None:
    row = HELD[writer]
    row = row and replace(row, changed_at=TOLD[place])
    assert judge_deletion(row, event_time=EVENT) == cell(DELETIONS, writer, place)
    assert judge_deletion(deleted(row), event_time=EVENT) == WORDS["drop"]


@pytest.mark.parametrize(("before", "expected"), [(timedelta(0), "drop"), (timedelta(microseconds=1), "ask")])
def test_a_read_has_surely_seen_what_ended_the_overlap_before_it_began(before: timedelta, expected: str) -> None:
    assert judged(held(LONG_AFTER - before), SECOND) == WORDS[expected]
    timeless = replace(held(EVENT + OVERLAP - before), changed_at=None)
    assert judged(timeless, None, has_update_time=False) == WORDS[expected]
