"""The sweep: a slow enumeration by id that finds what no poll can, above all deletions.

A round reads a list once, a page at a time, over as many runs as it takes. Each page repairs what differs and notes the
rows in its range of ids that it did not show. Only when the round is complete are those asked for by id, and marked
deleted if Pipedrive does not know them any more, unless they are too many to believe.
"""

from collections.abc import Collection
from datetime import UTC, datetime

from sqlalchemy import Connection

from sync.accounts.merging import absorb_account
from sync.mirror.asking import ask_for, lookups
from sync.mirror.brake import brake
from sync.mirror.company import Mirror
from sync.mirror.ingest import Ingested, delete, ids_of, ingest, rebuild_accounts
from sync.mirror.refusals import Refusals
from sync.pipedrive.entities import DEALS, ENTITIES, ORGANIZATIONS, Entity, Listing
from sync.pipedrive.errors import BadRequest
from sync.pipedrive.listing import Order, Page, fetch_page
from sync.pipedrive.purpose import Purpose
from sync.store.candidates import add_candidates, clear_candidates, load_candidates
from sync.store.checkpoints import Checkpoint, load_checkpoint, load_checkpoints, save_checkpoint
from sync.store.mirror import (
    count_rows,
    founding_deals,
    ids_between,
    ids_of_organizations,
    organizations_of_deals,
)
from sync.store.tokens import save_budget

_NEVER = datetime.min.replace(tzinfo=UTC)
_TOGETHER = 50  # organizations whose children are read again at once


def swept_listings(mirror: Mirror) -> list[tuple[Entity, Listing]]:
    """Every list that rounds go through; the small lists are read whole anyway."""
    return [
        (entity, listing)
        for entity in ENTITIES
        if not entity.is_reference and mirror.privacy.keeps(entity)
        for listing in entity.listings
    ]


def sweep_slice(mirror: Mirror, refusals: Refusals, pages: int) -> Ingested:
    """Read some pages of the rounds under way, of the list that waited longest first."""
    total = Ingested()
    for _ in range(pages):
        mirror.clock.sleep(0)
        with mirror.database.reading() as connection:
            checkpoints = load_checkpoints(connection, mirror.company_id)
        entity, listing = min(swept_listings(mirror), key=lambda pair: _last_slice(checkpoints.get(pair[1].name)))
        with refusals.of(entity):
            total += _sweep_page(mirror, entity, listing, accept_deletions=False)[0]
    return total


def sweep_whole(mirror: Mirror, refusals: Refusals, *, accept_deletions: bool = False) -> Ingested:
    """Read a whole round of every list, from its beginning. `accept_deletions` lifts the brake."""
    total = Ingested()
    for entity, listing in swept_listings(mirror):
        with mirror.database.writing() as connection:
            _begin_round(connection, mirror, listing)
        with refusals.of(entity):
            complete = False
            while not complete:
                mirror.clock.sleep(0)
                ingested, complete = _sweep_page(mirror, entity, listing, accept_deletions)
                total += ingested
    return total


def _last_slice(checkpoint: Checkpoint | None) -> datetime:
    return (checkpoint["sweep_slice_at"] if checkpoint else None) or _NEVER


def _begin_round(connection: Connection, mirror: Mirror, listing: Listing) -> None:
    clear_candidates(connection, mirror.company_id, listing.name)
    save_checkpoint(
        connection,
        mirror.company_id,
        listing.name,
        sweep_position=None,
        sweep_last_id=None,
        sweep_rows=0,
        sweep_started_at=mirror.clock.now(),
    )


def _sweep_page(mirror: Mirror, entity: Entity, listing: Listing, accept_deletions: bool) -> tuple[Ingested, bool]:
    """Read the next page of a round, and end the round if it was the last; whether it was."""
    with mirror.database.writing() as connection:
        save_checkpoint(connection, mirror.company_id, listing.name, sweep_slice_at=mirror.clock.now())
        checkpoint = load_checkpoint(connection, mirror.company_id, listing.name)
        if checkpoint["sweep_position"] is None:
            _begin_round(connection, mirror, listing)
            checkpoint = load_checkpoint(connection, mirror.company_id, listing.name)
    try:
        page = fetch_page(
            mirror.client, listing, checkpoint["sweep_position"], order=Order.BY_ID, purpose=Purpose.SWEEP
        )
    except BadRequest:
        if checkpoint["sweep_position"] is None:
            raise
        # The cursor of a round that rested for long may be refused: the round starts again.
        with mirror.database.writing() as connection:
            _begin_round(connection, mirror, listing)
        return Ingested(), False
    with mirror.database.writing() as connection:
        ingested = _note_page(connection, mirror, entity, listing, checkpoint, page)
        save_budget(connection, mirror.company_id, mirror.budget)
    if page.following:
        return ingested, False
    return ingested + _end_round(mirror, entity, listing, accept_deletions), True


