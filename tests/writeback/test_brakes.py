"""What keeps edits from being sent, lets them go, takes them back, and what a person decides."""

import json
from typing import Any

import pytest

from sync.accounts.fields import load_fields
from sync.mirror.subscriptions import install
from sync.pipedrive.errors import ReadOnly
from sync.store.edits import load_history, unpark
from sync.store.holds import save_approval, save_pause, switch_account
from sync.writeback.cycle import ApprovalNeeded
from sync.writeback.editing import CannotEdit, Undone, edit_account, resolve_conflict, undo_change
from sync.writeback.overview import WriteState, load_write_state
from sync.writeback.preview import PlannedWrite, plan_writes
from sync.writeback.push import Pushed
from tests.writeback.conftest import Desk


def undo(desk: Desk, change_id: int, *, batch: bool = False) -> Undone:
    mirror = desk.mirror
    with mirror.database.writing() as connection:
        fields = load_fields(connection, mirror.company_id, mirror.settings)
        now = desk.clock.now()
        return undo_change(connection, mirror.company_id, fields, change_id, batch=batch, by="somebody", at=now)


def edit_here(desk: Desk, values: dict[str, Any]) -> list[str]:
    mirror = desk.mirror
    with mirror.database.writing() as connection:
        fields = load_fields(connection, mirror.company_id, mirror.settings)
        now = desk.clock.now()
        return list(edit_account(connection, mirror.company_id, fields, desk.id, values, by="somebody", at=now))


def resolve(desk: Desk, keep: str, value: Any = None) -> None:
    desk.clock.advance(1)
    mirror, (conflict, *_) = desk.mirror, desk.conflicts()
    assert conflict.id is not None
    with mirror.database.writing() as connection:
        fields = load_fields(connection, mirror.company_id, mirror.settings)
        now = desk.clock.now()
        resolve_conflict(connection, mirror.company_id, fields, conflict.id, keep, value=value, by="somebody", at=now)


def state(desk: Desk) -> WriteState:
    with desk.mirror.database.reading() as connection:
        return load_write_state(connection, desk.mirror.company_id, desk.mirror.settings)


def planned(desk: Desk) -> list[PlannedWrite]:
    with desk.mirror.database.reading() as connection:
        return list(plan_writes(connection, desk.mirror.company_id, desk.mirror.settings))


def changes(desk: Desk) -> list[int]:
    """The numbers of the changes of the account, the first one first."""
    with desk.mirror.database.reading() as connection:
        return [one.id for one in load_history(connection, desk.mirror.company_id, desk.id)][::-1]


# Holds


def test_switched_off_nothing_is_written_at_all(desk: Desk) -> None:
    desk.restart(WRITE_BACK="off")
    desk.edit(name="Renamed")
    assert desk.write_back() == Pushed()
    with pytest.raises(ReadOnly):
        install(desk.mirror, "https://sync.example.com/webhooks/pipedrive")
    assert desk.sandbox.api.writes == []
    desk.restart()
    assert desk.write_back().sent == 1


def test_while_paused_edits_queue_up_and_go_when_it_is_resumed(desk: Desk) -> None:
    with desk.mirror.database.writing() as connection:
        save_pause(connection, desk.mirror.company_id, by="somebody", at=desk.clock.now())
    desk.edit(name="Renamed")
    assert desk.write_back() == Pushed()
    assert any("resume" in line for line in state(desk).attention)
    with desk.mirror.database.writing() as connection:
        save_pause(connection, desk.mirror.company_id, by=None, at=None)
    assert desk.write_back().sent == 1


def test_one_account_can_be_switched_off(desk: Desk) -> None:
    for one in desk.ids[:2]:
        desk.edit(one, name="Renamed")
    with desk.mirror.database.writing() as connection:
        switch_account(connection, desk.mirror.company_id, desk.ids[0], on=False)
    desk.write_back()
    assert [desk.there(one)["name"] == "Renamed" for one in desk.ids[:2]] == [False, True]
    with desk.mirror.database.writing() as connection:
        switch_account(connection, desk.mirror.company_id, desk.ids[0], on=True)
    desk.write_back()
    assert desk.there(desk.ids[0])["name"] == "Renamed"


