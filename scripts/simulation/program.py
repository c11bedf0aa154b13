"""The program in a simulation: the real service on a virtual clock, which can be killed between any two commits."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection

from scripts.simulation.wire import connect_directly
from sync.clock import ManualClock
from sync.mirror.company import Mirror, open_mirror
from sync.pipedrive.connect import connect, token_budget
from sync.sandbox import Sandbox
from sync.service.jobs import APPLY, WRITE_BACK
from sync.service.service import Service
from sync.settings import Settings
from sync.store.database import Database
from sync.store.edits import any_edits
from sync.store.inbox import any_pending

Fate = Literal["before", "after"] | None


class Crash(BaseException):
    """The process was killed."""


class MortalDatabase(Database):
    """A database whose process may be killed right before or right after a commit, as `fate` decides."""

    def __init__(self, url: str, fate: Callable[[], Fate]) -> None:
        super().__init__(url)
        self.fate = fate

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        fate = self.fate()
        with super().writing() as connection:
            yield connection
            if fate == "before":
                raise Crash
        if fate == "after":
            raise Crash


class Program:
    """One life of the program, from its start to its end or its death."""

    def __init__(
        self,
        sandbox: Sandbox,
        settings: Settings,
        clock: ManualClock,
        rng: random.Random,
        fate: Callable[[], Fate],
        without: tuple[str, ...],
    ) -> None:
        """`without`: jobs whose names begin so never run. Raises what a start can raise, and `Crash`."""
        self.clock = clock
        self._random = rng
        self.database = MortalDatabase(settings.database_url.get_secret_value(), fate)
        budget = token_budget(settings)
        self._client = connect(settings, clock, budget)
        connect_directly(self._client, sandbox, rng)
        try:
            self.mirror: Mirror = open_mirror(self._client, self.database, clock, settings, budget)
            self.service = Service(self.mirror)
            self._jobs = [name for name in self.service.jobs if not name.startswith(without)]
        except BaseException:
            self.end()
            raise

    def end(self) -> None:
        """Let go of everything."""
        self._client.close()
        self.database.close()

    def next_due(self) -> tuple[datetime, str]:
        """The next job and its moment. What has nothing to do would run all the time."""
        with self.database.reading() as connection:
            company_id = self.mirror.company_id
            waits = {APPLY: any_pending(connection, company_id), WRITE_BACK: any_edits(connection, company_id)}
        due = [
            (moment, name)
            for name in self._jobs
            if waits.get(name, True) and (moment := self.service.due_at(name)) is not None
        ]
        earliest = min(moment for moment, _ in due)
        now = self.clock.now()
        # Jobs that are due together may start in any order.
        together = sorted(name for moment, name in due if moment <= max(earliest, now))
        return max(earliest, now), self._random.choice(together)
