"""Validation of what a request sends: query parameters and body values, as strict as API v2 is.

Every check is a function of the value and the company that returns the value to store, or raises `ApiError` (400).
Kinds are named in the table of entities; this module maps each kind to its check.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from typing import Any
from urllib.parse import urlsplit

from sync.sandbox.company import Company
from sync.sandbox.messages import bad_request
from sync.sandbox.records import ADDRESS_PARTS, Entity, Record, epoch

Check = Callable[[str, Any, Company], Any]

EXACT_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
CLOCK_TIME = re.compile(r"([01]?\d|2[0-3]):[0-5]\d(:[0-5]\d)?")
STATUSES = ("open", "won", "lost", "deleted")
VISIBILITIES = (1, 3, 5, 7)
EVENT_ACTIONS = ("create", "change", "delete", "*")
EVENT_OBJECTS = (
    *("activity", "deal", "lead", "note", "organization"),
    *("person", "pipeline", "product", "stage", "user", "*"),
)


def check_body(entity: Entity, body: Any, company: Company, *, creating: bool) -> Record:
    """The values of a POST, PATCH or PUT body, ready to store. Raises a 400 naming the first mistake."""
    if not isinstance(body, dict):
        raise bad_request("body must be an object")
    values: Record = {}
    for key, value in body.items():
        kind = entity.attributes.get(key)
        if kind is None:
            raise bad_request(f"{key} is not allowed")
        values[key] = None if value is None else _check(kind)(key, value, company)
        if kind == "custom_fields" and value is not None:
            values[key] = check_custom_fields(entity.name, value, company)
    for key in entity.required:
        if values.get(key, None if creating else ...) is None:
            raise bad_request(f"{key} is required")
    return values


def check_custom_fields(entity: str, values: Any, company: Company) -> Record:
    """Custom field values by code: the code must exist, the value must have the type's shape, null clears."""
    if not isinstance(values, dict):
        raise bad_request("custom_fields must be an object")
    known = company.fields.custom(entity)
    checked: Record = {}
    for code, value in values.items():
        if code not in known:
            raise bad_request(f"custom_fields.{code} is not a custom field of this company")
        field = known[code]
        options = {option["id"] for option in field["options"] or ()}
        name = f"custom_fields.{code}"
        checked[code] = None if value is None else _custom_value(name, field["field_type"], value, options, company)
    return checked


_CUSTOM_KINDS: Mapping[str, str] = {
    **dict.fromkeys(("varchar", "varchar_auto", "text", "phone"), "string"),
    "double": "number",
    "org": "organization",
    "people": "person",
    "time": "time_of_day",
}


def parse_parameter(kind: str, name: str, text: str) -> Any:
    """A query parameter of that kind. Raises a 400 for anything else."""
    parsed = _PARAMETERS[kind](text)
    if parsed is None:
        raise bad_request(f"{name} has an invalid value")
    return parsed


def _custom_value(name: str, field_type: str, value: Any, options: Iterable[int], company: Company) -> Any:
    if field_type in ("enum", "set"):
        chosen = value if field_type == "set" else [value]
        if not isinstance(chosen, list) or not chosen or not all(map(_is_integer, chosen)):
            raise bad_request(f"{name} must be {'a non-empty array of option ids' if field_type == 'set' else 'an id'}")
        if any(option not in options for option in chosen):
            raise bad_request(f"{name} contains an unknown option")
        return value
    return _check(_CUSTOM_KINDS.get(field_type, field_type))(name, value, company)


def _check(kind: str) -> Check:
    return _CHECKS[kind]


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_date(value: Any) -> bool:
    try:
        return isinstance(value, str) and date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


def _is_time(value: Any) -> bool:
    try:
        return isinstance(value, str) and EXACT_TIME.fullmatch(value) is not None and epoch(value) is not None
    except ValueError:
        return False


