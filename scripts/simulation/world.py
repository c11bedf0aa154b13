"""One history: a company, the program and the way between them, all by the chance of one seed; and what must hold then.

Even seeds are told everything: webhooks come late, doubled and in any order, but none is lost, and nothing is read.
What webhooks tell must then be right by them alone, and all of it after the reads they ask for. In odd seeds anything
can be lost: webhooks, answers, the receiver, the program; polls and the sweep must make up for it.
"""

import random
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from scripts.simulation.life import Life, trouble
from scripts.simulation.program import Crash, Fate, Program
from scripts.simulation.wire import Inlet
from sync.clock import ManualClock
from sync.errors import SyncError
from sync.mirror.brake import DeletionsHeld
from sync.mirror.cycle import run_cycle
from sync.mirror.follow_up import read_follow_ups
from sync.mirror.inbox import apply_inbox
from sync.mirror.refusals import Refusals
from sync.mirror.subscriptions import RECEIVER_PATH, install
from sync.sandbox import Company, Proportions, Sandbox, generate
from sync.sandbox.webhooks import Unreliability
from sync.settings import load_settings
from sync.store.database import Database
from sync.store.inbox import State, count_events

START = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
_STORM = timedelta(minutes=2)
_EDITS = 25  # at least: a storm can be spent waiting for Pipedrive
_PUBLIC_URL = "https://sync.example.com"
_SHARE = 0.5
_READING = ("poll", "newest", "sweep", "reference", "follow_up", "webhooks")

# What webhooks tell exactly. Where a merge has moved a record to is not told, so `org_id` is not among it; and users,
# who have no update_time, may need a read to tell which is newer.
_TOLD = re.compile(
    r"(?!account |users )\w+ \d+"
    r"(: |\.(name|title|subject|content|owner_id|status|value|currency|won_time|done|due_date):)"
)

# Lists the differences between mirror and company: the tests' own truth, which shares nothing with the product.
Compare = Callable[[Database, Company], list[str]]


