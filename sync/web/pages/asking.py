"""Filters in addresses: what stands there becomes a `Filter`, and back. Pages, exports and the JSON API share it.

`status`, `q`, `owner`, `label`, `next` (a bucket), `currency`, `won_from`, `won_to`, `contacted`, `not_contacted`
(days), `never`, `since_from`, `since_to` (customer since), and `option.` with a field's code. Owners (or `none`, for
nobody), labels, buckets and options may come several times.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from sync.accounts.lists.calendar import Bucket
from sync.accounts.lists.filtering import EVER, Filter, Status
from sync.errors import SyncError

OPTION = "option."
NOBODY = "none"  # as an owner

_LONGEST = 200  # letters of a search


class Unintelligible(SyncError):
    """A filter in an address that means nothing."""

    def __init__(self, name: str, value: str) -> None:
        super().__init__(f"{value!r} is nothing that accounts can be filtered by as {name}.")
        self.name = name


@dataclass(frozen=True, slots=True)
class _Part:
    """One name in addresses: the attribute of a filter that it sets, and how its text is understood and written."""

    name: str
    attribute: str
    read: Callable[[str], Any]
    write: Callable[[Any], str] = str
    many: bool = False


def _id(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise ValueError
    return int(text)


def _owner(text: str) -> int | None:
    return None if text == NOBODY else _id(text)


def _days(text: str) -> int:
    days = _id(text)
    if days > EVER:
        raise ValueError
    return days


def _amount(text: str) -> Decimal:
    amount = Decimal(text)
    if not amount.is_finite() or abs(amount) >= 10**15:
        raise ValueError
    return amount


def _day(text: str) -> date:
    day = date.fromisoformat(text)
    if not 1900 < day.year < 3000:
        raise ValueError
    return day


def _words(text: str) -> str:
    if "\0" in text or not text.isprintable():
        raise ValueError
    return text[:_LONGEST]


def _flag(text: str) -> bool:
    return {"1": True, "true": True, "0": False, "false": False}[text]


def _currency(text: str) -> str:
    if not (text.isascii() and text.isalnum() and len(text) <= 10):
        raise ValueError
    return text.upper()


_PARTS: Sequence[_Part] = (
    _Part("status", "status", Status),
    _Part("q", "search", _words),
    _Part("owner", "owners", _owner, lambda owner: NOBODY if owner is None else str(owner), many=True),
    _Part("label", "labels", _id, many=True),
    _Part("next", "buckets", Bucket, many=True),
    _Part("currency", "currency", _currency),
    _Part("won_from", "won_from", _amount, lambda amount: f"{amount:f}"),
    _Part("won_to", "won_to", _amount, lambda amount: f"{amount:f}"),
    _Part("contacted", "contacted_within", _days),
    _Part("not_contacted", "not_contacted_for", _days),
    _Part("never", "never_contacted", _flag, lambda flag: str(int(flag))),
    _Part("since_from", "created_from", _day),
    _Part("since_to", "created_to", _day),
)
_BY_NAME = {part.name: part for part in _PARTS}


def filter_of(query: Iterable[tuple[str, str]], *, strict: bool = False) -> Filter:
    """The filter in an address; what is empty, and the names of other things, do not count.

    What means nothing is left out, or, if `strict`, raises `Unintelligible`.
    """
    values: dict[str, Any] = {}
    options: dict[str, set[str]] = {}
    for name, text in query:
        if not text.strip():
            continue
        if name.startswith(OPTION) and text.isprintable() and name.isprintable():
            options.setdefault(name.removeprefix(OPTION), set()).add(text)
        elif (part := _BY_NAME.get(name)) is not None:
            try:
                value = part.read(text.strip())
            except (ValueError, KeyError, InvalidOperation):
                if strict:
                    raise Unintelligible(name, text) from None
                continue
            values[part.attribute] = values.get(part.attribute, frozenset()) | {value} if part.many else value
    return Filter(**values, options={code: frozenset(chosen) for code, chosen in options.items()})


def query_of(wanted: Filter) -> Sequence[tuple[str, str]]:
    """A filter as it stands in an address, each in one way."""
    blank = Filter()
    pairs: list[tuple[str, str]] = []
    for part in _PARTS:
        value = getattr(wanted, part.attribute)
        if value == getattr(blank, part.attribute):
            continue
        several = sorted(value, key=lambda one: (one is None, one)) if part.many else [value]
        pairs += [(part.name, part.write(one)) for one in several]
    pairs += [(OPTION + code, one) for code in sorted(wanted.options) for one in sorted(wanted.options[code])]
    return pairs
