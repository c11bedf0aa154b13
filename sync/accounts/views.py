"""The readable views (`v_organizations`, …, `v_accounts`): kept in step with field definitions and the schema.

Nothing of the product reads them; they are for people and their tools. What they show is decided in `viewed`.
"""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import Connection, inspect, select, update
from sqlalchemy.exc import DBAPIError

from sync.accounts.naming import printable
from sync.accounts.rendering import identifier
from sync.accounts.viewed import VIEWS, Definition, view_queries
from sync.store.schema import TABLES, companies
from sync.store.views import drop_view


def refresh_views(connection: Connection) -> bool:
    """Make the views anew if the field definitions or the schema changed since they were made; whether it did.

    Raises `ViewsInUse`, with the caller's transaction still usable and the views as they were, where PostgreSQL can't
    change a view because somebody's own views are built on it.
    """
    known = {row.company_id: row.views_basis for row in connection.execute(select(companies))}
    definitions, dialect = _definitions(connection), connection.dialect.name
    queries = view_queries(definitions, list(known), dialect)
    basis = hashlib.sha256("\0".join(queries.values()).encode()).hexdigest()
    if not known or all(held == basis for held in known.values()):
        return False
    if dialect == "postgresql":  # replaces a view in place only if its columns keep their places
        queries = view_queries(definitions, list(known), dialect, _held_columns(connection))
    with connection.begin_nested():
        for name, query in queries.items():
            _replace(connection, name, query)
        connection.execute(update(companies).values(views_basis=basis))
    return True


def _held_columns(connection: Connection) -> Mapping[str, Sequence[str]]:
    inspector = inspect(connection)
    held = set(inspector.get_view_names())
    return {
        view.name: [column["name"] for column in inspector.get_columns(view.name)]
        for view in VIEWS
        if view.name in held
    }


def _definitions(connection: Connection) -> list[Definition]:
    fields = TABLES["fields"].c
    rows = connection.execute(
        select(
            fields.company_id,
            fields.entity,
            fields.field_code,
            fields.field_name,
            fields.field_type,
            fields.is_custom_field,
            fields.options,
        ).where(fields.deleted_at.is_(None))
    )
    return [
        Definition(
            company_id=row.company_id,
            entity=row.entity,
            code=row.field_code,
            name=row.field_name or "",
            field_type=row.field_type or "",
            is_custom=bool(row.is_custom_field),
            options=_labels(row.options),
        )
        for row in rows
    ]


def _labels(options: Any) -> Mapping[str, str]:
    """Labels by option id, of what a definition lists as its options; anything else there has none."""
    listed = options if isinstance(options, list) else []
    return {
        printable(str(option["id"])): printable(str(option["label"]))
        for option in listed
        if isinstance(option, dict) and option.get("id") is not None and option.get("label") is not None
    }


def _replace(connection: Connection, name: str, query: str) -> None:
    """Make a view anew; in place where PostgreSQL can, so that views which others built on it live on."""
    if connection.dialect.name == "postgresql":
        # Refused where a column is gone, or is another one now: then the old view has to go first.
        with suppress(DBAPIError), connection.begin_nested():
            _run(connection, f"CREATE OR REPLACE VIEW {identifier(name)} AS {query}")
            return
    drop_view(connection, name)
    _run(connection, f"CREATE VIEW {identifier(name)} AS {query}")


def _run(connection: Connection, statement: str) -> None:
    # Names and labels may hold % and :, so nothing may look for parameters.
    connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
