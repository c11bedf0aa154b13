"""A day of a company on a virtual clock: what the service costs in tokens, and how fresh the mirror is.

A Growth plan with five seats and 20,000 changes, most of them in office hours; once with webhooks, once without. How
fresh a change is, is read off the database: when its row shows it, less when it was made.
"""

import random
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from scripts.benchmarks.report import Finding
from scripts.simulation.beginning import copy_everything
from scripts.simulation.program import Program
from scripts.simulation.wire import Inlet
from sync.clock import ManualClock
from sync.mirror.subscriptions import RECEIVER_PATH, install
from sync.pipedrive.entities import BY_NAME
from sync.sandbox import Change, Proportions, Sandbox, generate
from sync.settings import load_settings
from sync.store.database import Database
from sync.store.mirror import held_rows

CHANGES = 20_000
_TOKENS = 30_000 * 2 * 5  # Pipedrive API: per seat of a Growth plan
_MOST_WITH_WEBHOOKS = 15_000
_FRESH = 120.0  # seconds
_MIDNIGHT = datetime(2026, 11, 3, tzinfo=UTC)
_PROPORTIONS = Proportions(deals=4, persons=2, activities=6, notes=1, files=0.3)
_OF_EACH = {"deals": 35, "activities": 35, "organizations": 15, "persons": 10, "notes": 5}
_CREATED = 0.2  # of the changes
_DELIVERED_EVERY = timedelta(seconds=5)  # webhooks come together, so that the day passes sooner


def measure(*, changes: int = CHANGES) -> list[Finding]:
    """Two days, with and without webhooks."""
    with_webhooks, without = (_day(changes, webhooks=webhooks) for webhooks in (True, False))
    share = _TOKENS // 2
    return [
        Finding(
            "day",
            f"{changes:,} changes with webhooks: tokens {with_webhooks.by_purpose()}",
            f"{with_webhooks.tokens:,}",
            f"< {_MOST_WITH_WEBHOOKS:,}",
            with_webhooks.tokens < _MOST_WITH_WEBHOOKS,
            with_webhooks.details(),
        ),
        Finding("day", "  their mean freshness", f"{with_webhooks.mean:.1f} s", details=with_webhooks.details()),
        Finding(
            "day",
            f"{changes:,} changes without webhooks: mean freshness",
            f"{without.mean:.1f} s",
            f"< {_FRESH:.0f} s",
            without.mean < _FRESH,
            without.details(),
        ),
        Finding(
            "day",
            f"  their tokens {without.by_purpose()}",
            f"{without.tokens:,}",
            f"≤ {share:,} (the share)",
            without.tokens <= share,
            without.details(),
        ),
    ]


@dataclass(slots=True)
class _Day:
    """What a day came to."""

    tokens: int = 0
    purposes: dict[str, int] = field(default_factory=dict)
    freshness: list[float] = field(default_factory=list)
    never_seen: int = 0

    @property
    def mean(self) -> float:
        return sum(self.freshness) / max(len(self.freshness), 1)

    def by_purpose(self) -> str:
        return "(" + ", ".join(f"{name} {tokens:,}" for name, tokens in sorted(self.purposes.items())) + ")"

    def details(self) -> dict[str, object]:
        return {"tokens": self.tokens, "purposes": self.purposes, "mean": self.mean, "never_seen": self.never_seen}


@dataclass(slots=True)
class _Watch:
    """Changes that the mirror does not show yet: by entity and id, when they were made."""

    company_now: ManualClock
    pending: dict[str, dict[int, datetime]] = field(default_factory=dict)

    def hear(self, change: Change) -> None:
        if change.entity in _OF_EACH:
            self.pending.setdefault(change.entity, {}).setdefault(change.id, self.company_now.now())

    def look(self, database: Database, company_id: int, day: _Day) -> None:
        """Take note of what the mirror shows now."""
        now = self.company_now.now()
        for entity, made in self.pending.items():
            if not made:
                continue
            with database.reading() as connection:
                held = held_rows(connection, company_id, BY_NAME[entity], made.keys())
            for one, row in held.items():
                if row.changed_at is not None and row.changed_at >= made[one].replace(microsecond=0):
                    day.freshness.append((now - made.pop(one)).total_seconds())


