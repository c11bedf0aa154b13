"""Accounts by the API: filters, pages, entity tags, and changes that either happen whole or not at all."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest

from sync.accounts.records import won_sums
from tests.web.api.conftest import Api, problem


def ids(accounts: list[Any]) -> list[int]:
    return [one["organization_id"] for one in accounts]


def test_a_list_is_read_page_by_page_without_loss_or_repetition(api: Api) -> None:
    everything = api.all("/accounts", 500, status="all")

    assert ids(everything) == sorted(set(ids(everything)))
    assert len(everything) > 5
    for limit in (1, 3, len(everything)):
        assert api.all("/accounts", limit, status="all") == everything


def test_what_is_changed_while_a_list_is_read_neither_hides_nor_repeats_anything(api: Api) -> None:
    first = api.get("/accounts", params={"limit": 3}).json()
    moved = first["data"][0]["organization_id"]

    assert api.change(f"/accounts/{moved}", {"name": "ZZZ"}).status_code == 200
    rest = api.all("/accounts", 500, cursor=first["next_cursor"])

    assert ids(first["data"]) + ids(rest) == api.desk.ids


def test_filters_are_those_of_the_pages(api: Api) -> None:
    everything = api.all("/accounts", 500)
    owner, name = everything[0]["owner_id"], everything[0]["name"]
    highest = max(Decimal(one["won_value"]) for one in everything if one["won_value"] is not None)

    assert ids(api.all("/accounts", 500, owner=owner)) == [
        one["organization_id"] for one in everything if one["owner_id"] == owner
    ]
    assert everything[0] in api.all("/accounts", 500, q=name[:5])
    richest = api.all("/accounts", 500, won_from=str(highest))
    assert [Decimal(one["won_value"]) for one in richest] == [highest]
    planned = api.all("/accounts", 500, next=["overdue", "today", "tomorrow", "this_week", "later"])
    assert planned == [one for one in everything if one["next_activity"]]


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("ownr=3", "ownr"),
        ("owner=x", "owner.0"),
        ("owner=99999999999999999999999", "owner.0"),
        ("next=someday", "next.0"),
        ("won_from=NaN", "won_from"),
        ("won_from=1e400", "won_from"),
        ("since_from=2026-02-30", "since_from"),
        ("contacted=-1", "contacted"),
        ("q=%00", "q"),
        ("option.=1", "option."),
        ("option.a=%00", "option.a"),
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("currency=%C3%84", "currency"),
    ],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_filter_that_means_nothing_is_refused_by_name(api: Api, query: str, name: str) -> None:
    (error,) = problem(api.get(f"/accounts?{query}"), 422)["errors"]

    assert error["field"] == name
    assert error["detail"]


@pytest.mark.parametrize("cursor", ["", "x", "YWNjb3VudDo", "YWNjb3VudDotMQ", "bm90ZTox", "é", "YWNjb3VudDo5" * 12])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_cursor_that_no_page_gave_is_refused(api: Api, cursor: str) -> None:
    problem(api.get("/accounts", params={"cursor": cursor}), 422)


def test_amounts_are_texts_and_exact(api: Api) -> None:
    for one in api.all("/accounts", 500):
        with api.site.database.reading() as connection:
            sums = won_sums(connection, api.desk.mirror.company_id, [one["organization_id"]])
        held = {each.currency: each.value for each in sums.get(one["organization_id"], ())}
        assert {each["currency"]: each["value"] for each in one["won_values"]} == {
            currency: f"{value:f}" for currency, value in held.items()
        }


def test_a_state_that_is_held_is_not_sent_again(api: Api) -> None:
    path = f"/accounts/{api.desk.id}"
    tag = api.get(path).headers["ETag"]

    for held in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        answer = api.get(path, headers={"If-None-Match": held})
        assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", tag)
    assert api.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_the_tag_changes_with_every_change_whoever_makes_it(api: Api) -> None:
    path = f"/accounts/{api.desk.id}"
    tags = [api.get(path).headers["ETag"]]

    api.desk.edit(name="Changed by SQL")
    tags.append(api.get(path).headers["ETag"])
    api.desk.write_back()
    tags.append(api.get(path).headers["ETag"])
    name = api.desk.there()["name"]
    api.change(path, {"name": "There"})
    api.change(path, {"name": name})  # and back again
    tags.append(api.get(path).headers["ETag"])

    assert not any(one.startswith("W/") for one in tags)
    assert len(set(tags)) == len(tags)


def test_a_change_says_what_it_is_based_on(api: Api) -> None:
    path = f"/accounts/{api.desk.id}"
    stale = api.get(path).headers["ETag"]
    api.desk.edit(name="Somebody was faster")

    problem(api.send("PATCH", path, json={"name": "Lost"}), 428)
    problem(api.change(path, {"name": "Lost"}, tag=stale), 412)
    problem(api.change(path, {"name": "Lost"}, tag=f"W/{api.get(path).headers['ETag']}"), 412)
    assert api.desk.here()["name"] == "Somebody was faster"

    answer = api.change(path, {"name": "Mine"}, tag=f'"other", {api.get(path).headers["ETag"]}')
    assert (answer.status_code, answer.json()["name"]) == (200, "Mine")
    assert answer.headers["ETag"] == api.get(path).headers["ETag"]
    assert api.change(path, {"name": "Anyway"}, tag="*").json()["name"] == "Anyway"


def test_of_many_changes_based_on_one_state_a_single_one_is_taken(api: Api) -> None:
    path = f"/accounts/{api.desk.id}"
    tag = api.get(path).headers["ETag"]

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda one: api.change(path, {"name": f"Name {one}"}, tag=tag), range(6)))

    assert sorted(one.status_code for one in answers) == [200] + [412] * 5
    (taken,) = [one.json()["name"] for one in answers if one.status_code == 200]
    assert api.desk.here()["name"] == taken
    assert len([one for one in api.all(f"/accounts/{api.desk.id}/history", 100) if one["side"] == "account"]) == 1


def test_fields_are_named_by_attribute_code_or_name_and_arrive_at_pipedrive(api: Api) -> None:
    fields = {one["name"]: one for one in api.get("/fields").json()["data"]}
    number, text = fields["Kundennummer"], fields["Beschreibung"]

    answer = api.change(
        f"/accounts/{api.desk.id}",
        {"name": "Acme & Co", number["name"]: "K-17", "custom_fields": {text["code"]: "two\nlines"}},
    )
    api.desk.write_back()

    assert answer.json()["waiting"] == 3
    assert api.desk.there()["name"] == "Acme & Co"
    assert api.desk.custom_there("Kundennummer") == "K-17"
    assert api.desk.custom_there("Beschreibung") == "two\nlines"
    assert api.get(f"/accounts/{api.desk.id}").json()["waiting"] == 0
    (entry,) = [one for one in api.all(f"/accounts/{api.desk.id}/history", 100) if one["field_name"] == "Kundennummer"]
    assert (entry["new_value"], entry["changed_by"], entry["side"]) == ("K-17", "api", "account")


def test_one_value_that_does_not_fit_stops_all_and_every_such_value_is_named(api: Api) -> None:
    before = api.get(f"/accounts/{api.desk.id}").headers["ETag"]
    change = {
        "name": "Fine",
        "owner_id": "nobody",
        "visible_to": 4,
        "won_value": 1,
        "nonsense": True,
        "custom_fields": {"Kunde seit": "yesterday", "\x00": 1},
        "fields": {"unknown": 1},
    }

    errors = problem(api.change(f"/accounts/{api.desk.id}", change), 422)["errors"]

    named = {one["field"] for one in errors}
    assert named == {
        *("owner_id", "visible_to", "won_value", "nonsense"),
        *("custom_fields.Kunde seit", "custom_fields.\x00", "fields.unknown"),
    }
    assert api.get(f"/accounts/{api.desk.id}").headers["ETag"] == before


def test_a_field_named_twice_is_refused(api: Api) -> None:
    (code,) = [one["code"] for one in api.get("/fields").json()["data"] if one["name"] == "Kundennummer"]

    errors = problem(api.change(f"/accounts/{api.desk.id}", {"Kundennummer": "a", "custom_fields": {code: "b"}}), 422)[
        "errors"
    ]

    assert [one["field"] for one in errors] == ["Kundennummer"]


def test_an_organization_without_an_account_is_not_there(api: Api) -> None:
    for path in ("/accounts/999999", "/accounts/999999/history", "/accounts/999999/notes"):
        problem(api.get(path), 404)
    problem(api.change("/accounts/999999", {"name": "Nobody"}), 404)
    problem(api.get("/accounts/99999999999999999999"), 422)


def test_the_history_is_read_page_by_page(api: Api) -> None:
    for number in range(7):
        api.desk.edit(name=f"Name {number}")

    whole = api.all(f"/accounts/{api.desk.id}/history", 500)

    assert [one["new_value"] for one in whole] == [f"Name {number}" for number in reversed(range(7))]
    assert api.all(f"/accounts/{api.desk.id}/history", 2) == whole
