"""The API keeps to its own description, whatever it is asked: every operation, with fitting and unfitting calls."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from sync.web.api.routes import create_api
from sync.web.api.schema import describe
from tests.web.api.conftest import Api, disputed, refuse

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
DESCRIPTION = describe(create_api(None))  # type: ignore[arg-type]
OPERATIONS = [(method, path) for path, methods in DESCRIPTION["paths"].items() for method in methods]
EXAMPLES = 20
# What of a body has to be something that is there; else hardly any would be taken.
MEANINGFUL: dict[str, dict[str, Any]] = {
    "post /v1/accounts/{organization_id}/activities": {"type": "call", "owner_id": None, "deal_id": None},
    "post /v1/conflicts/{conflict_id}/resolve": {"value": "A third name"},
    "patch /v1/accounts/{organization_id}": {"name": "Another name"},
}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=lambda one: one.strip("/").replace("/", "."))
def test_an_operation_answers_as_described_whatever_is_asked(api: Api, method: str, path: str) -> None:
    real = real_numbers(api)
    operation = schemathesis.openapi.from_dict(DESCRIPTION)[path][method.upper()]
    headers = {} if "requestBody" in DESCRIPTION["paths"][path][method] else {"Content-Type": "application/json"}
    statuses = set()

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data())
    def ask(data: st.DataObject) -> None:
        mode = data.draw(st.sampled_from(list(GenerationMode)))
        case: Case = data.draw(operation.as_strategy(generation_mode=mode))
        for name in set(case.path_parameters or {}) & real.keys():
            if data.draw(st.integers(0, 2)):
                case.path_parameters[name] = data.draw(st.sampled_from(real[name]))
        if isinstance(case.body, dict) and data.draw(st.booleans()):
            case.body = {**case.body, **MEANINGFUL.get(f"{method} {path}", {})}
        if case.headers is not None and "if-match" in case.headers and data.draw(st.booleans()):
            case.headers["if-match"] = "*"
        answer = case.call_and_validate(
            base_url=f"{api.site.url}/api", checks=CHECKS, headers=headers, session=api.site.session
        )
        statuses.add(answer.status_code)

    ask()
    assert statuses & {200, 202, 204}, statuses


def real_numbers(api: Api) -> dict[str, list[Any]]:
    """What there is, so that not every call asks for what is not."""
    accounts = api.desk.ids[:3]
    activities = [one["id"] for account in accounts for one in api.all(f"/accounts/{account}/activities", 100)]
    plan = {"subject": "Call back", "type": "call", "due_date": "2026-11-05"}
    errands = [api.send("POST", f"/accounts/{one}/activities", json=plan).json()["data"][0]["id"] for one in accounts]
    refuse(api, errands[0])
    return {
        "organization_id": accounts,
        "activity_id": activities,
        "errand_id": errands,
        "conflict_id": [disputed(api, one) for one in accounts],
    }
