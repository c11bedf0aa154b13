"""What programs sign in to the JSON API with: tokens by name, of which the database holds hashes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Row, Select, delete, insert, select, update

from sync.store.logins import Role
from sync.store.schema import api_tokens


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A token, without its secret."""

    name: str
    role: Role
    created_at: datetime
    used_at: datetime | None


def load_api_tokens(connection: Connection) -> Sequence[ApiToken]:
    """All tokens, by name."""
    return [_token(row) for row in connection.execute(_tokens().order_by(api_tokens.c.name))]


def find_api_token(connection: Connection, token_hash: str) -> ApiToken | None:
    """The token with this hash."""
    row = connection.execute(_tokens().where(api_tokens.c.token_hash == token_hash)).one_or_none()
    return None if row is None else _token(row)


def add_api_token(connection: Connection, name: str, token_hash: str, role: Role, *, at: datetime) -> None:
    """Let a program in, under a name that is free."""
    values = {"name": name, "token_hash": token_hash, "role": role.value, "created_at": at}
    connection.execute(insert(api_tokens).values(values))


def note_use(connection: Connection, name: str, *, at: datetime) -> None:
    """Note when a token was used."""
    connection.execute(update(api_tokens).where(api_tokens.c.name == name).values(used_at=at))


def remove_api_token(connection: Connection, name: str) -> bool:
    """Let a program in no more; whether there was such a token."""
    return connection.execute(delete(api_tokens).where(api_tokens.c.name == name)).rowcount > 0


def _tokens() -> Select[str, str, datetime, datetime | None]:
    columns = api_tokens.c
    return select(columns.name, columns.role, columns.created_at, columns.used_at)


def _token(row: Row[str, str, datetime, datetime | None]) -> ApiToken:
    return ApiToken(row.name, Role(row.role), row.created_at, row.used_at)
