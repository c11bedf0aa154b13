"""Fields that were changed on both sides: both values, both times, and what was done about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, update

from sync.store.schema import conflicts

_CONFLICTS = conflicts.c


@dataclass(frozen=True, slots=True)
class Conflict:
    """A field that was changed on both sides. `resolution` is None while it waits for a person."""

    organization_id: int
    field: str
    base_value: Any
    account_value: Any
    pipedrive_value: Any
    account_time: datetime | None
    account_by: str | None
    pipedrive_time: datetime | None
    pipedrive_by: str | None
    policy: str
    detected_at: datetime
    resolution: str | None = None
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    write_id: int | None = None
    id: int | None = None


_NAMES = tuple(name for name in Conflict.__dataclass_fields__)


def record_conflict(connection: Connection, company_id: int, conflict: Conflict) -> None:
    """Keep a conflict."""
    values = {name: getattr(conflict, name) for name in _NAMES if name != "id"}
    connection.execute(conflicts.insert().values(company_id=company_id, **values))


def load_conflicts(
    connection: Connection,
    company_id: int,
    *,
    organization_id: int | None = None,
    only_open: bool = False,
    field: str | None = None,
    before: int | None = None,
    limit: int | None = None,
) -> Sequence[Conflict]:
    """The conflicts of a company, of one account or of one field, the latest first; those before one, if given."""
    query = select(*(_CONFLICTS[name] for name in _NAMES)).where(_CONFLICTS.company_id == company_id)
    if organization_id is not None:
        query = query.where(_CONFLICTS.organization_id == organization_id)
    if only_open:
        query = query.where(_CONFLICTS.resolved_at.is_(None))
    if field is not None:
        query = query.where(_CONFLICTS.field == field)
    if before is not None:
        query = query.where(_CONFLICTS.id < before)
    return [Conflict(*row) for row in connection.execute(query.order_by(_CONFLICTS.id.desc()).limit(limit))]


def count_open_conflicts(connection: Connection, company_id: int) -> dict[str, int]:
    """How many conflicts wait for a person, by field."""
    waiting = (_CONFLICTS.company_id == company_id) & _CONFLICTS.resolved_at.is_(None)
    query = select(_CONFLICTS.field, func.count()).where(waiting).group_by(_CONFLICTS.field)
    return {row[0]: row[1] for row in connection.execute(query.order_by(_CONFLICTS.field))}


def open_conflict_ids(connection: Connection, company_id: int, field: str | None = None) -> Sequence[int]:
    """The numbers of the conflicts that wait for a person; of one field, or of all."""
    query = select(_CONFLICTS.id).where(_CONFLICTS.company_id == company_id, _CONFLICTS.resolved_at.is_(None))
    if field is not None:
        query = query.where(_CONFLICTS.field == field)
    return connection.scalars(query.order_by(_CONFLICTS.id)).all()


def load_conflict(connection: Connection, company_id: int, conflict_id: int) -> Conflict | None:
    """One conflict by its number."""
    query = select(*(_CONFLICTS[name] for name in _NAMES)).where(
        _CONFLICTS.company_id == company_id, _CONFLICTS.id == conflict_id
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else Conflict(*row)


def settle_conflict(
    connection: Connection, company_id: int, conflict_id: int | None, *, resolution: str, by: str, at: datetime
) -> None:
    """Note how a conflict was resolved."""
    mine = (_CONFLICTS.company_id == company_id) & (_CONFLICTS.id == conflict_id)
    values = {"resolution": resolution, "resolved_by": by, "resolved_at": at}
    connection.execute(update(conflicts).where(mine).values(values))


def move_open_conflicts(connection: Connection, company_id: int, *, loser: int, survivor: int) -> None:
    """What waits for a person about an organization that was merged is about the survivor now."""
    waiting = (_CONFLICTS.company_id == company_id) & (_CONFLICTS.organization_id == loser)
    moved = update(conflicts).where(waiting, _CONFLICTS.resolved_at.is_(None))
    connection.execute(moved.values(organization_id=survivor))
