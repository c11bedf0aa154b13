"""What the address of the list asks for: which accounts, in which order, which page of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from sync.accounts.lists.filtering import Filter
from sync.accounts.lists.orders import Order
from sync.web.pages.asking import filter_of, query_of
from sync.web.pages.listing.columns import ListColumn

LIST = "/accounts"
PAGE_SIZE = 50
DEFAULT_ORDER = Order("won_value", descending=True)

_MOST_PAGES = 1_000_000


@dataclass(frozen=True, slots=True)
class Asked:
    """A list: the filter, the order, and the number of its page, from 1 on."""

    filter: Filter
    order: Order = DEFAULT_ORDER
    page: int = 1

    @property
    def offset(self) -> int:
        """How many accounts come before those of this page."""
        return (self.page - 1) * PAGE_SIZE

    @property
    def pairs(self) -> Sequence[tuple[str, str]]:
        """The filter and the order as they stand in an address, without the page."""
        return [*query_of(self.filter), *self._sort()]

    def _sort(self) -> Sequence[tuple[str, str]]:
        return [] if self.order == DEFAULT_ORDER else [("sort", sort_text(self.order))]

    @property
    def query(self) -> str:
        """The query of the address, without the page."""
        return urlencode(self.pairs)

    def address(self, path: str = LIST) -> str:
        """The address of this list."""
        pairs = [*self.pairs, *([("page", str(self.page))] if self.page > 1 else [])]
        return f"{path}?{urlencode(pairs)}" if pairs else path

    def turned_to(self, page: int) -> "Asked":
        """Another page of the same list."""
        return replace(self, page=page)

    def sorted_by(self, column: str) -> "Asked":
        """The same accounts in the order of a column; the other way round where they are in it already."""
        is_same = self.order.column == column
        return replace(self, order=Order(column, not self.order.descending if is_same else False), page=1)

    def without(self, pair: tuple[str, str]) -> "Asked":
        """The list without one of its conditions."""
        return replace(self, filter=filter_of(one for one in query_of(self.filter) if one != pair), page=1)


def asked_of(query: QueryParams, columns: Mapping[str, ListColumn]) -> Asked:
    """What an address asks for; what means nothing does not count."""
    return Asked(filter_of(query.multi_items()), _order(query.get("sort", ""), columns), _page(query.get("page", "")))


def sort_text(order: Order) -> str:
    """An order as it stands in an address: the column's name, with a minus in front for the other way round."""
    return f"{'-' if order.descending else ''}{order.column}"


def _order(text: str, columns: Mapping[str, ListColumn]) -> Order:
    column = columns.get(text.removeprefix("-"))
    return Order(column.name, text.startswith("-")) if column else DEFAULT_ORDER


def _page(text: str) -> int:
    return min(max(int(text), 1), _MOST_PAGES) if text.isascii() and text.isdigit() and len(text) < 10 else 1
