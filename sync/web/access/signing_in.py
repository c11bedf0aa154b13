"""The page to sign in at, and signing out."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from sync.clock import Clock
from sync.store.database import Database
from sync.web.access import cookies
from sync.web.access.cookies import bake
from sync.web.access.doorkeeper import SIGN_IN, SIGN_OUT, check_csrf, door_of, local_path
from sync.web.access.passwords import Passwords, TooSoon, Wrong
from sync.web.access.viewer import How
from sync.web.words import message

TEMPLATE = "login.html"
LARGEST = 16 * 2**10  # bytes of the form

_log = structlog.get_logger(__name__)


class Render(Protocol):
    """Makes a page from a template."""

    def __call__(self, request: Request, template: str, context: Mapping[str, Any], status: int = 200) -> Response: ...


def signing_in_routes(database: Database, clock: Clock, render: Render) -> Sequence[Route]:
    """The routes, which belong behind the doorkeeper."""
    desk = Desk(Passwords(database, clock), render)
    return [
        Route(SIGN_IN, desk.ask, methods=["GET"]),
        Route(SIGN_IN, desk.sign_in, methods=["POST"]),
        Route(SIGN_OUT, desk.sign_out, methods=["POST"]),
    ]


class Desk:
    """Where people say who they are."""

    def __init__(self, passwords: Passwords, render: Render) -> None:
        self._passwords = passwords
        self._render = render

    async def ask(self, request: Request) -> Response:
        """The form, for those who are not known yet."""
        wanted = local_path(request.query_params.get("next", ""))
        if request.scope["state"].get("viewer") is not None:
            return RedirectResponse(wanted, 303)
        return self._form(request, wanted)

    async def sign_in(self, request: Request) -> Response:
        """Begin a session, and go on to where somebody wanted to go."""
        _require_small(request)
        async with request.form() as form:
            await check_csrf(request, form)
            name, password, wanted = (str(form.get(field, "")) for field in ("name", "password", "next"))
        door, wanted = door_of(request), local_path(wanted)
        done = await self._passwords.sign_in(name.strip(), password, door.seen.address, door.session)
        match done:
            case Wrong():
                _log.warning("sign_in_refused", reason="wrong", address=door.seen.address)
                return self._form(request, wanted, name, 403, problem="wrong")
            case TooSoon(seconds):
                _log.warning("sign_in_refused", reason="too_soon", address=door.seen.address)
                response = self._form(request, wanted, name, 429, problem="too_soon", seconds=seconds)
                response.headers["Retry-After"] = str(seconds)
                return response
        _log.info("signed_in", address=door.seen.address)
        return _going(wanted, bake(cookies.SESSION, done, door.seen))

    async def sign_out(self, request: Request) -> Response:
        """End the session, and ask anew who is there."""
        door, viewer = door_of(request), request.scope["state"].get("viewer")
        if viewer is not None and viewer.how is How.SESSION and door.session:
            async with request.form() as form:
                await check_csrf(request, form)
            await self._passwords.sign_out(door.session)
        return _going(SIGN_IN, cookies.remove(cookies.SESSION, door.seen))

    def _form(
        self, request: Request, wanted: str, name: str = "", status: int = 200, *, problem: str = "", seconds: int = 0
    ) -> Response:
        context = {"next": wanted, "name": name, "problem": problem, "seconds": seconds}
        return self._render(request, TEMPLATE, context, status)


def _require_small(request: Request) -> None:
    """Raise `HTTPException` unless a form says that it is small: it comes from people whom nobody knows."""
    length = request.headers.get("content-length", "")
    if not length.isdecimal() or int(length) > LARGEST:
        raise HTTPException(413, message("That is no form of ours."))


def _going(path: str, cookie: str) -> Response:
    response = RedirectResponse(path, 303)
    response.headers.append("set-cookie", cookie)
    return response
