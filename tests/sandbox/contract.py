"""Checks exchanges with the sandbox against the vendor's OpenAPI files, where these are present beside the checkout."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from jsonschema import Draft202012Validator

from sync.sandbox.api import ApiCall

SPECIFICATIONS = Path(__file__).parents[2].parent / "shared" / "pipedrive"
FILES = {version: SPECIFICATIONS / f"openapi-v{version}.json" for version in (1, 2)}
PREFIXES = {"/api/v2": 2, "/api/v1": 1, "/v1": 1}


def tolerant(schema: Any) -> Any:
    """The schema with null allowed everywhere: the vendor's examples have nulls that its schemas do not declare."""
    if isinstance(schema, list):
        return [tolerant(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    changed = {key: tolerant(part) for key, part in schema.items() if key not in ("nullable", "format", "example")}
    if isinstance(changed.get("type"), str):
        changed["type"] = [changed["type"], "null"]
    if isinstance(changed.get("enum"), list):
        changed["enum"] = [*changed["enum"], None]
    if isinstance(changed.get("required"), list):
        # The vendor's POST /organizations requires a "title" that it does not describe, and that no organization has.
        changed["required"] = [name for name in changed["required"] if name in changed.get("properties", {})]
    return changed


@cache
def operations(version: int) -> Mapping[tuple[str, str], Any]:
    """Every operation of an API version by method and path template; none where its file is not present."""
    if not FILES[version].exists():
        return {}
    paths = json.loads(FILES[version].read_text())["paths"]
    return {(method.upper(), path): details for path, methods in paths.items() for method, details in methods.items()}


@cache
def validator(version: int, method: str, template: str, status: str | None) -> Draft202012Validator | None:
    """The validator of the answer with that status, or of the request's body for None."""
    operation = operations(version)[method, template]
    described = operation.get("requestBody", {}) if status is None else operation["responses"].get(status, {})
    content = described.get("content", {}).get("application/json")
    return None if content is None else Draft202012Validator(tolerant(content["schema"]))


def find(method: str, path: str) -> tuple[int, str] | None:
    """The API version and path template of a request; None where the files describe no such operation."""
    for prefix, version in PREFIXES.items():
        if path.startswith(f"{prefix}/"):
            segments = path.removeprefix(prefix).split("/")
            for operation_method, template in sorted(
                operations(version), key=lambda operation: operation[1].count("{")
            ):
                if operation_method == method and _fits(template.split("/"), segments):
                    return version, template
    return None


def problems(method: str, url: str, body: bytes | None, status: int, answer: Any) -> Iterator[str]:
    """What in an exchange contradicts the vendor's files. The request counts only where it was accepted."""
    parts = urlsplit(url)
    found = find(method, parts.path)
    if found is None:
        return
    version, template = found
    if status < 400:
        yield from _request_problems(version, method, template, dict(parse_qsl(parts.query)), body)
    answers = validator(version, method, template, str(status))
    if answers is not None:
        yield from (
            f"{method} {parts.path}: {error.json_path} {error.message[:200]}" for error in answers.iter_errors(answer)
        )


def call_problems(call: ApiCall) -> list[str]:
    """What in a call that any client made of the sandbox, and that was accepted, contradicts the vendor's files."""
    found = find(call.method, call.path)
    if found is None or call.status >= 400:
        return []
    return list(_request_problems(found[0], call.method, found[1], call.query, call.body))


def _request_problems(
    version: int, method: str, template: str, query: Mapping[str, str], body: bytes | None
) -> Iterator[str]:
    known = {p["name"] for p in operations(version)[method, template].get("parameters", []) if p["in"] == "query"}
    yield from (f"{method} {template}: parameter {name} is not described" for name in query.keys() - known)
    bodies = validator(version, method, template, None)
    if bodies is not None:
        errors = bodies.iter_errors(json.loads(body or b"null"))
        yield from (f"{method} {template}: body {error.json_path} {error.message[:200]}" for error in errors)


def _fits(template: list[str], segments: list[str]) -> bool:
    pairs = zip(template, segments, strict=False)
    return len(template) == len(segments) and all(t == s or t.startswith("{") for t, s in pairs)
