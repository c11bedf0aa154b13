"""`run` as a process of its own: with webhooks over HTTP, told to stop, killed, taken over from, and beside others."""

import re
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import func, select

from sync.cli.webhooks import opened_beside
from sync.mirror.subscriptions import install, receiver_url
from sync.sandbox import Company, Proportions, Sandbox
from sync.settings import load_settings
from sync.store.database import Database
from sync.store.inbox import State
from sync.store.schema import accounts, inbox
from tests.acceptance.conftest import MakeProgram, Program, the_same
from tests.acceptance.served import begin, free_port, served
from tests.service.waiting import until
from tests.truth import built_accounts, differences, expected_accounts

SOON = 60.0  # seconds: what a poll has to find comes with the next one, a quarter of a minute later

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A company of two pages of organizations, which delivers webhooks over HTTP."""
    company = the_same(organizations=520, proportions=Proportions(deals=1, activities=0.5, persons=0.5))
    with Sandbox(company, burst=None) as running:
        yield running


@pytest.fixture
def program(make_program: MakeProgram, database_url: str) -> Program:
    """The program on an empty database, with an address of its own."""
    port = free_port()
    return make_program(database_url, SYNC_PORT=str(port), WEBHOOK_PUBLIC_URL=f"http://127.0.0.1:{port}")


def subscribe(program: Program) -> None:
    """What `webhooks install` does, without a process of its own."""
    settings = load_settings(program.environment)
    with opened_beside(settings) as mirror:
        install(mirror, receiver_url(settings))


def in_step(database: Database, company: Company) -> bool:
    return built_accounts(database) == expected_accounts(company) and differences(database, company) == []


def an_account(company: Company) -> int:
    """An organization that is an account."""
    return min(expected_accounts(company))


def account_name(database: Database, organization_id: int) -> str | None:
    with database.reading() as connection:
        return connection.scalar(select(accounts.c.name).filter_by(organization_id=organization_id))


def rename(sandbox: Sandbox, organization_id: int) -> str:
    name = f"Renamed at {datetime.now(UTC):%H:%M:%S.%f}"
    sandbox.company.update("organizations", organization_id, {"name": name})
    return name


def arrives(sandbox: Sandbox, database: Database) -> None:
    """Rename an account's organization at Pipedrive, and wait until the account's row has the name."""
    chosen = an_account(sandbox.company)
    name = rename(sandbox, chosen)
    until(lambda: account_name(database, chosen) == name, f"account {chosen} has the name {name!r}")


def events(database: Database) -> dict[str, int]:
    """How many events are in the inbox, by state."""
    with database.reading() as connection:
        rows = connection.execute(select(inbox.c.state, func.count()).group_by(inbox.c.state)).all()
    return {row[0]: row[1] for row in rows}


def after_answers(sandbox: Sandbox, count: int, action: Callable[[], object]) -> threading.Event:
    """Do something right after so many deliveries were answered with a success; the event says that it is done."""
    transport, lock, done = sandbox.deliveries.transport, threading.Lock(), threading.Event()
    answered = 0

    def counting(*request: Any) -> int | None:
        nonlocal answered
        status = transport(*request)
        with lock:
            answered += status == 200
            if answered == count and not done.is_set():
                action()
                done.set()
        return status

    sandbox.deliveries.transport = counting
    return done


# --- the whole of it --------------------------------------------------------------------------------------------------


def test_on_an_empty_database_it_copies_everything_and_then_hears_of_each_change(
    program: Program, sandbox: Sandbox, database: Database
) -> None:
    company = sandbox.company
    with served(program, SYNC_POLL__INTERVAL="15") as service:
        assert service.get("/healthz").status_code == 200
        until(lambda: in_step(database, company), "the first copy is done", SOON)

        installed = program.json("webhooks", "install")
        assert set(installed["created"]) >= {"organization", "deal", "person", "activity"}
        arrives(sandbox, database)
        won = next(deal["id"] for deal in company.all("deals") if deal["status"] == "open" and deal["org_id"])
        company.win_deal(won)
        company.delete("persons", company.all("persons")[0]["id"])
        until(lambda: built_accounts(database) == expected_accounts(company), "the accounts have heard of it")
        until(lambda: in_step(database, company), lambda: differences(database, company), SOON)

        until(lambda: service.ready()[0] == 200, "every list was read", SOON)
        assert service.ready()[1]["instance"] == {"ok": True, "message": "active"}
        until(lambda: program.json("status")["webhooks"]["alive"], "status knows that webhooks come", SOON)
        tells(program.json("status"), "organizations")
        assert "Webhooks  alive" in program.run("status").stdout
        counts(service.get("/metrics").text, company)
        service.ends()
    assert sandbox.token not in "".join(service.lines)
    assert sandbox.limits.burst_rejections == sandbox.limits.daily_rejections == 0


def tells(status: dict[str, Any], listing: str) -> None:
    """What `status --json` says of a service that runs well."""
    jobs = {job["job"]: job for job in status["jobs"]}
    assert {"apply", "backfill", f"poll {listing}", "reference"} <= jobs.keys()
    assert [job for job in jobs.values() if job["failures"]] == []
    assert status["webhooks"]["installed"]
    assert status["webhooks"]["lacking"] == []
    assert status["webhooks"]["last_received"]
    assert status["webhooks"]["events"]["failed"] == 0
    assert status["plan"]["pace"] == "planned"
    assert status["attention"] == []


def counts(metrics: str, company: Company) -> None:
    """What /metrics says of a service that runs well."""
    values = {name: float(value) for name, value in re.findall(r"^(pipedrive_sync_\S+) (\S+)$", metrics, re.MULTILINE)}
    assert values['pipedrive_sync_deliveries_total{outcome="stored"}'] >= 3
    assert values['pipedrive_sync_events_total{state="applied"}'] >= 3
    assert values["pipedrive_sync_event_lag_seconds_count"] >= 3
    assert values['pipedrive_sync_tokens_total{purpose="backfill"}'] > 0
    assert values['pipedrive_sync_requests_total{method="GET",route="/api/v2/deals",status="200"}'] > 0
    assert values['pipedrive_sync_job_seconds_count{job="apply"}'] > 0
    assert values[f'pipedrive_sync_rows{{company="{company.id}",entity="organizations"}}'] == 520
    assert values[f'pipedrive_sync_inbox_oldest_seconds{{company="{company.id}"}}'] >= 0


# --- told to stop -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("the first question", signal.SIGTERM),
        ("the first copy", signal.SIGTERM),
        ("the first copy", signal.SIGINT),
        ("a slow answer", signal.SIGTERM),
        ("standing still", signal.SIGTERM),
    ],
)
def test_told_to_stop_it_ends_in_time_and_goes_on_when_it_is_started_again(
    program: Program, sandbox: Sandbox, database: Database, moment: str, number: signal.Signals
) -> None:
    reached = threading.Event()
    faults = sandbox.faults
    if moment == "the first question":
        faults.before(reached.set, path="*/users/me")
        faults.delay(40, path="*/users/me")
    elif moment == "the first copy":
        faults.after(reached.set, skip=22)
    elif moment == "a slow answer":
        faults.before(reached.set, path="*/organizations", skip=1)
        faults.delay(40, path="*/organizations", skip=1)
    else:
        program.run("backfill")

    service = begin(program)
    if moment == "standing still":
        service.says("service_active")
    else:
        assert reached.wait(SOON)
        service.says("service_started")
    service.ends(number)
    faults.clear()

    assert service.logged("service_stopped")
    with served(program):
        until(lambda: in_step(database, sandbox.company), "the copy is completed", SOON)


# --- killed -----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("copied")
def test_what_a_receiver_answered_for_before_it_was_killed_is_applied_by_the_next_run(
    program: Program, sandbox: Sandbox, database: Database
) -> None:
    subscribe(program)
    chosen = an_account(sandbox.company)
    with served(program, "receive") as receiver:
        killed = after_answers(sandbox, 1, receiver.kill)
        name = rename(sandbox, chosen)
        assert killed.wait(SOON)
    assert events(database) == {State.PENDING: 1}
    assert account_name(database, chosen) != name

    with served(program):
        until(lambda: events(database) == {State.APPLIED: 1}, "the event is applied")

    assert account_name(database, chosen) == name


@pytest.mark.usefixtures("copied")
def test_killed_while_events_wait_it_is_in_step_again_after_a_restart(
    program: Program, sandbox: Sandbox, database: Database
) -> None:
    company = sandbox.company
    subscribe(program)
    # Of those that nobody answered for meanwhile some never come again: Pipedrive bans the webhook. Polls find them.
    program.environment["SYNC_POLL__INTERVAL"] = "15"
    with served(program) as service:
        service.says("service_active")
        killed = after_answers(sandbox, 40, service.process.kill)
        deals = [deal["id"] for deal in company.all("deals") if not deal["is_archived"]]
        for one in range(60):
            company.update("organizations", 1 + one, {"name": f"Renamed {one}"})
            company.update("deals", deals[one], {"value": 1_000 * one})
        assert killed.wait(SOON)
        service.process.wait(30)

    with served(program):
        until(lambda: in_step(database, company), lambda: differences(database, company), SOON)
        until(lambda: State.PENDING not in events(database), lambda: events(database))
    assert State.FAILED not in events(database)


@on_postgresql
@pytest.mark.usefixtures("copied")
def test_a_second_one_stands_by_receives_and_takes_over_when_the_first_is_killed(
    program: Program, sandbox: Sandbox, database: Database
) -> None:
    with served(program, SYNC_PORT=str(free_port())) as first:
        first.says("service_active")
        with served(program) as second:
            second.says("standing_by")
            status, checks = second.ready()
            assert (status, checks["instance"]["message"], checks["lists"]["message"]) == (
                200,
                "standing by",
                "standing by",
            )
            program.run("webhooks", "install")  # at the address of the second
            arrives(sandbox, database)  # received by the second, applied by the first

            first.kill()
            until(lambda: second.ready()[1]["instance"]["message"] == "active", "the second is active")

            arrives(sandbox, database)
            assert second.logged("service_active")


# --- beside others ----------------------------------------------------------------------------------------------------


def complaint(program: Program, command: str, code: int, **environment: str) -> str:
    """The one line that a command beside a running service ends with."""
    ended = program.run(command, code=code, **environment)
    (line,) = [line for line in ended.stderr.splitlines() if not line.startswith("{")]
    assert line.startswith("pipedrive-sync: ")
    return line


@pytest.mark.usefixtures("copied")
def test_beside_it_no_other_command_works_on_the_database_and_those_that_read_do(program: Program) -> None:
    with served(program) as service:
        service.says("service_active")

        for command in ("sync", "backfill"):
            assert "Another pipedrive-sync is active" in complaint(program, command, 3)
        assert program.json("status")["company"] is not None
        assert program.json("accounts", "list", "--limit", "1")
        assert program.json("webhooks", "list") == []
        assert service.get("/healthz").status_code == 200


@on_sqlite
def test_a_second_one_on_one_file_is_told_at_once(program: Program) -> None:
    with served(program):
        assert "Another pipedrive-sync is active" in complaint(program, "run", 3, SYNC_PORT=str(free_port()))


def test_a_port_in_use_is_said_with_the_setting(program: Program, sandbox: Sandbox) -> None:
    with socket.create_server(("127.0.0.1", int(program.environment["SYNC_PORT"]))):
        assert "Set SYNC_PORT to another port" in complaint(program, "run", 2)
    assert sandbox.calls == []

    with served(program):  # and nothing is left of that try
        pass


def test_wrong_credentials_end_it_with_what_to_do(program: Program) -> None:
    assert "PIPEDRIVE_API_TOKEN" in complaint(program, "run", 2, PIPEDRIVE_API_TOKEN="0000wrong")
    assert "PIPEDRIVE_API_TOKEN" in complaint(program, "run", 2, PIPEDRIVE_API_TOKEN="")


@pytest.mark.usefixtures("copied")
def test_a_list_that_is_refused_shows_and_stops_nothing_else(
    program: Program, sandbox: Sandbox, database: Database
) -> None:
    subscribe(program)
    sandbox.faults.fail(status=403, path="*/notes", times=1_000_000)
    with served(program) as service:
        until(lambda: "poll notes: Pipedrive does not allow" in service.ready()[1]["lists"]["message"], "notes", SOON)
        until(lambda: "poll deals" not in service.ready()[1]["lists"]["message"], "everything else was read", SOON)
        assert service.ready()[0] == 503
        assert service.get("/healthz").status_code == 200
        arrives(sandbox, database)

        status = program.json("status")
        failing = {job["job"]: job["error"] for job in status["jobs"] if job["failures"]}
        assert failing.keys() <= {"poll notes", "sweep"}
        assert "403" in failing["poll notes"]
        assert any("“poll notes” fails" in line for line in status["attention"])

        sandbox.faults.clear()
        # The longer it has failed, the longer it waits before it tries again.
        until(lambda: service.ready()[0] == 200, "notes are read again", 4 * SOON)


@pytest.mark.usefixtures("copied")
def test_sync_applies_what_a_receiver_has_stored(program: Program, sandbox: Sandbox, database: Database) -> None:
    subscribe(program)
    gone = an_account(sandbox.company)
    with served(program, "receive"):
        delivered = after_answers(sandbox, 1, lambda: None)
        sandbox.company.delete("organizations", gone)  # which no poll would find
        assert delivered.wait(SOON)

    program.run("sync")

    assert events(database) == {State.APPLIED: 1}
    assert in_step(database, sandbox.company)
    with database.reading() as connection:
        assert connection.scalar(select(accounts.c.status).filter_by(organization_id=gone)) == "former"
