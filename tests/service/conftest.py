"""A simulated Pipedrive, a mirror of it and the service on top, all on one manual clock that nobody waits for."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial

import pytest

from sync.clock import Clock, ManualClock, SystemClock
from sync.mirror.company import Mirror
from sync.pipedrive.envelope import parse
from sync.pipedrive.events import read_event
from sync.sandbox import Proportions, Sandbox, generate
from sync.service.service import Service
from sync.store.database import Database
from sync.store.inbox import Received, save_events
from tests.conftest import BeginWith
from tests.mirror.conftest import NOW, OpenMirror, begin_filled, opening

MakeService = Callable[..., Service]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def sandbox(clock: ManualClock, database: Database) -> Iterator[Sandbox]:
    """A small company at a simulated Pipedrive, whose deliveries go straight into the inbox when they are pumped."""
    company = generate(7, clock=clock, organizations=10, proportions=Proportions(deals=2, activities=2, persons=1))
    with Sandbox(company, clock=clock, burst=None, deliver=False) as running:
        running.deliveries.transport = partial(into_the_inbox, database, clock=clock)
        yield running


def into_the_inbox(
    database: Database, _url: str, _headers: Mapping[str, str], body: bytes, *, clock: Clock | None = None
) -> int:
    """Take a delivery as the receiver would, but for whose it is."""
    received = Received(read_event(parse(body)), body.decode(), (clock or SystemClock()).now())
    with database.writing() as connection:
        save_events(connection, [received])
    return 200


@pytest.fixture
def open_here(sandbox: Sandbox, database: Database, clock: ManualClock) -> Iterator[OpenMirror]:
    """Opens the mirror as a new run of the program would; settings as in the environment."""
    yield from opening(sandbox, database, clock, by_socket=True)


@pytest.fixture
def make_service(open_here: OpenMirror) -> MakeService:
    """Starts the service as a new run of the program would."""
    return lambda **environment: Service(open_here(**environment))


@pytest.fixture
def filled(begin_with: BeginWith, sandbox: Sandbox, clock: ManualClock, open_here: OpenMirror) -> Mirror:
    """A mirror after its first copy."""
    return begin_filled(begin_with, sandbox, clock, open_here)


@pytest.fixture
def service(filled: Mirror, make_service: MakeService) -> Service:
    """The service of a company that is copied."""
    return make_service()


def due(service: Service, now: datetime) -> list[str]:
    """The jobs that are due."""
    moments = {name: service.due_at(name) for name in service.jobs}
    return [name for name, moment in moments.items() if moment is not None and moment <= now]


def run_due(service: Service, now: datetime) -> list[str]:
    """Run each job that is due, once, in the order of the table; which they were."""
    names = due(service, now)
    for name in names:
        service.run(name)
    return names
