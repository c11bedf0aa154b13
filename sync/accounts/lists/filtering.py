"""Which accounts are wanted: what lists, boards, exports and the JSON API are filtered by, in one shape.

A filter is plain values; the conditions that it becomes are made here, too, and nowhere else: about the rows of
`account_index`, which one pass can judge. What programs changed by SQL a moment ago, and nobody has indexed yet, is
judged here as the index will have it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from sqlalchemy import CTE, ColumnElement, Connection, Select, and_, func, literal, or_, select

from sync.accounts.folding import folded
from sync.accounts.lists.calendar import Bucket, Calendar
from sync.accounts.lists.due import due_in
from sync.accounts.lists.indexing import AT_ONCE, Entry, option_line, stale_entries
from sync.store.dialect import among
from sync.store.schema import account_index, account_won_values
from sync.store.types import Number

EVER = 100 * 366  # days: `contacted_within` so many is contacted at all

_WILD = re.compile(r"[*?[]")  # what GLOB does not take for itself


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
    owners: frozenset[int | None] = frozenset()  # any of them; None: nobody's
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

    @property
    def is_costly(self) -> bool:
        """That it takes long to tell of each account: texts are to be read, or another table."""
        return bool(self.search or self.options or self.currency) and not self._is_broad

    @property
    def is_selective(self) -> bool:
        """That it is quicker to put aside the accounts that it leaves than to tell of each twice."""
        return self.is_costly or bool(self.labels)

    @property
    def _is_broad(self) -> bool:
        """That most accounts are likely to be wanted: few texts lack the letter or two that are typed first."""
        words = self.search.split()
        return bool(words) and not (self.labels or self.options or self.currency) and max(map(len, words)) <= 2


def conditions(
    connection: Connection, company_id: int, filter: Filter, calendar: Calendar
) -> list[ColumnElement[bool]]:
    """What the rows of `account_index` have to fulfil, all of it, to be those of the accounts that are wanted.

    May ask for what is not indexed yet: one statement at most.
    """
    return [
        account_index.c.company_id == company_id,
        *_of_rows(connection.dialect.name, filter, calendar),
        *_won(company_id, filter),
        *_indexed(connection, company_id, filter),
    ]


def matching(query: Select[Any], *, once: bool) -> CTE:
    """The accounts that a query finds, for a statement that asks for them several times: judged `once` and put aside,
    or anew each time.
    """
    return query.cte("matching").prefix_with("MATERIALIZED" if once else "NOT MATERIALIZED")


def _of_rows(dialect: str, filter: Filter, calendar: Calendar) -> Iterator[ColumnElement[bool]]:
    """What the row of an account says itself."""
    columns = account_index.c
    # All of them by their names: an index is read by what comes behind the status only where that is given.
    every = [Status.ACTIVE, Status.FORMER] if filter.status is Status.ALL else [filter.status]
    yield columns.status.in_([one.value for one in every])
    if filter.owners:
        theirs = columns.owner_id.in_(sorted(one for one in filter.owners if one is not None))
        yield or_(theirs, columns.owner_id.is_(None)) if None in filter.owners else theirs
    if filter.labels:
        yield or_(*(_has(dialect, columns.labels, f",{one},") for one in sorted(filter.labels)))
    if filter.contacted_within is not None:
        yield columns.last_activity_time >= days_ago(calendar, filter.contacted_within)
    if filter.not_contacted_for is not None:
        long_ago = columns.last_activity_time < days_ago(calendar, filter.not_contacted_for)
        yield or_(columns.last_activity_time.is_(None), long_ago)
    if filter.never_contacted:
        yield columns.last_activity_time.is_(None)
    if filter.created_from is not None:
        yield columns.created_at >= calendar.edge(filter.created_from).moment
    if filter.created_to is not None:
        yield columns.created_at < calendar.edge(filter.created_to + timedelta(days=1)).moment
    if filter.buckets and filter.buckets != frozenset(Bucket):
        yield or_(*(due_in(calendar, bucket) for bucket in sorted(filter.buckets)))


def days_ago(calendar: Calendar, days: int) -> datetime:
    """When the viewer's day so many days ago began."""
    return calendar.edge(calendar.today - timedelta(days=min(days, EVER))).moment


def _won(company_id: int, filter: Filter) -> Iterator[ColumnElement[bool]]:
    """What was won, in the currency that is meant."""
    if filter.currency is None:
        yield from _between(account_index.c.won_value, filter)
        return
    won = account_won_values.c
    its = (won.company_id == company_id) & (won.currency == filter.currency)
    # In order: SQLite makes a set of them wherever a statement asks, and that is quick where each is the last so far.
    theirs = select(won.organization_id).where(its, *_between(won.value, filter)).order_by(won.organization_id)
    yield account_index.c.organization_id.in_(select(theirs.cte("won").c.organization_id))


def _between(value: ColumnElement[Any], filter: Filter) -> Iterator[ColumnElement[bool]]:
    if filter.won_from is not None:
        yield value >= literal(filter.won_from, Number())
    if filter.won_to is not None:
        yield value <= literal(filter.won_to, Number())


@dataclass(frozen=True, slots=True)
class _Sought:
    """What the index is asked for: words that all occur, and of each field one of some options."""

    words: tuple[str, ...]
    options: tuple[tuple[str, frozenset[str]], ...]

    def fits(self, entry: Entry) -> bool:
        """Whether an account of which the index ought to say this is one of those."""
        held = all(any((field, one) in entry.options for one in some) for field, some in self.options)
        return held and all(word in entry.text for word in self.words)


def _indexed(connection: Connection, company_id: int, filter: Filter) -> Iterator[ColumnElement[bool]]:
    """What the index says, and of accounts that have changed since, what it ought to say."""
    options = tuple((field, some) for field, some in sorted(filter.options.items()) if some)
    sought = _Sought(tuple(dict.fromkeys(folded(filter.search).split())), options)
    if not sought.words and not sought.options:
        return
    dialect, columns = connection.dialect.name, account_index.c
    said = [
        *containing(dialect, sought.words),
        *(
            or_(*(_has(dialect, columns.options, option_line(field, one)) for one in sorted(some)))
            for field, some in sought.options
        ),
    ]
    stale = stale_entries(connection, company_id, AT_ONCE)
    if stale:  # of which the index says nothing
        fitting = [organization_id for organization_id, entry in stale if sought.fits(entry)]
        yield or_(and_(*said), among(connection, columns.organization_id, fitting))
    else:
        yield from said


def containing(dialect: str, words: Sequence[str]) -> list[ColumnElement[bool]]:
    """That the text of an entry of the index has all words."""
    return [_has(dialect, account_index.c.text, word) for word in words]


def _has(dialect: str, text: ColumnElement[Any], part: str) -> ColumnElement[bool]:
    """That a text has a part, every letter of which means itself."""
    if dialect == "postgresql":
        return func.strpos(text, part) > 0
    plain = _WILD.sub(r"[\g<0>]", part)
    return text.op("GLOB", is_comparison=True)(f"*{plain}*")  # faster than instr
