"""A simulated Pipedrive and a mirror of it, both on one manual clock."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from random import Random

import pytest

from scripts.simulation.wire import connect_directly
from sync.clock import ManualClock
from sync.mirror.backfill import copy, survey, unfinished
from sync.mirror.company import Mirror, open_mirror
from sync.mirror.progress import Silent
from sync.mirror.reference import read_reference, resolved
from sync.mirror.refusals import Refusals
from sync.pipedrive.connect import connect, token_budget
from sync.pipedrive.entities import ENTITIES
from sync.sandbox import Proportions, Sandbox, generate
from sync.settings import load_settings
from sync.store.database import Database
from tests.conftest import BeginWith

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)

OpenMirror = Callable[..., Mirror]

_costs: dict[str, tuple[float, int]] = {}  # the seconds and tokens that filling a database took, by its name


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def sandbox(clock: ManualClock) -> Iterator[Sandbox]:
    company = generate(7, clock=clock, organizations=30, proportions=Proportions(deals=2, activities=3, persons=1))
    with Sandbox(company, clock=clock, burst=None, deliver=False) as running:
        running.faults.latency = 0.01  # no two answers come at one moment
        yield running


@pytest.fixture
def open_here(sandbox: Sandbox, database: Database, clock: ManualClock) -> Iterator[OpenMirror]:
    """Opens the mirror as a new run of the program would; settings as in the environment."""
    yield from opening(sandbox, database, clock)


def opening(
    sandbox: Sandbox, database: Database, clock: ManualClock, *, by_socket: bool = False
) -> Iterator[OpenMirror]:
    """What opens the mirror of a sandbox, as often as it is called; in the end its connections are closed."""
    clients = []

    def open_with(token: str | None = None, **environment: str) -> Mirror:
        settings = load_settings(
            {"PIPEDRIVE_BASE_URL": sandbox.url, "PIPEDRIVE_API_TOKEN": token or sandbox.token, **environment}
        )
        budget = token_budget(settings)
        client = connect(settings, clock, budget)
        if not by_socket:
            connect_directly(client, sandbox, Random(0))
        clients.append(client)
        return open_mirror(client, database, clock, settings, budget)

    yield open_with
    for client in clients:
        client.close()


@pytest.fixture
def mirror(open_here: OpenMirror) -> Mirror:
    """A mirror that holds nothing yet."""
    return open_here()


@pytest.fixture
def filled(begin_with: BeginWith, sandbox: Sandbox, clock: ManualClock, open_here: OpenMirror) -> Mirror:
    """A mirror after its backfill."""
    return begin_filled(begin_with, sandbox, clock, open_here)


def begin_filled(begin_with: BeginWith, sandbox: Sandbox, clock: ManualClock, open_here: OpenMirror) -> Mirror:
    """A mirror right after its backfill, which runs once for all tests that begin with the same company."""
    name = f"filled_{fingerprint(sandbox)}"
    began, spent = clock.monotonic(), sandbox.limits.spent

    def fill_original(url: str) -> None:
        with (
            closing(Database(url)) as database,
            contextmanager(opening)(sandbox, database, clock) as open_original,
        ):
            fill(open_original())
        _costs[name] = clock.monotonic() - began, sandbox.limits.spent - spent

    begin_with(name, fill_original)
    seconds, tokens = _costs[name]
    missing = tokens - (sandbox.limits.spent - spent)  # all of them, or none for the test whose company was copied
    clock.advance(began + seconds - clock.monotonic())
    mirror = resolved(open_here())
    sandbox.limits.spent += missing
    return mirror


def fingerprint(sandbox: Sandbox) -> str:
    """What tells apart sandboxes of which two backfills could differ."""
    company = sandbox.company
    state = (company.snapshot(), company.switches, company.skew, sandbox.faults.latency, sandbox.clock.now())
    return sha256(repr(state).encode()).hexdigest()[:16]


def fill(mirror: Mirror) -> Mirror:
    """Copy everything, as `backfill` does."""
    mirror, _ = read_reference(mirror, Refusals(), only_due=False)
    copy(mirror, survey(mirror, unfinished(mirror, ENTITIES)), Silent())
    return mirror
