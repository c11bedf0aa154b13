from datetime import timedelta
from typing import Any

import pytest

from sync.clock import ManualClock
from sync.sandbox import Change, Sandbox
from tests.sandbox.conftest import Client

PATHS = {"organizations": "name", "deals": "title", "persons": "name", "activities": "subject"}


@pytest.mark.parametrize(("entity", "name"), PATHS.items())
def test_a_record_is_created_changed_and_read_back_whole(
    sandbox: Sandbox, client: Client, clock: ManualClock, entity: str, name: str
) -> None:
    created = client.send("POST", f"/api/v2/{entity}", {name: "  Neu  "})
    assert created[name] == "Neu"
    clock.advance(90)
    changed = client.send("PATCH", f"/api/v2/{entity}/{created['id']}", {name: "Neuer"})
    assert changed == created | {name: "Neuer", "update_time": "2026-11-02T09:31:30Z"} | (
        {"first_name": "Neuer"} if entity == "persons" else {}
    )
    assert client.data(f"/api/v2/{entity}/{created['id']}") == changed == sandbox.company.get(entity, created["id"])


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("organizations", {}),
        ("organizations", {"name": ""}),
        ("organizations", {"name": 5}),
        ("organizations", {"name": "x", "owner_id": "1"}),
        ("organizations", {"name": "x", "owner_id": 99}),
        ("organizations", {"name": "x", "visible_to": "3"}),
        ("organizations", {"name": "x", "address": "Hauptstr. 1"}),
        ("organizations", {"name": "x", "address": {"value": "x", "planet": "Earth"}}),
        ("organizations", {"name": "x", "label_ids": ["1"]}),
        ("organizations", {"name": "x", "colour": "red"}),
        ("organizations", {"name": "x", "is_deleted": True}),
        ("organizations", {"name": "x", "custom_fields": {"0" * 40: "x"}}),
        ("organizations", ["name"]),
        ("deals", {"title": "x", "value": "10"}),
        ("deals", {"title": "x", "value": True}),
        ("deals", {"title": "x", "currency": "XXX"}),
        ("deals", {"title": "x", "status": "deleted"}),
        ("deals", {"title": "x", "lost_reason": "Price"}),
        ("deals", {"title": "x", "won_time": "2026-11-01T00:00:00Z"}),
        ("deals", {"title": "x", "org_id": 999_999}),
        ("deals", {"title": "x", "pipeline_id": 1, "stage_id": 5}),
        ("deals", {"title": "x", "expected_close_date": "1.11.2026"}),
        ("activities", {"subject": "x", "person_id": 1}),
        ("activities", {"subject": "x", "type": "dance"}),
        ("activities", {"subject": "x", "done": 1}),
        ("activities", {"subject": "x", "due_time": "25:00"}),
        ("persons", {"name": "x", "emails": ["a@b.example"]}),
    ],
)
def test_a_body_of_the_wrong_shape_is_a_400_and_changes_nothing(
    sandbox: Sandbox, client: Client, path: str, body: Any
) -> None:
    before = sandbox.company.snapshot()
    assert client.call("POST", f"/api/v2/{path}", json=body).status_code == 400
    assert sandbox.company.snapshot() == before


def test_a_body_that_is_not_json_is_a_400(client: Client) -> None:
    assert client.call("PATCH", "/api/v2/organizations/1", data=b"{name: 'x'}").status_code == 400


def test_a_name_cannot_be_cleared_but_other_attributes_can(client: Client) -> None:
    assert client.call("PATCH", "/api/v2/organizations/1", json={"name": None}).status_code == 400
    assert client.send("PATCH", "/api/v2/organizations/1", {"address": None, "website": None})["address"] is None


def test_an_address_sent_without_its_parts_loses_them(client: Client) -> None:
    parts = {"value": "Hauptstr. 1, Berlin", "locality": "Berlin", "postal_code": "10115"}
    assert client.send("PATCH", "/api/v2/organizations/1", {"address": parts})["address"]["locality"] == "Berlin"
    address = client.send("PATCH", "/api/v2/organizations/1", {"address": {"value": "Hauptstr. 2"}})["address"]
    assert address.pop("value") == "Hauptstr. 2"
    assert set(address.values()) == {None}


def test_a_patch_cannot_delete_or_undelete(sandbox: Sandbox, client: Client) -> None:
    assert client.call("PATCH", "/api/v2/deals/1", json={"is_deleted": True}).status_code == 400
    sandbox.company.delete("deals", 1)
    assert client.call("PATCH", "/api/v2/deals/1", json={"is_deleted": False}).status_code == 404
    assert client.call("PATCH", "/api/v2/deals/1", json={"title": "x"}).status_code == 404


