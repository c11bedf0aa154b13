"""The operations on field definitions and their options (`/api/v2/organizationFields` and its siblings)."""

import base64
from collections.abc import Callable
from typing import Any

import orjson

from sync.sandbox.call import Call
from sync.sandbox.checks import parse_parameter
from sync.sandbox.fields import CUSTOM_TYPES
from sync.sandbox.lists import DEFAULT_LIMIT, page_response
from sync.sandbox.messages import Response, bad_request, json_response, not_found
from sync.sandbox.records import Record

_NAMESPACES: dict[str, Record] = {
    "ui_visibility": {"add_visible_flag": False, "details_visible_flag": True},
    "important_fields": {"enabled": False, "stage_ids": []},
    "required_fields": {"enabled": False},
}
_SETTABLE = ("field_name", "ui_visibility", "important_fields", "required_fields", "description")


def list_fields(call: Call) -> Response:
    """A page of definitions."""
    query = call.request.query
    for name in query:
        if name not in ("limit", "cursor", "include_fields"):
            raise bad_request(f"query parameter {name} is not allowed")
    limit = parse_parameter("integer", "limit", query.get("limit", str(DEFAULT_LIMIT)))
    if not 1 <= limit <= 500:
        raise bad_request("limit must be between 1 and 500")
    place = _read_cursor(query["cursor"]) if "cursor" in query else 0
    fields, following = call.company.fields.page(call.entity.name, place, limit)
    data = [field | _namespaces(call) for field in fields]
    return page_response(call, orjson.dumps(data), None if following is None else _write_cursor(following))


def read_field(call: Call) -> Response:
    """One definition."""
    return _answer(_field(call) | _namespaces(call))


def create_field(call: Call) -> Response:
    """A new custom field."""
    body = _object(call)
    if body.get("field_type") not in CUSTOM_TYPES:
        raise bad_request("field_type is unknown")
    options = _each(body.get("options", []), "label", _is_label)
    if bool(options) != (body["field_type"] in ("enum", "set")):
        raise bad_request("options are required for enum and set fields, and for these only")
    return _answer(call.company.fields.add(call.entity.name, _field_name(body), body["field_type"], options))


def update_field(call: Call) -> Response:
    """A new name for a field."""
    field, body = _field(call), _object(call)
    for key in body:
        if key not in _SETTABLE:
            raise bad_request(f"{key} is not allowed")
    if "field_name" in body:
        field = call.company.fields.rename(call.entity.name, field["field_code"], _field_name(body))
    return _answer(field)


def delete_field(call: Call) -> Response:
    """The end of a custom field and of its values."""
    field = _custom_field(call)
    call.company.delete_field(call.entity.name, field["field_code"])
    return _answer(field)


def add_options(call: Call) -> Response:
    """New options."""
    field = _choice_field(call)
    labels = _each(call.json(), "label", _is_label)
    return _options(call.company.fields.add_options(call.entity.name, field["field_code"], labels))


def update_options(call: Call) -> Response:
    """New labels for options."""
    field, body = _choice_field(call), call.json()
    labels = dict(zip(_known_options(field, body), _each(body, "label", _is_label), strict=True))
    return _options(call.company.fields.rename_options(call.entity.name, field["field_code"], labels))


def delete_options(call: Call) -> Response:
    """The end of options, and of the values that name them."""
    field = _choice_field(call)
    gone = set(_known_options(field, call.json()))
    return _options(call.company.delete_options(call.entity.name, field["field_code"], gone))


def _answer(field: Record) -> Response:
    return json_response(200, {"success": True, "data": field})


def _options(options: list[Record]) -> Response:
    data = [{"id": option["id"], "label": option["label"]} for option in options]
    return json_response(200, {"success": True, "data": data, "additional_data": None})


def _namespaces(call: Call) -> Record:
    chosen = call.request.query.get("include_fields")
    names = chosen.split(",") if chosen else []
    for name in names:
        if name not in _NAMESPACES or (call.entity.name == "activities" and name != "ui_visibility"):
            raise bad_request(f"include_fields must not contain {name}")
    return {name: _NAMESPACES[name] for name in names}


def _field(call: Call) -> Record:
    try:
        return call.company.fields.get(call.entity.name, call.path["field_code"])
    except KeyError:
        raise not_found("Field") from None


def _custom_field(call: Call) -> Record:
    field = _field(call)
    if not field["is_custom_field"]:
        raise bad_request("only custom fields can be changed")
    return field


def _choice_field(call: Call) -> Record:
    field = _custom_field(call)
    if field["options"] is None:
        raise bad_request("the field has no options")
    return field


def _known_options(field: Record, body: Any) -> list[int]:
    known = {option["id"] for option in field["options"]}
    return _each(body, "id", lambda option_id: not isinstance(option_id, bool) and option_id in known)


def _object(call: Call) -> Record:
    body = call.json()
    if not isinstance(body, dict):
        raise bad_request("body must be an object")
    return body


def _field_name(body: Record) -> str:
    name = body.get("field_name")
    if not _is_label(name):
        raise bad_request("field_name must be a string of 1 to 255 characters")
    return str(name).strip()


def _is_label(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value.strip()) <= 255


def _each(entries: Any, key: str, test: Callable[[Any], bool]) -> list[Any]:
    if not isinstance(entries, list):
        raise bad_request("an array of options is required")
    values = [entry.get(key) if isinstance(entry, dict) else None for entry in entries]
    if not all(map(test, values)):
        raise bad_request(f"an option's {key} is missing or unknown")
    return values


def _write_cursor(place: int) -> str:
    return base64.urlsafe_b64encode(orjson.dumps({"position": place})).decode().rstrip("=")


def _read_cursor(text: str) -> int:
    try:
        return int(orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))["position"])
    except (ValueError, KeyError, TypeError):
        raise bad_request("cursor is invalid") from None
