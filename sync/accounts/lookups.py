"""An account by its number, and other records by a part of their names: what forms need. Read-only."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, select

from sync.accounts.queries import Named, plain
from sync.store.schema import TABLES, accounts

_MOST = 20  # suggestions that anybody reads


def load_account(connection: Connection, company_id: int, organization_id: int) -> Mapping[str, Any] | None:
    """The columns of an account; None if the organization has none."""
    its_row = (accounts.c.company_id == company_id) & (accounts.c.organization_id == organization_id)
    row = connection.execute(select(accounts).where(its_row)).mappings().one_or_none()
    return None if row is None else plain(row)


def suggest(connection: Connection, company_id: int, table: str, text: str) -> Sequence[Named]:
    """Some records of a mirrored table whose names hold a text, those that begin with it first."""
    columns = TABLES[table].c
    sought = text.strip().lower()
    if not sought:
        return []
    place = func.strpos if connection.dialect.name == "postgresql" else func.instr
    found_at = place(func.lower(columns.name), sought)
    query = (
        select(columns.id, columns.name)
        .where(columns.company_id == company_id, columns.deleted_at.is_(None), found_at > 0)
        .order_by(found_at, func.length(columns.name), columns.id)
        .limit(_MOST)
    )
    return [Named(one, name) for one, name in connection.execute(query)]
