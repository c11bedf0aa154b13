"""Choosing the columns of the list and their order: a form that works by keyboard, and without JavaScript."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.responses import Response

from sync.web.pages.listing.asked import LIST
from sync.web.pages.listing.columns import CHOSEN_AT_FIRST, NAME, chosen_columns, columns_of, fitting, remember_columns
from sync.web.pages.routes import Page
from sync.web.pages.visit import Visit


@dataclass(frozen=True, slots=True)
class Candidate:
    """A column that can be chosen."""

    name: str
    title: str
    is_chosen: bool


def show_columns(visit: Visit) -> Response:
    """All columns: those that are shown first, in their order."""
    available = columns_of(visit)
    with visit.site.database.reading() as connection:
        chosen = [one.name for one in chosen_columns(connection, visit, available)]
    return _form(visit, [*chosen, *(name for name in available if name not in chosen)], frozenset(chosen))


def choose_columns(visit: Visit) -> Response:
    """Keep the columns that were chosen; or move one, and ask again."""
    order, chosen = _texts(visit, "order"), frozenset(_texts(visit, "column"))
    for name, step in (("up", -1), ("down", 1)):
        if name in visit.form:
            return _form(visit, _moved(order, str(visit.form[name]), step), chosen)
    wanted = CHOSEN_AT_FIRST if "reset" in visit.form else [name for name in order if name in chosen]
    with visit.site.database.writing() as connection:
        remember_columns(connection, visit, fitting(wanted, columns_of(visit)))
    return visit.back(LIST, visit.say("These columns are shown from now on."))


def _texts(visit: Visit, name: str) -> Sequence[str]:
    return [one for one in visit.form.getlist(name) if isinstance(one, str)]


def _moved(order: Sequence[str], name: str, step: int) -> Sequence[str]:
    """The order after one of its names went a step towards its beginning or its end."""
    moved = list(order)
    place = moved.index(name) if name in moved else -1
    if place >= 0 and 0 <= place + step < len(moved):
        moved.insert(place + step, moved.pop(place))
    return moved


def _form(visit: Visit, order: Sequence[str], chosen: frozenset[str]) -> Response:
    available = columns_of(visit)
    names = dict.fromkeys(name for name in (*order, *available) if name in available and name != NAME)
    candidates = [Candidate(name, available[name].title, name in chosen) for name in names]
    return visit.show("accounts_columns.html", candidates=candidates)


PAGES: Sequence[Page] = (
    Page(f"{LIST}/columns", show_columns),
    Page(f"{LIST}/columns", choose_columns, changes=True, by_viewers=True),
)
