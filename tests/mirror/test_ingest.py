"""One record that can't be stored never stops the rest: it is set aside, and retried when it changes."""

from typing import Any

import pytest
from sqlalchemy import select

from sync.clock import ManualClock
from sync.mirror.company import Mirror
from sync.mirror.cycle import run_cycle
from sync.pipedrive.entities import BY_NAME
from sync.pipedrive.records import to_record
from sync.sandbox import Sandbox
from sync.store.rejected import count_rejections
from sync.store.schema import TABLES, rejected_records
from tests.truth import differences


def rejected(mirror: Mirror) -> dict[str, str]:
    with mirror.database.reading() as connection:
        return {row.record_id: row.reason for row in connection.execute(select(rejected_records))}


def stored(mirror: Mirror, entity: str, record_id: int) -> dict[str, Any] | None:
    table = TABLES[entity]
    with mirror.database.reading() as connection:
        row = connection.execute(select(table).where(table.c.id == record_id)).one_or_none()
    return None if row is None else to_record(BY_NAME[entity], row._asdict())


def answer(sandbox: Sandbox, *odd: Any, good: int = 7) -> None:
    """Let the next page of organizations hold odd records before a good one, as a raw text of JSON."""
    shown = {"id": good, "name": "good", "add_time": "2026-11-02T10:00:00Z", "update_time": "2026-11-02T10:00:00Z"}
    rest = dict.fromkeys(("owner_id", "visible_to", "address"), None) | {"label_ids": [], "custom_fields": {}}
    records = [{**shown, **rest, **one} if isinstance(one, dict) else one for one in odd]
    sandbox.faults.answer({"success": True, "data": [*records, shown | rest]}, path="/api/v2/organizations")


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        ({"id": 901, "name": "a\0b"}, "NUL"),
        ({"id": "901"}, "can't be a key"),
        ({"id": None}, "can't be a key"),
        ({"id": 2**63}, "can't be a key"),
        (None, "not an object"),
        (17, "not an object"),
        (["a", "list"], "not an object"),
    ],
)
def test_a_record_that_no_row_can_hold_is_set_aside_with_its_reason(
    filled: Mirror, sandbox: Sandbox, clock: ManualClock, odd: Any, reason: str
) -> None:
    clock.advance(300)
    answer(sandbox, odd)
    done = run_cycle(filled)
    assert done.rejected == 1
    assert reason in next(iter(rejected(filled).values()))
    assert stored(filled, "organizations", 7)["name"] == "good"  # type: ignore[index]
    with filled.database.reading() as connection:
        assert count_rejections(connection, filled.company_id) == {"organizations": 1}


@pytest.mark.parametrize(
    "text",
    [
        rb'"name": "lone \ud800 surrogate"',
        rb'"novelty": "lone \udfff surrogate"',
        rb'"novelty": "a\u0000b"',
        rb'"novelty": NaN, "annual_revenue": Infinity',
        rb'"custom_fields": {"x": [NaN, "\ud800", "\u0000"]}',
        rb'"annual_revenue": 1e400',
        rb'"employee_count": 123456789012345678901234567890',
    ],
)
def test_odd_json_never_stops_the_rest(filled: Mirror, sandbox: Sandbox, clock: ManualClock, text: bytes) -> None:
    clock.advance(300)
    times = b'"add_time": "2026-11-02T10:00:00Z", "update_time": "2026-11-02T10:00:00Z"'
    body = b'{"success": true, "data": [{"id": 901, %b, %b}, {"id": 7, "name": "good", %b}]}' % (text, times, times)
    sandbox.faults.not_json(body=body, path="/api/v2/organizations")
    run_cycle(filled)
    assert stored(filled, "organizations", 7)["name"] == "good"  # type: ignore[index]
    assert (stored(filled, "organizations", 901) is None) is ("901" in rejected(filled))


def test_a_rejected_record_is_forgotten_when_it_changes_into_one_that_fits(
    filled: Mirror, sandbox: Sandbox, clock: ManualClock
) -> None:
    organization = sandbox.company.create("organizations", {"name": "a\0b"})["id"]
    clock.advance(300)
    assert run_cycle(filled).rejected == 1
    assert rejected(filled).keys() == {str(organization)}
    clock.advance(300)
    run_cycle(filled)
    assert rejected(filled).keys() == {str(organization)}
    sandbox.company.update("organizations", organization, {"name": "plain"})
    clock.advance(300)
    run_cycle(filled)
    assert rejected(filled) == {}
    assert differences(filled.database, sandbox.company) == []


def test_surprising_attributes_are_kept_and_come_back(filled: Mirror, sandbox: Sandbox, clock: ManualClock) -> None:
    clock.advance(300)
    odd = {
        "id": 901,
        "owner_id": {"id": 5, "name": "nested"},
        "add_time": "2026-11-02T10:00:00Z",
        "annual_revenue": "12,50",
        "novelty": {"deep": [1, 2.5, None]},
        "employee_count": 1.5,
    }
    answer(sandbox, odd)
    run_cycle(filled)
    found = stored(filled, "organizations", 901)
    assert found is not None
    assert {name: found[name] for name in odd} == odd


def test_a_note_of_five_megabytes_arrives_whole(filled: Mirror, sandbox: Sandbox, clock: ManualClock) -> None:
    note = sandbox.company.create("notes", {"content": "<p>ü</p>" * 600_000, "org_id": 1})["id"]
    clock.advance(300)
    run_cycle(filled)
    assert len(stored(filled, "notes", note)["content"]) == 8 * 600_000  # type: ignore[index]
    assert rejected(filled) == {}
