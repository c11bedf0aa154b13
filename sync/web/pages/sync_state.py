"""How the service is doing: what is copied and how fresh it is, what it costs, what waits, and what needs a person.

Everything comes from the database, so it is told as well while the service stands by, or is another process.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from starlette.responses import Response

import sync
from sync.mirror.state import ListState, SweepState, Tokens
from sync.service.overview import NOTHING_COPIED, Status, is_running, load_status, whereabouts
from sync.service.plan import Pace, Plan
from sync.store.companies import load_companies
from sync.store.holds import save_approval, save_pause
from sync.store.jobs import JobRecord
from sync.store.rejected import load_rejections
from sync.store.tokens import load_usage
from sync.web.pages.language import Language
from sync.web.pages.routes import Page
from sync.web.pages.usage import DAYS, days_chart, today_chart
from sync.web.pages.visit import Visit
from sync.writeback.filling import approve_filling

HOME = "/sync"
_MOST_REJECTIONS = 50


@dataclass(frozen=True, slots=True)
class ListLine:
    """A list of the API as people read it: how far it is, and how fresh."""

    title: str
    state: ListState
    rejected: int
    copied: str
    sweep: str
    is_left_out: bool
    needs_attention: bool


@dataclass(frozen=True, slots=True)
class JobLine:
    """A job of the service."""

    title: str
    record: JobRecord
    is_due: bool


def show(visit: Visit) -> Response:
    """The state of everything."""
    company = _company(visit)
    if company is None:
        database = whereabouts(visit.site.database)
        return visit.show("sync_nothing.html", attention=[NOTHING_COPIED], database=database, version=sync.__version__)
    site = visit.site
    status = load_status(site.database, company, site.settings, visit.calendar.now, site.counts)
    today = visit.calendar.now.date()  # the company's day is not known better than that
    with visit.site.database.reading() as connection:
        usage = load_usage(connection, visit.company_id, today - timedelta(days=DAYS - 1))
        rejections = load_rejections(connection, visit.company_id, _MOST_REJECTIONS)
    return visit.show("sync.html", **_context(visit, status, usage, today), rejections=rejections)


def _context(visit: Visit, status: Status, usage: Mapping[date, Mapping[str, int]], today: date) -> Mapping[str, Any]:
    language, now, service = visit.language, visit.calendar.now, status.service
    tokens = status.state.tokens
    return {
        "company": status.company,
        "database": status.database,
        "version": sync.__version__,
        "attention": status.attention,
        "accounts": status.state.accounts,
        "running": is_running(service.jobs, now),
        "tokens": tokens,
        "today": today_chart(tokens, language),
        "days": days_chart(usage, today, tokens.our_limit),
        "pace": _pace(service.plan, language),
        "plan": service.plan,
        "webhooks": service.webhooks,
        "follow_ups": sum(one.count for one in service.webhooks.follow_ups),
        "failed_events": service.failed_events,
        "writes": status.writes,
        "lists": _lists(status, language),
        "jobs": [JobLine(_job(one.job, language), one, _is_due(one, now)) for one in service.jobs],
        "set_aside": status.state.rejected,
        "titles": _titles(language),
        "resets_at": _reset(tokens),
    }


def _company(visit: Visit) -> Mapping[str, Any] | None:
    with visit.site.database.reading() as connection:
        return next((one for one in load_companies(connection) if one["company_id"] == visit.company_id), None)


def _is_due(job: JobRecord, now: Any) -> bool:
    return job.next_run_at is not None and job.next_run_at <= now


def _reset(tokens: Tokens) -> Any:
    return tokens.spent_until or tokens.resets_at


def _pace(plan: Plan, language: Language) -> str:
    say = language.say
    return {
        Pace.PLANNED: say("as planned"),
        Pace.SLOWED: say("slowed down: most of our share is used"),
        Pace.STOPPED: say("stopped until the tokens come back"),
    }[plan.pace]


def _lists(status: Status, language: Language) -> Sequence[ListLine]:
    titles = _titles(language)
    lines = []
    for entity in status.state.entities:
        for one in entity.listings:
            is_first = one is entity.listings[0]
            held = one.sweep is not None and one.sweep.held_deletions > 0
            lines.append(
                ListLine(
                    title=titles.get(one.listing, one.listing),
                    state=one,
                    rejected=entity.rejected if is_first else 0,
                    copied=language.say("left out") if entity.left_out else _copied(one, language),
                    sweep="" if entity.left_out else _sweep(one.sweep, one.rows, language),
                    is_left_out=entity.left_out,
                    needs_attention=held,
                )
            )
    return lines


def _copied(one: ListState, language: Language) -> str:
    say, backfill = language.say, one.backfill
    if backfill is None:
        return say("always whole")
    if backfill.state == "complete":
        return say("complete")
    if backfill.state == "incomplete":
        return language.count("%(num)s row so far", "%(num)s rows so far", backfill.rows)
    return say("not begun")


def _sweep(sweep: SweepState | None, rows: int, language: Language) -> str:
    if sweep is None:
        return ""
    if sweep.held_deletions:
        return language.count("%(num)s deletion held", "%(num)s deletions held", sweep.held_deletions)
    if sweep.state == "under way":
        return language.say("%(done)s of %(all)s", done=language.number(sweep.rows), all=language.number(rows))
    return language.moment(sweep.completed_at) if sweep.completed_at else language.say("not begun")


def _titles(language: Language) -> Mapping[str, str]:
    """What lists and entities are called."""
    say = language.say
    return {
        "organization_fields": say("Fields of organizations"),
        "deal_fields": say("Fields of deals"),
        "person_fields": say("Fields of people"),
        "activity_fields": say("Fields of activities"),
        "fields": say("Fields"),
        "currencies": say("Currencies"),
        "users": say("Users"),
        "pipelines": say("Pipelines"),
        "stages": say("Stages"),
        "activity_types": say("Types of activities"),
        "deals": say("Deals"),
        "deals_archived": say("Archived deals"),
        "organizations": say("Organizations"),
        "persons": say("People"),
        "activities": say("Activities"),
        "notes": say("Notes"),
        "files": say("Files"),
    }


def _job(name: str, language: Language) -> str:
    """What a job is called."""
    say = language.say
    kind, _, listing = name.partition(" ")
    title = _titles(language).get(listing, listing)
    if kind == "poll":
        return say("Look for changes: %(list)s", list=title)
    if kind == "newest":
        return say("Look for new ones: %(list)s", list=title)
    return {
        "apply": say("Apply webhook events"),
        "backfill": say("First copy"),
        "write_back": say("Write changes to Pipedrive"),
        "filling": say("Fill fields from accounts"),
        "follow_up": say("Read what events told of"),
        "reference": say("Read users, fields, stages, …"),
        "sweep": say("Look for deletions"),
        "webhooks": say("Check the webhooks"),
        "accounts": say("Build accounts anew"),
        "index": say("Index accounts for the search"),
        "housekeeping": say("Tidy up"),
    }.get(name, name)


# What editors may do


def pause(visit: Visit) -> Response:
    """Write nothing to Pipedrive until it is resumed."""
    with visit.site.database.writing() as connection:
        save_pause(connection, visit.company_id, by=visit.viewer.name, at=visit.calendar.now)
    return visit.back(HOME, visit.say("Writing to Pipedrive is paused: edits wait."))


def resume(visit: Visit) -> Response:
    """Let the writes go that were held back."""
    with visit.site.database.writing() as connection:
        save_pause(connection, visit.company_id, by=None, at=None)
    return visit.back(HOME, visit.say("Writing to Pipedrive goes on."))


def approve(visit: Visit) -> Response:
    """Let all edits made until now go to Pipedrive, and everything that fills a field there."""
    with visit.site.database.writing() as connection:
        save_approval(connection, visit.company_id, by=visit.viewer.name, at=visit.calendar.now)
        fields = approve_filling(connection, visit.company_id, visit.site.settings, visit.calendar.now)
    said = visit.say("Edits made until now are approved.")
    if fields:
        said += " " + visit.language.count(
            "%(num)s field at Pipedrive will be filled from accounts.",
            "%(num)s fields at Pipedrive will be filled from accounts.",
            fields,
        )
    return visit.back(HOME, said)


PAGES: Sequence[Page] = (
    Page(HOME, show, needs_accounts=False),
    Page("/sync/pause", pause, changes=True),
    Page("/sync/resume", resume, changes=True),
    Page("/sync/approve", approve, changes=True),
)
