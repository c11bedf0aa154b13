"""What webhooks tell about who changed what, and what a write of ours has overwritten unseen."""

from sync.store.edits import HistoryEntry, load_history
from tests.writeback.conftest import Desk


def history(desk: Desk) -> list[HistoryEntry]:
    with desk.mirror.database.reading() as connection:
        return list(load_history(connection, desk.mirror.company_id, desk.id))


def between_read_and_write(desk: Desk, **values: object) -> None:
    """Somebody at Pipedrive is quicker than our write."""
    desk.sandbox.faults.before(lambda: desk.edit_there(**values), method="PATCH")


def test_a_value_that_our_write_overwrote_unseen_is_kept_as_a_conflict(desk: Desk) -> None:
    desk.subscribe()
    name = desk.here()["name"]
    desk.edit(name="Ours")
    between_read_and_write(desk, name="Theirs, in between")
    desk.write_back()
    desk.hear()
    for _ in range(2):
        desk.write_back()
    (conflict,) = desk.conflicts()
    assert (conflict.base_value, conflict.account_value, conflict.pipedrive_value) == (
        name,
        "Ours",
        "Theirs, in between",
    )
    assert (conflict.resolution, conflict.resolved_by) == ("account", "race")
    assert desk.here()["name"] == desk.there()["name"] == "Ours"


def test_another_field_changed_in_between_is_no_conflict(desk: Desk) -> None:
    desk.subscribe()
    desk.edit(name="Ours")
    between_read_and_write(desk, visible_to=5)
    desk.write_back()
    desk.hear()
    desk.write_back()
    assert desk.conflicts() == []
    assert (desk.here()["name"], desk.here()["visible_to"]) == ("Ours", 5)


def test_the_event_of_an_ordinary_write_tells_of_no_conflict(desk: Desk) -> None:
    desk.subscribe()
    for name in ("A", "B"):
        desk.edit(name=name)
        desk.write_back()
        desk.hear()
    desk.write_back()
    assert desk.conflicts() == []


def test_history_names_the_pipedrive_user_whom_an_event_names(desk: Desk) -> None:
    desk.subscribe()
    desk.clock.advance(1)
    desk.sandbox.company.update("organizations", desk.id, {"name": "Theirs"}, user_id=3)
    desk.hear()
    (change,) = [one for one in history(desk) if one.field == "name"]
    assert (change.new_value, change.changed_by, change.side) == ("Theirs", "pipedrive user 3", "pipedrive")


def test_a_conflict_names_the_pipedrive_user_whom_an_event_names(desk: Desk) -> None:
    desk.subscribe()
    desk.edit(name="Ours", edited_by="alice")
    desk.clock.advance(5)
    desk.sandbox.company.update("organizations", desk.id, {"name": "Theirs"}, user_id=3)
    desk.hear()
    desk.write_back()
    (conflict,) = desk.conflicts()
    assert (conflict.account_by, conflict.pipedrive_by) == ("alice", "pipedrive user 3")
