"""The race that no call can close: somebody at Pipedrive changes a field between our read and our write.

Our write then overwrites a value that we never saw. The event of our write tells it under `previous`: it is kept as a
conflict, so that a person can bring it back.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Connection

from sync.accounts.fields import Fields, load_fields
from sync.accounts.values import same
from sync.mirror.company import Mirror
from sync.pipedrive.entities import ORGANIZATIONS
from sync.pipedrive.envelope import parse
from sync.pipedrive.events import Event, Malformed, change_of, read_event
from sync.store.conflicts import Conflict, load_conflicts, record_conflict
from sync.store.holds import load_hold, save_events_seen
from sync.store.inbox import load_changes
from sync.store.journal import State, Write, load_done, load_unsettled

# How long after a write an event may come that still tells of it.
_WATCHED = timedelta(hours=1)
# Events are committed a little later than they are received, and not in that order.
_OVERLAP = timedelta(seconds=10)

_log = structlog.get_logger(__name__)


def find_races(mirror: Mirror) -> int:
    """Record what recent writes have overwritten unseen, as far as events tell; how many conflicts are new."""
    company_id, now = mirror.company_id, mirror.clock.now()
    with mirror.database.reading() as connection:
        seen_at = load_hold(connection, company_id).events_seen_at or now - _WATCHED
        events = load_changes(connection, company_id, ORGANIZATIONS.singular, received_after=seen_at - _OVERLAP)
        if not events:
            return 0
        found = list(_races(connection, mirror, [(one, payload) for one, _, payload in events]))
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


def _answered_until(connection: Connection, company_id: int, received_at: datetime) -> datetime:
    """Up to when all writes have their answer: what an event says of one without can't be judged yet."""
    sent = [
        one.sent_at
        for one in load_unsettled(connection, company_id, entity=ORGANIZATIONS.name)
        if one.state is State.SENT and one.sent_at is not None
    ]
    return min([received_at, *sent])


def _races(connection: Connection, mirror: Mirror, events: Sequence[tuple[int, str]]) -> Iterator[Conflict]:
    records = {one for one, _ in events}
    since = mirror.clock.now() - _WATCHED
    writes: dict[int, list[Write]] = {}
    for write in load_done(connection, mirror.company_id, entity=ORGANIZATIONS.name, records=records, since=since):
        writes.setdefault(write.organization_id, []).append(write)
    if not writes:
        return
    fields = load_fields(connection, mirror.company_id, mirror.settings)
    for one, payload in events:
        for write in writes.get(one, ()):
            try:
                event = read_event(parse(payload.encode()))
            except Malformed:
                continue
            yield from _overwritten(fields, write, event, mirror.clock.now())


def _overwritten(fields: Fields, write: Write, event: Event, now: datetime) -> Iterator[Conflict]:
    """What a write has overwritten unseen, if an event is the one that tells of it."""
    told, before = _values(event.data, event), _values(event.previous, event)
    if write.update_time is None or told.get("update_time") != f"{write.update_time:%Y-%m-%dT%H:%M:%SZ}":
        return
    for field, value in write.body.items():
        rule = fields.rules.get(field)
        if rule is None or field not in before or field not in told:
            continue
        kind = rule.field_type
        is_ours = same(kind, told[field], value) and not same(kind, before[field], value)
        if is_ours and not same(kind, before[field], write.before.get(field)):
            yield Conflict(
                organization_id=write.organization_id,
                field=field,
                base_value=write.before.get(field),
                account_value=value,
                pipedrive_value=before[field],
                account_time=write.requested_at,
                account_by=write.requested_by,
                pipedrive_time=event.event_time,
                pipedrive_by=None,
                policy=rule.policy,
                detected_at=now,
                resolution="account",
                resolved_at=now,
                resolved_by="race",
                write_id=write.id,
            )


def _values(payload: Mapping[str, Any] | None, event: Event) -> Mapping[str, Any]:
    """What a part of an event tells of the shared fields, by attribute and code."""
    record = change_of(ORGANIZATIONS, replace(event, data=payload, previous=payload)).record
    return {**record, **(record.get("custom_fields") or {})}
