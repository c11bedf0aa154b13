"""Upserts refuse the past, keep what is not said, and never let one bad row stop the others."""

import itertools
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from sync.pipedrive.entities import CURRENCIES, DEALS, ENTITIES, FIELDS, NOTES, ORGANIZATIONS, PERSONS, Entity
from sync.pipedrive.records import Key, Row, to_record, to_row
from sync.store.database import Database
from sync.store.mirror import count_rows, ids_between, live_keys, mark_deleted, upsert
from sync.store.schema import TABLES
from tests.pipedrive.values import CUSTOM_TYPES, records
from tests.store.conftest import NOON, NewCompany

MINUTE = timedelta(minutes=1)
EARLIER, LATER = "2026-11-01T10:00:00Z", "2026-11-01T10:00:01Z"

one_database_for_all_examples = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def save(
    database: Database,
    company: int,
    entity: Entity,
    *shown: Mapping[str, Any],
    read_at: datetime = NOON,
) -> tuple[list[Key], list[tuple[Row, str]]]:
    """Store records as they were read; the keys changed and the rows refused."""
    with database.writing() as connection:
        return upsert(connection, company, entity, [to_row(entity, one) for one in shown], read_at=read_at)


def held(database: Database, company: int, entity: Entity) -> dict[Any, Mapping[str, Any]]:
    """The rows by id (or by the last part of the key)."""
    table = TABLES[entity.name]
    with database.reading() as connection:
        rows: Sequence[Any] = connection.execute(select(table).where(table.c.company_id == company)).all()
    return {row._asdict()[entity.key[-1]]: row._asdict() for row in rows}


def deal(record_id: int = 1, **values: Any) -> dict[str, Any]:
    return {"id": record_id, "add_time": "2026-10-01T08:00:00Z", "update_time": EARLIER, "title": "first"} | values


@pytest.mark.parametrize("entity", ENTITIES, ids=lambda entity: entity.name)
def test_a_record_comes_back_from_the_database_as_it_went_in(
    database: Database, new_company: NewCompany, entity: Entity
) -> None:
    @one_database_for_all_examples
    @given(records(entity))
    def check(record: dict[str, Any]) -> None:
        company = new_company()
        assert save(database, company, entity, record)[1] == []
        (row,) = held(database, company, entity).values()
        # Attributes that did not come at all are null in a table.
        assert {name: value for name, value in to_record(entity, row).items() if value is not None} == {
            name: value for name, value in record.items() if value is not None
        }

    check()


@pytest.mark.parametrize("field_type", sorted(CUSTOM_TYPES))
def test_a_custom_field_of_every_type_comes_back_from_the_database(
    database: Database, new_company: NewCompany, field_type: str
) -> None:
    @one_database_for_all_examples
    @given(CUSTOM_TYPES[field_type])
    def check(value: Any) -> None:
        company = new_company()
        custom = {"a" * 40: value, "b" * 40: None}
        save(database, company, ORGANIZATIONS, {"id": 1, "name": "Acme", "custom_fields": custom})
        assert held(database, company, ORGANIZATIONS)[1]["custom_fields"] == custom

    check()


def test_absent_null_and_empty_custom_fields_are_kept_apart(database: Database, company: int) -> None:
    shown = ({"id": 1}, {"id": 2, "custom_fields": None}, {"id": 3, "custom_fields": {}})
    save(database, company, ORGANIZATIONS, *shown)
    stored = {one: row["custom_fields"] for one, row in held(database, company, ORGANIZATIONS).items()}
    assert stored == {1: None, 2: None, 3: {}}


@pytest.mark.parametrize(
    "value", [2**63 - 1, -(2**63), 2**64 - 1, 1e300, "x" * 100_000, [[[[]]]], {"": None}, "\u2028 \U0001f937 \x1f"]
)
def test_unusual_values_of_unknown_attributes_come_back(database: Database, company: int, value: Any) -> None:
    save(database, company, DEALS, deal(novelty=value))
    assert held(database, company, DEALS)[1]["extra"] == {"novelty": value}


def test_a_note_of_five_megabytes_is_stored_whole(database: Database, company: int) -> None:
    content = "<p>ö</p>" * 600_000
    save(database, company, NOTES, {"id": 1, "content": content})
    assert held(database, company, NOTES)[1]["content"] == content


def test_an_older_version_is_refused(database: Database, company: int) -> None:
    save(database, company, DEALS, deal(update_time=LATER, title="new"))
    assert save(database, company, DEALS, deal(title="old"), read_at=NOON + MINUTE) == ([], [])
    assert held(database, company, DEALS)[1]["title"] == "new"


