"""What `status` tells of the service: its jobs, its webhooks and the plan of the day, from the database alone.

The service need not be running, nor be this process.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sync.mirror.liveness import WebhookState, load_webhook_state
from sync.mirror.state import Tokens
from sync.service.plan import Pace, Plan, plan_day
from sync.settings import Settings
from sync.store.checkpoints import longest_lists
from sync.store.database import Database
from sync.store.inbox import load_failures
from sync.store.jobs import JobRecord, load_jobs

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
