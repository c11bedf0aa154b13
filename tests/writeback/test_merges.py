"""Edits outlive what happens to the records they are about: merges, and fields that are deleted."""

import pytest

from sync.mirror.cycle import run_cycle
from sync.mirror.reference import read_reference
from sync.mirror.refusals import Refusals
from tests.writeback.conftest import Desk


def merge(desk: Desk, loser: int, survivor: int) -> None:
    """Merge two organizations, and let events tell of it."""
    desk.subscribe()
    desk.clock.advance(5)
    desk.sandbox.company.merge_organizations(loser, survivor)
    desk.hear()


def test_an_edit_follows_to_the_organization_that_survives_a_merge(desk: Desk) -> None:
    loser, survivor = desk.ids[:2]
    desk.restart(SYNC_WRITE_BACK__POLICY="account", SYNC_WRITE_BACK__AT_ONCE="1")
    desk.edit(loser, name="Edited", edited_by="alice")
    merge(desk, loser, survivor)
    desk.write_back()
    assert desk.there(survivor)["name"] == desk.here(survivor)["name"] == "Edited"
    assert (desk.edits(), desk.parked()) == ([], [])


@pytest.mark.parametrize("deleted_answer_200", [False, True])
def test_an_edit_parked_before_the_merge_was_known_follows_all_the_same(desk: Desk, deleted_answer_200: bool) -> None:
    loser, survivor = desk.ids[:2]
    desk.sandbox.company.switches.deleted_records_answer_200 = deleted_answer_200
    desk.restart(SYNC_WRITE_BACK__POLICY="account", SYNC_WRITE_BACK__AT_ONCE="1")
    desk.edit(loser, name="Edited")
    desk.sandbox.company.merge_organizations(loser, survivor)
    desk.write_back()
    assert [one.organization_id for one in desk.parked()] == [loser]
    desk.clock.advance(600)
    run_cycle(desk.mirror, whole_sweep=True)
    desk.write_back()
    assert (desk.there(survivor)["name"], desk.parked()) == ("Edited", [])


def test_a_moved_edit_is_of_its_original_time(desk: Desk) -> None:
    loser, survivor = desk.ids[:2]
    name = desk.here(survivor)["name"]
    desk.edit(loser, name="Edited before the merge")
    merge(desk, loser, survivor)
    desk.write_back()
    assert desk.there(survivor)["name"] == desk.here(survivor)["name"] == name
    assert [one.account_value for one in desk.conflicts()] == ["Edited before the merge"]


def test_of_two_edits_that_meet_in_a_merge_the_later_one_stands_and_the_other_is_kept(desk: Desk) -> None:
    loser, survivor = desk.ids[:2]
    desk.restart(SYNC_WRITE_BACK__POLICY="account", SYNC_WRITE_BACK__AT_ONCE="1")
    desk.edit_custom(loser, Kundennummer="earlier")
    desk.edit_custom(survivor, Kundennummer="later")
    merge(desk, loser, survivor)
    desk.write_back()
    assert desk.there(survivor)["custom_fields"][desk.codes["Kundennummer"]] == "later"
    assert "earlier" in [one.account_value for one in desk.conflicts()]


def test_edits_of_a_field_that_is_deleted_at_pipedrive_are_parked_and_keep_their_value(desk: Desk) -> None:
    desk.edit_custom(Kundennummer="K-1")
    desk.sandbox.company.delete_field("organizations", desk.codes["Kundennummer"])
    read_reference(desk.mirror, Refusals(), only_due=False)
    assert [(one.value, one.reason) for one in desk.parked()] == [("K-1", "the field was deleted at Pipedrive")]
    assert desk.custom_here("Kundennummer") == "K-1"
    desk.write_back()
    assert desk.patches() == []


def test_edits_of_a_field_that_was_just_deleted_are_parked_with_pipedrives_words(desk: Desk) -> None:
    desk.edit_custom(Kundennummer="K-1")
    desk.edit(name="Renamed")
    desk.sandbox.company.delete_field("organizations", desk.codes["Kundennummer"])
    desk.write_back()
    assert [one.field for one in desk.parked()] == [desk.codes["Kundennummer"]]
    assert desk.there()["name"] == "Renamed"
