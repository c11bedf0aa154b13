"""Small pieces of SQL that the rest of this room shares: sets of ids, and who may build at a time."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    Subquery,
    Table,
    any_,
    column,
    func,
    literal,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from sync.store.database import encode_json

_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('pipedrive-sync accounts ' || :company_id, 0))")


def among(connection: Connection, of: ColumnElement[Any], ids: Collection[int]) -> ColumnElement[bool]:
    """That a column is one of some ids, however many: they are one parameter, and indexes serve."""
    if connection.dialect.name == "postgresql":
        return of == any_(literal(sorted(ids), ARRAY(BigInteger)))
    listed = func.json_each(encode_json(sorted(ids))).table_valued(column("value", BigInteger))
    return of.in_(select(listed.c.value))


@dataclass(frozen=True, slots=True)
class Scope:
    """Which organizations of a company a build is about; None is all of them."""

    connection: Connection
    company_id: int
    organizations: Collection[int] | None

    def covers(self, organization: ColumnElement[Any]) -> ColumnElement[bool]:
        """That a column names one of the organizations."""
        if self.organizations is None:
            return organization.is_not(None)
        return among(self.connection, organization, self.organizations)

    def live(self, table: Table) -> ColumnElement[bool]:
        """That a row is this company's and not deleted at Pipedrive."""
        return (table.c.company_id == self.company_id) & table.c.deleted_at.is_(None)


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
