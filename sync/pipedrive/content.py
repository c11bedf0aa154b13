"""The bytes of a file as they come from Pipedrive, and where they lie when it sends us on to its storage.

Nothing here signs a request: whoever keeps the files for Pipedrive is not told our credentials.
"""

from collections.abc import Callable, Iterator
from urllib.parse import urljoin, urlsplit

import requests

from sync.pipedrive.errors import PipedriveError

_CHUNK = 64 * 1024  # bytes
_MOST_STEPS = 3
HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity"}  # so that the length that is told is the file's


class Content:
    """A file that is being read. Whoever holds it reads it to its end, or closes it."""

    def __init__(self, response: requests.Response, failed: Callable[[requests.RequestException], PipedriveError]):
        self._response = response
        self._failed = failed

    @property
    def size(self) -> int | None:
        """How many bytes it has, if that was told."""
        told = self._response.headers.get("content-length", "")
        is_plain = self._response.headers.get("content-encoding", "identity") == "identity"
        return int(told) if is_plain and told.isascii() and told.isdigit() else None

    def chunks(self) -> Iterator[bytes]:
        """The bytes, some at a time. Raises `PipedriveError` where they break off."""
        broken: PipedriveError | None = None
        try:
            yield from self._response.iter_content(_CHUNK)
        except requests.RequestException as error:
            broken = self._failed(error)
        finally:
            self.close()
        if broken is not None:  # not from within: the error that requests raises carries the request, and our secrets
            raise broken

    def close(self) -> None:
        """Read no further."""
        self._response.close()


def follow(session: requests.Session, response: requests.Response, timeout: tuple[float, float]) -> requests.Response:
    """The answer at the end of redirections, asked for without credentials; only ever over an encrypted connection.

    One that leads elsewhere is returned as it is. Raises what `requests` does.
    """
    for _ in range(_MOST_STEPS):
        there = urljoin(response.url, response.headers.get("location", ""))
        if not response.is_redirect or not _may_follow(response.url, there):
            break
        response.close()
        response = session.get(
            there, stream=True, headers=HEADERS, auth=_unsigned, timeout=timeout, allow_redirects=False
        )
    return response


def _may_follow(here: str, there: str) -> bool:
    origins = [(parts.scheme, parts.netloc) for parts in (urlsplit(here), urlsplit(there))]
    return origins[1][0] == "https" or origins[0] == origins[1]


def _unsigned(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Signs nothing; without it, requests would look for a password for the host on this machine."""
    return request
