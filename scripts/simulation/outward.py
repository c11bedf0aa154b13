"""One history of the write-back: people on both sides, the program and the way between them, by the chance of one seed.

The program's steps are taken one by one in any order, and it may die between any two of them: before and after every
commit, and right before and after a write reaches Pipedrive. Once it has calmed down, `reckoning` says what is wrong.
"""

import json
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

from scripts.simulation.edits import People
from scripts.simulation.ground import Ground
from scripts.simulation.program import Crash, Fate
from scripts.simulation.reckoning import Books, reckon
from scripts.simulation.wire import connect_directly
from scripts.simulation.world import START, Outcome
from sync.clock import ManualClock
from sync.errors import SyncError
from sync.mirror.company import Mirror, open_mirror
from sync.mirror.follow_up import read_follow_ups
from sync.mirror.inbox import apply_inbox
from sync.mirror.ingest import Ingested
from sync.mirror.poll import poll
from sync.mirror.privacy import Privacy
from sync.mirror.reference import read_reference
from sync.mirror.refusals import Refusals
from sync.mirror.sweep import sweep_whole
from sync.pipedrive.client import Client
from sync.pipedrive.connect import connect, token_budget
from sync.pipedrive.entities import DEALS, ORGANIZATIONS
from sync.pipedrive.events import read_event
from sync.sandbox import Company, Proportions, Sandbox, Unreliability, generate
from sync.settings import load_settings
from sync.store.database import Database
from sync.store.inbox import Received, save_events
from sync.writeback.cycle import write_back
from sync.writeback.push import Pushed

_WEBHOOK = {"subscription_url": "https://sync.example.com", "event_action": "*", "event_object": "*"}
_POLICIES = ("newest", "newest", "newest", "account", "pipedrive", "review")
_ROUNDS = 8  # of calm, at most; a history that needs more of them never calms down
_LEFT_OUT = Privacy(entities=frozenset({"persons", "activities", "notes", "files"}))  # nothing here is about them

Step = Callable[[], object]


def small_company(clock: ManualClock) -> Company:
    """The company that every history of the write-back begins with: nearly all of its organizations are accounts."""
    nothing_else = Proportions(deals=2, persons=0, activities=0, notes=0, files=0)
    company = generate(7, clock=clock, organizations=6, proportions=nothing_else)
    won = {deal["org_id"] for deal in company.all("deals") if deal["status"] == "won"}
    for organization in {1, 2, 3, 4, 5} - won:
        company.create("deals", {"title": "Won", "org_id": organization, "status": "won", "value": 1})
    return company


