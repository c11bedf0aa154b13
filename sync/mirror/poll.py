"""Polling: what changed in a list since the last look, committed page by page with the mark it moves."""

from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy import Connection

from sync.mirror.company import Mirror
from sync.mirror.ingest import Ingested, ids_of, ingest
from sync.mirror.marks import Mark, latest_update, mark_of, since_text
from sync.pipedrive.entities import Entity, Listing, Poll
from sync.pipedrive.listing import Order, Page, fetch_page
from sync.pipedrive.purpose import Purpose
from sync.store.checkpoints import load_checkpoint, save_checkpoint
from sync.store.tokens import save_budget
from sync.store.webhooks import note_unannounced


def poll(mirror: Mirror, entity: Entity, listing: Listing) -> Ingested:
    """Fetch and store what changed since the last poll of a list. Raises `PipedriveError`, `DatabaseError`."""
    return _POLLS[listing.poll](mirror, entity, listing)


def poll_newest_ids(mirror: Mirror, entity: Entity, listing: Listing) -> Ingested:
    """Store records that no `updated_since` shows: the newest ids, down to those that were read before.

    That place moves only at the end: neither a crash nor a poll that met some of them first leaves a gap.
    """
    with mirror.database.reading() as connection:
        reached = load_checkpoint(connection, mirror.company_id, listing.name)["backfill_last_id"] or 0
    total, newest = Ingested(), reached
    for page in _pages(mirror, listing, Order.BY_ID_NEWEST, Purpose.SWEEP):
        ids = ids_of(page)
        newest = max([newest, *ids])
        complete = page.following is None or min(ids, default=newest) <= reached
        with mirror.database.writing() as connection:
            total += _ingest(connection, mirror, entity, listing, page)
            if complete:
                save_checkpoint(connection, mirror.company_id, listing.name, backfill_last_id=newest)
            save_budget(connection, mirror.company_id, mirror.budget)
        if complete:
            break
    return total


def _poll_since(mirror: Mirror, entity: Entity, listing: Listing) -> Ingested:
    """Ascending by update_time: a record that changes meanwhile moves to the end, and is met there again."""
    overlap = timedelta(seconds=mirror.settings.poll.overlap)
    mark = _mark(mirror, listing)
    since = since_text(mark.since(overlap)) if mark else None
    total, began_at = Ingested(), None
    for page in _pages(mirror, listing, Order.BY_UPDATE, Purpose.POLL, since):
        began_at = began_at or page.began_at
        mark = _raised(mark, entity, page)
        finished = mark.after_poll(began_at, overlap) if mark and not page.following else mark
        total += _commit(mirror, entity, listing, page, finished)
    return total


def _poll_newest(mirror: Mirror, entity: Entity, listing: Listing) -> Ingested:
    """Newest first, until what is older than the mark; the mark moves at the end, when nothing is left between."""
    overlap = timedelta(seconds=mirror.settings.poll.overlap)
    mark = newest = _mark(mirror, listing)
    since = mark.since(overlap) if mark else None
    total, began_at = Ingested(), None
    for page in _pages(mirror, listing, Order.BY_UPDATE_NEWEST, Purpose.POLL):
        began_at = began_at or page.began_at
        newest = _raised(newest, entity, page)
        oldest = latest_update(entity, page.records[-1:])
        reached = page.following is None or (since is not None and oldest is not None and oldest < since)
        finished = newest.after_poll(began_at, overlap) if newest and reached else None
        total += _commit(mirror, entity, listing, page, finished)
        if reached:
            break
    return total


def _pages(
    mirror: Mirror, listing: Listing, order: Order, purpose: Purpose, since: str | None = None
) -> Iterator[Page]:
    """The pages of a list, each fetched when it is asked for; ends with `Interrupted` when the program is to stop."""
    position = None
    while True:
        mirror.clock.sleep(0)
        page = fetch_page(mirror.client, listing, position, order=order, since=since, purpose=purpose)
        yield page
        if (position := page.following) is None:
            return


def _mark(mirror: Mirror, listing: Listing) -> Mark | None:
    with mirror.database.reading() as connection:
        return mark_of(load_checkpoint(connection, mirror.company_id, listing.name))


def _raised(mark: Mark | None, entity: Entity, page: Page) -> Mark | None:
    latest = latest_update(entity, page.records)
    if latest and page.server_time:
        latest = min(latest, page.server_time)  # one record from the future must not hide all others from then on
    if mark is None:
        return Mark(latest, page.began_at) if latest else None
    return mark.raised_to(latest, page.began_at)


def _commit(mirror: Mirror, entity: Entity, listing: Listing, page: Page, mark: Mark | None) -> Ingested:
    with mirror.database.writing() as connection:
        ingested = _ingest(connection, mirror, entity, listing, page)
        progress = mark.columns() if mark else {}
        save_checkpoint(connection, mirror.company_id, listing.name, last_run_at=mirror.clock.now(), **progress)
        save_budget(connection, mirror.company_id, mirror.budget)
    return ingested


def _ingest(connection: Connection, mirror: Mirror, entity: Entity, listing: Listing, page: Page) -> Ingested:
    """Store a page, and note the changes on it that no event has told of."""
    ingested = ingest(connection, mirror, entity, listing, page)
    if ingested.changed and entity.has_events:
        note_unannounced(connection, mirror.company_id, entity, ids_of(page), read_at=page.began_at)
    return ingested


_POLLS = {Poll.SINCE: _poll_since, Poll.NEWEST: _poll_newest}
