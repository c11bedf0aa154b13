"""What events tell only in part is read many ids a call, once enough wait or one has waited for long, and only once."""

from collections import Counter
from collections.abc import Callable

import pytest

from sync.clock import ManualClock
from sync.mirror.company import Mirror
from sync.mirror.cycle import run_cycle
from sync.mirror.follow_up import read_follow_ups
from sync.mirror.poll import poll
from sync.mirror.reference import resolved
from sync.mirror.refusals import Refusals
from sync.pipedrive.entities import BY_EVENT, ORGANIZATIONS, Lookup
from sync.pipedrive.errors import Forbidden
from sync.sandbox import Company, Sandbox
from tests.mirror.conftest import OpenMirror
from tests.mirror.told import Told, read_all, row, waiting
from tests.truth import differences

PATIENCE = 900

Spent = Callable[[], tuple[Counter[str], int]]


@pytest.fixture
def told(filled: Mirror, sandbox: Sandbox, clock: ManualClock) -> Told:
    clock.advance(300)
    return Told(filled, sandbox)


@pytest.fixture
def company(sandbox: Sandbox) -> Company:
    return sandbox.company


@pytest.fixture
def spent(told: Told, sandbox: Sandbox) -> Spent:
    """Reads what is due, as the service does; the calls by path, and the tokens that it cost."""

    def read() -> tuple[Counter[str], int]:
        calls, tokens = len(sandbox.calls), sandbox.limits.spent
        refusals = Refusals()
        read_follow_ups(told.mirror, refusals, patience=lambda entity: PATIENCE)
        refusals.raise_first()
        return Counter(call.path for call in sandbox.calls[calls:]), sandbox.limits.spent - tokens

    return read


def create(told: Told, company: Company, entity: str, count: int) -> list[int]:
    """Records that an event has told of."""
    text = "content" if entity == "notes" else "name"
    links = {} if entity == "organizations" else {"org_id": 1}
    created = [company.create(entity, {text: f"new {number}", **links})["id"] for number in range(count)]
    told.come()
    return created


def test_a_hundred_are_read_in_one_call_and_fewer_wait(
    told: Told, company: Company, clock: ManualClock, spent: Spent
) -> None:
    create(told, company, "organizations", 99)
    assert spent() == ({}, 0)
    clock.advance(10)
    others = create(told, company, "organizations", 51)
    assert spent() == ({"/api/v2/organizations": 1}, 10)
    assert waiting(told.mirror, "organizations") == set(others[1:])  # those that waited longest were read
    assert spent() == ({}, 0)
    clock.advance(PATIENCE - 10)
    assert spent() == ({}, 0)
    clock.advance(10)
    assert spent() == ({"/api/v2/organizations": 1}, 10)
    assert waiting(told.mirror, "organizations") == set()
    assert differences(told.mirror.database, company) == []


def test_three_hundred_cost_three_calls(told: Told, company: Company, spent: Spent) -> None:
    create(told, company, "persons", 300)
    assert spent() == ({"/api/v2/persons": 3}, 30)
    assert waiting(told.mirror, "persons") == set()


def test_what_has_to_be_read_one_by_one_waits_until_its_patience_is_over(
    told: Told, company: Company, clock: ManualClock, spent: Spent
) -> None:
    created = create(told, company, "notes", 120)
    assert spent() == ({}, 0)
    clock.advance(PATIENCE)
    assert spent() == ({f"/api/v1/notes/{one}": 1 for one in created}, 2 * 120)


def test_later_events_do_not_make_a_record_wait_longer(
    told: Told, company: Company, clock: ManualClock, spent: Spent
) -> None:
    for number in range(9):
        company.update("organizations", 1, {"name": f"name {number}"})
        told.come()
        assert spent() == ({}, 0)
        clock.advance(PATIENCE / 9)
    assert spent() == ({"/api/v2/organizations": 1}, 10)
    assert differences(told.mirror.database, company) == []


def test_an_archived_deal_is_looked_for_in_the_archive_too(
    told: Told, company: Company, clock: ManualClock, spent: Spent
) -> None:
    (deal, *_) = [one["id"] for one in company.all("deals") if not one["is_archived"]]
    company.archive_deal(deal)
    told.come()
    clock.advance(PATIENCE)
    assert spent() == ({"/api/v2/deals": 1, "/api/v2/deals/archived": 1}, 10 + 20)
    assert differences(told.mirror.database, company) == []


