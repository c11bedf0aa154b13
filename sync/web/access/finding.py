"""Who makes a request: by a token, by what a trusted proxy says, by a session, or nobody in particular.

Whoever gives a token is known by it alone. All of it blocks, and asks the database as little as it can: how many logins
there are is remembered for a moment, and when somebody was last seen is noted once a minute.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from starlette.datastructures import Headers

from sync.clock import Clock
from sync.settings import Settings
from sync.store.api_tokens import find_api_token, note_use
from sync.store.database import Database
from sync.store.logins import Role, count_logins, find_login, is_name
from sync.store.passwords import token_hash
from sync.store.sessions import extend_session, load_session
from sync.web.access.binding import needs_login
from sync.web.access.seen import Seen, is_proxy
from sync.web.access.viewer import LOCAL, How, Viewer

REMEMBERED = 2.0  # seconds that the number of logins is
NOTED = timedelta(minutes=1)  # between two notes of when somebody was seen


@dataclass(frozen=True, slots=True)
class Found:
    """Who was found, and what is to be noted of it once he has his answer; or whether anybody can sign in at all."""

    viewer: Viewer | None = None
    note: Callable[[], None] | None = None
    can_sign_in: bool = False


class Viewers:
    """Finds out who makes a request."""

    def __init__(self, settings: Settings, database: Database, clock: Clock) -> None:
        self._settings = settings
        self._database = database
        self._clock = clock
        self._logins = 0
        self._counted_at: float | None = None

    def find(self, headers: Headers, seen: Seen, session: str | None) -> Found:
        """Who makes a request; nobody, if a token is not valid. Raises `DatabaseError`."""
        token = bearer(headers)
        if token is not None:
            return self._by_token(token)
        named = self._named_by_proxy(headers, seen)
        if named is not None:
            return Found(self._by_name(named))
        if session is not None and (found := self._by_session(session)).viewer:
            return found
        logins = self._count()
        if seen.is_forwarded or needs_login(self._settings, logins):
            return Found(can_sign_in=logins > 0)
        return Found(LOCAL)

    def _count(self) -> int:
        """How many may sign in."""
        now = self._clock.monotonic()
        if self._counted_at is None or now >= self._counted_at + REMEMBERED:
            with self._database.reading() as connection:
                self._logins = count_logins(connection)
            self._counted_at = now
        return self._logins

    def _by_token(self, token: str) -> Found:
        with self._database.reading() as connection:
            found = find_api_token(connection, token_hash(token))
        if found is None:
            return Found()

        def note() -> None:
            with self._database.writing() as connection:
                note_use(connection, found.name, at=self._clock.now())

        viewer = Viewer(f"api ({found.name})", found.role, f"api:{found.name}", How.TOKEN)
        return Found(viewer, note if self._is_due(found.used_at) else None)

    def _by_session(self, token: str) -> Found:
        hashed = token_hash(token)
        with self._database.reading() as connection:
            session = load_session(connection, hashed, now=self._clock.now())
        if session is None:
            return Found()

        def note() -> None:
            with self._database.writing() as connection:
                extend_session(connection, hashed, session, at=self._clock.now())

        viewer = Viewer(f"{session.login} (page)", session.role, session.login, How.SESSION)
        return Found(viewer, note if self._is_due(session.seen_at) else None)

    def _by_name(self, name: str) -> Viewer:
        with self._database.reading() as connection:
            login = find_login(connection, name)
        name, role = (login.name, login.role) if login else (name, Role(self._settings.web.proxy_role))
        return Viewer(f"{name} (page)", role, name, How.PROXY)

    def _named_by_proxy(self, headers: Headers, seen: Seen) -> str | None:
        """The name that the proxy gives, and nobody but the proxy."""
        header = self._settings.web.proxy_header
        if not header or not is_proxy(seen.peer, self._settings):
            return None
        given = headers.getlist(header)
        name = _decoded(given[0]).strip() if len(given) == 1 else ""
        return name if is_name(name) else None

    def _is_due(self, noted_at: datetime | None) -> bool:
        return noted_at is None or self._clock.now() - noted_at >= NOTED


def bearer(headers: Headers) -> str | None:
    """The token in a request."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _decoded(value: str) -> str:
    """Headers are bytes, which Starlette takes for Latin-1 and proxies write in UTF-8."""
    with suppress(UnicodeError):
        return value.encode("latin-1").decode()
    return value