def test_winning_losing_and_reopening_a_deal_keep_its_times_in_step(client: Client, clock: ManualClock) -> None:
    clock.advance(14 * 3600)
    deal = client.send("POST", "/api/v2/deals", {"title": "x"})["id"]
    won = client.send("PATCH", f"/api/v2/deals/{deal}", {"status": "won"})
    assert (won["won_time"], won["close_time"], won["lost_time"]) == ("2026-11-02T23:30:00Z",) * 2 + (None,)
    assert won["local_won_date"] == "2026-11-03", "the company's day began half an hour ago"
    clock.advance(60)
    lost = client.send("PATCH", f"/api/v2/deals/{deal}", {"status": "lost", "lost_reason": "Price"})
    assert (lost["won_time"], lost["lost_time"], lost["lost_reason"]) == (None, "2026-11-02T23:31:00Z", "Price")
    opened = client.send("PATCH", f"/api/v2/deals/{deal}", {"status": "open"})
    assert [opened[key] for key in ("won_time", "lost_time", "close_time", "lost_reason", "local_won_date")] == [
        None
    ] * 5
    again = client.data(f"/api/v2/deals/{deal}", include_fields="first_won_time")
    assert again["first_won_time"] == "2026-11-02T23:30:00Z"


def test_stage_and_pipeline_of_a_deal_move_together(client: Client, clock: ManualClock) -> None:
    deal = client.send("POST", "/api/v2/deals", {"title": "x", "stage_id": 6})
    assert (deal["pipeline_id"], deal["stage_change_time"]) == (2, None)
    clock.advance(1)
    moved = client.send("PATCH", f"/api/v2/deals/{deal['id']}", {"pipeline_id": 3})
    assert (moved["stage_id"], moved["stage_change_time"]) == (8, "2026-11-02T09:30:01Z")


def test_archiving_over_the_api_sets_the_archive_time(client: Client) -> None:
    deal = client.send("POST", "/api/v2/deals", {"title": "x"})["id"]
    assert (
        client.send("PATCH", f"/api/v2/deals/{deal}", {"is_archived": True})["archive_time"] == "2026-11-02T09:30:00Z"
    )
    assert client.send("PATCH", f"/api/v2/deals/{deal}", {"is_archived": False})["archive_time"] is None


def test_an_activity_takes_its_person_from_its_participants(client: Client) -> None:
    participants = [{"person_id": 3}, {"person_id": 5, "primary": True}]
    activity = client.send("POST", "/api/v2/activities", {"subject": "x", "participants": participants})
    assert activity["person_id"] == 5
    assert activity["participants"] == [{"person_id": 3, "primary": False}, {"person_id": 5, "primary": True}]
    assert client.send("PATCH", f"/api/v2/activities/{activity['id']}", {"participants": []})["person_id"] is None


def test_marking_an_activity_done_keeps_the_moment(client: Client, clock: ManualClock) -> None:
    activity = client.send("POST", "/api/v2/activities", {"subject": "x", "due_date": "2026-11-02", "due_time": "9:05"})
    assert activity["due_time"] == "09:05:00"
    clock.advance(30)
    done = client.send("PATCH", f"/api/v2/activities/{activity['id']}", {"done": True})
    assert done["marked_as_done_time"] == "2026-11-02T09:30:30Z"
    assert client.send("PATCH", f"/api/v2/activities/{activity['id']}", {"done": False})["marked_as_done_time"] is None


def test_notes_are_posted_put_and_deleted(sandbox: Sandbox, client: Client) -> None:
    assert client.call("POST", "/v1/notes", json={"content": "x"}).status_code == 400
    note = client.send("POST", "/v1/notes", {"content": "<p>x</p>", "org_id": 1, "pinned_to_organization_flag": 1})
    assert (note["pinned_to_organization_flag"], note["add_time"]) == (True, "2026-11-02 09:30:00")
    assert client.send("PUT", f"/v1/notes/{note['id']}", {"content": "<p>y</p>"})["content"] == "<p>y</p>"
    assert client.call("DELETE", f"/v1/notes/{note['id']}").json()["data"] is True
    assert client.get(f"/v1/notes/{note['id']}").status_code == 404
    assert sandbox.company.get("notes", note["id"])["active_flag"] is False


