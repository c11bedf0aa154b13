"""What hangs on accounts, a page at a time and by number: for programs that read everything.

Read-only; whoever reads on from the last number of a page sees each record once, whatever happens meanwhile.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, func, or_, select

from sync.store.dialect import among
from sync.store.schema import TABLES, account_won_values, accounts

_ACTIVITIES, _NOTES, _DEALS = TABLES["activities"], TABLES["notes"], TABLES["deals"]
_OF_ACTIVITIES = (
    *("id", "subject", "type", "due_date", "due_time", "duration", "done", "marked_as_done_time"),
    *("owner_id", "deal_id", "person_id", "note", "add_time", "update_time"),
)
_OF_NOTES = ("id", "content", "user_id", "deal_id", "person_id", "add_time", "update_time")


@dataclass(frozen=True, slots=True)
class WonSum:
    """What was won in one currency; an empty currency stands for deals that have none."""

    currency: str
    value: Decimal
    deals_count: int


@dataclass(frozen=True, slots=True)
class Version:
    """What counts the changes of an account: people's edits, and our own writes."""

    edits: int
    revision: int
    updated_at: datetime


def activities_after(
    connection: Connection,
    company_id: int,
    organization_id: int,
    *,
    done: bool | None,
    after: int | None,
    limit: int,
) -> Sequence[Mapping[str, Any]]:
    """The activities of an account and of its deals, by id, from behind one on; only done or undone ones if given."""
    query = _page(_ACTIVITIES, _OF_ACTIVITIES, company_id, organization_id, after, limit)
    if done is not None:
        query = query.where(func.coalesce(_ACTIVITIES.c.done, False) == done)
    return [dict(row) for row in connection.execute(query).mappings()]


def notes_after(
    connection: Connection, company_id: int, organization_id: int, *, after: int | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """The notes of an account and of its deals, by id, from behind one on."""
    query = _page(_NOTES, _OF_NOTES, company_id, organization_id, after, limit)
    return [dict(row) for row in connection.execute(query).mappings()]


def subjects_of(connection: Connection, company_id: int, activities: Collection[int]) -> Mapping[int, str]:
    """What some activities are about, by id; those without a subject are left out."""
    columns = _ACTIVITIES.c
    its = (columns.company_id == company_id) & among(connection, columns.id, activities)
    found = connection.execute(select(columns.id, columns.subject).where(its))
    return {one: subject for one, subject in found if subject}


def won_sums(connection: Connection, company_id: int, organizations: Collection[int]) -> Mapping[int, Sequence[WonSum]]:
    """What was won with some accounts, by currency."""
    columns = account_won_values.c
    query = (
        select(columns.organization_id, columns.currency, columns.value, columns.deals_count)
        .where(columns.company_id == company_id, among(connection, columns.organization_id, organizations))
        .order_by(columns.organization_id, columns.currency)
    )
    sums: dict[int, list[WonSum]] = {}
    for organization_id, *rest in connection.execute(query):
        sums.setdefault(organization_id, []).append(WonSum(*rest))
    return sums


def version_of(connection: Connection, company_id: int, organization_id: int) -> Version | None:
    """How often an account has changed; None if there is none."""
    columns = accounts.c
    its_row = (columns.company_id == company_id) & (columns.organization_id == organization_id)
    row = connection.execute(select(columns.edits, columns.revision, columns.updated_at).where(its_row)).one_or_none()
    return None if row is None else Version(*row)


def _page(
    table: Table, names: Sequence[str], company_id: int, organization_id: int, after: int | None, limit: int
) -> Select[Any]:
    query = select(*(table.c[name] for name in names)).where(_hangs(table, company_id, organization_id))
    if after is not None:
        query = query.where(table.c.id > after)
    return query.order_by(table.c.id).limit(limit)


def _hangs(table: Table, company_id: int, organization_id: int) -> ColumnElement[bool]:
    """On the organization, or on one of its deals."""
    deals = select(_DEALS.c.id).where(
        _DEALS.c.company_id == company_id, _DEALS.c.deleted_at.is_(None), _DEALS.c.org_id == organization_id
    )
    holder = or_(table.c.org_id == organization_id, table.c.deal_id.in_(deals))
    return and_(table.c.company_id == company_id, table.c.deleted_at.is_(None), holder)
