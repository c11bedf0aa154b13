"""The bar with which the board and the overview of contacts are narrowed down: search, owners, labels, state.

What else an address asks for holds too, and shows as a chip.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from sync.accounts.lists.filtering import Filter, Status
from sync.web.pages.asking import query_of
from sync.web.pages.fields.view import view_of
from sync.web.pages.listing.asked import LIST, Asked
from sync.web.pages.narrowing import Chip, Group, chips, groups
from sync.web.pages.visit import Visit

_IN_BAR = ("q", "owner", "label", "status")


@dataclass(frozen=True, slots=True)
class Bar:
    """What the bar shows: its choices, what of them holds, and the conditions that it has no choice for."""

    path: str
    search: str
    groups: Sequence[Group]
    given: Mapping[str, Sequence[str]]
    statuses: Sequence[tuple[str, str]]
    kept: Sequence[tuple[str, str]]
    chips: Sequence[Chip]
    as_list: str  # the address of the same accounts as a list
    is_blank: bool


def bar_of(visit: Visit, connection: Any, wanted: Filter, path: str) -> Bar:
    """The bar of a page at `path`."""
    view, pairs, say = view_of(visit, connection), query_of(wanted), visit.say
    given: dict[str, list[str]] = {}
    for name, value in pairs:
        given.setdefault(name, []).append(value)
    return Bar(
        path=path,
        search=wanted.search,
        groups=[one for one in groups(visit, view) if one.name in _IN_BAR],
        given=given,
        statuses=[("", say("Active")), (Status.FORMER, say("Former")), (Status.ALL, say("Former and active"))],
        kept=[pair for pair in pairs if pair[0] not in _IN_BAR],
        chips=[Chip(one.text, path + one.without.removeprefix(LIST)) for one in chips(visit, view, Asked(wanted))],
        as_list=address(LIST, wanted),
        is_blank=wanted == Filter(),
    )


def address(path: str, wanted: Filter) -> str:
    """The address of a page with these accounts."""
    pairs = query_of(wanted)
    return f"{path}?{urlencode(pairs)}" if pairs else path
