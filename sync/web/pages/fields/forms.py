"""The form controls that fields are edited with, and what a form sends back made into a value again.

One field stands in a form as `value` (several times where several can be chosen), with `until` for a second end,
`currency` and `zone` beside it. Pure functions.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any

from babel.numbers import get_decimal_symbol
from starlette.datastructures import FormData

from sync.accounts.fields import Fields
from sync.accounts.kinds import FieldKind, FieldType
from sync.accounts.meanings import is_blank
from sync.accounts.own_fields import fit_own
from sync.accounts.values import Unfit, check
from sync.web.pages.language import Language

# The kinds whose values are ids of records with names, and the tables that hold those.
REFERS_TO: Mapping[FieldKind, str] = {FieldKind.ORG: "organizations", FieldKind.PEOPLE: "persons"}

_NAMED = re.compile(r".*\((\d{1,18})\)", re.ASCII | re.DOTALL)  # a name with its id behind it
_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}[,.]\d{3}", re.ASCII)
# A whole number, perhaps in groups of three, then perhaps a mark and the digits behind it.
_WHOLE = r"\d+|\d{1,3}(?:,\d{3})+(?=$|\.)|\d{1,3}(?:\.\d{3})+(?=$|,)"
_WRITTEN = re.compile(rf"([+-]?(?:{_WHOLE}|))(?:([,.])(\d*))?", re.ASCII)


class WrongValue(Exception):
    """What was typed is no value of the field; the text says so in the visitor's language."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the values to choose from."""

    value: str
    text: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Control:
    """A form control: what sort, and the texts that it holds."""

    sort: str  # text, lines, phone, address, number, date, dates, time, times, money, choice, choices, record
    value: str = ""
    until: str = ""
    zone: str = ""
    choices: Sequence[Choice] = ()
    is_needed: bool = False
    table: str = ""  # of a record


_SORTS: Mapping[FieldKind, str] = {
    FieldKind.NAME: "text",
    FieldKind.OWNER: "choice",
    FieldKind.USER: "choice",
    FieldKind.LABELS: "choices",
    FieldKind.SET: "choices",
    FieldKind.ENUM: "choice",
    FieldKind.VISIBILITY: "choice",
    FieldKind.WHOLE: "number",
    FieldKind.DOUBLE: "number",
    FieldKind.VARCHAR: "text",
    FieldKind.VARCHAR_AUTO: "text",
    FieldKind.TEXT: "lines",
    FieldKind.PHONE: "phone",
    FieldKind.MONETARY: "money",
    FieldKind.ORG: "record",
    FieldKind.PEOPLE: "record",
    FieldKind.DATE: "date",
    FieldKind.DATERANGE: "dates",
    FieldKind.TIME: "time",
    FieldKind.TIMERANGE: "times",
    FieldKind.ADDRESS: "address",
}
_NEEDED = frozenset({FieldKind.NAME, FieldKind.OWNER, FieldKind.VISIBILITY})


def control_of(
    field_type: FieldType, value: Any, language: Language, *, choices: Mapping[Any, str], named: str = ""
) -> Control:
    """The control for a kind of values, holding one. `choices` are labels by value, `named` is a record's name."""
    kind = field_type.kind
    held = value if isinstance(value, dict) else {"value": value}
    sort, text, until = _SORTS[kind], held.get("value"), _text(held.get("until"))
    if sort in ("choice", "choices", "money"):
        chosen = held.get("currency") if sort == "money" else value
        listed = _choices(choices, chosen if isinstance(chosen, list) else [chosen])
        return Control(sort, _typed_number(text, language), choices=listed, is_needed=kind in _NEEDED)
    if sort == "number":
        return Control(sort, _typed_number(text, language))
    if sort == "record":
        return Control(sort, f"{named} ({value})" if named else _text(value), table=REFERS_TO[kind])
    if sort in ("time", "times"):
        text, until = _clock(text), _clock(held.get("until"))
    if sort in ("text", "address") and "\n" in _text(text):
        sort = "lines"  # a line would lose the breaks
    return Control(sort, _text(text), until, _text(held.get("timezone_name")), is_needed=kind in _NEEDED)


def typed_again(control: Control, form: FormData) -> Control:
    """A control that holds what was typed into it, however wrong."""
    typed = [str(one) for one in form.getlist("value")]
    first = typed[0] if typed else ""
    if control.sort in ("choice", "choices"):
        return replace(control, choices=_rechosen(control.choices, typed))
    until, currency = str(form.get("until", "")), str(form.get("currency", ""))
    choices = _rechosen(control.choices, [currency]) if control.sort == "money" else control.choices
    return replace(control, value=first, until=until, choices=choices)


def _rechosen(choices: Sequence[Choice], chosen: Sequence[str]) -> Sequence[Choice]:
    return [replace(one, is_chosen=one.value in chosen) for one in choices]


def _choices(choices: Mapping[Any, str], chosen: Sequence[Any]) -> Sequence[Choice]:
    """What there is to choose from; what is chosen already stays, whether or not it still stands among it."""
    held = [one for one in chosen if not is_blank(one) and isinstance(one, str | int)]
    gone = {one: str(one) for one in held if one not in choices}
    return [Choice(str(value), text, value in held) for value, text in (dict(choices) | gone).items()]


