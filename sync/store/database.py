"""Connections and transactions: one `Database` per address, the same face for SQLite and PostgreSQL.

`reading()` gives a consistent view, `writing()` one transaction that is committed whole or not at all. Drivers'
failures leave here as `DatabaseError`s. What is read or written is the callers'.
"""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import orjson
from sqlalchemy import URL, Connection, create_engine, event, make_url
from sqlalchemy.engine import Engine
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError

from sync.store.errors import DatabaseBusy, DatabaseError, DatabaseUnreachable, words_of
from sync.store.exact import register_exact_functions

__all__ = ["BUSY_TIMEOUT", "Connection", "Database", "decode_json", "encode_json"]

BUSY_TIMEOUT = 30.0  # seconds that SQLite waits for another process's transaction
_NO_ROOM = ("disk is full", "disk I/O error", "No space left")
_REMEDY = "Check DATABASE_URL, and that the database server is running and lets this user in."


class Database:
    """A database at an address. Close it when done."""

    def __init__(self, url: str) -> None:
        """Raises `DatabaseUnreachable` for an address that can't be understood."""
        self.url = _parsed(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = _sqlite_engine(self.url) if self.is_sqlite else _postgresql_engine(self.url)
        # SQLite has one writer at a time: threads queue here rather than poll its lock.
        self._turn = threading.Lock()

    @property
    def name(self) -> str:
        """What to call this database when talking to a person: no password."""
        return str(self.url.database) if self.is_sqlite else self.url.render_as_string(hide_password=True)

    @property
    def file(self) -> Path | None:
        """The file of an SQLite database."""
        return _file_of(self.url) if self.is_sqlite else None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that only reads: the database refuses anything else. Raises `DatabaseError`."""
        with (
            _failures_as_errors(self.name),
            self.engine.connect().execution_options(postgresql_readonly=True) as connection,
        ):
            yield connection
            connection.commit()  # psycopg: rolled back, the connection forgets every statement it has prepared

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction: committed at the end of the block, rolled back if it raises. Raises `DatabaseError`."""
        if not self.is_sqlite:
            with _failures_as_errors(self.name), self.engine.begin() as connection:
                yield connection
            return
        with (
            self._turn,
            _failures_as_errors(self.name),
            self.engine.connect().execution_options(begin="IMMEDIATE") as connection,
            connection.begin(),
        ):
            yield connection

    def failures(self) -> AbstractContextManager[None]:
        """A block in which drivers' failures become `DatabaseError`s, for connections of the caller's own."""
        return _failures_as_errors(self.name)

    def close(self) -> None:
        """Give every connection back."""
        self.engine.dispose()


def _parsed(address: str) -> URL:
    try:
        url = make_url(address)
        if url.drivername in ("postgres", "postgresql"):
            url = url.set(drivername="postgresql+psycopg")
        url.get_dialect()
    except (ArgumentError, NoSuchModuleError, ValueError):  # whose words may hold the password
        raise DatabaseUnreachable(
            "DATABASE_URL is not an address of a database.",
            "It looks like sqlite:////path/to/file.db or postgresql://user:password@host/name.",
        ) from None
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        raise DatabaseUnreachable("DATABASE_URL names no file.", "It looks like sqlite:////path/to/file.db.")
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise DatabaseUnreachable(f"DATABASE_URL names {url.get_backend_name()}.", "Use SQLite or PostgreSQL.")
    return url


def encode_json(value: Any) -> str:
    """JSON text with sorted keys, so that equal documents are equal texts."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    except TypeError:  # integers beyond 64 bits and lone surrogates are JSON, though not orjson's
        return json.dumps(value, sort_keys=True)


def decode_json(text: str) -> Any:
    """The inverse of `encode_json`."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return json.loads(text)


def _file_of(url: URL) -> Path | None:
    """The file that an SQLite address names; SQLite takes URIs as well."""
    named = url.database or ""
    if named.startswith("file:"):
        named = unquote(urlsplit(named).path)
    return Path(named) if named and named != ":memory:" else None


def _sqlite_engine(url: URL) -> Engine:
    file = _file_of(url)
    if file is not None:
        try:
            file.expanduser().resolve().parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DatabaseUnreachable(
                f"The folder of the database file {url.database} can't be made: {error.strerror}.", _REMEDY
            ) from error
    engine = create_engine(
        url,
        connect_args={"timeout": BUSY_TIMEOUT, "check_same_thread": False},
        json_serializer=encode_json,
        json_deserializer=decode_json,
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # transactions begin where we say, not where the driver guesses
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")  # a committed page survives the power cord
        connection.execute("PRAGMA foreign_keys = ON")
        register_exact_functions(connection)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        only_reads = options.get("postgresql_readonly", False)  # the one name that there is for it
        connection.connection.cursor().execute(f"PRAGMA query_only = {only_reads}")
        connection.exec_driver_sql(f"BEGIN {options.get('begin', 'DEFERRED')}")

    return engine


def _postgresql_engine(url: URL) -> Engine:
    return create_engine(
        url,
        # Instants are compared as text in no place, yet a session in UTC keeps them readable in every tool. What lists
        # are read from is in memory, so that pages next to each other cost no less than others.
        connect_args={
            "options": "-c timezone=UTC -c random_page_cost=1.1",
            "connect_timeout": 10,
            "application_name": "pipedrive-sync",
        },
        pool_pre_ping=True,
        pool_size=16,
        json_serializer=encode_json,
        json_deserializer=decode_json,
    )


@contextmanager
def _failures_as_errors(name: str) -> Iterator[None]:
    try:
        yield
    except (OperationalError, sqlite3.Error) as error:
        raise _operational(name, words_of(error)) from None
    except DBAPIError as error:
        if type(error.orig) is sqlite3.DatabaseError:  # the file is no database, or a damaged one
            raise _operational(name, words_of(error)) from None
        raise DatabaseError(f"The database refused a statement: {words_of(error)}.", "Please report this.") from error


def _operational(name: str, words: str) -> DatabaseError:
    if "database is locked" in words:
        return DatabaseBusy(
            f"The database {name} has been in use by another process for {BUSY_TIMEOUT:.0f} s.",
            "End that process, or its transaction, and try again.",
        )
    if any(sign in words for sign in _NO_ROOM):
        return DatabaseError(
            f"The database {name} can't be written: {words}.",
            "Make room on its disk and run the same command again: nothing committed is lost.",
        )
    return DatabaseUnreachable(f"The database {name} can't be used: {words}.", _REMEDY)
