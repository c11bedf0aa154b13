"""Own fields of accounts and computed values reach custom fields of the organizations, once they are approved."""

from datetime import timedelta
from typing import Any

import pytest

from sync.accounts.fields import load_fields
from sync.store.filled import approve_filled_fields, load_filled_fields
from sync.store.holds import save_approval, save_pause
from sync.writeback.cycle import whole_cycle
from sync.writeback.editing import CannotEdit, edit_account, typed_value
from tests.writeback.conftest import Desk

HEALTH = {
    "SYNC_OWN_FIELDS__HEALTH__TYPE": "enum",
    "SYNC_OWN_FIELDS__HEALTH__OPTIONS": "Good,At risk",
    "SYNC_OWN_FIELDS__HEALTH__TITLE": "Gesundheit",
    "SYNC_WRITE_BACK__AT_ONCE": "1",
}
WORTH = {"SYNC_COMPUTED_FIELDS__WON_VALUE": "Won value"}


def approve(desk: Desk) -> None:
    with desk.mirror.database.writing() as connection:
        approve_filled_fields(connection, desk.mirror.company_id, desk.clock.now())
        save_approval(connection, desk.mirror.company_id, by="somebody", at=desk.clock.now())


def cycle(desk: Desk, seconds: float = 5) -> None:
    desk.clock.advance(seconds)
    whole_cycle(desk.mirror)


def set_own(desk: Desk, **values: Any) -> None:
    """What `accounts set` does."""
    desk.clock.advance(1)
    mirror = desk.mirror
    with mirror.database.writing() as connection:
        fields = load_fields(connection, mirror.company_id, mirror.settings)
        typed = {
            fields.find(name): typed_value(connection, mirror.company_id, fields, fields.find(name), text)
            for name, text in values.items()
        }
        edit_account(connection, mirror.company_id, fields, desk.id, typed, by="somebody", at=desk.clock.now())


def made_fields(desk: Desk) -> list[str]:
    return [one["field_name"] for one in desk.sandbox.company.fields.custom("organizations").values()]


def code_of(desk: Desk, source: str) -> str:
    with desk.mirror.database.reading() as connection:
        return str(load_filled_fields(connection, desk.mirror.company_id)[source].field_code)


def label_there(desk: Desk, code: str) -> str | None:
    definition = desk.sandbox.company.fields.get("organizations", code)
    labels = {one["id"]: one["label"] for one in definition["options"]}
    return labels.get(desk.there()["custom_fields"].get(code))


def test_a_local_field_stays_here(desk: Desk) -> None:
    desk.restart(**HEALTH)
    set_own(desk, health="good")
    cycle(desk)
    assert desk.here()["fields"] == {"health": "Good"}
    assert (desk.sandbox.api.writes, desk.edits()) == ([], [])


def test_a_value_that_is_none_of_the_options_is_refused(desk: Desk) -> None:
    desk.restart(**HEALTH)
    with pytest.raises(CannotEdit, match="At risk"):
        set_own(desk, health="fine")


def test_nothing_is_made_or_filled_at_pipedrive_before_somebody_approves(desk: Desk) -> None:
    desk.restart(**HEALTH, **WORTH, SYNC_OWN_FIELDS__HEALTH__TO="push")
    set_own(desk, health="Good")
    for _ in range(2):
        cycle(desk)
    assert desk.sandbox.api.writes == []


@pytest.mark.parametrize("to", ["push", "two-way"])
def test_an_own_field_fills_a_custom_field_that_is_made_for_it(desk: Desk, to: str) -> None:
    desk.restart(**HEALTH, SYNC_OWN_FIELDS__HEALTH__TO=to)
    cycle(desk)
    approve(desk)
    set_own(desk, health="At risk")
    cycle(desk)
    assert "Gesundheit" in made_fields(desk)
    assert label_there(desk, code_of(desk, "fields.health")) == "At risk"
    writes = len(desk.sandbox.api.writes)
    cycle(desk)
    assert len(desk.sandbox.api.writes) == writes


