"""What is known of one account, on SQLite and PostgreSQL, and that it takes the same few statements always."""

from typing import Any

import pytest
from sqlalchemy import event

from sync.accounts.details import load_details
from sync.accounts.dossier import load_dossier, organization_exists, record_names
from sync.accounts.facts import Dossier, Reach
from sync.accounts.lookups import load_account, suggest
from sync.mirror.cycle import run_cycle
from sync.store.edits import park
from sync.store.journal import Action, State
from sync.store.schema import conflicts
from sync.writeback.errands import ask_for_note, ask_to_complete
from tests.writeback.conftest import Desk, clock, desk, open_here, sandbox

__all__ = ["clock", "desk", "open_here", "sandbox"]

ALL = Reach(done=1000, notes=1000, files=1000, changes=1000)


def load(desk: Desk, organization_id: int | None = None, reach: Reach = ALL) -> Dossier:
    with desk.mirror.database.reading() as connection:
        found = load_dossier(connection, desk.mirror.company_id, organization_id or desk.id, reach)
    assert found is not None
    return found


def hang(desk: Desk, entity: str, **values: Any) -> int:
    """A record made at Pipedrive and mirrored."""
    return int(desk.sandbox.company.create(entity, values)["id"])


def test_it_agrees_with_the_details_of_every_account(desk: Desk) -> None:
    for one in desk.ids:
        found = load(desk, one)
        with desk.mirror.database.reading() as connection:
            details = load_details(connection, desk.mirror.company_id, one)
        assert details is not None
        assert found.account == details.account
        assert found.won_values == details.won_values
        assert [deal.id for deal in found.deals] == [deal.id for deal in details.deals]
        assert [person.id for person in found.persons] == [person.id for person in details.persons]
        assert [activity.id for activity in found.planned] == [activity.id for activity in details.planned]
        assert [activity.id for activity in found.done][:10] == [activity.id for activity in details.done]
        assert len(found.notes) == details.notes_count
        assert len(found.files) == details.files_count
        assert (found.synced_at, found.read_at, found.deleted_at) == (
            details.synced_at,
            details.read_at,
            details.deleted_at,
        )
        assert found.created_by is not None
        assert details.created_by is not None
        assert found.created_by.id == details.created_by.id


def test_what_hangs_on_a_deal_hangs_on_the_account(desk: Desk) -> None:
    deal = next(one.id for one in load(desk).deals)
    hang(desk, "notes", content="<p>of the deal</p>", deal_id=deal)
    hang(desk, "notes", content="pinned", org_id=desk.id, pinned_to_organization_flag=1)
    desk.sandbox.company.add_file("both.pdf", b"x" * 10, deal_id=deal, org_id=desk.id)
    desk.clock.advance(1000)  # files are looked for every quarter of an hour
    run_cycle(desk.mirror)

    found = load(desk)

    assert [one.text for one in found.notes][:2] == ["pinned", "<p>of the deal</p>"]
    assert [(one.text, one.file_size) for one in found.files if one.text == "both.pdf"] == [("both.pdf", 10)]


def test_it_reaches_only_as_far_back_as_is_asked(desk: Desk) -> None:
    for number in range(3):
        hang(desk, "notes", content=f"note {number}", org_id=desk.id)
        hang(desk, "activities", subject=f"done {number}", org_id=desk.id, done=True)
        desk.edit(name=f"name {number}")
    desk.clock.advance(60)
    run_cycle(desk.mirror)

    found = load(desk, reach=Reach(done=1, notes=2, files=0, changes=1))

    assert (len(found.done), len(found.notes), len(found.files), len(found.changes)) == (1, 2, 0, 1)
    assert found.changes[0].new_value == "name 2"


