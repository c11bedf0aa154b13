import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from sync.clock import ManualClock
from sync.sandbox import Company, generate
from sync.sandbox.access import Access
from sync.sandbox.fields import CUSTOM_TYPES
from sync.sandbox.records import ADDRESS_PARTS
from sync.sandbox.rules import Switches
from sync.sandbox.shapes import wrapped
from sync.sandbox.webhooks import Deliveries
from tests.sandbox.conftest import START

NOON = {"add_time": "2026-11-02T09:30:00Z", "update_time": "2026-11-02T09:30:00Z"}
ADDRESS = {"value": "Hauptstr. 1, Berlin", "country": "Deutschland", "locality": "Berlin"}
WHOLE_ADDRESS = {
    "value": "Hauptstr. 1, Berlin",
    "country": "Deutschland",
    "admin_area_level_1": None,
    "admin_area_level_2": None,
    "locality": "Berlin",
    "sublocality": None,
    "route": None,
    "street_number": None,
    "subpremise": None,
    "postal_code": None,
    "formatted_address": None,
}


@dataclass
class Told:
    """A company with one subscription to everything, and what was delivered to it."""

    company: Company
    deliveries: Deliveries
    bodies: list[Any]

    def all(self) -> list[Any]:
        """What was told since the last time."""
        self.deliveries.pump()
        told = list(self.bodies)
        self.bodies.clear()
        return told

    def one(self) -> Any:
        (body,) = self.all()
        return body

    def data(self) -> Any:
        return self.one()["data"]


def listen(company: Company) -> Told:
    bodies: list[Any] = []

    def receive(url: str, headers: Any, body: bytes) -> int:
        bodies.append(json.loads(body))
        return 200

    subscription = {"subscription_url": "http://127.0.0.1/", "event_action": "*", "event_object": "*", "name": "x"}
    company.create("webhooks", subscription)
    return Told(company, Deliveries(company, Access(company), receive), bodies)


@pytest.fixture
def company(clock: ManualClock) -> Company:
    """An administrator, a colleague, and one stage; nothing else."""
    company = Company(clock)
    rights = [{"app": "global", "admin": True}]
    company.create("users", {"name": "Ada", "access": rights, "email": "ada@x.example"})
    company.create("users", {"name": "Bo", "access": [{"app": "sales", "admin": False}]})
    company.create("pipelines", {"name": "Vertrieb"})
    company.create("stages", {"name": "Neu", "pipeline_id": 1})
    return company


@pytest.fixture
def told(company: Company) -> Told:
    return listen(company)


# meta


def test_meta_tells_of_the_event_in_strings_but_for_the_attempt(told: Told, clock: ManualClock) -> None:
    clock.advance(0.0427)
    told.company.create("organizations", {"id": 77, "name": "Nord"}, user_id=2, source="api")
    meta = told.one()["meta"]
    assert meta.pop("id") != meta.pop("correlation_id")
    assert meta == {
        "action": "create",
        "entity": "organization",
        "entity_id": "77",
        "company_id": "7654321",
        "timestamp": "2026-11-02T09:30:00.042Z",
        "user_id": "2",
        "webhook_id": "1",
        "webhook_owner_id": "1",
        "type": "general",
        "change_source": "api",
        "is_bulk_edit": False,
        "attempt": 1,
        "host": "nordlicht-sandbox.pipedrive.com",
        "permitted_user_ids": ["1", "2"],
        "version": "2.0",
    }


def test_every_event_has_a_uuid_of_its_own_and_a_replay_has_the_same() -> None:
    def ids() -> list[str]:
        told = listen(Company(ManualClock(START)))
        for name in ("a", "b", "c"):
            told.company.create("organizations", {"name": name})
        return [body["meta"]["id"] for body in told.all()]

    first = ids()
    assert len(set(first)) == 3
    assert [str(UUID(one)) for one in first] == first
    assert ids() == first


