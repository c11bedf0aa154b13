"""One call of the API: whose company it is about, who asks, and how a body is read and an answer written.

Operations are plain functions: they are called off the event loop, and what they return is made into JSON there.
"""

import inspect
import json
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, partial, wraps
from typing import Annotated, Any

import orjson
from fastapi import Depends
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from sync.accounts.fields import Fields
from sync.accounts.lists.calendar import Calendar
from sync.accounts.queries import accounts_built
from sync.errors import SyncError
from sync.store.database import Database
from sync.web.access.viewer import How, Viewer, editor, viewer_of
from sync.web.background import in_background
from sync.web.pages.site import Site

MOST_BYTES = 256 * 1024  # of a body


class NothingCopied(SyncError):
    """There are no accounts yet: the first copy from Pipedrive is not complete."""

    def __init__(self) -> None:
        super().__init__(
            "The accounts are not built yet: the first copy from Pipedrive is under way, or has not begun.",
            "`GET /api/v1/status` tells how far it is.",
        )


@dataclass(frozen=True)
class Call:
    """One call. Days are those of UTC, weeks begin on Monday."""

    site: Site
    viewer: Viewer
    now: datetime

    @property
    def database(self) -> Database:
        return self.site.database

    @property
    def calendar(self) -> Calendar:
        return Calendar(self.now, UTC)

    @cached_property
    def company_id(self) -> int:
        """The company whose accounts are asked for. Raises `NothingCopied`, `DatabaseError`."""
        company_id = self.site.company()
        if company_id is not None:
            with self.database.reading() as connection:
                if accounts_built(connection, company_id):
                    return company_id
        raise NothingCopied

    @property
    def hand(self) -> str:
        """Under what name changes are noted."""
        return "api" if self.viewer.how is How.LOCAL else self.viewer.name

    @property
    def fields(self) -> Fields:
        """The editable fields of the company's accounts."""
        return self.site.reference.of(self.company_id).fields(self.site.settings)


async def _call(request: Request) -> Call:
    site: Site = request.app.state.site
    return Call(site, viewer_of(request.scope), site.clock.now())


async def _editing(request: Request) -> Call:
    editor(request)
    return await _call(request)


Reading = Annotated[Call, Depends(_call)]
Editing = Annotated[Call, Depends(_editing)]


@dataclass(frozen=True, slots=True)
class Answer:
    """What an operation answers, where there is more to say than a document with status 200."""

    document: BaseModel | None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class Operation(APIRoute):
    """A function of the API: it runs off the event loop, and takes no body that is large or not quite JSON."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint if inspect.iscoroutinefunction(endpoint) else _off_loop(endpoint), **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_strictly(request: Request) -> Response:
            return await handle(_StrictRequest(request.scope, request.receive))

        return handle_strictly


def _off_loop(function: Callable[..., Any]) -> Callable[..., Coroutine[Any, Any, Response]]:
    @wraps(function)
    async def call(*arguments: Any, **named: Any) -> Response:
        return await in_background(partial(_respond, partial(function, *arguments, **named)))

    return call


def _respond(function: Callable[[], Any]) -> Response:
    made = function()
    answer = made if isinstance(made, Answer) else Answer(made)
    if answer.document is None:
        return Response(None, answer.status, dict(answer.headers))
    return Response(encode(answer.document), answer.status, dict(answer.headers), "application/json")


def encode(document: BaseModel) -> bytes:
    """A document as JSON; times in RFC 3339."""
    plain = document.model_dump()
    try:
        return orjson.dumps(plain, option=orjson.OPT_UTC_Z)
    except TypeError:  # integers beyond 64 bits and lone surrogates are JSON, though not orjson's
        return json.dumps(plain, default=_text).encode()


def _text(value: Any) -> str:
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else str(value)


class _StrictRequest(Request):
    """A request whose body may not be large, and is JSON as the standard has it: no NaN, no half characters."""

    async def body(self) -> bytes:
        if not hasattr(self, "_body"):
            pieces, size = [], 0
            async for piece in self.stream():
                size += len(piece)
                if size > MOST_BYTES:
                    raise HTTPException(413, f"The body is larger than {MOST_BYTES // 1024} KB.")
                pieces.append(piece)
            self._body = b"".join(pieces)
        return self._body

    async def json(self) -> Any:
        return orjson.loads(await self.body())
