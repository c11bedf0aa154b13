"""The inbox: webhook events as they came, one row per event, and what became of each.

An event is `pending` until it is applied; then it is `applied`, `superseded` (something newer was there already) or
`failed` (kept with its reason, and tried again once its record has been read). What an event means is decided above.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    delete,
    func,
    literal_column,
    select,
    update,
)

from sync.pipedrive.events import Action, Event
from sync.store.bulk import put_rows
from sync.store.dialect import among, key_names
from sync.store.schema import inbox
from sync.store.types import timestamp_text


class State(StrEnum):
    """What became of an event."""

    PENDING = "pending"
    APPLIED = "applied"
    FAILED = "failed"
    SUPERSEDED = "superseded"


EventKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Received:
    """An event as it is to be stored: `payload` is JSON text, None where it may not be kept."""

    event: Event
    payload: str | None
    received_at: datetime
    state: State = State.PENDING
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """An event that waits to be applied."""

    event_id: str
    occurrence: str
    entity: str
    entity_id: int
    event_time: datetime
    received_at: datetime
    payload: str | None
    error: str | None  # why it failed when it was tried before

    @property
    def key(self) -> EventKey:
        return self.event_id, self.occurrence


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of one event."""

    key: EventKey
    state: State
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """How full the inbox is, and when it was last written to."""

    by_state: Mapping[str, int]
    oldest_pending: datetime | None
    last_received: datetime | None

    @property
    def pending(self) -> int:
        return self.by_state.get(State.PENDING, 0)

    @property
    def failed(self) -> int:
        return self.by_state.get(State.FAILED, 0)


def save_events(connection: Connection, received: Sequence[Received]) -> list[bool]:
    """Store events; for each whether it was new: one that is there already changes nothing."""
    rows = [_row(one) for one in received]
    new: set[tuple[Any, ...]] = set()
    for company_id in {row["company_id"] for row in rows}:
        theirs = [row for row in rows if row["company_id"] == company_id]
        new |= {(company_id, *key) for key in put_rows(connection, inbox, _RECEIVED, theirs, None)}
    return [_taken(new, tuple(row[name] for name in key_names(inbox))) for row in rows]


_RECEIVED = frozenset(inbox.c.keys()) - {"applied_at"}
_OURS = inbox.c.company_id == bindparam("company")


def _in(state: State) -> ColumnElement[bool]:
    # The state as a literal: the index of those that wait is made for it.
    return and_(_OURS, inbox.c.state == literal_column(f"'{state.value}'"))


_ANY_PENDING = select(inbox.c.event_id).where(_in(State.PENDING)).limit(1)
_PENDING = (
    select(*(inbox.c[name] for name in Waiting.__dataclass_fields__))
    .where(_in(State.PENDING))
    .order_by(inbox.c.event_time, inbox.c.received_at, inbox.c.event_id)
    .limit(bindparam("at_most"))
)
_SETTLED = (
    update(inbox)
    .where(_OURS, inbox.c.event_id == bindparam("its_id"), inbox.c.occurrence == bindparam("its_occurrence"))
    .values(state=bindparam("its_state"), error=bindparam("its_error"), applied_at=bindparam("at"))
)
_FAILED_THEN = and_(
    _in(State.FAILED), inbox.c.entity == bindparam("of_entity"), inbox.c.applied_at <= bindparam("read_at")
)
_FAILED_BEFORE = select(inbox.c.entity_id).where(_FAILED_THEN)
_BY_STATE = select(inbox.c.state, func.count().label("number")).where(_OURS).group_by(inbox.c.state)
_OLDEST_PENDING = select(func.min(inbox.c.received_at)).where(_in(State.PENDING))
_LAST_RECEIVED = select(func.max(inbox.c.received_at)).where(_OURS)


def _row(received: Received) -> dict[str, Any]:
    event = received.event
    return {
        "company_id": event.company_id,
        "event_id": event.event_id,
        "occurrence": event.occurrence,
        "entity": event.entity,
        "entity_id": event.entity_id,
        "action": event.action.value,
        "event_time": timestamp_text(event.event_time, 3),
        "attempt": event.attempt,
        "webhook_id": event.webhook_id,
        "received_at": timestamp_text(received.received_at, 6),
        "payload": received.payload,
        "state": received.state.value,
        "error": received.error,
    }


def _taken(keys: set[tuple[Any, ...]], key: tuple[Any, ...]) -> bool:
    """Whether a key is among some, once: of two equal events in one batch only the first is new."""
    is_there = key in keys
    keys.discard(key)
    return is_there


def any_pending(connection: Connection, company_id: int) -> bool:
    """Whether an event waits."""
    return connection.scalar(_ANY_PENDING, {"company": company_id}) is not None


def load_pending(connection: Connection, company_id: int, limit: int) -> list[Waiting]:
    """Events that wait, in the order in which they happened."""
    return [Waiting(*row) for row in connection.execute(_PENDING, {"company": company_id, "at_most": limit})]


