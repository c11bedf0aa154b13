"""An account by its number, and other records by a part of their names: what forms need. Read-only."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, select

from sync.accounts.folding import folded
from sync.accounts.queries import Named, plain
from sync.store.schema import TABLES, accounts

_MOST = 20  # suggestions that anybody reads
_MOST_READ = 200


def load_account(connection: Connection, company_id: int, organization_id: int) -> Mapping[str, Any] | None:
    """The columns of an account; None if the organization has none."""
    its_row = (accounts.c.company_id == company_id) & (accounts.c.organization_id == organization_id)
    row = connection.execute(select(accounts).where(its_row)).mappings().one_or_none()
    return None if row is None else plain(row)


def suggest(connection: Connection, company_id: int, table: str, text: str) -> Sequence[Named]:
    """Some records of a mirrored table whose names hold a text, those that begin with it first."""
    columns, sought = TABLES[table].c, folded(text)
    if not sought:
        return []
    # Databases know little of letters beyond ASCII: they find too much, and what fits is chosen here.
    pattern = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in text.strip())
    query = (
        select(columns.id, columns.name)
        .where(columns.company_id == company_id, columns.deleted_at.is_(None), columns.name.ilike(f"%{pattern}%"))
        .order_by(func.length(columns.name), columns.id)
        .limit(_MOST_READ)
    )
    found = [Named(one, name) for one, name in connection.execute(query) if sought in folded(name)]
    return sorted(found, key=lambda one: folded(one.name).index(sought))[:_MOST]
