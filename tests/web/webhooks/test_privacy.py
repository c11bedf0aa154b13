"""What the settings leave out or hash is in no stored byte of a delivery; the rest of it is."""

from typing import Any

import pytest
from sqlalchemy import inspect, text

from sync.store.database import Database
from sync.web.webhooks.companies import GOOD_FOR
from sync.web.webhooks.receiver import Outcome
from tests.web.conftest import Serve, counted, define, event, payloads, stored

TAX, PHONE, REGION, NEW = "a" * 40, "b" * 40, "c" * 40, "d" * 40
RULES = {
    "SYNC_PRIVACY__LEAVE_OUT": "organizations.label_ids,organizations.address,organizations.Tax number,"
    "activities.busy,activities.note,persons.phones,users.email",
    "SYNC_PRIVACY__HASH": f"organizations.owner_id,organizations.{PHONE},persons.name",
    "SYNC_PRIVACY__HASH_KEY": "pepper",
}
SECRET = "a secret value"


def wrapped(value: str) -> dict[str, str]:
    return {"type": "varchar", "value": value}


def everything(database: Database) -> str:
    """Every value of every table, as one text."""
    with database.reading() as connection:
        names = inspect(connection).get_table_names()
        return "\n".join(
            repr(tuple(row)) for name in names for row in connection.execute(text(f'SELECT * FROM "{name}"'))
        )


def organization() -> dict[str, Any]:
    custom = {TAX: wrapped(SECRET), PHONE: wrapped(SECRET), NEW: wrapped(SECRET), REGION: wrapped("north")}
    hidden = {"label": SECRET, "owner_id": SECRET, "address": {"value": SECRET}, "country_code": SECRET, TAX: SECRET}
    return {**hidden, "id": 41, "name": "shown", "custom_fields": custom}


@pytest.mark.parametrize(
    ("entity", "hiding", "showing"),
    [
        (
            "organization",
            organization(),
            {"id": 41, "name": "shown", "custom_fields": {REGION: wrapped("north")}},
        ),
        (
            "activity",
            {"busy_flag": SECRET, "note": SECRET, "active_flag": True, "subject": "shown"},
            {"active_flag": True, "subject": "shown"},
        ),
        ("person", {"phones": [{"value": SECRET}], "name": SECRET, "first_name": "x"}, {"first_name": "x"}),
        ("user", {"email": SECRET, "name": "shown", "id": "41"}, {"name": "shown", "id": "41"}),
        ("deal", {"title": "shown", "custom_fields": {NEW: None}}, {"title": "shown", "custom_fields": {NEW: None}}),
    ],
)
def test_nothing_left_out_or_hashed_is_stored_and_all_else_is(
    serve: Serve, entity: str, hiding: dict[str, Any], showing: dict[str, Any]
) -> None:
    site = serve(**RULES)
    for code, name in ((TAX, "Tax number"), (PHONE, "Phone"), (REGION, "Region")):
        define(site.database, "organization", code, name)
    change = event(entity, data=hiding, previous=hiding)
    deletion = event(entity, action="delete", previous=hiding) | {"data": None}

    assert [site.post(body).json() for body in (change, deletion)] == [{"status": "stored"}] * 2

    assert SECRET not in everything(site.database)
    told = {body["meta"]["action"]: (body["data"], body["previous"]) for body in payloads(site.database)}
    assert told == {"change": (showing, showing), "delete": (None, showing)}


def test_what_a_body_holds_besides_is_dropped_where_there_are_rules(serve: Serve) -> None:
    site = serve(**RULES)

    site.post({**event("activity", data={"subject": "shown"}), "current": {"note": SECRET}})

    assert SECRET not in everything(site.database)
    assert payloads(site.database)[0].keys() == {"meta", "data", "previous"}


def test_an_entity_left_out_is_acknowledged_and_not_stored(serve: Serve) -> None:
    site = serve(SYNC_PRIVACY__LEAVE_OUT="persons")

    with counted(Outcome.IGNORED):
        answer = site.post(event("person", data={"name": SECRET}))

    assert (answer.status_code, answer.json()) == (200, {"status": "ignored"})
    assert stored(site.database) == []


def test_who_leaves_out_persons_leaves_out_what_notes_say_of_them(serve: Serve) -> None:
    site = serve(SYNC_PRIVACY__LEAVE_OUT="persons")

    site.post(event("note", data={"content": "shown", "person": {"name": SECRET}}))

    assert payloads(site.database)[0]["data"] == {"content": "shown"}


def test_before_any_definition_was_read_no_custom_field_is_kept_where_one_may_be_meant(serve: Serve) -> None:
    site = serve(SYNC_PRIVACY__LEAVE_OUT="organizations.Tax number,organizations.website")

    site.post(event("organization", data={"website": SECRET, "name": "shown", "custom_fields": {TAX: wrapped(SECRET)}}))
    site.post(event("deal", data={"custom_fields": {TAX: wrapped("no rule on deals")}}))

    assert SECRET not in everything(site.database)
    assert {body["meta"]["entity"]: body["data"] for body in payloads(site.database)} == {
        "organization": {"name": "shown", "custom_fields": {}},
        "deal": {"custom_fields": {TAX: wrapped("no rule on deals")}},
    }


def test_a_field_that_is_defined_later_is_kept_within_a_minute(serve: Serve) -> None:
    site = serve(SYNC_PRIVACY__LEAVE_OUT="organizations.Tax number")
    define(site.database, "organization", TAX, "Tax number")
    delivery = {"custom_fields": {TAX: wrapped(SECRET), NEW: wrapped("new")}}
    site.post(event("organization", id="before", data=delivery))
    define(site.database, "organization", NEW, "New")

    site.clock.advance(GOOD_FOR)
    site.post(event("organization", id="after", data=delivery))

    kept = {body["meta"]["id"]: body["data"]["custom_fields"] for body in payloads(site.database)}
    assert kept == {"before": {}, "after": {NEW: wrapped("new")}}


def test_a_rule_that_turns_out_to_fit_nothing_keeps_everything_out(serve: Serve) -> None:
    site = serve(SYNC_PRIVACY__LEAVE_OUT="organizations.Tex number")
    define(site.database, "organization", TAX, "Tax number")

    with counted(Outcome.UNAVAILABLE):
        assert site.post(event("organization", data={"custom_fields": {TAX: wrapped(SECRET)}})).status_code == 503

    assert stored(site.database) == []
