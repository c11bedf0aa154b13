"""`webhooks`: subscribes at the address in the settings, shows what there is, and ends what is ours."""

from typing import Any

import pytest
from sqlalchemy import select

from sync.pipedrive.entities import ENTITIES
from sync.sandbox import Company, Sandbox
from sync.store.lock import sole_instance
from sync.store.schema import webhooks
from tests.cli.conftest import Program

HERE = {"WEBHOOK_PUBLIC_URL": "https://sync.example.com/hooks"}
URL = "https://sync.example.com/hooks/webhooks/pipedrive"
OBJECTS = [entity.singular for entity in ENTITIES if entity.has_events]
THEIRS = {"subscription_url": "https://other.example.com/", "event_action": "create", "event_object": "deal"}


def test_install_list_and_remove_tell_a_person_what_they_did(program: Program, company: Company) -> None:
    first = program.run("webhooks", "install", **HERE).out
    assert f"Pipedrive delivers to {URL}." in first
    assert f"Subscribed to {', '.join(OBJECTS)}." in first
    assert "a password made up for it; the database holds only its hash" in first
    again = program.run("webhooks", "install", **HERE).out
    assert f"Subscribed already: {', '.join(OBJECTS)}." in again
    assert "made up" not in again

    listed = program.run("webhooks", "list", **HERE).out.splitlines()
    assert all(any(f" {what} " in line and URL in line and " yes " in line for line in listed) for what in OBJECTS)

    assert program.run("webhooks", "remove", **HERE).out == f"Ended {len(OBJECTS)} subscriptions.\n"
    assert program.run("webhooks", "remove", **HERE).out == "There were none of ours.\n"
    assert "`pipedrive-sync webhooks install` makes them" in program.run("webhooks", "list", **HERE).out
    assert company.all("webhooks") == []


def test_install_list_and_remove_as_json(program: Program, company: Company) -> None:
    company.create("webhooks", {**THEIRS, "name": "another's", "is_active": 0, "remove_reason": "unreachable"})
    expected = {"url": URL, "kept": [], "created": OBJECTS, "removed": []}
    assert program.json("webhooks", "install", **HERE) == expected
    again = program.json("webhooks", "install", **HERE)
    assert {**again, "kept": sorted(again["kept"])} == expected | {"kept": sorted(OBJECTS), "created": []}

    first, *rest = program.json("webhooks", "list", **HERE)
    assert first == {
        "webhook_id": 1,
        "name": "another's",
        "event_object": "deal",
        "event_action": "create",
        "subscription_url": "https://other.example.com/",
        "version": "2.0",
        "auth_user": None,
        "is_active": False,
        "last_delivery_time": None,
        "last_http_status": None,
        "remove_reason": "unreachable",
        "ours": False,
    }
    assert [one["event_object"] for one in rest] == OBJECTS
    assert all(one["ours"] and one["is_active"] and one["subscription_url"] == URL for one in rest)

    removed = program.json("webhooks", "remove", **HERE)
    assert removed == {"removed": [one["webhook_id"] for one in rest]}
    assert program.json("webhooks", "remove", **HERE) == {"removed": []}
    assert [one["ours"] for one in program.json("webhooks", "list", **HERE)] == [False]


def test_the_list_tells_how_deliveries_fare_and_steers_no_terminal(program: Program, company: Company) -> None:
    program.run("webhooks", "install", **HERE)
    company.annotate("webhooks", 1, {"last_delivery_time": "2026-11-02T09:30:00.000Z", "last_http_status": 503})
    company.create("webhooks", {**THEIRS, "name": "x", "is_active": 0, "remove_reason": "\x1b[31mred"})
    out = program.run("webhooks", "list", **HERE).out
    first = next(line for line in out.splitlines() if " user " in line)
    assert "2026-11-02T09:30:00.000Z" in first
    assert "503" in first
    assert "inactive �[31mred" in out
    assert "\x1b" not in out


def test_old_subscriptions_that_are_ended_are_counted(program: Program) -> None:
    program.run("webhooks", "install", **HERE)
    moved = program.run("webhooks", "install", WEBHOOK_PUBLIC_URL="https://elsewhere.example.com").out
    assert f"Ended {len(OBJECTS)} old subscriptions of ours." in moved


