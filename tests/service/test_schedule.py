"""The clockwork on the real clock: every job in its time, none twice at once, none lost, and an end in time."""

import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED
from structlog.testing import capture_logs

from sync.clock import SystemClock
from sync.mirror.company import open_mirror
from sync.pipedrive.connect import connect, token_budget
from sync.sandbox import Sandbox, generate
from sync.service import schedule as clockwork
from sync.service.jobs import APPLY, BACKFILL, Job
from sync.service.schedule import Schedule
from sync.service.service import Service
from sync.settings import load_settings
from sync.store.database import Database
from sync.store.jobs import JobRecord, save_job
from tests.service.waiting import until

RARELY = 86_400.0
ALWAYS = 0.0


class Work:
    """What a job does in these tests: counts its runs, and how many of them went on at one time."""

    def __init__(self, does: Callable[[], object] = lambda: None) -> None:
        self.runs = 0
        self.most_at_once = 0
        self.threads: list[threading.Thread] = []
        self._does = does
        self._now = 0
        self._lock = threading.Lock()

    def __call__(self, _mirror: object, _plan: object) -> None:
        with self._lock:
            self.runs += 1
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
            self.threads.append(threading.current_thread())
        try:
            self._does()
        finally:
            with self._lock:
                self._now -= 1


