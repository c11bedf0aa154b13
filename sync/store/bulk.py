"""How a page of rows reaches the database: in one go, without a detour through each value.

Binding hundreds of rows of dozens of columns one value at a time costs far more than storing them. PostgreSQL gets the
page as one JSON document and makes the rows itself; SQLite gets tuples straight through its driver. Which rows are
taken is decided by the rule that the caller puts into the statement.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, Table, Text, bindparam, cast, column, func, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import JSONB

from sync.store.database import encode_json
from sync.store.dialect import insert_into, key_names
from sync.store.types import Json, Number, to_sqlite_number

# The condition under which an offered row replaces a held one: of the table, the offered row, and its columns.
Rule = Callable[[Table, Any, frozenset[str]], ColumnElement[bool]]

Keys = list[tuple[Any, ...]]

_SQLITE_VARIABLES = 32_766  # in one statement, since SQLite 3.32


def put_rows(
    connection: Connection, table: Table, columns: frozenset[str], rows: Sequence[Mapping[str, Any]], rule: Rule | None
) -> Keys:
    """Insert rows that all carry these columns, or replace what is held where the rule says so; without one, never.

    Returns the keys, without the company, of the rows that were written. All rows have one `company_id`, and instants
    as canonical text. Raises what the driver raises.
    """
    return _BY_DIALECT[connection.dialect.name](connection, table, columns, rows, rule)


def _put_on_postgresql(
    connection: Connection, table: Table, columns: frozenset[str], rows: Sequence[Mapping[str, Any]], rule: Rule | None
) -> Keys:
    document = _document(rows)
    return [tuple(key) for key in connection.execute(_postgresql_statement(table, columns, rule), {"rows": document})]


def _document(rows: Sequence[Mapping[str, Any]]) -> str:
    try:
        return orjson.dumps(rows, default=_exact).decode()
    except TypeError:  # integers beyond 64 bits and lone surrogates are JSON, though not orjson's
        return json.dumps(rows, default=_exact)


def _exact(value: Any) -> str:
    """An exact number travels as text."""
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"a {type(value).__name__} can't be stored")


@lru_cache(maxsize=256)
def _postgresql_statement(table: Table, columns: frozenset[str], rule: Rule | None) -> Any:
    names = sorted(columns)
    document = cast(bindparam("rows", type_=Text()), JSONB)
    typed = [column(name, table.c[name].type) for name in names]
    given = func.jsonb_to_recordset(document).table_valued(*typed).render_derived(name="given", with_types=True)
    insert = insert_into(table, "postgresql").from_select(names, select(*(given.c[name] for name in names)))
    return _on_conflict(insert, table, columns, rule).returning(*(table.c[name] for name in _record_key(table)))


def _put_on_sqlite(
    connection: Connection, table: Table, columns: frozenset[str], rows: Sequence[Mapping[str, Any]], rule: Rule | None
) -> Keys:
    """Many rows a statement: a statement each would let go of the interpreter, and wait for it again, for every row."""
    at_once = _SQLITE_VARIABLES // len(columns)
    written: Keys = []
    for start in range(0, len(rows), at_once):
        some = rows[start : start + at_once]
        statement, one, encoders = _sqlite_statement(table, columns, rule)
        listed = statement.replace(f"VALUES {one}", f"VALUES {', '.join([one] * len(some))}", 1)
        values = tuple([encode(row[name]) if encode else row[name] for row in some for name, encode in encoders])
        written += [tuple(key) for key in connection.exec_driver_sql(listed, values)]
    return written


@lru_cache(maxsize=256)
def _sqlite_statement(
    table: Table, columns: frozenset[str], rule: Rule | None
) -> tuple[str, str, list[tuple[str, Callable[[Any], Any] | None]]]:
    """The statement for one row, the part of it that is that row, and what is in it in which order."""
    names = sorted(columns)
    insert = insert_into(table, "sqlite").values({name: bindparam(name) for name in names})
    returning = _on_conflict(insert, table, columns, rule).returning(*(table.c[name] for name in _record_key(table)))
    compiled = returning.compile(dialect=sqlite.dialect(paramstyle="qmark"))
    one = f"({', '.join('?' * len(names))})"
    return str(compiled), one, [(name, _encoder(table.c[name].type)) for name in compiled.positiontup]


def _encoder(kind: Any) -> Callable[[Any], Any] | None:
    if isinstance(kind, Number):
        return to_sqlite_number
    return _encode_document if kind is Json else None


def _encode_document(value: Any) -> str | None:
    return None if value is None else encode_json(value)


def _on_conflict(insert: Any, table: Table, columns: frozenset[str], rule: Rule | None) -> Any:
    if rule is None:
        return insert.on_conflict_do_nothing()
    keys = key_names(table)
    return insert.on_conflict_do_update(
        index_elements=keys,
        set_={name: insert.excluded[name] for name in sorted(columns - set(keys))},
        where=rule(table, insert.excluded, columns),
    )


def _record_key(table: Table) -> list[str]:
    return [name for name in key_names(table) if name != "company_id"]


_BY_DIALECT = {"postgresql": _put_on_postgresql, "sqlite": _put_on_sqlite}
