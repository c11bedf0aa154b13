"""What random histories have found: each of these once lost an edit, or told of a conflict that was none."""

from collections.abc import Callable

import pytest

from scripts.simulation.outward import Told
from sync.pipedrive.errors import PipedriveError
from sync.writeback.push import Pushed
from tests.writeback.conftest import Desk

Hear = Callable[[], int]


@pytest.fixture
def hear(desk: Desk) -> Hear:
    """Delivers the events of all that has happened at Pipedrive since; how many there were."""
    webhook = {"subscription_url": "https://sync.example.com", "event_action": "*", "event_object": "*"}
    desk.sandbox.company.create("webhooks", webhook)
    desk.sandbox.deliveries.transport = Told(desk.mirror.database, desk.clock, desk.sandbox)
    return desk.sandbox.deliveries.pump


def lose_the_answer(desk: Desk) -> None:
    """Write back, and hear nothing of it."""
    desk.sandbox.faults.reset_after(method="PATCH")
    with pytest.raises(PipedriveError):
        desk.write_back()


def test_an_edit_after_a_write_without_an_answer_goes_on_from_what_that_wrote(desk: Desk) -> None:
    desk.restart(SYNC_WRITE_BACK__POLICY="pipedrive", SYNC_WRITE_BACK__AT_ONCE="1")
    desk.edit(name="First")
    lose_the_answer(desk)
    desk.edit(name="Second")
    desk.write_back()
    assert (desk.there()["name"], desk.conflicts(), desk.edits()) == ("Second", [], [])


def test_an_edit_taken_back_after_a_write_without_an_answer_is_sent(desk: Desk) -> None:
    before = desk.here()["name"]
    desk.edit(name="Oops")
    lose_the_answer(desk)
    desk.edit(name=before)
    desk.write_back()
    assert (desk.there()["name"], desk.here()["name"]) == (before, before)


def test_of_a_write_without_an_answer_a_field_that_arrived_is_known_to_although_another_was_rewritten(
    desk: Desk,
) -> None:
    desk.restart(SYNC_WRITE_BACK__POLICY="pipedrive", SYNC_WRITE_BACK__AT_ONCE="1")
    desk.edit(name="Ours", owner_id=2)
    desk.sandbox.faults.after(lambda: desk.edit_there(owner_id=3), method="PATCH")
    lose_the_answer(desk)
    desk.edit(name="Ours again")
    desk.write_back()
    assert (desk.there()["name"], desk.there()["owner_id"]) == ("Ours again", 3)
    assert [one.field for one in desk.conflicts()] == ["owner_id"]


def test_what_was_brought_back_after_a_write_without_an_answer_is_not_overwritten(desk: Desk, hear: Hear) -> None:
    before = desk.there()["name"]
    desk.edit(name="Ours")
    desk.sandbox.faults.after(lambda: desk.edit_there(name=before), method="PATCH")
    lose_the_answer(desk)
    assert hear() > 0
    assert desk.write_back() == Pushed(settled=1)
    assert (desk.there()["name"], desk.here()["name"], len(desk.patches())) == (before, before, 1)


def test_what_a_write_without_an_answer_has_overwritten_unseen_is_kept(desk: Desk, hear: Hear) -> None:
    desk.edit(name="Ours")
    desk.sandbox.faults.before(lambda: desk.edit_there(name="Theirs"), method="PATCH")
    lose_the_answer(desk)
    hear()
    for _ in range(2):
        desk.write_back()
    (conflict,) = desk.conflicts()
    assert (conflict.account_value, conflict.pipedrive_value, conflict.resolution) == ("Ours", "Theirs", "account")


def test_what_was_overwritten_unseen_is_found_the_next_day_too(desk: Desk, hear: Hear) -> None:
    desk.edit(name="Ours")
    desk.sandbox.faults.before(lambda: desk.edit_there(name="Theirs"), method="PATCH")
    desk.write_back()
    hear()
    desk.clock.advance(86_400)
    desk.write_back()
    assert [one.pipedrive_value for one in desk.conflicts()] == ["Theirs"]


def test_an_event_tells_of_the_write_it_is_of_and_not_of_another_one_of_the_same_value(desk: Desk, hear: Hear) -> None:
    desk.edit(name="A")
    lose_the_answer(desk)
    desk.edit(name="B")
    desk.write_back()
    desk.edit(name="A")
    desk.write_back()
    hear()
    desk.write_back()
    assert (desk.there()["name"], desk.conflicts()) == ("A", [])


def test_labels_of_which_an_event_tells_the_first_alone_are_no_conflict(desk: Desk, hear: Hear) -> None:
    for labels in ([2, 1], [3]):
        desk.edit(label_ids=labels)
        desk.write_back()
    hear()
    desk.write_back()
    assert (desk.there()["label_ids"], desk.conflicts()) == ([3], [])


def test_a_refusal_does_not_park_what_was_edited_meanwhile(desk: Desk) -> None:
    desk.edit(owner_id=999)
    desk.sandbox.faults.before(lambda: desk.edit(owner_id=2), method="PATCH")
    desk.write_back()
    desk.write_back()
    assert (desk.there()["owner_id"], desk.parked()) == (2, [])
