"""Applying webhook events: from the inbox into the mirror and the accounts, in one transaction for many events.

Events of one record are applied in the order in which they happened, whatever the order in which they came; `ordering`
says which are too old. What an event does not tell exactly is queued to be read. An event that can't be applied is kept
with its reason and never stops the others.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Connection

from sync.accounts.merging import absorb_account
from sync.accounts.touched import touched_organizations
from sync.mirror.company import Mirror
from sync.mirror.ingest import rebuild_accounts
from sync.mirror.ordering import judge_change, judge_deletion
from sync.pipedrive.entities import BY_EVENT, ENTITIES, ORGANIZATIONS, Entity
from sync.pipedrive.envelope import parse
from sync.pipedrive.events import Action, Event, change_of, hand_of, read_event
from sync.pipedrive.records import Row, Unstorable, to_row
from sync.store.edits import name_hands
from sync.store.errors import DatabaseBusy, DatabaseUnreachable
from sync.store.follow_ups import ask_later
from sync.store.inbox import Settled, State, Waiting, any_pending, load_deletions, load_pending, settle_events
from sync.store.mirror import Held, held_rows, ids_of_organizations, mark_told_deleted, upsert_told
from sync.store.types import timestamp_text
from sync.telemetry.metrics import EVENT_LAG, EVENTS

BATCH = 500

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of some events."""

    applied: int = 0
    superseded: int = 0
    failed: int = 0

    def __add__(self, other: "Applied") -> "Applied":
        return Applied(self.applied + other.applied, self.superseded + other.superseded, self.failed + other.failed)

    @property
    def total(self) -> int:
        return self.applied + self.superseded + self.failed


def apply_inbox(mirror: Mirror) -> Applied:
    """Apply every event that waits, batch by batch. Raises `DatabaseError`, `Interrupted`."""
    total = Applied()
    while True:
        mirror.clock.sleep(0)
        with mirror.database.reading() as connection:
            if not any_pending(connection, mirror.company_id):
                return total
            waiting = load_pending(connection, mirror.company_id, BATCH)
        total += _apply(mirror, waiting)


def _apply(mirror: Mirror, waiting: Sequence[Waiting]) -> Applied:
    """Apply events in one transaction; where that fails, halve them until the culprit stands alone."""
    try:
        return _commit(mirror, waiting)
    except (DatabaseBusy, DatabaseUnreachable):
        raise  # no event is to blame
    except Exception as error:
        if len(waiting) > 1:
            middle = len(waiting) // 2
            return _apply(mirror, waiting[:middle]) + _apply(mirror, waiting[middle:])
        _log.warning("event_failed", event_id=waiting[0].event_id, exc_info=True)
        return _commit_failure(mirror, waiting[0], f"{type(error).__name__}: {error}")


def _commit(mirror: Mirror, waiting: Sequence[Waiting]) -> Applied:
    with mirror.database.writing() as connection:
        batch = _Batch(connection, mirror)
        batch.apply(waiting)
        settle_events(connection, mirror.company_id, batch.settled, at=mirror.clock.now())
    return _counted(mirror, waiting, batch.settled)


def _commit_failure(mirror: Mirror, waiting: Waiting, reason: str) -> Applied:
    with mirror.database.writing() as connection:
        batch = _Batch(connection, mirror)
        batch.fail(waiting, reason)
        settle_events(connection, mirror.company_id, batch.settled, at=mirror.clock.now())
    return _counted(mirror, [waiting], batch.settled)


def _counted(mirror: Mirror, waiting: Sequence[Waiting], settled: Sequence[Settled]) -> Applied:
    happened = {one.key: one.event_time for one in waiting}
    now = mirror.clock.now()
    for one in settled:
        EVENTS.labels(one.state.value).inc()
        if one.state is State.APPLIED:
            EVENT_LAG.observe(max((now - happened[one.key]).total_seconds(), 0.0))
    counts = [sum(one.state is state for one in settled) for state in (State.APPLIED, State.SUPERSEDED, State.FAILED)]
    return Applied(*counts)


@dataclass(frozen=True, slots=True)
class _Told:
    """An event that waits, read."""

    waiting: Waiting
    entity: Entity
    event: Event


