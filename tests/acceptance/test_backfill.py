"""The backfill as a user runs it: whole, killed, stopped, out of budget."""

import random
import signal
import subprocess
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from sqlalchemy import select

from sync.sandbox import Sandbox
from sync.store.database import Database
from sync.store.schema import metadata
from tests.acceptance.conftest import MakeProgram, Program, Running
from tests.truth import built_accounts, differences, expected_accounts

# When something was done is the one thing that two runs may differ in; what they cost is another.
_OF_ONE_RUN = {
    "synced_at",
    "updated_at",
    "revision",
    "last_run_at",
    "backfill_started_at",
    "backfill_completed_at",
    "high_water_mark",
    "mark_set_at",
    "views_basis",  # each kind of database has its own words for the views
}
_COUNTED = {"token_usage", "token_budgets"}


def contents(url: str) -> dict[str, list[dict[str, Any]]]:
    """Everything in a database that two runs over the same company must agree on."""
    database = Database(url)
    try:
        with database.reading() as connection:
            return {
                table.name: sorted(
                    (
                        {name: value for name, value in row._asdict().items() if name not in _OF_ONE_RUN}
                        for row in connection.execute(select(table))
                    ),
                    key=str,
                )
                for table in metadata.sorted_tables
                if table.name not in _COUNTED
            }
    finally:
        database.close()


def test_a_backfill_copies_everything_and_says_so(program: Program, sandbox: Sandbox, database: Database) -> None:
    ended = program.run("backfill")

    assert differences(database, sandbox.company) == []
    assert built_accounts(database) == expected_accounts(sandbox.company)
    assert "at most" in ended.stderr
    assert "organizations" in ended.stdout
    assert program.run("backfill").stderr.count("copied already") == 1


def test_killed_twenty_times_it_ends_with_the_database_of_an_undisturbed_run(
    program: Program, make_program: MakeProgram, sandbox: Sandbox, database_url: str, tmp_path: Path
) -> None:
    undisturbed = f"sqlite:///{tmp_path / 'undisturbed.db'}"
    make_program(undisturbed).run("backfill")
    chance = random.Random(20)
    deaths = 0
    process: Running | None = None

    def kill() -> None:
        nonlocal deaths
        if process is not None and process.poll() is None and deaths < 20:
            deaths += 1
            process.kill()

    finished = False
    while deaths < 20:
        fault = sandbox.faults.before if chance.random() < 0.5 else sandbox.faults.after
        fault(kill, skip=chance.randrange(30))
        process = program.start("backfill", *(["--restart"] if finished else []))
        process.communicate(timeout=120)
        sandbox.faults.clear()
        finished = process.returncode == 0  # it was through before its turn came
        assert finished or process.returncode == -signal.SIGKILL

    program.run("backfill")
    assert contents(database_url) == contents(undisturbed)


def test_out_of_tokens_it_stops_and_says_when_it_can_go_on(program: Program, sandbox: Sandbox) -> None:
    sandbox.limits.daily_tokens = 260

    stopped = program.run("backfill", "--use-all-tokens", code=4)

    assert "goes on where it stopped" in stopped.stderr.splitlines()[-1]
    assert "UTC" in stopped.stderr.splitlines()[-1]
    assert sandbox.limits.daily_rejections <= 8  # one for each list under way, not a storm


def test_it_keeps_to_its_share_of_the_day(program: Program, sandbox: Sandbox) -> None:
    sandbox.limits.daily_tokens = 600

    stopped = program.run("backfill", code=4)

    assert "share" in stopped.stderr
    assert sandbox.limits.spent <= 300


def test_ctrl_c_stops_it_soon_keeps_what_was_committed_and_says_how_to_go_on(
    program: Program, sandbox: Sandbox, database: Database
) -> None:
    begun: SimpleQueue[Running] = SimpleQueue()
    sandbox.faults.after(lambda: begun.get().send_signal(signal.SIGINT), skip=20)
    sandbox.faults.delay(20, skip=22, times=3)  # answers that would keep a patient program waiting
    begun.put(process := program.start("backfill"))
    _, err = process.communicate(timeout=10)
    sandbox.faults.clear()

    assert process.returncode == 130
    assert "goes on" in err  # a list that was about to begin may still say so behind it
    program.run("backfill")
    assert differences(database, sandbox.company) == []


def test_two_at_once_are_refused(program: Program, sandbox: Sandbox) -> None:
    second: list[subprocess.CompletedProcess[str]] = []
    sandbox.faults.before(lambda: second.append(program.run("sync", code=3)), skip=15)

    program.run("backfill")

    assert "active" in second[0].stderr


def test_sync_on_an_empty_database_does_the_backfill_first(
    program: Program, sandbox: Sandbox, database: Database
) -> None:
    ended = program.run("sync")

    assert "backfill first" in ended.stderr
    assert differences(database, sandbox.company) == []
