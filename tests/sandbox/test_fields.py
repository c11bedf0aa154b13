from typing import Any

import pytest

from sync.sandbox import Sandbox
from sync.sandbox.fields import CUSTOM_TYPES
from tests.sandbox.conftest import Client

ADDRESS = {
    "value": "Hauptstr. 1, Berlin", "country": "Germany", "admin_area_level_1": None, "admin_area_level_2": None,
    "locality": "Berlin", "sublocality": None, "route": "Hauptstr.", "street_number": "1", "subpremise": None,
    "postal_code": "10115", "formatted_address": "Hauptstr. 1, 10115 Berlin",
}  # fmt: skip
GOOD: dict[str, list[Any]] = {
    "varchar": ["x", " x ", ""],
    "varchar_auto": ["x"],
    "text": ["x\ny"],
    "double": [5, 0.1, -3, 0],
    "monetary": [{"value": 5, "currency": "EUR"}],
    "user": [2],
    "org": [2],
    "people": [2],
    "phone": ["+49 30 1"],
    "date": ["2024-02-29"],
    "daterange": [{"value": "2024-01-01", "until": "2024-12-31"}],
    "time": [{"value": "09:00:00", "timezone_name": "Europe/Berlin"}],
    "timerange": [{"value": "09:00:00", "until": "17:00:00"}],
    "address": [ADDRESS],
}
BAD: dict[str, list[Any]] = {
    "varchar": [5, ["x"]],
    "varchar_auto": [5],
    "text": [5],
    "double": ["5", True],
    "monetary": [5, {"value": 5}, {"value": "5", "currency": "EUR"}, {"value": 5, "currency": "XXX"}],
    "enum": ["1", 999_999, [1], True],
    "set": [[], 1, ["1"], [999_999]],
    "user": ["2", 99],
    "org": ["2", 9999],
    "people": ["2", 9999],
    "phone": [49],
    "date": ["1.1.2024", "2024-02-30", 20240101],
    "daterange": ["2024-01-01", {"until": "2024-01-01"}, {"value": "x"}],
    "time": ["09:00:00", {"value": "9 o'clock"}],
    "timerange": ["09:00:00", {"value": "09:00:00", "until": "x"}],
    "address": ["Hauptstr. 1", {"locality": "Berlin"}, {"value": 1}],
}


def field_of(sandbox: Sandbox, field_type: str) -> dict[str, Any]:
    fields = sandbox.company.fields.custom("organizations").values()
    return next(dict(field) for field in fields if field["field_type"] == field_type)


def set_value(client: Client, code: str, value: Any) -> Any:
    answer = client.send("PATCH", "/api/v2/organizations/1", {"custom_fields": {code: value}})
    return answer["custom_fields"][code]


def test_the_generated_company_has_a_custom_field_of_every_type(sandbox: Sandbox) -> None:
    assert {field["field_type"] for field in sandbox.company.fields.custom("organizations").values()} == set(
        CUSTOM_TYPES
    )


@pytest.mark.parametrize(("field_type", "value"), [(kind, value) for kind, values in GOOD.items() for value in values])
def test_a_value_of_the_types_shape_is_kept_and_null_clears_it(
    sandbox: Sandbox, client: Client, field_type: str, value: Any
) -> None:
    code = field_of(sandbox, field_type)["field_code"]
    assert set_value(client, code, value) == value
    assert set_value(client, code, None) is None


@pytest.mark.parametrize(("field_type", "value"), [(kind, value) for kind, values in BAD.items() for value in values])
def test_a_value_of_another_shape_is_a_400(sandbox: Sandbox, client: Client, field_type: str, value: Any) -> None:
    code = field_of(sandbox, field_type)["field_code"]
    body = {"custom_fields": {code: value}}
    assert client.call("PATCH", "/api/v2/organizations/1", json=body).status_code == 400


def test_options_are_set_by_id_and_shown_with_labels_on_request(sandbox: Sandbox, client: Client) -> None:
    one, many = field_of(sandbox, "enum"), field_of(sandbox, "set")
    first, second = (option["id"] for option in many["options"][:2])
    assert set_value(client, one["field_code"], one["options"][0]["id"]) == one["options"][0]["id"]
    assert set_value(client, many["field_code"], [first, second]) == [first, second]
    shown = client.data("/api/v2/organizations/1", include_option_labels="true")["custom_fields"]
    assert shown[one["field_code"]] == one["options"][0]
    assert shown[many["field_code"]] == many["options"][:2]


