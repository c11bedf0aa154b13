"""The web application served over HTTP, on an SQLite file and on PostgreSQL, with one company it takes events for."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any
from uuid import uuid4

import pytest
import requests
from fastapi import FastAPI
from sqlalchemy import Connection, select

from sync.clock import ManualClock
from sync.mirror.subscriptions import RECEIVER_PATH
from sync.settings import load_settings
from sync.store.database import Database
from sync.store.dialect import put
from sync.store.errors import DatabaseUnreachable
from sync.store.schema import TABLES, companies, inbox
from sync.telemetry.metrics import DELIVERIES
from sync.web.app import create_app
from sync.web.health import Check
from sync.web.pages import site as pages_site
from sync.web.webhooks.intake import Intake
from sync.web.webhooks.receiver import Outcome
from tests.web.stage import Show, stages

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
USER, PASSWORD = "pipedrive", "not the usual password"
COMPANY = 7


class Unsteady(Database):
    """A database that can be down, or fail at the commit."""

    down = False
    fails_to_commit = False

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        self._fail_if(self.down)
        with super().reading() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        self._fail_if(self.down)
        with super().writing() as connection:
            yield connection
            self._fail_if(self.fails_to_commit)

    def _fail_if(self, failing: bool) -> None:
        if failing:
            raise DatabaseUnreachable("The database can't be used: as agreed.", "Wait.")


@dataclass
class Site:
    """What is served, and how to talk to it."""

    url: str
    database: Unsteady
    clock: ManualClock
    intake: Intake
    app: FastAPI
    session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        self.session.trust_env = False  # no proxy of this machine

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.session.get(self.url + path, timeout=30, **options)

    def post(
        self,
        body: Any,
        *,
        path: str = RECEIVER_PATH,
        auth: Any = (USER, PASSWORD),
        kind: str | None = "application/json",
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> requests.Response:
        """Deliver: bytes and generators as they are, anything else as JSON."""
        data = body if isinstance(body, bytes | Iterator) else json.dumps(body).encode()
        sent = headers if kind is None else {"Content-Type": kind, **headers}
        return self.session.post(self.url + path, data=data, headers=sent, auth=auth, timeout=30)


Serve = Callable[..., Site]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def unsteady(database_url: str) -> Iterator[Unsteady]:
    """The database, with one company in it."""
    with closing(Unsteady(database_url)) as opened:
        with opened.writing() as connection:
            put(connection, companies, {"company_id": COMPANY}, {"synced_at": NOW})
        yield opened


@pytest.fixture(scope="session")
def show() -> Iterator[Show]:
    """Shows applications over HTTP."""
    with stages() as shown:
        yield shown


@pytest.fixture
def serve(show: Show, unsteady: Unsteady, clock: ManualClock) -> Iterator[Serve]:
    """Serves the application; settings as in the environment."""
    with ExitStack() as stack:

        def start(
            *, checks: dict[str, Check] | None = None, intake: Any = None, pages: bool = False, **environment: str
        ) -> Site:
            given = {"WEBHOOK_USER": USER, "WEBHOOK_PASSWORD": PASSWORD, **environment}
            settings = load_settings({name: value for name, value in given.items() if value})
            taken = intake or stack.enter_context(closing(Intake(unsteady, clock)))
            shown = pages_site.Site(settings, unsteady, clock) if pages else None
            app = create_app(settings, unsteady, clock, taken, checks or {}, shown)
            site = Site(stack.enter_context(show(app)), unsteady, clock, taken, app)
            stack.enter_context(site.session)
            return site

        yield start


@pytest.fixture
def site(serve: Serve) -> Site:
    """The application with the credentials in its settings."""
    return serve()


def event(entity: str = "deal", *, data: Any = None, previous: Any = None, **meta: Any) -> dict[str, Any]:
    """The body of a webhook, as Pipedrive sends it."""
    return {
        "meta": {
            "action": "change",
            "entity": entity,
            "entity_id": "41",
            "company_id": str(COMPANY),
            "id": str(uuid4()),
            "correlation_id": str(uuid4()),
            "timestamp": "2026-11-02T09:29:58.123Z",
            "user_id": "1",
            "webhook_id": "3",
            "change_source": "app",
            "attempt": 1,
            "version": "2.0",
            **meta,
        },
        "data": {"id": 41, "title": "A deal"} if data is None else data,
        "previous": previous,
    }


def stored(database: Database) -> list[dict[str, Any]]:
    """The inbox, as any other connection sees it."""
    with database.reading() as connection:
        return [row._asdict() for row in connection.execute(select(inbox))]


def payloads(database: Database) -> list[Any]:
    """The payloads in the inbox, decoded."""
    return [json.loads(row["payload"]) for row in stored(database)]


def define(database: Database, entity: str, code: str, name: str) -> None:
    """Store the definition of a custom field, as the mirror does."""
    with database.writing() as connection:
        values = {"field_name": name, "field_type": "varchar", "is_custom_field": True, "synced_at": NOW}
        put(connection, TABLES["fields"], {"company_id": COMPANY, "entity": entity, "field_code": code}, values)


@contextmanager
def counted(outcome: Outcome, times: int = 1) -> Iterator[None]:
    """That the block makes so many deliveries end this way, and none in another."""
    before = _counts()
    yield
    assert {name: count - before[name] for name, count in _counts().items() if count != before[name]} == {
        outcome: times
    }


def _counts() -> dict[str, float]:
    return {outcome: DELIVERIES.labels(outcome)._value.get() for outcome in Outcome}
