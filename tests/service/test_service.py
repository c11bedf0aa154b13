"""The jobs of a company: what is due, how each fares, and that none takes the others down."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from structlog.testing import capture_logs

from sync.clock import ManualClock
from sync.errors import Interrupted
from sync.mirror.company import Mirror
from sync.mirror.subscriptions import install
from sync.pipedrive.errors import Forbidden
from sync.sandbox import Sandbox
from sync.service.jobs import APPLY, BACKFILL, POLL, Job
from sync.service.plan import Pace
from sync.service.service import Service
from sync.settings import SettingsError
from sync.store.database import Database
from sync.store.jobs import JobRecord, load_jobs, save_job
from tests.service.conftest import NOW, MakeService, OpenMirror, due, run_due
from tests.truth import built_accounts, differences, expected_accounts

PUBLIC = "http://127.0.0.1:1"
MIDNIGHT = datetime(2026, 11, 3, tzinfo=UTC)


def noted(database: Database, sandbox: Sandbox) -> dict[str, JobRecord]:
    """The table `jobs`."""
    with database.reading() as connection:
        return load_jobs(connection, sandbox.company.id)


def spenders(service: Service) -> set[str]:
    return {name for name, job in service.jobs.items() if job.spends}


def broken(service: Service, name: str, error: Exception) -> None:
    """Put a job of that name that fails like this in the place of the real one."""

    def fail(mirror: object, plan: object) -> None:
        raise error

    old = service.jobs[name]
    service.jobs = {**service.jobs, name: Job(name, fail, old.interval, old.spends, old.needs_copy)}


# --- the first copy ---------------------------------------------------------------------------------------------------


def test_before_the_first_copy_only_the_copy_and_the_inbox_are_due(make_service: MakeService) -> None:
    service = make_service()

    assert due(service, NOW + timedelta(days=30)) == [APPLY, BACKFILL]
    assert [name for name in service.jobs if service.due_at(name) is None] == [
        name for name in service.jobs if name not in (APPLY, BACKFILL)
    ]


def test_after_the_first_copy_everything_but_the_copy_is_due(
    make_service: MakeService, database: Database, sandbox: Sandbox
) -> None:
    service = make_service()

    service.run(BACKFILL)

    assert service.due_at(BACKFILL) is None
    assert set(due(service, NOW + timedelta(days=30))) == service.jobs.keys() - {BACKFILL}
    assert differences(database, sandbox.company) == []
    assert built_accounts(database) == expected_accounts(sandbox.company)


def test_a_service_on_a_copied_database_does_not_copy_again(service: Service, sandbox: Sandbox) -> None:
    assert service.due_at(BACKFILL) is None
    assert APPLY in due(service, NOW + timedelta(seconds=1))
    assert f"{POLL} deals" in due(service, NOW + timedelta(seconds=1))


def test_a_copy_that_stops_midway_goes_on_where_it_was(
    make_service: MakeService, sandbox: Sandbox, database: Database, clock: ManualClock
) -> None:
    service = make_service()
    sandbox.faults.fail(status=403, path="*/notes", times=1)

    service.run(BACKFILL)
    assert service.fared()[BACKFILL].failures == 1
    assert f"{POLL} deals" not in due(service, NOW + timedelta(days=1))
    clock.advance(5)
    assert run_due(service, clock.now()) == [APPLY, BACKFILL]

    assert service.fared()[BACKFILL].failures == 0
    assert differences(database, sandbox.company) == []


def test_a_reference_list_that_is_refused_keeps_no_other_list_from_being_polled(
    make_service: MakeService, sandbox: Sandbox, clock: ManualClock
) -> None:
    service = make_service()
    sandbox.faults.fail(status=403, path="*/currencies", times=10_000)

    service.run(BACKFILL)
    ran = run_due(service, clock.now())

    assert f"{POLL} deals" in ran
    fared = service.fared()
    assert [name for name in fared if fared[name].failures] == ["reference"]
    assert "currencies" in (fared["reference"].error or "")


def test_privacy_may_name_a_custom_field_before_its_definition_was_ever_read(
    make_service: MakeService, sandbox: Sandbox, database: Database
) -> None:
    code = next(iter(sandbox.company.fields.custom("organizations")))
    name = sandbox.company.fields.custom("organizations")[code]["field_name"]
    service = make_service(SYNC_PRIVACY__LEAVE_OUT=f"organizations.{name}")

    service.run(BACKFILL)

    assert service.fared()[BACKFILL].error is None
    told = [line for line in differences(database, sandbox.company) if ".custom_fields" not in line]
    assert told == []


def test_privacy_that_names_nothing_copies_nothing_and_says_so(make_service: MakeService, database: Database) -> None:
    service = make_service(SYNC_PRIVACY__LEAVE_OUT="organizations.No such field")

    service.run(BACKFILL)

    assert "No such field" in (service.fared()[BACKFILL].error or "")
    assert service.due_at(f"{POLL} deals") is None
    with pytest.raises(SettingsError, match="No such field"):  # now that the definitions are known, at once
        make_service(SYNC_PRIVACY__LEAVE_OUT="organizations.No such field")


# --- how a job fares --------------------------------------------------------------------------------------------------


def test_a_job_that_fails_is_counted_noted_backs_off_and_recovers(
    service: Service, sandbox: Sandbox, database: Database, clock: ManualClock
) -> None:
    name = f"{POLL} organizations"
    service.run(name)
    sandbox.faults.fail(status=403, path="*/organizations", times=2)
    sandbox.company.update("organizations", 1, {"name": "Renamed"})
    clock.advance(3600)

    with capture_logs() as logs:
        service.run(name)
        assert service.due_at(name) == clock.now() + timedelta(seconds=5)
        clock.advance(5)
        service.run(name)
    assert [(line["event"], line["failures"]) for line in logs if line["event"] == "job_failed"] == [
        ("job_failed", 1),
        ("job_failed", 2),
    ]
    record = noted(database, sandbox)[name]
    assert (record.failures, record.succeeded_at) == (2, NOW)
    assert "403" in (record.error or "")
    assert record.next_run_at == service.due_at(name) == clock.now() + timedelta(seconds=10)

    clock.advance(10)
    with capture_logs() as logs:
        service.run(name)
    assert [line["failures"] for line in logs if line["event"] == "job_recovered"] == [2]
    record = noted(database, sandbox)[name]
    assert (record.failures, record.error, record.succeeded_at) == (0, None, clock.now())
    assert differences(database, sandbox.company) == []


def test_a_list_that_is_refused_takes_no_other_down(
    service: Service, sandbox: Sandbox, database: Database, clock: ManualClock
) -> None:
    sandbox.faults.fail(status=403, path="*/notes", times=10_000)
    sandbox.company.update("organizations", 1, {"name": "Renamed"})
    clock.advance(1)

    ran = run_due(service, clock.now())

    fared = service.fared()
    assert [name for name in ran if fared[name].failures] == [f"{POLL} notes"]
    assert [line for line in differences(database, sandbox.company) if not line.startswith("notes")] == []


def test_a_defect_of_one_job_is_caught_and_counted_like_a_failure(
    service: Service, sandbox: Sandbox, database: Database, clock: ManualClock
) -> None:
    broken(service, "sweep", ZeroDivisionError("a defect"))

    ran = run_due(service, clock.now() + timedelta(seconds=1))

    assert service.fared()["sweep"].error == "ZeroDivisionError: a defect"
    assert noted(database, sandbox)["sweep"].failures == 1
    assert service.due_at("sweep") == clock.now() + timedelta(seconds=5)
    assert [name for name in ran if service.fared()[name].failures] == ["sweep"]


def test_what_pipedrive_says_is_told_with_the_remedy(service: Service) -> None:
    broken(service, "sweep", Forbidden("Pipedrive does not allow this.", "Ask an administrator."))

    service.run("sweep")

    assert service.fared()["sweep"].error == "Pipedrive does not allow this. Ask an administrator."


def test_being_told_to_stop_is_no_failure_and_leaves_everything_as_it_was(
    service: Service, sandbox: Sandbox, database: Database
) -> None:
    before = service.fared()["sweep"]
    broken(service, "sweep", Interrupted())

    with pytest.raises(Interrupted):
        service.run("sweep")

    assert service.fared()["sweep"] == before
    assert "sweep" not in noted(database, sandbox)


def test_a_database_that_can_not_be_written_is_a_failure_and_takes_nothing_down(
    service: Service, database: Database, clock: ManualClock
) -> None:
    with database.writing() as connection:
        connection.exec_driver_sql("ALTER TABLE jobs RENAME TO elsewhere")
        connection.exec_driver_sql("ALTER TABLE inbox RENAME TO nowhere")

    with capture_logs() as logs:
        service.run(APPLY)

    assert service.fared()[APPLY].failures == 1
    assert {line["event"] for line in logs} >= {"job_failed", "job_not_noted"}


# --- tokens -----------------------------------------------------------------------------------------------------------


def test_out_of_tokens_a_job_rests_until_they_come_back_and_that_is_no_failure(
    service: Service, sandbox: Sandbox, database: Database, clock: ManualClock
) -> None:
    sandbox.limits.zone = ZoneInfo("Europe/Berlin")
    reset = datetime(2026, 11, 2, 23, tzinfo=UTC)
    sandbox.limits.spend(10_000_000)

    with capture_logs() as logs:
        service.run(f"{POLL} deals")

    fared = service.fared()[f"{POLL} deals"]
    assert (fared.failures, fared.not_before) == (0, reset)
    assert [line["event"] for line in logs if line["event"].startswith("job")] == ["job_rests"]
    record = noted(database, sandbox)[f"{POLL} deals"]
    assert (record.failures, record.next_run_at) == (0, reset)
    assert "tokens" in (record.error or "")


def test_when_the_day_is_spent_only_what_costs_nothing_goes_on_until_the_reset(
    service: Service, sandbox: Sandbox, database: Database, clock: ManualClock
) -> None:
    sandbox.limits.zone = ZoneInfo("Europe/Berlin")
    reset = datetime(2026, 11, 2, 23, tzinfo=UTC)
    sandbox.limits.spend(10_000_000)
    service.run(f"{POLL} deals")

    plan = service.make_plan()

    assert (plan.pace, plan.resumes_at) == (Pace.STOPPED, reset)
    assert not spenders(service) & set(due(service, reset - timedelta(seconds=1)))
    assert set(due(service, reset - timedelta(seconds=1))) == service.jobs.keys() - spenders(service)
    sandbox.company.update("organizations", 1, {"name": "Renamed on the spent day"})
    clock.advance((reset - clock.now()).total_seconds())
    service.make_plan()  # as the schedule does four times a minute
    assert spenders(service) - {BACKFILL} <= set(due(service, clock.now()))
    run_due(service, clock.now())
    assert differences(database, sandbox.company) == []
    assert service.make_plan().pace is Pace.PLANNED


def test_our_own_share_stops_us_before_the_company_s_day_is_spent(
    filled: Mirror, make_service: MakeService, sandbox: Sandbox, clock: ManualClock
) -> None:
    sandbox.limits.daily_tokens = 2 * (sandbox.limits.spent + 10)  # half of it is ours
    service = make_service()
    service.run(f"{POLL} deals")
    calls = len(sandbox.calls)

    for name in sorted(service.jobs):
        service.run(name)

    assert sandbox.limits.spent <= sandbox.limits.daily_tokens // 2
    assert sandbox.limits.daily_rejections == 0
    assert len(sandbox.calls) - calls <= 1
    fared = service.fared()
    assert {fared[name].failures for name in fared} == {0}
    assert service.make_plan().pace in (Pace.SLOWED, Pace.STOPPED)


def test_where_the_reset_is_only_assumed_pipedrive_is_asked_again_within_the_hour(
    service: Service, sandbox: Sandbox, database: Database, clock: ManualClock
) -> None:
    # A refusal that does not say when the day ends, as other answers don't either.
    sandbox.faults.fail(
        status=429,
        path="*/deals",
        headers={"x-daily-ratelimit-token-remaining": "0", "x-ratelimit-reset": "2"},
    )
    service.run(f"{POLL} deals")
    assert service.make_plan().pace is Pace.STOPPED
    assert not spenders(service) & set(due(service, NOW + timedelta(minutes=59)))

    sandbox.company.update("deals", 1, {"title": "Renamed"})
    clock.advance(3600)
    service.make_plan()

    assert f"{POLL} deals" in run_due(service, clock.now())
    assert differences(database, sandbox.company) == []
    assert service.make_plan().pace is Pace.PLANNED


def test_a_day_that_begins_by_our_clock_alone_brings_no_new_tokens(
    filled: Mirror, make_service: MakeService, sandbox: Sandbox, clock: ManualClock
) -> None:
    sandbox.limits.zone = ZoneInfo("America/Los_Angeles")  # its day ends at 8:00 UTC
    sandbox.limits.daily_tokens = 30_000
    service = make_service()
    sandbox.limits.spend(25_000)
    clock.advance((MIDNIGHT - timedelta(seconds=30) - clock.now()).total_seconds())
    service.run(f"{POLL} deals")
    before = service.make_plan()

    clock.advance(60)
    service.run(f"{POLL} deals")  # the answer shows that the company's day goes on
    after = service.make_plan()

    assert before.fixed + before.polls + before.sweep + before.reserve <= 5_000
    assert after.fixed + after.polls + after.sweep + after.reserve <= 5_000


# --- restarts and versions --------------------------------------------------------------------------------------------


def test_numbers_survive_a_restart(service: Service, make_service: MakeService, clock: ManualClock) -> None:
    clock.advance(1)
    run_due(service, clock.now())
    clock.advance(10)

    again = make_service()

    for name in service.jobs:
        assert again.fared()[name] == service.fared()[name]
        assert again.due_at(name) == service.due_at(name)


def test_a_restart_polls_nothing_that_was_polled_a_moment_ago(
    service: Service, make_service: MakeService, sandbox: Sandbox, clock: ManualClock
) -> None:
    clock.advance(1)
    run_due(service, clock.now())
    calls = len(sandbox.calls)

    again = make_service()
    clock.advance(2)
    run_due(again, clock.now())

    assert [call.path for call in sandbox.calls[calls:]] == ["/api/v1/users/me"]


def test_failures_of_before_a_restart_are_tried_again_at_once(
    service: Service, make_service: MakeService, sandbox: Sandbox, clock: ManualClock
) -> None:
    sandbox.faults.fail(status=403, path="*/notes", times=9)
    for _ in range(9):
        service.run(f"{POLL} notes")
    clock.advance(1)
    assert f"{POLL} notes" not in due(service, clock.now() + timedelta(minutes=10))

    again = make_service()

    assert again.fared()[f"{POLL} notes"].failures == 0


def test_jobs_of_another_version_are_forgotten(
    service: Service, make_service: MakeService, sandbox: Sandbox, database: Database
) -> None:
    service.run("sweep")
    old = JobRecord("polish the silver", NOW, NOW, NOW, NOW, failures=3, error="no silver")
    with database.writing() as connection:
        save_job(connection, sandbox.company.id, old)

    make_service()

    assert noted(database, sandbox).keys() == {"sweep"}


def test_a_job_that_runs_all_the_time_is_noted_once_a_minute_and_when_that_changes(
    service: Service, sandbox: Sandbox, database: Database, clock: ManualClock
) -> None:
    service.run(APPLY)
    for _ in range(100):
        clock.advance(0.25)
        service.run(APPLY)
    assert noted(database, sandbox)[APPLY].started_at == NOW

    clock.advance(35)
    service.run(APPLY)
    assert noted(database, sandbox)[APPLY].started_at == clock.now()


def test_what_is_left_out_has_no_jobs(filled: Mirror, make_service: MakeService) -> None:
    service = make_service(SYNC_PRIVACY__LEAVE_OUT="persons,notes")

    assert not {f"{POLL} persons", f"{POLL} notes"} & service.jobs.keys()
    assert f"{POLL} deals" in service.jobs


# --- webhooks ---------------------------------------------------------------------------------------------------------


def test_once_webhooks_are_heard_polls_become_a_safety_net_and_when_they_are_missed_do_the_work_again(
    filled: Mirror, make_service: MakeService, open_here: OpenMirror, sandbox: Sandbox, clock: ManualClock
) -> None:
    install(open_here(WEBHOOK_PUBLIC_URL=PUBLIC), f"{PUBLIC}/webhooks/pipedrive")
    service = make_service(WEBHOOK_PUBLIC_URL=PUBLIC)
    assert not service.plan.webhooks_alive  # nothing was heard yet

    clock.advance(10)
    sandbox.company.update("organizations", 1, {"name": "Told of"})
    sandbox.deliveries.pump()
    heard = service.make_plan()
    assert heard.webhooks_alive
    assert heard.intervals["organizations"] == 900

    clock.advance(10)
    sandbox.faults.lose_webhooks(10)
    sandbox.company.update("organizations", 2, {"name": "Not told of"})
    clock.advance(60)
    service.run(f"{POLL} organizations")
    clock.advance(301)
    missed = service.make_plan()
    assert not missed.webhooks_alive
    assert missed.intervals["organizations"] < 900

    sandbox.company.update("organizations", 3, {"name": "Told of again"})
    sandbox.deliveries.pump()
    assert service.make_plan().webhooks_alive


def test_events_are_applied_during_the_first_copy_and_none_is_lost(
    make_service: MakeService, open_here: OpenMirror, sandbox: Sandbox, database: Database, clock: ManualClock
) -> None:
    install(open_here(WEBHOOK_PUBLIC_URL=PUBLIC), f"{PUBLIC}/webhooks/pipedrive")
    service = make_service(WEBHOOK_PUBLIC_URL=PUBLIC)

    def edit() -> None:
        clock.advance(1)
        sandbox.company.update("organizations", 3, {"name": "Renamed during the copy"})
        sandbox.company.delete("persons", 2)
        sandbox.deliveries.pump()
        service.run(APPLY)

    sandbox.faults.after(edit, path="*/organizations", skip=1)

    service.run(BACKFILL)
    clock.advance(1)
    run_due(service, clock.now())

    assert differences(database, sandbox.company) == []
    assert built_accounts(database) == expected_accounts(sandbox.company)


def test_an_installed_webhook_that_pipedrive_has_ended_is_made_anew_within_a_day(
    filled: Mirror, make_service: MakeService, open_here: OpenMirror, sandbox: Sandbox, clock: ManualClock
) -> None:
    install(open_here(WEBHOOK_PUBLIC_URL=PUBLIC), f"{PUBLIC}/webhooks/pipedrive")
    service = make_service(WEBHOOK_PUBLIC_URL=PUBLIC)
    service.run("webhooks")
    wanted = sandbox.company.count("webhooks")
    sandbox.company.erase("webhooks", sandbox.company.all("webhooks")[0]["id"])

    clock.advance(86_400)
    assert "webhooks" in run_due(service, clock.now())

    assert sandbox.company.count("webhooks") == wanted
