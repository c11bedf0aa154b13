"""How full the mirror is: rows by list of the API, or all of them. Reads only."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from sync.clock import Clock
from sync.pipedrive.entities import Entity, Listing
from sync.store.schema import TABLES

_WORTH = 100.0  # times as long as it took to count, a count is good for: a hundredth of the time is spent on it


@dataclass(frozen=True, slots=True)
class Counted:
    """The rows of one list that are there, and those that are marked deleted."""

    rows: int
    deleted: int


CountListed = Callable[[Connection, int, Entity, Listing], Counted]


def count_listed(connection: Connection, company_id: int, entity: Entity, listing: Listing) -> Counted:
    """The rows of an entity that one of its lists covers."""
    table = TABLES[entity.name]
    conditions = [table.c.company_id == company_id]
    conditions += [func.coalesce(table.c[name], False) == value for name, value in listing.shows.items()]
    conditions += [table.c[name] == value for name, value in listing.constants.items()]
    everything = select(func.count()).select_from(table).where(*conditions)
    gone = everything.where(table.c.deleted_at.is_not(None))
    rows, deleted = connection.execute(select(everything.scalar_subquery(), gone.scalar_subquery())).one()
    return Counted(rows - deleted, deleted)


class RememberedCounts:
    """Counts as `count_listed` does, and remembers it for a while: to count a large table is to read all of it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._held: dict[tuple[int, str], tuple[float, Counted]] = {}

    def __call__(self, connection: Connection, company_id: int, entity: Entity, listing: Listing) -> Counted:
        key = (company_id, listing.name)
        began = self._clock.monotonic()
        held = self._held.get(key)
        if held is not None and began < held[0]:
            return held[1]
        counted = count_listed(connection, company_id, entity, listing)
        now = self._clock.monotonic()
        self._held[key] = now + _WORTH * (now - began), counted
        return counted


def count_rows(connection: Connection, entity: Entity) -> dict[int, int]:
    """The rows of an entity by company, those marked deleted too: so many an index alone can tell."""
    company_id = TABLES[entity.name].c.company_id
    found = connection.execute(select(company_id, func.count().label("number")).group_by(company_id))
    return {row.company_id: row.number for row in found}
