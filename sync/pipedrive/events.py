"""A webhook's body: what event it tells of, and the record it shows translated into the shape of API v2.

The payload is not an API record (custom fields are wrapped, numbers come as texts, names differ) and carries only
"crucial" attributes: what is missing was not cleared. `read_event` says what happened, `change_of` what the record now
looks like as far as the payload can tell, and whether that is exact. Pure functions.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from sync.pipedrive.entities import Entity, Kind
from sync.pipedrive.records import ADDRESS_PARTS, INTEGER_RANGE, Record

_MILLISECONDS_FROM = 100_000_000_000  # as seconds, this is the year 5138


class Malformed(ValueError):
    """A body that is no event; the text says what is wrong with it."""


class Action(StrEnum):
    """What happened to a record."""

    CREATE = "create"
    CHANGE = "change"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Event:
    """What `meta` tells of an event, and the record after it."""

    event_id: str
    company_id: int
    entity: str  # as webhooks call it: the singular name
    entity_id: int
    action: Action
    event_time: datetime  # by Pipedrive's clock, in milliseconds
    attempt: int
    webhook_id: int | None
    data: Mapping[str, Any] | None
    merged_to_id: int | None = None
    merged_from_id: int | None = None
    previous: Mapping[str, Any] | None = None  # of a change: what was changed, as it was before
    user_id: int | None = None  # who did it

    @property
    def occurrence(self) -> str:
        """What tells two events with one id apart. Pipedrive API: the id of a `user` event is not unique."""
        return self.event_time.isoformat() if self.entity == "user" else ""


@dataclass(frozen=True, slots=True)
class Change:
    """What an event makes of a record. `record` has API shape and lacks what the payload does not tell.

    `exact`: it lacks nothing, which is rare; any other record has to be read to be held as Pipedrive shows it.
    """

    record: Record
    exact: bool


def read_event(body: Any) -> Event:
    """The event in a decoded body. Raises `Malformed`."""
    whole = _object(body, "the body")
    meta, data, previous = (_member(whole, name) for name in ("meta", "data", "previous"))
    if meta is None:
        raise Malformed("meta is missing")
    if not isinstance(meta.get("version", "2.0"), str) or not meta.get("version", "2.0").startswith("2"):
        raise Malformed("meta.version is not 2.0: subscribe with version 2.0")
    action = meta.get("action")
    if action not in list(Action):
        raise Malformed("meta.action is none of create, change, delete")
    if data is None and action != Action.DELETE:
        raise Malformed(f"data is missing, though meta.action is {action}")
    return Event(
        event_id=_text(meta, "id"),
        company_id=_whole(meta, "company_id"),
        entity=_text(meta, "entity"),
        entity_id=_whole(meta, "entity_id"),
        action=Action(action),
        event_time=_moment(meta),
        attempt=_whole(meta, "attempt", needed=False) or 1,
        webhook_id=_whole(meta, "webhook_id", needed=False),
        data=data,
        merged_to_id=_whole(meta, "merged_to_id", needed=False),
        merged_from_id=_whole(meta, "merged_from_id", needed=False),
        previous=previous,
        user_id=_user(meta),
    )


def _user(meta: Mapping[str, Any]) -> int | None:
    """Who did it, where that can be told: it is good to know, and no reason to refuse an event."""
    try:
        user_id: int | None = _whole(meta, "user_id", needed=False)
    except Malformed:
        return None
    return user_id


def hand_of(event: Event) -> str | None:
    """Who did it, as it is noted in an account's history."""
    return None if event.user_id is None else f"pipedrive user {event.user_id}"


def change_of(entity: Entity, event: Event) -> Change:
    """What an event that carries `data` makes of the record."""
    record: Record = {"id": event.entity_id}
    exact = True
    for name, value in (event.data or {}).items():
        told = _told(entity, name, value)
        exact = exact and told.exact
        # A part must not take the place of the whole that is held, unless that is known to have changed.
        if not told.in_part or event.action is not Action.CHANGE or name in (event.previous or {}):
            record |= told.attributes
    whole = entity.column_names | ({"custom_fields"} if entity.has_custom_fields else set())
    return Change(record, exact and whole <= record.keys())


def api_name(entity: Entity, name: str) -> str:
    """What the API calls the attribute that a payload calls by a name."""
    rule = _RULES.get(entity.name, {}).get(name)
    return name if rule is None else rule.of


