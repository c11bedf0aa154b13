"""The journal of writes to Pipedrive: the intent stands here before the call goes out, its outcome after it.

A write is `waiting` until it is tried, `sent` from right before the call until its outcome is known, then `done`, or
`failed` for good. What is found `sent` after a restart may or may not have taken effect: that is found out by reading.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, or_, select, update

from sync.store.dialect import among
from sync.store.schema import journal

_JOURNAL = journal.c


class State(StrEnum):
    """What became of a write."""

    WAITING = "waiting"
    SENT = "sent"
    DONE = "done"
    FAILED = "failed"


class Action(StrEnum):
    """What a write does to a record."""

    CREATE = "create"
    CHANGE = "change"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Write:
    """One write. `body` and `before` are by field: what is sent, and what Pipedrive held, read right before.

    `update_time` is the record's: as it was read before until the outcome is known, then as the answer has it, or as it
    was read to find the outcome out.
    """

    organization_id: int
    entity: str
    action: Action
    body: Any
    requested_at: datetime
    requested_by: str
    record_id: int | None = None
    before: Any = None
    state: State = State.WAITING
    sent_at: datetime | None = None
    ended_at: datetime | None = None
    update_time: datetime | None = None
    attempts: int = 0
    error: str | None = None
    id: int = 0

    @property
    def was_answered(self) -> bool:
        """Whether Pipedrive itself said that it took effect."""
        return self.state is State.DONE and self.error is None


_NAMES = tuple(name for name in Write.__dataclass_fields__)
_WRITES = select(*(_JOURNAL[name] for name in _NAMES)).where(_JOURNAL.company_id == bindparam("company"))


def add_write(connection: Connection, company_id: int, write: Write) -> int:
    """Put a write into the journal; its number."""
    values = {name: getattr(write, name) for name in _NAMES if name != "id"}
    insert = journal.insert().values(company_id=company_id, **values).returning(_JOURNAL.id)
    return int(connection.execute(insert).scalar_one())


def note_outcome(
    connection: Connection,
    write_id: int,
    state: State,
    at: datetime,
    *,
    error: str | None = None,
    record_id: int | None = None,
    update_time: datetime | None = None,
) -> None:
    """What became of a write, as far as it is known now."""
    values: dict[str, Any] = {"state": state, "ended_at": at, "error": error[:500] if error else None}
    if record_id is not None:
        values["record_id"] = record_id
    if update_time is not None:
        values["update_time"] = update_time
    connection.execute(update(journal).where(_JOURNAL.id == write_id).values(values))


def load_write(connection: Connection, company_id: int, write_id: int) -> Write | None:
    """One write by its number."""
    row = connection.execute(_WRITES.where(_JOURNAL.id == write_id), {"company": company_id}).one_or_none()
    return None if row is None else _write(row)


def load_unsettled(
    connection: Connection, company_id: int, *, entity: str | None = None, organization_id: int | None = None
) -> Sequence[Write]:
    """The writes whose outcome is not known or that wait, in the order in which they were asked for."""
    query = _unsettled(of_entity=entity is not None, of_one=organization_id is not None)
    given = {"company": company_id, "of_entity": entity, "organization": organization_id}
    return [_write(row) for row in connection.execute(query, given)]


@cache
def _unsettled(*, of_entity: bool, of_one: bool) -> Select[Any]:
    query = _WRITES.where(or_(_JOURNAL.state == State.WAITING, _JOURNAL.state == State.SENT))
    if of_entity:
        query = query.where(_JOURNAL.entity == bindparam("of_entity"))
    if of_one:
        query = query.where(_JOURNAL.organization_id == bindparam("organization"))
    return query.order_by(_JOURNAL.id)


def load_ended(
    connection: Connection, company_id: int, *, entity: str, records: Collection[int], since: datetime
) -> Sequence[Write]:
    """The writes to some records of an entity whose outcome is known since a moment, as far as it can be known."""
    query = _WRITES.where(
        _JOURNAL.entity == entity,
        _JOURNAL.state.in_([State.DONE, State.FAILED]),
        _JOURNAL.ended_at >= since,
        among(connection, _JOURNAL.record_id, records),
    )
    return [_write(row) for row in connection.execute(query.order_by(_JOURNAL.id), {"company": company_id})]


def first_sent_at(connection: Connection, company_id: int) -> datetime | None:
    """When the first write of all was sent."""
    query = select(func.min(_JOURNAL.sent_at)).where(_JOURNAL.company_id == company_id)
    moment: datetime | None = connection.scalar(query)
    return moment


def load_failed(connection: Connection, company_id: int, *, entities: Sequence[str]) -> Sequence[Write]:
    """The writes that failed for good, the latest first."""
    query = _WRITES.where(_JOURNAL.state == State.FAILED, _JOURNAL.entity.in_(entities))
    return [_write(row) for row in connection.execute(query.order_by(_JOURNAL.id.desc()), {"company": company_id})]


def load_not_done(
    connection: Connection, company_id: int, organizations: Collection[int], *, entities: Sequence[str]
) -> Sequence[Write]:
    """The writes for some organizations that wait, have no answer yet or failed, in the order of their asking."""
    query = _WRITES.where(
        among(connection, _JOURNAL.organization_id, organizations),
        _JOURNAL.entity.in_(entities),
        _JOURNAL.state != State.DONE,
    )
    return [_write(row) for row in connection.execute(query.order_by(_JOURNAL.id), {"company": company_id})]


def created_records(connection: Connection, company_id: int, entity: str) -> set[int]:
    """The records that writes have made: none of them is the outcome of another write."""
    query = select(_JOURNAL.record_id).where(
        _JOURNAL.company_id == company_id,
        _JOURNAL.entity == entity,
        _JOURNAL.action == Action.CREATE,
        _JOURNAL.record_id.is_not(None),
    )
    return set(connection.scalars(query))


def count_writes(connection: Connection, company_id: int) -> dict[str, int]:
    """How many writes are in each state."""
    query = select(_JOURNAL.state, func.count()).where(_JOURNAL.company_id == company_id).group_by(_JOURNAL.state)
    return {row[0]: row[1] for row in connection.execute(query)}


def _write(row: Any) -> Write:
    values = dict(row._mapping)
    values["state"], values["action"] = State(values["state"]), Action(values["action"])
    return Write(**values)