def test_a_field_whose_making_got_no_answer_is_found_and_not_made_twice(desk: Desk) -> None:
    desk.restart(**HEALTH, SYNC_OWN_FIELDS__HEALTH__TO="push")
    cycle(desk)
    approve(desk)
    desk.sandbox.faults.reset_after(method="POST")
    with pytest.raises(Exception, match="reached"):
        cycle(desk)
    cycle(desk)
    assert made_fields(desk).count("Gesundheit") == 1


def test_a_two_way_field_follows_pipedrive(desk: Desk) -> None:
    desk.restart(**HEALTH, SYNC_OWN_FIELDS__HEALTH__TO="two-way")
    cycle(desk)
    approve(desk)
    cycle(desk)
    code = code_of(desk, "fields.health")
    options = {one["label"]: one["id"] for one in desk.sandbox.company.fields.get("organizations", code)["options"]}
    desk.edit_there(custom_fields={code: options["Good"]})
    cycle(desk)
    assert desk.here()["fields"] == {"health": "Good"}
    desk.edit_there(custom_fields={code: None})
    cycle(desk)
    assert desk.here()["fields"]["health"] is None
    assert desk.patches() == []


def test_both_sides_of_a_two_way_field_changed_is_a_conflict(desk: Desk) -> None:
    desk.restart(**HEALTH, SYNC_OWN_FIELDS__HEALTH__TO="two-way")
    cycle(desk)
    approve(desk)
    cycle(desk)
    code = code_of(desk, "fields.health")
    options = {one["label"]: one["id"] for one in desk.sandbox.company.fields.get("organizations", code)["options"]}
    set_own(desk, health="Good")
    desk.clock.advance(5)
    desk.edit_there(custom_fields={code: options["At risk"]})
    for _ in range(2):
        cycle(desk)
    assert (desk.here()["fields"]["health"], label_there(desk, code)) == ("At risk", "At risk")
    assert [one.field for one in desk.conflicts()] == [code]


def test_a_default_is_what_accounts_hold_that_never_had_a_value(desk: Desk) -> None:
    desk.restart(**HEALTH, SYNC_OWN_FIELDS__HEALTH__DEFAULT="Good")
    cycle(desk)
    assert desk.here()["fields"] == {"health": "Good"}
    set_own(desk, health="")
    cycle(desk)
    assert desk.here()["fields"] == {"health": None}


def test_computed_values_fill_their_field_and_only_what_changed_is_written_again(desk: Desk) -> None:
    desk.restart(**WORTH, SYNC_WRITE_BACK__AT_ONCE="1")
    cycle(desk)
    approve(desk)
    cycle(desk)
    code = code_of(desk, "won_value")
    worth = {one: desk.here(one)["won_value"] for one in desk.ids if desk.here(one)["won_value"] is not None}
    for one, value in worth.items():
        assert desk.there(one)["custom_fields"][code] == {"value": float(value), "currency": "EUR"}
    writes = len(desk.patches())
    assert writes == len(worth) > 5
    for _ in range(3):
        cycle(desk, seconds=4000)
    assert len(desk.patches()) == writes


def test_a_computed_value_is_written_once_an_hour_at_most(desk: Desk) -> None:
    desk.restart(**WORTH, SYNC_WRITE_BACK__AT_ONCE="1")
    cycle(desk)
    approve(desk)
    cycle(desk)
    writes = len(desk.patches())
    for _ in range(5):
        desk.sandbox.company.create("deals", {"title": "x", "org_id": desk.id, "status": "won", "value": 10})
        cycle(desk, seconds=60)
    assert len(desk.patches()) == writes
    cycle(desk, seconds=timedelta(hours=1).total_seconds())
    assert len(desk.patches()) == writes + 1


