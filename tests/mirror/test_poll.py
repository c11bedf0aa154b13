"""A poll finds every change since the last one, however late or interrupted, and costs little when there is none."""

import itertools
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select

from sync.clock import ManualClock
from sync.errors import Interrupted
from sync.mirror.company import Mirror
from sync.mirror.cycle import run_cycle
from sync.mirror.ingest import Ingested
from sync.sandbox import Sandbox
from sync.store.checkpoints import load_checkpoint
from sync.store.schema import TABLES
from tests.mirror.conftest import OpenMirror, fill
from tests.truth import built_accounts, differences, expected_accounts

OVERLAP = 60
_NO_SWEEP = {"SYNC_SWEEP__PAGES": "2", "SYNC_POLL__FILES_INTERVAL": "0"}
INCREMENTAL = ("organizations", "deals", "persons", "activities", "notes", "files")

Cycle = Callable[[], Ingested]


@pytest.fixture
def cycle(filled: Mirror, clock: ManualClock, sandbox: Sandbox) -> Cycle:
    """Runs a cycle some time after the last, and checks what it must always leave behind."""

    def run() -> Ingested:
        clock.advance(20)
        done = run_cycle(filled)
        clock.advance(20)
        return done

    clock.advance(2 * OVERLAP)
    return run


def assert_same(mirror: Mirror, sandbox: Sandbox) -> None:
    assert differences(mirror.database, sandbox.company) == []
    assert built_accounts(mirror.database) == expected_accounts(sandbox.company)


