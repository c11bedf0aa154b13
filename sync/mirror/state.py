"""What state the mirror is in, told from the database alone: how far each list was read, and what needs attention.

Reads only; it needs neither Pipedrive nor credentials. How it is printed is the command line's.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import floor

from sqlalchemy import Connection

from sync.accounts.counts import count_accounts
from sync.accounts.queries import accounts_built
from sync.mirror.brake import DeletionsHeld, Held
from sync.pipedrive.entities import ENTITIES, Entity, Listing, Poll
from sync.pipedrive.limits import BudgetState, TokenBudget
from sync.settings import Settings
from sync.store.checkpoints import Checkpoint, load_checkpoints
from sync.store.overview import Counted, CountListed, count_listed
from sync.store.rejected import count_rejections
from sync.store.tokens import load_budget

_STALE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Backfill:
    """How far the first copy of a list got; `state` is `not started`, `incomplete` or `complete`."""

    state: str
    rows: int
    started_at: datetime | None
    completed_at: datetime | None


@dataclass(frozen=True, slots=True)
class SweepState:
    """The round for deletions that a list is in; `state` is `not started`, `under way` or `complete`."""

    state: str
    rows: int
    started_at: datetime | None
    completed_at: datetime | None  # the last round that was
    held_deletions: int


@dataclass(frozen=True, slots=True)
class ListState:
    """One list of the API. `next_run` is None where it has no time of its own: then every `sync` reads it."""

    listing: str
    rows: int
    deleted: int
    backfill: Backfill | None  # None for lists that are always read whole
    high_water_mark: datetime | None
    last_run: datetime | None
    next_run: datetime | None
    with_next_sync: bool
    sweep: SweepState | None


@dataclass(frozen=True, slots=True)
class EntityState:
    """One entity, over all its lists; times are those of the list that is furthest behind."""

    entity: str
    left_out: bool
    rows: int
    deleted: int
    rejected: int
    high_water_mark: datetime | None
    last_run: datetime | None
    next_run: datetime | None
    with_next_sync: bool
    listings: Sequence[ListState]


@dataclass(frozen=True, slots=True)
class Tokens:
    """The day's tokens: ours, and the company's as its headers last told."""

    used_today: int
    used_by_purpose: Mapping[str, int]
    share: float
    our_limit: int
    available: int | None
    company_limit: int | None
    company_left: int | None
    seen_at: datetime | None
    resets_at: datetime
    spent_until: datetime | None

    @property
    def is_spent(self) -> bool:
        """Whether the company has none left, whoever used them."""
        return self.spent_until is not None or self.company_left == 0


@dataclass(frozen=True, slots=True)
class State:
    """Everything about one company's mirror."""

    entities: Sequence[EntityState]
    accounts: Mapping[str, int]
    tokens: Tokens
    attention: Sequence[str]

    @property
    def rejected(self) -> int:
        return sum(one.rejected for one in self.entities)


def load_state(
    connection: Connection, company_id: int, settings: Settings, now: datetime, count: CountListed = count_listed
) -> State:
    """The state of a company's mirror; `count` tells how many rows a list has."""
    checkpoints = load_checkpoints(connection, company_id)
    rejected = count_rejections(connection, company_id)
    entities = []
    for entity in ENTITIES:
        listings = []
        for listing in entity.listings:
            counted = count(connection, company_id, entity, listing)
            listings.append(_list_state(counted, entity, listing, checkpoints.get(listing.name), settings, now))
        left_out = entity.name in settings.privacy.leave_out
        entities.append(_entity_state(entity, left_out, rejected.get(entity.name, 0), listings))
    budget = TokenBudget(settings.budget.share, settings.budget.daily_tokens, load_budget(connection, company_id))
    tokens = token_state(budget, settings, now)
    built = accounts_built(connection, company_id)
    attention = list(_attention(entities, built, tokens, now))
    return State(entities, count_accounts(connection, company_id), tokens, attention)


def token_state(budget: TokenBudget, settings: Settings, now: datetime) -> Tokens:
    """The day's tokens as they stand now."""
    share = settings.budget.share
    available = budget.available(now)
    state = budget.snapshot() or BudgetState(now.date())
    limit = state.daily_limit or settings.budget.daily_tokens
    # Where the company's day was seen to go on past its assumed end, it ends at some time of the next day.
    resets_at = state.ends_at if state.ends_at > now else state.ends_at + timedelta(days=1)
    return Tokens(
        used_today=state.used_by_us,
        used_by_purpose=state.by_purpose,
        share=share,
        our_limit=floor(share * limit + 1e-9),
        available=available,
        company_limit=state.daily_limit,
        company_left=state.left,
        seen_at=state.seen_at,
        resets_at=resets_at,
        spent_until=state.spent_until if state.spent_until and now < state.spent_until else None,
    )


