"""Taking read records into the mirror, in the caller's transaction: the one way in, whoever read them.

Privacy first, then translation, the upsert, what could not be stored, and the accounts of the organizations that the
change bears on. Reading, and how far was read, is the caller's.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from sync.accounts.builder import build_accounts, learn_sizes
from sync.accounts.lists.indexing import pack_index
from sync.accounts.selecting import windows
from sync.accounts.touched import touched_organizations
from sync.mirror.company import Mirror
from sync.pipedrive.entities import Entity, Listing
from sync.pipedrive.listing import Page
from sync.pipedrive.records import INTEGER_RANGE, Key, Record, Row, Unstorable, key_of, to_row
from sync.store.companies import save_accounts_basis
from sync.store.follow_ups import ask_later, settle_follow_ups
from sync.store.inbox import revive_failed, told_deleted_since
from sync.store.mirror import mark_deleted, upsert
from sync.store.rejected import Rejection, forget_rejections, save_rejections


@dataclass(frozen=True, slots=True)
class Ingested:
    """What became of some records."""

    read: int = 0
    changed: int = 0
    deleted: int = 0
    rejected: int = 0

    def __add__(self, other: "Ingested") -> "Ingested":
        return Ingested(
            self.read + other.read,
            self.changed + other.changed,
            self.deleted + other.deleted,
            self.rejected + other.rejected,
        )


def ingest(
    connection: Connection, mirror: Mirror, entity: Entity, listing: Listing, page: Page, *, build: bool = True
) -> Ingested:
    """Store a page's records. `build` keeps the accounts in step; without it they are built later, all at once."""
    company_id = mirror.company_id
    records, rejections = _sort_out(mirror, entity, listing, page)
    before = touched_organizations(connection, company_id, entity, list(records)) if build else set()
    rows = [row for _, row in records.values()]
    changed, refused = upsert(connection, company_id, entity, rows, read_at=page.began_at)
    for row, reason in refused:
        record, _ = records.pop(key_of(entity, row))
        rejections.append(_rejection(entity, record, reason))
    forget_rejections(connection, company_id, entity.name, [_text(key) for key in records])
    if entity.key == ("id",):
        settle_reads(connection, company_id, entity, [key[0] for key in records], read_at=page.began_at)
        _doubt(connection, mirror, entity, [key[0] for key in changed], page)
    save_rejections(connection, company_id, rejections, rejected_at=mirror.clock.now())
    if build and changed:
        rebuild_accounts(connection, mirror, before | touched_organizations(connection, company_id, entity, changed))
    return Ingested(read=len(page.records), changed=len(changed), rejected=len(rejections))


def _doubt(connection: Connection, mirror: Mirror, entity: Entity, stored: Collection[Any], page: Page) -> None:
    """Have records read again of whose deletion an event told while the page was under way: it found none to mark."""
    if stored:
        gone = told_deleted_since(connection, mirror.company_id, entity.singular, stored, page.began_at)
        ask_later(connection, mirror.company_id, entity, gone, now=mirror.clock.now())


def delete(
    connection: Connection, mirror: Mirror, entity: Entity, keys: Collection[Key], *, read_at: datetime
) -> Ingested:
    """Mark records as deleted that Pipedrive did not know any more at a moment, and keep the accounts in step."""
    touched = touched_organizations(connection, mirror.company_id, entity, keys)
    marked = mark_deleted(connection, mirror.company_id, entity, keys, read_at=read_at)
    if marked:
        rebuild_accounts(connection, mirror, touched)
    return Ingested(deleted=len(marked))


def settle_reads(
    connection: Connection, company_id: int, entity: Entity, ids: Collection[Any], *, read_at: datetime
) -> None:
    """Records were read at a moment: nothing has to be asked of them any more, and events that failed may succeed."""
    if ids:
        settle_follow_ups(connection, company_id, entity, ids, read_at=read_at)
        revive_failed(connection, company_id, entity.singular, ids, read_at=read_at)


def rebuild_accounts(
    connection: Connection, mirror: Mirror, organizations: Collection[int], *, now: datetime | None = None
) -> int:
    """Build the accounts of some organizations, now unless told otherwise; how many changed."""
    return build_accounts(
        connection, mirror.company_id, mirror.valuation, organizations=organizations, now=now or mirror.clock.now()
    )


def rebuild_all_accounts(mirror: Mirror) -> None:
    """Build all accounts, some in each transaction: SQLite has one writer, and webhooks don't wait for long."""
    with mirror.database.writing() as connection:
        learn_sizes(connection)
        parts = list(windows(connection, mirror.company_id))
    for part in parts:
        mirror.clock.sleep(0)
        with mirror.database.writing() as connection:
            rebuild_accounts(connection, mirror, part)
    with mirror.database.writing() as connection:
        save_accounts_basis(connection, mirror.company_id, mirror.accounts_basis)
    pack_index(mirror.database)


def ids_of(page: Page) -> set[int]:
    """The ids of a page's records, as far as they have one that can be stored."""
    given = (record.get("id") for record in page.records if isinstance(record, dict))
    return {one for one in given if type(one) is int and one in INTEGER_RANGE}


def _sort_out(
    mirror: Mirror, entity: Entity, listing: Listing, page: Page
) -> tuple[dict[Key, tuple[Record, Row]], list[Rejection]]:
    """The records as they may be stored with their rows, by key, and those that no row can hold."""
    records: dict[Key, tuple[Record, Row]] = {}
    rejections: list[Rejection] = []
    for place, original in enumerate(page.records):
        if not isinstance(original, dict):
            rejections.append(Rejection(entity.name, f"{listing.name} #{place}", "it is not an object", original))
            continue
        record = mirror.privacy.apply(entity, {**original, **listing.constants} if listing.constants else original)
        try:
            row = to_row(entity, record)
            records[key_of(entity, row)] = (record, row)
        except Unstorable as error:
            rejections.append(_rejection(entity, record, str(error)))
    return records, rejections


def _rejection(entity: Entity, record: Record, reason: str) -> Rejection:
    return Rejection(entity.name, _text(tuple(record.get(name) for name in entity.key)), reason, record)


def _text(key: tuple[Any, ...]) -> str:
    """A key as the text that `rejected_records` knows it by; what can't be encoded is escaped."""
    return "/".join(map(str, key)).replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()[:200]