@dataclass(slots=True)
class _Batch:
    """Events being applied in one transaction."""

    connection: Connection
    mirror: Mirror
    settled: list[Settled] = field(default_factory=list)
    touched: set[int] = field(default_factory=set)
    hands: dict[int, str] = field(default_factory=dict)  # who changed an organization last

    def apply(self, waiting: Iterable[Waiting]) -> None:
        """Apply events that come in the order in which they happened; then the accounts follow."""
        by_entity: dict[Entity, list[_Told]] = {}
        for one in waiting:
            if told := self._read(one):
                by_entity.setdefault(told.entity, []).append(told)
                if told.entity is ORGANIZATIONS and (hand := hand_of(told.event)):
                    self.hands[told.event.entity_id] = hand
        for entity, events in by_entity.items():
            self._touch(entity, {one.event.entity_id for one in events})
            for layer in _layers(events):
                self._apply_layer(entity, layer)
            self._touch(entity, {one.event.entity_id for one in events})
        if self.touched:
            now = self.mirror.clock.now()
            rebuild_accounts(self.connection, self.mirror, self.touched, now=now)
            name_hands(self.connection, self.mirror.company_id, self.hands, changed_at=now)

    def fail(self, waiting: Waiting, reason: str) -> None:
        """Keep an event with the reason why it can't be applied, until its record has been read."""
        entity = BY_EVENT.get(waiting.entity)
        if entity and waiting.error is None:  # else it was read for this event already
            self._ask(entity, {waiting.entity_id})
        self.settled.append(Settled(waiting.key, State.FAILED, _storable(reason)))

    def _read(self, waiting: Waiting) -> _Told | None:
        entity = BY_EVENT.get(waiting.entity)
        if entity is None or not self.mirror.privacy.keeps(entity):
            self.settled.append(Settled(waiting.key, State.SUPERSEDED, f"no {waiting.entity} is mirrored"))
            return None
        try:
            return _Told(waiting, entity, read_event(parse((waiting.payload or "").encode())))
        except ValueError as error:  # Malformed is one
            self.fail(waiting, str(error))
            return None

    def _apply_layer(self, entity: Entity, layer: Sequence[_Told]) -> None:
        """Apply events of different records."""
        ids = {one.event.entity_id for one in layer}
        held = held_rows(self.connection, self.mirror.company_id, entity, ids)
        gone = load_deletions(self.connection, self.mirror.company_id, entity.singular, ids - held.keys())
        rows: list[Row] = []
        offered: list[_Told] = []
        for one in layer:
            if one.event.action is Action.DELETE:
                self._delete(entity, one, held.get(one.event.entity_id))
            elif one.event.event_time <= gone.get(one.event.entity_id, one.event.event_time - _TICK):
                self.settled.append(Settled(one.waiting.key, State.SUPERSEDED))
            elif row := self._offer(entity, one, held.get(one.event.entity_id)):
                rows.append(row)
                offered.append(one)
        changed, refused = upsert_told(self.connection, self.mirror.company_id, entity, rows)
        reasons = {row["id"]: reason for row, reason in refused}
        taken = {key[0] for key in changed}
        for one in offered:
            if one.event.entity_id in reasons:
                self.fail(one.waiting, reasons[one.event.entity_id])
            else:
                state = State.APPLIED if one.event.entity_id in taken else State.SUPERSEDED
                self.settled.append(Settled(one.waiting.key, state))
        for one in layer:
            self._follow_merge(entity, one)

    def _offer(self, entity: Entity, told: _Told, held: Held | None) -> Row | None:
        """The row to be stored, if what the event tells may be newer than what is held."""
        change = change_of(entity, told.event)
        record = self.mirror.privacy.apply(entity, change.record)
        verdict = judge_change(
            held,
            event_time=told.event.event_time,
            changed_at=_changed_at(record),
            has_update_time="update_time" in entity.column_names,
            overlap=timedelta(seconds=self.mirror.settings.poll.overlap),
        )
        if not verdict.take:
            if verdict.ask:
                self._ask(entity, {told.event.entity_id})
            self.settled.append(Settled(told.waiting.key, State.SUPERSEDED))
            return None
        try:
            row, clear = _row(entity, record, held)
        except Unstorable as error:
            self.fail(told.waiting, str(error))
            return None
        if verdict.ask or not (clear and change.exact):
            self._ask(entity, {told.event.entity_id})
        return row | {
            "event_time": timestamp_text(told.event.event_time, 3),
            "synced_at": timestamp_text(told.waiting.received_at, 6),
        }

    def _delete(self, entity: Entity, told: _Told, held: Held | None) -> None:
        event = told.event
        verdict = judge_deletion(held, event_time=event.event_time)
        if verdict.ask:
            self._ask(entity, {event.entity_id})
        marked = verdict.take and mark_told_deleted(
            self.connection,
            self.mirror.company_id,
            entity,
            event.entity_id,
            event_time=event.event_time,
            received_at=told.waiting.received_at,
        )
        self.settled.append(Settled(told.waiting.key, State.APPLIED if marked else State.SUPERSEDED))

    def _follow_merge(self, entity: Entity, told: _Told) -> None:
        """Pipedrive API: of a merge, the loser's deletion and the survivor's change tell; its children may not."""
        event = told.event
        loser, survivor = event.entity_id, event.merged_to_id
        if event.merged_from_id is not None:
            loser, survivor = event.merged_from_id, event.entity_id
        if survivor is None or entity is not ORGANIZATIONS:
            return
        company_id = self.mirror.company_id
        received_at = told.waiting.received_at
        mark_told_deleted(
            self.connection, company_id, entity, loser, event_time=event.event_time, received_at=received_at
        )
        if survivor in held_rows(self.connection, company_id, entity, {survivor}):
            absorb_account(self.connection, company_id, loser=loser, survivor=survivor, now=self.mirror.clock.now())
        self.touched |= {loser, survivor}
        for child in ENTITIES:
            if "org_id" in child.column_names and self.mirror.privacy.keeps(child):
                self._ask(child, ids_of_organizations(self.connection, company_id, child, [loser]))

    def _ask(self, entity: Entity, ids: Collection[int]) -> None:
        ask_later(self.connection, self.mirror.company_id, entity, ids, now=self.mirror.clock.now())

    def _touch(self, entity: Entity, ids: Collection[int]) -> None:
        keys = [(one,) for one in ids]
        self.touched |= touched_organizations(self.connection, self.mirror.company_id, entity, keys)


