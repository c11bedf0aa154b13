"""Custom fields that accounts fill at Pipedrive: which they are, and what was filled in last."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, or_, select, type_coerce, update

from sync.store.dialect import put
from sync.store.schema import account_edits, accounts, filled_fields, filled_values
from sync.store.types import Document

_VALUES = filled_values.c


@dataclass(frozen=True, slots=True)
class FilledField:
    """A custom field that is filled; without a code it is not known or made yet, unapproved it is left alone."""

    source: str
    field_code: str | None
    approved_at: datetime | None


def load_filled_fields(connection: Connection, company_id: int) -> Mapping[str, FilledField]:
    """The fields that are filled or are to be, by source."""
    columns = filled_fields.c
    query = select(columns.source, columns.field_code, columns.approved_at).where(columns.company_id == company_id)
    return {row.source: FilledField(*row) for row in connection.execute(query)}


def keep_filled_fields(connection: Connection, company_id: int, sources: Collection[str]) -> None:
    """Know of exactly these sources: what is new waits for approval, what is gone is forgotten."""
    held = load_filled_fields(connection, company_id)
    for source in sorted(set(sources) - held.keys()):
        connection.execute(filled_fields.insert().values(company_id=company_id, source=source))
    for gone in sorted(held.keys() - set(sources)):
        for table in (filled_fields, filled_values):
            connection.execute(delete(table).where(table.c.company_id == company_id, table.c.source == gone))


def approve_filled_fields(connection: Connection, company_id: int, at: datetime) -> int:
    """Let every source fill its field; how many are new."""
    columns = filled_fields.c
    new = update(filled_fields).where(columns.company_id == company_id, columns.approved_at.is_(None))
    return connection.execute(new.values(approved_at=at)).rowcount


def save_field_code(connection: Connection, company_id: int, source: str, code: str | None) -> None:
    """The custom field that a source fills; without one it is unknown again, and waits for approval again."""
    mine = (filled_fields.c.company_id == company_id) & (filled_fields.c.source == source)
    values: dict[str, Any] = {"field_code": code} if code else {"field_code": None, "approved_at": None}
    connection.execute(update(filled_fields).where(mine).values(values))


def stale_accounts(
    connection: Connection, company_id: int, source: str, *, written_before: datetime, limit: int
) -> Sequence[tuple[Mapping[str, Any], Any]]:
    """Accounts that changed since their value was filled in, or never had it; each with what was filled in last."""
    its_value = and_(
        _VALUES.company_id == accounts.c.company_id,
        _VALUES.organization_id == accounts.c.organization_id,
        _VALUES.source == source,
    )
    changed = and_(accounts.c.updated_at > _VALUES.written_at, _VALUES.written_at <= written_before)
    query = (
        select(accounts, _VALUES.value.label("filled"))
        .select_from(accounts.outerjoin(filled_values, its_value))
        .where(accounts.c.company_id == company_id, or_(_VALUES.written_at.is_(None), changed))
        .order_by(accounts.c.organization_id)
        .limit(limit)
    )
    rows = connection.execute(query).mappings().all()
    return [({str(name): row[name] for name in row if str(name) != "filled"}, row["filled"]) for row in rows]


def differing_accounts(
    connection: Connection, company_id: int, source: str, code: str, limit: int
) -> Iterable[tuple[int, Any]]:
    """Accounts, without an edit that waits, whose custom field is not what was last taken over from it."""
    held = _member(connection, code)
    its_value = and_(
        _VALUES.company_id == accounts.c.company_id,
        _VALUES.organization_id == accounts.c.organization_id,
        _VALUES.source == source,
    )
    edited = (
        select(account_edits.c.field)
        .where(
            account_edits.c.company_id == accounts.c.company_id,
            account_edits.c.organization_id == accounts.c.organization_id,
            account_edits.c.field.in_([code, source]),
        )
        .exists()
    )
    query = (
        select(accounts.c.organization_id, type_coerce(held, Document))
        .select_from(accounts.outerjoin(filled_values, its_value))
        .where(accounts.c.company_id == company_id, held.is_distinct_from(_VALUES.value), ~edited)
        .order_by(accounts.c.organization_id)
        .limit(limit)
    )
    return [(row[0], row[1]) for row in connection.execute(query)]


def _member(connection: Connection, code: str) -> ColumnElement[Any]:
    """A custom field of an account, as JSON."""
    path = code if connection.dialect.name == "postgresql" else f'$."{code}"'
    return accounts.c.custom_fields.op("->")(path)


def save_filled_value(
    connection: Connection, company_id: int, organization_id: int, source: str, value: Any, at: datetime
) -> None:
    """What was filled in, or taken over, last."""
    key = {"company_id": company_id, "organization_id": organization_id, "source": source}
    put(connection, filled_values, key, {"value": value, "written_at": at})


def accounts_without(connection: Connection, company_id: int, name: str, limit: int) -> Sequence[int]:
    """Accounts that never had a value in an own field."""
    path = name if connection.dialect.name == "postgresql" else f'$."{name}"'
    missing = accounts.c.fields.op("->")(path).is_(None)
    query = select(accounts.c.organization_id).where(accounts.c.company_id == company_id, missing)
    return connection.scalars(query.order_by(accounts.c.organization_id).limit(limit)).all()


def set_own_field(
    connection: Connection,
    company_id: int,
    organization_id: int,
    name: str,
    value: Any,
    *,
    by: str | None = None,
    at: datetime,
) -> None:
    """Set one own field of an account: as an edit by somebody, or as a write of ours (None), which is no edit."""
    its_row = (accounts.c.company_id == company_id) & (accounts.c.organization_id == organization_id)
    held = connection.scalar(select(accounts.c.fields).where(its_row)) or {}
    who = {"revision": accounts.c.revision + 1, "updated_at": at} if by is None else {"edited_by": by, "edited_at": at}
    connection.execute(update(accounts).where(its_row).values(fields={**held, name: value}, **who))


def edit_custom_field(
    connection: Connection, company_id: int, organization_id: int, code: str, value: Any, *, by: str, at: datetime
) -> None:
    """Edit a custom field of an account."""
    its_row = (accounts.c.company_id == company_id) & (accounts.c.organization_id == organization_id)
    values = {"custom_fields": {code: value}, "edited_by": by, "edited_at": at}
    connection.execute(update(accounts).where(its_row).values(values))
