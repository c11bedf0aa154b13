"""The connections to Pipedrive, and what a failed one means.

Translates the many errors of `requests` and `urllib3` into the rules of `errors`, with plain words: their own texts may
quote addresses with credentials. Sends nothing and retries nothing.
"""

import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import NameResolutionError, NewConnectionError, ReadTimeoutError

from sync.pipedrive.errors import MALFORMED, NO_SUCH_HOST, UNREACHABLE, WRONG_SITE, Rule

_NO_SUCH_NAME = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})
_UNUSABLE_URL = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
)
_BROKEN_BODY = (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError)
_POOL_SIZE = 32


@dataclass(frozen=True, slots=True)
class Breakdown:
    """A request without a usable answer: its rule, what happened, and whether Pipedrive may have got the request."""

    rule: Rule
    words: str
    sent: bool
    answered: bool = False


def open_session(user_agent: str) -> requests.Session:
    """A session for many threads: a pool of connections, no retries of its own, no cookies."""
    session = requests.Session()
    adapter = HTTPAdapter(pool_connections=4, pool_maxsize=_POOL_SIZE)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    session.headers.update({"User-Agent": user_agent, "Accept": "application/json", "Accept-Encoding": "gzip, deflate"})
    # The jar is the one part of a session that answers change, and threads must not share what changes.
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return session


def breakdown(error: requests.RequestException, host: str) -> Breakdown:
    """What it means that a request to `host` ended with `error`."""
    causes = list(_causes(error))
    if isinstance(error, _UNUSABLE_URL):
        return Breakdown(WRONG_SITE, f"{host or 'the address'} cannot be used as an address", sent=False)
    if isinstance(error, _BROKEN_BODY):
        return Breakdown(MALFORMED, "the answer broke off or could not be unpacked", sent=True, answered=True)
    if any(isinstance(cause, NameResolutionError) for cause in causes):
        missing = any(isinstance(cause, socket.gaierror) and cause.errno in _NO_SUCH_NAME for cause in causes)
        rule = NO_SUCH_HOST if missing else UNREACHABLE
        return Breakdown(rule, f"the name {host} could not be looked up", sent=False)
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return Breakdown(UNREACHABLE, f"no connection to {host} in time", sent=False)
    if any(isinstance(cause, NewConnectionError) for cause in causes):
        return Breakdown(UNREACHABLE, f"{host}: {_reason(causes)}", sent=False)
    if isinstance(error, requests.exceptions.Timeout) or any(isinstance(cause, ReadTimeoutError) for cause in causes):
        return Breakdown(UNREACHABLE, f"no answer from {host} in time", sent=True)
    if isinstance(error, requests.exceptions.SSLError):
        distrusted = any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes)
        said = "its certificate is not trusted" if distrusted else "no encrypted connection"
        return Breakdown(UNREACHABLE, f"{host}: {said}", sent=not distrusted)
    return Breakdown(UNREACHABLE, f"{host}: {_reason(causes)}", sent=True)


def _reason(causes: list[BaseException]) -> str:
    said = [cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror]
    return said[-1].lower() if said else "the connection was cut"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and all it stems from: `urllib3` and `requests` wrap by argument, by attribute and by chaining."""
    pending, seen = [error], set[int]()
    while pending:
        cause = pending.pop(0)
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        linked = (cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args)
        pending.extend(link for link in linked if isinstance(link, BaseException))
