"""How a record looks in a webhook's payload, which is not how the API shows it.

One table says what comes of each entity, as it is or made of something else; another how custom fields are wrapped.
An entity that is not in the table sends no events. Pure functions of the record and of what `Context` tells.
"""

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sync.sandbox.records import Record
from sync.sandbox.rules import Switches, full_address


@dataclass(frozen=True, slots=True)
class Context:
    """What a payload tells of the company or depends on. `custom_fields` are the types of the entity's by code."""

    company_id: int
    host: str
    switches: Switches
    custom_fields: Mapping[str, str] = field(default_factory=dict)
    permitted_user_ids: Sequence[int] = ()
    first_won_time: str | None = None


Make = Callable[[Record, Context], Any]


@dataclass(frozen=True, slots=True)
class Shape:
    """How records of an entity come: its name in events, attributes carried as they are, and those made of others.

    Only "crucial" attributes are carried. `quiet` ones are in no `previous` of a change, unless a switch says so.
    """

    name: str
    carried: tuple[str, ...]
    made: Mapping[str, Make] = field(default_factory=dict)
    quiet: tuple[str, ...] = ()
    custom_fields: bool = False


def shape_of(entity: str, switches: Switches) -> Shape:
    """How records of an entity come. Raises KeyError for one that sends no events."""
    return (_V1_SHAPES if switches.settings_in_events == "v1" else SHAPES).get(entity) or SHAPES[entity]


def shown(shape: Shape, record: Record, context: Context) -> Record:
    """A record the way a payload shows it."""
    payload: Record = {name: record[name] for name in shape.carried}
    payload |= {name: make(record, context) for name, make in shape.made.items()}
    if shape.custom_fields:
        # Every custom field of the entity comes, also where the API shows none at all.
        values = record["custom_fields"] or {}
        types = context.custom_fields.items()
        payload["custom_fields"] = {code: wrapped(kind, values.get(code), context.switches) for code, kind in types}
    return payload


# Custom fields


def wrapped(kind: str, value: Any, switches: Switches) -> Record | None:
    """A custom field's value the way payloads show it: an object that names its type, or null."""
    return None if value is None else {"type": kind, **_WRAPPINGS[kind](value, switches)}


def _range(value: Any) -> Record:
    return {"from": value["value"], "until": value.get("until")}


def _zone_id(value: Any) -> Record:
    """A number that stands for a time zone, and that only Pipedrive can read."""
    name = value.get("timezone_name")
    return {"timezone_id": None if name is None else zlib.crc32(name.encode()) % 500 + 1}


def _time(value: Any, switches: Switches) -> Record:
    named = switches.zones_in_events == "name"
    return {"value": value["value"]} | ({"timezone_name": value.get("timezone_name")} if named else _zone_id(value))


def _time_range(value: Any, switches: Switches) -> Record:
    return _range(value) | ({} if switches.zones_in_events == "name" else _zone_id(value))


_WRAPPINGS: Mapping[str, Callable[[Any, Switches], Record]] = {
    **dict.fromkeys(
        ("varchar", "varchar_auto", "text", "double", "phone", "date"), lambda value, switches: {"value": value}
    ),
    **dict.fromkeys(("enum", "user", "org", "people"), lambda value, switches: {"id": value}),
    "set": lambda value, switches: {"values": [{"id": option} for option in value]},
    "monetary": lambda value, switches: {"value": value["value"], "currency": value["currency"]},
    "daterange": lambda value, switches: _range(value),
    "timerange": _time_range,
    "time": _time,
    "address": lambda value, switches: full_address(value),
}


# Attributes


def _address(organization: Record, context: Context) -> Any:
    address = organization["address"]
    return address["value"] if address and context.switches.address_in_events == "text" else address


def _visible_to(record: Record, context: Context) -> str | None:
    del context
    return None if record["visible_to"] is None else str(record["visible_to"])


def _clock(name: str) -> Make:
    def make(activity: Record, context: Context) -> Record | None:
        if activity[name] is not None:
            return {"value": activity[name], "timezone_id": "Etc/UTC"}
        return {"value": "", "timezone_id": None} if context.switches.unset_clock_in_events == "empty" else None

    return make