def test_of_two_versions_of_one_second_the_one_read_later_wins(database: Database, company: int) -> None:
    save(database, company, DEALS, deal(title="first"))
    assert save(database, company, DEALS, deal(title="second"), read_at=NOON + MINUTE)[0] == [(1,)]
    assert save(database, company, DEALS, deal(title="first"), read_at=NOON) == ([], [])
    assert held(database, company, DEALS)[1]["title"] == "second"


def test_of_two_versions_in_one_batch_the_newest_wins_in_any_order(database: Database, new_company: NewCompany) -> None:
    versions = [deal(title="old"), deal(update_time=LATER, title="new")]
    for order in itertools.permutations(versions):
        company = new_company()
        save(database, company, DEALS, *order)
        assert held(database, company, DEALS)[1]["title"] == "new"


def test_equal_content_changes_nothing(database: Database, company: int) -> None:
    record = deal(value=0.1, custom_fields={"b" * 40: [1, 2], "a" * 40: {"value": 1.5, "currency": "EUR"}}, extra_=[1])
    assert save(database, company, DEALS, record)[0] == [(1,)]
    before = held(database, company, DEALS)[1]
    again = {**record, "custom_fields": dict(reversed(record["custom_fields"].items()))}
    assert save(database, company, DEALS, again, read_at=NOON + MINUTE) == ([], [])
    assert held(database, company, DEALS)[1] == before


def test_a_row_that_says_less_keeps_the_rest(database: Database, company: int) -> None:
    save(database, company, DEALS, deal(value=5, currency="EUR"))
    save(database, company, DEALS, {"id": 1, "update_time": LATER, "title": "renamed"})
    row = held(database, company, DEALS)[1]
    assert (row["title"], row["value"], row["currency"]) == ("renamed", Decimal(5), "EUR")


def test_a_record_without_update_time_counts_as_changed_when_it_was_added(database: Database, company: int) -> None:
    save(database, company, DEALS, deal(update_time=None, title="new"))
    save(database, company, DEALS, deal(update_time=None, title="read again"), read_at=NOON + MINUTE)
    assert held(database, company, DEALS)[1]["title"] == "read again"
    save(database, company, DEALS, deal(update_time=EARLIER, title="edited"), read_at=NOON)
    assert held(database, company, DEALS)[1]["title"] == "edited"
    save(database, company, DEALS, deal(update_time=None, title="stale"), read_at=NOON + 2 * MINUTE)
    assert held(database, company, DEALS)[1]["title"] == "edited"


def test_a_record_without_any_time_is_replaced_by_later_reads_only(database: Database, company: int) -> None:
    save(database, company, CURRENCIES, {"id": 1, "code": "EUR", "name": "Euro"}, read_at=NOON)
    save(database, company, CURRENCIES, {"id": 1, "code": "EUR", "name": "old"}, read_at=NOON - MINUTE)
    assert held(database, company, CURRENCIES)[1]["name"] == "Euro"
    save(database, company, CURRENCIES, {"id": 1, "code": "EUR", "name": "Eurø"}, read_at=NOON + MINUTE)
    assert held(database, company, CURRENCIES)[1]["name"] == "Eurø"


def test_a_record_that_shows_up_again_loses_its_mark_of_deletion(database: Database, company: int) -> None:
    save(database, company, ORGANIZATIONS, {"id": 1, "name": "Acme", "update_time": EARLIER, "is_deleted": False})
    with database.writing() as connection:
        assert mark_deleted(connection, company, ORGANIZATIONS, {(1,), (2,)}, read_at=NOON + MINUTE) == [(1,)]
    gone = held(database, company, ORGANIZATIONS)[1]
    assert (gone["deleted_at"], gone["is_deleted"]) == (NOON + MINUTE, True)
    shown = {"id": 1, "name": "Acme", "update_time": EARLIER, "is_deleted": False}
    assert save(database, company, ORGANIZATIONS, shown, read_at=NOON) == ([], [])
    assert save(database, company, ORGANIZATIONS, shown, read_at=NOON + 2 * MINUTE)[0] == [(1,)]
    assert held(database, company, ORGANIZATIONS)[1]["deleted_at"] is None


def test_a_row_read_after_the_question_is_not_marked_deleted(database: Database, company: int) -> None:
    save(database, company, ORGANIZATIONS, {"id": 1, "name": "Acme", "is_deleted": False}, read_at=NOON + MINUTE)
    with database.writing() as connection:
        assert mark_deleted(connection, company, ORGANIZATIONS, {(1,)}, read_at=NOON) == []


def test_definitions_are_marked_deleted_by_their_whole_key(database: Database, company: int) -> None:
    save(database, company, FIELDS, *({"entity": one, "field_code": "x"} for one in ("deal", "person")))
    with database.writing() as connection:
        assert mark_deleted(connection, company, FIELDS, {("deal", "x")}, read_at=NOON) == [("deal", "x")]
        assert live_keys(connection, company, FIELDS) == {("person", "x")}
        assert live_keys(connection, company, FIELDS, {"entity": "deal"}) == set()


