import base64
import json
from typing import Any

import pytest

from sync.clock import ManualClock
from sync.sandbox import Sandbox
from tests.sandbox.conftest import Client

INCREMENTAL = ("organizations", "deals", "persons", "activities")


def code_of(sandbox: Sandbox, entity: str, name: str) -> str:
    return next(code for code, field in sandbox.company.fields.custom(entity).items() if field["field_name"] == name)


@pytest.mark.parametrize("entity", INCREMENTAL)
@pytest.mark.parametrize("sort_by", ["id", "update_time", "add_time"])
@pytest.mark.parametrize("direction", ["asc", "desc"])
def test_pages_walked_by_cursor_show_every_record_once_and_in_order(
    sandbox: Sandbox, client: Client, entity: str, sort_by: str, direction: str
) -> None:
    found = client.pages(f"/api/v2/{entity}", limit=7, sort_by=sort_by, sort_direction=direction)
    expected = [record for record in sandbox.company.all(entity) if not record.get("is_archived")]
    expected.sort(key=lambda record: (record[sort_by] or "", record["id"]), reverse=direction == "desc")
    assert found == expected


def test_an_edit_between_two_pages_neither_hides_nor_repeats_the_other_records(
    sandbox: Sandbox, client: Client
) -> None:
    first = client.ok("/api/v2/organizations", limit=5)
    sandbox.company.delete("organizations", 3)
    sandbox.company.create("organizations", {"name": "Neu"})
    second = client.ok("/api/v2/organizations", limit=500, cursor=first["additional_data"]["next_cursor"])
    assert [record["id"] for record in second["data"]] == list(range(6, 14))


def test_the_last_page_says_so_with_null_or_no_cursor_or_no_additional_data(sandbox: Sandbox, client: Client) -> None:
    tails = {}
    for shape in ("null", "no_cursor", "no_additional_data"):
        sandbox.company.switches.last_page = shape
        tails[shape] = client.ok("/api/v2/pipelines").get("additional_data", "missing")
    assert tails == {"null": {"next_cursor": None}, "no_cursor": {}, "no_additional_data": "missing"}


def test_a_cursor_is_refused_when_it_is_garbage_or_belongs_to_another_sorting(client: Client) -> None:
    cursor = client.ok("/api/v2/deals", limit=1)["additional_data"]["next_cursor"]
    forged = base64.urlsafe_b64encode(json.dumps({"id": "x"}).encode()).decode()
    for bad in ("garbage!", "", forged):
        assert client.get("/api/v2/deals", cursor=bad).status_code == 400
    assert client.get("/api/v2/deals", cursor=cursor, sort_by="update_time").status_code == 400
    assert client.get("/api/v2/dealFields", cursor="garbage!").status_code == 400


@pytest.mark.parametrize(
    "moment", ["2026-11-01T00:00:00.000Z", "2026-11-01 00:00:00", "2026-11-01", "x", "2026-13-01T00:00:00Z"]
)
def test_updated_since_must_be_exactly_whole_seconds_with_a_t_and_a_z(client: Client, moment: str) -> None:
    assert client.get("/api/v2/deals", updated_since=moment).status_code == 400


def test_updated_since_is_inclusive_and_updated_until_exclusive(
    sandbox: Sandbox, client: Client, clock: ManualClock
) -> None:
    for deal_id in (1, 2, 3):
        clock.advance(10)
        sandbox.company.update("deals", deal_id, {"title": f"neu {deal_id}", "is_archived": False, "is_deleted": False})
    second = sandbox.company.get("deals", 2)["update_time"]
    third = sandbox.company.get("deals", 3)["update_time"]
    for sort in ("id", "update_time"):
        assert client.ids("/api/v2/deals", updated_since=second, sort_by=sort) == [2, 3]
        assert client.ids("/api/v2/deals", updated_since=second, updated_until=third, sort_by=sort) == [2]


def test_two_edits_in_one_second_carry_the_same_update_time(sandbox: Sandbox, clock: ManualClock) -> None:
    first = sandbox.company.update("organizations", 1, {"name": "a"})
    clock.advance(0.4)
    second = sandbox.company.update("organizations", 1, {"name": "b"})
    assert first["update_time"] == second["update_time"] == "2026-11-02T09:30:00Z"


