"""Conflicts by the API: what both sides changed, and deciding which value is kept."""

import pytest

from tests.web.api.conftest import Api, disputed, problem


@pytest.mark.parametrize(
    ("decision", "kept", "resolution"),
    [
        ({"keep": "theirs"}, "Theirs", "pipedrive"),
        ({"keep": "ours"}, "Ours", "account"),
        ({"keep": "value", "value": "A third"}, "A third", "value"),
    ],
)
def test_what_is_kept_travels_as_an_edit(api: Api, decision: dict[str, str], kept: str, resolution: str) -> None:
    number = disputed(api, api.desk.id)
    (open_one,) = api.get("/conflicts").json()["data"]
    assert (open_one["id"], open_one["field_name"], open_one["resolution"]) == (number, "name", None)
    assert (open_one["base_value"], open_one["account_value"], open_one["pipedrive_value"]) == (
        *("Before", "Ours", "Theirs"),
    )

    settled = api.send("POST", f"/conflicts/{number}/resolve", json=decision)

    assert settled.status_code == 200, settled.text
    assert (settled.json()["resolution"], settled.json()["resolved_by"]) == (resolution, "api")
    assert api.get(f"/accounts/{api.desk.id}").json()["name"] == kept
    assert api.get("/conflicts").json()["data"] == []
    assert api.get("/conflicts?all=true").json()["data"] == [settled.json()]


def test_conflicts_are_listed_page_by_page_and_by_account(api: Api) -> None:
    numbers = [disputed(api, one) for one in api.desk.ids[:3] for _ in range(2)]

    assert [one["id"] for one in api.all("/conflicts", 2)] == sorted(numbers, reverse=True)
    mine = api.all("/conflicts", 1, organization_id=api.desk.ids[1])
    assert [one["id"] for one in mine] == sorted(numbers[2:4], reverse=True)


def test_a_value_that_does_not_fit_decides_nothing(api: Api) -> None:
    number = disputed(api, api.desk.id)

    for value in ("", "\x00", 5, None):
        document = problem(
            api.send("POST", f"/conflicts/{number}/resolve", json={"keep": "value", "value": value}), 422
        )
        assert [one["field"] for one in document["errors"]] == ["value"]
    problem(api.send("POST", f"/conflicts/{number}/resolve", json={"keep": "both"}), 422)
    problem(api.send("POST", "/conflicts/999/resolve", json={"keep": "ours"}), 404)
    assert len(api.get("/conflicts").json()["data"]) == 1
