"""The one place where SQLite's and PostgreSQL's `INSERT … ON CONFLICT` become the same statement.

Here and in the modules beside this one, statements that run all the time are made once, with parameters: to make one
anew takes several times as long as to run it.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, Text, any_, bindparam, column, func, literal, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import ARRAY


def insert_into(table: Table, dialect: str) -> Any:
    """An INSERT that knows `on_conflict_do_update` and `excluded`, which both dialects spell alike."""
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


def put(connection: Connection, table: Table, keys: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Insert a row, or update the one with these keys; columns that are not named stay as they are."""
    statement = _put_statement(table, connection.dialect.name, tuple(keys), tuple(values))
    connection.execute(statement, {**keys, **values})


@lru_cache(maxsize=256)
def _put_statement(table: Table, dialect: str, keys: tuple[str, ...], values: tuple[str, ...]) -> Any:
    insert = insert_into(table, dialect).values({name: bindparam(name) for name in (*keys, *values)})
    return insert.on_conflict_do_update(
        index_elements=list(keys), set_={name: insert.excluded[name] for name in values}
    )


def among(connection: Connection, of: ColumnElement[Any], values: Collection[Any]) -> ColumnElement[bool]:
    """That a column is one of some values, however many: they are one parameter, and indexes serve."""
    dialect = connection.dialect.name
    return _among(dialect, of, literal(many(dialect, values), _many_type(dialect, of)))


def among_parameter(dialect: str, of: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """Like `among`, with the values given when the statement is run: `many` of them, under a name."""
    return _among(dialect, of, bindparam(name, type_=_many_type(dialect, of)))


def _among(dialect: str, of: ColumnElement[Any], values: ColumnElement[Any]) -> ColumnElement[bool]:
    if dialect == "postgresql":
        return of == any_(values)
    listed = func.json_each(values).table_valued(column("value", of.type))
    return of.in_(select(listed.c.value))


def _many_type(dialect: str, of: ColumnElement[Any]) -> Any:
    return ARRAY(of.type) if dialect == "postgresql" else Text()


def many(dialect: str, values: Collection[Any]) -> Any:
    """Many values as one parameter."""
    return sorted(values) if dialect == "postgresql" else json.dumps(sorted(values))


def whole_second(connection: Connection, moment: ColumnElement[Any]) -> ColumnElement[Any]:
    """An instant cut to its second, as `update_time` is: only instants of one precision compare as texts."""
    if connection.dialect.name == "postgresql":
        return func.date_trunc("second", moment)
    return func.substr(moment, 1, 19).concat("Z")


def key_names(table: Table) -> Sequence[str]:
    """The names of a table's primary key columns."""
    return [column.name for column in table.primary_key]