@pytest.mark.parametrize(("survivor_rule", "survivor", "loser"), [("merge_with", 2, 1), ("path", 1, 2)])
@pytest.mark.parametrize("bumps", [False, True])
def test_a_merge_moves_all_children_to_the_survivor_and_deletes_the_other(
    sandbox: Sandbox, client: Client, clock: ManualClock, survivor_rule: Any, survivor: int, loser: int, bumps: bool
) -> None:
    company = sandbox.company
    company.switches.merge_survivor = survivor_rule
    company.switches.merge_bumps_children = bumps
    children = {
        "deals": company.create("deals", {"title": "x", "org_id": loser, "update_time": "2026-11-01T00:00:00Z"}),
        "persons": company.create("persons", {"name": "x", "org_id": loser}),
        "notes": company.create("notes", {"content": "x", "org_id": loser}),
        "files": company.add_file("x", b"", org_id=loser),
        "activities": company.create("activities", {"subject": "x", "org_id": loser}),
    }
    clock.advance(100)
    assert client.send("PUT", "/v1/organizations/1/merge", {"merge_with_id": 2}) == {"id": survivor}
    for entity, child in children.items():
        moved = company.get(entity, child["id"])
        assert moved["org_id"] == survivor
        assert (moved["update_time"] != child["update_time"]) is bumps
        assert not [record for record in company.all(entity) if record["org_id"] == loser]
    assert client.get(f"/api/v2/organizations/{loser}").status_code == 404
    assert client.data(f"/api/v2/organizations/{survivor}")["update_time"] == "2026-11-02T09:31:40Z"


def test_a_merge_with_itself_or_with_nobody_is_refused(client: Client) -> None:
    assert client.call("PUT", "/v1/organizations/1/merge", json={"merge_with_id": 1}).status_code == 404
    assert client.call("PUT", "/v1/organizations/1/merge", json={"merge_with_id": 999}).status_code == 404
    assert client.call("PUT", "/v1/organizations/1/merge", json={"merge_with_id": "2"}).status_code == 400


def test_every_write_is_logged_with_its_outcome(sandbox: Sandbox, client: Client) -> None:
    client.send("PATCH", "/api/v2/organizations/1", {"name": "x"})
    client.call("PATCH", "/api/v2/organizations/1", json={"name": 1})
    client.get("/api/v2/organizations/1")
    assert [(write.method, write.path, write.status, write.effective) for write in sandbox.writes] == [
        ("PATCH", "/api/v2/organizations/1", 200, True),
        ("PATCH", "/api/v2/organizations/1", 400, False),
    ]
    assert [call.method for call in sandbox.calls] == ["PATCH", "PATCH", "GET"]


def test_listeners_hear_of_every_change_with_its_source(sandbox: Sandbox, client: Client) -> None:
    heard: list[Change] = []
    sandbox.company.listeners.append(heard.append)
    client.send("PATCH", "/api/v2/organizations/1", {"name": "x"})
    sandbox.company.delete("deals", 3)
    sandbox.company.merge_organizations(1, 2)
    assert [(change.entity, change.action, change.id, change.source) for change in heard] == [
        ("organizations", "change", 1, "api"),
        ("deals", "delete", 3, "app"),
        ("organizations", "delete", 1, "app"),
        ("organizations", "change", 2, "app"),
    ]
    assert (heard[2].merged_to_id, heard[3].merged_from_id) == (2, 1)


def test_a_restored_record_is_listed_again_and_not_purged(sandbox: Sandbox, client: Client, clock: ManualClock) -> None:
    sandbox.company.delete("organizations", 4)
    clock.advance(timedelta(days=29).total_seconds())
    sandbox.company.restore("organizations", 4)
    clock.advance(timedelta(days=29).total_seconds())
    assert 4 in client.ids("/api/v2/organizations")


def test_an_erased_record_leaves_no_trace(sandbox: Sandbox, client: Client) -> None:
    sandbox.company.erase("persons", 1)
    assert 1 not in client.ids("/api/v2/persons", sort_by="update_time")
    assert client.get("/api/v2/persons/1").status_code == 404


def test_webhook_subscriptions_are_created_listed_and_deleted_without_showing_the_password(client: Client) -> None:
    wish = {
        "subscription_url": "https://sync.example/webhooks/pipedrive",
        "event_action": "*",
        "event_object": "*",
        "name": "sync",
        "http_auth_user": "hook",
        "http_auth_password": "secret",
    }
    hook = client.send("POST", "/api/v1/webhooks", wish)
    assert client.call("POST", "/v1/webhooks", json=wish | {"event_object": "planet"}).status_code == 400
    assert [listed["id"] for listed in client.data("/v1/webhooks")] == [hook["id"]]
    assert "secret" not in client.get("/v1/webhooks").text
    assert client.call("DELETE", f"/v1/webhooks/{hook['id']}").status_code == 200
    assert client.call("DELETE", f"/v1/webhooks/{hook['id']}").status_code == 404


def test_a_user_has_at_most_forty_webhooks(client: Client) -> None:
    wish = {"subscription_url": "https://x.example", "event_action": "*", "event_object": "*", "name": "x"}
    for _ in range(40):
        client.send("POST", "/v1/webhooks", wish)
    assert client.call("POST", "/v1/webhooks", json=wish).status_code == 422
