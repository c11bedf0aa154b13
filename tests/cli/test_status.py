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
from sync.mirror.inbox import apply_inbox
from sync.mirror.progress import Silent
from sync.mirror.reference import read_reference
from sync.mirror.refusals import Refusals
from sync.pipedrive.entities import ENTITIES, PERSONS
from sync.pipedrive.errors import Forbidden
from sync.pipedrive.events import read_event
from sync.sandbox import Company, Sandbox
from sync.store.database import encode_json
from sync.store.inbox import Received, save_events
from sync.store.jobs import JobRecord, save_job
from sync.store.lock import sole_instance
from sync.store.schema import checkpoints, unannounced_changes, webhooks
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


# The service: its plan, its webhooks, its jobs

HERE = {"WEBHOOK_PUBLIC_URL": "https://sync.example.com"}
POLLED = {listing.name for entity in ENTITIES if not entity.is_reference for listing in entity.listings}


def tell(program: Program, company: Company, number: int, **data: Any) -> None:
    """Let an event of the first organization come, that nothing has applied yet."""
    now = SystemClock().now()
    meta = {
        "action": "change",
        "entity": "organization",
        "entity_id": "1",
        "company_id": str(company.id),
        "id": f"event-{number}",
        "timestamp": (now + timedelta(seconds=number)).isoformat(timespec="milliseconds"),
        "version": "2.0",
    }
    times = {"update_time": f"{now + timedelta(seconds=number):%Y-%m-%dT%H:%M:%SZ}"}
    body = {"meta": meta, "data": {"id": 1, **times, **data}, "previous": {}}
    with program.database.writing() as connection:
        save_events(connection, [Received(read_event(body), encode_json(body), now)])


def miss(program: Program, company: Company) -> None:
    """Let a poll find a change that no event told of, some time ago."""
    hour = timedelta(hours=1)
    with program.database.writing() as connection:
        connection.execute(update(webhooks).values(created_at=SystemClock().now() - hour))
    company.update("organizations", 1, {"name": "missed"})
    with program.mirror() as mirror:
        run_cycle(mirror)
    with program.database.writing() as connection:
        assert connection.execute(update(unannounced_changes).values(found_at=SystemClock().now())).rowcount == 1
        connection.execute(update(unannounced_changes).values(found_at=SystemClock().now() - timedelta(minutes=6)))


def note_job(program: Program, company: Company, name: str, minutes_ago: float, **fared: Any) -> None:
    then = SystemClock().now() - timedelta(minutes=minutes_ago)
    values = {"succeeded_at": then, "next_run_at": then + timedelta(hours=1), "failures": 0, "error": None, **fared}
    with program.database.writing() as connection:
        save_job(connection, company.id, JobRecord(name, then - timedelta(seconds=1), then, **values))


def test_the_plan_shares_out_what_is_left_of_the_day(program: Program, company: Company) -> None:
    program.fill()
    document = program.json("status")
    plan = document["plan"]
    assert (plan["pace"], plan["resumes_at"], plan["webhooks_alive"]) == ("planned", None, False)
    assert plan["intervals"].keys() == POLLED
    assert plan["reserve"] > 0
    shares = [plan[name] for name in ("reserve", "fixed", "polls", "sweep")]
    assert 0 < sum(shares) <= document["tokens"]["available"]
    assert {"newest_ids", "reference", "sweep_page", "follow_up"} <= plan.keys()
    out = program.run("status").out
    assert "Plan      planned: the most pressing lists every" in out
    assert f"{plan['reserve']:,} in reserve, until the day ends" in out
    assert "a safety net" not in out
    polled = program.json("status", SYNC_POLL__INTERVAL="120")["plan"]["intervals"]
    assert polled["organizations"] == 120


def test_a_share_that_is_nearly_used_up_slows_the_plan_and_a_spent_one_stops_it(program: Program) -> None:
    program.fill()
    tokens = program.json("status")["tokens"]
    nearly = {"SYNC_BUDGET__SHARE": str(tokens["used_today"] / 0.9 / tokens["company_limit"])}
    slowed = program.json("status", **nearly)
    assert slowed["plan"]["pace"] == "slowed"
    assert any("More than 80 % of our share" in line for line in slowed["attention"])
    assert "Plan      slowed:" in program.run("status", **nearly).out

    spent = {"SYNC_BUDGET__SHARE": "0.00001"}
    stopped = program.json("status", **spent)
    assert (stopped["plan"]["pace"], stopped["plan"]["resumes_at"]) == ("stopped", tokens["resets_at"])
    assert "Plan      stopped until" in program.run("status", **spent).out


def test_without_webhooks_it_says_that_changes_are_found_by_polling(program: Program) -> None:
    program.fill()
    assert program.json("status")["webhooks"] == {
        "installed": False,
        "alive": False,
        "lacking": [],
        "last_received": None,
        "events": {"pending": 0, "failed": 0},
        "oldest_pending": None,
        "failed_events": [],
        "follow_ups": {},
        "missed": 0,
    }
    assert "Webhooks  not installed: changes are found by polling" in program.run("status").out


