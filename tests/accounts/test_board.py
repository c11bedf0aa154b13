"""The board: which card is in which column, in which order, and what a column comes to."""

from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from sync.accounts.lists.board import Column, load_board
from sync.accounts.lists.calendar import Bucket, Calendar
from sync.accounts.lists.filtering import Filter
from tests.accounts.mirrored import Mirrored

NOON = Calendar(datetime(2026, 11, 25, 12, tzinfo=UTC))  # a Wednesday


def board(mirrored: Mirrored, calendar: Calendar = NOON, *, per_column: int = 30) -> dict[Bucket, Column]:
    with mirrored.database.reading() as connection:
        columns = load_board(connection, 1, Filter(), calendar, per_column=per_column)
    assert [one.bucket for one in columns] == list(Bucket)
    return {one.bucket: one for one in columns}


def account(mirrored: Mirrored, one: int, due_date: str | None = None, due_time: str | None = None) -> None:
    mirrored.organization(one)
    mirrored.deal(one, org_id=one, value=one)
    if due_date:
        mirrored.activity(one, org_id=one, due_date=due_date, due_time=due_time, type="call")


def ids(column: Column) -> list[int]:
    return [card.organization_id for card in column.cards]


def test_every_account_is_in_the_column_of_its_day(mirrored: Mirrored) -> None:
    for one, due in enumerate(["2026-11-24", "2026-11-25", "2026-11-26", "2026-11-27", "2026-11-30", None], 1):
        account(mirrored, one, due)
    found = board(mirrored)
    columns = [Bucket.OVERDUE, Bucket.TODAY, Bucket.TOMORROW, Bucket.THIS_WEEK, Bucket.LATER, Bucket.NONE]
    assert [ids(found[one]) for one in columns] == [[1], [2], [3], [4], [5], [6]]


def test_the_earliest_is_first_and_all_day_before_any_time(mirrored: Mirrored) -> None:
    account(mirrored, 1, "2026-11-25", "15:00")
    account(mirrored, 2, "2026-11-25")
    account(mirrored, 3, "2026-11-25", "14:00")
    assert ids(board(mirrored)[Bucket.TODAY]) == [2, 3, 1]


def test_where_nothing_is_planned_the_highest_value_is_first(mirrored: Mirrored) -> None:
    for one in (1, 3, 2):
        account(mirrored, one)
    column = board(mirrored, per_column=2)[Bucket.NONE]
    assert (ids(column), column.count, column.won_value) == ([3, 2], 3, Decimal(6))


def test_a_time_of_day_moves_an_activity_to_the_viewers_day(mirrored: Mirrored) -> None:
    account(mirrored, 1, "2026-11-26", "05:00")  # 21:00 on the 25th in Los Angeles, 18:00 on the 26th in Auckland
    account(mirrored, 2, "2026-11-26")
    los_angeles = Calendar(datetime(2026, 11, 25, 20, tzinfo=UTC), ZoneInfo("America/Los_Angeles"))
    assert ids(board(mirrored, los_angeles)[Bucket.TODAY]) == [1]
    assert ids(board(mirrored, los_angeles)[Bucket.TOMORROW]) == [2]
    auckland = Calendar(datetime(2026, 11, 25, 20, tzinfo=UTC), ZoneInfo("Pacific/Auckland"))
    assert ids(board(mirrored, auckland)[Bucket.TODAY]) == [2, 1]
