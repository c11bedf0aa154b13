"""A webhook's body is read whatever is wrong with it, and what it tells of a record is never more than the truth."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.pipedrive.entities import (
    ACTIVITIES,
    BY_EVENT,
    BY_NAME,
    DEALS,
    NOTES,
    ORGANIZATIONS,
    PERSONS,
    PIPELINES,
    STAGES,
    USERS,
    Entity,
)
from sync.pipedrive.events import Action, Change, Event, Malformed, change_of, read_event
from sync.pipedrive.records import Unstorable, to_row
from sync.sandbox.entities import ENTITIES as SIMULATED
from sync.sandbox.records import ADDRESS_PARTS
from sync.sandbox.rules import Switches
from sync.sandbox.shapes import Context, shape_of, shown
from tests.pipedrive.values import CUSTOM_TYPES, INTEGERS, JSON_VALUES, TEXTS, records

MOMENT = datetime(2026, 11, 2, 9, 30, 0, 42_000, tzinfo=UTC)
META = {
    "action": "change",
    "entity": "organization",
    "entity_id": "77",
    "company_id": "7654321",
    "id": "8b2f4c1e-4c4b-5f0e-9a55-0d9d2a1f7c11",
    "correlation_id": "b0f6b9a2-3c5b-5d0c-8f8b-0f6a0b6d9c01",
    "timestamp": "2026-11-02T09:30:00.042Z",
    "user_id": "1",
    "webhook_id": "3",
    "change_source": "app",
    "attempt": 1,
    "version": "2.0",
}
BODY = {"meta": META, "data": {"id": 77, "name": "Nord"}, "previous": {"name": "Süd"}}
WHOLE_ADDRESS = {**dict.fromkeys(ADDRESS_PARTS), "value": "Hauptstr. 1, Berlin", "locality": "Berlin"}
CODE = "a" * 40


def body(**meta: Any) -> dict[str, Any]:
    """A good body, with another `meta`; an attribute that is `...` is missing."""
    return BODY | {"meta": {name: value for name, value in (META | meta).items() if value is not ...}}


def told(entity: Entity, data: Mapping[str, Any]) -> Change:
    """What an event makes of record 77 that says that all of this changed."""
    event = read_event(body(entity=entity.singular))
    return change_of(entity, replace(event, data=data, previous=data))


# The frame


@pytest.mark.parametrize(
    ("given_body", "words"),
    [
        (None, "the body is not an object"),
        ([BODY], "the body is not an object"),
        ("meta", "the body is not an object"),
        ({}, "meta is missing"),
        (BODY | {"meta": None}, "meta is missing"),
        (BODY | {"meta": [META]}, "meta is not an object"),
        (BODY | {"data": "Nord"}, "data is not an object"),
        (BODY | {"previous": 5}, "previous is not an object"),
        (BODY | {"data": None}, "data is missing, though meta.action is change"),
        ({"meta": META | {"action": "create"}}, "data is missing, though meta.action is create"),
        (body(version="1.0"), "meta.version is not 2.0: subscribe with version 2.0"),
        (body(version=2), "meta.version is not 2.0: subscribe with version 2.0"),
        (body(version=None), "meta.version is not 2.0: subscribe with version 2.0"),
        (body(action=...), "meta.action is none of create, change, delete"),
        (body(action="updated"), "meta.action is none of create, change, delete"),
        (body(action=["change"]), "meta.action is none of create, change, delete"),
        (body(id=...), "meta.id is missing, or no short text"),
        (body(id=""), "meta.id is missing, or no short text"),
        (body(id="x" * 201), "meta.id is missing, or no short text"),
        (body(id="a\0b"), "meta.id is missing, or no short text"),
        (body(id="\ud800"), "meta.id is missing, or no short text"),
        (body(id=True), "meta.id is missing, or no short text"),
        (body(entity=...), "meta.entity is missing, or no short text"),
        (body(entity={"name": "deal"}), "meta.entity is missing, or no short text"),
        (body(entity_id=...), "meta.entity_id is missing, or no whole number"),
        (body(entity_id="seven"), "meta.entity_id is missing, or no whole number"),
        (body(entity_id="7.0"), "meta.entity_id is missing, or no whole number"),
        (body(entity_id=7.5), "meta.entity_id is missing, or no whole number"),
        (body(entity_id=True), "meta.entity_id is missing, or no whole number"),
        (body(entity_id=2**63), "meta.entity_id is missing, or no whole number"),
        (body(entity_id="9" * 5000), "meta.entity_id is missing, or no whole number"),
        (body(company_id=...), "meta.company_id is missing, or no whole number"),
        (body(company_id=[1]), "meta.company_id is missing, or no whole number"),
        (body(attempt="first"), "meta.attempt is missing, or no whole number"),
        (body(webhook_id={}), "meta.webhook_id is missing, or no whole number"),
        (body(merged_to_id="none"), "meta.merged_to_id is missing, or no whole number"),
        (body(merged_from_id=[]), "meta.merged_from_id is missing, or no whole number"),
        (body(timestamp=...), "meta.timestamp is missing, or no time"),
        (body(timestamp="yesterday"), "meta.timestamp is missing, or no time"),
        (body(timestamp=""), "meta.timestamp is missing, or no time"),
        (body(timestamp=[2026]), "meta.timestamp is missing, or no time"),
        (body(timestamp=True), "meta.timestamp is missing, or no time"),
        (body(timestamp=float("nan")), "meta.timestamp is missing, or no time"),
        (body(timestamp=10**30), "meta.timestamp is missing, or no time"),
        (body(timestamp="9" * 5000), "meta.timestamp is missing, or no time"),
        (body(timestamp="0001-01-01T00:00:00+05:00"), "meta.timestamp is missing, or no time"),
    ],
)
def test_a_body_that_is_no_event_is_refused_with_what_is_wrong_with_it(given_body: Any, words: str) -> None:
    with pytest.raises(Malformed) as caught:
        read_event(given_body)
    assert str(caught.value) == words


def test_an_event_is_read_whole() -> None:
    assert read_event(BODY) == Event(
        event_id="8b2f4c1e-4c4b-5f0e-9a55-0d9d2a1f7c11",
        company_id=7654321,
        entity="organization",
        entity_id=77,
        action=Action.CHANGE,
        event_time=MOMENT,
        attempt=1,
        webhook_id=3,
        data={"id": 77, "name": "Nord"},
        previous={"name": "Süd"},
        user_id=1,
    )


@pytest.mark.parametrize(
    ("meta", "attribute", "expected"),
    [
        ({"entity_id": 77}, "entity_id", 77),
        ({"company_id": 7654321}, "company_id", 7654321),
        ({"company_id": "7654321"}, "company_id", 7654321),
        ({"id": 5}, "event_id", "5"),
        ({"user_id": "5"}, "user_id", 5),
        ({"user_id": ...}, "user_id", None),
        ({"user_id": "system"}, "user_id", None),
        ({"webhook_id": 3}, "webhook_id", 3),
        ({"webhook_id": ...}, "webhook_id", None),
        ({"attempt": "4"}, "attempt", 4),
        ({"attempt": ...}, "attempt", 1),
        ({"attempt": None}, "attempt", 1),
        ({"version": ...}, "event_id", META["id"]),
        ({"merged_from_id": "5"}, "merged_from_id", 5),
        ({"merged_to_id": 6}, "merged_to_id", 6),
        ({"merged_to_id": None}, "merged_to_id", None),
        ({"timestamp": "2026-11-02T10:30:00.042+01:00"}, "event_time", MOMENT),
        ({"timestamp": "2026-11-02T09:30:00.042999Z"}, "event_time", MOMENT),
        ({"timestamp": "2026-11-02 09:30:00.042"}, "event_time", MOMENT),
        ({"timestamp": 1793611800}, "event_time", MOMENT.replace(microsecond=0)),
        ({"timestamp": "1793611800"}, "event_time", MOMENT.replace(microsecond=0)),
        ({"timestamp": 1793611800042}, "event_time", MOMENT),
        ({"timestamp": "1793611800042"}, "event_time", MOMENT),
    ],
)
def test_ids_and_times_come_as_texts_and_as_numbers(meta: dict[str, Any], attribute: str, expected: Any) -> None:
    assert getattr(read_event(body(**meta)), attribute) == expected


def test_a_deletion_needs_no_data() -> None:
    deletion = read_event({"meta": META | {"action": "delete", "merged_to_id": "6"}, "data": None, "previous": {}})
    assert (deletion.action, deletion.data, deletion.merged_to_id) == (Action.DELETE, None, 6)
    assert read_event({"meta": META | {"action": "delete"}}).data is None


def test_events_of_a_user_with_one_id_are_told_apart_by_their_time() -> None:
    user = {"entity": "user", "id": 7, "entity_id": "7"}
    first, second, again = (
        read_event(body(**user, timestamp=moment)) for moment in (1793611800, 1793611801, "1793611800000")
    )
    assert first.event_id == second.event_id == "7"
    assert first.occurrence != second.occurrence
    assert first.occurrence == again.occurrence


def test_the_id_of_any_other_event_is_enough() -> None:
    first, second = (read_event(body(timestamp=moment)) for moment in (1793611800, 1793611801))
    assert first.occurrence == second.occurrence == ""


# The traps of a payload, one by one


WON = {"won_time": "2026-11-02T09:30:00Z"}
ADDED = {"add_time": "2026-11-02 09:30:00"}
FIRST_WON = {"first_won_time": "2026-11-02T09:30:00Z"}

TRAPS: Mapping[str, tuple[Entity, Any, Any, bool]] = {
    # name: what comes of which entity, what is told besides the id, whether all of it was told
    "an id in the data is not believed": (DEALS, {"id": 5}, {}, True),
    "a text that is a number": (DEALS, {"visible_to": "3"}, {"visible_to": 3}, True),
    "a negative number as a text": (DEALS, {"channel": "-3"}, {"channel": -3}, True),
    "a number where one belongs": (DEALS, {"org_id": 5}, {"org_id": 5}, True),
    "a text that is no number": (DEALS, {"visible_to": "all"}, {}, False),
    "a number beyond 64 bits": (DEALS, {"org_id": 2**63}, {}, False),
    "a flag where a number belongs": (DEALS, {"org_id": True}, {}, False),
    "null was cleared": (DEALS, {"org_id": None, "lost_reason": None}, {"org_id": None, "lost_reason": None}, True),
    "a created deal was never changed": (DEALS, {"update_time": None}, {"update_time": None}, True),
    "an amount": (DEALS, {"value": 12.5, "currency": "EUR"}, {"value": 12.5, "currency": "EUR"}, True),
    "several labels of a deal": (DEALS, {"label_ids": [3, 5]}, {"label_ids": [3, 5]}, True),
    "a flag as a number": (DEALS, {"is_archived": 1}, {"is_archived": True}, True),
    "a flag as a text": (DEALS, {"is_archived": "yes"}, {}, False),
    "an attribute nobody knows": (DEALS, {"weighted_value": 5}, {}, False),
    "a deal's first win": (DEALS, FIRST_WON, FIRST_WON, True),
    "a time with an offset": (DEALS, {"won_time": "2026-11-02T10:30:00+01:00"}, WON, True),
    "a time as v1 writes it": (DEALS, {"won_time": "2026-11-02 09:30:00"}, WON, True),
    "a time in milliseconds": (DEALS, {"won_time": "2026-11-02T09:30:00.000Z"}, WON, True),
    "a time between two seconds": (DEALS, {"won_time": "2026-11-02T09:30:00.120Z"}, {}, False),
    "a time that is none": (DEALS, {"won_time": 1793611800}, {}, False),
    "a time before all times": (DEALS, {"won_time": "0001-01-01T00:00:00+05:00"}, {}, False),
    "a time long ago": (DEALS, {"won_time": "0999-01-01T00:00:00Z"}, {"won_time": "0999-01-01T00:00:00Z"}, True),
    "no label": (ORGANIZATIONS, {"label": None}, {"label_ids": []}, True),
    "one label of perhaps several": (ORGANIZATIONS, {"label": 3}, {"label_ids": [3]}, False),
    "one label as a text": (ORGANIZATIONS, {"label": "3"}, {"label_ids": [3]}, False),
    "a label by name": (ORGANIZATIONS, {"label": "VIP"}, {}, False),
    "no address": (ORGANIZATIONS, {"address": None}, {"address": None}, True),
    "an address with its parts": (ORGANIZATIONS, {"address": WHOLE_ADDRESS}, {"address": WHOLE_ADDRESS}, True),
    "an address with parts and more": (
        ORGANIZATIONS,
        {"address": {**WHOLE_ADDRESS, "type": "address"}},
        {"address": WHOLE_ADDRESS},
        True,
    ),
    "an address as a text": (
        ORGANIZATIONS,
        {"address": "Hauptstr. 1"},
        {"address": {**dict.fromkeys(ADDRESS_PARTS), "value": "Hauptstr. 1"}},
        False,
    ),
    "an address as an empty text": (ORGANIZATIONS, {"address": ""}, {}, False),
    "an address with a part missing": (ORGANIZATIONS, {"address": {"value": "Hauptstr. 1"}}, {}, False),
    "what no record of the API has": (ORGANIZATIONS, {"country_code": "DE", "picture_id": 9}, {}, True),
    "an activity that is there": (ACTIVITIES, {"active_flag": True}, {}, True),
    "an activity that is deleted": (ACTIVITIES, {"active_flag": False}, {"is_deleted": True}, True),
    "an activity that is deleted, by a number": (ACTIVITIES, {"active_flag": 0}, {"is_deleted": True}, True),
    "an activity of which it is not said": (ACTIVITIES, {"active_flag": None}, {}, True),
    "a busy activity": (ACTIVITIES, {"busy_flag": True}, {"busy": True}, True),
    "a free activity": (ACTIVITIES, {"busy_flag": 0}, {"busy": False}, True),
    "neither busy nor free": (ACTIVITIES, {"busy_flag": "busy"}, {}, False),
    "a time of day in UTC": (
        ACTIVITIES,
        {"due_time": {"value": "09:30:00", "timezone_id": "Etc/UTC"}},
        {"due_time": "09:30:00"},
        True,
    ),
    "a time of day without a zone": (
        ACTIVITIES,
        {"due_time": {"value": "09:30:00", "timezone_id": None}},
        {"due_time": "09:30:00"},
        True,
    ),
    "a time of day in another zone": (
        ACTIVITIES,
        {"due_time": {"value": "09:30:00", "timezone_id": "Europe/Berlin"}},
        {},
        False,
    ),
    "a time of day in a zone by number": (
        ACTIVITIES,
        {"due_time": {"value": "09:30:00", "timezone_id": 35}},
        {},
        False,
    ),
    "a time of day as a plain text": (ACTIVITIES, {"due_time": "09:30:00"}, {"due_time": "09:30:00"}, True),
    "no time of day": (ACTIVITIES, {"due_time": None, "duration": None}, {"due_time": None, "duration": None}, True),
    "no time of day as an object of nothing": (
        ACTIVITIES,
        {"due_time": {"value": "", "timezone_id": None}},
        {"due_time": None},
        True,
    ),
    "no time of day as an empty text": (ACTIVITIES, {"due_time": ""}, {"due_time": None}, True),
    "a duration": (
        ACTIVITIES,
        {"duration": {"value": "01:00:00", "timezone_id": None}},
        {"duration": "01:00:00"},
        True,
    ),
    "a duration that is a number": (ACTIVITIES, {"duration": {"value": 60, "timezone_id": None}}, {}, False),
    "no location": (ACTIVITIES, {"location": None}, {"location": None}, True),
    "a location": (ACTIVITIES, {"location": "Berlin"}, {}, False),
    "a note's time": (NOTES, {"add_time": "2026-11-02T09:30:00Z"}, ADDED, True),
    "a note's time as the API has it": (NOTES, ADDED, ADDED, True),
    "a deleted note": (NOTES, {"active_flag": False}, {"active_flag": False}, True),
    "a user's ids are texts": (USERS, {"id": "7", "role_id": "4", "lang": "1"}, {"role_id": 4, "lang": 1}, True),
    "a user's last change": (USERS, {"modified": "2026-11-02 09:30:00"}, {"modified": "2026-11-02 09:30:00"}, True),
    "a person's phones": (
        PERSONS,
        {"phones": [{"value": "1", "primary": True, "label": "work"}]},
        {"phones": [{"value": "1", "primary": True, "label": "work"}]},
        True,
    ),
    "custom fields of what has none": (ACTIVITIES, {"custom_fields": {CODE: None}}, {}, False),
    "custom fields that are none": (DEALS, {"custom_fields": None}, {}, False),
    "custom fields as a list": (DEALS, {"custom_fields": [CODE]}, {}, False),
    "a setting by its name in v1": (STAGES, {"rotten_flag": True, "active_flag": True}, {}, False),
    "nothing at all": (DEALS, {}, {}, True),
}


def whole(entity: Entity) -> dict[str, Any]:
    """A payload that tells every attribute of a record, by the names of the API."""
    return dict.fromkeys(entity.column_names) | ({"custom_fields": {}} if entity.has_custom_fields else {})


@pytest.mark.parametrize("name", TRAPS)
def test_each_trap_of_a_payload(name: str) -> None:
    entity, data, expected, exact = TRAPS[name]
    assert told(entity, data).record == {"id": 77, **expected}
    assert told(entity, whole(entity) | data).exact is exact


@pytest.mark.parametrize("entity", BY_EVENT.values(), ids=lambda entity: entity.name)
def test_a_payload_that_lacks_any_attribute_is_not_exact_and_clears_none(entity: Entity) -> None:
    payload = whole(entity)
    assert told(entity, payload).exact
    for name in payload.keys() - {"id"}:
        change = told(entity, {other: value for other, value in payload.items() if other != name})
        assert (change.exact, name in change.record) == (False, False)


@pytest.mark.parametrize(
    ("action", "previous", "is_told"),
    [
        (Action.CREATE, None, True),
        (Action.CHANGE, {"label": 5, "address": None}, True),
        (Action.CHANGE, {"name": "Süd"}, False),
        (Action.CHANGE, None, False),
    ],
)
def test_a_part_of_an_attribute_is_told_only_where_it_is_known_to_have_changed(
    action: Action, previous: Any, is_told: bool
) -> None:
    event = replace(read_event(BODY), action=action, previous=previous)
    change = change_of(ORGANIZATIONS, replace(event, data={"name": "Nord", "label": 3, "address": "Hauptstr. 1"}))
    assert change.record.keys() == {"id", "name"} | ({"label_ids", "address"} if is_told else set())
    assert not change.exact


WRAPPED: Mapping[str, tuple[Any, Any]] = {
    # name: as it comes, as the API shows it; ... where it can't be told
    "not set": (None, None),
    "varchar": ({"type": "varchar", "value": "x"}, "x"),
    "varchar_auto": ({"type": "varchar_auto", "value": "x"}, "x"),
    "text": ({"type": "text", "value": "x\ny"}, "x\ny"),
    "an empty text": ({"type": "text", "value": ""}, ""),
    "double": ({"type": "double", "value": 1.5}, 1.5),
    "zero": ({"type": "double", "value": 0}, 0),
    "phone": ({"type": "phone", "value": "+49 1"}, "+49 1"),
    "date": ({"type": "date", "value": "2026-11-02"}, "2026-11-02"),
    "monetary": ({"type": "monetary", "value": 5, "currency": "EUR"}, {"value": 5, "currency": "EUR"}),
    "enum": ({"type": "enum", "id": 17}, 17),
    "an enum as a text": ({"type": "enum", "id": "17"}, 17),
    "set": ({"type": "set", "values": [{"id": 13}, {"id": "14"}]}, [13, 14]),
    "an empty set": ({"type": "set", "values": []}, None),
    "user": ({"type": "user", "id": 1}, 1),
    "org": ({"type": "org", "id": 2}, 2),
    "people": ({"type": "people", "id": 3}, 3),
    "daterange": (
        {"type": "daterange", "from": "2026-01-01", "until": "2026-12-31"},
        {"value": "2026-01-01", "until": "2026-12-31"},
    ),
    "timerange": (
        {"type": "timerange", "from": "09:00:00", "until": "17:00:00", "timezone_id": None},
        {"value": "09:00:00", "until": "17:00:00"},
    ),
    "time": (
        {"type": "time", "value": "09:00:00", "timezone_name": "Europe/Berlin"},
        {"value": "09:00:00", "timezone_name": "Europe/Berlin"},
    ),
    "address": ({"type": "address", **WHOLE_ADDRESS}, WHOLE_ADDRESS),
    "a time in a zone by number": ({"type": "time", "value": "09:00:00", "timezone_id": 35}, ...),
    "a timerange in a zone by number": (
        {"type": "timerange", "from": "09:00", "until": "17:00", "timezone_id": 35},
        ...,
    ),
    "an address with a part missing": ({"type": "address", "value": "Hauptstr. 1"}, ...),
    "a monetary without its currency": ({"type": "monetary", "value": 5}, ...),
    "a daterange without its end": ({"type": "daterange", "from": "2026-01-01"}, ...),
    "a set of something else": ({"type": "set", "values": ["x"]}, ...),
    "a set of nothing": ({"type": "set", "values": [{"id": None}]}, ...),
    "a set of texts": ({"type": "set", "values": [{"id": "x"}]}, ...),
    "a set without values": ({"type": "set"}, ...),
    "a text that is an object": ({"type": "varchar", "value": {"x": 1}}, ...),
    "an enum by name": ({"type": "enum", "id": "north"}, ...),
    "a type nobody knows": ({"type": "rating", "value": 5}, ...),
    "a type that is no text": ({"type": ["varchar"], "value": "x"}, ...),
    "no type": ({"value": "x"}, ...),
    "not wrapped": ("x", ...),
    "a list": ([13], ...),
}


def test_custom_fields_of_every_type_are_in_the_table() -> None:
    assert CUSTOM_TYPES.keys() <= WRAPPED.keys()


@pytest.mark.parametrize("name", WRAPPED)
def test_a_custom_field_is_unwrapped_or_left_out(name: str) -> None:
    wrapped, expected = WRAPPED[name]
    other = {"b" * 40: {"type": "double", "value": 5}}
    change = told(PERSONS, whole(PERSONS) | {"custom_fields": {CODE: wrapped, **other}})
    clear = {} if expected is ... else {CODE: expected}
    assert change.record["custom_fields"] == {**clear, "b" * 40: 5}
    assert change.exact is (expected is not ...)


def test_a_deletion_tells_of_no_attribute() -> None:
    deletion = read_event({"meta": META | {"action": "delete"}, "data": None})
    assert change_of(ORGANIZATIONS, deletion) == Change({"id": 77}, exact=False)


# Every record that the simulated Pipedrive can show


_CODES = {f"{number:040x}": kind for number, kind in enumerate(CUSTOM_TYPES)}
_PARTS = st.fixed_dictionaries({part: st.none() | TEXTS for part in ADDRESS_PARTS} | {"value": TEXTS})
_CLOCK = st.none() | st.times().map(lambda time: time.isoformat("seconds"))
_CUSTOM = {**CUSTOM_TYPES, "address": _PARTS}
_REALISTIC: Mapping[str, st.SearchStrategy[Any]] = {
    "name": TEXTS,
    "label_ids": st.lists(st.integers(1, 9), max_size=3, unique=True),
    "visible_to": st.sampled_from([None, 1, 3, 5, 7]),
    "address": st.none() | _PARTS,
    "location": st.none() | _PARTS,
    "due_time": _CLOCK,
    "duration": _CLOCK,
    "is_deleted": st.booleans(),
    "custom_fields": st.none()
    | st.fixed_dictionaries({}, optional={code: st.none() | _CUSTOM[kind] for code, kind in _CODES.items()}),
}
_SWITCHES = st.builds(
    Switches,
    address_in_events=st.sampled_from(["text", "object"]),
    zones_in_events=st.sampled_from(["name", "id"]),
    unset_clock_in_events=st.sampled_from(["null", "empty"]),
    settings_in_events=st.sampled_from(["v2", "v1"]),
)


def shown_records(entity: Entity) -> st.SearchStrategy[dict[str, Any]]:
    """Records as the simulated Pipedrive has them: every attribute it knows, in the shapes of the API."""
    attributes = SIMULATED[entity.name].attributes
    realistic = {name: values for name, values in _REALISTIC.items() if name in attributes}

    def whole_record(drawn: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
        return dict.fromkeys(attributes) | {name: drawn[name] for name in drawn if name in attributes} | own

    return st.builds(whole_record, records(entity), st.fixed_dictionaries(realistic))


def contradictions(change: Change, record: Mapping[str, Any]) -> list[str]:
    """What a change tells that is not so; of several labels the first, and of an address its text, are no lies."""
    found = []
    for name, value in change.record.items():
        own = record[name]
        if name == "custom_fields":
            found += [code for code in value if value[code] != (own or {}).get(code)]
        elif name == "label_ids" and value != own and not change.exact:
            found += [] if len(own) > 1 and value == own[:1] else [name]
        elif name == "address" and value != own and not change.exact:
            found += [] if value == {**dict.fromkeys(ADDRESS_PARTS), "value": own["value"]} else [name]
        elif value != own:
            found.append(name)
    return found


@given(st.data(), st.sampled_from([entity.name for entity in BY_EVENT.values()]), _SWITCHES)
def test_nothing_is_told_of_a_record_that_is_not_so(data: st.DataObject, name: str, switches: Switches) -> None:
    entity = BY_NAME[name]
    record = data.draw(shown_records(entity))
    first_won = data.draw(st.sampled_from([None, "2026-11-01T08:00:00Z"])) if entity is DEALS else None
    context = Context(1, "x.pipedrive.com", switches, _CODES, first_won_time=first_won)
    shape = shape_of(name, switches)
    payload = shown(shape, record, context)
    event = read_event(body(entity=entity.singular))
    change = change_of(entity, replace(event, entity_id=record["id"], data=payload, previous=payload))

    record |= {"first_won_time": first_won} if entity is DEALS else {}
    assert contradictions(change, record) == []
    # And what a payload carries as it is gets through.
    assert (entity.column_names & set(shape.carried)) - change.record.keys() <= {"location"}
    if change.exact:
        assert change.record == {column: record[column] for column in entity.column_names}


def test_only_events_of_pipelines_and_stages_tell_everything() -> None:
    def tells_everything(entity: Entity) -> bool:
        record = dict.fromkeys(SIMULATED[entity.name].attributes) | {"id": 77, "is_deleted": False}
        return told(entity, shown(shape_of(entity.name, Switches()), record, Context(1, "", Switches()))).exact

    assert {entity for entity in BY_EVENT.values() if tells_everything(entity)} == {PIPELINES, STAGES}


# Rubbish


_ODD = st.sampled_from([float("nan"), float("inf"), 2**70, -(2**63), "a\0b", "\ud800", "0001-01-01T00:00:00+05:00"])
_RUBBISH = JSON_VALUES | _ODD | st.lists(_ODD, max_size=2)
_WRAPPED_RUBBISH = st.fixed_dictionaries(
    {"type": st.sampled_from(sorted(CUSTOM_TYPES)) | _RUBBISH},
    optional=dict.fromkeys(("value", "values", "id", "from", "until", "currency", "timezone_name"), _RUBBISH),
)


@given(
    _RUBBISH
    | st.fixed_dictionaries(
        {"meta": st.fixed_dictionaries({}, optional={name: _RUBBISH | st.just(META[name]) for name in META})},
        optional={"data": _RUBBISH, "previous": _RUBBISH},
    )
)
def test_whatever_comes_is_an_event_or_malformed(rubbish: Any) -> None:
    with suppress(Malformed):
        assert isinstance(read_event(rubbish), Event)


@given(st.data(), st.sampled_from([entity.name for entity in BY_EVENT.values()]))
def test_whatever_a_payload_holds_becomes_a_row_or_is_unstorable(data: st.DataObject, name: str) -> None:
    entity = BY_NAME[name]
    names = st.sampled_from(
        sorted({*entity.column_names, "label", "country_code", "picture_id", "active_flag", "busy_flag"})
    )
    payload = data.draw(
        st.fixed_dictionaries({}, optional={"custom_fields": st.dictionaries(TEXTS, _WRAPPED_RUBBISH | _RUBBISH)})
    ) | data.draw(st.dictionaries(names | TEXTS, _RUBBISH | _WRAPPED_RUBBISH | INTEGERS.map(str), max_size=5))
    change = told(entity, payload)
    with suppress(Unstorable):
        assert to_row(entity, change.record)["id"] == 77