@pytest.fixture
def by_polls_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but polls: whatever they miss stays missing."""
    monkeypatch.setattr("sync.mirror.cycle.sweep_slice", lambda *_: Ingested())


def _edit_everything(sandbox: Sandbox) -> None:
    company = sandbox.company
    company.update("organizations", 1, {"name": "renamed"})
    company.update("persons", 1, {"name": "Nova Person"})
    company.update("activities", 1, {"subject": "changed", "done": True})
    company.update("notes", 1, {"content": "<b>changed</b>"})
    company.update("files", 1, {"name": "changed.pdf"})
    company.win_deal(1, value=12.34, currency="EUR")
    company.create("organizations", {"name": "new"})
    company.create("deals", {"title": "new", "org_id": 1, "status": "won", "value": 0.1, "currency": "USD"})
    company.create("activities", {"subject": "new", "org_id": 1, "due_date": "2026-11-03"})
    company.create("notes", {"content": "new", "org_id": 1})
    company.create("persons", {"name": "new", "org_id": 1})
    company.add_file("new.txt", b"x", org_id=1)


@pytest.mark.usefixtures("by_polls_alone")
def test_edits_of_every_entity_arrive_in_one_cycle(open_here: OpenMirror, sandbox: Sandbox, clock: ManualClock) -> None:
    mirror = fill(open_here(**_NO_SWEEP))
    clock.advance(300)
    _edit_everything(sandbox)
    assert run_cycle(mirror).changed == 12
    assert_same(mirror, sandbox)


@pytest.mark.usefixtures("by_polls_alone")
@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_edit_while_a_list_is_read_arrives_at_the_latest_with_the_next_cycle(
    filled: Mirror, sandbox: Sandbox, clock: ManualClock, moment: str
) -> None:
    clock.advance(300)
    texts = {"organizations": "name", "deals": "title", "persons": "name", "activities": "subject", "notes": "content"}
    for entity, text in texts.items():
        edit = partial(sandbox.company.update, entity, 2, {text: "in between"})
        getattr(sandbox.faults, moment)(edit, path=f"/api/v?/{entity}")
    run_cycle(filled)
    clock.advance(20)
    run_cycle(filled)
    assert all(sandbox.company.get(entity, 2)[text] == "in between" for entity, text in texts.items())
    assert_same(filled, sandbox)


@pytest.mark.usefixtures("by_polls_alone")
def test_two_edits_in_the_second_of_a_poll_both_arrive(cycle: Cycle, filled: Mirror, sandbox: Sandbox) -> None:
    company = sandbox.company

    def edit(name: str) -> None:
        company.update("organizations", 3, {"name": name})

    sandbox.faults.before(lambda: edit("first"), path="/api/v2/organizations")
    sandbox.faults.after(lambda: edit("second"), path="/api/v2/organizations")
    cycle()
    assert company.get("organizations", 3)["name"] == "second"
    for _ in range(5):
        cycle()
    assert_same(filled, sandbox)


@pytest.mark.usefixtures("by_polls_alone")
def test_edits_at_every_point_of_a_settling_mark_arrive(
    cycle: Cycle, filled: Mirror, sandbox: Sandbox, clock: ManualClock
) -> None:
    for number in range(8):
        edit = partial(sandbox.company.update, "organizations", 4, {"name": f"edit {number}"})
        sandbox.faults.after(edit, path="/api/v2/organizations", skip=number)
    for _ in range(12):
        cycle()
    assert sandbox.company.get("organizations", 4)["name"] == "edit 7"
    assert_same(filled, sandbox)


@pytest.mark.usefixtures("by_polls_alone")
def test_a_list_that_shows_changes_ten_seconds_late_loses_none(
    filled: Mirror, sandbox: Sandbox, clock: ManualClock
) -> None:
    clock.advance(300)
    sandbox.faults.late_lists(10)
    names = itertools.count()
    for _ in range(12):
        sandbox.company.update("organizations", 1, {"name": f"late {next(names)}"})
        clock.advance(4)
        sandbox.company.update("organizations", 2, {"name": f"late {next(names)}"})
        clock.advance(4)
        run_cycle(filled)
        clock.advance(7)
    sandbox.faults.late_lists(0)
    clock.advance(30)
    run_cycle(filled)
    assert_same(filled, sandbox)


def test_a_new_deal_without_update_time_is_found_in_one_cycle(cycle: Cycle, filled: Mirror, sandbox: Sandbox) -> None:
    deal = sandbox.company.create("deals", {"title": "never changed", "org_id": 1})
    assert deal["update_time"] is None
    cycle()
    assert_same(filled, sandbox)


@pytest.mark.usefixtures("by_polls_alone")
def test_more_new_deals_without_update_time_than_a_page_holds_are_found_in_one_cycle(
    cycle: Cycle, filled: Mirror, sandbox: Sandbox
) -> None:
    created = [sandbox.company.create("deals", {"title": f"import {one}", "org_id": 1})["id"] for one in range(620)]
    sandbox.company.update("deals", created[-1], {"title": "edited, and so met by the poll first"})
    cycle()
    assert_same(filled, sandbox)


@pytest.mark.usefixtures("by_polls_alone")
def test_new_deals_are_found_although_the_look_for_them_was_interrupted(
    cycle: Cycle, filled: Mirror, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for one in range(620):
        sandbox.company.create("deals", {"title": f"import {one}", "org_id": 1})
    _interrupt_after(monkeypatch, "/api/v2/deals", pages=2)
    with pytest.raises(Interrupted):
        cycle()
    monkeypatch.undo()
    monkeypatch.setattr("sync.mirror.cycle.sweep_slice", lambda *_: Ingested())
    cycle()
    assert_same(filled, sandbox)


@pytest.mark.usefixtures("by_polls_alone")
def test_a_deal_is_archived_won_deleted_and_taken_out_of_the_archive(
    cycle: Cycle, filled: Mirror, sandbox: Sandbox
) -> None:
    company = sandbox.company
    deal = next(
        one["id"]
        for one in company.all("deals")
        if one["status"] == "open" and not one["is_archived"] and one["org_id"]
    )
    for change in (
        lambda: company.win_deal(deal, value=100, currency="EUR"),
        lambda: company.archive_deal(deal),
        lambda: company.unarchive_deal(deal),
        lambda: company.archive_deal(deal),
        lambda: company.delete("deals", deal),
        lambda: company.restore("deals", deal),
        lambda: company.reopen_deal(deal),
    ):
        change()
        cycle()
        assert_same(filled, sandbox)


def test_a_deal_that_moves_changes_the_accounts_it_leaves_and_joins(
    cycle: Cycle, filled: Mirror, sandbox: Sandbox
) -> None:
    company = sandbox.company
    deal = next(
        one
        for one in company.all("deals")
        if one["status"] == "won" and one["org_id"] == next(iter(expected_accounts(company)))
    )
    old, new = deal["org_id"], deal["org_id"] % 30 + 1
    company.update("deals", deal["id"], {"org_id": new})
    cycle()
    assert_same(filled, sandbox)
    company.update("deals", deal["id"], {"org_id": None})
    cycle()
    assert_same(filled, sandbox)
    company.update("deals", deal["id"], {"org_id": old})
    cycle()
    assert_same(filled, sandbox)


def _spent(sandbox: Sandbox, cycle: Cycle) -> tuple[Counter[str], int]:
    before, calls = sandbox.limits.spent, len(sandbox.calls)
    cycle()
    return Counter(call.path for call in sandbox.calls[calls:]), sandbox.limits.spent - before


@pytest.mark.parametrize("edited", [0, 600])
def test_a_cycle_with_nothing_changed_reads_one_page_of_every_list_and_a_slice_of_the_sweep(
    cycle: Cycle, sandbox: Sandbox, clock: ManualClock, edited: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also after a bulk edit of many records in one second, once the overlap has passed and been read again."""
    created = [sandbox.company.create("organizations", {"name": f"bulk {one}"})["id"] for one in range(edited)]
    cycle()
    for one in created:
        sandbox.company.update("organizations", one, {"visible_to": 7})
    cycle()
    clock.advance(2 * OVERLAP)
    cycle()
    monkeypatch.setattr("sync.mirror.cycle.sweep_slice", lambda *_: Ingested())
    calls, tokens = _spent(sandbox, cycle)
    assert calls == {
        "/api/v2/organizations": 1,
        "/api/v2/deals": 2,  # what changed, and the newest ids
        "/api/v2/deals/archived": 1,
        "/api/v2/persons": 1,
        "/api/v2/activities": 1,
        "/api/v1/notes": 1,
    }
    assert tokens == 10 + 2 * 10 + 20 + 10 + 10 + 20


