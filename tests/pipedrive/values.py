"""Records and values for property tests: whole records of every entity, as the API could send them."""

from datetime import UTC
from typing import Any

from hypothesis import strategies as st

from sync.pipedrive.entities import Column, Entity, Kind

# What both databases hold: neither NUL nor lone surrogates, which have tests of their own.
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)
INTEGERS = st.integers(-(2**63), 2**63 - 1)
# Nobody enters smaller ones, and SQLite rounds the last digit of some that are below 1e-290.
DOUBLES = st.floats(-1e15, 1e15, allow_subnormal=False).map(lambda value: value if abs(value) > 1e-200 else 0.0)
NUMBERS = st.one_of(st.integers(-(10**15), 10**15), DOUBLES, st.sampled_from([0.1, 0.2, 1e12, 12345.67, 1e15]))
MOMENTS = st.datetimes(timezones=st.just(UTC))
DAYS = st.dates().map(str)
JSON_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), INTEGERS, NUMBERS, TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)

_hours = st.times().map(lambda time: time.isoformat("seconds"))
_parts = ("value", "country", "admin_area_level_1", "locality", "route", "street_number", "postal_code")

# Pipedrive API: the values of custom fields, by the type of the field.
CUSTOM_TYPES: dict[str, st.SearchStrategy[Any]] = {
    "varchar": TEXTS,
    "varchar_auto": TEXTS,
    "text": st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=300),
    "double": NUMBERS,
    "monetary": st.fixed_dictionaries({"value": NUMBERS, "currency": st.sampled_from(["EUR", "JPY", "KWD"])}),
    "enum": INTEGERS,
    "set": st.lists(INTEGERS, min_size=1, max_size=4),
    "user": INTEGERS,
    "org": INTEGERS,
    "people": INTEGERS,
    "phone": TEXTS,
    "date": DAYS,
    "daterange": st.fixed_dictionaries({"value": DAYS, "until": DAYS}),
    "time": st.fixed_dictionaries({"value": _hours, "timezone_name": TEXTS}),
    "timerange": st.fixed_dictionaries({"value": _hours, "until": _hours}),
    "address": st.fixed_dictionaries({part: st.none() | TEXTS for part in _parts}),
}

_codes = st.text("0123456789abcdef", min_size=40, max_size=40)
_CUSTOM_FIELDS = st.none() | st.dictionaries(_codes, st.none() | st.one_of(*CUSTOM_TYPES.values()), max_size=4)


def _value(entity: Entity, column: Column) -> st.SearchStrategy[Any]:
    moment = "%s %s" if entity.api_version == 1 else "%sT%sZ"
    return {
        Kind.INTEGER: INTEGERS,
        Kind.TEXT: TEXTS,
        Kind.BOOLEAN: st.booleans(),
        Kind.NUMBER: NUMBERS,
        Kind.TIMESTAMP: MOMENTS.map(lambda at: moment % (at.date().isoformat(), at.time().isoformat("seconds"))),
        Kind.DATE: DAYS,
        Kind.JSON: JSON_VALUES.filter(lambda value: value is not None),
    }[column.kind]


def records(entity: Entity) -> st.SearchStrategy[dict[str, Any]]:
    """Whole records: every attribute is there, those that are optional may be missing, and some are unknown."""
    needed, optional = {}, {}
    for column in entity.columns:
        value = _value(entity, column)
        if column.name in entity.key:
            needed[column.name] = value.filter(lambda key: key != "")
        elif column.optional:
            optional[column.name] = value
        else:
            needed[column.name] = st.none() | value
    if entity.has_custom_fields:
        needed["custom_fields"] = _CUSTOM_FIELDS
    known = st.fixed_dictionaries(needed, optional=optional)
    surprises = st.dictionaries(st.text("xyz", min_size=12, max_size=14), JSON_VALUES, max_size=2)
    return st.tuples(known, surprises).map(lambda both: {**both[1], **both[0]})
