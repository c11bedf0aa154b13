"""Questions about the company's accounts and other records by what a person calls them, and what ids stand for.

Set-based and read-only; every function works in the caller's transaction. Lists of accounts are in `listing`, what is
known of one account in `details`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, bindparam, func, select

from sync.accounts.folding import folded
from sync.store.dialect import among
from sync.store.schema import TABLES, account_won_values, accounts, companies

_BOOKKEEPING = frozenset({"edited_by", "edited_at", "edits", "revision"})
_USERS, _ORGANIZATIONS = TABLES["users"], TABLES["organizations"]


@dataclass(frozen=True, slots=True)
class Named:
    """A record by which a person knows it."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Names:
    """What the ids and codes of a company stand for."""

    users: Mapping[int, str]
    activity_types: Mapping[str, str]
    pipelines: Mapping[int, str]
    stages: Mapping[int, str]
    decimals: Mapping[str, int]  # by currency


def load_names(connection: Connection, company_id: int) -> Names:
    """The names of the company's users, types, pipelines and stages, and its currencies' decimals."""

    def of(table: str, key: str, value: str) -> dict[Any, Any]:
        columns = TABLES[table].c
        found = connection.execute(select(columns[key], columns[value]).where(columns.company_id == company_id))
        return {one: name for one, name in found if one is not None and name is not None}

    return Names(
        users=load_users(connection, company_id),
        activity_types=of("activity_types", "key_string", "name"),
        pipelines=of("pipelines", "id", "name"),
        stages=of("stages", "id", "name"),
        decimals=of("currencies", "code", "decimal_points"),
    )


def accounts_built(connection: Connection, company_id: int) -> bool:
    """Whether the accounts were ever built: a first copy under way does so at its end."""
    basis = connection.scalar(select(companies.c.accounts_basis).where(companies.c.company_id == company_id))
    return basis is not None


def find_accounts(connection: Connection, company_id: int, text: str) -> Sequence[Named]:
    """The accounts a person may mean: by id, else by the whole name, else by a part of it."""
    columns = accounts.c
    return _find(connection, text, columns.organization_id, columns.name, columns.company_id == company_id)


def find_organizations(connection: Connection, company_id: int, text: str) -> Sequence[Named]:
    """The organizations a person may mean, accounts or not, deleted ones included."""
    columns = _ORGANIZATIONS.c
    return _find(connection, text, columns.id, columns.name, columns.company_id == company_id)


def load_users(connection: Connection, company_id: int, *, only_active: bool = False) -> Mapping[int, str]:
    """The names of all users, by id; or of those who can still be given anything."""
    found = connection.execute(_users(only_active=only_active), {"company": company_id})
    return {one: name for one, name in found if name}


@cache
def _users(*, only_active: bool) -> Select[Any]:
    query = select(_USERS.c.id, _USERS.c.name).where(_USERS.c.company_id == bindparam("company"))
    if only_active:
        gone = func.coalesce(_USERS.c.is_deleted, False)
        query = query.where(_USERS.c.deleted_at.is_(None), func.coalesce(_USERS.c.active_flag, True), ~gone)
    return query


def find_users(connection: Connection, company_id: int, text: str) -> Sequence[Named]:
    """The users a person may mean."""
    return _find(connection, text, _USERS.c.id, _USERS.c.name, _USERS.c.company_id == company_id)


def _find(
    connection: Connection,
    text: str,
    key: ColumnElement[Any],
    name: ColumnElement[Any],
    condition: ColumnElement[bool],
) -> Sequence[Named]:
    query = select(key, name).where(condition).order_by(key)
    if text.isascii() and text.isdigit() and len(text) < 19:
        found = connection.execute(query.where(key == int(text))).all()
        if found:
            return [Named(one, called or "") for one, called in found]
    sought = folded(text)
    if not sought:
        return []
    everyone = [Named(one, called) for one, called in connection.execute(query) if called]
    for same in (lambda name: name.casefold() == text.casefold(), lambda name: folded(name) == sought):
        if exact := [one for one in everyone if same(one.name)]:
            return exact
    return [one for one in everyone if sought in folded(one.name)]


def names_of(connection: Connection, company_id: int, table: str, ids: Sequence[int]) -> dict[int, str]:
    """The names of some records of a mirrored table."""
    if not ids:
        return {}
    columns = TABLES[table].c
    condition = (columns.company_id == company_id) & among(connection, columns.id, ids)
    return {one: name for one, name in connection.execute(select(columns.id, columns.name).where(condition)) if name}


def plain(row: RowMapping) -> dict[str, Any]:
    """An account's row under keys of plain text, which SQLAlchemy's are not: not every JSON encoder takes those."""
    return {str(name): value for name, value in row.items() if name not in _BOOKKEEPING}


def account_columns() -> Sequence[str]:
    """The names of an account's columns, in their order, but for those that count edits and tell who made them."""
    return [str(column.name) for column in accounts.c if column.name not in _BOOKKEEPING]


def won_currencies(connection: Connection, company_id: int) -> Sequence[str]:
    """The currencies in which anything worth something was won; empty text for deals without a currency."""
    query = (
        select(account_won_values.c.currency)
        .where(account_won_values.c.company_id == company_id, account_won_values.c.value != 0)
        .distinct()
        .order_by(account_won_values.c.currency)
    )
    return list(connection.scalars(query))
