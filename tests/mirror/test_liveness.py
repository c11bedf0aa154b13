"""Webhooks are relied on only while what happens is told, and a change that nobody told of is noticed."""

from datetime import timedelta

import pytest

from sync.clock import ManualClock
from sync.mirror.company import Mirror
from sync.mirror.inbox import apply_inbox
from sync.mirror.liveness import WebhookState, load_webhook_state, tidy_unannounced
from sync.mirror.poll import poll, poll_newest_ids
from sync.mirror.subscriptions import check_subscriptions, install, remove
from sync.mirror.sweep import swept_listings
from sync.pipedrive.errors import Forbidden
from sync.sandbox import Company, Sandbox
from tests.mirror.conftest import OpenMirror, fill
from tests.mirror.told import Told

URL = "https://sync.example.com/webhooks/pipedrive"
GRACE = 300
POLLED = ("organizations", "deals", "persons", "activities", "notes")


class World:
    """A mirror with webhooks installed."""

    def __init__(self, mirror: Mirror, sandbox: Sandbox, clock: ManualClock) -> None:
        self.mirror, self.company, self.clock = mirror, sandbox.company, clock
        install(mirror, URL)
        self.told = Told(mirror, sandbox, subscribe=False)
        clock.advance(60)

    def edit(self, record: int = 1, entity: str = "organizations") -> None:
        text = {"deals": "title", "activities": "subject", "notes": "content"}.get(entity, "name")
        self.company.update(entity, record, {text: f"edited at {self.clock.now()}"})

    def lose(self) -> None:
        """Pipedrive's deliveries up to now never come."""
        self.told.bodies()

    def poll(self) -> None:
        self.clock.advance(1)
        for entity, listing in swept_listings(self.mirror):
            poll(self.mirror, entity, listing)
            if listing.newest_ids:
                poll_newest_ids(self.mirror, entity, listing)

    def state(self) -> WebhookState:
        with self.mirror.database.reading() as connection:
            now = self.clock.now()
            return load_webhook_state(connection, self.mirror.company_id, self.mirror.settings, now)

    def tidy(self) -> None:
        with self.mirror.database.writing() as connection:
            tidy_unannounced(connection, self.mirror.company_id, self.mirror.settings, self.clock.now())

    def missed(self) -> int:
        return self.state().missed.count


@pytest.fixture
def world(filled: Mirror, sandbox: Sandbox, clock: ManualClock) -> World:
    clock.advance(300)
    return World(filled, sandbox, clock)


def test_without_webhooks_nothing_is_alive_and_nothing_is_missed(
    filled: Mirror, sandbox: Sandbox, clock: ManualClock
) -> None:
    world = World(filled, sandbox, clock)
    remove(filled)
    world.edit()
    world.poll()
    clock.advance(GRACE + 1)
    state = world.state()
    assert (state.installed, state.alive, state.silent, state.missed.count) == (False, False, False, 0)


def test_webhooks_are_alive_from_the_first_event_on(world: World) -> None:
    state = world.state()
    assert (state.installed, state.alive, state.silent, state.lacking) == (True, False, False, [])
    world.edit()
    world.told.come()
    state = world.state()
    assert (state.alive, state.events.last_received) == (True, world.clock.now())


def test_a_change_that_no_event_told_of_counts_as_missed_once_the_grace_is_over(world: World) -> None:
    world.edit(2)
    world.told.come()
    world.clock.advance(10)
    for entity in POLLED:
        world.edit(1, entity)
    world.lose()
    world.poll()
    world.clock.advance(GRACE - 1)
    assert (world.missed(), world.state().alive) == (0, True)
    world.clock.advance(2)
    state = world.state()
    assert (state.missed.count, state.silent, state.alive) == (len(POLLED), True, False)
    world.poll()
    assert world.missed() == len(POLLED)


