"""Lists of accounts: their order, their pages, their totals, and what each row tells."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from sync.accounts.lists.calendar import Calendar
from sync.accounts.lists.filtering import Filter, Status
from sync.accounts.lists.listing import Order, Row, Totals, jump, list_page, matching_ids, page_after, stream_rows
from sync.accounts.lists.orders import NoSuchColumn
from tests.accounts.mirrored import Mirrored

ACTIVE = Filter()
SORTABLE = (
    *("name", "owner", "status", "won_value", "won_deals", "open_deals", "customer_since", "last_won"),
    *("last_activity", "next_activity", "website", "linkedin", "industry", "address", "annual_revenue"),
    *("employee_count", "fields.tier", "id", "label_ids", "first_won", "updated_at", "visible_to"),
)
ALL = Filter(status=Status.ALL)


def page(mirrored: Mirrored, order: Order, filter: Filter = ACTIVE, **part: Any) -> tuple[list[Row], Totals]:
    with mirrored.database.reading() as connection:
        rows, totals = list_page(connection, 1, filter, Calendar(mirrored.now), order, **part)
    return list(rows), totals


def ids(rows: list[Row]) -> list[int]:
    return [row.account["organization_id"] for row in rows]


def sorted_ids(mirrored: Mirrored, column: str, *, descending: bool = False) -> list[int]:
    return ids(page(mirrored, Order(column, descending))[0])


@pytest.fixture
def three(mirrored: Mirrored) -> Mirrored:
    """Ärger, with a call tomorrow; Zebra, worth most; beta."""
    mirrored.organization(1, name="Zebra")
    mirrored.organization(2, name="Ärger", website="Example.com")
    mirrored.organization(3, name="beta")
    for one, value in ((1, 300), (2, 100), (3, 0.1)):
        mirrored.deal(one, org_id=one, value=value)
    mirrored.activity(1, org_id=2, type="call", subject="Ask", due_date="2026-10-02", due_time="09:30")
    return mirrored


def test_names_are_sorted_without_regard_to_accents_and_case(three: Mirrored) -> None:
    assert sorted_ids(three, "name") == [2, 3, 1]
    assert sorted_ids(three, "name", descending=True) == [1, 3, 2]


def test_what_is_unknown_comes_last_in_both_directions(three: Mirrored) -> None:
    assert sorted_ids(three, "website") == [2, 1, 3]
    assert sorted_ids(three, "website", descending=True) == [2, 1, 3]
    assert sorted_ids(three, "next_activity", descending=True) == [2, 1, 3]


def test_a_row_tells_what_is_next(three: Mirrored) -> None:
    (row,) = page(three, Order("won_value", descending=True), limit=1, offset=1)[0]
    assert row.account["name"] == "Ärger"
    assert row.next_activity
    assert (row.next_activity.type, row.next_activity.subject, row.next_activity.due_time) == ("call", "Ask", "09:30")
    assert (row.waiting, row.parked, row.conflicts) == (0, 0, 0)


def test_totals_are_of_everything_that_is_wanted_and_exact(three: Mirrored) -> None:
    rows, totals = page(three, Order("id"), limit=1)
    assert ids(rows) == [1]
    assert totals == Totals(3, Decimal("400.1"), "EUR", 0, 3, 0)


@pytest.mark.parametrize("column", SORTABLE)
def test_every_column_sorts(three: Mirrored, column: str) -> None:
    assert sorted(sorted_ids(three, column)) == [1, 2, 3]


def test_labels_sort_by_the_name_of_the_first(three: Mirrored) -> None:
    options = [{"id": 1, "label": "warm"}, {"id": 2, "label": "Cold"}]
    three.field("label_ids", "Labels", "set", options=options, is_custom_field=False)
    three.organization(1, name="Zebra", label_ids=[1])
    three.organization(3, name="beta", label_ids=[2, 1])
    assert sorted_ids(three, "label_ids") == [3, 1, 2]
    assert sorted_ids(three, "label_ids", descending=True) == [1, 3, 2]


def test_an_unknown_column_is_refused(three: Mirrored) -> None:
    with pytest.raises(NoSuchColumn):
        page(three, Order("nonsense"))


def test_pages_after_one_another_have_every_account_once(three: Mirrored) -> None:
    with three.database.reading() as connection:
        calendar = Calendar(three.now)
        first = page_after(connection, 1, ALL, calendar, after=None, limit=2)
        rest = page_after(connection, 1, ALL, calendar, after=2, limit=2)
        assert ids([*first, *rest]) == [1, 2, 3]
        streamed = [row for batch in stream_rows(connection, 1, ALL, calendar, Order("id")) for row in batch]
        assert streamed == [*first, *rest]
        assert matching_ids(connection, 1, replace(ALL, search="zebra"), calendar) == [1]


def test_the_palette_finds_names_that_begin_so_first(three: Mirrored) -> None:
    three.organization(4, name="Old Zebra & Co")
    three.deal(4, org_id=4)
    with three.database.reading() as connection:
        assert [one.name for one in jump(connection, 1, "zeb")] == ["Zebra", "Old Zebra & Co"]
        assert [one.name for one in jump(connection, 1, "ARGER")] == ["Ärger"]
        assert jump(connection, 1, " ") == []
