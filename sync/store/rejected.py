"""Records that no row could hold: kept with their reason until they change into something that fits."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, select

from sync.store.dialect import among, put
from sync.store.schema import rejected_records


@dataclass(frozen=True, slots=True)
class Rejection:
    """A record set aside: what it is, why, and how it came."""

    entity: str
    record_id: str
    reason: str
    record: Any


@dataclass(frozen=True, slots=True)
class SetAside:
    """A record that is set aside, without its content."""

    entity: str
    record_id: str
    reason: str
    rejected_at: datetime


def save_rejections(
    connection: Connection, company_id: int, rejections: Sequence[Rejection], *, rejected_at: datetime
) -> None:
    """Set records aside; a record that was already aside gets its newest reason and payload."""
    for rejection in rejections:
        values = {
            "reason": rejection.reason,
            "payload": json.dumps(rejection.record, default=str),  # ASCII: any database can hold it
            "rejected_at": rejected_at,
        }
        keys = {"company_id": company_id, "entity": rejection.entity, "record_id": rejection.record_id}
        put(connection, rejected_records, keys, values)


_ASIDE = select(rejected_records.c.record_id).where(
    rejected_records.c.company_id == bindparam("company"), rejected_records.c.entity == bindparam("of_entity")
)


def forget_rejections(connection: Connection, company_id: int, entity: str, record_ids: Collection[str]) -> None:
    """These records fit now."""
    # Hardly ever is anything set aside: looking first is far cheaper than naming every record that fits.
    fitting = set(connection.scalars(_ASIDE, {"company": company_id, "of_entity": entity})) & set(record_ids)
    if fitting:
        columns = rejected_records.c
        these = (
            columns.company_id == company_id,
            columns.entity == entity,
            among(connection, columns.record_id, fitting),
        )
        connection.execute(delete(rejected_records).where(*these))


def load_rejections(connection: Connection, company_id: int, limit: int) -> Sequence[SetAside]:
    """The records that are set aside, the latest first, at most so many."""
    columns = rejected_records.c
    query = select(columns.entity, columns.record_id, columns.reason, columns.rejected_at)
    latest = (columns.rejected_at.desc(), columns.entity, columns.record_id)
    mine = query.where(columns.company_id == company_id).order_by(*latest).limit(limit)
    return [SetAside(*row) for row in connection.execute(mine)]


def count_rejections(connection: Connection, company_id: int) -> dict[str, int]:
    """How many records are set aside, by entity."""
    rows = connection.execute(
        select(rejected_records.c.entity, func.count().label("number"))
        .where(rejected_records.c.company_id == company_id)
        .group_by(rejected_records.c.entity)
    )
    return {row.entity: row.number for row in rows}
