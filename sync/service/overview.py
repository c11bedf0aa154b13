"""What `status`, the page and the API tell of everything: the mirror, the service, the write-back.

From the database alone: the service need not be running, nor be this process.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from sync.mirror.liveness import WebhookState, load_webhook_state
from sync.mirror.state import State, Tokens, load_state
from sync.service.plan import Pace, Plan, plan_day
from sync.settings import Settings
from sync.store.checkpoints import longest_lists
from sync.store.database import Database
from sync.store.inbox import load_failures
from sync.store.jobs import JobRecord, load_jobs
from sync.store.overview import CountListed, count_listed
from sync.store.upgrade import revision_of
from sync.writeback.overview import WriteState, load_write_state

NOTHING_COPIED = "Nothing is copied from Pipedrive yet: run `pipedrive-sync check`, then `pipedrive-sync backfill`."

_COUNTED_ABOVE = ("parked", "open_conflicts")
_SHOWN_FAILURES = 5
_OVERDUE = timedelta(minutes=2)  # a running service notes every job at least once a minute


@dataclass(frozen=True, slots=True)
class ServiceState:
    """Everything about one company's service."""

    jobs: Sequence[JobRecord]
    webhooks: WebhookState
    failed_events: Sequence[Mapping[str, Any]]
    plan: Plan
    attention: Sequence[str]


@dataclass(frozen=True, slots=True)
class Status:
    """Everything about one company: its row, where it is kept, and how everything is doing."""

    company: Mapping[str, Any]
    database: Mapping[str, Any]
    state: State
    service: ServiceState
    writes: WriteState

    @property
    def attention(self) -> Sequence[str]:
        """What a person should know or do, in plain words."""
        return [*self.state.attention, *self.service.attention, *self.writes.attention]


def load_status(
    database: Database,
    company: Mapping[str, Any],
    settings: Settings,
    now: datetime,
    count: CountListed = count_listed,
) -> Status:
    """How a company is doing; `count` tells how many rows a list has. Raises `DatabaseError`."""
    company_id = company["company_id"]
    with database.reading() as connection:
        state = load_state(connection, company_id, settings, now, count)
        writes = load_write_state(connection, company_id, settings)
    service = load_service_state(database, company_id, settings, state.tokens, now)
    return Status(company, whereabouts(database), state, service, writes)


def whereabouts(database: Database) -> Mapping[str, Any]:
    """What a database is called, without any password, and which schema it has."""
    return {"name": database.name, "revision": revision_of(database)}


def nothing_copied(database: Database) -> Mapping[str, Any]:
    """The status as one document while there is no company yet."""
    return {"company": None, "database": whereabouts(database), "entities": [], "attention": [NOTHING_COPIED]}


def status_document(status: Status) -> Mapping[str, Any]:
    """The status as one document."""
    company, plan, writes = status.company, status.service.plan, status.writes
    return {
        "company": {
            "id": company["company_id"],
            **{name: company[name] for name in ("name", "domain", "user_id", "currency")},
        },
        "database": status.database,
        "entities": [asdict(one) for one in status.state.entities],
        "accounts": status.state.accounts,
        "tokens": asdict(status.state.tokens),
        "rejected": status.state.rejected,
        "plan": {one.name: getattr(plan, one.name) for one in fields(plan)} | {"intervals": dict(plan.intervals)},
        "webhooks": _webhook_document(status.service),
        "jobs": [asdict(one) for one in status.service.jobs],
        "parked": writes.parked,
        "conflicts": writes.open_conflicts,
        "write_back": {name: value for name, value in asdict(writes).items() if name not in _COUNTED_ABOVE},
        "attention": status.attention,
    }


def _webhook_document(service: ServiceState) -> Mapping[str, Any]:
    state = service.webhooks
    return {
        "installed": state.installed,
        "alive": state.alive,
        "lacking": state.lacking if state.installed else [],
        "last_received": state.events.last_received,
        "events": {"pending": state.events.pending, "failed": state.events.failed},
        "oldest_pending": state.events.oldest_pending,
        "failed_events": service.failed_events,
        "follow_ups": {one.entity: one.count for one in state.follow_ups},
        "missed": state.missed.count,
    }


def load_service_state(
    database: Database, company_id: int, settings: Settings, tokens: Tokens, now: datetime
) -> ServiceState:
    """The state of a company's service. Raises `DatabaseError`."""
    with database.reading() as connection:
        webhooks = load_webhook_state(connection, company_id, settings, now)
        jobs = list(load_jobs(connection, company_id).values())
        failed = load_failures(connection, company_id, _SHOWN_FAILURES)
        rows = longest_lists(connection, company_id)
    plan = plan_day(tokens, settings, now, webhooks_alive=webhooks.alive, rows=rows)
    attention = [*_about_jobs(jobs), *_about_webhooks(webhooks, failed), *_about_plan(plan)]
    return ServiceState(jobs, webhooks, failed, plan, attention)


def is_running(jobs: Sequence[JobRecord], now: datetime) -> bool:
    """Whether a service has noted anything lately."""
    return any(job.ended_at > now - _OVERDUE for job in jobs)


def _about_jobs(jobs: Sequence[JobRecord]) -> Iterator[str]:
    for job in jobs:
        if job.failures:
            since = f", not since {job.succeeded_at:%Y-%m-%d %H:%M} UTC" if job.succeeded_at else ""
            yield f"The service's job “{job.job}” fails ({job.failures:,} times in a row{since}): {job.error}"


def _about_webhooks(webhooks: WebhookState, failed: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if webhooks.installed and webhooks.lacking:
        yield (
            f"No active webhook tells of {', '.join(webhooks.lacking)}: run `pipedrive-sync webhooks install`, or let "
            "the service do it within a day."
        )
    if webhooks.installed and webhooks.silent:
        heard = webhooks.events.last_received
        since = f"since {heard:%Y-%m-%d %H:%M} UTC" if heard else "at all"
        yield (
            f"No webhook has come {since}, though {webhooks.missed.count:,} changes were found without one: polls do "
            "the work. Can Pipedrive reach the receiver? `pipedrive-sync webhooks list` tells what it was answered."
        )
    elif webhooks.missed.count:
        yield f"{webhooks.missed.count:,} changes were found that no webhook told of; polls made up for them."
    if webhooks.events.failed:
        reason = f", the last one because {failed[0]['error']}" if failed else ""
        yield (
            f"{webhooks.events.failed:,} webhook events could not be applied{reason}. Each is tried again once its "
            "record has been read."
        )


def _about_plan(plan: Plan) -> Iterator[str]:
    if plan.pace is Pace.SLOWED:
        yield "More than 80 % of our share of the day's tokens is used: polls go at half their pace, the sweep rests."
