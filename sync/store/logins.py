"""Who may sign in to the page: names, hashes of passwords, roles.

Names that differ in nothing but the case or the composition of their letters are the same name.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, delete, func, insert, select, update

from sync.errors import SyncError
from sync.store.schema import logins, sessions

LONGEST_NAME = 64


class NoSuchLogin(SyncError):
    """Nobody of this name may sign in."""


class NameTaken(SyncError):
    """Somebody else is called so."""


class Role(StrEnum):
    """What somebody may do."""

    VIEWER = "viewer"
    EDITOR = "editor"


@dataclass(frozen=True, slots=True)
class Login:
    """Somebody who may sign in."""

    name: str
    role: Role
    password_hash: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Usage:
    """Where somebody is signed in, and when he was last seen."""

    sessions: int = 0
    seen_at: datetime | None = None


def is_name(name: str) -> bool:
    """Whether somebody can be called so: printable, without blanks around it, and without a colon."""
    return 0 < len(name) <= LONGEST_NAME and name.isprintable() and name == name.strip() and ":" not in name


def name_key(name: str) -> str:
    """What all spellings of a name have in common."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).strip()


def count_logins(connection: Connection) -> int:
    """How many may sign in."""
    return connection.execute(select(func.count()).select_from(logins)).scalar_one()


def load_logins(connection: Connection) -> Sequence[Login]:
    """All who may sign in, by name."""
    columns = logins.c
    query = select(columns.name, columns.role, columns.password_hash, columns.created_at)
    found = [Login(name, Role(role), *rest) for name, role, *rest in connection.execute(query)]
    return sorted(found, key=lambda one: name_key(one.name))


def find_login(connection: Connection, name: str) -> Login | None:
    """The login of this name, however it is spelled."""
    wanted = name_key(name)
    return next((one for one in load_logins(connection) if name_key(one.name) == wanted), None)


def the_login(connection: Connection, name: str) -> Login:
    """Like `find_login`. Raises `NoSuchLogin`."""
    login = find_login(connection, name)
    if login is None:
        raise NoSuchLogin(f"Nobody called {name} may sign in.", "`pipedrive-sync users list` tells who may.")
    return login


def require_free(connection: Connection, name: str) -> None:
    """Raise `NameTaken` if somebody is called so already."""
    taken = find_login(connection, name)
    if taken is not None:
        raise NameTaken(
            f"There is a login called {taken.name}.", "`pipedrive-sync users password` changes its password."
        )


def load_usage(connection: Connection, *, now: datetime) -> dict[str, Usage]:
    """By name, how those are using the page who are signed in."""
    columns = sessions.c
    query = select(columns.login, func.count(), func.max(columns.seen_at)).where(columns.expires_at > now)
    return {name: Usage(count, seen_at) for name, count, seen_at in connection.execute(query.group_by(columns.login))}


def add_login(connection: Connection, name: str, password_hash: str, role: Role, *, at: datetime) -> None:
    """Let somebody sign in. Raises `NameTaken`."""
    require_free(connection, name)
    values = {"name": name, "password_hash": password_hash, "role": role.value, "created_at": at}
    connection.execute(insert(logins).values(values))


def remove_login(connection: Connection, name: str) -> None:
    """Let somebody sign in no more, and end his sessions."""
    connection.execute(delete(sessions).where(sessions.c.login == name))
    connection.execute(delete(logins).where(logins.c.name == name))


def save_password(connection: Connection, name: str, password_hash: str) -> None:
    """Change somebody's password, and end his sessions."""
    connection.execute(update(logins).where(logins.c.name == name).values(password_hash=password_hash))
    connection.execute(delete(sessions).where(sessions.c.login == name))


def save_role(connection: Connection, name: str, role: Role) -> None:
    """Let somebody do more, or less, from now on."""
    connection.execute(update(logins).where(logins.c.name == name).values(role=role.value))
