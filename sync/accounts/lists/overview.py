"""The overview: who was contacted how long ago, what was won month by month, and which accounts are new.

Read-only, in the caller's transaction. Days and months are the viewer's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, func, literal, literal_column, select

from sync.accounts.lists.calendar import Calendar, Edge
from sync.accounts.lists.filtering import EVER, Filter, conditions, days_ago
from sync.accounts.lists.totals import summed, summing
from sync.accounts.valuation import Valuation
from sync.store.schema import TABLES, account_index, companies

MONTHS = 12

_DEALS, _CURRENCIES = TABLES["deals"], TABLES["currencies"]
_DEFAULT_DECIMALS = 2
_LIMITS = (7, 30, 90)  # days

_Wanted = Sequence[ColumnElement[bool]]


class Since(StrEnum):
    """How long ago something was last done for an account."""

    WITHIN_7 = "within_7"  # days
    WITHIN_30 = "within_30"  # 8 to 30
    WITHIN_90 = "within_90"  # 31 to 90
    LONGER = "longer"
    NEVER = "never"

    @property
    def fields(self) -> Mapping[str, Any]:
        """The fields of a `Filter` that gives exactly these accounts."""
        return _FIELDS[self]


_FIELDS: Mapping[Since, Mapping[str, Any]] = MappingProxyType(
    {
        Since.WITHIN_7: {"contacted_within": 7},
        Since.WITHIN_30: {"contacted_within": 30, "not_contacted_for": 7},
        Since.WITHIN_90: {"contacted_within": 90, "not_contacted_for": 30},
        Since.LONGER: {"contacted_within": EVER, "not_contacted_for": 90},
        Since.NEVER: {"never_contacted": True},
    }
)


@dataclass(frozen=True, slots=True)
class Contacts:
    """How many accounts of an owner, or of all, were last contacted when."""

    owner_id: int | None  # None: accounts without an owner, and the sum of all
    counts: Mapping[Since, int]

    @property
    def total(self) -> int:
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class MonthWon:
    """What was won in a month. Amounts in currencies without a rate are not in the value, but listed apart."""

    month: date  # its first day
    deals: int
    value: Decimal
    without_rate: Mapping[str, Decimal]  # by currency; an empty one stands for deals that have none


@dataclass(frozen=True, slots=True)
class MonthNew:
    """How many accounts came into being in a month."""

    month: date
    accounts: int


@dataclass(frozen=True, slots=True)
class Overview:
    """Contacts by owner, the most accounts first, and the last `MONTHS` months, the earliest first."""

    owners: Sequence[Contacts]
    total: Contacts
    currency: str | None  # what `won_by_month` is valued in; None before accounts were ever built
    won_by_month: Sequence[MonthWon]
    new_by_month: Sequence[MonthNew]


def load_overview(connection: Connection, company_id: int, filter: Filter, calendar: Calendar) -> Overview:
    """The overview of the accounts that are wanted."""
    wanted = conditions(connection, company_id, filter, calendar)
    owners = _contacts(connection, wanted, calendar)
    every = {since: sum(one.counts[since] for one in owners) for since in Since}
    valuation, decimals = _valuation(connection, company_id)
    return Overview(
        owners=sorted(owners, key=lambda one: (one.owner_id is None, -one.total, one.owner_id)),
        total=Contacts(None, every),
        currency=valuation.currency if valuation else None,
        won_by_month=_won(connection, company_id, wanted, calendar, valuation, decimals),
        new_by_month=_new(connection, wanted, calendar),
    )


def _contacts(connection: Connection, wanted: _Wanted, calendar: Calendar) -> Sequence[Contacts]:
    columns = account_index.c
    last = columns.last_activity_time
    reached = [(last >= days_ago(calendar, days), literal(since)) for days, since in zip(_LIMITS, Since, strict=False)]
    since = case((last.is_(None), literal(Since.NEVER)), *reached, else_=literal(Since.LONGER)).label("since")
    query = select(columns.owner_id, since, func.count()).where(*wanted).group_by(columns.owner_id, since)
    counts: dict[int | None, dict[Since, int]] = {}
    for owner_id, text, number in connection.execute(query):
        counts.setdefault(owner_id, dict.fromkeys(Since, 0))[Since(text)] = number
    return [Contacts(owner_id, found) for owner_id, found in counts.items()]


def _months(calendar: Calendar) -> Sequence[Edge]:
    """Where the last months begin, the earliest first."""
    ends = calendar.today.year * 12 + calendar.today.month - 1
    return [calendar.edge(date(one // 12, one % 12 + 1, 1)) for one in range(ends - MONTHS + 1, ends + 1)]


def _month_number(months: Sequence[Edge], moment: ColumnElement[Any]) -> ColumnElement[int]:
    """The place of a moment's month among months; what lies after the last one counts as in it."""
    ended = [(moment < edge.moment, literal(number)) for number, edge in enumerate(months[1:])]
    return case(*ended, else_=literal(len(months) - 1))


