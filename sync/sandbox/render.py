"""Turns stored records into what the API shows: the encoded page, and the shapes that depend on the request.

Records are stored the way API v2 shows them, so that a plain page is a mere join of bytes. Here are the exceptions:
chosen custom fields, option labels, counters, and the names that API v1 nests into notes and files.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import orjson

from sync.sandbox.call import Call
from sync.sandbox.company import Company
from sync.sandbox.counters import extra_fields
from sync.sandbox.records import Record, decode
from sync.sandbox.tables import Row


@dataclass(frozen=True, slots=True)
class View:
    """What of a record a request wants to see."""

    custom_fields: frozenset[str] | None = None
    include_fields: tuple[str, ...] = ()
    option_labels: bool = False
    labels: bool = False

    @property
    def plain(self) -> bool:
        return self.custom_fields is None and not (self.include_fields or self.option_labels or self.labels)


def render(call: Call, rows: Iterable[Row], view: View | None = None) -> bytes:
    """The rows as a JSON array."""
    nest = _NESTED.get(call.entity.name)
    if nest is not None:
        return orjson.dumps([nest(call, decode(row)) for row in rows])
    if view is None or view.plain:
        return b"[" + b",".join([row.payload for row in rows]) + b"]"
    return orjson.dumps([_viewed(call.company, call.entity.name, row, view) for row in rows])


def render_one(call: Call, row: Row, view: View | None = None) -> bytes:
    """One row as a JSON object."""
    return render(call, [row], view)[1:-1]


def _viewed(company: Company, entity: str, row: Row, view: View) -> Record:
    record = decode(row)
    custom = record.get("custom_fields")
    if custom is not None and view.custom_fields is not None:
        custom = {code: value for code, value in custom.items() if code in view.custom_fields}
    if custom is not None and view.option_labels:
        custom = _with_option_labels(company, entity, custom)
    if "custom_fields" in record:
        record["custom_fields"] = custom
    if view.labels:
        options = company.fields.get(entity, "label_ids")["options"]
        record["labels"] = [
            {"id": option["id"], "label": option["label"]} for option in options if option["id"] in record["label_ids"]
        ]
    return record | extra_fields(company, entity, row, view.include_fields)


def _with_option_labels(company: Company, entity: str, custom: Mapping[str, object]) -> Record:
    labelled = dict(custom)
    for code, field in company.fields.custom(entity).items():
        value = custom.get(code)
        options = {option["id"]: {"id": option["id"], "label": option["label"]} for option in field["options"] or ()}
        if isinstance(value, list):
            labelled[code] = [options[option] for option in value if option in options]
        elif field["field_type"] == "enum" and value is not None:
            labelled[code] = options.get(value)
    return labelled


def _summary(company: Company, entity: str, record_id: int | None, attribute: str) -> Record | None:
    record = company.find(entity, record_id)
    return None if record is None else {attribute: record[attribute]}


def _name(company: Company, entity: str, record_id: int | None, attribute: str = "name") -> str:
    record = company.find(entity, record_id)
    return "" if record is None else record[attribute]


def _nested_note(call: Call, note: Record) -> Record:
    user = call.company.find("users", note["user_id"])
    return note | {
        "deal": _summary(call.company, "deals", note["deal_id"], "title"),
        "organization": _summary(call.company, "organizations", note["org_id"], "name"),
        "person": _summary(call.company, "persons", note["person_id"], "name"),
        "project": None,
        "task": None,
        "user": None
        if user is None
        else {
            "email": user["email"],
            "name": user["name"],
            "icon_url": user["icon_url"],
            "is_you": user["id"] == call.caller.user_id,
        },
    }


def _nested_file(call: Call, file: Record) -> Record:
    return file | {
        "deal_name": _name(call.company, "deals", file["deal_id"], "title"),
        "person_name": _name(call.company, "persons", file["person_id"]),
        "org_name": _name(call.company, "organizations", file["org_id"]),
        "product_name": "",
        "lead_name": "",
    }


def _user(call: Call, user: Record) -> Record:
    return user | {"is_you": user["id"] == call.caller.user_id}


_NESTED: Mapping[str, Callable[[Call, Record], Record]] = {
    "notes": _nested_note,
    "files": _nested_file,
    "users": _user,
}