def _must(test: Callable[[Any], bool], what: str) -> Check:
    def check(name: str, value: Any, company: Company) -> Any:
        del company
        if not test(value):
            raise bad_request(f"{name} must be {what}")
        return value

    return check


def _name(name: str, value: Any, company: Company) -> str:
    del company
    if not isinstance(value, str) or not value.strip():
        raise bad_request(f"{name} must be a non-empty string")
    return value.strip()


def _reference(entity: str) -> Check:
    def check(name: str, value: Any, company: Company) -> Any:
        row = company.tables[entity].rows.get(value) if _is_integer(value) else None
        if row is None or row.deleted:
            raise bad_request(f"{name} does not name one of the {entity}")
        return value

    return check


def _one_of(entity: str, attribute: str) -> Check:
    def check(name: str, value: Any, company: Company) -> Any:
        if value not in (record[attribute] for record in company.all(entity)):
            raise bad_request(f"{name} is unknown")
        return value

    return check


def _labels(name: str, value: Any, company: Company) -> Any:
    del company
    if not isinstance(value, list) or not all(_is_integer(label) for label in value):
        raise bad_request(f"{name} must be an array of integers")
    return value


def _parts(name: str, value: Any, allowed: Mapping[str, Callable[[Any], bool]], required: Iterable[str]) -> Record:
    if not isinstance(value, dict):
        raise bad_request(f"{name} must be an object")
    for key, part in value.items():
        if key not in allowed or not (part is None or allowed[key](part)):
            raise bad_request(f"{name}.{key} is not valid")
    for key in required:
        if value.get(key) is None:
            raise bad_request(f"{name}.{key} is required")
    return value


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_clock(value: Any) -> bool:
    return isinstance(value, str) and CLOCK_TIME.fullmatch(value) is not None


def _is_web_address(value: Any) -> bool:
    try:
        parts = urlsplit(value)
        host, port = parts.hostname or "", parts.port
    except (AttributeError, TypeError, ValueError):
        return False
    web = parts.scheme in ("http", "https") and re.fullmatch(r"\S+", value) is not None and port != 0
    return web and host != "" and not f".{host}".endswith(".pipedrive.com")


def _address(name: str, value: Any, company: Company) -> Record:
    del company
    sent = _parts(name, value, dict.fromkeys(ADDRESS_PARTS, _is_text), ("value",))
    return {part: sent.get(part) for part in ADDRESS_PARTS}


def _monetary(name: str, value: Any, company: Company) -> Record:
    parts = _parts(name, value, {"value": _is_number, "currency": _is_text}, ("value", "currency"))
    _CHECKS["currency"](f"{name}.currency", parts["currency"], company)
    return parts


def _range_of(test: Callable[[Any], bool], optional: Mapping[str, Callable[[Any], bool]]) -> Check:
    def check(name: str, value: Any, company: Company) -> Record:
        del company
        return _parts(name, value, {"value": test, "until": test, **optional}, ("value",))

    return check


def _time_of_day(name: str, value: Any, company: Company) -> Record:
    del company
    return _parts(name, value, {"value": _is_clock, "timezone_name": _is_text}, ("value",))


def _clock(name: str, value: Any, company: Company) -> str:
    del company
    if not _is_clock(value):
        raise bad_request(f"{name} must be a time of day")
    text: str = value if value.count(":") == 2 else f"{value}:00"
    return text.zfill(8)


def _contacts(name: str, value: Any, company: Company) -> list[Record]:
    del company
    if not isinstance(value, list):
        raise bad_request(f"{name} must be an array")
    allowed = {"value": _is_text, "label": _is_text, "primary": lambda flag: isinstance(flag, bool)}
    entries = [_parts(name, entry, allowed, ("value",)) for entry in value]
    primary = next((entry for entry in entries if entry.get("primary")), entries[0] if entries else None)
    return [{"value": e["value"], "primary": e is primary, "label": e.get("label") or "work"} for e in entries]


