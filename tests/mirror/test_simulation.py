"""Random edits and random faults at a simulated Pipedrive: once the faults end, mirror and accounts are right.

Set SYNC_TEST_SEEDS to run more seeds than the few of every test run.
"""

import os
import random
from collections.abc import Callable
from functools import partial

import pytest

from sync.clock import ManualClock
from sync.errors import SyncError
from sync.mirror.brake import DeletionsHeld
from sync.mirror.company import Mirror
from sync.mirror.cycle import run_cycle
from sync.mirror.reference import resolved
from sync.sandbox import Company, Sandbox
from tests.mirror.conftest import OpenMirror
from tests.truth import built_accounts, differences, expected_accounts

STEPS = 45
SEEDS = range(int(os.environ.get("SYNC_TEST_SEEDS", "2")))
ENTITIES = ("organizations", "deals", "persons", "activities", "notes", "files")


class World:
    """What can happen at Pipedrive, and on the way to it, by chance."""

    def __init__(self, sandbox: Sandbox, clock: ManualClock, seed: int) -> None:
        self.sandbox, self.company, self.clock = sandbox, sandbox.company, clock
        self.random = random.Random(seed)
        self.company.switches.merge_bumps_children = seed % 2 == 0
        self.company.switches.deleted_records_answer_200 = seed % 3 == 0
        self.names = iter(range(10**9))

    def some(self, entity: str) -> int:
        chosen: int = self.random.choice(self.company.all(entity))["id"]
        return chosen

    def edit(self, company: Company) -> None:
        """One thing that a person does."""
        name = f"name {next(self.names)} ü"
        deal, organization = partial(self.some, "deals"), partial(self.some, "organizations")
        amount = {
            "value": self.random.choice([None, 0, 0.1, 0.2, 1200, 99.99]),
            "currency": self.random.choice(["EUR", "USD", "JPY"]),
        }
        choices: list[Callable[[], object]] = [
            lambda: company.create("organizations", {"name": name}),
            lambda: company.update("organizations", organization(), {"name": name}),
            lambda: company.create("deals", {"title": name, "org_id": organization(), **amount}),
            lambda: company.create("deals", {"title": name, "org_id": organization(), "status": "won", **amount}),
            lambda: company.win_deal(deal(), **amount),
            lambda: company.lose_deal(deal(), "too dear"),
            lambda: company.reopen_deal(deal()),
            lambda: company.archive_deal(deal()),
            lambda: company.unarchive_deal(deal()),
            lambda: company.update("deals", deal(), {"org_id": self.random.choice([None, organization()])}),
            lambda: company.create(
                "activities", {"subject": name, "deal_id": deal(), "due_date": f"2026-12-{self.random.randint(10, 28)}"}
            ),
            lambda: company.update("activities", self.some("activities"), {"done": self.random.random() < 0.5}),
            lambda: company.update("activities", self.some("activities"), {"org_id": organization()}),
            lambda: company.create("notes", {"content": name, "org_id": organization()}),
            lambda: company.update("persons", self.some("persons"), {"name": name}),
            lambda: company.add_file(f"{name}.txt", b"x", org_id=organization()),
            lambda: self.remove(),
            lambda: self.remove(),
            lambda: company.merge_organizations(organization(), organization()),
            lambda: company.update("users", 2, {"name": name}),
            lambda: company.fields.rename("organizations", self.custom(), name),
            lambda: company.update("organizations", organization(), {"custom_fields": {self.custom(): None}}),
            lambda: self.random.random() < 0.1 and company.delete_field("organizations", self.custom()),
        ]
        try:
            self.random.choice(choices)()
        except (KeyError, IndexError):
            return  # merged with itself, or nothing left to choose from

    def custom(self) -> str:
        return self.random.choice(sorted(self.company.fields.custom("organizations")))

    def remove(self) -> None:
        entity = self.random.choice(ENTITIES)
        if self.company.count(entity) > 8:
            self.random.choice([self.company.delete, self.company.erase])(entity, self.some(entity))

    def trouble(self) -> None:
        """One thing that goes wrong on the way, or an edit while a list is read."""
        faults, where = self.sandbox.faults, {"skip": self.random.randint(0, 12)}
        self.random.choice(
            [
                lambda: faults.fail(status=500, times=self.random.choice([1, 3, 30]), **where),
                lambda: faults.fail(status=403, path=f"/api/v?/{self.random.choice(ENTITIES)}"),
                lambda: faults.fail(status=429, **where),
                lambda: faults.reset_before(**where),
                lambda: faults.reset_after(**where),
                lambda: faults.truncate(**where),
                lambda: faults.not_json(**where),
                lambda: faults.html_403(**where),
                lambda: faults.late_lists(self.random.choice([0, 10])),
                lambda: faults.before(lambda: self.edit(self.company), **where),
                lambda: faults.after(lambda: self.edit(self.company), **where),
            ]
        )()


@pytest.mark.parametrize("seed", SEEDS)
def test_after_any_history_the_mirror_is_pipedrive_and_another_cycle_changes_nothing(
    filled: Mirror, open_here: OpenMirror, sandbox: Sandbox, clock: ManualClock, seed: int
) -> None:
    world = World(sandbox, clock, seed)
    mirror = filled
    for _ in range(STEPS):
        for _ in range(world.random.randint(0, 4)):
            world.edit(sandbox.company)
            clock.advance(world.random.choice([0, 0, 0.3, 1, 7]))
        if world.random.random() < 0.4:
            world.trouble()
        if world.random.random() < 0.5:
            clock.advance(world.random.choice([0, 1, 5, 30, 61, 900, 4000]))
            try:
                run_cycle(mirror, whole_sweep=world.random.random() < 0.1)
            except SyncError:
                mirror = resolved(open_again(open_here, sandbox) or mirror)
    sandbox.faults.clear()
    clock.advance(4000)
    settled(mirror)
    assert differences(mirror.database, sandbox.company) == []
    assert built_accounts(mirror.database) == expected_accounts(sandbox.company)
    clock.advance(4000)
    again = run_cycle(mirror, whole_sweep=True)
    assert (again.changed, again.deleted, again.rejected) == (0, 0, 0)


def open_again(open_here: OpenMirror, sandbox: Sandbox) -> Mirror | None:
    """The program is started again; not yet, where Pipedrive can't be reached."""
    try:
        return open_here()
    except SyncError:
        return None


def settled(mirror: Mirror) -> None:
    """A whole cycle without faults."""
    try:
        run_cycle(mirror, whole_sweep=True)
    except DeletionsHeld:
        run_cycle(mirror, accept_deletions=True)
