"""How each job of the service fared the last time it ran, so that `status` can tell and a restart knows."""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select

from sync.store.dialect import put
from sync.store.schema import jobs


@dataclass(frozen=True, slots=True)
class JobRecord:
    """One job's last run. `failures` counts those in a row."""

    job: str
    started_at: datetime
    ended_at: datetime
    succeeded_at: datetime | None
    next_run_at: datetime | None
    failures: int
    error: str | None


def load_jobs(connection: Connection, company_id: int) -> dict[str, JobRecord]:
    """Every job that ever ran, by name."""
    columns = (jobs.c[name] for name in JobRecord.__dataclass_fields__)
    found = connection.execute(select(*columns).where(jobs.c.company_id == company_id).order_by(jobs.c.job))
    return {row.job: JobRecord(*row) for row in found}


def save_job(connection: Connection, company_id: int, record: JobRecord) -> None:
    """Note how a job fared."""
    values = asdict(record)
    put(connection, jobs, {"company_id": company_id, "job": values.pop("job")}, values)


def keep_jobs(connection: Connection, company_id: int, names: Collection[str]) -> None:
    """Forget the jobs that are none of these: another version, or other settings, had them."""
    connection.execute(delete(jobs).where(jobs.c.company_id == company_id, jobs.c.job.not_in(names)))