def test_edits_of_many_accounts_at_once_wait_for_approval(desk: Desk) -> None:
    desk.restart(SYNC_WRITE_BACK__MAX_ACCOUNTS="3")
    for one in desk.ids[:4]:
        desk.edit(one, name=f"Renamed {one}")
    for _ in range(2):
        with pytest.raises(ApprovalNeeded):
            desk.write_back()
    assert desk.patches() == []
    assert state(desk).unapproved_accounts == 4
    with desk.mirror.database.writing() as connection:
        save_approval(connection, desk.mirror.company_id, by="somebody", at=desk.clock.now())
    assert desk.write_back().writes == 4
    desk.edit(name="One more")
    assert desk.write_back().writes == 1


def test_as_many_accounts_as_allowed_go_by_themselves(desk: Desk) -> None:
    desk.restart(SYNC_WRITE_BACK__MAX_ACCOUNTS="3")
    for one in desk.ids[:3]:
        desk.edit(one, name=f"Renamed {one}")
    assert desk.write_back().writes == 3


def test_a_retried_parked_change_is_tried_once_more(desk: Desk) -> None:
    desk.edit(owner_id=999)
    desk.write_back()
    with desk.mirror.database.writing() as connection:
        assert unpark(connection, desk.mirror.company_id) == 1
    desk.write_back()
    assert [one.field for one in desk.parked()] == ["owner_id"]
    assert len(desk.patches()) == 2


# Looking first


def test_a_plan_shows_what_would_be_written_and_writes_nothing(desk: Desk) -> None:
    name = desk.here()["name"]
    desk.edit(name="Renamed", owner_id=2)
    desk.edit_custom(Region=4711, Kundennummer="K-1")
    (write,) = planned(desk)
    code = desk.codes["Kundennummer"]
    assert write.body == {"name": "Renamed", "owner_id": 2, "custom_fields": {code: "K-1"}}
    assert [(one.name, one.old_value, one.new_value) for one in write.changes if one.field == "name"] == [
        ("name", name, "Renamed")
    ]
    assert len(write.parked) == 1
    assert (desk.patches(), desk.parked(), len(desk.edits())) == ([], [], 4)


def test_the_plan_is_what_is_then_sent(desk: Desk) -> None:
    for one in desk.ids[:3]:
        desk.edit(one, name=f"Renamed {one}", visible_to=5)
    bodies = [write.body for write in planned(desk)]
    desk.write_back()
    assert [json.loads(one.body) for one in desk.patches()] == bodies
    assert planned(desk) == []


# Taking back


def test_a_change_taken_back_travels_like_any_edit(desk: Desk) -> None:
    name = desk.here()["name"]
    desk.edit(name="Renamed")
    desk.write_back()
    desk.clock.advance(1)
    assert len(undo(desk, changes(desk)[0]).undone) == 1
    desk.write_back()
    assert desk.there()["name"] == desk.here()["name"] == name


def test_a_whole_batch_is_taken_back_at_once(desk: Desk) -> None:
    owners = {one: desk.here(one)["owner_id"] for one in desk.ids}
    desk.clock.advance(1)
    moment = desk.clock.now()
    for one in desk.ids:
        with desk.mirror.database.writing() as connection:
            fields = load_fields(connection, desk.mirror.company_id, desk.mirror.settings)
            new = {"owner_id": 1 if owners[one] == 2 else 2}
            edit_account(connection, desk.mirror.company_id, fields, one, new, by="somebody", at=moment)
    desk.write_back()
    desk.clock.advance(1)
    assert len(undo(desk, changes(desk)[0], batch=True).undone) == len(desk.ids)
    desk.write_back()
    assert {one: desk.there(one)["owner_id"] for one in desk.ids} == owners