def test_two_subscriptions_hear_of_one_event_under_one_id(told: Told) -> None:
    told.company.create("webhooks", {"event_action": "*", "event_object": "organization"}, user_id=2)
    told.company.create("organizations", {"name": "Nord"})
    first, second = told.all()
    assert first["meta"]["id"] == second["meta"]["id"]
    assert [body["meta"]["webhook_id"] for body in (first, second)] == ["1", "2"]
    assert [body["meta"]["webhook_owner_id"] for body in (first, second)] == ["1", "2"]


def test_events_of_one_second_keep_their_order_in_milliseconds(told: Told, clock: ManualClock) -> None:
    def edit(seconds: float) -> str:
        clock.advance(seconds)
        told.company.update("pipelines", 1, {"name": str(seconds)})
        return told.one()["meta"]["timestamp"].removeprefix("2026-11-02T09:")

    start = edit(0.5)
    assert [start, edit(0), edit(0), edit(0.001), edit(0.25)] == [
        "30:00.500Z",
        "30:00.501Z",
        "30:00.502Z",
        "30:00.503Z",
        "30:00.751Z",
    ]


def test_the_time_of_an_event_follows_a_clock_that_is_turned_back(told: Told) -> None:
    told.company.skew = 60
    told.company.update("pipelines", 1, {"name": "a"})
    told.company.skew = -60
    told.company.update("pipelines", 1, {"name": "b"})
    times = [body["meta"]["timestamp"] for body in told.all()]
    assert times == ["2026-11-02T09:31:00.000Z", "2026-11-02T09:29:00.000Z"]


def test_a_record_that_is_not_for_everyone_names_who_may_see_it(told: Told) -> None:
    told.company.create("users", {"name": "Gone", "active_flag": False})
    told.all()
    told.company.create("deals", {"title": "x", "visible_to": 1, "owner_id": 1})
    assert told.one()["meta"]["permitted_user_ids"] == ["1"]


def test_a_user_event_has_strings_for_ids_seconds_for_its_time_and_an_id_that_is_not_unique(
    told: Told, clock: ManualClock
) -> None:
    clock.advance(1.75)
    told.company.update("users", 2, {"name": "Bodo"})
    told.company.update("users", 2, {"name": "Bo"})
    first, second = told.all()
    assert first["meta"]["timestamp"] == second["meta"]["timestamp"] == 1793611801
    assert first["meta"]["id"] == second["meta"]["id"] == first["meta"]["entity_id"] == "2"
    assert "permitted_user_ids" not in first["meta"]
    assert first["previous"] == {"name": "Bo"}
    assert first["data"] == {
        "id": "2",
        "name": "Bodo",
        "default_currency": "EUR",
        "email": None,
        "phone": None,
        "locale": "de_DE",
        "lang": 1,
        "active_flag": True,
        "last_login": "2026-11-02 09:30:00",
        "timezone_name": "Europe/Berlin",
        "icon_url": None,
        "created": "2026-11-02 09:30:00",
        "modified": "2026-11-02 09:30:00",
    }


def test_a_merge_is_two_events_that_name_each_other_in_strings(told: Told) -> None:
    told.company.create("organizations", {"id": 5, "name": "five"})
    told.company.create("organizations", {"id": 6, "name": "six", "owner_id": 2})
    told.company.create("deals", {"title": "x", "org_id": 5})
    told.all()
    told.company.merge_organizations(5, 6)
    deletion, change = told.all()
    assert (deletion["meta"]["action"], deletion["meta"]["entity_id"], deletion["data"]) == ("delete", "5", None)
    assert deletion["meta"]["merged_to_id"] == "6"
    assert "merged_from_id" not in deletion["meta"]
    assert (change["meta"]["action"], change["meta"]["entity_id"], change["data"]["name"]) == ("change", "6", "six")
    assert change["meta"]["merged_from_id"] == "5"
    assert "merged_to_id" not in change["meta"]


# data and previous


