"""The list of accounts: filtered, sorted, a page at a time, with the columns that each person has chosen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import urlencode

from babel.numbers import get_decimal_symbol
from markupsafe import Markup
from starlette.responses import RedirectResponse, Response

from sync.accounts.lists.chosen import sums_by_currency
from sync.accounts.lists.filtering import Filter, Status
from sync.accounts.lists.listing import Row, Totals, list_page
from sync.accounts.queries import won_currencies
from sync.store.database import Connection
from sync.store.saved_filters import load_what_is_own
from sync.web.pages.asking import OPTION, query_of
from sync.web.pages.fields.forms import REFERS_TO, WrongValue, number_of
from sync.web.pages.fields.view import FieldView, view_of
from sync.web.pages.listing import bulk, chooser, exporting, saved
from sync.web.pages.listing.asked import LIST, PAGE_SIZE, Asked, asked_of
from sync.web.pages.listing.cells import Cells
from sync.web.pages.listing.columns import PREFERENCE, ListColumn, columns_of, preferred
from sync.web.pages.narrowing import (
    DAYS,
    Group,
    chips,
    contacted_words,
    groups,
    option_groups,
    silent_words,
    status_words,
)
from sync.web.pages.routes import Page
from sync.web.pages.visit import Visit

_IN_MENUS = ("q", "owner", "label", "next", "contacted", "not_contacted", "never", "status")
# Amounts as a person types them, and the names under which addresses have them.
_TYPED = {"amount_from": "won_from", "amount_to": "won_to"}
_IN_DIALOG = ("currency", "won_from", "won_to", "since_from", "since_to")


@dataclass(frozen=True, slots=True)
class Shown:
    """An account in the list."""

    id: int
    name: str
    row: Row
    cells: Markup


@dataclass(frozen=True, slots=True)
class Heading:
    """The head of a column: the list sorted by it, and how it is now."""

    column: ListColumn
    address: str
    sorted: str  # ascending, descending, or nothing


def show_list(visit: Visit) -> Response:
    """The list that the address asks for."""
    if any(name in visit.query for name in _TYPED):
        return _understood(visit)
    available = columns_of(visit)
    asked = asked_of(visit.query, available)
    with visit.site.database.reading() as connection:
        own, lists = load_what_is_own(connection, visit.company_id, visit.viewer.login, PREFERENCE)
        columns = preferred(own, available)
        rows, totals = _page(connection, visit, asked)
        if asked.page > 1 and not rows:
            return RedirectResponse(asked.turned_to(max(_pages(totals), 1)).address(), 303)
        view = view_of(visit, connection, [row.account for row in rows if _names_records(visit, columns)])
    cells = Cells(visit, view, columns, status_words(visit), visit.reference.activity_types)
    return visit.show(
        "accounts.html",
        asked=asked,
        headings=[_heading(asked, column) for column in columns],
        rows=_shown(visit, cells, rows),
        totals=totals,
        first=asked.offset + 1,
        last=asked.offset + len(rows),
        pages=_pages(totals),
        lists=lists,
        chips=chips(visit, view, asked),
        groups=groups(visit, view),
        given=_given(asked.filter),
        kept=[pair for pair in asked.pairs if pair[0] not in _IN_MENUS],
        contacts=[("contacted", str(days), contacted_words(visit, days)) for days in DAYS]
        + [("not_contacted", str(days), silent_words(visit, days)) for days in DAYS],
        statuses=_statuses(visit),
        is_blank=asked.filter == Filter(),
        page_size=PAGE_SIZE,
    )


def _page(connection: Connection, visit: Visit, asked: Asked) -> tuple[Sequence[Row], Totals]:
    return list_page(
        connection,
        visit.company_id,
        asked.filter,
        visit.calendar,
        asked.order,
        limit=PAGE_SIZE,
        offset=asked.offset,
    )


def _names_records(visit: Visit, columns: Sequence[ListColumn]) -> bool:
    """Whether any column shows organizations or people, whose names have to be looked up."""
    rules = visit.fields.rules
    return any(rules[one.source].field_type.kind in REFERS_TO for one in columns if one.source in rules)


def show_sums(visit: Visit) -> Response:
    """What was won in each currency: exact, also where a rate is missing."""
    asked = asked_of(visit.query, columns_of(visit))
    with visit.site.database.reading() as connection:
        sums = sums_by_currency(connection, visit.company_id, asked.filter, visit.calendar)
    return visit.show("accounts_sums.html", asked=asked, sums=sums)


def _understood(visit: Visit) -> Response:
    """To the list with the amounts that were typed, as addresses have them whoever reads them."""
    pairs = [(name, value) for name, value in visit.query.multi_items() if name not in _TYPED and value]
    for typed, name in _TYPED.items():
        text = visit.query.get(typed, "").strip()
        try:
            pairs += [(name, f"{number_of(text, visit.language):f}")] if text else []
        except WrongValue:
            return visit.go(_address(pairs), visit.say("“%(text)s” is no number.", text=text), wrong=True)
    return RedirectResponse(_address(pairs), 303)


def _address(pairs: Sequence[tuple[str, str]]) -> str:
    return f"{LIST}?{urlencode(pairs)}" if pairs else LIST


def _pages(totals: Totals) -> int:
    return -(-totals.accounts // PAGE_SIZE)


def _heading(asked: Asked, column: ListColumn) -> Heading:
    is_sorted = asked.order.column == column.name
    direction = "descending" if asked.order.descending else "ascending"
    return Heading(column, asked.sorted_by(column.name).address(), direction if is_sorted else "")


def _given(wanted: Filter) -> Mapping[str, frozenset[str]]:
    """What a filter says, by its names in addresses."""
    given: dict[str, set[str]] = {}
    for name, value in query_of(wanted):
        given.setdefault(name, set()).add(value)
    return {name: frozenset(values) for name, values in given.items()}


def _statuses(visit: Visit) -> Sequence[tuple[str, str]]:
    say = visit.say
    return [("", say("Active")), (Status.FORMER, say("Former")), (Status.ALL, say("Former and active"))]


def _shown(visit: Visit, cells: Cells, rows: Sequence[Row]) -> Sequence[Shown]:
    nameless = visit.say("(no name)")
    return [Shown(row.account["organization_id"], row.account["name"] or nameless, row, cells.of(row)) for row in rows]


def show_filters(visit: Visit) -> Response:
    """All filters of a list as a form, for those that no menu has."""
    asked = asked_of(visit.query, columns_of(visit))
    view = FieldView(visit.fields, visit.language)
    options: Sequence[Group] = option_groups(view)
    with visit.site.database.reading() as connection:
        currencies = [one for one in won_currencies(connection, visit.company_id) if one]
    kept = [(name, value) for name, value in asked.pairs if name not in _IN_DIALOG and not name.startswith(OPTION)]
    return visit.show(
        "accounts_filters.html",
        asked=asked,
        given=_given(asked.filter),
        options=options,
        currencies=currencies,
        kept=kept,
        amounts={typed: _typed(visit, getattr(asked.filter, name)) for typed, name in _TYPED.items()},
    )


def _typed(visit: Visit, amount: Decimal | None) -> str:
    return "" if amount is None else f"{amount:f}".replace(".", get_decimal_symbol(visit.language.locale))


PAGES: Sequence[Page] = (
    Page(LIST, show_list),
    Page(f"{LIST}/filters", show_filters),
    Page(f"{LIST}/sums", show_sums),
    *chooser.PAGES,
    *saved.PAGES,
    *exporting.PAGES,
    *bulk.PAGES,
)