def _told(entity: Entity, name: str, value: Any) -> "_Told":
    """What one attribute of a payload tells."""
    rule = _RULES.get(entity.name, {}).get(name)
    if rule is not None:
        return rule.told(value)
    if name == "id":
        return _Told({})
    if name == "custom_fields" and entity.has_custom_fields:
        return _custom_fields(value)
    kind = _kinds(entity).get(name)
    translated = _UNCLEAR if kind is None else _AS[kind](value, entity.api_version)
    return _Told({}, exact=False) if translated is _UNCLEAR else _Told({name: translated})


@lru_cache
def _kinds(entity: Entity) -> Mapping[str, Kind]:
    return MappingProxyType({column.name: column.kind for column in entity.columns})


# What a single attribute of a payload means


class _Unclear:
    """A value that can't be told from the payload."""


_UNCLEAR = _Unclear()


@dataclass(frozen=True, slots=True)
class _Told:
    """What one attribute of a payload says, in the names of the API."""

    attributes: Record
    exact: bool = True
    in_part: bool = False  # the record has more of this attribute than the payload


@dataclass(frozen=True, slots=True)
class _Rule:
    """What an attribute of a payload tells, and which of the API's attributes it tells of."""

    of: str
    told: Callable[[Any], _Told]


def _label(value: Any) -> _Told:
    """Pipedrive API: an organization's payload carries one `label` instead of `label_ids`."""
    number = _integer(value, 2)
    if number is None:
        return _Told({"label_ids": []})
    return _Told({} if number is _UNCLEAR else {"label_ids": [number]}, exact=False, in_part=True)


def _address(value: Any) -> _Told:
    """An address with every part is one; a text gives its `value` alone."""
    if value is None:
        return _Told({"address": None})
    if isinstance(value, str):
        address = {**dict.fromkeys(ADDRESS_PARTS), "value": value}
        return _Told({"address": address} if value else {}, exact=False, in_part=True)
    parts = _parts(value)
    return _Told({}, exact=False) if parts is None else _Told({"address": parts})


def _clock(name: str) -> Callable[[Any], _Told]:
    """Pipedrive API: an activity's `due_time` and `duration` are null or `{"value", "timezone_id"}`; ours are UTC.

    An unset one may come as an object of empty parts too.
    """

    def told(value: Any) -> _Told:
        if value is None or isinstance(value, str):
            return _Told({name: value or None})
        known = isinstance(value, dict) and value.get("timezone_id") in _UTC and isinstance(value.get("value"), str)
        return _Told({name: value["value"] or None}) if known else _Told({}, exact=False)

    return told


def _active(value: Any) -> _Told:
    """Only a deletion is taken from the flag: that a record is there again has to be read."""
    return _Told({"is_deleted": True} if value in (False, 0) and value is not None else {})


def _busy(value: Any) -> _Told:
    busy = _boolean(value, 2)
    return _Told({}, exact=False) if busy is _UNCLEAR else _Told({"busy": busy})


def _location(value: Any) -> _Told:
    return _Told({"location": None}) if value is None else _Told({}, exact=False)


_UTC = (None, "", "UTC", "Etc/UTC", "GMT")

# By the payload's names.
_RULES: Mapping[str, Mapping[str, _Rule]] = MappingProxyType(
    {
        "organizations": {
            "label": _Rule("label_ids", _label),
            "address": _Rule("address", _address),
            # What no record of the API has.
            "country_code": _Rule("address", lambda value: _Told({})),
            "picture_id": _Rule("picture_id", lambda value: _Told({})),
        },
        "activities": {
            "active_flag": _Rule("is_deleted", _active),
            "busy_flag": _Rule("busy", _busy),
            "due_time": _Rule("due_time", _clock("due_time")),
            "duration": _Rule("duration", _clock("duration")),
            "location": _Rule("location", _location),
        },
    }
)


def _parts(value: Any) -> Record | None:
    """The parts of an address, if all are there."""
    whole = isinstance(value, dict) and all(part in value for part in ADDRESS_PARTS)
    return {part: value[part] for part in ADDRESS_PARTS} if whole else None


def _integer(value: Any, _version: int) -> Any:
    """Pipedrive API: `visible_to`, and ids in `user` events, come as texts."""
    if isinstance(value, str) and value.removeprefix("-").isdecimal() and len(value) < 20:
        value = int(value)
    return value if value is None or (type(value) is int and value in INTEGER_RANGE) else _UNCLEAR


def _boolean(value: Any, _version: int) -> Any:
    if value is None or type(value) is bool:
        return value
    return bool(value) if type(value) is int and value in (0, 1) else _UNCLEAR


def _timestamp(value: Any, version: int) -> Any:
    """An instant in any form, in the form of the record's API version: whole seconds in UTC."""
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return _UNCLEAR
    if moment.microsecond:
        return _UNCLEAR
    text = moment.isoformat(" " if version == 1 else "T", "seconds").removesuffix("+00:00")
    return text if version == 1 else f"{text}Z"