def _participants(name: str, value: Any, company: Company) -> list[Record]:
    if not isinstance(value, list):
        raise bad_request(f"{name} must be an array")
    allowed = {"person_id": _is_integer, "primary": lambda flag: isinstance(flag, bool)}
    entries = [_parts(name, entry, allowed, ("person_id",)) for entry in value]
    for entry in entries:
        _CHECKS["person"](f"{name}.person_id", entry["person_id"], company)
    return [{"person_id": entry["person_id"], "primary": bool(entry.get("primary"))} for entry in entries]


_CHECKS: Mapping[str, Check] = {
    "string": _must(_is_text, "a string"),
    "content": _must(lambda value: isinstance(value, str) and value != "", "a non-empty string"),
    "integer": _must(_is_integer, "an integer"),
    "number": _must(_is_number, "a number"),
    "boolean": _must(lambda value: isinstance(value, bool), "a boolean"),
    "flag": lambda name, value, company: bool(_must(lambda v: v in (0, 1), "0 or 1")(name, value, company)),
    "date": _must(_is_date, "a date (YYYY-MM-DD)"),
    "time": _must(_is_time, "a time (YYYY-MM-DDTHH:MM:SSZ)"),
    "time_of_day": _time_of_day,
    "v1_time": _must(lambda value: isinstance(value, str) and _is_time(value.replace(" ", "T") + "Z"), "a time"),
    "clock": _clock,
    "name": _name,
    "status": _must(lambda value: value in STATUSES[:3], "open, won or lost"),
    "visibility": _must(lambda value: _is_integer(value) and value in VISIBILITIES, "1, 3, 5 or 7"),
    "labels": _labels,
    "address": _address,
    "contacts": _contacts,
    "participants": _participants,
    "monetary": _monetary,
    "daterange": _range_of(_is_date, {}),
    "timerange": _range_of(_is_clock, {"timezone_name": _is_text}),
    "user": _reference("users"),
    "organization": _reference("organizations"),
    "person": _reference("persons"),
    "deal": _reference("deals"),
    "pipeline": _reference("pipelines"),
    "stage": _reference("stages"),
    "currency": _one_of("currencies", "code"),
    "activity_type": _one_of("activity_types", "key_string"),
    "custom_fields": _must(lambda value: isinstance(value, dict), "an object"),
    "url": _must(_is_web_address, "a full, valid URL, and not one of Pipedrive's own"),
    "event_action": _must(lambda value: value in EVENT_ACTIONS, "a known action"),
    "event_object": _must(lambda value: value in EVENT_OBJECTS, "a known object"),
    "webhook_name": _must(lambda value: _is_text(value) and 0 < len(value.strip()) <= 255, "1 to 255 characters long"),
    "webhook_version": _must(lambda value: value in ("1.0", "2.0"), "1.0 or 2.0"),
}


def _parse_integer(text: str) -> int | None:
    return int(text) if re.fullmatch(r"-?\d{1,15}", text) else None


def _parse_statuses(text: str) -> frozenset[str] | None:
    found = frozenset(text.split(","))
    return found if found <= set(STATUSES) else None


def _parse_moment(text: str) -> int | None:
    return epoch(text) if _is_time(text) else None


def _parse_offset_moment(text: str) -> int | None:
    try:
        return epoch(text) if "T" in text and datetime.fromisoformat(text).tzinfo is not None else None
    except ValueError:
        return None


def _parse_ids(text: str) -> tuple[int, ...] | None:
    parts = text.split(",")
    return tuple(int(part) for part in parts) if all(part.isdecimal() for part in parts) else None


_PARAMETERS: Mapping[str, Callable[[str], Any]] = {
    "string": lambda text: text,
    "integer": _parse_integer,
    "boolean": {"true": True, "false": False}.get,
    "flag": {"0": 0, "1": 1}.get,
    "date": lambda text: text if _is_date(text) else None,
    "moment": _parse_moment,
    "offset_moment": _parse_offset_moment,
    "ids": _parse_ids,
    "statuses": _parse_statuses,
}
