import json
from typing import Any

import pytest

from sync.sandbox import Sandbox
from sync.sandbox.call import Route
from sync.sandbox.routes import ROUTES
from tests.sandbox import contract
from tests.sandbox.conftest import Client

PREFIX = {1: "/v1/", 2: "/api/v2/"}
READABLE = [route for route in ROUTES if route.method == "GET"]


def name(route: Route) -> str:
    return f"{route.method} {PREFIX[route.version]}{route.template}"


def address(sandbox: Sandbox, route: Route) -> str:
    code = next(iter(sandbox.company.fields.custom(route.entity.name)), "subject")
    return PREFIX[route.version] + route.template.replace("{id}", "1").replace("{field_code}", code)


def described(route: Route) -> Any:
    """The vendor's description of an operation; an empty one where the files are not present or do not have it."""
    return contract.operations(route.version).get((route.method, f"/{route.template}"), {})


@pytest.mark.parametrize("route", READABLE, ids=name)
def test_every_reading_operation_answers_in_the_shape_the_vendor_describes(
    sandbox: Sandbox, client: Client, route: Route
) -> None:
    sandbox.company.create("webhooks", {"name": "x", "subscription_url": "http://x", "event_action": "*"})
    assert client.get(address(sandbox, route)).status_code == 200


@pytest.mark.parametrize("route", READABLE, ids=name)
def test_every_described_enumerated_parameter_takes_each_of_its_values(
    sandbox: Sandbox, client: Client, route: Route
) -> None:
    for parameter in described(route).get("parameters", []):
        for value in parameter["schema"].get("enum", ()) if parameter["in"] == "query" else ():
            answer = client.get(address(sandbox, route), **{parameter["name"]: value})
            assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("route", ROUTES, ids=name)
def test_every_operation_costs_what_the_vendor_says(route: Route) -> None:
    assert described(route).get("x-token-cost", route.cost) == route.cost


@pytest.mark.parametrize(
    ("method", "path", "body"), [("PATCH", "/api/v2/organizations/1", {"name": 5}), ("POST", "/v1/notes", {})]
)
def test_the_check_itself_finds_a_wrong_request_and_a_wrong_answer(method: str, path: str, body: Any) -> None:
    sent = json.dumps(body).encode()
    found = list(contract.problems(method, f"http://x{path}", sent, 200, {"success": 1}))
    assert len(found) == (2 if contract.find(method, path) else 0)


def test_the_calls_a_sandbox_kept_can_be_checked_afterwards(sandbox: Sandbox, client: Client) -> None:
    client.ids("/api/v2/deals", updated_since="2026-11-01T00:00:00Z", sort_by="update_time")
    client.send("PATCH", "/api/v2/organizations/1", {"name": "x"})
    assert [problem for call in sandbox.calls for problem in contract.call_problems(call)] == []
