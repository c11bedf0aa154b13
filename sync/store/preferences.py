"""How people like the pages, such as the columns of the list. An empty login is whoever comes where nobody signs in."""

from typing import Any

from sqlalchemy import Connection, select

from sync.store.dialect import put
from sync.store.schema import preferences

_PREFERENCES = preferences.c


def load_preference(connection: Connection, company_id: int, login: str, name: str) -> Any:
    """What somebody prefers; None where nothing was said."""
    mine = (_PREFERENCES.company_id == company_id, _PREFERENCES.login == login, _PREFERENCES.name == name)
    return connection.scalar(select(_PREFERENCES.value).where(*mine))


def save_preference(connection: Connection, company_id: int, login: str, name: str, value: Any) -> None:
    """Remember what somebody prefers."""
    put(connection, preferences, {"company_id": company_id, "login": login, "name": name}, {"value": value})