def _text(value: Any) -> str:
    return "" if value is None or isinstance(value, dict | list) else str(value)


def _clock(value: Any) -> str:
    """A time of day as the browser's control takes it: without seconds where there are none."""
    text = _text(value)
    return text[:5] if re.fullmatch(r"\d\d:\d\d:00", text, re.ASCII) else text


def _typed_number(value: Any, language: Language) -> str:
    """A number as people of that language type it."""
    if isinstance(value, dict | list | bool) or is_blank(value):
        return ""
    try:
        written = f"{Decimal(str(value)):f}"
    except InvalidOperation:
        return str(value)
    return written.replace(".", get_decimal_symbol(language.locale))


# From a form


def value_of(form: FormData, fields: Fields, code: str, language: Language) -> Any:
    """The value of a field in a form, ready to be saved; what is empty clears. Raises `WrongValue`."""
    own = fields.own.get(code)
    try:
        if own is not None:
            return fit_own(own, _read_own(own.type, form, language))
        field_type = fields.rules[code].field_type
        return check(field_type, _read(field_type, form, language))
    except (Unfit, _Unreadable):
        sort = own.type if own else str(fields.rules[code].field_type.kind)
        raise WrongValue(_words(sort, language, is_empty=not _one(form, "value"))) from None


class _Unreadable(Exception):
    """A text that says nothing of the kind."""


def _read_own(sort: str, form: FormData, language: Language) -> Any:
    if sort == "set":
        return [one for one in map(str, form.getlist("value")) if one]
    text = _one(form, "value")
    return number_of(text, language) if sort == "number" and text else text or None


def _read(field_type: FieldType, form: FormData, language: Language) -> Any:
    text = str(form.get("value", ""))
    reader = _READERS.get(_SORTS[field_type.kind])
    if reader is not None:
        return reader(form, language)
    return text.replace("\r\n", "\n") if text.strip() else None


def _one(form: FormData, name: str) -> str:
    return str(form.get(name, "")).strip()


def _number(form: FormData, language: Language) -> Any:
    text = _one(form, "value")
    return number_of(text, language) if text else None


def _id(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise _Unreadable
    return int(text)


def _choice(form: FormData, _: Language) -> Any:
    text = _one(form, "value")
    return _id(text) if text else None


def _several(form: FormData, _: Language) -> Any:
    return [_id(str(one)) for one in form.getlist("value") if str(one).strip()]


def _record(form: FormData, _: Language) -> Any:
    text = _one(form, "value")
    found = _NAMED.fullmatch(text)
    return _id(found[1] if found else text) if text else None


def _money(form: FormData, language: Language) -> Any:
    text = _one(form, "value")
    return {"value": number_of(text, language), "currency": _one(form, "currency")} if text else None


def _range(form: FormData, _: Language) -> Any:
    ends = {end: _one(form, name) for end, name in (("value", "value"), ("until", "until"))}
    return {**ends, **_zone(form)} if any(ends.values()) else None


def _time(form: FormData, _: Language) -> Any:
    text = _one(form, "value")
    return {"value": text, **_zone(form)} if text else None


def _zone(form: FormData) -> Mapping[str, str]:
    zone = _one(form, "zone")
    return {"timezone_name": zone} if zone else {}


def _date(form: FormData, _: Language) -> Any:
    return _one(form, "value") or None


_READERS: Mapping[str, Callable[[FormData, Language], Any]] = {
    "number": _number,
    "choice": _choice,
    "choices": _several,
    "record": _record,
    "money": _money,
    "date": _date,
    "dates": _range,
    "time": _time,
    "times": _range,
}


def number_of(text: str, language: Language) -> Decimal:
    """The number that a person typed: `1.234,5` and `1234.5` where the comma parts decimals, `1,234.5` where not.

    Raises `WrongValue` for what is none.
    """
    packed = re.sub(r"[\s'\u2019]", "", text)
    found = _WRITTEN.fullmatch(packed)
    if found is None or not any(map(str.isdigit, packed)):
        raise WrongValue(language.say("This is no number."))
    whole, mark = found[1], found[2]
    is_point = mark is not None and (
        any(one in whole for one in ",.")  # two marks: the last is the point
        or mark == get_decimal_symbol(language.locale)
        or not _GROUPED.fullmatch(packed)
    )
    decimals = f".{found[3]}" if is_point else found[3] or ""
    return Decimal(re.sub("[,.]", "", whole) + decimals)


def _words(sort: str, language: Language, *, is_empty: bool) -> str:
    """What is wrong with the value of a kind, as a sentence."""
    say = language.say
    if is_empty and sort in _NEEDED:
        return say("This can't be empty.")
    return {
        "double": say("This is no number."),
        "number": say("This is no number."),
        "whole": say("This must be a whole number."),
        "monetary": say("This must be an amount with its currency."),
        "date": say("This is no date."),
        "daterange": say("Give both dates."),
        "time": say("This is no time of day."),
        "timerange": say("Give both times of day."),
        "org": say("Choose an organization from the list, or give its number."),
        "enum": say("This option is not there any more."),
        "set": say("One of these options is not there any more."),
        "labels": say("One of these labels is not there any more."),
        "people": say("Choose a person from the list, or give their number."),
    }.get(sort, say("This value does not fit here."))
