"""Which accounts are wanted: what lists, boards, exports and the JSON API are filtered by, in one shape.

A filter is plain values; the statement that it becomes is made here, too, and nowhere else.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType

from sync.accounts.calendar import Bucket


class Status(StrEnum):
    """Which accounts are meant."""

    ACTIVE = "active"
    FORMER = "former"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Filter:
    """Which accounts are wanted; all conditions hold together, and an empty one asks for nothing."""

    status: Status = Status.ACTIVE
    search: str = ""  # every word somewhere in the name, the address or a text field, without regard to accents
    owners: frozenset[int] = frozenset()  # any of them
    labels: frozenset[int] = frozenset()  # any of them
    currency: str | None = None  # something was won in it
    won_from: Decimal | None = None  # in that currency, else in the company's
    won_to: Decimal | None = None
    contacted_within: int | None = None  # days: something was done since the day so many days ago began
    not_contacted_for: int | None = None  # days: nothing was done since, or never
    never_contacted: bool = False
    created_from: date | None = None  # customer since
    created_to: date | None = None  # that day included
    buckets: frozenset[Bucket] = frozenset()  # any of them
    options: Mapping[str, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))  # any, by field
