"""Small pieces of SQL that the rest of this room shares: sets of ids, and who may build at a time."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Subquery,
    Table,
    bindparam,
    func,
    select,
    text,
)

from sync.store.dialect import among_parameter, many
from sync.store.schema import TABLES
from sync.store.types import Integer

_WINDOW = 5_000  # organizations

_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('pipedrive-sync accounts ' || :company_id, 0))")


@dataclass(frozen=True, slots=True)
class Scope:
    """Which organizations of a company a statement is about: some ids, or all in a window of them.

    Which ones is a parameter of the statement, so that it is made once and not for every build.
    """

    dialect: str
    company_id: int
    by_window: bool

    def covers(self, organization: ColumnElement[Any]) -> ColumnElement[bool]:
        """That a column names one of the organizations."""
        if self.by_window:
            return organization.between(bindparam("first", type_=Integer), bindparam("last", type_=Integer))
        return among_parameter(self.dialect, organization, "organizations")

    def live(self, table: Table) -> ColumnElement[bool]:
        """That a row is this company's and not deleted at Pipedrive."""
        return (table.c.company_id == self.company_id) & table.c.deleted_at.is_(None)

    def parameters(self, organizations: Collection[int]) -> dict[str, Any]:
        """What the statements are to be run with."""
        if isinstance(organizations, range):
            return {"first": organizations.start, "last": organizations.stop - 1}
        return {"organizations": many(self.dialect, organizations)}


def windows(connection: Connection, company_id: int) -> Iterator[range]:
    """All organizations of a company, in ranges of ids: what is worked on at once stays small, and short."""
    ids = TABLES["organizations"].c.id
    mine = TABLES["organizations"].c.company_id == company_id
    first = connection.scalar(select(func.min(ids)).where(mine))
    while first is not None:
        beyond = select(ids).where(mine, ids >= first).order_by(ids).offset(_WINDOW).limit(1)
        following = connection.scalar(beyond)
        end: int = following or connection.execute(select(func.max(ids) + 1).where(mine)).scalar_one()
        yield range(first, end)
        first = following


def only_first(ranked: Subquery, *columns: ColumnElement[Any]) -> Select[Any]:
    """Of rows ranked by `place` within an organization, the first: the organization and these columns.

    Grouped although there is one row each: SQLite joins what is grouped by an index, and a bare filter row by row.
    """
    organization = ranked.c.organization_id
    chosen = select(organization, *(func.max(column).label(column.name) for column in columns))
    return chosen.where(ranked.c.place == 1).group_by(organization)


def take_turn(connection: Connection, company_id: int) -> None:
    """Let one transaction at a time work on a company's accounts; held until its end.

    Two that each see only their own half of a change would build an account that misses the other half. SQLite has one
    writer anyway.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK, {"company_id": str(company_id)})
