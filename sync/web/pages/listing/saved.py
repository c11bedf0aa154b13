"""Lists that people come back to: saved under a name, renamed, deleted; each person's own."""

from collections.abc import Sequence
from urllib.parse import parse_qsl

from starlette.datastructures import QueryParams
from starlette.responses import Response

from sync.store.saved_filters import SavedFilter, drop_filter, load_saved_filters, rename_filter, save_filter
from sync.web.pages.listing.asked import LIST, asked_of
from sync.web.pages.listing.columns import columns_of
from sync.web.pages.routes import Page
from sync.web.pages.visit import Visit

_LONGEST = 80  # letters of a name
_MOST = 100  # lists of one person


def show_saved(visit: Visit) -> Response:
    """What somebody has saved, and a form to save the list in the address under a name."""
    return _form(visit, asked_of(visit.query, columns_of(visit)).query)


def save(visit: Visit) -> Response:
    """Save a list under a name; one that has this name already is replaced."""
    name, query = _name(visit, "name"), _known(visit, str(visit.form.get("query", "")))
    if not name:
        return _form(visit, query, visit.say("Give the list a name."))
    with visit.site.database.writing() as connection:
        held = [one.name for one in load_saved_filters(connection, visit.company_id, visit.viewer.login)]
        if name not in held and len(held) >= _MOST:
            return _form(visit, query, visit.say("There are very many lists already: delete one first."))
        saved = SavedFilter(name, query)
        save_filter(connection, visit.company_id, visit.viewer.login, saved, visit.calendar.now)
    return visit.back(f"{LIST}?{query}", visit.say("Saved: %(name)s", name=name))


def rename(visit: Visit) -> Response:
    """Give a saved list another name."""
    name, new_name = _name(visit, "name"), _name(visit, "new_name")
    if not new_name:
        return _form(visit, "", visit.say("Give the list a name."))
    with visit.site.database.writing() as connection:
        login, now = visit.viewer.login, visit.calendar.now
        renamed = rename_filter(connection, visit.company_id, login, name, new_name, now)
    return visit.back(LIST, visit.say("Renamed: %(name)s", name=new_name) if renamed else "")


def drop(visit: Visit) -> Response:
    """Forget a saved list."""
    name = _name(visit, "name")
    with visit.site.database.writing() as connection:
        dropped = drop_filter(connection, visit.company_id, visit.viewer.login, name)
    return visit.back(LIST, visit.say("Deleted: %(name)s", name=name) if dropped else "")


def _name(visit: Visit, field: str) -> str:
    text = " ".join(str(visit.form.get(field, "")).replace("\0", "").split())
    return text[:_LONGEST].encode(errors="ignore").decode()


def _known(visit: Visit, query: str) -> str:
    """What of a query means something to a list."""
    return asked_of(QueryParams(parse_qsl(query)), columns_of(visit)).query


def _form(visit: Visit, query: str, wrong: str = "") -> Response:
    with visit.site.database.reading() as connection:
        lists = load_saved_filters(connection, visit.company_id, visit.viewer.login)
    here = next((one.name for one in lists if one.query == query), "")
    return visit.show("accounts_saved.html", 422 if wrong else 200, query=query, lists=lists, here=here, wrong=wrong)


PAGES: Sequence[Page] = (
    Page(f"{LIST}/saved", show_saved),
    Page(f"{LIST}/saved", save, changes=True, by_viewers=True),
    Page(f"{LIST}/saved/rename", rename, changes=True, by_viewers=True),
    Page(f"{LIST}/saved/drop", drop, changes=True, by_viewers=True),
)
