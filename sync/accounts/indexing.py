"""What accounts are found by: their texts, folded, the name they are sorted by, and the options they hold.

Triggers mark what has changed (`account_index.text` is null); `refresh_index` makes it anew, from the account's row
alone. Everything that builds or edits accounts does so in the same transaction; what programs change by SQL waits for
the service's next look, and is searched row by row until then.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy import bindparam as given

from sync.accounts.folding import folded
from sync.accounts.overlay import OWN
from sync.accounts.queries import plain
from sync.store.dialect import among
from sync.store.schema import account_index, account_options, accounts

AT_ONCE = 1000  # accounts

_LONGEST_OPTION = 100  # letters: what is longer is a text, and no option of an own field
_TEXTS = ("name", "address", "website", "linkedin")
_OPTIONS = ("label_ids", "industry")
_COLUMNS = (*_TEXTS, *_OPTIONS, "custom_fields", "fields")


@dataclass(frozen=True, slots=True)
class Entry:
    """What one account is found by."""

    sort_name: str
    text: str
    options: frozenset[tuple[str, str]]  # fields and what they hold


def entry_of(account: Mapping[str, Any]) -> Entry:
    """What an account's row is found by."""
    documents = {code: value for code, value in (account["custom_fields"] or {}).items() if value is not None}
    own = {f"{OWN}{name}": value for name, value in (account["fields"] or {}).items()}
    texts = [
        folded(one)
        for value in (*(account[name] for name in _TEXTS), *documents.values(), *own.values())
        for one in _texts(value)
    ]
    options = {(name, str(one)) for name in _OPTIONS for one in _ids(account[name])}
    options |= {(code, str(one)) for code, value in documents.items() for one in _ids(value)}
    options |= {(name, one) for name, value in own.items() for one in _texts(value) if len(one) <= _LONGEST_OPTION}
    return Entry(folded(account["name"] or ""), "\n".join(one for one in texts if one), frozenset(options))


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


def stale_entries(connection: Connection, company_id: int, limit: int) -> Sequence[tuple[int, Entry]]:
    """The accounts that changed since their entry was made, at most so many, with the entries they ought to have."""
    its_account = (accounts.c.company_id == account_index.c.company_id) & (
        accounts.c.organization_id == account_index.c.organization_id
    )
    query = (
        select(accounts.c.organization_id, *(accounts.c[name] for name in _COLUMNS))
        .select_from(account_index.join(accounts, its_account))
        .where(account_index.c.company_id == company_id, account_index.c.text.is_(None))
        .limit(limit)
    )
    return [(row["organization_id"], entry_of(plain(row))) for row in connection.execute(query).mappings()]


def refresh_index(connection: Connection, company_id: int) -> int:
    """Make anew what is stale; how many accounts were. In the caller's transaction."""
    refreshed = 0
    while stale := stale_entries(connection, company_id, AT_ONCE):
        _write(connection, company_id, stale)
        refreshed += len(stale)
    return refreshed


_ENTRY = (
    update(account_index)
    .where(
        account_index.c.company_id == given("of_company"), account_index.c.organization_id == given("of_organization")
    )
    .values(sort_name=given("new_sort_name"), text=given("new_text"))
)


def _write(connection: Connection, company_id: int, entries: Sequence[tuple[int, Entry]]) -> None:
    ids = [organization_id for organization_id, _ in entries]
    theirs = among(connection, account_options.c.organization_id, ids)
    connection.execute(delete(account_options).where(account_options.c.company_id == company_id, theirs))
    options = [
        {"company_id": company_id, "field": field, "option": option, "organization_id": organization_id}
        for organization_id, entry in entries
        for field, option in sorted(entry.options)
    ]
    if options:
        connection.execute(insert(account_options), options)
    connection.execute(
        _ENTRY,
        [
            {
                "of_company": company_id,
                "of_organization": organization_id,
                "new_sort_name": entry.sort_name,
                "new_text": entry.text,
            }
            for organization_id, entry in entries
        ],
    )
