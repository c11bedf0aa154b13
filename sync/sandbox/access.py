"""Who calls: API tokens, OAuth access tokens, and what the user behind a token may see.

Tokens are made up here and are worth nothing outside the sandbox. Guarded by the company's lock.
"""

import base64
import binascii
import hashlib
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import parse_qs

from sync.sandbox.company import Company
from sync.sandbox.messages import ApiError, Response, json_response
from sync.sandbox.records import Record
from sync.sandbox.tables import Row

ACCESS_TOKEN_LIFE = timedelta(minutes=60)
REFRESH_TOKEN_LIFE = timedelta(days=60)
CODE_LIFE = timedelta(minutes=5)

Visibility = Callable[[str, Row], bool]


@dataclass(slots=True)
class Caller:
    """One token: whose it is, and a further limit to what it sees (None: whatever its user may see)."""

    name: str
    user_id: int
    sees: Visibility | None = None
    expires: datetime | None = None


@dataclass(slots=True)
class OAuthApp:
    """The marketplace app whose credentials the token endpoint accepts."""

    client_id: str = "sandbox-client"
    client_secret: str = "sandbox-secret"
    refresh_token: str = "1:1:sandbox-refresh"
    redirect_uri: str = "http://127.0.0.1/callback"
    user_id: int = 1
    refreshed_at: datetime | None = None
    codes: dict[str, datetime] = field(default_factory=dict)
    issued: int = 0