def test_a_created_record_has_no_previous_and_a_deleted_one_no_data(told: Told) -> None:
    told.company.create("organizations", {"name": "Nord"})
    created = told.one()
    told.company.delete("organizations", 1)
    deleted = told.one()
    assert (created["previous"], deleted["data"]) == (None, None)
    assert deleted["previous"] == created["data"]
    assert [body["meta"]["action"] for body in (created, deleted)] == ["create", "delete"]


def test_previous_holds_the_old_values_of_what_changed_and_nothing_else(told: Told, clock: ManualClock) -> None:
    told.company.create("organizations", {"name": "Nord", "address": ADDRESS, "label_ids": [3, 4]})
    told.all()
    clock.advance(5)
    told.company.update("organizations", 1, {"name": "Süd", "address": None, "visible_to": 7, "label_ids": []})
    body = told.one()
    assert body["previous"] == {"name": "Nord", "address": "Hauptstr. 1, Berlin", "visible_to": "3", "label": 3}
    assert body["data"].items() >= {"name": "Süd", "address": None, "visible_to": "7", "label": None}.items()
    assert body["data"]["update_time"] == "2026-11-02T09:30:05Z"


def test_previous_holds_of_the_custom_fields_only_those_that_changed(told: Told) -> None:
    fields = told.company.fields
    text, same, never = (fields.add("deals", name, "varchar")["field_code"] for name in ("a", "b", "c"))
    told.company.create("deals", {"title": "x", "custom_fields": {text: "old", same: "same"}})
    told.all()
    told.company.update("deals", 1, {"custom_fields": {text: "new"}})
    body = told.one()
    assert body["previous"] == {"custom_fields": {text: {"type": "varchar", "value": "old"}}}
    assert body["data"]["custom_fields"] == {
        text: {"type": "varchar", "value": "new"},
        same: {"type": "varchar", "value": "same"},
        never: None,
    }
    told.company.update("deals", 1, {"custom_fields": {text: None, never: "first"}})
    assert told.one()["previous"] == {"custom_fields": {text: {"type": "varchar", "value": "new"}, never: None}}


@pytest.mark.parametrize("entity", ["organizations", "deals", "persons"])
def test_every_custom_field_comes_also_where_the_api_shows_none_at_all(told: Told, entity: str) -> None:
    code = told.company.fields.add(entity, "Region", "enum", ["Nord"])["field_code"]
    told.company.create(entity, {"name": "x", "title": "x", "custom_fields": None})
    assert told.data()["custom_fields"] == {code: None}


def test_previous_tells_the_bookkeeping_of_a_record_only_where_switched_on(told: Told, clock: ManualClock) -> None:
    told.company.create("stages", {"name": "Zwei", "pipeline_id": 1})
    told.company.create("deals", {"title": "x"})
    told.all()
    clock.advance(5)
    told.company.update("deals", 1, {"stage_id": 2})
    told.company.switches.previous_tells_bookkeeping = True
    told.company.update("deals", 1, {"stage_id": 1})
    first, second = told.all()
    assert first["previous"] == {"stage_id": 1}
    assert first["data"]["stage_change_time"] == "2026-11-02T09:30:05Z"
    clock.advance(1)
    told.company.update("deals", 1, {"stage_id": 2})
    times = {"update_time": "2026-11-02T09:30:05Z", "stage_change_time": "2026-11-02T09:30:05Z"}
    assert (second["previous"], told.one()["previous"]) == ({"stage_id": 2}, {"stage_id": 1} | times)


@pytest.mark.parametrize(
    ("entity", "values"),
    [
        ("organizations", {"website": "https://x.example", "linkedin": "x", "industry": 1, "employee_count": 5}),
        ("persons", {"job_title": "Chefin", "notes": "x", "birthday": "1990-01-01", "im": [], "postal_address": None}),
        ("activities", {"note": "x", "priority": 1}),
        ("notes", {}),
        ("stages", {}),
    ],
)
def test_a_change_of_what_no_payload_shows_is_told_without_saying_what_changed(
    told: Told, clock: ManualClock, entity: str, values: dict[str, Any]
) -> None:
    if entity != "stages":
        told.company.create(entity, {"name": "x", "subject": "x", "content": "x"})
    told.all()
    clock.advance(1)
    told.company.update(entity, 1, values)
    body = told.one()
    assert body["previous"].keys() <= {"update_time"}
    assert not body["data"].keys() & values.keys()
    told.company.switches.unchanged_update_sends = False
    told.company.update(entity, 1, values)
    assert told.all() == []


