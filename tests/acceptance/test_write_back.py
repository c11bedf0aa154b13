"""Edits of accounts by other programs, beside the real `run`: they reach Pipedrive, once, also when it is killed."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text

from sync.clock import SystemClock
from sync.sandbox import Proportions, Sandbox, generate
from sync.store.database import Database
from tests.acceptance.conftest import MakeProgram, Program
from tests.acceptance.served import free_port, served
from tests.service.waiting import until


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A small company."""
    company = generate(3, clock=SystemClock(), organizations=30, proportions=Proportions(deals=2, activities=1))
    with Sandbox(company, burst=None) as running:
        yield running


@pytest.fixture
def program(make_program: MakeProgram, database_url: str) -> Program:
    """The program on a filled database, with an address of its own."""
    program = make_program(database_url, SYNC_PORT=str(free_port()))
    program.run("backfill")
    return program


def edit(database: Database, statement: str) -> None:
    """What any program may do."""
    with database.writing() as connection:
        connection.execute(text(statement))


def patches(sandbox: Sandbox) -> list[dict[str, Any]]:
    return [json.loads(one.body) for one in sandbox.api.writes if one.method == "PATCH"]


def test_edits_by_sql_beside_the_service_reach_pipedrive_and_come_to_rest(
    program: Program, sandbox: Sandbox, database: Database
) -> None:
    with served(program, "run") as running:
        running.says("service_active")
        edit(database, "UPDATE accounts SET visible_to = 5")
        accounts = program.json("accounts", "list")
        until(lambda: len(patches(sandbox)) >= len(accounts), "every account is written", patience=60)
        until(lambda: program.json("status")["write_back"]["waiting_fields"] == 0, "nothing waits", patience=60)
        program.run("accounts", "set", str(accounts[0]["organization_id"]), "name=By command")
        until(lambda: {"name": "By command"} in patches(sandbox), "the command's edit is written", patience=60)
    assert len(patches(sandbox)) == len(accounts) + 1
    assert all(sandbox.company.get("organizations", one["organization_id"])["visible_to"] == 5 for one in accounts)


def test_killed_after_pipedrive_took_a_write_it_finds_out_by_reading(
    program: Program, sandbox: Sandbox, database: Database
) -> None:
    one = program.json("accounts", "list", "--limit", "1")[0]["organization_id"]
    with served(program, "run") as running:
        running.says("service_active")
        sandbox.faults.after(running.kill, method="PATCH")
        edit(database, f"UPDATE accounts SET name = 'Edited' WHERE organization_id = {one}")
        until(lambda: running.process.poll() is not None, "it was killed", patience=60)
    assert program.json("status")["write_back"]["writes"]["sent"] == 1
    program.run("sync")
    assert program.json("status")["write_back"]["writes"] == {"waiting": 0, "sent": 0, "done": 1, "failed": 0}
    assert patches(sandbox) == [{"name": "Edited"}]
    assert program.json("accounts", "show", str(one))["edits"] == []


def test_killed_right_before_the_write_it_is_made_by_the_next_run(
    program: Program, sandbox: Sandbox, database: Database
) -> None:
    one = program.json("accounts", "list", "--limit", "1")[0]["organization_id"]
    with served(program, "run") as running:
        running.says("service_active")
        sandbox.faults.before(running.kill, method="PATCH")
        sandbox.faults.reset_before(method="PATCH")
        edit(database, f"UPDATE accounts SET name = 'Edited' WHERE organization_id = {one}")
        until(lambda: running.process.poll() is not None, "it was killed", patience=60)
    assert sandbox.company.get("organizations", one)["name"] != "Edited"
    program.run("sync")
    assert sandbox.company.get("organizations", one)["name"] == "Edited"


def test_a_dry_run_of_the_service_says_what_it_would_write_and_writes_nothing(
    program: Program, sandbox: Sandbox, database: Database
) -> None:
    with served(program, "run", "--dry-run") as running:
        running.says("service_active")
        edit(
            database,
            "UPDATE accounts SET visible_to = 5 WHERE organization_id = (SELECT min(organization_id) FROM accounts)",
        )
        running.says("would_write")
        assert running.logged("would_write")[0]["fields"] == ["visible_to"]
    assert sandbox.api.writes == []
