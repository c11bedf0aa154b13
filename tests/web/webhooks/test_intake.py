"""Group commit: one transaction for what comes at one time, an outcome for each, and none taken down by another."""

import threading
from collections.abc import Iterator
from concurrent.futures import wait
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection

from sync.clock import ManualClock
from sync.pipedrive.events import Action, Event
from sync.store.dialect import put
from sync.store.errors import DatabaseError, DatabaseUnreachable
from sync.store.inbox import Received, save_events
from sync.store.schema import companies
from sync.web.webhooks import intake as module
from sync.web.webhooks.intake import Intake, IntakeFull
from tests.web.conftest import COMPANY, NOW, Unsteady, stored


def received(event_id: str, company_id: int = COMPANY, **more: Any) -> Received:
    event = Event(event_id, company_id, "deal", 1, Action.CHANGE, NOW, 1, None, None)
    return Received(replace(event, **more), '{"a": 1}', datetime.now(UTC))


class Gate(Unsteady):
    """A database whose next transaction waits until it is let through; counts those that were begun."""

    begun = 0
    entered: threading.Event
    opened: threading.Event

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        self.begun += 1
        self.entered.set()
        assert self.opened.wait(30)
        with super().writing() as connection:
            yield connection


@pytest.fixture
def gate(unsteady: Unsteady) -> Gate:
    unsteady.__class__ = Gate
    assert isinstance(unsteady, Gate)
    unsteady.entered, unsteady.opened = threading.Event(), threading.Event()
    return unsteady


def submit_together(intake: Intake, gate: Gate, events: list[Received]) -> list[Any]:
    """Submit events while a first one keeps the writer busy; what became of each."""
    first = intake.submit(received("the first one"))
    assert gate.entered.wait(30)
    futures = [intake.submit(one) for one in events]
    gate.opened.set()
    wait([first, *futures], timeout=30)
    return [future.exception() or future.result() for future in futures]


def test_what_waits_goes_in_one_transaction(gate: Gate, clock: ManualClock) -> None:
    with closing(Intake(gate, clock)) as intake:
        outcomes = submit_together(intake, gate, [received(f"event {number}") for number in range(100)])

    assert outcomes == [True] * 100
    assert gate.begun == 2
    assert len(stored(gate)) == 101


def test_no_transaction_is_larger_than_is_good_for_it(
    gate: Gate, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 30)
    with closing(Intake(gate, clock)) as intake:
        submit_together(intake, gate, [received(f"event {number}") for number in range(100)])

    assert gate.begun == 1 + 4
    assert len(stored(gate)) == 101


def test_each_is_told_whether_its_own_event_was_new(gate: Gate, clock: ManualClock) -> None:
    again = [received("a"), received("b"), received("a"), received("the first one"), received("b"), received("c")]
    with closing(Intake(gate, clock)) as intake:
        assert submit_together(intake, gate, again) == [True, True, False, False, False, True]


def test_companies_are_kept_apart_in_one_transaction(unsteady: Unsteady) -> None:
    with unsteady.writing() as connection:
        put(connection, companies, {"company_id": 8}, {"synced_at": NOW})
        assert save_events(connection, [received("a"), received("a", 8), received("a")]) == [True, True, False]
        assert save_events(connection, []) == []
    assert len(stored(unsteady)) == 2


def test_an_event_that_the_database_refuses_takes_no_other_down(gate: Gate, clock: ManualClock) -> None:
    events = [received(f"event {number}", 999 if number in (3, 11) else COMPANY) for number in range(20)]
    with closing(Intake(gate, clock)) as intake:
        outcomes = submit_together(intake, gate, events)

    refused = [number for number, outcome in enumerate(outcomes) if isinstance(outcome, DatabaseError)]
    assert refused == [3, 11]
    assert [outcome for outcome in outcomes if outcome is True] == [True] * 18
    assert len(stored(gate)) == 19


def test_a_database_that_is_down_is_told_to_all_and_asked_once(gate: Gate, clock: ManualClock) -> None:
    gate.down = True
    with closing(Intake(gate, clock)) as intake:
        outcomes = submit_together(intake, gate, [received(f"event {number}") for number in range(20)])
        assert [type(outcome) for outcome in outcomes] == [DatabaseUnreachable] * 20
        assert gate.begun == 2

        gate.down = False
        assert intake.submit(received("afterwards")).result(30) is True


def test_closing_stores_what_waits_and_takes_no_more(gate: Gate, clock: ManualClock) -> None:
    intake = Intake(gate, clock)
    futures = [intake.submit(received(f"event {number}")) for number in range(50)]
    gate.opened.set()

    intake.close(timeout=30)

    assert [future.result(0) for future in futures] == [True] * 50
    with pytest.raises(IntakeFull):
        intake.submit(received("too late"))


def test_no_more_wait_than_memory_is_meant_for(gate: Gate, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 3)
    with closing(Intake(gate, clock)) as intake:
        intake.submit(received("being stored"))
        assert gate.entered.wait(30)
        for number in range(3):
            intake.submit(received(f"event {number}"))
        with pytest.raises(IntakeFull):
            intake.submit(received("one too many"))
        gate.opened.set()
    assert len(stored(gate)) == 4


def test_an_event_whose_submitter_gave_up_is_stored_all_the_same(gate: Gate, clock: ManualClock) -> None:
    with closing(Intake(gate, clock)) as intake:
        intake.submit(received("being stored"))
        assert gate.entered.wait(30)
        given_up, other = intake.submit(received("given up")), intake.submit(received("other"))
        assert given_up.cancel()
        gate.opened.set()
        assert other.result(30) is True
    assert {row["event_id"] for row in stored(gate)} == {"being stored", "given up", "other"}
