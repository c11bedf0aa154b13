"""The small lists follow Pipedrive, and a list that is refused does not keep the others from being read."""

from typing import Any

import pytest
from sqlalchemy import select

from sync.clock import ManualClock
from sync.mirror.company import Mirror
from sync.mirror.cycle import run_cycle
from sync.pipedrive.errors import Forbidden, ServerError, Unauthorized
from sync.sandbox import Sandbox
from sync.store.schema import TABLES, accounts
from tests.truth import built_accounts, differences, expected_accounts

HOUR = 3600


def custom_field(sandbox: Sandbox, entity: str, name: str) -> str:
    return next(code for code, one in sandbox.company.fields.custom(entity).items() if one["field_name"] == name)


def texts(mirror: Mirror, table: Any, column: str) -> str:
    with mirror.database.reading() as connection:
        return " ".join(map(str, connection.scalars(select(table.c[column]))))


@pytest.mark.parametrize(("entity", "name"), [("organizations", "Kundennummer"), ("deals", "Quelle")])
def test_a_custom_field_deleted_at_pipedrive_leaves_the_rows(
    filled: Mirror, sandbox: Sandbox, clock: ManualClock, entity: str, name: str
) -> None:
    code = custom_field(sandbox, entity, name)
    assert code in texts(filled, TABLES[entity], "custom_fields")
    sandbox.company.delete_field(entity, code)
    clock.advance(HOUR)
    run_cycle(filled)
    assert code not in texts(filled, TABLES[entity], "custom_fields")
    assert code not in texts(filled, accounts, "custom_fields")
    assert differences(filled.database, sandbox.company) == []
    assert built_accounts(filled.database) == expected_accounts(sandbox.company)


def test_a_renamed_field_keeps_its_code_and_changes_its_name(
    filled: Mirror, sandbox: Sandbox, clock: ManualClock
) -> None:
    code = custom_field(sandbox, "organizations", "Kundennummer")
    sandbox.company.fields.rename("organizations", code, "Customer number")
    clock.advance(HOUR)
    run_cycle(filled)
    fields = TABLES["fields"]
    with filled.database.reading() as connection:
        name = connection.scalar(select(fields.c.field_name).where(fields.c.field_code == code))
    assert name == "Customer number"
    assert differences(filled.database, sandbox.company) == []


def test_users_stages_and_currencies_follow(filled: Mirror, sandbox: Sandbox, clock: ManualClock) -> None:
    company = sandbox.company
    company.update("users", 2, {"name": "Renamed User"})
    company.update("stages", 1, {"name": "Renamed stage"})
    company.erase("currencies", company.all("currencies")[-1]["id"])
    company.create("pipelines", {"name": "New pipeline"})
    clock.advance(HOUR)
    assert run_cycle(filled).deleted == 1
    assert differences(filled.database, sandbox.company) == []


@pytest.mark.parametrize("path", ["/api/v1/notes", "/api/v1/users", "/api/v2/deals/archived"])
def test_a_list_that_is_refused_does_not_keep_the_others_from_being_read(
    filled: Mirror, sandbox: Sandbox, clock: ManualClock, path: str
) -> None:
    refused = sandbox.faults.fail(status=403, path=path, times=100)
    sandbox.company.update("organizations", 1, {"name": "arrives all the same"})
    sandbox.company.create("activities", {"subject": "too", "org_id": 1})
    sandbox.company.add_file("too.txt", b"x")
    clock.advance(HOUR)
    with pytest.raises(Forbidden) as caught:
        run_cycle(filled, whole_sweep=True)
    assert caught.value.endpoint
    assert refused.struck >= 1
    assert differences(filled.database, sandbox.company) == []


def test_what_concerns_every_call_ends_the_cycle_at_once(filled: Mirror, sandbox: Sandbox, clock: ManualClock) -> None:
    clock.advance(HOUR)
    sandbox.faults.fail(status=401, path="/api/v2/organizationFields")
    before = len(sandbox.calls)
    with pytest.raises(Unauthorized):
        run_cycle(filled)
    assert len(sandbox.calls) == before + 1
    sandbox.faults.clear()
    sandbox.faults.fail(status=500, times=100)
    with pytest.raises(ServerError):
        run_cycle(filled)


def test_a_list_of_definitions_that_comes_back_empty_takes_no_field_away(
    filled: Mirror, sandbox: Sandbox, clock: ManualClock
) -> None:
    from sync.mirror.brake import DeletionsHeld

    before = texts(filled, TABLES["organizations"], "custom_fields")
    clock.advance(HOUR)
    sandbox.faults.answer({"success": True, "data": []}, path="/api/v2/organizationFields")
    with pytest.raises(DeletionsHeld, match="fields"):
        run_cycle(filled)
    assert texts(filled, TABLES["organizations"], "custom_fields") == before
    clock.advance(HOUR)
    run_cycle(filled)
