"""How a request that can't be answered is answered: a page for people, a problem document for programs (RFC 9457).

Programs are those that ask for `/api/`; whoever delivers webhooks or asks for health gets one line of JSON.
"""

from collections.abc import Callable, Collection, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

import orjson
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Scope

from sync.accounts.lists.calendar import Calendar
from sync.errors import SyncError
from sync.store.errors import DatabaseBusy, DatabaseError
from sync.web.access.headers import HEADERS
from sync.web.pages.site import Site
from sync.web.pages.told import told
from sync.web.pages.visit import language_of, render
from sync.web.words import message

API = "/api/"

_WORDS: Mapping[int, str] = MappingProxyType(
    {
        404: message("There is nothing at this address."),
        405: message("This address does not take that method."),
        413: message("That is too large."),
    }
)

_log = structlog.get_logger(__name__)


class Refusals:
    """Answers in place of those that can't be given. `terse` are the paths that machines alone ask for."""

    def __init__(self, site: Site | None, terse: Collection[str]) -> None:
        self._terse = terse
        self._site = site

    def handlers(self) -> Mapping[Any, Callable[..., Any]]:
        """By exception, what answers in its stead."""
        return {HTTPException: self._refused, SyncError: self._known, Exception: self._failed}

    def answer(
        self, request: Request, status: int, words: str, remedy: str = "", headers: Mapping[str, str] | None = None
    ) -> Response:
        """An answer that says what is wrong, in the form that whoever asks can use."""
        path = request.url.path
        if path.startswith(API):
            return problem(status, words, remedy, headers)
        if self._site is None or path in self._terse:
            return Response(orjson.dumps({"error": words}), status, headers, "application/json")
        return self._page(request, status, words, remedy, headers)

    def refuse(self, scope: Scope, status: int, words: str) -> Response:
        """What the doorkeeper answers to those who may not pass."""
        return self.answer(Request(scope), status, words)

    def render(
        self,
        request: Request,
        template: str,
        context: Mapping[str, Any],
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """A page that belongs to no company."""
        assert self._site is not None
        language = language_of(request)
        calendar = Calendar(self._site.clock.now(), language.zone, language.week_start)
        viewer = request.scope.get("state", {}).get("viewer")
        return HTMLResponse(render(request, viewer, language, calendar, template, context), status, headers)

    def _page(
        self, request: Request, status: int, words: str, remedy: str, headers: Mapping[str, str] | None
    ) -> Response:
        language = language_of(request)
        title = language.say(_TITLES.get(status) or message("That did not work"))
        said = {"title": title, "words": told(language, language.say(words)), "remedy": told(language, remedy)}
        return self.render(request, "error.html", said, status, headers)

    async def _refused(self, request: Request, error: HTTPException) -> Response:
        words = error.detail
        if words == HTTPStatus(error.status_code).phrase:  # that is, none of ours
            words = _WORDS.get(error.status_code, words)
        return self.answer(request, error.status_code, words, headers=error.headers)

    async def _known(self, request: Request, error: SyncError) -> Response:
        status = 503 if isinstance(error, DatabaseError) else 422
        headers = {"Retry-After": "2"} if isinstance(error, DatabaseBusy) else None
        if status == 503:
            _log.warning("page_failed", path=request.url.path, error=error.message)
        return self.answer(request, status, error.message, error.remedy, headers)

    async def _failed(self, request: Request, _cause: Exception) -> Response:
        # Outside of what puts the headers on every other answer.
        return self.answer(request, 500, message("Internal error: the log of the service tells more."), headers=HEADERS)


_TITLES: Mapping[int, str] = MappingProxyType(
    {
        403: message("That is not allowed"),
        404: message("There is nothing here"),
        422: message("That can’t be done"),
        500: message("Something is wrong with the service"),
        503: message("The service can’t answer right now"),
    }
)


def problem(
    status: int, words: str, remedy: str = "", headers: Mapping[str, str] | None = None, **more: Any
) -> Response:
    """A problem document."""
    document = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": words}
    document |= {"remedy": remedy} if remedy else {}
    return Response(orjson.dumps(document | more), status, dict(headers or {}), "application/problem+json")
