"""The sweep finds deletions and silent moves, and marks nothing that it has reason to doubt."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import select, update

from sync.clock import ManualClock
from sync.errors import Interrupted
from sync.mirror.brake import DeletionsHeld, brake
from sync.mirror.company import Mirror
from sync.mirror.cycle import run_cycle
from sync.pipedrive.entities import BY_NAME
from sync.sandbox import Company, Proportions, Sandbox, generate
from sync.settings import Sweep
from sync.store.checkpoints import load_checkpoint
from sync.store.schema import TABLES, accounts
from tests.mirror.conftest import OpenMirror, fill
from tests.truth import built_accounts, differences, expected_accounts

ENTITIES = ("organizations", "deals", "persons", "activities", "notes", "files")


def assert_same(mirror: Mirror, sandbox: Sandbox) -> None:
    assert differences(mirror.database, sandbox.company) == []
    assert built_accounts(mirror.database) == expected_accounts(sandbox.company)


def column(mirror: Mirror, entity: str, name: str) -> dict[int, Any]:
    table = TABLES[entity]
    with mirror.database.reading() as connection:
        return {row.id: row[1] for row in connection.execute(select(table.c.id, table.c[name]))}


def deleted(mirror: Mirror, entity: str) -> set[int]:
    return {one for one, moment in column(mirror, entity, "deleted_at").items() if moment is not None}


def own_fields(mirror: Mirror, organization: int, fields: dict[str, Any] | None = None) -> Any:
    mine = accounts.c.organization_id == organization
    if fields is not None:
        with mirror.database.writing() as connection:
            connection.execute(update(accounts).where(mine).values(fields=fields))
    with mirror.database.reading() as connection:
        return connection.execute(select(accounts.c.status, accounts.c.fields).where(mine)).one()


@pytest.mark.parametrize("answers_200", [True, False])
def test_a_whole_sweep_finds_deletions_of_every_entity(
    filled: Mirror, sandbox: Sandbox, clock: ManualClock, answers_200: bool
) -> None:
    company = sandbox.company
    company.switches.deleted_records_answer_200 = answers_200
    gone_before = deleted(filled, "deals")
    clock.advance(300)
    for entity in ENTITIES:
        company.delete(entity, 3)
        company.erase(entity, 4)
    done = run_cycle(filled, whole_sweep=True)
    assert done.deleted > 0
    for entity in ENTITIES:
        assert deleted(filled, entity) - gone_before == {3, 4} - gone_before
    assert_same(filled, sandbox)
    assert run_cycle(filled, whole_sweep=True).deleted == 0


def test_slices_find_deletions_over_several_cycles(filled: Mirror, sandbox: Sandbox, clock: ManualClock) -> None:
    clock.advance(300)
    for entity in ENTITIES:
        sandbox.company.erase(entity, 4)
    for _ in range(4):  # 7 lists of one page, 2 pages a cycle
        run_cycle(filled)
        clock.advance(60)
    assert_same(filled, sandbox)


def test_a_round_of_several_pages_goes_on_where_the_last_cycle_stopped(
    filled: Mirror, sandbox: Sandbox, clock: ManualClock
) -> None:
    company = sandbox.company
    clock.advance(300)
    for number in range(1100):
        company.create("organizations", {"name": f"o{number}"})
    run_cycle(filled)
    clock.advance(60)
    positions = set()
    company.erase("organizations", 900)
    company.erase("organizations", 2)
    for _ in range(14):
        run_cycle(filled)
        clock.advance(60)
        with filled.database.reading() as connection:
            positions.add(load_checkpoint(connection, filled.company_id, "organizations")["sweep_last_id"])
    assert len(positions) >= 3
    assert deleted(filled, "organizations") == {2, 900}
    assert_same(filled, sandbox)


def test_a_cursor_that_is_refused_begins_the_round_again(filled: Mirror, sandbox: Sandbox, clock: ManualClock) -> None:
    clock.advance(300)
    for number in range(600):
        sandbox.company.create("organizations", {"name": f"o{number}"})
    run_cycle(filled)
    clock.advance(60)
    sandbox.company.erase("organizations", 5)
    # The two pages of the poll, the first page of the round, then its second.
    refused = sandbox.faults.fail(status=400, path="/api/v2/organizations", skip=3)
    run_cycle(filled, whole_sweep=True)
    assert refused.struck == 1
    assert deleted(filled, "organizations") == {5}
    assert_same(filled, sandbox)


def test_a_record_that_shows_up_again_loses_its_mark_and_its_account_comes_back(
    filled: Mirror, sandbox: Sandbox, clock: ManualClock
) -> None:
    account = next(iter(expected_accounts(sandbox.company)))
    own_fields(filled, account, {"tier": "gold"})
    for restore in (True, False):
        clock.advance(300)
        sandbox.company.delete("organizations", account)
        run_cycle(filled, whole_sweep=True)
        assert own_fields(filled, account).status == "former"
        if restore:
            sandbox.company.restore("organizations", account)
            clock.advance(300)
            run_cycle(filled)
            assert tuple(own_fields(filled, account)) == ("active", {"tier": "gold"})
            assert_same(filled, sandbox)


@pytest.mark.parametrize("bumped", [True, False])
def test_merged_organizations_end_as_pipedrive_has_them(
    filled: Mirror, sandbox: Sandbox, clock: ManualClock, bumped: bool
) -> None:
    company = sandbox.company
    company.switches.merge_bumps_children = bumped
    loser, survivor, *_ = expected_accounts(company)
    clock.advance(300)
    assert company.merge_organizations(loser, survivor) == survivor
    run_cycle(filled, whole_sweep=True)
    assert deleted(filled, "organizations") == {loser}
    assert_same(filled, sandbox)


def test_children_that_a_merge_moved_in_silence_are_found_by_slices(
    filled: Mirror, sandbox: Sandbox, clock: ManualClock
) -> None:
    company = sandbox.company
    loser, survivor, *_ = expected_accounts(company)
    clock.advance(300)
    company.merge_organizations(loser, survivor)
    for _ in range(4):
        run_cycle(filled)
        clock.advance(60)
    assert_same(filled, sandbox)


def test_the_accounts_own_fields_fill_what_the_survivor_of_a_merge_lacks(
    filled: Mirror, sandbox: Sandbox, clock: ManualClock
) -> None:
    company = sandbox.company
    loser, survivor, *_ = expected_accounts(company)
    own_fields(filled, loser, {"tier": "gold", "region": "north"})
    own_fields(filled, survivor, {"tier": "silver", "region": None})
    clock.advance(300)
    company.merge_organizations(loser, survivor)
    run_cycle(filled, whole_sweep=True)
    assert tuple(own_fields(filled, survivor)) == ("active", {"tier": "silver", "region": "north"})
    assert tuple(own_fields(filled, loser)) == ("former", {"tier": "gold", "region": "north"})


def test_a_survivor_that_was_no_account_becomes_one_with_the_losers_own_fields(
    filled: Mirror, sandbox: Sandbox, clock: ManualClock
) -> None:
    company = sandbox.company
    loser = next(iter(expected_accounts(company)))
    survivor = company.create("organizations", {"name": "Survivor"})["id"]
    own_fields(filled, loser, {"tier": "gold"})
    clock.advance(300)
    company.merge_organizations(loser, survivor)
    run_cycle(filled, whole_sweep=True)
    assert tuple(own_fields(filled, survivor)) == ("active", {"tier": "gold"})
    assert_same(filled, sandbox)


@pytest.mark.parametrize("step", ["delete", "absorb_account", "clear_candidates"])
def test_a_merge_is_followed_to_its_end_although_the_program_died_in_between(
    filled: Mirror, sandbox: Sandbox, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    company = sandbox.company
    loser, survivor, *_ = expected_accounts(company)
    own_fields(filled, loser, {"tier": "gold"})
    clock.advance(300)
    company.merge_organizations(loser, survivor)
    from sync.mirror import sweep

    done = getattr(sweep, step)
    struck = False

    def die(*args: Any, **kwargs: Any) -> Any:
        nonlocal struck
        if step == "clear_candidates" and not deleted(filled, "organizations"):
            return done(*args, **kwargs)  # the rounds before
        struck = True
        raise Interrupted

    monkeypatch.setattr(sweep, step, die)
    if step == "clear_candidates":
        run_cycle(filled, whole_sweep=False)
    else:
        with pytest.raises(Interrupted):
            run_cycle(filled, whole_sweep=True)
        assert struck
    monkeypatch.undo()
    clock.advance(60)
    run_cycle(filled, whole_sweep=True)
    assert tuple(own_fields(filled, survivor)) == ("active", {"tier": "gold"})
    assert_same(filled, sandbox)


@pytest.mark.parametrize(
    ("vanishing", "live", "holds"),
    [
        (0, 0, False),
        (50, 51, False),
        (51, 1000, False),
        (51, 510, False),
        (51, 509, True),
        (51, 51, True),
        (11, 11, True),
        (10, 10, False),
        (100, 1000, False),
        (101, 1000, True),
    ],
)
def test_the_brake_holds_more_than_so_many_rows_and_so_large_a_part(vanishing: int, live: int, holds: bool) -> None:
    entity = BY_NAME["organizations"]
    held = brake(Sweep(), entity, entity.listings[0], vanishing=vanishing, live=live)
    assert (held is not None) is holds


class TestBrake:
    """A company large enough for the brake."""

    @pytest.fixture
    def sandbox(self, clock: ManualClock) -> Iterator[Sandbox]:
        company: Company = generate(
            7, clock=clock, organizations=130, proportions=Proportions(deals=2, activities=0.5, persons=1)
        )
        with Sandbox(company, clock=clock, burst=None) as running:
            yield running

    def test_a_wave_of_deletions_is_held_until_it_is_accepted(
        self, filled: Mirror, sandbox: Sandbox, clock: ManualClock
    ) -> None:
        clock.advance(300)
        for one in range(1, 61):
            sandbox.company.erase("organizations", one)
        sandbox.company.update("organizations", 100, {"name": "meanwhile"})
        with pytest.raises(DeletionsHeld, match="60 of 130 organizations") as caught:
            run_cycle(filled, whole_sweep=True)
        assert caught.value.exit_code == 5
        assert "--accept-deletions" in caught.value.remedy
        assert deleted(filled, "organizations") == set()
        assert column(filled, "organizations", "name")[100] == "meanwhile"
        clock.advance(60)
        with pytest.raises(DeletionsHeld):  # a slice of another list does not forget it
            run_cycle(filled)
        clock.advance(60)
        assert run_cycle(filled, accept_deletions=True).deleted >= 60
        assert deleted(filled, "organizations") == set(range(1, 61))
        assert_same(filled, sandbox)
        clock.advance(60)
        assert run_cycle(filled).deleted == 0

    def test_a_token_that_suddenly_sees_half_marks_nothing_and_all_is_well_when_it_sees_again(
        self, filled: Mirror, sandbox: Sandbox, clock: ManualClock
    ) -> None:
        before = {entity: deleted(filled, entity) for entity in ENTITIES}
        clock.advance(300)
        sandbox.faults.partial_visibility(0.5)
        for _ in range(6):
            clock.advance(60)
            with suppress(DeletionsHeld):
                run_cycle(filled)
        with pytest.raises(DeletionsHeld, match="organizations"):
            run_cycle(filled, whole_sweep=True)
        assert deleted(filled, "organizations") == set()
        assert deleted(filled, "deals") == before["deals"]
        assert deleted(filled, "persons") == set()
        sandbox.faults.partial_visibility(1)
        clock.advance(60)
        run_cycle(filled, whole_sweep=True)
        assert_same(filled, sandbox)
        clock.advance(60)
        run_cycle(filled)

    def test_a_list_that_comes_back_empty_is_not_believed(
        self, filled: Mirror, open_here: OpenMirror, sandbox: Sandbox, clock: ManualClock
    ) -> None:
        clock.advance(300)
        for note in sandbox.company.all("notes"):
            sandbox.company.erase("notes", note["id"])
        with pytest.raises(DeletionsHeld, match="notes"):
            run_cycle(filled, whole_sweep=True)

    def test_the_brake_is_set_by_the_settings(
        self, open_here: OpenMirror, sandbox: Sandbox, clock: ManualClock
    ) -> None:
        mirror = fill(open_here(SYNC_SWEEP__MAX_ROWS="2", SYNC_SWEEP__MAX_SHARE="0.01"))
        clock.advance(300)
        for one in (1, 2, 3):
            sandbox.company.erase("organizations", one)
        with pytest.raises(DeletionsHeld, match="3 of 130"):
            run_cycle(mirror, whole_sweep=True)
