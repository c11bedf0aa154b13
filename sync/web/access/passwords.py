"""Whether somebody may sign in with a name and a password, and a session for who may.

Whoever does not, is told neither by words nor by time whether the name exists. Hashing is slow on purpose: one at a
time, off the event loop, and no long queue for it.
"""

import asyncio
import math
from dataclasses import dataclass
from functools import partial

from sync.clock import Clock
from sync.store.database import Database
from sync.store.logins import LONGEST_NAME, Login, find_login, name_key
from sync.store.passwords import LONGEST, new_token, password_fits, token_hash
from sync.store.sessions import begin_session, end_session
from sync.web.access.throttle import Throttle, neighbourhood
from sync.web.background import in_background

MOST_WAITING = 16


@dataclass(frozen=True, slots=True)
class Wrong:
    """The name or the password is wrong."""


@dataclass(frozen=True, slots=True)
class TooSoon:
    """Somebody has to wait before he may try again."""

    seconds: int


class Passwords:
    """Signs people in and out."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        # A name may be guessed at by anybody: who owns it must not be kept out for long. At one address there may be
        # many people.
        self._names = Throttle(clock, free=5, longest=60)
        self._addresses = Throttle(clock, free=20, longest=900)
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def sign_in(self, name: str, password: str, address: str, old: str | None) -> str | Wrong | TooSoon:
        """The token of a new session, in place of the old one, or why there is none. Raises `DatabaseError`."""
        keys = (name_key(name[:LONGEST_NAME]), neighbourhood(address))
        if self._waiting >= MOST_WAITING:
            return TooSoon(5)
        self._waiting += 1
        try:
            async with self._turn:
                return await self._try(keys, name, password, old)
        finally:
            self._waiting -= 1

    async def sign_out(self, token: str) -> None:
        """End the session with this token. Raises `DatabaseError`."""
        await in_background(partial(self._end, token))

    async def _try(self, keys: tuple[str, str], name: str, password: str, old: str | None) -> str | Wrong | TooSoon:
        wait = max(self._names.wait(keys[0]), self._addresses.wait(keys[1]))
        if wait > 0:
            return TooSoon(math.ceil(wait))
        token = await in_background(partial(self._begin, name, password, old))
        if token is None:
            self._names.failed(keys[0])
            self._addresses.failed(keys[1])
            return Wrong()
        self._names.forget(keys[0])
        return token

    def _begin(self, name: str, password: str, old: str | None) -> str | None:
        login = self._fitting(name, password)
        if login is None:
            return None
        token = new_token()
        with self._database.writing() as connection:
            if old is not None:
                end_session(connection, token_hash(old))
            begun = begin_session(connection, login, token_hash(token), at=self._clock.now())
        return token if begun else None

    def _fitting(self, name: str, password: str) -> Login | None:
        with self._database.reading() as connection:
            login = find_login(connection, name) if len(name) <= LONGEST_NAME else None
        fits = password_fits(password[:LONGEST], login.password_hash if login else None)
        return login if fits and len(password) <= LONGEST else None

    def _end(self, token: str) -> None:
        with self._database.writing() as connection:
            end_session(connection, token_hash(token))
