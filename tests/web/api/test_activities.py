"""Activities, notes and errands by the API: what is asked for is noted at once and done at Pipedrive later."""

from typing import Any

import pytest

from tests.web.api.conftest import Api, problem, refuse

PLAN: dict[str, Any] = {"subject": "Call back", "type": "call", "due_date": "2026-11-05", "due_time": "09:30"}


def planned(api: Api) -> list[Any]:
    """What is planned for the account, as the API tells."""
    return api.all(f"/accounts/{api.desk.id}/activities", 100, done="false")


def test_an_activity_is_planned_here_and_arrives_at_pipedrive(api: Api) -> None:
    answer = api.send("POST", f"/accounts/{api.desk.id}/activities", json=PLAN)

    assert answer.status_code == 202, answer.text
    (errand,) = answer.json()["data"]
    assert (errand["state"], errand["requested_by"], errand["entity"]) == ("waiting", "api", "activities")
    assert errand in api.get("/errands").json()["data"]

    api.desk.write_back()

    done = api.site.get(answer.headers["Location"]).json()
    assert done["state"] == "done"
    assert done["record_id"] in [one["id"] for one in planned(api)]
    assert api.get("/errands").json()["data"] == []


def test_an_activity_moves_to_another_day_and_is_done(api: Api) -> None:
    api.send("POST", f"/accounts/{api.desk.id}/activities", json=PLAN)
    api.desk.write_back()
    (one,) = [one for one in planned(api) if one["subject"] == "Call back"]

    answer = api.send("PATCH", f"/activities/{one['id']}", json={"due_time": "11:00", "done": True})

    assert len(answer.json()["data"]) == 2
    api.desk.write_back()
    (held,) = [
        each for each in api.all(f"/accounts/{api.desk.id}/activities", 1, done="true") if each["id"] == one["id"]
    ]
    assert (held["due_date"], held["due_time"][:5], held["done"]) == ("2026-11-05", "11:00", True)

    assert api.send("DELETE", f"/activities/{one['id']}").status_code == 202
    api.desk.write_back()
    assert one["id"] not in [each["id"] for each in api.all(f"/accounts/{api.desk.id}/activities", 100)]


def test_a_note_is_added_and_listed_as_pipedrive_holds_it(api: Api) -> None:
    content = "<p>Met at the fair</p>"

    assert api.send("POST", f"/accounts/{api.desk.id}/notes", json={"content": content}).status_code == 202
    api.desk.write_back()

    assert content in [one["content"] for one in api.all(f"/accounts/{api.desk.id}/notes", 1)]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"type": "séance"}, None),
        ({"type": "\x00"}, None),
        ({"subject": "\x00"}, None),
        ({"subject": ""}, "subject"),
        ({"due_date": "2026-02-30"}, "due_date"),
        ({"due_time": "25:00"}, "due_time"),
        ({"owner_id": 999999}, None),
        ({"owner_id": 10**30}, "owner_id"),
        ({"deal_id": 999999}, None),
        ({"org_id": 3}, "org_id"),
    ],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_can_not_be_planned_is_refused(api: Api, change: dict[str, Any], named: str | None) -> None:
    document = problem(api.send("POST", f"/accounts/{api.desk.id}/activities", json={**PLAN, **change}), 422)

    assert [one["field"] for one in document.get("errors", [])] == ([named] if named else [])
    assert api.get("/errands").json()["data"] == []


def test_an_activity_that_is_not_there_or_not_to_be_changed_is_refused(api: Api) -> None:
    problem(api.send("PATCH", "/activities/999999", json={"done": True}), 404)
    problem(api.send("DELETE", "/activities/999999"), 404)
    one = api.all(f"/accounts/{api.desk.id}/activities", 100)[0]
    problem(api.send("PATCH", f"/activities/{one['id']}", json={}), 422)
    problem(api.send("PATCH", f"/activities/{one['id']}", json={"subject": "x"}), 422)


def test_an_errand_that_was_refused_is_tried_again_or_forgotten(api: Api) -> None:
    number = api.send("POST", f"/accounts/{api.desk.id}/activities", json=PLAN).json()["data"][0]["id"]
    refuse(api, number)

    assert api.get(f"/errands/{number}").json()["error"] == "Pipedrive says no"
    assert api.send("POST", f"/errands/{number}/retry").json()["state"] == "waiting"
    problem(api.send("POST", f"/errands/{number}/retry"), 404)
    assert api.send("DELETE", f"/errands/{number}").status_code == 204
    problem(api.get(f"/errands/{number}"), 404)
    problem(api.send("DELETE", f"/errands/{number}"), 404)