def test_a_deal_never_changed_has_no_update_time_and_no_updated_since_list_shows_it(
    sandbox: Sandbox, client: Client, clock: ManualClock
) -> None:
    clock.advance(5)
    deal = client.send("POST", "/api/v2/deals", {"title": "Neu"})
    assert deal["update_time"] is None
    assert deal["id"] not in client.ids("/api/v2/deals", updated_since="2020-01-01T00:00:00Z")
    assert client.ids("/api/v2/deals", sort_by="id", sort_direction="desc", limit=500)[0] == deal["id"]
    sandbox.company.switches.null_update_time_matches_time_filters = True
    for sort in ("id", "update_time"):
        assert client.ids("/api/v2/deals", updated_since="2026-11-02T09:30:05Z", sort_by=sort) == [deal["id"]]


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/api/v2/deals", {"limit": 0}),
        ("/api/v2/deals", {"limit": 501}),
        ("/api/v2/deals", {"limit": "many"}),
        ("/v1/notes", {"limit": 501}),
        ("/v1/files", {"limit": 101}),
        ("/v1/files", {"updated_since": "2026-11-01T00:00:00Z"}),
        ("/v1/files", {"sort": "add_time ASC"}),
        ("/v1/notes", {"start": -1}),
        ("/v1/notes", {"updated_since": "yesterday"}),
        ("/api/v2/deals", {"ids": ",".join(map(str, range(1, 102)))}),
        ("/api/v2/deals", {"ids": "1,two"}),
        ("/api/v2/deals", {"sort_by": "title"}),
        ("/api/v2/deals", {"sort_by": "due_date"}),
        ("/api/v2/deals", {"sort_direction": "up"}),
        ("/api/v2/deals", {"status": "open,gone"}),
        ("/api/v2/deals", {"owner_id": "me"}),
        ("/api/v2/deals", {"include_fields": "people_count"}),
        ("/api/v2/deals", {"custom_fields": ",".join(str(number) for number in range(16))}),
        ("/api/v2/activities", {"custom_fields": "a"}),
        ("/api/v2/activities", {"done": "1"}),
        ("/api/v2/pipelines", {"updated_since": "2026-11-01T00:00:00Z"}),
        ("/api/v2/stages", {"updated_since": "2026-11-01T00:00:00Z"}),
        ("/api/v2/deals", {"page": 2}),
        ("/api/v2/organizationFields", {"include_fields": "everything"}),
        ("/api/v2/organizations/one", {}),
    ],
)
def test_a_wrong_or_unknown_parameter_is_a_400(client: Client, path: str, query: dict[str, Any]) -> None:
    answer = client.get(path, **query)
    assert answer.status_code == 400
    assert answer.json()["success"] is False


def test_ids_returns_what_exists_of_up_to_a_hundred_ids(client: Client) -> None:
    assert client.ids("/api/v2/organizations", ids="5,2,999999,7") == [2, 5, 7]
    assert client.ids("/api/v2/organizations", ids=",".join(map(str, range(1, 101))), limit=3) == list(range(1, 13))


def test_the_list_of_deals_shows_no_archived_ones_and_the_archive_only_these(sandbox: Sandbox, client: Client) -> None:
    sandbox.company.win_deal(1, is_deleted=False)
    sandbox.company.archive_deal(1)
    everything = sandbox.company.all("deals")
    assert client.ids("/api/v2/deals") == [deal["id"] for deal in everything if not deal["is_archived"]]
    assert client.ids("/api/v2/deals/archived") == [deal["id"] for deal in everything if deal["is_archived"]]
    assert 1 in client.ids("/api/v2/deals/archived", status="won")


def test_deals_deleted_in_the_last_thirty_days_are_listed_by_their_status_deleted_then_purged(
    sandbox: Sandbox, client: Client, clock: ManualClock
) -> None:
    clock.advance(60)
    sandbox.company.update("deals", 2, {"is_archived": False, "is_deleted": False})
    assert client.call("DELETE", "/api/v2/deals/2").json()["data"] == {"id": 2}
    assert 2 not in client.ids("/api/v2/deals")
    feed = {"status": "open,won,lost,deleted", "updated_since": "2026-11-02T09:31:00Z"}
    assert [(deal["id"], deal["is_deleted"]) for deal in client.pages("/api/v2/deals", **feed)] == [(2, True)]
    assert client.data("/api/v2/deals/2")["is_deleted"] is True
    clock.advance(30 * 86_400)
    assert 2 not in client.ids("/api/v2/deals", status="deleted")
    assert client.get("/api/v2/deals/2").status_code == 404


@pytest.mark.parametrize("entity", ["organizations", "persons", "activities"])
def test_a_deleted_record_just_stops_being_listed(sandbox: Sandbox, client: Client, entity: str) -> None:
    assert client.call("DELETE", f"/api/v2/{entity}/2").status_code == 200
    assert 2 not in client.ids(f"/api/v2/{entity}")
    assert client.get(f"/api/v2/{entity}/2").status_code == 404
    assert client.call("DELETE", f"/api/v2/{entity}/2").status_code == 404
    sandbox.company.switches.deleted_records_answer_200 = True
    assert client.data(f"/api/v2/{entity}/2")["is_deleted"] is True


@pytest.mark.parametrize(
    ("entity", "name"),
    [
        ("deals", "org_id"),
        ("deals", "owner_id"),
        ("deals", "stage_id"),
        ("persons", "org_id"),
        ("activities", "deal_id"),
    ],
)
def test_filters_by_attribute_show_exactly_the_matching_records(
    sandbox: Sandbox, client: Client, entity: str, name: str
) -> None:
    records = [record for record in sandbox.company.all(entity) if not record.get("is_archived")]
    value = next(record[name] for record in records if record[name])
    matching = [record["id"] for record in records if record[name] == value]
    assert client.ids(f"/api/v2/{entity}", **{name: value}) == matching