def test_a_poll_that_reads_the_record_settles_it(
    told: Told, company: Company, clock: ManualClock, spent: Spent
) -> None:
    company.update("organizations", 1, {"name": "New"})
    company.update("organizations", 2, {"name": "New"})
    told.come()
    assert waiting(told.mirror, "organizations") == {1, 2}
    clock.advance(20)
    poll(told.mirror, ORGANIZATIONS, ORGANIZATIONS.listings[0])
    assert waiting(told.mirror, "organizations") == set()
    clock.advance(PATIENCE)
    assert spent() == ({}, 0)


def test_a_read_that_began_before_the_event_was_applied_does_not_settle_it(
    told: Told, sandbox: Sandbox, clock: ManualClock
) -> None:
    company, mirror = sandbox.company, told.mirror

    def meanwhile() -> None:
        clock.advance(1)
        company.update("organizations", 1, {"name": "New", "website": "https://new.example"})
        told.come()

    company.update("organizations", 1, {"name": "before"})
    told.bodies()  # is lost
    clock.advance(1)
    sandbox.faults.after(meanwhile, path="/api/v2/organizations")
    poll(mirror, ORGANIZATIONS, ORGANIZATIONS.listings[0])
    assert row(mirror, "organizations", 1)["website"] != "https://new.example"
    assert waiting(mirror, "organizations") == {1}
    read_all(mirror)
    assert waiting(mirror, "organizations") == set()
    assert differences(mirror.database, company) == []


def test_an_event_that_comes_while_its_record_is_read_makes_it_be_read_again(
    told: Told, sandbox: Sandbox, clock: ManualClock
) -> None:
    company, mirror = sandbox.company, told.mirror

    def edit(name: str) -> None:
        clock.advance(1)
        company.update("organizations", 1, {"name": name})
        told.come()

    edit("first")
    sandbox.faults.after(lambda: edit("second"), path="/api/v2/organizations")
    read_all(mirror)
    assert waiting(mirror, "organizations") == {1}
    read_all(mirror)
    assert waiting(mirror, "organizations") == set()
    assert differences(mirror.database, company) == []


@pytest.mark.parametrize("entity", ["organizations", "notes"], ids=["in a batch", "alone"])
def test_what_pipedrive_does_not_show_is_left_alone_and_not_asked_for_again(
    told: Told, company: Company, clock: ManualClock, spent: Spent, entity: str
) -> None:
    text = "content" if entity == "notes" else "name"
    company.update(entity, 1, {text: "New"})
    told.come()
    company.erase(entity, 1)
    clock.advance(PATIENCE)
    assert spent()[0].total() == 1
    held = row(told.mirror, entity, 1)
    assert (held[text], held["deleted_at"]) == ("New", None)
    assert waiting(told.mirror, entity) == set()
    clock.advance(PATIENCE)
    assert spent() == ({}, 0)
    run_cycle(told.mirror, whole_sweep=True)
    assert row(told.mirror, entity, 1)["deleted_at"] is not None


def test_a_list_that_pipedrive_refuses_keeps_no_other_from_being_read(
    told: Told, sandbox: Sandbox, clock: ManualClock, spent: Spent
) -> None:
    company = sandbox.company
    company.update("organizations", 1, {"name": "New"})
    company.update("persons", 1, {"name": "New"})
    company.update("activities", 1, {"subject": "New"})
    told.come()
    clock.advance(PATIENCE)
    sandbox.faults.fail(status=403, path="/api/v2/persons")
    with pytest.raises(Forbidden):
        spent()
    assert waiting(told.mirror, "persons") == {1}
    assert waiting(told.mirror, "organizations") | waiting(told.mirror, "activities") == set()
    assert spent() == ({"/api/v2/persons": 1}, 10)
    assert differences(told.mirror.database, company) == []


def test_what_is_left_out_by_now_is_not_asked_for(
    told: Told, company: Company, open_here: OpenMirror, sandbox: Sandbox
) -> None:
    company.update("notes", 1, {"content": "New"})
    told.come()
    without = resolved(open_here(SYNC_PRIVACY__LEAVE_OUT="notes"))
    calls = len(sandbox.calls)
    read_all(without)
    assert len(sandbox.calls) == calls
    assert waiting(without, "notes") == set()


def test_every_entity_with_events_can_be_read_by_its_ids() -> None:
    assert all(listing.lookup is not Lookup.NONE for entity in BY_EVENT.values() for listing in entity.listings)