def test_only_what_has_no_event_is_missed(world: World) -> None:
    for record in (1, 2, 3):
        world.edit(record)
        world.clock.advance(2)
    bodies = world.told.bodies()
    world.told.receive(bodies[0])  # waits to be applied, and has been told all the same
    world.poll()
    world.told.receive(bodies[1])
    world.clock.advance(GRACE + 1)
    world.tidy()
    assert world.missed() == 1


def test_an_event_of_an_earlier_change_does_not_tell_of_a_later_one(world: World) -> None:
    world.edit()
    world.told.come()
    world.clock.advance(2)
    world.edit()
    world.lose()
    world.poll()
    world.clock.advance(GRACE + 1)
    world.tidy()
    assert world.missed() == 1


def test_events_that_come_late_take_the_count_back(world: World) -> None:
    world.edit(1)
    world.edit(2)
    late = world.told.bodies()
    world.poll()
    world.clock.advance(GRACE + 1)
    assert world.missed() == 2
    world.told.receive(*late)
    apply_inbox(world.mirror)
    world.tidy()
    state = world.state()
    assert (state.missed.count, state.silent, state.alive) == (0, False, True)


def test_a_later_event_of_the_same_record_takes_the_count_back(world: World) -> None:
    world.edit()
    world.lose()
    world.poll()
    world.clock.advance(GRACE + 1)
    assert world.missed() == 1
    world.edit()
    world.told.come()
    world.tidy()
    assert world.missed() == 0


def test_webhooks_that_are_heard_of_again_are_alive_again(world: World) -> None:
    world.edit(1)
    world.lose()
    world.poll()
    world.clock.advance(GRACE + 1)
    assert world.state().silent
    world.edit(2)
    world.told.come()
    state = world.state()
    assert (state.silent, state.alive, state.missed.count) == (False, True, 1)


def test_what_changed_before_webhooks_were_installed_is_not_missed(
    filled: Mirror, sandbox: Sandbox, clock: ManualClock
) -> None:
    clock.advance(300)
    sandbox.company.update("organizations", 1, {"name": "before"})
    world = World(filled, sandbox, clock)
    world.poll()
    world.edit(2)
    world.lose()
    world.poll()
    clock.advance(GRACE + 1)
    assert world.missed() == 1


def test_what_was_read_before_and_has_not_changed_is_not_missed(world: World) -> None:
    world.poll()
    world.clock.advance(100)
    world.poll()
    world.clock.advance(GRACE + 1)
    assert world.missed() == 0


def test_webhooks_that_are_gone_are_lacking_until_they_are_made_anew(world: World, sandbox: Sandbox) -> None:
    world.edit()
    world.told.come()
    company: Company = world.company
    hooks = {hook["event_object"]: hook["id"] for hook in company.all("webhooks")}
    company.update("webhooks", hooks["deal"], {"is_active": 0})
    sandbox.faults.fail(status=403, method="POST", path="*/webhooks")
    with pytest.raises(Forbidden):
        check_subscriptions(world.mirror)
    assert (world.state().lacking, world.state().alive) == (["deal"], False)
    check_subscriptions(world.mirror)
    assert (world.state().lacking, world.state().alive) == ([], True)


def test_what_is_left_out_is_not_lacking(open_here: OpenMirror, sandbox: Sandbox, clock: ManualClock) -> None:
    world = World(fill(open_here(SYNC_PRIVACY__LEAVE_OUT="notes")), sandbox, clock)
    assert "note" not in {one.event_object for one in world.state().subscriptions}
    assert world.state().lacking == []
    with_notes = World(fill(open_here()), sandbox, clock)
    remove(with_notes.mirror)
    assert "note" in with_notes.state().lacking


def test_changes_that_were_missed_long_ago_are_forgotten(world: World) -> None:
    world.edit()
    world.lose()
    world.poll()
    days = world.mirror.settings.retention.inbox_days
    world.clock.advance(timedelta(days=days, hours=-1).total_seconds())
    world.tidy()
    assert world.missed() == 1
    world.clock.advance(3601)
    world.tidy()
    assert world.missed() == 0
