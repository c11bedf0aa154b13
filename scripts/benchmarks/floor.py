"""The time per 1,000 records of a backfill, against the least it could be with the same database.

The product's way is a whole copy of one list: requests to a server in another process without latency or limits,
decoding, privacy, translation, upsert, checkpoint, tokens, commit. The floor decodes the same pages, already at hand,
and inserts the same rows, already translated, into the same table with its indexes: plain driver, one transaction a
page, equally durable. Both run in turn on fresh databases; what counts is the median of their ratios.
"""

import cProfile
import io
import pstats
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import orjson
import psycopg
from sqlalchemy import JSON

from scripts.benchmarks.places import Address, Databases, both_kinds, mirror_of, server
from scripts.benchmarks.remote import big_lists, each
from scripts.benchmarks.report import Finding
from sync.mirror.backfill import Task, copy
from sync.pipedrive.entities import ACTIVITIES, DEALS, ORGANIZATIONS, Entity
from sync.pipedrive.listing import fetch_page
from sync.pipedrive.purpose import Purpose
from sync.store.database import Database
from sync.store.schema import TABLES
from sync.store.upgrade import upgrade

_MOST = 2.5
_ENTITIES = (ORGANIZATIONS, DEALS, ACTIVITIES)
_PAGES = 10
_PAGE = 500  # records
_ROUNDS = 7

Rows = Sequence[tuple[Any, ...]]


@dataclass(slots=True)
class _Stopwatch:
    """Runs while the pages of a list are copied; profiles the thread that does it, if asked to."""

    profile: cProfile.Profile | None = None
    seconds: float = 0.0
    _began: float = 0.0

    def started(self, listing: str, *, rows: int, expected: int | None) -> None:  # noqa: ARG002
        if self.profile:
            self.profile.enable()
        self._began = time.perf_counter()

    def advanced(self, listing: str, *, rows: int, reached: int | None, tokens: int) -> None:
        pass

    def finished(self, listing: str) -> None:  # noqa: ARG002
        self.seconds = time.perf_counter() - self._began
        if self.profile:
            self.profile.disable()


@dataclass(frozen=True, slots=True)
class _Case:
    """One list on one kind of database."""

    databases: Databases
    address: Address
    entity: Entity
    pages: Sequence[bytes]


@dataclass(slots=True)
class _Times:
    """Milliseconds per 1,000 records, a value per round."""

    product: list[float] = field(default_factory=list)
    fetch: list[float] = field(default_factory=list)
    floor: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        return median(one / other for one, other in zip(self.product, self.floor, strict=True))


def measure(*, profile: bool = False, say: Callable[[str], None] = print) -> list[Finding]:
    """Every case; `profile` says where the time of the product's way goes."""
    findings = []
    lists = big_lists(each(_PAGES * _PAGE))
    with both_kinds() as kinds, server("scripts.benchmarks.remote", "--each", str(_PAGES * _PAGE)) as address:
        for databases in kinds:
            _prepare(databases, address)
            for entity in _ENTITIES:
                big = lists[entity.listings[0].path]
                case = _Case(databases, address, entity, [big.body(page * _PAGE, _PAGE) for page in range(_PAGES)])
                findings.append(_finding(case, _rounds(case)))
                if profile:
                    say(_profiled(case))
    return findings


def _prepare(databases: Databases, address: Address) -> None:
    """The newest schema and the company's own row, in the template."""
    database = Database(databases.template())
    upgrade(database)
    with mirror_of(address, database):
        pass
    database.close()


def _rounds(case: _Case) -> _Times:
    rows = _copied_rows(case)
    times = _Times()
    ways = [
        (times.product, lambda: _product(case)),
        (times.fetch, lambda: _fetch(case)),
        (times.floor, lambda: _floor(case, rows)),
    ]
    for number in range(_ROUNDS):
        for kept, way in ways if number % 2 else reversed(ways):
            kept.append(way() * 1_000_000 / (_PAGES * _PAGE))
    return times


