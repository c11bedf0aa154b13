"""A company as large as the pages have to bear, put straight into a database: no Pipedrive, no HTTP.

What is in it is made from numbers alone, so that it is the same at each run; the accounts are built as always.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from hashlib import sha1
from itertools import islice
from typing import Any

from sqlalchemy import JSON, Connection, Table, insert, text, update

from sync.accounts.builder import build_accounts, learn_sizes
from sync.accounts.lists.indexing import pack_index
from sync.accounts.selecting import windows
from sync.accounts.valuation import Valuation
from sync.store.database import Database, encode_json
from sync.store.schema import TABLES, companies

COMPANY = 1
NOW = datetime(2026, 11, 25, 10, 30, tzinfo=UTC)  # a Wednesday
OWNERS = 40
LABELS = range(1, 9)
CHOICES = range(1, 13)  # options of the custom fields that have any

_AT_ONCE = 20_000  # rows
_ROOM = "PRAGMA cache_size = -500000"  # kB: indexes as large as these else go to the disk again and again
_COPY = "COPY {} ({}) FROM STDIN"
_VALUATION = Valuation("EUR", {"USD": Decimal("0.92"), "GBP": Decimal("1.17")})
_TYPES = ("enum", "varchar", "text", "double", "monetary", "date", "set", "varchar", "address", "phone", "user", "enum")
_CODES = [sha1(f"{kind} {number}".encode()).hexdigest() for number, kind in enumerate(_TYPES)]
CODES = dict(reversed(list(zip(_TYPES, _CODES, strict=True))))  # the first of each type
_FIRST = ("Nord", "Süd", "Alpen", "Hanse", "Rhein", "Blue", "Silver", "Grün", "Astra", "Delta", "Kronos", "Møller")
_SECOND = ("logistik", "werk", "soft", "bau", "media", "pharma", "energie", "foods", "metall", "design", "tec", "data")
_THIRD = ("GmbH", "AG", "& Söhne", "Ltd", "Holding", "KG", "SE", "Group", "Partners", "e.K.")
_STREETS = ("Hauptstraße", "Bahnhofstr.", "Kirchweg", "High Street", "Rue de l’Église", "Am Hafen", "Lindenallee")
_CITIES = ("Berlin", "Hamburg", "Köln", "Zürich", "Wien", "London", "Lyon", "Århus", "Gdańsk", "Brno")
_CURRENCIES = (*["EUR"] * 6, "USD", "USD", "GBP", "SEK")  # of the last there is no rate
_SUBJECTS = ("Call back", "Send offer", "Visit", "Renewal", "Lunch", "Check contract", "Onboarding", "Demo")


@dataclass(frozen=True, slots=True)
class Size:
    """How many there are of everything."""

    accounts: int = 50_000
    deals: int = 300_000
    activities: int = 600_000
    notes: int = 50_000
    files: int = 25_000
    persons: int = 75_000


def fill(database: Database, size: Size) -> None:
    """Put the company into an empty database, and build its accounts."""
    _put(database, companies, iter([{"name": "Crowd", "domain": "crowd", "currency": "EUR"}]))
    for name, rows in _reference().items():
        _put(database, TABLES[name], iter(rows))
    makers = {
        "organizations": (_organization, size.accounts),
        "deals": (_deal, size.deals),
        "persons": (_person, size.persons),
        "activities": (_activity, size.activities),
        "notes": (_note, size.notes),
        "files": (_file, size.files),
    }
    for name, (make, count) in makers.items():
        _put(database, TABLES[name], (make(one, size.accounts) for one in range(1, count + 1)))
    _build(database)


def _put(database: Database, table: Table, rows: Iterator[Mapping[str, Any]]) -> None:
    common = {"company_id": COMPANY, "synced_at": NOW}
    while some := [{**common, **row} for row in islice(rows, _AT_ONCE)]:
        with database.writing() as connection:
            if database.is_sqlite:
                connection.exec_driver_sql(_ROOM)
                connection.execute(insert(table), some)
            else:
                _copy(connection, table, some)


def _copy(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """As an INSERT does, in a tenth of the time."""
    names = list(rows[0])
    are_json = [isinstance(table.c[name].type, JSON) for name in names]
    with connection.connection.cursor() as cursor, cursor.copy(_COPY.format(table.name, ", ".join(names))) as out:
        for row in rows:
            values = zip(row.values(), are_json, strict=True)
            out.write_row([encode_json(value) if is_json and value is not None else value for value, is_json in values])


def _build(database: Database) -> None:
    with database.writing() as connection:
        learn_sizes(connection)
        parts = list(windows(connection, COMPANY))
    for part in parts:
        with database.writing() as connection:
            build_accounts(connection, COMPANY, _VALUATION, organizations=part, now=NOW)
    with database.writing() as connection:
        connection.execute(update(companies).values(accounts_basis=_VALUATION.basis))
    pack_index(database)
    if not database.is_sqlite:  # what the server does by itself, sooner or later
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))


def _reference() -> Mapping[str, Sequence[Mapping[str, Any]]]:
    """The small lists."""
    users = [{"id": one, "name": f"{_FIRST[one % 12]} {_SECOND[one % 11]} {one}"} for one in range(1, OWNERS + 1)]
    kinds = ("call", "meeting", "task", "email", "lunch")
    types = [{"id": one, "key_string": kind, "name": kind.title()} for one, kind in enumerate(kinds, 1)]
    currencies = [
        {"id": one, "code": code, "decimal_points": 2} for one, code in enumerate(("EUR", "USD", "GBP", "SEK"), 1)
    ]
    return {
        "users": users,
        "activity_types": types,
        "currencies": currencies,
        "pipelines": [{"id": 1, "name": "Sales"}],
        "stages": [{"id": one, "name": f"Stage {one}", "pipeline_id": 1} for one in range(1, 6)],
        "fields": [_labels(), *(_field(number, kind) for number, kind in enumerate(_TYPES))],
    }


def _labels() -> Mapping[str, Any]:
    options = [{"id": one, "label": f"Label {one}"} for one in LABELS]
    named = {"entity": "organization", "field_code": "label_ids", "field_name": "Labels", "field_type": "set"}
    return {**named, "options": options, "is_custom_field": False}


def _field(number: int, kind: str) -> Mapping[str, Any]:
    options = [{"id": one, "label": f"Choice {one}"} for one in CHOICES] if kind in ("enum", "set") else None
    named = {"entity": "organization", "field_code": _CODES[number], "field_name": f"Field {number}"}
    return {**named, "field_type": kind, "options": options, "is_custom_field": True}


def _spread(one: int, salt: int, among: int) -> int:
    """A number below `among` that looks like chance."""
    return (one * 2_654_435_761 + salt * 40_503 ^ one >> 3) % 4_294_967_291 % among


def _moment(one: int, salt: int, days: int) -> datetime:
    return NOW - timedelta(minutes=_spread(one, salt, days * 1440))


def _organization(one: int, _accounts: int) -> Mapping[str, Any]:
    street, city = _STREETS[_spread(one, 4, 7)], _CITIES[_spread(one, 5, 10)]
    return {
        "id": one,
        "name": f"{_FIRST[_spread(one, 1, 12)]}{_SECOND[_spread(one, 2, 12)]} {one} {_THIRD[_spread(one, 3, 10)]}",
        "owner_id": 1 + _spread(one, 6, OWNERS),
        "visible_to": 3,
        "label_ids": sorted({1 + _spread(one, 7, 8), 1 + _spread(one, 8, 8)}) if one % 3 else [],
        "address": {"value": f"{street} {one % 200}, {city}", "locality": city, "country": "Germany"},
        "website": f"https://www.example{one}.com" if one % 2 else None,
        "custom_fields": {_CODES[number]: _value(one, number, kind) for number, kind in enumerate(_TYPES)},
        "add_time": _moment(one, 9, 2000),
        "update_time": _moment(one, 10, 100),
    }


def _value(one: int, number: int, kind: str) -> Any:
    """What an organization holds in a custom field; in one of five nothing."""
    if _spread(one, 20 + number, 5) == 0:
        return None
    chosen = 1 + _spread(one, 40 + number, 12)
    values: Mapping[str, Any] = {
        "enum": chosen,
        "set": [chosen],
        "double": chosen * 10.5,
        "monetary": {"value": chosen * 1000, "currency": "EUR"},
        "date": f"2026-{chosen:02}-15",
        "address": {"value": f"{_STREETS[chosen % 7]} {chosen}, {_CITIES[chosen % 10]}"},
        "user": chosen,
        "phone": [{"value": f"+49 30 {one:07}"}],
        "text": f"On {_SECOND[chosen % 12]} since {2000 + chosen}, agreed with {_FIRST[chosen % 12]} for {one % 97}",
    }
    return values.get(kind, f"K-{_spread(one, number, 90_000)} {_SECOND[chosen % 12]}")


def _deal(one: int, accounts: int) -> Mapping[str, Any]:
    """The first of each account is won, and two of three others."""
    organization = 1 + (one - 1) % accounts
    status = "won" if one <= accounts else ("won", "won", "open", "lost")[_spread(one, 11, 4)]
    ended = _moment(one, 12, 1500)
    return {
        "id": one,
        "title": f"Deal {one}",
        "org_id": organization,
        "owner_id": 1 + _spread(organization, 6, OWNERS),
        "status": status,
        "value": Decimal(_spread(one, 13, 5_000_000)) / 100,
        "currency": ("EUR", "EUR", "EUR", "EUR", "EUR", "EUR", "USD", "USD", "GBP", "SEK")[
            _spread(organization, 14, 10)
        ],
        "pipeline_id": 1,
        "stage_id": 1 + one % 5,
        "is_archived": False,
        "is_deleted": False,
        "won_time": ended if status == "won" else None,
        "lost_time": ended if status == "lost" else None,
        "close_time": None if status == "open" else ended,
        "add_time": ended - timedelta(days=60),
        "update_time": ended,
    }


def _activity(one: int, accounts: int) -> Mapping[str, Any]:
    """One of eight is planned."""
    organization = 1 + _spread(one, 15, accounts)
    planned = one % 8 == 0
    due = date(2026, 11, 25) + timedelta(days=_spread(one, 16, 60) - 15 if planned else -_spread(one, 17, 900))
    return {
        "id": one,
        "type": ("call", "meeting", "task", "email", "lunch")[one % 5],
        "subject": f"{_SUBJECTS[_spread(one, 18, 8)]} {one}",
        "org_id": organization,
        "deal_id": organization if one % 3 == 0 else None,
        "owner_id": 1 + _spread(organization, 6, OWNERS),
        "due_date": due,
        "due_time": f"{7 + one % 11:02}:{one // 16 % 4 * 15:02}" if one % 16 else None,
        "done": not planned,
        "is_deleted": False,
        "marked_as_done_time": None if planned else datetime(due.year, due.month, due.day, 15, tzinfo=UTC),
        "add_time": NOW - timedelta(days=1000),
        "update_time": NOW - timedelta(days=1),
    }


def _person(one: int, accounts: int) -> Mapping[str, Any]:
    return {
        "id": one,
        "name": f"Person {one}",
        "org_id": 1 + _spread(one, 19, accounts),
        "emails": [{"value": f"person{one}@mail.example", "primary": True}],
        "phones": [{"value": f"+49 40 {one}", "primary": True}],
        "is_deleted": False,
        "add_time": NOW,
        "update_time": NOW,
    }


def _note(one: int, accounts: int) -> Mapping[str, Any]:
    return {
        "id": one,
        "org_id": 1 + _spread(one, 21, accounts),
        "content": f"<p>What was said in talk {one}: <b>they want more</b>.</p>" * 5,
        "user_id": 1 + one % OWNERS,
        "active_flag": True,
        "add_time": _moment(one, 22, 900),
        "update_time": NOW,
    }


def _file(one: int, accounts: int) -> Mapping[str, Any]:
    return {
        "id": one,
        "org_id": 1 + _spread(one, 23, accounts),
        "name": f"offer-{one}.pdf",
        "file_name": f"offer-{one}.pdf",
        "file_type": "pdf",
        "file_size": 1000 + one,
        "user_id": 1 + one % OWNERS,
        "active_flag": True,
        "add_time": _moment(one, 24, 900),
        "update_time": NOW,
    }