def _rfc3339(name: str) -> Make:
    """A timestamp of API v1 in RFC 3339."""
    return lambda record, context: None if record[name] is None else record[name].replace(" ", "T") + "Z"


def _renamed(name: str) -> Make:
    return lambda record, context: record[name]


def _nothing(record: Record, context: Context) -> None:
    del record, context


def _active(record: Record, context: Context) -> bool:
    del context
    return not record["is_deleted"]


_TIMES = ("add_time", "update_time")

SHAPES: Mapping[str, Shape] = {
    "organizations": Shape(
        name="organization",
        carried=("id", "name", "owner_id", *_TIMES),
        made={
            "visible_to": _visible_to,
            "label": lambda record, context: next(iter(record["label_ids"] or ()), None),
            "address": _address,
            "country_code": _nothing,
            "picture_id": _nothing,
        },
        quiet=("update_time",),
        custom_fields=True,
    ),
    "deals": Shape(
        name="deal",
        carried=(
            *("id", "title", "owner_id", "creator_user_id", "person_id", "org_id", "pipeline_id", "stage_id"),
            *("value", "currency", "status", "probability", "expected_close_date", "lost_reason", "label_ids"),
            *("stage_change_time", "won_time", "lost_time", "close_time", "is_archived", "archive_time", *_TIMES),
        ),
        made={"visible_to": _visible_to, "first_won_time": lambda record, context: context.first_won_time},
        quiet=("update_time", "stage_change_time"),
        custom_fields=True,
    ),
    "persons": Shape(
        name="person",
        carried=(
            *("id", "name", "first_name", "last_name", "owner_id", "org_id", "emails", "phones", "label_ids"),
            *_TIMES,
        ),
        made={"visible_to": _visible_to},
        quiet=("update_time",),
        custom_fields=True,
    ),
    "activities": Shape(
        name="activity",
        carried=(
            *("id", "subject", "type", "owner_id", "deal_id", "lead_id", "person_id", "org_id"),
            *("due_date", "done", "location", "public_description", *_TIMES),
        ),
        made={
            "active_flag": _active,
            "busy_flag": _renamed("busy"),
            "due_time": _clock("due_time"),
            "duration": _clock("duration"),
        },
    ),
    "notes": Shape(
        name="note",
        carried=(
            *("id", "user_id", "deal_id", "person_id", "org_id", "lead_id", "project_id", "content", "active_flag"),
            *("pinned_to_deal_flag", "pinned_to_person_flag", "pinned_to_organization_flag"),
        ),
        made={name: _rfc3339(name) for name in _TIMES},
    ),
    "pipelines": Shape(
        name="pipeline",
        carried=("id", "name", "order_nr", "is_deleted", "is_deal_probability_enabled", *_TIMES),
    ),
    "stages": Shape(
        name="stage",
        carried=(
            *("id", "name", "order_nr", "is_deleted", "deal_probability", "pipeline_id"),
            *("is_deal_rot_enabled", "days_to_rotten", *_TIMES),
        ),
    ),
    "users": Shape(
        name="user",
        carried=(
            *("name", "default_currency", "email", "phone", "locale", "lang", "active_flag"),
            *("last_login", "timezone_name", "icon_url", "created", "modified"),
        ),
        made={"id": lambda record, context: str(record["id"])},
    ),
}
_V1_SHAPES: Mapping[str, Shape] = {
    "pipelines": replace(
        SHAPES["pipelines"],
        carried=("id", "name", "order_nr", *_TIMES),
        made={
            "url_title": lambda record, context: record["name"].replace(" ", "-"),
            "active_flag": _active,
            "deal_probability": _renamed("is_deal_probability_enabled"),
        },
    ),
    "stages": replace(
        SHAPES["stages"],
        carried=("id", "name", "order_nr", "deal_probability", "pipeline_id", *_TIMES),
        made={
            "active_flag": _active,
            "rotten_flag": _renamed("is_deal_rot_enabled"),
            "rotten_days": _renamed("days_to_rotten"),
        },
    ),
}
