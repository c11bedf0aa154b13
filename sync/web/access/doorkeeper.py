"""Stands before the pages and the API: by which name, from where, and by whom a request is made.

Whoever is let in is at `scope["state"]["viewer"]`. What machines ask for (webhooks, health, metrics, static files) goes
past the doorkeeper; everything else is refused unless it may pass.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from urllib.parse import quote, urlsplit

import orjson
import structlog
from starlette.datastructures import FormData, Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request, cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sync.clock import Clock
from sync.errors import SyncError
from sync.settings import Settings
from sync.store.database import Database
from sync.store.passwords import new_token
from sync.web.access import cookies, csrf
from sync.web.access.finding import Found, Viewers, bearer
from sync.web.access.hosts import Hosts
from sync.web.access.seen import Seen, plain_origin, seen
from sync.web.access.viewer import How
from sync.web.background import in_background
from sync.web.words import message

API = "/api/"
SIGN_IN, SIGN_OUT = "/login", "/logout"

# Gives the answer to a request that is refused, from the status and words for a person.
Refuse = Callable[[Scope, int, str], Response]

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_MAKE_A_LOGIN = message(
    "Nobody can sign in yet. On the machine that runs the service, `pipedrive-sync users add NAME` makes a login; then "
    "reload this page."
)
_ASK_THE_PROXY = message(
    "This page is reached through the proxy that signs people in, and this request did not come from it."
)
_TOO_OLD = message(
    "This page was open for too long, or its cookies are blocked: reload it and try again. Nothing was changed."
)

_log = structlog.get_logger(__name__)


class Refused(Exception):
    """A request that may not pass."""

    def __init__(self, status: int, words: str, headers: Mapping[str, str] = _NO_HEADERS) -> None:
        super().__init__(words)
        self.status = status
        self.words = words
        self.headers = headers


class SignInFirst(Exception):
    """A request of somebody who can say who he is, on another page."""


@dataclass
class Door:
    """What a request has brought along: at `scope["state"]["door"]`."""

    seen: Seen
    session: str | None  # the token in the cookie, of a session or of none
    csrf_secret: str  # what tokens of forms are made from
    csrf_cookie: str | None = None  # to be set, if a form was made
    made_form: bool = field(default=False)


def refuse_plainly(scope: Scope, status: int, words: str) -> Response:
    """A refusal without any page around it."""
    if scope["path"].startswith(API):
        document = {"type": "about:blank", "title": words, "status": status, "detail": words}
        return Response(orjson.dumps(document), status, media_type="application/problem+json")
    return PlainTextResponse(words + "\n", status)


class Access:
    """ASGI middleware that lets pass who may pass.

    `is_open` says of a path that it is for everybody, and checks nothing there. `is_own` says of a path that what is
    posted there changes nothing but the visitor's own preferences, so that viewers may.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        database: Database,
        clock: Clock,
        *,
        is_open: Callable[[str], bool],
        is_own: Callable[[str], bool] = lambda path: False,
        refuse: Refuse = refuse_plainly,
    ) -> None:
        self._app = app
        self._settings = settings
        self._hosts = Hosts(settings)
        self._viewers = Viewers(settings, database, clock)
        self._is_open = is_open
        self._is_own = is_own
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or (scope["type"] == "http" and self._is_open(scope["path"])):
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)
        else:  # a web socket: there are none here
            await send({"type": "websocket.close", "code": 1008})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        door = _door(scope, self._settings)
        scope.setdefault("state", {})["door"] = door
        sending = _with_cookie(door, send)
        try:
            found = await self._let_in(scope, door)
        except SignInFirst:
            await RedirectResponse(_sign_in_address(scope, door), 303)(scope, receive, sending)
        except Refused as refused:
            response = self._refuse(scope, refused.status, refused.words)
            response.headers.update(refused.headers)
            await response(scope, receive, sending)
        else:
            await self._app(scope, receive, sending)
            await _note(found)

    async def _let_in(self, scope: Scope, door: Door) -> Found:
        """Who makes this request. Raises `Refused`, `SignInFirst`."""
        headers = Headers(scope=scope)
        self._require_our_name(door.seen)
        is_safe = scope["method"] in csrf.SAFE_METHODS
        if not is_safe and not csrf.is_from_us(headers, door.seen.origin, bearer=bearer(headers) is not None):
            raise Refused(403, message("This request comes from a page of somebody else's, and was not carried out."))
        found = await self._find(headers, door)
        self._require_viewer(scope, headers, found)
        if found.viewer is not None:
            scope["state"]["viewer"] = found.viewer
            if not is_safe and not found.viewer.can_edit and not self._viewers_may(scope["path"]):
                raise Refused(403, message("You may look, but not change anything: you are signed in as a viewer."))
            if found.viewer.how is How.SESSION and door.session:
                door.csrf_secret, door.csrf_cookie = door.session, None
        return found

    def _require_our_name(self, seen: Seen) -> None:
        if not self._hosts.know(seen):
            raise Refused(
                421,
                message(
                    "This is not a name that the page is known by. If it is yours, add it to `hosts` in the section "
                    "[web] of the settings (SYNC_WEB__HOSTS)."
                ),
            )

    async def _find(self, headers: Headers, door: Door) -> Found:
        try:
            return await in_background(partial(self._viewers.find, headers, door.seen, door.session))
        except SyncError as error:
            _log.warning("viewer_not_found", error=error.message)
            words = message("The database can't be asked who you are right now: try again in a moment.")
            raise Refused(503, words, {"Retry-After": "5"}) from None

    def _require_viewer(self, scope: Scope, headers: Headers, found: Found) -> None:
        """Refuse whoever needs to be known and is not."""
        if found.viewer is not None:
            return
        if bearer(headers) is not None:
            raise _unauthorized(
                message("The token is not valid: `pipedrive-sync tokens list` tells which ones there are.")
            )
        if not found.can_sign_in:
            raise Refused(403, _ASK_THE_PROXY if self._settings.web.proxy_network else _MAKE_A_LOGIN)
        if scope["path"] in (SIGN_IN, SIGN_OUT):
            return
        if scope["path"].startswith(API):
            raise _unauthorized("Sign in, or send a token (Authorization: Bearer …).")
        if headers.get("sec-fetch-mode", "navigate") != "navigate":  # a script, for which a form is no answer
            raise Refused(401, message("You are signed out: reload the page to sign in again."))
        raise SignInFirst

    def _viewers_may(self, path: str) -> bool:
        return path in (SIGN_IN, SIGN_OUT) or self._is_own(path)