def _finding(case: _Case, times: _Times) -> Finding:
    product, fetch, floor = median(times.product), median(times.fetch), median(times.floor)
    stored = [one - fetched for one, fetched in zip(times.product, times.fetch, strict=True)]
    name, kind = case.entity.name, case.databases.kind
    return Finding(
        "floor",
        f"{name}, {kind}: {product:.0f} ms per 1,000 records (fetch and decode {fetch:.0f}) to {floor:.0f} ms",
        f"{times.ratio:.2f} ×",
        f"≤ {_MOST} ×",
        times.ratio <= _MOST,
        {
            "entity": name,
            "database": kind,
            "product_ms": product,
            "fetch_ms": fetch,
            "floor_ms": floor,
            "ratio": times.ratio,
            "ratio_of_best": min(times.product) / min(times.floor),
            "ratio_without_fetch": median(one / other for one, other in zip(stored, times.floor, strict=True)),
        },
    )


def _product(case: _Case) -> float:
    with case.databases.fresh() as database:
        return _copy(case, database, _Stopwatch())


def _copy(case: _Case, database: Database, stopwatch: _Stopwatch) -> float:
    """Seconds for the pages of the list, without what goes before and after a copy."""
    with mirror_of(case.address, database) as mirror:
        copy(mirror, [Task(case.entity, case.entity.listings[0], 0, None, 0)], stopwatch)
    return stopwatch.seconds


def _fetch(case: _Case) -> float:
    with case.databases.fresh() as database, mirror_of(case.address, database) as mirror:
        began = time.perf_counter()
        position = None
        for _ in case.pages:
            page = fetch_page(mirror.client, case.entity.listings[0], position, purpose=Purpose.BACKFILL)
            position = page.following
        return time.perf_counter() - began


def _floor(case: _Case, rows: Sequence[Rows]) -> float:
    with case.databases.fresh() as database, _plain(database) as (connection, place):
        names = [column.name for column in TABLES[case.entity.name].columns]
        statement = f"INSERT INTO {case.entity.name} ({', '.join(names)}) VALUES ({', '.join([place] * len(names))})"
        began = time.perf_counter()
        for page, some in zip(case.pages, rows, strict=True):
            orjson.loads(page)
            cursor = connection.cursor()
            cursor.execute("BEGIN")
            cursor.executemany(statement, some)
            cursor.execute("COMMIT")
        return time.perf_counter() - began


def _copied_rows(case: _Case) -> list[Rows]:
    """The rows of each page as a plain driver takes them, from a database that the product filled."""
    with case.databases.fresh() as database:
        _copy(case, database, _Stopwatch())
        with _plain(database) as (connection, place):
            names = [
                f"{column.name}::text" if place == "%s" and isinstance(column.type, JSON) else column.name
                for column in TABLES[case.entity.name].columns
            ]
            rows = connection.execute(f"SELECT {', '.join(names)} FROM {case.entity.name} ORDER BY id").fetchall()
    return [rows[start : start + _PAGE] for start in range(0, len(rows), _PAGE)]


@contextmanager
def _plain(database: Database) -> Iterator[tuple[Any, str]]:
    """The driver's own connection, as durable as the product's, and how it writes a parameter."""
    if database.file:
        with closing(sqlite3.connect(database.file, isolation_level=None)) as plain:
            for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
                plain.execute(f"PRAGMA {pragma}")
            yield plain, "?"
        return
    address = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with closing(psycopg.connect(address, autocommit=True)) as connection:
        yield connection, "%s"


def _profiled(case: _Case) -> str:
    stopwatch = _Stopwatch(cProfile.Profile())
    with case.databases.fresh() as database:
        _copy(case, database, stopwatch)
    text = io.StringIO()
    statistics = pstats.Stats(stopwatch.profile, stream=text).strip_dirs()
    statistics.sort_stats("tottime").print_stats(15)
    return f"{case.entity.name}, {case.databases.kind}, {_PAGES * _PAGE:,} records:\n{text.getvalue()}"
