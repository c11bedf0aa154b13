"""The clockwork: APScheduler starts each job when it is due, in a thread of its own, and plans the day anew.

Each job runs at most once at a time; a time that was missed (a laptop asleep, a long run) is made up for once, however
late. All threads are daemons: who is told to stop leaves in time, whatever an answer takes.
"""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from apscheduler.executors.base import BaseExecutor, run_job
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from sync.errors import Interrupted, SyncError
from sync.service.jobs import BACKFILL
from sync.service.service import Service

_PLAN_EVERY = 15.0  # seconds
_PLAN = "plan"

_log = structlog.get_logger(__name__)


class Schedule:
    """Drives a service on the real clock, from `start` to `stop`."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._executor = _DaemonThreads(self._after)
        self.scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={"default": self._executor},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )

    def start(self) -> None:
        """Begin to run what is due."""
        for name in self._service.jobs:
            # The trigger only keeps the job while it runs: afterwards it is told when it is due.
            self.scheduler.add_job(
                self._run, IntervalTrigger(days=1), [name], id=name, next_run_time=self._service.due_at(name)
            )
        self.scheduler.add_job(self._replan, IntervalTrigger(seconds=_PLAN_EVERY), id=_PLAN)
        self.scheduler.start()

    def stop(self, timeout: float) -> bool:
        """Start nothing more, and wait so many seconds for what runs; whether all of it came to rest.

        The clock that the jobs wait on has to be stopped before.
        """
        self.scheduler.shutdown(wait=False)
        return self._executor.wait(timeout)

    def _run(self, name: str) -> None:
        with suppress(Interrupted):
            self._service.run(name)

    def _after(self, name: str) -> None:
        """A job has ended: only now may it be told when it is due again, which may be at once."""
        if name in (_PLAN, BACKFILL):
            self._tell_all()
        else:
            self._tell(name)

    def _replan(self) -> None:
        try:
            self._service.make_plan()
        except SyncError as error:
            _log.warning("plan_failed", error=error.message)

    def _tell_all(self) -> None:
        for name in self._service.jobs:
            self._tell(name)

    def _tell(self, name: str) -> None:
        """Tell APScheduler when a job is due, unless it runs: then that is told when it has ended."""
        # While this is held nothing is started: what is told is still true when it is heard.
        with self.scheduler._jobstores_lock, suppress(JobLookupError):  # the scheduler is being shut down
            if name in self._executor.running:
                return
            moment = self._service.due_at(name)
            job = self.scheduler.get_job(name)
            if job is not None and job.next_run_time != moment:
                self.scheduler.modify_job(name, next_run_time=moment)


class _DaemonThreads(BaseExecutor):  # type: ignore[misc]  # APScheduler has no types
    """Runs each job in a new daemon thread: a pool's threads would keep the process from ending."""

    def __init__(self, after: Callable[[str], None]) -> None:
        super().__init__()
        self._after = after
        self.running: dict[str, threading.Thread] = {}

    def _do_submit_job(self, job: Any, run_times: Sequence[datetime]) -> None:
        thread = threading.Thread(target=self._work, args=(job, run_times), name=job.id, daemon=True)
        self.running[job.id] = thread
        try:
            thread.start()
        except BaseException:
            del self.running[job.id]  # the next plan tells when it is due
            raise

    def _work(self, job: Any, run_times: Sequence[datetime]) -> None:
        try:
            events = run_job(job, job._jobstore_alias, run_times, self._logger.name)
        except BaseException as error:
            self._run_job_error(job.id, error, error.__traceback__)
        else:
            self._run_job_success(job.id, events)
        finally:
            self.running.pop(job.id, None)
            self._after(job.id)

    def wait(self, timeout: float) -> bool:
        """Wait for what runs; whether it all ended in time."""
        until = datetime.now(UTC) + timedelta(seconds=timeout)
        for thread in list(self.running.values()):
            thread.join(max((until - datetime.now(UTC)).total_seconds(), 0.0))
        return not any(thread.is_alive() for thread in list(self.running.values()))