def test_the_slice_of_the_sweep_is_as_long_as_the_settings_say(
    open_here: OpenMirror, sandbox: Sandbox, clock: ManualClock
) -> None:
    mirror = fill(open_here(SYNC_SWEEP__PAGES="4"))
    clock.advance(300)
    run_cycle(mirror)
    before = len(sandbox.calls)
    clock.advance(300)
    run_cycle(mirror)
    assert len(sandbox.calls) - before == 7 + 3


def test_files_and_reference_lists_are_looked_at_less_often(cycle: Cycle, sandbox: Sandbox, clock: ManualClock) -> None:
    def paths(seconds: float) -> set[str]:
        clock.advance(seconds)
        return set(_spent(sandbox, cycle)[0])

    assert not {"/api/v1/files", "/api/v1/users"} & paths(0)
    sandbox.company.add_file("late.txt", b"x")
    assert {"/api/v1/files"} == {"/api/v1/files", "/api/v1/users"} & paths(900)
    assert {"/api/v1/files", "/api/v1/users"} <= paths(3600)


@pytest.mark.parametrize("skew", [300, -300])
@pytest.mark.usefixtures("by_polls_alone")
def test_a_clock_that_is_minutes_off_loses_nothing(
    mirror: Mirror, sandbox: Sandbox, clock: ManualClock, skew: int
) -> None:
    sandbox.faults.clock_skew(skew)
    fill(mirror)
    for number in range(6):
        clock.advance(25)
        sandbox.company.update("organizations", 1, {"name": f"skewed {number}"})
        sandbox.company.create("notes", {"content": f"skewed {number}", "org_id": 1})
        run_cycle(mirror)
        sandbox.company.update("deals", 1, {"title": f"skewed {number}"})
    clock.advance(25)
    run_cycle(mirror)
    assert_same(mirror, sandbox)


