"""The race that no call can close: somebody at Pipedrive changes a field between our read and our write.

Our write then overwrites a value that we never saw. The event of our write tells it under `previous`: it is kept as a
conflict, so that a person can bring it back. An event also tells that a write without an answer took effect.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Connection

from sync.accounts.fields import Fields, load_fields
from sync.accounts.kinds import FieldKind, FieldType
from sync.accounts.meanings import same
from sync.mirror.company import Mirror
from sync.pipedrive.entities import ORGANIZATIONS
from sync.pipedrive.envelope import parse
from sync.pipedrive.events import Event, Malformed, change_of, hand_of, read_event
from sync.store.conflicts import Conflict, load_conflicts, record_conflict
from sync.store.holds import load_hold, save_events_seen
from sync.store.inbox import load_changes
from sync.store.journal import State, Write, first_sent_at, load_ended, load_unsettled

# How long after a write an event may come that still tells of it.
_WATCHED = timedelta(hours=1)
# Events are committed a little later than they are received, and not in that order.
_OVERLAP = timedelta(seconds=10)
# How far Pipedrive's clock may be behind ours.
_CLOCKS = timedelta(minutes=1)

_log = structlog.get_logger(__name__)


def find_races(mirror: Mirror) -> int:
    """Record what recent writes have overwritten unseen, as far as events tell; how many conflicts are new."""
    company_id = mirror.company_id
    with mirror.database.reading() as connection:
        seen_at = load_hold(connection, company_id).events_seen_at or first_sent_at(connection, company_id)
        if seen_at is None:
            return 0
        events = load_changes(connection, company_id, ORGANIZATIONS.singular, received_after=seen_at - _OVERLAP)
        if not events:
            return 0
        found = list(_races(connection, mirror, events))
        known = {(one.write_id, one.field) for one in load_conflicts(connection, company_id)} if found else set()
        until = _answered_until(connection, company_id, events[-1][1])
    new = {(one.write_id, one.field): one for one in found if (one.write_id, one.field) not in known}
    if new or until > seen_at:
        with mirror.database.writing() as connection:
            for conflict in new.values():
                record_conflict(connection, company_id, conflict)
                _log.warning("overwritten_unseen", organization=conflict.organization_id, field=conflict.field)
            save_events_seen(connection, company_id, max(until, seen_at))
    return len(new)


def tells_of(connection: Connection, company_id: int, fields: Fields, write: Write) -> bool:
    """Whether an event tells that a write without an answer took effect, whatever Pipedrive holds now.

    Until then the write's `update_time` is that of the record as it was read before: a later one is known to be ours.
    """
    if write.sent_at is None or write.update_time is None:
        return False
    events = load_changes(
        connection,
        company_id,
        ORGANIZATIONS.singular,
        received_after=write.sent_at - _OVERLAP,
        record=write.organization_id,
    )
    told = filter(None, (_told(payload) for _, _, payload in events))
    return any(one.update_time > write.update_time and _carries(one, write, fields) for one in told)


def hand_at_pipedrive(
    connection: Connection, company_id: int, organization_id: int, changed_at: datetime | None
) -> str | None:
    """Who made the last change of an organization at Pipedrive, if an event tells."""
    if changed_at is None:
        return None
    after = changed_at - _CLOCKS
    events = load_changes(connection, company_id, ORGANIZATIONS.singular, received_after=after, record=organization_id)
    for _, _, payload in reversed(events):
        with suppress(Malformed):
            event = read_event(parse(payload.encode()))
            if event.event_time.replace(microsecond=0) == changed_at:
                return hand_of(event)
    return None


def _answered_until(connection: Connection, company_id: int, received_at: datetime) -> datetime:
    """Up to when all writes have their answer: what an event says of one without can't be judged yet."""
    sent = [
        one.sent_at
        for one in load_unsettled(connection, company_id, entity=ORGANIZATIONS.name)
        if one.state is State.SENT and one.sent_at is not None
    ]
    return min([received_at, *sent])


