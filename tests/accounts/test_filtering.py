"""Filters: what SQL finds is what a plain reading of each account says, whatever is asked for together."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, insert, update

from sync.accounts.folding import folded
from sync.accounts.lists.board import load_board
from sync.accounts.lists.calendar import Bucket, Calendar
from sync.accounts.lists.filtering import Filter, Status
from sync.accounts.lists.indexing import entry_of, refresh_index
from sync.accounts.lists.listing import Order, list_page, matching_ids
from sync.accounts.lists.overview import load_overview
from sync.store.database import Database
from sync.store.schema import TABLES, account_won_values, accounts, companies
from tests.conftest import BeginWith

TIER = "d" * 40
NOW = datetime(2026, 11, 25, 10, 30, tzinfo=UTC)
ZONES = [ZoneInfo(name) for name in ("UTC", "America/Los_Angeles", "Pacific/Auckland", "Asia/Kathmandu")]
NAMES = ["Ärger & Co", "100 % Zebra", "zebra_two", "Acme", None, "Straße"]
TIMES = [None, "00:00", "07:59", "08:00:00", "10:59:59", "11:00", "18:15", "23:59", "24:00", "noon", "9:00"]
BY_SQL = range(1, 13)  # accounts that a program changed a moment ago


def account(one: int) -> dict[str, Any]:
    """One of many accounts, in which values of all kinds meet in all ways; the index knows nothing of it."""
    day = date(2026, 11, 25) + timedelta(days=one * 7 % 23 - 6)
    has_next, is_contacted = one % 5 != 0, one % 7 != 0
    contacted = datetime(2026, 11, 25, one % 24, 59, tzinfo=UTC) - timedelta(days=one * 5 % 97)
    created = datetime(2026, 9, 1, one * 5 % 24, 30, tzinfo=UTC) + timedelta(days=one % 11)
    return {
        "company_id": 1,
        "organization_id": one,
        "status": "former" if one % 6 == 0 else "active",
        "name": NAMES[one % len(NAMES)],
        "owner_id": (None, 1, 2, 3)[one % 4],
        "label_ids": [None, [], [1], [1, 2], [3]][one % 5],
        "address": {"value": f"Rue {one % 3}"} if one % 2 else None,
        "website": None,
        "linkedin": "Lïnk" if one % 10 == 0 else None,
        "industry": one % 3 or None,
        "custom_fields": {TIER: one % 4 or None, "t" * 40: "Tür" if one % 3 else None} if one % 8 else None,
        "fields": {"tier": ["high", "low"][one % 2]} if one % 3 else None,
        "won_deals_count": one % 3,
        "open_deals_count": 0,
        "won_value": None if one % 9 == 0 else Decimal(one * 37 % 400) / 10,
        "currency": "EUR",
        "next_activity_id": one if has_next else None,
        "next_activity_due_date": day if has_next and one % 13 else None,
        "next_activity_due_time": TIMES[one % len(TIMES)] if has_next else None,
        "last_activity_time": contacted if is_contacted else None,
        "created_at": created,
        "updated_at": NOW,
    }


def before(account: dict[str, Any]) -> dict[str, Any]:
    """What an account held when it was last indexed. What a document does not name stays as it is."""
    held = {"name": "Zebra of old", "label_ids": [1, 2, 3], "fields": {"tier": "low"}}
    return {**held, "custom_fields": {TIER: 1} if account["custom_fields"] else None}


def won_values(one: int) -> Mapping[str, Decimal]:
    """What of one of the accounts was won in which currency."""
    found = {"USD": Decimal(one * 11 % 50), "EUR": Decimal(one), "JPY": Decimal(0)}
    return {code: value for number, (code, value) in enumerate(found.items()) if one % (number + 2)}


ACCOUNTS = [account(one) for one in range(1, 200)]


def fill(address: str) -> None:
    """A company with all of these accounts."""
    database = Database(address)
    with database.writing() as connection:
        connection.execute(insert(companies), {"company_id": 1, "synced_at": NOW})
        organizations = [{"company_id": 1, "id": one["organization_id"], "synced_at": NOW} for one in ACCOUNTS]
        connection.execute(insert(TABLES["organizations"]), organizations)
        connection.execute(insert(accounts), [one | before(one) for one in ACCOUNTS])
        refresh_index(connection, 1)
        for one in ACCOUNTS:
            its = accounts.c.organization_id == one["organization_id"]
            values = {name: one[name] for name in ("name", "label_ids", "custom_fields", "fields")}
            connection.execute(update(accounts).where(its).values(**values))
            if one["organization_id"] not in BY_SQL:
                refresh_index(connection, 1, [one["organization_id"]])
        connection.execute(
            insert(account_won_values),
            [
                {"company_id": 1, "organization_id": one, "currency": code, "value": value, "deals_count": 1}
                for one in range(1, 200)
                for code, value in won_values(one).items()
            ],
        )
    database.close()


@pytest.fixture
def filled(database: Database, begin_with: BeginWith) -> Database:
    begin_with("filtered", fill)
    return database


def fits(row: dict[str, Any], wanted: Filter, calendar: Calendar) -> bool:
    """Whether an account is wanted, read condition by condition."""
    entry = entry_of(row)
    won = won_values(row["organization_id"])
    value = row["won_value"] if wanted.currency is None else won.get(wanted.currency)
    last, created = row["last_activity_time"], row["created_at"].astimezone(calendar.zone).date()
    ago = None if last is None else (calendar.today - last.astimezone(calendar.zone).date()).days
    return all(
        (
            wanted.status in (Status.ALL, row["status"]),
            not wanted.owners or row["owner_id"] in wanted.owners,
            not wanted.labels or wanted.labels & set(row["label_ids"] or []),
            wanted.currency is None or wanted.currency in won,
            wanted.won_from is None or (value is not None and value >= wanted.won_from),
            wanted.won_to is None or (value is not None and value <= wanted.won_to),
            wanted.contacted_within is None or (ago is not None and ago <= wanted.contacted_within),
            wanted.not_contacted_for is None or ago is None or ago > wanted.not_contacted_for,
            not wanted.never_contacted or ago is None,
            wanted.created_from is None or created >= wanted.created_from,
            wanted.created_to is None or created <= wanted.created_to,
            not wanted.buckets or bucket_of(row, calendar) in wanted.buckets,
            all(word in entry.text for word in folded(wanted.search).split()),
            all(any((field, one) in entry.options for one in some) for field, some in wanted.options.items() if some),
        )
    )


def bucket_of(row: dict[str, Any], calendar: Calendar) -> Bucket:
    if row["next_activity_id"] is None:
        return Bucket.NONE
    return calendar.bucket(row["next_activity_due_date"], row["next_activity_due_time"])


def some(of: list[Any], most: int = 2) -> st.SearchStrategy[frozenset[Any]]:
    return st.frozensets(st.sampled_from(of), max_size=most)


def perhaps(of: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Mostly nothing, so that few conditions meet and something is left."""
    return st.one_of(st.none(), st.none(), of)