def test_without_unchanged_updates_a_merge_and_a_visible_change_are_still_told(told: Told) -> None:
    told.company.switches.unchanged_update_sends = False
    told.company.create("organizations", {"name": "x"})
    told.company.create("organizations", {"name": "y", "owner_id": 1})
    told.all()
    told.company.merge_organizations(1, 2)
    told.company.update("organizations", 2, {"name": "z"})
    assert [body["meta"]["action"] for body in told.all()] == ["delete", "change", "change"]


# Custom fields

WRAPPINGS: dict[str, tuple[Any, Any]] = {
    "varchar": ("x", {"type": "varchar", "value": "x"}),
    "varchar_auto": ("x", {"type": "varchar_auto", "value": "x"}),
    "text": ("", {"type": "text", "value": ""}),
    "double": (0, {"type": "double", "value": 0}),
    "phone": ("+49 30 1", {"type": "phone", "value": "+49 30 1"}),
    "date": ("2024-01-01", {"type": "date", "value": "2024-01-01"}),
    "enum": (17, {"type": "enum", "id": 17}),
    "set": ([13, 14], {"type": "set", "values": [{"id": 13}, {"id": 14}]}),
    "user": (1, {"type": "user", "id": 1}),
    "org": (2, {"type": "org", "id": 2}),
    "people": (3, {"type": "people", "id": 3}),
    "monetary": ({"value": 5.5, "currency": "EUR"}, {"type": "monetary", "value": 5.5, "currency": "EUR"}),
    "daterange": (
        {"value": "2024-01-01", "until": "2024-12-31"},
        {"type": "daterange", "from": "2024-01-01", "until": "2024-12-31"},
    ),
    "timerange": (
        {"value": "08:00:00", "until": "17:00:00"},
        {"type": "timerange", "from": "08:00:00", "until": "17:00:00"},
    ),
    "time": (
        {"value": "09:00:00", "timezone_name": "Europe/Berlin"},
        {"type": "time", "value": "09:00:00", "timezone_name": "Europe/Berlin"},
    ),
    "address": (ADDRESS, WHOLE_ADDRESS | {"type": "address"}),
}


def test_the_expectations_cover_every_type_of_custom_field() -> None:
    assert set(WRAPPINGS) == set(CUSTOM_TYPES)
    assert set(WHOLE_ADDRESS) == set(ADDRESS_PARTS)


@pytest.mark.parametrize("kind", WRAPPINGS)
def test_a_custom_value_is_wrapped_by_its_type_and_an_unset_one_is_null(kind: str) -> None:
    value, expected = WRAPPINGS[kind]
    assert wrapped(kind, value, Switches()) == expected
    assert wrapped(kind, None, Switches()) is None


def test_time_zones_of_custom_times_can_be_numbers_that_only_pipedrive_can_read() -> None:
    switches = Switches(zones_in_events="id")
    time = wrapped("time", {"value": "09:00:00", "timezone_name": "Europe/Berlin"}, switches)
    assert time is not None
    assert isinstance(time.pop("timezone_id"), int)
    assert time == {"type": "time", "value": "09:00:00"}
    assert wrapped("timerange", {"value": "08:00:00"}, switches) == {
        "type": "timerange",
        "from": "08:00:00",
        "until": None,
        "timezone_id": None,
    }


# Each entity, whole


