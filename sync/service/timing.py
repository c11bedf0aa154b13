"""When a job runs next: pure rules over how it fared and what the plan says."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sync.service.jobs import Job
from sync.service.plan import Pace, Plan
from sync.store.jobs import JobRecord

_LONGEST_BACKOFF = 900.0  # seconds
_FIRST_BACKOFF = 5.0


@dataclass(frozen=True, slots=True)
class Fared:
    """How a job fared so far. `failures` counts those in a row; `not_before` is when its tokens come back."""

    started_at: datetime | None = None
    ended_at: datetime | None = None
    succeeded_at: datetime | None = None
    failures: int = 0
    error: str | None = None
    not_before: datetime | None = None

    def succeeded(self, started_at: datetime, ended_at: datetime) -> "Fared":
        """After a run that went through."""
        return Fared(started_at, ended_at, ended_at)

    def failed(self, started_at: datetime, ended_at: datetime, error: str) -> "Fared":
        """After a run that failed."""
        return replace(
            self, started_at=started_at, ended_at=ended_at, failures=self.failures + 1, error=error, not_before=None
        )

    def out_of_tokens(self, started_at: datetime, ended_at: datetime, error: str, until: datetime) -> "Fared":
        """After a run that the day's tokens did not suffice for, which is no failure of the job."""
        return replace(self, started_at=started_at, ended_at=ended_at, failures=0, error=error, not_before=until)


def remembered(record: JobRecord | None) -> Fared:
    """How a job fared before the service was started again; a failure of then is forgotten."""
    if record is None:
        return Fared()
    return Fared(record.started_at, record.ended_at, record.succeeded_at)


def next_run(job: Job, fared: Fared, plan: Plan, now: datetime) -> datetime:
    """When a job is due; a moment that has passed means now."""
    if fared.started_at is None or fared.ended_at is None or fared.ended_at > now:  # the clock was set back
        due = now
    elif fared.failures:
        backoff = min(_FIRST_BACKOFF * 2.0 ** min(fared.failures - 1, 10), _LONGEST_BACKOFF)
        due = fared.ended_at + timedelta(seconds=backoff)
    else:
        due = fared.started_at + timedelta(seconds=job.interval(plan))
        if due < fared.ended_at:
            due = fared.ended_at  # a run that took longer than its interval
    if fared.not_before is not None:
        due = max(due, fared.not_before)
    if job.spends and plan.pace is Pace.STOPPED and plan.resumes_at is not None:
        due = max(due, plan.resumes_at)
    return due
