"""What a list of accounts can be sorted by: columns, names in place of ids, and what custom and own fields hold.

Whatever the direction, accounts without a value come last, and the organization's id decides between equals.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Numeric,
    Text,
    case,
    cast,
    func,
    literal,
    literal_column,
    nulls_last,
)
from sqlalchemy.dialects.postgresql import JSONB

from sync.accounts.folding import folded
from sync.accounts.kinds import STANDARD, FieldKind
from sync.accounts.overlay import OWN
from sync.accounts.queries import load_users
from sync.accounts.readable import options_of
from sync.errors import SyncError
from sync.pipedrive.entities import ORGANIZATIONS
from sync.store.custom_fields import StoredDefinition, load_definitions
from sync.store.schema import account_index, accounts

_INDEXED: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "name": ("sort_name",),
        "id": ("organization_id",),
        "status": ("status",),
        "won_value": ("won_value",),
        "won_deals": ("won_deals_count",),
        "open_deals": ("open_deals_count",),
        "customer_since": ("created_at",),
        "last_won": ("last_won_time",),
        "last_activity": ("last_activity_time",),
        "next_activity": ("due",),
    }
)
_COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "first_won": "first_won_time",
        "updated_at": "updated_at",
        "visible_to": "visible_to",
        "annual_revenue": "annual_revenue",
        "employee_count": "employee_count",
    }
)
_OWNER = ("owner", "owner_id")
_TEXTS = ("website", "linkedin")
_COMPOUND = (FieldKind.ADDRESS, FieldKind.TIME, FieldKind.DATERANGE, FieldKind.TIMERANGE)


class NoSuchColumn(SyncError):
    """Accounts can't be sorted by something of this name."""


@dataclass(frozen=True, slots=True)
class Order:
    """The order of a list of accounts: by a column's name, a standard attribute, a custom field's code, or
    `fields.` and an own field's name.
    """

    column: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Sorting:
    """What accounts are sorted by; `beside` the index, which needs `accounts` joined to it."""

    keys: Sequence[ColumnElement[Any]]
    order: Order
    beside: bool

    def of(self, keys: Sequence[ColumnElement[Any]]) -> list[ColumnElement[Any]]:
        """The keys, wherever they stand, in their direction."""
        return [nulls_last(key.desc() if self.order.descending else key.asc()) for key in keys]


def sorting(connection: Connection, company_id: int, order: Order) -> Sorting:
    """An order as SQL. Asks for names or definitions where ids stand for them. Raises `NoSuchColumn`."""
    keys = _keys(connection, company_id, order.column)
    return Sorting(keys, order, beside=order.column not in (*_INDEXED, *_OWNER))


def _keys(connection: Connection, company_id: int, column: str) -> Sequence[ColumnElement[Any]]:
    if column in _INDEXED:
        return [account_index.c[name] for name in _INDEXED[column]]
    if column in _COLUMNS:
        return [accounts.c[_COLUMNS[column]]]
    if column in _TEXTS:
        return [func.lower(accounts.c[column])]
    if column.startswith(OWN):
        return _own(connection.dialect.name, column.removeprefix(OWN))
    return [_key(connection, company_id, column)]


def _key(connection: Connection, company_id: int, column: str) -> ColumnElement[Any]:
    """Of what needs to be looked up, or into."""
    dialect = connection.dialect.name
    if column in _OWNER:
        return _ranked(dialect, account_index.c.owner_id, _by_label(load_users(connection, company_id)))
    if column == "address":
        return func.lower(_Document(dialect, accounts.c.address).text("value"))
    definitions = {one.field_code: one for one in load_definitions(connection, company_id, ORGANIZATIONS.singular)}
    if column == "label_ids":
        first = _Document(dialect, accounts.c.label_ids).text(0)
        return _ranked(dialect, first, _options(definitions.get(column)))
    if column == "industry":
        return _ranked(dialect, accounts.c.industry, _options(definitions.get(column)))
    if column in STANDARD or column not in definitions or not _is_addressable(column):
        raise NoSuchColumn(f"Accounts can't be sorted by {column!r}.", "Choose a column of the list.")
    return _custom(connection, company_id, definitions[column])


def _own(dialect: str, name: str) -> Sequence[ColumnElement[Any]]:
    """Of an own field: its numbers, then its texts."""
    if not _is_addressable(name):
        raise NoSuchColumn(f"Accounts can't be sorted by {OWN + name!r}.", "Choose a column of the list.")
    held = _Document(dialect, accounts.c.fields)
    return [held.number(name), func.lower(held.text(name))]


def _custom(connection: Connection, company_id: int, definition: StoredDefinition) -> ColumnElement[Any]:
    dialect, code, kind = connection.dialect.name, definition.field_code, definition.field_type
    held = _Document(dialect, accounts.c.custom_fields)
    if kind == FieldKind.USER:
        return _ranked(dialect, held.text(code), _by_label(load_users(connection, company_id)))
    if kind == FieldKind.ENUM:
        return _ranked(dialect, held.text(code), _options(definition))
    if kind == FieldKind.SET:
        return _ranked(dialect, held.text(code, 0), _options(definition))
    if kind == FieldKind.DOUBLE:
        return held.number(code)
    if kind == FieldKind.MONETARY:
        return held.number(code, "value")
    return func.lower(held.text(code, "value") if kind in _COMPOUND else held.text(code))


def _is_addressable(key: str) -> bool:
    """That a path into a document can name a key."""
    return '"' not in key and "\0" not in key


@dataclass(frozen=True, slots=True)
class _Document:
    """A JSON column, and what stands in it, as SQL of either database."""

    dialect: str
    column: ColumnElement[Any]

    def text(self, *steps: str | int) -> ColumnElement[Any]:
        """What stands at a place, as text."""
        if self.dialect == "postgresql":
            return self._at(*steps).op("#>>")(literal_column("'{}'::text[]"))
        return cast(func.json_extract(self.column, _path(steps)), Text)

    def number(self, *steps: str | int) -> ColumnElement[Any]:
        """The number at a place; null where something else stands there."""
        if self.dialect == "postgresql":
            is_number = func.jsonb_typeof(self._at(*steps)) == "number"
            return case((is_number, cast(self.text(*steps), Numeric)))
        is_number = func.json_type(self.column, _path(steps)).in_(["integer", "real"])
        return case((is_number, func.json_extract(self.column, _path(steps))))

    def _at(self, *steps: str | int) -> ColumnElement[Any]:
        value = self.column
        for step in steps:
            value = value.op("->", return_type=JSONB())(step)
        return value


def _path(steps: Sequence[str | int]) -> str:
    return "$" + "".join(f'."{step}"' if isinstance(step, str) else f"[{step}]" for step in steps)


def _ranked(dialect: str, value: ColumnElement[Any], ids: Sequence[Any]) -> ColumnElement[Any]:
    """The place of an id among some: where it stands in a text that lists them."""
    listed = "".join(f",{one}" for one in ids) + ","
    find = func.strpos if dialect == "postgresql" else func.instr
    return func.nullif(find(listed, literal(",") + cast(value, Text) + literal(",")), 0)


def _options(definition: StoredDefinition | None) -> Sequence[Any]:
    return _by_label(options_of(definition)) if definition else ()


def _by_label(labels: Mapping[Any, str]) -> Sequence[Any]:
    """Ids in the order of what they stand for."""
    return sorted(labels, key=lambda one: (folded(labels[one]), str(one)))
