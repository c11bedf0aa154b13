"""What values the fields of an account may have: `check` makes one ready to be sent, `parse` reads what a person typed.

Values have the shapes of API v2, whether they come from an account or from the command line. Pure functions.
"""

import json
import re
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from sync.accounts.kinds import FieldKind, FieldType
from sync.accounts.meanings import CLOCK, EXACT, Unexpected, clock_meant, is_blank, meaning, number_meant
from sync.pipedrive.records import ADDRESS_PARTS

# Pipedrive API: it writes the formatted address itself, and its operations don't list it among what is sent.
_SENT_PARTS = tuple(part for part in ADDRESS_PARTS if part != "formatted_address")
VISIBILITIES = (1, 3, 5, 7)  # Pipedrive API: what `visible_to` can be

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,3})?", re.ASCII | re.IGNORECASE)
_AMOUNT = re.compile(r"([+-]?[\d.]+)(?:\s*,\s*|\s+)([^\W\d_]\w*)")
_MOST_CHOICES = 20  # more of them make no sentence


class Unfit(Exception):
    """A value that a field can't have; the text says why, to stand behind the field's name."""


def check(field_type: FieldType, value: Any) -> Any:
    """The value, ready to be sent. Raises `Unfit`."""
    rules = _KINDS[field_type.kind]
    if rules.parts and isinstance(value, dict):
        _refuse_unknown(value, rules.parts)
    if meaning(field_type, value) is not None:
        return rules.fit(field_type, value)
    if rules.needed:
        raise Unfit("it can't be empty")
    # Pipedrive API: label_ids is an array at all times; a custom field's set is never an empty one.
    return [] if field_type.kind is FieldKind.LABELS else None


def parse(field_type: FieldType, text: str) -> Any:
    """The value that a person typed, ready to be sent; an empty text clears. Raises `Unfit`."""
    rules = _KINDS[field_type.kind]
    stripped = text.strip()
    if rules.read is None:
        return check(field_type, text)
    if not stripped:
        return check(field_type, None)
    # A label may begin like JSON does.
    if stripped[0] in "{[" and not any(_options_named(field_type, label) for label in _labels(field_type, stripped)):
        return check(field_type, _json(stripped))
    return check(field_type, rules.read(field_type, stripped))


# What fits


def _text(_: FieldType, value: Any) -> str:
    if not isinstance(value, str):
        raise Unfit("it must be a text")
    if "\0" in value:
        raise Unfit("it must not contain a NUL character")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Unfit("it contains half a character") from None
    return value


def _name(field_type: FieldType, value: Any) -> str:
    return _text(field_type, value).strip()


def _number(_: FieldType, value: Any) -> int | float:
    try:
        if isinstance(value, bool):
            raise Unexpected
        return number_meant(value)
    except Unexpected:
        raise Unfit("it must be a number, such as 1200.50") from None


def _whole(field_type: FieldType, value: Any) -> int:
    number = _number(field_type, value)
    if number != int(number):
        raise Unfit("it must be a whole number")
    if abs(number) > EXACT:
        raise Unfit("it is too large a number")
    return int(number)


def _record(field_type: FieldType, value: Any) -> int:
    number = _whole(field_type, value)
    if number < 1:
        raise Unfit("it must be the id of a record, a positive number")
    return number


def _visibility(field_type: FieldType, value: Any) -> int:
    number = _whole(field_type, value)
    if number not in VISIBILITIES:
        raise Unfit(f"it must be one of {', '.join(map(str, VISIBILITIES))}")
    return number


def _option(field_type: FieldType, value: Any) -> int:
    if isinstance(value, str):
        raise Unfit(f"it must be the id of an option{_choices(field_type)}")
    number = _whole(field_type, value)
    if field_type.options is not None and number not in field_type.options:
        raise Unfit(f"it has no option {number}{_choices(field_type)}")
    return number


def _options(field_type: FieldType, value: Any) -> list[int]:
    if not isinstance(value, list):
        raise Unfit(f"it must be a list of ids of options{_choices(field_type)}")
    return list(dict.fromkeys(_option(field_type, one) for one in value))


def _choices(field_type: FieldType) -> str:
    """The options there are, to end a sentence with."""
    if field_type.options is None:
        return ""
    if not field_type.options:
        return "; it has no options"
    named = [f"{label} ({number})" for number, label in field_type.options.items()]
    more = f" and {len(named) - _MOST_CHOICES} more" if len(named) > _MOST_CHOICES else ""
    return f"; the options are {', '.join(named[:_MOST_CHOICES])}{more}"


def _date(_: FieldType, value: Any) -> str:
    text = value.strip() if isinstance(value, str) else ""
    with suppress(ValueError):
        if date.fromisoformat(text).isoformat() == text:
            return text
    raise Unfit("it must be a date, such as 2026-12-31")


def _clock(_: FieldType, value: Any) -> str:
    text = clock_meant(value) if isinstance(value, str) else ""
    if CLOCK.fullmatch(text) is None:
        raise Unfit("it must be a time of day, such as 09:00")
    return text


def _object(value: Any, needed: Collection[str], what: str) -> Mapping[str, Any]:
    """An object that has the parts it needs."""
    if not isinstance(value, dict):
        raise Unfit(f"it must be {what}")
    missing = [name for name in needed if is_blank(value.get(name))]
    if missing:
        raise Unfit(f"its {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing: it must be {what}")
    return value


def _refuse_unknown(value: Mapping[str, Any], parts: Collection[str]) -> None:
    unknown = sorted(str(name) for name, part in value.items() if name not in parts and part is not None)
    if unknown:
        raise Unfit(f"it has no part {', '.join(unknown)}; the parts are {', '.join(parts)}")


