"""An edit of an account reaches the organization, once, whatever happens on the way."""

import json
import threading
from typing import Any

import pytest

from sync.mirror.cycle import run_cycle
from sync.mirror.ingest import ingest, rebuild_accounts
from sync.pipedrive.entities import ORGANIZATIONS
from sync.pipedrive.errors import PipedriveError
from sync.pipedrive.listing import Page
from sync.writeback.push import Pushed
from tests.writeback.conftest import Desk


def body_of(desk: Desk, index: int = -1) -> Any:
    return json.loads(desk.patches()[index].body)


def test_an_edit_reaches_the_organization_with_nothing_but_the_edited_field(desk: Desk) -> None:
    desk.edit(name="Renamed here")
    assert desk.write_back() == Pushed(writes=1, sent=1)
    assert desk.there()["name"] == desk.here()["name"] == "Renamed here"
    assert body_of(desk) == {"name": "Renamed here"}
    assert desk.edits() == []


def test_edits_of_one_account_go_in_one_call(desk: Desk) -> None:
    desk.edit(name="A", owner_id=2)
    desk.edit(name="B")
    desk.edit_custom(Kundennummer="K-1", Score=7.5)
    desk.write_back()
    assert len(desk.patches()) == 1
    assert body_of(desk) == {
        "name": "B",
        "owner_id": 2,
        "custom_fields": {desk.codes["Kundennummer"]: "K-1", desk.codes["Score"]: 7.5},
    }


def test_a_write_costs_six_tokens(desk: Desk) -> None:
    before = desk.sandbox.limits.spent
    desk.edit(name="Renamed")
    desk.write_back()
    assert desk.sandbox.limits.spent - before == 6


def test_nothing_is_sent_where_nothing_was_edited(desk: Desk) -> None:
    desk.edit(name="Renamed")
    desk.write_back()
    calls = len(desk.sandbox.api.calls)
    desk.edit(name="Renamed")
    assert desk.write_back() == Pushed()
    assert len(desk.sandbox.api.calls) == calls


def test_what_pipedrive_makes_of_a_value_comes_back_and_is_no_edit(desk: Desk) -> None:
    desk.edit(name="  Renamed  ")
    desk.write_back()
    assert desk.here()["name"] == desk.there()["name"] == "Renamed"
    run_cycle(desk.mirror)
    assert desk.write_back() == Pushed()


def test_null_clears_a_custom_field(desk: Desk) -> None:
    desk.edit_custom(Kundennummer="K-1")
    desk.write_back()
    desk.edit_custom(Kundennummer=None)
    desk.write_back()
    assert desk.custom_there("Kundennummer") is None


def test_an_edit_taken_back_before_it_was_sent_is_never_sent(desk: Desk) -> None:
    name = desk.here()["name"]
    desk.edit(name="Oops")
    desk.edit(name=name)
    assert desk.write_back() == Pushed(settled=1)
    assert (desk.patches(), desk.edits()) == ([], [])


def test_a_change_at_pipedrive_of_another_field_is_no_conflict(desk: Desk) -> None:
    desk.edit(name="Ours")
    desk.edit_there(owner_id=2)
    desk.write_back()
    assert (desk.there()["name"], desk.there()["owner_id"]) == ("Ours", 2)
    assert (desk.here()["name"], desk.here()["owner_id"]) == ("Ours", 2)
    assert desk.conflicts() == []


def test_the_same_change_on_both_sides_is_agreement(desk: Desk) -> None:
    desk.edit(name="Same")
    desk.edit_there(name="Same")
    assert desk.write_back() == Pushed(settled=1)
    assert (desk.patches(), desk.edits(), desk.conflicts()) == ([], [], [])


@pytest.mark.parametrize("order", ["here first", "there first"])
def test_of_two_changes_of_one_field_the_newest_wins_and_the_other_is_kept(desk: Desk, order: str) -> None:
    base = desk.here()["name"]
    edits = [lambda: desk.edit(name="Ours", edited_by="alice"), lambda: desk.edit_there(name="Theirs")]
    for edit in edits if order == "here first" else reversed(edits):
        desk.clock.advance(5)
        edit()
    desk.write_back()
    winner = "Theirs" if order == "here first" else "Ours"
    assert desk.here()["name"] == desk.there()["name"] == winner
    (conflict,) = desk.conflicts()
    assert (conflict.base_value, conflict.account_value, conflict.pipedrive_value) == (base, "Ours", "Theirs")
    assert conflict.account_by == "alice"
    assert conflict.resolution == ("pipedrive" if winner == "Theirs" else "account")
    assert desk.edits() == []


