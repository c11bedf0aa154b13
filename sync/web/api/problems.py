"""What is wrong, as problem documents (RFC 9457): from what operations raise, and from what FastAPI refuses itself."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from sync.errors import SyncError
from sync.settings import SettingsError
from sync.store.errors import DatabaseBusy, DatabaseError
from sync.web.api.calls import NothingCopied
from sync.web.errors import problem
from sync.writeback.errands import NoSuchErrand, NothingThere

_SOON = {"Retry-After": "2"}  # seconds
_MOST_ERRORS = 50  # that one document lists

_WRONG = "Some of what you sent can't be taken, so nothing was done."

_log = structlog.get_logger(__name__)


class Wrong(SyncError):
    """Fields or parameters that can't be what was sent: what is wrong with each, by name."""

    def __init__(self, wrong: Mapping[str, str]) -> None:
        super().__init__(_WRONG)
        self.wrong = wrong


def handlers() -> Mapping[Any, Callable[..., Any]]:
    """By exception, what answers in its stead."""
    return {
        HTTPException: _refused,
        RequestValidationError: _invalid,
        Wrong: _wrong,
        SyncError: _known,
        Exception: _failed,
    }


async def _refused(_request: Request, error: HTTPException) -> Response:
    words = error.detail
    if words == HTTPStatus(error.status_code).phrase:  # that is, none of ours
        words = _WORDS.get(error.status_code, words)
    return problem(error.status_code, words, headers=error.headers)


_WORDS: Mapping[int, str] = {
    404: "There is nothing at this address.",
    405: "This address does not take that method.",
}


async def _invalid(_request: Request, error: RequestValidationError) -> Response:
    found = error.errors()[:_MOST_ERRORS]
    if any(one["type"] == "json_invalid" for one in found):
        return problem(400, "The body is not valid JSON.", "Send UTF-8, without NaN and without half characters.")
    wrong = {_place(one["loc"]): str(one["msg"]) for one in found}
    if list(wrong) == ["body"]:
        return problem(422, "The body has to be a JSON object.", "Send it with Content-Type: application/json.")
    return _fields_wrong(wrong)


def _place(location: tuple[int | str, ...]) -> str:
    """The way to a field, without the word for where parameters come from."""
    return ".".join(str(one) for one in location[1:]) or str(location[0])


async def _wrong(_request: Request, error: Wrong) -> Response:
    return _fields_wrong(error.wrong)


def _fields_wrong(wrong: Mapping[str, str]) -> Response:
    errors = [{"field": name, "detail": words} for name, words in wrong.items()]
    return problem(422, _WRONG, errors=errors)


async def _known(request: Request, error: SyncError) -> Response:
    status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 422)
    if status == 503:
        _log.warning("call_failed", path=request.url.path, error=error.message)
    headers = _SOON if isinstance(error, DatabaseBusy | NothingCopied) else None
    return problem(status, error.message, error.remedy, headers)


_STATUS: Mapping[type[SyncError], int] = {
    NothingCopied: 503,
    DatabaseError: 503,
    SettingsError: 503,
    NothingThere: 404,
    NoSuchErrand: 404,
}


async def _failed(_request: Request, _cause: Exception) -> Response:
    return problem(500, "Something went wrong inside; the log of the service tells what.")
