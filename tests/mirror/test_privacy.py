"""What the settings leave out or hash is nowhere in the database; a name that fits nothing stops the run."""

import hashlib
import hmac
from typing import Any

import pytest
from sqlalchemy import inspect, select, text

from sync.clock import ManualClock
from sync.mirror.company import Mirror
from sync.mirror.cycle import run_cycle
from sync.mirror.privacy import Definition, resolve_privacy
from sync.pipedrive.entities import ACTIVITIES, ORGANIZATIONS, PERSONS
from sync.sandbox import Sandbox
from sync.settings import Privacy, SettingsError
from sync.store.database import Database
from sync.store.schema import TABLES, metadata
from tests.mirror.conftest import OpenMirror, fill
from tests.truth import built_accounts, expected_accounts

CODE, OTHER = "a" * 40, "b" * 40
DEFINED = {
    "organizations": {
        "name": Definition("Name", False),
        "people_count": Definition("People", False),
        CODE: Definition("Tax number", True),
        OTHER: Definition("Region", True),
    },
    "persons": {},
}


def everything(mirror: Mirror) -> str:
    """Every value of every table, as one text."""
    with mirror.database.reading() as connection:
        names = inspect(connection).get_table_names()
        return "\n".join(
            repr(tuple(row)) for name in names for row in connection.execute(text(f'SELECT * FROM "{name}"'))
        )


def rules(**settings: Any) -> Any:
    return resolve_privacy(Privacy.model_validate(settings), DEFINED)


def secrets_of(sandbox: Sandbox, entity: str, attribute: str) -> list[str]:
    """Values of an attribute, or of a custom field, that can be searched for."""
    found = []
    for record in sandbox.company.all(entity, deleted=True):
        value = record.get(attribute) or (record.get("custom_fields") or {}).get(attribute)
        for one in value if isinstance(value, list) else [value]:
            said = one.get("value") if isinstance(one, dict) else one
            if isinstance(said, str) and len(said) > 6:
                found.append(said)
    return found


def test_what_is_left_out_or_hashed_is_nowhere_in_the_database(
    open_here: OpenMirror, sandbox: Sandbox, clock: ManualClock
) -> None:
    company = sandbox.company
    tax = company.fields.add("organizations", "Steuernummer", "varchar")["field_code"]
    phone = company.fields.add("organizations", "Notruf", "phone")["field_code"]
    for one in range(1, 6):
        custom = {tax: f"DE-secret-{one}", phone: f"+49-secret-{one}"}
        company.update("organizations", one, {"custom_fields": custom, "website": f"https://secret{one}.example"})
    company.create("organizations", {"name": "a\0b", "custom_fields": {tax: "DE-secret-rejected"}})
    company.create("notes", {"content": "a secret note", "org_id": 1})
    company.create("activities", {"subject": "a secret subject", "org_id": 1})
    sought = secrets_of(sandbox, "persons", "phones"), secrets_of(sandbox, "persons", "emails")
    assert all(sought)
    mirror = fill(
        open_here(
            SYNC_PRIVACY__LEAVE_OUT=f"notes,activities.subject,persons.phones,organizations.steuernummer,"
            f"organizations.{phone},organizations.website",
            SYNC_PRIVACY__HASH="persons.emails",
            SYNC_PRIVACY__HASH_KEY="pepper",
        )
    )
    company.update("organizations", 1, {"custom_fields": {tax: "DE-secret-again"}})
    clock.advance(300)
    run_cycle(mirror, whole_sweep=True)
    stored = everything(mirror)
    assert "a\\\\u0000b" in stored  # the rejected record is there, without what must not be
    for values in sought:
        assert not [value for value in values if value in stored]
    assert "secret" not in stored
    assert "hmac-sha256:" in stored