days = perhaps(st.sampled_from([0, 1, 7, 30, 90, 100_000]))
amounts = perhaps(st.decimals(0, 40, places=1))
created = perhaps(st.dates(date(2026, 8, 31), date(2026, 9, 13)))
words = st.lists(
    st.sampled_from(["zebra", "ZEB", "ärg", "%", "_", "100 %", "rue 1", "tur", "straße", "co"]), max_size=2
)
filters = st.builds(
    Filter,
    status=st.sampled_from(Status),
    search=st.one_of(st.just(""), st.just(""), words.map(" ".join)),
    owners=some([1, 2, 9, None]),
    labels=some([1, 2, 3]),
    currency=perhaps(st.sampled_from(["USD", "EUR", "JPY", "XXX"])),
    won_from=amounts,
    won_to=amounts,
    contacted_within=days,
    not_contacted_for=days,
    never_contacted=st.sampled_from([False, False, True]),
    created_from=created,
    created_to=created,
    buckets=some(list(Bucket), most=4),
    options=st.dictionaries(st.sampled_from([TIER, "industry"]), some(["1", "2"]), max_size=1)
    | st.dictionaries(st.just("fields.tier"), some(["high", "low"])),
)
calendars = st.builds(
    Calendar,
    st.integers(0, 47).map(lambda hours: NOW + timedelta(hours=hours)),
    st.sampled_from(ZONES),
    st.sampled_from([0, 6]),
)
thorough = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@thorough
@given(wanted=filters, calendar=calendars)
def test_what_is_found_is_what_fits(filled: Database, wanted: Filter, calendar: Calendar) -> None:
    expected = [row["organization_id"] for row in ACCOUNTS if fits(row, wanted, calendar)]
    with filled.reading() as connection:
        assert list(matching_ids(connection, 1, wanted, calendar)) == expected


@thorough
@given(wanted=filters.map(lambda one: replace(one, status=Status.ALL)), calendar=calendars)
def test_lists_boards_and_overviews_count_the_same_accounts(
    filled: Database, wanted: Filter, calendar: Calendar
) -> None:
    rows = [row for row in ACCOUNTS if fits(row, wanted, calendar)]
    with filled.reading() as connection:
        page, totals = list_page(connection, 1, wanted, calendar, Order("name"), limit=None)
        board = load_board(connection, 1, wanted, calendar, per_column=1000)
        overview = load_overview(connection, 1, wanted, calendar)
    values = [row["won_value"] for row in rows if row["won_value"] is not None]
    assert len(page) == totals.accounts == sum(one.count for one in board) == overview.total.total == len(rows)
    assert totals.won_value == (sum(values) if values else None)
    assert totals.without_value == sum(one.without_value for one in board) == len(rows) - len(values)
    assert sum(one.won_value or 0 for one in board) == sum(values)
    for column in board:
        due = [
            (row["next_activity_due_date"], row["next_activity_due_time"]) for row in rows if row["next_activity_id"]
        ]
        expected = [calendar.bucket(*one) for one in due] + [Bucket.NONE] * (len(rows) - len(due))
        assert column.count == len(column.cards) == expected.count(column.bucket)


@pytest.mark.parametrize("zone", ZONES, ids=str)
def test_the_days_ago_are_the_viewers(filled: Database, zone: ZoneInfo) -> None:
    calendar = Calendar(NOW, zone)
    today = [row["organization_id"] for row in ACCOUNTS if fits(row, Filter(contacted_within=2), calendar)]
    with filled.reading() as connection:
        assert list(matching_ids(connection, 1, Filter(contacted_within=2), calendar)) == today
    assert today


@pytest.mark.parametrize("many", [Filter(), Filter(status=Status.ALL, search="e")])
@pytest.mark.parametrize("few", [Filter(search="zebra", labels=frozenset({1}), options={TIER: frozenset({"1"})})])
def test_the_number_of_statements_does_not_depend_on_that_of_accounts(
    filled: Database, many: Filter, few: Filter
) -> None:
    statements: list[str] = []
    event.listen(filled.engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    counts = []
    for wanted, limit in ((many, 200), (many, 1), (few, 50)):
        with filled.reading() as connection:
            statements.clear()
            list_page(connection, 1, wanted, Calendar(NOW), Order("owner"), limit=limit)
            load_board(connection, 1, wanted, Calendar(NOW), per_column=limit)
        counts.append(sum(not one.startswith("BEGIN") for one in statements))
    assert counts[0] == counts[1]
    assert max(counts) <= 10  # for both
