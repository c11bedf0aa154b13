"""A record becomes a row and comes back as it was: every column kind, every custom field type, API v1 and v2."""

import math
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.pipedrive.entities import ACTIVITIES, DEALS, ENTITIES, FIELDS, NOTES, ORGANIZATIONS, USERS, Entity
from sync.pipedrive.records import Unstorable, key_of, says_deleted, to_record, to_row
from tests.pipedrive.values import CUSTOM_TYPES, JSON_VALUES, records

_ids = st.sampled_from(ENTITIES)


@given(st.data(), _ids)
def test_record_to_row_to_record_is_the_identity_for_every_entity(data: st.DataObject, entity: Entity) -> None:
    record = data.draw(records(entity))
    assert to_record(entity, to_row(entity, record)) == record


@given(st.data(), st.sampled_from(sorted(CUSTOM_TYPES)))
def test_a_custom_field_of_every_type_comes_back_unchanged(data: st.DataObject, field_type: str) -> None:
    record = {"id": 1, "custom_fields": {"a" * 40: data.draw(CUSTOM_TYPES[field_type]), "b" * 40: None}}
    assert to_record(ORGANIZATIONS, to_row(ORGANIZATIONS, record)) == record


@given(st.dictionaries(st.text(min_size=30), JSON_VALUES, min_size=1, max_size=5))
def test_unknown_attributes_land_in_extra_and_come_back(unknown: dict[str, Any]) -> None:
    record = {"id": 1, "custom_fields": None, **unknown}
    row = to_row(DEALS, record)
    assert row["extra"] == unknown
    assert to_record(DEALS, row) == record


@pytest.mark.parametrize(
    ("entity", "attribute", "value"),
    [
        (DEALS, "org_id", {"value": 5, "name": "nested as API v1 does it"}),
        (DEALS, "org_id", "5"),
        (DEALS, "org_id", True),
        (DEALS, "org_id", 2**63),
        (DEALS, "org_id", 5.0),
        (DEALS, "value", "12.50"),
        (DEALS, "value", 2**63),
        (DEALS, "value", math.inf),
        (DEALS, "value", False),
        (DEALS, "title", 7),
        (DEALS, "title", ["a", "b"]),
        (DEALS, "is_archived", 2),
        (DEALS, "is_archived", "yes"),
        (DEALS, "add_time", "2026-11-02 09:30:00"),
        (DEALS, "add_time", "2026-11-02T09:30:00.123Z"),
        (DEALS, "add_time", "2026-11-02T09:30:00+01:00"),
        (DEALS, "add_time", "2026-02-30T09:30:00Z"),
        (DEALS, "add_time", "2026-W01-1T09:30:00Z"),
        (DEALS, "add_time", "2026-11-02T093000.1Z"),
        (DEALS, "add_time", 1_700_000_000),
        (DEALS, "add_time", {str(number): number for number in range(20)}),
        (DEALS, "add_time", list(range(20))),
        (DEALS, "expected_close_date", "2026-13-01"),
        (DEALS, "expected_close_date", "12026-01-1"),
        (DEALS, "expected_close_date", "2026-W01-1"),
        (DEALS, "custom_fields", ["not", "an", "object"]),
        (NOTES, "add_time", "0000-00-00 00:00:00"),
        (NOTES, "add_time", "2026-11-02T09:30:00Z"),
        (NOTES, "active_flag", "1"),
    ],
)
def test_a_value_of_a_surprising_type_is_kept_in_extra(entity: Entity, attribute: str, value: Any) -> None:
    row = to_row(entity, {"id": 1, attribute: value})
    assert row[attribute] is None
    assert row["extra"] == {attribute: value}
    assert to_record(entity, row)[attribute] == value


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "1970-01-01T00:00:00Z"])
def test_the_earliest_and_the_latest_instants_come_back(text: str) -> None:
    record = {"id": 1, "add_time": text}
    held = {**to_row(ACTIVITIES, record), "add_time": datetime.fromisoformat(text)}
    assert to_record(ACTIVITIES, held) == record


