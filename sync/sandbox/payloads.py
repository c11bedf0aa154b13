"""What a webhook of version 2 says of a change: the body `{"meta", "data", "previous"}`.

Built in two steps, since a change is told to many subscriptions, and to each up to four times: the event once, the
body for each delivery. How records look in it is in `shapes`. Pure functions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import orjson

from sync.sandbox.changes import Change
from sync.sandbox.records import Record
from sync.sandbox.shapes import Context, Shape, shape_of, shown


@dataclass(frozen=True, slots=True)
class Event:
    """What every subscription is told of a change; `data` and `previous` are encoded JSON.

    `tells_nothing`: it is a change of something that payloads do not show.
    """

    id: str
    meta: Mapping[str, Any]
    data: bytes
    previous: bytes
    tells_nothing: bool


def event_of(change: Change, context: Context) -> Event:
    """What webhooks tell of the change. Raises KeyError for an entity that sends no events.

    On creation `previous` is null, on deletion `data` is and `previous` is the last state; a change has both, but
    `previous` holds only what changed.
    """
    shape = shape_of(change.entity, context.switches)
    before = None if change.before is None else shown(shape, change.before, context)
    after = None if change.after is None else shown(shape, change.after, context)
    previous = before
    if before is not None and after is not None:
        previous = _changed(before, after, () if context.switches.previous_tells_bookkeeping else shape.quiet)
    nothing = change.action == "change" and change.merged_from_id is None and not (previous or {}).keys() - _BUMPED
    meta = _meta(shape, change, context)
    return Event(meta["id"], meta, orjson.dumps(after), orjson.dumps(previous), nothing)


def body_of(event: Event, webhook: Record, attempt: int) -> bytes:
    """The body of one delivery; attempts, counted from 1 to 4, differ in `meta.attempt` alone."""
    own = {"webhook_id": str(webhook["id"]), "webhook_owner_id": str(webhook["owner_id"]), "type": webhook["type"]}
    meta = {**event.meta, **own, "attempt": attempt}
    data, previous = orjson.Fragment(event.data), orjson.Fragment(event.previous)
    return orjson.dumps({"meta": meta, "data": data, "previous": previous})


_BUMPED = {"update_time"}


def _changed(before: Record, after: Record, quiet: Sequence[str]) -> Record:
    """The attributes that changed, and of the custom fields those that changed, each with its old value."""
    old = {name: value for name, value in before.items() if value != after[name] and name not in quiet}
    if "custom_fields" in old:
        new = after["custom_fields"]
        old["custom_fields"] = {code: value for code, value in old["custom_fields"].items() if value != new[code]}
    return old


def _meta(shape: Shape, change: Change, context: Context) -> Record:
    """All of `meta` that is the same for every subscription. Its ids are strings."""
    moment = change.exactly.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    # The moment is in the seed for a company that is started anew: it counts from 1 again, but its events are others.
    seed = f"pipedrive:{context.company_id}/{change.number}/{moment}"
    meta: Record = {
        "action": change.action,
        "entity": shape.name,
        "entity_id": str(change.id),
        "company_id": str(context.company_id),
        "id": str(uuid5(NAMESPACE_URL, seed)),
        "correlation_id": str(uuid5(NAMESPACE_URL, f"{seed}/correlation")),
        "timestamp": moment,
        "user_id": str(change.user_id),
        "change_source": change.source,
        "is_bulk_edit": False,
        "host": context.host,
        "version": "2.0",
    }
    if shape.name == "user":
        # Not unique: every event of one user has the user's id for its own.
        return meta | {"id": str(change.id), "timestamp": int(change.exactly.timestamp())}
    meta["permitted_user_ids"] = [str(user_id) for user_id in context.permitted_user_ids]
    merged = {"merged_to_id": change.merged_to_id, "merged_from_id": change.merged_from_id}
    return meta | {name: str(record_id) for name, record_id in merged.items() if record_id is not None}