def _races(connection: Connection, mirror: Mirror, events: Sequence[tuple[int, datetime, str]]) -> Iterator[Conflict]:
    writes: dict[int, list[Write]] = {}
    for write in load_ended(
        connection,
        mirror.company_id,
        entity=ORGANIZATIONS.name,
        records={one for one, _, _ in events},
        since=min(received_at for _, received_at, _ in events) - _WATCHED,
    ):
        writes.setdefault(write.organization_id, []).append(write)
    told = [(one, _told(payload)) for one, _, payload in events if one in writes]
    ours = [(one, what) for one, what in told if what is not None]
    if not ours:
        return
    fields = load_fields(connection, mirror.company_id, mirror.settings)
    for one, what in ours:
        for write in _writes_of(what, writes[one], fields):
            yield from _overwritten(fields, write, what, mirror.clock.now())


# What events tell


@dataclass(frozen=True, slots=True)
class _Told:
    """A change of an organization through the API, as an event tells of it; values by attribute and code."""

    event_time: datetime
    update_time: datetime
    before: Mapping[str, Any]  # of what was changed
    after: Mapping[str, Any]


def _told(payload: str) -> _Told | None:
    """What an event tells, if it may be one of ours."""
    body = parse(payload.encode())
    try:
        event = read_event(body)
    except Malformed:
        return None
    after = _values(event.data, event)
    if body["meta"].get("change_source", "api") != "api" or not after.get("update_time"):
        return None
    update_time = datetime.fromisoformat(after["update_time"])
    return _Told(event.event_time, update_time, _values(event.previous, event), after)


def _values(payload: Mapping[str, Any] | None, event: Event) -> Mapping[str, Any]:
    """What a part of an event tells of the shared fields."""
    record = change_of(ORGANIZATIONS, replace(event, data=payload, previous=payload)).record
    return {**record, **(record.get("custom_fields") or {})}


def _writes_of(told: _Told, writes: Collection[Write], fields: Fields) -> Sequence[Write]:
    """The writes that an event may tell of: the one it is known to be of, or those of which too little is known."""
    carried = [write for write in writes if _carries(told, write, fields)]
    answered = [write for write in carried if write.was_answered and write.update_time == told.update_time]
    return answered or [write for write in carried if not write.was_answered and _is_within(told, write)]


def _is_within(told: _Told, write: Write) -> bool:
    """Whether it happened between the moment when a write was sent, and the look that found out about it."""
    if write.sent_at is None or write.update_time is None:
        return False
    return told.event_time >= write.sent_at - _CLOCKS and told.update_time <= write.update_time


def _carries(told: _Told, write: Write, fields: Fields) -> bool:
    """Whether an event shows what a write has set."""
    rules = {field: fields.rules[field] for field in write.body if field in fields.rules and field in told.after}
    return bool(rules) and all(
        _fits(rule.field_type, told.after[field], write.body[field]) for field, rule in rules.items()
    )


def _overwritten(fields: Fields, write: Write, told: _Told, now: datetime) -> Iterator[Conflict]:
    """What a write has overwritten unseen, given the event that tells of it."""
    for field, value in write.body.items():
        rule = fields.rules.get(field)
        if rule is None or field not in told.before:
            continue
        overwritten, seen = told.before[field], write.before.get(field)
        if _fits(rule.field_type, overwritten, value) or _fits(rule.field_type, overwritten, seen):
            continue
        yield Conflict(
            organization_id=write.organization_id,
            field=field,
            base_value=seen,
            account_value=value,
            pipedrive_value=overwritten,
            account_time=write.requested_at,
            account_by=write.requested_by,
            pipedrive_time=told.event_time,
            pipedrive_by=None,
            policy=rule.policy,
            detected_at=now,
            resolution="account",
            resolved_at=now,
            resolved_by="race",
            write_id=write.id,
        )


def _fits(field_type: FieldType, told: Any, value: Any) -> bool:
    """Whether an event may tell of a value. Pipedrive API: of an organization's labels it tells the first alone."""
    if field_type.kind is FieldKind.LABELS:
        return bool((told or [])[:1] == (value or [])[:1])
    return same(field_type, told, value)