def test_api_v1_times_become_canonical_and_come_back_as_v1_writes_them() -> None:
    row = to_row(NOTES, {"id": 1, "add_time": "2026-11-02 09:30:00"})
    assert row["add_time"] == "2026-11-02T09:30:00Z"
    assert to_record(NOTES, {**row, "add_time": datetime.fromisoformat("0999-11-02T09:30:00Z")})["add_time"] == (
        "0999-11-02 09:30:00"
    )


def test_api_v1_flags_may_be_numbers() -> None:
    assert to_row(NOTES, {"id": 1, "active_flag": 1})["active_flag"] is True
    assert to_row(USERS, {"id": 1, "is_deleted": 0})["is_deleted"] is False


def test_absent_null_and_empty_are_three_things() -> None:
    assert "name" not in to_row(ORGANIZATIONS, {"id": 1})
    assert to_row(ORGANIZATIONS, {"id": 1, "name": None})["name"] is None
    assert to_row(ORGANIZATIONS, {"id": 1, "name": ""})["name"] == ""
    for value in (None, {}, {"a" * 40: None}, {"a" * 40: ""}, {"a" * 40: []}):
        row = to_row(ORGANIZATIONS, {"id": 1, "custom_fields": value, "label_ids": []})
        assert row["custom_fields"] == value
        assert to_record(ORGANIZATIONS, row) == {"id": 1, "custom_fields": value, "label_ids": []}


def test_an_amount_is_exact_whatever_a_double_says() -> None:
    values = [to_row(DEALS, {"id": 1, "value": value})["value"] for value in (0.1, 0.2)]
    assert sum(values) == Decimal("0.3")
    assert to_record(DEALS, {"id": 1, "value": Decimal("0.3")})["value"] == 0.3
    assert type(to_record(DEALS, {"id": 1, "value": Decimal("1500")})["value"]) is int


@pytest.mark.parametrize("record_id", [None, "5", 5.0, True, 2**63, [5], {}])
def test_a_record_without_a_usable_id_is_refused(record_id: Any) -> None:
    with pytest.raises(Unstorable, match="can't be a key"):
        to_row(DEALS, {"id": record_id})
    with pytest.raises(Unstorable):
        to_row(DEALS, {})


@pytest.mark.parametrize("code", ["", "a\0b", None, ["x"]])
def test_a_definition_without_a_usable_code_is_refused(code: Any) -> None:
    with pytest.raises(Unstorable):
        to_row(FIELDS, {"entity": "deal", "field_code": code})
    assert key_of(FIELDS, {"entity": "deal", "field_code": "title"}) == ("deal", "title")


def test_a_nul_character_in_a_text_is_refused_with_the_name_of_the_attribute() -> None:
    with pytest.raises(Unstorable, match="its title contains a NUL"):
        to_row(DEALS, {"id": 1, "title": "a\0b"})


def test_a_deletion_carries_the_best_time_the_record_tells() -> None:
    times = {"update_time": "2026-11-02T09:30:00Z", "add_time": "2026-11-01T09:30:00Z"}
    assert to_row(DEALS, {"id": 1, "is_deleted": True, **times})["deleted_at"] == times["update_time"]
    assert to_row(DEALS, {"id": 1, "is_deleted": True, **times, "update_time": None})["deleted_at"] == times["add_time"]
    assert to_row(DEALS, {"id": 1, "is_deleted": True})["deleted_at"] is not None
    assert to_row(NOTES, {"id": 1, "active_flag": False})["deleted_at"] is not None
    assert to_row(DEALS, {"id": 1, "is_deleted": False, **times})["deleted_at"] is None
    assert "deleted_at" not in to_row(DEALS, {"id": 1, **times})


def test_what_says_that_it_is_deleted_or_is_no_record_at_all_is_not_there() -> None:
    assert says_deleted(DEALS, {"id": 1, "is_deleted": True})
    assert says_deleted(NOTES, {"id": 1, "active_flag": False})
    assert says_deleted(DEALS, None)
    assert not says_deleted(DEALS, {"id": 1, "is_deleted": False})


def test_dates_come_back_from_a_database_as_the_api_writes_them() -> None:
    assert to_record(DEALS, {"id": 1, "expected_close_date": date(2026, 1, 2)})["expected_close_date"] == "2026-01-02"