def _as_it_is(value: Any, _version: int) -> Any:
    return value


_AS: Mapping[Kind, Callable[[Any, int], Any]] = MappingProxyType(
    {
        Kind.INTEGER: _integer,
        Kind.TEXT: _as_it_is,
        Kind.BOOLEAN: _boolean,
        Kind.NUMBER: _as_it_is,
        Kind.TIMESTAMP: _timestamp,
        Kind.DATE: _as_it_is,
        Kind.JSON: _as_it_is,
    }
)


# Custom fields


def _custom_fields(wrapped: Any) -> _Told:
    """The values in the shape of API v2, without those that can't be told."""
    if not isinstance(wrapped, dict):
        return _Told({}, exact=False)
    values = {code: _unwrapped(value) for code, value in wrapped.items()}
    clear = {code: value for code, value in values.items() if value is not _UNCLEAR}
    return _Told({"custom_fields": clear}, exact=len(clear) == len(values))


def _unwrapped(wrapped: Any) -> Any:
    """Pipedrive API: each value is wrapped by type, `{"type": "enum", "id": 17}`; one that is not set is null."""
    if wrapped is None:
        return None
    if not isinstance(wrapped, dict):
        return _UNCLEAR
    try:
        unwrap = _WRAPPINGS.get(wrapped.get("type", ""))
        return _UNCLEAR if unwrap is None else unwrap(wrapped)
    except (KeyError, TypeError):
        return _UNCLEAR


def _plain(wrapped: Mapping[str, Any]) -> Any:
    value = wrapped["value"]
    return _UNCLEAR if isinstance(value, dict | list) else value


def _one(wrapped: Mapping[str, Any]) -> Any:
    return _integer(wrapped["id"], 2)


def _set(wrapped: Mapping[str, Any]) -> Any:
    ids = [_integer(one["id"], 2) for one in wrapped["values"]]
    return _UNCLEAR if _UNCLEAR in ids or None in ids else ids or None


def _range(wrapped: Mapping[str, Any]) -> Any:
    if wrapped.get("timezone_id") is not None:
        return _UNCLEAR  # the API names the zone, and only Pipedrive knows it by its number
    return {"value": wrapped["from"], "until": wrapped["until"]}


def _time(wrapped: Mapping[str, Any]) -> Any:
    return {"value": wrapped["value"], "timezone_name": wrapped["timezone_name"]}


_WRAPPINGS: Mapping[str, Callable[[Mapping[str, Any]], Any]] = MappingProxyType(
    {
        **dict.fromkeys(("varchar", "varchar_auto", "text", "double", "phone", "date"), _plain),
        **dict.fromkeys(("enum", "user", "org", "people"), _one),
        "set": _set,
        "monetary": lambda wrapped: {"value": wrapped["value"], "currency": wrapped["currency"]},
        **dict.fromkeys(("daterange", "timerange"), _range),
        "time": _time,
        "address": lambda wrapped: _UNCLEAR if (parts := _parts(wrapped)) is None else parts,
    }
)


# The frame


def _object(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise Malformed(f"{what} is not an object")
    return value


def _member(body: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    value = body.get(name)
    return None if value is None else _object(value, name)


def _text(meta: Mapping[str, Any], name: str) -> str:
    value = meta.get(name)
    value = str(value) if type(value) is int else value
    if not isinstance(value, str) or not value or len(value) > 200 or not value.isprintable():
        raise Malformed(f"meta.{name} is missing, or no short text")
    return value


def _whole(meta: Mapping[str, Any], name: str, *, needed: bool = True) -> Any:
    """Pipedrive API: ids in `meta` are texts."""
    value = meta.get(name)
    if value is None and not needed:
        return None
    number = _integer(value, 2)
    if number is None or number is _UNCLEAR:
        raise Malformed(f"meta.{name} is missing, or no whole number")
    return number


def _moment(meta: Mapping[str, Any]) -> datetime:
    """Pipedrive API: RFC 3339 in milliseconds; for `user` events an integer epoch."""
    value = meta.get("timestamp")
    try:
        if isinstance(value, bool):
            raise TypeError
        if isinstance(value, str) and not value.isdecimal():
            moment = datetime.fromisoformat(value)
        else:
            number = int(value)  # type: ignore[arg-type]  # a TypeError is an answer too
            moment = datetime.fromtimestamp(number / 1000 if number >= _MILLISECONDS_FROM else number, UTC)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        raise Malformed("meta.timestamp is missing, or no time") from None
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
