"""Who may deliver webhooks: HTTP Basic credentials are the only thing that tells Pipedrive from anybody else.

Either those of the settings, or those made when the webhooks were installed, of which the database holds slow hashes.
What fits such a hash is remembered, in this process only, as long as its subscription is there.
"""

import asyncio
import base64
import hashlib
import hmac
from dataclasses import dataclass
from functools import partial

from sync.clock import Clock
from sync.settings import Settings
from sync.store.database import Database
from sync.store.webhooks import load_password_hashes, password_fits
from sync.web.background import in_background

TRUSTED_FOR = 60.0  # seconds until it is asked again whether the subscription is still there
MOST_REMEMBERED = 100


@dataclass(frozen=True, slots=True)
class _Fitting:
    """What a header was found to fit, and when by the monotonic clock."""

    password_hash: str
    seen_at: float


class Credentials:
    """The credentials that are right."""

    def __init__(self, settings: Settings, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._configured = _configured(settings)
        self._remembered: dict[bytes, _Fitting] = {}
        # One at a time: the hashes are slow on purpose, and who guesses must not keep every core busy. Those who were
        # right before don't queue behind the guesses.
        self._guessing = asyncio.Lock()
        self._asking = asyncio.Lock()

    async def fit(self, authorization: str) -> bool:
        """Whether the value of an `Authorization` header is right. Raises `DatabaseError`."""
        given = _basic(authorization)
        if given is None:
            return False
        user, password = given
        if self._configured and _equal(_digests(user, password), self._configured):
            return True
        return await self._fit_a_subscription(_digest(authorization), user, password)

    async def _fit_a_subscription(self, header: bytes, user: str, password: str) -> bool:
        if self._is_fresh(header):
            return True
        async with self._asking:
            if self._is_fresh(header) or await self._is_still_right(header, user):
                return True
        async with self._guessing:
            if self._is_fresh(header):
                return True
            fitting = await in_background(partial(self._fitting_hash, user, password))
            if fitting is not None:
                self._remember(header, fitting)
            return fitting is not None

    def _is_fresh(self, header: bytes) -> bool:
        known = self._remembered.get(header)
        return known is not None and self._clock.monotonic() < known.seen_at + TRUSTED_FOR

    async def _is_still_right(self, header: bytes, user: str) -> bool:
        """Whether the subscription that a remembered header fits is still there."""
        known = self._remembered.get(header)
        if known is None:
            return False
        if known.password_hash not in await in_background(partial(self._hashes, user)):
            self._remembered.pop(header, None)
            return False
        self._remember(header, known.password_hash)
        return True

    def _hashes(self, user: str) -> set[str]:
        with self._database.reading() as connection:
            return load_password_hashes(connection, user)

    def _fitting_hash(self, user: str, password: str) -> str | None:
        return next((one for one in self._hashes(user) if password_fits(password, one)), None)

    def _remember(self, header: bytes, password_hash: str) -> None:
        self._remembered.pop(header, None)
        while len(self._remembered) >= MOST_REMEMBERED:
            del self._remembered[next(iter(self._remembered))]  # the one remembered first
        self._remembered[header] = _Fitting(password_hash, self._clock.monotonic())


def _configured(settings: Settings) -> tuple[bytes, bytes] | None:
    if not settings.webhook_user or not settings.webhook_password:
        return None
    return _digests(settings.webhook_user, settings.webhook_password.get_secret_value())


def _basic(authorization: str) -> tuple[str, str] | None:
    """The user's name and the password in a header; None where it is not HTTP Basic."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except ValueError:  # of base64 and of UTF-8
        return None
    return (user, password) if colon and user.isprintable() else None  # a database may not even compare the others


def _digests(user: str, password: str) -> tuple[bytes, bytes]:
    return _digest(user), _digest(password)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _equal(given: tuple[bytes, bytes], right: tuple[bytes, bytes]) -> bool:
    """Compared in constant time, both parts whatever the first one says."""
    return hmac.compare_digest(given[0], right[0]) & hmac.compare_digest(given[1], right[1])
