"""How fast the pages are over a large company: what they ask the database, and what a browser waits for.

The same requests on SQLite and PostgreSQL: first the functions that the pages call, then the pages themselves over HTTP
on loopback, at last some of them again while a backfill copies another company, as fast as Pipedrive allows, in the
same process. Each request is made once before it counts. Statements are counted as they reach the driver, but BEGIN.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import requests
from sqlalchemy import event

from scripts.benchmarks.crowd import CODES, COMPANY, NOW, Size, fill
from scripts.benchmarks.places import both_kinds, mirror_of, server
from scripts.benchmarks.report import Finding
from sync.accounts.dossier import load_dossier
from sync.accounts.facts import Reach
from sync.accounts.lists.board import load_board
from sync.accounts.lists.calendar import Bucket, Calendar
from sync.accounts.lists.filtering import Filter, Status
from sync.accounts.lists.listing import jump, list_page
from sync.accounts.lists.orders import Order
from sync.accounts.lists.overview import load_overview
from sync.clock import ManualClock
from sync.mirror.backfill import copy, survey, unfinished
from sync.mirror.progress import Silent
from sync.mirror.reference import read_reference
from sync.mirror.refusals import Refusals
from sync.pipedrive.entities import ENTITIES
from sync.settings import load_settings
from sync.store.database import Database
from sync.store.upgrade import upgrade
from sync.web.app import create_app
from sync.web.pages.asking import query_of
from sync.web.pages.board.page import FIRST
from sync.web.pages.site import Site
from sync.web.server import Server
from sync.web.webhooks.intake import Intake

SIZE = Size()

_MOST_STATEMENTS = 10
_LIST, _ACCOUNT = 60.0, 40.0  # ms, for 95 of 100 requests
_BUSY = 2.0  # times these, at most, while a backfill runs
_COPIED = ("--latency", "0.1", "--burst", "20", "--organizations", "8000", "--daily-tokens", "0")
_ROUNDS = 3
_ACCOUNTS = 60  # that are looked at
_CALENDAR = Calendar(NOW, ZoneInfo("Europe/Berlin"))
_ENUM, _NUMBER, _TEXT = CODES["enum"], CODES["double"], CODES["varchar"]

FILTERS: Sequence[Filter] = (
    Filter(),
    Filter(search="nord"),  # every twelfth
    Filter(search="rheinpharma 4"),
    Filter(search="e"),  # nearly all
    Filter(search="berlin gmbh"),
    Filter(search="nothing of the kind"),
    Filter(owners=frozenset({3})),
    Filter(owners=frozenset({3, 4, 5}), search="Zürich"),
    Filter(labels=frozenset({1, 2})),
    Filter(options={_ENUM: frozenset({"3"})}),
    Filter(options={_ENUM: frozenset({"3", "4"})}, owners=frozenset({7})),
    Filter(buckets=frozenset({Bucket.OVERDUE})),
    Filter(buckets=frozenset({Bucket.NONE}), not_contacted_for=90),
    Filter(contacted_within=30),
    Filter(never_contacted=True),
    Filter(won_from=Decimal(100_000)),
    Filter(won_from=Decimal(10_000), won_to=Decimal(200_000), currency="USD"),
    Filter(created_from=date(2026, 1, 1), created_to=date(2026, 6, 30)),
    Filter(status=Status.ALL, search="hanse data", contacted_within=90),
)
ORDERS: Sequence[Order] = (
    *(Order(name) for name in ("name", "owner", "next_activity", "customer_since", "last_activity")),
    *(Order(name, descending=True) for name in ("won_value", "won_deals", "last_won", "name", "last_activity")),
)
FIELD_ORDERS: Sequence[Order] = (Order(_ENUM), Order(_NUMBER, descending=True), Order(_TEXT))


@dataclass(frozen=True, slots=True)
class Taken:
    """What one request took."""

    name: str
    seconds: float
    statements: int


class Counter:
    """Counts the statements that reach a database, whatever the thread."""

    def __init__(self, database: Database) -> None:
        self.count = 0
        self._lock = threading.Lock()
        event.listen(database.engine, "before_cursor_execute", self._note)

    def _note(self, _connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if not statement.startswith("BEGIN"):
            with self._lock:
                self.count += 1


def measure() -> list[Finding]:
    """One kind of database after the other."""
    findings = []
    with both_kinds() as kinds:
        for databases in kinds:
            database = Database(databases.template())
            upgrade(database)
            fill(database, SIZE)
            findings += measure_in(database, databases.kind)
            database.close()
    return findings


def measure_in(database: Database, kind: str) -> list[Finding]:
    """The functions, then the pages, in a database that is filled."""
    counter = Counter(database)
    findings = []
    for part, calls in _calls(database).items():
        findings.append(_finding(kind, part, [_taken(name, call, counter) for name, call in calls]))
    with _served(database) as get:
        for part, addresses in _pages().items():
            taken = [_taken(one, lambda one=one: get(one), counter) for one in addresses]  # type: ignore[misc]
            findings.append(_finding(kind, f"page: {part}", taken))
        findings += _while_copying(database, kind, get)
    return findings


def _while_copying(database: Database, kind: str, get: Callable[[str], object]) -> list[Finding]:
    """How long lists, boards and accounts take while a backfill runs."""
    addresses = {part: _pages()[part][:12] for part in ("list", "board", "account")}
    idle = {part: _times(some, get) for part, some in addresses.items()}
    with server("sync.sandbox", *_COPIED) as address, mirror_of(address, database) as mirror:
        mirror, _ = read_reference(mirror, Refusals(), only_due=False)
        copying = threading.Thread(target=copy, args=(mirror, survey(mirror, unfinished(mirror, ENTITIES)), Silent()))
        copying.start()
        busy = {part: _times(some, get) for part, some in addresses.items()}
        if not copying.is_alive():
            raise RuntimeError("the backfill was over before the pages were")
        copying.join()
    findings = []
    for part in addresses:
        most, limit = _p95(busy[part]), _BUSY * (_limit(part) or 0)
        ratio = sum(busy[part]) / sum(idle[part])
        what = f"page under a backfill: {part}, {kind}"
        result = f"p95 {most:.0f} ms; {ratio:.1f} × as long as without"
        details = {"p95": most, "ratio": ratio}
        findings.append(Finding("page", what, result, f"p95 ≤ {limit:.0f} ms", most <= limit, details))
    return findings


def _times(addresses: Sequence[str], get: Callable[[str], object]) -> Sequence[float]:
    """What each request of some rounds takes, in ms, after a round that does not count."""
    times = []
    for number in range(1 + _ROUNDS):
        for one in addresses:
            begin = time.perf_counter()
            get(one)
            if number:
                times.append((time.perf_counter() - begin) * 1000)
    return times


def _p95(times: Sequence[float]) -> float:
    return sorted(times)[int(len(times) * 0.95)]


def _taken(name: str, call: Callable[[], object], counter: Counter) -> Taken:
    """The median of some rounds, after one that does not count."""
    call()
    before, seconds = counter.count, []
    for _ in range(_ROUNDS):
        begin = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - begin)
    return Taken(name, sorted(seconds)[_ROUNDS // 2], (counter.count - before) // _ROUNDS)


def _calls(database: Database) -> Mapping[str, Sequence[tuple[str, Callable[[], object]]]]:
    """What is asked of the database, by part."""

    def asked(function: Callable[..., object], *arguments: Any, **more: Any) -> Callable[[], object]:
        def call() -> object:
            with database.reading() as connection:
                return function(connection, COMPANY, *arguments, **more)

        return call

    lists = [(filter, ORDERS[number % len(ORDERS)]) for number, filter in enumerate(FILTERS)]
    lists += [(Filter(), order) for order in ORDERS]
    fields = [(filter, order) for filter in (Filter(), Filter(search="nord")) for order in FIELD_ORDERS]
    return {
        "list": [(f"{one} {order}", asked(list_page, one, _CALENDAR, order)) for one, order in lists],
        "list by a custom field": [
            (f"{one} {order}", asked(list_page, one, _CALENDAR, order)) for one, order in fields
        ],
        "board": [(str(one), asked(load_board, one, _CALENDAR, per_column=FIRST)) for one in FILTERS],
        "account": [(str(one), asked(load_dossier, one, Reach())) for one in _some_accounts()],
        "palette": [(one, asked(jump, one)) for one in ("n", "nord", "rheinpharma 4", "zzz")],
        "overview": [(str(one), asked(load_overview, one, _CALENDAR)) for one in FILTERS[:8]],
    }


def _some_accounts() -> Sequence[int]:
    return random.Random(4).sample(range(1, SIZE.accounts + 1), _ACCOUNTS)


def _pages() -> Mapping[str, Sequence[str]]:
    queries = [urlencode(query_of(one)) for one in FILTERS]
    sorted_lists = [f"sort={'-' if one.descending else ''}{one.column}" for one in ORDERS]
    return {
        "list": [f"/accounts?{one}" for one in (*queries, *sorted_lists)],
        "board": [f"/board?{one}" for one in queries],
        "account": [f"/accounts/{one}" for one in _some_accounts()],
        "list by a custom field": [f"/accounts?sort={one.column}" for one in FIELD_ORDERS],
        "contacts": [f"/contacts?{one}" for one in queries[:8]],
        "sync": ["/sync"],
        "API": ["/api/v1/accounts?limit=500", "/api/v1/status"],
    }


@contextmanager
def _served(database: Database) -> Iterator[Callable[[str], object]]:
    """The pages, on loopback; what gets one of them whole. Raises `HTTPError` for one that is none."""
    settings, clock = load_settings({}), ManualClock(NOW)
    intake = Intake(database, clock)
    app = create_app(settings, database, clock, intake, site=Site(settings, database, clock, lambda: COMPANY))
    with Server(app, "127.0.0.1", 0) as server, requests.Session() as session:

        def get(address: str) -> object:
            answer = session.get(server.address + address, timeout=60)
            answer.raise_for_status()
            return answer.content

        yield get


def _finding(kind: str, part: str, taken: Sequence[Taken]) -> Finding:
    seconds = sorted(one.seconds * 1000 for one in taken)
    half, most = seconds[len(seconds) // 2], _p95(seconds)
    statements = max(one.statements for one in taken)
    limit = _limit(part)
    target = "" if limit is None else f"p95 ≤ {limit:.0f} ms, ≤ {_MOST_STATEMENTS} statements"
    holds = None if limit is None else most <= limit and statements <= _MOST_STATEMENTS
    slowest = sorted(taken, key=lambda one: -one.seconds)[:5]
    details = {
        "p50": half,
        "p95": most,
        "statements": statements,
        "slowest": [{"what": one.name, "ms": one.seconds * 1000, "statements": one.statements} for one in slowest],
    }
    result = f"p50 {half:.0f} ms, p95 {most:.0f} ms, {statements} statements"
    return Finding("page", f"{part}, {kind}", result, target, holds, details)


def _limit(part: str) -> float | None:
    name = part.removeprefix("page: ")
    return {"list": _LIST, "board": _LIST, "account": _ACCOUNT}.get(name)