@pytest.mark.usefixtures("by_polls_alone")
def test_one_record_from_the_future_does_not_hide_all_others(cycle: Cycle, filled: Mirror, sandbox: Sandbox) -> None:
    sandbox.company.update("organizations", 1, {"name": "far ahead", "update_time": "2199-01-01T00:00:00Z"})
    cycle()
    sandbox.company.update("organizations", 2, {"name": "still seen"})
    cycle()
    assert_same(filled, sandbox)


@pytest.mark.usefixtures("by_polls_alone")
@pytest.mark.parametrize(("entity", "pages"), [("organizations", 1), ("organizations", 2), ("notes", 1)])
def test_a_poll_that_is_interrupted_between_two_pages_goes_on_without_loss(
    filled: Mirror,
    open_here: OpenMirror,
    sandbox: Sandbox,
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
    entity: str,
    pages: int,
) -> None:
    clock.advance(300)
    for number in range(1100):
        values: dict[str, Any] = {"name": f"o{number}"} if entity == "organizations" else {"content": "x", "org_id": 1}
        sandbox.company.create(entity, values)
        clock.advance(0.01)
    _interrupt_after(
        monkeypatch, f"/api/v2/{entity}" if entity == "organizations" else f"/api/v1/{entity}", pages=pages
    )
    with pytest.raises(Interrupted):
        run_cycle(filled)
    monkeypatch.undo()
    held = _count(filled, entity)
    assert held < sandbox.company.count(entity)
    again = open_here()
    monkeypatch.setattr("sync.mirror.cycle.sweep_slice", lambda *_: Ingested())
    from sync.mirror.reference import resolved

    run_cycle(resolved(again))
    assert_same(again, sandbox)


def test_the_mark_is_committed_with_the_rows_and_never_before(
    filled: Mirror, sandbox: Sandbox, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock.advance(300)
    deal = next(one["id"] for one in sandbox.company.all("deals") if not one["is_archived"])
    before = _mark(filled, "deals")
    sandbox.company.update("deals", deal, {"title": "not committed"})  # the first list of a cycle

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the disk is gone")

    monkeypatch.setattr("sync.mirror.poll.save_budget", fail)  # the last step of the transaction
    with pytest.raises(RuntimeError):
        run_cycle(filled)
    monkeypatch.undo()
    assert _mark(filled, "deals") == before
    assert any("not committed" in line for line in differences(filled.database, sandbox.company))
    run_cycle(filled)
    assert _mark(filled, "deals") > before + timedelta(seconds=1)
    assert_same(filled, sandbox)


def _interrupt_after(monkeypatch: pytest.MonkeyPatch, path: str, *, pages: int) -> None:
    """Let the program be told to stop when it asks for one more page of a list than it may."""
    from sync.mirror import poll

    asked = Counter[str]()
    fetch = poll.fetch_page

    def fetch_or_stop(client: Any, listing: Any, *args: Any, **kwargs: Any) -> Any:
        asked[listing.path] += 1
        if listing.path == path and asked[path] > pages:
            raise Interrupted
        return fetch(client, listing, *args, **kwargs)

    monkeypatch.setattr(poll, "fetch_page", fetch_or_stop)


def _mark(mirror: Mirror, listing: str) -> Any:
    with mirror.database.reading() as connection:
        return load_checkpoint(connection, mirror.company_id, listing)["high_water_mark"]


def _count(mirror: Mirror, entity: str) -> int:
    with mirror.database.reading() as connection:
        return len(connection.execute(select(TABLES[entity].c.id)).all())
