"""Who is signed in: sessions, found by the hash of the token that a browser holds.

A session ends when it was not used for a while, and at the latest some time after it began; `expires_at` is the earlier
of the two.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select, update

from sync.store.logins import Login, Role
from sync.store.schema import logins, sessions

IDLE = timedelta(hours=12)
LONGEST = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is signed in, with what he may do now."""

    login: str
    role: Role
    created_at: datetime
    seen_at: datetime


def begin_session(connection: Connection, login: Login, token_hash: str, *, at: datetime) -> bool:
    """Sign somebody in, unless his password has changed since it was found to fit."""
    fits = select(logins.c.name).where(logins.c.name == login.name, logins.c.password_hash == login.password_hash)
    if connection.execute(fits.with_for_update()).first() is None:
        return False
    connection.execute(delete(sessions).where(sessions.c.expires_at <= at))
    values = {"login": login.name, "created_at": at, "seen_at": at, "expires_at": at + IDLE}
    connection.execute(insert(sessions).values(token_hash=token_hash, **values))
    return True


def load_session(connection: Connection, token_hash: str, *, now: datetime) -> Session | None:
    """The session with this token, if it has not ended."""
    columns = sessions.c
    query = (
        select(columns.login, logins.c.role, columns.created_at, columns.seen_at)
        .join(logins, logins.c.name == columns.login)
        .where(columns.token_hash == token_hash, columns.expires_at > now)
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else Session(row[0], Role(row[1]), row[2], row[3])


def extend_session(connection: Connection, token_hash: str, session: Session, *, at: datetime) -> None:
    """Note that a session was used, so that it goes on."""
    expires_at = min(at + IDLE, session.created_at + LONGEST)
    values = {"seen_at": at, "expires_at": expires_at}
    connection.execute(update(sessions).where(sessions.c.token_hash == token_hash).values(values))


def end_session(connection: Connection, token_hash: str) -> None:
    """Sign somebody out."""
    connection.execute(delete(sessions).where(sessions.c.token_hash == token_hash))
