"""Contacted, and not contacted: how long ago something was last done, by owner; and what was won, month by month."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from starlette.responses import Response

from sync.accounts.lists.filtering import Filter
from sync.accounts.lists.overview import Contacts, Overview, Since, load_overview
from sync.web.pages.asking import filter_of
from sync.web.pages.charts import Chart, chart_of
from sync.web.pages.listing.asked import LIST
from sync.web.pages.narrowed import address, bar_of
from sync.web.pages.routes import Page
from sync.web.pages.visit import Visit

PATH = "/contacts"

_SHADES = 5  # of cells, by their share of the row


@dataclass(frozen=True, slots=True)
class Cell:
    """A number of the table, the list of exactly these accounts, and how dark it is shaded."""

    count: int
    link: str  # empty where no list shows exactly these
    share: float
    shade: int


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table."""

    name: str
    cells: Sequence[Cell]
    total: Cell


def show(visit: Visit) -> Response:
    """The overview of the accounts that are wanted."""
    asked = filter_of(visit.query.multi_items())
    wanted = replace(asked, contacted_within=None, not_contacted_for=None, never_contacted=False)
    with visit.site.database.reading() as connection:
        overview = load_overview(connection, visit.company_id, wanted, visit.calendar)
        bar = bar_of(visit, connection, wanted, PATH)
    users = visit.reference.users
    return visit.show(
        "contacts.html",
        bar=bar,
        titles=_titles(visit),
        lines=[_line(one, _owner(visit, one, users), wanted) for one in overview.owners],
        total=_line(overview.total, visit.say("All"), wanted, is_total=True),
        currency=overview.currency,
        won=_won(visit, overview),
        new=_new(visit, overview),
    )


def _titles(visit: Visit) -> Mapping[Since, str]:
    """The columns as people call them."""
    say = visit.say
    return {
        Since.WITHIN_7: say("Last 7 days"),
        Since.WITHIN_30: say("8–30 days ago"),
        Since.WITHIN_90: say("31–90 days ago"),
        Since.LONGER: say("Longer ago"),
        Since.NEVER: say("Never"),
    }


def _owner(visit: Visit, contacts: Contacts, users: Mapping[int, str]) -> str:
    if contacts.owner_id is None:
        return visit.say("No owner")
    return users.get(contacts.owner_id, str(contacts.owner_id))


def _line(contacts: Contacts, name: str, wanted: Filter, *, is_total: bool = False) -> Line:
    mine = wanted if is_total else replace(wanted, owners=frozenset({contacts.owner_id}))

    def cell(count: int, narrowed: Mapping[str, object]) -> Cell:
        link = address(LIST, replace(mine, **narrowed)) if count else ""  # type: ignore[arg-type]
        share = count / contacts.total if contacts.total else 0.0
        return Cell(count, link, share, _shade(share))

    cells = [cell(contacts.counts[since], since.fields) for since in Since]
    return Line(name, cells, cell(contacts.total, {}))


def _shade(share: float) -> int:
    """How dark a share is shown, from 0 for none up to `_SHADES`."""
    return min(-int(-share * _SHADES // 1), _SHADES)


def _won(visit: Visit, overview: Overview) -> Chart:
    language, currency, found = visit.language, overview.currency, overview.won_by_month
    deals = [language.count("%(num)s deal", "%(num)s deals", one.deals) for one in found]
    words = [f"{language.money(one.value, currency)} ({said})" for one, said in zip(found, deals, strict=True)]
    apart = [", ".join(language.money(amount, code) for code, amount in one.without_rate.items()) for one in found]
    values = [one.value for one in found]
    return chart_of(
        [one.month for one in found], values, words, lambda value: language.short_money(value, None), apart=apart
    )


def _new(visit: Visit, overview: Overview) -> Chart:
    language, found = visit.language, overview.new_by_month
    words = [language.count("%(num)s account", "%(num)s accounts", one.accounts) for one in found]
    return chart_of([one.month for one in found], [Decimal(one.accounts) for one in found], words, language.number)


PAGES: Sequence[Page] = (Page(PATH, show),)
