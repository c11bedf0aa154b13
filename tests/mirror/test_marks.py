"""Where a poll starts, and when the high-water mark moves and settles."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sync.mirror.marks import Mark, latest_update, mark_of, since_text
from sync.pipedrive.entities import DEALS, NOTES

T = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
OVERLAP = timedelta(seconds=60)


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


@pytest.mark.parametrize(
    ("mark", "starts"),
    [
        (Mark(T, T), T - OVERLAP),
        (Mark(T, T, settled=True), T + seconds(1)),
        (Mark(T, T + timedelta(days=3)), T - OVERLAP),
    ],
)
def test_a_poll_starts_before_a_fresh_mark_and_right_behind_a_settled_one(mark: Mark, starts: datetime) -> None:
    assert mark.since(OVERLAP) == starts


@pytest.mark.parametrize(
    ("mark", "latest", "raised"),
    [
        (Mark(T, T), None, Mark(T, T)),
        (Mark(T, T), T - seconds(1), Mark(T, T)),
        (Mark(T, T), T, Mark(T, T)),
        (Mark(T, T), T + seconds(1), Mark(T + seconds(1), T + seconds(9))),
        (Mark(T, T, settled=True), T, Mark(T, T, settled=True)),
        (Mark(T, T, settled=True), None, Mark(T, T, settled=True)),
        (Mark(T, T, settled=True), T + seconds(1), Mark(T + seconds(1), T + seconds(9))),
    ],
)
def test_a_mark_rises_with_newer_records_only_and_is_fresh_then(
    mark: Mark, latest: datetime | None, raised: Mark
) -> None:
    assert mark.raised_to(latest, T + seconds(9)) == raised


@pytest.mark.parametrize(
    ("mark", "poll_began", "settled"),
    [
        (Mark(T, T), T, False),
        (Mark(T, T), T + OVERLAP, False),
        (Mark(T, T), T + OVERLAP + seconds(0.9), False),
        (Mark(T, T), T + OVERLAP + seconds(1), True),
        (Mark(T, T, settled=True), T, True),
        # Only our own clock counts: Pipedrive's may be minutes off.
        (Mark(T + timedelta(minutes=5), T), T + OVERLAP + seconds(1), True),
        (Mark(T - timedelta(minutes=5), T), T + OVERLAP, False),
    ],
)
def test_a_mark_settles_once_a_whole_poll_read_the_overlap_again_after_it_passed(
    mark: Mark, poll_began: datetime, settled: bool
) -> None:
    assert mark.after_poll(poll_began, OVERLAP).settled is settled


def test_a_mark_comes_back_from_its_checkpoint() -> None:
    mark = Mark(T, T + seconds(1), settled=True)
    assert mark_of(mark.columns()) == mark
    assert mark_of({"high_water_mark": None, "mark_set_at": None, "mark_settled": False}) is None


@pytest.mark.parametrize(
    ("records", "latest"),
    [
        ([], None),
        ([{"update_time": None}, {}], None),
        ([{"update_time": "2026-11-02T09:00:00Z"}, {"update_time": "2026-11-02T08:59:59Z"}], T),
        ([None, 5, "x", {"update_time": 5}, {"update_time": "2026-11-02T09:00:00Z"}], T),
        ([{"update_time": "soon"}, {"update_time": "2026-11-02 09:00:00"}], None),
    ],
)
def test_the_latest_update_is_that_of_the_records_that_tell_one(records: list[Any], latest: datetime | None) -> None:
    assert latest_update(DEALS, records) == latest


def test_api_v1_writes_the_same_instants_otherwise() -> None:
    assert latest_update(NOTES, [{"update_time": "2026-11-02 09:00:00"}]) == T


def test_updated_since_is_whole_seconds_with_a_z() -> None:
    assert since_text(T + timedelta(microseconds=999_999)) == "2026-11-02T09:00:00Z"