def test_a_patch_of_one_custom_field_leaves_the_others(sandbox: Sandbox, client: Client) -> None:
    number, text = field_of(sandbox, "double")["field_code"], field_of(sandbox, "text")["field_code"]
    set_value(client, number, 7)
    set_value(client, text, "x")
    assert client.data("/api/v2/organizations/1")["custom_fields"][number] == 7


@pytest.mark.parametrize("path", ["organizationFields", "dealFields", "personFields", "activityFields"])
def test_definitions_are_listed_page_by_page(client: Client, path: str) -> None:
    whole = client.pages(f"/api/v2/{path}", limit=500, include_fields="ui_visibility")
    assert len(whole) > 10
    assert all(field["ui_visibility"] for field in whole)
    assert [field["field_code"] for field in client.pages(f"/api/v2/{path}", limit=7)] == [
        field["field_code"] for field in whole
    ]


def test_activities_have_no_custom_fields(client: Client) -> None:
    assert not any(field["is_custom_field"] for field in client.pages("/api/v2/activityFields"))
    field = {"field_name": "x", "field_type": "text"}
    assert client.call("POST", "/api/v2/activityFields", json=field).status_code == 405


@pytest.mark.parametrize("field_type", CUSTOM_TYPES)
@pytest.mark.parametrize("path", ["organizationFields", "dealFields", "personFields"])
def test_a_custom_field_of_any_type_can_be_created(client: Client, path: str, field_type: str) -> None:
    options = {"options": [{"label": "a"}, {"label": "b"}]} if field_type in ("enum", "set") else {}
    field = client.send("POST", f"/api/v2/{path}", {"field_name": "Neu", "field_type": field_type} | options)
    assert len(field["field_code"]) == 40
    assert [option["label"] for option in field["options"] or []] == [
        option["label"] for option in options.get("options", [])
    ]
    assert field["field_code"] in [listed["field_code"] for listed in client.pages(f"/api/v2/{path}", limit=500)]


@pytest.mark.parametrize(
    "body",
    [
        {"field_name": "x"},
        {"field_name": "x", "field_type": "picture"},
        {"field_name": "", "field_type": "text"},
        {"field_name": "x", "field_type": "enum"},
        {"field_name": "x", "field_type": "text", "options": [{"label": "a"}]},
        {"field_name": "x", "field_type": "set", "options": [{"name": "a"}]},
    ],
)
def test_a_field_that_makes_no_sense_is_refused(client: Client, body: dict[str, Any]) -> None:
    assert client.call("POST", "/api/v2/organizationFields", json=body).status_code == 400


def test_renaming_a_field_keeps_its_code_and_values(sandbox: Sandbox, client: Client) -> None:
    code = field_of(sandbox, "phone")["field_code"]
    set_value(client, code, "1")
    assert client.send("PATCH", f"/api/v2/organizationFields/{code}", {"field_name": "Neu"})["field_name"] == "Neu"
    assert client.data("/api/v2/organizations/1")["custom_fields"][code] == "1"


def test_deleting_a_field_takes_its_values_and_leaves_update_time(sandbox: Sandbox, client: Client) -> None:
    code = field_of(sandbox, "double")["field_code"]
    before = client.pages("/api/v2/organizations")
    assert client.call("DELETE", f"/api/v2/organizationFields/{code}").status_code == 200
    after = client.pages("/api/v2/organizations")
    assert not any(code in (record["custom_fields"] or {}) for record in after)
    assert [record["update_time"] for record in after] == [record["update_time"] for record in before]
    assert client.get(f"/api/v2/organizationFields/{code}").status_code == 404
    assert client.call("DELETE", "/api/v2/organizationFields/name").status_code == 400


def test_options_are_added_renamed_and_deleted_with_the_values_that_name_them(sandbox: Sandbox, client: Client) -> None:
    field = field_of(sandbox, "set")
    path, code = f"/api/v2/organizationFields/{field['field_code']}/options", field["field_code"]
    (added,) = client.send("POST", path, [{"label": "Neu"}])
    assert client.send("PATCH", path, [{"id": added["id"], "label": "Neuer"}]) == [
        {"id": added["id"], "label": "Neuer"}
    ]
    set_value(client, code, [added["id"], field["options"][0]["id"]])
    client.send("DELETE", path, [{"id": added["id"]}])
    assert client.data("/api/v2/organizations/1")["custom_fields"][code] == [field["options"][0]["id"]]
    assert client.call("DELETE", path, json=[{"id": added["id"]}]).status_code == 400