def _list_state(
    counted: Counted,
    entity: Entity,
    listing: Listing,
    checkpoint: Checkpoint | None,
    settings: Settings,
    now: datetime,
) -> ListState:
    last_run = checkpoint["last_run_at"] if checkpoint else None
    interval = _interval(listing, settings)
    next_run = last_run + timedelta(seconds=interval) if last_run and interval is not None else None
    return ListState(
        listing=listing.name,
        rows=counted.rows,
        deleted=counted.deleted,
        backfill=None if entity.is_reference else _backfill(checkpoint),
        high_water_mark=checkpoint["high_water_mark"] if checkpoint else None,
        last_run=last_run,
        next_run=next_run,
        with_next_sync=next_run is None or next_run <= now,
        sweep=_sweep(checkpoint, swept=not entity.is_reference),
    )


def _interval(listing: Listing, settings: Settings) -> int | None:
    """Seconds between two looks at a list; None where every `sync` looks."""
    if listing.poll is Poll.WHOLE:
        return settings.poll.reference_interval
    return settings.poll.files_interval if listing.poll is Poll.NEWEST else None


def _backfill(checkpoint: Checkpoint | None) -> Backfill:
    if checkpoint is None or checkpoint["backfill_started_at"] is None:
        return Backfill("not started", 0, None, None)
    completed_at = checkpoint["backfill_completed_at"]
    state = "incomplete" if completed_at is None else "complete"
    return Backfill(state, checkpoint["backfill_rows"], checkpoint["backfill_started_at"], completed_at)


def _sweep(checkpoint: Checkpoint | None, *, swept: bool) -> SweepState | None:
    held = (checkpoint["held_deletions"] if checkpoint else None) or 0
    if not swept:
        return SweepState("complete", 0, None, None, held) if held else None
    if checkpoint is None or checkpoint["sweep_started_at"] is None:
        return SweepState("not started", 0, None, None, held)
    # A round that ended, whatever came of it, has no place to go on from.
    state = "complete" if checkpoint["sweep_position"] is None else "under way"
    return SweepState(
        state, checkpoint["sweep_rows"], checkpoint["sweep_started_at"], checkpoint["sweep_completed_at"], held
    )


def _entity_state(entity: Entity, left_out: bool, rejected: int, listings: Sequence[ListState]) -> EntityState:
    return EntityState(
        entity=entity.name,
        left_out=left_out,
        rows=sum(one.rows for one in listings),
        deleted=sum(one.deleted for one in listings),
        rejected=rejected,
        high_water_mark=_earliest([one.high_water_mark for one in listings]),
        last_run=_earliest([one.last_run for one in listings]),
        next_run=_earliest([one.next_run for one in listings]),
        with_next_sync=any(one.with_next_sync for one in listings),
        listings=listings,
    )


def _earliest(times: Sequence[datetime | None]) -> datetime | None:
    """The earliest; None as soon as one is not known."""
    known = [time for time in times if time is not None]
    return min(known) if known and len(known) == len(times) else None


def _attention(entities: Sequence[EntityState], built: bool, tokens: Tokens, now: datetime) -> Iterator[str]:
    """What a person should know or do, in plain words; nothing where all is well."""
    kept = [one for one in entities if not one.left_out]
    lists = [(entity, listing) for entity in kept for listing in entity.listings]
    open_lists = [one.listing for _, one in lists if one.backfill and one.backfill.state != "complete"]
    if open_lists:
        yield (
            f"The first copy is not complete ({', '.join(open_lists)} to go on with): run `pipedrive-sync backfill`."
        )
    elif not built:
        yield "The accounts are not built yet: run `pipedrive-sync backfill`, which does so at its end."
    held = [
        Held(entity.entity, one.listing, one.sweep.held_deletions, one.rows)
        for entity, one in lists
        if one.sweep and one.sweep.held_deletions
    ]
    if held:
        yield str(DeletionsHeld(held))
    rejected = [f"{one.rejected:,} {one.entity}" for one in entities if one.rejected]
    if rejected:
        yield (
            f"Set aside because no row can hold them: {', '.join(rejected)}. The reasons stand in the table "
            "rejected_records; each is tried again when it changes at Pipedrive."
        )
    yield from _about_tokens(tokens)
    last_runs = [one.last_run for _, one in lists if one.backfill and one.last_run]
    if last_runs and not open_lists and min(last_runs) < now - _STALE:
        yield (
            f"Pipedrive was last asked for changes at {min(last_runs):%Y-%m-%d %H:%M} UTC: run `pipedrive-sync sync`, "
            "from a timer if there is none."
        )


def _about_tokens(tokens: Tokens) -> Iterator[str]:
    if tokens.is_spent:
        until = tokens.spent_until or tokens.resets_at
        yield f"The company's tokens of this day are spent until {until:%Y-%m-%d %H:%M} UTC: nothing can be read."
    elif tokens.available == 0:
        yield (
            f"Our share of the day's tokens is used up; it comes back at {tokens.resets_at:%Y-%m-%d %H:%M} UTC. "
            "A larger `budget.share` in the settings raises it, `backfill --use-all-tokens` lifts it for one run."
        )