def new_company(clock: ManualClock) -> Company:
    """The company that every history begins with."""
    proportions = Proportions(deals=2, persons=1, activities=2, notes=1, files=0.5)
    return generate(7, clock=clock, organizations=12, proportions=proportions)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a history ended."""

    problems: list[str]
    edits: int
    events: int
    crashes: int


class World:
    """One seed's history, on a database that holds the company as it is at `START`."""

    def __init__(self, seed: int, database_url: str, compare: Compare) -> None:
        self.random = random.Random(seed)
        self.told_everything = seed % 2 == 0
        self._compare = compare
        self.clock = ManualClock(START)
        self.sandbox = Sandbox(new_company(self.clock), clock=self.clock, burst=None, deliver=False)
        self.settings = load_settings(
            {
                "PIPEDRIVE_BASE_URL": self.sandbox.url,
                "PIPEDRIVE_API_TOKEN": self.sandbox.token,
                "DATABASE_URL": database_url,
                "WEBHOOK_PUBLIC_URL": _PUBLIC_URL,
            }
        )
        self._receiver = Database(database_url)
        self.inlet = Inlet(self._receiver, self.clock)
        self.sandbox.deliveries.transport = self.inlet
        self._mortal = False
        self.crashes = 0
        self.edits = 0
        self._set_switches(seed)

    def _set_switches(self, seed: int) -> None:
        switches = self.sandbox.company.switches
        switches.idle_webhooks_expire = False
        switches.merge_bumps_children = seed % 4 < 2
        switches.deleted_records_answer_200 = seed % 3 == 0
        switches.merge_survivor = self.random.choice(["merge_with", "path"])
        switches.address_in_events = self.random.choice(["text", "object"])
        switches.zones_in_events = self.random.choice(["name", "id"])
        switches.unset_clock_in_events = self.random.choice(["null", "empty"])
        switches.previous_tells_bookkeeping = self.random.random() < 0.5

    def run(self) -> Outcome:
        """Live through it, let it calm down, and look."""
        program = self._started()
        install(program.mirror, _PUBLIC_URL + RECEIVER_PATH)
        self._mortal = True
        self.sandbox.faults.unreliable_webhooks(self._unreliability())
        program = self._storm(program)
        self._mortal = False
        problems = list(self._calm_down(program))
        events = len(self.sandbox.deliveries.log)
        return Outcome(problems, self.edits, events, self.crashes)

    def close(self) -> None:
        """Let go of everything."""
        self._receiver.close()
        self.sandbox.stop()

    def _unreliability(self) -> Unreliability:
        drop = 0.0 if self.told_everything else self.random.choice([0.0, 0.1, 0.4])
        delay = self.random.choice([0.0, 2.0, 20.0, 100.0])
        return Unreliability(random.Random(self.random.random()), drop, self.random.choice([0.0, 0.3]), delay)

    # The storm

    def _storm(self, program: Program | None) -> Program | None:
        life = Life(self.sandbox.company, self.random, untold=not self.told_everything)
        ends = self.clock.now() + _STORM
        next_edit = self.clock.now()
        while self.clock.now() < ends or self.edits < _EDITS:
            self.sandbox.deliveries.pump()
            if self.clock.now() >= next_edit:
                self._live(life)
                next_edit = self.clock.now() + timedelta(seconds=self.random.choice([0, 0, 0.3, 1, 4, 12]))
            program = program or self._restarted()
            if program is None:
                self.clock.advance(self.random.choice([1, 5, 20]))
                continue
            moment, name = program.next_due()
            if moment <= self.clock.now():
                program = self._let_run(program, name)
            else:
                self._pass_time(min(moment, next_edit))
        return program

    def _live(self, life: Life) -> None:
        life.edit()
        self.edits += 1
        if self.told_everything:
            return
        if self.random.random() < 0.15:
            trouble(self.sandbox, self.random, life.edit)
        if self.random.random() < 0.03:
            self.sandbox.faults.lose_webhooks(self.random.choice([60, 600]))
        if self.random.random() < 0.05:
            self.inlet.is_up = not self.inlet.is_up

    def _let_run(self, program: Program, name: str) -> Program | None:
        try:
            if self.random.random() < 0.1:
                program.service.make_plan()
            program.service.run(name)
        except Crash:
            self.crashes += 1
            program.end()
            return None
        return program

    def _restarted(self) -> Program | None:
        with suppress(SyncError, Crash):
            return self._started()
        return None

    def _started(self) -> Program:
        without = _READING if self.told_everything else ()
        return Program(self.sandbox, self.settings, self.clock, self.random, self._fate, without)

    def _fate(self) -> Fate:
        if not self._mortal or self.random.random() > 0.02:
            return None
        return self.random.choice(["before", "after"])

    def _pass_time(self, until: datetime) -> None:
        """Jump to a moment, or to the next delivery if that is due before; never stand still, however near it is."""
        seconds = (until - self.clock.now()).total_seconds()
        waiting = self.sandbox.deliveries.next_due()
        if waiting is not None:
            seconds = min(seconds, waiting - self.clock.monotonic())
        self.clock.advance(max(seconds, 0.0) + 1e-6)

    # The calm after it

    def _calm_down(self, program: Program | None) -> Iterator[str]:
        self.sandbox.faults.clear()
        self.inlet.is_up = True
        self._deliver_all()
        program = program or self._started()
        try:
            if self.told_everything:
                apply_inbox(program.mirror)
                wrong = self._compare(program.database, self.sandbox.company)
                yield from (f"by webhooks alone: {one}" for one in wrong if _TOLD.match(one))
                self._read_what_was_told(program)
            else:
                self._make_up(program)
            yield from self._compare(program.database, self.sandbox.company)
            yield from self._left_over(program)
        finally:
            program.end()

    def _deliver_all(self) -> None:
        """Until every retry is over."""
        while (waiting := self.sandbox.deliveries.next_due()) is not None:
            self.clock.advance(max(waiting - self.clock.monotonic(), 0.0))
            self.sandbox.deliveries.pump()

    def _read_what_was_told(self, program: Program) -> None:
        mirror = program.mirror
        self.clock.advance(1)
        for _ in range(2):  # once more for what failed before its record was read
            apply_inbox(mirror)
            read_follow_ups(mirror, Refusals(), lambda _entity: 0.0)

    def _make_up(self, program: Program) -> None:
        """Two whole cycles on a new day; the second has nothing to do."""
        self.clock.advance(86_400)
        mirror = program.mirror
        try:
            run_cycle(mirror, whole_sweep=True)
        except DeletionsHeld:
            run_cycle(mirror, accept_deletions=True)
        self.clock.advance(4000)

    def _left_over(self, program: Program) -> Iterator[str]:
        mirror = program.mirror
        with program.database.reading() as connection:
            counts = count_events(connection, mirror.company_id)
        for state in (State.PENDING, State.FAILED):
            if counts.by_state.get(state):
                yield f"{counts.by_state[state]} events are {state}"
        self.clock.advance(1)
        if not self.told_everything:
            again = run_cycle(mirror)
            if again.changed or again.deleted or again.rejected:
                yield f"another cycle changed something: {again}"
        ours = self.settings.budget.share * (self.sandbox.limits.daily_tokens or 0)
        if ours and self.sandbox.limits.spent > ours:
            yield f"{self.sandbox.limits.spent} tokens were spent in a day, of a share of {ours:.0f}"
