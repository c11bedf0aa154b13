"""Fields of accounts as people read and edit them: their titles, their values, the control that each is edited with.

A page makes a `FieldView` of the accounts that it shows and gives it to its template as `view`; `_fields.html` does the
rest. What a form sends back becomes a value with `value_of`.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import orjson
from babel.dates import format_time

from sync.accounts.dossier import record_names
from sync.accounts.fields import Fields
from sync.accounts.kinds import OF_USERS, STANDARD, FieldKind, FieldType
from sync.accounts.meanings import is_blank
from sync.accounts.overlay import OWN
from sync.pipedrive.records import INTEGER_RANGE
from sync.web.pages.fields.forms import REFERS_TO, Control, control_of, value_of
from sync.web.pages.language import Language
from sync.web.pages.visit import Visit

__all__ = ["FieldView", "Shown", "mail_link", "phone_link", "value_of", "view_of", "web_link"]

_MAIL = re.compile(r"[^\s@<>\"'(),:;\\\[\]?&%]+@[^\s@<>\"'(),:;\\\[\]?&%]+\.[A-Za-z]{2,}")
_PHONE = re.compile(r"\+?[\d\s()/.\-]{5,25}", re.ASCII)
_WEB = re.compile(r"(https?://|www\.)[^\s<>\"'\\]+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Shown:
    """A value as it is read: `text`, or `items` (labels, several options); `href` where it leads somewhere."""

    text: str = ""
    items: Sequence[str] = ()
    href: str = ""
    is_long: bool = False  # its line breaks are shown

    def __bool__(self) -> bool:
        return bool(self.text or self.items)

    def __str__(self) -> str:
        return self.text or ", ".join(self.items)


def web_link(text: str) -> str:
    """Where a text leads, if it is an address in the web; else nothing."""
    stripped = text.strip()
    if not _WEB.fullmatch(stripped):
        return ""
    address = stripped if stripped.lower().startswith("http") else f"https://{stripped}"
    try:
        parts = urlsplit(address)
        return address if parts.hostname and not parts.username else ""
    except ValueError:
        return ""


def mail_link(text: str) -> str:
    """A link for writing to a mail address, if the text is one."""
    stripped = text.strip()
    return f"mailto:{stripped}" if len(stripped) < 255 and _MAIL.fullmatch(stripped) else ""


def phone_link(text: str) -> str:
    """A link for calling a number, if the text is one."""
    stripped = text.strip()
    digits = re.sub(r"[^\d+]", "", stripped)
    return f"tel:{digits}" if _PHONE.fullmatch(stripped) and len(digits) >= 5 else ""


@dataclass(frozen=True)
class FieldView:
    """The fields of some accounts in a visitor's language. `records` are names by table and id."""

    fields: Fields
    language: Language
    currencies: Sequence[str] = ()
    records: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    gone_users: Collection[int] = frozenset()  # who can't be given anything any more

    def title(self, code: str) -> str:
        """What people call a field."""
        if code in self._titles:
            return self._titles[code]
        own = self.fields.own.get(code)
        return (own.title if own else None) or self.fields.name_of(code)

    @cached_property
    def _titles(self) -> Mapping[str, str]:
        say = self.language.say
        return {
            "name": say("Name"),
            "owner_id": say("Owner"),
            "address": say("Address"),
            "label_ids": say("Labels"),
            "visible_to": say("Visible to"),
            "website": say("Website"),
            "linkedin": say("LinkedIn"),
            "industry": say("Industry"),
            "annual_revenue": say("Annual revenue"),
            "employee_count": say("Employees"),
        }

    @cached_property
    def _visibilities(self) -> Mapping[int, str]:
        say = self.language.say
        return {
            1: say("the owner"),
            3: say("the owner's visibility group"),
            5: say("the owner's visibility group and those below it"),
            7: say("everyone"),
        }

    def codes(self) -> Sequence[str]:
        """Every field that can be shown and edited: the organization's, its custom ones by name, the account's own."""
        standard = [code for code in STANDARD if code in self.fields.rules]
        custom = sorted(self.fields.rules.keys() - STANDARD.keys(), key=lambda code: self.title(code).casefold())
        return [*standard, *custom, *self.fields.own]

    def kind(self, code: str) -> FieldKind | None:
        """What sort of value a field holds; None for a field that is not known (any more)."""
        if own := self.fields.own.get(code):
            return _OWN_KINDS[own.type]
        rule = self.fields.rules.get(code)
        return rule.field_type.kind if rule else None

    def value(self, account: Mapping[str, Any], code: str) -> Any:
        """What an account holds of a field, as the API has it."""
        if code in STANDARD:
            return account.get(code)
        is_own = code.startswith(OWN)
        held = account.get("fields" if is_own else "custom_fields")
        return held.get(code.removeprefix(OWN)) if isinstance(held, dict) else None

    def shown(self, code: str, value: Any) -> Shown:
        """A value as it is read; nothing at all for none. What has an unexpected shape is shown as it is."""
        if is_blank(value) or value == []:
            return Shown()
        try:
            return self._readers.get(self.kind(code), _plain)(code, value)
        except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError):
            return _plain(code, value)

    def control(self, code: str, value: Any) -> Control:
        """The control that a field is edited with, holding a value."""
        own = self.fields.own.get(code)
        if own is not None:
            labels = {label: label for label in own.options}
            return control_of(FieldType(_OWN_KINDS[own.type]), value, self.language, choices=labels)
        field_type = self.fields.rules[code].field_type
        choices: dict[Any, str] = dict(field_type.options or {})
        named = ""
        if field_type.kind in OF_USERS:
            users = {one: name for one, name in self.fields.users.items() if one == value or one not in self.gone_users}
            choices = dict(sorted(users.items(), key=lambda user: (user[1].casefold(), user[0])))
        elif field_type.kind is FieldKind.VISIBILITY:
            choices = {**self._visibilities}
        elif field_type.kind in REFERS_TO:
            named = self.records.get(REFERS_TO[field_type.kind], {}).get(value, "") if type(value) is int else ""
        elif field_type.kind is FieldKind.MONETARY:
            choices = {currency: currency for currency in self.currencies}
        return control_of(field_type, value, self.language, choices=choices, named=named)

    # One reader for each kind

    @cached_property
    def _readers(self) -> Mapping[FieldKind | None, Callable[[str, Any], Shown]]:
        return {
            FieldKind.NAME: _plain,
            FieldKind.OWNER: self._user,
            FieldKind.USER: self._user,
            FieldKind.LABELS: self._options,
            FieldKind.SET: self._options,
            FieldKind.ENUM: self._option,
            FieldKind.VISIBILITY: self._visibility,
            FieldKind.WHOLE: self._number,
            FieldKind.DOUBLE: self._number,
            FieldKind.VARCHAR: _linked,
            FieldKind.VARCHAR_AUTO: _linked,
            FieldKind.TEXT: _lines,
            FieldKind.PHONE: _phone,
            FieldKind.MONETARY: self._money,
            FieldKind.ORG: self._record,
            FieldKind.PEOPLE: self._record,
            FieldKind.DATE: self._date,
            FieldKind.DATERANGE: self._dates,
            FieldKind.TIME: self._time,
            FieldKind.TIMERANGE: self._times,
            FieldKind.ADDRESS: _address,
        }

    def _user(self, _: str, value: Any) -> Shown:
        return Shown(self.fields.users.get(value, str(value)))

    def _option(self, code: str, value: Any) -> Shown:
        return Shown(self._label(code, value))

    def _options(self, code: str, value: Any) -> Shown:
        several = value if isinstance(value, list) else [value]
        return Shown(items=tuple(self._label(code, one) for one in several))

    def _label(self, code: str, value: Any) -> str:
        rule = self.fields.rules.get(code)
        options = (rule.field_type.options or {}) if rule else {}
        return str(options.get(value, value))

    def _visibility(self, _: str, value: Any) -> Shown:
        return Shown(self._visibilities.get(value, str(value)))

    def _number(self, _: str, value: Any) -> Shown:
        return Shown(self.language.number(_decimal(value)))

    def _money(self, _: str, value: Any) -> Shown:
        if not isinstance(value, dict):
            return self._number("", value)
        if is_blank(value.get("value")):
            return Shown()
        return Shown(self.language.money(_decimal(value["value"]), str(value.get("currency") or "") or None))

    def _record(self, code: str, value: Any) -> Shown:
        table = REFERS_TO[self.fields.rules[code].field_type.kind]
        return Shown(self.records.get(table, {}).get(value, str(value)))

    def _date(self, _: str, value: Any) -> Shown:
        return Shown(self.language.date(date.fromisoformat(value)))

    def _dates(self, _: str, value: Any) -> Shown:
        return self._range(value, lambda end: self.language.date(date.fromisoformat(end)))

    def _time(self, _: str, value: Any) -> Shown:
        held = {"value": value} if isinstance(value, str) else value
        return Shown(_with_zone(self._clock(held["value"]), held)) if held.get("value") else Shown()

    def _times(self, _: str, value: Any) -> Shown:
        shown = self._range(value, self._clock)
        return Shown(_with_zone(shown.text, value)) if shown else shown

    def _clock(self, text: str) -> str:
        return format_time(time.fromisoformat(text.zfill(5)), "short", locale=self.language.locale)

    @staticmethod
    def _range(value: Any, read: Callable[[str], str]) -> Shown:
        ends = [read(value[end]) if value.get(end) else "…" for end in ("value", "until")]
        return Shown() if ends == ["…", "…"] else Shown(" – ".join(ends))


