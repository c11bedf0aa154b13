"""What accounts are found by: their texts, folded, the name they are sorted by, and the options they hold.

Triggers copy into `account_index` what lists read as it is, and mark what is to be made anew (`text` is null);
`refresh_index` makes it, from the account's row alone. Everything that builds or edits accounts does so in the same
transaction; what programs change by SQL waits for the service's next look, and is searched row by row until then.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import structlog
from sqlalchemy import ColumnElement, Connection, Select, exists, select, text, update
from sqlalchemy import bindparam as given
from sqlalchemy.exc import DBAPIError

from sync.accounts.folding import folded
from sync.accounts.overlay import OWN
from sync.accounts.queries import plain
from sync.store.database import Database
from sync.store.dialect import among_parameter, many
from sync.store.errors import words_of
from sync.store.schema import account_index, accounts

AT_ONCE = 1000  # accounts

_log = structlog.get_logger(__name__)

_LONGEST_OPTION = 100  # letters: what is longer is a text, and no option of an own field
_LINE, _IS = "\n", "\t"  # between options, and between a field and what it holds
_TEXTS = ("name", "address", "website", "linkedin")
_COLUMNS = (*_TEXTS, "industry", "custom_fields", "fields")


@dataclass(frozen=True, slots=True)
class Entry:
    """What one account is found by."""

    sort_name: str
    text: str
    options: frozenset[tuple[str, str]]  # fields and what they hold

    @property
    def lines(self) -> str:
        """Its options as `account_index` has them: each can be sought as `option_line` says it."""
        return "".join(f"{_LINE}{field}{_IS}{option}" for field, option in sorted(self.options)) + _LINE


def option_line(field: str, option: str) -> str:
    """An option as it stands among others."""
    return f"{_LINE}{field}{_IS}{option}{_LINE}"


def entry_of(account: Mapping[str, Any]) -> Entry:
    """What an account's row is found by."""
    documents = {code: value for code, value in (account["custom_fields"] or {}).items() if value is not None}
    own = {f"{OWN}{name}": value for name, value in (account["fields"] or {}).items()}
    texts = [
        folded(one)
        for value in (*(account[name] for name in _TEXTS), *documents.values(), *own.values())
        for one in _texts(value)
    ]
    options = {("industry", str(one)) for one in _ids(account["industry"])}
    options |= {(code, str(one)) for code, value in documents.items() for one in _ids(value)}
    options |= {(name, one) for name, value in own.items() for one in _texts(value) if len(one) <= _LONGEST_OPTION}
    told = frozenset(one for one in options if not _has_break(*one))
    return Entry(folded(account["name"] or ""), "\n".join(one for one in texts if one), told)


def _has_break(field: str, option: str) -> bool:
    """That an option would read as another one among lines."""
    return any(mark in text for mark in (_LINE, _IS) for text in (field, option))