_TICK = timedelta(milliseconds=1)


def _layers(events: Sequence[_Told]) -> list[list[_Told]]:
    """The events in layers: within one no record comes twice, and each record's events keep their order."""
    layers: list[list[_Told]] = []
    depth: dict[int, int] = {}
    for one in events:
        level = depth.get(one.event.entity_id, 0)
        depth[one.event.entity_id] = level + 1
        if level == len(layers):
            layers.append([])
        layers[level].append(one)
    return layers


def _row(entity: Entity, record: dict[str, Any], held: Held | None) -> tuple[Row, bool]:
    """The row that a told record makes, over what is held; and whether every attribute fits into its column."""
    row = to_row(entity, record)
    misfits = row.pop("extra") or {}
    for name in misfits:
        row.pop(name, None)
    if row.get("deleted_at") is None:
        # No event brings a record back: that it is there again has to be read.
        row.pop("deleted_at", None)
        if held and held.is_deleted and entity.deleted_when:
            row.pop(entity.deleted_when[0], None)
    if held and "custom_fields" in row:
        merged = _merged(held.custom_fields, row.pop("custom_fields") or {})
        if merged != held.custom_fields:
            row["custom_fields"] = merged
    return row, not misfits


def _merged(held: Any, told: dict[str, Any]) -> Any:
    """Custom fields as they are after an event. One that never had a value is as good as one that is null."""
    known = held or {}
    values = {code: value for code, value in told.items() if value is not None or code in known}
    return {**known, **values} if values else held


def _changed_at(record: Mapping[str, Any]) -> datetime | None:
    """When a record changed last, as far as it tells: update_time is null on one never changed since its creation."""
    text = record["update_time"] or record.get("add_time") if "update_time" in record else None
    return datetime.fromisoformat(text).replace(tzinfo=UTC) if text else None


def _storable(reason: str) -> str:
    """A reason as any database can hold it."""
    return "".join(character if character.isprintable() else "�" for character in reason[:500])
