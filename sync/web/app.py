"""The web application: everything that is served, put together. Where it listens is `server`'s business."""

from collections.abc import Mapping
from types import MappingProxyType

import orjson
from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sync.clock import Clock
from sync.settings import Settings
from sync.store.database import Database
from sync.web.companies import Companies
from sync.web.credentials import Credentials
from sync.web.health import Check, Health, health_routes
from sync.web.intake import Intake
from sync.web.metrics import Metrics, metrics_routes
from sync.web.receiver import Receiver, receiver_routes

_HEADERS: Mapping[str, str] = MappingProxyType({"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"})
_NO_CHECKS: Mapping[str, Check] = MappingProxyType({})
_WORDS: Mapping[int, str] = MappingProxyType(
    {404: "there is nothing at this address", 405: "this address does not take that method"}
)


def create_app(
    settings: Settings, database: Database, clock: Clock, intake: Intake, checks: Mapping[str, Check] = _NO_CHECKS
) -> FastAPI:
    """The application. `checks` are asked for `/readyz`, besides the database's own."""
    app = FastAPI(
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        exception_handlers={HTTPException: _refused, Exception: _failed},
    )
    receiver = Receiver(Credentials(settings, database, clock), Companies(settings, database, clock), intake, clock)
    app.router.routes += receiver_routes(receiver, settings.webhook_public_url)
    app.router.routes += health_routes(Health(database, checks))
    app.router.routes += metrics_routes(Metrics(database, clock))
    app.add_middleware(_SecurityHeaders)
    return app


class _SecurityHeaders:
    """Puts the headers that every answer carries."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _error(error.status_code, _WORDS.get(error.status_code, error.detail), error.headers or {})


async def _failed(_request: Request, _cause: Exception) -> Response:
    return _error(500, "internal error", _HEADERS)  # outside of what puts them on every other answer


def _error(status: int, words: str, headers: Mapping[str, str]) -> Response:
    return Response(orjson.dumps({"error": words}), status, headers, "application/json")