def test_it_tells_what_waits_what_is_parked_and_what_is_in_conflict(desk: Desk) -> None:
    desk.edit(name="Waits", website="https://parked.example", visible_to=7)
    company_id, now = desk.mirror.company_id, desk.clock.now()
    with desk.mirror.database.writing() as connection:
        park(connection, company_id, desk.id, "website", "https://parked.example", "Pipedrive says no", now)
        values = {"company_id": company_id, "organization_id": desk.id, "field": "visible_to", "policy": "review"}
        connection.execute(conflicts.insert().values(**values, detected_at=now))
        ask_for_note(connection, company_id, organization_id=desk.id, content="later", by="Ann", now=now)

    found = load(desk)

    edits = {one.field: one for one in found.edits}
    assert set(edits) == {"name", "website", "visible_to"}
    assert (edits["name"].value, edits["name"].parked_for, edits["name"].conflict_id) == ("Waits", None, None)
    assert edits["website"].parked_for == "Pipedrive says no"
    assert edits["visible_to"].conflict_id is not None
    (errand,) = found.errands
    assert (errand.entity, errand.action, errand.state) == ("notes", Action.CREATE, State.WAITING)
    assert errand.body == {"content": "later", "org_id": desk.id}
    assert (errand.requested_by, errand.error, errand.record_id) == ("Ann", None, None)


def test_errands_of_other_accounts_are_not_its(desk: Desk) -> None:
    other = next(one for one in desk.ids if one != desk.id and load(desk, one).planned)
    with desk.mirror.database.writing() as connection:
        activity = load(desk, other).planned[0].id
        ask_to_complete(connection, desk.mirror.company_id, activity, by="Ann", now=desk.clock.now())
    assert load(desk).errands == []
    assert [one.record_id for one in load(desk, other).errands] == [activity]


def test_it_takes_seven_statements(desk: Desk) -> None:
    statements: list[str] = []
    with desk.mirror.database.reading() as connection:
        event.listen(connection, "before_cursor_execute", lambda *args: statements.append(args[2][:6]))
        load_dossier(connection, desk.mirror.company_id, desk.id, ALL)
        record_names(connection, desk.mirror.company_id, {"organizations": [desk.id], "persons": [1, 2]})
    assert statements.count("SELECT") == 8


def test_there_is_none_of_an_organization_without_an_account(desk: Desk) -> None:
    other = hang(desk, "organizations", name="No customer yet")
    desk.clock.advance(60)
    run_cycle(desk.mirror)
    with desk.mirror.database.reading() as connection:
        assert load_dossier(connection, desk.mirror.company_id, other, ALL) is None
        assert load_account(connection, desk.mirror.company_id, other) is None
        assert organization_exists(connection, desk.mirror.company_id, other)
        assert not organization_exists(connection, desk.mirror.company_id, 10**9)


def test_records_are_named_by_table_and_id(desk: Desk) -> None:
    person = hang(desk, "persons", name="Ada", org_id=desk.id)
    desk.clock.advance(60)
    run_cycle(desk.mirror)
    with desk.mirror.database.reading() as connection:
        names = record_names(
            connection, desk.mirror.company_id, {"organizations": [desk.id, 10**9], "persons": [person]}
        )
        assert record_names(connection, desk.mirror.company_id, {}) == {}
    assert names == {"organizations": {desk.id: desk.here()["name"]}, "persons": {person: "Ada"}}


@pytest.mark.parametrize("text", ["zebra", "ZEBRA", " zeb "])
def test_records_are_suggested_by_a_part_of_their_names(desk: Desk, text: str) -> None:
    behind = hang(desk, "organizations", name="The Zebra House")
    first = hang(desk, "organizations", name="Zebra & Sons")
    desk.clock.advance(60)
    run_cycle(desk.mirror)
    with desk.mirror.database.reading() as connection:
        found = suggest(connection, desk.mirror.company_id, "organizations", text)
        assert suggest(connection, desk.mirror.company_id, "organizations", "  ") == []
        assert suggest(connection, desk.mirror.company_id, "organizations", "%") == []
    assert [one.id for one in found] == [first, behind]