def load_deletions(connection: Connection, company_id: int, entity: str, ids: Collection[int]) -> dict[int, datetime]:
    """When the latest event that told of their deletion happened, of those records of which one did."""
    if not ids:
        return {}
    found = connection.execute(
        select(inbox.c.entity_id, func.max(inbox.c.event_time).label("latest"))
        .where(
            inbox.c.company_id == company_id,
            inbox.c.entity == entity,
            inbox.c.action == Action.DELETE.value,
            among(connection, inbox.c.entity_id, ids),
        )
        .group_by(inbox.c.entity_id)
    )
    return {row.entity_id: row.latest for row in found}


def told_deleted_since(
    connection: Connection, company_id: int, entity: str, ids: Collection[int], moment: datetime
) -> set[int]:
    """Those of some records of whose deletion an event has told that came after that moment."""
    its = (inbox.c.company_id == company_id) & (inbox.c.entity == entity) & (inbox.c.action == Action.DELETE.value)
    told = (inbox.c.received_at > moment) & among(connection, inbox.c.entity_id, ids)
    return set(connection.scalars(select(inbox.c.entity_id).where(its, told)))


def settle_events(connection: Connection, company_id: int, settled: Sequence[Settled], *, at: datetime) -> None:
    """Note what became of events."""
    if settled:
        connection.execute(
            _SETTLED,
            [
                {
                    "company": company_id,
                    "at": at,
                    "its_id": one.key[0],
                    "its_occurrence": one.key[1],
                    "its_state": one.state.value,
                    "its_error": one.error,
                }
                for one in settled
            ],
        )


def revive_failed(
    connection: Connection, company_id: int, entity: str, ids: Collection[int], *, read_at: datetime
) -> None:
    """Let events that failed before their records were read be tried once more."""
    given = {"company": company_id, "of_entity": entity, "read_at": read_at}
    # Hardly ever has any failed: looking first is cheaper than naming every record.
    theirs = set(connection.scalars(_FAILED_BEFORE, given)) & set(ids)
    if theirs:
        chosen = among(connection, inbox.c.entity_id, theirs)
        connection.execute(update(inbox).where(_FAILED_THEN, chosen).values(state=State.PENDING.value), given)


def count_events(connection: Connection, company_id: int) -> Counts:
    """How full the inbox is."""
    states = {row.state: row.number for row in connection.execute(_BY_STATE, {"company": company_id})}
    return Counts(states, oldest_pending(connection, company_id), last_received(connection, company_id))


def oldest_pending(connection: Connection, company_id: int) -> datetime | None:
    """When the event came that has waited longest."""
    oldest: datetime | None = connection.scalar(_OLDEST_PENDING, {"company": company_id})
    return oldest


def last_received(connection: Connection, company_id: int) -> datetime | None:
    """When the last event came."""
    latest: datetime | None = connection.scalar(_LAST_RECEIVED, {"company": company_id})
    return latest


def load_failures(connection: Connection, company_id: int, limit: int) -> list[Mapping[str, Any]]:
    """The latest events that failed, and why."""
    shown = (inbox.c.entity, inbox.c.entity_id, inbox.c.action, inbox.c.event_time, inbox.c.error)
    query = select(*shown).where(_in(State.FAILED)).order_by(inbox.c.event_time.desc()).limit(limit)
    return [row._asdict() for row in connection.execute(query, {"company": company_id})]


def prune_events(connection: Connection, company_id: int, *, before: datetime) -> int:
    """Remove events that are done with and came before a moment; how many."""
    done = inbox.c.state.in_((State.APPLIED.value, State.SUPERSEDED.value))
    gone = delete(inbox).where(inbox.c.company_id == company_id, done, inbox.c.received_at < before)
    return connection.execute(gone).rowcount


def load_changes(
    connection: Connection, company_id: int, entity: str, *, received_after: datetime, record: int | None = None
) -> Sequence[tuple[int, datetime, str]]:
    """The record, the moment of receipt and the body of each event that told of a change, whatever became of it.

    `record` narrows them to those of one.
    """
    given = {"company": company_id, "of_entity": entity, "received_after": received_after, "record": record}
    return [(row[0], row[1], row[2]) for row in connection.execute(_changes(of_one=record is not None), given)]


@cache
def _changes(*, of_one: bool) -> Select[Any]:
    query = select(inbox.c.entity_id, inbox.c.received_at, inbox.c.payload).where(
        _OURS,
        inbox.c.entity == bindparam("of_entity"),
        inbox.c.received_at > bindparam("received_after"),
        inbox.c.action == Action.CHANGE,
        inbox.c.payload.is_not(None),
    )
    if of_one:
        query = query.where(inbox.c.entity_id == bindparam("record"))
    return query.order_by(inbox.c.received_at)
