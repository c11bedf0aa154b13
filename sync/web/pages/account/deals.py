"""The deals of one account in groups with sums, and how its won value has grown: numbers for an SVG, and a table."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from sync.accounts.facts import DealFact, Dossier
from sync.accounts.valuation import Valuation
from sync.web.pages.language import Language
from sync.web.pages.visit import Visit

_WIDTH, _HEIGHT = 400, 96  # of the chart
_TOP, _FOOT = 6, 90
_BEFORE = 16  # pixels before the first step
SHOWN_AT_ONCE = 8  # deals of a group; the others unfold
_MOST = 500  # deals of a group


@dataclass(frozen=True, slots=True)
class DealLine:
    """A deal in the visitor's words; `when` is the day it was won, lost, or is expected."""

    id: int
    title: str
    value: str
    stage: str
    owner: str
    when: date | None
    status: str
    reason: str


@dataclass(frozen=True, slots=True)
class DealGroup:
    """Deals of one status, the latest first; the archived ones apart."""

    name: str
    title: str
    count: int
    sums: Sequence[str]
    lines: Sequence[DealLine]


@dataclass(frozen=True, slots=True)
class Year:
    """What was won in a year, and up to its end, in words."""

    year: int
    won: str
    total: str


@dataclass(frozen=True, slots=True)
class Growth:
    """The won value over time: the line and what is below it as SVG paths, its ends, and years in words."""

    line: str
    area: str
    first: date
    total: str
    years: Sequence[Year]
    left_out: int  # won deals in currencies without a rate
    width: int = _WIDTH
    height: int = _HEIGHT
    foot: int = _FOOT


def deal_groups(visit: Visit, dossier: Dossier) -> Sequence[DealGroup]:
    """The deals by what became of them; groups that have none are left out."""
    say = visit.say
    titles = {"won": say("Won"), "open": say("Open"), "lost": say("Lost"), "archived": say("Archived")}
    grouped: dict[str, list[DealFact]] = {name: [] for name in titles}
    for one in dossier.deals:
        name = "archived" if one.is_archived else one.status or ""
        grouped.setdefault(name, []).append(one)
    titles |= {name: name or say("Without a status") for name in grouped if name not in titles}
    return [_group(visit, name, titles, deals) for name, deals in grouped.items() if deals]


def _group(visit: Visit, name: str, titles: Mapping[str, str], deals: Sequence[DealFact]) -> DealGroup:
    lines = [_line(visit, one, titles) for one in deals[:_MOST]]
    return DealGroup(name, titles[name], len(deals), _sums(visit.language, deals), lines)


def _line(visit: Visit, deal: DealFact, titles: Mapping[str, str]) -> DealLine:
    names, zone = visit.reference.names, visit.language.zone
    moment = deal.won_time or deal.lost_time or deal.close_time
    parts = [names.pipelines.get(deal.pipeline_id or 0), names.stages.get(deal.stage_id or 0)]
    return DealLine(
        id=deal.id,
        title=deal.title or visit.say("Without a title"),
        value=visit.language.money(deal.value, deal.currency),
        stage=" / ".join(one for one in parts if one),
        owner=names.users.get(deal.owner_id or 0, ""),
        when=moment.astimezone(zone).date() if moment else deal.expected_close_date,
        status=titles.get(deal.status or "", deal.status or ""),
        reason=deal.lost_reason or "",
    )


def _sums(language: Language, deals: Iterable[DealFact]) -> Sequence[str]:
    """What deals are worth together, one sum for each currency."""
    sums: dict[str, Decimal] = {}
    for one in deals:
        if one.value is not None:
            currency = one.currency or ""
            sums[currency] = sums.get(currency, Decimal(0)) + one.value
    return [language.money(value, currency) for currency, value in sorted(sums.items()) if value]


def growth_of(visit: Visit, dossier: Dossier) -> Growth | None:
    """How the won value has grown until today; None where nothing that was won has a day and a worth."""
    valuation = Valuation.of_basis(str(visit.reference.company["accounts_basis"]))
    zone, won, left_out = visit.language.zone, list[tuple[date, Decimal]](), 0
    for one in dossier.deals:
        moment = one.won_time or one.close_time
        if one.status != "won" or not one.value or moment is None:
            continue
        rate = valuation.rates.get(one.currency or "")
        if rate is None:
            left_out += 1
        else:
            won.append((moment.astimezone(zone).date(), one.value * rate))
    won.sort()
    if not won or sum(value for _, value in won) <= 0:
        return None
    line = _steps(won, visit.calendar.today)
    total = visit.language.money(_rounded(sum((value for _, value in won), Decimal(0))), valuation.currency)
    return Growth(
        line=line,
        area=f"{line} V{_FOOT} H0 Z",
        first=won[0][0],
        total=total,
        years=_years(won, visit.language, valuation.currency),
        left_out=left_out,
    )


def _steps(won: Sequence[tuple[date, Decimal]], today: date) -> str:
    """A line that steps up on each day on which something was won, from the first to today, in whole pixels."""
    first = won[0][0].toordinal()
    days = max(today.toordinal(), won[-1][0].toordinal()) - first or 1
    full = max(sum((value for _, value in won), Decimal(0)), Decimal(1))
    total, heights = Decimal(0), dict[int, int]()
    for day, value in won:
        total += value
        share = float(min(max(total / full, Decimal(0)), Decimal(1)))
        heights[_BEFORE + round((day.toordinal() - first) / days * (_WIDTH - _BEFORE))] = round(
            _FOOT - share * (_FOOT - _TOP)
        )
    steps = "".join(f" H{x} V{y}" for x, y in heights.items())
    return f"M0 {_FOOT}{steps} H{_WIDTH}"


def _years(won: Sequence[tuple[date, Decimal]], language: Language, currency: str) -> Sequence[Year]:
    by_year: dict[int, Decimal] = {}
    for day, value in won:
        by_year[day.year] = by_year.get(day.year, Decimal(0)) + value
    total, years = Decimal(0), []
    for year, value in sorted(by_year.items()):
        total += value
        years.append(Year(year, language.money(_rounded(value), currency), language.money(_rounded(total), currency)))
    return years


def _rounded(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.01"))
