"""One whole incremental cycle: events, reference data, polls, what neither shows in full, the sweep, and the accounts.

Neither a list that Pipedrive refuses nor deletions that the brake holds keep the rest from being done: they are raised
at the end.
"""

import structlog

from sync.mirror.brake import DeletionsHeld, Held
from sync.mirror.company import Mirror
from sync.mirror.follow_up import read_follow_ups
from sync.mirror.inbox import apply_inbox
from sync.mirror.ingest import Ingested, rebuild_all_accounts
from sync.mirror.poll import poll, poll_newest_ids
from sync.mirror.reference import is_due, read_reference
from sync.mirror.refusals import Refusals
from sync.mirror.sweep import sweep_slice, sweep_whole, swept_listings
from sync.pipedrive.entities import ENTITIES, Listing, Poll
from sync.store.checkpoints import load_checkpoints
from sync.store.companies import accounts_basis
from sync.store.mirror import count_rows
from sync.store.tokens import save_budget

_log = structlog.get_logger(__name__)


def run_cycle(mirror: Mirror, *, whole_sweep: bool = False, accept_deletions: bool = False) -> Ingested:
    """Bring the mirror and the accounts up to date; what was done.

    Raises the first `PipedriveError` of a list that was refused, `DeletionsHeld` while the brake holds deletions back,
    and at once whatever concerns every call.
    """
    refusals = Refusals()
    everything = whole_sweep or accept_deletions
    mirror, total = read_reference(mirror, refusals, only_due=not everything, accept_deletions=accept_deletions)
    apply_inbox(mirror)
    for entity, listing in swept_listings(mirror):
        if is_due(mirror, listing, _interval(mirror, listing)):
            with refusals.of(entity):
                total += poll(mirror, entity, listing)
    total += read_follow_ups(mirror, refusals, patience=lambda _entity: 0)
    if everything:
        total += sweep_whole(mirror, refusals, accept_deletions=accept_deletions)
    else:
        total += _slice(mirror, refusals)
    apply_inbox(mirror)  # those that failed before their records were read
    value_anew(mirror)
    _log.info("cycle_done", read=total.read, changed=total.changed, deleted=total.deleted, rejected=total.rejected)
    refusals.raise_first()
    if held := held_deletions(mirror):
        raise DeletionsHeld(held)
    return total


def _slice(mirror: Mirror, refusals: Refusals) -> Ingested:
    """The sweep's pages of one cycle: first the newest ids, where a list can hold what no poll shows."""
    total = Ingested()
    newest = [(entity, listing) for entity, listing in swept_listings(mirror) if listing.newest_ids]
    for entity, listing in newest:
        with refusals.of(entity):
            total += poll_newest_ids(mirror, entity, listing)
    return total + sweep_slice(mirror, refusals, mirror.settings.sweep.pages - len(newest))


def value_anew(mirror: Mirror) -> None:
    """Build all accounts again where the settings value them differently than the last time."""
    with mirror.database.writing() as connection:
        held = accounts_basis(connection, mirror.company_id)
        save_budget(connection, mirror.company_id, mirror.budget)
    if held != mirror.accounts_basis:
        rebuild_all_accounts(mirror)


def held_deletions(mirror: Mirror) -> list[Held]:
    """The lists whose deletions the brake holds back."""
    with mirror.database.reading() as connection:
        checkpoints = load_checkpoints(connection, mirror.company_id)
        return [
            Held(
                entity.name,
                listing.name,
                checkpoints[listing.name]["held_deletions"],
                count_rows(connection, mirror.company_id, entity, listing.shows),
            )
            for entity in ENTITIES
            if mirror.privacy.keeps(entity)
            for listing in entity.listings
            if listing.name in checkpoints and checkpoints[listing.name]["held_deletions"]
        ]


def _interval(mirror: Mirror, listing: Listing) -> int:
    """Seconds between two polls of a list; what has no filter on time is looked at less often."""
    return mirror.settings.poll.files_interval if listing.poll is Poll.NEWEST else 0
