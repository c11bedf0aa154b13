"""The webhook receiver: `POST /webhooks/pipedrive` checks a delivery, has its event stored, and answers.

Pipedrive API: a 2xx within 10 seconds is a success; anything else is delivered again after 3, 30 and 150 seconds, and
ten events whose first delivery failed get the webhook banned for half an hour. So a 2xx is given once the event is
committed, and to events that nobody needs. What an event means is decided when it is applied.
"""

import asyncio
from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote, urlsplit

import orjson
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from sync.clock import Clock
from sync.errors import SyncError
from sync.mirror.subscriptions import RECEIVER_PATH
from sync.pipedrive.entities import BY_EVENT
from sync.pipedrive.envelope import parse
from sync.pipedrive.events import Event, Malformed, read_event
from sync.store.database import encode_json
from sync.store.inbox import Received
from sync.telemetry.metrics import DELIVERIES
from sync.web.webhooks.companies import Companies
from sync.web.webhooks.credentials import Credentials
from sync.web.webhooks.intake import Intake

LARGEST = 10 * 2**20  # bytes of a body
PATIENCE = 9.0  # seconds; Pipedrive API: after 10 nobody waits for the answer

_log = structlog.get_logger(__name__)


class Outcome(StrEnum):
    """What became of a delivery."""

    STORED = "stored"
    REPEATED = "repeated"
    IGNORED = "ignored"
    UNAUTHORIZED = "unauthorized"
    WRONG_TYPE = "wrong_type"
    TOO_LARGE = "too_large"
    NOT_JSON = "not_json"
    MALFORMED = "malformed"
    UNKNOWN_COMPANY = "unknown_company"
    BROKEN_OFF = "broken_off"
    UNAVAILABLE = "unavailable"


_STATUS: Mapping[Outcome, int] = MappingProxyType(
    {
        Outcome.STORED: 200,
        Outcome.REPEATED: 200,
        Outcome.IGNORED: 200,
        Outcome.UNAUTHORIZED: 401,
        Outcome.WRONG_TYPE: 415,
        Outcome.TOO_LARGE: 413,
        Outcome.NOT_JSON: 400,
        Outcome.MALFORMED: 400,
        Outcome.UNKNOWN_COMPANY: 404,
        Outcome.BROKEN_OFF: 400,  # which nobody sees
        Outcome.UNAVAILABLE: 503,
    }
)
_COUNTS = {outcome: DELIVERIES.labels(outcome) for outcome in Outcome}  # each is told from the start, as 0
_HEADERS: Mapping[Outcome, Mapping[str, str]] = MappingProxyType(
    {
        Outcome.UNAUTHORIZED: {"WWW-Authenticate": 'Basic realm="pipedrive-sync", charset="UTF-8"'},
        Outcome.UNAVAILABLE: {"Retry-After": "3"},
    }
)


class Refused(Exception):
    """A delivery that is not taken; `words` say why, without anything that was in it."""

    def __init__(self, outcome: Outcome, words: str) -> None:
        super().__init__(words)
        self.outcome = outcome
        self.words = words


class Receiver:
    """Takes deliveries."""

    def __init__(self, credentials: Credentials, companies: Companies, intake: Intake, clock: Clock) -> None:
        self._credentials = credentials
        self._companies = companies
        self._intake = intake
        self._clock = clock

    async def receive(self, request: Request) -> Response:
        """Answer one delivery."""
        try:
            async with asyncio.timeout(PATIENCE):
                outcome = await self._take(request)
        # A server that ends cancels what takes too long: the answer is that it has to come again, too.
        except (Exception, asyncio.CancelledError) as error:
            refused = _refusal(error)
            return _answer(refused.outcome, {"error": refused.words})
        return _answer(outcome, {"status": outcome})

    async def _take(self, request: Request) -> Outcome:
        if not await self._credentials.fit(request.headers.get("authorization", "")):
            raise Refused(Outcome.UNAUTHORIZED, "the user name or the password is missing or wrong")
        if not _is_json(request.headers.get("content-type", "")):
            raise Refused(Outcome.WRONG_TYPE, "the content type is not application/json")
        raw = await _body_of(request)
        body, event = _read(raw)
        privacy = await self._companies.privacy_of(event.company_id)
        if privacy is None:
            words = f"company {event.company_id} is not mirrored here: `pipedrive-sync backfill` begins with it"
            raise Refused(Outcome.UNKNOWN_COMPANY, words)
        entity = BY_EVENT.get(event.entity)
        if entity is None or not privacy.keeps(entity):
            return Outcome.IGNORED
        shown = privacy.strip(entity, body)
        payload = _as_it_came(raw) if shown is body else None
        received = Received(event, payload or _encoded(shown), self._clock.now())
        is_new = await asyncio.wrap_future(self._intake.submit(received))
        return Outcome.STORED if is_new else Outcome.REPEATED


def receiver_routes(receiver: Receiver, public_url: str | None) -> Sequence[Route]:
    """Where deliveries come: with and without the path of the public address, which a proxy may strip or keep."""
    prefix = unquote(urlsplit(public_url or "").path).rstrip("/")
    paths = dict.fromkeys((RECEIVER_PATH, prefix + RECEIVER_PATH))
    return [Route(path, receiver.receive, methods=["POST"]) for path in paths]


def _is_json(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() == "application/json"


async def _body_of(request: Request) -> bytes:
    """The body, of which no more is read than is allowed."""
    too_large = Refused(Outcome.TOO_LARGE, f"the body is larger than {LARGEST:,} bytes")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > LARGEST:
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST:
            raise too_large
    return bytes(body)


def _read(raw: bytes) -> tuple[Mapping[str, Any], Event]:
    try:
        body = parse(raw)
    except ValueError:
        raise Refused(Outcome.NOT_JSON, "the body is not JSON") from None
    try:
        return body, read_event(body)
    except Malformed as error:
        raise Refused(Outcome.MALFORMED, str(error)) from None


def _as_it_came(raw: bytes) -> str | None:
    """The text of a body, unless a database could not hold it or a reader would stumble over it."""
    text = raw.decode("utf-8", "replace")
    return None if any(odd in text for odd in ("\0", "\ufeff", "\ufffd")) else text


def _encoded(body: Mapping[str, Any]) -> str:
    try:
        return encode_json(body)
    except RecursionError:
        raise Refused(Outcome.MALFORMED, "the body is nested too deeply") from None


def _refusal(error: BaseException) -> Refused:
    """What a failure comes to; it is logged, without anything that was delivered."""
    if isinstance(error, ClientDisconnect):
        error = Refused(Outcome.BROKEN_OFF, "the delivery broke off")
    if isinstance(error, Refused):
        _log.warning("delivery_refused", outcome=error.outcome.value, reason=error.words)
        return error
    # A driver's own words may repeat what was to be stored.
    in_our_words = isinstance(error, SyncError) and error.__cause__ is None
    _log.error("delivery_failed", error=str(error) if in_our_words else type(error).__name__, exc_info=error)
    return Refused(Outcome.UNAVAILABLE, "the event can't be stored now: deliver it again")


def _answer(outcome: Outcome, document: Mapping[str, str]) -> Response:
    _COUNTS[outcome].inc()
    return Response(orjson.dumps(document), _STATUS[outcome], _HEADERS.get(outcome), "application/json")