def _day(changes: int, *, webhooks: bool) -> _Day:
    clock, rng = ManualClock(_MIDNIGHT - timedelta(minutes=20)), random.Random(1)
    company = generate(5, clock=clock, organizations=2000, proportions=_PROPORTIONS)
    sandbox = Sandbox(company, clock=clock, burst=None, daily_tokens=_TOKENS, deliver=False)
    company.switches.idle_webhooks_expire = False
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        url = f"sqlite:///{Path(folder) / 'day.db'}"
        copy_everything(sandbox, clock, url)
        settings = load_settings(
            {"PIPEDRIVE_BASE_URL": sandbox.url, "PIPEDRIVE_API_TOKEN": sandbox.token, "DATABASE_URL": url}
        )
        program = Program(sandbox, settings, clock, rng, lambda: None, ())
        receiver = Database(url)
        sandbox.deliveries.transport = Inlet(receiver, clock)
        if webhooks:
            install(program.mirror, f"https://sync.example.com{RECEIVER_PATH}")
        try:
            return _lived(sandbox, program, clock, list(_moments(changes, rng)), rng)
        finally:
            program.end()
            receiver.close()
            sandbox.stop()


def _moments(changes: int, rng: random.Random) -> Iterator[datetime]:
    """When the changes are made, in order: four of five between 8 and 18 o'clock."""
    hours = sorted(rng.uniform(8, 18) if rng.random() < 0.8 else rng.uniform(0, 24) for _ in range(changes))
    return (_MIDNIGHT + timedelta(hours=hour) for hour in hours)


def _lived(sandbox: Sandbox, program: Program, clock: ManualClock, moments: list[datetime], rng: random.Random) -> _Day:
    day, watch = _Day(), _Watch(clock)
    sandbox.company.listeners.append(watch.hear)
    end, upcoming = _MIDNIGHT + timedelta(days=1) - timedelta(seconds=5), iter(moments)
    change_at = next(upcoming, None)
    planned_at = delivered_at = clock.now()
    while clock.now() < end:
        if clock.now() >= delivered_at + _DELIVERED_EVERY:
            sandbox.deliveries.pump()
            delivered_at = clock.now()
        if change_at is not None and clock.now() >= change_at:
            _change(sandbox, rng)
            change_at = next(upcoming, None)
            continue
        if clock.now() >= planned_at + timedelta(seconds=60):
            program.service.make_plan()
            planned_at = clock.now()
        due, job = program.next_due()
        following = min([due, delivered_at + _DELIVERED_EVERY, *([change_at] if change_at else []), end])
        if following > clock.now():
            clock.advance((following - clock.now()).total_seconds() + 1e-6)
        elif due <= clock.now():
            program.service.run(job)
            if job == "apply" or job.startswith("poll"):
                watch.look(program.database, program.mirror.company_id, day)
    day.tokens = sandbox.limits.spent
    state = program.mirror.budget.snapshot()
    day.purposes = dict(state.by_purpose) if state else {}
    day.never_seen = sum(len(made) for made in watch.pending.values())
    return day


def _change(sandbox: Sandbox, rng: random.Random) -> None:
    company, entity = sandbox.company, rng.choices(list(_OF_EACH), list(_OF_EACH.values()))[0]
    named = {"deals": "title", "activities": "subject", "notes": "content"}.get(entity, "name")
    value = {named: f"changed {rng.random()}"}
    ids = sandbox.company.tables[entity].rows
    if rng.random() < _CREATED:
        links = {} if entity in ("organizations", "persons") else {"org_id": rng.randint(1, 2000)}
        company.create(entity, value | links)
    else:
        company.update(entity, rng.choice(list(ids)), value)
