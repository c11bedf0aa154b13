"""Lists that people come back to: filters under a name, each person's own.

An empty login is whoever comes where nobody signs in. All functions work in the caller's transaction.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Text, cast, delete, literal, select, union_all

from sync.store.database import decode_json
from sync.store.dialect import put
from sync.store.schema import preferences, saved_filters

_SAVED, _PREFERENCES = saved_filters.c, preferences.c


@dataclass(frozen=True, slots=True)
class SavedFilter:
    """A filter under a name; `query` is what stands in the address of the page."""

    name: str
    query: str


def load_saved_filters(connection: Connection, company_id: int, login: str) -> Sequence[SavedFilter]:
    """What somebody has saved, by name."""
    query = select(_SAVED.name, _SAVED.query).where(_SAVED.company_id == company_id, _SAVED.login == login)
    return _by_name(SavedFilter(*row) for row in connection.execute(query))


def _by_name(found: Iterable[SavedFilter]) -> Sequence[SavedFilter]:
    return sorted(found, key=lambda one: (one.name.casefold(), one.name))


def load_what_is_own(
    connection: Connection, company_id: int, login: str, preference: str
) -> tuple[Any, Sequence[SavedFilter]]:
    """A preference of somebody's, None where nothing was said, and what he has saved: in one statement."""
    preferred = select(literal(True).label("is_preference"), _PREFERENCES.name, cast(_PREFERENCES.value, Text)).where(
        _PREFERENCES.company_id == company_id, _PREFERENCES.login == login, _PREFERENCES.name == preference
    )
    saved = select(literal(False), _SAVED.name, _SAVED.query).where(
        _SAVED.company_id == company_id, _SAVED.login == login
    )
    rows = connection.execute(union_all(preferred, saved)).all()
    value = next((decode_json(text) for is_preference, _, text in rows if is_preference), None)
    return value, _by_name(SavedFilter(name, text) for is_preference, name, text in rows if not is_preference)


def save_filter(connection: Connection, company_id: int, login: str, saved: SavedFilter, at: datetime) -> None:
    """Keep a filter; one that has this name already is replaced."""
    keys = {"company_id": company_id, "login": login, "name": saved.name}
    put(connection, saved_filters, keys, {"query": saved.query, "saved_at": at})


def drop_filter(connection: Connection, company_id: int, login: str, name: str) -> bool:
    """Forget a filter; whether there was one of this name."""
    return connection.execute(delete(saved_filters).where(*_one(company_id, login, name))).rowcount > 0


def rename_filter(connection: Connection, company_id: int, login: str, name: str, new_name: str, at: datetime) -> bool:
    """Give a filter another name, in the place of one that has it; whether there was one to rename."""
    query = connection.scalar(select(_SAVED.query).where(*_one(company_id, login, name)))
    if query is None:
        return False
    drop_filter(connection, company_id, login, name)
    save_filter(connection, company_id, login, SavedFilter(new_name, query), at)
    return True


def _one(company_id: int, login: str, name: str) -> tuple[ColumnElement[bool], ...]:
    return _SAVED.company_id == company_id, _SAVED.login == login, _SAVED.name == name