def test_it_tells_what_webhooks_have_brought_and_what_of_it_waits(program: Program, company: Company) -> None:
    won(company, "One", (1, "EUR"))
    program.fill()
    program.run("webhooks", "install", **HERE)
    quiet = program.json("status")
    assert (quiet["webhooks"]["installed"], quiet["webhooks"]["alive"], quiet["attention"]) == (True, False, [])
    assert "Webhooks  not alive: last event never" in program.run("status").out

    tell(program, company, 1, name="New")
    waiting = program.json("status")["webhooks"]
    assert (waiting["alive"], waiting["events"]) == (True, {"pending": 1, "failed": 0})
    assert waiting["last_received"] == waiting["oldest_pending"]
    with program.mirror() as mirror:
        apply_inbox(mirror)
    document = program.json("status")
    applied = document["webhooks"]
    assert (applied["events"]["pending"], applied["oldest_pending"], applied["follow_ups"]) == (
        0,
        None,
        {"organizations": 1},
    )
    assert document["plan"]["webhooks_alive"] is True
    assert document["attention"] == []
    out = program.run("status").out
    assert "Webhooks  alive: last event" in out
    assert "0 events wait, 0 failed, 1 records wait to be read, 0 changes missed" in out
    assert "a safety net as webhooks are alive" in out


def test_events_that_could_not_be_applied_need_attention(program: Program, company: Company) -> None:
    won(company, "One", (1, "EUR"))
    program.fill()
    for number in range(1, 8):
        tell(program, company, number, name=f"{number} \0")
    with program.mirror() as mirror:
        apply_inbox(mirror)
    document = program.json("status")
    assert document["webhooks"]["events"] == {"pending": 0, "failed": 7}
    shown = document["webhooks"]["failed_events"]
    assert len(shown) == 5
    assert shown[0].items() >= {"entity": "organization", "entity_id": 1, "action": "change"}.items()
    assert "contains a NUL character" in shown[0]["error"]
    (line,) = document["attention"]
    assert "7 webhook events could not be applied, the last one because its name contains a NUL character" in line
    assert "Each is tried again once its record has been read" in line
    assert "! 7 webhook events could not be applied" in program.run("status").out


def test_a_change_that_no_webhook_told_of_needs_attention_and_silence_more_so(
    program: Program, company: Company
) -> None:
    won(company, "One", (1, "EUR"))
    program.fill()
    program.run("webhooks", "install", **HERE)
    miss(program, company)
    document = program.json("status")
    assert (document["webhooks"]["missed"], document["webhooks"]["alive"]) == (1, False)
    (line,) = document["attention"]
    assert "No webhook has come at all, though 1 changes were found without one: polls do the work" in line
    assert "`pipedrive-sync webhooks list`" in line
    assert "Webhooks  not alive" in program.run("status").out

    tell(program, company, 1, name="heard of again")
    document = program.json("status")
    assert (document["webhooks"]["missed"], document["webhooks"]["alive"]) == (1, True)
    (line,) = document["attention"]
    assert line == "1 changes were found that no webhook told of; polls made up for them."


def test_webhooks_that_are_gone_need_attention(program: Program, company: Company, sandbox: Sandbox) -> None:
    program.fill()
    program.run("webhooks", "install", **HERE)
    company.update("webhooks", 4, {"is_active": 0})
    sandbox.faults.fail(status=403, method="POST", path="*/webhooks")
    program.run("webhooks", "install", code=2, **HERE)
    document = program.json("status")
    assert document["webhooks"]["lacking"] == ["deal"]
    (line,) = document["attention"]
    assert "No active webhook tells of deal: run `pipedrive-sync webhooks install`" in line


def test_the_jobs_of_the_service_are_told_of_and_those_that_fail_need_attention(
    program: Program, company: Company
) -> None:
    program.fill()
    assert program.json("status")["jobs"] == []
    assert "last success" not in program.run("status").out

    note_job(program, company, "apply", minutes_ago=0)
    note_job(program, company, "poll deals", minutes_ago=1, failures=3, error="Pipedrive is down.")
    document = program.json("status")
    apply, deals = document["jobs"]
    assert apply.items() >= {"job": "apply", "failures": 0, "error": None}.items()
    assert apply.keys() == {"job", "started_at", "ended_at", "succeeded_at", "next_run_at", "failures", "error"}
    assert (deals["job"], deals["failures"], deals["error"]) == ("poll deals", 3, "Pipedrive is down.")
    (line,) = document["attention"]
    assert line.startswith("The service's job “poll deals” fails (3 times in a row, not since ")
    assert line.endswith("UTC): Pipedrive is down.")
    out = program.run("status").out
    assert "last success" in out
    assert "Pipedrive is down." in out
    assert "The service is not running" not in out


def test_jobs_of_a_service_that_is_not_running_are_those_of_when_it_last_was(
    program: Program, company: Company
) -> None:
    program.fill()
    note_job(program, company, "apply", minutes_ago=30, next_run_at=SystemClock().now() - timedelta(minutes=29))
    out = program.run("status").out
    assert "The service is not running; its jobs, when it last was:" in out
    assert " now " in next(line for line in out.splitlines() if " apply " in f" {line}")


def test_a_job_that_failed_with_characters_that_steer_terminals_steers_none(program: Program, company: Company) -> None:
    program.fill()
    note_job(program, company, "apply", minutes_ago=0, failures=1, error="\x1b[31mred\nand more")
    assert "\x1b" not in program.run("status").out