def csrf_token(scope: Scope) -> str:
    """What every form carries in its field `csrf`, and scripts send as `X-CSRF-Token`."""
    door = _door_of(scope)
    if door is None:
        return ""
    door.made_form = True
    return csrf.token_for(door.csrf_secret)


async def check_csrf(request: Request, form: FormData | None = None) -> None:
    """Raise `HTTPException` unless a request carries the token of forms. Programs that give a token need none."""
    viewer = request.scope.get("state", {}).get("viewer")
    if viewer is not None and viewer.how is How.TOKEN:
        return
    door = _door_of(request.scope)
    given = request.headers.get(csrf.HEADER) or (form.get(csrf.FIELD) if form is not None else None)
    if door is None or not csrf.is_token(given, door.csrf_secret):
        raise HTTPException(403, _TOO_OLD)


async def csrf_checked(request: Request) -> AsyncIterator[None]:
    """Let nobody pass whose form carries no token of ours: a dependency of routes."""
    if csrf.HEADER in request.headers:
        await check_csrf(request)
        yield
        return
    async with request.form() as form:
        await check_csrf(request, form)
        yield


def local_path(wanted: str, otherwise: str = "/") -> str:
    """A path on this site, as somebody wants it; else another one. It may have a query."""
    is_ours = wanted.startswith("/") and not wanted.startswith("//") and "\\" not in wanted and wanted.isprintable()
    return wanted if is_ours and wanted.partition("?")[0] not in (SIGN_IN, SIGN_OUT) else otherwise


def door_of(request: Request) -> Door:
    """What a request has brought along."""
    door = _door_of(request.scope)
    assert door is not None, "the route is not behind the doorkeeper"
    return door


def _door_of(scope: Scope) -> Door | None:
    door = scope.get("state", {}).get("door")
    return door if isinstance(door, Door) else None


def _door(scope: Scope, settings: Settings) -> Door:
    looks = seen(scope, settings)
    given = cookie_parser(Headers(scope=scope).get("cookie", ""))
    session = given.get(cookies.name(cookies.SESSION, looks))
    secret = given.get(cookies.name(cookies.CSRF, looks), "")
    if csrf.is_secret(secret):
        return Door(looks, session, secret)
    secret = new_token()
    return Door(looks, session, secret, csrf_cookie=cookies.bake(cookies.CSRF, secret, looks))


def _with_cookie(door: Door, send: Send) -> Send:
    """Sends the cookie along that the tokens of forms are made from, with the first answer that has a form in it."""

    async def send_with_cookie(message: Message) -> None:
        if message["type"] == "http.response.start" and door.made_form and door.csrf_cookie:
            MutableHeaders(scope=message).append("set-cookie", door.csrf_cookie)
        await send(message)

    return send_with_cookie


def _sign_in_address(scope: Scope, door: Door) -> str:
    """Where to sign in; from there it goes on where somebody wanted to go, or where he had a form before him."""
    if scope["method"] in csrf.SAFE_METHODS:
        wanted = scope["path"] + _query(scope["query_string"].decode("latin-1"))
    else:
        referer = urlsplit(Headers(scope=scope).get("referer", ""))
        is_ours = plain_origin(f"{referer.scheme}://{referer.netloc}") == door.seen.origin
        wanted = referer.path + _query(referer.query) if is_ours else ""
    wanted = local_path(wanted)
    return SIGN_IN if wanted == "/" else f"{SIGN_IN}?next={quote(wanted, safe='/')}"


def _query(text: str) -> str:
    return f"?{text}" if text else ""


def _unauthorized(words: str) -> Refused:
    return Refused(401, words, {"WWW-Authenticate": 'Bearer realm="pipedrive-sync"'})


async def _note(found: Found) -> None:
    """Note that somebody was here. He has his answer: nobody waits for it, and it may fail."""
    if found.note is None:
        return
    try:
        await in_background(found.note)
    except (SyncError, asyncio.CancelledError) as error:
        _log.debug("visit_not_noted", error=type(error).__name__)
