"""`status`: what state the mirror is in, from the database alone; it needs neither credentials nor a network."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import typer

from sync.cli.company import Company, choose_company
from sync.cli.formats import duration, minute, one_line
from sync.cli.output import Json, print_json, print_table
from sync.cli.runtime import migrated_database, start
from sync.clock import SystemClock
from sync.mirror.liveness import WebhookState
from sync.mirror.state import Backfill, EntityState, ListState, SweepState, Tokens
from sync.service.overview import (
    NOTHING_COPIED,
    ServiceState,
    Status,
    is_running,
    load_status,
    nothing_copied,
    status_document,
    whereabouts,
)
from sync.service.plan import Pace, Plan
from sync.store.companies import load_companies
from sync.store.database import Database
from sync.writeback.overview import WriteState

_JOB_COLUMNS = ("job", "last run", "last success", "next run", "failures", "error")
_COLUMNS = ("list", "rows", "deleted", "set aside", "first copy", "changes up to", "last run", "next run", "sweep")


def status(company: Company = None, json: Json = False) -> None:
    """Show how far everything is copied, what it costs, and what needs attention."""
    settings = start()
    now = SystemClock().now()
    with migrated_database(settings) as database:
        chosen = _company(database, company)
        if chosen is None:
            _print_nothing(database, json)
            return
        found = load_status(database, chosen, settings, now)
    if json:
        print_json(status_document(found))
    else:
        _print(found, now)


def _company(database: Database, wanted: int | None) -> Mapping[str, Any] | None:
    with database.reading() as connection:
        held = load_companies(connection)
    return choose_company(database, wanted) if held or wanted is not None else None


def _print_nothing(database: Database, json: bool) -> None:
    if json:
        print_json(nothing_copied(database))
    else:
        _print_database(whereabouts(database))
        typer.echo(NOTHING_COPIED)


def _print_database(database: Mapping[str, Any]) -> None:
    typer.echo(f"Database  {database['name']}, revision {database['revision']}")


def _print(status: Status, now: datetime) -> None:
    company, state, service, writes = status.company, status.state, status.service, status.writes
    name, currency = one_line(company["name"]), one_line(company["currency"])
    typer.echo(f"Company   {name} ({company['company_id']}), valued in {currency}")
    _print_database(status.database)
    typer.echo(f"Accounts  {state.accounts['active']:,} active, {state.accounts['former']:,} former")
    for line in (*_token_lines(state.tokens), *_plan_lines(service.plan), *_webhook_lines(service.webhooks)):
        typer.echo(line)
    for line in _write_lines(writes):
        typer.echo(line)
    typer.echo()
    rows = [_cells(entity, listing) for entity in state.entities for listing in entity.listings]
    print_table("", _COLUMNS, rows, right=("rows", "deleted", "set aside"))
    typer.echo()
    _print_jobs(service, now)
    for line in status.attention:
        typer.secho(f"! {one_line(line)}", bold=True)
    if not status.attention:
        typer.echo("Nothing needs attention.")


def _cells(entity: EntityState, listing: ListState) -> tuple[object, ...]:
    is_first = listing is entity.listings[0]
    return (
        listing.listing,
        listing.rows,
        listing.deleted,
        entity.rejected if is_first else "",
        "left out" if entity.left_out else _backfill(listing.backfill),
        _second(listing.high_water_mark),
        _second(listing.last_run),
        "" if entity.left_out else "with the next sync" if listing.with_next_sync else _second(listing.next_run),
        "" if entity.left_out else _sweep(listing.sweep, listing.rows),
    )


def _backfill(backfill: Backfill | None) -> str:
    if backfill is None:
        return "always whole"
    return f"{backfill.rows:,} rows so far" if backfill.state == "incomplete" else backfill.state


def _sweep(sweep: SweepState | None, rows: int) -> str:
    if sweep is None:
        return ""
    if sweep.held_deletions:
        return f"{sweep.held_deletions:,} deletions held"
    if sweep.state == "under way":
        return f"{sweep.rows:,} of {rows:,} rows since {sweep.started_at:%Y-%m-%d %H:%M}"
    return f"done {sweep.completed_at:%Y-%m-%d %H:%M}" if sweep.completed_at else sweep.state


def _token_lines(tokens: Tokens) -> list[str]:
    by_purpose = ", ".join(f"{one_line(name)} {used:,}" for name, used in sorted(tokens.used_by_purpose.items()))
    ours = f"Tokens    {tokens.used_today:,} used today" + (f" ({by_purpose})" if by_purpose else "")
    ours += f", of our share of {tokens.our_limit:,} ({tokens.share:.0%} of the day's)"
    if tokens.company_left is None:
        return [ours]
    limit = f" of {tokens.company_limit:,}" if tokens.company_limit is not None else ""
    company = f"          the company has {tokens.company_left:,}{limit} left, as of {minute(tokens.seen_at)}"
    return [ours, f"{company}; they come back at {minute(tokens.resets_at)}"]


def _plan_lines(plan: Plan) -> list[str]:
    if plan.pace is Pace.STOPPED:
        return [f"Plan      stopped until {minute(plan.resumes_at)}, when the day's tokens come back"]
    net = ", a safety net as webhooks are alive" if plan.webhooks_alive else ""
    often = f"the most pressing lists every {duration(min(plan.intervals.values()))}{net}"
    shares = (
        f"{plan.polls:,} tokens for polls, {plan.fixed:,} for reference lists and files, {plan.sweep:,} left for the "
        f"sweep, {plan.reserve:,} in reserve"
    )
    return [f"Plan      {plan.pace}: {often}", f"          {shares}, until the day ends"]


def _webhook_lines(webhooks: WebhookState) -> list[str]:
    if not webhooks.installed:
        return ["Webhooks  not installed: changes are found by polling"]
    heard = minute(webhooks.events.last_received) if webhooks.events.last_received else "never"
    standing = "alive" if webhooks.alive else "not alive"
    events, reads = webhooks.events, sum(one.count for one in webhooks.follow_ups)
    return [
        f"Webhooks  {standing}: last event {heard}; {events.pending:,} events wait, {events.failed:,} failed, "
        f"{reads:,} records wait to be read, {webhooks.missed.count:,} changes missed"
    ]


def _write_lines(writes: WriteState) -> list[str]:
    standing = "on" if writes.enabled else "switched off (WRITE_BACK)"
    standing = f"paused since {minute(writes.paused_at)}" if writes.enabled and writes.paused_at else standing
    waiting = f"{writes.waiting_fields:,} edited fields of {writes.waiting_accounts:,} accounts wait"
    return [f"Writing   {standing}: {waiting}, {writes.parked:,} parked, {writes.open_conflicts:,} conflicts to decide"]


def _print_jobs(service: ServiceState, now: datetime) -> None:
    """The jobs of the service, if one ever ran."""
    if not service.jobs:
        return
    rows = [
        (
            job.job,
            _second(job.started_at),
            _second(job.succeeded_at),
            _upcoming(job.next_run_at, now),
            job.failures or "",
            one_line(job.error or ""),
        )
        for job in service.jobs
    ]
    running = is_running(service.jobs, now)
    print_table("" if running else "The service is not running; its jobs, when it last was:", _JOB_COLUMNS, rows)
    typer.echo()


def _upcoming(moment: datetime | None, now: datetime) -> str:
    return _second(moment) if moment is None or moment > now else "now"


def _second(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}"