def test_an_organization_carries_one_label_and_no_parts_of_its_address(told: Told) -> None:
    values = {"name": "Nord", "label_ids": [9, 8], "address": ADDRESS, "website": "https://x.example"}
    told.company.create("organizations", values)
    assert told.data() == NOON | {
        "id": 1,
        "name": "Nord",
        "owner_id": 1,
        "visible_to": "3",
        "label": 9,
        "address": "Hauptstr. 1, Berlin",
        "country_code": None,
        "picture_id": None,
        "custom_fields": {},
    }


def test_an_organizations_address_comes_with_its_parts_where_switched_so(told: Told) -> None:
    told.company.switches.address_in_events = "object"
    told.company.create("organizations", {"name": "Nord", "address": ADDRESS})
    told.company.create("organizations", {"name": "Süd"})
    first, second = told.all()
    assert (first["data"]["address"], second["data"]["address"]) == (WHOLE_ADDRESS, None)
    assert (first["data"]["label"], second["data"]["label"]) == (None, None)


def test_a_created_deal_has_no_update_time_and_no_is_deleted(told: Told) -> None:
    values = {"title": "Lampen", "value": 9.5, "label_ids": [1], "org_id": None, "origin": "API", "arr": 1, "mrr": 1}
    told.company.create("deals", values)
    assert told.data() == {
        "id": 1,
        "title": "Lampen",
        "owner_id": 1,
        "creator_user_id": 1,
        "person_id": None,
        "org_id": None,
        "pipeline_id": 1,
        "stage_id": 1,
        "value": 9.5,
        "currency": "EUR",
        "status": "open",
        "probability": None,
        "expected_close_date": None,
        "lost_reason": None,
        "label_ids": [1],
        "visible_to": "3",
        "add_time": "2026-11-02T09:30:00Z",
        "update_time": None,
        "stage_change_time": None,
        "won_time": None,
        "lost_time": None,
        "close_time": None,
        "first_won_time": None,
        "is_archived": False,
        "archive_time": None,
        "custom_fields": {},
    }


def test_a_deal_keeps_its_first_won_time_and_tells_that_it_is_archived(told: Told, clock: ManualClock) -> None:
    told.company.create("deals", {"title": "x"})
    told.company.win_deal(1)
    clock.advance(60)
    told.company.reopen_deal(1)
    told.company.archive_deal(1)
    _, won, opened, archived = told.all()
    assert won["previous"] == {"status": "open", "won_time": None, "close_time": None}
    assert won["data"]["first_won_time"] == opened["data"]["first_won_time"] == "2026-11-02T09:30:00Z"
    assert opened["data"]["won_time"] is None
    assert archived["previous"] == {"is_archived": False, "archive_time": None}
    assert archived["data"].items() >= {"is_archived": True, "archive_time": "2026-11-02T09:31:00Z"}.items()


def test_a_person_carries_all_its_labels(told: Told) -> None:
    emails = [{"value": "ada@x.example", "primary": True, "label": "work"}]
    values = {"name": "Ada Lovelace", "emails": emails, "label_ids": [1, 2], "job_title": "x", "notes": "x"}
    told.company.create("persons", values)
    assert told.data() == NOON | {
        "id": 1,
        "name": "Ada Lovelace",
        "first_name": "Ada",
        "last_name": "Lovelace",
        "owner_id": 1,
        "org_id": None,
        "emails": emails,
        "phones": [],
        "label_ids": [1, 2],
        "visible_to": "3",
        "custom_fields": {},
    }


def test_an_activity_has_flags_and_times_of_its_own_kind(told: Told) -> None:
    participants = [{"person_id": 4, "primary": True}]
    values = {"subject": "Anruf", "due_date": "2026-11-03", "due_time": "09:05:00", "participants": participants}
    told.company.create("activities", values | {"busy": True, "note": "x"})
    assert told.data() == NOON | {
        "id": 1,
        "subject": "Anruf",
        "type": "call",
        "owner_id": 1,
        "deal_id": None,
        "lead_id": None,
        "person_id": 4,
        "org_id": None,
        "due_date": "2026-11-03",
        "due_time": {"value": "09:05:00", "timezone_id": "Etc/UTC"},
        "duration": None,
        "done": False,
        "active_flag": True,
        "busy_flag": True,
        "location": None,
        "public_description": None,
    }
    told.company.switches.unset_clock_in_events = "empty"
    told.company.update("activities", 1, {"due_time": None})
    body = told.one()
    assert body["data"]["due_time"] == body["data"]["duration"] == {"value": "", "timezone_id": None}
    assert body["previous"]["due_time"] == {"value": "09:05:00", "timezone_id": "Etc/UTC"}