def test_in_the_same_second_pipedrive_wins(desk: Desk) -> None:
    desk.edit(name="Ours")
    desk.sandbox.company.update("organizations", desk.id, {"name": "Theirs"})
    desk.write_back()
    assert desk.there()["name"] == desk.here()["name"] == "Theirs"


@pytest.mark.parametrize(("policy", "winner"), [("account", "Ours"), ("pipedrive", "Theirs")])
def test_a_policy_decides_whatever_was_newer(desk: Desk, policy: str, winner: str) -> None:
    desk.restart(SYNC_WRITE_BACK__POLICY=policy, SYNC_WRITE_BACK__AT_ONCE="1")
    for turn in range(2):
        edits = [lambda: desk.edit(name="Ours"), lambda: desk.edit_there(name="Theirs")]
        for edit in edits if turn else reversed(edits):
            desk.clock.advance(5)
            edit()
        desk.write_back()
        assert desk.here()["name"] == desk.there()["name"] == winner
        desk.edit(name=f"Between {turn}")
        desk.write_back()


def test_under_review_both_sides_keep_their_value_and_nothing_is_sent(desk: Desk) -> None:
    desk.restart(SYNC_WRITE_BACK__POLICY="review")
    desk.edit(name="Ours", owner_id=2)
    desk.edit_there(name="Theirs")
    for _ in range(2):
        desk.write_back()
    assert (desk.here()["name"], desk.there()["name"], desk.there()["owner_id"]) == ("Ours", "Theirs", 2)
    (conflict,) = desk.conflicts()
    assert (conflict.field, conflict.resolution) == ("name", None)
    assert [json.loads(one.body) for one in desk.patches()] == [{"owner_id": 2}]


def test_a_policy_can_be_that_of_one_field(desk: Desk) -> None:
    desk.restart(SYNC_WRITE_BACK__FIELDS__KUNDENNUMMER="account")
    desk.edit(name="Ours")
    desk.edit_custom(Kundennummer="ours")
    desk.clock.advance(9)
    desk.edit_there(name="Theirs", custom_fields={desk.codes["Kundennummer"]: "theirs"})
    desk.write_back()
    assert (desk.there()["name"], desk.custom_there("Kundennummer")) == ("Theirs", "ours")


def test_a_lost_answer_is_found_out_by_reading_and_nothing_is_sent_twice(desk: Desk) -> None:
    desk.edit(name="Renamed")
    desk.sandbox.faults.reset_after(method="PATCH")
    with pytest.raises(PipedriveError):
        desk.write_back()
    desk.restart()
    assert desk.write_back() == Pushed(settled=1)
    assert len(desk.patches()) == 1
    assert (desk.there()["name"], desk.edits(), desk.conflicts()) == ("Renamed", [], [])


def test_a_write_that_never_arrived_is_sent_again(desk: Desk) -> None:
    desk.edit(name="Renamed")
    desk.sandbox.faults.fail(status=503, method="PATCH")
    with pytest.raises(PipedriveError):
        desk.write_back()
    assert desk.there()["name"] != "Renamed"
    desk.write_back()
    assert desk.there()["name"] == "Renamed"


def test_a_refused_field_is_parked_with_pipedrives_words_and_the_rest_is_sent(desk: Desk) -> None:
    desk.edit(name="Renamed", owner_id=999)
    assert desk.write_back() == Pushed(writes=1, sent=1, parked=1)
    (parked,) = desk.parked()
    assert (parked.field, parked.value, parked.attempts) == ("owner_id", 999, 1)
    assert "owner_id" in parked.reason
    assert (desk.there()["name"], desk.here()["owner_id"]) == ("Renamed", 999)
    calls = len(desk.sandbox.api.calls)
    assert desk.write_back() == Pushed()
    assert len(desk.sandbox.api.calls) == calls


def test_a_refusal_that_names_no_field_is_narrowed_down(desk: Desk) -> None:
    desk.edit(name="Renamed", owner_id=2, visible_to=5)
    desk.sandbox.faults.fail(status=400, message="Something is wrong", method="PATCH", times=1)
    desk.sandbox.faults.fail(status=400, message="Something is wrong", method="PATCH", times=1, skip=1)
    pushed = desk.write_back()
    assert (pushed.sent, pushed.parked) == (2, 1)
    assert len(desk.parked()) == 1


def test_what_a_field_cannot_hold_is_parked_without_asking(desk: Desk) -> None:
    desk.edit_custom(Region=4711, Kunde_seit="soon")
    calls = len(desk.sandbox.api.calls)
    desk.write_back()
    assert {one.field for one in desk.parked()} == {desk.codes["Region"], desk.codes["Kunde seit"]}
    assert [one.method for one in desk.sandbox.api.calls[calls:]] == ["GET"]


