"""How full the mirror is: rows by list of the API, or all of them. Reads only."""

from dataclasses import dataclass

from sqlalchemy import Connection, case, func, select

from sync.pipedrive.entities import Entity, Listing
from sync.store.schema import TABLES


@dataclass(frozen=True, slots=True)
class Counted:
    """The rows of one list that are there, and those that are marked deleted."""

    rows: int
    deleted: int


def count_listed(connection: Connection, company_id: int, entity: Entity, listing: Listing) -> Counted:
    """The rows of an entity that one of its lists covers."""
    table = TABLES[entity.name]
    conditions = [table.c.company_id == company_id]
    conditions += [func.coalesce(table.c[name], False) == value for name, value in listing.shows.items()]
    conditions += [table.c[name] == value for name, value in listing.constants.items()]
    there = func.count(case((table.c.deleted_at.is_(None), 1)))
    rows, everything = connection.execute(select(there, func.count()).where(*conditions)).one()
    return Counted(rows, everything - rows)


def count_rows(connection: Connection, entity: Entity) -> dict[int, int]:
    """The rows of an entity by company, those marked deleted too: so many an index alone can tell."""
    company_id = TABLES[entity.name].c.company_id
    found = connection.execute(select(company_id, func.count().label("number")).group_by(company_id))
    return {row.company_id: row.number for row in found}
