"""What a record is to the simulation: the description of an entity, timestamps, and the stored form of a record.

Records have the shape of API v2, except those that only API v1 serves (notes, files, users, activity types,
currencies, webhooks). No entity is named here but where storing needs it; the entities themselves are in `entities`.
"""

import calendar
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import orjson

from sync.sandbox.tables import Row

Record = dict[str, Any]

ADDRESS_PARTS = (
    "value",
    "country",
    "admin_area_level_1",
    "admin_area_level_2",
    "locality",
    "sublocality",
    "route",
    "street_number",
    "subpremise",
    "postal_code",
    "formatted_address",
)


@dataclass(frozen=True, slots=True)
class Entity:
    """What the simulation knows of one kind of record.

    `attributes` are all attributes with the kind of value a request may set, or None where it may set none;
    `required` must be there on creation and can't be cleared; `filters` are list parameters by kind of value.
    """

    name: str
    version: int
    attributes: Mapping[str, str | None]
    required: tuple[str, ...] = ()
    filters: Mapping[str, str] = field(default_factory=dict)
    sorts: tuple[str, ...] = ("id", "update_time", "add_time")
    include_fields: tuple[str, ...] = ()
    incremental: bool = False
    custom_fields: bool = False
    max_limit: int = 500
    deleted_flag: str = "is_deleted"
    deleted_value: bool = True

    def deleted(self, record: Mapping[str, Any]) -> bool:
        return record.get(self.deleted_flag) is self.deleted_value

    def timestamp(self, moment: datetime) -> str:
        """The moment the way the API version of this entity writes it."""
        return rfc3339(moment) if self.version == 2 else moment.strftime("%Y-%m-%d %H:%M:%S")


def rfc3339(moment: datetime) -> str:
    """API v2 writes whole seconds in UTC with a Z."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def epoch(text: str | None) -> int:
    """Seconds since 1970 of a v1 or v2 timestamp; 0 for null."""
    if not text:
        return 0
    moment = datetime.fromisoformat(text)
    return calendar.timegm(moment.timetuple() if moment.tzinfo is None else moment.utctimetuple())


def encode(record: Any) -> bytes:
    """The record as JSON, in no more memory than it needs."""
    # orjson leaves its whole growing buffer attached to the result: many times the size of a short record.
    return bytes(memoryview(orjson.dumps(record)))


def decode(row: Row) -> Record:
    """The record of a row, as a new dictionary."""
    record: Record = orjson.loads(row.payload)
    return record


def row_of(entity: Entity, record: Record) -> Row:
    """The stored form of a record."""
    done = record.get("done")
    state = record.get("status") if entity.name == "deals" else None if done is None else "done" if done else "undone"
    return Row(
        id=record["id"],
        updated=epoch(record.get("update_time")),
        added=epoch(record.get("add_time")),
        rank=_rank(record),
        owner=record.get("owner_id") or record.get("user_id") or 0,
        org=record.get("org_id") or 0,
        deal=record.get("deal_id") or 0,
        person=record.get("person_id") or 0,
        visible_to=record.get("visible_to") or 0,
        state=state or "",
        deleted=entity.deleted(record),
        archived=record.get("is_archived") is True,
        payload=encode(record),
    )


def _rank(record: Record) -> int:
    due = record.get("due_date")
    if due is not None:
        return date.fromisoformat(due).toordinal()
    return record.get("order_nr") or 0
