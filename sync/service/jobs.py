"""The table of jobs: what each does, how often by the plan, and what it needs before it can run.

Adding a job is adding a row. A job does its work and returns, or raises; when it runs again is decided by `timing`.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from sync.accounts.lists.indexing import freshen_index
from sync.mirror.backfill import copy, finish, survey, unfinished
from sync.mirror.company import Mirror
from sync.mirror.cycle import value_anew
from sync.mirror.follow_up import read_follow_ups
from sync.mirror.inbox import apply_inbox
from sync.mirror.liveness import tidy_unannounced
from sync.mirror.poll import poll, poll_newest_ids
from sync.mirror.progress import Silent
from sync.mirror.reference import read_reference
from sync.mirror.refusals import Refusals
from sync.mirror.subscriptions import check_subscriptions
from sync.mirror.sweep import sweep_slice, swept_listings
from sync.pipedrive.entities import ENTITIES, Entity, Listing, Lookup
from sync.service.plan import Plan
from sync.store.inbox import prune_events
from sync.writeback.cycle import ApprovalNeeded, PlanLog, write_back
from sync.writeback.filling import fill_fields, take_up_own_edits

APPLY = "apply"
BACKFILL = "backfill"
POLL = "poll"
WRITE_BACK = "write_back"

# What a job works on, and with: it may hand back a mirror whose privacy rules are newer.
Work = Callable[[Mirror, Plan], Mirror | None]


@dataclass(frozen=True, slots=True)
class Job:
    """One job of the service. `interval` is in seconds between two starts."""

    name: str
    work: Work
    interval: Callable[[Plan], float]
    spends: bool = True  # rests while the day's tokens are used up
    needs_copy: bool = True  # waits for the first copy of everything


def jobs_for(mirror: Mirror) -> Sequence[Job]:
    """Every job there is for a company, as its settings have it."""
    return (
        Job(APPLY, _apply, lambda plan: 0.25, spends=False, needs_copy=False),
        Job(BACKFILL, _backfill, lambda plan: 60.0, needs_copy=False),
        Job(WRITE_BACK, partial(_write_back, PlanLog()), lambda plan: 0.5, spends=False),
        Job("filling", _fill, lambda plan: 15.0),
        Job("follow_up", _follow_up, lambda plan: 30.0),
        Job("reference", _reference, lambda plan: plan.reference),
        *_polls(mirror),
        Job("sweep", _sweep, lambda plan: plan.sweep_page),
        Job("webhooks", _webhooks, lambda plan: 86_400.0),
        Job("accounts", _accounts, lambda plan: 60.0, spends=False),
        Job("index", _index, lambda plan: 1.0, spends=False),
        Job("housekeeping", _housekeeping, lambda plan: 60.0, spends=False),
    )


def _polls(mirror: Mirror) -> Iterator[Job]:
    for entity, listing in swept_listings(mirror):
        yield Job(f"{POLL} {listing.name}", partial(_poll, entity, listing), partial(_interval, listing))
        if listing.newest_ids:
            yield Job(f"newest {listing.name}", partial(_newest_ids, entity, listing), lambda plan: plan.newest_ids)


def _interval(listing: Listing, plan: Plan) -> float:
    return plan.intervals[listing.name]


def _apply(mirror: Mirror, _plan: Plan) -> None:
    apply_inbox(mirror)


def _backfill(mirror: Mirror, _plan: Plan) -> Mirror:
    # What is refused of the reference lists is for the job `reference` to tell, which runs next.
    mirror, _ = read_reference(mirror, Refusals(), only_due=True)
    if lists := unfinished(mirror, ENTITIES):
        copy(mirror, survey(mirror, lists), Silent())
    else:
        finish(mirror)
    return mirror


def _write_back(plan_log: PlanLog, mirror: Mirror, _plan: Plan) -> None:
    if mirror.settings.write_back.dry_run:
        take_up_own_edits(mirror)
        plan_log.write(mirror)
        return
    with suppress(ApprovalNeeded):  # no failure: `status` asks for it
        write_back(mirror)


def _fill(mirror: Mirror, _plan: Plan) -> None:
    fill_fields(mirror)


def _follow_up(mirror: Mirror, plan: Plan) -> None:
    def patience(entity: Entity) -> float:
        """Where each record costs a call of its own, its poll is waited for."""
        listing = entity.listings[0]
        return plan.follow_up if listing.lookup is Lookup.BATCH else plan.intervals.get(listing.name, plan.reference)

    refusals = Refusals()
    read_follow_ups(mirror, refusals, patience)
    refusals.raise_first()


def _reference(mirror: Mirror, _plan: Plan) -> Mirror:
    refusals = Refusals()
    mirror, _ = read_reference(mirror, refusals, only_due=False)
    refusals.raise_first()
    return mirror


def _poll(entity: Entity, listing: Listing, mirror: Mirror, _plan: Plan) -> None:
    poll(mirror, entity, listing)


def _newest_ids(entity: Entity, listing: Listing, mirror: Mirror, _plan: Plan) -> None:
    poll_newest_ids(mirror, entity, listing)


def _sweep(mirror: Mirror, _plan: Plan) -> None:
    refusals = Refusals()
    sweep_slice(mirror, refusals, pages=1)
    refusals.raise_first()


def _webhooks(mirror: Mirror, _plan: Plan) -> None:
    check_subscriptions(mirror)


def _accounts(mirror: Mirror, _plan: Plan) -> None:
    value_anew(mirror)


def _index(mirror: Mirror, _plan: Plan) -> None:
    freshen_index(mirror.database, mirror.company_id)


def _housekeeping(mirror: Mirror, _plan: Plan) -> None:
    now = mirror.clock.now()
    with mirror.database.writing() as connection:
        tidy_unannounced(connection, mirror.company_id, mirror.settings, now)
        before = now - timedelta(days=mirror.settings.retention.inbox_days)
        prune_events(connection, mirror.company_id, before=before)
