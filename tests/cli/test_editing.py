"""Changing accounts from a terminal: what is noted, what is refused and why, and what reaches Pipedrive with `sync`."""

import json
from typing import Any

import pytest

from sync.sandbox import Company
from sync.store.lock import sole_instance
from tests.cli.conftest import Program, won


@pytest.fixture
def acme(program: Program, company: Company) -> int:
    """An account in a filled database."""
    organization = won(company, "Acme", (100, "EUR"), address={"value": "Bonn 1", "locality": "Bonn"})
    program.fill()
    return organization


def there(company: Company, organization: int) -> dict[str, Any]:
    return company.get("organizations", organization)


def test_what_is_set_reaches_the_organization_with_the_next_sync(program: Program, company: Company, acme: int) -> None:
    said = program.run("accounts", "set", "acme", "name=Acme & Co", "Kundennummer=K-17").out
    assert "Changed 2 fields of account" in said
    assert program.json("sync")["written"]["sent"] == 2
    assert there(company, acme)["name"] == "Acme & Co"
    changes = program.json("accounts", "show", str(acme))["changes"]
    assert {one["field"] for one in changes} >= {"name"}
    assert all("command line" in one["changed_by"] for one in changes if one["side"] == "account")


def test_what_it_held_already_is_no_change(program: Program, acme: int) -> None:
    assert program.json("accounts", "set", str(acme), "name=Acme") == {"organization_id": acme, "changed": {}}


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("won_value=5", "computed"),
        ("nothing=5", "no field"),
        ("name", "FIELD=VALUE"),
        ("name=", "empty"),
        ("Kunde seit=soon", "date"),
        ("Produkte=Nichts", "Basis"),
        ("Region=Nord", "Say which: Region ["),
        ("owner_id=Nobody", "users fit"),
    ],
)
def test_what_can_not_be_set_is_refused_with_the_reason(
    program: Program, acme: int, assignment: str, words: str
) -> None:
    said = program.run("accounts", "set", str(acme), "visible_to=5", assignment, code=1).err
    assert words in said
    assert len(said.splitlines()) == 1
    assert program.json("accounts", "show", str(acme))["edits"] == []


def test_an_owner_can_be_named(program: Program, company: Company, acme: int) -> None:
    user = company.get("users", 2)
    program.run("accounts", "set", str(acme), f"owner_id={user['name']}")
    program.run("sync")
    assert there(company, acme)["owner_id"] == 2


def test_whoever_sets_an_address_is_told_that_its_parts_go(program: Program, company: Company, acme: int) -> None:
    assert "its parts" in program.run("accounts", "set", str(acme), "address=Köln 2").err
    program.run("sync")
    address = there(company, acme)["address"]
    assert (address["value"], address["locality"]) == ("Köln 2", None)


def test_editing_works_beside_whoever_is_active(program: Program, acme: int) -> None:
    with sole_instance(program.database):
        program.run("accounts", "set", str(acme), "name=Beside")
        program.run("pause")
        program.run("resume")
        program.run("accounts", "approve")
        program.run("conflicts", "list")


def test_a_dry_run_shows_what_would_be_written_and_tells_by_its_code(
    program: Program, company: Company, acme: int
) -> None:
    assert "Nothing is to be written" in program.run("sync", "--dry-run").out
    program.run("accounts", "set", str(acme), "name=Renamed")
    shown = program.run("sync", "--dry-run", code=1).out
    assert "- Acme" in shown
    assert "+ Renamed" in shown
    (planned,) = program.json("sync", "--dry-run", code=1)["accounts"]
    assert (planned["organization_id"], planned["body"]) == (acme, {"name": "Renamed"})
    assert there(company, acme)["name"] == "Acme"


def test_switched_off_edits_wait_and_sync_is_well(program: Program, company: Company, acme: int) -> None:
    said = program.run("accounts", "set", str(acme), "name=Renamed", WRITE_BACK="off").out
    assert "switched off" in said
    program.run("sync", WRITE_BACK="off")
    assert there(company, acme)["name"] == "Acme"
    assert program.json("status", WRITE_BACK="off")["write_back"]["waiting_fields"] == 1


def test_paused_is_shown_and_resumed(program: Program, company: Company, acme: int) -> None:
    program.run("pause")
    program.run("accounts", "set", str(acme), "name=Renamed")
    program.run("sync")
    assert there(company, acme)["name"] == "Acme"
    assert "paused" in program.run("status").out
    program.run("resume")
    program.run("sync")
    assert there(company, acme)["name"] == "Renamed"


def test_one_account_can_be_switched_off_and_on(program: Program, company: Company, acme: int) -> None:
    program.run("accounts", "switch", str(acme), "off")
    program.run("accounts", "set", str(acme), "name=Renamed")
    program.run("sync")
    assert there(company, acme)["name"] == "Acme"
    program.run("accounts", "switch", str(acme), "on")
    program.run("sync")
    assert there(company, acme)["name"] == "Renamed"


