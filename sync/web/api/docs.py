"""The description of the API for people: a page made from the same document that programs get."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from sync.web.api.schema import SERVER
from sync.web.pages.routes import Page
from sync.web.pages.visit import Visit

_REFERENCE = "#/components/schemas/"


@dataclass(frozen=True, slots=True)
class _Field:
    """A line of a table: a parameter, or a field of a document."""

    name: str
    kind: str
    link: str  # the document that it is, or is a list of
    required: bool
    description: str


@dataclass(frozen=True, slots=True)
class _Operation:
    """An operation as the page shows it."""

    anchor: str
    method: str
    path: str
    summary: str
    description: str
    parameters: Sequence[_Field]
    body: str  # the document that is sent
    answers: Sequence[tuple[str, str, str]]  # status, what it means, the document


def pages(description: Callable[[], Mapping[str, Any]]) -> Sequence[Page]:
    """The page."""

    def show(visit: Visit) -> Response:
        document = description()
        schemas = sorted(document["components"]["schemas"].items())
        return visit.show(
            "api_docs.html",
            about=document["info"]["description"].strip().split("\n\n"),
            version=document["info"]["version"],
            rooms=_rooms(document),
            documents=[(name, one.get("description", ""), list(_fields(one))) for name, one in schemas],
            server=SERVER,
            base=f"{visit.request.url.scheme}://{visit.request.url.netloc}{SERVER}",
        )

    return [Page("/docs", show, needs_accounts=False)]


def _rooms(document: Mapping[str, Any]) -> Mapping[str, Sequence[_Operation]]:
    rooms: dict[str, list[_Operation]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            rooms.setdefault(operation["tags"][0], []).append(_operation(method, path, operation))
    return rooms


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> _Operation:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    return _Operation(
        anchor=operation["operationId"],
        method=method.upper(),
        path=SERVER + path,
        summary=operation["summary"],
        description=operation.get("description", ""),
        parameters=[_parameter(one) for one in operation.get("parameters", ())],
        body=_kind(body)[1],
        answers=[
            (status, answer["description"], _kind(_schema_of(answer))[1])
            for status, answer in sorted(operation["responses"].items())
        ],
    )


def _schema_of(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    schemas: list[Mapping[str, Any]] = [one["schema"] for one in answer.get("content", {}).values()]
    return schemas[0] if schemas else {}


def _parameter(parameter: Mapping[str, Any]) -> _Field:
    kind, link = _kind(parameter["schema"])
    if parameter["in"] == "header":
        kind = f"{kind}, header"
    return _Field(parameter["name"], kind, link, parameter.get("required", False), parameter.get("description", ""))


def _fields(schema: Mapping[str, Any]) -> Iterator[_Field]:
    required = schema.get("required", ())
    for name, one in schema.get("properties", {}).items():
        kind, link = _kind(one)
        yield _Field(name, kind, link, name in required, one.get("description", ""))


def _kind(schema: Mapping[str, Any]) -> tuple[str, str]:
    """What a value is, in words, and the document that it is or is a list of."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_REFERENCE)
        return name, name
    if "anyOf" in schema:
        parts = [_kind(one) for one in schema["anyOf"]]
        return " | ".join(dict.fromkeys(kind for kind, _ in parts)), next((link for _, link in parts if link), "")
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"])), ""
    if schema.get("type") == "array":
        kind, link = _kind(schema.get("items", {}))
        return f"[{kind}]", link
    kind = str(schema.get("type", "any"))
    return (f"{kind} ({schema['format']})" if "format" in schema else kind), ""
