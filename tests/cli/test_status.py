"""`status`: what state the mirror is in, told from the database alone."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from sync.clock import SystemClock
from sync.mirror.backfill import copy, survey, unfinished
from sync.mirror.brake import DeletionsHeld
from sync.mirror.cycle import run_cycle
from sync.mirror.progress import Silent
from sync.mirror.reference import read_reference
from sync.mirror.refusals import Refusals
from sync.pipedrive.entities import ENTITIES, PERSONS
from sync.pipedrive.errors import Forbidden
from sync.sandbox import Company, Sandbox
from sync.store.lock import sole_instance
from sync.store.schema import checkpoints
from tests.cli.conftest import Program, won


def entity(document: Any, name: str) -> Any:
    return next(one for one in document["entities"] if one["entity"] == name)


def listing(document: Any, name: str) -> Any:
    return next(one for of in document["entities"] for one in of["listings"] if one["listing"] == name)


def test_before_anything_is_copied_it_says_what_to_run(program: Program) -> None:
    outcome = program.run("status")
    assert "run `pipedrive-sync check`, then `pipedrive-sync backfill`" in outcome.out
    document = program.json("status")
    assert (document["company"], document["entities"]) == (None, [])
    assert document["database"]["revision"]


def test_it_needs_neither_credentials_nor_a_network(program: Program, company: Company) -> None:
    program.fill()
    document = program.json("status", PIPEDRIVE_API_TOKEN="", PIPEDRIVE_BASE_URL="")
    assert document["company"]["id"] == company.id


def test_it_counts_rows_and_deleted_rows_by_list(program: Program, company: Company) -> None:
    organization = won(company, "One", (1, "EUR"), (2, "EUR"), (3, "EUR"))
    first, second, _ = company.all("deals")
    company.archive_deal(first["id"])
    company.delete("deals", second["id"])
    program.fill()
    document = program.json("status")
    assert (entity(document, "deals")["rows"], entity(document, "deals")["deleted"]) == (2, 1)
    assert (listing(document, "deals")["rows"], listing(document, "deals_archived")["rows"]) == (1, 1)
    assert entity(document, "organizations")["rows"] == 1
    assert entity(document, "fields")["rows"] == sum(one["rows"] for one in entity(document, "fields")["listings"])
    assert listing(document, "organization_fields")["rows"] == len(company.fields.all("organizations"))
    assert document["accounts"] == {"active": 1, "former": 0}
    assert document["rejected"] == 0
    assert document["attention"] == []
    assert organization == 1
    assert "Nothing needs attention." in program.run("status").out


def test_it_tells_when_a_list_was_read_and_when_it_will_be(program: Program, company: Company) -> None:
    won(company, "One", (1, "EUR"))
    program.fill()
    document = program.json("status")
    deals, files, users = (listing(document, name) for name in ("deals", "files", "users"))
    assert deals["last_run"]
    assert deals["high_water_mark"]
    assert (deals["next_run"], deals["with_next_sync"]) == (None, True)
    assert files["next_run"] > files["last_run"]
    assert (files["with_next_sync"], users["with_next_sync"]) == (False, False)
    assert users["backfill"] is None
    assert deals["backfill"]["state"] == "complete"
    later = program.json("status", SYNC_POLL__REFERENCE_INTERVAL="0", SYNC_POLL__FILES_INTERVAL="0")
    assert listing(later, "users")["with_next_sync"]
    assert listing(later, "files")["with_next_sync"]
    assert "with the next sync" in program.run("status").out


def test_in_the_middle_of_a_backfill_it_tells_how_far_it_got(
    program: Program, company: Company, sandbox: Sandbox
) -> None:
    for number in range(20):
        company.create("persons", {"name": f"Person {number}"})
    with program.mirror() as opened:
        mirror, _ = read_reference(opened, Refusals(), only_due=False)
        (task,) = survey(mirror, unfinished(mirror, [PERSONS]))
        sandbox.faults.fail(status=403, skip=2, path="/api/v2/persons*")
        with pytest.raises(Forbidden):
            copy(mirror, [replace(task, listing=replace(task.listing, page_size=4))], Silent())
    document = program.json("status")
    persons = listing(document, "persons")
    assert (persons["backfill"]["state"], persons["backfill"]["rows"], persons["rows"]) == ("incomplete", 8, 8)
    assert listing(document, "deals")["backfill"]["state"] == "not started"
    (first, *_) = document["attention"]
    assert "The first copy is not complete" in first
    assert "`pipedrive-sync backfill`" in first
    out = program.run("status").out
    assert "8 rows so far" in out
    assert "not started" in out
    assert "built at its end" in program.run("accounts", "list", code=1).err


def test_it_tells_how_far_the_sweep_is(program: Program, company: Company) -> None:
    won(company, "One", (1, "EUR"))
    program.fill()
    assert listing(program.json("status"), "deals")["sweep"]["state"] == "not started"
    with program.mirror() as mirror:
        run_cycle(mirror, whole_sweep=True)
    sweep = listing(program.json("status"), "deals")["sweep"]
    assert (sweep["state"], sweep["rows"], sweep["held_deletions"]) == ("complete", 1, 0)
    assert sweep["completed_at"]


def test_deletions_that_are_held_back_come_with_the_remedy(program: Program, company: Company) -> None:
    for number in range(3):
        won(company, f"Organization {number}", (1, "EUR"))
    program.fill()
    for one in (1, 2):
        company.delete("organizations", one)
    strict = {"SYNC_SWEEP__MAX_ROWS": "1", "SYNC_SWEEP__MAX_SHARE": "0.1"}
    with program.mirror(**strict) as mirror, pytest.raises(DeletionsHeld):
        run_cycle(mirror, whole_sweep=True)
    document = program.json("status")
    assert listing(document, "organizations")["sweep"]["held_deletions"] == 2
    (line,) = document["attention"]
    assert "2 of 3 organizations" in line
    assert "--accept-deletions" in line
    assert "2 deletions held" in program.run("status").out


def test_records_that_no_row_can_hold_are_counted(program: Program, company: Company) -> None:
    company.create("notes", {"content": "nul \0 inside", "org_id": None})
    program.fill()
    document = program.json("status")
    assert (document["rejected"], entity(document, "notes")["rejected"]) == (1, 1)
    (line,) = document["attention"]
    assert "1 notes" in line
    assert "rejected_records" in line


def test_it_tells_who_used_the_days_tokens_and_how_many_are_left(program: Program, sandbox: Sandbox) -> None:
    program.fill()
    program.run("check")
    tokens = program.json("status")["tokens"]
    assert tokens["used_today"] == sum(tokens["used_by_purpose"].values()) == sandbox.limits.spent
    assert tokens["used_by_purpose"]["check"] == 14
    assert (tokens["company_limit"], tokens["our_limit"]) == (1_000_000, 500_000)
    assert tokens["company_left"] == sandbox.limits.remaining
    assert tokens["available"] == tokens["our_limit"] - tokens["used_today"]
    assert tokens["resets_at"]
    out = program.run("status").out
    assert f"{tokens['used_today']:,} used today" in out
    assert f"{tokens['company_left']:,} of 1,000,000 left" in out


def test_a_spent_share_and_a_spent_day_need_attention(program: Program, sandbox: Sandbox) -> None:
    program.fill()
    (line,) = program.json("status", SYNC_BUDGET__SHARE="0.00001")["attention"]
    assert "share of the day's tokens is used up" in line
    sandbox.limits.spend(sandbox.limits.remaining or 0)
    program.run("check", code=1)
    (line,) = program.json("status")["attention"]
    assert "The company's tokens of this day are spent until" in line


def test_an_entity_that_is_left_out_is_no_gap(program: Program, company: Company) -> None:
    won(company, "One", (1, "EUR"))
    without = {"SYNC_PRIVACY__LEAVE_OUT": "notes,persons"}
    with program.mirror(**without) as opened:
        mirror, _ = read_reference(opened, Refusals(), only_due=False)
        copy(mirror, survey(mirror, unfinished(mirror, ENTITIES)), Silent())
    document = program.json("status", **without)
    assert entity(document, "notes")["left_out"] is True
    assert document["attention"] == []
    assert "left out" in program.run("status", **without).out


def test_a_mirror_that_nobody_keeps_up_to_date_needs_attention(program: Program, company: Company) -> None:
    won(company, "One", (1, "EUR"))
    program.fill()
    with program.database.writing() as connection:
        connection.execute(update(checkpoints).values(last_run_at=SystemClock().now() - timedelta(days=3)))
    (line,) = program.json("status")["attention"]
    assert "last asked for changes" in line
    assert "`pipedrive-sync sync`" in line


def test_it_runs_beside_a_sync(program: Program) -> None:
    program.fill()
    with sole_instance(program.database):
        assert program.json("status")["company"]


def test_it_runs_as_a_program_in_a_clean_environment(program: Program, company: Company) -> None:
    program.fill()
    ended = program.process("status", "--json")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert json.loads(ended.stdout)["company"]["id"] == company.id