_OWN_KINDS: Mapping[str, FieldKind] = {
    "text": FieldKind.VARCHAR,
    "number": FieldKind.DOUBLE,
    "date": FieldKind.DATE,
    "enum": FieldKind.ENUM,
    "set": FieldKind.SET,
}


def view_of(visit: Visit, connection: Any, accounts: Iterable[Mapping[str, Any]] = ()) -> FieldView:
    """The view of some accounts' fields: one statement for the names of what their values refer to, if they do."""
    fields = visit.fields
    referring = {
        code: REFERS_TO[rule.field_type.kind]
        for code, rule in fields.rules.items()
        if rule.field_type.kind in REFERS_TO
    }
    wanted: dict[str, set[int]] = {}
    for account in accounts if referring else ():
        held = account.get("custom_fields")
        for code, table in referring.items():
            value = held.get(code) if isinstance(held, dict) else None
            if type(value) is int and value in INTEGER_RANGE:
                wanted.setdefault(table, set()).add(value)
    records = record_names(connection, visit.company_id, {table: sorted(ids) for table, ids in wanted.items()})
    gone = visit.reference.users.keys() - visit.reference.active_users.keys()
    return FieldView(fields, visit.language, sorted(visit.reference.decimals), records, gone)


def _decimal(value: Any) -> Decimal:
    if isinstance(value, bool):
        raise ValueError
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise ValueError from None
    if not number.is_finite() or abs(number.adjusted()) > 30:  # nobody reads more zeros than that
        raise ValueError
    return number


def _plain(_: str, value: Any) -> Shown:
    if isinstance(value, str):
        return Shown(value)
    if isinstance(value, list) and all(isinstance(one, str | int) for one in value):
        return Shown(items=tuple(str(one) for one in value))
    if isinstance(value, dict) and isinstance(value.get("value"), str | int | float):
        return Shown(str(value["value"]))
    return Shown(orjson.dumps(value, default=str).decode())


def _linked(code: str, value: Any) -> Shown:
    if not isinstance(value, str):
        return _plain(code, value)
    return Shown(value, href=web_link(value) or mail_link(value))


def _lines(code: str, value: Any) -> Shown:
    return Shown(value, is_long=True) if isinstance(value, str) else _plain(code, value)


def _phone(code: str, value: Any) -> Shown:
    return Shown(value, href=phone_link(value)) if isinstance(value, str) else _plain(code, value)


def _address(_: str, value: Any) -> Shown:
    text = value if isinstance(value, str) else value.get("value") or value.get("formatted_address") or ""
    return Shown(" ".join(str(text).split()))


def _with_zone(text: str, value: Mapping[str, Any]) -> str:
    zone = value.get("timezone_name")
    return f"{text} ({zone})" if isinstance(zone, str) and zone else text
