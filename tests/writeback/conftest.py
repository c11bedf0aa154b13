"""A simulated Pipedrive, a mirror of it after its first copy, and the hands that edit accounts."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import pytest
from sqlalchemy import RowMapping, select, update

from sync.clock import ManualClock
from sync.mirror.company import Mirror
from sync.mirror.inbox import apply_inbox
from sync.mirror.subscriptions import install
from sync.sandbox import Proportions, Sandbox, generate
from sync.sandbox.api import ApiWrite
from sync.store.conflicts import Conflict, load_conflicts
from sync.store.database import Database
from sync.store.edits import Edit, Parked, load_edits, load_parked
from sync.store.schema import accounts
from sync.writeback.cycle import write_back
from sync.writeback.push import Pushed
from tests.conftest import BeginWith
from tests.mirror.conftest import NOW, OpenMirror, begin_filled, opening
from tests.service.conftest import into_the_inbox


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def sandbox(clock: ManualClock) -> Iterator[Sandbox]:
    """A small company at a simulated Pipedrive."""
    company = generate(7, clock=clock, organizations=20, proportions=Proportions(deals=2, activities=1, persons=1))
    with Sandbox(company, clock=clock, burst=None, deliver=False) as running:
        running.faults.latency = 0.01  # no two answers come at one moment
        yield running


@pytest.fixture
def open_here(sandbox: Sandbox, database: Database, clock: ManualClock) -> Iterator[OpenMirror]:
    """Opens the mirror as a new run of the program would; settings as in the environment."""
    yield from opening(sandbox, database, clock)


class Desk:
    """Both sides of some accounts: what is edited here, and what Pipedrive holds and was sent."""

    def __init__(self, mirror: Mirror, sandbox: Sandbox, clock: ManualClock, open_here: OpenMirror) -> None:
        self.mirror = mirror
        self.sandbox = sandbox
        self.clock = clock
        self.open_here = open_here
        found = self._rows(select(accounts.c.organization_id).where(accounts.c.status == "active"))
        self.ids = sorted(row["organization_id"] for row in found)
        self.id = self.ids[0]
        self.codes = {name: code for code, name in sorted(self._definitions(), reverse=True)}
        clock.advance(60)

    def _definitions(self) -> Iterator[tuple[str, str]]:
        for code, field in self.sandbox.company.fields.custom("organizations").items():
            yield code, field["field_name"]

    def edit(self, organization_id: int | None = None, **values: Any) -> None:
        """An edit of columns by a program of its own, a second after whatever was before."""
        self.clock.advance(1)
        mine = accounts.c.organization_id == (organization_id or self.id)
        with self.mirror.database.writing() as connection:
            connection.execute(update(accounts).where(mine).values(**values, edited_at=self.clock.now()))

    def edit_custom(self, organization_id: int | None = None, **values: Any) -> None:
        """An edit of custom fields, by name."""
        self.edit(organization_id, custom_fields={self.codes[name.replace("_", " ")]: v for name, v in values.items()})

    def edit_there(self, organization_id: int | None = None, **values: Any) -> None:
        """An edit at Pipedrive, a second after whatever was before."""
        self.clock.advance(1)
        self.sandbox.company.update("organizations", organization_id or self.id, values)

    def subscribe(self) -> None:
        """Let webhooks tell of every change from now on, into the inbox."""
        self.sandbox.deliveries.transport = partial(into_the_inbox, self.mirror.database, clock=self.clock)
        install(self.mirror, "https://sync.example.com/webhooks/pipedrive")

    def hear(self) -> None:
        """Let every webhook come that is on its way, and apply them."""
        while (due := self.sandbox.deliveries.next_due()) is not None:
            self.clock.advance(max(due - self.clock.monotonic(), 0))
            self.sandbox.deliveries.pump()
        apply_inbox(self.mirror)

    def write_back(self) -> Pushed:
        """One round, a second later."""
        self.clock.advance(1)
        return write_back(self.mirror)

    def restart(self, **environment: str) -> None:
        """A new run of the program, with other settings perhaps."""
        self.mirror = self.open_here(**environment)

    def there(self, organization_id: int | None = None) -> dict[str, Any]:
        """The organization as Pipedrive has it."""
        return self.sandbox.company.get("organizations", organization_id or self.id)

    def here(self, organization_id: int | None = None) -> RowMapping:
        """The account as it stands here."""
        (row,) = self._rows(select(accounts).where(accounts.c.organization_id == (organization_id or self.id)))
        return row

    def custom_here(self, name: str) -> Any:
        return self.here()["custom_fields"].get(self.codes[name])

    def custom_there(self, name: str) -> Any:
        return self.there()["custom_fields"].get(self.codes[name])

    def patches(self) -> list[ApiWrite]:
        """Every PATCH that came in."""
        return [one for one in self.sandbox.api.writes if one.method == "PATCH"]

    def edits(self) -> Sequence[Edit]:
        with self.mirror.database.reading() as connection:
            return load_edits(connection, self.mirror.company_id)

    def parked(self) -> Sequence[Parked]:
        with self.mirror.database.reading() as connection:
            return load_parked(connection, self.mirror.company_id)

    def conflicts(self) -> Sequence[Conflict]:
        with self.mirror.database.reading() as connection:
            return load_conflicts(connection, self.mirror.company_id)

    def _rows(self, query: Any) -> Sequence[RowMapping]:
        with self.mirror.database.reading() as connection:
            return connection.execute(query).mappings().all()


@pytest.fixture
def desk(begin_with: BeginWith, open_here: OpenMirror, sandbox: Sandbox, clock: ManualClock) -> Desk:
    """A company whose accounts are built."""
    begin_filled(begin_with, sandbox, clock, open_here)
    return Desk(open_here(SYNC_WRITE_BACK__AT_ONCE="1"), sandbox, clock, open_here)
