"""The small lists that give ids their names: users, field definitions, pipelines, stages, types, currencies.

They change rarely and are needed all the time. The cache keeps them for each company and asks, with one statement,
whether they are still what they were.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, select

from sync.accounts.fields import Fields, load_fields
from sync.accounts.queries import Names, load_names, load_users
from sync.accounts.readable import CustomField, custom_fields, labels
from sync.settings import Settings
from sync.store.companies import load_companies
from sync.store.database import Database
from sync.store.schema import TABLES, companies, filled_fields

_TABLES = ("users", "fields", "pipelines", "stages", "activity_types", "currencies")


@dataclass(frozen=True)
class Reference:
    """A company's names, as they were when they were loaded. Raises no errors but those of the database."""

    company: Mapping[str, Any]
    names: Names
    custom_fields: Sequence[CustomField]
    labels: Mapping[Any, str]
    active_users: Mapping[int, str]  # those that Pipedrive lets own anything
    _database: Database = field(repr=False)
    _fields: dict[int, Fields] = field(default_factory=dict, repr=False)

    @property
    def has_accounts(self) -> bool:
        """Whether the accounts were ever built: a first copy under way does so at its end."""
        return self.company.get("accounts_basis") is not None

    @property
    def users(self) -> Mapping[int, str]:
        """The names of all users, by id."""
        return self.names.users

    @property
    def activity_types(self) -> Mapping[str, str]:
        """The names of activity types, by key."""
        return self.names.activity_types

    @property
    def decimals(self) -> Mapping[str, int]:
        """How many decimals currencies have."""
        return self.names.decimals

    @cached_property
    def by_code(self) -> Mapping[str, CustomField]:
        """The organizations' custom fields, by their codes."""
        return {one.code: one for one in self.custom_fields}

    def fields(self, settings: Settings) -> Fields:
        """The editable fields of the company's accounts. Raises `SettingsError`."""
        known = self._fields.get(id(settings))
        if known is None:
            with self._database.reading() as connection:
                known = load_fields(connection, int(self.company["company_id"]), settings)
            self._fields[id(settings)] = known
        return known


class ReferenceCache:
    """The names of every company in a database. Safe to share between threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._held: dict[int, tuple[Any, Reference]] = {}
        self._lock = threading.Lock()

    def of(self, company_id: int) -> Reference:
        """A company's names as they are now. Raises `DatabaseError`."""
        with self._database.reading() as connection:
            version = _version(connection, company_id)
            with self._lock:
                held = self._held.get(company_id)
            if held is None or held[0] != version:
                held = (version, _load(connection, self._database, company_id))
                with self._lock:
                    self._held[company_id] = held
        return held[1]


def _version(connection: Connection, company_id: int) -> tuple[Any, ...]:
    """Another one whenever anything in the lists is."""
    return tuple(connection.execute(_version_query(), {"company_id": company_id}).one())


@cache
def _version_query() -> Select[Any]:
    """Made once: making it takes longer than running it."""
    company_id = bindparam("company_id", type_=companies.c.company_id.type)
    parts: list[Any] = []
    for name in _TABLES:
        columns = TABLES[name].c
        counted = (func.count(), func.max(columns.synced_at), func.max(columns.deleted_at))
        parts += [select(one).where(columns.company_id == company_id).scalar_subquery() for one in counted]
    filled = func.count(filled_fields.c.field_code)
    parts.append(select(filled).where(filled_fields.c.company_id == company_id).scalar_subquery())
    parts += [
        select(companies.c[name]).where(companies.c.company_id == company_id).scalar_subquery()
        for name in ("currency", "domain", "accounts_basis")
    ]
    return select(*(part.label(f"part_{place}") for place, part in enumerate(parts)))


def _load(connection: Connection, database: Database, company_id: int) -> Reference:
    company = next((one for one in load_companies(connection) if one["company_id"] == company_id), {})
    return Reference(
        company=company,
        names=load_names(connection, company_id),
        custom_fields=custom_fields(connection, company_id),
        labels=labels(connection, company_id),
        active_users=load_users(connection, company_id, only_active=True),
        _database=database,
    )
