"""The description of the API (OpenAPI 3.1), made from its operations, with the problems that each may answer."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

import sync
from sync.web.api.models import Problem

SERVER = "/api"

_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_ALWAYS = (401, 403, 421, 500, 503)
_WITH_BODY = (400, 413)
_DESCRIPTIONS: Mapping[int, str] = {
    400: "The body is not valid JSON.",
    401: "Nobody is signed in, or the token is not valid.",
    403: "You may not do that.",
    404: "There is no such thing.",
    412: "It has changed since.",
    413: "The body is too large.",
    421: "The service is not known by this name.",
    422: "Something that was sent can't be taken.",
    428: "Say what the change is based on.",
    500: "Something went wrong inside.",
    503: "The database can't be reached, or nothing is copied yet.",
}
_ABOUT = """\
Accounts of Pipedrive, kept in a database of your own. What is read comes from there; what is changed is
written to Pipedrive by the service.

Amounts are texts, so that nothing is rounded. Times are RFC 3339 in UTC. Lists answer a page, and in `next_cursor`
where to read on. Errors are problem documents (RFC 9457). A change needs `Content-Type: application/json`, or a token.
"""


def describe(app: FastAPI) -> dict[str, Any]:
    """The description of an application's operations."""
    document: dict[str, Any] = get_openapi(
        title="pipedrive-sync",
        version=sync.__version__,
        summary="Accounts, and what hangs on them.",
        description=_ABOUT,
        routes=app.routes,
        servers=[{"url": SERVER}],
    )
    schemas = document["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= problem.pop("$defs")
    schemas["Problem"] = problem
    document["components"]["securitySchemes"] = {
        "token": {
            "type": "http",
            "scheme": "bearer",
            "description": "Made with `pipedrive-sync tokens add`. Where nobody has to sign in, none is needed.",
        }
    }
    document["security"] = [{"token": []}, {}]
    choices = {name: schemas.pop(name) for name, one in list(schemas.items()) if "enum" in one}
    document = dict(_inlined(document, choices))
    for operation in operations(document):
        _add_problems(operation)
        _require_tags(operation)
    return document


def _inlined(part: Any, choices: Mapping[str, Any]) -> Any:
    """A description in which lists of choices stand where they are used: they are no documents of their own."""
    if isinstance(part, list):
        return [_inlined(one, choices) for one in part]
    if not isinstance(part, dict):
        return part
    name = str(part.get("$ref", "")).rpartition("/")[2]
    if name in choices:
        inlined = {key: value for key, value in choices[name].items() if key not in ("title", "description")}
        return inlined | {key: value for key, value in part.items() if key != "$ref"}
    return {key: _inlined(value, choices) for key, value in part.items()}


def operations(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every operation of a description."""
    for methods in document["paths"].values():
        yield from methods.values()


def _add_problems(operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    named = [int(status) for status in responses if int(status) >= 400]
    statuses = {422, *named, *_ALWAYS, *(_WITH_BODY if "requestBody" in operation else ())}
    for status in sorted(statuses):
        description = _DESCRIPTIONS.get(status, HTTPStatus(status).phrase)
        responses[str(status)] = {"description": description, "content": _PROBLEM}
    for status in [one for one in responses if one in ("204", "304")]:
        responses[status].pop("content", None)


def _require_tags(operation: dict[str, Any]) -> None:
    """Whoever changes an account has to say what the change is based on; leaving it out has an answer of its own."""
    for parameter in operation.get("parameters", ()):
        if parameter["name"] == "if-match":
            parameter["required"] = True
            parameter["schema"] = {"type": "string"}