@pytest.mark.parametrize("title", ["lone \ud800 surrogate", 3 + 4j])
def test_one_bad_row_among_five_hundred_does_not_stop_the_others(database: Database, company: int, title: Any) -> None:
    rows = [to_row(DEALS, deal(number)) for number in range(1, 501)]
    rows[332] = {**rows[332], "title": title}
    with database.writing() as connection:
        changed, refused = upsert(connection, company, DEALS, rows, read_at=NOON)
    assert [(row["id"], bool(reason)) for row, reason in refused] == [(333, True)]
    assert len(changed) == 499
    assert held(database, company, DEALS).keys() == set(range(1, 501)) - {333}


def test_rows_that_carry_different_columns_are_stored_together(database: Database, company: int) -> None:
    changed, _ = save(
        database, company, PERSONS, {"id": 1, "name": "A"}, {"id": 2}, {"id": 3, "birthday": "1970-02-03"}
    )
    assert set(changed) == {(1,), (2,), (3,)}


@st.composite
def _arrivals(draw: st.DrawFn) -> list[tuple[int, int | None, int]]:
    """Versions of one record as (number, second of its update_time or none, minute in which it was read), in any order.

    Pipedrive's clock and ours both go forward: a later version has no earlier update_time, and is read no earlier.
    """
    seconds = sorted(draw(st.lists(st.integers(0, 3), min_size=1, max_size=6)))
    read = sorted(draw(st.lists(st.integers(0, 50), min_size=len(seconds), max_size=len(seconds), unique=True)))
    untouched = draw(st.booleans())  # the first version may be that of a record never changed since its creation
    versions = [
        (number, None if untouched and number == 0 else second, minute)
        for number, (second, minute) in enumerate(zip(seconds, read, strict=True))
    ]
    return draw(st.permutations([*versions, *draw(st.lists(st.sampled_from(versions), max_size=3))]))


def test_any_order_of_arrival_ends_in_the_newest_version(database: Database, new_company: NewCompany) -> None:
    @one_database_for_all_examples
    @given(_arrivals())
    def check(arrivals: list[tuple[int, int | None, int]]) -> None:
        company = new_company()
        for number, second, minute in arrivals:
            update_time = None if second is None else f"2026-11-01T10:00:0{second}Z"
            record = deal(title=f"version {number}", update_time=update_time)
            save(database, company, DEALS, record, read_at=NOON + minute * MINUTE)
        newest = max(number for number, _, _ in arrivals)
        assert held(database, company, DEALS)[1]["title"] == f"version {newest}"

    check()


def test_sums_of_amounts_are_exact(database: Database, company: int) -> None:
    amounts = {1: 0.1, 2: 0.2, 3: 1e12, 4: 0.07, 5: 1200}
    save(database, company, DEALS, *(deal(number, value=value) for number, value in amounts.items()))
    stored = {number: row["value"] for number, row in held(database, company, DEALS).items()}
    assert stored[1] + stored[2] == Decimal("0.3")
    assert sum(stored.values()) == Decimal("1000000001200.37")
    assert stored[5] == Decimal(1200)


def test_counts_and_ranges_see_what_a_list_shows(database: Database, company: int) -> None:
    live, archived = DEALS.listings
    save(
        database,
        company,
        DEALS,
        *(deal(number, is_archived=number % 2 == 0, is_deleted=number > 8) for number in range(1, 11)),
    )
    with database.reading() as connection:
        assert count_rows(connection, company, DEALS) == 8
        assert count_rows(connection, company, DEALS, live.shows) == 4

        def between(
            listing: Any, above: int | None, up_to: int | None, read_before: datetime = NOON + MINUTE
        ) -> set[int]:
            return ids_between(connection, company, DEALS, listing, above=above, up_to=up_to, read_before=read_before)

        assert between(live, None, 5) == {1, 3, 5}
        assert between(live, 3, None) == {5, 7}
        assert between(archived, 2, 6) == {4, 6}
        assert between(archived, None, None, read_before=NOON) == set()


def test_companies_in_one_database_do_not_see_each_other(database: Database, new_company: NewCompany) -> None:
    one, other = new_company(), new_company()
    save(database, one, DEALS, deal(title="one"))
    save(database, other, DEALS, deal(title="other"))
    with database.writing() as connection:
        mark_deleted(connection, other, DEALS, {(1,)}, read_at=datetime.now(UTC))
        assert count_rows(connection, one, DEALS) == 1
    assert held(database, one, DEALS)[1]["title"] == "one"