def test_computed_values_never_cost_more_than_the_reserve(desk: Desk) -> None:
    desk.restart(**WORTH, SYNC_BUDGET__RESERVE="0.0001", SYNC_WRITE_BACK__AT_ONCE="1")
    share = desk.mirror.settings.budget.share * 1_000_000
    cycle(desk)
    approve(desk)
    for _ in range(3):
        cycle(desk)
    assert 0 < len(desk.patches()) * 6 <= 0.0001 * share


def test_a_filled_field_that_is_deleted_at_pipedrive_is_not_made_again_by_itself(desk: Desk) -> None:
    desk.restart(**HEALTH, SYNC_OWN_FIELDS__HEALTH__TO="push")
    cycle(desk)
    approve(desk)
    cycle(desk)
    desk.sandbox.company.delete_field("organizations", code_of(desk, "fields.health"))
    cycle(desk, seconds=4000)
    for _ in range(2):
        cycle(desk)
    assert "Gesundheit" not in made_fields(desk)
    approve(desk)
    cycle(desk)
    assert "Gesundheit" in made_fields(desk)


def test_a_value_that_pipedrive_holds_already_goes_before_a_default(desk: Desk) -> None:
    code = desk.sandbox.company.fields.add("organizations", "Tier", "varchar")["field_code"]
    desk.edit_there(custom_fields={code: "gold"})
    desk.restart(
        SYNC_OWN_FIELDS__TIER__TITLE="Tier",
        SYNC_OWN_FIELDS__TIER__TO="two-way",
        SYNC_OWN_FIELDS__TIER__DEFAULT="none",
        SYNC_WRITE_BACK__AT_ONCE="1",
    )
    cycle(desk)
    approve(desk)
    for _ in range(3):
        cycle(desk)
    assert (desk.here()["fields"], desk.there()["custom_fields"][code]) == ({"tier": "gold"}, "gold")
    other = desk.ids[1]
    assert (desk.here(other)["fields"], desk.there(other)["custom_fields"][code]) == ({"tier": "none"}, "none")
    assert desk.conflicts() == []


def test_several_computed_values_of_an_account_go_in_one_call(desk: Desk) -> None:
    desk.restart(
        **WORTH,
        SYNC_COMPUTED_FIELDS__WON_DEALS_COUNT="Won deals",
        SYNC_COMPUTED_FIELDS__STATUS="Account status",
        SYNC_WRITE_BACK__AT_ONCE="1",
    )
    cycle(desk)
    approve(desk)
    cycle(desk)
    assert len(desk.patches()) == len(desk.ids)
    desk.sandbox.company.create("deals", {"title": "x", "org_id": desk.id, "status": "won", "value": 10})
    cycle(desk, seconds=4000)
    assert len(desk.patches()) == len(desk.ids) + 1


def test_what_is_filled_in_but_not_sent_yet_counts_against_the_reserve(desk: Desk) -> None:
    desk.restart(**WORTH, SYNC_BUDGET__RESERVE="0.0001", SYNC_WRITE_BACK__AT_ONCE="1")
    cycle(desk)
    approve(desk)
    with desk.mirror.database.writing() as connection:
        save_pause(connection, desk.mirror.company_id, by="somebody", at=desk.clock.now())
    for _ in range(4):
        cycle(desk)
    assert 0 < len(desk.edits()) * 6 <= 0.0001 * desk.mirror.settings.budget.share * 1_000_000


def test_defaults_that_go_to_pipedrive_keep_to_the_reserve_too(desk: Desk) -> None:
    desk.restart(
        **HEALTH,
        SYNC_OWN_FIELDS__HEALTH__TO="push",
        SYNC_OWN_FIELDS__HEALTH__DEFAULT="Good",
        SYNC_BUDGET__RESERVE="0.0001",
    )
    cycle(desk)
    approve(desk)
    for _ in range(4):
        cycle(desk)
    assert 0 < len(desk.patches()) * 6 <= 0.0001 * desk.mirror.settings.budget.share * 1_000_000