def _note_page(
    connection: Connection, mirror: Mirror, entity: Entity, listing: Listing, checkpoint: Checkpoint, page: Page
) -> Ingested:
    shown = ids_of(page)
    last_id = max(shown, default=checkpoint["sweep_last_id"])
    held = ids_between(
        connection,
        mirror.company_id,
        entity,
        listing,
        above=checkpoint["sweep_last_id"],
        up_to=last_id if page.following else None,
        read_before=page.began_at,
    )
    add_candidates(connection, mirror.company_id, listing.name, held - shown)
    ingested = ingest(connection, mirror, entity, listing, page)
    save_checkpoint(
        connection,
        mirror.company_id,
        listing.name,
        sweep_position=page.following,
        sweep_last_id=last_id,
        sweep_rows=checkpoint["sweep_rows"] + len(page.records),
    )
    return ingested


def _end_round(mirror: Mirror, entity: Entity, listing: Listing, accept_deletions: bool) -> Ingested:
    """Ask for what the round did not show; mark what is really gone."""
    with mirror.database.reading() as connection:
        missing = load_candidates(connection, mirror.company_id, listing.name)
        live = count_rows(connection, mirror.company_id, entity, listing.shows)
    held = brake(mirror.settings.sweep, entity, listing, vanishing=len(missing), live=live)
    if (held or _held_elsewhere(mirror, listing)) and not accept_deletions:
        with mirror.database.writing() as connection:
            clear_candidates(connection, mirror.company_id, listing.name)
            save_checkpoint(connection, mirror.company_id, listing.name, held_deletions=held.rows if held else None)
        return Ingested()
    asked_at = mirror.clock.now()
    ingested, found = ask_for(mirror, entity, missing)
    gone = missing - found
    if entity is ORGANIZATIONS:
        # Before they are marked: what a crash keeps from being done here, the next round does.
        ingested += _follow_children(mirror, gone)
    with mirror.database.writing() as connection:
        ingested += delete(connection, mirror, entity, {(one,) for one in gone}, read_at=asked_at)
        clear_candidates(connection, mirror.company_id, listing.name)
        save_checkpoint(
            connection,
            mirror.company_id,
            listing.name,
            held_deletions=None,
            sweep_completed_at=mirror.clock.now(),
        )
        save_budget(connection, mirror.company_id, mirror.budget)
    return ingested


def _held_elsewhere(mirror: Mirror, listing: Listing) -> bool:
    """Whether the brake holds another list: who sees less of one sees less of all, also where it is few rows."""
    with mirror.database.reading() as connection:
        checkpoints = load_checkpoints(connection, mirror.company_id)
    return any(
        checkpoints[other.name]["held_deletions"]
        for _, other in swept_listings(mirror)
        if other is not listing and other.name in checkpoints
    )


def _follow_children(mirror: Mirror, organizations: Collection[int]) -> Ingested:
    """Read again what hung on organizations that are gone: a merge moves it, and may not tell (no new update_time)."""
    total = Ingested()
    ordered = sorted(organizations)
    for some in (ordered[start : start + _TOGETHER] for start in range(0, len(ordered), _TOGETHER)):
        deals, children = _children(mirror, some)
        read = [
            (entity, listing, page)
            for entity, ids in children.items()
            for listing, page in lookups(mirror, entity, ids)
        ]
        with mirror.database.writing() as connection:
            for entity, listing, page in read:
                total += ingest(connection, mirror, entity, listing, page)
            for organization in some:
                _hand_over(connection, mirror, organization, deals[organization])
            save_budget(connection, mirror.company_id, mirror.budget)
    return total


def _children(mirror: Mirror, organizations: Collection[int]) -> tuple[dict[int, set[int]], dict[Entity, set[int]]]:
    """The ids of the deals that hang on each organization, or did; and of every record that hangs on any of them."""
    with mirror.database.reading() as connection:
        founding = founding_deals(connection, mirror.company_id, organizations)
        deals = {
            # The sweep of the deals may have moved them already.
            one: ids_of_organizations(connection, mirror.company_id, DEALS, [one]) or founding.get(one, set())
            for one in organizations
        }
        children = {
            entity: ids_of_organizations(connection, mirror.company_id, entity, organizations)
            for entity in ENTITIES
            if "org_id" in entity.column_names and mirror.privacy.keeps(entity)
        }
    return deals, children


def _hand_over(connection: Connection, mirror: Mirror, loser: int, deals: Collection[int]) -> None:
    """Where all deals of one moved to one other organization, that one survived it.

    It takes over the account's own fields that it lacks; in the transaction that moves the deals, or it would never be
    known again.
    """
    holders = organizations_of_deals(connection, mirror.company_id, deals)
    if len(holders) == 1 and (survivor := holders.pop()) != loser:
        absorb_account(connection, mirror.company_id, loser=loser, survivor=survivor, now=mirror.clock.now())
        rebuild_accounts(connection, mirror, {survivor})
