"""Removing what may not be stored any more: the one way in which mirrored rows ever leave the database."""

from sqlalchemy import Connection, delete

from sync.pipedrive.entities import Entity
from sync.store.schema import TABLES, checkpoints, rejected_records, sweep_candidates


def erase(connection: Connection, company_id: int, entity: Entity) -> None:
    """Remove every row of an entity and how far it was read: if it is wanted again, it is copied from the beginning."""
    table = TABLES[entity.name]
    connection.execute(delete(table).where(table.c.company_id == company_id))
    connection.execute(
        delete(rejected_records).where(
            rejected_records.c.company_id == company_id, rejected_records.c.entity == entity.name
        )
    )
    listings = [listing.name for listing in entity.listings]
    for progress in (checkpoints, sweep_candidates):
        connection.execute(
            delete(progress).where(progress.c.company_id == company_id, progress.c.listing.in_(listings))
        )