@pytest.fixture
def hectic() -> Iterator[None]:
    """Threads take turns all the time: what may come between two steps of one, does."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.fixture
def clock() -> Iterator[SystemClock]:
    running = SystemClock()
    yield running
    running.stop()


@pytest.fixture
def service(database: Database, clock: SystemClock) -> Iterator[Service]:
    """A service on the real clock, at a company of which nothing is copied yet; tests give it its jobs."""
    with Sandbox(generate(1, clock=clock, organizations=0), burst=None) as sandbox:
        settings = load_settings({"PIPEDRIVE_BASE_URL": sandbox.url, "PIPEDRIVE_API_TOKEN": sandbox.token})
        budget = token_budget(settings)
        with connect(settings, clock, budget) as client:
            yield Service(open_mirror(client, database, clock, settings, budget))


@pytest.fixture
def schedule(service: Service, clock: SystemClock) -> Iterator[Schedule]:
    """The clockwork of it; whatever a test leaves running has to end."""
    made = Schedule(service)
    yield made
    clock.stop()
    if made.scheduler.running:
        assert made.stop(10.0)


def give(service: Service, **work: tuple[Work, float]) -> None:
    """Let the service have these jobs and no others: what each does, and its interval."""
    service.jobs = {
        name: Job(name, does, lambda plan, seconds=seconds: seconds, needs_copy=False)  # type: ignore[misc]
        for name, (does, seconds) in work.items()
    }


# --- what APScheduler is told -----------------------------------------------------------------------------------------


def test_every_job_coalesces_runs_once_at_a_time_and_is_never_too_late(service: Service, schedule: Schedule) -> None:
    names = set(service.jobs)

    schedule.scheduler.start(paused=True)
    schedule.scheduler.shutdown()
    schedule.start()

    jobs = schedule.scheduler.get_jobs()
    assert {job.id for job in jobs} >= names | {"plan"}
    for job in jobs:
        assert (job.coalesce, job.max_instances, job.misfire_grace_time) == (True, 1, None), job.id


# --- running ----------------------------------------------------------------------------------------------------------


def test_a_slow_job_keeps_no_other_waiting_and_is_never_run_twice_at_once(service: Service, schedule: Schedule) -> None:
    gate = threading.Event()
    slow, quick = Work(gate.wait), Work()
    give(service, sweep=(slow, ALWAYS), apply=(quick, ALWAYS))

    schedule.start()
    until(lambda: quick.runs >= 20)
    assert (slow.runs, slow.most_at_once, quick.most_at_once) == (1, 1, 1)

    gate.set()
    until(lambda: slow.runs >= 5)
    assert slow.most_at_once == 1


def test_a_run_that_ends_after_its_next_time_is_followed_by_another_at_once(
    service: Service, schedule: Schedule, hectic: None
) -> None:
    events: list[object] = []
    schedule.scheduler.add_listener(events.append, EVENT_JOB_MAX_INSTANCES | EVENT_JOB_MISSED | EVENT_JOB_ERROR)
    longer_than_its_interval = Work()
    give(service, sweep=(longer_than_its_interval, 1e-6))

    schedule.start()
    until(lambda: longer_than_its_interval.runs >= 100)

    assert longer_than_its_interval.most_at_once == 1
    assert events == []


def test_nothing_is_skipped_nor_run_twice_while_the_plan_is_made_all_the_time(
    service: Service, schedule: Schedule, monkeypatch: pytest.MonkeyPatch, hectic: None
) -> None:
    events: list[object] = []
    schedule.scheduler.add_listener(
        lambda event: events.append(event) if event.job_id != "plan" else None,
        EVENT_JOB_MAX_INSTANCES | EVENT_JOB_MISSED | EVENT_JOB_ERROR,
    )
    monkeypatch.setattr(clockwork, "_PLAN_EVERY", 0.001)
    work = {name: Work() for name in ("apply", "sweep", "follow_up", "accounts")}
    give(service, **{name: (does, ALWAYS) for name, does in work.items()})

    schedule.start()
    until(lambda: all(does.runs >= 60 for does in work.values()))

    assert {does.most_at_once for does in work.values()} == {1}
    assert events == []


def test_a_moment_missed_long_ago_is_made_up_for_once(service: Service, schedule: Schedule) -> None:
    rare, often = Work(), Work()
    give(service, sweep=(rare, RARELY), apply=(often, ALWAYS))
    schedule.start()
    until(lambda: schedule.scheduler.get_job("sweep").next_run_time == service.due_at("sweep"))
    assert rare.runs == 1

    schedule.scheduler.modify_job("sweep", next_run_time=now() - timedelta(hours=1))
    until(lambda: rare.runs == 2)
    seen = often.runs
    until(lambda: often.runs >= seen + 20)

    assert rare.runs == 2


def test_what_was_due_while_the_program_was_not_running_is_made_up_for_once(
    service: Service, schedule: Schedule, database: Database
) -> None:
    long_ago = now() - timedelta(days=400)
    with database.writing() as connection:
        record = JobRecord("sweep", long_ago, long_ago, long_ago, None, failures=0, error=None)
        save_job(connection, service._mirror.company_id, record)
    again = Service(service._mirror)
    rare, often = Work(), Work()
    give(again, sweep=(rare, 3600), apply=(often, ALWAYS))
    after_the_sleep = Schedule(again)

    after_the_sleep.start()
    try:
        until(lambda: rare.runs == 1 and often.runs >= 20)
        assert again.due_at("sweep") > now() + timedelta(minutes=50)  # type: ignore[operator]
    finally:
        assert after_the_sleep.stop(10.0)
    assert rare.runs == 1


def test_a_job_that_fails_is_tried_again_after_its_backoff_and_the_others_go_on(
    service: Service, schedule: Schedule
) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    broken, sound = Work(fail), Work()
    give(service, sweep=(broken, ALWAYS), apply=(sound, ALWAYS))

    schedule.start()
    until(lambda: sound.runs >= 20)

    assert broken.runs == 1
    until(lambda: schedule.scheduler.get_job("sweep").next_run_time == service.due_at("sweep"))
    assert service.due_at("sweep") == service.fared()["sweep"].ended_at + timedelta(seconds=5)  # type: ignore[operator]


def test_what_waits_for_the_first_copy_begins_as_soon_as_that_is_done(
    service: Service, schedule: Schedule, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clockwork, "_PLAN_EVERY", RARELY)
    gate = threading.Event()
    copy, sweep = Work(gate.wait), Work()
    give(service, **{BACKFILL: (copy, 60)})
    service.jobs = {**service.jobs, "sweep": Job("sweep", sweep, lambda plan: RARELY)}

    schedule.start()
    until(lambda: copy.runs == 1)
    assert sweep.runs == 0
    gate.set()

    until(lambda: sweep.runs == 1)


def test_the_plan_is_made_anew_and_new_intervals_hold_at_once(
    service: Service, schedule: Schedule, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clockwork, "_PLAN_EVERY", 0.01)
    work, first = Work(), service.plan
    service.jobs = {
        "sweep": Job("sweep", work, lambda plan: RARELY if plan is first else ALWAYS, needs_copy=False),
    }

    schedule.start()

    until(lambda: work.runs >= 3)
    assert service.plan is not first


def test_a_plan_that_can_not_be_made_is_said_and_made_later(
    service: Service, schedule: Schedule, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clockwork, "_PLAN_EVERY", 0.01)
    rename(database, "inbox", "nowhere")
    often, first = Work(), service.plan
    give(service, apply=(often, ALWAYS))

    with capture_logs() as logs:
        schedule.start()
        until(lambda: any(line["event"] == "plan_failed" for line in logs) and often.runs >= 5)
        assert service.plan is first
        rename(database, "nowhere", "inbox")
        until(lambda: service.plan is not first)


def test_a_thread_that_can_not_be_had_loses_no_job(
    service: Service, schedule: Schedule, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clockwork, "_PLAN_EVERY", 0.01)
    start, refused = threading.Thread.start, []

    def start_or_not(thread: threading.Thread) -> None:
        if thread.name == "sweep" and not refused:
            refused.append(thread)
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_or_not)
    work = Work()
    give(service, sweep=(work, RARELY))

    schedule.start()

    until(lambda: work.runs == 1)
    assert len(refused) == 1


# --- stopping ---------------------------------------------------------------------------------------------------------


def test_stopping_waits_until_jobs_have_come_to_rest(service: Service, schedule: Schedule, clock: SystemClock) -> None:
    patient, often = Work(lambda: clock.sleep(3600)), Work()
    give(service, sweep=(patient, ALWAYS), apply=(often, ALWAYS))
    schedule.start()
    until(lambda: patient.runs == 1 and often.runs >= 1)

    clock.stop()
    assert schedule.stop(10.0)

    for thread in patient.threads + often.threads:
        thread.join(10.0)  # what is left of them is to say that they are done
        assert not thread.is_alive()
    assert service.fared()["sweep"].failures == 0  # it was told to stop


def test_stopping_says_so_when_a_job_does_not_come_to_rest_in_time(service: Service, schedule: Schedule) -> None:
    gate = threading.Event()
    stubborn = Work(gate.wait)
    give(service, sweep=(stubborn, ALWAYS))
    schedule.start()
    until(lambda: stubborn.runs == 1)

    assert not schedule.stop(0.01)

    gate.set()
    stubborn.threads[0].join(10.0)
    assert not stubborn.threads[0].is_alive()


def test_nothing_is_started_after_the_stop(service: Service, schedule: Schedule) -> None:
    gate = threading.Event()
    work, often = Work(gate.wait), Work()
    give(service, sweep=(work, ALWAYS), apply=(often, ALWAYS))
    schedule.start()
    until(lambda: work.runs == 1 and often.runs >= 1)

    schedule.stop(0.0)
    gate.set()
    for thread in [*work.threads, *often.threads]:
        thread.join(10.0)

    assert work.runs == 1


def test_no_thread_of_a_job_can_keep_the_program_from_ending(service: Service, schedule: Schedule) -> None:
    work = Work()
    give(service, **{APPLY: (work, ALWAYS)})

    schedule.start()
    until(lambda: work.runs >= 1)

    assert all(thread.daemon for thread in work.threads)
    assert schedule.scheduler._thread.daemon


def now() -> datetime:
    return datetime.now(UTC)


def rename(database: Database, table: str, name: str) -> None:
    with database.writing() as connection:
        connection.exec_driver_sql(f"ALTER TABLE {table} RENAME TO {name}")