class Access:
    """All tokens of the company."""

    def __init__(self, company: Company) -> None:
        self._company = company
        self._callers: dict[str, Caller] = {}
        self.oauth = OAuthApp()

    def token_for(self, user_id: int) -> str:
        """The API token of a user (one for each)."""
        digest = hashlib.sha1(f"{self._company.id}/{user_id}".encode()).hexdigest()
        self._callers.setdefault(digest, Caller(digest, user_id))
        return digest

    def caller(self, token: str) -> Caller:
        """Who holds this token. Raises KeyError for a wrong one."""
        return self._callers.get(token) or self._callers[f"Bearer {token}"]

    def revoke(self, token: str) -> None:
        """Make a token wrong from now on."""
        del self._callers[self.caller(token).name]

    def authenticate(self, headers: Mapping[str, str]) -> Caller:
        """Who sent these headers. Raises a 401 for a missing, wrong or expired token."""
        token = headers.get("x-api-token") or headers.get("authorization", "")
        caller = self._callers.get(token)
        if caller is None or (caller.expires is not None and self._company.now() >= caller.expires):
            raise ApiError(401, "unauthorized access")
        return caller

    def restrict(self, share: float, token: str | None = None) -> None:
        """Let a token (default: all) see only that share of the organizations, and what belongs to them."""

        def sees(entity: str, row: Row) -> bool:
            anchor = row.id if entity == "organizations" else row.org or row.id
            return zlib.crc32(b"%d" % anchor) % 1000 < share * 1000

        for caller in self._callers.values() if token is None else [self.caller(token)]:
            caller.sees = None if share >= 1 else sees

    def visibility(self, caller: Caller) -> Visibility | None:
        """What this caller may see; None when it is everything."""
        own = None if self.is_global(caller.user_id) else _own_or_shared(self._company, caller.user_id)
        extra = caller.sees
        if own is None or extra is None:
            return own or extra
        return lambda entity, row: own(entity, row) and extra(entity, row)

    def is_global(self, user_id: int) -> bool:
        """Whether a user is an administrator, who sees everything; one the company does not know counts as such."""
        user = self._company.find("users", user_id)
        return user is None or _administers(user)

    def may_see(self, user_id: int, entity: str, row: Row) -> bool:
        """Whether a user may see a record."""
        return self.is_global(user_id) or self._shares(user_id, entity, row)

    def permitted_users(self, entity: str, row: Row) -> list[int]:
        """The ids of the active users who may see a record."""
        users = [user for user in self._company.all("users") if user["active_flag"]]
        return [user["id"] for user in users if _administers(user) or self._shares(user["id"], entity, row)]

    def authorize(self) -> str:
        """The code that a user's consent gives; it lives five minutes."""
        code = f"code-{len(self.oauth.codes) + 1}"
        self.oauth.codes[code] = self._company.now() + CODE_LIFE
        return code

    def token_endpoint(self, headers: Mapping[str, str], body: bytes, api_domain: str) -> Response:
        """Answer `POST /oauth/token`: an access token for an authorization code or a refresh token."""
        if _basic(headers) != (self.oauth.client_id, self.oauth.client_secret):
            return _oauth_error(401, "invalid_client", "Client authentication failed")
        form = {key: values[0] for key, values in parse_qs(body.decode("utf-8", "replace")).items()}
        grants = {"refresh_token": self._refresh_allowed, "authorization_code": self._code_allowed}
        allowed = grants.get(form.get("grant_type", ""))
        if allowed is None:
            return _oauth_error(400, "unsupported_grant_type", "Grant type must be refresh_token or authorization_code")
        if not allowed(form):
            return _oauth_error(400, "invalid_grant", "The grant is invalid, expired, or was revoked")
        self.oauth.refreshed_at = self._company.now()
        return json_response(200, self._issue(api_domain))

    def _refresh_allowed(self, form: Mapping[str, str]) -> bool:
        used = self.oauth.refreshed_at
        alive = used is None or self._company.now() - used < REFRESH_TOKEN_LIFE
        return alive and form.get("refresh_token") == self.oauth.refresh_token

    def _code_allowed(self, form: Mapping[str, str]) -> bool:
        expires = self.oauth.codes.pop(form.get("code", ""), None)
        return expires is not None and self._company.now() < expires and "redirect_uri" in form

    def _issue(self, api_domain: str) -> dict[str, object]:
        self.oauth.issued += 1
        seed = f"{self._company.id}/{self.oauth.issued}".encode()
        # Pipedrive's access tokens can be longer than the 768 characters that some clients reserve for them.
        token = "v1u:" + "".join(hashlib.sha256(seed + bytes([part])).hexdigest() for part in range(13))
        expires = self._company.now() + ACCESS_TOKEN_LIFE
        self._callers[f"Bearer {token}"] = Caller(f"Bearer {token}", self.oauth.user_id, expires=expires)
        return {
            "access_token": token,
            "token_type": "Bearer",
            "refresh_token": self.oauth.refresh_token,
            "scope": "base deals:full contacts:full activities:full users:read admin",
            "expires_in": int(ACCESS_TOKEN_LIFE.total_seconds()) - 1,
            "api_domain": api_domain,
        }

    def _shares(self, user_id: int, entity: str, row: Row) -> bool:
        return _own_or_shared(self._company, user_id)(entity, row)


def _administers(user: Record) -> bool:
    return any(entry["app"] == "global" and entry["admin"] for entry in user["access"])


def _own_or_shared(company: Company, user_id: int) -> Visibility:
    """What a user who is no administrator sees: no `visible_to: 1` of others, and nothing that hangs on such."""

    def shared(row: Row | None) -> bool:
        return row is None or row.visible_to != 1 or row.owner == user_id

    def sees(entity: str, row: Row) -> bool:
        if entity in ("activities", "notes", "files") and row.owner != user_id:
            tables = company.tables
            return shared(tables["organizations"].rows.get(row.org)) and shared(tables["deals"].rows.get(row.deal))
        return shared(row)

    return sees


def _basic(headers: Mapping[str, str]) -> tuple[str, str] | None:
    scheme, _, encoded = headers.get("authorization", "").partition(" ")
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (user, password) if scheme == "Basic" else None


def _oauth_error(status: int, code: str, message: str) -> Response:
    return json_response(status, {"success": False, "error": code, "message": message})
