"""Requests and responses as plain values, and the error answers Pipedrive gives.

Nothing here opens a socket: the HTTP server and any in-process transport translate to and from these values.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

import orjson

JSON_TYPE = "application/json; charset=utf-8"


class Delivery(Enum):
    """What becomes of an answer on its way."""

    WHOLE = auto()
    TRUNCATED = auto()
    """Half of the body, then the connection is closed."""
    RESET = auto()
    """No answer at all: the connection is reset."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request; header names in lower case, the query decoded."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP answer, and how it is delivered."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    delivery: Delivery = Delivery.WHOLE

    def json(self) -> Any:
        """The decoded body. Raises ValueError when it is not JSON."""
        return orjson.loads(self.body)


class ApiError(Exception):
    """An error answer: raised anywhere while a request is handled."""

    def __init__(self, status: int, message: str, **extra: Any) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.extra = extra


def bad_request(message: str) -> ApiError:
    """400 in the words of API v2's validation."""
    return ApiError(400, f"Validation failed: {message}", code="ERR_SCHEMA_VALIDATION_FAILED")


def not_found(what: str) -> ApiError:
    """404 for a record that is not there, deleted, or not visible."""
    return ApiError(404, f"{what} not found", code="ERR_NOT_FOUND")


ERROR_TEXTS: Mapping[int, str] = {
    400: "Bad request",
    401: "unauthorized access",
    402: "Company account is not open (possible reason: trial expired, payment details not entered)",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    410: "Resource is no longer available",
    415: "Feature not enabled for this company",
    422: "Webhooks limit reached",
    429: "request over limit",
    500: "Generic server error",
    501: "Non-existent functionality",
    502: "Bad gateway",
    503: "Service is temporarily unavailable",
    504: "Gateway timeout",
}

CLOUDFLARE_PAGE = b"""<!DOCTYPE html>
<html lang="en-US"><head><title>Attention Required! | Cloudflare</title></head>
<body><h1>Sorry, you have been blocked</h1><p>You are unable to access pipedrive.com</p>
<p>Error code: 1015. You are being rate limited.</p></body></html>
"""


def json_response(status: int, body: bytes | Any, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer; `body` may be encoded already."""
    encoded = body if isinstance(body, bytes) else orjson.dumps(body)
    return Response(status, {"content-type": JSON_TYPE, **(headers or {})}, encoded)


def error_response(status: int, message: str | None = None, **extra: Any) -> Response:
    """An error envelope. `error_info` and `errorCode` come and go, as they do at Pipedrive."""
    body: dict[str, Any] = {"success": False, "error": message or ERROR_TEXTS.get(status, "Unknown error")}
    if status in (401, 429):
        body["errorCode"] = status
    if status in (400, 401, 403, 500):
        body["error_info"] = "Please check developers.pipedrive.com for more information about Pipedrive API."
    return json_response(status, body | extra)


def blocked_response() -> Response:
    """Cloudflare's page for a client that ignored too many 429s: HTML, not JSON."""
    return Response(403, {"content-type": "text/html; charset=UTF-8", "server": "cloudflare"}, CLOUDFLARE_PAGE)
