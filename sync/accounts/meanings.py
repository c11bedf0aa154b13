"""What values mean, however they are written and Pipedrive normalised them: comparing, and never raising.

Values have the shapes of API v2, whether they come from an account, from Pipedrive or from the command line. Pure
functions.
"""

import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from sync.accounts.kinds import FieldKind, FieldType
from sync.pipedrive.records import ADDRESS_PARTS

CLOCK = re.compile(r"([01]?\d|2[0-3]):[0-5]\d(:[0-5]\d)?", re.ASCII)
EXACT = 2**53  # JSON: beyond it, readers hold whole numbers as doubles, and Pipedrive's answer may round


def meaning(field_type: FieldType, value: Any) -> Any:
    """A hashable form, equal for values that mean the same, and None for those that mean unset.

    Of an address it is the text alone, of a time the time alone: `same` compares the other parts as well.
    """
    if is_blank(value):
        return None
    try:
        return _MEANINGS[field_type.kind].of(value)
    except Unexpected:
        return _plain(value)


def equal(a: Any, b: Any) -> bool:
    """Whether two values are plainly equal. Such values are the `same` in every field."""
    try:
        return a is b or bool(a == b)
    except (RecursionError, ArithmeticError):  # nested too deeply; a number that signals
        return False


def same(field_type: FieldType, a: Any, b: Any) -> bool:
    """Whether two values mean the same. A part of an address or a zone of a time that only one has is no difference."""
    if equal(a, b):
        return True
    if meaning(field_type, a) != meaning(field_type, b):
        return False
    mine, others = _details(field_type, a), _details(field_type, b)
    return all(mine[name] == others[name] for name in mine.keys() & others.keys())


def changes(field_type: FieldType, before: Any, after: Any) -> bool:
    """Whether `after` in the place of `before` says anything else, or anything more, such as another part."""
    if equal(before, after):
        return False
    meant = meaning(field_type, after)
    if meant != meaning(field_type, before):
        return True
    said = _details(field_type, before)
    return meant is not None and any(
        name not in said or part != said[name] for name, part in _details(field_type, after).items()
    )


# How it is found out


class Unexpected(Exception):
    """A value of a shape that its kind doesn't have."""


class _Plain:
    """A value of which nothing is known but whether it equals another."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Plain) and equal(self.value, other.value)

    def __hash__(self) -> int:
        return hash(_Plain)


def _plain(value: Any) -> Any:
    try:
        hash(value)
    except (TypeError, RecursionError):
        return _Plain(value)
    return value


def is_blank(value: Any) -> bool:
    """Whether a value says nothing in any field."""
    return value is None or (isinstance(value, str) and not value.strip())


def _trimmed(value: Any) -> str:
    if not isinstance(value, str):
        raise Unexpected
    return value.replace("\r\n", "\n").strip()


def number_meant(value: Any) -> int | float:
    """The number as all who read JSON understand it: a whole one of 53 bits, or a double. Raises `Unexpected`."""
    if isinstance(value, float) and math.isfinite(value):
        return value
    if not isinstance(value, int) and not (isinstance(value, Decimal) and value.is_finite()):
        raise Unexpected
    if -EXACT <= value <= EXACT and value == int(value):
        return int(value)
    try:
        number = float(value)
    except OverflowError:
        raise Unexpected from None
    if math.isinf(number):
        raise Unexpected
    return number


def _ids_meant(value: Any) -> Any:
    if not isinstance(value, list):
        raise Unexpected
    return frozenset(map(number_meant, value)) or None


def _known(value: Any, parts: Collection[str]) -> Mapping[str, Any]:
    """Those of the parts that an object has."""
    if not isinstance(value, dict):
        raise Unexpected
    known = {name: value[name] for name in parts if not is_blank(value.get(name))}
    if not known and not all(map(is_blank, value.values())):
        raise Unexpected
    return known


def _monetary_meant(value: Any) -> Any:
    if not isinstance(value, dict) or is_blank(value.get("value")):
        _known(value, ("value", "currency"))
        return None
    return number_meant(value["value"]), _trimmed(value.get("currency") or "").upper()


def _address_meant(value: Any) -> Any:
    if isinstance(value, str):
        return _trimmed(value)
    known = _known(value, ADDRESS_PARTS)
    return _trimmed(known.get("value", "")) if known else None


def clock_meant(value: Any) -> str:
    """A time of day with its seconds. Raises `Unexpected`."""
    text = _trimmed(value)
    if CLOCK.fullmatch(text) is None:
        return text
    return (text if text.count(":") == 2 else f"{text}:00").zfill(8)


def _time_meant(value: Any) -> Any:
    if isinstance(value, str):
        return clock_meant(value)
    known = _known(value, ("value", "timezone_name"))
    return clock_meant(known["value"]) if "value" in known else None


def _range_meant(end_meant: Callable[[Any], str]) -> Callable[[Any], Any]:
    def range_meant(value: Any) -> Any:
        known = _known(value, ("value", "until", "timezone_name"))
        ends = tuple([end_meant(known.get(end, "")) for end in ("value", "until")])
        return ends if any(ends) else None

    return range_meant


def _details(field_type: FieldType, value: Any) -> Mapping[str, Any]:
    """What a value says beside its meaning."""
    if not isinstance(value, dict):
        return {}
    told = {name: value.get(name) for name in _MEANINGS[field_type.kind].details}
    return {
        name: _trimmed(part) if isinstance(part, str) else _plain(part)
        for name, part in told.items()
        if not is_blank(part)
    }


@dataclass(frozen=True, slots=True)
class _Meaning:
    """What values of a kind mean: `of` one that is not blank (None: unset); it may raise `Unexpected`."""

    of: Callable[[Any], Any]
    details: tuple[str, ...] = ()  # the parts that Pipedrive may add of its own accord


_TEXT, _NUMBER, _IDS = _Meaning(_trimmed), _Meaning(number_meant), _Meaning(_ids_meant)
_ZONE = ("timezone_name",)

_MEANINGS: Mapping[FieldKind, _Meaning] = MappingProxyType(
    {
        FieldKind.NAME: _TEXT,
        FieldKind.OWNER: _NUMBER,
        FieldKind.LABELS: _IDS,
        FieldKind.VISIBILITY: _NUMBER,
        FieldKind.WHOLE: _NUMBER,
        FieldKind.VARCHAR: _TEXT,
        FieldKind.VARCHAR_AUTO: _TEXT,
        FieldKind.TEXT: _TEXT,
        FieldKind.PHONE: _TEXT,
        FieldKind.DOUBLE: _NUMBER,
        FieldKind.MONETARY: _Meaning(_monetary_meant),
        FieldKind.ENUM: _NUMBER,
        FieldKind.SET: _IDS,
        FieldKind.USER: _NUMBER,
        FieldKind.ORG: _NUMBER,
        FieldKind.PEOPLE: _NUMBER,
        FieldKind.DATE: _TEXT,
        FieldKind.DATERANGE: _Meaning(_range_meant(_trimmed)),
        FieldKind.TIME: _Meaning(_time_meant, _ZONE),
        FieldKind.TIMERANGE: _Meaning(_range_meant(clock_meant), _ZONE),
        FieldKind.ADDRESS: _Meaning(_address_meant, ADDRESS_PARTS[1:]),
    }
)