class Outward:
    """One seed's history of the write-back."""

    def __init__(self, seed: int, ground: Ground) -> None:
        ground.renew()
        self.random = random.Random(f"outward {seed}")
        self.clock = ManualClock(START)
        self.sandbox = Sandbox(small_company(self.clock), clock=self.clock, burst=None, deliver=False)
        self._set_switches()
        self.clock.advance(60)
        self.policy = self.random.choice(_POLICIES)
        self.loses = self.random.random() < 0.3
        self.settings = load_settings(
            {
                "PIPEDRIVE_BASE_URL": self.sandbox.url,
                "PIPEDRIVE_API_TOKEN": self.sandbox.token,
                "DATABASE_URL": ground.url,
                "SYNC_WRITE_BACK__AT_ONCE": "1",
                "SYNC_WRITE_BACK__POLICY": self.policy,
            }
        )
        self.people = People(self.sandbox, ground.lasting, self.clock, self.random)
        self.told = Told(ground.lasting, self.clock, self.sandbox)
        self.sandbox.deliveries.transport = self.told
        self.crashes = 0
        self._database = ground.mortal
        self._database.fate = self._fate
        self._mortal = False
        self._client: Client | None = None
        self._mirror: Mirror | None = None

    def _set_switches(self) -> None:
        switches, chance = self.sandbox.company.switches, self.random
        switches.idle_webhooks_expire = False
        switches.deleted_records_answer_200 = chance.random() < 0.5
        switches.merge_bumps_children = chance.random() < 0.5
        switches.merge_survivor = chance.choice(["merge_with", "path"])
        switches.address_in_events = chance.choice(["text", "object"])
        switches.zones_in_events = chance.choice(["name", "id"])
        switches.previous_tells_bookkeeping = chance.random() < 0.5
        switches.unchanged_update_bumps = chance.random() < 0.5

    def run(self) -> Outcome:
        """Live through it, let it calm down, and look."""
        self.sandbox.company.create("webhooks", _WEBHOOK)
        self.sandbox.faults.latency = self.random.choice([0.0, 0.01, 0.4])
        self.sandbox.faults.unreliable_webhooks(self._unreliability())
        self._mortal = True
        self._storm()
        self._mortal = False
        problems = self._calm_down()
        return Outcome(problems, len(self.people.diary.here()), len(self.sandbox.deliveries.log), self.crashes)

    def close(self) -> None:
        """Let go of everything but the ground."""
        self._end()
        self.sandbox.stop()

    def _unreliability(self) -> Unreliability:
        drop, twice = self.random.choice([0.0, 0.0, 0.3, 1.0]), self.random.choice([0.0, 0.3])
        delay = self.random.choice([0.0, 2.0, 20.0, 100.0])
        return Unreliability(random.Random(self.random.random()), drop, twice, delay)

    # The program

    def _started(self) -> Mirror:
        """The program as it runs, started anew if it has died."""
        if self._mirror is None:
            budget = token_budget(self.settings)
            self._client = connect(self.settings, self.clock, budget)
            connect_directly(self._client, self.sandbox, self.random)
            mirror = open_mirror(self._client, self._database, self.clock, self.settings, budget)
            self._mirror = replace(mirror, privacy=_LEFT_OUT)
        return self._mirror

    def _end(self) -> None:
        if self._client is not None:
            self._client.close()
        self._client = self._mirror = None

    def _fate(self) -> Fate:
        if not self._mortal or self.random.random() > 0.02:
            return None
        return self.random.choice(["before", "after"])

    def _die(self) -> None:
        if self._mortal:
            raise Crash

    def _let(self, step: Callable[[Mirror], object]) -> None:
        """Let the program take a step, which may be its last one."""
        try:
            with suppress(SyncError):
                step(self._started())
        except Crash:
            self.crashes += 1
            self._end()

    # The storm

    def _storm(self) -> None:
        happenings = self.random.randint(12, 22)
        steps: list[tuple[float, Step]] = [
            (4, self.people.edit_here),
            (2.5, self.people.edit_there),
            (0.4, self.people.edit_deal),
            (0.3, self.people.retry_parked),
            (2, self._trouble),
            (4, lambda: self._let(write_back)),
            (2, self.sandbox.deliveries.pump),
            (2, lambda: self._let(apply_inbox)),
            (0.7, lambda: self._let(lambda mirror: poll(mirror, ORGANIZATIONS, ORGANIZATIONS.listings[0]))),
            (0.5, lambda: self._let(lambda mirror: read_follow_ups(mirror, Refusals(), lambda _entity: 0.0))),
        ]
        if self.loses:
            steps += [(0.5, self.people.lose), (0.3, lambda: self._let(self._read_definitions))]
        weights = [weight for weight, _ in steps]
        while len(self.people.diary.entries) < happenings:
            self.clock.advance(self.random.choice([0, 0.2, 1, 1, 3, 15]))
            self.random.choices([step for _, step in steps], weights)[0]()

    def _trouble(self) -> None:
        """Something goes wrong with the next write, or somebody edits while it is under way."""
        faults, people, chance = self.sandbox.faults, self.people, self.random
        one = chance.choice(people.last or [1])
        write: dict[str, Any] = {"method": "PATCH", "skip": chance.choice([0, 0, 1])}
        mine: dict[str, Any] = {"path": f"*/organizations/{one}"}
        choices: list[Step] = [
            lambda: faults.fail(status=chance.choice([500, 503]), times=chance.choice([1, 3]), **write),
            lambda: faults.fail(status=500, path="*/organizations/*", times=chance.choice([1, 30])),
            lambda: faults.fail(status=429, times=2, **write),
            lambda: faults.fail(status=400, message="Something is wrong", **write),
            lambda: faults.fail(status=403, message="You may not", **write),
            lambda: faults.html_403(**write),
            lambda: faults.reset_before(**write),
            lambda: faults.reset_after(**write),
            lambda: faults.fail_after(status=504, **write),
            lambda: faults.truncate(**write),
            lambda: faults.not_json(**write),
            lambda: faults.before(self._die, **write),
            lambda: faults.after(self._die, **write),
            lambda: faults.before(lambda: people.edit_there(one), method="PATCH", **mine),
            lambda: faults.before(lambda: people.edit_there(one), method="PATCH", **mine),
            lambda: faults.after(lambda: people.edit_there(one), method="PATCH", **mine),
            lambda: faults.before(lambda: people.edit_here(one), method="PATCH", **mine),
            lambda: faults.after(lambda: people.edit_here(one), method="PATCH", **mine),
            lambda: faults.after(lambda: people.edit_here(one), method="GET", **mine),
            lambda: faults.lose_webhooks(chance.choice([20, 200])),
        ]
        chance.choice(choices)()

    # The calm after it

    def _calm_down(self) -> list[str]:
        self.sandbox.faults.clear()
        self.sandbox.faults.latency = 0.01
        self._deliver_all()
        wrong = [] if self._is_quiet() else [f"after {_ROUNDS} rounds it has not calmed down"]
        calls = len(self.sandbox.api.calls)
        self.clock.advance(86_400)
        write_back(self._started())
        if len(self.sandbox.api.calls) > calls:
            wrong.append(f"calls after it calmed down: {self.sandbox.api.calls[calls:]!r}")
        books = Books(self.sandbox, self._database, self.people.diary, self.told.heard)
        return [*wrong, *reckon(books)]

    def _deliver_all(self) -> None:
        """Until every retry is over."""
        while (waiting := self.sandbox.deliveries.next_due()) is not None:
            self.clock.advance(max(waiting - self.clock.monotonic(), 0.0))
            self.sandbox.deliveries.pump()

    def _is_quiet(self) -> bool:
        """Let the program do its work until nothing is left; whether there is an end to it."""
        self.clock.advance(timedelta(days=1).total_seconds())
        for number in range(_ROUNDS):
            self.clock.advance(30)
            done = self._cycle(thorough=number == 0)
            pushed = write_back(self._started())
            self._deliver_all()
            if number and not done.changed and not done.deleted and pushed == Pushed():
                return True
        return False

    def _cycle(self, *, thorough: bool) -> Ingested:
        """What brings the mirror up to date; the whole of a list is swept only where something may be gone."""
        mirror, refusals, total = self._started(), Refusals(), Ingested()
        apply_inbox(mirror)
        for entity in (ORGANIZATIONS, DEALS):
            total += poll(mirror, entity, entity.listings[0])
        total += read_follow_ups(mirror, refusals, lambda _entity: 0.0)
        if thorough and self.loses:
            total += self._read_definitions(mirror) + sweep_whole(mirror, refusals, accept_deletions=True)
            apply_inbox(mirror)  # those that failed before their records were read
        refusals.raise_first()
        return total

    def _read_definitions(self, mirror: Mirror) -> Ingested:
        refusals = Refusals()
        read = read_reference(mirror, refusals, only_due=False, accept_deletions=True)[1]
        refusals.raise_first()
        return read


class Told:
    """Takes every delivery in, and remembers of which changes it has heard, and after how many calls."""

    def __init__(self, database: Database, clock: ManualClock, sandbox: Sandbox) -> None:
        self._database = database
        self._clock = clock
        self._calls = sandbox.api.calls
        self.heard: dict[tuple[int, str], int] = {}

    def __call__(self, _url: str, _headers: Mapping[str, str], body: bytes) -> int:
        event = read_event(json.loads(body))
        with self._database.writing() as connection:
            save_events(connection, [Received(event, body.decode(), self._clock.now())])
        stamp = event.event_time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self.heard.setdefault((event.entity_id, stamp), len(self._calls))
        return 200


def live(seed: int, ground: Ground) -> Outcome:
    """One history from its beginning to its end."""
    outward = Outward(seed, ground)
    try:
        return outward.run()
    finally:
        outward.close()
