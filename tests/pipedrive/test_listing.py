"""Lists are read to their end, page by page, whatever happens between the pages."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from sync.clock import ManualClock
from sync.pipedrive.client import Client
from sync.pipedrive.connect import connect, token_budget
from sync.pipedrive.entities import CURRENCIES, DEALS, FIELDS, FILES, NOTES, ORGANIZATIONS, STAGES, Entity, Listing
from sync.pipedrive.errors import BadRequest, MalformedAnswer
from sync.pipedrive.listing import Order, Page, fetch_by_id, fetch_page
from sync.pipedrive.purpose import Purpose
from sync.sandbox import Company, Sandbox, generate
from sync.settings import load_settings

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def sandbox(clock: ManualClock) -> Iterator[Sandbox]:
    with Sandbox(generate(1, clock=clock, organizations=0), clock=clock, burst=None) as running:
        yield running


@pytest.fixture
def company(sandbox: Sandbox) -> Company:
    return sandbox.company


@pytest.fixture
def client(sandbox: Sandbox, clock: ManualClock) -> Iterator[Client]:
    settings = load_settings({"PIPEDRIVE_BASE_URL": sandbox.url, "PIPEDRIVE_API_TOKEN": sandbox.token})
    with connect(settings, clock, token_budget(settings)) as opened:
        yield opened


def small(entity: Entity, size: int = 3) -> Listing:
    """A list of the entity in small pages."""
    return replace(entity.listings[0], page_size=size)


def pages(client: Client, listing: Listing, order: Order = Order.BY_ID, **more: Any) -> Iterator[Page]:
    page = fetch_page(client, listing, order=order, purpose=Purpose.POLL, **more)
    yield page
    while page.following:
        page = fetch_page(client, listing, page.following, order=order, purpose=Purpose.POLL, **more)
        yield page


def ids(read: Iterator[Page]) -> list[int]:
    return [record["id"] for page in read for record in page.records]


@pytest.mark.parametrize("count", [0, 1, 3, 4, 6, 7])
@pytest.mark.parametrize("last_page", ["null", "no_cursor", "no_additional_data"])
def test_a_cursor_list_is_read_to_its_end_however_that_is_shown(
    client: Client, company: Company, count: int, last_page: Any
) -> None:
    company.switches.last_page = last_page
    created = [company.create("organizations", {"name": f"o{one}"})["id"] for one in range(count)]
    assert ids(pages(client, small(ORGANIZATIONS))) == created


@pytest.mark.parametrize("empty_is_null", [True, False])
@pytest.mark.parametrize("count", [0, 1, 3, 4, 7])
def test_an_offset_list_is_read_to_its_end(client: Client, company: Company, count: int, empty_is_null: bool) -> None:
    company.switches.empty_v1_list_is_null = empty_is_null
    created = [_note(company, one) for one in range(count)]
    assert list(dict.fromkeys(ids(pages(client, small(NOTES))))) == created


def test_a_whole_list_is_one_page(client: Client, company: Company) -> None:
    (page,) = pages(client, CURRENCIES.listings[0])
    assert [record["id"] for record in page.records] == [record["id"] for record in company.all("currencies")]


def test_reference_lists_take_neither_an_order_nor_a_moment(client: Client, company: Company) -> None:
    assert ids(pages(client, small(STAGES, 2))) == [record["id"] for record in company.all("stages")]
    assert [
        record["field_code"]
        for page in pages(client, replace(FIELDS.listings[0], page_size=5))
        for record in page.records
    ]


def test_a_page_tells_when_it_was_asked_for_by_both_clocks(client: Client, sandbox: Sandbox) -> None:
    sandbox.faults.clock_skew(300)
    page = fetch_page(client, ORGANIZATIONS.listings[0], purpose=Purpose.POLL)
    assert page.began_at == NOW
    assert page.server_time is not None
    assert (page.server_time - NOW).total_seconds() == 300


@pytest.mark.parametrize("deleted", [[0], [0, 1, 2], [1, 2], [2], [0, 1, 2, 3], [2, 3, 4, 5]])
def test_notes_deleted_between_two_pages_hide_no_other(client: Client, company: Company, deleted: list[int]) -> None:
    created = [_note(company, one) for one in range(10)]
    reader = pages(client, small(NOTES))
    seen = ids(iter([next(reader)]))
    for place in deleted:
        company.delete("notes", created[place])
    seen += ids(reader)
    assert set(seen) >= {one for place, one in enumerate(created) if place not in deleted}


@pytest.mark.parametrize("edited", [[0], [2], [0, 1, 2], [3, 4, 5], [0, 1, 2, 3, 4]])
def test_notes_edited_between_two_pages_hide_no_other_and_come_again(
    client: Client, company: Company, clock: ManualClock, edited: list[int]
) -> None:
    created = []
    for one in range(10):
        created.append(_note(company, one))
        clock.advance(one % 2)  # pairs of one second
    reader = pages(client, small(NOTES), Order.BY_UPDATE, since="2026-11-01T00:00:00Z")
    seen = [record for page in [next(reader)] for record in page.records]
    clock.advance(5)
    for place in edited:
        company.update("notes", created[place], {"content": "edited"})
    seen += [record for page in reader for record in page.records]
    assert {record["id"] for record in seen} == set(created)
    assert {record["id"] for record in seen if record["content"] == "edited"} == {created[place] for place in edited}


def test_files_that_come_between_two_pages_hide_no_older_one(
    client: Client, company: Company, clock: ManualClock
) -> None:
    created = []
    for one in range(10):
        created.append(company.add_file(f"{one}.txt", b"x")["id"])
        clock.advance(1)
    reader = pages(client, small(FILES), Order.BY_UPDATE_NEWEST)
    seen = ids(iter([next(reader)]))
    assert seen == created[:-4:-1]
    for one in range(4):
        company.add_file(f"new {one}.txt", b"x")
    assert set(seen + ids(reader)) >= set(created)


def test_many_notes_of_one_second_are_all_read_while_some_vanish(client: Client, company: Company) -> None:
    created = [_note(company, one) for one in range(20)]
    seen: list[int] = []
    for number, page in enumerate(pages(client, small(NOTES), Order.BY_UPDATE)):
        seen += [record["id"] for record in page.records]
        if number < 3:
            company.delete("notes", created[number])
    assert set(seen) >= set(created[3:])


def test_a_page_whose_last_entry_is_no_record_is_followed_by_the_next(client: Client, sandbox: Sandbox) -> None:
    created = [_note(sandbox.company, one) for one in range(5)]
    more = {"pagination": {"start": 0, "limit": 3, "more_items_in_collection": True, "next_start": 3}}
    first = {"success": True, "data": [{"id": created[0]}, {"id": created[1]}, None], "additional_data": more}
    sandbox.faults.answer(first, path="/api/v1/notes")
    found = [record for page in pages(client, small(NOTES)) for record in page.records]
    assert {record["id"] for record in found if record} == set(created)


def test_records_are_asked_for_by_id_a_hundred_at_a_time(client: Client, sandbox: Sandbox) -> None:
    created = [sandbox.company.create("organizations", {"name": f"o{one}"})["id"] for one in range(250)]
    sandbox.company.delete("organizations", created[7])
    sandbox.company.erase("organizations", created[8])
    found = ids(fetch_by_id(client, ORGANIZATIONS.listings[0], [*created, 999_999], purpose=Purpose.SWEEP))
    assert set(found) == set(created) - {created[7], created[8]}
    assert [len(call.query["ids"].split(",")) for call in sandbox.calls] == [100, 100, 51]


def test_deals_say_of_themselves_that_they_are_deleted(client: Client, company: Company) -> None:
    deal = company.create("deals", {"title": "d", "org_id": None})["id"]
    company.delete("deals", deal)
    live, archived = DEALS.listings
    (page,) = fetch_by_id(client, live, [deal], purpose=Purpose.SWEEP)
    assert page.records[0]["is_deleted"] is True
    assert ids(fetch_by_id(client, archived, [deal], purpose=Purpose.SWEEP)) == []


@pytest.mark.parametrize("answers_200", [True, False])
def test_notes_are_asked_for_one_by_one_and_missing_ones_just_do_not_come(
    client: Client, company: Company, answers_200: bool
) -> None:
    company.switches.deleted_records_answer_200 = answers_200
    kept, deleted, erased = (_note(company, one) for one in range(3))
    company.delete("notes", deleted)
    company.erase("notes", erased)
    read = list(fetch_by_id(client, NOTES.listings[0], [kept, deleted, erased, 999], purpose=Purpose.SWEEP))
    assert {page.records[0]["id"]: page.records[0]["active_flag"] for page in read} == (
        {kept: True, deleted: False} if answers_200 else {kept: True}
    )


def test_what_can_only_be_read_whole_is_not_asked_for_by_id(client: Client, sandbox: Sandbox) -> None:
    assert list(fetch_by_id(client, CURRENCIES.listings[0], [1, 2], purpose=Purpose.SWEEP)) == []
    assert len(sandbox.calls) == 0


def test_a_refused_cursor_is_a_bad_request(client: Client) -> None:
    with pytest.raises(BadRequest):
        fetch_page(client, ORGANIZATIONS.listings[0], {"cursor": "stale"}, purpose=Purpose.POLL)


def test_an_answer_that_is_no_list_is_malformed(client: Client, sandbox: Sandbox) -> None:
    sandbox.faults.answer({"success": True, "data": {"id": 1}}, path="/api/v2/organizations")
    with pytest.raises(MalformedAnswer, match="dict where a list belongs"):
        fetch_page(client, ORGANIZATIONS.listings[0], purpose=Purpose.POLL)


def _note(company: Company, number: int) -> int:
    note_id: int = company.create("notes", {"content": f"note {number}"})["id"]
    return note_id