def _texts(value: Any) -> Iterator[str]:
    """The texts in a value: itself, those of a list, or an address as one line."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _texts(value.get("value"))
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)


def _ids(value: Any) -> Iterator[int]:
    for one in value if isinstance(value, list) else [value]:
        if type(one) is int:
            yield one


def any_stale(connection: Connection, company_id: int) -> bool:
    """Whether any account has changed since its entry was made."""
    return bool(connection.scalar(_ANY_STALE, {"of_company": company_id}))


# A sum keeps SQLite from the index that holds all texts: the one of what is stale is mostly empty.
_STALE = (account_index.c.company_id + 0 == given("of_company")) & account_index.c.text.is_(None)
_ANY_STALE = select(exists().where(_STALE))


def stale_entries(connection: Connection, company_id: int, limit: int) -> Sequence[tuple[int, Entry]]:
    """The accounts that changed since their entry was made, at most so many, with the entries they ought to have."""
    return _read(connection, _entries(_STALE), {"of_company": company_id, "at_most": limit})


def refresh_index(connection: Connection, company_id: int, organization_ids: Collection[int] | None = None) -> int:
    """Make anew what is stale, of some accounts or of all; how many were. In the caller's transaction.

    PostgreSQL: what another transaction is editing is left to it, or to the next look.
    """
    refreshed, dialect = 0, connection.dialect.name
    while mine := _take(connection, company_id, organization_ids):
        theirs = {"of_company": company_id, "organizations": many(dialect, mine)}
        _write(connection, company_id, _read(connection, _entries_of(dialect), theirs | {"at_most": AT_ONCE}))
        refreshed += len(mine)
    return refreshed


def _take(connection: Connection, company_id: int, organization_ids: Collection[int] | None) -> Sequence[int]:
    """Some accounts with stale entries, which nobody can edit before this transaction ends."""
    dialect, theirs = connection.dialect.name, {"of_company": company_id}
    if organization_ids is None:
        return connection.scalars(_taken(dialect, some=False), theirs).all()
    return connection.scalars(
        _taken(dialect, some=True), theirs | {"organizations": many(dialect, organization_ids)}
    ).all()


@cache
def _taken(dialect: str, *, some: bool) -> Select[Any]:
    query = select(account_index.c.organization_id).where(_STALE)
    if some:
        query = query.where(among_parameter(dialect, account_index.c.organization_id, "organizations"))
    return query.limit(AT_ONCE).with_for_update(skip_locked=True)


@cache
def _entries_of(dialect: str) -> Select[Any]:
    theirs = among_parameter(dialect, account_index.c.organization_id, "organizations")
    return _entries((account_index.c.company_id == given("of_company")) & theirs)


def _entries(which: ColumnElement[bool]) -> Select[Any]:
    its_account = (accounts.c.company_id == account_index.c.company_id) & (
        accounts.c.organization_id == account_index.c.organization_id
    )
    return (
        select(accounts.c.organization_id, *(accounts.c[name] for name in _COLUMNS))
        .select_from(account_index.join(accounts, its_account))
        .where(which)
        .limit(given("at_most"))
    )


def _read(connection: Connection, query: Select[Any], which: Mapping[str, Any]) -> Sequence[tuple[int, Entry]]:
    return [(row["organization_id"], entry_of(plain(row))) for row in connection.execute(query, which).mappings()]


def freshen_index(database: Database, company_id: int) -> int:
    """Make anew what is stale, if anything is; how many accounts were. What is fresh costs a glance."""
    with database.reading() as connection:
        if not any_stale(connection, company_id):
            return 0
    with database.writing() as connection:
        return refresh_index(connection, company_id)


def pack_index(database: Database) -> None:
    """After all accounts were built: PostgreSQL keeps the room of every entry that was replaced, and lists would read
    it all. Left out where somebody reads them just now, and for long, or where the tables belong to another user.
    """
    if database.is_sqlite:
        return
    with database.writing() as connection:
        connection.execute(_NOT_FOR_LONG)
        try:
            connection.execute(_PACK)
        except DBAPIError as error:
            _log.info("index_not_packed", reason=words_of(error))


_NOT_FOR_LONG = text("SET LOCAL lock_timeout = '2s'")
_PACK = text("REINDEX INDEX ix_account_index_listing")


_ENTRY = (
    update(account_index)
    .where(
        account_index.c.company_id == given("of_company"), account_index.c.organization_id == given("of_organization")
    )
    .values(sort_name=given("new_sort_name"), text=given("new_text"), options=given("new_options"))
)


def _write(connection: Connection, company_id: int, entries: Sequence[tuple[int, Entry]]) -> None:
    connection.execute(
        _ENTRY,
        [
            {
                "of_company": company_id,
                "of_organization": organization_id,
                "new_sort_name": entry.sort_name,
                "new_text": entry.text,
                "new_options": entry.lines,
            }
            for organization_id, entry in entries
        ],
    )
