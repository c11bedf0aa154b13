"""The addresses of the pages, and how a request becomes a `Visit` and an answer, off the event loop."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from sync.accounts.lists.calendar import Calendar
from sync.errors import SyncError
from sync.web.access.doorkeeper import check_csrf
from sync.web.access.viewer import viewer_of
from sync.web.background import in_background
from sync.web.pages import starting
from sync.web.pages.site import Site
from sync.web.pages.told import told_error
from sync.web.pages.visit import Visit, language_of
from sync.web.words import message

_LARGEST = 4 * 2**20  # bytes of a form
_MOST_FIELDS = 20_000  # of a form: every account of a large selection is one


@dataclass(frozen=True, slots=True)
class Page:
    """An address and what answers there. `changes`: it is posted to, by editors or by all; the others are read."""

    path: str
    answer: Callable[[Visit], Response]
    changes: bool = False
    by_viewers: bool = False
    needs_accounts: bool = True  # else it is there before the first copy is complete, too


def page_routes(site: Site, pages: Iterable[Page]) -> Sequence[BaseRoute]:
    """The routes of some pages."""
    return [Route(page.path, _endpoint(site, page), methods=["POST" if page.changes else "GET"]) for page in pages]


def is_own(pages: Iterable[Page]) -> Callable[[str], bool]:
    """Says of a path whether what is posted there is a visitor's own affair, so that viewers may."""
    own = frozenset(page.path for page in pages if page.by_viewers)
    return lambda path: path in own


def _endpoint(site: Site, page: Page) -> Callable[[Request], object]:
    async def endpoint(request: Request) -> Response:
        if not page.changes:
            return await in_background(partial(_answer, site, page, request, FormData()))
        _require_small(request)
        async with request.form(max_fields=_MOST_FIELDS) as form:
            await check_csrf(request, form)
            return await in_background(partial(_answer, site, page, request, form))

    return endpoint


def _require_small(request: Request) -> None:
    """Raise `HTTPException` for a form that is larger than any of ours, or does not say how large it is."""
    declared = request.headers.get("content-length", "")
    if not declared.isdecimal() or int(declared) > _LARGEST:
        raise HTTPException(413, message("That is more than any form of this page holds."))


def _answer(site: Site, page: Page, request: Request, form: FormData) -> Response:
    viewer, language = viewer_of(request.scope), language_of(request)
    calendar = Calendar(site.clock.now(), language.zone, language.week_start)
    visit = Visit(site, request, viewer, language, calendar, site.company() or 0, form)
    if page.needs_accounts and not _has_accounts(visit):
        return starting.show(visit)
    try:
        return page.answer(visit)
    except SyncError as error:
        if not page.changes or not hasattr(error, "message"):
            raise
        return visit.back("/accounts", told_error(language, error), wrong=True)


def _has_accounts(visit: Visit) -> bool:
    return bool(visit.company_id) and visit.reference.has_accounts
