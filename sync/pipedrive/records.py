"""Translating a record of the API to a row of the mirror and back, without losing anything.

`to_row` puts every attribute the entity's columns know into its column and every other one, or one of a surprising
type, into `extra`; `to_record` is its inverse. A record without a usable key is refused with `Unstorable`. Absent
attributes stay absent from the row, so that a record which carries less never clears what is held. Pure functions.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from sync.pipedrive.entities import Entity, Kind

Record = dict[str, Any]
Row = dict[str, Any]
Key = tuple[int | str, ...]

INTEGER_RANGE = range(-(2**63), 2**63)
# Pipedrive API: what an address consists of.
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
_SOME_TIME = "1970-01-01T00:00:00Z"  # of a deletion, where the record tells no time at all


class Unstorable(Exception):
    """A record that no row can hold; the text says why."""


class _HasNul(Exception):
    """A text with a NUL character."""


def _integer(value: Any) -> int:
    if type(value) is not int or value not in INTEGER_RANGE:
        raise ValueError
    return value


def _text(value: Any) -> str:
    if type(value) is not str:
        raise ValueError
    if "\0" in value:
        raise _HasNul
    return value


def _boolean(value: Any) -> bool:
    # Pipedrive API v1: flags are 0/1 or booleans.
    if type(value) is bool or (type(value) is int and value in (0, 1)):
        return bool(value)
    raise ValueError


def _number(value: Any) -> int | Decimal:
    if type(value) is int and value in INTEGER_RANGE:
        return value
    if type(value) is float:
        # The shortest text of a double is what the API sent: exact, unlike the double itself.
        exact = Decimal(repr(value))
        if exact.is_finite():
            return exact
    raise ValueError


def _timestamp(value: Any) -> str:
    """The canonical text of an instant; fractions of a second would not survive, so they are refused."""
    if len(value) != 20 or value[4::3][:2] != "--" or value[10::3] != "T::Z":
        raise ValueError  # nor the other forms of ISO 8601: weeks, and times without colons
    datetime.fromisoformat(value)
    return str(value)


def _timestamp_v1(value: Any) -> str:
    if len(value) != 19 or value[10] != " ":
        raise ValueError
    return _timestamp(f"{value[:10]}T{value[11:]}Z")


def _date(value: Any) -> str:
    if len(value) != 10 or value[4::3] != "--":
        raise ValueError
    date.fromisoformat(value)
    return str(value)


def _json(value: Any) -> Any:
    return value


_PARSERS: Mapping[Kind, Callable[[Any], Any]] = {
    Kind.INTEGER: _integer,
    Kind.TEXT: _text,
    Kind.BOOLEAN: _boolean,
    Kind.NUMBER: _number,
    Kind.TIMESTAMP: _timestamp,
    Kind.DATE: _date,
    Kind.JSON: _json,
}


@lru_cache
def _parsers(entity: Entity) -> Mapping[str, Callable[[Any], Any]]:
    parsers = {column.name: _PARSERS[column.kind] for column in entity.columns}
    if entity.api_version == 1:
        parsers |= {column.name: _timestamp_v1 for column in entity.columns if column.kind is Kind.TIMESTAMP}
    if entity.has_custom_fields:
        parsers["custom_fields"] = _mapping
    return parsers


def _mapping(value: Any) -> Any:
    if type(value) is not dict:
        raise ValueError
    return value


def key_of(entity: Entity, row: Mapping[str, Any]) -> Key:
    """A row's key among its entity, without the company."""
    return tuple([row[name] for name in entity.key])


def to_row(entity: Entity, record: Mapping[str, Any]) -> Row:
    """The row that holds the record: a value per column it carries, and the rest under `extra`.

    Times stay canonical RFC 3339 text, numbers become exact. Raises `Unstorable` for a record without a usable key
    and for a text with a NUL character, which PostgreSQL can't hold.
    """
    parsers = _parsers(entity)
    row: Row = {}
    extra: dict[str, Any] = {}
    for name, value in record.items():
        parse = parsers.get(name)
        if parse is None:
            extra[name] = value
        elif value is None or parse is _json:
            row[name] = value
        else:
            try:
                row[name] = parse(value)
            except (ValueError, TypeError, LookupError):
                row[name] = None
                extra[name] = value
            except _HasNul:
                raise Unstorable(f"its {name} contains a NUL character") from None
    for name in entity.key:
        if row.get(name) is None or row[name] == "":
            raise Unstorable(f"its {name} can't be a key: {str(record.get(name))[:100]}")
    row["extra"] = extra or None
    if entity.deleted_when and entity.deleted_when[0] in row:
        name, value = entity.deleted_when
        deleted_at = row.get("update_time") or row.get("add_time") or _SOME_TIME
        row["deleted_at"] = deleted_at if row[name] is value else None
    return row


def says_deleted(entity: Entity, record: Any) -> bool:
    """Whether a record says of itself that it is deleted, or is none."""
    if not isinstance(record, dict) or "id" not in record:
        return True
    return entity.deleted_when is not None and record.get(entity.deleted_when[0]) is entity.deleted_when[1]


def to_record(entity: Entity, row: Mapping[str, Any]) -> Record:
    """The record as the API showed it, from a stored row. Optional attributes without a value are left out."""
    record: Record = {}
    for column in entity.columns:
        value = row.get(column.name)
        if value is not None:
            record[column.name] = _FORMATTERS[column.kind](value, entity.api_version)
        elif not column.optional and column.name in row:
            record[column.name] = None
    if entity.has_custom_fields:
        record["custom_fields"] = row.get("custom_fields")
    record.update(row.get("extra") or {})
    return record


def _format_number(value: Any, _version: int) -> int | float:
    number = Decimal(repr(value) if isinstance(value, float) else value)
    return int(number) if number == number.to_integral_value() else float(number)


def _format_timestamp(value: Any, version: int) -> str:
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    text = moment.astimezone(UTC).isoformat(" " if version == 1 else "T", "seconds").removesuffix("+00:00")
    return text if version == 1 else f"{text}Z"


def _as_is(value: Any, _version: int) -> Any:
    return value


_FORMATTERS: Mapping[Kind, Callable[[Any, int], Any]] = {
    Kind.INTEGER: _as_is,
    Kind.TEXT: _as_is,
    Kind.BOOLEAN: lambda value, _version: bool(value),
    Kind.NUMBER: _format_number,
    Kind.TIMESTAMP: _format_timestamp,
    Kind.DATE: lambda value, _version: str(value),
    Kind.JSON: _as_is,
}
