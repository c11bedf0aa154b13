"""The one way to talk to Pipedrive: signed, limited, timed out, retried where that is safe, decoded, typed on failure.

The client owns the connections. It knows no entity and no database: callers bring the path, what the call costs in
tokens, what for, and how urgent it is. A write is never repeated blindly. No secret reaches a log, an error or a URL.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import orjson
import requests
import structlog
import tenacity

from sync import __version__
from sync.clock import Clock
from sync.pipedrive import content, envelope, retry, transport
from sync.pipedrive.auth import Auth, Credential
from sync.pipedrive.content import Content
from sync.pipedrive.errors import (
    BLOCKED,
    MALFORMED,
    NO_SUCH_HOST,
    UNREACHABLE,
    WRONG_SITE,
    BudgetSpent,
    PipedriveError,
    ReadOnly,
    Rule,
    Unauthorized,
    failure,
    route_of,
    rule_for,
    subject_of,
)
from sync.pipedrive.limits import BurstWindow, TokenBudget, asked_wait, is_daily, number_header, retry_after
from sync.telemetry.metrics import REQUESTS, TOKENS

_PATIENCE = 8.0  # seconds: a person looks at an empty page meanwhile
_HOLD = 1.0  # seconds: half a burst window, when a 429 does not say how long


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer. `began_at`: our clock when the successful attempt was sent; `server_time`: its `Date`."""

    data: Any
    additional_data: dict[str, Any]
    began_at: datetime
    server_time: datetime | None


@dataclass(slots=True)
class _Call:
    """One call through all its attempts."""

    method: str
    path: str
    params: dict[str, str] | None
    body: bytes | None
    cost: int
    purpose: str
    priority: int
    is_download: bool = False
    attempt: int = 0
    first_tried: float | None = None
    credential: Credential | None = None
    renewed: bool = False

    def failed(self, rule: Rule, **details: Any) -> PipedriveError:
        return failure(rule, self.method, self.path, **details)