def test_without_an_address_it_says_which_setting_is_missing_and_asks_nobody(
    program: Program, sandbox: Sandbox
) -> None:
    outcome = program.run("webhooks", "install", code=2)
    assert outcome.out == ""
    assert "Not set: WEBHOOK_PUBLIC_URL" in outcome.err
    assert "for instance to https://sync.example.com" in outcome.err
    assert sandbox.calls == []
    assert program.run("webhooks", "list").out
    assert program.run("webhooks", "remove").out == "There were none of ours.\n"


@pytest.mark.parametrize("command", ["install", "list", "remove"])
def test_without_credentials_it_says_which_are_missing(program: Program, command: str) -> None:
    outcome = program.run("webhooks", command, code=2, PIPEDRIVE_API_TOKEN="", **HERE)
    assert "PIPEDRIVE_API_TOKEN" in outcome.err


def test_an_address_that_pipedrive_does_not_take_is_refused_in_its_words(program: Program, company: Company) -> None:
    outcome = program.run("webhooks", "install", code=1, WEBHOOK_PUBLIC_URL="https://acme.pipedrive.com")
    assert "subscription_url: invalid or non-reachable URL" in outcome.err
    assert "Check WEBHOOK_PUBLIC_URL" in outcome.err
    assert len(outcome.err.splitlines()) == 1
    assert company.all("webhooks") == []


def test_an_address_without_encryption_is_a_wrong_setting(program: Program, sandbox: Sandbox) -> None:
    outcome = program.run("webhooks", "install", code=2, WEBHOOK_PUBLIC_URL="http://sync.example.com")
    assert "WEBHOOK_PUBLIC_URL: must be https" in outcome.err
    assert sandbox.calls == []


def test_a_user_with_forty_webhooks_is_told_so_in_pipedrives_words(program: Program, company: Company) -> None:
    for _ in range(40):
        company.create("webhooks", {**THEIRS, "name": "another's"})
    assert "Webhooks limit reached" in program.run("webhooks", "install", code=1, **HERE).err


def test_a_token_of_a_user_who_administers_nothing_has_subscriptions_of_its_own(
    program: Program, sandbox: Sandbox
) -> None:
    program.run("webhooks", "install", **HERE)
    second = {"PIPEDRIVE_API_TOKEN": sandbox.access.token_for(2), **HERE}
    assert program.json("webhooks", "list", **second) == []


def test_what_is_left_out_is_not_subscribed_to(program: Program) -> None:
    program.fill()
    done = program.json("webhooks", "install", SYNC_PRIVACY__LEAVE_OUT="notes,persons", **HERE)
    assert done["created"] == [one for one in OBJECTS if one not in ("note", "person")]


def test_the_password_of_the_settings_is_never_shown(program: Program) -> None:
    settings = {**HERE, "WEBHOOK_USER": "pipedrive", "WEBHOOK_PASSWORD": "correct-horse-battery-staple"}
    printed = [
        program.run("webhooks", "install", **settings),
        program.run("webhooks", "list", **settings),
        program.run("webhooks", "list", "--json", **settings),
        program.run("webhooks", "remove", **settings),
    ]
    assert not any("correct-horse" in outcome.out + outcome.err for outcome in printed)
    assert "made up" not in printed[0].out


def test_it_runs_beside_a_sync_and_books_its_tokens(program: Program, sandbox: Sandbox) -> None:
    with sole_instance(program.database):
        program.run("webhooks", "install", **HERE)
        program.run("webhooks", "list", **HERE)
        program.run("webhooks", "remove", **HERE)
    tokens = program.json("status")["tokens"]
    assert tokens["used_today"] == sandbox.limits.spent
    assert tokens["used_by_purpose"]["subscribe"] == 10 + 8 * 10 + 10 + 8 * 6


def test_the_tokens_of_an_installation_that_failed_are_booked_too(program: Program, sandbox: Sandbox) -> None:
    sandbox.faults.fail(status=403, method="POST", path="*/webhooks", skip=3)
    program.run("webhooks", "install", code=2, **HERE)
    assert program.json("status")["tokens"]["used_today"] == sandbox.limits.spent


def test_it_runs_as_a_program_in_a_clean_environment(program: Program) -> None:
    program.environment |= HERE
    for arguments in (("install",), ("list", "--json"), ("remove",)):
        ended = program.process("webhooks", *arguments)
        assert ended.returncode == 0, ended.stderr
        assert program.sandbox.token not in ended.stdout + ended.stderr
    assert stored(program) == []


def stored(program: Program) -> list[Any]:
    with program.database.reading() as connection:
        return list(connection.execute(select(webhooks)))