def test_custom_fields_names_the_custom_fields_to_show(sandbox: Sandbox, client: Client) -> None:
    wanted = code_of(sandbox, "organizations", "Kundennummer")
    for record in client.pages("/api/v2/organizations", custom_fields=wanted):
        assert record["custom_fields"] is None or set(record["custom_fields"]) <= {wanted}


def test_include_fields_adds_counters_and_the_next_activity(sandbox: Sandbox, client: Client) -> None:
    organization = sandbox.company.create("organizations", {"name": "Neu"})["id"]
    for due_date, due_time in (("2026-11-09", "08:00:00"), ("2026-11-03", "08:00:00"), ("2026-11-03", None)):
        activity = {"subject": "x", "org_id": organization, "due_date": due_date, "due_time": due_time}
        sandbox.company.create("activities", activity)
    deal = sandbox.company.create("deals", {"title": "x", "org_id": organization})["id"]
    sandbox.company.win_deal(deal)
    sandbox.company.reopen_deal(deal)
    names = "next_activity_id,activities_count,won_deals_count,open_deals_count"
    found = client.data(f"/api/v2/organizations/{organization}", include_fields=names)
    assert found["next_activity_id"] == sandbox.company.tables["activities"].last_id
    assert (found["activities_count"], found["won_deals_count"], found["open_deals_count"]) == (3, 0, 1)
    assert client.data(f"/api/v2/deals/{deal}", include_fields="first_won_time")["first_won_time"]


def test_notes_go_by_start_and_limit_and_nest_names(sandbox: Sandbox, client: Client) -> None:
    first = client.ok("/v1/notes", limit=5, sort="update_time ASC")
    second = client.ok("/v1/notes", limit=5, start=5, sort="update_time ASC")
    assert first["additional_data"]["pagination"] == {
        "start": 0, "limit": 5, "more_items_in_collection": True, "next_start": 5
    }  # fmt: skip
    times = [note["update_time"] for note in first["data"] + second["data"]]
    assert times == sorted(times)
    sandbox.company.create("notes", {"org_id": 1, "content": "<p>x</p>"})
    note = client.data("/api/v1/notes", org_id=1, sort="id DESC")[0]
    assert note["organization"] == {"name": sandbox.company.get("organizations", 1)["name"]}
    assert note["user"]["is_you"] is True
    assert note["deal"] is None


def test_notes_take_updated_since_in_rfc_3339(sandbox: Sandbox, client: Client, clock: ManualClock) -> None:
    clock.advance(3600)
    sandbox.company.update("notes", 4, {"content": "neu"})
    assert [note["id"] for note in client.data("/v1/notes", updated_since="2026-11-02T10:30:00Z")] == [4]
    assert [note["id"] for note in client.data("/v1/notes", updated_since="2026-11-02T11:30:00+01:00")] == [4]


def test_an_empty_v1_list_is_null(client: Client) -> None:
    assert client.data("/v1/notes", start=1000) is None


def test_files_are_listed_read_downloaded_and_deleted(sandbox: Sandbox, client: Client) -> None:
    file = sandbox.company.add_file("Angebot.pdf", b"%PDF", org_id=1)
    newest = client.data("/v1/files", sort="id DESC", limit=1)[0]
    assert (newest["id"], newest["org_name"]) == (file["id"], sandbox.company.get("organizations", 1)["name"])
    assert client.get(f"/v1/files/{file['id']}/download").content == b"%PDF"
    assert file["id"] in [found["id"] for found in client.data("/v1/organizations/1/files")]
    assert client.call("DELETE", f"/v1/files/{file['id']}").json()["data"] == {"id": file["id"]}
    assert client.get(f"/v1/files/{file['id']}").status_code == 404


def test_large_answers_are_compressed_on_request_only(client: Client) -> None:
    packed = client.get("/api/v2/organizations")
    plain = client.call("GET", "/api/v2/organizations", headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.json() == plain.json()


@pytest.mark.parametrize(
    "resource", ["organizations", "deals", "persons", "activities", "pipelines", "stages", "deals/1"]
)
def test_what_v1_has_lost_answers_410_under_both_prefixes(client: Client, resource: str) -> None:
    assert client.get(f"/v1/{resource}").status_code == 410
    assert client.get(f"/api/v1/{resource}").status_code == 410


def test_an_unknown_path_is_a_404_and_an_unknown_method_a_405(client: Client) -> None:
    assert client.get("/api/v2/nothing").status_code == 404
    assert client.get("/api/v2/notes").status_code == 404
    assert client.call("PUT", "/api/v2/deals/1").status_code == 405


def test_pipelines_stages_and_reference_lists_are_complete(sandbox: Sandbox, client: Client) -> None:
    assert client.ids("/api/v2/stages", pipeline_id=1, sort_by="order_nr") == [1, 2, 3, 4]
    for path, entity in (("users", "users"), ("currencies", "currencies"), ("activityTypes", "activity_types")):
        shown = [record["id"] for record in client.data(f"/v1/{path}")]
        assert shown == [record["id"] for record in sandbox.company.all(entity)]
