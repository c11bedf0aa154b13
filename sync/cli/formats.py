"""Values of accounts as a person reads them: money, due times, lists, custom fields. Pure functions, texts out."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sync.cli.output import shown

_DEFAULT_DECIMALS = 2
_LONGEST_SUBJECT = 40


def one_line(text: Any) -> str:
    """A text from Pipedrive on one line, without characters that could steer a terminal."""
    return " ".join(shown(text).split())


def short(text: Any, longest: int = _LONGEST_SUBJECT) -> str:
    """A text on one line, cut where it would fill a table."""
    line = one_line(text)
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def count(number: int, thing: str) -> str:
    """So many things: one file, two files."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def money(value: Decimal | None, currency: str | None, decimals: Mapping[str, int]) -> str:
    """An amount with the decimals of its currency; more where cutting them would show another amount."""
    if value is None:
        return ""
    needed = -int(value.normalize().as_tuple().exponent)
    digits = max(decimals.get(currency or "", _DEFAULT_DECIMALS), needed, 0)
    return f"{value:,.{digits}f} {one_line(currency)}".rstrip()


def day(moment: datetime | None) -> str:
    """The day (UTC) of a moment."""
    return "" if moment is None else f"{moment:%Y-%m-%d}"


def minute(moment: datetime | None) -> str:
    """A moment to the minute, in UTC."""
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M} UTC"


def due(due_date: date | None, due_time: str | None) -> str:
    """When an activity is due: the day, and the time (UTC) if it has one."""
    return " ".join(part for part in (shown(due_date), one_line(due_time)[:5]) if part)


def activity(kind: str | None, subject: str | None, due_date: date | None, due_time: str | None) -> str:
    """An activity in a table: when, what kind, what about."""
    what = ": ".join(part for part in (one_line(kind), short(subject)) if part)
    return "  ".join(part for part in (due(due_date, due_time), what) if part)


def custom(value: Any) -> str:
    """The value of a custom field, in whatever of the API's shapes it comes."""
    if isinstance(value, list):
        return ", ".join(custom(one) for one in value)
    if not isinstance(value, dict):
        return one_line(value)
    if "currency" in value:
        amount = value.get("value")
        return f"{custom(amount)} {custom(value['currency'])}".strip()
    if "until" in value:
        return f"{custom(value.get('value'))} – {custom(value['until'])}"
    return custom(value["value"]) if "value" in value else one_line(value)


def duration(seconds: float) -> str:
    """A stretch of time in its largest fitting unit: `45 s`, `15 min`, `2.5 h`."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