def test_what_was_changed_again_since_is_left_alone(desk: Desk) -> None:
    desk.edit(name="A")
    first = changes(desk)[0]
    desk.edit(name="B")
    done = undo(desk, first)
    assert (list(done.undone), [one.id for one in done.changed_since]) == ([], [first])
    assert desk.here()["name"] == "B"


def test_a_change_made_at_pipedrive_can_be_taken_back_here(desk: Desk) -> None:
    name = desk.here()["name"]
    desk.edit_there(name="Theirs")
    desk.edit(visible_to=5)
    desk.write_back()
    (change,) = [one for one in changes(desk) if _field(desk, one) == "name"]
    desk.clock.advance(1)
    undo(desk, change)
    desk.write_back()
    assert desk.there()["name"] == name


def _field(desk: Desk, change_id: int) -> str:
    with desk.mirror.database.reading() as connection:
        history = load_history(connection, desk.mirror.company_id, desk.id)
    return next(one.field for one in history if one.id == change_id)


def test_there_is_no_taking_back_of_what_never_was(desk: Desk) -> None:
    with pytest.raises(CannotEdit):
        undo(desk, 4711)


# Deciding


@pytest.mark.parametrize(
    ("keep", "value", "result"), [("theirs", None, "Theirs"), ("ours", None, "Ours"), ("value", "Third", "Third")]
)
@pytest.mark.parametrize("policy", ["review", "pipedrive", "account"])
def test_a_conflict_is_decided_by_a_person_now_or_later(
    desk: Desk, policy: str, keep: str, value: str | None, result: str
) -> None:
    desk.restart(SYNC_WRITE_BACK__POLICY=policy, SYNC_WRITE_BACK__AT_ONCE="1")
    desk.edit(name="Ours")
    desk.edit_there(name="Theirs")
    desk.write_back()
    resolve(desk, keep, value)
    desk.write_back()
    assert desk.here()["name"] == desk.there()["name"] == result
    (conflict,) = desk.conflicts()
    assert (conflict.resolution, conflict.resolved_by) == (
        {"theirs": "pipedrive", "ours": "account", "value": "value"}[keep],
        "somebody",
    )
    assert desk.edits() == []


def test_a_decision_is_not_sent_over_what_nobody_has_seen(desk: Desk) -> None:
    """Pipedrive changed the field once more, between the conflict and its decision."""
    desk.restart(SYNC_WRITE_BACK__POLICY="review", SYNC_WRITE_BACK__AT_ONCE="1")
    desk.edit(name="Ours")
    desk.edit_there(name="Theirs")
    desk.write_back()
    desk.edit_there(name="Theirs again")
    resolve(desk, "ours")
    desk.write_back()
    assert desk.there()["name"] == "Theirs again"
    assert [one.pipedrive_value for one in desk.conflicts()] == ["Theirs again", "Theirs"]


def test_keeping_theirs_keeps_what_they_hold_by_then(desk: Desk) -> None:
    """Pipedrive changed the field once more, and that has arrived: nothing older is written over it."""
    desk.restart(SYNC_WRITE_BACK__POLICY="review", SYNC_WRITE_BACK__AT_ONCE="1")
    desk.subscribe()
    desk.edit(name="Ours")
    desk.edit_there(name="Theirs")
    desk.write_back()
    desk.edit_there(name="Theirs again")
    desk.hear()
    resolve(desk, "theirs")
    desk.write_back()
    assert desk.here()["name"] == desk.there()["name"] == "Theirs again"
    assert desk.edits() == []
    assert [one["name"] for one in (write.body or {} for write in desk.patches()) if "name" in one] == []


# Editing by the program itself


def test_an_edit_that_does_not_fit_changes_nothing(desk: Desk) -> None:
    with pytest.raises(CannotEdit, match="owner_id"):
        edit_here(desk, {"name": "Renamed", "owner_id": None})
    assert desk.edits() == []


def test_only_what_really_changes_is_an_edit(desk: Desk) -> None:
    held = desk.here()
    values = {"name": f" {held['name']} ", "owner_id": held["owner_id"], "label_ids": held["label_ids"]}
    assert (edit_here(desk, values), desk.edits()) == ([], [])
