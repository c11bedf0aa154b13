"""Field definitions as they are stored, and taking a custom field that is gone out of the rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, bindparam, exists, func, literal, select, update

from sync.pipedrive.entities import Entity
from sync.store.schema import TABLES, account_edits, accounts


@dataclass(frozen=True, slots=True)
class StoredDefinition:
    """One field of an entity."""

    field_code: str
    field_name: str
    field_type: str
    options: Any
    is_custom: bool


def load_definitions(
    connection: Connection, company_id: int, singular: str, *, and_deleted: bool = False
) -> Sequence[StoredDefinition]:
    """The definitions of an entity's fields; `and_deleted` adds those that Pipedrive has no more."""
    found = connection.execute(_definitions(and_deleted=and_deleted), {"company": company_id, "of_entity": singular})
    return [
        StoredDefinition(
            row.field_code,
            row.field_name or row.field_code,
            row.field_type or "",
            row.options,
            bool(row.is_custom_field),
        )
        for row in found
    ]


@cache
def _definitions(*, and_deleted: bool) -> Select[Any]:
    fields = TABLES["fields"].c
    query = select(fields.field_code, fields.field_name, fields.field_type, fields.options, fields.is_custom_field)
    query = query.where(fields.company_id == bindparam("company"), fields.entity == bindparam("of_entity"))
    if not and_deleted:
        query = query.where(fields.deleted_at.is_(None))
    return query.order_by(fields.field_code)


def remove_custom_field(connection: Connection, company_id: int, entity: Entity, code: str) -> None:
    """Take a custom field out of every row of an entity, and of the accounts where it is the organizations'.

    An account in which it was edited, and waits, keeps it.
    """
    tables = [TABLES[entity.name], accounts] if entity.singular == "organization" else [TABLES[entity.name]]
    for table in tables:
        _remove(connection, company_id, table, code)


def _remove(connection: Connection, company_id: int, table: Table, code: str) -> None:
    document = table.c.custom_fields
    if connection.dialect.name == "postgresql":
        present: ColumnElement[bool] = document.op("?")(code)
        without: ColumnElement[Any] = document.op("-")(literal(code))
    else:
        path = f'$."{code}"'
        present = func.json_type(document, path).is_not(None)
        without = func.json_remove(document, path)
    removal = update(table).where(table.c.company_id == company_id, present)
    if table is accounts:
        edited = exists(
            select(1).where(
                account_edits.c.company_id == table.c.company_id,
                account_edits.c.organization_id == table.c.organization_id,
                account_edits.c.field == code,
            )
        )
        removal = removal.where(~edited).values(revision=table.c.revision + 1)  # no edit
    connection.execute(removal.values(custom_fields=without))