def test_many_edits_wait_for_approval_with_an_exit_code_of_their_own(
    program: Program, company: Company, acme: int
) -> None:
    other = won(company, "Other", (5, "EUR"))
    program.run("sync")
    for one in (acme, other):
        program.run("accounts", "set", str(one), "visible_to=5")
    said = program.run("sync", code=5, SYNC_WRITE_BACK__MAX_ACCOUNTS="1").err
    assert "accounts approve" in said
    program.run("accounts", "approve")
    program.run("sync", SYNC_WRITE_BACK__MAX_ACCOUNTS="1")
    assert [there(company, one)["visible_to"] for one in (acme, other)] == [5, 5]


def test_what_pipedrive_does_not_take_is_listed_and_can_be_tried_again(
    program: Program, company: Company, sandbox: Any, acme: int
) -> None:
    sandbox.faults.fail(status=400, message="Not today", method="PATCH")
    program.run("accounts", "set", str(acme), "name=Renamed")
    program.run("sync")
    assert "Not today" in program.run("conflicts", "list").out
    assert program.json("status")["parked"] == 1
    assert "1 parked change" in program.run("accounts", "retry").out
    program.run("sync")
    assert there(company, acme)["name"] == "Renamed"


def test_a_conflict_is_listed_shown_and_resolved(program: Program, company: Company, acme: int) -> None:
    review = {"SYNC_WRITE_BACK__POLICY": "review"}
    program.run("accounts", "set", str(acme), "name=Ours")
    company.update("organizations", acme, {"name": "Theirs"})
    program.run("sync", **review)
    (listed,) = program.json("conflicts", "list")
    assert (listed["account_value"], listed["pipedrive_value"]) == ("Ours", "Theirs")
    number = str(listed["id"])
    assert "Theirs" in program.run("conflicts", "show", number).out
    program.run("conflicts", "resolve", number, code=1)
    program.run("conflicts", "resolve", number, "--value", "Third")
    program.run("sync", **review)
    assert there(company, acme)["name"] == "Third"
    assert program.json("conflicts", "list") == []
    assert len(program.json("conflicts", "list", "--all")) == 1


def test_a_change_is_taken_back_by_its_number(program: Program, company: Company, acme: int) -> None:
    program.run("accounts", "set", str(acme), "name=Oops")
    program.run("sync")
    changes = program.json("accounts", "show", str(acme))["changes"]
    number = str(next(one["id"] for one in changes if one["new_value"] == "Oops"))
    program.run("accounts", "undo", number)
    program.run("sync")
    assert there(company, acme)["name"] == "Acme"
    program.run("accounts", "undo", number, code=1)
    program.run("accounts", "undo", "4711", code=1)


def test_own_fields_are_set_by_their_name(program: Program, acme: int) -> None:
    own = {"SYNC_OWN_FIELDS__HEALTH__TYPE": "enum", "SYNC_OWN_FIELDS__HEALTH__OPTIONS": "Good,At risk"}
    program.run("accounts", "set", str(acme), "health=at risk", **own)
    assert program.json("accounts", "show", str(acme))["fields"] == {"health": "At risk"}
    assert "Good, At risk" in program.run("accounts", "set", str(acme), "health=fine", code=1, **own).err


def test_plain_sql_of_another_program_is_an_edit(program: Program, company: Company, acme: int) -> None:
    with program.database.writing() as connection:
        connection.exec_driver_sql("UPDATE accounts SET name = 'By SQL'")
    program.run("sync")
    assert there(company, acme)["name"] == "By SQL"
    patches = [json.loads(one.body) for one in program.sandbox.api.writes]
    assert patches == [{"name": "By SQL"}]


def test_a_dry_run_shows_activities_and_fields_that_are_to_be_filled_too(program: Program, acme: int) -> None:
    worth = {"SYNC_COMPUTED_FIELDS__WON_VALUE": "Won value"}
    program.run("accounts", "plan", str(acme), "Ring back", "--type", "call", "--due", "2031-02-03")
    shown = program.run("sync", "--dry-run", code=1, **worth).out
    assert "Ring back" in shown
    assert "“Won value”" in shown
    document = program.json("sync", "--dry-run", code=1, **worth)
    assert (document["fields"], len(document["errands"]), document["accounts"]) == (["Won value"], 1, [])
    assert program.sandbox.api.writes == []


def test_fields_to_be_filled_need_approval_and_status_says_so(program: Program, company: Company, acme: int) -> None:
    worth = {"SYNC_COMPUTED_FIELDS__WON_VALUE": "Won value"}
    assert any("Won value" in line for line in program.json("status", **worth)["attention"])
    assert "1 field at Pipedrive" in program.run("accounts", "approve", **worth).out
    program.run("sync", **worth)
    (code,) = [code for code, one in company.fields.custom("organizations").items() if one["field_name"] == "Won value"]
    assert there(company, acme)["custom_fields"][code] == {"value": 100, "currency": "EUR"}
    assert program.json("status", **worth)["attention"] == []


def test_options_are_shown_by_their_labels(program: Program, acme: int) -> None:
    assert "Produkte: Basis, Plus" in program.run("accounts", "set", str(acme), "Produkte=Basis,Plus").out
    assert "+ Basis, Plus" in program.run("sync", "--dry-run", code=1).out
    assert "Basis, Plus" in program.run("accounts", "show", str(acme)).out.partition("Changes")[2]