def _zone(field_type: FieldType, value: Mapping[str, Any]) -> dict[str, str]:
    zone = value.get("timezone_name")
    return {} if is_blank(zone) else {"timezone_name": _text(field_type, zone)}


def _monetary(field_type: FieldType, value: Any) -> Any:
    parts = _object(value, ("value", "currency"), "an amount with its currency, such as 1200 EUR")
    currency = _text(field_type, parts["currency"]).strip().upper()
    return {"value": _number(field_type, parts["value"]), "currency": currency}


def _address(field_type: FieldType, value: Any) -> Any:
    parts = {"value": value} if isinstance(value, str) else value
    parts = _object(parts, ("value",), "an address, as a text or an object with its text as value")
    return {name: _text(field_type, parts[name]) for name in _SENT_PARTS if not is_blank(parts.get(name))}


def _time(field_type: FieldType, value: Any) -> Any:
    parts = {"value": value} if isinstance(value, str) else value
    parts = _object(parts, ("value",), "a time of day, such as 09:00")
    return {"value": _clock(field_type, parts["value"]), **_zone(field_type, parts)}


def _daterange(field_type: FieldType, value: Any) -> Any:
    parts = _object(value, ("value", "until"), "two dates, such as 2026-01-01..2026-12-31")
    return {end: _date(field_type, parts[end]) for end in ("value", "until")}


def _timerange(field_type: FieldType, value: Any) -> Any:
    parts = _object(value, ("value", "until"), "two times of day, such as 09:00..17:00")
    return {end: _clock(field_type, parts[end]) for end in ("value", "until")} | _zone(field_type, parts)


# What people type


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Unfit("it looks like JSON, but is not valid JSON") from None


def _as_typed(_: FieldType, text: str) -> str:
    return text


def _typed_number(_: FieldType, text: str) -> Any:
    return Decimal(text) if _NUMBER.fullmatch(text) else text


def _typed_amount(field_type: FieldType, text: str) -> Any:
    found = _AMOUNT.fullmatch(text)
    return text if found is None else {"value": _typed_number(field_type, found[1]), "currency": found[2]}


def _typed_range(_: FieldType, text: str) -> Any:
    begin, dots, end = text.partition("..")
    return {"value": begin.strip(), "until": end.strip()} if dots else text


def _typed_option(field_type: FieldType, text: str) -> int:
    """An option by its label, or by its id where no label reads like that."""
    found = _options_named(field_type, text)
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(map(str, found))
        raise Unfit(f"several options are labelled like that: use one of the ids {ids}")
    if text.isascii() and text.isdecimal() and len(text) < 20:
        return int(text)
    raise Unfit(f"it has no option of that label{_choices(field_type)}")


def _typed_options(field_type: FieldType, text: str) -> list[int]:
    return [_typed_option(field_type, label) for label in _labels(field_type, text) if label]


def _labels(field_type: FieldType, text: str) -> list[str]:
    """The labels in a text, which may be one with commas itself."""
    return [text] if _options_named(field_type, text) else [label.strip() for label in text.split(",")]


def _options_named(field_type: FieldType, text: str) -> list[int]:
    """The ids of the options with that label: as it is written if there is one, else in any case."""
    labels = {number: label.strip() for number, label in (field_type.options or {}).items()}
    exact = [number for number, label in labels.items() if label == text]
    return exact or [number for number, label in labels.items() if label.casefold() == text.casefold()]


# The kinds


@dataclass(frozen=True, slots=True)
class _Kind:
    """What is asked of a kind of values.

    `fit` gives a value ready to be sent, or raises `Unfit`. `read` gives the value of a typed text; without it, the
    text is the value.
    """

    fit: Callable[[FieldType, Any], Any]
    read: Callable[[FieldType, str], Any] | None
    needed: bool = False
    parts: tuple[str, ...] = ()  # of an object


_TEXTS = _Kind(_text, None)
_RECORDS = _Kind(_record, _typed_number)
_ZONE = ("timezone_name",)

_KINDS: Mapping[FieldKind, _Kind] = MappingProxyType(
    {
        FieldKind.NAME: _Kind(_name, None, needed=True),
        FieldKind.OWNER: _Kind(_record, _typed_number, needed=True),
        FieldKind.LABELS: _Kind(_options, _typed_options),
        FieldKind.VISIBILITY: _Kind(_visibility, _typed_number, needed=True),
        FieldKind.WHOLE: _Kind(_whole, _typed_number),
        FieldKind.VARCHAR: _TEXTS,
        FieldKind.VARCHAR_AUTO: _TEXTS,
        FieldKind.TEXT: _TEXTS,
        FieldKind.PHONE: _TEXTS,
        FieldKind.DOUBLE: _Kind(_number, _typed_number),
        FieldKind.MONETARY: _Kind(_monetary, _typed_amount, parts=("value", "currency")),
        FieldKind.ENUM: _Kind(_option, _typed_option),
        FieldKind.SET: _Kind(_options, _typed_options),
        FieldKind.USER: _RECORDS,
        FieldKind.ORG: _RECORDS,
        FieldKind.PEOPLE: _RECORDS,
        FieldKind.DATE: _Kind(_date, _as_typed),
        FieldKind.DATERANGE: _Kind(_daterange, _typed_range, parts=("value", "until")),
        FieldKind.TIME: _Kind(_time, _as_typed, parts=("value", *_ZONE)),
        FieldKind.TIMERANGE: _Kind(_timerange, _typed_range, parts=("value", "until", *_ZONE)),
        FieldKind.ADDRESS: _Kind(_address, _as_typed, parts=ADDRESS_PARTS),
    }
)