class Client:
    """Calls Pipedrive from any number of threads.

    `base_url` is `https://{company}.pipedrive.com`; OAuth may name another. `retry_for` is how long, in seconds of
    `clock`, one call is retried. `timeout` is (connect, read) in seconds. With `read_only` every write raises
    `ReadOnly` and sends nothing. Every method raises `PipedriveError`, or
    what `clock.sleep` raises when the program is asked to stop.
    """

    def __init__(
        self,
        base_url: str,
        auth: Auth,
        *,
        clock: Clock,
        window: BurstWindow,
        budget: TokenBudget,
        retry_for: float = 120.0,
        timeout: tuple[float, float] = (5.0, 30.0),
        user_agent: str = f"pipedrive-sync/{__version__}",
        rng: random.Random | None = None,
        read_only: bool = False,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._auth = auth
        self._clock = clock
        self._window = window
        self._budget = budget
        self._retry_for = retry_for
        self._timeout = timeout
        self._rng = rng or random.Random()
        self._read_only = read_only
        self._session = transport.open_session(user_agent)
        self._reached = False
        self._log = structlog.get_logger(__name__)

    def get(
        self,
        path: str,
        params: Mapping[str, str | int] | None = None,
        *,
        cost: int,
        purpose: str,
        priority: int = 2,
    ) -> Answer:
        """Read `path` ("/api/v2/deals", with its version); `cost` is in tokens, a lower `priority` goes first."""
        call = _Call("GET", path, _query(params), None, cost, purpose, priority)
        return self._perform(call)

    def download(self, path: str, *, cost: int, purpose: str, priority: int = 0) -> Content:
        """The bytes of a file, to be read as they come, and closed."""
        call = _Call("GET", path, None, None, cost, purpose, priority, is_download=True)
        found: Content = self._perform(call).data
        return found

    def post(self, path: str, body: Any = None, *, cost: int, purpose: str, priority: int = 0) -> Answer:
        """Create. Repeated only after a 429, or when the request certainly never left; see `outcome_unknown`."""
        return self._write("POST", path, body, cost, purpose, priority)

    def patch(self, path: str, body: Any = None, *, cost: int, purpose: str, priority: int = 0) -> Answer:
        """Change. Repeated like `post`."""
        return self._write("PATCH", path, body, cost, purpose, priority)

    def put(self, path: str, body: Any = None, *, cost: int, purpose: str, priority: int = 0) -> Answer:
        """Replace, merge. Repeated like `post`."""
        return self._write("PUT", path, body, cost, purpose, priority)

    def delete(self, path: str, *, cost: int, purpose: str, priority: int = 0) -> Answer:
        """Delete. Repeated like `post`."""
        return self._write("DELETE", path, None, cost, purpose, priority)

    def close(self) -> None:
        """Close the idle connections."""
        self._session.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({_host(self._base_url)!r}, {self._auth!r})"

    def _write(self, method: str, path: str, body: Any, cost: int, purpose: str, priority: int) -> Answer:
        if self._read_only:
            raise ReadOnly(
                "Writing to Pipedrive is switched off in the settings.",
                "Unset WRITE_BACK=off (or set write_back.enabled to true) to allow it.",
                endpoint=f"{method} {path}",
                sent=False,
            )
        encoded = None if body is None else orjson.dumps(body)
        return self._perform(_Call(method, path, None, encoded, cost, purpose, priority))

    def _perform(self, call: _Call) -> Answer:
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(partial(retry.may_retry, method=call.method)),
            wait=self._wait,
            stop=partial(self._stop, call),
            before_sleep=partial(self._log_retry, call),
            sleep=self._clock.sleep,
            reraise=True,
        )
        return retrying(self._attempt, call)

    def _attempt(self, call: _Call) -> Answer:
        try:
            return self._exchange(call)
        except Unauthorized:
            if call.renewed or call.credential is None or not self._auth.renew(call.credential):
                raise
        call.renewed = True
        return self._exchange(call)

    def _exchange(self, call: _Call) -> Answer:
        """One request and its answer, within the limits. Raises the failure it ended with."""
        with self._window.slot(self._clock, call.priority):
            call.attempt += 1
            if call.first_tried is None:
                call.first_tried = self._clock.monotonic()
            call.credential = None
            credential = self._auth.credential()
            self._reserve(call)
            call.credential = credential
            began_at, started = self._clock.now(), self._clock.monotonic()
            try:
                outcome = self._send(call, credential)
            except BaseException:
                self._budget.forgo(call.cost)
                raise
        status = outcome.status_code if isinstance(outcome, requests.Response) else None
        REQUESTS.labels(call.method, route_of(call.path), status or 0).inc()
        milliseconds = round((self._clock.monotonic() - started) * 1000)
        self._log.debug(
            "pipedrive_call",
            method=call.method,
            path=call.path,
            status=status,
            milliseconds=milliseconds,
            attempt=call.attempt,
            purpose=call.purpose,
        )
        if isinstance(outcome, transport.Breakdown):
            raise self._broken(call, outcome)
        return self._judge(call, outcome, began_at)

    def _reserve(self, call: _Call) -> None:
        try:
            self._budget.require(call.cost, call.purpose, self._clock.now(), beyond_share=call.priority == 0)
        except BudgetSpent as error:
            error.endpoint = f"{call.method} {call.path}"
            error.entity, error.record_id = subject_of(call.path)
            raise

    def _send(self, call: _Call, credential: Credential) -> requests.Response | transport.Breakdown:
        # The failure is returned, not raised: an error raised here would carry the request, and with it the secrets.
        base_url = self._auth.base_url() or self._base_url
        headers = content.HEADERS if call.is_download else None
        try:
            response = self._session.request(
                call.method,
                base_url + call.path,
                params=call.params,
                data=call.body,
                headers=headers if call.body is None else {"Content-Type": "application/json"},
                auth=credential,
                timeout=self._timeout,
                allow_redirects=False,
                stream=call.is_download,
            )
            if call.is_download and response.status_code >= 400:
                _ = response.content  # what it says is read here, where it may break off
            return response
        except requests.RequestException as error:
            return transport.breakdown(error, _host(base_url))

    def _broken(self, call: _Call, broken: transport.Breakdown) -> PipedriveError:
        if broken.answered:
            self._record(call, {})
        else:
            self._budget.forgo(call.cost)
        # An address that worked before is right: then it is the network that lost the name.
        rule = UNREACHABLE if broken.rule is NO_SUCH_HOST and self._reached else broken.rule
        return call.failed(rule, words=self._auth.hide(broken.words), sent=broken.sent)

    def _record(self, call: _Call, headers: Mapping[str, str]) -> None:
        self._budget.record(call.cost, call.purpose, headers, self._clock.now())
        TOKENS.labels(call.purpose).inc(call.cost)

    def _judge(self, call: _Call, response: requests.Response, began_at: datetime) -> Answer:
        """Learn from the headers, then turn the answer into data, or raise what it says."""
        limit = number_header(response.headers, "x-ratelimit-limit")
        if limit:
            self._window.learn(int(limit))
        if response.status_code == 429:
            raise self._too_many(call, response)
        self._record(call, response.headers)
        if call.is_download and response.is_redirect:
            response = self._followed(call, response)
        if not 200 <= response.status_code < 300:
            raise self._refused(call, response)
        return self._opened(call, response, began_at)

    def _followed(self, call: _Call, response: requests.Response) -> requests.Response:
        """Where a download really is."""
        try:
            found = content.follow(self._session, response, self._timeout)
            if not found.ok:
                _ = found.content
            return found
        except requests.RequestException as error:
            broken = self._broken_off(call, error)
        raise broken

    def _broken_off(self, call: _Call, error: requests.RequestException) -> PipedriveError:
        broken = transport.breakdown(error, "the storage of files")
        return call.failed(broken.rule, words=self._auth.hide(broken.words))

    def _opened(self, call: _Call, response: requests.Response, began_at: datetime) -> Answer:
        if call.is_download:
            return Answer(Content(response, partial(self._broken_off, call)), {}, began_at, None)
        opened = envelope.read(response.content, needs_data=call.method == "GET")
        if opened.refused:
            # Pipedrive API: v1 now and then says no with a 200; the number in the body is then the true status.
            status = opened.error_code if opened.error_code and opened.error_code >= 400 else 400
            raise call.failed(rule_for(status), status=status, words=self._words(response))
        if opened.problem:
            raise call.failed(MALFORMED, status=response.status_code, words=opened.problem)
        self._reached = True
        return Answer(opened.data, opened.additional_data or {}, began_at, _server_time(response.headers))

    def _too_many(self, call: _Call, response: requests.Response) -> PipedriveError:
        """A 429: the day is spent, or everyone has to hold for a moment."""
        now = self._clock.now()
        self._budget.forgo(call.cost)
        words = self._words(response)
        if is_daily(response.headers, now):
            return BudgetSpent(
                "Pipedrive's tokens of this day are spent.",
                self._budget.exhausted(response.headers, now),
                status=429,
                endpoint=f"{call.method} {call.path}",
                words=words,
            )
        asked = asked_wait(response.headers, now)
        self._window.hold_until(self._clock.monotonic() + min(asked or _HOLD, retry.LONGEST_WAIT))
        return call.failed(rule_for(429), status=429, words=words, retry_after=asked)

    def _refused(self, call: _Call, response: requests.Response) -> PipedriveError:
        status, words = response.status_code, self._words(response)
        rule = rule_for(status)
        if envelope.is_page(response.content, response.headers.get("content-type", "")):
            rule = {403: BLOCKED, 404: WRONG_SITE}.get(status, rule)
        if "location" in response.headers and 300 <= status < 400:
            words = f"it leads to {_site(response.headers['location'], self._base_url)}"
        asked = retry_after(response.headers, self._clock.now())
        return call.failed(rule, status=status, words=words, retry_after=asked)

    def _words(self, response: requests.Response) -> str:
        words = envelope.words_of(response.content, response.headers.get("content-type", ""))
        return self._auth.hide(words)

    def _wait(self, state: tenacity.RetryCallState) -> float:
        return retry.wait_before(_error_of(state), state.attempt_number, self._rng)

    def _stop(self, call: _Call, state: tenacity.RetryCallState) -> bool:
        patience = retry.patience(_error_of(state), retry_for=self._retry_for, reached_before=self._reached)
        if call.is_download:
            patience = min(patience, _PATIENCE)
        tried_for = 0.0 if call.first_tried is None else self._clock.monotonic() - call.first_tried
        return tried_for + state.upcoming_sleep > patience

    def _log_retry(self, call: _Call, state: tenacity.RetryCallState) -> None:
        error = _error_of(state)
        self._log.debug(
            "pipedrive_retry",
            method=call.method,
            path=call.path,
            attempt=call.attempt,
            wait_seconds=round(state.upcoming_sleep, 3),
            error=type(error).__name__,
            status=getattr(error, "status", None),
        )


def _error_of(state: tenacity.RetryCallState) -> BaseException:
    error = state.outcome.exception() if state.outcome is not None else None
    if error is None:
        raise RuntimeError("asked about a call that did not fail")
    return error


def _query(params: Mapping[str, str | int] | None) -> dict[str, str] | None:
    """Query parameters as text; v2 knows booleans only as true and false."""
    if params is None:
        return None
    return {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in params.items()}


def _server_time(headers: Mapping[str, str]) -> datetime | None:
    try:
        moment = parsedate_to_datetime(headers["date"])
    except (KeyError, ValueError):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _host(url: str) -> str:
    """Host and port of an address, without any credentials in it."""
    return urlsplit(url).netloc.rpartition("@")[2]


def _site(location: str, base_url: str) -> str:
    """Where a redirect leads, as far as it is fit to be shown: scheme and host, no path or query."""
    host = _host(location)
    return f"{urlsplit(location).scheme or urlsplit(base_url).scheme}://{host or _host(base_url)}"