def test_a_hash_is_keyed_and_the_same_for_the_same_value() -> None:
    privacy = rules(hash=["persons.emails"], hash_key="pepper")
    record = {"id": 1, "emails": [{"value": "a@b.c", "primary": True}]}
    shown = privacy.apply(PERSONS, record)
    expected = hmac.new(b"pepper", b'[{"primary":true,"value":"a@b.c"}]', hashlib.sha256).hexdigest()
    assert shown == {"id": 1, "emails": f"hmac-sha256:{expected}"}
    other = rules(hash=["persons.emails"], hash_key="salt").apply(PERSONS, record)
    assert other["emails"] != shown["emails"]
    assert privacy.apply(PERSONS, {"id": 1, "emails": None}) == {"id": 1, "emails": None}
    assert privacy.apply(PERSONS, {"id": 1, "emails": "\ud800"})["emails"].startswith("hmac-sha256:")
    assert privacy.apply(PERSONS, {"id": 1, "emails": 2**70})["emails"].startswith("hmac-sha256:")


@pytest.mark.parametrize("name", ["organizations.Tax number", "organizations.TAX NUMBER", f"organizations.{CODE}"])
def test_a_custom_field_is_known_by_its_name_and_by_its_code(name: str) -> None:
    record = {"id": 1, "custom_fields": {CODE: "DE1", OTHER: "north"}}
    assert rules(leave_out=[name]).apply(ORGANIZATIONS, record)["custom_fields"] == {OTHER: "north"}
    hashed = rules(hash=[name], hash_key="pepper").apply(ORGANIZATIONS, record)["custom_fields"]
    assert hashed[CODE].startswith("hmac-sha256:")
    assert hashed[OTHER] == "north"


def test_a_custom_field_of_unknown_code_is_dropped_where_there_are_rules() -> None:
    record = {"id": 1, "custom_fields": {"c" * 40: "new", OTHER: "north"}}
    assert rules(leave_out=["organizations.website"]).apply(ORGANIZATIONS, record)["custom_fields"] == {OTHER: "north"}
    assert rules().apply(ORGANIZATIONS, record) == record


def test_custom_fields_in_a_shape_of_their_own_are_dropped_where_there_are_rules() -> None:
    shown = rules(leave_out=["organizations.Tax number"]).apply(
        ORGANIZATIONS, {"id": 1, "custom_fields": [CODE, "DE1"]}
    )
    assert "DE1" not in str(shown)


def test_what_is_left_out_is_null_so_that_what_was_stored_before_goes() -> None:
    assert rules(leave_out=["organizations.website"]).apply(ORGANIZATIONS, {"id": 1, "website": "x"}) == {
        "id": 1,
        "website": None,
    }


def test_leaving_out_wins_over_hashing() -> None:
    privacy = rules(leave_out=["organizations.Region"], hash=["organizations.Region"], hash_key="pepper")
    assert privacy.apply(ORGANIZATIONS, {"custom_fields": {OTHER: "north"}}) == {"custom_fields": {}}


def test_every_name_that_fits_nothing_is_named_at_once() -> None:
    names = [
        "deals",
        "custommers",
        "organizations.Tex number",
        "people.name",
        "organizations.name",
        "organizations.People",
    ]
    with pytest.raises(SettingsError) as caught:
        rules(leave_out=names, hash=["persons.mails"], hash_key="pepper")
    assert caught.value.exit_code == 2
    for name in (*names[:1], "custommers", "Tex number", "people", "organizations.name", "People", "persons.mails"):
        assert name in str(caught.value)


def webhook(data: Any, previous: Any = None) -> dict[str, Any]:
    return {"meta": {"id": "1"}, "data": data, "previous": previous}


def test_a_webhook_loses_what_is_left_out_or_hashed_under_the_names_that_payloads_have_for_it() -> None:
    privacy = rules(
        leave_out=["organizations.label_ids", "organizations.Tax number", "activities.busy"],
        hash=["organizations.address"],
        hash_key="pepper",
    )
    wrapped = {"type": "varchar", "value": "x"}
    told = {"label": 1, "address": "here", "country_code": "DE", "name": "n", CODE: wrapped}
    custom = {CODE: wrapped, OTHER: None, "c" * 40: wrapped}

    shown = privacy.strip(ORGANIZATIONS, webhook({**told, "custom_fields": custom}, {"label": 2, "visible_to": "3"}))

    assert shown == webhook({"name": "n", "custom_fields": {OTHER: None}}, {"visible_to": "3"})
    busy = webhook({"busy_flag": True, "active_flag": True})
    assert privacy.strip(ACTIVITIES, busy) == webhook({"active_flag": True})


