"""Asking for records by their ids, and taking in what comes."""

from collections.abc import Collection, Iterator

from sync.mirror.company import Mirror
from sync.mirror.ingest import Ingested, ingest
from sync.pipedrive.entities import Entity, Listing
from sync.pipedrive.listing import Page, fetch_by_id
from sync.pipedrive.purpose import Purpose
from sync.pipedrive.records import says_deleted
from sync.store.tokens import save_budget


def ask_for(
    mirror: Mirror, entity: Entity, ids: Collection[int], *, purpose: Purpose = Purpose.SWEEP
) -> tuple[Ingested, set[int]]:
    """Ask for records by id; which of them Pipedrive still has."""
    total = Ingested()
    found: set[int] = set()
    for listing, page in lookups(mirror, entity, ids, purpose=purpose):
        with mirror.database.writing() as connection:
            total += ingest(connection, mirror, entity, listing, page)
            save_budget(connection, mirror.company_id, mirror.budget)
        found |= _still_there(entity, page)
    return total, found


def lookups(
    mirror: Mirror, entity: Entity, ids: Collection[int], *, purpose: Purpose = Purpose.SWEEP
) -> Iterator[tuple[Listing, Page]]:
    """Ask for records by id in every list of the entity, until they are found."""
    missing = set(ids)
    for listing in entity.listings:
        for page in fetch_by_id(mirror.client, listing, set(missing), purpose=purpose):
            yield listing, page
            missing -= _still_there(entity, page)


def _still_there(entity: Entity, page: Page) -> set[int]:
    # Pipedrive API: a deleted record's id answers 404, or 200 and says that it is deleted.
    return {record["id"] for record in page.records if not says_deleted(entity, record)}
