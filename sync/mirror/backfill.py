"""The backfill: copies everything once, lists side by side, each page in one transaction with the place where it ends.

A backfill that stops, however it stops, goes on from the last committed page and ends with the same mirror. The
accounts are built at the end, all at once.
"""

import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from math import ceil

import structlog

from sync.mirror.company import Mirror
from sync.mirror.ingest import Ingested, ingest, rebuild_all_accounts
from sync.mirror.marks import Mark
from sync.mirror.progress import Progress
from sync.mirror.reference import keep_views_in_step
from sync.mirror.threads import read_ahead, side_by_side
from sync.pipedrive.entities import Entity, Listing
from sync.pipedrive.errors import BadRequest
from sync.pipedrive.listing import Order, Page, Position, fetch_page
from sync.pipedrive.purpose import Purpose
from sync.store.checkpoints import forget_backfill, load_checkpoint, save_checkpoint
from sync.store.tokens import save_budget

# Changes made while the copy runs are left to the first poll. It starts this long before the copy by Pipedrive's own
# clock, or by ours where Pipedrive does not say, so that no two clocks need to agree.
_HEAD_START = timedelta(minutes=10)
_HEAD_START_BY_OUR_CLOCK = timedelta(hours=1)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Task:
    """One list to be copied, and what is known of it beforehand."""

    entity: Entity
    listing: Listing
    rows: int  # already copied
    newest_id: int | None  # no record has a higher one
    last_id: int  # copied up to here

    @property
    def expected(self) -> int | None:
        """At most so many records are still to come."""
        return None if self.newest_id is None else max(0, self.newest_id - self.last_id)

    @property
    def tokens(self) -> int:
        """What copying the rest costs at most."""
        return max(1, ceil((self.expected or 0) / self.listing.page_size)) * self.listing.cost


@dataclass(frozen=True, slots=True)
class Copied:
    """What became of one list."""

    entity: str
    listing: str
    rows: int
    rejected: int
    complete: bool


def unfinished(mirror: Mirror, entities: Collection[Entity], *, restart: bool = False) -> list[tuple[Entity, Listing]]:
    """The lists that are not copied yet; with `restart`, all of them, from their beginning."""
    lists = [
        (entity, listing)
        for entity in entities
        if not entity.is_reference and mirror.privacy.keeps(entity)
        for listing in entity.listings
    ]
    if restart:
        with mirror.database.writing() as connection:
            for _, listing in lists:
                forget_backfill(connection, mirror.company_id, listing.name)
        return lists
    with mirror.database.reading() as connection:
        return [
            (entity, listing)
            for entity, listing in lists
            if load_checkpoint(connection, mirror.company_id, listing.name)["backfill_completed_at"] is None
        ]


def survey(mirror: Mirror, lists: Sequence[tuple[Entity, Listing]]) -> list[Task]:
    """Look at the newest id of each list, which bounds how many records it has: no answer of the API counts them."""
    tasks = []
    for entity, listing in lists:
        one = replace(listing, page_size=1)
        with structlog.contextvars.bound_contextvars(entity=entity.name):
            page = fetch_page(mirror.client, one, order=Order.BY_ID_NEWEST, purpose=Purpose.BACKFILL)
        newest = _last_id(page) or 0
        with mirror.database.writing() as connection:
            checkpoint = load_checkpoint(connection, mirror.company_id, listing.name)
            save_budget(connection, mirror.company_id, mirror.budget)
        tasks.append(Task(entity, listing, checkpoint["backfill_rows"], newest, checkpoint["backfill_last_id"] or 0))
    return tasks


def copy(mirror: Mirror, tasks: Sequence[Task], progress: Progress) -> list[Copied]:
    """Copy lists side by side; then build the accounts. Raises the gravest error after the others have come to rest."""
    copied: list[Copied] = []
    stop = threading.Event()

    def run(task: Task) -> None:
        copied.append(_copy_list(mirror, task, progress, stop))

    side_by_side([(task.listing.name, partial(run, task)) for task in tasks], stop)
    finish(mirror)
    order = [task.listing.name for task in tasks]
    return sorted(copied, key=lambda one: order.index(one.listing))


def finish(mirror: Mirror) -> None:
    """Build all accounts, and the views on what was copied."""
    rebuild_all_accounts(mirror)
    with mirror.database.writing() as connection:
        keep_views_in_step(connection)


def _copy_list(mirror: Mirror, task: Task, progress: Progress, stop: threading.Event) -> Copied:
    listing = task.listing
    structlog.contextvars.bind_contextvars(company=mirror.company_id, entity=task.entity.name)
    with mirror.database.reading() as connection:
        checkpoint = load_checkpoint(connection, mirror.company_id, listing.name)
    position, rows = checkpoint["backfill_position"], checkpoint["backfill_rows"]
    progress.started(listing.name, rows=rows, expected=task.newest_id)
    try:
        return _copy_from(mirror, task, position, rows, progress, stop)
    except BadRequest:
        if position is None:
            raise
    _log.warning("backfill_position_refused", listing=listing.name)
    _begin_again(mirror, listing)
    return _copy_from(mirror, task, None, 0, progress, stop)


def _copy_from(
    mirror: Mirror, task: Task, position: Position | None, rows: int, progress: Progress, stop: threading.Event
) -> Copied:
    listing, rejected = task.listing, 0
    fetch = partial(fetch_page, mirror.client, listing, order=Order.BY_ID, purpose=Purpose.BACKFILL)
    for page in read_ahead(fetch, position):
        ingested = _commit(mirror, task, page, first=position is None, rows=rows)
        position, rows, rejected = page.following, rows + ingested.read, rejected + ingested.rejected
        progress.advanced(listing.name, rows=ingested.read, reached=_last_id(page), tokens=listing.cost)
        mirror.clock.sleep(0)
        if stop.is_set():
            break
    if position is None:
        progress.finished(listing.name)
    return Copied(task.entity.name, listing.name, rows, rejected, complete=position is None)


def _commit(mirror: Mirror, task: Task, page: Page, *, first: bool, rows: int) -> Ingested:
    """One transaction: the page's rows, where the next page starts, and the tokens it cost."""
    now = mirror.clock.now()
    progress: dict[str, object] = {"last_run_at": now}
    if first:
        start = page.server_time - _HEAD_START if page.server_time else page.began_at - _HEAD_START_BY_OUR_CLOCK
        progress |= {"backfill_started_at": start, **Mark(start, page.began_at).columns()}
    if page.following is None:
        progress["backfill_completed_at"] = now
    if (last_id := _last_id(page)) is not None:
        progress["backfill_last_id"] = last_id
    with mirror.database.writing() as connection:
        ingested = ingest(connection, mirror, task.entity, task.listing, page, build=False)
        save_checkpoint(
            connection,
            mirror.company_id,
            task.listing.name,
            backfill_position=page.following,
            backfill_rows=rows + ingested.read,
            **progress,
        )
        save_budget(connection, mirror.company_id, mirror.budget)
    return ingested


def _begin_again(mirror: Mirror, listing: Listing) -> None:
    """A cursor kept for long may be refused: the list is copied again, over what is there."""
    with mirror.database.writing() as connection:
        forget_backfill(connection, mirror.company_id, listing.name)


def _last_id(page: Page) -> int | None:
    last = page.records[-1] if page.records else None
    found = last.get("id") if isinstance(last, dict) else None
    return found if type(found) is int else None
