"""One company's jobs and how each of them fares: what is due, and running it so that no job takes others down.

It drives nothing by itself and starts no thread: `schedule` does so on the real clock, a simulation on its own.
"""

import threading
import time
from collections.abc import Mapping
from datetime import datetime

import structlog

from sync.errors import Interrupted, SyncError
from sync.mirror.backfill import unfinished
from sync.mirror.company import Mirror
from sync.mirror.files import fetch_content
from sync.mirror.liveness import load_webhook_state
from sync.mirror.reference import resolved
from sync.mirror.state import token_state
from sync.pipedrive.content import Content
from sync.pipedrive.entities import ENTITIES
from sync.pipedrive.errors import BudgetSpent
from sync.service.jobs import BACKFILL, Job, jobs_for
from sync.service.plan import Plan, plan_day
from sync.service.timing import Fared, next_run, remembered
from sync.store.checkpoints import longest_lists
from sync.store.errors import DatabaseError
from sync.store.jobs import JobRecord, keep_jobs, load_jobs, save_job
from sync.telemetry.metrics import JOB_FAILURES, JOB_SECONDS

_SAVED_EVERY = 60.0  # seconds: a job that runs all the time is not saved each time

_log = structlog.get_logger(__name__)


class Service:
    """The jobs of one company. Safe to share between threads; each job runs in one of them at a time."""

    def __init__(self, mirror: Mirror) -> None:
        """Goes on from how the jobs fared before. Raises `SettingsError`, `DatabaseError`."""
        self._mirror = resolved(mirror, complete=False)
        self.jobs: Mapping[str, Job] = {job.name: job for job in jobs_for(self._mirror)}
        with mirror.database.writing() as connection:
            keep_jobs(connection, mirror.company_id, self.jobs.keys())
            records = load_jobs(connection, mirror.company_id)
        self._fared = {name: remembered(records.get(name)) for name in self.jobs}
        self._saved: dict[str, tuple[datetime, Fared]] = {}
        self._lock = threading.Lock()
        self._copied = not unfinished(self._mirror, ENTITIES)
        self.plan = self._planned()

    @property
    def company_id(self) -> int:
        """Whose jobs these are."""
        return self._mirror.company_id

    def download(self, file_id: int) -> Content:
        """What a file holds, as it comes from Pipedrive. Raises `PipedriveError`."""
        return fetch_content(self._mirror, file_id)

    def make_plan(self) -> Plan:
        """Plan the rest of the day anew. Raises `DatabaseError`."""
        self.plan = self._planned()
        return self.plan

    def due_at(self, name: str) -> datetime | None:
        """When a job is due; None while it has nothing to do."""
        job = self.jobs[name]
        with self._lock:
            if self._copied if job.name == BACKFILL else job.needs_copy and not self._copied:
                return None
            return next_run(job, self._fared[name], self.plan, self._mirror.clock.now())

    def fared(self) -> Mapping[str, Fared]:
        """How every job fares."""
        with self._lock:
            return dict(self._fared)

    def run(self, name: str) -> None:
        """Run a job now and note how it fared. Raises nothing but `Interrupted`."""
        job, started_at, started = self.jobs[name], self._mirror.clock.now(), time.perf_counter()
        before = self._fared[name]
        with structlog.contextvars.bound_contextvars(company=self._mirror.company_id, job=name):
            after = self._attempt(job, before, started_at)
            JOB_SECONDS.labels(name).observe(time.perf_counter() - started)
            with self._lock:
                self._fared[name] = after
            self._note(job, before, after)

    def _attempt(self, job: Job, before: Fared, started_at: datetime) -> Fared:
        now = self._mirror.clock.now
        try:
            mirror = job.work(self._mirror, self.plan)
        except Interrupted:
            raise
        except BudgetSpent as error:
            return before.out_of_tokens(started_at, now(), error.message, self._tokens_back_at(error))
        except SyncError as error:
            return before.failed(started_at, now(), str(error))
        except Exception as error:  # a defect of one job must not take the others down
            _log.debug("job_crashed", exc_info=True)
            return before.failed(started_at, now(), f"{type(error).__name__}: {error}")
        if mirror is not None:
            self._mirror = mirror
        if job.name == BACKFILL:
            self._copied = True
        return before.succeeded(started_at, now())

    def _tokens_back_at(self, error: BudgetSpent) -> datetime:
        """When to ask again: where the moment of the reset is only assumed, that is before it."""
        state = self._mirror.budget.snapshot()
        return min(error.resets_at, state.spent_until) if state and state.spent_until else error.resets_at

    def _note(self, job: Job, before: Fared, after: Fared) -> None:
        if after.failures:
            JOB_FAILURES.labels(job.name).inc()
            _log.warning("job_failed", failures=after.failures, error=after.error)
        elif after.not_before and not before.not_before:
            _log.warning("job_rests", until=after.not_before.isoformat(), reason=after.error)
        elif before.failures:
            _log.info("job_recovered", failures=before.failures)
        self._save(job, after)

    def _save(self, job: Job, after: Fared) -> None:
        saved_at, saved = self._saved.get(job.name, (None, None))
        now = self._mirror.clock.now()
        unchanged = saved is not None and (saved.failures, saved.error) == (after.failures, after.error)
        if unchanged and saved_at is not None and (now - saved_at).total_seconds() < _SAVED_EVERY:
            return
        due = self.due_at(job.name)
        if after.started_at is None or after.ended_at is None:
            return
        record = JobRecord(
            job.name, after.started_at, after.ended_at, after.succeeded_at, due, after.failures, after.error
        )
        try:
            with self._mirror.database.writing() as connection:
                save_job(connection, self._mirror.company_id, record)
        except DatabaseError as error:
            _log.warning("job_not_noted", error=error.message)
            return
        self._saved[job.name] = (now, after)

    def _planned(self) -> Plan:
        mirror, now = self._mirror, self._mirror.clock.now()
        tokens = token_state(mirror.budget, mirror.settings, now)
        with mirror.database.reading() as connection:
            state = load_webhook_state(connection, mirror.company_id, mirror.settings, now)
            rows = longest_lists(connection, mirror.company_id)
        return plan_day(tokens, mirror.settings, now, webhooks_alive=state.alive, rows=rows)