def _won(
    connection: Connection,
    company_id: int,
    wanted: _Wanted,
    calendar: Calendar,
    valuation: Valuation | None,
    decimals: int,
) -> Sequence[MonthWon]:
    """Live won deals by the month in which they were won; those of which nobody knows when are left out."""
    months, deals = _months(calendar), _DEALS.c
    number = _month_number(months, deals.won_time).label("number")
    currency = func.coalesce(deals.currency, "").label("currency")
    query = (
        select(number, currency, func.count(), *summing(deals.value))
        .where(
            deals.company_id == company_id,
            deals.status == literal_column("'won'"),
            deals.deleted_at.is_(None),
            deals.won_time >= months[0].moment,
            deals.org_id.in_(select(account_index.c.organization_id).where(*wanted)),
        )
        .group_by(number, currency)
    )
    found: dict[int, list[tuple[str, int, Decimal]]] = {}
    for place, code, count, *parts in connection.execute(query):
        found.setdefault(place, []).append((code, count, summed(parts) or Decimal(0)))
    return [_month(edge.day, found.get(place, []), valuation, decimals) for place, edge in enumerate(months)]


def _month(
    month: date, sums: Sequence[tuple[str, int, Decimal]], valuation: Valuation | None, decimals: int
) -> MonthWon:
    """Valued as the builder values an account: rounded where something was converted, and only then."""
    rates = valuation.rates if valuation else {}
    value = sum((amount * rates[code] for code, _, amount in sums if code in rates), Decimal(0))
    if any(amount and code in rates and rates[code] != 1 for code, _, amount in sums):
        value = value.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
    without_rate = {code: amount for code, _, amount in sums if amount and code not in rates}
    return MonthWon(month, sum(count for _, count, _ in sums), value, without_rate)


def _valuation(connection: Connection, company_id: int) -> tuple[Valuation | None, int]:
    """What the accounts were last wholly valued with, and the decimals of that currency."""
    basis = connection.scalar(select(companies.c.accounts_basis).where(companies.c.company_id == company_id))
    if not basis:
        return None, _DEFAULT_DECIMALS
    valuation = Valuation.of_basis(basis)
    held = _CURRENCIES.c
    its = (held.company_id == company_id) & (held.code == valuation.currency) & held.deleted_at.is_(None)
    decimals = connection.scalar(select(func.max(held.decimal_points)).where(its))
    return valuation, _DEFAULT_DECIMALS if decimals is None else decimals


def _new(connection: Connection, wanted: _Wanted, calendar: Calendar) -> Sequence[MonthNew]:
    months, created = _months(calendar), account_index.c.created_at
    number = _month_number(months, created).label("number")
    query = select(number, func.count().label("accounts")).where(*wanted, created >= months[0].moment).group_by(number)
    found = {row.number: row.accounts for row in connection.execute(query)}
    return [MonthNew(edge.day, found.get(place, 0)) for place, edge in enumerate(months)]
