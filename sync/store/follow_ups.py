"""Records that wait to be read because an event told of them, but not in full.

Whatever reads such a record settles it: a poll, the sweep, or the batched read that is made for those still waiting.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, select

from sync.pipedrive.entities import Entity
from sync.store.dialect import among_parameter, insert_into, many
from sync.store.schema import follow_ups


@dataclass(frozen=True, slots=True)
class Queue:
    """What waits of one entity."""

    entity: str
    count: int
    waiting_since: datetime


def ask_later(connection: Connection, company_id: int, entity: Entity, ids: Collection[int], *, now: datetime) -> None:
    """Queue records to be read; what is read before `now` does not settle them."""
    if ids:
        row = {"company_id": company_id, "entity": entity.name, "waiting_since": now, "needs_read_after": now}
        connection.execute(_asked(connection.dialect.name), [{**row, "id": one} for one in sorted(ids)])


@cache
def _asked(dialect: str) -> Any:
    insert = insert_into(follow_ups, dialect)
    return insert.on_conflict_do_update(
        index_elements=["company_id", "entity", "id"], set_={"needs_read_after": insert.excluded.needs_read_after}
    )


def settle_follow_ups(
    connection: Connection, company_id: int, entity: Entity, ids: Collection[int], *, read_at: datetime
) -> None:
    """These records were read at a moment: those that did not have to wait for a later one need no other read."""
    dialect = connection.dialect.name
    given = {"company": company_id, "of_entity": entity.name, "ids": many(dialect, ids), "read_at": read_at}
    connection.execute(_settled(dialect), given)


@cache
def _settled(dialect: str) -> Any:
    return delete(follow_ups).where(
        follow_ups.c.company_id == bindparam("company"),
        follow_ups.c.entity == bindparam("of_entity"),
        among_parameter(dialect, follow_ups.c.id, "ids"),
        follow_ups.c.needs_read_after <= bindparam("read_at"),
    )


_QUEUES = (
    select(follow_ups.c.entity, func.count(), func.min(follow_ups.c.waiting_since))
    .where(follow_ups.c.company_id == bindparam("company"))
    .group_by(follow_ups.c.entity)
)


def load_queues(connection: Connection, company_id: int) -> list[Queue]:
    """What waits, by entity."""
    return [Queue(*row) for row in connection.execute(_QUEUES, {"company": company_id})]


def load_follow_ups(connection: Connection, company_id: int, entity: Entity, limit: int | None = None) -> set[int]:
    """The records of an entity that wait, those first that wait longest."""
    chosen = (
        select(follow_ups.c.id)
        .where(follow_ups.c.company_id == company_id, follow_ups.c.entity == entity.name)
        .order_by(follow_ups.c.waiting_since, follow_ups.c.id)
        .limit(limit)
    )
    return set(connection.scalars(chosen))
