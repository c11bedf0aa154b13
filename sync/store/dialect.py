"""The one place where SQLite's and PostgreSQL's `INSERT … ON CONFLICT` become the same statement."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_into(table: Table, dialect: str) -> Any:
    """An INSERT that knows `on_conflict_do_update` and `excluded`, which both dialects spell alike."""
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


def put(connection: Connection, table: Table, keys: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Insert a row, or update the one with these keys; columns that are not named stay as they are."""
    insert = insert_into(table, connection.dialect.name).values(**keys, **values)
    connection.execute(insert.on_conflict_do_update(index_elements=list(keys), set_=dict(values)))


def key_names(table: Table) -> Sequence[str]:
    """The names of a table's primary key columns."""
    return [column.name for column in table.primary_key]