def test_a_webhook_of_an_entity_without_rules_is_the_very_same() -> None:
    body = webhook({"name": "n", "custom_fields": {CODE: None}})
    assert rules(leave_out=["persons.phones"]).strip(ORGANIZATIONS, body) is body


@pytest.mark.parametrize("data", [None, {}])
def test_a_webhook_that_tells_nothing_of_the_record_has_nothing_to_lose(data: Any) -> None:
    assert rules(leave_out=["persons.phones"]).strip(PERSONS, webhook(data)) == webhook(data)


def test_custom_fields_of_a_webhook_in_a_shape_of_their_own_are_dropped_where_there_are_rules() -> None:
    privacy = rules(leave_out=["organizations.Tax number"])
    assert privacy.strip(ORGANIZATIONS, webhook({"custom_fields": [CODE, "DE1"]})) == webhook({})


def test_where_definitions_may_be_missing_a_name_that_may_be_one_of_theirs_drops_every_custom_field() -> None:
    settings = Privacy.model_validate({"leave_out": ["persons.Tax number", "persons.phones", "organizations.Region"]})
    privacy = resolve_privacy(settings, DEFINED, complete=False)

    told = {"phones": [], "name": "n", "custom_fields": {CODE: None, OTHER: None}}
    assert privacy.strip(PERSONS, webhook(told)) == webhook({"name": "n", "custom_fields": {}})
    assert privacy.strip(ORGANIZATIONS, webhook(told))["data"]["custom_fields"] == {CODE: None}


@pytest.mark.parametrize("name", ["organizations.Tex number", "notes.contents", "people.name", "deals"])
def test_where_definitions_may_be_missing_a_name_that_fits_nothing_for_sure_is_a_mistake(name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        resolve_privacy(Privacy.model_validate({"leave_out": [name]}), DEFINED, complete=False)


def test_a_setting_that_fits_nothing_stops_before_any_record_is_read(open_here: OpenMirror, sandbox: Sandbox) -> None:
    with pytest.raises(SettingsError, match=r"organizations\.Nonsense"):
        fill(open_here(SYNC_PRIVACY__LEAVE_OUT="organizations.Nonsense,persons.Nonsense"))
    assert not [call for call in sandbox.calls if call.path.endswith(("/organizations", "/persons", "/deals"))]


def test_an_entity_left_out_later_is_removed_with_what_accounts_took_from_it_and_copied_when_wanted_again(
    open_here: OpenMirror, sandbox: Sandbox, database: Database
) -> None:
    fill(open_here())
    before = built_accounts(database)

    run_cycle(open_here(SYNC_PRIVACY__LEAVE_OUT="activities"))
    with database.reading() as connection:
        assert connection.execute(select(TABLES["activities"])).all() == []
    without = built_accounts(database)
    assert without.keys() == before.keys()
    assert {account["next_activity_id"] for account in without.values()} == {None}

    fill(open_here())
    assert built_accounts(database) == before == expected_accounts(sandbox.company)


def test_who_leaves_out_persons_leaves_out_their_names_on_notes_and_files(
    open_here: OpenMirror, sandbox: Sandbox, database: Database
) -> None:
    person = sandbox.company.create("persons", {"name": "Nobody Else's Name"})
    sandbox.company.create("notes", {"content": "x", "person_id": person["id"]})
    sandbox.company.add_file("x.txt", b"x", person_id=person["id"])

    fill(open_here(SYNC_PRIVACY__LEAVE_OUT="persons"))

    with database.reading() as connection:
        for table in metadata.sorted_tables:
            assert "Nobody Else" not in str(connection.execute(select(table)).all()), table.name
