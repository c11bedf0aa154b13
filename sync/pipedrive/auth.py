"""Who we are to Pipedrive: an API token, or OAuth 2.0 with an access token that is refreshed in time.

An `Auth` hands out a `Credential` that signs one request. This module owns the secrets: no repr, message or URL shows
them, and `hide` blots them out of foreign text. Nothing is retried here; the client does that.
"""

import threading
from collections.abc import Callable
from typing import Any, Protocol
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase, HTTPBasicAuth

from sync.clock import Clock
from sync.pipedrive.errors import UNREACHABLE, WRONG_SITE, PipedriveError, Rule, Unauthorized, failure, rule_for

TOKEN_URL = "https://oauth.pipedrive.com/oauth/token"
_EARLY_SECONDS = 60.0  # a request that waits for its turn must not arrive with a token that has just run out
_TIMEOUT = (5.0, 30.0)


class Credential(AuthBase):
    """Signs one request with one header. Being a `requests` auth object also keeps a .netrc from replacing it."""

    def __init__(self, header: str, value: str) -> None:
        self._header = header
        self._value = value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers[self._header] = self._value
        return request

    def __repr__(self) -> str:
        return f"Credential({self._header!r}, hidden)"


class Auth(Protocol):
    """What the client needs to know of authentication."""

    def credential(self) -> Credential:
        """What signs the next request. Raises `PipedriveError` when it cannot be had."""
        ...

    def renew(self, stale: Credential) -> bool:
        """After a 401: get another credential than `stale`; false when there is none to get."""
        ...

    def base_url(self) -> str | None:
        """The base address the authentication itself names, if it does."""
        ...

    def hide(self, text: str) -> str:
        """`text` without any secret in it."""
        ...


class ApiToken:
    """The personal API token of one user, sent as header `x-api-token`. Raises `Unauthorized` if it cannot be one."""

    def __init__(self, token: str) -> None:
        self._token = _plausible(token, "The API token")
        self._credential = Credential("x-api-token", self._token)

    def credential(self) -> Credential:
        return self._credential

    def renew(self, stale: Credential) -> bool:  # noqa: ARG002 - a token stays what it is
        return False

    def base_url(self) -> str | None:
        return None

    def hide(self, text: str) -> str:
        return _blot(text, self._token)

    def __repr__(self) -> str:
        return "ApiToken(hidden)"


class OAuth:
    """OAuth 2.0: a bearer token of an hour's life, refreshed once for all threads.

    `on_rotate` is given every new refresh token, before the first request that relies on it. When it fails, the error
    goes to the caller, and it is called again at the next credential.
    Pipedrive API: `POST /oauth/token`, form-encoded, HTTP Basic with the app's id and secret.
    """

    def __init__(
        self,
        client_id: str,
        client_secret: str,
        refresh_token: str,
        *,
        clock: Clock,
        token_url: str = TOKEN_URL,
        on_rotate: Callable[[str], None] | None = None,
        timeout: tuple[float, float] = _TIMEOUT,
    ) -> None:
        self._client_id = _plausible(client_id, "The OAuth client id")
        self._client_secret = _plausible(client_secret, "The OAuth client secret")
        self._refresh_token = _plausible(refresh_token, "The OAuth refresh token")
        self._clock = clock
        self._token_url = token_url
        self._on_rotate = on_rotate
        self._timeout = timeout
        self._lock = threading.Lock()
        self._credential: Credential | None = None
        self._access_token = ""
        self._expires_at = 0.0
        self._base_url: str | None = None
        self._unsaved = False

    def credential(self) -> Credential:
        with self._lock:
            if self._credential is None or self._clock.monotonic() >= self._expires_at:
                self._credential = self._refresh()
            self._hand_on()
            return self._credential

    def renew(self, stale: Credential) -> bool:
        with self._lock:
            if self._credential is stale or self._credential is None:
                self._credential = self._refresh()
            self._hand_on()
            return True

    def base_url(self) -> str | None:
        return self._base_url

    def hide(self, text: str) -> str:
        return _blot(text, self._client_secret, self._refresh_token, self._access_token)

    def __repr__(self) -> str:
        return "OAuth(hidden)"

    def _refresh(self) -> Credential:
        answer = self._exchange()
        self._access_token = str(answer["access_token"])
        lifetime = float(answer.get("expires_in") or 3600)
        self._expires_at = self._clock.monotonic() + max(lifetime - _EARLY_SECONDS, lifetime / 2)
        self._base_url = self._trusted(answer.get("api_domain"))
        rotated = answer.get("refresh_token")
        if isinstance(rotated, str) and rotated and rotated != self._refresh_token:
            self._refresh_token = rotated
            self._unsaved = True
        return Credential("Authorization", f"Bearer {self._access_token}")

    def _hand_on(self) -> None:
        if self._unsaved and self._on_rotate is not None:
            self._on_rotate(self._refresh_token)
        self._unsaved = False

    def _exchange(self) -> dict[str, Any]:
        """One refresh over HTTP. Raises `Unauthorized` when the authorisation is over, else what the status says."""
        path = urlsplit(self._token_url).path
        form = {"grant_type": "refresh_token", "refresh_token": self._refresh_token}
        basic = HTTPBasicAuth(self._client_id, self._client_secret)
        response: requests.Response | None = None
        try:
            response = requests.post(
                self._token_url, data=form, auth=basic, timeout=self._timeout, allow_redirects=False
            )
            answer = response.json() if response.ok else {}
        except requests.RequestException:
            answer = {}
        # Raised outside of the handler, so that no error in the chain still holds the request with its secrets.
        if response is None:
            raise failure(UNREACHABLE, "POST", path, sent=False)
        if isinstance(answer, dict) and isinstance(answer.get("access_token"), str):
            return answer
        raise self._refusal(response.status_code, path)

    def _refusal(self, status: int, path: str) -> PipedriveError:
        rule = rule_for(status)
        if status in (400, 401, 403):
            rule = Rule(
                Unauthorized,
                False,
                "Pipedrive does not renew the app's authorisation",
                "Authorise the app again and put the new refresh token into PIPEDRIVE_REFRESH_TOKEN; "
                "check PIPEDRIVE_CLIENT_ID and PIPEDRIVE_CLIENT_SECRET too.",
            )
        return failure(rule, "POST", path, status=status, sent=False)

    def _trusted(self, api_domain: object) -> str | None:
        """The address to call, unless it would send the token in clear where the refresh itself was encrypted."""
        if not isinstance(api_domain, str) or not api_domain:
            return self._base_url
        if urlsplit(api_domain).scheme not in ("https", urlsplit(self._token_url).scheme):
            raise failure(WRONG_SITE, "POST", urlsplit(self._token_url).path, sent=False)
        return api_domain.rstrip("/")


def _plausible(secret: str, what: str) -> str:
    """The secret without surrounding blanks. Checked here, because `requests` would quote a bad header in its error."""
    stripped = secret.strip()
    if stripped and stripped.isascii() and stripped.isprintable() and " " not in stripped:
        return stripped
    raise Unauthorized(
        f"{what} is empty or holds a character that no credential has.",
        "Copy it again from Pipedrive, without anything around it.",
    )


def _blot(text: str, *secrets: str) -> str:
    for secret in secrets:
        if secret:
            text = text.replace(secret, "[hidden]")
    return text
