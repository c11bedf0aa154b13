"""`sync` as cron runs it: what happened at Pipedrive between two runs, and while one runs."""

import json

import pytest

from sync.sandbox import Sandbox
from sync.store.database import Database
from tests.acceptance.conftest import Program
from tests.sandbox.contract import call_problems
from tests.truth import built_accounts, differences, expected_accounts


@pytest.mark.usefixtures("copied")
def test_edits_merges_and_deletions_between_and_during_runs_end_as_pipedrive_has_them(
    program: Program, sandbox: Sandbox, database: Database
) -> None:
    company = sandbox.company
    won = next(deal["id"] for deal in company.all("deals") if deal["status"] == "open")
    company.win_deal(won)
    company.merge_organizations(10, 11)
    company.delete("organizations", 12)
    company.delete("persons", 20)
    company.delete("activities", 30)
    company.delete("notes", 5)
    company.delete("files", 5)
    company.delete("deals", 40)
    company.archive_deal(next(deal["id"] for deal in company.all("deals") if deal["status"] == "won"))
    sandbox.faults.after(lambda: company.update("organizations", 13, {"name": "Renamed during the run"}), skip=6)
    sandbox.faults.after(lambda: company.delete("organizations", 14), skip=9)

    program.run("sync", "--sweep")
    program.run("sync", "--sweep")

    assert differences(database, company) == []
    assert built_accounts(database) == expected_accounts(company)
    assert [problem for call in sandbox.calls for problem in call_problems(call)] == []


@pytest.mark.usefixtures("copied")
def test_a_run_over_unchanged_data_says_so_and_costs_a_page_a_list(program: Program, sandbox: Sandbox) -> None:
    program.run("sync")
    spent, calls = sandbox.limits.spent, len(sandbox.calls)

    done = program.json("sync")

    assert (done["changed"], done["deleted"], done["rejected"]) == (0, 0, 0)
    assert (
        sandbox.limits.spent - spent <= 2 + 80 + 10 + 2 * 20
    )  # whose token, the polls, the slice: the newest deals, two more
    assert len(sandbox.calls) - calls <= 10


@pytest.mark.usefixtures("copied")
def test_half_of_the_visibility_lost_empties_nothing(program: Program, sandbox: Sandbox, database: Database) -> None:
    before = built_accounts(database)
    sandbox.faults.partial_visibility(0.5)
    small = ("pipelines", "stages", "users", "currencies", "activity_types")  # fewer rows than the brake minds

    stopped = program.run("sync", "--sweep", code=5)

    assert "--accept-deletions" in stopped.stderr
    assert built_accounts(database) == before
    assert [line for line in differences(database, sandbox.company) if not line.startswith(small)] == []

    sandbox.faults.partial_visibility(1)
    program.run("sync", "--sweep")
    assert differences(database, sandbox.company) == []


@pytest.mark.usefixtures("copied")
def test_deletions_that_were_meant_are_marked_when_accepted(
    program: Program, sandbox: Sandbox, database: Database
) -> None:
    for one in range(1, 101):
        sandbox.company.delete("organizations", one)

    program.run("sync", "--sweep", code=5)
    accepted = program.json("sync", "--accept-deletions")

    assert accepted["deleted"] >= 100
    assert differences(database, sandbox.company) == []
    assert built_accounts(database) == expected_accounts(sandbox.company)


def test_logs_are_json_with_company_and_entity_where_nobody_watches(program: Program, sandbox: Sandbox) -> None:
    ended = program.run("sync", SYNC_LOGS__LEVEL="debug")

    lines = [json.loads(line) for line in ended.stderr.splitlines() if line.startswith("{")]
    calls = [line for line in lines if line["event"] == "pipedrive_call" and "/users/me" not in line["path"]]
    assert calls
    assert {line["company"] for line in calls} == {sandbox.company.id}
    assert {line.get("entity") for line in calls} >= {"organizations", "deals", "activities", "users"}
