"""Writing accounts out, a batch at a time: CSV for spreadsheets, JSON Lines and JSON for programs.

Owns how a value looks in each format, and where the text goes. A file appears whole or not at all; a reader that goes
away in the middle of standard output has had enough, which is no error.
"""

import csv
import io
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO

from sync.accounts.lists.calendar import Calendar
from sync.accounts.lists.filtering import Filter, Status
from sync.accounts.lists.listing import stream_rows
from sync.accounts.lists.orders import Order
from sync.accounts.queries import account_columns, load_names
from sync.accounts.readable import CustomField, References, custom_fields, labels, load_references, readable
from sync.cli.output import json_text, reader_may_leave
from sync.clock import SystemClock
from sync.errors import SyncError
from sync.store.database import Database

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_COMPANIONS = {"owner_id": "owner", "label_ids": "labels"}  # a column of names follows each of these


class Format(StrEnum):
    """What an export is written in."""

    CSV = "csv"
    JSONL = "jsonl"
    JSON = "json"


class NotWritable(SyncError):
    """The file can't be written."""


def export(database: Database, company_id: int, status: Status, form: Format, file: Path | None) -> int:
    """Write the accounts to a file, or to standard output; how many. Raises `NotWritable`, `DatabaseError`."""
    written = 0
    with database.reading() as connection, _opened(file) as out:
        for lines, count in _WRITERS[form](connection, company_id, status):
            out.write(lines)
            written += count
    return written


def _batches(connection: Any, company_id: int, status: Status) -> Iterator[Sequence[Mapping[str, Any]]]:
    """Every account with all its columns, by organization id."""
    today = Calendar(SystemClock().now())
    for batch in stream_rows(connection, company_id, Filter(status=status), today, Order("id")):
        yield [row.account for row in batch]


def _csv(connection: Any, company_id: int, status: Status) -> Iterator[tuple[bytes, int]]:
    table = _Table(connection, company_id)
    yield _csv_lines([table.header()]), 0
    for batch in _batches(connection, company_id, status):
        yield _csv_lines(table.rows(batch)), len(batch)


def _csv_lines(rows: Sequence[Sequence[Any]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([harmless(cell) for cell in row] for row in rows)
    return text.getvalue().encode("utf-8", "backslashreplace")


class _Number(str):
    """A number, written out: what begins with a minus is no formula."""

    __slots__ = ()


def harmless(cell: Any) -> Any:
    """A cell that no spreadsheet takes for a formula: a text that begins like one gets an apostrophe in front."""
    return f"'{cell}" if type(cell) is str and cell.startswith(_FORMULA_STARTS) else cell


class _Table:
    """The columns of the CSV file: those of an account, and those of its custom fields, named as in `v_accounts`."""

    def __init__(self, connection: Any, company_id: int) -> None:
        self._connection = connection
        self._company_id = company_id
        self._attributes = [name for name in account_columns() if name != "custom_fields"]
        self._users = load_names(connection, company_id).users
        self._labels = labels(connection, company_id)
        self._fields: Sequence[CustomField] = custom_fields(connection, company_id)

    def header(self) -> list[str]:
        """The names of the columns."""
        attributes = [part for name in self._attributes for part in (name, _COMPANIONS.get(name)) if part]
        return attributes + [name for field in self._fields for name in field.columns]

    def rows(self, batch: Sequence[Mapping[str, Any]]) -> list[list[Any]]:
        """The cells of some accounts."""
        documents = [account["custom_fields"] for account in batch]
        references = load_references(self._connection, self._company_id, self._fields, documents)
        return [self._row(account, references) for account in batch]

    def _row(self, account: Mapping[str, Any], references: References) -> list[Any]:
        cells: list[Any] = []
        for name in self._attributes:
            cells.append(_cell(account[name]))
            if name == "owner_id":
                cells.append(self._users.get(account[name]))
            elif name == "label_ids":
                ids = account[name] if isinstance(account[name], list) else []
                cells.append(", ".join(self._labels.get(one, str(one)) for one in ids))
        held = account["custom_fields"]
        document = held if isinstance(held, dict) else {}
        for field in self._fields:
            value = readable(field, document.get(field.code), references)
            cells.append(_cell(value))
            cells += [_cell(value.get(part)) if isinstance(value, dict) else None for part in field.parts]
        return cells


def _cell(value: Any) -> Any:
    """One value as a cell: numbers stay numbers, times are RFC 3339 in UTC, compound values their readable part."""
    if value is None or type(value) in (str, int):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float | Decimal):
        return _Number(format(Decimal(repr(value)) if isinstance(value, float) else value, "f"))
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list):
        return ", ".join(str(_cell(one)) for one in value)
    return _cell(value["value"]) if isinstance(value, dict) and "value" in value else json_text(value)


def _jsonl(connection: Any, company_id: int, status: Status) -> Iterator[tuple[bytes, int]]:
    for batch in _batches(connection, company_id, status):
        yield "".join(f"{json_text(account)}\n" for account in batch).encode(), len(batch)


def _json(connection: Any, company_id: int, status: Status) -> Iterator[tuple[bytes, int]]:
    before = "[\n"
    for batch in _batches(connection, company_id, status):
        yield (before + ",\n".join(map(json_text, batch))).encode(), len(batch)
        before = ",\n"
    yield ("[]\n" if before == "[\n" else "\n]\n").encode(), 0


_WRITERS = {Format.CSV: _csv, Format.JSONL: _jsonl, Format.JSON: _json}


@contextmanager
def _opened(file: Path | None) -> Iterator[BinaryIO]:
    if file is None:
        with reader_may_leave():
            yield sys.stdout.buffer
            sys.stdout.flush()
        return
    target = file.expanduser().resolve()
    try:
        if target.exists() and not target.is_file():  # a pipe or a device: nothing to rename over
            with target.open("wb") as out:
                yield out
        else:
            with _whole_file(target) as out:
                yield out
    except OSError as error:
        raise NotWritable(
            f"{file} can't be written: {error.strerror or error}.", "Choose another file with --output."
        ) from error


@contextmanager
def _whole_file(target: Path) -> Iterator[BinaryIO]:
    """A file beside the target, which takes its place once it is complete."""
    beside = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with beside.open("xb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)