def test_a_new_edit_takes_a_parked_field_up_again(desk: Desk) -> None:
    desk.edit(owner_id=999)
    desk.write_back()
    desk.edit(owner_id=2)
    desk.write_back()
    assert (desk.there()["owner_id"], desk.parked()) == (2, [])


def test_edits_of_a_deleted_organization_are_parked(desk: Desk) -> None:
    desk.edit(name="Too late")
    desk.sandbox.company.delete("organizations", desk.id)
    desk.write_back()
    (parked,) = desk.parked()
    assert "deleted" in parked.reason
    run_cycle(desk.mirror, whole_sweep=True)
    assert (desk.here()["status"], desk.here()["name"]) == ("former", "Too late")
    assert desk.patches() == []


def test_a_403_parks_what_was_to_be_sent(desk: Desk) -> None:
    desk.edit(name="Not allowed")
    desk.sandbox.faults.fail(status=403, message="You may not", method="PATCH")
    desk.write_back()
    assert [one.reason for one in desk.parked()] == ["You may not"]


def test_one_account_that_fails_does_not_stop_the_others(desk: Desk) -> None:
    for one in desk.ids[:3]:
        desk.edit(one, name=f"Renamed {one}")
    desk.sandbox.faults.fail(status=500, path=f"*/organizations/{desk.ids[0]}", method="PATCH")
    with pytest.raises(PipedriveError):
        desk.write_back()
    assert [desk.there(one)["name"] == f"Renamed {one}" for one in desk.ids[:3]] == [False, True, True]


def test_an_edit_made_while_the_write_is_under_way_is_sent_next(desk: Desk) -> None:
    desk.edit(name="First")
    desk.sandbox.faults.after(lambda: desk.edit(name="Second"), method="PATCH")
    desk.write_back()
    assert (desk.there()["name"], desk.here()["name"]) == ("First", "Second")
    desk.write_back()
    assert (desk.there()["name"], desk.conflicts()) == ("Second", [])


def test_an_automation_that_rewrites_the_field_has_the_last_word_and_starts_no_loop(desk: Desk) -> None:
    desk.edit(name="Ours")
    desk.sandbox.faults.after(lambda: desk.edit_there(name="Automated"), method="PATCH")
    desk.write_back()
    for _ in range(3):
        desk.clock.advance(30)
        run_cycle(desk.mirror)
        assert desk.write_back() == Pushed()
    assert desk.here()["name"] == desk.there()["name"] == "Automated"
    assert len(desk.patches()) == 1


def test_a_page_read_before_the_write_and_stored_after_it_does_not_bring_the_old_value_back(desk: Desk) -> None:
    stale = desk.there()
    desk.edit(name="Ours")
    desk.write_back()
    sent_at = desk.patches()[-1].at
    page = Page([{**stale, "update_time": desk.there()["update_time"]}], None, sent_at, None)
    with desk.mirror.database.writing() as connection:
        ingest(connection, desk.mirror, ORGANIZATIONS, ORGANIZATIONS.listings[0], page)
    assert desk.here()["name"] == "Ours"


def test_pages_that_are_stored_meanwhile_and_writes_never_wait_for_each_other(desk: Desk) -> None:
    """Both lock organizations, and accounts: in one order, or the database would have to break one of them off."""
    desk.restart(SYNC_WRITE_BACK__AT_ONCE="4")
    records = desk.sandbox.company.all("organizations")
    done = threading.Event()
    failed: list[Exception] = []

    def store() -> None:
        try:
            while not done.is_set():
                # Read long ago: each time the page is looked at whole, and changes nothing.
                shown = [{**one, "visible_to": None, "update_time": one["add_time"]} for one in records]
                with desk.mirror.database.writing() as connection:
                    page = Page(shown, None, desk.clock.now(), None)
                    ingest(connection, desk.mirror, ORGANIZATIONS, ORGANIZATIONS.listings[0], page)
                    rebuild_accounts(connection, desk.mirror, desk.ids)
        except Exception as error:
            failed.append(error)

    storing = threading.Thread(target=store)
    storing.start()
    try:
        for turn in range(3):
            for one in desk.ids:
                desk.edit(one, name=f"Turn {turn} of {one}")
            desk.write_back()
    finally:
        done.set()
        storing.join()
    assert failed == []
    assert all(desk.there(one)["name"] == f"Turn 2 of {one}" for one in desk.ids)