def test_a_restored_activity_is_told_as_a_change_of_its_flag(told: Told) -> None:
    told.company.create("activities", {"subject": "x"})
    told.company.delete("activities", 1)
    told.all()
    told.company.restore("activities", 1)
    body = told.one()
    assert (body["previous"], body["data"]["active_flag"]) == ({"active_flag": False}, True)


def test_a_note_is_the_record_of_v1_with_the_times_of_v2(told: Told, clock: ManualClock) -> None:
    told.company.create("notes", {"content": "<p>x</p>", "org_id": 1, "pinned_to_organization_flag": True})
    created = told.data()
    assert created == NOON | {
        "id": 1,
        "user_id": 1,
        "deal_id": None,
        "person_id": None,
        "org_id": 1,
        "lead_id": None,
        "project_id": None,
        "content": "<p>x</p>",
        "active_flag": True,
        "pinned_to_deal_flag": False,
        "pinned_to_person_flag": False,
        "pinned_to_organization_flag": True,
    }
    clock.advance(3)
    told.company.update("notes", 1, {"content": "y"})
    body = told.one()
    assert body["previous"] == {"content": "<p>x</p>", "update_time": "2026-11-02T09:30:00Z"}
    assert body["data"] == created | {"content": "y", "update_time": "2026-11-02T09:30:03Z"}


@pytest.mark.parametrize("names", ["v2", "v1"])
def test_pipelines_and_stages_come_by_the_names_of_one_api_version(told: Told, names: Any) -> None:
    told.company.switches.settings_in_events = names
    told.company.create("pipelines", {"name": "Vertrieb Süd", "is_deal_probability_enabled": True})
    told.company.create("stages", {"name": "Neu", "pipeline_id": 2, "is_deal_rot_enabled": True, "days_to_rotten": 9})
    pipeline, stage = (body["data"] for body in told.all())
    assert pipeline == NOON | {"id": 2, "name": "Vertrieb Süd", "order_nr": 2} | (
        {"is_deleted": False, "is_deal_probability_enabled": True}
        if names == "v2"
        else {"url_title": "Vertrieb-Süd", "active_flag": True, "deal_probability": True}
    )
    assert stage == NOON | {"id": 2, "name": "Neu", "order_nr": 2, "deal_probability": 100, "pipeline_id": 2} | (
        {"is_deleted": False, "is_deal_rot_enabled": True, "days_to_rotten": 9}
        if names == "v2"
        else {"active_flag": True, "rotten_flag": True, "rotten_days": 9}
    )


@pytest.mark.parametrize("entity", ["files", "currencies", "activity_types", "webhooks"])
def test_other_entities_send_no_events(told: Told, entity: str) -> None:
    record = told.company.create(entity, {"name": "x"})
    told.company.update(entity, record["id"], {"name": "y"})
    told.company.delete(entity, record["id"])
    assert told.all() == []


def test_what_the_writer_does_with_the_record_afterwards_does_not_reach_the_payload(told: Told) -> None:
    record = told.company.create("persons", {"name": "x", "label_ids": [1]})
    record["label_ids"].append(2)
    assert told.data()["label_ids"] == [1]


def test_every_record_of_a_generated_company_has_a_payload(clock: ManualClock) -> None:
    company = generate(1, clock=clock, organizations=20)
    told = listen(company)
    count = 0
    for entity in ("organizations", "deals", "persons", "activities", "notes", "pipelines", "stages", "users"):
        for record in company.all(entity):
            company.update(entity, record["id"], {})
            count += 1
    assert len(told.all()) == count > 400
