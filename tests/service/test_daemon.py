"""The service of a process: works while the lock is its own, stands by while it is not, waits out what passes."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import select, text
from structlog.testing import capture_logs

from sync.clock import SystemClock
from sync.errors import SyncError
from sync.mirror.backfill import copy, survey, unfinished
from sync.mirror.company import open_mirror
from sync.mirror.progress import Silent
from sync.mirror.reference import read_reference
from sync.mirror.refusals import Refusals
from sync.pipedrive import retry
from sync.pipedrive.connect import connect, token_budget
from sync.pipedrive.entities import ENTITIES
from sync.pipedrive.errors import Forbidden, Unauthorized
from sync.sandbox import Proportions, Sandbox, generate
from sync.service import daemon as service_daemon
from sync.service.daemon import Daemon, Standing
from sync.settings import Settings, SettingsError, load_settings
from sync.store import lock
from sync.store.database import Database
from sync.store.jobs import JobRecord, save_job
from sync.store.schema import TABLES
from tests.service.conftest import into_the_inbox
from tests.service.waiting import PATIENCE, until
from tests.truth import differences


class Running:
    """A daemon in a thread, and what its run ended with."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.daemon = Daemon(settings, database)
        self.error: SyncError | None = None
        self._thread = threading.Thread(target=self._run, name="daemon", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.daemon.run()
        except SyncError as error:
            self.error = error

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def reaches(self, standing: Standing) -> None:
        until(lambda: self.daemon.standing is standing, f"standing is {self.daemon.standing}, not {standing}")

    def stop(self) -> None:
        """Tell it to stop, and see that it does."""
        self.daemon.stop()
        self.ends()

    def ends(self) -> None:
        self._thread.join(PATIENCE)
        assert not self.is_alive


Start = Callable[..., Running]

# A file has no session that could be lost.
on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits two seconds here before looking at a lock again."""
    for name in ("_CHECK_LOCK_EVERY", "_TRY_LOCK_EVERY", "_LONGEST_WAIT", "_GLANCE"):
        monkeypatch.setattr(service_daemon, name, 0.02)


@pytest.fixture
def sandbox(database: Database) -> Iterator[Sandbox]:
    """A small company that tells of changes of organizations, straight into the inbox."""
    company = generate(7, clock=SystemClock(), organizations=6, proportions=Proportions(deals=2, activities=2))
    with Sandbox(company, burst=None) as running:
        running.deliveries.transport = partial(into_the_inbox, database)
        subscription = {"subscription_url": "http://127.0.0.1:1", "event_action": "*", "event_object": "organization"}
        company.create("webhooks", subscription)
        yield running


def rename_one(sandbox: Sandbox, database: Database) -> None:
    """Rename an organization at Pipedrive, and wait until the mirror has heard of it."""
    name = f"Renamed at {datetime.now(UTC)}"
    sandbox.company.update("organizations", 1, {"name": name})

    def arrived() -> bool:
        with database.reading() as connection:
            return connection.scalar(select(TABLES["organizations"].c.name).filter_by(id=1)) == name

    until(arrived)


@pytest.fixture
def start(sandbox: Sandbox, database: Database) -> Iterator[Start]:
    """Starts daemons; settings as in the environment."""
    started: list[Running] = []

    def begin(**environment: str) -> Running:
        running = Running(settings_for(sandbox, **environment), database)
        started.append(running)
        return running

    yield begin
    sandbox.faults.clear()
    for running in started:
        running.stop()
    until(lambda: not workers(), "the threads of the jobs come to rest")


def settings_for(sandbox: Sandbox, **environment: str) -> Settings:
    return load_settings({"PIPEDRIVE_BASE_URL": sandbox.url, "PIPEDRIVE_API_TOKEN": sandbox.token, **environment})


@pytest.fixture
def filled(sandbox: Sandbox, database: Database) -> None:
    """The first copy is done."""
    settings, clock = settings_for(sandbox), SystemClock()
    budget = token_budget(settings)
    with connect(settings, clock, budget) as client:
        mirror, _ = read_reference(open_mirror(client, database, clock, settings, budget), Refusals(), only_due=False)
        copy(mirror, survey(mirror, unfinished(mirror, ENTITIES)), Silent())


def workers() -> list[str]:
    """The threads of jobs and of what starts them."""
    names = ("APScheduler", "apply", "backfill", "follow_up", "reference", "poll ", "newest ", "sweep", "webhooks")
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(names)]


@contextmanager
def held_by_another(database_url: str) -> Iterator[None]:
    """Another instance, which could take the lock, has it for as long as the block lasts."""
    other = Database(database_url)
    held = lock.instance_lock(other)
    assert held.try_acquire()
    yield
    held.release()
    other.close()


# --- working ----------------------------------------------------------------------------------------------------------


def test_it_copies_everything_and_keeps_in_step(start: Start, sandbox: Sandbox, database: Database) -> None:
    running = start()
    running.reaches(Standing.ACTIVE)
    until(lambda: running.daemon.cycle_check()[0])
    assert running.daemon.lock_check() == (True, "active")
    assert running.daemon.cycle_check() == (True, "every list was read lately")

    assert differences(database, sandbox.company) == []

    rename_one(sandbox, database)


def test_before_it_runs_it_is_not_ready(sandbox: Sandbox, database: Database) -> None:
    daemon = Daemon(settings_for(sandbox), database)

    assert daemon.lock_check() == (False, "starting")
    assert daemon.cycle_check() == (False, "starting")


def test_during_the_first_copy_it_says_which_lists_were_not_read_yet(start: Start, sandbox: Sandbox) -> None:
    gate = threading.Event()
    sandbox.faults.after(lambda: gate.wait(PATIENCE), path="*/deals")
    running = start()
    running.reaches(Standing.ACTIVE)

    ok, words = running.daemon.cycle_check()

    assert not ok
    assert "poll deals: not read yet" in words
    gate.set()
    until(lambda: running.daemon.cycle_check()[0])


def test_a_list_that_is_refused_makes_it_unready_with_the_reason(filled: None, start: Start, sandbox: Sandbox) -> None:
    sandbox.faults.fail(status=403, path="*/notes", times=10_000)
    running = start()

    until(lambda: (running.daemon.cycle_check()[1]).startswith("poll notes: Pipedrive does not allow"))

    assert not running.daemon.cycle_check()[0]
    assert running.daemon.lock_check() == (True, "active")


@pytest.mark.parametrize(("minutes", "ok"), [(205, True), (215, False)])
def test_a_list_is_behind_half_an_hour_after_it_could_have_been_read_three_times(
    filled: None, start: Start, sandbox: Sandbox, database: Database, minutes: int, ok: bool
) -> None:
    now = datetime.now(UTC)
    read_at = now - timedelta(minutes=minutes)
    record = JobRecord("poll organizations", now, now, read_at, None, failures=0, error=None)
    with database.writing() as connection:
        save_job(connection, sandbox.company.id, record)
    running = start(SYNC_POLL__INTERVAL="3600")

    until(lambda: "not read yet" not in running.daemon.cycle_check()[1] and running.daemon.standing is Standing.ACTIVE)

    assert running.daemon.cycle_check() == (
        (True, "every list was read lately")
        if ok
        else (False, f"poll organizations: last read {read_at:%Y-%m-%d %H:%M} UTC")
    )


# --- the lock ---------------------------------------------------------------------------------------------------------


def test_it_stands_by_while_another_is_active_and_takes_over_when_that_one_is_gone(
    start: Start, sandbox: Sandbox, database_url: str, database: Database
) -> None:
    with capture_logs() as logs:
        with held_by_another(database_url):
            running = start()
            running.reaches(Standing.STANDING_BY)
            assert running.daemon.lock_check() == (True, "standing by")
            assert running.daemon.cycle_check() == (True, "standing by")
            assert (workers(), sandbox.calls) == ([], [])
        running.reaches(Standing.ACTIVE)

    assert [line["event"] for line in logs if line["event"] in ("standing_by", "lock_taken")] == [
        "standing_by",
        "lock_taken",
    ]
    until(lambda: differences(database, sandbox.company) == [])


def test_told_to_stop_it_gives_the_lock_back(start: Start, database_url: str) -> None:
    running = start()
    running.reaches(Standing.ACTIVE)

    running.stop()

    with held_by_another(database_url):
        assert workers() == []


@on_postgresql
def test_when_its_lock_is_lost_to_another_it_stops_its_jobs_and_stands_by(
    filled: None, start: Start, sandbox: Sandbox, database: Database
) -> None:
    running = start()
    running.reaches(Standing.ACTIVE)
    heir = database.engine.connect()
    # In line for the lock already: nobody else can have it first.
    waiting = threading.Thread(
        target=lambda: heir.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": lock._LOCK})
    )
    waiting.start()
    until(lambda: _sessions(database, "NOT granted"))

    with capture_logs() as logs:
        _end_holder(database)
        waiting.join(PATIENCE)
        running.reaches(Standing.STANDING_BY)
    assert "lock_lost" in [line["event"] for line in logs]
    until(lambda: workers() == [])

    heir.invalidate()
    heir.close()
    running.reaches(Standing.ACTIVE)
    rename_one(sandbox, database)


@on_postgresql
def test_a_lock_that_is_lost_for_a_moment_is_taken_again(filled: None, start: Start, database: Database) -> None:
    running = start()
    running.reaches(Standing.ACTIVE)

    with capture_logs() as logs:
        _end_holder(database)
        until(lambda: [line["event"] for line in logs if line["event"] == "service_active"])

    assert [line["event"] for line in logs if "lock" in line["event"]] == ["lock_lost", "lock_taken"]
    running.reaches(Standing.ACTIVE)


@on_postgresql
def test_a_lock_lost_before_pipedrive_answers_lets_no_job_begin(
    start: Start, sandbox: Sandbox, database: Database
) -> None:
    sandbox.faults.html_403(path="*/users/me", times=1_000_000)
    running = start()
    until(lambda: len(sandbox.calls) >= 2)

    with capture_logs() as logs:
        _end_holder(database)
        until(lambda: [line for line in logs if line["event"] == "lock_taken"])
        assert running.daemon.standing is Standing.STARTING
        sandbox.faults.clear()
        running.reaches(Standing.ACTIVE)


def _sessions(database: Database, which: str) -> list[int]:
    """The sessions that have the lock of the instance (`granted`), or wait for it."""
    with database.reading() as connection:
        found = connection.scalars(
            text(
                "SELECT pid FROM pg_locks WHERE locktype = 'advisory' "
                "AND (classid::bigint << 32) | objid::bigint = :lock "
                f"AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND {which}"
            ),
            {"lock": lock._LOCK},
        )
        return list(found)


def _end_holder(database: Database) -> None:
    """End the session that holds the lock, as a restart of the server or a firewall would."""
    (holder,) = _sessions(database, "granted")
    with database.reading() as connection:
        connection.execute(text("SELECT pg_terminate_backend(:holder)"), {"holder": holder})


# --- what passes is waited out, what does not ends it -----------------------------------------------------------------


@pytest.mark.parametrize("fault", ["unreachable", "shut out", "maintenance", "nonsense"])
def test_a_pipedrive_that_does_not_answer_at_the_start_is_waited_for(
    start: Start, sandbox: Sandbox, database: Database, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr(retry, "FIRST_CONTACT_FOR", 0.0)
    where = {"path": "*/users/me", "times": 4}
    faults = {
        "unreachable": lambda: sandbox.faults.reset_before(**where),
        "shut out": lambda: sandbox.faults.html_403(**where),
        "maintenance": lambda: sandbox.faults.answer({"success": False}, status=501, **where),
        "nonsense": lambda: sandbox.faults.answer({"success": True, "data": {"id": "?"}}, **where),
    }
    struck = faults[fault]()

    with capture_logs() as logs:
        running = start()
        running.reaches(Standing.ACTIVE)

    assert struck.struck == 4
    assert len([line for line in logs if line["event"] == "not_opened"]) == 4
    until(lambda: differences(database, sandbox.company) == [])


@pytest.mark.parametrize("table", ["companies", "jobs", "checkpoints"])
def test_a_database_that_does_not_work_at_the_start_is_waited_for(
    start: Start, database: Database, sandbox: Sandbox, table: str
) -> None:
    rename(database, table, "elsewhere")

    with capture_logs() as logs:
        running = start()
        until(lambda: [line for line in logs if line["event"] in ("not_opened", "database_unavailable")])
        assert running.is_alive
        rename(database, "elsewhere", table)
        running.reaches(Standing.ACTIVE)

    until(lambda: differences(database, sandbox.company) == [])


@on_postgresql
def test_a_database_that_drops_every_connection_is_come_back_to(
    filled: None, start: Start, database: Database, database_url: str, sandbox: Sandbox
) -> None:
    running = start()
    running.reaches(Standing.ACTIVE)

    with capture_logs() as logs:
        for _ in range(3):
            _end_everybody(database_url)
        until(lambda: [line for line in logs if line["event"] == "service_active"])

    running.reaches(Standing.ACTIVE)
    rename_one(sandbox, database)


def _end_everybody(database_url: str) -> None:
    beside = Database(database_url)
    with beside.reading() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    beside.close()


def test_a_wrong_token_ends_it_with_what_to_do(start: Start, database_url: str) -> None:
    running = start(PIPEDRIVE_API_TOKEN="0000wrong")

    running.ends()

    assert isinstance(running.error, Unauthorized)
    assert running.error.exit_code == 2
    with held_by_another(database_url):
        pass  # the lock is free


def test_a_user_who_may_not_read_ends_it_too(start: Start, sandbox: Sandbox) -> None:
    sandbox.faults.fail(status=403, path="*/users/me", times=1)
    running = start()

    running.ends()

    assert isinstance(running.error, Forbidden)


def test_a_mistake_in_the_privacy_settings_ends_it_before_anything_is_read(
    filled: None, start: Start, sandbox: Sandbox
) -> None:
    calls = len(sandbox.calls)
    running = start(SYNC_PRIVACY__LEAVE_OUT="organizations.No such field")

    running.ends()

    assert isinstance(running.error, SettingsError)
    assert [call.path for call in sandbox.calls[calls:]] == ["/api/v1/users/me"]


# --- stopping ---------------------------------------------------------------------------------------------------------


def test_told_to_stop_while_it_stands_by_it_stops(start: Start, database_url: str) -> None:
    with held_by_another(database_url):
        running = start()
        running.reaches(Standing.STANDING_BY)

        running.stop()

    assert running.error is None


def test_told_to_stop_while_pipedrive_takes_long_to_answer_at_the_start_it_does_not_wait(
    start: Start, sandbox: Sandbox
) -> None:
    gate = threading.Event()
    sandbox.faults.before(lambda: gate.wait(4 * PATIENCE), path="*/users/me")
    running = start()
    until(lambda: [thread for thread in threading.enumerate() if thread.name == "opening"])

    running.stop()

    assert running.error is None
    gate.set()
    until(lambda: not [thread for thread in threading.enumerate() if thread.name == "opening"])


def test_told_to_stop_between_two_tries_of_the_first_call_it_stops(start: Start, sandbox: Sandbox) -> None:
    struck = sandbox.faults.fail(status=503, headers={"retry-after": "50"}, path="*/users/me", times=100)
    running = start()
    until(lambda: struck.struck)

    running.stop()

    assert running.error is None
    until(lambda: not [thread for thread in threading.enumerate() if thread.name == "opening"])


def test_told_to_stop_while_a_job_waits_for_an_answer_it_leaves_that_behind(
    start: Start, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_daemon, "_REST", 0.1)
    gate = threading.Event()
    struck = sandbox.faults.before(lambda: gate.wait(4 * PATIENCE), path="*/deals")
    running = start()
    until(lambda: struck.struck)

    with capture_logs() as logs:
        running.stop()

    assert [line["event"] for line in logs if line["event"] == "jobs_left_unfinished"]
    gate.set()


def test_stopped_before_it_runs_it_does_not_begin(sandbox: Sandbox, database: Database) -> None:
    daemon = Daemon(settings_for(sandbox), database)
    daemon.stop()

    daemon.run()

    assert workers() == []


def rename(database: Database, table: str, name: str) -> None:
    with database.writing() as connection:
        connection.exec_driver_sql(f"ALTER TABLE {table} RENAME TO {name}")
